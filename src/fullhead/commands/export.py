"""`fullhead export`: a head as a file that other programs pose and render."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fullhead.commands.options import HeadOptions, check_out, check_resolution, output_files, tracked
from fullhead.core.errors import FullheadError, about, counted
from fullhead.core.pace import LONG
from fullhead.io.config import Unset

SECONDS, SECONDS_TEXTURE = 15, 34  # of a head of 256 cells, and of textures of 1024 pixels, on a laptop's core


def export(
    heads: HeadOptions = HeadOptions(model="ganhead-demo"),
    out: Path = Path("out/export.glb"),
    suffix: Literal[".glb", ".obj", ".ply"] = ".glb",
    faces: int = 40_000,
    texture_size: Unset[Literal[512, 1024, 2048]] = None,
    animation: Unset[Literal["talk", "blink", "all52"]] = None,
    resolution: int = 256,
) -> None:
    """A GANHead as a rigged model for other programs: with a skeleton, skinning weights and expressions that it has learnt.

    Args:
        heads: Which heads.
        out: A .glb; or an .obj (with .mtl and textures beside it) or .ply of the head at rest; for several seeds a folder of
            seed0003.glb and so on.
        suffix: Kind of the files, if they go to a folder.
        faces: Largest number of triangles; the file shrinks and grows with it.
        texture_size: Pixels per side of a texture of colours and one of normals. Without it, the vertices have the colours.
        animation: Also store an animation in a .glb; all52 shows every expression once.
        resolution: Cells along the box that holds the head; the surface that is found with them is then simplified.
    """
    import sys
    import time

    from fullhead.export.rigged_files import check_rigged_path, save_rigged
    from fullhead.families.table import require

    check_out(out, suffix, lambda path: check_rigged_path(path, animation))
    if not 100 <= faces <= 2_000_000:
        raise FullheadError(f"--faces {faces}: between 100 and 2000000 triangles")
    check_resolution(resolution)
    opened = heads.open()
    rigged = require(opened.family, "rigged")
    names, latents = heads.latents(opened, default="0")
    files = output_files(out, names, suffix)
    seconds = len(files) * (SECONDS * (resolution / 256) ** 2 + SECONDS_TEXTURE * ((texture_size or 0) / 1024) ** 2)
    if seconds > LONG:
        print(f"{counted(len(files), 'head')}: {about(seconds)} on a core of a laptop", file=sys.stderr, flush=True)
    for i, path in tracked(enumerate(files), "heads", len(files)):
        start = time.perf_counter()
        head = rigged(opened.model, latents[i], faces=faces, texture=texture_size, resolution=resolution)
        save_rigged(head, path, animation)
        layer, seconds = head.layers[0], time.perf_counter() - start
        counts = f"{len(layer.vertices)} vertices, {len(layer.faces)} faces, {len(head.expressions)} expressions"
        print(f"{path}: {counts}, {path.stat().st_size / 1e6:.1f} MB ({seconds:.0f} s)")
