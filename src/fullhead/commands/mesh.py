"""`fullhead mesh`: a head as a coloured mesh."""

from __future__ import annotations

from pathlib import Path

from fullhead.commands.options import HeadOptions, parse_seeds
from fullhead.core.errors import FullheadError


def mesh(
    head: HeadOptions,
    out: Path = Path("out/mesh.glb"),
    resolution: int = 256,
    level: float | None = None,
    keep_floaters: bool = False,
) -> None:
    """A head as a closed, coloured mesh in metres, upright. With several seeds, one file each.

    Args:
        head: Which heads; --background and --size do not matter here.
        out: A .glb, .ply or .obj; with several seeds, the seed is added to its name.
        resolution: Cells along the box that holds the head; 512 shows all the model knows.
        level: Density of the surface; lower keeps more of thin hair.
        keep_floaters: Keep pieces that hang free.
    """
    import time

    from fullhead.apps.mesh import check_mesh_path, extract_mesh, save_mesh

    check_mesh_path(out)
    if not 16 <= resolution <= 1024:
        raise FullheadError(f"--resolution {resolution}: between 16 and 1024 cells")
    seeds = parse_seeds(head.seeds)
    model = head.load()
    latents = head.latents(model)
    for i, seed in enumerate(seeds):
        path = out if len(seeds) == 1 else out.with_stem(f"{out.stem}_seed{seed:04d}")
        start = time.perf_counter()
        found = extract_mesh(model, model.decode(latents[i], background=False), resolution, level, keep_floaters=keep_floaters)
        save_mesh(found, path)
        seconds = time.perf_counter() - start
        print(f"seed {seed}: {len(found.vertices)} vertices, {len(found.faces)} faces in {path} ({seconds:.1f} s)")
