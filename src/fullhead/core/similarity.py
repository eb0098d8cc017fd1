"""Similarities: a scale, a turn and a shift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fullhead.core.errors import FullheadError


@dataclass(frozen=True)
class Similarity:
    """x -> scale turn x + shift."""

    scale: float
    turn: NDArray  # [3, 3]
    shift: NDArray  # [3]

    def __call__(self, points: NDArray) -> NDArray:
        return self.scale * points @ self.turn.T + self.shift

    def after(self, first: Similarity) -> Similarity:
        """This one after another."""
        return Similarity(self.scale * first.scale, self.turn @ first.turn, self(first.shift))


def similarity(source: NDArray, target: NDArray) -> Similarity:
    """What brings points [P, 3] closest to others, in the sense of least squares [umeyama91]."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    if not s[1] > 1e-6 * s[0]:
        raise FullheadError("the points lie in a line or in one place: they cannot tell how a head stands")
    sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    turn, scale = (u * sign) @ vt, float((s * sign).sum() / (a**2).sum())
    return Similarity(scale, turn, target.mean(0) - scale * turn @ source.mean(0))
