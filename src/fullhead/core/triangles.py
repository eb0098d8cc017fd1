"""Vectors, points and triangles in space: what is closest, and how often a surface winds around a point [jacobson13].

Closest points and winding numbers look at all faces: the references of `kernels.tree`.
"""

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


def solid_angles(points: NDArray, corners: NDArray) -> NDArray:
    """Signed solid angle [...] of triangles `corners` [..., 3, 3] seen from `points` [..., 3] [oosterom83].

    Positive where the triangle is seen from behind: from inside a surface whose triangles turn counter-clockwise outside.
    """
    a, b, c = np.moveaxis(corners - points[..., None, :], -2, 0)
    la, lb, lc = (np.linalg.norm(v, axis=-1) for v in (a, b, c))
    volume = (a * np.cross(b, c)).sum(-1)
    below = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    return 2 * np.arctan2(volume, below)


def winding_numbers(points: NDArray, corners: NDArray) -> NDArray:
    """Winding number [P] of triangles `corners` [F, 3, 3] about each of `points` [P, 3] [jacobson13 Eq.5].

    1 inside, 0 outside, in between near holes. Unlike the parity of crossings it needs no closed surface: a head whose neck is
    open, or whose crown has a hole, still has an inside, where the number is above a half.
    """
    return np.array([solid_angles(point[None], corners).sum() for point in points]) / (4 * np.pi)
