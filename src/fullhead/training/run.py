"""A training run from names: build the task, train or go on, and leave models behind."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import torch
import torch.distributed as dist
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from fullhead.core.devices import device_named
from fullhead.core.errors import FullheadError, in_words
from fullhead.io.config import from_dict, overridden, to_dict
from fullhead.io.files import written_whole
from fullhead.models.checkpoint import read_header, read_module, save
from fullhead.models.hub import model_file
from fullhead.training.distributed import join_processes, rank
from fullhead.training.loop import LoopConfig, RandomStreams, Task, load_state, train

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
        stored = json.loads(path.read_text())
        if stored["preset"] != preset:
            raise FullheadError(f"{run} is a run of {stored['preset']}, not of {preset}: choose another folder")
        return overridden(from_dict(type(default), stored["config"]), settings)
    if run.exists() and any(run.iterdir()):
        raise FullheadError(f"{run} is not empty and not a run: choose another folder")
    return overridden(default, settings)


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
    """Train the run `default`, whose name is `preset`, on the set `data` in the folder `run`, or continue it."""
    where = device_named(device)
    config = run_config(preset, default, run, settings)
    if "RANK" in os.environ and not dist.is_initialized():  # under torchrun
        where = join_processes(where)
    torch.manual_seed(config.loop.seed)
    task = config.build(data, where)
    first = rank() == 0
    going_on = export_only or (run / "state.safetensors").is_file()
    begin = 0 if going_on else max(map(partial(begin_with, task), warm_start), default=0)
    try:
        if not export_only:
            if first:
                with written_whole(run / "config.json") as path:
                    path.write_text(json.dumps({"preset": preset, "config": to_dict(config)}, indent=1))
            _train(task, run, config, begin, quiet=not first)
    finally:
        if first and (run / "state.safetensors").is_file():
            save_results(task, run, data, preset, config)
        if dist.is_initialized():
            dist.destroy_process_group()


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


def _train(task: Task, run: Path, config: RunConfig, begin: int, *, quiet: bool) -> None:
    columns = [TextColumn("{task.completed:.0f} images"), BarColumn(), TimeRemainingColumn(), TextColumn("{task.description}")]
    console = Console()
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as progress:
        bar = progress.add_task("", total=config.loop.images)

        def report(line: dict[str, float]) -> None:
            text = "  ".join(f"{name} {value:.3g}" for name, value in line.items() if name not in HIDDEN)
            progress.update(bar, completed=line["images_seen"], description=text)
            if not console.is_terminal:
                console.print(f"{line['images_seen']:.0f} images  {text}", highlight=False, soft_wrap=True)

        train(task, run, config.loop, report, begin=begin)


def save_results(task: Task, run: Path, data: Path, preset: str, config: RunConfig) -> None:
    """Write what a run's saved state is for, in half precision."""
    images_seen = load_state(task, RandomStreams.seeded(0), run / "state.safetensors")
    about = {"preset": preset, "images_seen": images_seen, "data": data.name}
    for name, module in task.results.items():
        save(module, run / f"{name}.safetensors", dtype=torch.float16, about=about)
