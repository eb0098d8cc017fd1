"""Rotations from axis-angle vectors."""

import math

import pytest
import torch

from fullhead.core.rotations import SMALL, matrix_from_axis_angle


def test_matrices_are_rotations_about_their_axis_by_their_angle() -> None:
    v = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    R = matrix_from_axis_angle(v)
    torch.testing.assert_close(R @ R.mT, torch.eye(3, dtype=v.dtype).expand(50, 3, 3))
    torch.testing.assert_close(torch.linalg.det(R), torch.ones(50, dtype=v.dtype))
    torch.testing.assert_close((R @ v[..., None])[..., 0], v)
    traces = R.diagonal(dim1=-2, dim2=-1).sum(-1)
    torch.testing.assert_close(traces, 1 + 2 * v.norm(dim=-1).cos())


def test_a_quarter_turn_about_z_takes_x_to_y() -> None:
    R = matrix_from_axis_angle(torch.tensor([0.0, 0.0, math.pi / 2]))
    torch.testing.assert_close(R @ torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0]), atol=1e-6, rtol=0)


def test_both_sides_of_the_switch_to_series_agree() -> None:
    axis = torch.tensor([0.6, 0.0, 0.8], dtype=torch.float64)
    below, above = (matrix_from_axis_angle(axis * SMALL * k) for k in (1 - 1e-9, 1 + 1e-9))
    torch.testing.assert_close(below, above, atol=1e-11, rtol=0)


@pytest.mark.parametrize("size", [0.0, 1e-5, 0.7, 3.0])
def test_gradients_exist_everywhere_also_at_no_rotation(size: float) -> None:
    v = (size * torch.tensor([[0.6, 0.0, -0.8]], dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(matrix_from_axis_angle, v)
