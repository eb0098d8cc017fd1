"""The one training loop. A task says which modules learn, by which phases; the loop does the rest.

    batch -> for each phase that is due: loss, gradients (their mean over processes), step -> after the step -> log, save

A run is a folder: config.json, log.jsonl, previews/, and state.safetensors, which holds all that resuming needs (weights,
averages, optimisers, counters, random states, the log's next line): a resumed run continues the same curve, to the bit.
"""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from fullhead.core.devices import CPU, device_of
from fullhead.core.errors import FullheadError, in_words
from fullhead.io.config import Limited, Number, Seed, Weight
from fullhead.io.files import written_whole
from fullhead.io.reading import reading
from fullhead.nn.module import ConfiguredModule
from fullhead.training.distributed import data_parallel, local_shard, mean_over_processes, rank

Terms = dict[str, Tensor]

NON_FINITE_IN_A_ROW = 10  # steps after which a run gives up
AGAIN = "put a copy in its place, or begin a new run"  # what to do about a damaged file of a run


@dataclass(frozen=True)
class LoopConfig(Limited):
    """Length and bookkeeping of a run; counts are of training examples shown: images, or scans."""

    batch: Annotated[int, (1, 65_536)] = 32  # images a step, over all processes
    images: Number = 25_000_000
    seed: Seed = 0
    log_every: Number = 1_000  # 0: never
    preview_every: Number = 10_000  # 0: only at the end
    save_minutes: Weight = 5.0

    @staticmethod
    def written(name: str) -> str:
        return f"loop.{name}"


@dataclass(frozen=True)
class Clock:
    """What time it is in a run: training examples shown so far, and those of a step, over all processes."""

    images_seen: int
    batch: int

    def advanced(self) -> Clock:
        """A step later."""
        return Clock(self.images_seen + self.batch, self.batch)


@dataclass(frozen=True)
class RandomStreams:
    """Where a run's random numbers come from: `common`, on the CPU, gives all processes the same, `own` each its own, on the
    device that it computes on."""

    common: torch.Generator
    own: torch.Generator

    @classmethod
    def seeded(cls, seed: int, device: torch.device = CPU) -> RandomStreams:
        own = torch.Generator(device).manual_seed(seed * 1_000_003 + rank() + 1)
        return cls(torch.Generator().manual_seed(seed), own)


B = TypeVar("B")
C = TypeVar("C")


@dataclass
class StepState(Generic[B, C]):
    """What the losses of one step share: this process's examples, the time, chance, and what one phase leaves for a later one.
    It lives for one batch."""

    batch: B
    clock: Clock
    random: RandomStreams
    carry: C | None = None


@dataclass(frozen=True)
class Phase:
    """One loss with its own optimiser step: `loss(state)` gives named terms whose sum is minimised every `every` steps."""

    name: str
    module: nn.Module
    optimiser: torch.optim.Optimizer
    every: int
    loss: Callable[[StepState[Any, Any]], Terms]
    begin: int = 0  # images seen from which on it is due
    end: float = math.inf  # and before which
    clip: float = math.inf  # the norm that gradients are cut down to
    lr_scale: Callable[[Clock], float] = lambda clock: 1.0  # schedule: factor of the optimiser's first learning rates

    def due(self, clock: Clock) -> bool:
        return self.begin <= clock.images_seen < self.end and clock.images_seen // clock.batch % self.every == 0


class Task(Protocol):
    """What the loop asks of a family's training."""

    @property
    def modules(self) -> Mapping[str, ConfiguredModule]: ...

    @property
    def phases(self) -> list[Phase]: ...

    @property
    def results(self) -> Mapping[str, ConfiguredModule]:
        """What a run is for: the models that are written at its end, by their files' names."""
        ...

    def __len__(self) -> int:
        """Number of training examples."""
        ...

    def batch(self, positions: Tensor) -> Any:
        """The training examples at `positions` [B]."""
        ...

    def after_step(self, clock: Clock) -> None:
        """Done once all phases of a batch have stepped: averaging weights, holding codes in bounds."""
        ...

    def preview(self) -> np.ndarray:
        """A picture uint8 [H, W, 3] of the present state, always of the same things."""
        ...


@dataclass
class Tally:
    """What the log's next line will be made of. It is saved with the state, so that a resumed run writes the same lines."""

    sums: dict[str, tuple[float, int]] = field(default_factory=dict)  # of each term since the last line, and of how many values
    bad: int = 0  # steps whose gradients were not finite, in all
    bad_in_a_row: int = 0

    def add(self, terms: Terms, finite: bool) -> None:
        self.bad, self.bad_in_a_row = (self.bad, 0) if finite else (self.bad + 1, self.bad_in_a_row + 1)
        for name, value in terms.items():
            total, count = self.sums.get(name, (0.0, 0))
            self.sums[name] = total + float(value.detach()), count + 1


class Log:
    """Lines of means to log.jsonl and, where it is installed, TensorBoard. Lines that a killed run wrote after the state from
    which it goes on are taken out."""

    def __init__(self, folder: Path, images_seen: int) -> None:
        self.path = folder / "log.jsonl"
        if self.path.is_file():
            lines = self.path.read_text(errors="replace").splitlines(keepends=True)
            with written_whole(self.path) as path:
                path.write_text("".join(line for line in lines if _seen(line) <= images_seen))
        try:
            from torch.utils.tensorboard import SummaryWriter

            self.board: Any = SummaryWriter(str(folder / "tensorboard"), purge_step=images_seen + 1)
        except ImportError:
            self.board = None

    def write(self, images_seen: int, rate: float, tally: Tally) -> dict[str, float]:
        means = {name: total / count for name, (total, count) in tally.sums.items()}
        line = {"images_seen": images_seen, "images_per_second": rate, "non_finite": float(tally.bad), **means}
        with self.path.open("a") as handle:
            handle.write(json.dumps(line) + "\n")
        if self.board:
            for name, value in line.items():
                self.board.add_scalar(name, value, images_seen)
        return line


def _seen(line: str) -> float:
    """The images_seen of a line of a log; infinity if the line is cut off."""
    try:
        return float(json.loads(line)["images_seen"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return math.inf


def step(phase: Phase, state: StepState[Any, Any], caller: nn.Module | None = None) -> tuple[Terms, bool]:
    """One optimiser step of a phase, whose loss is called through `caller` if there is one. Returns its terms, and whether the
    gradients were finite (if not, no step is made)."""
    scale = phase.lr_scale(state.clock)
    for group in phase.optimiser.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * scale
    phase.module.requires_grad_(True)
    phase.optimiser.zero_grad(set_to_none=True)
    terms = caller(phase.loss, state) if caller else phase.loss(state)
    torch.stack(list(terms.values())).sum().backward()
    phase.module.requires_grad_(False)
    grads = [p.grad for p in phase.module.parameters() if p.grad is not None]
    finite = bool(torch.isfinite(torch.stack([g.sum() for g in grads]).sum()))
    if finite:
        if phase.clip < math.inf:
            nn.utils.clip_grad_norm_(phase.module.parameters(), phase.clip)
        phase.optimiser.step()
    return terms, finite


def train(
    task: Task,
    run: Path,
    config: LoopConfig,
    report: Callable[[dict[str, float]], None] = lambda line: None,
    *,
    begin: int = 0,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Train until `config.images`, from the state in `run` if there is one, else from the task as it is, whose modules have
    seen `begin` examples. Once `stopped` says so, in any process, the step is finished and the state saved."""
    device = device_of(next(iter(task.modules.values())))
    clock, random, tally = Clock(begin, config.batch), RandomStreams.seeded(config.seed, device), Tally()
    callers = {phase.module: data_parallel(phase.module) for phase in task.phases}
    for module in task.modules.values():
        module.requires_grad_(False)
    if (run / "state.safetensors").is_file():
        images_seen, tally = load_state(task, random, run / "state.safetensors")
        clock = Clock(images_seen, config.batch)
    log = Log(run, clock.images_seen) if rank() == 0 else None
    saved_at = logged_at = time.monotonic()
    logged_images, stop = clock.images_seen, False
    while clock.images_seen < config.images and not stop:
        positions = torch.randint(len(task), (config.batch,), generator=random.common)
        state = StepState(task.batch(local_shard(positions)), clock, random)
        for phase in task.phases:
            if not phase.due(clock):
                continue
            tally.add(*step(phase, state, callers[phase.module]))
            if tally.bad_in_a_row >= NON_FINITE_IN_A_ROW:
                raise FullheadError(
                    f"{tally.bad_in_a_row} steps in a row had non-finite gradients, the last of phase {phase.name}: lower a "
                    f"learning rate; {run} holds the state of the last save"
                )
        clock = clock.advanced()
        task.after_step(clock)
        if crossed(clock, config.log_every):
            if log:
                now = time.monotonic()
                report(log.write(clock.images_seen, (clock.images_seen - logged_images) / (now - logged_at), tally))
                logged_at, logged_images = now, clock.images_seen
            tally.sums.clear()
        if log and crossed(clock, config.preview_every):
            save_preview(task, run, clock.images_seen)
        if log and time.monotonic() - saved_at > 60 * config.save_minutes:
            save_state(task, clock, random, tally, run / "state.safetensors")
            saved_at = time.monotonic()
        stop = float(mean_over_processes(torch.tensor(float(stopped()), device=device))) > 0
    if log:
        if not stop:
            save_preview(task, run, clock.images_seen)
        save_state(task, clock, random, tally, run / "state.safetensors")


def crossed(clock: Clock, every: int) -> bool:
    """Whether the last step took the count over a multiple of `every`; never of 0."""
    return every > 0 and clock.images_seen // every > (clock.images_seen - clock.batch) // every


def save_preview(task: Task, run: Path, images_seen: int) -> None:
    with written_whole(run / "previews" / f"{images_seen:09d}.png") as path:
        Image.fromarray(task.preview()).save(path)


def optimisers(task: Task) -> dict[str, torch.optim.Optimizer]:
    """Each distinct optimiser under the name of its first phase."""
    found: dict[int, tuple[str, torch.optim.Optimizer]] = {}
    for phase in task.phases:
        found.setdefault(id(phase.optimiser), (phase.name, phase.optimiser))
    return dict(found.values())


def save_state(task: Task, clock: Clock, random: RandomStreams, tally: Tally, path: Path) -> None:
    """Everything resuming needs, in one file."""
    tensors: dict[str, Tensor] = {"random": random.common.get_state(), "random_rank": random.own.get_state()}
    for name, module in task.modules.items():
        tensors |= {f"{name}/{key}": value.cpu().contiguous() for key, value in module.state_dict().items()}
    for name, optimiser in optimisers(task).items():
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{name}/{index}/{key}": value.cpu().contiguous() for key, value in state.items()}
    with written_whole(path) as temporary:
        save_file(tensors, temporary, metadata={"images_seen": str(clock.images_seen), "tally": json.dumps(asdict(tally))})


def load_state(task: Task, random: RandomStreams, path: Path) -> tuple[int, Tally]:
    """Put a saved state back, strictly. Returns the images that it has seen, and what the log's next line has so far.

    Raises FullheadError where the file is damaged, or is of another config than the task.
    """
    with reading(path, AGAIN):
        with safe_open(path, framework="pt") as handle:
            tensors = {key: handle.get_tensor(key) for key in handle.keys()}  # noqa: SIM118
            about = handle.metadata() or {}
        images_seen, tally = int(about["images_seen"]), Tally(**json.loads(about.get("tally", "{}")))
        random.common.set_state(tensors.pop("random"))
        stream = tensors.pop("random_rank")
    if rank() == 0 and stream.numel() == random.own.get_state().numel():
        random.own.set_state(stream)
    else:  # the file is the first process's, perhaps of another kind of device: this process starts a stream of its own
        random.own.manual_seed(images_seen * 1_000_003 + rank())
    try:
        for name, module in task.modules.items():
            own = [key for key in tensors if key.startswith(f"{name}/")]
            module.load_state_dict({key.removeprefix(f"{name}/"): tensors.pop(key) for key in own})
        for name, optimiser in optimisers(task).items():
            state: dict[int, dict[str, Tensor]] = defaultdict(dict)
            parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
            for key in [key for key in tensors if key.startswith(f"optimiser/{name}/")]:
                index, entry = key.removeprefix(f"optimiser/{name}/").split("/")
                state[int(index)][entry] = value = tensors.pop(key)
                if value.ndim and value.shape != parameters[int(index)].shape:
                    raise ValueError(f"{key} has another shape")
            optimiser.load_state_dict({**optimiser.state_dict(), "state": dict(state)})
        if tensors:
            raise ValueError(f"the run has no {next(iter(tensors))}")
    except (RuntimeError, ValueError, IndexError) as error:
        hint = "leave --set away, or begin a new run with it"
        raise FullheadError(f"the run's settings do not fit its state {path} ({in_words(error)}): {hint}") from None
    return images_seen, tally
