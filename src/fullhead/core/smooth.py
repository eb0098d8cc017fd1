"""Smooth functions in space: steps, bumps and noise."""

from __future__ import annotations

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray

from fullhead.core.compiled import njit


def smoothstep(low: ArrayLike, high: ArrayLike, x: ArrayLike) -> NDArray:
    """0 at `low`, 1 at `high`, smooth between; `low` may be the larger."""
    t = np.clip((np.asarray(x) - low) / (np.asarray(high) - low), 0, 1)
    return t * t * (3 - 2 * t)


def blob(points: NDArray, centre: tuple[float, float, float], radii: tuple[float, float, float]) -> NDArray:
    """Gaussian bump [...] of points [..., 3]: 1 at its centre, radii are standard deviations."""
    return np.exp(-0.5 * (((points - np.array(centre)) / np.array(radii)) ** 2).sum(-1))


@njit(nogil=True)
def _interpolate(lattice, cells, values):
    """Linear interpolation [P] between the samples of a lattice [n, n, n] that repeats, at places [P, 3] counted in them."""
    n = lattice.shape[0]
    for p in range(len(cells)):
        x, y, z = cells[p]
        i, j, k = np.floor(x), np.floor(y), np.floor(z)
        u, v, w = x - i, y - j, z - k
        i0, j0, k0 = int(i) % n, int(j) % n, int(k) % n
        i1, j1, k1 = (i0 + 1) % n, (j0 + 1) % n, (k0 + 1) % n
        near = (lattice[i0, j0, k0] * (1 - w) + lattice[i0, j0, k1] * w) * (1 - v)
        near += (lattice[i0, j1, k0] * (1 - w) + lattice[i0, j1, k1] * w) * v
        far = (lattice[i1, j0, k0] * (1 - w) + lattice[i1, j0, k1] * w) * (1 - v)
        far += (lattice[i1, j1, k0] * (1 - w) + lattice[i1, j1, k1] * w) * v
        values[p] = near * (1 - u) + far * u


class Noise:
    """Smooth noise in [-1, 1] on 3D points, from random lattices of period 24 cells."""

    def __init__(self, random: RandomState):
        self.lattices = random.uniform(-1, 1, (3, 24, 24, 24)).astype(np.float32)
        self.offsets = random.uniform(0, 24, (16, 3))

    def __call__(self, points: NDArray, frequency: float, channel: int = 0) -> NDArray:
        """Values [...] at points [..., 3], `frequency` cells per unit; channels are unrelated."""
        cells, values = points.reshape(-1, 3) * frequency + self.offsets[channel % 16], np.empty(points.shape[:-1], np.float32)
        _interpolate(self.lattices[channel % 3], cells, values.ravel())
        return values
