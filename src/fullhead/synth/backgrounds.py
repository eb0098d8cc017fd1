"""Backgrounds behind the heads: flat, gradients, soft noise and out-of-focus lights. Linear RGB."""

from __future__ import annotations

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy import ndimage

from fullhead.synth.fields import linear_from_srgb

KINDS = {"flat": 0.25, "gradient": 0.3, "soft": 0.3, "lights": 0.15}


def background(random: RandomState, size: int) -> NDArray:
    """[size, size, 3] linear; the same picture at any size, up to resampling."""
    kind = str(random.choice(list(KINDS), p=list(KINDS.values())))
    first, second = _colour(random), _colour(random)
    rows, columns = np.mgrid[0:size, 0:size].astype(float) / size - 0.5 + 0.5 / size
    if kind == "flat":
        return np.broadcast_to(first, (size, size, 3))
    angle = random.uniform(0, 2 * np.pi)
    along = np.clip(0.5 + (np.cos(angle) * columns + np.sin(angle) * rows), 0, 1)
    if kind == "gradient":
        vignette = 1 - random.uniform(0, 0.8) * (rows**2 + columns**2)
        return (first + along[..., None] * (second - first)) * vignette[..., None]
    scene = _soft(random, rows, columns, first, second)
    return scene if kind == "soft" else scene + _bokeh(random, rows, columns)


def _colour(random: RandomState) -> NDArray:
    """Mostly muted colours [3]."""
    grey, strength = random.uniform(0.08, 0.92), random.choice([0.04, 0.12, 0.3])
    return linear_from_srgb(np.clip(grey + random.uniform(-strength, strength, 3), 0.02, 0.98))


def _soft(random: RandomState, rows: NDArray, columns: NDArray, first: NDArray, second: NDArray) -> NDArray:
    """A blurred scene: random cells of three colours, smoothly enlarged."""
    third = _colour(random)
    cells = random.randint(3, 9)
    grid = random.uniform(0, 1, (2, cells, cells))
    place = np.stack([rows, columns]) * cells + (cells - 1) / 2
    smooth = (ndimage.map_coordinates(layer, place, order=3, mode="nearest") for layer in grid)
    a, b = (np.clip(np.asarray(layer), 0, 1)[..., None] for layer in smooth)
    return np.clip(first * (1 - a) + second * a * (1 - b) + third * a * b, 0, 1)


def _bokeh(random: RandomState, rows: NDArray, columns: NDArray) -> NDArray:
    """Soft discs of light [n, n, 3]."""
    light = np.zeros((*rows.shape, 3))
    for _ in range(random.randint(5, 22)):
        y, x, radius = random.uniform(-0.5, 0.5), random.uniform(-0.5, 0.5), random.uniform(0.02, 0.09)
        distance = np.sqrt((rows - y) ** 2 + (columns - x) ** 2)
        disc = np.clip((radius - distance) / (0.25 * radius) + 0.5, 0, 1)
        light += disc[..., None] * _colour(random) * random.uniform(0.2, 0.9)
    return light
