"""`fullhead synth export`: procedural heads as files that other programs pose and render."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fullhead.commands.options import check_out, output_files, parse_seeds
from fullhead.core.errors import FullheadError
from fullhead.io.config import Unset


def export(
    out: Path = Path("out/person.glb"),
    seeds: tuple[str, ...] = ("0",),
    suffix: Literal[".glb", ".obj", ".ply"] = ".glb",
    animation: Unset[Literal["talk", "blink", "all52"]] = None,
    texture_size: Literal[512, 1024, 2048] = 2048,
    hair_detail: float = 1.0,
    set: tuple[str, ...] = (),
) -> None:
    """A procedural head as a rigged model: skeleton, 52 expressions by ARKit's names, eyes, teeth, tongue, hair, textures.

    Args:
        out: A .glb; or an .obj (with .mtl and textures beside it) or .ply of the head at rest; for several seeds a folder of
            seed0003.glb and so on.
        seeds: Which heads: single seeds and ranges, as in 0-3,7.
        suffix: Kind of the files, if they go to a folder.
        animation: Also store an animation in a .glb; all52 shows every expression once.
        texture_size: Pixels a side of the skin's colours.
        hair_detail: How many ribbons of hair, relative to the usual number; the file shrinks and grows with it.
        set: Who the head is, as in hair.style=afro worn.glasses=none skin.tone=0.6; a wrong name, as
            in x=1 or hair.x=1, lists the right ones.
    """
    import time

    from fullhead.export.rigged_files import check_rigged_path, save_rigged
    from fullhead.export.rigged_person import rigged_head
    from fullhead.synth.people.population import population

    numbers = parse_seeds(seeds, bits=64)
    if not numbers:
        raise FullheadError("--seeds needs a number or a range, as in 0-3,7")
    check_out(out, suffix, lambda path: check_rigged_path(path, animation))
    if not 0.05 <= hair_detail <= 4:
        raise FullheadError(f"--hair-detail {hair_detail:g}: between 0.05 and 4 times the usual number of ribbons")
    wanted = population(set)
    for seed, path in zip(numbers, output_files(out, [f"seed{seed:04d}" for seed in numbers], suffix), strict=True):
        start = time.perf_counter()
        head = rigged_head(seed, texture_size, hair_detail, wanted)
        save_rigged(head, path, animation)
        vertices, seconds = sum(len(layer.vertices) for layer in head.layers), time.perf_counter() - start
        names = ", ".join(layer.name for layer in head.layers)
        print(f"{path}: {names}; {vertices} vertices, {path.stat().st_size / 1e6:.1f} MB ({seconds:.0f} s)")
