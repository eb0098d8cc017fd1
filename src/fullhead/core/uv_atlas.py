"""A closed surface laid flat: charts that are seen straight along an axis, packed into a square picture.

A chart is a connected piece of faces that look along the same one of the six half axes: seen along it, all of them show
their front. A piece that winds back over itself, as a spiral stair does, would lie over itself; heads have none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fullhead.core.errors import FullheadError
from fullhead.core.meshes import components, face_normals

AXES = np.concatenate([np.eye(3), -np.eye(3)])
ACROSS = np.array([[0, 0, -1], [1, 0, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0], [-1, 0, 0]], float)  # u of a chart along each
UP = np.cross(AXES, ACROSS)  # v: upright beside, in front and behind
STEEPEST = 0.2  # least cosine between a face and the axis of its chart
ROUNDS = 10  # of smoothing the borders between charts
NEIGHBOURS = 0.4  # what a neighbour in a chart counts, against the cosine
GAP = 4  # pixels between charts


@dataclass(frozen=True)
class Atlas:
    """Charts in a square picture; vertices on borders between charts have a copy in each."""

    carrier: NDArray  # [V'], the vertex of the surface that each is
    faces: NDArray  # [F, 3] of the copies, in the surface's order
    uv: NDArray  # [V', 2] in [0, 1], v up
    up: NDArray  # [V', 3], the direction in space along which v grows and u does not


def unwrapped(vertices: NDArray, faces: NDArray, size: int) -> Atlas:
    """The atlas of a surface, vertices [V, 3] and faces [F, 3], for a picture of `size` pixels a side.

    Raises FullheadError if the picture has no room for all charts.
    """
    pairs = _neighbours(faces)
    axis = _axes(face_normals(vertices, faces), pairs)
    chart = components(pairs[axis[pairs[:, 0]] == axis[pairs[:, 1]]], len(faces))  # connected faces of one axis
    corner_chart = np.repeat(chart, 3)
    keys, copies = np.unique(np.stack([corner_chart, faces.ravel()]), axis=1, return_inverse=True)
    of_copy, carrier = keys
    axis_of_chart = np.zeros(chart.max() + 1, int)
    axis_of_chart[chart] = axis
    along = axis_of_chart[of_copy]
    places = vertices[carrier].astype(float)
    flat = np.stack([(places * ACROSS[along]).sum(1), (places * UP[along]).sum(1)], axis=1)
    first = np.flatnonzero(np.diff(of_copy, prepend=-1))  # copies are sorted by chart
    low, high = (f.reduceat(flat, first) for f in (np.minimum, np.maximum))
    scale, corner = _packed(high - low, size)
    uv = ((flat - low[of_copy]) * scale + corner[of_copy] + GAP / 2) / size
    return Atlas(carrier, copies.reshape(-1, 3).astype(np.int32), uv, UP[along])


def _neighbours(faces: NDArray) -> NDArray:
    """Pairs [E, 2] of faces that share an edge."""
    edges = np.sort(faces.astype(np.int64)[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    order = np.lexsort(edges.T)
    same = (edges[order[1:]] == edges[order[:-1]]).all(1)
    return np.stack([order[:-1][same], order[1:][same]], axis=1) // 3


def _axes(normals: NDArray, pairs: NDArray) -> NDArray:
    """Which of AXES each face lies along [F]: the one it looks along, unless its neighbours have another."""
    cosine = normals @ AXES.T
    axis = cosine.argmax(1)
    a, b = np.concatenate([pairs, pairs[:, ::-1]]).T
    for _ in range(ROUNDS):
        votes = np.zeros_like(cosine)
        np.add.at(votes, (a, axis[b]), NEIGHBOURS)
        axis = np.where(cosine >= STEEPEST, cosine + votes, -np.inf).argmax(1)
    return axis


def _packed(extent: NDArray, size: int) -> tuple[float, NDArray]:
    """Pixels per unit and the corner [C, 2] of each chart of `extent` [C, 2]: rows of charts, the highest first.

    The scale is the largest at which the rows fill no more than the picture, to a thousandth.
    """
    order = np.argsort(-extent[:, 1])

    def placed(scale: float) -> NDArray | None:
        boxes = np.ceil(extent[order] * scale) + GAP
        corner, x, y, height = np.zeros_like(extent), 0.0, 0.0, 0.0
        for chart, (width, tall) in zip(order, boxes, strict=True):
            if x + width > size:
                x, y, height = 0.0, y + height, 0.0
            if width > size or y + tall > size:
                return None
            corner[chart] = x, y
            x, height = x + width, max(height, tall)
        return corner

    low, high = 0.0, size / extent.max()
    found = placed(low)
    if found is None:
        raise FullheadError(f"{len(extent)} charts of this surface do not fit into {size} pixels: take a larger picture")
    while high - low > 1e-3 * high:
        middle = (low + high) / 2
        corners = placed(middle)
        low, high, found = (low, middle, found) if corners is None else (middle, high, corners)
    return low, found
