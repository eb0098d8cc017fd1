"""`fullhead synth heads360`: rigged heads with 52 expressions from 72 sides."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from fullhead.commands.options import check_seed, items
from fullhead.commands.synth.options import SetOptions, check_size


def heads360(
    out: Annotated[Path, tyro.conf.Positional],
    subjects: int = 100,
    size: int = 128,
    seed: int = 0,
    hair: Literal["with", "without", "both"] = "both",
    expressions: tuple[str, ...] = ("all",),
    truth: tuple[str, ...] = ("none",),
    writing: SetOptions = SetOptions(),
) -> None:
    """Write heads with 52 expressions from 72 sides, with meshes, landmarks and hair labels, in the layout of Head360.

    Stop it at any time with Ctrl-C and run it again to go on. The same settings write the same files.

    Args:
        out: Folder of the set; it is made if needed.
        subjects: Number of heads. More can be asked for later.
        size: Pixels per side.
        seed: Which set of heads.
        hair: Pictures with hair, without, or both of each.
        expressions: Of ARKit's names; or all.
        truth: What is also written of seg, mask, rgba, parts, depth and normal; or all, or none.
        writing: How the set is written.
    """
    from fullhead.core.errors import FullheadError
    from fullhead.synth.datasets.heads360 import EXPRESSIONS, Heads360
    from fullhead.synth.rendering.ground_truth import parse_fields

    names = EXPRESSIONS if expressions == ("all",) else tuple(sorted(items(expressions)))
    if unknown := [name for name in names if name not in EXPRESSIONS]:
        raise FullheadError(f"--expressions: there is no {unknown[0]!r}; names are spelt as in eyeBlinkLeft or jawOpen")
    check_size(size)
    check_seed(seed, bits=64)
    writing.check()
    recipe = Heads360(subjects, size, seed, hair, names, parse_fields(",".join(truth)), writing.population())
    writing.write(out, recipe, "pictures")
