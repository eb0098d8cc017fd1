"""What a Head360 promises beyond the contract: parts of a head that vary one by one, and nothing drawn twice."""

from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch import Tensor

from fullhead.core.cameras import Cameras, orbit
from fullhead.core.errors import FullheadError
from fullhead.families.opening import open_model
from fullhead.models.checkpoint import read_module, save
from fullhead.models.head import HasDensity, HasLatentParts, HeadPose, Posable, RenderOptions, capable
from fullhead.models.head360 import ENLARGED, FOCAL, RADIUS, Head360, Head360Config
from fullhead.rig.arkit import ARKIT
from fullhead.rig.template import JAW, LEFT_EYE, NECK, RIGHT_EYE
from small_head360 import RELEASED, SMALL, arkit, small_head360

PARTS = ("texture_synthesis", "hair_synthesis", "mouth", "blend")


@pytest.fixture(scope="module", params=["paper", "released"])
def model(request: pytest.FixtureRequest) -> Head360:
    return small_head360(SMALL if request.param == "paper" else RELEASED)


@pytest.fixture(scope="module")
def paper() -> Head360:
    return small_head360()


def pose(expression: Tensor, **turns: list[float]) -> HeadPose:
    """ARKit weights [1, 52] and turns of the template's joints in degrees."""
    joints = {"neck": NECK, "jaw": JAW, "left_eye": LEFT_EYE, "right_eye": RIGHT_EYE}
    joint_pose = torch.zeros(1, 5, 3)
    for name, degrees in turns.items():
        joint_pose[0, joints[name]] = torch.deg2rad(torch.tensor(degrees))
    return HeadPose(expression, joint_pose)


def test_pictures_have_the_promised_shapes_and_ranges(model: Head360):
    render = model.render(model.decode(model.seed_latents([0, 1])), orbit(torch.tensor([0.0, 2.0])))
    assert render.image.shape == (2, 3, 64, 64) and render.image_raw.shape == (2, 3, 16, 16)
    assert render.mask.shape == render.depth.shape == (2, 1, 16, 16)
    assert render.mask.min() >= 0 and render.mask.max() <= 1.0001
    assert (render.depth >= 0).all() and (render.depth <= 5).all()


def test_it_is_capable_of_what_its_family_promises(model: Head360):
    for capability in (HasDensity, Posable, HasLatentParts):
        capable(model, capability, "this")
    with pytest.raises(FullheadError, match="shading"):
        model.render(model.decode(model.seed_latents([0])), orbit(0.0), RenderOptions(shading="clay"))


def test_a_file_holds_mesh_and_all(model: Head360, tmp_path: Path):
    save(model, tmp_path / "model.safetensors")
    opened = open_model(tmp_path / "model.safetensors").model
    images = [m.render(m.decode(m.seed_latents([7])), orbit(0.3)).image for m in (model, opened)]
    assert torch.equal(*images)


def test_a_mesh_whose_faces_lead_nowhere_is_refused(paper: Head360, tmp_path: Path):
    kept = paper.known_mesh.faces[3, 1].clone()
    try:
        paper.known_mesh.faces[3, 1] = 100_000
        save(paper, tmp_path / "model.safetensors")
    finally:
        paper.known_mesh.faces[3, 1] = kept
    with pytest.raises(FullheadError, match="the faces of this mesh name some that it does not have"):
        read_module(tmp_path / "model.safetensors", Head360)


def test_parts_of_the_latents_vary_one_by_one(model: Head360):
    mean = model.seed_latents([3], 0.0)
    for part in model.latent_parts:
        varied = model.vary_latents([3], 1.0, [part])
        moved = {name for name in ("texture", "hair", "shape") if not torch.equal(getattr(varied, name), getattr(mean, name))}
        assert moved == {part}
    everything = model.seed_latents([3], 1.0)
    assert torch.equal(model.vary_latents([3], 1.0, ["hair"]).hair, everything.hair)


def test_a_seed_is_the_same_head_alone_and_in_company(model: Head360):
    alone, both = model.seed_latents([5]), model.seed_latents([4, 5])
    for name, value in vars(alone).items():
        torch.testing.assert_close(value[0], getattr(both, name)[1])


@pytest.mark.parametrize(
    ("change", "drawn"),
    [
        ("texture", {"texture_synthesis", "mouth", "blend"}),
        ("shape", {"mouth", "blend"}),
        ("expression", {"mouth", "blend"}),
        ("hair", {"hair_synthesis"}),
        ("hair_amount", set()),
        ("turn", set()),
        ("nothing", set()),
    ],
)
def test_what_is_known_is_not_drawn_again(change: str, drawn: set[str], paper: Head360, monkeypatch: pytest.MonkeyPatch):
    latents, other = paper.seed_latents([0]), paper.seed_latents([1])
    at_rest = paper.rig_pose(pose(torch.zeros(1, 52)))
    known = paper.decode(latents, at_rest)
    moved = at_rest
    if change == "expression":
        moved = paper.rig_pose(pose(arkit(jawOpen=1.0)))
    elif change == "turn":
        moved = paper.rig_pose(pose(torch.zeros(1, 52), neck=[0, 30, 0]))
    elif change == "hair_amount":
        latents = replace(latents, hair_amount=torch.zeros(1, 1))
    elif change != "nothing":
        latents = replace(latents, **{change: getattr(other, change)})
    expected = paper.decode(latents, moved)
    spies = {name: Mock(wraps=getattr(paper, name).forward) for name in PARTS}
    for name, spy in spies.items():
        monkeypatch.setattr(getattr(paper, name), "forward", spy)
    head = paper.decode(latents, moved, known=known)
    assert {name for name, spy in spies.items() if spy.called} == drawn
    assert torch.equal(head.planes, expected.planes) and torch.equal(head.pose.joint_pose, expected.pose.joint_pose)
    assert torch.equal(head.planes, known.planes) == (change in ("turn", "nothing"))


def test_without_hair_the_hair_code_does_not_matter(paper: Head360):
    a, b = (replace(paper.seed_latents([0]), hair=paper.seed_latents([s]).hair, hair_amount=torch.zeros(1, 1)) for s in (0, 1))
    assert torch.equal(paper.decode(a).planes, paper.decode(b).planes)


def test_turns_of_eyes_and_jaw_are_expressions(paper: Head360):
    weights = paper.rig_pose(pose(torch.zeros(1, 52), jaw=[24.5, 0, 0], left_eye=[0, 30, 0], right_eye=[-11, 30, 0])).expression
    shown = {name: round(float(w), 3) for name, w in zip(ARKIT, weights[0], strict=True) if w > 0}
    assert shown == {"jawOpen": 1.0, "eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0, "eyeLookUpRight": 0.5}


def test_a_head_that_turns_is_one_that_the_camera_goes_around(paper: Head360):
    """About the neck: what a camera saw before, one sees that has turned with the head."""
    straight = paper.decode(paper.seed_latents([0]))
    turned = paper.posed(straight, paper.rig_pose(pose(torch.zeros(1, 52), neck=[0, 40, 0])))
    camera = orbit(0.3, 0.2)
    turn, pivot = turned.pose_turn[0], torch.tensor([0.0, -0.206, -0.070]) / ENLARGED
    c2w = camera.c2w.clone()
    c2w[0, :3, :3] = turn @ c2w[0, :3, :3]
    c2w[0, :3, 3] = turn @ (c2w[0, :3, 3] - pivot) + pivot
    for head, seen in ((straight, camera), (turned, Cameras(c2w, camera.K))):
        images = paper.render(head, seen).image
        if head is straight:
            expected = images
    torch.testing.assert_close(images, expected, atol=2e-3, rtol=0)
    xyz = torch.rand(1, 50, 3) * 0.4 - 0.2
    moved = (xyz - pivot) @ turn.T + pivot
    torch.testing.assert_close(paper.density(turned, moved), paper.density(straight, xyz), atol=1e-3, rtol=1e-3)


def test_the_camera_of_the_training_sets_sees_what_the_standard_one_frames(paper: Head360):
    """A far, narrow camera of the own world, and the same in the world of all families."""
    head = paper.decode(paper.seed_latents([0]))
    own = paper.render_own(head, orbit(0.5, radius=RADIUS, focal=FOCAL))
    all_families = paper.render(head, orbit(0.5, radius=RADIUS / ENLARGED, focal=FOCAL))
    torch.testing.assert_close(own.image, all_families.image, atol=1e-2, rtol=0)
    torch.testing.assert_close(own.depth / ENLARGED, all_families.depth, atol=1e-3, rtol=0)
    assert np.isclose(2.7 / 4.2647 * ENLARGED, RADIUS / FOCAL, rtol=1e-4)


def test_other_distances_are_looked_through_like_that_of_the_training_sets():
    released = small_head360(RELEASED)
    head = released.decode(released.seed_latents([0]))
    far, near = (released.render(head, orbit(0.5, radius=r, focal=FOCAL * r / RADIUS)).depth for r in (RADIUS, RADIUS - 2))
    torch.testing.assert_close(far - 2, near, atol=0.05, rtol=0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shapes": 5}, "the mesh takes 4 numbers of a shape, not 5"),
        ({"codes": "shape"}, "z_dim must be as many, not 16"),
        ({"planes": replace(SMALL.planes, size=8)}, "at least 16"),
        ({"planes": replace(SMALL.planes, channels=7, pairing="concat")}, "give an even number"),
    ],
)
def test_configs_that_make_no_sense_are_refused(changes: dict, words: str):
    with pytest.raises(FullheadError, match=words):
        Head360Config(**{**vars(SMALL), **changes})


def test_gradients_reach_the_parts_that_a_head_is_made_of():
    trained = small_head360().requires_grad_(True)
    cameras = orbit(torch.tensor([0.0, 1.0]), radius=RADIUS, focal=FOCAL)
    trained.render_own(trained.decode(trained.sample_latents(2)), cameras).image.square().mean().backward()
    silent = {name for name, p in trained.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}
    unused = {name for name in silent if name.startswith("superresolution.") and name.endswith("noise_strength")}
    assert silent - unused == {"mapping.embed.weight", "hair_mapping.embed.weight"}, "they see no camera"
