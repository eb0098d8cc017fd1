"""`fullhead mesh`: a head as a coloured mesh."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fullhead.commands.options import HeadOptions, check_out, check_resolution, output_files, tracked
from fullhead.core.errors import about
from fullhead.core.pace import LONG
from fullhead.io.config import Unset

FINE, SLOW = 512, 1.0  # cells, or seconds that a head takes before its mesh, from which on the time is told beforehand
TRIAL = 4  # how much coarser a trial is


def mesh(
    heads: HeadOptions = HeadOptions(),
    out: Path = Path("out/mesh.glb"),
    suffix: Literal[".glb", ".ply", ".obj"] = ".glb",
    resolution: int = 256,
    level: Unset[float] = None,
    keep_floaters: bool = False,
) -> None:
    """A head as a closed, coloured mesh in metres, upright.

    Args:
        heads: Which heads.
        out: A .glb, .ply or .obj; for several seeds a folder of seed0003.glb and so on.
        suffix: Kind of the files, if they go to a folder.
        resolution: Cells along the box that holds the head; 512 shows all the model knows.
        level: Density at which a PanoHead's surface lies; a lower one keeps more of thin hair. By default that which stops half
            of the light within a sixteenth of the box.
        keep_floaters: Keep the pieces of a PanoHead that are not connected to the head.
    """
    import sys
    import time

    from fullhead.export.mesh import check_mesh_path, colouring_cameras, extract_mesh, save_mesh
    from fullhead.models.head import RenderOptions

    check_out(out, suffix, check_mesh_path)
    check_resolution(resolution)
    opened = heads.open()
    names, latents = heads.latents(opened, default="0")
    files = output_files(out, names, suffix)
    for i, path in tracked(enumerate(files), "meshes", len(files)):
        start = time.perf_counter()
        decoded = opened.model.decode(latents[i], None, RenderOptions(background=False))
        if i == 0 and (resolution >= FINE or time.perf_counter() - start > SLOW):
            one = colouring_cameras()[0]  # of twelve views; and the time grows with the square of the cells
            for coarser in (2 * TRIAL, TRIAL):  # loops are compiled in the first
                began = time.perf_counter()
                extract_mesh(opened.model, decoded, resolution // coarser, level, views=one, keep_floaters=keep_floaters)
            if (most := (time.perf_counter() - began) * TRIAL**2) > LONG:
                print(f"{names[i]}: at most {about(most)}", file=sys.stderr, flush=True)
        found = extract_mesh(opened.model, decoded, resolution, level, keep_floaters=keep_floaters)
        save_mesh(found, path)
        seconds = time.perf_counter() - start
        print(f"{names[i]}: {len(found.vertices)} vertices, {len(found.faces)} faces in {path} ({seconds:.1f} s)")
