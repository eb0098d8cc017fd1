"""Small tools of the procedural parts: random streams, noise in space, smooth steps, colour curves.

Every part of a subject draws from its own stream, named by its purpose, so no part depends on how much another one drew.
"""

from __future__ import annotations

import zlib

import numpy as np
from numba import njit
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray

MASK = 2**64 - 1


def stream(seed: int, *purpose: str | int) -> RandomState:
    """Random numbers of one purpose, from RandomState: its streams are frozen across numpy's releases."""
    words = [seed & 0xFFFFFFFF, seed >> 32]
    words += [word if isinstance(word, int) else zlib.crc32(word.encode()) for word in purpose]
    return RandomState(np.array(words, np.uint32))


def uniform(seed: int, purpose: str) -> float:
    """A single number in [0, 1) of one purpose: splitmix64 of both, much cheaper than a stream."""
    z = (seed * 0x9E3779B97F4A7C15 + zlib.crc32(purpose.encode()) * 0xD1342543DE82EF95 + 0x9E3779B97F4A7C15) & MASK
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 0xBF58476D1CE4E5B9), (29, 1)):
        z = ((z ^ (z >> shift)) * factor) & MASK
    return (z >> 11) / 2**53


def smoothstep(low: ArrayLike, high: ArrayLike, x: ArrayLike) -> NDArray:
    """0 at `low`, 1 at `high`, smooth between; `low` may be the larger."""
    t = np.clip((np.asarray(x) - low) / (np.asarray(high) - low), 0, 1)
    return t * t * (3 - 2 * t)


def normalised(vectors: NDArray) -> NDArray:
    """Unit vectors [..., 3]."""
    return vectors / np.maximum(np.sqrt(np.einsum("...i,...i->...", vectors, vectors)), 1e-9)[..., None]


def blob(points: NDArray, centre: tuple[float, float, float], radii: tuple[float, float, float]) -> NDArray:
    """Gaussian bump [...] of points [..., 3]: 1 at its centre, radii are standard deviations."""
    return np.exp(-0.5 * (((points - np.array(centre)) / np.array(radii)) ** 2).sum(-1))


def linear_from_srgb(colour: ArrayLike) -> NDArray:
    """Linear light of sRGB values in [0, 1]."""
    c = np.asarray(colour, float)
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def srgb_from_linear(colour: ArrayLike) -> NDArray:
    """sRGB values in [0, 1] of linear light, clipped."""
    c = np.clip(np.asarray(colour), 0, 1)
    root = np.exp(np.log(np.maximum(c, 0.0031308)) * (1 / 2.4))  # numpy's power takes four times as long
    return np.where(c <= 0.0031308, 12.92 * c, 1.055 * root - 0.055)


WHITE = np.array([0.95047, 1.0, 1.08883])  # D65
XYZ_FROM_RGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def lab_from_linear(colour: ArrayLike) -> NDArray:
    """CIELAB [..., 3] (D65) of linear sRGB [..., 3]."""
    t = np.asarray(colour, float) @ XYZ_FROM_RGB.T / WHITE
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def linear_from_lab(lab: ArrayLike) -> NDArray:
    """Linear sRGB [..., 3] of CIELAB [..., 3] (D65), not clipped."""
    lightness, a, b = np.moveaxis(np.asarray(lab, float), -1, 0)
    middle = (lightness + 16) / 116
    f = np.stack([middle + a / 500, middle, middle - b / 200], axis=-1)
    t = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    return t * WHITE @ np.linalg.inv(XYZ_FROM_RGB).T


@njit(cache=True, nogil=True)
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

    def fractal(self, points: NDArray, frequency: float, octaves: int = 3, channel: int = 0) -> NDArray:
        """Octaves of halving strength, summed."""
        return np.sum([self(points, frequency * 2.03**i, channel + i) * 0.5**i for i in range(octaves)], axis=0)
