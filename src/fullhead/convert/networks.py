"""One network of an original snapshot as plain values: constructor arguments, rendering options, named tensors [pano spec 6].

What the originals of the EG3D lineage share. Their options stand in two bags of keyword arguments; FIR filters are checked, and
left out as the constants that they are.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from fullhead.convert.reader import Module, state_dict
from fullhead.convert.tensors import shape_of
from fullhead.core.errors import FullheadError, with_article
from fullhead.io.pickles import show
from fullhead.nn.superres import SuperresConfig

Which = Literal["G_ema", "G", "D"]

FIR = torch.outer(torch.tensor([1.0, 3.0, 3.0, 1.0]), torch.tensor([1.0, 3.0, 3.0, 1.0])) / 64
ARGUMENTS = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels")  # that may be given by position
MESHES = ("faces", "uvfaces", "uvcoords", "raw_uvcoords", "face_uvcoords", "dense_faces", "uv_face_mask")  # buffers of Head360
MAX_VALUES = 10_000  # plain values among the arguments of a network

# Super-resolutions by class: input size, whether the first block doubles it, only ever enlarge, antialias [pano spec 1.11]
SUPERRES: dict[str, tuple[int, bool, bool, bool]] = {
    "SuperresolutionHybrid8XDC": (128, True, False, True),
    "SuperresolutionHybrid8X": (128, True, False, True),
    "SuperresolutionHybrid4X": (128, False, True, True),
    "SuperresolutionHybrid2X": (64, False, False, True),
    "SuperresolutionHybridDeepfp32": (128, False, True, False),
}


@dataclass(frozen=True)
class Converted:
    """One network of a snapshot as plain values: constructor arguments, rendering options, named tensors.

    `parts`: class names of the network ("") and of its parts. `neural_rendering_resolution` in pixels, the generator's.
    """

    family: str
    which: Which
    parts: dict[str, str]
    init_kwargs: dict[str, Any]
    rendering_kwargs: dict[str, Any]
    neural_rendering_resolution: int
    tensors: dict[str, Tensor]


def converted_network(snapshot: dict[str, Any], which: Which, family: str) -> Converted:
    """Network `which` of a snapshot."""
    network, generator = network_of(snapshot, which), generator_of(snapshot, which)
    rendering = generator.attributes.get("rendering_kwargs", arguments_of(generator).get("rendering_kwargs", {}))
    parts = {"": network.class_name, **{name: part.class_name for name, part in network.modules.items() if part is not None}}
    return Converted(
        family=family,
        which=which,
        parts=parts,
        init_kwargs=plain_values(arguments_of(network), "constructor arguments"),
        rendering_kwargs=plain_values(rendering, "rendering_kwargs"),
        neural_rendering_resolution=integer(generator.attributes, "neural_rendering_resolution", 64),
        tensors=tensors_of(network),
    )


def generator_of(snapshot: dict[str, Any], which: Which) -> Module:
    """The generator that is `which`, or that a discriminator was trained with."""
    return network_of(snapshot, which if which != "D" else "G_ema" if snapshot.get("G_ema") is not None else "G")


def network_of(snapshot: dict[str, Any], which: str) -> Module:
    network = snapshot.get(which)
    if not isinstance(network, Module):
        there = ", ".join(show(key) for key, value in snapshot.items() if isinstance(value, Module)) or "no network"
        raise FullheadError(f"the snapshot has no network {which}: there is {there}")
    return network


def arguments_of(network: Module) -> dict[str, Any]:
    """Constructor arguments by name, those given by position too."""
    args, kwargs = network.init_args, network.init_kwargs
    if len(args) > len(ARGUMENTS) or any(name in kwargs for name in ARGUMENTS[: len(args)]):
        raise FullheadError(f"{network.class_name} was made with {len(args)} arguments by position, which cannot be named")
    return {**dict(zip(ARGUMENTS, args, strict=False)), **kwargs}


def tensors_of(network: Module) -> dict[str, Tensor]:
    """Copies of the state dict without the constants and the meshes, of whole numbers and what is made of these."""
    found = {name: x for name, x in state_dict(network).items() if name not in MESHES}
    stored = {x.untyped_storage().data_ptr(): x.untyped_storage().nbytes() for x in found.values()}
    if sum(x.nbytes for x in found.values()) > sum(stored.values()):
        raise FullheadError("damaged snapshot: its tensors overlap each other")
    tensors = {}
    for name, x in found.items():
        if name.rpartition(".")[2] == "resample_filter":
            if x.shape != FIR.shape or not torch.equal(x.float(), FIR):
                raise FullheadError(f"{show(name)} is another filter than [1, 3, 3, 1]: this network cannot be rebuilt")
        elif name != "dataset_label_std":
            if not x.is_floating_point() or not bool(x.isfinite().all()):
                raise FullheadError(
                    f"{show(name)} holds {x.dtype} values that are not all finite numbers: the snapshot is broken"
                )
            tensors[name] = x.clone(memory_format=torch.contiguous_format)
    return tensors


def plain_values(values: Any, what: str) -> dict[str, Any]:
    """A dict as JSON can hold it: text keys, dicts, lists, text, finite numbers, None; tuples become lists."""
    left = MAX_VALUES
    if not isinstance(values, dict):
        raise FullheadError(f"damaged snapshot: its {what} are {show(values)}, not a dict")

    def copy(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or depth > 16:
            raise FullheadError(f"damaged snapshot: its {what} are nested deeper than 16 or more than {MAX_VALUES}")
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return {key: copy(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [copy(item, depth + 1) for item in value]
        if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
            return value
        raise FullheadError(f"damaged snapshot: its {what} hold {show(value)}")

    return copy(values, 0)


def superres_config(converted: Converted) -> SuperresConfig:
    name = converted.parts.get("superresolution", "")
    if name not in SUPERRES:
        raise FullheadError(f"the super-resolution is {with_article(name or 'missing part')}: known are {', '.join(SUPERRES)}")
    size, doubles, enlarge_only, antialias = SUPERRES[name]
    first, second = (shape_of(converted.tensors, f"superresolution.block{i}.conv1.weight", 4)[0] for i in (0, 1))
    config = SuperresConfig(
        input_size=size,
        channels=(first, second),
        upsample_first=doubles,
        enlarge_only=enlarge_only,
        clamp=256.0 if integer(converted.init_kwargs, "sr_num_fp16_res") > 0 else None,
        antialias=antialias and bool(converted.rendering_kwargs.get("sr_antialias", True)),
    )
    made = config.input_size * config.factor
    if made != integer(converted.init_kwargs, "img_resolution"):
        raise FullheadError(f"{name} makes images of {made} px, not {show(converted.init_kwargs['img_resolution'])}")
    return config


def is_conditioned(rendering: dict[str, Any]) -> bool:
    """Whether the mapping sees the camera. The originals multiply it by c_scale, which is 0 where it is missing."""
    scale = number(rendering, "c_scale", 0.0)
    if scale not in (0.0, 1.0):
        raise FullheadError(f"c_scale is {scale}: only 0 (no camera) and 1 are known")
    return scale == 1.0 and not rendering.get("c_gen_conditioning_zero", False)


def check_only(kwargs: dict[str, Any], allowed: dict[str, Any]) -> None:
    for name, value in allowed.items():
        if kwargs.get(name, value) != value:
            raise FullheadError(f"the original has {name} {show(kwargs[name])}: only {show(value)} can be rebuilt")


def sizes_of(tensors: dict[str, Tensor], prefix: str) -> Iterator[int]:
    """The resolutions r of names `<prefix><r>.…`."""
    found = {name.removeprefix(prefix).partition(".")[0] for name in tensors if name.startswith(prefix)}
    if not found or not all(text.isascii() and text.isdigit() and 4 <= int(text[:6]) <= 1 << 14 for text in found):
        raise FullheadError(f"the original has no blocks {prefix}4, {prefix}8, ...: it cannot be rebuilt")
    return map(int, found)


def integer(values: dict[str, Any], name: str, default: int | None = None, least: int = 0) -> int:
    value = values.get(name, default)
    if type(value) is not int or not least <= value <= 1 << 20:
        raise FullheadError(f"the original's {name} is {show(value)}: a whole number from {least} to {1 << 20} is due")
    return value


def number(values: dict[str, Any], name: str, default: float | None = None, least: float = -math.inf) -> float:
    value = values.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < math.inf:
        raise FullheadError(f"the original's {name} is {show(value)}: a number is due, at least {least}")
    return float(value)
