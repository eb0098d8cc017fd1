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
        show: Many heads or faces; or one head in every hair style, hat, tone of skin or expression; or ground truth; or a scan.
        size: Pixels per view.
        seed: Seed of the first head.
        consecutive: With heads and faces: how many seeds to show, as they come.
        set: Who they are, as in hair.style=afro person.men=0.2.
    """
    from fullhead.io.files import check_place
    from fullhead.io.images import check_pixels, check_still_path, save_image
    from fullhead.synth.people.population import population
    from fullhead.viewing.synth_sheet import SHEETS, Studio

    check_still_path(check_place(out))
    columns = {"heads": 10, "faces": 8, "tones": 6, "truth": 6, "scan": 4}.get(show, 9)
    check_pixels(out, size * -(-consecutive // (2 if show == "heads" else 8)), size * columns)
    check_seed(seed, bits=64)
    print(save_image(SHEETS[show](Studio(size, seed, consecutive, population(set))), out))
