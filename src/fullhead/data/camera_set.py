"""Cameras with the pictures that they took: what files of cameras hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fullhead.core import camera_frames as frames
from fullhead.core.cameras import Cameras
from fullhead.core.errors import counted

LARGEST = 1e9  # no number of a camera is larger
MOST_PIXELS = 1_000_000  # of a side
SLACK = 1e-3  # by how much a rotation may miss being one; files of few digits do
DISTORTION = ("k1", "k2", "p1", "p2")


@dataclass(frozen=True)
class SparsePoints:
    """P points of a scene: `places` [P, 3], `colours` uint8 [P, 3], `errors` [P] of their places in the pictures, in pixels."""

    places: Tensor
    colours: Tensor
    errors: Tensor


@dataclass(frozen=True)
class CameraSet:
    """V cameras and their pictures, in float64.

    c2w: [V, 4, 4], in the frame of `Cameras`. K: [V, 3, 3], divided by the size of the picture. names: of the pictures' files.
    sizes: [V, 2], width and height in pixels, or None where the file does not say. distortion: [V, 4], k1, k2, p1, p2 of
    OpenCV's model; 0 for a lens that keeps lines straight. points: of the scene, if the file holds some.
    """

    c2w: Tensor
    K: Tensor
    names: tuple[str, ...]
    sizes: Tensor | None
    distortion: Tensor
    points: SparsePoints | None = None

    @property
    def cameras(self) -> Cameras:
        """The same, for rendering, in float32. They are pinhole cameras: `distortion` is not in them."""
        return Cameras(self.c2w.float(), self.K.float())

    def __len__(self) -> int:
        return len(self.names)

    def moved(self, turn: Tensor, scale: float = 1.0) -> CameraSet:
        """The set after each point of its world went from x to scale turn x; turn [3, 3] is a rotation."""
        points = self.points and replace(self.points, places=scale * self.points.places @ turn.T)
        return replace(self, c2w=frames.moved(self.c2w, turn, scale), points=points)


def camera_set(
    c2w: Tensor, K: Tensor, names: Sequence[Any], sizes: Tensor | None, distortion: Tensor | None = None
) -> CameraSet:
    """A set whose parts are checked. Raises ValueError: no cameras, numbers that are not finite, reflections, impossible K."""
    if not names:
        raise ValueError("it has no cameras")
    for name in names:
        if not isinstance(name, str) or not name or len(name.encode()) > 4096 or any(ord(letter) < 32 for letter in name):
            raise ValueError(f"{str(name)[:40]!r} is no name of a picture")
    names = tuple(names)
    if sizes is not None:
        sizes = numbers(sizes, (len(names), 2), "sizes")
        whole = (sizes > 0) & (sizes <= MOST_PIXELS) & (sizes == sizes.round())
        _each(whole.all(1), names, f"has a picture whose sides are no whole numbers from 1 to {MOST_PIXELS}")
        sizes = sizes.long()
    c2w = poses(c2w, len(names), "camera to world")
    rotation = c2w[:, :3, :3]
    miss = (rotation @ rotation.mT - torch.eye(3)).abs().amax((1, 2))
    _each(miss < SLACK, names, "has no rotation: its axes have other lengths than 1, or are not at right angles")
    _each(torch.linalg.det(rotation) > 0, names, "has a reflection, not a rotation: one of its axes points the wrong way")
    K = numbers(K, (len(names), 3, 3), "K")
    _each((K[:, 0, 0] > 0) & (K[:, 1, 1] > 0), names, "has a focal length that is not above 0")
    rest = torch.stack([K[:, 1, 0], K[:, 2, 0], K[:, 2, 1], K[:, 2, 2] - 1], dim=1)
    _each(rest.abs().amax(1) < 1e-6, names, "has a K that is not [fx, skew, cx; 0, fy, cy; 0, 0, 1]")
    distortion = torch.zeros(len(names), 4) if distortion is None else distortion
    u, _, vt = torch.linalg.svd(rotation)
    c2w = frames.placed(u @ vt, c2w[:, :3, 3])
    return CameraSet(c2w, K, names, sizes, numbers(distortion, (len(names), 4), "distortion"))


def numbers(value: Any, shape: tuple[int, ...], what: str) -> Tensor:
    """`value` as float64 of a shape. Raises ValueError where it is something else, or not finite."""
    array = table(value, what)
    if array.shape != shape:
        raise ValueError(f"{what} is {_shape(array.shape)}, not {_shape(shape)}")
    if not (np.abs(array.astype(np.float64)) < LARGEST).all():
        raise ValueError(f"{what} has a number that is not finite, or too large")
    return torch.from_numpy(np.array(array, np.float64))


def poses(value: Any, count: int, what: str) -> Tensor:
    """`value` as [V, 4, 4] with last rows 0, 0, 0, 1. Raises ValueError where it is something else."""
    found = numbers(value, (count, 4, 4), what)
    if not (found[:, 3] - torch.tensor([0, 0, 0, 1])).abs().max() < SLACK:
        raise ValueError(f"{what} has a last row that is not 0, 0, 0, 1")
    return found


def table(value: Any, what: str) -> NDArray[Any]:
    """`value` as numbers of any shape. Raises ValueError where it is something else."""
    try:
        array = value.numpy() if isinstance(value, Tensor) else np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{what} is no table of numbers") from error
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{what} is not made of numbers")
    return array


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"


def _each(right: Tensor, names: Sequence[str], wrong: str) -> None:
    """Raises ValueError with the first of the cameras that are not right."""
    if len(bad := torch.nonzero(~right)):
        more = f" ({counted(len(bad), 'camera')} in all)" if len(bad) > 1 else ""
        raise ValueError(f"the camera of {names[int(bad[0])]} {wrong}{more}")
