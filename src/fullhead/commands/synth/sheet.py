"""`fullhead synth sheet`: procedural heads side by side, to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro


def sheet(
    out: Annotated[Path, tyro.conf.Positional],
    show: Literal["heads", "styles", "expressions", "truth"] = "heads",
    size: int = 256,
    seed: int = 0,
    consecutive: int = 0,
    set: tuple[str, ...] = (),
) -> None:
    """Draw procedural heads on one sheet.

    Args:
        out: Picture to write: .png, .jpg or .webp.
        show: heads: one of each of twelve hair styles from five sides; styles: every hair style on one face; expressions: the
            52 of ARKit on one face; truth: photo, alpha, depth, normals, parts and landmarks of four heads.
        size: Pixels per view.
        seed: First seed that is looked at, or whose face it is.
        consecutive: With heads: show this many seeds as they come, of whatever style.
        set: With heads: who they are, as in hair.style=afro person.men=0.2.
    """
    from fullhead.core.images import check_still_path, save_image
    from fullhead.synth.population import population
    from fullhead.synth.sheet import expressions_sheet, heads_sheet, styles_sheet, truth_sheet

    check_still_path(out)
    if show == "heads":
        picture = heads_sheet(size, seed, consecutive, population(set))
    else:
        picture = {"styles": styles_sheet, "expressions": expressions_sheet, "truth": truth_sheet}[show](size, seed)
    print(save_image(picture, out))
