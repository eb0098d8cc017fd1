"""The triangles of marching cubes [Lorensen & Cline 1987], derived instead of typed in.

Corner c of a cell lies at (c & 1, c >> 1 & 1, c >> 2). An edge is named by its lower corner and its axis. A case is a number
from 0 to 255 whose bit c says that corner c is inside.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

CORNERS = np.array([[c & 1, c >> 1 & 1, c >> 2] for c in range(8)])
EDGES = [(c, axis) for axis in range(3) for c in range(8) if not c >> axis & 1]


@cache
def triangle_table() -> NDArray[np.int64]:
    """Triangles of the 256 cases as triples of indices into EDGES, [256, T, 3], padded with -1.

    On each face of the cell every run of inside corners is cut off by one segment. The rule sees that face alone, so both
    cells that share it agree and the surface has no holes. The segments join to loops, and the loops are cut into triangles.
    """
    cases = [[t for loop in _loops(case) for t in _triangles(loop)] for case in range(256)]
    table = np.full((256, max(map(len, cases)), 3), -1)
    for case, triangles in enumerate(cases):
        table[case, : len(triangles)] = np.reshape(triangles, (-1, 3))
    return table


def _loops(case: int) -> list[list[int]]:
    """The closed loops of edges in a cell whose corner c is inside when bit c of `case` is set."""
    follows: dict[int, int] = {}
    for axis in range(3):
        for end in (0, 1):
            low, u, v = end << axis, 1 << (axis + 1) % 3, 1 << (axis + 2) % 3
            ring = [low, low + u, low + u + v, low + v][:: 1 if end else -1]  # counter-clockwise seen from outside the cell
            inside = [case >> c & 1 for c in ring]
            for i in range(4):
                if inside[i] and not inside[i - 1]:  # a run of inside corners begins: from its first edge to its last
                    j = next(j for j in range(i, i + 4) if not inside[(j + 1) % 4])
                    follows[_edge(ring[i - 1], ring[i])] = _edge(ring[j % 4], ring[(j + 1) % 4])
    loops: list[list[int]] = []
    while follows:
        loop = [next(iter(follows))]
        while (after := follows.pop(loop[-1])) != loop[0]:
            loop.append(after)
        loops.append(loop)
    return loops


def _edge(a: int, b: int) -> int:
    return EDGES.index((min(a, b), (a ^ b).bit_length() - 1))


def _triangles(loop: list[int]) -> list[list[int]]:
    """Cut a loop of edges into triangles by diagonals that lie in no face of the cell (the neighbour might use them too)."""
    if len(loop) == 3:
        return [loop]
    for k in range(1, len(loop) - 1):
        if any(_share_a_face(a, b) for a, b, n in ((loop[0], loop[k], k), (loop[k], loop[-1], len(loop) - 1 - k)) if n > 1):
            continue
        parts = [_triangles(part) for part in (loop[: k + 1], loop[k:]) if len(part) > 2]
        if all(parts):
            return [[loop[0], loop[k], loop[-1]], *[t for part in parts for t in part]]
    return []


def _share_a_face(a: int, b: int) -> bool:
    ends = [EDGES[e][0] for e in (a, b)] + [EDGES[e][0] | 1 << EDGES[e][1] for e in (a, b)]
    return any(len({end >> axis & 1 for end in ends}) == 1 for axis in range(3))
