"""Photos to a training set in the layout of PanoHead: each head found, cut out upright, labelled with its camera and matted
[pano §3.4] [pano supp. A.2].

The front, the sides and the back are treated alike: where the head's origin is, how large and how it is turned come from a
reader (`eyes.reading`), and the window is laid by them
alone. So scale and centre agree across all yaws as well as those of the reader.

    img/00000/img00000000.png, img/dataset.json   aligned pictures, and their labels: cameras on the sphere of EG3D, no roll
    seg/00000/img00000000.png                     their mattes
    parts/00000/img00000000.png                   with --parts
    heads.json                                    a row per head: photo, window in it, angles, and how good the picture is
    left_out.json                                 how many heads and photos were left out and why, and each of them
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fullhead.core.cameras import FOCAL, RADIUS, cameras_from_labels, orbit, yaw_pitch
from fullhead.core.errors import FullheadError
from fullhead.core.random import stream
from fullhead.data.options import AlignOptions
from fullhead.data.photo_layouts import Photo, find_photos
from fullhead.data.photo_quality import HEAD, doubles, light, look, reach, share_outside, sharpness
from fullhead.eyes.reading import Reader, Reading
from fullhead.eyes.window import Window, crop, crop_layer
from fullhead.io.images import Bytes, read_image, read_pixels
from fullhead.io.reading import reading
from fullhead.io.sets import Form, Part, Records, Sample, json_rows, write_set
from fullhead.synth.anatomy.regions import LABELS
from fullhead.synth.datasets.photos import image_key
from fullhead.synth.datasets.shots import camera_label, dataset_json
from fullhead.synth.rendering.ground_truth import label_palette, png_bytes

VERSION = 1  # raise it when the same photos give other files
FAR = 1e5  # pixels: nothing of a photo is farther away or larger
REASONS = {
    "unreadable": "the file cannot be read",
    "no head": "no head is found",
    "one too many": "the photo shows more heads than --heads",
    "unsure": "the reader is unsure (--min-score)",
    "no camera": "it needs a reader that says how heads are turned",
    "no matte": "it needs a reader with mattes",
    "no parts": "it needs a reader with parts (--parts)",
    "too small": "it has too few pixels (--min-pixels)",
    "cut off": "the photo's edge cuts it off (--max-outside)",
    "overlap": "another head reaches into it (--max-overlap)",
    "dark": "the picture is too dark (--min-light)",
    "blurred": "the picture is blurred (--min-sharpness)",
    "double": "it looks nearly the same as one before (--unique)",
    "not square": "a labelled picture is square",
}


@dataclass(frozen=True)
class Aligned:
    """The recipe of a set of aligned photos. A part is a photo with all its heads."""

    root: Path
    photos: tuple[Photo, ...]
    what: AlignOptions
    reader: Reader | None = None  # None: the one that `what` names, opened in each process

    kind = "aligned"
    pictures = 1
    per_shard = 64

    @property
    def parts(self) -> int:
        return len(self.photos)

    @property
    def folders(self) -> Mapping[str, str]:
        return {name: name for name in ("img", "seg", *(("parts",) if self.what.parts else ()))}

    def settings(self) -> dict[str, Any]:
        names = "\n".join(photo.name for photo in self.photos)
        photos = f"{len(self.photos)}, {sha256(names.encode()).hexdigest()[:12]}"
        return asdict(self.what) | {"photos": photos, "version": VERSION}

    def about(self) -> dict[str, Any]:
        return {"label": "EG3D's 25 numbers", "reasons": REASONS} | ({"parts": LABELS} if self.what.parts else {})

    def open(self) -> Reader | None:
        if all(photo.label is not None and photo.mask is not None for photo in self.photos) and not self.what.parts:
            return None  # there is nothing to read
        from fullhead.eyes.readers import open_reader

        return self.reader or open_reader(self.what.reader)

    def make(self, shared: Reader | None, part: int) -> Part:
        photo, heads, samples, left_out = self.photos[part], list[dict[str, Any]](), list[Sample](), list[dict[str, Any]]()
        for number, head in enumerate(_heads(photo, shared, self.what)):
            if isinstance(head, LeftOut):
                left_out.append({"photo": photo.name} | {k: v for k, v in asdict(head).items() if v is not None})
                continue
            key = image_key(part * self.what.heads + number)
            record = {"file": f"{key}.png", "photo": photo.name, **head.record}
            files = {"img.png": png_bytes(head.picture), "seg.png": png_bytes(head.matte)}
            if self.what.parts and head.parts is not None:
                files["parts.png"] = png_bytes(_with_palette(head.parts))
            heads.append(record)
            samples.append(Sample(key, files, record))
        return Part({"heads": heads, "left_out": left_out}, samples)

    def lists(self, records: Records) -> Iterator[tuple[str, Iterable[str]]]:
        def heads() -> Iterator[dict[str, Any]]:
            return (head for record in records for head in record["heads"])

        hashes = [head["hash"] for head in heads()]
        double = doubles(hashes) if self.what.unique else set[int]()

        def kept() -> Iterator[dict[str, Any]]:
            return (head for i, head in enumerate(heads()) if i not in double)

        left_out = [row for record in records for row in record["left_out"]]
        left_out += [
            {"photo": head["photo"], "why": "double", "file": head["file"]} for i, head in enumerate(heads()) if i in double
        ]
        counts = Counter(row["why"] for row in left_out)
        found = {why: counts[why] for why in REASONS if counts[why]}
        lacks = {"heads": len(hashes) - len(double), "left_out": found, "each": left_out}
        yield "img/dataset.json", dataset_json((head["file"], head["label"]) for head in kept())
        yield "heads.json", json_rows({k: v for k, v in head.items() if k not in ("label", "hash")} for head in kept())
        yield "left_out.json", [json.dumps(lacks, indent=1), "\n"]


@dataclass(frozen=True)
class LeftOut:
    """A head, or a whole photo, that is not in the set."""

    why: str  # of REASONS
    value: float | None = None  # what the limit is about, where it is about a number
    at: tuple[float, float] | None = None  # pixels, where it is a head


@dataclass(frozen=True)
class AlignedHead:
    """A head as the set has it: `picture` uint8 [n, n, 3], `matte` and `parts` uint8 [n, n]."""

    picture: Bytes
    matte: Bytes
    parts: Bytes | None
    record: dict[str, Any]


def recipe(root: Path, out: Path, what: AlignOptions, reader: Reader | None = None) -> Aligned:
    """What `write_set` makes a set of in `out`: the photos in a folder."""
    if out.resolve().is_relative_to(root.resolve()):
        raise FullheadError(f"{out} lies in the folder of the photos, and would be taken for photos: choose another place")
    return Aligned(root, tuple(find_photos(root, what.layout)), what, reader)


def align_photos(
    photos: Path, out: Path, options: AlignOptions = AlignOptions(), *, reader: Reader | None = None, form: Form = "folder",
    workers: int | None = None, quiet: bool = False,
) -> int:  # fmt: skip
    """Write the heads in the photos of a folder to `out` as a training set, or what is missing of it; returns how many photos
    are new. Files are the command's own. reader: instead of the one that the options name; with workers it must be one that
    can be sent to them."""
    return write_set(out, recipe(photos, out, options, reader), form=form, workers=workers, quiet=quiet)


def aligned_window(read: Reading, zoom: float = 1.0) -> Window:
    """The window of a photo that a camera of EG3D, RADIUS from the head and aimed at its origin, sees; upright."""
    return read.head_window(RADIUS / FOCAL / zoom)


def _heads(photo: Photo, reader: Reader | None, what: AlignOptions) -> Iterator[AlignedHead | LeftOut]:
    """The heads of a photo, and those that are left out."""
    try:
        pixels = read_image(photo.path)
        given = _given(photo, max(pixels.shape))
    except FullheadError:
        yield LeftOut("unreadable")
        return
    with reading(photo.path, "the reader fails at it"):
        readings = [] if reader is None else [found for found in reader(pixels) if _sensible(found)]
    if photo.label is not None:
        yield _labelled(photo.label, pixels, readings, given, what)
        return
    meant = readings if photo.place is None else _at(readings, photo.place)
    if not meant:
        yield LeftOut("no head")
    for number, head in enumerate(meant):
        others = [other for other in readings if other is not head]
        yield _aligned(photo, pixels, head, others, given, what) if number < what.heads else _left_out(head, "one too many")


def _aligned(
    photo: Photo, pixels: Bytes, read: Reading, others: Sequence[Reading], given: Given, what: AlignOptions
) -> AlignedHead | LeftOut:
    """One head of a photo, cut out, or why it is not."""
    height, width = pixels.shape[:2]
    angles, window = read.yaw_pitch_roll, aligned_window(read, what.zoom)
    outside, overlap = share_outside(read, width, height), max((reach(read, other) for other in others), default=0.0)
    if read.score < what.min_score:
        return _left_out(read, "unsure", read.score)
    if angles is None:
        return _left_out(read, "no camera")
    layers = _layers(given, read)
    if lacking := _lacking(layers, what):
        return _left_out(read, lacking)
    if window.side < what.min_pixels:
        return _left_out(read, "too small", window.side)
    if outside > what.max_outside:
        return _left_out(read, "cut off", outside)
    if overlap > what.max_overlap:
        return _left_out(read, "overlap", overlap)
    picture = crop(pixels, window, what.size)
    bright, sharp = light(picture), sharpness(picture)
    if bright < what.min_light:
        return _left_out(read, "dark", bright)
    if sharp < what.min_sharpness:
        return _left_out(read, "blurred", sharp)
    matte, parts = (None if layer is None else crop_layer(*layer, window, what.size, height, width) for layer in layers)
    assert matte is not None
    yaw, pitch, roll = angles
    known = {} if photo.yaw is None else {"read_yaw": round(yaw, 5)}
    yaw = yaw if photo.yaw is None else _known_yaw(photo, photo.yaw, what)
    place = {"x": window.x, "y": window.y, "side": window.side, "turn": window.turn}
    record = {
        "yaw": round(yaw, 5), "pitch": round(pitch, 5), "roll": round(roll, 5), **known,
        "window": {name: round(value, 4) for name, value in place.items()}, "score": round(read.score, 4),
        "outside": round(outside, 4), "sharpness": round(sharp, 4), "light": round(bright, 4),
        "label": camera_label(orbit(yaw, pitch)), "hash": look(picture),
    }  # fmt: skip
    return AlignedHead(picture, (matte * 255 + 0.5).astype(np.uint8), parts, record)


def _labelled(
    label: tuple[float, ...], pixels: Bytes, readings: Sequence[Reading], given: Given, what: AlignOptions
) -> AlignedHead | LeftOut:
    """A picture that its collection has aligned and labelled, at our size and with a matte."""
    height, width = pixels.shape[:2]
    if height != width:
        return LeftOut("not square", round(width / height, 4))
    read = min(readings, key=lambda head: float(np.hypot(*(head.centre - width / 2))), default=None)
    if read is None and (given.matte is None or what.parts):
        return LeftOut("no head")
    layers = _layers(given, read)
    if lacking := _lacking(layers, what):
        return LeftOut(lacking)
    whole = Window(width / 2, height / 2, width)
    picture = crop(pixels, whole, what.size)
    matte, parts = (None if layer is None else crop_layer(*layer, whole, what.size, height, width) for layer in layers)
    assert matte is not None
    yaw, pitch = (float(angle[0]) for angle in yaw_pitch(cameras_from_labels(torch.tensor([label]))))
    record = {
        "yaw": round(yaw, 5), "pitch": round(pitch, 5), "sharpness": round(sharpness(picture), 4),
        "light": round(light(picture), 4), "label": label, "hash": look(picture),
    }  # fmt: skip
    return AlignedHead(picture, (matte * 255 + 0.5).astype(np.uint8), parts, record)


Layer = tuple[NDArray, Window]  # values [n, n], and where they lie in the photo


@dataclass(frozen=True)
class Given:
    """What a collection says of a photo beside its pixels."""

    matte: Layer | None = None  # float32, 0 to 1
    parts: Layer | None = None  # uint8


def _given(photo: Photo, side: int) -> Given:
    """The masks that a collection has of a photo, whose longer side is given; FullheadError where they cannot be read."""
    if photo.mask is not None:
        return Given(_layer(read_pixels(photo.mask, str(photo.mask), "L").astype(np.float32) / 255, side))
    if photo.parts:
        masks = [(number, read_pixels(path, str(path), "L") > 127) for number, path in photo.parts]
        parts = np.zeros_like(masks[0][1], np.uint8)
        for number, mask in masks:
            parts[mask] = number
        return Given(_layer((parts > 0).astype(np.float32), side), _layer(parts, side))
    return Given()


def _layer(values: NDArray, side: int) -> Layer:
    """Values [h, w], of any resolution, of a whole photo."""
    n = max(values.shape)
    square = np.zeros((n, n), values.dtype)
    square[: values.shape[0], : values.shape[1]] = values
    return square, Window(side / 2, side / 2, side)


def _layers(given: Given, read: Reading | None) -> tuple[Layer | None, Layer | None]:
    """The matte and the parts of a head, those that are given before those that are read."""
    matte, parts = given.matte, given.parts
    if read is not None and read.window is not None:
        matte = (read.matte.astype(np.float32), read.window) if matte is None and read.matte is not None else matte
        parts = (read.parts, read.window) if parts is None and read.parts is not None else parts
    return matte, parts


def _lacking(layers: tuple[Layer | None, Layer | None], what: AlignOptions) -> str | None:
    """What is missing for a head to be in the set."""
    matte, parts = layers
    return "no matte" if matte is None else "no parts" if what.parts and parts is None else None


def _at(readings: Sequence[Reading], place: tuple[float, float]) -> list[Reading]:
    """The read whose head is there, if there is one."""
    apart = [float(np.hypot(*(read.centre - place))) / read.unit for read in readings]
    near = int(np.argmin(apart)) if apart else 0
    return [readings[near]] if apart and apart[near] < HEAD else []


def _known_yaw(photo: Photo, yaw: float, what: AlignOptions) -> float:
    """A collection's yaw in our sense, with noise, so that labels are not the same few angles [pano supp. A.2]."""
    noise = math.radians(what.yaw_noise) * float(stream(what.seed, "yaw", photo.name).normal())
    return math.remainder((yaw if what.yaw_turn == "left" else -yaw) + noise, 2 * math.pi)


def _sensible(read: Reading) -> bool:
    """Whether a read is of a place that a photo can have."""
    turn = () if read.rotation is None else read.rotation.ravel()
    numbers = np.array([*read.centre, read.unit, read.score, *turn])
    return bool(np.isfinite(numbers).all() and np.abs(numbers).max() < FAR and read.unit > 1)


def _left_out(read: Reading, why: str, value: float | None = None) -> LeftOut:
    x, y = read.centre
    return LeftOut(why, None if value is None else round(float(value), 4), (round(float(x), 1), round(float(y), 1)))


def _with_palette(parts: Bytes) -> Image.Image:
    image = Image.fromarray(parts, "P")
    image.putpalette(label_palette().ravel().tolist())
    return image
