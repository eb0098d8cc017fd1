"""Subdivision of quad meshes as sparse operators."""

import numpy as np
import pytest

from fullhead.core.meshes import vertex_normals
from fullhead.rig.subdivision import bilinear, catmull_clark, triangles_from_quads
from fullhead.rig.template import load_template

CUBE = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
CORNERS = np.array([[x, y, z] for x in (-1.0, 1) for y in (-1.0, 1) for z in (-1.0, 1)])


def test_catmull_clark_of_a_cube_has_the_published_points() -> None:
    operator, quads = catmull_clark(8, CUBE)
    points = operator @ CORNERS
    np.testing.assert_allclose(points[:8], CORNERS * 5 / 9, atol=1e-6)  # valence 3: (F + 2 E) / 3
    np.testing.assert_allclose(np.sort(np.abs(points[8:20]), axis=1), np.tile([0, 0.75, 0.75], (12, 1)), atol=1e-6)
    np.testing.assert_allclose(np.abs(points[20:]).sum(1), 1, atol=1e-6)  # middles of the faces
    assert quads.shape == (24, 4)


@pytest.mark.parametrize("subdivide", [catmull_clark, bilinear])
def test_subdivision_neither_grows_nor_moves_a_constant(subdivide) -> None:
    template = load_template()
    operator, quads = subdivide(len(template.vertices), template.part("skin")[0])
    np.testing.assert_allclose(np.asarray(operator.sum(1)), 1, atol=1e-5)
    assert len(quads) == 4 * len(template.part("skin")[0])


def test_normals_of_a_closed_cube_point_outwards() -> None:
    normals = vertex_normals(CORNERS, triangles_from_quads(CUBE[:, ::-1]))
    sign = np.sign((normals * CORNERS).sum(1))
    assert (sign == sign[0]).all()
