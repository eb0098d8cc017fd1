"""Which face does each pixel see: a plain z-buffer in torch, on any device. The reference of `kernels.raster`.

Pixel (row, column) is sampled at its centre (column + 0.5, row + 0.5). Of several faces the nearest wins, of equally
near ones the first. Both sides are drawn. A face with a corner behind the camera is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SMALLEST_AREA = 1e-7  # twice the area, in square pixels, below which a face is edge-on


@dataclass(frozen=True)
class Raster:
    """What each pixel sees; nothing is there where `face` is -1."""

    face: Tensor  # [H, W] int32, row of `faces`, or -1
    barycentric: Tensor  # [H, W, 3], perspective-correct weights of the face's corners, 0 outside
    depth: Tensor  # [H, W], camera z in world units, 0 outside


def rasterize(xy_px: Tensor, z: Tensor, faces: Tensor, height: int, width: int, chunk: int = 256) -> Raster:
    """The nearest face of each pixel.

    xy_px [V, 2] projected vertices in pixels; z [V] their camera depth in world units; faces [F, 3].
    Weights and depth are differentiable with respect to `xy_px` and `z`; the choice of the face is not.
    """
    winner = _nearest_face(xy_px.detach(), z.detach(), faces.long(), height, width, chunk)  # [H, W]
    seen = winner >= 0
    corners = faces.long()[winner.clamp(min=0)]  # [H, W, 3]
    # Where nothing is seen, any sound face will do: it keeps NaN out of the gradients.
    somewhere = xy_px.new_tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    corner_xy = torch.where(seen[..., None, None], xy_px[corners], somewhere)  # [H, W, 3, 2]
    corner_z = torch.where(seen[..., None], z[corners], torch.ones_like(z[corners]))
    screen = _screen_weights(corner_xy, _pixel_centres(height, width, xy_px))
    inverse_depth = (screen / corner_z).sum(-1)  # [H, W]
    weights = screen / corner_z / inverse_depth[..., None]
    zero = xy_px.new_zeros(())
    return Raster(winner.int(), torch.where(seen[..., None], weights, zero), torch.where(seen, 1.0 / inverse_depth, zero))


def _pixel_centres(height: int, width: int, like: Tensor) -> Tensor:
    """[H, W, 2], (column + 0.5, row + 0.5)."""
    rows = torch.arange(height, device=like.device, dtype=like.dtype) + 0.5
    columns = torch.arange(width, device=like.device, dtype=like.dtype) + 0.5
    return torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)


def _screen_weights(corners: Tensor, points: Tensor) -> Tensor:
    """Barycentric weights [..., 3] in the image plane of points [..., 2] in faces [..., 3, 2]."""
    a, b, c = corners.unbind(-2)
    area = _cross(b - a, c - a)
    of_b, of_c = _cross(points - a, c - a) / area, _cross(b - a, points - a) / area
    return torch.stack([1 - of_b - of_c, of_b, of_c], dim=-1)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _nearest_face(xy_px: Tensor, z: Tensor, faces: Tensor, height: int, width: int, chunk: int) -> Tensor:
    """[H, W] long, -1 where no face covers the pixel's centre."""
    points = _pixel_centres(height, width, xy_px)
    winner = torch.full((height, width), -1, dtype=torch.long, device=xy_px.device)
    nearest = torch.zeros(height, width, dtype=xy_px.dtype, device=xy_px.device)  # inverse depth; larger is nearer
    for start in range(0, len(faces), chunk):
        part = faces[start : start + chunk]  # [F', 3]
        corners = xy_px[part]
        area = _cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        drawn = (z[part] > 0).all(-1) & (area.abs() >= SMALLEST_AREA)
        screen = _screen_weights(corners[:, None, None], points)  # [F', H, W, 3]
        inside = (screen >= 0).all(-1) & drawn[:, None, None]
        inverse_depth = (screen / z[part][:, None, None]).sum(-1)
        inverse_depth = torch.where(inside, inverse_depth, torch.zeros_like(inverse_depth))
        value, index = inverse_depth.max(0)  # the first of equals
        nearer = value > nearest
        winner, nearest = torch.where(nearer, index + start, winner), torch.where(nearer, value, nearest)
    return winner
