"""Which reader reads photos: the project's own, MediaPipe's, files that are there already, or a function of the user's."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fullhead.core.cameras import cameras_from_labels
from fullhead.core.errors import FullheadError, in_words
from fullhead.eyes.eyes import load_eyes
from fullhead.eyes.mediapipe import load_mediapipe
from fullhead.eyes.pose import reading_of_camera, reading_of_landmarks
from fullhead.eyes.reading import Reader, Reading
from fullhead.eyes.records import reading_of
from fullhead.eyes.window import Window, cut
from fullhead.io.images import Bytes, read_image, read_pixels
from fullhead.io.reading import read_json, reading

POINT_SUFFIXES = (".json", ".pts", ".txt", ".npy")
LARGEST_MATTE = 1024  # pixels a side
PTS_SHIFT = -0.5  # in .pts files the first pixel's middle is (1, 1)
KNOWN = "eyes, a .safetensors of eyes, MediaPipe's face_landmarker.task, a folder of files, or module:function"


def read(photo: str | Path | Bytes, reader: Reader | str = "eyes") -> list[Reading]:
    """What a photo shows of heads, the surest first: uint8 [H, W, 3] in sRGB, or a file of any kind that pillow reads.

    reader: as `open_reader` takes it, or one that it gave. For several photos, open it once. Raises FullheadError.
    """
    found = open_reader(reader) if isinstance(reader, str) else reader
    if isinstance(photo, np.ndarray):
        return found(photo)
    return read_named(found, Path(photo), read_image(photo))


def read_named(reader: Reader, file: Path, photo: Bytes) -> list[Reading]:
    """The heads of a photo uint8 [H, W, 3] that came from a file, whose name some readers go by."""
    return reader.named(file, photo) if isinstance(reader, Files) else reader(photo)


def open_reader(text: str) -> Reader:
    """The reader that a text names: `eyes`, a .safetensors file of eyes, a `face_landmarker.task`, a folder of files, or
    `module:function`. Raises FullheadError if there is no such reader."""
    path = Path(text)
    if path.is_dir():
        return Files(path)
    if path.suffix == ".task":
        return load_mediapipe(path)
    if text == "eyes" or path.suffix == ".safetensors":
        return load_eyes(text)
    if ":" in text and not path.exists():
        return own_reader(text)
    raise FullheadError(f"no reader {text!r}: give {KNOWN}")


# -- a function of the user's own


def own_reader(name: str) -> Reader:
    """The reader of a function that `module:function` names; the module, which may lie in the current folder, is imported.

    It takes a photo uint8 [H, W, 3], and gives Readings, or 68 points [68, 2] in pixels, or those of several heads
    [N, 68, 2], or None for no head.
    """
    module, _, function = name.rpartition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    try:
        found = getattr(import_module(module), function)
    except Exception as error:  # whatever a user's module raises
        raise FullheadError(f"reader {name}: {in_words(error)}; give module:function of a module that Python finds") from error
    if not callable(found):
        raise FullheadError(f"reader {name}: {function} is no function; give module:function")
    return OwnReader(name, found)


@dataclass(frozen=True)
class OwnReader:
    """A Reader that calls a function, and understands what it gives."""

    name: str
    function: Callable[[Bytes], Any]

    def __call__(self, photo: Bytes) -> list[Reading]:
        try:
            found = self.function(photo)
        except Exception as error:  # whatever a user's function raises
            raise FullheadError(f"reader {self.name}: {type(error).__name__}: {in_words(error)}") from error
        if found is None or isinstance(found, Reading):
            return [found] if found else []
        if isinstance(found, list | tuple) and all(isinstance(item, Reading) for item in found):
            return sorted(found, key=lambda item: -item.score)
        try:
            heads = faces(np.asarray(found, float))
        except (ValueError, TypeError) as error:
            raise FullheadError(
                f"reader {self.name} gave {in_words(error)}: Readings or points [68, 2] are expected"
            ) from error
        return [reading_of_landmarks(head) for head in heads]


def faces(points: NDArray) -> NDArray:
    """Points of N heads [N, 68, 2] of those of one [68, 2], of several, or of none. ValueError for other shapes."""
    if not points.size:
        return np.zeros((0, 68, 2))
    heads = points[None] if points.ndim == 2 else points
    if heads.ndim != 3 or heads.shape[1:] != (68, 2):
        raise ValueError(f"{' x '.join(map(str, points.shape))} numbers, not 68 x 2")
    return heads


# -- files that are there already


@dataclass(frozen=True)
class Files:
    """A Reader of what files in a folder say of a picture `name.jpg`.

    name.json of `fullhead read`; or 68 points in name.json, .pts, .txt or .npy; a camera in dataset.json, as of a training set;
    name_matte.png or name.png, a mask of the photo's size; name_parts.png.
    """

    folder: Path

    def __call__(self, photo: Bytes) -> list[Reading]:
        raise FullheadError(f"the files in {self.folder} go by names of pictures: give the reader a picture's file")

    def named(self, picture: Path, photo: Bytes) -> list[Reading]:
        """The heads that the files say are in a picture, whose pixels are a photo uint8 [H, W, 3]."""
        height, width = photo.shape[:2]
        heads = self.points(picture.stem)
        if (label := self.label(picture)) is not None:
            seen = reading_of_camera(cameras_from_labels(torch.tensor([label])), width, height)
            heads = [seen] if not heads else [replace(heads[0], centre=seen.centre, unit=seen.unit, rotation=seen.rotation)]
        if heads is None:
            kinds = ", ".join(f"{picture.stem}{suffix}" for suffix in POINT_SUFFIXES)
            raise FullheadError(
                f"{self.folder} has neither points nor a camera of {picture.name}: it needs {kinds} or dataset.json"
            )
        window = Window(width / 2, height / 2, max(width, height))
        layers = {name: self.layer(picture, names, photo, window) for name, names in LAYERS.items()}
        if not heads or all(layer is None for layer in layers.values()):
            return heads
        matte = None if layers["matte"] is None else layers["matte"].astype(np.float32) / 255
        return [replace(heads[0], window=window, matte=matte, parts=layers["parts"]), *heads[1:]]

    def points(self, stem: str) -> list[Reading] | None:
        """The heads that a file of points, or one of `fullhead read`, tells; None where there is no such file."""
        path = next((p for suffix in POINT_SUFFIXES if (p := self.folder / f"{stem}{suffix}").is_file()), None)
        if path is None:
            return None
        with reading(path, "68 points x y in pixels, a line each, or a list of such"):
            if path.suffix == ".npy":
                return [reading_of_landmarks(head) for head in faces(np.load(path).astype(float))]
            text = path.read_text()
            if path.suffix == ".json":
                found = json.loads(text)
                if isinstance(found, dict):
                    return [reading_of(head) for head in found["heads"]]
                return [reading_of_landmarks(head) for head in faces(np.array(found, float))]
            body = text.partition("{")[2].partition("}")[0] if path.suffix == ".pts" else text
            rows = [[float(word) for word in line.replace(",", " ").split()] for line in body.splitlines() if line.strip()]
            if not rows:
                raise ValueError("it has no points")
            shift = PTS_SHIFT if path.suffix == ".pts" else 0.0
            return [reading_of_landmarks(head) for head in faces(np.array(rows) + shift)]

    def label(self, picture: Path) -> list[float] | None:
        """The camera of a picture in dataset.json, 25 numbers."""
        path = self.folder / "dataset.json"
        if not path.is_file():
            return None
        with reading(path, "it lists names and labels of 25 numbers each"):
            labels = {Path(name).stem: [float(x) for x in label] for name, label in read_json(path, "see above")["labels"]}
            label = labels.get(picture.stem)
            if label is not None and (len(label) != 25 or not np.isfinite(label).all()):
                raise ValueError(f"the label of {picture.name} is not 25 finite numbers")
            return label

    def layer(self, picture: Path, names: tuple[str, ...], photo: Bytes, window: Window) -> NDArray | None:
        """What a mask of the photo shows in a window around it, uint8 [n, n]; None where there is none."""
        paths = (self.folder / name.format(picture.stem) for name in names)
        path = next((p for p in paths if p.is_file() and p.resolve() != picture.resolve()), None)
        if path is None:
            return None
        mask = read_pixels(path, str(path), "L", profile=False)
        if mask.shape != photo.shape[:2]:
            (h, w), (height, width) = mask.shape, photo.shape[:2]
            raise FullheadError(f"{path} has {w} x {h} pixels, and the photo {width} x {height}: they must be of one size")
        size = min(max(mask.shape), LARGEST_MATTE)
        if path.name.endswith("_parts.png"):  # numbers, which are not to be mixed
            rows, columns = (np.floor((np.arange(size) + 0.5) / size * window.side + middle - window.side / 2).astype(int)
                             for middle in (window.y, window.x))  # fmt: skip
            padded = np.pad(mask, 1)
            return padded[np.ix_(np.clip(rows + 1, 0, mask.shape[0] + 1), np.clip(columns + 1, 0, mask.shape[1] + 1))]
        return cut(np.repeat(mask[..., None], 3, axis=2), window, size)[..., 0]


LAYERS = {"matte": ("{}_matte.png", "{}.png"), "parts": ("{}_parts.png",)}  # names of files, by what they hold
