"""The mesh of a level set {field = level}, asking the field for values only near the surface.

A coarse grid is sampled whole. Then the grid is halved again and again: the edges that the surface crosses are halved, and
from the cells around them the surface is followed into every neighbour that it enters, so each piece that crosses an edge of
the coarse grid comes out exactly as if the whole fine grid had been sampled; only corners of crossed cells are asked for
(fewer than MISE [occnet] asks for, which fills the crossed cells).
Marching cubes [Lorensen & Cline 1987] turns the crossed cells into triangles.

Notation: a grid of r cells a side has (r + 1)^3 samples; sample (i, j, k) has the key (i (r + 1) + j) (r + 1) + k, and a cell
has the key of its lowest corner. `keys` are sorted int64 and `values` [S] float32 stand beside them. Inside means
value > level.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fullhead.core.errors import FullheadError
from fullhead.core.marching_cubes import CORNERS, EDGES, triangle_table
from fullhead.core.meshes import area_vectors, components
from fullhead.core.tri_mesh import TriMesh

Field = Callable[[Tensor], Tensor]
Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

CLEARANCE = 1e-3  # of a cell: how far a vertex keeps from a sample, so that distinct vertices never coincide


class NoSurfaceError(FullheadError):
    """The field does not cross the level: its values run from `low` to `high`."""

    def __init__(self, level: float, low: float, high: float):
        super().__init__(f"no surface at level {level:g}: the values run from {low:.3g} to {high:.3g}; choose a level between")
        self.low, self.high = low, high


def extract_surface(
    field: Field, side: float, level: float, resolution: int, *, centre: NDArray | float = 0.0, coarse: int = 64,
    chunk: int = 2**18, outside: float = 0.0,
) -> TriMesh[NDArray]:  # fmt: skip
    """The closed surface {field = level} in the cube of `side` world units about `centre` [3]: float32 vertices, int32 faces.

    field: xyz [N, 3] float32 in world units, on the CPU, N <= chunk -> values [N].  resolution: cells per side.  It is halved
    while it is even and stays >= coarse; what is left is sampled whole, so powers of two are cheapest.  On the faces of the
    cube the field counts as `outside` (< level): what reaches them is closed there.  Pieces thinner than a coarse cell are
    found where they hang together with something larger.  Raises NoSurfaceError.
    """
    if not outside < level:
        raise FullheadError(f"the level must be above {outside:g} (the value outside the box), not {level:g}")
    start = resolution
    while start % 2 == 0 and start // 2 >= coarse:
        start //= 2
    grid, keys = _Samples(field, side, centre, level, chunk, outside, start), np.arange((start + 1) ** 3)
    grid.add(keys)
    cells = grid.crossed(keys.reshape([start + 1] * 3)[:-1, :-1, :-1].ravel())
    if len(cells) == 0:
        low, high = float(grid.values.min()), float(grid.values.max())
        if not math.isfinite(low + high):
            raise FullheadError("this head has values that are no numbers where a surface is sought: its weights are damaged")
        raise NoSurfaceError(level, low, high)
    while grid.r < resolution:
        cells = grid.split(cells)
    return _marching_cubes(grid, cells)


class _Samples:
    """The samples known so far of a grid of `r` cells a side; grows by `add`, doubles its resolution by `split`."""

    def __init__(
        self, field: Field, side: float, centre: NDArray | float, level: float, chunk: int, outside: float, r: int
    ) -> None:
        self.field, self.side, self.level, self.chunk, self.outside, self.r = field, side, level, chunk, outside, r
        self.centre = np.float32(centre)
        self.keys: Ints = np.empty(0, np.int64)
        self.values: Floats = np.empty(0, np.float32)

    def offsets(self, ijk: NDArray[np.int64]) -> Ints:
        """What to add to a key to step by ijk [..., 3]."""
        return (ijk[..., 0] * (self.r + 1) + ijk[..., 1]) * (self.r + 1) + ijk[..., 2]

    def ijk(self, keys: Ints) -> Ints:
        """Grid coordinates [..., 3] of keys [...]."""
        n = self.r + 1
        return np.stack([keys // (n * n), keys // n % n, keys % n], axis=-1)

    def add(self, wanted: Ints) -> None:
        """Sample the sorted, unique keys `wanted` as far as they are not known yet."""
        new = np.setdiff1d(wanted, self.keys, assume_unique=True) if len(self.keys) else wanted
        values = np.empty(len(new), np.float32)
        for first in range(0, len(new), self.chunk):
            values[first : first + self.chunk] = self._ask(new[first : first + self.chunk])
        keys = np.concatenate([self.keys, new])
        order = np.argsort(keys, kind="stable")
        self.keys, self.values = keys[order], np.concatenate([self.values, values])[order]

    def _ask(self, keys: Ints) -> Floats:
        ijk = self.ijk(keys)
        values = np.full(len(keys), self.outside, np.float32)
        inner = ((ijk > 0) & (ijk < self.r)).all(axis=-1)
        if inner.any():
            xyz = self.places(ijk[inner])
            values[inner] = self.field(torch.from_numpy(xyz)).detach().cpu().float().numpy()
        if not np.isfinite(values).all():
            raise FullheadError("the density has values that are not finite (NaN or infinity): the model's weights are broken")
        return values

    def places(self, ijk: NDArray) -> Floats:
        """World coordinates [..., 3] of grid coordinates [..., 3]."""
        return ((ijk / self.r - 0.5) * self.side).astype(np.float32) + self.centre

    def corners(self, cells: Ints) -> Floats:
        """Values [M, 8] at the corners of sorted cells whose samples are all known."""
        low = np.stack([np.searchsorted(self.keys, cells + step) for step in self.offsets(CORNERS[:4])], axis=-1)  # [M, 4]
        return self.values[np.concatenate([low, low + 1], axis=-1)]  # the sample above in k is the next key

    def crossed(self, cells: Ints) -> Ints:
        """Those of the sorted `cells` that have corners on both sides of the level."""
        inside = self.corners(cells) > self.level
        return cells[inside.any(axis=-1) & ~inside.all(axis=-1)]

    def split(self, cells: Ints) -> Ints:
        """Double the resolution; crossed cells of the fine grid, sorted, from those of the coarse one."""
        inside, known, ijk = self.corners(cells) > self.level, self.ijk(self.keys), self.ijk(cells)
        self.r *= 2
        self.keys = self.offsets(2 * known)
        unit = self.offsets(np.eye(3, dtype=np.int64))
        seeds = []
        for axis in range(3):  # of each crossed edge, the half that is crossed, and the four cells around it
            low = np.flatnonzero(CORNERS[:, axis] == 0)
            cell, corner = np.nonzero(inside[:, low] != inside[:, low + (1 << axis)])
            start = _distinct(self.offsets(2 * (ijk[cell] + CORNERS[low[corner]])))
            self.add(start + unit[axis])
            ends, middle = np.searchsorted(self.keys, start), np.searchsorted(self.keys, start + unit[axis])
            upper = (self.values[ends] > self.level) == (self.values[middle] > self.level)
            start = start + upper * unit[axis]
            u, v = unit[(axis + 1) % 3], unit[(axis + 2) % 3]
            seeds += [start, start - u, start - v, start - u - v]
        frontier = seen = _distinct(np.concatenate(seeds))
        found = []
        while len(frontier):  # follow the surface out of the cells around the coarse edges
            self.add(_distinct(frontier[:, None] + self.offsets(CORNERS)))
            found.append(self.crossed(frontier))
            frontier = self._entered(found[-1], seen)
            seen = np.sort(np.concatenate([seen, frontier]))
        return np.sort(np.concatenate(found))

    def _entered(self, cells: Ints, seen: Ints) -> Ints:
        """Cells outside `seen` that share a face with corners on both sides of the level with one of `cells`."""
        inside = self.corners(cells) > self.level
        neighbours = []
        for axis in range(3):
            for end in (0, 1):
                face = inside[:, CORNERS[:, axis] == end]
                step = self.offsets(np.eye(3, dtype=np.int64)[axis]) * (2 * end - 1)
                neighbours.append(cells[face.any(axis=-1) & ~face.all(axis=-1)] + step)
        return np.setdiff1d(_distinct(np.concatenate(neighbours)), seen, assume_unique=True)


def _distinct(keys: Ints) -> Ints:
    """Sorted and without repetition (numpy's own `unique` hashes, which takes five times as long for these)."""
    keys = np.sort(keys, axis=None)
    return keys[np.diff(keys, prepend=-1) != 0]


def _marching_cubes(grid: _Samples, cells: Ints) -> TriMesh[NDArray]:
    """One vertex on every crossed edge of the grid, and the triangles that join them in each cell."""
    cases = ((grid.corners(cells) > grid.level) << np.arange(8)).sum(axis=-1)
    edges = triangle_table()[cases]  # [M, T, 3], -1 where a case has fewer than T triangles
    steps = np.array([3 * grid.offsets(CORNERS[corner]) + axis for corner, axis in EDGES])
    used = edges[..., 0] >= 0
    edge_keys = (3 * cells[:, None, None] + steps[edges])[used]  # [F, 3]
    unique, faces = np.unique(edge_keys, return_inverse=True)
    start, axis = unique // 3, unique % 3
    low = grid.values[np.searchsorted(grid.keys, start)]
    high = grid.values[np.searchsorted(grid.keys, start + grid.offsets(np.eye(3, dtype=np.int64))[axis])]
    vertices = grid.ijk(start).astype(np.float64)
    vertices[np.arange(len(axis)), axis] += ((grid.level - low) / (high - low)).clip(CLEARANCE, 1 - CLEARANCE)
    return TriMesh(grid.places(vertices), faces.reshape(-1, 3).astype(np.int32))


def face_components(surface: TriMesh[NDArray]) -> Ints:
    """For every face [F] the number of the connected piece that it belongs to."""
    edges = np.concatenate([surface.faces[:, :2], surface.faces[:, 1:]])
    return components(edges, len(surface.vertices))[surface.faces[:, 0]]


def largest_component(surface: TriMesh[NDArray]) -> TriMesh[NDArray]:
    """Only the connected piece with the most faces: floaters and the walls of hollows inside are left out."""
    pieces = face_components(surface)
    return _part(surface, pieces == np.bincount(pieces).argmax())


def central_component(surface: TriMesh[NDArray]) -> TriMesh[NDArray]:
    """Only the connected piece whose vertices lie around the origin most closely in the mean, unless its area is less than half
    of the largest piece's: then that one."""
    pieces = np.unique(face_components(surface), return_inverse=True)[1]
    of_vertex = np.empty(len(surface.vertices), np.int64)
    of_vertex[surface.faces] = pieces[:, None]
    counts = np.bincount(of_vertex)
    means = np.stack([np.bincount(of_vertex, surface.vertices[:, i]) / counts for i in range(3)], axis=-1)
    areas = np.bincount(pieces, np.linalg.norm(area_vectors(surface.vertices, surface.faces), axis=-1))
    central, largest = np.linalg.norm(means, axis=-1).argmin(), areas.argmax()
    return _part(surface, pieces == (central if areas[central] >= areas[largest] / 2 else largest))


def _part(surface: TriMesh[NDArray], chosen: NDArray[np.bool_]) -> TriMesh[NDArray]:
    """The surface of some faces alone."""
    kept, renumbered = np.unique(surface.faces[chosen], return_inverse=True)
    return TriMesh(surface.vertices[kept], renumbered.reshape(-1, 3).astype(np.int32))


def refined(surface: TriMesh[NDArray], chosen: NDArray[np.bool_]) -> TriMesh[NDArray]:
    """The same surface with every edge halved that ends at a chosen vertex [V]; no gaps where fine faces meet coarse ones.

    New vertices come after the old ones, at the middles of edges.
    """
    ends = chosen[surface.faces]
    turned = np.take_along_axis(surface.faces, (ends.argmax(1)[:, None] + np.arange(3)) % 3, axis=1)  # a chosen one first
    count, n = ends.sum(1), len(surface.vertices)
    halved = turned[count > 0].astype(np.int64)
    edges = np.sort(halved[:, [[0, 1], [1, 2], [2, 0]]], axis=-1)  # [F, 3, 2]
    keys, middle = np.unique(edges[(chosen[edges]).any(-1)] @ [n, 1], return_inverse=True)
    number = np.full(edges.shape[:2], -1)
    number[chosen[edges].any(-1)] = n + middle
    (a, b, c), (ab, bc, ca) = halved.T, number.T
    single = (count[count > 0] == 1)[:, None]  # its far edge stays whole
    pieces = [
        np.stack([a, ab, ca], axis=1),
        np.where(single, np.stack([ab, b, c], axis=1), np.stack([ab, b, bc], axis=1)),
        np.where(single, np.stack([ab, c, ca], axis=1), np.stack([ca, bc, c], axis=1)),
        np.stack([ab, bc, ca], axis=1)[~single[:, 0]],
    ]
    vertices = np.concatenate([surface.vertices, 0.5 * (surface.vertices[keys // n] + surface.vertices[keys % n])])
    faces = np.concatenate([surface.faces[count == 0], *pieces]).astype(np.int32)
    return TriMesh(vertices.astype(np.float32), faces)
