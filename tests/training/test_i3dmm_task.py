"""i3DMM learns two balls, each term against a loop, and finds the codes of a third."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fullhead.data.scan_distances import ScanDistances
from fullhead.data.scan_set import ScanSet
from fullhead.models.checkpoint import read_module
from fullhead.models.i3dmm import I3DMM, I3DMMConfig
from fullhead.training.i3dmm import (
    FACE,
    CodeFitConfig,
    I3DMMTask,
    I3DMMTaskConfig,
    LossConfig,
    ScanStep,
    fit_codes,
    landmark_spread,
    point_terms,
    rows_of,
)
from fullhead.training.loop import Clock, LoopConfig, RandomStreams, StepState, train
from fullhead.training.presets import RUNS
from fullhead.training.run import train_run

SMALL = I3DMMConfig(
    code=4, octaves=1, deform_width=32, deform_depth=5, reference_width=32, colour_width=32, colour_depth=5, resolution=32
)
CONFIG = I3DMMTaskConfig(
    model=SMALL,
    loss=LossConfig(points=256, near=0.5),
    networks_lr=5e-3,
    codes_lr=1e-2,
    halving_epochs=200,
    code_epochs=10,
    reference_images=160,
)


@pytest.fixture
def task(balls: Path) -> I3DMMTask:
    torch.manual_seed(0)
    return I3DMMTask(CONFIG, ScanSet(balls))


def at(images: int) -> ScanStep:
    return StepState(torch.tensor([0, 1]), Clock(images, 2), RandomStreams.seeded(0))


def test_each_term_is_the_loop_of_the_paper(task: I3DMMTask):
    model, codes = task.model, task.codes(torch.tensor([0, 1]))
    batch = task.points(torch.tensor([0, 1]), 20, torch.Generator().manual_seed(0))
    sums = {"distance": 0.0, "colour": 0.0, "delta": 0.0}
    for b in range(2):
        for n in range(20):
            point = batch.points[b : b + 1, n : n + 1]
            delta = model.deformation(codes[b], point)
            found = model.reference_distance(point + delta).item()
            sums["distance"] += abs(min(max(found, -0.1), 0.1) - min(max(float(batch.distance[b, n]), -0.1), 0.1))
            colour = model.colours_at_reference(codes[b], point + delta)[0, 0]
            sums["colour"] += 0.25 * (colour - batch.colours[b, n]).abs().sum().item()
            sums["delta"] += 1e-4 * delta.square().sum().sqrt().item()
    terms = point_terms(model, codes, batch, CONFIG.loss)
    for name, total in sums.items():
        assert float(terms[name]) == pytest.approx(total / 40, rel=1e-4)


def test_landmarks_are_held_together_over_all_pairs(task: I3DMMTask):
    model = task.model
    codes = model.codes(torch.tensor([0, 0, 0]), torch.tensor([0, 1, 0]), torch.tensor([0, 0, 0]))
    landmarks = torch.rand(3, len(FACE), 3)
    x = landmarks + model.deformation(codes, landmarks)
    pairs = [(x[i] - x[j]).norm(dim=-1).mean() for i, j in ((0, 1), (0, 2), (1, 2))]
    torch.testing.assert_close(landmark_spread(model, codes, landmarks), sum(pairs) / 3)
    assert landmark_spread(model, codes[0], landmarks[:1]) == 0


def test_codes_weigh_in_over_time_and_rates_are_halved(task: I3DMMTask):
    batch = torch.tensor([0, 1])
    weights = [task.joint_loss(at(160 + 2 * epoch))["code"].item() for epoch in (0, 5, 10, 40)]
    assert weights[0] == 0 and weights[1] == pytest.approx(weights[2] / 2) and weights[2] == weights[3]
    codes = task.codes(batch)
    lengths = codes.geometry.norm(dim=1).mean() + codes.colour.norm(dim=1).mean()
    assert weights[2] == pytest.approx(1e-4 * float(lengths))
    for epoch, share in ((0, 1), (199, 1), (200, 0.5), (401, 0.25)):
        assert task.phases[1].lr_scale(Clock(160 + 2 * epoch, 2)) == share
    assert [group["lr"] for group in task.phases[1].optimiser.param_groups] == [5e-3, 1e-2]


def test_scans_of_one_person_share_rows_and_expressions_may(balls: Path):
    scans = ScanSet(balls, "all")
    shared, own = rows_of(scans, shared_expressions=True), rows_of(scans, shared_expressions=False)
    assert shared.identity.tolist() == shared.hair.tolist() == [0, 0, 1, 1]
    assert shared.expression.tolist() == [0, 1, 0, 1], "a label is the same face for everyone"
    assert own.expression.tolist() == [0, 1, 0, 2], "only neutral faces are the same"


def test_it_learns_both_balls_and_finds_a_third_s_codes(balls: Path, task: I3DMMTask, tmp_path: Path):
    reference = {name: p.clone() for name, p in task.model.deform.named_parameters()}
    train(task, tmp_path / "run", LoopConfig(batch=2, images=160, log_every=40))
    assert all(torch.equal(p, reference[name]) for name, p in task.model.deform.named_parameters()), "the reference alone"
    along = torch.tensor([[[0.3, 0.0, 0.0], [0.0, 0.6, 0.0]]])
    assert task.model.reference_distance(along)[0].sign().tolist() == [-1, 1]
    train(task, tmp_path / "run", LoopConfig(batch=2, images=160 + 1000, log_every=100))
    found = task.model.decode(task.codes(torch.tensor([0, 1])))
    radii = [float(mesh.vertices.norm(dim=-1).mean()) for mesh in found.posed]
    assert radii == pytest.approx([0.4, 0.5], abs=0.04) and radii[1] - radii[0] == pytest.approx(0.1, abs=0.03)
    for mesh in found.posed:
        truth = mesh.vertices / mesh.vertices.norm(dim=-1, keepdim=True)
        assert (mesh.colours - truth).abs().mean() < 0.15
    assert all(table.weight.norm(dim=1).max() <= 1 + 1e-6 for table in task.model.tables.values())
    assert task.preview().shape == (256, 256, 3)
    held_out = ScanDistances(ScanSet(balls, "held_out"))  # the second has a radius of 0.45, between those of the others
    config = replace(CodeFitConfig(), loss=CONFIG.loss, steps=120)
    codes, losses = fit_codes(task.model, held_out, 1, config, torch.Generator().manual_seed(0))
    fitted = task.model.decode(codes).posed[0].vertices.norm(dim=-1)
    assert float(fitted.mean()) == pytest.approx(0.45, abs=0.05)
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])
    assert isinstance(task.results["model"], I3DMM)


def test_a_run_by_name_leaves_a_model_of_the_set_s_people(balls: Path, tmp_path: Path):
    sizes = [f"task.model.{name}=16" for name in ("deform_width", "reference_width", "colour_width")]
    length = ["loop.batch=2", "loop.images=12", "task.reference_images=4", "task.loss.points=32"]
    train_run("i3dmm-demo", RUNS["i3dmm-demo"], balls, tmp_path / "run", sizes + length, device="cpu")
    model = read_module(tmp_path / "run/model.safetensors", I3DMM)
    assert isinstance(model, I3DMM)
    assert (model.config.people, model.config.expressions, model.config.hairstyles) == (1, 2, 1)
    assert (tmp_path / "run/previews/000000012.png").is_file()
    longer = [setting.replace("images=12", "images=16") for setting in sizes + length]
    train_run("i3dmm-demo", RUNS["i3dmm-demo"], balls, tmp_path / "run", longer, device="cpu")  # goes on
    other = read_module(tmp_path / "run/model.safetensors", I3DMM)
    assert not torch.equal(other.state_dict()["deform.last.weight"], model.state_dict()["deform.last.weight"])
