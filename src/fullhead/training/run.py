"""A training run from names: build the task, train or go on, and leave models behind."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
import torch.distributed as dist
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from fullhead.core.config import from_dict, overridden, to_dict
from fullhead.core.devices import device_named
from fullhead.core.errors import FullheadError
from fullhead.core.files import written_whole
from fullhead.data.photos import PhotoSet
from fullhead.models.checkpoint import save
from fullhead.training.loop import Clock, load_state, train
from fullhead.training.panohead import PanoHeadTask
from fullhead.training.presets import RUNS, RunConfig

SHOWN = ("images_per_second", "G/adversarial", "D/real", "D/fake", "D/r1_image", "D/r1_mask", "G/camera")


def run_config(preset: str, run: Path, settings: list[str]) -> RunConfig:
    """The config of a run: its own if it exists already (settings then change only that), else the preset's."""
    if preset not in RUNS:
        raise FullheadError(f"no training preset {preset}: there is {', '.join(RUNS)}")
    path = run / "config.json"
    if path.is_file():
        stored = json.loads(path.read_text())
        if stored["preset"] != preset:
            raise FullheadError(f"{run} is a run of {stored['preset']}, not of {preset}: choose another folder")
        return overridden(from_dict(RunConfig, stored["config"]), settings)
    if run.exists() and any(run.iterdir()):
        raise FullheadError(f"{run} is not empty and not a run: choose another folder")
    return overridden(RUNS[preset], settings)


def train_run(
    preset: str, photos: Path, run: Path, settings: list[str], *, export_only: bool = False, device: str = "auto"
) -> None:
    """Train `preset` on the set `photos` in the folder `run`, or go on with it; see `fullhead train`."""
    where = device_named(device)
    config = run_config(preset, run, settings)
    if "RANK" in os.environ and not dist.is_initialized():  # under torchrun
        where = join_processes(where)
    torch.manual_seed(config.loop.seed)
    task = PanoHeadTask(config.task, photo_set(photos, config), where)
    first = not dist.is_initialized() or dist.get_rank() == 0
    try:
        if not export_only:
            if first:
                with written_whole(run / "config.json") as path:
                    path.write_text(json.dumps({"preset": preset, "config": to_dict(config)}, indent=1))
            _train(task, run, config, quiet=not first)
    finally:
        if first and (run / "state.safetensors").is_file():
            export(task, run, photos, preset)
        if dist.is_initialized():
            dist.destroy_process_group()


def join_processes(device: torch.device) -> torch.device:
    """Join the processes that torchrun started; each gets a GPU of its own if GPUs are what they compute on."""
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        if device.index >= torch.cuda.device_count():
            raise FullheadError(f"no GPU for process {device.index}: start as many processes as there are, or say --device cpu")
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device


def photo_set(root: Path, config: RunConfig) -> PhotoSet:
    """The balanced set of a run; its images must have the model's size."""
    c = config.photos
    photos = PhotoSet(root, yaw_range=(c.min_yaw, c.max_yaw), back_repeat=c.back_repeat, mirror=c.mirror)
    if photos.size != config.task.generator.image_size:
        raise FullheadError(
            f"{root} has images of {photos.size} pixels, the model makes {config.task.generator.image_size}: write a set with "
            f"`fullhead synth photos OUT --size {config.task.generator.image_size}`"
        )
    return photos


def _train(task: PanoHeadTask, run: Path, config: RunConfig, *, quiet: bool) -> None:
    columns = [TextColumn("{task.completed:.0f} images"), BarColumn(), TimeRemainingColumn(), TextColumn("{task.description}")]
    console = Console()
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as progress:
        bar = progress.add_task("", total=config.loop.images)

        def report(line: dict[str, float]) -> None:
            text = "  ".join(f"{name} {line[name]:.3g}" for name in SHOWN if name in line)
            progress.update(bar, completed=line["images_seen"], description=text)
            if not console.is_terminal:
                console.print(f"{line['images_seen']:.0f} images  {text}", highlight=False, soft_wrap=True)

        train(task, run, config.loop, report)


def export(task: PanoHeadTask, run: Path, photos: Path, preset: str) -> None:
    """Write the averaged generator and the discriminator of a run's saved state, in half precision."""
    clock = Clock(0, task.config.discriminator.group, torch.Generator(), torch.Generator())
    load_state(task, clock, run / "state.safetensors")
    about = {"preset": preset, "images_seen": clock.images_seen, "photos": photos.name}
    save(task.G_ema, run / "model.safetensors", dtype=torch.float16, about=about)
    save(task.D, run / "discriminator.safetensors", dtype=torch.float16, about=about)
