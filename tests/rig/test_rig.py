"""The template, its identities, expressions, poses and subdivision."""

import numpy as np
import pytest

from fullhead.core.errors import FullheadError
from fullhead.rig.identity import Phenotype, expression_offsets, identity_vertices, phenotype_coefficients, shape_parameters
from fullhead.rig.pose import joint_transforms, joints, rotation, skinned
from fullhead.rig.subdivision import bilinear, catmull_clark, triangles_from_quads, vertex_normals
from fullhead.rig.template import JOINTS, Template, load_template

CUBE = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
CORNERS = np.array([[x, y, z] for x in (-1.0, 1) for y in (-1.0, 1) for z in (-1.0, 1)])


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template()


@pytest.fixture(scope="module")
def adult(template: Template) -> np.ndarray:
    return identity_vertices(template, Phenotype(), {})


def test_catmull_clark_of_a_cube_has_the_published_points() -> None:
    operator, quads = catmull_clark(8, CUBE)
    points = operator @ CORNERS
    np.testing.assert_allclose(points[:8], CORNERS * 5 / 9, atol=1e-6)  # valence 3: (F + 2 E) / 3
    np.testing.assert_allclose(np.sort(np.abs(points[8:20]), axis=1), np.tile([0, 0.75, 0.75], (12, 1)), atol=1e-6)
    np.testing.assert_allclose(np.abs(points[20:]).sum(1), 1, atol=1e-6)  # middles of the faces
    assert quads.shape == (24, 4)


@pytest.mark.parametrize("subdivide", [catmull_clark, bilinear])
def test_subdivision_neither_grows_nor_moves_a_constant(subdivide, template: Template) -> None:
    operator, quads = subdivide(len(template.vertices), template.part("skin")[0])
    np.testing.assert_allclose(np.asarray(operator.sum(1)), 1, atol=1e-5)
    assert len(quads) == 4 * len(template.part("skin")[0])


def test_normals_of_a_closed_cube_point_outwards() -> None:
    normals = vertex_normals(CORNERS, triangles_from_quads(CUBE[:, ::-1]))
    sign = np.sign((normals * CORNERS).sum(1))
    assert (sign == sign[0]).all()


def test_there_are_148_shape_parameters_that_use_every_target_once(template: Template) -> None:
    parameters = shape_parameters(template)
    used = [target for below, above in parameters.values() for target in (*below, *above)]
    assert len(parameters) == 148
    assert sorted(used) == sorted(template.shape_names)


def test_a_phenotype_mixes_its_corners_to_one(template: Template) -> None:
    weights = phenotype_coefficients(template, Phenotype(gender=0.3, age=0.8, african=2, asian=1, caucasian=1))
    ancestry = [w for w, name in zip(weights, template.macro_names, strict=True) if not name.startswith("universal")]
    assert sum(ancestry) == pytest.approx(1, abs=1e-6)


def test_a_signed_parameter_moves_both_ways(template: Template, adult: np.ndarray) -> None:
    skull = adult[:, 1] > 7

    def width(value: float) -> float:
        return float(np.ptp(identity_vertices(template, Phenotype(), {"head-scale-horiz-decr/incr": value})[skull, 0]))

    assert width(-1.0) < width(0.0) < width(1.0)


def test_unknown_names_are_refused_in_words(template: Template) -> None:
    with pytest.raises(FullheadError, match="no shape parameter 'nose-length'"):
        identity_vertices(template, Phenotype(), {"nose-length": 1.0})
    with pytest.raises(FullheadError, match="no ARKit blendshape 'smile'"):
        expression_offsets(template, {"smile": 1.0})


def test_the_52_expressions_are_arkit_s_and_move_their_own_side(template: Template) -> None:
    assert len(template.expression_names) == 52
    assert {"jawOpen", "eyeBlinkLeft", "mouthSmileRight", "tongueOut"} <= set(template.expression_names)
    moved, left = np.linalg.norm(expression_offsets(template, {"eyeBlinkLeft": 1.0}), axis=1), template.vertices[:, 0] > 0
    assert moved[left].sum() > 5 * moved[~left].sum()  # the subject's left is +x
    lowered = expression_offsets(template, {"jawOpen": 1.0})[:, 1].min()
    assert lowered < -0.1


def test_no_rotation_changes_nothing(template: Template, adult: np.ndarray) -> None:
    transforms = joint_transforms(joints(template, adult), np.zeros((5, 3)))
    np.testing.assert_allclose(skinned(template, adult, transforms), adult, atol=1e-5)


def test_turning_the_head_left_carries_the_nose_to_the_left(template: Template, adult: np.ndarray) -> None:
    pose = np.zeros((5, 3))
    pose[JOINTS.index("neck"), 1] = 0.5
    posed = skinned(template, adult, joint_transforms(joints(template, adult), pose))
    nose = np.where(adult[:, 1] > 6.8, adult[:, 2], 0).argmax()
    assert posed[nose, 0] > adult[nose, 0] + 0.3
    shoulders = adult[:, 1] < 5
    np.testing.assert_allclose(posed[shoulders], adult[shoulders], atol=0.05)


def test_rotations_are_rotations() -> None:
    matrix = rotation(np.array([0.3, -1.2, 0.5]))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)
    np.testing.assert_allclose(rotation(np.array([0, 0, np.pi / 2])) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
