"""Triangle meshes as arrays: areas, normals, points on the surface, pieces.

V vertices [V, 3], F faces [F, 3] counter-clockwise from outside. A point of the surface is a face and the weights [3] of its
corners, which add up to 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fullhead.core.compiled import njit
from fullhead.core.errors import FullheadError


def area_vectors(vertices: NDArray, faces: NDArray) -> NDArray:
    """[F, 3]: along each face's normal, as long as its area is large."""
    a, b, c = np.moveaxis(np.asarray(vertices, np.float64)[faces], 1, 0)
    return 0.5 * np.cross(b - a, c - a)


def face_normals(vertices: NDArray, faces: NDArray) -> NDArray:
    """Of each face [F, 3]; 0 where it has no area."""
    vectors = area_vectors(vertices, faces)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-300)


def vertex_normals(vertices: NDArray, faces: NDArray) -> NDArray[np.float32]:
    """Unit normals [V, 3]: the mean of the normals of the faces around each vertex, weighted by area; 0 where there is none."""
    sums = np.zeros((len(vertices), 3))
    _add_area_vectors(np.ascontiguousarray(vertices, np.float64), faces, sums)
    return (sums / np.linalg.norm(sums, axis=1, keepdims=True).clip(1e-300)).astype(np.float32)


@njit(nogil=True)
def _add_area_vectors(vertices, faces, sums):
    """Add to each vertex twice the area vectors [F, 3] of its faces."""
    for f in range(len(faces)):
        a, b, c = vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]]
        ux, uy, uz, vx, vy, vz = b[0] - a[0], b[1] - a[1], b[2] - a[2], c[0] - a[0], c[1] - a[1], c[2] - a[2]
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for k in range(3):
            i = faces[f, k]
            sums[i, 0] += x
            sums[i, 1] += y
            sums[i, 2] += z


def boundary_vertices(faces: NDArray, count: int) -> NDArray:
    """Which of `count` vertices [V] lie on an edge that has one face."""
    pairs = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    edges, times = np.unique(pairs @ [count, 1], return_counts=True)  # the key of an edge: lower vertex first
    rim = np.zeros(count, bool)
    rim[np.stack(np.divmod(edges[times == 1], count))] = True
    return rim


def sample_surface(
    vertices: NDArray, faces: NDArray, count: int, rng: np.random.RandomState, weight: NDArray | None = None
) -> tuple[NDArray, NDArray]:
    """Random points, evenly over the surface: faces [count] and weights [count, 3] of their corners.

    weight [F]: how much denser they lie on each face, 1 if left out.
    """
    areas = np.linalg.norm(area_vectors(vertices, faces), axis=1) * (1.0 if weight is None else weight)
    total = np.cumsum(areas)
    if not len(total) or not total[-1] > 0:
        raise FullheadError("the mesh has no surface: all its faces are degenerate")
    face = np.searchsorted(total, rng.random_sample(count) * total[-1], side="right").clip(max=len(areas) - 1)
    root, share = np.sqrt(rng.random_sample(count)), rng.random_sample(count)
    return face, np.stack([1 - root, root * (1 - share), root * share], axis=1)


def interpolate_vertices(values: NDArray, faces: NDArray, face: NDArray, weights: NDArray) -> NDArray:
    """Values [V, C] of vertices, interpolated at points of the surface: [P, C]."""
    return (values[faces[face]] * weights[..., None]).sum(axis=-2)


def faces_in_box(vertices: NDArray, faces: NDArray, half: float = 1.0) -> NDArray:
    """Which faces [F] have all corners in the cube from -half to half."""
    return np.abs(vertices).max(axis=1)[faces].max(axis=1) <= half


def components(pairs: NDArray, count: int) -> NDArray:
    """Of `count` things that hang together by `pairs` [E, 2]: the number [count] of the connected piece that each is of."""
    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(graph, directed=False)[1]
