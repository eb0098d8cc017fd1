"""One level of subdivision of a quad mesh as a sparse linear operator, so that it applies to any vertex attribute.

New vertices are ordered: old vertices, edge points, face points. Quads [F, 4] hold vertex ids.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


def triangles_from_quads(quads: NDArray) -> NDArray:
    """[2 F, 3] int32: the first halves of all quads, then the second halves."""
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)


def catmull_clark(count: int, quads: NDArray) -> tuple[sparse.csr_matrix, NDArray]:
    """Smoothing subdivision: operator [V', count] and quads [4 F, 4]. Borders keep their shape."""
    edges, edge_of_quad, border = _edges(quads)
    faces, n_edges = len(quads), len(edges)
    rows = np.repeat(np.arange(faces), 4)
    face_points = _matrix(0.25, rows, quads.ravel(), (faces, count))
    midpoints = _matrix(0.5, np.repeat(np.arange(n_edges), 2), edges.ravel(), (n_edges, count))
    faces_of_edge = _matrix(1.0, edge_of_quad.ravel(), rows, (n_edges, faces))
    beside = faces_of_edge @ face_points
    edge_points = sparse.diags(np.where(border, 1, 0.5)) @ midpoints + sparse.diags(np.where(border, 0, 0.25)) @ beside
    faces_of_vertex = _matrix(1.0, quads.ravel(), rows, (count, faces))
    edges_of_vertex = _matrix(1.0, edges.ravel(), np.repeat(np.arange(n_edges), 2), (count, n_edges))
    n_faces = np.maximum(np.asarray(faces_of_vertex.sum(1)).ravel(), 1)
    valence = np.maximum(np.asarray(edges_of_vertex.sum(1)).ravel(), 1)
    inner = (
        sparse.diags(1 / (valence * n_faces)) @ faces_of_vertex @ face_points
        + sparse.diags(2 / valence**2) @ edges_of_vertex @ midpoints
        + sparse.diags((valence - 3) / valence)
    )
    rim = edges[border]
    neighbours = _matrix(0.125, rim.ravel(), rim[:, ::-1].ravel(), (count, count))
    outer = neighbours + sparse.diags(1 - np.asarray(neighbours.sum(1)).ravel())
    is_inner = np.zeros(count)
    is_inner[np.unique(quads)] = 1
    is_inner[rim.ravel()] = 0
    points = sparse.diags(is_inner) @ inner + sparse.diags(1 - is_inner) @ outer
    operator = sparse.csr_matrix(sparse.vstack([points, edge_points, face_points]), dtype=np.float32)
    return operator, _split(quads, edge_of_quad, count, n_edges)


def bilinear(count: int, quads: NDArray) -> tuple[sparse.csr_matrix, NDArray]:
    """Subdivision without smoothing, for texture coordinates: operator [V', count] and quads [4 F, 4]."""
    edges, edge_of_quad, _ = _edges(quads)
    face_points = _matrix(0.25, np.repeat(np.arange(len(quads)), 4), quads.ravel(), (len(quads), count))
    midpoints = _matrix(0.5, np.repeat(np.arange(len(edges)), 2), edges.ravel(), (len(edges), count))
    operator = sparse.csr_matrix(sparse.vstack([sparse.identity(count), midpoints, face_points]), dtype=np.float32)
    return operator, _split(quads, edge_of_quad, count, len(edges))


def _edges(quads: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Unique edges [E, 2], the four edges of each quad [F, 4], and which edges are borders [E]."""
    pairs = np.sort(np.stack([quads, np.roll(quads, -1, 1)], -1).reshape(-1, 2), axis=1)
    edges, inverse = np.unique(pairs, axis=0, return_inverse=True)
    return edges, inverse.reshape(-1, 4), np.bincount(inverse.ravel(), minlength=len(edges)) == 1


def _matrix(value: float, rows: NDArray, columns: NDArray, shape: tuple[int, int]) -> sparse.csr_matrix:
    return sparse.csr_matrix((np.full(len(rows), value), (rows, columns)), shape)


def _split(quads: NDArray, edge_of_quad: NDArray, count: int, n_edges: int) -> NDArray:
    edge = count + edge_of_quad
    face = np.broadcast_to((count + n_edges + np.arange(len(quads)))[:, None], quads.shape)
    return np.stack([quads, edge, face, np.roll(edge, 1, 1)], axis=-1).reshape(-1, 4)
