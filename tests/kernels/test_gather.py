"""The compiled plane lookup against its reference, forward and backward."""

import pytest
import torch
from torch import Tensor

from fullhead.core.grids import sample_planes
from fullhead.kernels.gather import sample_planes_mean

SHAPES = [(1, 3, 4, 1, 6, 6), (2, 3, 5, 3, 7, 6), (1, 6, 32, 1, 8, 8), (2, 1, 3, 2, 4, 9)]  # B P C D H W


def case(shape: tuple[int, ...], points: int = 700) -> tuple[Tensor, Tensor, Tensor]:
    """Planes, points within and beyond them, and a gradient for the outcome."""
    generator = torch.Generator().manual_seed(sum(shape))
    planes = torch.randn(shape, generator=generator)
    uvw = torch.rand(*shape[:2], points, 3, generator=generator) * 3 - 1.5
    return planes, uvw, torch.randn(shape[0], points, shape[2], generator=generator)


@pytest.mark.parametrize("shape", SHAPES)
def test_features_are_the_references(shape: tuple[int, ...]):
    planes, uvw, _ = case(shape)
    torch.testing.assert_close(sample_planes_mean(planes, uvw), sample_planes(planes, uvw).mean(dim=1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_are_the_references(shape: tuple[int, ...]):
    planes, uvw, grad = case(shape)
    planes.requires_grad_()
    uvw.requires_grad_()
    ours = torch.autograd.grad(sample_planes_mean(planes, uvw), [planes, uvw], grad)
    theirs = torch.autograd.grad(sample_planes(planes, uvw).mean(dim=1), [planes, uvw], grad)
    torch.testing.assert_close(ours[0], theirs[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours[1], theirs[1], rtol=1e-4, atol=1e-4)


def test_the_gradient_of_points_is_the_slope_of_the_features():
    planes, _, _ = case((1, 3, 4, 3, 6, 6))
    generator = torch.Generator().manual_seed(5)
    cells = torch.randint(1, 5, (1, 3, 40, 3), generator=generator)  # inside a cell the features are smooth
    sizes = torch.tensor([6.0, 6.0, 3.0])
    inside = cells.clamp(max=torch.tensor([4, 4, 1])) + 0.2 + 0.6 * torch.rand(1, 3, 40, 3, generator=generator)
    uvw = ((inside + 0.5) / sizes * 2 - 1).requires_grad_()
    direction = torch.randn(uvw.shape, generator=generator)
    slope = (torch.autograd.grad(sample_planes_mean(planes, uvw).sum(), uvw)[0] * direction).sum()
    h = 1e-3
    with torch.no_grad():
        ahead, behind = (sample_planes_mean(planes, uvw + s * h * direction).double().sum() for s in (1, -1))
    assert float(slope) == pytest.approx(float((ahead - behind) / (2 * h)), rel=2e-3, abs=2e-2)


def test_planes_alone_may_want_a_gradient():
    planes, uvw, grad = case(SHAPES[1])
    planes.requires_grad_()
    sample_planes_mean(planes, uvw).backward(grad)
    expected = planes.grad
    assert expected is not None
    theirs = torch.autograd.grad(sample_planes(planes, uvw).mean(dim=1), planes, grad)[0]
    torch.testing.assert_close(expected, theirs, rtol=1e-4, atol=1e-5)


def test_planes_of_any_memory_order_and_points_without_end_are_read_alike():
    planes, uvw, _ = case(SHAPES[1])
    expected = sample_planes_mean(planes, uvw)
    turned = planes.permute(0, 1, 3, 4, 5, 2).contiguous().permute(0, 1, 5, 2, 3, 4)
    torch.testing.assert_close(sample_planes_mean(turned, uvw), expected)
    one_head = planes[:1].expand(2, -1, -1, -1, -1, -1)
    torch.testing.assert_close(sample_planes_mean(one_head, uvw)[0], expected[0])


def test_points_far_outside_find_nothing():
    planes, _, _ = case(SHAPES[0])
    assert torch.equal(sample_planes_mean(planes, torch.full((1, 3, 5, 3), 40.0)), torch.zeros(1, 5, 4))


def test_half_precision_falls_back_to_the_reference():
    planes, uvw, _ = case(SHAPES[0])
    ours = sample_planes_mean(planes.bfloat16(), uvw)
    torch.testing.assert_close(ours.float(), sample_planes_mean(planes, uvw), rtol=0, atol=0.1)
