"""Teeth: the template's two arches have no gaps, so they are painted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IVORY = np.array([0.60, 0.55, 0.46])
GAPS = (0.0, 0.086, 0.152, 0.228, 0.298, 0.366, 0.46, 0.56)  # between the teeth of one half, dm along the arch
ARCH_SPAN = 1.3  # dm of the arch that the texture covers, its middle in the middle
ARCH_RADIUS = 0.27  # radius of the arch, dm


def teeth_texture(columns: int = 512) -> NDArray:
    """Linear albedo [1, columns, 3] float32 along the arch."""
    along = np.abs((np.arange(columns) + 0.5) / columns - 0.5) * ARCH_SPAN
    gap = np.exp(-(((along[:, None] - np.array(GAPS)) / 0.0035) ** 2)).max(1)
    yellow = np.clip(along / 0.5, 0, 1)[:, None] * np.array([0.05, 0.10, 0.22])
    return (IVORY * (1 - yellow) * (1 - 0.55 * gap[:, None]))[None].astype(np.float32)


def teeth_uv(points: NDArray) -> NDArray:
    """Texture coordinates [V, 2] of the arches' vertices [V, 3] at rest, dm."""
    front = points[:, 2].max()
    along = ARCH_RADIUS * np.arctan2(points[:, 0] - points[:, 0].mean(), points[:, 2] - (front - ARCH_RADIUS))
    return np.stack([0.5 + along / ARCH_SPAN, np.full(len(points), 0.5)], axis=-1).astype(np.float32)
