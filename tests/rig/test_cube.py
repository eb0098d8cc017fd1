"""The template in the cube of scans: upright, in it, of the right size, and seen from outside where it says so."""

import numpy as np
import pytest
import torch

from fullhead.rig.cube import EYES, UNITS_PER_METRE, CubeRig, template_in_cube, visible_faces
from fullhead.rig.identity import main_shape_rig
from fullhead.rig.template import LEFT_EYE, Template, load_template


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template()


@pytest.fixture(scope="module")
def cube(template: Template) -> CubeRig:
    return template_in_cube(template, shapes=10)


def test_heads_stand_in_the_cube_in_its_unit(template: Template, cube: CubeRig):
    shape = torch.randn(4, 10, generator=torch.Generator().manual_seed(0))
    posed = cube.rig(shape)
    np.testing.assert_allclose(posed.joints[:, LEFT_EYE:].mean(1), np.tile(EYES, (4, 1)), atol=1e-5)
    face = cube.landmarks(posed.vertices)
    assert face.abs().max() < 0.7
    assert (face[:, 30, 2] > 0.5).all()  # the tip of the nose looks along +z
    dm = main_shape_rig(template).truncated(10)(shape).vertices
    sizes = [(v.amax(1) - v.amin(1)) * unit for v, unit in ((posed.vertices, cube.rig.metres), (dm, 0.1))]
    np.testing.assert_allclose(sizes[0], sizes[1], rtol=1e-4)
    assert cube.millimetres == pytest.approx(1000 / UNITS_PER_METRE)


def test_what_is_seen_from_outside_is_the_skin_without_the_mouth_s_inside(cube: CubeRig):
    vertices = cube.rig().vertices[0].numpy()
    centres = vertices[cube.surface.numpy()].mean(1)
    lips = cube.landmarks(cube.rig().vertices)[0, 60:].mean(0).numpy()
    assert not (np.linalg.norm(centres - (lips - [0, 0, 0.15]), axis=1) < 0.08).any()
    assert 0.6 < len(cube.surface) / 10620 < 0.9  # of the triangles of skin and eyes


def test_a_head_within_a_head_is_not_seen(cube: CubeRig):
    vertices = cube.rig().vertices[0].numpy()
    outer = cube.surface.numpy()
    both = np.concatenate([outer, outer + len(vertices)])
    inner = vertices * 0.2 + [0, -0.1, 0]
    seen = visible_faces(np.concatenate([vertices, inner]), both)
    assert seen[: len(outer)].mean() > 0.95
    assert seen[len(outer) :].mean() < 0.01  # only through the open bust, from below
