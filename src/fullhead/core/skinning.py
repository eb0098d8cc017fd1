"""Linear blend skinning: joints in a tree turn, points follow a mixture of them.

B bodies, J joints (a parent before its children), N points. posed_from_rest matrices are homogeneous.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def joint_transforms(rest_joints: Tensor, rotations: Tensor, parents: Sequence[int]) -> Tensor:
    """posed_from_rest [B, J, 4, 4] of every joint: it turns about its place at rest, then its parent carries it.

    rest_joints [B, J, 3]; rotations [B, J, 3, 3] relative to the parent; parents: -1 for the root.
    """
    shift = rest_joints - (rotations @ rest_joints[..., None])[..., 0]
    local = torch.cat([rotations, shift[..., None]], dim=-1)  # [B, J, 3, 4]
    bottom = local.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*local.shape[:2], 1, 4)
    local = torch.cat([local, bottom], dim=-2)
    transforms: list[Tensor] = []
    for joint, parent in enumerate(parents):
        transforms.append(local[:, joint] if parent < 0 else transforms[parent] @ local[:, joint])
    return torch.stack(transforms, dim=1)


def blended_transforms(weights: Tensor, transforms: Tensor) -> Tensor:
    """Mixtures [B, N, 4, 4] of transforms [B, J, 4, 4] by weights [N, J] or [B, N, J]."""
    return (weights @ transforms.flatten(-2)).unflatten(-1, (4, 4))


def transformed(matrices: Tensor, points: Tensor) -> Tensor:
    """Points [..., 3] moved by homogeneous matrices [..., 4, 4]."""
    return (matrices[..., :3, :3] * points[..., None, :]).sum(-1) + matrices[..., :3, 3]
