"""COLMAP's sparse models: cameras, images and points3D, as text or little-endian binary.

Of an image its camera, its pose and its name are read, of a point its place, its colour and its error. What was seen where
(points in pictures, tracks) is skipped, and written empty.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from fullhead.core import camera_frames as frames
from fullhead.core.errors import FullheadError
from fullhead.data.camera_set import CameraSet, SparsePoints, camera_set, numbers
from fullhead.io.files import written_whole
from fullhead.io.reading import reading

MODELS = {  # name: number, and what its parameters are; f is the focal length of both sides
    "SIMPLE_PINHOLE": (0, "f cx cy"),
    "PINHOLE": (1, "fx fy cx cy"),
    "SIMPLE_RADIAL": (2, "f cx cy k1"),
    "RADIAL": (3, "f cx cy k1 k2"),
    "OPENCV": (4, "fx fy cx cy k1 k2 p1 p2"),
    "FULL_OPENCV": (6, "fx fy cx cy k1 k2 p1 p2 k3 k4 k5 k6"),
}
OTHERS = {5: "OPENCV_FISHEYE", 7: "FOV", 8: "SIMPLE_RADIAL_FISHEYE", 9: "RADIAL_FISHEYE", 10: "THIN_PRISM_FISHEYE"}  # refused
NAMES = {number: name for name, (number, _) in MODELS.items()} | OTHERS
PARTS = ("cameras", "images", "points3D")
ALL_PARTS = (*PARTS, "rigs", "frames")
HINT = "give the folder of a COLMAP model, as COLMAP wrote it"

Lens = tuple[str, int, int, tuple[float, ...]]  # model, width, height, parameters
Image = tuple[tuple[float, ...], tuple[float, ...], int, str]  # quaternion w x y z, shift, number of its camera, name
Point = tuple[float, ...]  # x, y, z, red, green, blue, error


def model_ending(folder: Path) -> str | None:
    """.bin or .txt if a model lies in the folder, else None. Where both do, COLMAP takes the binary one."""
    return next((e for e in (".bin", ".txt") if all((folder / f"{part}{e}").is_file() for part in PARTS[:2])), None)


def read_colmap(folder: Path) -> CameraSet:
    """The set in a folder, in COLMAP's world. Raises FullheadError."""
    ending = model_ending(folder)
    if ending is None:
        raise FullheadError(f"no COLMAP model in {folder}: one has cameras.bin and images.bin, or cameras.txt and images.txt")
    places = {part: folder / f"{part}{ending}" for part in PARTS}
    read = (_cameras_bin, _images_bin, _points_bin) if ending == ".bin" else (_cameras_txt, _images_txt, _points_txt)
    with reading(places["cameras"], HINT):
        lenses = {number: _lens(*lens) for number, lens in read[0](places["cameras"])}
    with reading(places["images"], HINT):
        images = list(read[1](places["images"]))
        if not images:
            raise ValueError("it has no images")
        quaternions, shifts, numbers_of, names = zip(*images, strict=True)
        turns = numbers(quaternions, (len(names), 4), "the quaternions")
        if not (turns.norm(dim=1) > 1e-6).all():
            raise ValueError("a quaternion is 0")
        if missing := [number for number in numbers_of if number not in lenses]:
            raise ValueError(f"an image is of camera {missing[0]}, which is not among the cameras")
        rotation = torch.from_numpy(Rotation.from_quat(turns.numpy()[:, [1, 2, 3, 0]]).as_matrix())
        c2w = frames.inverse(frames.placed(rotation, numbers(shifts, (len(names), 3), "the shifts")))
        K_px, sizes, distortion = (torch.stack(part) for part in zip(*(lenses[n] for n in numbers_of), strict=True))
        found = camera_set(c2w, frames.normalised_K(K_px, sizes), names, sizes, distortion)
    if not places["points3D"].is_file():
        return found
    with reading(places["points3D"], HINT):
        rows = list(read[2](places["points3D"]))
        table = numbers(np.array(rows, np.float64).reshape(-1, 7), (len(rows), 7), "the points")
        if not ((table[:, 3:6] >= 0) & (table[:, 3:6] <= 255)).all():
            raise ValueError("a colour is not between 0 and 255")
        points = SparsePoints(table[:, :3], table[:, 3:6].to(torch.uint8), table[:, 6])
    return replace(found, points=points)


def write_colmap(cameras: CameraSet, folder: Path, *, text: bool) -> None:
    """Write the three files, all or none. Raises FullheadError where the folder holds another model's parts."""
    ending = ".txt" if text else ".bin"
    strange = [f"{part}{e}" for e in (".bin", ".txt") for part in ALL_PARTS if e != ending or part not in PARTS]
    if there := [name for name in strange if (folder / name).exists()]:
        raise FullheadError(f"{folder} holds another COLMAP model ({there[0]}): choose another folder")
    if text and (spaced := [name for name in cameras.names if " " in name]):
        raise FullheadError(f"COLMAP's text cannot hold the space in the name {spaced[0]!r}: write binary, --to colmap")
    lenses, of = _shared_lenses(cameras)
    w2c = frames.inverse(cameras.c2w).numpy()
    quaternions = Rotation.from_matrix(w2c[:, :3, :3]).as_quat()[:, [3, 0, 1, 2]]
    images = list(zip(quaternions.tolist(), w2c[:, :3, 3].tolist(), of, cameras.names, strict=True))
    write = (_cameras_as_txt, _images_as_txt, _points_as_txt) if text else (_cameras_as_bin, _images_as_bin, _points_as_bin)
    contents = (write[0](lenses), write[1](images), write[2](_point_rows(cameras.points)))
    with ExitStack() as stack:
        places = [stack.enter_context(written_whole(folder / f"{part}{ending}")) for part in PARTS]
        for place, content in zip(places, contents, strict=True):
            place.write_bytes(content)


def _lens(model: str, width: int, height: int, parameters: tuple[float, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """K in pixels [3, 3], width and height [2], distortion [4]. Raises ValueError for lenses of another kind."""
    if model not in MODELS:
        raise ValueError(f"its lens {model} is none of {', '.join(MODELS)}: undistort it first (colmap image_undistorter)")
    keys = MODELS[model][1].split()
    values = dict(zip(keys, numbers(parameters, (len(keys),), f"the parameters of {model}"), strict=True))
    if any(values.get(key, 0) != 0 for key in ("k3", "k4", "k5", "k6")):
        raise ValueError("its FULL_OPENCV has more than k1, k2, p1, p2: undistort it first (colmap image_undistorter)")
    fx, fy = values.get("fx", values.get("f")), values.get("fy", values.get("f"))
    assert fx is not None and fy is not None
    zero = torch.zeros_like(fx)
    K_px = frames.pinhole_K(fx, fy, values["cx"], values["cy"])
    size = torch.tensor([width, height], dtype=torch.float64)
    return K_px, size, torch.stack([values.get(key, zero) for key in ("k1", "k2", "p1", "p2")])


def _shared_lenses(cameras: CameraSet) -> tuple[list[Lens], list[int]]:
    """The different lenses, numbered from 1 on, and the number of each image's."""
    assert cameras.sizes is not None
    K_px = frames.pixel_K(cameras.K, cameras.sizes)
    parts = [cameras.sizes, K_px[:, 0, :1], K_px[:, 1, 1:2], K_px[:, :2, 2], cameras.distortion]
    rows = torch.cat(parts, dim=1).tolist()
    of = {row: number for number, row in enumerate(dict.fromkeys(map(tuple, rows)), 1)}
    lenses: list[Lens] = []
    for width, height, *parameters in of:
        model = "OPENCV" if any(parameters[4:]) else "PINHOLE"
        lenses.append((model, int(width), int(height), tuple(parameters[: len(MODELS[model][1].split())])))
    return lenses, [of[tuple(row)] for row in rows]


def _point_rows(points: SparsePoints | None) -> list[Point]:
    if points is None:
        return []
    return torch.cat([points.places, points.colours.double(), points.errors[:, None]], dim=1).tolist()


# -- text


def _lines(place: Path) -> Iterator[str]:
    return iter(place.read_bytes().decode().split("\n"))


def _rows(lines: Iterator[str], most: int = -1) -> Iterator[list[str]]:
    """The words of each line that says something."""
    for line in lines:
        if line.strip() and not line.startswith("#"):
            yield line.strip().split(maxsplit=most)


def _cameras_txt(place: Path) -> Iterator[tuple[int, Lens]]:
    for number, model, width, height, *parameters in _rows(_lines(place)):
        yield int(number), (model, int(width), int(height), tuple(map(float, parameters)))


def _images_txt(place: Path) -> Iterator[Image]:
    lines = _lines(place)
    for row in _rows(lines, 9):
        if len(row) != 10:
            raise ValueError(f"the line of an image has {len(row)} words instead of 10")
        yield tuple(map(float, row[1:5])), tuple(map(float, row[5:8])), int(row[8]), row[9]
        next(lines, None)  # its points


def _points_txt(place: Path) -> Iterator[Point]:
    for row in _rows(_lines(place), 8):
        if len(row) < 8:
            raise ValueError(f"the line of a point has {len(row)} words instead of 8 or more")
        yield tuple(map(float, row[1:8]))


def _cameras_as_txt(lenses: list[Lens]) -> bytes:
    rows = [" ".join(map(str, (i, *lens, *parameters))) for i, (*lens, parameters) in enumerate(lenses, 1)]
    return _text("CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]", rows)


def _images_as_txt(images: list[Image]) -> bytes:
    rows = [" ".join(map(str, (i, *turn, *shift, camera, name))) for i, (turn, shift, camera, name) in enumerate(images, 1)]
    rows = [f"{row}\n" for row in rows]  # no points
    return _text("IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME; then a line of POINTS2D[]", rows)


def _points_as_txt(points: list[Point]) -> bytes:
    rows = [f"{i} {x} {y} {z} {r:.0f} {g:.0f} {b:.0f} {error}" for i, (x, y, z, r, g, b, error) in enumerate(points, 1)]
    return _text("POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[]", rows)


def _text(columns: str, rows: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in (f"# {columns}", *rows)).encode()


# -- binary


@dataclass
class _Binary:
    """Content of a file, read from its beginning to its end."""

    content: bytes
    at: int = 0

    def take(self, form: str) -> tuple:
        """The next values; struct.error where the file ends before them."""
        values = struct.unpack_from(f"<{form}", self.content, self.at)
        self.at += struct.calcsize(f"<{form}")
        return values

    def count(self, least: int) -> int:
        """How many entries follow, each of which has at least so many bytes."""
        (count,) = self.take("Q")
        if count * least > len(self.content) - self.at:
            raise ValueError("it is cut short")
        return count

    def skip(self, size: int) -> None:
        count = self.count(size)
        self.at += size * count

    def word(self) -> str:
        end = self.content.index(b"\0", self.at)
        word = self.content[self.at : end].decode()
        self.at = end + 1
        return word

    def end(self) -> None:
        if self.at != len(self.content):
            raise ValueError("there is more in it than it says")


def _cameras_bin(place: Path) -> Iterator[tuple[int, Lens]]:
    file = _Binary(place.read_bytes())
    for _ in range(file.count(24)):
        number, kind, width, height = file.take("IiQQ")
        name = NAMES.get(kind, f"number {kind}")
        if name not in MODELS:  # how long its parameters are, we do not know
            _lens(name, width, height, ())
        yield number, (name, width, height, file.take(f"{len(MODELS[name][1].split())}d"))
    file.end()


def _images_bin(place: Path) -> Iterator[Image]:
    file = _Binary(place.read_bytes())
    for _ in range(file.count(73)):
        _, *pose, camera = file.take("I7dI")
        yield tuple(pose[:4]), tuple(pose[4:]), camera, file.word()
        file.skip(24)
    file.end()


def _points_bin(place: Path) -> Iterator[Point]:
    file = _Binary(place.read_bytes())
    for _ in range(file.count(51)):
        _, *row = file.take("Q3d3Bd")
        yield tuple(row)
        file.skip(8)
    file.end()


def _cameras_as_bin(lenses: list[Lens]) -> bytes:
    rows = [
        struct.pack(f"<IiQQ{len(parameters)}d", i, MODELS[model][0], width, height, *parameters)
        for i, (model, width, height, parameters) in enumerate(lenses, 1)
    ]
    return struct.pack("<Q", len(rows)) + b"".join(rows)


def _images_as_bin(images: list[Image]) -> bytes:
    rows = [
        struct.pack("<I7dI", i, *turn, *shift, camera) + name.encode() + b"\0" + struct.pack("<Q", 0)
        for i, (turn, shift, camera, name) in enumerate(images, 1)
    ]
    return struct.pack("<Q", len(rows)) + b"".join(rows)


def _points_as_bin(points: list[Point]) -> bytes:
    rows = [
        struct.pack("<Q3d3BdQ", i, x, y, z, int(r), int(g), int(b), error, 0)
        for i, (x, y, z, r, g, b, error) in enumerate(points, 1)
    ]
    return struct.pack("<Q", len(rows)) + b"".join(rows)
