"""Read a checkpoint of torch.save's zip format as data, executing nothing in it.

The archive holds one pickle, `<name>/data.pkl`, and beside it the numbers of each storage, `<name>/data/<key>`. What the pickle
names beyond tensors and containers (classes of callbacks, settings) stays inert: PyTorch Lightning keys `callbacks` by a class,
so that `torch.load(weights_only=True)` refuses the whole file.
"""

import struct
import zipfile
from pathlib import Path
from typing import Any

from fullhead.convert.tensors import CALLS, STORAGES, Storage, storage_description, storage_of
from fullhead.core.errors import FullheadError, in_words, with_article
from fullhead.io.files import existing_file
from fullhead.io.pickles import Refused, Source, Vocabulary, expect, read_pickle, show

MAX_OPERATIONS = 2_000_000  # a network of 200 tensors with its optimiser's state has 30,000


def is_archive(path: str | Path) -> bool:
    """Whether the file begins as a zip archive does."""
    path = existing_file(path, "a checkpoint")
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def read_archive(path: str | Path) -> dict[str, Any]:
    """The top-level dict of a checkpoint: plain values, torch tensors, and `Inert` things.

    Raises FullheadError, naming the reason, for a file that is no such archive or is damaged.
    """
    path = existing_file(path, "a checkpoint")
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, path.stat().st_size)
    except Refused as error:
        raise FullheadError(f"{path} {error}; it was not executed") from None
    except (zipfile.BadZipFile, ValueError, IndexError, EOFError, struct.error, OSError) as error:
        raise FullheadError(f"{path} is damaged or cut short ({in_words(error)}): get it again; it was not executed") from None


def _read(archive: zipfile.ZipFile, size_of_file: int) -> dict[str, Any]:
    pickles = [name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl"]
    if len(pickles) != 1:
        raise Refused("is a zip archive, but no checkpoint of torch.save (it has no data.pkl)")
    folder = pickles[0].removesuffix("data.pkl")
    known: dict[str, Storage] = {}
    left = size_of_file

    def storage(identity: Any) -> Storage:
        nonlocal left
        dtype, key, numel = storage_description(identity, 5)
        if key not in known:
            numbers = _entry(archive, f"{folder}data/{key}")
            if len(numbers) != numel * dtype.itemsize:
                raise Refused(f"claims a storage of {numel * dtype.itemsize} bytes where {len(numbers)} are")
            left -= len(numbers)
            if left < 0:
                raise Refused("holds storages that overlap each other")
            known[key] = storage_of(numbers, dtype)
        return known[key]

    vocabulary = Vocabulary(
        MAX_OPERATIONS, CALLS, classes={}, names=frozenset(STORAGES), build=_build, persistent=storage, inert=True
    )
    return expect(read_pickle(Source(memoryview(_entry(archive, pickles[0]))), vocabulary), dict, "its content, not a dict")


def _entry(archive: zipfile.ZipFile, name: str) -> bytearray:
    """The bytes of one entry. They are stored as they are: what is packed could grow without end."""
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise Refused(f"has no entry {show(name)}") from None
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        raise Refused(f"has a packed entry {show(name)}, which torch.save does not write")
    return bytearray(archive.read(info))


def _build(target: Any, state: Any) -> None:
    """A state dict has its version numbers beside it; they are not needed."""
    if not isinstance(target, dict):
        raise Refused(f"gives a state to {with_article(type(target).__name__)}")
