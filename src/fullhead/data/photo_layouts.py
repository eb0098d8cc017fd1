"""Photos in a folder, and what the layouts of published collections say of them.

files       any pictures, in any folders
ffhq        ffhq-dataset-v2.json; in-the-wild-images/ or, of a picture that is not there, images1024x1024/
lpff        camera_parameters.json beside crop/eg3d/: aligned pictures with their cameras
celebamask  CelebA-HQ-img/ and CelebAMask-HQ-mask-anno/: pictures with their parts
khairstyle  pictures, each with a .json of its name that says `horizontal`, degrees
labelled    dataset.json as EG3D has it, and img/ and seg/ if they are apart: aligned pictures with their cameras
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fullhead.core.errors import FullheadError
from fullhead.data.options import PhotoLayout
from fullhead.io.reading import read_json, reading

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
GET_IT_AGAIN = "get the collection's file again"
FFHQ_LIST, LPFF_LIST = "ffhq-dataset-v2.json", "camera_parameters.json"
CELEBA_PICTURES, CELEBA_MASKS = "CelebA-HQ-img", "CelebAMask-HQ-mask-anno"
CELEBA_PARTS = {  # the endings of its masks, in the order in which later ones lie over earlier ones: our numbers
    "skin": 1, "neck": 17, "neck_l": 17, "cloth": 18, "l_ear": 8, "r_ear": 9, "ear_r": 15, "hair": 13, "nose": 2, "mouth": 10,
    "u_lip": 11, "l_lip": 12, "l_brow": 6, "r_brow": 7, "l_eye": 4, "r_eye": 5, "eye_g": 3, "hat": 14,
}  # fmt: skip


@dataclass(frozen=True)
class Photo:
    """A picture, and what its collection knows of the head that is meant."""

    name: str  # its place below the folder
    path: Path
    place: tuple[float, float] | None = None  # pixels: the head is there; None: all heads are meant
    yaw: float | None = None  # radians as the collection counts them, instead of what a reader finds
    label: tuple[float, ...] | None = None  # EG3D's 25 numbers: the picture is aligned already
    mask: Path | None = None  # the head's opacity
    parts: tuple[tuple[int, Path], ...] = ()  # numbers and masks, the later ones on top


def find_photos(root: Path, layout: PhotoLayout = "files") -> list[Photo]:
    """The photos below a folder, sorted by name; FullheadError if there are none, or not in that layout."""
    if not root.is_dir():
        raise FullheadError(f"no folder {root}: give the folder that the photos are in")
    found = sorted(LAYOUTS[layout](root), key=lambda photo: photo.name)
    if not found:
        raise FullheadError(f"{root} holds no photos in the layout {layout!r}: {', '.join(SUFFIXES)} files are looked for")
    return found


def _pictures(root: Path, below: Path | None = None) -> Iterator[tuple[str, Path]]:
    """Names from `root` on, and paths, of the pictures `below` it; hidden files and folders are left out."""
    for path in (below or root).rglob("*"):
        name = path.relative_to(root)
        if path.suffix.lower() in SUFFIXES and path.is_file() and not any(part[0] == "." for part in name.parts):
            yield name.as_posix(), path


def _files(root: Path) -> Iterator[Photo]:
    yield from (Photo(name, path) for name, path in _pictures(root))


def _ffhq(root: Path) -> Iterator[Photo]:
    for number, entry in read_json(_there(root / FFHQ_LIST), GET_IT_AGAIN).items():
        with reading(f"{number} of {root / FFHQ_LIST}", GET_IT_AGAIN):
            for kind in ("in_the_wild", "image"):
                name = str(entry[kind]["file_path"])
                if (path := root / name).is_file():
                    landmarks = np.array(entry[kind]["face_landmarks"], float).reshape(-1, 2)
                    x, y = landmarks.mean(0).tolist()
                    yield Photo(name, path, (x, y))
                    break


def _lpff(root: Path) -> Iterator[Photo]:
    labels = read_json(_there(root / LPFF_LIST), GET_IT_AGAIN)
    folder = root / "crop" / "eg3d"
    for name, path in _pictures(root, folder if folder.is_dir() else root):
        if (label := labels.get(path.stem, labels.get(path.stem.removesuffix("_eg3d")))) is not None:
            yield Photo(name, path, label=_label(label, root / LPFF_LIST, name))


def _celebamask(root: Path) -> Iterator[Photo]:
    pictures = _there(root / CELEBA_PICTURES)
    masks = {path.stem: path for path in _there(root / CELEBA_MASKS).rglob("*.png")}
    for name, path in _pictures(root, pictures):
        known = [(number, masks.get(f"{path.stem.zfill(5)}_{part}")) for part, number in CELEBA_PARTS.items()]
        yield Photo(name, path, parts=tuple((number, mask) for number, mask in known if mask is not None))


def _khairstyle(root: Path) -> Iterator[Photo]:
    notes = {path.stem: path for path in root.rglob("*.json")}
    for name, path in _pictures(root):
        if path.stem in notes:
            said = _value(read_json(notes[path.stem], GET_IT_AGAIN), "horizontal")
            with reading(notes[path.stem], "its `horizontal` is an angle in degrees"):
                yield Photo(name, path, yaw=math.radians(float(said)))


def _labelled(root: Path) -> Iterator[Photo]:
    place = next((folder for folder in (root / "img", root) if (folder / "dataset.json").is_file()), None)
    if place is None:
        raise FullheadError(f"no dataset.json in {root} or in {root / 'img'}: unpack the set there")
    masks = {path.with_suffix("").relative_to(root / "seg"): path for path in (root / "seg").rglob("*.png")}
    with reading(place / "dataset.json", "it lists names and labels of 25 numbers each"):
        listed = [(str(name), label) for name, label in json.loads((place / "dataset.json").read_bytes())["labels"]]
    for name, label in listed:
        if (path := place / name).is_file():
            numbers = _label(label, place / "dataset.json", name)
            yield Photo(name, path, label=numbers, mask=masks.get(Path(name).with_suffix("")))


LAYOUTS: Mapping[PhotoLayout, Callable[[Path], Iterator[Photo]]] = {
    "files": _files,
    "ffhq": _ffhq,
    "lpff": _lpff,
    "celebamask": _celebamask,
    "khairstyle": _khairstyle,
    "labelled": _labelled,
}


def _there(path: Path) -> Path:
    if not path.exists():
        raise FullheadError(f"no {path}: is it the folder of that collection? See --layout")
    return path


def _label(numbers: Any, place: Path, name: str) -> tuple[float, ...]:
    with reading(f"{name} in {place}", "a label is 25 finite numbers"):
        label = tuple(float(number) for number in numbers)
        if len(label) != 25 or not all(map(math.isfinite, label)):
            raise ValueError(f"it has {len(label)} numbers")
        return label


def _value(found: Any, key: str) -> Any:
    """What `key` says, anywhere in nested values of JSON; None where nothing does."""
    if isinstance(found, dict) and key in found:
        return found[key]
    inner = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    return next((value for value in (_value(item, key) for item in inner) if value is not None), None)
