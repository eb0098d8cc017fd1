"""Read an original snapshot (PanoHead, EG3D, SphereHead, Head360) as data, executing nothing in it [pano spec 6].

Such a file is a plain pickle whose own loader runs source text that is stored inside. Here every global that may occur has a
function below that builds a plain value; `fullhead.io.pickles` refuses all others. Tensors are windows into storages, so
a file that repeats one a thousand times costs nothing.
"""

import mmap
import struct
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from fullhead.convert.tensors import CALLS, STORAGES, Storage, exactly, storage_description, storage_of
from fullhead.core.errors import FullheadError, with_article
from fullhead.io.files import existing_file
from fullhead.io.pickles import MAX_NAME, Refused, Source, Vocabulary, expect, read_pickle, show

MAX_OPERATIONS = 400_000  # G, D and G_ema of the published size have 61,000
MAX_STORAGE_OPERATIONS = 256  # of each of the five small pickles before a storage's numbers
MAX_DEPTH = 32  # of modules in modules
MAX_ENTRIES = 20_000  # names in one network
STORAGE_MAGIC, STORAGE_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of torch.save's old, zip-less format

NUMPY_SCALARS = frozenset({"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"})


@dataclass(frozen=True, eq=False)
class Module:
    """A pickled torch module: the name of its class and everything it stored. Its methods are not kept."""

    class_name: str
    state: dict[Any, Any]

    @property
    def parameters(self) -> dict[str, Tensor | None]:
        return self._table("_parameters", Tensor)

    @property
    def buffers(self) -> dict[str, Tensor | None]:
        """Those that belong to the state dict."""
        temporary = self._field("_non_persistent_buffers_set", set, set())
        return {name: buffer for name, buffer in self._table("_buffers", Tensor).items() if name not in temporary}

    @property
    def modules(self) -> "dict[str, Module | None]":
        return self._table("_modules", Module)

    @property
    def init_args(self) -> tuple:
        return self._field("_init_args", tuple, ())

    @property
    def init_kwargs(self) -> dict[Any, Any]:
        return self._field("_init_kwargs", dict, {})

    @property
    def attributes(self) -> dict[str, Any]:
        """What the constructor left on the object: all but torch's own tables."""
        return {name: value for name, value in self.state.items() if isinstance(name, str) and not name.startswith("_")}

    def _field(self, name: str, kind: type, default: Any) -> Any:
        value = self.state.get(name, default)
        if not isinstance(value, kind):
            found = with_article(type(value).__name__)
            raise FullheadError(f"damaged snapshot: {self.class_name}.{name} is {found}, not {with_article(kind.__name__)}")
        return value

    def _table(self, name: str, kind: type) -> dict[str, Any]:
        table = self._field(name, dict, {})
        if len(table) > MAX_ENTRIES:
            raise FullheadError(f"damaged snapshot: {self.class_name}.{name} has {len(table)} entries, over {MAX_ENTRIES}")
        for key, value in table.items():
            if not isinstance(key, str) or not key or "." in key or len(key) > MAX_NAME:
                raise FullheadError(f"damaged snapshot: {show(key)} cannot be a name in {self.class_name}.{name}")
            if value is not None and not isinstance(value, kind):
                found = with_article(type(value).__name__)
                raise FullheadError(f"damaged snapshot: {self.class_name}.{name} holds a {found}, not a {kind.__name__}")
        return table


def state_dict(module: Module) -> dict[str, Tensor]:
    """Dotted name -> tensor, in torch's order: a module's parameters, its buffers, then its modules; absent ones left out."""
    tensors: dict[str, Tensor] = {}
    entries = 0
    waiting = [("", module, 0)]  # a stack: the next module is at its end
    while waiting:
        prefix, part, depth = waiting.pop()
        parameters, buffers, modules = part.parameters, part.buffers, part.modules
        entries += 1 + len(parameters) + len(buffers) + len(modules)
        if depth > MAX_DEPTH or entries > MAX_ENTRIES:
            limits = f"over {MAX_DEPTH} deep, or over {MAX_ENTRIES} entries"
            raise FullheadError(f"damaged snapshot: {module.class_name} has modules nested {limits}")
        for name, tensor in (*parameters.items(), *buffers.items()):
            if prefix + name in tensors:
                raise FullheadError(f"damaged snapshot: {module.class_name} has two tensors named {show(prefix + name)}")
            if tensor is not None:
                tensors[prefix + name] = tensor
        waiting += [(f"{prefix}{name}.", child, depth + 1) for name, child in modules.items() if child is not None][::-1]
    return tensors


def read_snapshot(path: str | Path) -> dict[str, Any]:
    """The top-level dict of an original snapshot: plain values, torch tensors and `Module` records.

    Nothing in the file is executed or imported. Raises FullheadError, naming the reason, for a file that is not a snapshot
    pickle, is damaged, or names anything outside the list of the specification.
    """
    path = existing_file(path, "snapshot")
    try:
        with path.open("rb") as file:
            view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) if path.stat().st_size else memoryview(b"")
    except OSError as error:
        raise FullheadError(f"cannot read {path}: {error.strerror}") from error
    _check_start(path, bytes(view[:16]))
    source = Source(view)
    try:
        snapshot = expect(read_pickle(source, _snapshot_vocabulary()), dict, "its content, not a dict of networks")
        if source.tell() != len(view):
            raise Refused(f"goes on for {len(view) - source.tell()} bytes after its end")
    except Refused as error:
        raise FullheadError(f"{path} {error}; it was not executed") from None
    except (ValueError, IndexError) as error:
        where = f"damaged or cut short near byte {source.tell()} of {len(view)}"
        raise FullheadError(f"{path} is {where} ({error}): download it again; it was not executed") from None
    return snapshot


def _check_start(path: Path, start: bytes) -> None:
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return
    found = "something else"
    if not start:
        found = "an empty file"
    elif start.startswith(b"PK"):
        found = "a zip archive (written by torch.save, perhaps)"
    elif start[8:9] == b"{":
        found = "a safetensors file (one of fullhead's needs no conversion)"
    elif start.startswith((b"\x89PNG", b"\xff\xd8\xff")):
        found = "an image"
    elif all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in start):
        found = "text (the error page of a download, perhaps)"
    raise FullheadError(f"{path} is not a snapshot pickle but {found}: give the .pkl file of an original release")


def _snapshot_vocabulary() -> Vocabulary:
    """The complete list of globals of the families [pano spec 6.4] [h360 spec 7]."""
    rendering = ("ray_sampler.RaySampler", "renderer.ImportanceRenderer", "ray_marcher.MipRayMarcher2")
    by_reference = (
        "torch.nn.modules.container.Sequential",
        "torch.nn.modules.container.ModuleList",
        "torch.nn.modules.activation.Softplus",
        *(f"{p}.volumetric_rendering.{name}" for p in ("training", "training_avatar_texture") for name in rendering),
        "training.triplane.OSGDecoder",
        *(f"training_avatar_texture.triplane_{name}.OSGDecoder" for name in ("next3d", "head360")),
    )
    return Vocabulary(
        operations=MAX_OPERATIONS,
        calls={
            **CALLS,
            "torch_utils.persistence._reconstruct_persistent_obj": _module,
            "torch.storage._load_from_bytes": _StorageReader(),
            "numpy.dtype": _dtype,
            "numpy.core.multiarray.scalar": _scalar,  # numpy 1
            "numpy._core.multiarray.scalar": _scalar,  # numpy 2
        },
        classes={
            "dnnlib.util.EasyDict": dict,
            **{name: lambda name=name: Module(name.rpartition(".")[2], {}) for name in by_reference},
        },
        build=_build,
    )


def _module(arguments: tuple) -> Module:
    """torch_utils.persistence._reconstruct_persistent_obj(meta): a record; the source text in it is not looked at."""
    meta = expect(exactly(arguments, 1, "_reconstruct_persistent_obj")[0], dict, "a persistent object")
    class_name = expect(meta.get("class_name"), str, "the class of a persistent object")
    kind = expect(meta.get("type"), str, "the type of a persistent object")
    if kind != "class" or len(class_name) > MAX_NAME or not class_name.isidentifier() or not class_name.isascii():
        raise Refused(f"holds a persistent object that is no class: {show(class_name)}")
    return Module(class_name, expect(meta.get("state"), dict, "the state of a persistent object"))


def _build(target: Any, state: Any) -> None:
    if isinstance(target, np.dtype):
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        if type(order) is not str or order not in "<|":
            raise Refused("holds numpy numbers that are not little-endian")
    elif isinstance(target, Module) and not target.state:
        target.state.update(expect(state, dict, "the state of a module"))
    elif isinstance(target, dict):
        target.update(expect(state, dict, "the state of a dict"))
    else:
        raise Refused(f"gives a state to {with_article(type(target).__name__)}")


class _StorageReader:
    """torch.storage._load_from_bytes(bytes), each bytes object once."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[Any, Storage]] = {}  # the bytes are kept beside, so that their id stays theirs

    def __call__(self, arguments: tuple) -> Storage:
        data = expect(exactly(arguments, 1, "_load_from_bytes")[0], (bytes, memoryview), "the bytes of a storage")
        if id(data) not in self.known:
            self.known[id(data)] = (data, _read_storage(memoryview(data)))
        return self.known[id(data)][1]


def _read_storage(view: memoryview) -> Storage:
    """Five small pickles (magic, protocol, system, description, keys), an int64 count, the numbers."""
    source = Source(view)
    described = partial(storage_description, length=6)
    vocabulary = Vocabulary(MAX_STORAGE_OPERATIONS, {}, {}, frozenset(STORAGES), persistent=described)
    magic, protocol, system, description, keys = (read_pickle(source, vocabulary) for _ in range(5))
    if magic != STORAGE_MAGIC or protocol != STORAGE_PROTOCOL or not isinstance(description, tuple):
        raise Refused("holds a storage that is not in torch's old format")
    if expect(system, dict, "the system of a storage").get("little_endian") is not True:
        raise Refused("holds a storage that is not little-endian")
    dtype, key, numel = description
    if keys != [key]:
        raise Refused("holds several tensors where one storage belongs")
    count, numbers = bytes(view[source.tell() : source.tell() + 8]), view[source.tell() + 8 :]
    if count != struct.pack("<q", numel) or len(numbers) != numel * dtype.itemsize:
        raise Refused(f"claims a storage of {numel} numbers ({numel * dtype.itemsize} bytes) where {len(numbers)} bytes are")
    return storage_of(bytearray(numbers), dtype)


def _dtype(arguments: tuple) -> np.dtype:
    code = arguments[0] if 1 <= len(arguments) <= 3 else None
    if type(code) is not str or code not in NUMPY_SCALARS:
        raise Refused(f"holds numpy values of type {show(code)}, not plain numbers")
    return np.dtype("<" + code)


def _scalar(arguments: tuple) -> float | int | bool:
    """numpy.core.multiarray.scalar(dtype, bytes): the number."""
    dtype, data = exactly(arguments, 2, "a numpy number")
    number = expect(dtype, np.dtype, "the type of a numpy number")
    if len(expect(data, bytes, "a numpy number")) != number.itemsize:
        raise Refused(f"holds a numpy number of {len(data)} bytes instead of {number.itemsize}")
    return np.frombuffer(data, number)[0].item()
