"""A very small GANHead on the template's rig: codes, surfaces, poses, pictures, files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file as tensors_of

from fullhead.core.cameras import orbit
from fullhead.core.errors import FullheadError
from fullhead.core.rotations import matrix_from_axis_angle
from fullhead.families.opening import load, open_model
from fullhead.models.checkpoint import read_latents, read_module, save
from fullhead.models.ganhead import BOX, DecodedGANHead, GANHead, GANHeadCodes
from fullhead.models.head import HasDensity, HeadPose, RenderOptions, capable
from fullhead.models.panohead import PanoHead
from fullhead.rig.cube import template_in_cube
from fullhead.rig.rig import Rig
from fullhead.rig.template import load_template


@pytest.fixture(scope="module")
def rig() -> Rig:
    return template_in_cube(load_template()).rig


@pytest.fixture(scope="module")
def model(ganhead: GANHead) -> GANHead:
    return ganhead


@pytest.fixture(scope="module")
def codes(model: GANHead) -> GANHeadCodes:
    rig_shape = torch.randn(2, model.config.deformer.shapes, generator=torch.Generator().manual_seed(3))
    return replace(model.codes(torch.tensor([0, 3])), rig_shape=rig_shape)


@pytest.fixture(scope="module")
def head(model: GANHead, codes: GANHeadCodes) -> DecodedGANHead:
    return model.decode(codes)


def turned(model: GANHead, joint: int, axis_angle: list[float]) -> HeadPose:
    pose = model.rest_pose()
    pose.joint_pose[0, joint] = torch.tensor(axis_angle)
    return pose


def test_a_surface_lies_where_the_geometry_is_undecided(model: GANHead, head: DecodedGANHead, codes: GANHeadCodes):
    for i, mesh in enumerate(head.canonical):
        edges = np.sort(mesh.faces.numpy()[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all(), "closed"
        x, scan = mesh.vertices, torch.zeros(len(mesh.vertices), dtype=torch.long)
        inside = mesh.vertices.abs().amax(dim=-1) < 0.95  # where the features and the box do not end
        at = model.at_canonical(head.volume[i : i + 1], codes.rig_shape[i : i + 1], x, scan)
        assert at.logit[inside].abs().median() < 0.03
        torch.testing.assert_close(at.x, mesh.at.x)


def test_the_canonical_pose_leaves_the_surface_where_it_is(model: GANHead, head: DecodedGANHead):
    still = model.posed(head, replace(model.rest_pose(), joint_pose=model.canonical_pose()))
    for canonical, posed in zip(head.canonical, still.posed, strict=True):
        torch.testing.assert_close(posed.vertices, canonical.vertices, rtol=0, atol=1e-4)
    assert (head.posed[0].vertices - head.canonical[0].vertices).abs().max() > 1e-3, "the jaw closes"


def test_a_turn_of_the_root_turns_the_whole_head(model: GANHead, head: DecodedGANHead, codes: GANHeadCodes):
    moved = model.posed(head, turned(model, 0, [0.1, 0.7, 0.0]))
    R = matrix_from_axis_angle(torch.tensor([0.1, 0.7, 0.0]))
    for i in range(2):
        root = model.rig(codes.rig_shape[i : i + 1]).joints[0, 0]
        torch.testing.assert_close(moved.posed[i].vertices, (head.posed[i].vertices - root) @ R.T + root, rtol=0, atol=1e-4)
        torch.testing.assert_close(moved.posed[i].normals, head.posed[i].normals @ R.T, rtol=0, atol=1e-4)


def test_each_head_is_decoded_and_posed_as_if_alone(model: GANHead, head: DecodedGANHead, codes: GANHeadCodes):
    pose = replace(model.rest_pose(2), expression=0.5 * torch.rand(2, len(model.rig.expression_names)))
    together = model.posed(head, pose)
    alone = model.decode(codes[1], pose[1])
    assert len(alone) == 1 and len(together) == 2
    torch.testing.assert_close(together.posed[1].vertices, alone.posed[0].vertices, rtol=0, atol=1e-4)
    torch.testing.assert_close(together[1].posed[0].colours, alone.posed[0].colours, rtol=0, atol=1e-3)


def test_a_pose_may_leave_the_colours_as_they_are(model: GANHead, head: DecodedGANHead):
    pose = turned(model, 1, [0.1, 0.4, 0.0])
    own, kept = model.posed(head, pose), model.posed(head, pose, RenderOptions(shading="clay"))
    for i in range(2):
        assert torch.equal(kept.posed[i].vertices, own.posed[i].vertices)
        assert torch.equal(kept.posed[i].normals, own.posed[i].normals)
        assert torch.equal(kept.posed[i].colours, head.posed[i].colours)
        assert not torch.equal(own.posed[i].colours, head.posed[i].colours)


def test_the_posed_surface_is_found_again_from_posed_space(model: GANHead, head: DecodedGANHead):
    """Forward map and search back agree: the posed vertices are undecided, and have their own colours."""
    moved = model.posed(head[0], turned(model, 1, [0.1, 0.2, 0.1]))
    canonical, mesh = moved.canonical[0], moved.posed[0]
    inside = (canonical.vertices.abs().amax(dim=-1) < 0.9).nonzero()[::7, 0]
    world = mesh.vertices[inside][None] * (BOX / 2)
    logit = model.occupancy(moved, world)[0]
    own = canonical.at.logit[inside]
    agrees = (logit - own).abs() < 0.01  # elsewhere another part of the head, folded over, lies deeper
    assert agrees.float().mean() > 0.9 and (logit > own - 0.01).all()
    colour = model.colour(moved, world)[0]
    torch.testing.assert_close(colour[agrees], mesh.colours[inside][agrees], rtol=0, atol=0.01)


def test_pictures_show_the_surface_where_it_is(model: GANHead, head: DecodedGANHead):
    cameras = orbit(torch.tensor([0.0, 1.0]))
    render = model.render(head, cameras)
    assert render.image.shape == (2, 3, 40, 40)
    assert (render.image[render.mask.expand(-1, 3, -1, -1) == 0] == 1).all(), "white around"
    middle = render.depth[:, 0, 20, 20]
    for i in range(2):
        vertices = head.posed[i].vertices * (BOX / 2)
        ahead = -(vertices - cameras.origins[i]) @ torch.nn.functional.normalize(cameras.origins[i], dim=0)
        on_axis = torch.linalg.cross(vertices, cameras.origins[i].expand_as(vertices)).norm(dim=-1) / 2.7 < 0.04
        front = ahead[on_axis & (ahead < 2.7)]
        assert front.min() - 1e-3 < middle[i] < front.max() + 1e-3, "as far as the vertices on the axis, in front"
    for shading in ("clay", "normal"):
        assert model.render(head, cameras, RenderOptions(shading=shading)).image.std() > 0.05


def test_one_head_is_seen_by_many_cameras_and_larger(model: GANHead, head: DecodedGANHead):
    cameras = orbit(torch.tensor([0.0, 1.0, 2.0]))
    together = model.render(head[0].expand(3), cameras, RenderOptions(24)).image
    alone = torch.cat([model.render(head[0], cameras[i], RenderOptions(24)).image for i in range(3)])
    assert together.shape == (3, 3, 24, 24)
    torch.testing.assert_close(together, alone)


def test_a_head_alone_keeps_straight_colours_at_its_rim(model: GANHead, codes: GANHeadCodes):
    head = model.decode(codes[0])
    over, straight = (model.render(head, orbit(0.0), RenderOptions(background=b)) for b in (True, False))
    torch.testing.assert_close(straight.image * straight.mask + (1 - straight.mask), over.image)
    rim = ((straight.mask > 0) & (straight.mask < 1)).expand_as(straight.image)
    assert rim.any() and (straight.image[rim] < over.image[rim] + 1e-6).all()


def test_random_codes_are_spread_as_the_tables_are(model: GANHead):
    sample = model.sample_latents(4000, torch.Generator().manual_seed(0))
    for values, table in zip((sample.shape, sample.detail, sample.colour), model.tables, strict=True):
        torch.testing.assert_close(values.mean(dim=0), table.weight.mean(dim=0), rtol=0, atol=0.15)
        wanted = table.weight.T.cov()
        torch.testing.assert_close(values.T.cov(), wanted, rtol=0, atol=0.1 * float(wanted.abs().max()))
    torch.testing.assert_close(sample.rig_shape.std(dim=0), torch.ones(100), rtol=0.1, atol=0)


def test_one_code_varies_while_the_others_stay_at_their_means(model: GANHead):
    codes = model.random_codes([None, torch.randn(3, 4), None])
    torch.testing.assert_close(codes.shape, model.shape_codes.weight.mean(dim=0).expand(3, -1))
    assert codes.detail.std(dim=0).min() > 0


def test_a_seed_is_the_fields_own_draw(model: GANHead):
    z = torch.from_numpy(np.random.RandomState(7).randn(1, 13)).float()
    codes = model.seed_latents([7, 8], truncation=0.5)
    table = model.detail_codes.weight
    lengths, axes = torch.linalg.eigh(table.T.cov())
    root = (axes * lengths.clamp(min=0).sqrt()) @ axes.T
    torch.testing.assert_close(codes.detail[0], table.mean(dim=0) + 0.5 * z[0, 6:10] @ root, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(model.seed_latents([8], truncation=0.5).colour[0], codes.colour[1])


def test_what_seeds_vary_can_be_chosen_and_no_other_choice_changes_it(model: GANHead):
    whole = model.seed_latents([7, 8])
    mean = model.seed_latents([7, 8], truncation=0.0)
    names = {"shape": "shape", "detail": "detail", "colour": "colour", "rig": "rig_shape"}
    for name in names:
        alone = model.vary_latents([7, 8], 0.7, (name,))
        for choice, other in names.items():
            torch.testing.assert_close(getattr(alone, other), getattr(whole if choice == name else mean, other))
    assert not mean.rig_shape.any()
    z = torch.from_numpy(np.random.RandomState(8).randn(1, 13 + 100)).float()
    torch.testing.assert_close(model.vary_latents([7, 8], 0.5, ("rig",)).rig_shape[1], 0.5 * z[0, 13:])


def test_the_options_say_how_fine_a_surface_is_found(model: GANHead, codes: GANHeadCodes):
    coarse, fine, own = (model.decode(codes[0], None, RenderOptions(resolution=cells)) for cells in (16, 32, None))
    assert len(coarse.posed[0].vertices) < 0.4 * len(own.posed[0].vertices)
    assert torch.equal(own.posed[0].vertices, fine.posed[0].vertices)
    assert model.image_size == model.render(own, orbit(0.3)).image.shape[-1] == 40


def test_a_model_of_one_scan_can_be_drawn_from(model: GANHead, rig: Rig):
    single = GANHead(replace(model.config, scans=1), rig)
    assert not single.sample_latents(2).shape.any()


def test_what_it_cannot_do_is_refused_in_words(model: GANHead, head: DecodedGANHead, rig: Rig):
    with pytest.raises(FullheadError, match="mine is a GANHead, which has no density: take its mesh"):
        capable(model, HasDensity, "mine", "take its mesh")
    with pytest.raises(FullheadError, match="a GANHead has no precision bf16: leave precision at fp32"):
        model.render(head, orbit(torch.zeros(2)), RenderOptions(precision="bf16"))
    with pytest.raises(FullheadError, match=r"another rig, of 24 shapes, not 100|100 shapes, not 24"):
        model.use_rig(rig.truncated(24))


def test_a_file_holds_the_model_without_its_rig(model: GANHead, codes: GANHeadCodes, head: DecodedGANHead, tmp_path: Path):
    save(model, tmp_path / "a.safetensors")
    back = read_module(tmp_path / "a.safetensors", GANHead)
    assert isinstance(back, GANHead) and back.config == model.config
    torch.testing.assert_close(back.decode(codes[0]).posed[0].vertices, head.posed[0].vertices, rtol=0, atol=1e-4)
    names = [name for name, tensor in tensors_of(tmp_path / "a.safetensors").items() if len(tensor) == len(model.rig.template)]
    assert names == []
    with pytest.raises(FullheadError, match="holds a ganhead, not a panohead"):
        read_module(tmp_path / "a.safetensors", PanoHead)


def test_fitted_codes_stand_beside_the_weights_in_full_precision(model: GANHead, codes: GANHeadCodes, tmp_path: Path):
    save(model, tmp_path / "a.safetensors", dtype=torch.float16, latents=codes)
    back = read_latents(tmp_path / "a.safetensors", GANHeadCodes, model)
    assert isinstance(back, GANHeadCodes) and len(back) == 2
    assert all(torch.equal(value, vars(codes)[name]) for name, value in vars(back).items())
    assert isinstance(load(tmp_path / "a.safetensors"), GANHead)
    opened = open_model(tmp_path / "a.safetensors")
    assert opened.family == "ganhead" and all(torch.equal(vars(opened.fitted)[n], value) for n, value in vars(codes).items())


def test_a_model_of_flame_asks_for_the_users_file_when_it_is_moved(model: GANHead, rig: Rig, tmp_path: Path):
    flame = GANHead(replace(model.config, rig="flame"))
    flame.load_state_dict(model.state_dict())
    save(flame, tmp_path / "a.safetensors")
    back = read_module(tmp_path / "a.safetensors", GANHead)
    assert isinstance(back, GANHead)
    with pytest.raises(FullheadError, match=r"FLAME.*--flame"):
        back.decode(back.codes(torch.tensor([0])))
    with pytest.raises(FullheadError, match=r"missing\.pkl"):
        back.use_flame(tmp_path / "missing.pkl")
    with pytest.raises(FullheadError, match="our own rig moves this GANHead, not FLAME"):
        model.use_flame(tmp_path / "missing.pkl")
    back.use_rig(rig)
    assert len(back.decode(back.codes(torch.tensor([0]))).posed) == 1
