"""`fullhead synth export`: a procedural head as a file that other programs pose and render."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from fullhead.commands.options import check_seed


def export(
    out: Annotated[Path, tyro.conf.Positional],
    seed: int = 0,
    clip: Literal["talk", "blink", "all52"] | None = None,
    texture: Literal[512, 1024, 2048] = 2048,
    hair_detail: float = 1.0,
    set: tuple[str, ...] = (),
) -> None:
    """Write one head as a rigged model: skeleton, 52 expressions by ARKit's names, eyes, teeth, tongue, hair, textures.

    Args:
        out: A .glb; or an .obj (with .mtl and textures beside it) or .ply of the head at rest.
        seed: Which head.
        clip: With .glb: also store an animation. all52 shows every expression once.
        texture: Pixels per side of the skin's colours.
        hair_detail: How many ribbons of hair, relative to the usual number; the file shrinks and grows with it.
        set: Who the head is, as in hair.style=afro worn.glasses=none skin.tone=0.6; docs/heads.md lists the knobs.
    """
    import time

    from fullhead.core.errors import FullheadError
    from fullhead.export.rigged_files import check_rigged_path, save_rigged
    from fullhead.export.rigged_person import rigged_head
    from fullhead.io.files import check_place
    from fullhead.synth.people.population import population

    check_rigged_path(check_place(out), clip)
    check_seed(seed, bits=64)
    if not 0.05 <= hair_detail <= 4:
        raise FullheadError(f"--hair-detail {hair_detail:g}: between 0.05 and 4 times the usual number of ribbons")
    wanted = population(set)
    start = time.perf_counter()
    head = rigged_head(seed, texture, hair_detail, wanted)
    save_rigged(head, out, clip)
    vertices, seconds = sum(len(layer.vertices) for layer in head.layers), time.perf_counter() - start
    names = ", ".join(layer.name for layer in head.layers)
    print(f"{out}: {names}; {vertices} vertices, {out.stat().st_size / 1e6:.1f} MB ({seconds:.0f} s)")
