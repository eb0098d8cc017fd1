"""Rays through the pixels of a camera, and where they meet the head's box."""

from __future__ import annotations

import torch
from torch import Tensor

from fullhead.core.cameras import Cameras


def pixel_rays(cameras: Cameras, size: int) -> tuple[Tensor, Tensor]:
    """Rays through the pixel centres of a size x size image, row by row.

    cameras: B of them. Returns origins and unit directions in world space, each [B, size * size, 3].
    """
    centres = (torch.arange(size, device=cameras.K.device, dtype=cameras.K.dtype) + 0.5) / size
    v, u = (x.reshape(1, -1) for x in torch.meshgrid(centres, centres, indexing="ij"))  # [1, R]
    K = cameras.K[:, :, :, None]  # [B, 3, 3, 1]
    y = (v - K[:, 1, 2]) / K[:, 1, 1]
    x = (u - K[:, 0, 2] - K[:, 0, 1] * y) / K[:, 0, 0]
    in_camera = torch.stack([x, y, torch.ones_like(x)], dim=-1)  # [B, R, 3]
    directions = torch.nn.functional.normalize(in_camera @ cameras.c2w[:, :3, :3].transpose(1, 2), dim=-1)
    return cameras.origins[:, None].expand_as(directions), directions


def box_range(origins: Tensor, directions: Tensor, box_size: float) -> tuple[Tensor, Tensor, Tensor]:
    """Distances at which rays enter and leave the cube of side `box_size` about the origin.

    origins, directions [..., 3]. Returns near, far [..., 1] and hit [..., 1], false where a ray misses the cube.
    """
    with torch.no_grad():
        inverse = 1 / directions
        a, b = (-box_size / 2 - origins) * inverse, (box_size / 2 - origins) * inverse
        near = torch.minimum(a, b).amax(dim=-1, keepdim=True)
        far = torch.maximum(a, b).amin(dim=-1, keepdim=True)
        return near, far, near <= far
