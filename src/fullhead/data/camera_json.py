"""Cameras in JSON and npz: EG3D's labels, OpenCV's R, t and K, Blender's objects, the transforms.json of NeRF and nerfstudio.

Readers take what is in the file and the size of its pictures (width, height) if the user gave one; they raise ValueError and
LookupError. Writers give what is to be in the file. Worlds are those of the file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fullhead.core import camera_frames as frames
from fullhead.core.camera_frames import Axes
from fullhead.core.cameras import Cameras, cameras_from_labels, labels_from_cameras
from fullhead.data.camera_set import DISTORTION, CameraSet, camera_set, numbers, poses, table

Content = Mapping[str, Any]
Size = tuple[int, int] | None
NO_SIZE = "it does not say how large its pictures are: give their size in pixels, as in --size 640x480"


def given_sizes(size: Size, count: int) -> Tensor | None:
    """[V, 2] of one size for all."""
    return None if size is None else torch.tensor([size]).expand(count, 2)


# -- EG3D: {"labels": [[name, [25 numbers]], ...]}


def read_eg3d(content: Content, size: Size) -> CameraSet:
    listed = content["labels"]
    if not isinstance(listed, dict | list):
        raise ValueError("labels is no list of names and numbers")
    pairs = list(listed.items()) if isinstance(listed, dict) else listed
    if any(not isinstance(pair, list | tuple) or len(pair) != 2 for pair in pairs):
        raise ValueError("labels is no list of a name and 25 numbers each")
    labels = [numbers(label, (25,), f"the label of {name}") for name, label in pairs]
    cameras = cameras_from_labels(torch.stack(labels) if labels else torch.empty(0, 25))
    return camera_set(cameras.c2w, cameras.K, [name for name, _ in pairs], given_sizes(size, len(pairs)))


def write_eg3d(cameras: CameraSet) -> Content:
    labels = labels_from_cameras(Cameras(cameras.c2w, cameras.K)).tolist()
    return {"labels": [list(pair) for pair in zip(cameras.names, labels, strict=True)]}


# -- OpenCV: x_camera = R x_world + t, and K in pixels


def read_opencv(content: Content, size: Size) -> CameraSet:
    turns, shifts = table(content["R"], "R"), table(content["t"], "t")
    count = len(turns) if turns.ndim else 0
    R = numbers(turns, (count, 3, 3), "R")
    t = numbers(shifts[..., 0] if shifts.ndim == 3 else shifts, (count, 3), "t")  # OpenCV makes columns [V, 3, 1]
    K_px = numbers(_for_all(content["K"], "K", 2, count), (count, 3, 3), "K")
    sizes = given_sizes(size, count)
    if "sizes" in content:
        sizes = numbers(_for_all(content["sizes"], "sizes", 1, count), (count, 2), "sizes")
    if sizes is None:
        raise ValueError(NO_SIZE)
    first = float(numbers(content.get("first_pixel", 0.5), (), "first_pixel"))
    if first not in (0, 0.5):
        raise ValueError("first_pixel is the centre of the first pixel: 0 or 0.5")
    K_px[:, :2, 2] += 0.5 - first
    names = content.get("names", [f"{i:04d}.png" for i in range(count)])
    names = names.tolist() if isinstance(names, np.ndarray) else names
    if not isinstance(names, list) or len(names) != count:
        raise ValueError(f"names is no list of {count} names")
    c2w = frames.inverse(frames.placed(R, t))
    return camera_set(c2w, frames.normalised_K(K_px, sizes), names, sizes, _distortion(content.get("dist"), count))


def write_opencv(cameras: CameraSet) -> Content:
    w2c = frames.inverse(cameras.c2w)
    sizes = _sizes(cameras)
    return {
        "names": list(cameras.names),
        "sizes": sizes.tolist(),
        "K": frames.pixel_K(cameras.K, sizes).tolist(),
        "R": w2c[:, :3, :3].tolist(),
        "t": w2c[:, :3, 3].tolist(),
        "dist": cameras.distortion.tolist(),
        "first_pixel": 0.5,
    }


def _for_all(value: Any, what: str, dimensions: int, count: int) -> NDArray[Any]:
    """What may be given once for all cameras, for each."""
    array = table(value, what)
    return np.broadcast_to(array, (count, *array.shape)) if array.ndim == dimensions else array


def _distortion(dist: Any, count: int) -> Tensor | None:
    """k1, k2, p1, p2 of OpenCV's coefficients, of which there may be more if they are 0."""
    if dist is None:
        return None
    array = _for_all(dist, "dist", 1, count)
    if array.ndim != 2 or not 4 <= array.shape[1] <= 14:
        raise ValueError("dist is no list of OpenCV's 4 to 14 coefficients for each camera")
    coefficients = numbers(array, (count, array.shape[1]), "dist")
    if coefficients[:, 4:].any():
        raise ValueError("its lenses have more coefficients than k1, k2, p1, p2: undistort the pictures first (cv2.undistort)")
    return coefficients[:, :4]


# -- Blender: {"cameras": [{"name": ..., "matrix_world": ..., "lens": ...}]} with Blender's own names and defaults

SENSORS = {"AUTO": None, "HORIZONTAL": False, "VERTICAL": True}


def read_blender(content: Content, size: Size) -> CameraSet:
    rows = _rows(content["cameras"])
    whole = poses([row["matrix_world"] for row in rows], len(rows), "matrix_world")

    def column(key: str, default: float | None = None) -> Tensor:
        return numbers([row[key] if default is None else row.get(key, default) for row in rows], (len(rows),), key)

    sizes = given_sizes(size, len(rows))
    if any("resolution_x" in row for row in rows):
        sizes = torch.stack([column("resolution_x"), column("resolution_y")], dim=1)
    if sizes is None:
        raise ValueError(NO_SIZE)
    aspect_x, aspect_y = column("pixel_aspect_x", 1.0), column("pixel_aspect_y", 1.0)
    taller = sizes[:, 1] * aspect_y > sizes[:, 0] * aspect_x
    fits = [SENSORS[row.get("sensor_fit", "AUTO")] for row in rows]
    upright = torch.tensor([tall if fit is None else fit for fit, tall in zip(fits, taller.tolist(), strict=True)])
    vertical = torch.tensor([fit is True for fit in fits])
    sensor = torch.where(vertical, column("sensor_height", 24.0), column("sensor_width", 36.0))
    lens = frames.Lenses(column("lens"), sensor, column("shift_x", 0.0), column("shift_y", 0.0), aspect_x, aspect_y, upright)
    if not (torch.stack([sensor, aspect_x, aspect_y]) > 0).all():
        raise ValueError("a sensor or a pixel has a side that is not above 0")
    names = [row.get("name", f"{i:04d}.png") for i, row in enumerate(rows)]
    return camera_set(frames.opengl_axes(whole), frames.K_of_lenses(lens, sizes), names, sizes)


def write_blender(cameras: CameraSet) -> Content:
    sizes = _sizes(cameras)
    lens = frames.lenses(cameras.K, sizes)
    columns = {
        "name": list(cameras.names),
        "matrix_world": frames.opengl_axes(cameras.c2w).tolist(),
        "lens": lens.focal.tolist(),
        "sensor_fit": ["HORIZONTAL"] * len(cameras),
        "sensor_width": lens.sensor.tolist(),
        "shift_x": lens.shift_x.tolist(),
        "shift_y": lens.shift_y.tolist(),
        "resolution_x": sizes[:, 0].tolist(),
        "resolution_y": sizes[:, 1].tolist(),
        "pixel_aspect_x": lens.aspect_x.tolist(),
        "pixel_aspect_y": lens.aspect_y.tolist(),
    }
    return {"cameras": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]}


# -- NeRF and nerfstudio: transforms.json

PINHOLES = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL")
MORE_DISTORTION = ("k3", "k4", "k5", "k6")


def read_nerf(content: Content, size: Size) -> tuple[CameraSet, Axes]:
    """The set, and how its world stands: before `applied_transform` as that of COLMAP, else as Blender's."""
    rows = [{**content, **row} for row in _rows(content["frames"])]
    for row in rows:
        if row.get("camera_model", "OPENCV") not in PINHOLES or row.get("is_fisheye"):
            raise ValueError(f"its lenses are none of {', '.join(PINHOLES)}: undistort the pictures first")
    c2w = frames.opengl_axes(poses([row["transform_matrix"] for row in rows], len(rows), "transform_matrix"))
    c2w[:, :3, 3] /= _above_zero(content.get("applied_scale", 1.0), "applied_scale")
    axes: Axes = "z-up"
    if "applied_transform" in content:
        c2w, axes = _before(content["applied_transform"], c2w), "y-up"
    K_px, sizes, distortion = (torch.stack(part) for part in zip(*(_nerf_lens(row, size) for row in rows), strict=True))
    names = [row.get("file_path") for row in rows]
    return camera_set(c2w, frames.normalised_K(K_px, sizes), names, sizes, distortion), axes


def write_nerf(cameras: CameraSet, applied: Tensor) -> Content:
    """applied: the rotation [3, 3] that made the file's world."""
    sizes = _sizes(cameras)
    K_px = frames.pixel_K(cameras.K, sizes)
    columns = {
        "w": sizes[:, 0].tolist(),
        "h": sizes[:, 1].tolist(),
        "fl_x": K_px[:, 0, 0].tolist(),
        "fl_y": K_px[:, 1, 1].tolist(),
        "cx": K_px[:, 0, 2].tolist(),
        "cy": K_px[:, 1, 2].tolist(),
        "camera_angle_x": (2 * torch.atan(0.5 / cameras.K[:, 0, 0])).tolist(),
        **{key: cameras.distortion[:, i].tolist() for i, key in enumerate(DISTORTION)},
    }
    lenses = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    shared = all(a == b for a, b in pairwise(lenses))
    poses = frames.opengl_axes(cameras.c2w).tolist()
    rows = [{"file_path": name, "transform_matrix": pose} for name, pose in zip(cameras.names, poses, strict=True)]
    return {
        "camera_model": "OPENCV",
        **(lenses[0] if shared else {}),
        "applied_transform": torch.cat([applied, torch.zeros(3, 1)], dim=1).tolist(),
        "frames": rows if shared else [row | lens for row, lens in zip(rows, lenses, strict=True)],
    }


def _nerf_lens(row: Content, size: Size) -> tuple[Tensor, Tensor, Tensor]:
    """K in pixels [3, 3], width and height [2], distortion [4] of a frame. Pixels are square unless it says otherwise."""

    def number(key: str, default: float | None = None) -> Tensor:
        return numbers(row[key] if default is None else row.get(key, default), (), key)

    if any(number(key, 0.0) for key in MORE_DISTORTION):
        raise ValueError("its lenses have more coefficients than k1, k2, p1, p2: undistort the pictures first")
    if "w" in row or size is None:
        if "w" not in row or "h" not in row:
            raise ValueError(NO_SIZE)
        width, height = number("w"), number("h")
    else:
        width, height = torch.tensor(size, dtype=torch.float64)
    fx = _focal(row, "fl_x", "camera_angle_x", width)
    fy = _focal(row, "fl_y", "camera_angle_y", height)
    if fx is None and fy is None:
        raise ValueError("it has neither fl_x nor camera_angle_x")
    fx, fy = fx if fx is not None else fy, fy if fy is not None else fx
    assert fx is not None and fy is not None
    K_px = frames.pinhole_K(fx, fy, number("cx", float(width) / 2), number("cy", float(height) / 2))
    return K_px, torch.stack([width, height]), torch.stack([number(key, 0.0) for key in DISTORTION])


def _focal(row: Content, key: str, angle: str, side: Tensor) -> Tensor | None:
    """A focal length in pixels, or that of a field of view in radians across a side."""
    if key in row:
        return numbers(row[key], (), key)
    if angle not in row:
        return None
    fov = float(numbers(row[angle], (), angle))
    if not 0 < fov < math.pi:
        raise ValueError(f"{angle} is no angle in radians between 0 and pi")
    return side / 2 / math.tan(fov / 2)


def _above_zero(value: Any, what: str) -> float:
    number = float(numbers(value, (), what))
    if not number > 0:
        raise ValueError(f"{what} is not above 0")
    return number


def _before(applied: Any, c2w: Tensor) -> Tensor:
    """c2w in the world before a transform [3, 4] or [4, 4]: a rotation, a shift and a scale."""
    whole = numbers(applied[:3], (3, 4), "applied_transform")
    turn, shift = whole[:, :3], whole[:, 3]
    determinant = float(torch.linalg.det(turn))
    scale = math.copysign(abs(determinant) ** (1 / 3), determinant)
    if not scale > 1e-9 or not (turn @ turn.T / scale**2 - torch.eye(3)).abs().max() < 1e-3:
        raise ValueError("applied_transform is no rotation with a scale and a shift")
    c2w = c2w.clone()
    c2w[:, :3, 3] -= shift
    return frames.moved(c2w, turn.T / scale, 1 / scale)


def _rows(listed: Any) -> list[dict[str, Any]]:
    """The cameras in a list. Raises ValueError where there are none."""
    if not isinstance(listed, list) or not listed or not all(isinstance(row, dict) for row in listed):
        raise ValueError("it has no list of cameras")
    return listed


def _sizes(cameras: CameraSet) -> Tensor:
    assert cameras.sizes is not None  # write_cameras asks for them
    return cameras.sizes
