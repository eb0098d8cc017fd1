"""Searches of many systems at once against one at a time, in plain Python."""

import numpy as np
import pytest
import torch
from torch import Tensor

from fullhead.core.roots import DIVERGED, TOLERANCE, broyden, inverse_3x3

A = torch.tensor([[1.2, 0.3, -0.1], [0.2, 0.9, 0.2], [-0.1, 0.1, 1.1]])


def wavy(x: Tensor, target: Tensor) -> Tensor:
    """Roots that some starts miss."""
    return x @ A.T + 0.5 * torch.sin(3 * x) - target


def one_search(start: np.ndarray, target: np.ndarray, H: np.ndarray, steps: int) -> tuple[np.ndarray, float, int]:
    """The oracle: best point, its residual, evaluations after the first."""

    def g(x: np.ndarray) -> np.ndarray:
        return A.double().numpy() @ x + 0.5 * np.sin(3 * x) - target

    x, value, evaluations = start, g(start), 0
    best, residual = x, np.linalg.norm(value)
    while evaluations < steps and residual >= TOLERANCE:
        step = -H @ value
        x = x + step
        change, value = g(x) - value, g(x)
        evaluations += 1
        if np.linalg.norm(value) < residual:
            best, residual = x, np.linalg.norm(value)
        if np.linalg.norm(value) >= DIVERGED:
            break
        divisor = step @ H @ change
        H = H + np.outer((step - H @ change) / (divisor + (1e-6 if divisor >= 0 else -1e-6)), step @ H)
    return best, float(residual), evaluations


@pytest.fixture
def systems() -> tuple[Tensor, Tensor, Tensor]:
    """Starts [40, 3], targets [40, 3] and inverse Jacobians."""
    torch.manual_seed(1)
    return 0.6 * torch.randn(40, 3), 0.5 * torch.randn(40, 3), torch.linalg.inv(A).expand(40, 3, 3)


@pytest.mark.parametrize("steps", [0, 1, 4, 50])
def test_every_search_ends_where_it_would_alone(systems: tuple[Tensor, Tensor, Tensor], steps: int):
    start, target, H = (tensor.double() for tensor in systems)
    roots = broyden(
        lambda x, rows: x @ A.double().T + 0.5 * torch.sin(3 * x) - target[rows], start, _g(start, target), H, steps
    )
    alone = [one_search(*(t[i].numpy() for t in (start, target, H)), steps) for i in range(len(start))]
    np.testing.assert_allclose(roots.x, [x for x, _, _ in alone], atol=1e-6)
    np.testing.assert_allclose(roots.residual, [r for _, r, _ in alone], atol=1e-7)
    assert roots.evaluations == len(start) + sum(n for _, _, n in alone)


def _g(x: Tensor, target: Tensor) -> Tensor:
    return x @ A.double().T + 0.5 * torch.sin(3 * x) - target


def test_found_means_a_small_residual_and_nothing_else(systems: tuple[Tensor, Tensor, Tensor]):
    start, target, H = systems
    roots = broyden(lambda x, rows: wavy(x, target[rows]), start, wavy(start, target), H)
    assert 0 < roots.found.sum() < len(start)
    at_best = wavy(roots.x, target).norm(dim=-1)
    torch.testing.assert_close(roots.residual, at_best, rtol=0, atol=1e-6)
    assert (at_best[~roots.found] > TOLERANCE / 2).all()
    assert (at_best <= wavy(start, target).norm(dim=-1) + 1e-6).all()  # the best iterate, not the last


def test_only_searches_under_way_are_evaluated(systems: tuple[Tensor, Tensor, Tensor]):
    start, target, H = systems
    done = [torch.zeros(len(start), dtype=torch.bool)]

    def counted(x: Tensor, rows: Tensor) -> Tensor:
        assert not done[0][rows].any()
        value = wavy(x, target[rows])
        norm = value.norm(dim=-1)
        done[0][rows] |= (norm < TOLERANCE) | (norm >= DIVERGED)
        return value

    broyden(counted, start, wavy(start, target), H)
    assert done[0].any()


def test_a_value_that_is_no_number_ends_a_search():
    x = torch.zeros(2, 3)
    H = torch.eye(3).expand(2, 3, 3)
    roots = broyden(lambda x, rows: x - torch.where(rows == 0, torch.nan, 0.5)[:, None], x, -0.5 + x, H)
    assert roots.found.tolist() == [False, True]
    assert roots.x.isfinite().all()


def test_inverses_by_cofactors():
    matrices = torch.randn(5, 4, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(inverse_3x3(matrices), torch.linalg.inv(matrices))
