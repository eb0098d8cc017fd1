"""Points in a binary tree of boxes, in numba: which of them is closest to each of many others.

The tree is that of `kernels.tree`, over points. Its order may come from a cloud of the same points at other places, such as
the vertices of another head: then only the boxes are made anew, and answers stay exact. Places that are asked for in turn
should lie near each other: the answer to the one is where the search for the next begins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fullhead.kernels.tree import leaves_for, sorted_into_boxes, to_box


@dataclass(frozen=True)
class PointTree:
    """Made by `point_tree`. Lengths are in the unit of the points."""

    points: NDArray  # [N, 3] float64, in the tree's order
    order: NDArray  # [N], which of the points that were given each of them is
    boxes: NDArray  # [M, 2, 3], lowest and highest corner of each node

    def closest(self, places: NDArray, reach: float = np.inf) -> tuple[NDArray, NDArray]:
        """Distance [P] from each of `places` [P, 3] to the closest point, and which that is [P]; inf and -1 if none lies
        within `reach`."""
        found, squared = np.empty(len(places), np.int64), np.empty(len(places))
        _closest(np.ascontiguousarray(places, np.float64), self.points, self.boxes, reach * reach, found, squared)
        return np.sqrt(squared), np.where(found < 0, -1, self.order[found])


def point_tree(points: NDArray, order: NDArray | None = None) -> PointTree:
    """A tree of `points` [N, 3], N > 0, in the `order` [N] of another tree of as many if that is given."""
    order = sorted_into_boxes(points) if order is None else order
    placed = np.ascontiguousarray(points[order], np.float64)
    boxes = np.empty((2 * leaves_for(len(points)) - 1, 2, 3))
    _bound(placed, boxes)
    return PointTree(placed, order, boxes)


@njit(cache=True, nogil=True)
def _bound(points, boxes):
    """Fill in the boxes, from the leaves up."""
    count, leaves = len(points), (len(boxes) + 1) // 2
    for node in range(len(boxes) - 1, -1, -1):
        for k in range(3):
            low, high = np.inf, -np.inf
            if node >= leaves - 1:
                leaf = node - (leaves - 1)
                for i in range(leaf * count // leaves, (leaf + 1) * count // leaves):
                    low, high = min(low, points[i, k]), max(high, points[i, k])
            else:
                low = min(boxes[2 * node + 1, 0, k], boxes[2 * node + 2, 0, k])
                high = max(boxes[2 * node + 1, 1, k], boxes[2 * node + 2, 1, k])
            boxes[node, 0, k], boxes[node, 1, k] = low, high


@njit(cache=True, inline="always")
def _squared(a, b):
    x, y, z = a[0] - b[0], a[1] - b[1], a[2] - b[2]
    return x * x + y * y + z * z


@njit(cache=True, nogil=True)
def _closest(places, points, boxes, reach_squared, found, squared):
    count, leaves = len(points), (len(boxes) + 1) // 2
    nodes, distances = np.empty(64, np.int64), np.empty(64)
    before = 0  # the answer for the place before
    for i in range(len(places)):
        p = places[i]
        nodes[0], distances[0], size = 0, 0.0, 1
        best, found[i] = _squared(points[before], p), before
        if best > reach_squared:
            best, found[i] = reach_squared, -1
        while size:
            size -= 1
            if distances[size] >= best:
                continue
            node = nodes[size]
            if node >= leaves - 1:
                leaf = node - (leaves - 1)
                for t in range(leaf * count // leaves, (leaf + 1) * count // leaves):
                    away = _squared(points[t], p)
                    if away < best:
                        best, found[i] = away, t
            else:  # the nearer child goes on top
                near, far = 2 * node + 1, 2 * node + 2
                to_near, to_far = to_box(boxes[near], p), to_box(boxes[far], p)
                if to_far < to_near:
                    near, far, to_near, to_far = far, near, to_far, to_near
                nodes[size], distances[size], nodes[size + 1], distances[size + 1] = far, to_far, near, to_near
                size += 2
        before = max(found[i], 0)
        squared[i] = best if found[i] >= 0 else np.inf
