"""Joints in a tree and linear blend skinning, against loops."""

import torch

from fullhead.core.rotations import matrix_from_axis_angle
from fullhead.core.skinning import blended_transforms, joint_transforms, transformed

PARENTS = (-1, 0, 1, 1)


def body() -> tuple[torch.Tensor, torch.Tensor]:
    """Rest joints [2, 4, 3] and rotations [2, 4, 3, 3]."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 4, 3, generator=generator), matrix_from_axis_angle(torch.randn(2, 4, 3, generator=generator))


def test_a_point_fixed_to_a_joint_turns_about_it_and_all_above_it() -> None:
    joints, rotations = body()
    transforms = joint_transforms(joints, rotations, PARENTS)
    point = torch.tensor([0.3, -1.0, 2.0])
    for b in range(2):
        for joint in range(4):
            moved, carrier = point, joint
            while carrier >= 0:
                moved = rotations[b, carrier] @ (moved - joints[b, carrier]) + joints[b, carrier]
                carrier = PARENTS[carrier]
            torch.testing.assert_close(transformed(transforms[b, joint], point), moved, atol=1e-5, rtol=1e-5)


def test_skinning_is_the_mixture_of_what_each_joint_does() -> None:
    joints, rotations = body()
    transforms = joint_transforms(joints, rotations, PARENTS)
    points, weights = torch.randn(2, 7, 3), torch.rand(7, 4).softmax(1)
    skinned = transformed(blended_transforms(weights, transforms), points)
    for b in range(2):
        for n in range(7):
            wanted = sum(weights[n, j] * transformed(transforms[b, j], points[b, n]) for j in range(4))
            torch.testing.assert_close(skinned[b, n], wanted, atol=1e-5, rtol=1e-5)


def test_no_rotation_moves_nothing() -> None:
    joints, _ = body()
    transforms = joint_transforms(joints, torch.eye(3).expand(2, 4, 3, 3), PARENTS)
    torch.testing.assert_close(transforms, torch.eye(4).expand(2, 4, 4, 4), atol=1e-6, rtol=0)
