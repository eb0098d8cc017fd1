"""Vectors, points and triangles in space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def unit_vectors(vectors: NDArray) -> NDArray:
    """Unit vectors [..., 3]."""
    return vectors / np.maximum(np.sqrt(np.einsum("...i,...i->...", vectors, vectors)), 1e-9)[..., None]


def closest_weights(points: NDArray, corners: NDArray) -> NDArray:
    """Barycentric weights [..., 3] of the point of each triangle `corners` [..., 3, 3] that is closest to `points` [..., 3]."""
    a, b, c = np.moveaxis(np.asarray(corners, float), -2, 0)
    ab, ac, ap = b - a, c - a, points - a
    d1, d2 = (ab * ap).sum(-1), (ac * ap).sum(-1)
    bb, bc, cc = (ab * ab).sum(-1), (ab * ac).sum(-1), (ac * ac).sum(-1)
    area = np.maximum(bb * cc - bc * bc, 1e-30)
    inner = np.stack([(cc * d1 - bc * d2) / area, (bb * d2 - bc * d1) / area], axis=-1)  # weights of b and c in the plane
    inside = (inner.min(-1) >= 0) & (inner.sum(-1) <= 1)
    best = np.where(inside[..., None], inner, 0)
    distance = np.where(inside, 0, np.inf)
    for start, side, ends in ((a, ab, ((0, 0), (1, 0))), (a, ac, ((0, 0), (0, 1))), (b, c - b, ((1, 0), (0, 1)))):
        along = np.clip(((points - start) * side).sum(-1) / np.maximum((side * side).sum(-1), 1e-30), 0, 1)[..., None]
        away = np.where(inside, np.inf, ((points - start - along * side) ** 2).sum(-1))
        nearer = away < distance
        first, last = (np.array(end, float) for end in ends)
        best = np.where(nearer[..., None], first + along * (last - first), best)
        distance = np.minimum(distance, away)
    return np.concatenate([1 - best.sum(-1, keepdims=True), best], axis=-1)
