"""`fullhead sample`: pictures of random heads."""

from __future__ import annotations

import math
from pathlib import Path

from fullhead.commands.options import HeadOptions, ViewOptions, output_files, parse_angles, tracked
from fullhead.core.errors import FullheadError, counted
from fullhead.io.files import check_place


def sample(
    heads: HeadOptions = HeadOptions(),
    view: ViewOptions = ViewOptions(),
    out: Path = Path("out/sample.png"),
    yaws: tuple[str, ...] = ("0", "45", "90", "135", "180"),
    labels: bool = True,
) -> None:
    """Pictures of random heads from several sides: a sheet with a row per seed, or one file per picture.

    Args:
        heads: Which heads.
        view: How they are shown.
        out: An image file for a sheet; a folder (a name without suffix) for single pictures seed0000_yaw+000.png.
        yaws: Sides in degrees: 0 is the front, positive moves the camera to the head's left.
        labels: Write seeds and yaws beside the sheet.
    """
    from fullhead.io.images import check_pixels, check_still_path, contact_sheet, save_image
    from fullhead.viewing.sheet import sheet_rows

    sides, show = parse_angles(yaws, "--yaws"), view.show()
    if out.suffix:
        check_still_path(out)
        if view.background == "transparent":
            raise FullheadError(f"--out {out}: a sheet is opaque; transparent pictures go to a folder, a name without suffix")
    check_place(out, folder=not out.suffix)
    opened = heads.open()
    names, latents = heads.latents(opened, default="0-7")
    latents, options = view.before(opened, latents, heads.truncation), view.options(opened)
    if out.suffix:
        pixels = options.size or opened.model.image_size
        check_pixels(out, pixels * len(names), pixels * len(sides))
    drawn = sheet_rows(opened.model, latents, sides, view.up, options, show=show)
    single = [] if out.suffix else [f"{name}_yaw{_degrees(side)}" for name in names for side in sides]
    rows, files = [], iter(output_files(out, single, ".png") if single else [])
    for row in tracked(drawn, "heads", len(names)):
        if out.suffix:
            rows.append(row)
        else:
            for picture in row:
                save_image(picture, next(files))
    if out.suffix:
        columns = [f"{math.degrees(side):g}°" for side in sides]
        save_image(contact_sheet(rows, row_labels=names if labels else (), column_labels=columns if labels else ()), out)
    print(f"{counted(len(names), 'head')} x {counted(len(sides), 'view')} in {out}")


def _degrees(angle: float) -> str:
    """An angle in radians as degrees, as names of files have it: +045, -007.5."""
    return f"{math.degrees(angle):+08.3f}".rstrip("0").rstrip(".")
