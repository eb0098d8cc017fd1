"""Files of cameras of any kind: what is in one is seen by its content, what to write by its name."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from fullhead.core.camera_frames import TURNS, Axes
from fullhead.core.cameras import Cameras
from fullhead.core.errors import FullheadError
from fullhead.data.camera_json import (
    Content,
    Size,
    given_sizes,
    read_blender,
    read_eg3d,
    read_nerf,
    read_opencv,
    write_blender,
    write_eg3d,
    write_nerf,
    write_opencv,
)  # fmt: skip
from fullhead.data.camera_set import CameraSet, camera_set
from fullhead.data.colmap import model_ending, read_colmap, write_colmap
from fullhead.io.files import check_place, check_suffix, existing_file, written_whole
from fullhead.io.reading import read_json, reading

Kind = Literal["eg3d", "opencv", "blender", "nerf", "colmap", "colmap-text"]
HINT = "give a dataset.json, a transforms.json, cameras of OpenCV or Blender, or the folder of a COLMAP model"
LARGEST_NPZ = 1 << 28  # bytes, unpacked


@dataclass(frozen=True)
class Format:
    """A kind of file: what it is called, how its world stands, how its name begins, and what it can hold."""

    title: str
    axes: Axes
    begins: str
    suffixes: tuple[str, ...] = (".json",)
    sizes: bool = True  # it must say how large the pictures are
    skew: bool = False
    distortion: bool = False
    points: bool = False


FORMATS: dict[Kind, Format] = {
    "eg3d": Format("EG3D's dataset.json", "y-up", "dataset", sizes=False, skew=True),
    "opencv": Format("OpenCV's R, t and K", "y-up", "opencv", (".json", ".npz"), skew=True, distortion=True),
    "blender": Format("Blender's cameras", "z-up", "blender"),
    "nerf": Format("the transforms.json of NeRF", "z-up", "transforms", distortion=True),
    "colmap": Format("a COLMAP model", "y-up", "", (), distortion=True, points=True),
    "colmap-text": Format("a COLMAP model in text", "y-up", "", (), distortion=True, points=True),
}


def read_cameras(path: str | Path, *, size: Size | int = None, axes: Axes | None = None) -> CameraSet:
    """Cameras of another program: EG3D's dataset.json, R, t and K of OpenCV (.json, .npz), Blender's cameras, the
    transforms.json of NeRF and nerfstudio, or the folder of a COLMAP model. What it is, is seen by its content.

    Args:
        path: The file or folder.
        size: Width and height of its pictures in pixels, where it does not say.
        axes: How its world stands: y-up (the head looks along +z), z-up (along -y), y-down (along -z). By default as its
            program has it: z-up for Blender and NeRF, else y-up.

    Raises FullheadError for what is no such file, or is damaged.
    """
    return read_kind(path, size=size, axes=axes)[0]


def read_kind(path: str | Path, *, size: Size | int = None, axes: Axes | None = None) -> tuple[CameraSet, Kind]:
    """The same, and the kind that it is of."""
    path, size = Path(path), _size(size)
    if path.is_dir():
        kind: Kind = "colmap-text" if model_ending(path) == ".txt" else "colmap"
        found, own = read_colmap(path), FORMATS[kind].axes
    else:
        content = _content(existing_file(path, "a file of cameras"))
        kind = _kind_of(content, path)
        own = FORMATS[kind].axes
        with reading(path, f"it was taken for {FORMATS[kind].title}"):
            if kind == "nerf":
                found, own = read_nerf(content, size)
            else:
                found = {"eg3d": read_eg3d, "opencv": read_opencv, "blender": read_blender}[kind](content, size)
    if size is not None and found.sizes is not None and (found.sizes != torch.tensor(size)).any():
        width, height = found.sizes[0].tolist()
        raise FullheadError(f"{path} says that its pictures have {width}x{height} pixels: leave --size out")
    return found.moved(TURNS[axes or own].T), kind


def write_cameras(
    cameras: Cameras | CameraSet, path: str | Path, *, to: Kind | None = None, names: Sequence[str] | None = None,
    size: Size | int = None, axes: Axes | None = None, scale: float = 1.0,
) -> Path:  # fmt: skip
    """Write cameras as another program has them.

    Args:
        cameras: Ours, or what `read_cameras` gave.
        path: A file named dataset*.json, opencv*.json, *.npz, blender*.json or transforms*.json, or a folder for COLMAP.
        to: The kind of the file, if its name does not say it: eg3d, opencv, blender, nerf, colmap (binary) or colmap-text.
        names: Of the pictures; by default those of the set, or 0000.png, 0001.png, ...
        size: Width and height of the pictures in pixels, where `cameras` does not say. Only eg3d needs none.
        axes: How the world of the file stands, as for `read_cameras`.
        scale: What lengths are multiplied with.

    Raises FullheadError where the kind of file cannot hold what the cameras have, as distortion.
    """
    kind = check_out(path, to)
    its, path, size = FORMATS[kind], Path(path), _size(size)
    if not 0 < scale < 1e9:
        raise FullheadError(f"scale {scale:g}: lengths are multiplied with a number above 0")
    found = _as_set(cameras, names)
    if found.sizes is None:
        found = replace(found, sizes=given_sizes(size, len(found)))
    if found.sizes is None and its.sizes:
        raise FullheadError(f"{its.title} needs the size of the pictures: give it in pixels, as in --size 640x480")
    if found.distortion.any() and not its.distortion:
        raise FullheadError(
            f"these lenses bend lines (k1, k2, p1, p2), which {its.title} cannot hold: undistort the pictures first, "
            "as with colmap image_undistorter"
        )
    if (found.K[:, 0, 1].abs() > 1e-9).any() and not its.skew:
        raise FullheadError(f"these pixels are askew, which {its.title} cannot hold: choose opencv or eg3d")
    if found.points is not None and not its.points:
        found = replace(found, points=None)
    axes = axes or its.axes
    found = found.moved(TURNS[axes], scale)
    if kind in ("colmap", "colmap-text"):
        write_colmap(found, path, text=kind == "colmap-text")
        return path
    if kind == "nerf":
        content = write_nerf(found, TURNS[axes])
    else:
        content = {"eg3d": write_eg3d, "opencv": write_opencv, "blender": write_blender}[kind](found)
    with written_whole(path) as file:
        if path.suffix.lower() == ".npz":
            np.savez(file, allow_pickle=False, **{key: np.asarray(value) for key, value in content.items()})
        else:
            file.write_text(json.dumps(content, allow_nan=False) + "\n", encoding="utf-8")
    return path


def check_out(path: str | Path, to: Kind | None) -> Kind:
    """The kind of file to write at `path`. Raises FullheadError where none can be; call it before the work."""
    path = Path(path)
    kind = to or _named(path)
    if FORMATS[kind].suffixes:
        check_suffix(path, FORMATS[kind].suffixes, FORMATS[kind].title)
    check_place(path, folder=not FORMATS[kind].suffixes)
    return kind


def _named(path: Path) -> Kind:
    """The kind that a name says."""
    if not path.suffix:
        return "colmap"
    if path.suffix.lower() == ".npz":
        return "opencv"
    for kind, its in FORMATS.items():
        if its.begins and path.name.lower().startswith(its.begins):
            return kind
    names = ", ".join(f"{its.begins}.json" for its in FORMATS.values() if its.begins)
    raise FullheadError(f"the name {path.name} does not say what to write: choose one of {names}, or say --to")


def _size(size: Size | int) -> Size:
    return (size, size) if isinstance(size, int) else size


def _as_set(cameras: Cameras | CameraSet, names: Sequence[str] | None) -> CameraSet:
    try:
        if isinstance(cameras, CameraSet):
            named = camera_set(cameras.c2w, cameras.K, names or cameras.names, cameras.sizes, cameras.distortion)
            return replace(named, points=cameras.points)
        names = [f"{i:04d}.png" for i in range(len(cameras))] if names is None else names
        return camera_set(cameras.c2w.detach().cpu(), cameras.K.detach().cpu(), names, None)
    except ValueError as error:
        raise FullheadError(f"these cameras cannot be written: {error}") from error


def _content(path: Path) -> Content:
    """What a JSON or npz file holds. Pickles in an npz are not read."""
    with path.open("rb") as file:
        packed = file.read(4) == b"PK\3\4"
    if not packed:
        return read_json(path, HINT)
    with reading(path, f"{HINT}; pickles in it are not read"):
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > LARGEST_NPZ:
                raise ValueError("it is too large")
            for member in archive.namelist():
                _check_header(archive, member)
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files if arrays[name].dtype.kind in "iufU"}


def _check_header(archive: zipfile.ZipFile, member: str) -> None:
    """Raises ValueError for an array that is not as long as its header says, before room for it is made."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        if dtype.hasobject:
            raise ValueError(f"{member} is a pickle, not numbers")
        if int(np.prod(shape, dtype=object)) * dtype.itemsize > archive.getinfo(member).file_size:
            raise ValueError(f"{member} is cut short")


def _kind_of(content: Mapping[str, Any], path: Path) -> Kind:
    keys: dict[Kind, str] = {"eg3d": "labels", "opencv": "R", "blender": "cameras", "nerf": "frames"}
    for kind, key in keys.items():
        if key in content:
            return kind
    raise FullheadError(f"{path} has no cameras (none of the keys {', '.join(keys.values())}): {HINT}")
