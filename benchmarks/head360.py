"""CPU seconds of a full-size Head360 on this machine, by stage and by what changes, with random weights.

    fullhead bilinear synth --subjects 50 --held-out 0 --out out/head-mesh.safetensors
    python benchmarks/head360.py --mesh out/head-mesh.safetensors --threads 2

Writes benchmarks/results/head360_<precision>.json. Random weights cost what trained ones do.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from common import times, write_result
from fullhead.core.cameras import orbit
from fullhead.kernels.allocator import keep_memory
from fullhead.models.checkpoint import read_module
from fullhead.models.head import HeadPose, RenderOptions
from fullhead.models.head360 import Head360
from fullhead.models.presets import HEAD360S
from fullhead.representations import hex_planes
from fullhead.representations.bilinear import BilinearMesh
from fullhead.representations.volume import render_features

PUBLISHED = {  # CPU seconds of the published program, fp32, on another machine
    "texture": 1.50, "six views": 0.83, "mouth": 1.78, "blend": 1.96, "hair": 1.84, "march": 1.90, "superres": 3.83,
    "all": 15.2, "new camera": 5.7,
}  # fmt: skip


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="head360-released512", choices=HEAD360S)
    parser.add_argument("--mesh", type=Path, required=True)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_memory()
    torch.manual_seed(0)
    model = Head360(replace(HEAD360S[options.preset], mesh=None)).eval().requires_grad_(False)
    model.use_mesh(read_module(options.mesh, BilinearMesh))
    how, config, camera = RenderOptions(precision=options.precision), model.config, orbit(0.3)
    latents, other = model.seed_latents([0]), model.seed_latents([1])
    smile = model.rig_pose(HeadPose(torch.full((1, 52), 0.2), torch.zeros(1, 5, 3)))
    head = model.decode(latents, None, how)
    w, mesh, scale = latents.texture, model.known_mesh, config.planes.scale
    vertices = mesh.vertices(latents.shape, smile.expression)
    grid, _ = hex_planes.look_up(vertices * scale, mesh, config.planes)
    front = hex_planes.draw(head.texture, grid)[:, hex_planes.FRONT]
    squares = hex_planes.mouth_squares(mesh.outer_lips(vertices) * scale, config.planes.size)
    cut = hex_planes.cut_out(front, squares, config.planes.size // 4)
    own, neural = model.own_cameras(head, camera), config.neural_size
    features = render_features(lambda x: model.point_values(head, x), config.march, own, neural)[0]

    def six_views() -> None:
        grid, seen = hex_planes.look_up(vertices * scale, mesh, config.planes)
        hex_planes.paired(hex_planes.draw(head.texture, grid), config.planes)
        if config.planes.hair == "alpha":
            hex_planes.covered(grid, seen, model.uv_mask, config.planes)

    def layers(count: int) -> torch.Tensor:
        return w[:, None].expand(-1, count, -1)

    def changed(**parts: torch.Tensor) -> None:
        new = model.decode(replace(latents, **parts), None, how, known=head)
        model.render(new, camera, how)

    stages: dict[str, Callable[[], object]] = {
        "mesh": lambda: mesh.vertices(latents.shape, smile.expression),
        "texture": lambda: model.texture_synthesis(layers(model.texture_synthesis.num_ws), dtype=how.dtype),
        "six views": six_views,
        "mouth": lambda: model.mouth(cut, layers(model.mouth.num_ws), dtype=how.dtype),
        "blend": lambda: model.blend(front, layers(model.blend.num_ws), dtype=how.dtype),
        "hair": lambda: model.hair_synthesis(layers(model.hair_synthesis.num_ws), dtype=how.dtype),
        "joined": lambda: hex_planes.joined(head.head, head.hair, latents.hair_amount, head.alpha),
        "march": lambda: render_features(lambda x: model.point_values(head, x), config.march, own, neural),
        "superres": lambda: model.superresolution(features[:, :3], features, latents.finish, how.dtype),
        "all": lambda: model.render(model.decode(latents, smile, how), camera, how),
        "new camera": lambda: model.render(head, camera, how),
        "new expression": lambda: model.render(model.posed(head, smile, how), camera, how),
        "new shape": lambda: changed(shape=other.shape),
        "new hair": lambda: changed(hair=other.hair),
        "new texture": lambda: changed(texture=other.texture),
    }
    figures = {name: round(min(times(stage, options.runs)), 3) for name, stage in stages.items()}
    settings = {"preset": options.preset, "precision": options.precision, "threads": options.threads, "runs": options.runs}
    write_result(f"head360_{options.precision}", {"cpu_seconds": figures, "published_cpu_seconds": PUBLISHED}, **settings)


if __name__ == "__main__":
    main()
