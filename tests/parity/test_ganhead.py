"""A small GANHead gives, part by part, the numbers of the published program; gradients too."""

import pytest
import torch
from ganhead_model import close, golden_motion, golden_rig, numbers, small_model
from torch import Tensor

from fullhead.core.roots import broyden, inverse_3x3
from fullhead.models.ganhead import GANHead, colour_pose, flat
from fullhead.nn.implicit import positional_encoding
from fullhead.representations.canonical_field import CanonicalPoints, sample_volume
from fullhead.representations.correspondence import attach_implicit_grad, find_correspondences
from fullhead.representations.deformer import Motion, Warp, blended


@pytest.fixture(scope="module")
def model() -> GANHead:
    return small_model()


@pytest.fixture(scope="module")
def motion() -> Motion:
    return golden_motion()


@pytest.fixture(scope="module")
def warp(model: GANHead, motion: Motion) -> Warp:
    return model.deformer.warp(motion)


def test_a_rig_of_flames_form_moves_as_the_published_one(motion: Motion):
    """The golden rig, in metres, is brought into the cube; its own scale and translation are applied here."""
    model = small_model()
    model.use_rig(golden_rig())
    scale, translation, pose, shape, expression = numbers("motion")["in.flame_params"].split([1, 3, 15, 100, 50], dim=1)
    ours = model.motion(shape, expression, pose.view(-1, 5, 3))
    close(ours.pose, motion.pose)
    close(ours.canonical_pose, motion.canonical_pose)
    close(ours.canonical_bones, motion.canonical_bones)
    placed = scale[:, None, None] * ours.bones + torch.nn.functional.pad(translation[:, None, :, None], (3, 0))
    close(placed, motion.bones)


def test_the_feature_generator_agrees(model: GANHead):
    n, generator = numbers("generator"), model.canonical.generator
    close(generator.start(n["in.z"]), n["mid.after_code_adain"])
    volume = generator(n["in.z"])
    close(volume[:, ::4, ::2, ::8, ::8], n["out.volume_strided"])
    close(volume.mean(dim=(2, 3, 4)), n["out.channel_mean"])
    close(volume.std(dim=(2, 3, 4)), n["out.channel_std"])
    close(sample_volume(volume, *flat(n["in.points"])), n["out.sampled_feat"].flatten(0, 1))


def test_encodings_and_geometry_agree(model: GANHead):
    n = numbers("geometry")
    for octaves in (4, 6):
        close(positional_encoding(n["in.x"], octaves), n[f"out.pe{octaves}"])
    asked = n["in.mask"].bool().flatten()
    at = model.canonical.at(n["in.volume"], *flat(n["in.points"]))
    close(at.logit[asked], n["out.occ_logit"].flatten()[asked])
    close(at.feature[asked], n["out.feat"].flatten(0, 1)[asked])


def test_normals_and_colours_agree_also_where_points_are_left_out(model: GANHead):
    n = numbers("normals_texture")
    x, scan = flat(n["in.points"])
    at = CanonicalPoints(x, scan, torch.zeros(len(x)), n["in.geo_feat"].flatten(0, 1), n["in.mask"].bool().flatten())
    normals, feature = model.canonical.normals(n["in.detail"], at)
    close(normals, n["out.normal_raw"].flatten(0, 1))
    close(feature, n["out.normal_feat"].flatten(0, 1))
    close(model.canonical.colours(n["in.color"], n["in.thetas"], at, feature), n["out.color"].flatten(0, 1))


def test_the_forward_map_and_what_it_is_made_of_agree(model: GANHead, warp: Warp):
    n = numbers("deformer")
    x, scan = flat(n["in.points_canonical_with_betas"])
    neutral = warp.neutral(x, scan)
    close(neutral, n["out.D_points_shape_neutral"].flatten(0, 1))
    weights, expression, pose = model.deformer.bases(neutral)
    close(weights, n["out.C_weights"].flatten(0, 1))
    close(expression, n["out.C_shapedirs"])
    close(pose, n["out.C_posedirs"])
    posed, own = warp.posed(x, scan)
    close(posed, n["out.forward_pts"])
    close(warp.skeleton.rotate_normals(n["in.normals"], own, scan), n["out.normals_skinned"])


def test_broydens_iterates_agree():
    n = numbers("broyden")
    visited = []

    def g(x: Tensor, systems: Tensor) -> Tensor:
        visited.append((x, systems))
        return x @ n["in.A"].T + 0.35 * torch.sin(3 * x) - n["in.target"][systems]

    x = n["in.x0"]
    roots = broyden(g, x, g(x, torch.arange(len(x))), n["in.Jinv0"])
    assert torch.equal(roots.found, n["out.valid"].bool())
    close(roots.residual, n["out.diff"])
    close(roots.x[roots.found], n["out.result"][roots.found])  # elsewhere theirs is the last iterate, ours the best
    for (x, systems), theirs, active in zip(visited, n["trace.x"], n["trace.mask"].bool(), strict=True):
        assert torch.equal(systems, active.nonzero()[:, 0])
        close(x, theirs[active])


@pytest.mark.parametrize("steps", [2, 3, 10, 50])
def test_searches_find_the_same_roots_in_as_many_steps(warp: Warp, steps: int):
    n = numbers("search")
    x, scan = flat(n["in.xd"])
    found = find_correspondences(warp, x, scan, steps=steps)
    valid = n[f"out.eval{steps}.valid"].bool().flatten(0, 1)
    assert torch.equal(found.found, valid)
    close(found.x[valid], n[f"out.eval{steps}.x_canonical_with_betas"].view(60, 5, 3)[valid])


def test_jacobians_at_the_start_agree(warp: Warp):
    n = numbers("search")
    starts, scan = n["mid.x_init"].flatten(0, 1), flat(n["in.xd"])[1].repeat_interleave(5)
    close(warp.jacobian(starts, scan), n["mid.jacobian_at_init(train)"])
    blends = blended(warp.skeleton.bones, warp.posed(starts, scan)[1], scan)
    close(inverse_3x3(blends[..., :3]), n["mid.Jinv_init(eval)"])


def test_gradients_through_the_roots_agree(motion: Motion):
    n = numbers("search")
    deformer = small_model().deformer.requires_grad_(True)
    warp = deformer.warp(motion)
    x, scan = flat(n["in.xd"])
    found = find_correspondences(warp, x, scan, jacobian=warp.jacobian)
    assert torch.equal(found.found, n["out.train50.valid"].bool().flatten(0, 1))
    whose = scan.repeat_interleave(5)
    neutral = warp.neutral(attach_implicit_grad(warp, found.x.flatten(0, 1), whose), whose)
    close(neutral, n["out.train50.xc_shape_neutral"].flatten(0, 2))
    (neutral * n["in.train.cotangent"].flatten(0, 2) * found.found.flatten()[:, None]).sum().backward()
    names = {"disp_network": "deshape", "lbs_network.blendshapes": "blendshapes", "lbs_network": "skinning"}
    ours = dict(deformer.named_parameters())
    theirs = {name.removeprefix("grad.deformer."): value for name, value in n.items() if name.startswith("grad.")}
    assert len(theirs) == len(ours)
    for name, gradient in theirs.items():
        prefix = next(prefix for prefix in names if name.startswith(prefix))
        grad = ours[names[prefix] + name.removeprefix(prefix)].grad
        assert grad is not None
        assert (grad - gradient).abs().max() <= 2e-3 * gradient.abs().max(), name


@pytest.mark.parametrize("mode", ["deformed", "canonical", "canonical_shape"])
def test_the_three_ways_of_asking_agree(model: GANHead, motion: Motion, mode: str):
    n = numbers("modes")
    parameters = n["in.flame_params"]
    codes = model.codes(n["in.index"].long(), parameters[:, 19:119])
    volume = model.volume(codes)
    x, scan = flat(n["in.pts_deformed" if mode == "deformed" else "in.pts_canonical"])
    if mode == "deformed":
        at = model.at_posed(volume, motion, x, scan, steps=10)
    elif mode == "canonical":
        at = model.at_canonical(volume, codes.rig_shape, x, scan)
    else:
        at = model.at_neutral(volume, x, scan)
    normals, feature = model.normals(codes.detail, at, None if mode == "canonical" else motion)
    pose = colour_pose(parameters[:, 119:], parameters[:, 4:19].view(-1, 5, 3))
    close(pose, n["out.cond.thetas"])
    weights, expression, pose_basis = model.deformer.bases(at.x)
    ours = {
        "occ": at.logit[:, None],
        "pts_c": at.x,
        "norm": normals,
        "color": model.canonical.colours(codes.colour, pose, at, feature),
        "weights": weights,
        "shapedirs": expression,
        "posedirs": pose_basis,
    }
    assert at.found.all()
    for name, values in ours.items():
        close(values, n[f"out.{mode}.{name}"].reshape(values.shape))
