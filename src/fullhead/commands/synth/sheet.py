"""`fullhead synth sheet`: procedural heads side by side, to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro


def sheet(
    out: Annotated[Path, tyro.conf.Positional],
    show: Literal["heads", "truth"] = "heads",
    size: int = 256,
    seed: int = 0,
    consecutive: int = 0,
) -> None:
    """Draw procedural heads from all sides on one sheet.

    Args:
        out: Picture to write, .png.
        show: heads: one of each hair style from five sides; truth: photo, mask, depth, normals and labels of four heads.
        size: Pixels per view.
        seed: First seed that is looked at.
        consecutive: With heads: show this many seeds as they come, of whatever style.
    """
    from PIL import Image

    from fullhead.core.files import written_whole
    from fullhead.synth.sheet import heads_sheet, truth_sheet

    picture = heads_sheet(size, seed, consecutive) if show == "heads" else truth_sheet(size, seed)
    with written_whole(out) as beside:
        Image.fromarray(picture).save(beside, optimize=True)
    print(out)
