"""Features of points from three orthogonal planes, or from grids of D planes each [eg3d §3] [pano §3.3].

An `axes` matrix [P, 3, 3] holds for each plane, as rows, the world axes along its width, height and depth. `planes` are
[B, P, C, D, H, W] (D = 1 and no depth weighting is a tri-plane, D > 1 a tri-grid) and cover the cube of side `box_size` about
the origin; outside it features fade to zero within half a cell.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def plane_axes(*names: str) -> Tensor:
    """Axes from names: "xyz" is width along x, height along y, depth along z."""
    return torch.stack([torch.eye(3)[["xyz".index(axis) for axis in name]] for name in names])


PANOHEAD_AXES = plane_axes("xyz", "xzy", "yzx")
EG3D_AXES = plane_axes("xyz", "xzy", "zxy")  # the released EG3D weights: the third plane repeats the second, turned
HEX_AXES = torch.tensor([  # front, side, top, as they are seen from in front, the left, above [h360 supp. A.2]
    [[1.0, 0, 0], [0, 1, 0], [0, 0, 1]], [[0.0, 0, -1], [0, 1, 0], [1, 0, 0]], [[1.0, 0, 0], [0, 0, -1], [0, 1, 0]],
])  # fmt: skip


def in_planes(xyz: Tensor, axes: Tensor, box_size: float) -> Tensor:
    """Points xyz [B, N, 3] in each plane's own coordinates in [-1, 1]: [B, P, N, 3] (along width, height, depth)."""
    return (xyz[:, None] * (2 / box_size)) @ axes.to(xyz).transpose(1, 2)


def sample_planes(planes: Tensor, uvw: Tensor) -> Tensor:
    """Trilinear features of points in plane coordinates.

    planes [B, P, C, D, H, W], uvw [B, P, N, 3] in [-1, 1] along width, height, depth. Returns [B, P, N, C]. The reference;
    `kernels.gather` is the fast version.
    """
    B, P, C = planes.shape[:3]
    out = F.grid_sample(planes.flatten(0, 1), uvw.reshape(B * P, 1, 1, -1, 3), align_corners=False)  # [B P, C, 1, 1, N]
    return out.reshape(B, P, C, -1).transpose(2, 3)


def sample_flat_planes(planes: Tensor, uv: Tensor) -> Tensor:
    """Bilinear features of points in tri-planes: planes [B, P, C, 1, H, W], uv [B, P, N, 2]. Returns [B, P, N, C]."""
    B, P, C = planes.shape[:3]
    out = F.grid_sample(planes.flatten(0, 1)[:, :, 0], uv.reshape(B * P, 1, -1, 2), align_corners=False)  # [B P, C, 1, N]
    return out.reshape(B, P, C, -1).transpose(2, 3)


def inside_crop(xyz: Tensor, box_size: float, margin: float) -> Tensor:
    """True where |x| and |z| stay `margin` inside the box; y is free. xyz [B, N, 3] -> [B, N]."""
    limit = box_size / 2 - margin
    return (xyz[..., 0].abs() <= limit) & (xyz[..., 2].abs() <= limit)


def dual_spherical_planes(xyz: Tensor, box_size: float) -> tuple[Tensor, Tensor]:
    """Coordinates of points in two spherical frames whose poles are at right angles [spherehead §3].

    xyz [B, N, 3]. Returns uv [B, 2, 3, N, 2] on the planes (theta, phi), (theta, r), (phi, r) of each ball, in [-1, 1],
    and the balls' weights [B, 2, N], which vanish at a ball's own seam and poles.
    """
    frames = torch.tensor([[[0.0, 0, -1], [0, 1, 0], [1, 0, 0]], [[0.0, -1, 0], [0, 0, 1], [-1, 0, 0]]])
    x, y, z = ((xyz[:, None] * (2 / box_size)) @ frames.to(xyz)).unbind(dim=-1)  # [B, 2, N] each
    r = torch.sqrt(x * x + y * y + z * z) * (2 / 3**0.5) - 1
    theta = torch.atan2(torch.sqrt(x * x + y * y), z) * (2 / torch.pi) - 1
    phi = torch.atan2(y, x) / torch.pi
    uv = torch.stack([torch.stack(pair, dim=-1) for pair in ((theta, phi), (theta, r), (phi, r))], dim=2)
    weights = (1 + torch.cos(torch.pi * theta)) / 2 * (1 + torch.cos(torch.pi * phi)) / 2
    return uv, weights
