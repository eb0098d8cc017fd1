"""Features of points from planes and grids against a loop."""

import math

import pytest
import torch
from torch import Tensor

from fullhead.core.grids import (
    EG3D_AXES,
    PANOHEAD_AXES,
    dual_spherical_planes,
    in_planes,
    inside_crop,
    plane_axes,
    sample_flat_planes,
    sample_planes,
)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def cell_value(grid: Tensor, d: int, h: int, w: int) -> float:
    D, H, W = grid.shape
    return float(grid[d, h, w]) if 0 <= d < D and 0 <= h < H and 0 <= w < W else 0.0


def loop_sample(grid: Tensor, u: float, v: float, w: float) -> float:
    """grid [D, H, W] at coordinates along width, height, depth in [-1, 1]; cell centres are inset by half a cell."""
    D, H, W = grid.shape
    x, y, z = (((c + 1) / 2 * n - 0.5) for c, n in ((u, W), (v, H), (w, D)))
    total = 0.0
    for i in range(math.floor(z), math.floor(z) + 2):
        for j in range(math.floor(y), math.floor(y) + 2):
            for k in range(math.floor(x), math.floor(x) + 2):
                total += cell_value(grid, i, j, k) * (1 - abs(z - i)) * (1 - abs(y - j)) * (1 - abs(x - k))
    return total


@pytest.mark.parametrize("depth", [1, 3])
def test_trilinear_features_are_those_of_a_loop(generator: torch.Generator, depth: int):
    planes = torch.randn(1, 3, 2, depth, 4, 5, generator=generator)
    uvw = torch.rand(1, 3, 30, 3, generator=generator) * 2.6 - 1.3
    ours = sample_planes(planes, uvw)
    for p in range(3):
        for n in range(30):
            for c in range(2):
                expected = loop_sample(planes[0, p, c], *uvw[0, p, n].tolist())
                assert float(ours[0, p, n, c]) == pytest.approx(expected, abs=1e-5)


def test_flat_planes_are_read_at_their_only_depth(generator: torch.Generator):
    planes = torch.randn(2, 3, 4, 1, 6, 6, generator=generator)
    uv = torch.rand(2, 3, 20, 2, generator=generator) * 2 - 1
    flat = sample_planes(planes, torch.cat([uv, torch.zeros(2, 3, 20, 1)], dim=-1))
    torch.testing.assert_close(sample_flat_planes(planes, uv), flat)


def test_a_stack_of_one_is_not_a_flat_plane(generator: torch.Generator):
    """Features of a grid of depth 1 fade with depth: weight 1 - |depth| / 2."""
    planes = torch.randn(1, 1, 4, 1, 6, 6, generator=generator)
    uvw = torch.tensor([[[[0.2, 0.3, 0.8]]]])
    torch.testing.assert_close(sample_planes(planes, uvw), 0.6 * sample_flat_planes(planes, uvw[..., :2]))


def test_axes_say_which_coordinate_runs_along_width_height_and_depth():
    xyz = torch.tensor([[[0.1, 0.2, 0.3]]])
    ours = in_planes(xyz, PANOHEAD_AXES, 2.0)[0, :, 0]
    torch.testing.assert_close(ours, torch.tensor([[0.1, 0.2, 0.3], [0.1, 0.3, 0.2], [0.2, 0.3, 0.1]]))
    torch.testing.assert_close(in_planes(xyz, EG3D_AXES, 2.0)[0, 2, 0, :2], torch.tensor([0.3, 0.1]))
    torch.testing.assert_close(in_planes(xyz, plane_axes("zyx"), 1.0)[0, 0, 0], torch.tensor([0.6, 0.4, 0.2]))


def test_the_box_fills_the_planes():
    corner = torch.full((1, 1, 3), 0.75)
    assert torch.equal(in_planes(corner, PANOHEAD_AXES, 1.5), torch.ones(1, 3, 1, 3))


def test_the_crop_leaves_y_free():
    xyz = torch.tensor([[[0.39, 5.0, 0.39], [0.41, 0.0, 0.0], [0.0, 0.0, -0.41], [-0.4, 0.0, 0.4]]])
    assert inside_crop(xyz, 1.0, 0.1 - 1e-6)[0].tolist() == [True, False, False, True]


def test_spherical_coordinates_are_those_of_the_two_frames(generator: torch.Generator):
    xyz = torch.rand(1, 50, 3, generator=generator) - 0.5
    uv, weights = dual_spherical_planes(xyz, 1.0)
    frames = (lambda x, y, z: (z, y, -x), lambda x, y, z: (-z, -x, y))
    for ball, frame in enumerate(frames):
        for n in range(50):
            x, y, z = frame(*(2 * xyz[0, n]).tolist())
            r = math.sqrt(x * x + y * y + z * z)
            theta, phi = 2 * math.acos(z / r) / math.pi - 1, math.atan2(y, x) / math.pi
            rho = 2 * r / math.sqrt(3) - 1
            expected = torch.tensor([[theta, phi], [theta, rho], [phi, rho]])
            torch.testing.assert_close(uv[0, ball, :, n], expected, rtol=0, atol=1e-4)
            weight = (1 + math.cos(math.pi * theta)) / 2 * (1 + math.cos(math.pi * phi)) / 2
            assert float(weights[0, ball, n]) == pytest.approx(weight, abs=1e-4)


def test_a_balls_weight_vanishes_at_its_own_poles_and_there_the_other_ball_speaks():
    poles = torch.tensor([[[0.3, 0.0, 0.0], [-0.3, 0.0, 0.0], [0.0, 0.3, 0.0], [0.0, -0.3, 0.0]]])
    weights = dual_spherical_planes(poles, 1.0)[1][0]
    torch.testing.assert_close(weights[0, :2], torch.zeros(2), rtol=0, atol=1e-6)
    torch.testing.assert_close(weights[1, 2:], torch.zeros(2), rtol=0, atol=1e-6)


def test_the_balls_weights_lie_between_0_and_1(generator: torch.Generator):
    weights = dual_spherical_planes(torch.rand(1, 5000, 3, generator=generator) - 0.5, 1.0)[1]
    assert weights.min() >= -1e-6 and weights.max() <= 1 + 1e-6
    assert (weights.sum(dim=1) > 1e-6).float().mean() > 0.99  # hardly a point where both are silent
