"""Where rays look: strata and importance samples."""

import pytest
import torch
from torch import Tensor

from fullhead.core.sampling import BIN_FLOOR, PDF_FLOOR, importance, inverse_cdf, stratified


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def span(near: float, far: float, rays: int) -> tuple[Tensor, Tensor]:
    return torch.full((2, rays, 1), near), torch.full((2, rays, 1), far)


def test_without_a_generator_samples_are_the_middles_of_the_strata():
    t = stratified(*span(2.0, 3.0, 3), 5)
    expected = torch.tensor([2.125, 2.375, 2.625, 2.875, 3.125])
    torch.testing.assert_close(t, expected.expand(2, 3, 5))


def test_random_samples_stay_in_their_strata_and_fill_them(generator: torch.Generator):
    t = stratified(*span(2.0, 3.0, 2000), 5, generator)
    place = (t - 2.0) / 0.25 - torch.arange(5)
    assert (place > -1e-5).all() and (place < 1 + 1e-5).all()
    torch.testing.assert_close(place.mean(dim=(0, 1)), torch.full((5,), 0.5), rtol=0, atol=0.03)


def test_the_same_generator_gives_the_same_samples():
    a = stratified(*span(0.0, 1.0, 4), 6, torch.Generator().manual_seed(3))
    b = stratified(*span(0.0, 1.0, 4), 6, torch.Generator().manual_seed(3))
    assert torch.equal(a, b)


def loop_inverse_cdf(t: list[float], weights: list[float], u: float) -> float:
    """One quantile, by hand."""
    S = len(t)
    widened = [max(weights[max(i - 1, 0)], weights[min(i, S - 2)]) for i in range(S)]
    smooth = [(widened[i] + widened[i + 1]) / 2 + BIN_FLOOR for i in range(S - 1)]
    edges = [(t[i] + t[i + 1]) / 2 for i in range(S - 1)]
    mass = [w + PDF_FLOOR for w in smooth[1:-1]]  # of the bins between edges 0, 1, ..., S - 3
    target, below = u * sum(mass), 0.0
    for i, m in enumerate(mass):
        if target <= below + m or i == len(mass) - 1:
            return edges[i] + (target - below) / m * (edges[i + 1] - edges[i])
        below += m
    raise AssertionError


def test_quantiles_are_those_of_a_loop(generator: torch.Generator):
    t = torch.rand(1, 4, 9, generator=generator).sort(dim=-1).values + 2
    weights = torch.rand(1, 4, 8, generator=generator) ** 4
    u = torch.rand(1, 4, 20, generator=generator)
    ours = inverse_cdf(t, weights, u)
    for ray in range(4):
        for k in range(20):
            expected = loop_inverse_cdf(t[0, ray].tolist(), weights[0, ray].tolist(), float(u[0, ray, k]))
            assert float(ours[0, ray, k]) == pytest.approx(expected, abs=1e-4)


def test_samples_gather_where_the_light_was_stopped():
    t = torch.linspace(0, 1, 21).expand(1, 1, 21)
    weights = torch.zeros(1, 1, 20)
    weights[..., 10] = 1.0
    fine = importance(t, weights, 100)
    assert ((fine > 0.4) & (fine < 0.65)).float().mean() > 0.8
    assert fine.min() < 0.2 and fine.max() > 0.8  # and yet no part goes unseen


def test_samples_stay_between_the_first_and_the_last_coarse_one(generator: torch.Generator):
    t = stratified(*span(2.0, 3.0, 50), 12, generator)
    fine = importance(t, torch.rand(2, 50, 11, generator=generator), 30, generator)
    assert (fine >= t[..., :1]).all() and (fine <= t[..., -1:]).all()


def test_importance_samples_carry_no_gradient():
    t = torch.linspace(0, 1, 8).expand(1, 1, 8).clone().requires_grad_()
    weights = torch.rand(1, 1, 7).requires_grad_()
    assert not importance(t, weights, 5).requires_grad
