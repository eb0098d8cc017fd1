"""Triangle meshes as arrays: areas, points on the surface, welding, cutting, defects.

V vertices [V, 3], F triangles [F, 3] counter-clockwise from outside. A point of the surface is a triangle and the weights
[3] of its corners, which add up to 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fullhead.core.errors import FullheadError


def area_vectors(vertices: NDArray, triangles: NDArray) -> NDArray:
    """[F, 3]: along each triangle's normal, as long as its area is large."""
    a, b, c = np.moveaxis(np.asarray(vertices, np.float64)[triangles], 1, 0)
    return 0.5 * np.cross(b - a, c - a)


def unit_normals(vertices: NDArray, triangles: NDArray) -> NDArray:
    """Of each triangle [F, 3]; 0 where it has no area."""
    vectors = area_vectors(vertices, triangles)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-300)


def open_rim(triangles: NDArray, count: int) -> NDArray:
    """Which of `count` vertices [V] lie on an edge that has one triangle."""
    edges, times = _edges(triangles)
    rim = np.zeros(count, bool)
    rim[edges[times == 1]] = True
    return rim


def surface_points(
    vertices: NDArray, triangles: NDArray, count: int, rng: np.random.RandomState, weight: NDArray | None = None
) -> tuple[NDArray, NDArray]:
    """Random points, evenly over the surface: triangles [count] and weights [count, 3] of their corners.

    weight [F]: how much denser they lie on each triangle, 1 if left out.
    """
    areas = np.linalg.norm(area_vectors(vertices, triangles), axis=1) * (1.0 if weight is None else weight)
    total = np.cumsum(areas)
    if not len(total) or not total[-1] > 0:
        raise FullheadError("the mesh has no surface: all its triangles are degenerate")
    triangle = np.searchsorted(total, rng.random_sample(count) * total[-1], side="right").clip(max=len(areas) - 1)
    root, share = np.sqrt(rng.random_sample(count)), rng.random_sample(count)
    return triangle, np.stack([1 - root, root * (1 - share), root * share], axis=1)


def at_points(values: NDArray, triangles: NDArray, triangle: NDArray, weights: NDArray) -> NDArray:
    """Values [V, C] of vertices, interpolated at points of the surface: [P, C]."""
    return (values[triangles[triangle]] * weights[..., None]).sum(axis=-2)


def within_box(vertices: NDArray, triangles: NDArray, half: float = 1.0) -> NDArray:
    """Which triangles [F] have all corners in the cube from -half to half."""
    return np.abs(vertices).max(axis=1)[triangles].max(axis=1) <= half


def welded(vertices: NDArray, triangles: NDArray) -> tuple[NDArray, NDArray]:
    """The mesh with vertices at the same place made one (files double them along the seams of their texture).

    Triangles that lose their area by it are left out; vertices that no triangle has, too.
    """
    places, number = np.unique(np.asarray(vertices), axis=0, return_inverse=True)
    corners = number.reshape(-1)[triangles]
    a, b, c = corners.T
    corners = corners[(a != b) & (b != c) & (c != a)]
    used, corners = np.unique(corners, return_inverse=True)
    return places[used], corners.reshape(-1, 3)


@dataclass(frozen=True)
class Defects:
    """What a closed surface of one piece has none of (but the first component)."""

    components: int  # connected pieces
    holes: int  # closed loops of edges that have one triangle
    open_edges: int  # edges with one triangle
    tangled_edges: int  # edges with more than two


def defects(vertices: NDArray, triangles: NDArray) -> Defects:
    """Count what is wrong with a mesh, once it is welded."""
    vertices, triangles = welded(vertices, triangles)
    edges, count = _edges(triangles)
    rim = edges[count == 1]
    return Defects(
        components=_pieces(edges, np.unique(edges)),
        holes=_pieces(rim, np.unique(rim)),
        open_edges=len(rim),
        tangled_edges=int((count > 2).sum()),
    )


def _edges(triangles: NDArray) -> tuple[NDArray, NDArray]:
    """Edges [E, 2], lower vertex first, and how many triangles have each [E]."""
    pairs = np.sort(np.asarray(triangles, np.int64)[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    key, count = np.unique(pairs[:, 0] << 32 | pairs[:, 1], return_counts=True)
    return np.stack([key >> 32, key & 0xFFFFFFFF], axis=1), count


def _pieces(edges: NDArray, members: NDArray) -> int:
    """Connected pieces of the graph of `edges` [E, 2] over the vertices `members`."""
    if not len(edges):
        return 0
    start, end = np.searchsorted(members, edges).T
    graph = coo_array((np.ones(len(edges), bool), (start, end)), shape=(len(members), len(members)))
    return int(connected_components(graph, directed=False)[0])
