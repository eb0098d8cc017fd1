"""Points and triangles in space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree


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


def closest_on_mesh(points: NDArray, vertices: NDArray, triangles: NDArray, candidates: int = 12) -> tuple[NDArray, NDArray]:
    """The triangle [P] and the weights [P, 3] of its corners of the point of a mesh closest to each of `points` [P, 3].

    Only the triangles with the nearest centres are looked at, `candidates` of them, which suffices where triangles are of
    similar size.
    """
    corners = vertices[triangles]
    near = np.asarray(KDTree(corners.mean(1)).query(points, k=candidates)[1]).reshape(len(points), -1)  # [P, K]
    weights = closest_weights(points[:, None], corners[near])  # [P, K, 3]
    found = np.einsum("pkc,pkcd->pkd", weights, corners[near])
    best = ((found - points[:, None]) ** 2).sum(-1).argmin(1)
    rows = np.arange(len(points))
    return near[rows, best], weights[rows, best]
