"""Seconds and memory of a full-size PanoHead on this machine, by stage, with random weights.

    python benchmarks/speed.py --precision bf16 --threads 2

Writes benchmarks/results/speed_<precision>.json. Random weights have no head in them: for the mesh, an egg-shaped density is
added to what the network gives, so that every point costs what it would and the surface has a head's extent.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from common import times, write_result
from fullhead.core.cameras import orbit
from fullhead.export.mesh import extract_mesh
from fullhead.kernels.allocator import keep_memory
from fullhead.models.head import Head, RenderOptions
from fullhead.models.panohead import PanoHead
from fullhead.models.presets import PANOHEADS
from fullhead.representations.volume import render_features
from fullhead.viewing.turntable import render_views, turntable_cameras


class EggHead(PanoHead):
    """A PanoHead whose densities hold an egg of a head's size."""

    def density(self, head: Head, xyz: Tensor) -> Tensor:
        inside = 1 - (xyz / torch.tensor([0.16, 0.21, 0.19])).square().sum(dim=-1, keepdim=True).sqrt()
        return (super().density(head, xyz) + 200 * inside).clamp(min=0)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="panohead-ffhq512")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--meshes", type=int, nargs="*", default=[256, 512])
    arguments = parser.parse_args()
    keep_memory()  # as the command line does
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    model = EggHead(PANOHEADS[arguments.preset]).eval()
    reference = None
    latents, camera = model.seed_latents([0]), orbit(0.4, 0.1)
    options = RenderOptions(precision=arguments.precision)
    if options != RenderOptions():
        reference = model.render(model.decode(latents), camera).image

    head = model.decode(latents, None, options)
    features, _, _ = render_features(lambda x: model.point_values(head, x), model.config.march, camera, 64)
    raw = model.torgb(features, head.w_last)
    ws = latents.w

    def march() -> object:
        return render_features(lambda x: model.point_values(head, x), model.config.march, camera, 64)

    stages: dict[str, Callable[[], object]] = {
        "mapping": lambda: model.seed_latents([1]),
        "backbone": lambda: model.backbone.synthesis(ws, dtype=options.dtype),
        "background": lambda: model.bcg_synthesis(ws[:, : model.bcg_synthesis.num_ws], dtype=options.dtype),
        "march (tri-grid, decoder, compositing)": march,
        "super-resolution": lambda: model.superresolution(raw, features, head.w_last, options.dtype),
        "first frame, from z": lambda: model.render(model.decode(model.seed_latents([2]), None, options), camera, options),
        "further frame": lambda: model.render(head, camera, options),
    }
    seconds = {name: statistics.median(times(function, arguments.runs, time.perf_counter)) for name, function in stages.items()}
    start = time.perf_counter()
    frames = list(render_views(model, model.decode(latents, None, options), turntable_cameras(24), options))
    seconds["turntable of 24 frames"] = time.perf_counter() - start
    memory = {"frames": peak_mb()}
    counts = {"turntable_frames": len(frames)}
    for resolution in arguments.meshes:
        start = time.perf_counter()
        mesh = extract_mesh(model, head, resolution, views=camera[:0])
        seconds[f"mesh {resolution}, coloured by the field"] = time.perf_counter() - start
        memory[f"mesh {resolution}"] = peak_mb()
        counts[f"mesh_{resolution}_vertices"] = len(mesh.vertices)
    start = time.perf_counter()
    extract_mesh(model, head, arguments.meshes[0])
    seconds[f"mesh {arguments.meshes[0]}, coloured by twelve renders"] = time.perf_counter() - start
    figures: dict[str, object] = {"seconds": seconds, "peak_mb": memory, "counts": counts}
    if reference is not None:
        difference = (model.render(head, camera, options).image - reference).abs()
        figures["difference_from_fp32"] = {
            "mean": float(difference.mean()),
            "largest": float(difference.max()),
            "image_std": float(reference.std()),
        }
    write_result(f"speed_{arguments.precision}", figures, threads=arguments.threads, preset=arguments.preset)


if __name__ == "__main__":
    main()
