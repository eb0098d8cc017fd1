"""The template's rig: its interface, identities, poses, frames; what holds for any rig."""

from dataclasses import replace

import pytest
import torch

from fullhead.core.errors import FullheadError
from fullhead.rig.arkit import ARKIT, arkit_weights
from fullhead.rig.identity import (
    Phenotype,
    head_parameters,
    identity,
    identity_vertices,
    main_shape_rig,
    shape_parameters,
)
from fullhead.rig.template import JOINTS, NECK, Template, load_template

Rest = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template()


def coefficients(template: Template, batch: int) -> Rest:
    """Random arguments of the template's rig."""
    generator = torch.Generator().manual_seed(3)
    parameters = head_parameters(template)
    values = 0.2 * torch.randn(batch, len(parameters.names), generator=generator)
    return {
        "shape": parameters.coefficients(torch.rand(batch, 7, generator=generator), values),
        "expression": torch.rand(batch, len(ARKIT), generator=generator),
        "joint_pose": 0.2 * torch.randn(batch, len(JOINTS), 3, generator=generator),
    }


def test_a_batch_is_its_heads_one_by_one(template: Template) -> None:
    given = coefficients(template, 3)
    together = template.rig(**given)
    for b in range(3):
        alone = template.rig(**{name: value[b : b + 1] for name, value in given.items()})
        torch.testing.assert_close(alone.vertices[0], together.vertices[b], atol=1e-4, rtol=0)
        torch.testing.assert_close(alone.transforms[0], together.transforms[b], atol=1e-4, rtol=0)
    assert together.vertices.shape == (3, len(template.vertices), 3) and together.joints.shape == (3, 5, 3)


def test_a_personal_rig_is_the_rig_with_that_shape(template: Template) -> None:
    given = coefficients(template, 2)
    given["shape"] = given["shape"][:1]
    shared = template.rig(**given)
    personal = template.rig.personal(given.pop("shape")[0])(**given)
    torch.testing.assert_close(personal.vertices, shared.vertices, atol=1e-4, rtol=0)
    torch.testing.assert_close(personal.joints, shared.joints, atol=1e-4, rtol=0)


def test_another_frame_shows_the_same_head(template: Template) -> None:
    given = coefficients(template, 1)
    here, there = template.rig(**given), template.rig.placed(0.1, (1.0, -2.0, 3.0))(**given)
    moved = here.placed(0.1, torch.tensor([[1.0, -2.0, 3.0]]))
    torch.testing.assert_close(there.vertices, moved.vertices, atol=1e-5, rtol=0)
    torch.testing.assert_close(there.joints, moved.joints, atol=1e-5, rtol=0)
    assert template.rig.placed(0.1).metres == pytest.approx(1.0)


def test_transforms_carry_what_hangs_wholly_on_a_joint(template: Template) -> None:
    pose = torch.zeros(1, 5, 3)
    pose[0, NECK] = torch.tensor([0.2, 0.5, -0.1])
    rest, posed = template.rig(), template.rig(joint_pose=pose)
    on_neck = template.rig.skin_weights[:, NECK] > 0.9999
    T = posed.transforms[0, NECK]
    torch.testing.assert_close(
        rest.vertices[0, on_neck] @ T[:3, :3].T + T[:3, 3], posed.vertices[0, on_neck], atol=2e-3, rtol=0
    )
    assert on_neck.sum() > 2000


def test_turning_the_neck_left_carries_the_nose_to_the_left(template: Template) -> None:
    person = template.rig.personal(identity(template, Phenotype(), {}))
    pose = torch.zeros(1, 5, 3)
    pose[0, NECK, 1] = 0.5
    rest, posed = person.template, person(joint_pose=pose).vertices[0]
    nose = torch.where(rest[:, 1] > 6.8, rest[:, 2], 0).argmax()
    assert posed[nose, 0] > rest[nose, 0] + 0.3
    shoulders = rest[:, 1] < 5
    torch.testing.assert_close(posed[shoulders], rest[shoulders], atol=0.05, rtol=0)


def test_a_head_can_be_fitted_by_gradients(template: Template) -> None:
    """Backward differences agree with forward ones in every argument, in double precision."""
    rig = template.rig.to(dtype=torch.float64)
    given = {name: value.double().requires_grad_() for name, value in coefficients(template, 1).items()}
    direction = torch.randn(rig.template.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (rig(**given).vertices[0] * direction).sum().backward()
    for name, value in given.items():
        assert value.grad is not None
        step = torch.randn(value.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        ahead, behind = (
            (rig(**{**given, name: value.detach() + h * step}).vertices[0] * direction).sum() for h in (1e-6, -1e-6)
        )
        assert ((ahead - behind) / 2e-6).item() == pytest.approx((value.grad * step).sum().item(), rel=1e-5), name


def test_wrong_sizes_are_refused_in_words(template: Template) -> None:
    with pytest.raises(FullheadError, match=r"expression must be \[1, 52\] for this rig, not \[1, 50\]"):
        template.rig(expression=torch.zeros(1, 50))
    with pytest.raises(FullheadError, match="shape must be"):
        template.rig(shape=torch.zeros(2, 444), expression=torch.zeros(3, 52))


def test_unknown_names_are_refused_in_words(template: Template) -> None:
    with pytest.raises(FullheadError, match="no shape parameter 'nose-length'"):
        identity(template, Phenotype(), {"nose-length": 1.0})
    with pytest.raises(FullheadError, match="no ARKit blendshape 'smile'"):
        arkit_weights({"smile": 1.0})


def test_there_are_148_shape_parameters_that_use_every_target_once(template: Template) -> None:
    parameters = shape_parameters(template)
    used = [target for below, above in parameters.values() for target in (*below, *above)]
    assert len(parameters) == 148
    assert sorted(used) == sorted(template.rig.shape_names[96:])


def test_a_phenotype_mixes_its_corners_to_one(template: Template) -> None:
    shape = identity(template, Phenotype(gender=0.3, age=0.8, african=2, asian=1, caucasian=1), {})
    corners = dict(zip(template.rig.shape_names[:96], shape[:96].tolist(), strict=True))
    assert sum(w for name, w in corners.items() if name.startswith("universal")) == pytest.approx(1, abs=1e-6)
    assert sum(w for name, w in corners.items() if not name.startswith("universal")) == pytest.approx(1, abs=1e-6)
    assert corners["african-male-old"] == pytest.approx(0.5 * 0.3 * 0.4, abs=1e-6)
    assert corners["universal-female-young-averagemuscle-averageweight"] == pytest.approx(0.7 * 0.6, abs=1e-6)


def test_a_signed_parameter_moves_both_ways(template: Template) -> None:
    def width(value: float) -> float:
        head = identity_vertices(template, Phenotype(), {"head-scale-horiz-decr/incr": value})
        return float(head[head[:, 1] > 7, 0].max() - head[head[:, 1] > 7, 0].min())

    assert width(-1.0) < width(0.0) < width(1.0)


def test_main_shapes_reach_the_named_identities(template: Template) -> None:
    """Faces of random parameters lie nearly in the span of 100 components, their eyes' midpoint held; less so of 10."""
    rig, parameters = main_shape_rig(template), head_parameters(template)
    generator = torch.Generator().manual_seed(5)
    values = 0.12 * torch.randn(4, len(parameters.names), generator=generator)
    phenotypes = torch.tensor([[g, a, 0.5, 0.5, 1, 1, 1] for g, a in ((0.1, 0.7), (0.1, 0.9), (0.9, 0.7), (0.9, 0.9))])
    heads = template.rig(shape=parameters.coefficients(phenotypes, values))
    on_neck = rig.skin_weights[:, 0] < 0.01
    shift = (heads.joints[:, 3:] - rig.rest_joints[3:]).mean(1, keepdim=True)
    apart = (heads.vertices - shift - rig.template)[:, on_neck].flatten(1)

    def error(components: int) -> float:
        basis = rig.truncated(components).shape_basis[:, on_neck].flatten(1)
        fit = torch.linalg.lstsq(basis.T, apart.T).solution
        return float((fit.T @ basis - apart).reshape(-1, 3).norm(dim=1).mean())

    assert error(100) < 0.004 < 3 * error(100) < error(10)  # dm


def test_main_shapes_hold_the_eyes_where_they_are(template: Template) -> None:
    rig = main_shape_rig(template)
    eyes = rig(shape=torch.randn(4, 100, generator=torch.Generator().manual_seed(0))).joints[:, 3:].mean(1)
    torch.testing.assert_close(eyes, rig.rest_joints[3:].mean(0).expand(4, 3), atol=1e-4, rtol=0)


def test_a_rig_without_pose_basis_and_combinations_is_plain_blending(template: Template) -> None:
    """The same tensors without contacts and pose basis: vertices are skinned sums of rows."""
    rig = replace(template.rig, pose_basis=template.rig.pose_basis[:0], contacts=(), combinations=())
    rig = replace(rig, expression_basis=rig.expression_basis[:52], joint_expression_basis=rig.joint_expression_basis[:52])
    weights = arkit_weights({"jawOpen": 0.5, "mouthSmileLeft": 0.25})[None]
    wanted = rig.template + 0.5 * rig.expression_basis[ARKIT.index("jawOpen")]
    wanted = wanted + 0.25 * rig.expression_basis[ARKIT.index("mouthSmileLeft")]
    torch.testing.assert_close(rig(expression=weights).vertices[0], wanted, atol=1e-5, rtol=0)
