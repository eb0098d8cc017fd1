"""`fullhead export`: a GANHead as a file that other programs pose and render."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro


def export(
    out: Annotated[Path, tyro.conf.Positional],
    model: str = "ganhead-demo",
    seed: int | None = None,
    truncation: float = 0.7,
    faces: int = 40_000,
    texture: Literal[512, 1024, 2048] | None = None,
    clip: Literal["talk", "blink", "all52"] | None = None,
    resolution: int = 256,
    flame: Path | None = None,
) -> None:
    """Write one GANHead as a rigged model: its learned skinning weights as a skin, its learned expressions as targets.

    Args:
        out: A .glb; or an .obj (with .mtl and textures beside it) or .ply of the head at rest.
        model: A GANHead: a shipped model's name, a .safetensors file or its folder, or a Hugging Face hub id.
        seed: Which head; by default the fitted one of a `fit-scan` file, else 0.
        truncation: 1: as varied as the training set; towards 0: closer to the average head.
        faces: Triangles at most; the file shrinks and grows with them.
        texture: Pixels per side of a picture of its colours and one of its relief; without it colours are at the vertices.
        clip: With .glb: also store an animation. all52 shows every expression once.
        resolution: Cells along the cube in which the surface is found, before it is simplified.
        flame: FLAME's file, for a GANHead that FLAME moves.
    """
    import time

    from fullhead.commands.options import check_seed
    from fullhead.core.errors import FullheadError
    from fullhead.export.rigged_files import check_rigged_path, save_rigged
    from fullhead.export.rigged_ganhead import check_clip, rig_ganhead
    from fullhead.io.files import check_place
    from fullhead.models.checkpoint import load, load_latents
    from fullhead.models.ganhead import Codes, GANHead

    check_rigged_path(check_place(out), clip)
    check_seed(seed or 0, "--seed")
    if not 100 <= faces <= 2_000_000:
        raise FullheadError(f"--faces {faces}: between 100 and 2000000 triangles")
    if not 16 <= resolution <= 1024:
        raise FullheadError(f"--resolution {resolution}: between 16 and 1024 cells")
    if not -2 <= truncation <= 2:
        raise FullheadError(f"--truncation {truncation:g}: 0 is the average head, 1 as varied as the training set; at most 2")
    start = time.perf_counter()
    loaded = load(model, flame=flame)
    if not isinstance(loaded, GANHead):
        raise FullheadError(
            f"{model} has no bones and expressions: only a GANHead is exported so; `fullhead mesh` writes its form"
        )
    check_clip(loaded, clip)
    fitted = load_latents(model) if seed is None else None
    codes = fitted if isinstance(fitted, Codes) else loaded.seed_latents([seed or 0], truncation)
    head = rig_ganhead(loaded, codes, faces=faces, texture=texture, resolution=resolution)
    save_rigged(head, out, clip)
    layer, seconds = head.layers[0], time.perf_counter() - start
    counts = f"{len(layer.vertices)} vertices, {len(layer.faces)} faces, {len(head.expressions)} expressions"
    print(f"{out}: {counts}, {out.stat().st_size / 1e6:.1f} MB ({seconds:.0f} s)")
