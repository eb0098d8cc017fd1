"""Which faces of a surface are wound the wrong way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fullhead.core.compiled import njit
from fullhead.core.triangles import winding_numbers

LEAST_VOLUME = 0.01  # of a surface with an outside, for an area of 1; a ball's is 0.094
LEAST_SHARE = 0.01  # of the area, of a piece whose side is looked for by itself


def turned_faces(vertices: NDArray, faces: NDArray) -> NDArray[np.bool_]:
    """Which faces [F] are wound the wrong way.

    Faces that share an edge hang together, vertices at one place being one; in each such piece that has two sides, the fewer
    (by area) are wrong. Then all are, if the surface bulges inwards as a whole, and the large pieces that bulge inwards and
    are no hollow inside the others. How far it bulges out is its volume about its own middle, which it need not enclose.
    """
    piece, turned = _pieces(_welded(vertices), faces)
    sums = _sums(vertices, faces, piece, turned)
    wrong = sums[:, 1] > sums[:, 0] / 2
    turned ^= wrong[piece]
    sums = _sums(vertices, faces, piece, turned)
    if _bulge(sums.sum(axis=0)) < -LEAST_VOLUME:
        turned, sums[:, 5:] = ~turned, -sums[:, 5:]
    for p in np.flatnonzero(sums[:, 0] > LEAST_SHARE * sums[:, 0].sum()):
        if _bulge(sums[p]) < -LEAST_VOLUME:
            others = np.where(turned[:, None], faces[:, ::-1], faces)[piece != p]
            middle = sums[p, 2:5] / sums[p, 0]
            parts = np.array_split(others, len(others) // 100_000 + 1)
            if sum(winding_numbers(middle[None], vertices[part])[0] for part in parts) < 0.5:
                turned[piece == p] ^= True
    return turned


def _bulge(sums: NDArray) -> float:
    """Volume of a piece about its middle, for an area of 1; of a row of `_sums`."""
    area = max(sums[0], 1e-100)
    return (sums[8] - sums[2:5] @ sums[5:8] / area) / 3 / area**1.5


def _welded(vertices: NDArray) -> NDArray:
    """The number of the place [V] of each vertex."""
    order = np.lexsort(vertices.T)
    number = np.empty(len(order), np.int64)
    number[order] = np.cumsum(np.append(False, (vertices[order[1:]] != vertices[order[:-1]]).any(axis=1)))
    return number


def _pieces(places: NDArray, faces: NDArray) -> tuple[NDArray, NDArray]:
    """The piece [F] that each face is of, and which [F] face the other way than the others of their piece; none in pieces that
    have one side only, as a Moebius strip."""
    keys = np.empty(3 * len(faces), np.int64)
    _number_edges(places, faces, places.max() + 1, keys)
    piece, turned = np.empty(len(faces), np.int64), np.empty(len(faces), np.bool_)
    _join_faces(keys, np.argsort(keys), np.arange(len(faces)), piece, turned)
    return piece, turned


@njit(nogil=True)
def _number_edges(places, faces, count, keys):
    """keys [3 F]: twice a number of the edge, plus 1 if the face goes along it from its lower place to its higher;
    negative where the edge has no length."""
    for f in range(len(faces)):
        for k in range(3):
            a, b = places[faces[f, k]], places[faces[f, (k + 1) % 3]]
            keys[3 * f + k] = 2 * (min(a, b) * count + max(a, b)) + (a < b) if a != b else -2 * (3 * f + k) - 2


@njit(nogil=True)
def _join_faces(keys, order, parent, piece, turned):
    """Join the faces of each edge that has just two; `turned` [F], at first against the face's parent, in the end against the
    first of its piece."""
    one_sided = np.zeros(len(parent), np.bool_)
    turned[:] = False
    start = 0
    for end in range(1, len(order) + 1):
        if end < len(order) and keys[order[end]] >> 1 == keys[order[start]] >> 1:
            continue
        if end - start == 2:
            first, second = order[start], order[start + 1]
            against = (keys[first] & 1) == (keys[second] & 1)
            a, b = _root(parent, turned, first // 3), _root(parent, turned, second // 3)
            against ^= turned[first // 3] ^ turned[second // 3]
            if a == b:
                one_sided[a] |= against
            else:
                parent[b], turned[b] = a, against
                one_sided[a] |= one_sided[b]
        start = end
    count = 0
    for f in range(len(parent)):
        if parent[f] == f:
            piece[f], count = count, count + 1
    for f in range(len(parent)):
        root = _root(parent, turned, f)
        piece[f] = piece[root]
        turned[f] &= not one_sided[root]


@njit(nogil=True)
def _root(parent, turned, face):
    """The first of a face's piece, which becomes its parent."""
    root, odd = face, False
    while parent[root] != root:
        odd ^= turned[root]
        root = parent[root]
    while parent[face] != root and face != root:
        above, own = parent[face], turned[face]
        parent[face], turned[face] = root, odd
        odd ^= own
        face = above
    return root


def _sums(vertices: NDArray, faces: NDArray, piece: NDArray, turned: NDArray) -> NDArray:
    """Of each piece [P, 9]: area, that of its turned faces, middle times area (3), area vector (3), three times the volume."""
    sums = np.zeros((piece.max() + 1, 9))
    _add_sums(np.ascontiguousarray(vertices, np.float64), faces, piece, turned, sums)
    return sums


@njit(nogil=True)
def _add_sums(vertices, faces, piece, turned, sums):
    for f in range(len(faces)):
        a, b, c = vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]]
        ux, uy, uz, vx, vy, vz = b[0] - a[0], b[1] - a[1], b[2] - a[2], c[0] - a[0], c[1] - a[1], c[2] - a[2]
        half = -0.5 if turned[f] else 0.5
        x, y, z = half * (uy * vz - uz * vy), half * (uz * vx - ux * vz), half * (ux * vy - uy * vx)
        area = np.sqrt(x * x + y * y + z * z)
        row = sums[piece[f]]
        row[0] += area
        row[1] += area * turned[f]
        for k in range(3):
            row[2 + k] += area * (a[k] + b[k] + c[k]) / 3
        row[5] += x
        row[6] += y
        row[7] += z
        row[8] += a[0] * x + a[1] * y + a[2] * z
