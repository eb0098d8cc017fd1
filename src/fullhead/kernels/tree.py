"""The faces of a mesh, or points, in a binary tree of boxes, in numba: winding numbers, and what is closest to many points.

Winding numbers: what lies far off is summed up by its first two moments [barill18 §3]. The reference is
`core.triangles.winding_numbers`, that of closest points `closest_weights` there, over all faces.

The tree is complete: level l has 2^l nodes, node i has the children 2 i + 1 and 2 i + 2, and node j of level l holds the
items from j N / 2^l to (j + 1) N / 2^l, rounded down, of the order that the tree puts them in. Points that are asked for in
turn should lie near each other: the answer to the one is where the search for the next begins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fullhead.core.compiled import njit
from fullhead.core.errors import FullheadError

LEAF = 8  # items at least in a leaf
FAR = 2.0  # radii from its centre beyond which a node is summed up [barill18]


@dataclass(frozen=True)
class MeshTree:
    """Made by `mesh_tree`. Lengths are in the unit of the vertices."""

    corners: NDArray  # [F, 3, 3], in the tree's order
    order: NDArray  # [F], which of the mesh's faces each of them is
    boxes: NDArray  # [M, 2, 3], lowest and highest corner of each node
    moments: NDArray  # [M, 13], see _Nodes

    def winding(self, points: NDArray, far: float = FAR) -> NDArray:
        """Winding number [P] of the mesh about each of `points` [P, 3]; far = inf sums up nothing."""
        result = np.empty(len(points))
        _winding(np.ascontiguousarray(points, np.float64), self.corners, self.moments, far * far, result)
        return result

    def closest(self, points: NDArray, reach: float = np.inf) -> tuple[NDArray, NDArray, NDArray]:
        """Of the mesh's point closest to each of `points` [P, 3]: its face [P], weights [P, 3] of the face's corners, and
        distance [P].

        Where the mesh is not within `reach`, the distance is infinite, and face and weights are those of some other point.
        """
        found, weights, distance = _search(points, self.corners, self.boxes, reach)
        return self.order[found], weights, distance


@dataclass(frozen=True)
class PointTree:
    """Made by `point_tree`. Lengths are in the unit of the points."""

    points: NDArray  # [N, 3] float64, in the tree's order
    order: NDArray  # [N], which of the points that were given each of them is
    boxes: NDArray  # [M, 2, 3], lowest and highest corner of each node

    def closest(self, points: NDArray, reach: float = np.inf) -> tuple[NDArray, NDArray]:
        """Distance [P] from each of `points` [P, 3] to the closest of the tree's, and which that is [P]; inf and -1 if none
        lies within `reach`."""
        found, _, distance = _search(points, self.points, self.boxes, reach)
        return distance, np.where(np.isfinite(distance), self.order[found], -1)


def mesh_tree(vertices: NDArray, faces: NDArray) -> MeshTree:
    """Sort the faces [F, 3] of a mesh with `vertices` [V, 3] into a tree (0.15 s per 100,000)."""
    if not len(faces):
        raise FullheadError("the mesh has no faces")
    corners = np.asarray(vertices, np.float64)[faces]
    middles = (corners[:, 0] + corners[:, 1] + corners[:, 2]) / 3
    order = sorted_into_boxes(middles)
    corners, starts = corners[order], _level(len(corners), leaves_for(len(corners)))[0]
    levels = [_leaves(corners, starts)]
    while len(levels[0].area) > 1:
        levels.insert(0, levels[0].joined())
    boxes, moments = (np.concatenate([getattr(level, name) for level in levels]) for name in ("boxes", "moments"))
    return MeshTree(corners, order, boxes, moments)


def point_tree(points: NDArray, order: NDArray | None = None) -> PointTree:
    """A tree of `points` [N, 3], N > 0. The `order` [N] may be that of a tree of the same points at other places, such as the
    vertices of another head: then only the boxes are made anew, and answers stay exact."""
    order = sorted_into_boxes(points) if order is None else order
    placed = np.ascontiguousarray(points[order], np.float64)
    boxes = np.empty((2 * leaves_for(len(points)) - 1, 2, 3))
    _bound(placed, boxes)
    return PointTree(placed, order, boxes)


def leaves_for(count: int) -> int:
    """How many leaves a tree of `count` items has."""
    return 2 ** max(0, int(np.log2(count / LEAF)))


def sorted_into_boxes(points: NDArray) -> NDArray:
    """The tree's order [N] of points [N, 3]."""
    order = np.arange(len(points))
    nodes = 1
    while nodes < leaves_for(len(points)):  # each node's points in order along the longest side of their box
        starts, node = _level(len(points), nodes)
        low, high = np.minimum.reduceat(points[order], starts), np.maximum.reduceat(points[order], starts)
        longest = (high - low).argmax(1)[:, None]
        start, size = (np.take_along_axis(value, longest, 1)[:, 0] for value in (low, high - low))
        along = (points[order, longest[node, 0]] - start[node]) / np.maximum(2 * size, 1e-300)[node]  # below 1
        order, nodes = order[np.argsort(node + along)], 2 * nodes
    return order


@dataclass(frozen=True)
class _Nodes:
    """Nodes of a level. With area vectors a_t of faces with middles x_t, the dipole is the sum of a_t, and the second
    moment that of (x_t - centre) a_t^T; the centre is weighted by area."""

    boxes: NDArray  # [n, 2, 3]
    area: NDArray  # [n, 1]
    centre: NDArray  # [n, 3]
    dipole: NDArray  # [n, 3]
    second: NDArray  # [n, 3, 3]

    def joined(self) -> _Nodes:
        """The parents, of neighbours."""
        (low_a, high_a), (low_b, high_b) = (self.boxes[i::2].swapaxes(0, 1) for i in (0, 1))
        area = self.area[::2] + self.area[1::2]
        centre = (self.area[::2] * self.centre[::2] + self.area[1::2] * self.centre[1::2]) / area
        moved = self.second + (self.centre - np.repeat(centre, 2, axis=0))[:, :, None] * self.dipole[:, None, :]
        return _Nodes(
            np.stack([np.minimum(low_a, low_b), np.maximum(high_a, high_b)], axis=1),
            area,
            centre,
            self.dipole[::2] + self.dipole[1::2],
            moved[::2] + moved[1::2],
        )

    @property
    def moments(self) -> NDArray:
        """[n, 13]: centre, squared reach (to the box's farthest corner), dipole, and what acts of the second moment: xx, yy,
        zz, xy, xz, yz of its symmetric part."""
        reach = (np.abs(self.boxes - self.centre[:, None]).max(1) ** 2).sum(1, keepdims=True)
        symmetric = 0.5 * (self.second + self.second.swapaxes(1, 2))
        return np.concatenate([self.centre, reach, self.dipole, symmetric[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]], axis=1)


def _leaves(corners: NDArray, starts: NDArray) -> _Nodes:
    """The last level, of triangles [F, 3, 3] in order."""
    a, b, c = np.moveaxis(corners, 1, 0)
    vectors, middles = 0.5 * np.cross(b - a, c - a), (a + b + c) / 3
    areas = np.sqrt((vectors**2).sum(1, keepdims=True)) + 1e-300
    low, high = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
    area = np.add.reduceat(areas, starts)
    centre = np.add.reduceat(areas * middles, starts) / area
    away = middles - np.repeat(centre, np.diff(starts, append=len(corners)), axis=0)
    return _Nodes(
        np.stack([np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)], axis=1),
        area,
        centre,
        np.add.reduceat(vectors, starts),
        np.add.reduceat(away[:, :, None] * vectors[:, None, :], starts),
    )


def _level(count: int, nodes: int) -> tuple[NDArray, NDArray]:
    """First face of each of the nodes of a level, and each face's node [F]."""
    bounds = np.arange(nodes + 1) * count // nodes
    return bounds[:-1], np.repeat(np.arange(nodes), np.diff(bounds))


@njit(inline="always")
def _solid_angle(corners, p):
    """Reference: core.triangles.solid_angles."""
    ax, ay, az = corners[0, 0] - p[0], corners[0, 1] - p[1], corners[0, 2] - p[2]
    bx, by, bz = corners[1, 0] - p[0], corners[1, 1] - p[1], corners[1, 2] - p[2]
    cx, cy, cz = corners[2, 0] - p[0], corners[2, 1] - p[1], corners[2, 2] - p[2]
    la, lb = np.sqrt(ax * ax + ay * ay + az * az), np.sqrt(bx * bx + by * by + bz * bz)
    lc = np.sqrt(cx * cx + cy * cy + cz * cz)
    volume = ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
    below = (
        la * lb * lc
        + (ax * bx + ay * by + az * bz) * lc
        + (bx * cx + by * cy + bz * cz) * la
        + (cx * ax + cy * ay + cz * az) * lb
    )
    return 2 * np.arctan2(volume, below)


@njit(nogil=True)
def _winding(points, corners, moments, far_squared, result):
    count, leaves = len(corners), (len(moments) + 1) // 2
    for i in range(len(points)):
        p = points[i]
        stack = np.empty(64, np.int64)
        stack[0], size, total = 0, 1, 0.0
        while size:
            size -= 1
            node = stack[size]
            m = moments[node]
            x, y, z = m[0] - p[0], m[1] - p[1], m[2] - p[2]
            squared = x * x + y * y + z * z
            if squared > far_squared * m[3]:
                inverse = 1 / np.sqrt(squared)
                cube = inverse * inverse * inverse
                quadratic = m[7] * x * x + m[8] * y * y + m[9] * z * z + 2 * (m[10] * x * y + m[11] * x * z + m[12] * y * z)
                dipole = m[4] * x + m[5] * y + m[6] * z
                total += cube * (dipole + m[7] + m[8] + m[9] - 3 * quadratic * inverse * inverse)
            elif node >= leaves - 1:
                leaf = node - (leaves - 1)
                for t in range(leaf * count // leaves, (leaf + 1) * count // leaves):
                    total += _solid_angle(corners[t], p)
            else:
                stack[size], stack[size + 1] = 2 * node + 1, 2 * node + 2
                size += 2
        result[i] = total / (4 * np.pi)


@njit(inline="always")
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(inline="always")
def _to_box(box, p):
    """Squared distance of p to a box."""
    total = 0.0
    for k in range(3):
        away = max(box[0, k] - p[k], p[k] - box[1, k], 0.0)
        total += away * away
    return total


@njit(nogil=True)
def _bound(points, boxes):
    """Fill in the boxes of points [N, 3], from the leaves up."""
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


@njit()
def _weights(corners, p):
    """Weights of corners b and c of the triangle's point closest to p. Reference: core.triangles.closest_weights."""
    ab, ac, ap = corners[1] - corners[0], corners[2] - corners[0], p - corners[0]
    d1, d2, bb, bc, cc = _dot(ab, ap), _dot(ac, ap), _dot(ab, ab), _dot(ab, ac), _dot(ac, ac)
    area = bb * cc - bc * bc
    if area > 0:
        v, w = (cc * d1 - bc * d2) / area, (bb * d2 - bc * d1) / area
        if v >= 0 and w >= 0 and v + w <= 1:
            return v, w
    best_v, best_w, best = 0.0, 0.0, np.inf
    on_ab = min(max(d1 / bb, 0.0), 1.0) if bb > 0 else 0.0
    on_ac = min(max(d2 / cc, 0.0), 1.0) if cc > 0 else 0.0
    side = bb + cc - 2 * bc
    on_bc = min(max((d2 - d1 - bc + bb) / side, 0.0), 1.0) if side > 0 else 0.0
    for v, w in ((on_ab, 0.0), (0.0, on_ac), (1 - on_bc, on_bc)):
        away = v * v * bb + w * w * cc + 2 * v * w * bc - 2 * v * d1 - 2 * w * d2
        if away < best:
            best_v, best_w, best = v, w, away
    return best_v, best_w


@njit()
def _measured(item, p):
    """Weights of corners b and c of the point of a triangle [3, 3] closest to p, and its squared distance; or a point [3]."""
    if item.ndim == 1:  # known to the compiler, which makes two functions of this one
        x, y, z = item[0] - p[0], item[1] - p[1], item[2] - p[2]
        return 0.0, 0.0, x * x + y * y + z * z
    v, w = _weights(item, p)
    away = 0.0
    for k in range(3):
        side = item[0, k] * (1 - v - w) + item[1, k] * v + item[2, k] * w - p[k]
        away += side * side
    return v, w, away


def _search(points: NDArray, items: NDArray, boxes: NDArray, reach: float) -> tuple[NDArray, NDArray, NDArray]:
    """The closest of `items` [N, 3, 3] or [N, 3], in the tree's order, to each of `points` [P, 3]: which [P], weights of its
    corners [P, 3], distance [P]."""
    found, weights, squared = np.empty(len(points), np.int64), np.empty((len(points), 3)), np.empty(len(points))
    _closest(np.ascontiguousarray(points, np.float64), items, boxes, reach * reach, found, weights, squared)
    return found, weights, np.sqrt(squared)


@njit(nogil=True)
def _closest(points, items, boxes, reach_squared, found, weights, squared):
    count, leaves = len(items), (len(boxes) + 1) // 2
    nodes, distances = np.empty(64, np.int64), np.empty(64)
    before = 0  # what was found for the point before
    for i in range(len(points)):
        p = points[i]
        nodes[0], distances[0], size = 0, 0.0, 1
        found[i] = before
        best_v, best_w, best = _measured(items[before], p)
        if best > reach_squared:
            best = reach_squared
        while size:
            size -= 1
            if distances[size] >= best:
                continue
            node = nodes[size]
            if node >= leaves - 1:
                leaf = node - (leaves - 1)
                for t in range(leaf * count // leaves, (leaf + 1) * count // leaves):
                    v, w, away = _measured(items[t], p)
                    if away < best:
                        best_v, best_w, best, found[i] = v, w, away, t
            else:  # the nearer child goes on top
                near, far = 2 * node + 1, 2 * node + 2
                to_near, to_far = _to_box(boxes[near], p), _to_box(boxes[far], p)
                if to_far < to_near:
                    near, far, to_near, to_far = far, near, to_far, to_near
                nodes[size], distances[size], nodes[size + 1], distances[size + 1] = far, to_far, near, to_near
                size += 2
        before = found[i]
        weights[i, 0], weights[i, 1], weights[i, 2] = 1 - best_v - best_w, best_v, best_w
        squared[i] = best if best < reach_squared else np.inf
