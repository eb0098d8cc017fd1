"""The quadrature of volume rendering against a loop and closed forms."""

import math

import pytest
import torch

from fullhead.core.compositing import density_activation, expected_distance, interval_weights, sample_weights


def softplus(x: float) -> float:
    return math.log1p(math.exp(-abs(x))) + max(x, 0.0)


def test_weights_are_those_of_a_loop():
    generator = torch.Generator().manual_seed(0)
    raw = 3 * torch.randn(1, 5, 9, generator=generator)
    t = torch.rand(1, 5, 9, generator=generator).sort(dim=-1).values * 4
    ours = interval_weights(raw, t)
    for ray in range(5):
        passed = 1.0
        for i in range(8):
            middle = float(raw[0, ray, i] + raw[0, ray, i + 1]) / 2
            alpha = 1 - math.exp(-softplus(middle - 1) * float(t[0, ray, i + 1] - t[0, ray, i]))
            assert float(ours[0, ray, i]) == pytest.approx(passed * alpha, abs=1e-6)
            passed *= 1 - alpha


def test_a_constant_density_absorbs_as_the_exponential_law_says():
    raw = torch.full((1, 1, 200), 2.0)
    t = torch.linspace(0, 3, 200).expand(1, 1, 200)
    sigma = float(density_activation(torch.tensor(2.0)))
    weights = interval_weights(raw, t)
    assert float(weights.sum()) == pytest.approx(1 - math.exp(-3 * sigma), rel=1e-4)
    mean = (1 - (1 + 3 * sigma) * math.exp(-3 * sigma)) / sigma / (1 - math.exp(-3 * sigma))
    assert float(expected_distance(weights, t)) == pytest.approx(mean, rel=1e-3)


def test_a_wall_hides_what_is_behind_it():
    raw = torch.tensor([[[-50.0, -50, 1e4, 1e4, 1e4]]])
    weights = interval_weights(raw, torch.arange(5.0).expand(1, 1, 5))
    torch.testing.assert_close(weights, torch.tensor([[[0.0, 1, 0, 0]]]), rtol=0, atol=1e-6)


def test_sample_weights_give_the_same_sum_as_the_means_of_intervals():
    generator = torch.Generator().manual_seed(1)
    weights, values = torch.rand(2, 3, 7, generator=generator), torch.rand(2, 3, 8, generator=generator)
    by_interval = (weights * (values[..., 1:] + values[..., :-1]) / 2).sum(dim=-1)
    torch.testing.assert_close((sample_weights(weights) * values).sum(dim=-1), by_interval)


def test_a_ray_that_meets_nothing_gets_its_last_distance():
    t = torch.tensor([[[1.0, 2.0, 3.0]]])
    assert float(expected_distance(torch.zeros(1, 1, 2), t)) == 3.0


def test_space_starts_out_nearly_empty():
    assert float(density_activation(torch.zeros(()))) == pytest.approx(softplus(-1.0))
    assert float(density_activation(torch.tensor(-1000.0))) == 0.0
