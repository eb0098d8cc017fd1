"""Small tools of the procedural parts: random streams, noise in space, smooth steps, colour curves.

Every part of a subject draws from its own stream, named by its purpose, so no part depends on how much another one drew.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage


def stream(seed: int, *purpose: str | int) -> RandomState:
    """Random numbers of one purpose, from RandomState: its streams are frozen across numpy's releases."""
    words = [seed & 0xFFFFFFFF, seed >> 32]
    words += [word if isinstance(word, int) else zlib.crc32(word.encode()) for word in purpose]
    return RandomState(np.array(words, np.uint32))


def smoothstep(low: ArrayLike, high: ArrayLike, x: ArrayLike) -> NDArray:
    """0 at `low`, 1 at `high`, smooth between; `low` may be the larger."""
    t = np.clip((np.asarray(x) - low) / (np.asarray(high) - low), 0, 1)
    return t * t * (3 - 2 * t)


def normalised(vectors: NDArray) -> NDArray:
    """Unit vectors [..., 3]."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


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
    return np.where(c <= 0.0031308, 12.92 * c, 1.055 * c ** (1 / 2.4) - 0.055)


class Noise:
    """Smooth noise in [-1, 1] on 3D points, from random lattices of period 24 cells."""

    def __init__(self, random: RandomState):
        self.lattices = random.uniform(-1, 1, (3, 24, 24, 24)).astype(np.float32)
        self.offsets = random.uniform(0, 24, (16, 3))

    def __call__(self, points: NDArray, frequency: float, channel: int = 0) -> NDArray:
        """Values [...] at points [..., 3], `frequency` cells per unit; channels are unrelated."""
        cells = (points * frequency + self.offsets[channel % 16]).reshape(-1, 3).T
        lattice = self.lattices[channel % 3]
        return ndimage.map_coordinates(lattice, cells, order=1, mode="grid-wrap").reshape(points.shape[:-1])

    def fractal(self, points: NDArray, frequency: float, octaves: int = 3, channel: int = 0) -> NDArray:
        """Octaves of halving strength, summed."""
        return np.sum([self(points, frequency * 2.03**i, channel + i) * 0.5**i for i in range(octaves)], axis=0)
