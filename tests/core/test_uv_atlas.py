"""Charts of closed surfaces: every point of the picture belongs to one triangle, seen from its front."""

import numpy as np
import pytest
import trimesh

from fullhead.core.errors import FullheadError
from fullhead.core.uv_atlas import GAP, unwrapped

SIZE = 128
SHAPES = {
    "ball": trimesh.creation.icosphere(3),
    "ring": trimesh.creation.torus(1.0, 0.4, major_sections=40, minor_sections=20),
    "box": trimesh.creation.box((1.0, 0.3, 2.0)).subdivide().subdivide(),
}


@pytest.mark.parametrize("shape", list(SHAPES))
def test_charts_hold_every_triangle_once_and_never_overlap(shape: str) -> None:
    vertices, faces = np.asarray(SHAPES[shape].vertices), np.asarray(SHAPES[shape].faces)
    atlas = unwrapped(vertices, faces, SIZE)
    np.testing.assert_array_equal(atlas.carrier[atlas.faces], faces)
    a, b, c = np.moveaxis(SIZE * atlas.uv[atlas.faces], 1, 0)
    along, other = b - a, c - a
    assert (along[:, 0] * other[:, 1] - along[:, 1] * other[:, 0] > 0).all(), "counter-clockwise: seen from outside"
    covered = np.zeros((SIZE, SIZE), int)
    for p, q, r in zip(a, b, c, strict=True):
        low, high = np.floor(np.minimum(np.minimum(p, q), r)).astype(int), np.ceil(np.maximum(np.maximum(p, q), r)).astype(int)
        for x in range(low[0], high[0]):
            for y in range(low[1], high[1]):
                place = np.array([x + 0.5, y + 0.5])
                sides = [(s - o)[0] * (place - o)[1] - (s - o)[1] * (place - o)[0] for o, s in ((p, q), (q, r), (r, p))]
                covered[y, x] += min(sides) > 0
    assert covered.max() == 1
    assert covered.mean() > 0.25


def test_a_margin_is_left_around_the_picture_and_too_small_pictures_are_refused() -> None:
    vertices, faces = np.asarray(SHAPES["ball"].vertices), np.asarray(SHAPES["ball"].faces)
    uv = unwrapped(vertices, faces, SIZE).uv * SIZE
    assert uv.min() > GAP / 2 - 1e-6 and uv.max() < SIZE - GAP / 2 + 1
    with pytest.raises(FullheadError, match="do not fit into 8 pixels"):
        unwrapped(vertices, faces, 8)
