"""Official-style snapshots made by hand, from stand-in classes under the names that the specification lists."""

import io
import pickle
import sys
import types
import warnings
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

SHAPES = dict[str, list[int]]
FIR = torch.outer(torch.tensor([1.0, 3.0, 3.0, 1.0]), torch.tensor([1.0, 3.0, 3.0, 1.0])) / 64
PLANE_AXES = {
    "eg3d": [[[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 0, 1], [0, 1, 0]], [[0, 0, 1], [1, 0, 0], [0, 1, 0]]],
    "panohead": [[[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 0, 1], [0, 1, 0]], [[0, 1, 0], [0, 0, 1], [1, 0, 0]]],
}
BUFFERS = ("resample_filter", "noise_const", "w_avg", "dataset_label_std", "faces", "uvfaces", "uvcoords", "raw_uvcoords")


def _reconstruct_persistent_obj(meta: dict) -> None:
    raise AssertionError("a stand-in was called")


def scalar(dtype: Any, data: bytes) -> None:
    raise AssertionError("a stand-in was called")


class EasyDict(dict):
    """Pickled as NEWOBJ + SETITEMS."""


class Persistent(nn.Module):
    """Pickled by its own source text, as the originals' networks are. `module_src` would run on a normal load."""

    module_src = "raise AssertionError('the source text was executed')"

    def __init__(self, class_name: str, **attributes: Any) -> None:
        super().__init__()
        self.__dict__.update(_init_args=(), _init_kwargs=EasyDict(), **attributes)
        self.__dict__["class_name_"] = class_name

    def __reduce__(self) -> tuple:
        state = {key: value for key, value in self.__dict__.items() if key != "class_name_"}
        meta = {"type": "class", "version": 6, "module_src": self.module_src, "class_name": self.class_name_, "state": state}
        return _reconstruct_persistent_obj, (meta,)


class RaySampler(nn.Module):
    pass


class ImportanceRenderer(nn.Module):
    pass


class OSGDecoder(nn.Module):
    pass


_PLACES = {
    **{package: [] for package in ("torch_utils", "dnnlib", "training", "training.volumetric_rendering")},
    "torch_utils.persistence": [_reconstruct_persistent_obj],
    "dnnlib.util": [EasyDict],
    "numpy.core.multiarray": [scalar],
    "training.volumetric_rendering.ray_sampler": [RaySampler],
    "training.volumetric_rendering.renderer": [ImportanceRenderer],
    "training.triplane": [OSGDecoder],
}


@contextmanager
def _stand_ins() -> Iterator[None]:
    """The stand-ins importable under the originals' names, as pickling demands."""
    before = {name: sys.modules.get(name) for name in _PLACES}
    homes = {thing: thing.__module__ for things in _PLACES.values() for thing in things}
    for name, things in _PLACES.items():
        sys.modules[name] = types.ModuleType(name)
        for thing in things:
            thing.__module__ = name
            setattr(sys.modules[name], thing.__name__, thing)
    try:
        yield
    finally:
        for thing, home in homes.items():
            thing.__module__ = home
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


class _Numpy1Pickler(pickle._Pickler):  # type: ignore[name-defined]  # the pure Python one, whose reducers can be replaced
    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, np.generic):
            return scalar, (value.dtype, value.tobytes())
        return NotImplemented


def dumps(value: Any, numpy1: bool = False, protocol: int = 4) -> bytes:
    """A pickle with the global names of the originals."""
    buffer = io.BytesIO()
    with _stand_ins(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (_Numpy1Pickler if numpy1 else pickle.Pickler)(buffer, protocol=protocol).dump(value)
    return buffer.getvalue()


def recipe(key: str, shape: list[int]) -> Tensor:
    """The golden files' weights: made of the key alone."""
    leaf = key.rpartition(".")[2]
    if leaf == "resample_filter":
        return FIR.clone()
    r = np.random.RandomState(zlib.crc32(key.encode()) & 0xFFFFFFFF).standard_normal(shape).astype(np.float32)
    x = torch.from_numpy(np.asarray(r))
    if leaf == "noise_strength" or leaf == "bias":
        x = 0.1 * x
    if leaf == "w_avg":
        x = 0.3 * x
    if leaf == "weight" and "mapping.fc" in key and "t_mapping" not in key:
        x = 100 * x
    if key == "t_mapping.fc1.weight":
        x = 0.05 * x
    if key == "t_mapping.fc1.bias":
        x = 0.2 * x
    if leaf == "bias" and ".affine." in key:
        x = x + 1
    if key == "decoder.net.2.weight":
        x[0] *= 40
    if key == "decoder.net.2.bias":
        x[0] = 8
    return x


def network(class_name: str, tensors: dict[str, Tensor], by_reference: bool = False, **attributes: Any) -> Persistent:
    """Nested stand-in modules that hold the dotted `tensors`; `decoder.net`, `ConvA` and `ConvB` are torch's Sequential."""
    root = Persistent(class_name, **attributes)
    for key, value in tensors.items():
        *path, leaf = key.split(".")
        module: nn.Module = root
        for depth, name in enumerate(path):
            if name not in module._modules:
                module.add_module(name, _part(".".join(path[: depth + 1]), by_reference))
            child = module._modules[name]
            assert child is not None
            module = child
        if leaf in BUFFERS:
            module.register_buffer(leaf, value)
        else:
            module.register_parameter(leaf, nn.Parameter(value, requires_grad=False))
    return root


def _part(path: str, by_reference: bool) -> nn.Module:
    if path in ("ConvA", "ConvB"):
        return nn.Sequential()
    if path == "decoder.net":
        return nn.Sequential(Persistent("FullyConnectedLayer"), nn.Softplus(), Persistent("FullyConnectedLayer"))
    if path == "decoder" and by_reference:
        return OSGDecoder()
    names = {"backbone": "Generator", "synthesis": "SynthesisNetwork", "conv0": "SynthesisLayer", "torgb": "ToRGBLayer"}
    leaf = path.rpartition(".")[2]
    class_name = names.get(leaf, "SynthesisBlock")
    return Persistent(class_name, weight_gain=np.float64(0.25), block_resolutions=[4, 8], activation="lrelu")


def generator(family: str, kwargs: dict[str, Any], tensors: dict[str, Tensor], nrr: int = 32) -> Persistent:
    """A TriPlaneGenerator of `family` (its renderer and ray sampler too) built with constructor arguments `kwargs`."""
    root = Persistent("TriPlaneGenerator", neural_rendering_resolution=nrr, _last_planes=None)
    root.__dict__["rendering_kwargs"] = EasyDict(kwargs["rendering_kwargs"])
    root.__dict__["_init_kwargs"] = EasyDict({**kwargs, "sr_kwargs": EasyDict(kwargs["sr_kwargs"])})
    renderer = ImportanceRenderer() if family == "eg3d" else Persistent("ImportanceRenderer")
    if family in PLANE_AXES:
        renderer.__dict__["plane_axes"] = torch.tensor(PLANE_AXES[family], dtype=torch.float32)
    root.add_module("renderer", renderer)
    root.add_module("ray_sampler", RaySampler())
    built = network("TriPlaneGenerator", tensors, by_reference=family == "eg3d")
    for table in ("_parameters", "_buffers", "_modules"):
        getattr(root, table).update(getattr(built, table))
    return root


def ordered(module: nn.Module) -> nn.Module:
    """The module with OrderedDict tables, as torch before 2.7 had them."""
    for part in module.modules():
        for table in ("_parameters", "_buffers", "_modules"):
            part.__dict__[table] = OrderedDict(part.__dict__[table])
    return module


def snapshot(G_ema: nn.Module, **others: Any) -> dict[str, Any]:
    return {"training_set_kwargs": None, "G": None, "D": None, **others, "G_ema": G_ema, "augment_pipe": None}
