"""Frames in which other programs describe cameras: their worlds, their camera axes, their intrinsics. All in float64.

Ours is that of `core.cameras`. A picture has a width and a height in pixels; its first pixel's centre is at (0.5, 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Axes = Literal["y-up", "z-up", "y-down"]
# x_other = TURNS[axes] @ x_ours. The head looks along +z, along -y (Blender), along -z.
TURNS: dict[Axes, Tensor] = {
    "y-up": torch.eye(3, dtype=torch.float64),
    "z-up": torch.tensor([[1, 0, 0], [0, 0, -1], [0, 1, 0]], dtype=torch.float64),
    "y-down": torch.diag(torch.tensor([1, -1, -1], dtype=torch.float64)),
}


def opengl_axes(c2w: Tensor) -> Tensor:
    """c2w [..., 4, 4] of cameras with OpenCV axes (+y down, +z forward) for the axes of OpenGL and Blender (+y up, -z forward),
    and back: it is its own inverse."""
    return c2w * torch.tensor([1, -1, -1, 1]).to(c2w)


def inverse(c2w: Tensor) -> Tensor:
    """w2c [..., 4, 4] of c2w, or the other way round: rotations and shifts only."""
    found = torch.zeros_like(c2w)
    found[..., :3, :3] = c2w[..., :3, :3].mT
    found[..., :3, 3:] = -c2w[..., :3, :3].mT @ c2w[..., :3, 3:]
    found[..., 3, 3] = 1
    return found


def placed(rotation: Tensor, shift: Tensor) -> Tensor:
    """[..., 4, 4] of rotations [..., 3, 3] and shifts [..., 3]."""
    top = torch.cat([rotation, shift[..., None]], dim=-1)
    return torch.cat([top, torch.eye(4).to(top)[3:].expand(*top.shape[:-2], 1, 4)], dim=-2)


def moved(c2w: Tensor, turn: Tensor, scale: float) -> Tensor:
    """c2w [..., 4, 4] after each point of the world went from x to scale turn x; turn [3, 3] is a rotation."""
    return placed(turn @ c2w[..., :3, :3], scale * c2w[..., :3, 3] @ turn.T)


def pixel_K(K: Tensor, sizes: Tensor) -> Tensor:
    """Intrinsics in pixels [V, 3, 3] of normalised ones; sizes [V, 2], width and height."""
    return K * _per_row(sizes, K)


def normalised_K(K_px: Tensor, sizes: Tensor) -> Tensor:
    """Intrinsics divided by the pictures' sizes [V, 3, 3], of those in pixels; sizes [V, 2], width and height."""
    return K_px / _per_row(sizes, K_px)


def pinhole_K(fx: Tensor, fy: Tensor, cx: Tensor, cy: Tensor) -> Tensor:
    """K [..., 3, 3] without skew; all [...]."""
    zero, one = torch.zeros_like(fx), torch.ones_like(fx)
    return torch.stack([fx, zero, cx, zero, fy, cy, zero, zero, one], dim=-1).unflatten(-1, (3, 3))


def _per_row(sizes: Tensor, like: Tensor) -> Tensor:
    """[V, 3, 1]: width, height, 1."""
    return torch.cat([sizes.to(like), torch.ones_like(sizes[:, :1]).to(like)], dim=1)[..., None]


@dataclass(frozen=True)
class Lenses:
    """V cameras as Blender describes them, each field [V].

    focal: mm. sensor: mm, the width of the sensor, or its height where `upright`. shift_x, shift_y: of the picture, in sides
    that the sensor measures. aspect_x, aspect_y: shape of a pixel.
    """

    focal: Tensor
    sensor: Tensor
    shift_x: Tensor
    shift_y: Tensor
    aspect_x: Tensor
    aspect_y: Tensor
    upright: Tensor  # bool


def lenses(K: Tensor, sizes: Tensor, sensor: float = 36.0) -> Lenses:
    """Lenses of K [V, 3, 3], normalised and without skew, whose sensor's width is given in mm."""
    K_px, (width, height) = pixel_K(K, sizes), sizes.to(K).unbind(1)
    fx, fy = K_px[:, 0, 0], K_px[:, 1, 1]
    return Lenses(
        focal=fx / width * sensor,
        sensor=torch.full_like(fx, sensor),
        shift_x=(width / 2 - K_px[:, 0, 2]) / width,
        shift_y=(K_px[:, 1, 2] - height / 2) * (fx / fy) / width,
        aspect_x=(fy / fx).clamp(min=1),
        aspect_y=(fx / fy).clamp(min=1),
        upright=torch.zeros_like(fx, dtype=torch.bool),
    )


def K_of_lenses(lens: Lenses, sizes: Tensor) -> Tensor:
    """K [V, 3, 3], normalised, of Blender's lenses."""
    width, height = sizes.to(lens.focal).unbind(1)
    tall = lens.aspect_y / lens.aspect_x  # a pixel's height, in its widths
    side = torch.where(lens.upright, tall * height, width)  # that the sensor measures, in widths of pixels
    fx = lens.focal / lens.sensor * side
    K_px = pinhole_K(fx, fx / tall, width / 2 - lens.shift_x * side, height / 2 + lens.shift_y * side / tall)
    return normalised_K(K_px, sizes)
