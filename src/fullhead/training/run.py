"""A training run from names: build the task, train or go on, and leave models behind."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.distributed as dist
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from fullhead.core.devices import device_named
from fullhead.core.errors import FullheadError, about, in_words
from fullhead.io.config import from_dict, overridden, to_dict
from fullhead.io.files import one_at_work, written_whole
from fullhead.io.reading import read_json, reading
from fullhead.models.checkpoint import read_header, read_module, save
from fullhead.models.hub import model_file
from fullhead.training.distributed import join_processes, rank
from fullhead.training.loop import AGAIN, LoopConfig, RandomStreams, Task, load_state, train

HIDDEN = ("images_seen", "non_finite")  # of the log, in the line that shows how the run goes


class RunConfig(Protocol):
    """A whole training run: a frozen dataclass."""

    @property
    def loop(self) -> LoopConfig: ...

    def build(self, data: Path, device: torch.device) -> Task:
        """The task on the set in the folder `data`. FullheadError if the two do not fit."""
        ...


def run_config(preset: str, default: RunConfig, run: Path, settings: list[str]) -> RunConfig:
    """The config of a run of the preset `default`: its own if it exists already (settings then change only that)."""
    path = run / "config.json"
    if path.is_file():
        stored = read_config(path)
        if stored["preset"] != preset:
            raise FullheadError(f"{run} is a run of {stored['preset']}, not of {preset}: choose another folder")
        own = from_dict(type(default), stored["config"])
        config = overridden(own, settings)
        if config.loop.seed != own.loop.seed:
            raise FullheadError(f"{run} began with loop.seed={own.loop.seed}, which cannot change: begin a new run")
        return config
    if run.exists() and any(path.name[0] != "." for path in run.iterdir()):
        raise FullheadError(f"{run} is not empty and not a run: choose another folder")
    return overridden(default, settings)


def read_config(path: Path) -> dict[str, Any]:
    """What a run's config.json holds. FullheadError if it is damaged."""
    stored = read_json(path, AGAIN)
    with reading(path, AGAIN):
        if not isinstance(stored["preset"], str) or not isinstance(stored["config"], dict):
            raise ValueError("no preset or no config in it")
    return stored


def train_run(
    preset: str,
    default: RunConfig,
    data: Path,
    run: Path,
    settings: list[str],
    *,
    warm_start: Sequence[str] = (),
    export_only: bool = False,
    device: str = "auto",
) -> None:
    """Train the run `default`, whose name is `preset`, on the set `data` in the folder `run`, or continue it.

    Ctrl-C and SIGTERM finish the step, save and then come as a KeyboardInterrupt. Raises FullheadError, before anything is
    written, where config, set and state do not fit each other, or another process trains the same run.
    """
    where, state = device_named(device), run / "state.safetensors"
    if export_only and not state.is_file():
        raise FullheadError(f"{run} is no run with a saved state: there is nothing to export")
    config, processes = run_config(preset, default, run, settings), int(os.environ.get("WORLD_SIZE", "1"))
    if config.loop.batch % processes:
        raise FullheadError(f"a batch of {config.loop.batch} cannot be shared by {processes} processes: change loop.batch")
    if "RANK" in os.environ and not dist.is_initialized():  # under torchrun
        where = join_processes(where)
    torch.manual_seed(config.loop.seed)
    first = rank() == 0
    with ExitStack() as stack:
        if first and not export_only:
            stack.enter_context(one_at_work(run))
        task = config.build(data, where)
        going_on, begin = state.is_file(), 0
        if going_on:
            begin, _ = load_state(task, RandomStreams.seeded(0), state)
        elif warm_start:
            begin = max(map(partial(begin_with, task), warm_start))
        signals = stack.enter_context(noted_signals())
        if first and not export_only:
            write_config(run / "config.json", preset, config)
            if going_on and begin >= config.loop.images:
                print(f"{run} is finished: {begin} images, of loop.images={config.loop.images}; --set a larger number to go on")
            else:
                print(f"{preset} on {where}, {len(task)} examples: {begin} of {config.loop.images} images seen", flush=True)
        try:
            if not export_only:
                _train(task, run, config, begin, signals, quiet=not first)
        finally:
            if first and state.is_file():
                print("Wrote", ", ".join(map(str, save_results(task, run, data, preset, config))))
            if dist.is_initialized():
                dist.destroy_process_group()
    if signals:
        if first:
            print(f"Stopped. What is learnt is in {run}; run the same command again to go on.")
        raise KeyboardInterrupt


def write_config(path: Path, preset: str, config: RunConfig) -> None:
    """Keep a run's config. What the run began with stays in it once settings change."""
    stored: dict[str, Any] = {"preset": preset, "config": to_dict(config)}
    if path.is_file():
        old = read_config(path)
        began = old.get("began", old["config"])
        stored |= {"began": began} if began != json.loads(json.dumps(stored["config"])) else {}
    with written_whole(path) as beside:
        beside.write_text(json.dumps(stored, indent=1))


@contextmanager
def noted_signals() -> Iterator[list[int]]:
    """Inside the block Ctrl-C and SIGTERM only note themselves in the list that is yielded: what is at work is finished first.
    Those that are ignored stay so. In a thread other than the main one nothing changes."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def begin_with(task: Task, model: str) -> int:
    """Give a new run's modules of one kind the weights of a model by name, file, folder or hub id; returns the examples that
    those have seen. Raises FullheadError if the run has no such module, or one of another size."""
    path = model_file(model)
    kind = read_header(path)["family"]
    modules = [module for module in task.modules.values() if module.model_type == kind]
    if not modules:
        kinds = " and a ".join(sorted({module.model_type for module in task.modules.values()}))
        raise FullheadError(f"cannot start from {model}, a {kind}: this run trains a {kinds}")
    source = read_module(path, type(modules[0]))
    for module in modules:
        try:
            module.load_state_dict(source.state_dict())
        except RuntimeError as error:
            raise FullheadError(f"cannot start from {model}, whose config is another one: {in_words(error)}") from None
    return read_header(path)["about"].get("images_seen", 0)


def _train(task: Task, run: Path, config: RunConfig, begin: int, signals: list[int], *, quiet: bool) -> None:
    columns = [TextColumn("{task.completed:.0f} images"), BarColumn(), TimeRemainingColumn(), TextColumn("{task.description}")]
    console = Console()
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as progress:
        bar = progress.add_task("", total=config.loop.images)

        def report(line: dict[str, float]) -> None:
            text = "  ".join(f"{name} {value:.3g}" for name, value in line.items() if name not in HIDDEN)
            progress.update(bar, completed=line["images_seen"], description=text)
            if not console.is_terminal:
                left = about(max(config.loop.images - line["images_seen"], 0) / line["images_per_second"])
                console.print(f"{line['images_seen']:.0f} images, {left} to go  {text}", highlight=False, soft_wrap=True)

        train(task, run, config.loop, report, begin=begin, stopped=lambda: bool(signals))


def save_results(task: Task, run: Path, data: Path, preset: str, config: RunConfig) -> list[Path]:
    """Write what a run's saved state is for, in half precision; returns the files."""
    images_seen, _ = load_state(task, RandomStreams.seeded(0), run / "state.safetensors")
    record = {"preset": preset, "images_seen": images_seen, "data": data.name}
    results = {run / f"{name}.safetensors": module for name, module in task.results.items()}
    for path, module in results.items():
        save(module, path, dtype=torch.float16, about=record)
    return list(results)
