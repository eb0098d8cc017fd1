"""Distances between two sets of features: of Gaussians fitted to them, and of the sets themselves in a kernel's space.

Features are [N, D], of any network; the numbers mean nothing without that network's name beside them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from fullhead.core.errors import FullheadError


@dataclass(frozen=True)
class Moments:
    """`count` features seen, their `mean` [D], and `scatter` [D, D]: the sum of outer products about the mean. float64."""

    count: int
    mean: Tensor
    scatter: Tensor

    @property
    def covariance(self) -> Tensor:
        """Unbiased covariance [D, D]."""
        return self.scatter / (self.count - 1)


def moments(features: Tensor) -> Moments:
    """Moments of features [N, D]."""
    if features.ndim != 2 or not len(features):
        raise FullheadError(f"features must be [N, D] with N of at least 1, not {list(features.shape)}")
    x = features.double()
    mean = x.mean(dim=0)
    return Moments(len(x), mean, (x - mean).T @ (x - mean))


def merged(a: Moments, b: Moments) -> Moments:
    """Moments of two sets together, from those of each: sets of any size pass through in batches."""
    count = a.count + b.count
    step = b.mean - a.mean
    scatter = a.scatter + b.scatter + torch.outer(step, step) * (a.count * b.count / count)
    return Moments(count, a.mean + step * (b.count / count), scatter)


def streamed_moments(batches: Iterable[Tensor]) -> Moments:
    """Moments of all batches [B, D] together; memory does not grow with their number."""
    total: Moments | None = None
    for batch in batches:
        total = moments(batch) if total is None else merged(total, moments(batch))
    if total is None:
        raise FullheadError("there is no batch of features")
    return total


def frechet_distance(a: Moments, b: Moments) -> float:
    """|mean_a - mean_b|^2 + tr(A + B - 2 (A B)^1/2) [heusel17 Eq.6], not below 0.

    The trace of the root of A B is that of (A^1/2 B A^1/2)^1/2, which is symmetric: two eigendecompositions, no complex parts.
    """
    if a.count < 2 or b.count < 2:
        raise FullheadError(f"a covariance needs at least 2 features, not {a.count} and {b.count}")
    A, B = a.covariance, b.covariance
    values, vectors = torch.linalg.eigh(A)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    product = torch.linalg.eigvalsh(root @ B @ root)
    distance = (a.mean - b.mean).square().sum() + A.trace() + B.trace() - 2 * product.clamp(min=0).sqrt().sum()
    return max(0.0, float(distance))


def polynomial_kernel(x: Tensor, y: Tensor) -> Tensor:
    """(x . y / D + 1)^3 of all pairs [N, M] of x [N, D] and y [M, D] [binkowski18 §4]."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def squared_mmd(x: Tensor, y: Tensor) -> float:
    """Unbiased squared maximum mean discrepancy of x [N, D] and y [M, D]; may be a little below 0 [gretton12 Eq.3]."""
    n, m = len(x), len(y)
    if min(n, m) < 2:
        raise FullheadError(f"the kernel distance needs at least 2 features a set, not {n} and {m}")
    x, y = x.double(), y.double()
    xx, yy = polynomial_kernel(x, x), polynomial_kernel(y, y)
    within_x = (xx.sum() - xx.trace()) / (n * (n - 1))
    within_y = (yy.sum() - yy.trace()) / (m * (m - 1))
    return float(within_x + within_y - 2 * polynomial_kernel(x, y).mean())


def kernel_distance(x: Tensor, y: Tensor, blocks: int = 4, generator: torch.Generator | None = None) -> tuple[float, float]:
    """Kernel distance of features x [N, D] and y [M, D] [binkowski18 §4], and its standard error.

    Both sets are shuffled and cut into `blocks` (at least 2) that share nothing: the mean of the blocks' squared MMDs is
    unbiased, and their spread tells how sure it is.
    """
    if blocks < 2 or min(len(x), len(y)) < 2 * blocks:
        raise FullheadError(f"sets of {len(x)} and {len(y)} do not fill {blocks} blocks: 2 or more blocks of 2 or more each")
    x, y = x[torch.randperm(len(x), generator=generator)], y[torch.randperm(len(y), generator=generator)]
    parts = zip(x.tensor_split(blocks), y.tensor_split(blocks), strict=True)
    each = torch.tensor([squared_mmd(a, b) for a, b in parts], dtype=torch.float64)
    return float(each.mean()), float(each.std() / blocks**0.5)


def kernel_interval(
    x: Tensor, y: Tensor, draws: int = 1000, share: float = 0.95, generator: torch.Generator | None = None
) -> tuple[float, float, float]:
    """`squared_mmd` of small sets x [N, D] and y [M, D], and between which two values a bootstrap finds `share` of its draws.

    Both sets are drawn anew with replacement. An item that is drawn twice is not paired with itself: that would count as
    likeness within a set [gretton12 Eq.3].
    """
    value = squared_mmd(x, y)
    x, y = x.double(), y.double()

    def times_drawn(count: int) -> Tensor:
        rows = torch.randint(count, (draws, count), generator=generator)
        return torch.zeros(draws, count, dtype=torch.float64).scatter_add_(1, rows, torch.ones(rows.shape, dtype=torch.float64))

    def within(features: Tensor, times: Tensor) -> Tensor:
        kernel = polynomial_kernel(features, features).fill_diagonal_(0)
        pairs = times.sum(dim=1).square() - times.square().sum(dim=1)
        return torch.einsum("dn,nm,dm->d", times, kernel, times) / pairs

    of_x, of_y = times_drawn(len(x)), times_drawn(len(y))
    across = torch.einsum("dn,nm,dm->d", of_x, polynomial_kernel(x, y), of_y) / (len(x) * len(y))
    found = within(x, of_x) + within(y, of_y) - 2 * across
    low, high = found.nanquantile(torch.tensor([(1 - share) / 2, (1 + share) / 2], dtype=torch.float64)).tolist()
    return value, low, high
