"""Expressions told in another rig's: a rig of principal components on another mesh, made from the template's."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import sparse

from fullhead.rig.arkit import ARKIT, arkit_weights
from fullhead.rig.identity import Phenotype, identity
from fullhead.rig.rig import Rig
from fullhead.rig.subdivision import catmull_clark, triangles_from_quads
from fullhead.rig.template import JAW, LEFT_EYE, NECK, RIGHT_EYE, Template, load_template
from fullhead.rig.transfer import ExpressionMap, map_expressions

EYES = (LEFT_EYE, RIGHT_EYE)


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template()


@pytest.fixture(scope="module")
def ours(template: Template) -> Rig:
    return template.rig.personal(identity(template, Phenotype(), {}))


def random_expressions(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    shown = torch.rand(count, 52, generator=generator) < 0.2
    return torch.rand(count, 52, generator=generator) * shown


def refined(operator: sparse.csr_matrix) -> Callable[[torch.Tensor], torch.Tensor]:
    """Values of a mesh's vertices to those of its subdivision."""
    return lambda values: torch.from_numpy(operator @ values.numpy())


@pytest.fixture(scope="module")
def components(template: Template, ours: Rig) -> Rig:
    """60 principal components of the skin's motion, on four times as many quads, in another frame; gaze is the joints'."""
    operator, quads = catmull_clark(len(ours.template), template.part("skin")[0])
    used, inverse = np.unique(triangles_from_quads(quads), return_inverse=True)
    finer = refined(operator[used])
    moved = (ours(expression=random_expressions(150, 0)).vertices - ours.template).flatten(1)
    _, spread, directions = torch.linalg.svd(moved, full_matrices=False)
    basis = (directions * spread[:, None] / len(moved) ** 0.5)[:60].unflatten(1, (-1, 3))
    none = torch.zeros(60, 5, 3)
    return replace(
        ours,
        template=finer(ours.template),
        faces=torch.from_numpy(inverse.reshape(-1, 3)),
        shape_basis=torch.zeros(0, len(used), 3),
        expression_basis=torch.stack([finer(row) for row in basis]),
        pose_basis=torch.zeros(0, len(used), 3),
        skin_weights=finer(ours.skin_weights),
        joint_expression_basis=none,
        expression_pose=none,
        expression_names=tuple(f"component {i + 1}" for i in range(60)),
        combinations=(),
        contacts=(),
    ).placed(0.3, (0.4, 0.5, -0.2))


@pytest.fixture(scope="module")
def there(ours: Rig, components: Rig) -> ExpressionMap:
    return map_expressions(ours, components, joints=EYES)


@pytest.fixture(scope="module")
def back(ours: Rig, components: Rig) -> ExpressionMap:
    return map_expressions(components, ours, low=0.0, high=1.0)


def test_a_rig_s_own_expressions_come_back_from_another_frame(ours: Rig) -> None:
    same = map_expressions(ours, ours.placed(0.1, (1.0, 0.0, 2.0)), low=0.0, high=1.0)
    told, _ = same(torch.eye(52))
    apart = (told - torch.eye(52)).abs().amax(1)
    apart[ARKIT.index("mouthClose")] = 0  # over a closed jaw the same as a little of both mouthRoll...
    assert apart.max() < 0.1
    assert same.lost(torch.eye(52)).max() < 0.1


def test_all_52_can_be_told_in_components(there: ExpressionMap) -> None:
    assert there.lost(torch.eye(52)).max() < 0.25
    assert there.lost(random_expressions(8, 1)).max() < 0.12


def test_told_expressions_look_alike(ours: Rig, components: Rig, template: Template, there: ExpressionMap) -> None:
    weights = arkit_weights({"jawOpen": 0.7, "mouthSmileLeft": 0.8, "browInnerUp": 1.0})[None]
    operator, quads = catmull_clark(len(ours.template), template.part("skin")[0])
    finer = refined(operator[np.unique(quads)])
    wanted = 0.3 * finer(ours(expression=weights).vertices[0]) + torch.tensor([0.4, 0.5, -0.2])
    expression, joint_pose = there(weights)
    error = (components(expression=expression, joint_pose=joint_pose).vertices[0] - wanted).norm(dim=1)
    moved = (wanted - components.template).norm(dim=1)
    assert moved.max() * components.metres > 0.02  # metres
    assert error.max() < 0.12 * moved.max()


def test_weights_come_back_within_their_bounds_and_look_alike(ours: Rig, there: ExpressionMap, back: ExpressionMap) -> None:
    weights = random_expressions(6, 2)
    found, _ = back(*there(weights))
    assert found.min() >= 0 and found.max() <= 1
    assert (found - weights).abs().mean() < 0.04
    error = (ours(expression=found).vertices - ours(expression=weights).vertices).norm(dim=-1)
    moved = (ours(expression=weights).vertices - ours.template).norm(dim=-1)
    assert (error.mean() < 0.22 * moved.mean()).all()


def test_gaze_goes_to_the_joints_and_comes_back(there: ExpressionMap, back: ExpressionMap) -> None:
    weights = arkit_weights({"eyeLookUpLeft": 0.6, "eyeLookOutRight": 0.5})[None]
    expression, joint_pose = there(weights)
    torch.testing.assert_close(joint_pose[0, list(EYES)], torch.deg2rad(torch.tensor([[-13.2, 0, 0], [0, -15.0, 0]])),
                               atol=0.02, rtol=0)  # fmt: skip
    found, _ = back(expression, joint_pose)
    torch.testing.assert_close(found, weights, atol=0.12, rtol=0)


def test_the_head_turns_alike_and_the_jaw_only_where_it_may(there: ExpressionMap) -> None:
    pose = torch.zeros(1, 5, 3)
    pose[0, NECK, 1], pose[0, JAW, 0] = 0.4, 0.2
    expression, told = there(torch.zeros(1, 52), pose)
    torch.testing.assert_close(told[0, : NECK + 1], pose[0, : NECK + 1])
    assert (told[0, JAW] == 0).all() and expression.abs().max() > 0.1  # its components open the mouth


def test_what_a_poorer_rig_cannot_show_is_counted_as_lost(ours: Rig, components: Rig, there: ExpressionMap) -> None:
    poor = map_expressions(ours, components.truncated(0, 3), joints=EYES)
    weights = random_expressions(5, 3)
    assert (poor.lost(weights) > 2 * there.lost(weights)).all()
    brows = arkit_weights({"browOuterUpLeft": 1.0})[None]
    assert poor.lost(brows) > 0.7
