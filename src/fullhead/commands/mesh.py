"""`fullhead mesh`: a head as a coloured mesh."""

from __future__ import annotations

from pathlib import Path

from fullhead.commands.options import HeadOptions
from fullhead.core.errors import FullheadError
from fullhead.io.files import check_place


def mesh(
    head: HeadOptions = HeadOptions(),  # noqa: B008
    out: Path = Path("out/mesh.glb"),
    resolution: int = 256,
    level: float | None = None,
    keep_floaters: bool = False,
) -> None:
    """A head as a closed, coloured mesh in metres, upright. With several seeds, one file each.

    Args:
        head: Which heads; --background and --size do not matter here.
        out: A .glb, .ply or .obj; with several seeds, mesh_seed0003.glb and so on.
        resolution: Cells along the box that holds the head; 512 shows all the model knows.
        level: Density of the surface of a PanoHead; lower keeps more of thin hair.
        keep_floaters: Keep pieces of a PanoHead that hang free.
    """
    import time

    from fullhead.export.mesh import check_mesh_path, extract_mesh, save_mesh

    head.check()
    check_mesh_path(check_place(out))
    if not 16 <= resolution <= 1024:
        raise FullheadError(f"--resolution {resolution}: between 16 and 1024 cells")
    model = head.load()
    names, latents = head.heads(model, default="0")
    for i, name in enumerate(names):
        path = out if len(names) == 1 else out.with_stem(f"{out.stem}_{name}")
        start = time.perf_counter()
        decoded = model.decode(latents[i], background=False)
        found = extract_mesh(model, decoded, resolution, level, keep_floaters=keep_floaters)
        save_mesh(found, path)
        seconds = time.perf_counter() - start
        print(f"{name}: {len(found.vertices)} vertices, {len(found.faces)} faces in {path} ({seconds:.1f} s)")
