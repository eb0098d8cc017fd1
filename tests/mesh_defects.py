"""What is wrong with a mesh, counted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fullhead.core.meshes import components


def merge_vertices(vertices: NDArray, faces: NDArray) -> tuple[NDArray, NDArray]:
    """The mesh with vertices at the same place made one (files double them along the seams of their texture).

    Faces that lose their area by it are left out; vertices that no face has, too.
    """
    places, number = np.unique(np.asarray(vertices), axis=0, return_inverse=True)
    corners = number.reshape(-1)[faces]
    a, b, c = corners.T
    corners = corners[(a != b) & (b != c) & (c != a)]
    used, corners = np.unique(corners, return_inverse=True)
    return places[used], corners.reshape(-1, 3)


@dataclass(frozen=True)
class Defects:
    """What a closed surface of one piece has none of (but the first component)."""

    components: int  # connected pieces
    holes: int  # closed loops of edges that have one face
    open_edges: int  # edges with one face
    tangled_edges: int  # edges with more than two


def defects(vertices: NDArray, faces: NDArray) -> Defects:
    """Count what is wrong with a mesh, once it is welded."""
    vertices, faces = merge_vertices(vertices, faces)
    edges, count = _edges(faces)
    rim = edges[count == 1]
    pieces, holes = (len(np.unique(components(pairs, len(vertices))[pairs])) for pairs in (edges, rim))
    return Defects(
        components=pieces,
        holes=holes,
        open_edges=len(rim),
        tangled_edges=int((count > 2).sum()),
    )


def _edges(faces: NDArray) -> tuple[NDArray, NDArray]:
    """Edges [E, 2], lower vertex first, and how many faces have each [E]."""
    pairs = np.sort(np.asarray(faces, np.int64)[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    key, count = np.unique(pairs[:, 0] << 32 | pairs[:, 1], return_counts=True)
    return np.stack([key >> 32, key & 0xFFFFFFFF], axis=1), count
