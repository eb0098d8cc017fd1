"""FLAME from the licensed file that the user has: generic_model.pkl, flame2020.pkl, or its arrays as .npz or .safetensors.

The pickles come from Python 2 and hold chumpy objects and scipy matrices. Nothing in them is executed and neither library is
needed: a chumpy object is the array in its state's entry `x`, a sparse matrix its columns.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.lib.format import read_array_header_1_0, read_array_header_2_0, read_magic
from numpy.typing import NDArray
from safetensors.numpy import load_file
from scipy import sparse
from torch import Tensor

from fullhead.core.errors import FullheadError, in_words, with_article
from fullhead.io.files import existing_file
from fullhead.io.pickles import Global, Refused, Source, Vocabulary, expect, read_pickle, show
from fullhead.io.reading import DAMAGED
from fullhead.rig.rig import Rig
from fullhead.rig.template import JOINTS

IDENTITY = 300  # components of `shapedirs` that are shape; those behind are expression
MAX_OPERATIONS = 20_000  # a FLAME pickle has some hundreds
MOST_BYTES = 1 << 29  # of a .npz; FLAME's arrays have 36 MB
NUMBERS = frozenset({"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"})
Arrays = Mapping[str, NDArray]


def load_flame(path: str | Path) -> Rig:
    """The rig of a FLAME file: metres, 300 shapes, up to 100 expressions, joints as `JOINTS`.

    Raises FullheadError for what is not a FLAME file, with the reason.
    """
    path = existing_file(path, "FLAME file")
    readers: dict[str, Callable[[Path], Arrays]] = {".npz": _plain, ".safetensors": _plain, ".pkl": _pickle}
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise FullheadError(f"{path}: a FLAME file ends in .pkl, .npz or .safetensors")
    try:
        return flame_rig(readers[suffix](path))
    except Refused as error:
        raise FullheadError(f"{path} {error}") from None


def flame_rig(arrays: Arrays) -> Rig:
    """The rig of FLAME's arrays by their names in its file: V vertices, F faces, 5 joints. Raises Refused.

    v_template [V, 3], f [F, 3], shapedirs [V, 3, 300 + E], posedirs [V, 3, 36], J_regressor [5, V], weights [V, 5],
    kintree_table [2, 5], whose first row holds the parents.
    """
    count, joints = len(np.atleast_1d(arrays.get("v_template", ()))), len(JOINTS)
    wanted = {
        "v_template": (count, 3),
        "f": (None, 3),
        "shapedirs": (count, 3, None),
        "posedirs": (count, 3, 9 * (joints - 1)),
        "J_regressor": (joints, count),
        "weights": (count, joints),
    }
    if missing := [name for name in wanted if name not in arrays]:
        raise Refused(f"has no array {missing[0]}: give FLAME's own file (generic_model.pkl)")
    for name, shape in wanted.items():
        found = arrays[name].shape
        if len(found) != len(shape) or any(w not in (None, n) for n, w in zip(found, shape, strict=True)):
            raise Refused(f"has {name} of shape {list(found)}, not {['any' if n is None else n for n in shape]}")
        if not (np.abs(arrays[name].astype(np.float64)) < 1e9).all():
            raise Refused(f"has numbers in {name} that are far too large or no numbers")
    faces = torch.from_numpy(np.array(arrays["f"], np.int64))
    if len(faces) == 0 or faces.min() < 0 or faces.max() >= count:
        raise Refused(f"has faces that name vertices beyond its {count}")
    template, basis, pose, regressor, weights = (
        torch.from_numpy(np.array(arrays[name], np.float64)) for name in wanted if name != "f"
    )
    basis, pose = basis.permute(2, 0, 1), pose.permute(2, 0, 1)
    expressions = len(basis) - IDENTITY
    if expressions <= 0:
        raise Refused(f"has {len(basis)} shape components, not {IDENTITY} and those of expressions")

    def single(tensor: Tensor) -> Tensor:
        return tensor.float().contiguous()

    return Rig(
        template=single(template),
        faces=faces,
        shape_basis=single(basis[:IDENTITY]),
        expression_basis=single(basis[IDENTITY:]),
        pose_basis=single(pose),
        skin_weights=single(weights),
        rest_joints=single(regressor @ template),
        joint_shape_basis=single(regressor @ basis[:IDENTITY]),
        joint_expression_basis=single(regressor @ basis[IDENTITY:]),
        expression_pose=torch.zeros(expressions, joints, 3),
        parents=_parents(arrays.get("kintree_table")),
        joint_names=JOINTS,
        shape_names=tuple(f"shape {i + 1}" for i in range(IDENTITY)),
        expression_names=tuple(f"expression {i + 1}" for i in range(expressions)),
        combinations=(),
        contacts=(),
        metres=1.0,
    )


def _parents(kintree: NDArray | None) -> tuple[int, ...]:
    """Parents of the joints; the root's is -1, which unsigned numbers show as 4294967295."""
    if kintree is None or kintree.shape != (2, len(JOINTS)):
        raise Refused(f"has no kintree_table of shape [2, {len(JOINTS)}]")
    parents = (-1, *(int(parent) for parent in kintree[0, 1:]))
    if not all(0 <= parent < joint for joint, parent in enumerate(parents) if joint):
        raise Refused(f"has joints whose parents do not stand before them: {list(parents)}")
    return parents


def _plain(path: Path) -> Arrays:
    """The arrays of a .npz or .safetensors."""
    try:
        if path.suffix.lower() == ".safetensors":
            return load_file(path)
        with zipfile.ZipFile(path) as archive:
            _check_claims(archive)
        return dict(np.load(path))
    except DAMAGED as error:
        raise Refused(f"cannot be read: {in_words(error)}; save FLAME's arrays as plain numbers") from None


class _Bytes(Source):
    """Strings of Python 2 and of protocol 0 are decoded as they are read, so no windows, and lines of any length."""

    def read(self, n: int) -> bytes:
        return bytes(super().read(n))

    def readline(self) -> bytes:
        end = cast(bytes, self.view.obj).find(b"\n", self.position) + 1
        return self.read((end or len(self.view)) - self.position)


@dataclass(eq=False)
class _Object:
    """A numpy or chumpy array, whose numbers are `x` of its state, or a sparse matrix."""

    kind: str
    state: dict[Any, Any] = field(default_factory=dict)


NUMPY = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
SPARSE = {
    f"scipy.sparse.{private}{kind}.{kind}_{name}": kind
    for kind in ("csc", "csr", "coo") for private in ("", "_") for name in ("matrix", "array")
}  # fmt: skip
CHUMPY = ("chumpy.ch.Ch", "chumpy.Ch")


def _check_claims(archive: zipfile.ZipFile) -> None:
    """Refuse arrays that say that they are larger than they are, or are too large, before memory is taken for them."""
    if sum(info.file_size for info in archive.infolist()) > MOST_BYTES:
        raise Refused(f"holds more than {MOST_BYTES >> 20} MB")
    for info in archive.infolist():
        with archive.open(info) as file:
            header = read_array_header_1_0 if read_magic(file) == (1, 0) else read_array_header_2_0
            shape, _, dtype = header(file)
        if prod(shape) * dtype.itemsize > info.file_size:
            raise Refused(f"says that {show(info.filename)} has the shape {list(shape)}, but holds {info.file_size} bytes")


def _pickle(path: Path) -> Arrays:
    """The arrays of a pickled dict. What else it holds is left out, whatever it calls for."""
    source = _Bytes(memoryview(path.read_bytes()))
    classes = {name: lambda name=name: _Object(name) for name in (*SPARSE, *CHUMPY)}
    vocabulary = Vocabulary(
        operations=MAX_OPERATIONS,
        calls={
            **{name: lambda arguments, name=name: _Object(name) for name in NUMPY},
            **{f"{module}.numeric._frombuffer": _from_buffer for module in ("numpy.core", "numpy._core")},
            "_codecs.encode": _encoded,
            "numpy.dtype": _dtype,
            **{f"{name}._reconstructor": lambda arguments: _new(arguments, classes) for name in ("copy_reg", "copyreg")},
        },
        classes=classes,
        build=_build,
        inert=True,
        python2=True,
    )
    try:
        found = expect(read_pickle(source, vocabulary), dict, "its content")
    except Refused as error:
        raise Refused(f"{error}; it was not executed: give FLAME's own file, or its arrays as .npz") from None
    except (ValueError, IndexError) as error:
        where = f"near byte {source.tell()} of {len(source.view)}"
        raise Refused(f"is damaged or cut short {where} ({error}): download it again; it was not executed") from None
    return {str(name): numbers for name, value in found.items() if (numbers := _numbers(value)) is not None}


def _new(arguments: tuple, classes: Mapping[str, Callable[[], Any]]) -> Any:
    """copy_reg._reconstructor(class, object, None): an empty object, or what is not known."""
    kind = arguments[0] if arguments else None
    return classes[kind.name]() if isinstance(kind, Global) and kind.name in classes else kind


def _encoded(arguments: tuple) -> bytes:
    """codecs.encode(text, "latin1"), as protocols 0 to 2 hold bytes."""
    if len(arguments) != 2 or type(arguments[0]) is not str or arguments[1] not in ("latin1", "latin-1"):
        raise Refused("encodes text in a way that no such file does")
    return arguments[0].encode("latin-1")


def _from_buffer(arguments: tuple) -> NDArray:
    """numpy's _frombuffer(bytes, dtype, shape, "C" or "F"), as protocol 5 holds arrays."""
    if len(arguments) != 4:
        raise Refused("holds an array that numpy did not write")
    data, dtype, shape, order = arguments
    return _array((1, shape, dtype, order == "F", data))


def _dtype(arguments: tuple) -> np.dtype:
    code = arguments[0] if arguments else None
    if type(code) is not str or code not in NUMBERS:
        raise Refused(f"holds an array of {show(code)}, not of numbers")
    return np.dtype("<" + code)


def _build(target: Any, state: Any) -> None:
    if isinstance(target, np.dtype):
        if expect(state, tuple, "the state of a dtype")[1] not in ("<", "|"):
            raise Refused("holds numbers that are not little-endian")
    elif not isinstance(target, _Object):
        raise Refused(f"gives a state to {with_article(type(target).__name__)}")
    elif target.kind in NUMPY:
        target.state["x"] = _array(expect(state, tuple, "the state of an array"))
    else:
        target.state.update(expect(state, dict, "the state of an object"))


def _array(state: tuple) -> NDArray:
    """(version, shape, dtype, whether by columns, bytes) as numpy writes it."""
    if len(state) != 5:
        raise Refused("holds an array that numpy did not write")
    shape, dtype, by_columns, data = state[1:]
    dtype = expect(dtype, np.dtype, "the type of an array")
    data = data.encode("latin-1") if isinstance(data, str) else expect(data, (bytes, bytearray), "the numbers of an array")
    sizes = [expect(n, int, "the size of an array") for n in expect(shape, tuple, "the shape of an array")]
    if any(n < 0 for n in sizes) or prod(sizes) * dtype.itemsize != len(data):
        raise Refused(f"holds an array of shape {sizes} in {len(data)} bytes")
    return np.frombuffer(data, dtype).reshape(sizes, order="F" if by_columns else "C")


def _numbers(value: Any) -> NDArray | None:
    """The array of a value of the file's dict; None for other entries, such as the style of its basis."""
    if isinstance(value, _Object):
        return _dense(SPARSE[value.kind], value.state) if value.kind in SPARSE else _numbers(value.state.get("x"))
    return value if isinstance(value, np.ndarray) else None


def _dense(kind: str, state: Mapping[Any, Any]) -> NDArray:
    """The array of a sparse matrix: in compressed columns or rows, or as places and numbers."""
    shape, data = state.get("_shape", state.get("shape")), _numbers(state.get("data"))
    if kind == "coo":
        coords = state.get("coords", (state.get("row"), state.get("col")))
        places = [_numbers(values) for values in coords] if isinstance(coords, tuple) else []
    else:
        places = [_numbers(state.get(name)) for name in ("indices", "indptr")]
    if data is None or len(places) != 2 or any(p is None for p in places) or not isinstance(shape, tuple) or len(shape) != 2:
        raise Refused("holds a sparse matrix without its parts")
    height, width = (expect(n, int, "the size of a matrix") for n in shape)
    if height * width > 10_000_000 or height < 0 or width < 0:
        raise Refused(f"holds a sparse matrix of {height} x {width}")
    try:
        if kind == "coo":
            return sparse.coo_array((data, tuple(places)), (height, width)).toarray()
        matrix = (sparse.csc_array if kind == "csc" else sparse.csr_array)((data, *places), (height, width))
        matrix.check_format()
        return matrix.toarray()
    except (ValueError, TypeError) as error:
        raise Refused(f"holds a sparse matrix whose parts do not fit ({in_words(error)})") from None
