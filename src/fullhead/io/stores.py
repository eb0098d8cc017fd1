"""Files of a set by name, wherever they lie: in a folder, in a zip beside it, in the zip or tar shards of a set.

In zips names are those of the folder; in tars `folder/key.ending` is called `key.field.ending` (synth.sets).
"""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fullhead.core.errors import FullheadError, in_words

UNREADABLE = (OSError, zipfile.BadZipFile, tarfile.TarError, zlib.error)


class Files(Protocol):
    def names(self) -> list[str]: ...

    def read(self, name: str) -> bytes: ...


@dataclass(frozen=True)
class Store:
    """The files of one folder of a set, by their names in it. `lists`, such as dataset.json, lie in a real folder."""

    files: Files
    folder: Path

    def names(self) -> list[str]:
        return self.files.names()

    def read(self, name: str) -> bytes:
        """Content of a file. Raises OSError or KeyError where there is none."""
        plain = self.folder / name
        return plain.read_bytes() if name.endswith(".json") and plain.is_file() else self.files.read(name)

    def picture(self, name: str, mode: str = "RGB") -> NDArray[np.uint8]:
        """Pixels of an image file in one of pillow's modes. Raises FullheadError where it cannot be read."""
        try:
            return np.asarray(Image.open(io.BytesIO(self.read(name))).convert(mode))
        except (KeyError, ValueError, SyntaxError, *UNREADABLE) as error:
            raise FullheadError(f"cannot read {name} of {self.folder}: {in_words(error)}") from None


def open_store(root: Path, folder: str) -> Store:
    """The files of `folder` of the set in `root`. Raises FullheadError where there are none."""
    about, place = root / "set.json", root / folder
    form, field = "folder", folder
    try:
        if about.is_file():
            known = json.loads(about.read_text())
            form = known.get("form", form)
            field = next((name for name, place in known.get("folders", {}).items() if place == folder), folder)
        if form == "tar":
            return Store(TarFiles(sorted(root.glob("*.tar")), field), place)
        if form == "zip":
            return Store(ZipFiles(sorted(root.glob("*.zip")), f"{folder}/"), place)
    except (ValueError, AttributeError, *UNREADABLE) as error:
        hint = "run the command that wrote it again"
        raise FullheadError(f"cannot read the set in {root} ({in_words(error)}): {hint}") from None
    if place.is_dir():
        return Store(FolderFiles(place), place)
    if place.with_suffix(".zip").is_file():
        return Store(ZipFiles([place.with_suffix(".zip")], ""), place)
    raise FullheadError(f"no folder {place} and no {place.with_suffix('.zip')}: make a set with `fullhead synth photos`")


@dataclass(frozen=True)
class FolderFiles:
    folder: Path

    def names(self) -> list[str]:
        return [path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file()]

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


class ZipFiles:
    """What lies below `prefix` in some zips."""

    def __init__(self, paths: list[Path], prefix: str) -> None:
        self.prefix = prefix
        self.place: dict[str, zipfile.ZipFile] = {}
        for path in paths:
            archive = zipfile.ZipFile(path)
            self.place |= {name: archive for name in archive.namelist() if name.startswith(prefix) and name[-1] != "/"}

    def names(self) -> list[str]:
        return [name.removeprefix(self.prefix) for name in self.place]

    def read(self, name: str) -> bytes:
        return self.place[self.prefix + name].read(self.prefix + name)


class TarFiles:
    """One field of the samples of some tars; only where each file lies is kept."""

    def __init__(self, paths: list[Path], field: str) -> None:
        self.place: dict[str, tuple[Path, int, int]] = {}
        for path in paths:
            with tarfile.open(path) as archive:
                for member in archive:
                    folder, slash, file = member.name.rpartition("/")
                    key, _, rest = file.partition(".")
                    name, _, ending = rest.partition(".")
                    if name == field and ending:
                        self.place[f"{folder}{slash}{key}.{ending}"] = (path, member.offset_data, member.size)

    def names(self) -> list[str]:
        return list(self.place)

    def read(self, name: str) -> bytes:
        path, start, size = self.place[name]
        with path.open("rb") as file:
            file.seek(start)
            return file.read(size)
