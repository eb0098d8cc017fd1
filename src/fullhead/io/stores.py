"""Files of a set by name, wherever they lie: in a folder, in a zip beside it, in the zip or tar shards of a set.

In zips names are those of the folder; in tars `folder/key.ending` is called `key.field.ending` (synth.sets).
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fullhead.core.errors import FullheadError
from fullhead.io.images import read_pixels
from fullhead.io.reading import read_json, reading

Packed = Mapping[str, Callable[[], bytes]]  # what reads each file of an archive, by its name


@dataclass(frozen=True)
class Store:
    """The files of one folder of a set, by their names in it. Lists, such as dataset.json, always lie in a real folder."""

    folder: Path
    packed: Packed | None = None  # where the other files are in archives

    def names(self) -> list[str]:
        if self.packed is not None:
            return list(self.packed)
        return [path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file()]

    def read(self, name: str) -> bytes:
        """Content of a file. Raises FullheadError where there is none, or a damaged archive."""
        plain = self.folder / name
        with reading(f"{name} of {self.folder}", "make the set again"):
            if self.packed is None or (name.endswith(".json") and plain.is_file()):
                return plain.read_bytes()
            return self.packed[name]()

    def picture(self, name: str, mode: str = "RGB") -> NDArray[np.uint8]:
        """Pixels of an image file in one of pillow's modes. Raises FullheadError where it cannot be read."""
        return read_pixels(self.read(name), f"{name} of {self.folder}", mode)


def open_store(root: Path, folder: str) -> Store:
    """The files of `folder` of the set in `root`. Raises FullheadError where there are none."""
    about = root / "set.json"
    known = read_json(about, "make the set again") if about.is_file() else {}
    place = root / folder
    if known.get("form") == "tar":
        with reading(about, "make the set again"):
            field = next((name for name, its in known.get("folders", {}).items() if its == folder), folder)
        return Store(place, _in_tars(sorted(root.glob("*.tar")), field))
    if known.get("form") == "zip":
        return Store(place, _in_zips(sorted(root.glob("*.zip")), f"{folder}/"))
    if place.is_dir():
        return Store(place)
    if place.with_suffix(".zip").is_file():
        return Store(place, _in_zips([place.with_suffix(".zip")], ""))
    raise FullheadError(f"no folder {place} and no {place.with_suffix('.zip')}: make a set with `fullhead synth photos`")


def _in_zips(paths: list[Path], prefix: str) -> Packed:
    """What lies below `prefix` in some zips."""
    found: dict[str, Callable[[], bytes]] = {}
    for path in paths:
        with reading(path, "make the set again"):
            archive = zipfile.ZipFile(path)
        names = [name for name in archive.namelist() if name.startswith(prefix) and not name.endswith("/")]
        found |= {name.removeprefix(prefix): partial(archive.read, name) for name in names}
    return found


def _in_tars(paths: list[Path], field: str) -> Packed:
    """One field of the samples of some tars; only where each file lies is kept."""
    found: dict[str, Callable[[], bytes]] = {}
    for path in paths:
        with reading(path, "make the set again"), tarfile.open(path) as archive:
            end = 0
            for member in archive:
                end = member.offset_data + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
                folder, slash, file = member.name.rpartition("/")
                key, _, rest = file.partition(".")
                name, _, ending = rest.partition(".")
                if name == field and ending:
                    found[f"{folder}{slash}{key}.{ending}"] = partial(_section, path, member.offset_data, member.size)
            if _section(path, end, tarfile.BLOCKSIZE).strip(b"\0") or path.stat().st_size < end + tarfile.BLOCKSIZE:
                raise tarfile.ReadError("it is cut short")
    return found


def _section(path: Path, start: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(size)
