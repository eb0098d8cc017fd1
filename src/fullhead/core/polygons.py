"""Polygons and strips as triangles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_CORNERS = 1000  # of a polygon that is not convex: cutting it takes the square of their number


def triangulated(points: NDArray, corners: NDArray, sizes: NDArray) -> tuple[NDArray, NDArray]:
    """Triangles of polygons, in the polygons' order: places [F, 3] in `corners`, and the polygon of each [F].

    corners [C] are the points of all polygons, one polygon after the other; sizes [P] how many each has. Those with fewer than
    three have no triangles. Raises ValueError where a polygon that is not convex is too large.
    """
    if (sizes == 3).all():
        return np.arange(len(corners)).reshape(-1, 3), np.arange(len(sizes))
    starts = np.cumsum(sizes) - sizes
    found, polygon = [np.empty((0, 3), np.int64)], [np.empty(0, np.int64)]
    for n in np.unique(sizes[sizes >= 3]):
        chosen = np.flatnonzero(sizes == n)
        places = starts[chosen, None] + np.arange(n)  # [P, n]
        middle = np.arange(1, n - 1)
        triangles = places[:, np.stack([0 * middle, middle, middle + 1], axis=1)]  # [P, n - 2, 3]
        if n > 3:
            loops = points[corners[places]]
            spokes = loops[:, 1:] - loops[:, :1]
            vectors = np.cross(spokes[:, :-1], spokes[:, 1:])  # [P, n - 2, 3], the doubled area vectors of the fan
            normals = vectors.sum(axis=1)
            for p in np.flatnonzero(((vectors * normals[:, None]).sum(-1) < 0).any(axis=1)):  # the fan folds over itself
                triangles[p] = places[p][_ears(loops[p], normals[p])]
        found.append(triangles.reshape(-1, 3))
        polygon.append(np.repeat(chosen, n - 2))
    order = np.argsort(np.concatenate(polygon), kind="stable")
    return np.concatenate(found)[order], np.concatenate(polygon)[order]


def _ears(loop: NDArray, normal: NDArray) -> list[list[int]]:
    """Triangles [n - 2, 3] of a polygon [n, 3] that need not be convex: its ears are cut off, one after the other."""
    if len(loop) > MOST_CORNERS:
        raise ValueError(f"a polygon of {len(loop)} corners that is not convex: cut it into smaller ones")
    along = int(np.abs(normal).argmax())
    x, y = loop[:, (along + 1) % 3] * np.sign(normal[along]), loop[:, (along + 2) % 3]

    def area(a: int, b: int, c: int | list[int]) -> NDArray:
        return (x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a])

    def is_ear(a: int, b: int, c: int) -> bool:
        rest = [i for i in left if i not in (a, b, c)]
        inside = (area(a, b, rest) > 0) & (area(b, c, rest) > 0) & (area(c, a, rest) > 0)
        return bool(area(a, b, c) > 0 and not inside.any())

    left, ears = list(range(len(loop))), []
    while len(left) > 3:
        corners = zip([left[-1], *left], left, [*left[1:], left[0]], strict=True)
        ears.append(list(next((abc for abc in corners if is_ear(*abc)), left[:3])))  # it may have none if it crosses itself
        left.remove(ears[-1][1])
    return [*ears, left]


def strip_triangles(strip: NDArray) -> NDArray:
    """Triangles [F, 3] of a strip of vertices [n]; those without area, which join strips, are left out."""
    first = np.arange(max(len(strip) - 2, 0))
    odd = first % 2
    a, b, c = triangles = strip[np.stack([first, first + 1 + odd, first + 2 - odd])]
    return triangles.T[(a != b) & (b != c) & (c != a)]
