"""Rotations in three dimensions."""

import torch
from torch import Tensor

SMALL = 1e-3  # radians: below, series stand for quotients that would be 0 / 0


def matrix_from_axis_angle(axis_angle: Tensor) -> Tensor:
    """Rotation matrices [..., 3, 3] of axis-angle vectors [..., 3], radians (Rodrigues); smooth at 0 too.

    R = I + a K + b K^2 with K x = v x x, a = sin |v| / |v|, b = (1 - cos |v|) / |v|^2.
    """
    squared = (axis_angle * axis_angle).sum(-1)[..., None, None]
    small = squared < SMALL**2
    angle = torch.where(small, torch.ones_like(squared), squared).sqrt()
    a = torch.where(small, 1 - squared / 6, angle.sin() / angle)
    b = torch.where(small, 0.5 - squared / 24, 2 * ((angle / 2).sin() / angle) ** 2)
    x, y, z = axis_angle.unbind(-1)
    zero = torch.zeros_like(x)
    K = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    return torch.eye(3, dtype=K.dtype, device=K.device) + a * K + b * (K @ K)
