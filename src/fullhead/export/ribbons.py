"""Strands of hair as meshes that real-time programs can draw: flat ribbons, and a darker layer under them.

A strand's points [S, K, 3] are anchors: every vertex made here is bound to one of them by a fixed offset, so that whatever
moves the points moves the mesh. Metres, the frame of the files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from fullhead.core.colour import srgb_from_linear
from fullhead.core.meshes import vertex_normals
from fullhead.core.random import stream
from fullhead.core.triangles import unit_vectors

TONES, SHADES = 128, 32  # columns (of HAIR_PIXELS pixels) and rows of the texture of strands
HAIR_PIXELS = 8  # pixels across a hair
RIBBON_HAIRS = 4  # columns across a ribbon
MIDDLE = 0.02  # metres, standard deviation: how near points count for the middle of a tail
UNDER_CELL, UNDER_INSET = 0.004, 0.008  # metres: the grid in which the layer under the hair is made, its depth below the hull
UNDER_SHARE = 0.35  # of the hair's usual density: where its hull lies
UNDER_SHADE = 0.6  # of the shade of the ribbons about it: hair in the shadow of hair, whose colour still scatters through
UNDER_NEAR = 12  # points of ribbons whose shade it takes
SOLID = 8  # columns without gaps, for what lies under the ribbons
BRIGHTEST = 1.15  # factor of the colour in the texture's lightest row


@dataclass(frozen=True)
class BoundMesh:
    """A mesh bound to points: vertex i lies at points[anchor[i]] + offset[i]."""

    anchor: NDArray  # [V]
    offset: NDArray  # [V, 3]
    normals: NDArray  # [V, 3]
    uv: NDArray  # [V, 2], v up
    light: NDArray  # [V], factor of the texture's colour
    faces: NDArray  # [F, 3]

    def joined(self, other: BoundMesh) -> BoundMesh:
        """Both as one mesh."""
        other = replace(other, faces=other.faces + len(self.anchor))
        return BoundMesh(**{name: np.concatenate([own, vars(other)[name]]) for name, own in vars(self).items()})

    def keep_faces(self, faces: NDArray) -> BoundMesh:
        """Some of its faces [F', 3], and the vertices that they use."""
        used, renumbered = np.unique(faces, return_inverse=True)
        faces = renumbered.reshape(-1, 3).astype(np.int32)
        return BoundMesh(self.anchor[used], self.offset[used], self.normals[used], self.uv[used], self.light[used], faces)

    def shift_anchors(self, first: int) -> BoundMesh:
        """The same with anchors numbered from `first`."""
        return replace(self, anchor=self.anchor + first)


def resampling(points: NDArray, tolerance: float, most: int) -> NDArray:
    """Matrix [k, K] to the fewest even points, at most `most`, that keep half of the strands [S, K, 3] within `tolerance`."""
    count = points.shape[1]
    for fewer in range(2, min(most, count)):
        matrix = _between(count, fewer)
        error = np.linalg.norm(_between(count=fewer, wanted=count) @ (matrix @ points) - points, axis=-1).max(1)
        if np.median(error) < tolerance:
            return matrix
    return _between(count, min(most, count))


def _between(count: int, wanted: int) -> NDArray:
    """Matrix [wanted, count] of linear interpolation from `count` even points to `wanted`."""
    place = np.linspace(0, count - 1, wanted)
    return np.maximum(1 - np.abs(place[:, None] - np.arange(count)), 0)


def ribbons(points: NDArray, half_width: NDArray, tone: NDArray, shade: NDArray, out: NDArray) -> BoundMesh:
    """A ribbon along each strand [S, K, 3], narrowing to its tip, its flat side towards `out`, unit directions [S, K, 3].

    half_width [S, K]; tone [S] and shade [S, K] in [0, 1] are places in the texture of the strands.
    """
    strands, k = points.shape[:2]
    tangent = unit_vectors(np.gradient(points, axis=1))
    normal = unit_vectors(out - (out * tangent).sum(-1, keepdims=True) * tangent)
    side = np.cross(tangent, normal)
    turn = stream(strands, "ribbons").uniform(-0.6, 0.6, (strands, 1, 1))  # else all edges vanish from the same side
    side = np.cos(turn) * side + np.sin(turn) * normal
    normal = unit_vectors(out + np.cross(side, tangent))  # softer than the ribbon's own, or curls glitter
    t = np.linspace(0, 1, k)
    across = (half_width * np.minimum(0.3 + 5 * t, 1))[..., None] * side  # narrow roots, so that hairlines are not ragged
    vertex = np.arange(strands)[:, None] * (2 * k - 1)
    left = vertex + 2 * np.arange(k - 1)  # [S, K-1]
    right, tip = left + 1, vertex + 2 * k - 2
    a, b, c, d = left[:, :-1], right[:, :-1], right[:, 1:], left[:, 1:]
    quads = [np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))]
    ends = np.stack([left[:, -1:], right[:, -1:], tip], -1).reshape(-1, 3)

    def paired(first: NDArray, second: NDArray) -> NDArray:
        """Values [S, K, ...] of both edges, of the tip once: [S (2 K - 1), ...]."""
        both = np.stack([first, second], axis=2).reshape(strands, 2 * k, *first.shape[2:])
        return both[:, :-1].reshape(strands * (2 * k - 1), *first.shape[2:])

    across[:, -1] = 0
    u = np.broadcast_to(tone[:, None], shade.shape)
    number = np.arange(strands * k).reshape(strands, k)
    return BoundMesh(
        anchor=paired(number, number),
        offset=paired(-across, across).astype(np.float32),
        normals=paired(normal, normal).astype(np.float32),
        uv=np.stack([paired(u, u + RIBBON_HAIRS / TONES), paired(shade, shade)], axis=-1).astype(np.float32),
        light=np.ones(strands * (2 * k - 1)),
        faces=np.concatenate([*quads, ends]).astype(np.int32),
    )


def away_from_axis(points: NDArray, centre: NDArray) -> NDArray:
    """Unit directions [..., 3] away from `centre` above it, from the vertical line under it below."""
    from_centre = points - centre
    from_centre[..., 1] = np.maximum(from_centre[..., 1], 0)
    return unit_vectors(from_centre)


def away_from_middle(points: NDArray) -> NDArray:
    """Unit directions [..., 3] away from the mean of the points about each: out of a bun, of a tail, of each of two braids."""
    flat = points.reshape(-1, 3)
    sample = flat[:: -(-len(flat) // 1000)]
    weight = np.exp(-0.5 * (cdist(flat, sample) / MIDDLE) ** 2)
    return unit_vectors(points - (weight @ sample / weight.sum(1, keepdims=True)).reshape(points.shape))


def strand_texture(colour: NDArray) -> tuple[NDArray, NDArray]:
    """Texture uint8 sRGB and alpha [SHADES, TONES HAIR_PIXELS, 4] of linear colours [S, 3] of strands, and the u [S] of each.

    Columns are tones of the strands in random order with gaps between them, so that a ribbon shows RIBBON_HAIRS hairs; rows run
    from light (v = 1) to black. The first SOLID columns have the mean colour and no gaps.
    """
    random = stream(0, "tones")
    tones = TONES - SOLID
    brightness = np.argsort(np.argsort(colour.sum(1), kind="stable"), kind="stable")
    group = brightness * tones // len(colour)
    number = np.bincount(group, minlength=tones)[:, None]
    sums = np.stack([np.bincount(group, colour[:, c], tones) for c in range(3)], axis=1)
    mean = colour.mean(0)
    column = random.permutation(tones)  # of each tone
    row = np.empty((tones, 3))
    row[column] = np.where(number > 0, sums / np.maximum(number, 1), mean)
    row = np.concatenate([np.tile(mean, (SOLID, 1)), row]).repeat(HAIR_PIXELS, axis=0)  # [TONES HAIR_PIXELS, 3]
    light = BRIGHTEST * (1 - (np.arange(SHADES) + 0.5) / SHADES)
    across = (np.arange(HAIR_PIXELS) + 0.5) / HAIR_PIXELS - 0.5
    alpha = np.clip((random.uniform(0.3, 0.48, (TONES, 1)) - np.abs(across)) * HAIR_PIXELS + 0.5, 0, 1)
    alpha[:SOLID] = 1
    texture = np.empty((SHADES, TONES * HAIR_PIXELS, 4))
    texture[..., :3] = srgb_from_linear(light[:, None, None] * row)
    texture[..., 3] = alpha.ravel()
    return (texture * 255 + 0.5).astype(np.uint8), (SOLID + np.minimum(column[group], tones - RIBBON_HAIRS)) / TONES


def under_layer(
    points: NDArray, half_width: NDArray, skin: NDArray, normals: NDArray, anchors: NDArray, shade: NDArray
) -> BoundMesh | None:
    """A closed, darker surface inside the hair, so that nothing shows between ribbons; None where the hair is thin.

    It is the hull of head and hair moved inwards by UNDER_INSET, where that lies outside the head. points [S, K, 3] and
    half_width [S] of all strands, the vertices and normals [V, 3] of the skin; it is bound to `anchors` [..., 3], whose ribbons
    have the places `shade` [...] in the texture.
    """
    from skimage.measure import marching_cubes

    cell, k = UNDER_CELL, points.shape[1]
    steps = int(np.ceil(np.linalg.norm(np.diff(points, axis=1), axis=-1).mean() / (0.5 * cell))) + 1
    dense = _between(k, (k - 1) * steps + 1) @ points  # [S, M, 3]
    length = np.linalg.norm(np.gradient(dense, axis=1), axis=-1)
    low = dense.min((0, 1)) - 4 * cell
    place = ((dense.reshape(-1, 3) - low) / cell).astype(int)
    shape = tuple(int(n) + 5 for n in place.max(0))
    cells = np.ravel_multi_index(tuple(place.T), shape)
    area = np.bincount(cells, (2 * half_width[:, None] * length).ravel(), int(np.prod(shape)))
    density = ndimage.gaussian_filter(area.reshape(shape), 0.7)
    hair = density > UNDER_SHARE * np.median(density.ravel()[cells])
    tree = KDTree(skin)

    def height(at: NDArray) -> NDArray:
        """Above the nearest vertex of the skin, metres."""
        nearest = np.asarray(tree.query(at)[1])
        return ((at - skin[nearest]) * normals[nearest]).sum(-1)

    centres = (np.moveaxis(np.indices(shape), 0, -1) + 0.5) * cell + low
    depth = np.asarray(ndimage.distance_transform_edt(hair | (height(centres) < 0))) * cell
    depth = ndimage.gaussian_filter(depth, 0.7)
    if depth.max() <= UNDER_INSET:
        return None
    vertices, faces, *_ = marching_cubes(depth, UNDER_INSET)
    vertices = ((vertices + 0.5) * cell + low).astype(np.float32)
    outside = height(vertices) > -0.5 * cell
    faces = faces[outside[faces].all(1)][:, ::-1].astype(np.int32)
    if not len(faces):
        return None
    places = anchors.reshape(-1, 3)
    near = np.asarray(KDTree(places).query(vertices, min(UNDER_NEAR, len(places)))[1])
    near = near.reshape(len(vertices), -1)  # [V, UNDER_NEAR], nearest first
    anchor, own_shade = near[:, 0], UNDER_SHADE * shade.ravel()[near].mean(1)
    return BoundMesh(
        anchor=anchor,
        offset=(vertices - places[anchor]).astype(np.float32),
        normals=vertex_normals(vertices, faces),
        uv=np.stack([np.full(len(vertices), 0.5 * SOLID / TONES), own_shade], axis=-1).astype(np.float32),
        light=np.ones(len(vertices)),
        faces=faces,
    ).keep_faces(faces)
