"""Roots of many small systems at once: Broyden's method [broyden65], as searched by forward skinning [snarf].

N independent systems g(x) = 0 of three unknowns. Only the systems that are still being searched are evaluated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

TOLERANCE = 1e-5  # |g| below which a root counts as found [snarf]
DIVERGED = 1.0  # |g| above which a search is given up [snarf]
SMALLEST_PIVOT = 1e-6  # the divisor of an update is kept this far from zero [snarf]


@dataclass(frozen=True)
class Roots:
    """`x` [N, 3], the best point that each search met; `residual` [N], |g| there; `evaluations`, of one system each."""

    x: Tensor
    residual: Tensor
    evaluations: int

    @property
    def found(self) -> Tensor:
        """[N] bool."""
        return self.residual < TOLERANCE


def broyden(
    function: Callable[[Tensor, Tensor], Tensor], x: Tensor, value: Tensor, inverse_jacobian: Tensor, steps: int = 50
) -> Roots:
    """Search from x [N, 3], where g is `value` [N, 3] and the inverse of its Jacobian about `inverse_jacobian` [N, 3, 3].

    `function(x [M, 3], systems [M])` gives g of some of the systems, numbered from 0 to N - 1 in ascending order.
    """
    best, residual = x.clone(), value.norm(dim=-1)
    evaluations = len(x)
    systems = (residual >= TOLERANCE).nonzero()[:, 0]
    x, g, H = x[systems], value[systems], inverse_jacobian[systems]
    for _ in range(steps):
        if len(systems) == 0:
            break
        step = -_times(H, g)
        x = x + step
        before, g = g, function(x, systems)
        evaluations += len(systems)
        norm = g.norm(dim=-1)
        better = norm < residual[systems]
        residual[systems[better]], best[systems[better]] = norm[better], x[better]
        going = ((norm >= TOLERANCE) & (norm < DIVERGED)).nonzero()[:, 0]
        systems, x, g, step, change, H = (a[going] for a in (systems, x, g, step, g - before, H))
        H = updated(H, step, change)
    return Roots(best, residual, evaluations)


def updated(H: Tensor, step: Tensor, change: Tensor) -> Tensor:
    """The inverse Jacobian H [M, 3, 3] nearest to the old one that maps the change of g [M, 3] to the step [M, 3]."""
    row = (step[:, :, None] * H).sum(dim=1)  # step^T H
    divisor = (row * change).sum(dim=-1, keepdim=True)
    divisor = divisor + torch.where(divisor < 0, -SMALLEST_PIVOT, SMALLEST_PIVOT)
    return H + ((step - _times(H, change)) / divisor)[:, :, None] * row[:, None]


def inverse_3x3(matrix: Tensor) -> Tensor:
    """Inverses of [..., 3, 3] by cofactors. A singular matrix gives infinities."""
    a, b, c = matrix.unbind(dim=-2)
    cofactors = torch.stack([torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)], dim=-1)
    return cofactors / (a * cofactors[..., 0]).sum(dim=-1)[..., None, None]


def _times(matrices: Tensor, vectors: Tensor) -> Tensor:
    """[M, 3, 3] times [M, 3]."""
    return (matrices * vectors[:, None]).sum(dim=-1)
