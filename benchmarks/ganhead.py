"""Processor seconds of a full-size GANHead's parts on one thread: the rows of the original's own benchmark, and ours.

    OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 python benchmarks/ganhead.py [--name ganhead]

Writes benchmarks/results/<name>.json. The deformation networks are fitted to the rig, the geometry to the rig's head, for some
hundred steps each, so that surfaces and searches behave; normals and colours are as initialised. Steps of training are those of
the published sizes on one procedural scan; one of them does the published program's work with our kernels, which tells what
doing less is worth on the machine at hand.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from common import times, write_result
from fullhead.data.prepare import Prepared
from fullhead.data.scan_samples import SampleConfig
from fullhead.data.scans import find_scans
from fullhead.io.sets import write_set
from fullhead.kernels.allocator import keep_memory
from fullhead.kernels.tree import mesh_tree
from fullhead.models.ganhead import GANHead, GANHeadConfig, sized_for
from fullhead.models.head import HeadPose
from fullhead.representations.canonical_field import INVALID, CanonicalHead, CanonicalPoints, Volume
from fullhead.representations.correspondence import (
    Candidates,
    attach_implicit_grad,
    find_correspondences,
    find_correspondences_by_voxels,
    voxelised,
)
from fullhead.representations.deformer import Warp
from fullhead.rig.cube import template_in_cube
from fullhead.rig.template import load_template
from fullhead.synth.datasets.options import ScansOptions
from fullhead.synth.datasets.scans import Scans
from fullhead.training.loop import Clock, Phase, RandomStreams, StepState, step
from fullhead.training.presets import RUNS

STEPS = 300
POSE = [[0.1, 0.3, 0.05], [0.2, 0.1, -0.1], [0.25, 0.0, 0.0], [0.1, 0.2, 0.0], [0.05, -0.1, 0.0]]  # every bone moves


def fitted(steps: int) -> GANHead:
    """A model whose bases, shape removal and geometry are near the rig's."""
    torch.manual_seed(0)
    rig = template_in_cube(load_template()).rig
    config = sized_for(GANHeadConfig(scans=2), rig)
    model = GANHead(config, rig)
    nn.init.normal_(model.shape_codes.weight, std=0.3)
    canonical = model.canonical_pose()
    at_rest = rig(None, None, canonical).vertices[0]
    inside = (at_rest.abs() <= 1).all(dim=-1).nonzero()[:, 0]
    with torch.no_grad():
        volume = model.volume(model.codes(torch.tensor([0])))
    tree = mesh_tree(at_rest.numpy(), rig.faces.numpy())
    parameters = [*model.deformer.parameters(), *model.canonical.geometry.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=2e-3)
    for _ in range(steps):
        rows = inside[torch.randint(len(inside), (1000,))]
        shapes = 0.7 * torch.randn(2, config.deformer.shapes)
        canonical_vertices = rig(shapes, None, canonical).vertices[:, rows]
        scan = torch.arange(2).repeat_interleave(len(rows))
        neutral = model.deformer.neutral(canonical_vertices.flatten(0, 1), scan, shapes).view(2, -1, 3)
        weights, expression, pose = model.deformer.bases(at_rest[rows])
        loss = 10 * (neutral - at_rest[rows]).square().mean()
        loss = loss + 0.2 * (weights - rig.skin_weights[rows]).square().sum(dim=-1).mean()
        loss = loss + 100 * (expression - rig.expression_basis[:, rows].permute(1, 2, 0)).square().sum(dim=(1, 2)).mean()
        loss = loss + 100 * (pose - rig.pose_basis[:, rows].transpose(0, 1)).square().sum(dim=(1, 2)).mean()
        near = at_rest[inside[torch.randint(len(inside), (2000,))]] + 0.05 * torch.randn(2000, 3)
        points = torch.cat([near, 2 * torch.rand(500, 3) - 1])
        label = torch.from_numpy(tree.winding(points.numpy()) > 0.5).float()
        logit = model.canonical.occupancy(volume, points, torch.zeros(len(points), dtype=torch.long))
        loss = loss + nn.functional.binary_cross_entropy_with_logits(logit, label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model.eval().requires_grad_(False)


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", type=int, default=300, help="steps of fitting to the rig")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--name", default="ganhead", help="of the file in benchmarks/results")
    arguments = parser.parse_args()
    keep_memory()  # as the command line does
    torch.set_num_threads(1)
    with torch.enable_grad():
        model = fitted(arguments.fit)
    runs, n = arguments.runs, arguments.points
    codes = model.codes(torch.tensor([0]), 0.7 * torch.randn(1, model.config.deformer.shapes))
    volume = model.volume(codes)
    figures: dict[str, Any] = {}

    x, scan = 2 * torch.rand(65536, 3) - 1, torch.zeros(65536, dtype=torch.long)
    figures["65,536 points"] = {
        "geometry (G)": min(times(lambda: model.canonical.occupancy(volume, x, scan), runs)),
        "shape removal (D)": min(times(lambda: model.deformer.neutral(x, scan, codes.rig_shape), runs)),
        "bases (C)": min(times(lambda: model.deformer.bases(x), runs)),
    }
    figures["feature generator"] = min(times(lambda: model.volume(codes), runs))

    found = {r: model.canonical_surface(codes, volume, r) for r in (64, 128, 256)}
    figures["surface"] = {str(r): min(times(lambda r=r: model.canonical_surface(codes, volume, r), runs)) for r in found}
    figures["surface, vertices"] = {str(r): len(s.vertices) for r, s in found.items()}
    mesh = model.canonical_mesh(codes, volume, 128)
    expression = 0.3 * torch.rand(1, len(model.rig.expression_names))
    pose = torch.tensor([POSE])
    posed = HeadPose(expression, pose)
    figures["mesh 128 with bases, normals and features"] = min(times(lambda: model.canonical_mesh(codes, volume, 128), runs))
    figures["posing it, without colours"] = min(times(lambda: model.posed_vertices(codes, mesh, posed), runs))
    figures["posing it, with colours"] = min(times(lambda: model.posed_mesh(codes, mesh, posed), runs))

    figures |= searches(model, codes.rig_shape, mesh.vertices, expression, pose, n, runs)
    with torch.enable_grad():
        figures["step of training, one scan"] = training_steps(model, runs)
    write_result(arguments.name, figures, threads=1, fit_steps=arguments.fit, points=n, starts=5, runs=runs)


def searches(
    model: GANHead, shape: Tensor, vertices: Tensor, expression: Tensor, pose: Tensor, n: int, runs: int
) -> dict[str, Any]:
    """Root searches of n points about the surface, in a pose in which every bone has turned."""
    warp = model.deformer.warp(model.motion(shape, expression, pose))
    x = vertices[torch.randint(len(vertices), (n,))] + 0.02 * torch.randn(n, 3)
    scan = torch.zeros(n, dtype=torch.long)
    posed = warp.posed(x, scan)[0]

    def at_rest() -> Any:
        still = model.deformer.warp(model.motion(shape, expression, pose * torch.tensor([1.0, 0, 1, 0, 0])[:, None]))
        return still, still.posed(x, scan)[0]

    still, still_posed = at_rest()
    low, high = vertices.amin(dim=0, keepdim=True), vertices.amax(dim=0, keepdim=True)

    def by_voxels() -> Any:
        return find_correspondences_by_voxels(warp, voxelised(warp, low, high), posed, scan)

    @torch.enable_grad()
    def training() -> Any:
        model.deformer.requires_grad_(True)
        own = model.deformer.warp(model.motion(shape, expression, pose))
        candidates = find_correspondences(own, posed, scan)
        chosen = candidates.x[torch.arange(n), candidates.found.int().argmax(dim=1)]
        own.neutral(attach_implicit_grad(own, chosen, scan), scan)
        model.deformer.requires_grad_(False)

    ways: dict[str, Callable[[], Any]] = {
        "networks": lambda: find_correspondences(warp, posed, scan),
        "networks, exact Jacobian at the start": lambda: find_correspondences(warp, posed, scan, jacobian=warp.jacobian),
        "networks, neck and eyes at rest": lambda: find_correspondences(still, still_posed, scan),
        "voxels (32), then networks": by_voxels,
    }
    rough = voxelised(warp, low, high)
    ways["voxels alone, made before"] = lambda: find_correspondences(rough, posed, scan)
    rows = {}
    for name, way in ways.items():
        result = way()
        off = (result.x - x[:, None]).norm(dim=-1).masked_fill(~result.found, torch.inf).amin(dim=1)
        rows[name] = {
            "seconds": min(times(way, runs)),
            "evaluations": result.evaluations,
            "points found": result.found.any(dim=1).float().mean().item(),
            "median error": off.median().item(),
            "99th percentile": off.quantile(0.99).item(),
        }
    return {"search": rows, "search for training, with the gradient's graph": min(times(training, runs))}


def training_steps(model: GANHead, runs: int) -> dict[str, float]:
    """A step of each stage on one scan: 2250 labelled points; 2000 points of the surface and one view of 256 x 256."""
    with tempfile.TemporaryDirectory() as folder:
        scans, prepared = Path(folder) / "scans", Path(folder) / "prepared"
        write_set(scans, Scans(ScansOptions(1, 2, resolution=128)), workers=0, quiet=True)
        recipe = Prepared(tuple(find_scans(scans)), SampleConfig(20_000, 20_000, 20_000), held_out=0)
        write_set(prepared, recipe, workers=0, quiet=True)
        task = RUNS["ganhead"].build(prepared, torch.device("cpu"))
    module = task.modules["model"].requires_grad_(False)
    module.load_state_dict(model.state_dict())
    random = RandomStreams.seeded(0)

    def one(phase: Phase, images_seen: int = 1_000) -> None:
        step(phase, StepState(task.batch(torch.tensor([1])), Clock(images_seen, 1), random))

    coarse, fine = task.phases
    found = {"stage one, first epoch": min(times(lambda: one(coarse, 0), runs))}
    found |= {"stage one": min(times(lambda: one(coarse), runs)), "stage two": min(times(lambda: one(fine), runs))}
    with (
        patch(
            "fullhead.training.ganhead.find_correspondences",
            lambda warp, *args, **how: find_correspondences(warp, *args, jacobian=warp.jacobian, **how),
        ),
        patch("fullhead.training.ganhead.select_correspondences", select_among_all),
        patch.object(CanonicalHead, "volume_where_asked", CanonicalHead.volume),
    ):
        return found | {"stage one, with all the work of the published one": min(times(lambda: one(coarse), runs))}


def select_among_all(head: CanonicalHead, volume: Volume, warp: Warp, candidates: Candidates, scan: Tensor) -> CanonicalPoints:
    """As the published program does it: exact Jacobians, D and G at every candidate, with gradients."""
    n, starts = candidates.found.shape
    who = scan.repeat_interleave(starts)
    at = head.at(volume, warp.neutral(attach_implicit_grad(warp, candidates.x.flatten(0, 1), who), who), who)
    logit = at.logit.masked_fill(~candidates.found.flatten(), INVALID)
    rows = starts * torch.arange(n) + logit.view(n, starts).argmax(dim=1)
    return CanonicalPoints(at.x[rows], scan, logit[rows], at.feature[rows], candidates.found.any(dim=1))


if __name__ == "__main__":
    main()
