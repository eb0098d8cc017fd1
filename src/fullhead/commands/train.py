"""`fullhead train`: a model from photos or scans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from fullhead.commands.options import Device
from fullhead.core.errors import FullheadError
from fullhead.io.files import check_place


def train(
    preset: Annotated[str, tyro.conf.Positional],
    data: Annotated[Path, tyro.conf.Positional],
    run: Annotated[Path, tyro.conf.Positional],
    set: tuple[str, ...] = (),
    warm_start: tuple[str, ...] = (),
    export_only: bool = False,
    device: Device = "auto",
) -> None:
    """Train a model on a set of photos (as `fullhead synth photos` writes) or scans (`fullhead prepare`), or go on with a run.

    The run's folder gets config.json, log.jsonl, previews/, state.safetensors (all that going on needs), and at the end
    model.safetensors, of a GAN discriminator.safetensors too. Ctrl-C and SIGTERM finish the step, then write them. Several
    processes: torchrun --nproc-per-node 2 -m fullhead.cli train and the same options; each process should have its own core
    (OMP_NUM_THREADS=1).

    Args:
        preset: A run by name; `fullhead presets` lists them.
        data: Folder of the set.
        run: Folder of the run. One that exists goes on where it stopped, with its own config.
        set: Changes to the preset, as in task.gan.r1_gamma=2 loop.batch=16.
        warm_start: Models that a new run begins with, by name, file, folder or hub id: of a GAN the generator, the
            discriminator and the encoder, as in panohead-demo panohead-demo-d panohead-demo-e. Schedules go on from where
            those were. A run that exists has its own state.
        export_only: Write the models of a run's present state and do not train.
        device: Where to compute: auto is cuda if there is one, else cpu.
    """
    from fullhead.families.table import all_runs
    from fullhead.training.run import train_run

    check_place(run, folder=True)
    runs = all_runs()
    if preset not in runs:
        raise FullheadError(f"no training preset {preset}: there is {', '.join(runs)}")
    train_run(preset, runs[preset], data, run, list(set), warm_start=warm_start, export_only=export_only, device=device)
