"""`fullhead synth sheet`: procedural heads side by side, to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fullhead.commands.options import check_seed


def sheet(
    out: Path = Path("out/sheet.png"),
    show: Literal["heads", "faces", "styles", "worn", "tones", "expressions", "truth", "scan"] = "heads",
    size: int = 256,
    seed: int = 0,
    consecutive: int = 0,
    set: tuple[str, ...] = (),
) -> None:
    """Draw procedural heads on one sheet.

    Args:
        out: Picture to write: .png, .jpg or .webp.
        show: heads: one of each of twelve hair styles from five sides; faces: seeds as they come, from the front; styles: every
            hair style on one face; worn: every hat, pair of glasses and earrings; tones: eleven tones of skin; expressions: the
            52 of ARKit on one face; truth: photo, alpha, depth, normals, parts and landmarks of four heads; scan: one
            scan from four sides.
        size: Pixels per view.
        seed: First seed that is looked at, or whose face it is.
        consecutive: With heads and faces: show this many seeds as they come, of whatever style; 0 shows 48 faces.
        set: Who they are, as in hair.style=afro person.men=0.2; not with expressions and truth.
    """
    from fullhead.io.files import check_place
    from fullhead.io.images import check_pixels, check_still_path, save_image
    from fullhead.synth.people.population import population
    from fullhead.viewing import synth_sheet as sheets

    check_still_path(check_place(out))
    columns = {"heads": 10, "faces": 8, "tones": 6, "truth": 6, "scan": 4}.get(show, 9)
    check_pixels(out, size * -(-consecutive // (2 if show == "heads" else 8)), size * columns)
    check_seed(seed, bits=64)
    people = population(set)
    if show == "heads":
        picture = sheets.heads_sheet(size, seed, consecutive, people)
    elif show == "faces":
        picture = sheets.faces_sheet(size, seed, consecutive or 48, people)
    elif show in ("expressions", "truth"):
        picture = {"expressions": sheets.expressions_sheet, "truth": sheets.truth_sheet}[show](size, seed)
    else:
        drawn = {
            "styles": sheets.styles_sheet,
            "worn": sheets.worn_sheet,
            "tones": sheets.tones_sheet,
            "scan": sheets.scan_views_sheet,
        }
        picture = drawn[show](size, seed, people)
    print(save_image(picture, out))
