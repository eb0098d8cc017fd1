"""Pictures of meshes."""

import math

import numpy as np

from fullhead.core.cameras import orbit
from fullhead.core.tri_mesh import TriMesh
from fullhead.viewing.draw_mesh import draw_mesh

SQUARE = np.array([(-0.1, -0.1, 0), (0.1, -0.1, 0), (0.1, 0.1, 0), (-0.1, 0.1, 0)])  # faces +z


def test_a_mesh_is_drawn_where_it_is_in_its_colours_on_white():
    red = TriMesh(SQUARE + np.array([0.1, 0, 0]), np.array([(0, 1, 2), (0, 2, 3)]), colours=np.tile([1.0, -1.0, -1.0], (4, 1)))
    front, back = draw_mesh(red, orbit(np.array([0.0, math.pi])), 32)
    assert (front[16, 20] == (255, 0, 0)).all() and (front[16, 10] == 255).all(), "to the right of the middle"
    assert (back[16, 10] == (255, 0, 0)).all() and (back[16, 20] == 255).all(), "to the left, seen from behind"


def test_clay_needs_no_colours_and_is_lighter_where_it_faces_the_camera():
    square = TriMesh(SQUARE, np.array([(0, 1, 2), (0, 2, 3)]))
    straight, slanted = draw_mesh(square, orbit(np.array([0.0, 1.0])), 32, "clay")
    assert 0 < slanted[16, 16, 0] < straight[16, 16, 0] < 255
