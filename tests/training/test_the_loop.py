"""The training loop: resuming, sharing over processes, stopping."""

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from inspect import signature
from pathlib import Path

import numba
import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed.run import get_args_parser

from fullhead.cli import main
from fullhead.commands.train import train as train_command
from fullhead.core.errors import FullheadError
from fullhead.data.photos import PhotoSet
from fullhead.io.files import one_at_work
from fullhead.models.checkpoint import read_header
from fullhead.training.distributed import data_parallel, local_shard
from fullhead.training.encoder import EncoderTaskConfig
from fullhead.training.loop import (
    NON_FINITE_IN_A_ROW,
    Clock,
    LoopConfig,
    Phase,
    RandomStreams,
    StepState,
    crossed,
    step,
    train,
)
from fullhead.training.panohead import PanoHeadTask, PanoHeadTaskConfig
from fullhead.training.presets import RUNS
from fullhead.training.run import noted_signals, train_run

TINY = RUNS["panohead-tiny"].task  # the fixture `tiny`; other processes have no fixtures


class QuickTask(PanoHeadTask):
    """PanoHead's task, without the costly picture at the end."""

    def preview(self) -> np.ndarray:
        return np.zeros((4, 4, 3), dtype=np.uint8)


def task(photos: Path, seed: int, config: PanoHeadTaskConfig = TINY) -> QuickTask:
    torch.manual_seed(seed)
    return QuickTask(config, PhotoSet(photos, mirror=True))


@pytest.fixture
def one_thread():
    """Numba's first loop gives its number of threads to PyTorch's operations, whose sums then come in another order."""
    threads = torch.get_num_threads(), numba.get_num_threads()
    torch.set_num_threads(1), numba.set_num_threads(1)
    yield
    torch.set_num_threads(threads[0]), numba.set_num_threads(threads[1])


@pytest.mark.usefixtures("one_thread")
def test_a_resumed_run_continues_the_same_curve(photos: Path, tmp_path: Path):
    often = replace(TINY.gan, r1_every=1, density_weight=0.1, density_every=1)
    config = replace(TINY, gan=often, encoder=EncoderTaskConfig(alone_images=2))
    whole = LoopConfig(batch=2, images=4, log_every=2)
    train(task(photos, 0, config), tmp_path / "whole", whole)
    train(task(photos, 0, config), tmp_path / "halves", replace(whole, images=2))
    train(task(photos, 1, config), tmp_path / "halves", whole)  # other first weights: all must come from the file
    a, b = (load_file(tmp_path / name / "state.safetensors") for name in ("whole", "halves"))
    assert a.keys() == b.keys()
    different = [key for key in a if not torch.equal(a[key], b[key])]
    assert not different
    lines = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("whole", "halves")]
    for x, y in zip(*(map(json.loads, part) for part in lines), strict=True):
        x.pop("images_per_second"), y.pop("images_per_second")
        assert x == y


def test_the_discriminator_waits_while_the_generator_learns_from_photos_alone(photos: Path, tmp_path: Path):
    one = task(photos, 0, replace(TINY, encoder=EncoderTaskConfig(alone_images=8)))
    first = {name: [p.clone() for p in module.parameters()] for name, module in one.modules.items()}

    def moved(name: str) -> bool:
        return any(not torch.equal(a, b) for a, b in zip(first[name], one.modules[name].parameters(), strict=True))

    train(one, tmp_path / "run", LoopConfig(batch=4, images=8, log_every=8))
    assert moved("G") and moved("E") and not moved("D")
    train(one, tmp_path / "run", LoopConfig(batch=4, images=12, log_every=4))
    assert moved("D")
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert ["G/adversarial" in line for line in lines] == [False, True] and all("G/photo" in line for line in lines)


def test_without_an_encoder_no_image_is_spent_on_photos_alone(photos: Path):
    one = task(photos, 0, replace(TINY, encoder=None))
    assert all(phase.begin == 0 for phase in one.phases) and "photo" not in [phase.name for phase in one.phases]


def test_the_averaged_generator_follows_the_generator(photos: Path, tmp_path: Path):
    one = task(photos, 0)
    train(one, tmp_path / "run", LoopConfig(batch=4, images=4))
    now, mean = dict(one.G.named_parameters()), dict(one.G_ema.named_parameters())
    # So early the half-life is 5 % of the images seen: the average is almost the present.
    assert max(float((now[k] - mean[k]).abs().max()) for k in now) < 1e-2
    assert all(torch.equal(x, y) for x, y in zip(one.G.buffers(), one.G_ema.buffers(), strict=True))


# -- a new run that begins with finished models


def test_a_new_run_begins_with_the_weights_and_the_count_of_models(photos: Path, tmp_path: Path):
    finished = tmp_path / "finished"
    train_run("panohead-tiny", RUNS["panohead-tiny"], photos, finished, ["loop.images=8", "task.encoder={}"], device="cpu")
    models = [str(finished / f"{name}.safetensors") for name in ("model", "discriminator", "encoder")]
    begin = partial(train_run, "panohead-tiny", RUNS["panohead-tiny"], photos, warm_start=models, device="cpu")
    begin(tmp_path / "same", ["loop.images=8", "task.encoder={}"])  # nothing left to do
    for model in models:
        old, new = (load_file(folder / Path(model).name) for folder in (finished, tmp_path / "same"))
        assert all(torch.equal(old[key], new[key]) for key in old)
    begin = partial(begin, warm_start=models[:2])
    begin(tmp_path / "on", ["loop.images=16", "loop.log_every=4"])
    seen = [json.loads(line)["images_seen"] for line in (tmp_path / "on" / "log.jsonl").read_text().splitlines()]
    assert seen == [12, 16]
    begin(tmp_path / "on", ["loop.images=20"])  # its own state
    assert read_header(tmp_path / "on" / "model.safetensors")["about"]["images_seen"] == 20


@pytest.mark.parametrize(
    ("model", "why"),
    [("ganhead-demo", "a ganhead: this run trains"), ("panohead-demo", "another one")],
)
def test_a_run_does_not_begin_with_a_model_of_another_kind(model: str, why: str, photos: Path, tmp_path: Path):
    with pytest.raises(FullheadError, match=why):
        train_run("panohead-tiny", RUNS["panohead-tiny"], photos, tmp_path / "run", [], warm_start=[model], device="cpu")
    assert not (tmp_path / "run").exists()


# -- processes


def test_no_option_is_taken_for_one_of_torchrun_s():
    """It takes the beginning of an option for the option, also behind the command that it is to start."""
    places = ["preset", "data", "run"]
    names = (name.replace("_", "-") for name in signature(train_command).parameters if name not in places)
    options = ["train", *places, *(f"--{name}" for name in names)]
    started = get_args_parser().parse_args(["-m", "fullhead.cli", *options])
    assert started.training_script_args == options


SHARED = replace(
    TINY,
    noise=False,
    encoder=EncoderTaskConfig(alone_images=100),
    background_swap=0.5,
    discriminator=replace(TINY.discriminator, group=2),
    density_noise_fade_images=0,
)


def losses_and_gradients(photos: Path) -> dict[str, Tensor]:
    """Mean losses over processes and averaged gradients of each phase on one batch of four, without a step."""
    one = task(photos, 0, SHARED)
    callers = {phase.module: data_parallel(phase.module) for phase in one.phases}
    for module in one.modules.values():
        module.requires_grad_(False)
    state = StepState(one.batch(local_shard(torch.tensor([0, 4, 9, 2]))), Clock(0, 4), RandomStreams.seeded(5))
    out = {}
    for phase in one.phases:
        still = Phase(phase.name, phase.module, torch.optim.SGD(phase.module.parameters(), lr=0.0), 1, phase.loss)
        terms, finite = step(still, state, callers[phase.module])
        assert finite
        for name, value in terms.items():
            value = value.detach().clone()
            if dist.is_initialized():
                dist.all_reduce(value)
                value /= dist.get_world_size()
            out[name] = value
        out |= {f"{phase.name} {k}": p.grad.clone() for k, p in phase.module.named_parameters() if p.grad is not None}
    return out


def one_of_two(rank: int, photos: Path, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    out = losses_and_gradients(photos)
    if rank == 0:
        save_file({k: v.contiguous() for k, v in out.items()}, folder / "out.safetensors")
    dist.destroy_process_group()


@pytest.mark.skipif(not dist.is_gloo_available(), reason="gloo is not in this torch")
def test_two_processes_give_the_losses_and_gradients_of_one(photos: Path, tmp_path: Path):
    torch.multiprocessing.spawn(one_of_two, (photos, tmp_path), nprocs=2)
    alone, together = losses_and_gradients(photos), load_file(tmp_path / "out.safetensors")
    assert alone.keys() == together.keys()
    for key, value in alone.items():
        part = 1e-5 if value.ndim == 0 and "/" in key else 1e-2  # a loss; a gradient, in which rounding tips leaky ReLUs over
        near = part * float(value.abs().max()) + 1e-7
        torch.testing.assert_close(together[key], value, atol=near, rtol=0, msg=lambda m, key=key: f"{key}: {m}")


# -- a smallest task


class Line:
    """Fits y = a x; its loss can be made to fail at chosen steps."""

    def __init__(self, fails: Callable[[int], bool] = lambda step: False) -> None:
        self.module = nn.Linear(1, 1)
        self.optimiser = torch.optim.Adam(self.module.parameters(), lr=0.1)
        self.fails, self.steps = fails, 0

    modules = property(lambda self: {"line": self.module})
    phases = property(lambda self: [Phase("fit", self.module, self.optimiser, 1, self.loss, lr_scale=self.lr_scale)])
    results = property(lambda self: self.modules)

    def loss(self, state: StepState[Tensor, None]) -> dict[str, Tensor]:
        x = state.batch[:, None]
        error = (self.module(x) - 3 * x).square().mean()
        return {"error": error * (torch.nan if self.fails(state.clock.images_seen // state.clock.batch) else 1)}

    def lr_scale(self, clock: Clock) -> float:
        return 0.5 if clock.images_seen >= 1000 else 1.0

    def __len__(self) -> int:
        return 50

    def batch(self, positions: Tensor) -> Tensor:
        return positions / 25 - 1

    def after_step(self, clock: Clock) -> None:
        self.steps += 1

    def preview(self) -> np.ndarray:
        return np.zeros((2, 2, 3), dtype=np.uint8)


def test_the_loop_learns_logs_and_saves(tmp_path: Path):
    line = Line()
    seen = []
    train(line, tmp_path / "run", LoopConfig(batch=10, images=2000, log_every=100, preview_every=1000), seen.append)
    assert float(line.module.weight) == pytest.approx(3, abs=0.05)
    assert line.steps == 200 and len(seen) == 20
    logged = [json.loads(text) for text in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert logged == seen and logged[-1]["images_seen"] == 2000 and logged[-1]["error"] < logged[0]["error"]
    assert len(list((tmp_path / "run" / "previews").iterdir())) == 2
    assert (tmp_path / "run" / "state.safetensors").is_file()
    assert line.optimiser.param_groups[0]["lr"] == pytest.approx(0.05)  # the loop sets what the phase's schedule says


class Relay(Line):
    """A phase that finds and leaves something in each step, and one that finds what the first has left."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[int | None] = []

    phases = property(lambda self: [Phase(str(i), self.module, self.optimiser, 1, self.pass_on) for i in range(2)])

    def pass_on(self, state: StepState[Tensor, int]) -> dict[str, Tensor]:
        self.found.append(state.carry)
        state.carry = state.clock.images_seen
        return {"error": self.module(state.batch[:, None]).square().mean()}


def test_what_a_phase_leaves_reaches_the_later_phases_of_its_batch_alone(tmp_path: Path):
    relay = Relay()
    train(relay, tmp_path / "run", LoopConfig(batch=10, images=20))
    assert relay.found == [None, 0, None, 10]


def test_steps_with_non_finite_gradients_in_a_row_stop_the_run(tmp_path: Path):
    line = Line(fails=lambda step: step >= 5)
    with pytest.raises(FullheadError, match=f"{NON_FINITE_IN_A_ROW} steps in a row"):
        train(line, tmp_path / "run", LoopConfig(batch=10, images=10_000))
    assert line.steps == 5 + NON_FINITE_IN_A_ROW - 1
    assert all(torch.isfinite(p).all() for p in line.module.parameters())


def test_single_bad_steps_are_left_out_and_counted(tmp_path: Path):
    line = Line(fails=lambda step: step % 3 == 0)
    seen = []
    train(line, tmp_path / "run", LoopConfig(batch=10, images=300, log_every=300), seen.append)
    assert seen[0]["non_finite"] == 10
    assert torch.isfinite(line.module.weight).all()


def lines(run: Path) -> list[dict[str, float]]:
    """Of a run's log, without what depends on the machine."""
    found = [json.loads(text) for text in (run / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "images_per_second"} for line in found]


def assert_same_run(a: Path, b: Path) -> None:
    states = [load_file(run / "state.safetensors") for run in (a, b)]
    assert states[0].keys() == states[1].keys() and all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    assert lines(a) == lines(b)


SPARSE = LoopConfig(batch=10, images=200, log_every=70)  # a line is of steps before and after a stop


def stopped_run(number: int, times: int, run: Path) -> None:
    """A run with a bad step that gets a signal, or some, in the midst of its eleventh step, and is then run to its end."""
    one, step_of = Line(fails=lambda step: step == 8), Line.loss

    def loss(state: StepState[Tensor, None]) -> dict[str, Tensor]:
        for _ in range(times if state.clock.images_seen == 100 else 0):
            signal.raise_signal(number)
        return step_of(one, state)

    one.loss = loss  # type: ignore[method-assign]
    torch.manual_seed(0)
    one.module.reset_parameters()
    with noted_signals() as came:
        train(one, run, SPARSE, stopped=lambda: bool(came))
    assert came == [number] * times and one.steps == 11
    train(Line(fails=lambda step: step == 8), run, SPARSE)


@pytest.fixture
def heard():
    """Ctrl-C is heard, which a job in the background ignores."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize(("number", "times"), [(signal.SIGINT, 1), (signal.SIGINT, 3), (signal.SIGTERM, 1)])
def test_a_signal_lets_the_step_end_and_the_run_goes_on_to_the_bit(number: int, times: int, tmp_path: Path):
    torch.manual_seed(0)
    train(Line(fails=lambda step: step == 8), tmp_path / "whole", SPARSE)
    stopped_run(number, times, tmp_path / "stopped")
    assert_same_run(tmp_path / "whole", tmp_path / "stopped")
    assert lines(tmp_path / "whole")[-1]["non_finite"] == 1


def test_a_run_that_was_killed_after_its_last_save_repeats_no_line(tmp_path: Path):
    config = LoopConfig(batch=10, images=200, log_every=20)
    torch.manual_seed(0)
    train(Line(), tmp_path / "whole", config)
    torch.manual_seed(0)
    train(Line(), tmp_path / "killed", replace(config, images=100))
    with (tmp_path / "killed/log.jsonl").open("a") as log:
        log.write('{"images_seen": 120, "images_per_second": 1.0, "non_finite": 0.0, "error": 9.0}\n{"images_seen": 140, "ima')
    train(Line(), tmp_path / "killed", config)
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


def test_nothing_is_logged_or_drawn_every_0_images(tmp_path: Path):
    seen = []
    train(Line(), tmp_path / "run", LoopConfig(batch=10, images=40, log_every=0, preview_every=0), seen.append)
    assert not seen and [path.name for path in (tmp_path / "run/previews").iterdir()] == ["000000040.png"]


@pytest.mark.parametrize("bad", [{"batch": 0}, {"batch": -4}, {"batch": 10**8}, {"log_every": -1}, {"save_minutes": np.nan}])
def test_settings_of_the_loop_that_no_run_has_are_refused(bad: dict[str, int]):
    with pytest.raises(FullheadError, match=f"loop.{next(iter(bad))}"):
        LoopConfig(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", [lambda b: b[:100], lambda b: b"", lambda b: b[:-5], lambda b: b"\x02" + bytes(7) + b"{}"])
def test_a_damaged_state_is_one_line(damage: Callable[[bytes], bytes], tmp_path: Path):
    train(Line(), tmp_path / "run", LoopConfig(batch=10, images=20))
    state = tmp_path / "run/state.safetensors"
    state.write_bytes(damage(state.read_bytes()))
    with pytest.raises(FullheadError, match=r"cannot read .*state.safetensors \(.*\): put a copy in its place"):
        train(Line(), tmp_path / "run", LoopConfig(batch=10, images=40))


def test_a_run_that_is_over_stays_as_it_is(tmp_path: Path):
    config = LoopConfig(batch=10, images=50)
    train(Line(), tmp_path / "run", config)
    before = load_file(tmp_path / "run" / "state.safetensors")
    train(Line(), tmp_path / "run", config)
    after = load_file(tmp_path / "run" / "state.safetensors")
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_a_count_is_crossed_once():
    assert sum(crossed(Clock(seen, 4), 10) for seen in range(4, 44, 4)) == 4  # 10, 20, 30 and 40


# -- runs in their folders


def tiny_run(photos: Path, run: Path, *settings: str, preset: str = "panohead-tiny", **options: object) -> None:
    train_run(preset, RUNS[preset], photos, run, ["loop.images=8", *settings], device="cpu", **options)  # type: ignore[arg-type]


def test_a_setting_that_does_not_fit_an_existing_run_leaves_it_as_it_was(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = tmp_path / "run"
    with pytest.raises(FullheadError, match=r"nothing to export"):
        tiny_run(photos, run, export_only=True)
    with pytest.raises(FullheadError, match=r"loop.batch 6: a process judges its 6 images in groups of 4"):
        tiny_run(photos, run, "loop.batch=6")
    assert not run.exists()
    tiny_run(photos, run)
    said = capsys.readouterr().out
    assert "panohead-tiny on cpu, 24 examples: 0 of 8 images seen" in said
    assert "8 images, about 0 s to go  images_per_second" in said
    assert f"Wrote {run / 'model.safetensors'}, {run / 'discriminator.safetensors'}" in said
    first = (run / "config.json").read_text()
    for setting, why in (
        ("loop.batch=0", "loop.batch 0"),
        ("loop.seed=4", "loop.seed=0, which cannot change"),
        ("task.generator.channel_max=8", "do not fit its state"),
        ("task.encoder={}", "do not fit its state"),
        ("task.generator.image_size=128", "has images of 64 pixels"),
    ):
        with pytest.raises(FullheadError, match=why):
            tiny_run(photos, run, setting)
        assert (run / "config.json").read_text() == first
    capsys.readouterr()
    tiny_run(photos, run)
    assert "is finished: 8 images, of loop.images=8" in capsys.readouterr().out
    tiny_run(photos, run, "task.gan.r1_gamma=3", "loop.images=12")
    stored = json.loads((run / "config.json").read_text())
    assert stored["config"]["task"]["gan"]["r1_gamma"] == 3 and stored["began"] == json.loads(first)["config"]
    with one_at_work(run), pytest.raises(FullheadError, match="another process is at work"):
        tiny_run(photos, run)
    for text in ("", "null", "[]", "{}", '{"preset": 3, "config": {}}', '{"preset": "panohead-tiny", "config": null}'):
        (run / "config.json").write_text(text)
        with pytest.raises(FullheadError, match=r"cannot read .*config.json"):
            tiny_run(photos, run)


def test_a_batch_that_processes_cannot_share_is_refused_before_they_meet(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(FullheadError, match="a batch of 4 cannot be shared by 3 processes"):
        tiny_run(photos, tmp_path / "run")


def test_of_several_processes_the_first_tells_a_mistake_and_the_others_wait_for_its_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    waited = []
    monkeypatch.setattr("fullhead.cli.time.sleep", waited.append)
    for number in ("0", "1"):
        monkeypatch.setenv("RANK", number)
        with pytest.raises(SystemExit):
            main(["train", "nothing", "a", "b"])
        assert len(waited) == int(number)
    assert capsys.readouterr().err.count("no training preset nothing") == 2  # where torchrun does not end the second one
