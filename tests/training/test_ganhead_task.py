"""GANHead's task on a few bare heads: terms, stages, what learns in each, and a run of the command."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fullhead.cli import main
from fullhead.core.errors import FullheadError
from fullhead.data.prepare import Prepared
from fullhead.data.scan_samples import SampleConfig
from fullhead.data.scan_set import ScanSet
from fullhead.data.scans import find_scans
from fullhead.io.sets import write_set
from fullhead.models.checkpoint import read_module
from fullhead.models.ganhead import GANHead
from fullhead.rig.cube import template_in_cube
from fullhead.rig.template import load_template
from fullhead.training.ganhead import CoarseSurface, GANHeadTask, ScanStep, bone_points, occupancy_loss
from fullhead.training.loop import Clock, RandomStreams, StepState, step
from fullhead.training.presets import RUNS
from small_scans import write_synth

SHAPES = 12
TINY = RUNS["ganhead-tiny"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four scans of two bare heads to train on, two of a third held out."""
    template = load_template()
    scans = write_synth(tmp_path_factory.mktemp("scans"), template, template_in_cube(template, 30))
    out = tmp_path_factory.mktemp("prepared")
    samples = SampleConfig(near=600, uniform=400, surface=600, view_size=48)
    write_set(out, Prepared(tuple(find_scans(scans)), samples, shapes=SHAPES, held_out=0.3), workers=0, quiet=True)
    return out


def tiny_task(prepared: Path) -> GANHeadTask:
    torch.manual_seed(0)
    task = TINY.build(prepared, torch.device("cpu"))
    assert isinstance(task, GANHeadTask)
    for module in task.modules.values():
        module.requires_grad_(False)
    return task


def at(batch: list[int], images_seen: int = 0) -> ScanStep:
    return StepState(torch.tensor(batch), Clock(images_seen, 2), RandomStreams.seeded(1))


def learnt(task: GANHeadTask, images_seen: int, steps: int) -> tuple[list[dict[str, float]], set[str]]:
    """Terms of some steps from a time on, and the parameters that they changed."""
    before = {name: p.clone() for name, p in task.model.named_parameters()}
    clock, random, lines = Clock(images_seen, 2), RandomStreams.seeded(1), []
    for _ in range(steps):
        batch = task.batch(torch.randint(len(task), (2,), generator=random.common))
        for phase in task.phases:
            if phase.due(clock):
                terms, finite = step(phase, StepState(batch, clock, random))
                assert finite
                lines.append({name: float(value.detach()) for name, value in terms.items()})
        clock = clock.advanced()
    return lines, {name for name, p in task.model.named_parameters() if not torch.equal(p, before[name])}


def test_stage_one_learns_geometry_and_motion_and_stage_two_what_is_seen(prepared: Path):
    task = tiny_task(prepared)
    lines, changed = learnt(task, task.config.rig_images, 12)
    coarse = ("canonical.generator", "canonical.geometry", "deformer", "shape_codes")
    assert changed and all(name.startswith(coarse) for name in changed)
    assert {"canonical.geometry.lin0.weight_v", "deformer.blendshapes.weight", "shape_codes.weight"} <= changed
    assert np.mean([line["occupancy"] for line in lines[-4:]]) < lines[0]["occupancy"]
    assert np.mean([line["deshape"] for line in lines[-4:]]) < lines[0]["deshape"]
    lines, changed = learnt(task, task.config.coarse_images, 12)
    fine = ("canonical.normal", "canonical.texture", "detail_codes", "colour_codes")
    assert changed and all(name.startswith(fine) for name in changed)
    assert lines[-1]["normal"] < lines[0]["normal"] and lines[-1]["view colour"] < lines[0]["view colour"]


def test_before_stage_one_the_bases_alone_learn_the_rig(prepared: Path):
    tiny = tiny_task(prepared)
    task = GANHeadTask(replace(tiny.config, rig_images=80, coarse_images=200), tiny.scans, tiny.model.rig)
    lines, changed = learnt(task, 0, 40)
    assert all(line.keys() == {"rig"} for line in lines)
    assert changed and all(name.startswith(("deformer.skinning", "deformer.blendshapes")) for name in changed)
    assert np.mean([line["rig"] for line in lines[-4:]]) < 0.5 * lines[0]["rig"]
    assert "rig" in task.coarse_loss(at([0, 3], 80))  # and on in stage one


def test_rates_fall_at_the_end_of_each_stage(prepared: Path):
    tiny = tiny_task(prepared)
    c = replace(tiny.config, cosine_fraction=0.5, code_lr_scale=3.0)
    task = GANHeadTask(c, tiny.scans, tiny.model.rig)
    coarse, fine = task.phases
    for share, scale in ((0.0, 1.0), (0.5, 1.0), (0.75, 0.5)):
        assert coarse.lr_scale(Clock(round(share * c.coarse_images), 2)) == pytest.approx(scale)
    for share, scale in ((0.0, 1.0), (0.75, 0.5), (1.0, 0.0)):
        assert fine.lr_scale(Clock(c.coarse_images + round(share * c.fine_images), 2)) == pytest.approx(scale)
    step(coarse, at([0, 1], 3 * c.coarse_images // 4))
    half = c.coarse_lr / 2
    assert [group["lr"] for group in task.adam_coarse.param_groups] == pytest.approx([half, 3 * half])


def test_the_rig_tells_of_the_gap_between_the_lips(prepared: Path):
    task = tiny_task(prepared)
    cube = template_in_cube(load_template(), SHAPES)
    lips = cube.landmarks(task.neutral.vertices[None])[0, [62, 66]]
    assert task.rig_known is not None
    points, inside = task.rig_known
    middle = (points - lips.mean(0)).norm(dim=1) < 0.3 * (lips[0] - lips[1]).norm()
    assert middle.sum() > 10 and inside[middle].mean() < 0.1
    assert 0.3 < inside.mean() < 0.7


def test_bones_and_joints_are_held_in_the_first_epoch_alone(prepared: Path):
    task = tiny_task(prepared)
    first = task.config.rig_images + task.config.first_epoch * len(task)
    task.model.requires_grad_(True)
    assert {"bone", "weight"} <= task.coarse_loss(at([0, 3], first - 1)).keys()
    assert not {"bone", "weight"} & task.coarse_loss(at([0, 3], first)).keys()


def test_points_that_are_not_found_have_no_gradient_and_no_say(prepared: Path):
    task = tiny_task(prepared)
    codes = task.model.codes(torch.tensor([0]), task.scans.shape[:1])
    x = torch.rand(6, 3) - 0.5
    found = task.model.at_canonical(task.model.volume(codes), codes.rig_shape, x, torch.zeros(6, dtype=torch.long))
    lost = replace(found, found=torch.tensor([True, True, False, True, True, True]))
    inside = torch.tensor([1.0, 0, 1, 0, 1, 0])
    expected = 0.0
    for i in (0, 1, 3, 4, 5):
        p = 1 / (1 + np.exp(-float(found.logit[i])))
        expected -= np.log(p if inside[i] else 1 - p) / 6
    assert float(occupancy_loss(lost, inside)) == pytest.approx(expected, rel=1e-4)


def test_points_on_bones_run_from_parent_to_child():
    joints = torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 1, 1]])
    points = bone_points(joints, (-1, 0, 1), torch.zeros(1, 2, 5))[0]
    torch.testing.assert_close(points[:5, 1], torch.linspace(0, 1, 5))
    torch.testing.assert_close(
        points[5:], torch.tensor([0.0, 1, 0]) + torch.linspace(0, 1, 5)[:, None] * torch.tensor([0.0, 0, 1])
    )
    assert bone_points(joints, (-1, 0, 1), 9 * torch.ones(1, 2, 5))[0, :5, 1].max() == 1  # not beyond the joint


def test_a_view_of_the_coarse_surface_shows_the_points_that_are_seen(prepared: Path):
    """A ball instead of a head, whose neutral points are its own: what a pixel shows lies on it, where the pixel is."""
    import trimesh

    task = tiny_task(prepared)
    ball = trimesh.creation.icosphere(4)
    vertices = torch.from_numpy(0.4 * ball.vertices + [0.2, 0, 0]).float()
    faces = torch.from_numpy(np.asarray(ball.faces))
    task.coarse_surfaces.get(0, lambda: CoarseSurface(vertices, vertices, faces, torch.zeros(3)))
    for view in (0, 2):
        angle = 2 * np.pi * view / 9
        shown, seen = task.seen_points(torch.tensor(0), torch.tensor(view), [1, 2])
        size, stride = 48, task.config.view_stride
        rows, columns = np.arange(1, size, stride), np.arange(2, size, stride)
        assert shown.shape == (len(rows), len(columns), 3)
        x = 0.2 * np.cos(angle)  # the centre, turned
        for i, j in np.ndindex(*seen.shape):
            px, py = (columns[j] + 0.5) / size * 2 - 1, 1 - (rows[i] + 0.5) / size * 2
            away = np.hypot(px - x, py)
            if abs(away - 0.4) > 0.02:
                assert bool(seen[i, j]) == (away < 0.4)
            if away < 0.35:
                assert float((shown[i, j] - torch.tensor([0.2, 0, 0])).norm()) == pytest.approx(0.4, abs=0.01)
                turned = np.cos(angle) * float(shown[i, j, 0]) + np.sin(angle) * float(shown[i, j, 2])
                assert turned == pytest.approx(px, abs=0.01)


def test_the_perceptual_term_is_there_when_it_is_asked_for(prepared: Path):
    run = replace(TINY, task=replace(TINY.task, perceptual=0.1))
    task = run.build(prepared, torch.device("cpu"))
    task.model.requires_grad_(True)
    terms = task.fine_loss(at([1]))
    terms["view perceptual"].backward()
    assert float(task.model.canonical.texture.lin0.weight_v.grad.abs().max()) > 0


def test_the_command_trains_stops_goes_on_and_leaves_a_model(
    prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = tmp_path / "run"
    settings = ["--set", "loop.images=8", "task.coarse_images=4", "loop.log_every=2"]
    main(["train", "ganhead-tiny", str(prepared), str(run), *settings])
    model = read_module(run / "model.safetensors", GANHead)
    assert isinstance(model, GANHead) and model.about["images_seen"] == 8
    assert model.config.scans == 4 and model.config.deformer.shapes == SHAPES
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert "occupancy" not in lines[0] and "occupancy" in lines[1] and "view colour" in lines[-1]
    assert list((run / "previews").glob("*.png"))
    main(["train", "ganhead-tiny", str(prepared), str(run), "--set", "loop.images=10"])
    assert read_module(run / "model.safetensors", GANHead).about["images_seen"] == 10


def test_a_set_of_another_rig_is_refused(prepared: Path):
    with pytest.raises(FullheadError, match="prepared with the rig 'template'"):
        replace(TINY, flame="flame.pkl").build(prepared, torch.device("cpu"))


def test_a_run_that_is_longer_than_its_stages_is_refused(prepared: Path):
    with pytest.raises(FullheadError, match=r"loop.images is 1000, .* raise task.fine_images"):
        replace(TINY, loop=replace(TINY.loop, images=1000)).build(prepared, torch.device("cpu"))


def test_only_training_scans_are_learnt(prepared: Path):
    task = tiny_task(prepared)
    assert len(task) == 4 and not set(task.scans.names) & set(ScanSet(prepared, "held_out").names)
