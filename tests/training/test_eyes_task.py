"""How eyes learn: what is true in windows and scenes, and that a run learns, stops and goes on."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fullhead.data import view_scenes
from fullhead.data.view_scenes import finder_targets, mirror_some, roll_of, scenes, windows
from fullhead.data.view_set import ViewSet, gaze_of
from fullhead.eyes.eyes import load_eyes
from fullhead.eyes.networks import STRIDE
from fullhead.eyes.reading import Reading
from fullhead.eyes.window import Window
from fullhead.io.sets import write_set
from fullhead.rig.arkit import arkit_weights
from fullhead.synth.datasets.options import ViewsOptions
from fullhead.synth.datasets.views import Views
from fullhead.training.eyes import contrast, mean_points
from fullhead.training.presets import RUNS
from fullhead.training.run import train_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("eyes") / "views"
    write_set(out, Views(ViewsOptions(images=12, size=64, views_per_sitting=3, seed=5)), workers=0, quiet=True)
    return out


@pytest.fixture(scope="module")
def views(folder: Path) -> ViewSet:
    return ViewSet(folder)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


BEHIND = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
OTHERS = torch.rand(3, 4, 32, 32, generator=torch.Generator().manual_seed(1))


def test_truth_says_where_the_points_are(views: ViewSet):
    """The average head, placed as the truth says, is near the points of each picture."""
    batch = views.batch(torch.arange(len(views)))
    truth = batch.truth
    placed = (mean_points() @ truth.rotation.mT)[..., :2] * truth.unit[:, None, None] + truth.centre[:, None]
    away = (placed - batch.points[..., :2])[:, 27:36].norm(dim=-1)  # the nose
    assert float(away.mean()) < 0.04 * float(truth.unit.mean())


def test_mirroring_twice_changes_nothing(views: ViewSet, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(view_scenes, "_chance", lambda b, share, random: torch.ones(b, dtype=torch.bool))
    batch = views.batch(torch.arange(4))
    once = mirror_some(batch, generator())
    twice = mirror_some(once, generator())
    assert torch.equal(twice.rgba, batch.rgba)
    assert torch.equal(twice.parts, batch.parts)
    assert torch.allclose(twice.points, batch.points, atol=1e-4)
    for name, value in vars(batch.truth).items():
        assert torch.allclose(getattr(twice.truth, name).float(), value.float(), atol=1e-4), name
    assert torch.allclose(once.truth.gaze[:, 0], -batch.truth.gaze[:, 0])
    placed = (mean_points() @ once.truth.rotation.mT)[..., :2] * once.truth.unit[:, None, None] + once.truth.centre[:, None]
    assert float((placed - once.points[..., :2])[:, 27:36].norm(dim=-1).mean()) < 0.04 * float(once.truth.unit.mean())


def test_windows_tell_of_the_head_as_readings_do(views: ViewSet):
    batch = views.batch(torch.arange(6))
    made = windows(batch, BEHIND, 32, generator())
    assert made.images.shape == (6, 3, 32, 32)
    assert float(made.images.abs().max()) <= 1
    assert set(made.seen.unique().tolist()) <= {0.0, 1.0}
    placed = (mean_points() @ made.rotation.mT)[..., :2] * (made.side / 0.52)[:, None, None] + made.centre[:, None]
    assert float((placed - made.points)[:, 27:36].norm(dim=-1).mean()) < 0.08


def test_windows_that_miss_their_heads_say_so(views: ViewSet):
    batch = views.batch(torch.arange(8))
    made = windows(batch, BEHIND, 32, generator(2), OTHERS, empty=6)
    assert made.head.tolist() == 6 * [0.0] + 2 * [1.0]
    off = (made.centre - 0.5).norm(dim=1)
    scale = made.side.log().abs()
    missed = (off > 0.5) | (scale > 0.8) | (made.matte.mean((1, 2)) < made.matte[6:].mean())
    assert missed[:6].sum() >= 4
    assert not ((off > 0.5) | (scale > 0.8))[6:].any()


def test_windows_lie_as_those_of_readings():
    middle, side, turn = torch.tensor([[40.0, 30.0]]), torch.tensor([20.0]), torch.tensor([0.4])
    found = view_scenes._photo_from_window(middle, side, turn)[0].numpy()
    assert np.allclose(found, Window(40, 30, 20, 0.4).photo_from_window(), atol=1e-4)


def test_tilt_is_that_of_readings(views: ViewSet):
    rotation = views.truth.rotation[:5]
    expected = [Reading(1, np.zeros(2), 1, r.double().numpy()).yaw_pitch_roll[2] for r in rotation]  # type: ignore[index]
    assert np.allclose(roll_of(rotation).numpy(), expected, atol=1e-4)


def test_cells_near_a_head_tell_of_it(views: ViewSet):
    shown = scenes(views.batch(torch.arange(8)), BEHIND, OTHERS, 40, 96, generator(3))
    cells = STRIDE * (torch.arange(12) + 0.5)
    which, tells, judged = finder_targets(shown, cells, cells)
    assert tells.any()
    assert judged[tells].all()
    assert not tells[(shown.side == 0).all(1)].any()
    for b, row, column in torch.nonzero(tells).tolist():
        k = int(which[b, row, column])
        away = math.hypot(float(cells[column] - shown.x[b, k]), float(cells[row] - shown.y[b, k]))
        assert away < 0.2 * float(shown.side[b, k])
        assert shown.shown[b, k]


def test_gaze_is_yaw_and_pitch():
    left = gaze_of(arkit_weights({"eyeLookOutLeft": 1, "eyeLookInRight": 1}).numpy())
    up = gaze_of(arkit_weights({"eyeLookUpLeft": 1, "eyeLookUpRight": 1}).numpy())
    assert np.degrees(left) == pytest.approx([30, 0])
    assert np.degrees(up) == pytest.approx([0, 22])


def test_a_run_learns_goes_on_and_leaves_eyes(folder: Path, tmp_path: Path):
    tiny = RUNS["eyes-tiny"]
    with torch.random.fork_rng():
        train_run("eyes-tiny", tiny, folder, tmp_path / "whole", ["loop.images=48"])
        train_run("eyes-tiny", tiny, folder, tmp_path / "parts", ["loop.images=24"])
        train_run("eyes-tiny", tiny, folder, tmp_path / "parts", ["loop.images=48"])
    whole, parts = ((tmp_path / name / "eyes.safetensors").read_bytes() for name in ("whole", "parts"))
    assert len(whole) == len(parts)
    lines = [[json.loads(line) for line in (tmp_path / n / "log.jsonl").read_text().splitlines()] for n in ("whole", "parts")]
    for one, other in zip(*lines, strict=True):
        for name in set(one) - {"images_per_second"}:
            assert one[name] == pytest.approx(other[name], rel=1e-4), name
    eyes = load_eyes(tmp_path / "whole" / "eyes.safetensors")
    assert isinstance(eyes(np.zeros((50, 40, 3), np.uint8)), list)


def test_losses_fall_on_one_batch(folder: Path):
    from fullhead.training.loop import Clock, RandomStreams, StepState, step

    task = replace(RUNS["eyes-tiny"]).build(folder, torch.device("cpu"))  # type: ignore[attr-defined]
    torch.manual_seed(0)
    batch, losses = task.batch(torch.arange(8)), []
    for k in range(30):
        random = RandomStreams.seeded(1)
        terms, finite = step(task.phases[0], StepState(batch, Clock(2 + k % 2, 8), random))
        assert finite
        losses.append(sum(float(value.detach()) for value in terms.values()))
    assert losses[-1] < 0.9 * losses[0]


def test_a_batch_holds_pairs_of_pictures_of_its_persons(folder: Path):
    task = RUNS["eyes-tiny"].build(folder, torch.device("cpu"))
    person = task.batch(torch.arange(4)).truth.person
    assert torch.equal(person[::2], person[1::2])
    person = task.views.truth.person
    assert torch.equal(task.views.next_of_person.sort().values, torch.arange(len(person)))
    assert torch.equal(person[task.views.next_of_person], person)


def test_contrast_is_least_where_persons_are_apart():
    person, right = torch.tensor([0, 0, 1, 1]), torch.eye(2).repeat_interleave(2, 0)
    assert contrast(right, person) < 1e-4 < contrast(right[[0, 2, 1, 3]], person)
