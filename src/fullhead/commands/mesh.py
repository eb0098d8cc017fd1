"""`fullhead mesh`: a head as a coloured mesh."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fullhead.commands.options import HeadOptions, check_out, check_resolution, output_files
from fullhead.io.config import Unset


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
    import time

    from fullhead.export.mesh import check_mesh_path, extract_mesh, save_mesh
    from fullhead.models.head import RenderOptions

    check_out(out, suffix, check_mesh_path)
    check_resolution(resolution)
    opened = heads.open()
    names, latents = heads.latents(opened, default="0")
    for i, path in enumerate(output_files(out, names, suffix)):
        start = time.perf_counter()
        decoded = opened.model.decode(latents[i], None, RenderOptions(background=False))
        found = extract_mesh(opened.model, decoded, resolution, level, keep_floaters=keep_floaters)
        save_mesh(found, path)
        seconds = time.perf_counter() - start
        print(f"{names[i]}: {len(found.vertices)} vertices, {len(found.faces)} faces in {path} ({seconds:.1f} s)")
