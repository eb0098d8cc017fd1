"""How well a model of scans does on people it has never seen: a GANHead or an i3DMM, and what scans themselves would get.

    python benchmarks/ganhead_quality.py --model ganhead.safetensors --data out/prepared --name ganhead_quality
    python benchmarks/ganhead_quality.py --model i3dmm.safetensors --data out/prepared --name i3dmm_quality

`--data` is a set of `fullhead prepare` with procedural scans, of which the model has seen the training split only. Three
tables, which docs/metrics.md explains:

    reconstruction   codes fitted to each held-out scan, and its surface compared with the scan's; beside it a training scan
    animation        GANHead only: codes of a held-out person's neutral scan, posed by the rig's parameters of their other scans
    samples          random heads against held-out scans; beside it as many training scans (the floor)

Writes benchmarks/results/<name>.json. Everything is drawn from fixed seeds. Minutes a scan: with `--codes FOLDER` the codes
that were found are kept there, and a stopped run goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from safetensors.torch import load_file as load_tensors
from safetensors.torch import save_file

from common import write_result
from fullhead.core.errors import FullheadError
from fullhead.core.tri_mesh import TriMesh
from fullhead.data.scan_distances import ScanDistances
from fullhead.data.scan_set import ScanSet
from fullhead.families.opening import load
from fullhead.io.files import written_whole
from fullhead.metrics.features import load_features
from fullhead.metrics.geometry import NEAR, Samples, surface_metrics
from fullhead.metrics.samples import (
    NORMAL_SPACE,
    sample_figures,
    samples_of_mesh,
    samples_of_scan,
    views_of_mesh,
    views_of_scan,
)
from fullhead.models.checkpoint import read_header
from fullhead.models.ganhead import GANHead, GANHeadCodes, colour_pose
from fullhead.models.head import HeadPose, RenderOptions
from fullhead.models.hub import model_file
from fullhead.models.i3dmm import I3DMM
from fullhead.models.i3dmm import GANHeadCodes as I3DMMCodes
from fullhead.rig.cube import template_in_cube
from fullhead.rig.template import load_template
from fullhead.training.i3dmm import CodeFitConfig, LossConfig, fit_codes
from fullhead.viewing.study import save_study_pictures

POINTS = 100_000  # on a model's surface, for comparisons with a scan
Model = GANHead | I3DMM
Row = dict[str, float]


def compared(found: Samples, truth: Samples, millimetres: float) -> Row:
    alike = surface_metrics(found, truth)
    row = {"chamfer": alike.chamfer, "chamfer_mm": alike.chamfer * millimetres, "f_score": alike.f_score}
    return row | {"normal_consistency": alike.normal_consistency, "colour_error": alike.colour_error or 0.0}


def mean_of(rows: Sequence[Row]) -> Row:
    return {"scans": len(rows), **{name: float(np.mean([row[name] for row in rows])) for name in rows[0]}}


def ganhead_codes(model: GANHead, scans: ScanSet, scan: int) -> GANHeadCodes:
    """GANHeadCodes of a scan whose rig parameters are known."""
    from fullhead.fitting.fit_scan import FitScanConfig, fitted_looks, fitted_shape

    who = slice(scan, scan + 1)
    expression, pose = scans.expression[who], scans.joint_pose[who]
    motion = model.motion(scans.shape[who], expression, pose)
    config, random, own = FitScanConfig(), torch.Generator().manual_seed(0), scans.samples(scan)
    shape = fitted_shape(model, motion, own.near, own.uniform, config, random)
    detail, colour = fitted_looks(model, motion, colour_pose(expression, pose), shape, own.surface, config, random)
    return GANHeadCodes(shape, detail, colour, scans.shape[who])


def neutral_of(scans: ScanSet, scan: int) -> int | None:
    """The scan of the same person with no expression, if there is another."""
    same = (i for i in range(len(scans)) if scans.identities[i] == scans.identities[scan] and i != scan)
    return next((i for i in same if not scans.expression[i].any()), None)


def posed_as(model: GANHead, codes: GANHeadCodes, scans: ScanSet, scan: int, resolution: int) -> TriMesh[torch.Tensor]:
    who = slice(scan, scan + 1)
    pose = HeadPose(scans.expression[who], scans.joint_pose[who])
    return model.decode(codes, pose, RenderOptions(resolution=resolution)).posed[0]


def sampled(model: Model, training: ScanSet, seed: int, resolution: int) -> TriMesh[torch.Tensor]:
    """A random head; a GANHead's in the expression and pose of a random training scan."""
    random = torch.Generator().manual_seed(seed)
    latents = model.sample_latents(1, random)
    if isinstance(model, GANHead):
        return posed_as(model, latents, training, int(training.draw(1, random)), resolution)
    return model.decode(latents, None, RenderOptions(resolution=resolution)).posed[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a GANHead or an i3DMM, file or name")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scans", type=int, default=1000, help="held-out scans at most")
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--fit-steps", type=int, default=800, help="of i3DMM's codes")
    parser.add_argument("--fit-points", type=int, default=16384, help="of i3DMM's codes, in a step")
    parser.add_argument("--codes", type=Path, help="keep the codes found for each scan there")
    parser.add_argument("--pictures", type=Path, help="also write the samples there, as a method of `fullhead study`")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--name", default="ganhead_quality", help="of the file in benchmarks/results")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = load(arguments.model)
    if not isinstance(model, (GANHead, I3DMM)):
        raise SystemExit(f"{arguments.model} holds a {type(model).__name__}, not a GANHead or an i3DMM")
    training, held_out = ScanSet(arguments.data), ScanSet(arguments.data, "held_out")
    if held_out.about["rig"] != "template":
        raise FullheadError(f"{arguments.data} was prepared with another rig than our template")
    cube, start = template_in_cube(load_template()), time.perf_counter()
    pivot, millimetres = cube.rig().joints[0, 0].numpy(), cube.millimetres
    chosen = [int(i) for i in np.linspace(0, len(held_out) - 1, min(arguments.scans, len(held_out)))]
    fit = replace(CodeFitConfig(), steps=arguments.fit_steps, loss=LossConfig(points=arguments.fit_points, near=0.75))
    rng = np.random.RandomState(0)

    def against(mesh: TriMesh[torch.Tensor], scan: int) -> Row:
        return compared(
            samples_of_mesh(mesh, POINTS, np.random.RandomState(scan)), samples_of_scan(held_out, scan), millimetres
        )

    distances = ScanDistances(held_out)
    settings = f"{arguments.fit_steps} {arguments.fit_points}".encode()
    known_by = hashlib.sha256(model_file(arguments.model).read_bytes() + settings).hexdigest()[:16]

    @cache
    def codes_of(scan: int) -> GANHeadCodes | I3DMMCodes:
        kept = arguments.codes / f"{known_by}-{held_out.names[scan]}.safetensors" if arguments.codes else None
        if kept and kept.is_file():
            return (GANHeadCodes if isinstance(model, GANHead) else I3DMMCodes)(**load_tensors(kept))
        if isinstance(model, GANHead):
            codes = ganhead_codes(model, held_out, scan)
        else:
            codes = fit_codes(model, distances, scan, fit, torch.Generator().manual_seed(0))[0]
        if kept:
            with written_whole(kept) as path:
                save_file({name: value.contiguous() for name, value in vars(codes).items()}, path)
        return codes

    def surface(codes: GANHeadCodes | I3DMMCodes, scan: int) -> TriMesh[torch.Tensor]:
        if isinstance(model, GANHead) and isinstance(codes, GANHeadCodes):
            return posed_as(model, codes, held_out, scan, arguments.resolution)
        return model.decode(codes, None, RenderOptions(resolution=arguments.resolution)).posed[0]

    others = [int(rng.randint(len(training))) for _ in chosen]
    rows = [against(surface(codes_of(scan), scan), scan) for scan in track(chosen, "fits")]
    floor = [
        compared(samples_of_scan(training, other), samples_of_scan(held_out, scan), millimetres)
        for other, scan in zip(others, chosen, strict=True)
    ]
    figures: dict[str, object] = {"reconstruction": {"fitted": mean_of(rows), "a training scan instead": mean_of(floor)}}
    if isinstance(model, GANHead):
        pairs = [(scan, still) for scan in chosen if (still := neutral_of(held_out, scan)) is not None]
        moved = [against(surface(codes_of(still), scan), scan) for scan, still in track(pairs, "fits of neutral scans")]
        if moved:
            figures["animation"] = mean_of(moved)
    scans = [views_of_scan(held_out, scan, np.random.RandomState(scan)) for scan in range(len(held_out))]
    found = [
        views_of_mesh(sampled(model, training, seed, arguments.resolution), pivot, np.random.RandomState(seed))
        for seed in track(range(arguments.samples), "samples")
    ]
    few = rng.permutation(len(training))[: arguments.samples]
    seen = [views_of_scan(training, int(scan), np.random.RandomState(int(scan))) for scan in few]
    network = load_features()
    figures["samples"] = {
        "drawn": sample_figures(found, scans, network),
        "training scans": sample_figures(seen, scans, network),
    }
    if arguments.pictures:
        save_study_pictures(found, arguments.pictures)
    write_result(
        arguments.name,
        figures,
        model=Path(arguments.model).name,
        about=read_header(model_file(arguments.model))["about"],
        colour_space=network.name,
        normal_space=NORMAL_SPACE,
        f_score_within=NEAR,
        resolution=arguments.resolution,
        seconds=time.perf_counter() - start,
    )


if __name__ == "__main__":
    main()
