"""A surface through a cloud of points: the zero of a signed distance to their tangent planes [hoppe92], cut off where no point
is near.

What is lost: detail finer than the points lie apart. Holes wider than some distances between neighbours stay holes.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree
from scipy.spatial import KDTree
from torch import Tensor

from fullhead.core.errors import FullheadError
from fullhead.core.isosurface import NoSurfaceError, extract_surface
from fullhead.core.tri_mesh import TriMesh

FEWEST = 100  # points
MOST = 60_000  # points that are used; of more, so many are taken evenly
NEIGHBOURS = 16  # of a point, whose plane is its tangent plane
MIXED = 6  # planes that a distance is the mean of
CELL = 2.0  # side of a cell, in distances between neighbours
NEAR = 3.0  # distances between neighbours, beyond which from all points there is no surface
CELLS = (32, 384)  # fewest and most along a side


def surface_of_points(points: NDArray, normals: NDArray | None = None, colours: NDArray | None = None) -> TriMesh[NDArray]:
    """The surface through points [P, 3], with their colours [P, 3].

    normals [P, 3] say which side is out; without them it is found by following neighbours. Raises FullheadError for fewer than
    FEWEST points, and for points through which no surface goes.
    """
    if len(points) < FEWEST:
        raise FullheadError(f"{len(points)} points are too few for a surface: at least {FEWEST}")
    low, high = points.min(0), points.max(0)
    side = float((high - low).max())
    if not side > 0:
        raise FullheadError("all its points lie in one place")
    places, kept = np.unique((points - (low + high) / 2) / side, axis=0, return_index=True)
    if len(places) > MOST:
        chosen = np.linspace(0, len(places) - 1, MOST).astype(int)
        places, kept = places[chosen], kept[chosen]
    if len(places) < FEWEST:
        raise FullheadError(f"{len(places)} different points are too few for a surface: at least {FEWEST}")
    tree = KDTree(places)
    away, near = map(np.asarray, tree.query(places, NEIGHBOURS + 1))
    apart = float(np.median(away[:, 1:5]))  # what lies between neighbours
    if normals is not None and (length := np.linalg.norm(normals[kept], axis=1)).min() > 0:
        out = normals[kept] / length[:, None]
    else:
        out = _oriented(places, _planes(places, near), near[:, 1:])

    def inside(xyz: Tensor) -> Tensor:
        x = xyz.numpy().astype(np.float64)
        distance, row = map(np.asarray, tree.query(x, MIXED))
        weight = np.exp(-((distance / (2 * apart)) ** 2)) + 1e-12
        heights = ((x[:, None] - places[row]) * out[row]).sum(-1)
        return torch.from_numpy(-(weight * heights).sum(1) / weight.sum(1))

    cells = int(np.clip(1.1 / (CELL * apart), *CELLS))
    try:
        found = extract_surface(inside, 1.1, 0.0, cells - cells % 4, coarse=CELLS[0], outside=-1.0)
    except NoSurfaceError as error:
        raise FullheadError("no surface goes through its points: are they those of a scan?") from error
    far, row = map(np.asarray, tree.query(found.vertices, 3))
    faces = found.faces[(far[:, 0] <= NEAR * apart)[found.faces].all(1)].astype(np.int64)
    if not len(faces):
        raise FullheadError("no surface goes through its points: are they those of a scan?")
    used, numbers = np.unique(faces, return_inverse=True)
    vertices = found.vertices[used].astype(np.float64) * side + (low + high) / 2
    mixed = None if colours is None else colours[kept][row[used]].mean(1)
    return TriMesh(vertices, numbers.reshape(-1, 3), colours=mixed)


def _planes(points: NDArray, near: NDArray) -> NDArray:
    """Normals [P, 3], either way, of the planes through neighbours `near` [P, N]."""
    around = points[near] - points[near].mean(1, keepdims=True)
    return np.linalg.eigh(np.einsum("pni,pnj->pij", around, around))[1][:, :, 0]


def _oriented(points: NDArray, normals: NDArray, near: NDArray) -> NDArray:
    """Normals [P, 3] that all look out: handed on from point to neighbour [P, N], where they differ least first. In each part
    that hangs together, the outermost point looks out."""
    count = len(points)
    rows, columns = np.repeat(np.arange(count), near.shape[1]), near.ravel()
    differ = 1 + 1e-6 - np.abs((normals[rows] * normals[columns]).sum(1))
    graph = coo_array((differ, (rows, columns)), shape=(count, count)).tocsr()
    graph = minimum_spanning_tree(graph.maximum(graph.T))
    part = connected_components(graph, directed=False)[1]
    away = np.linalg.norm(points - points.mean(0), axis=1)
    normals = normals.copy()
    for number in range(part.max() + 1):
        of_part = np.flatnonzero(part == number)
        first = int(of_part[away[of_part].argmax()])
        if normals[first] @ (points[first] - points.mean(0)) < 0:
            normals[first] *= -1
        order, before = breadth_first_order(graph, first, directed=False)
        for point in order[1:]:
            if normals[point] @ normals[before[point]] < 0:
                normals[point] *= -1
    return normals
