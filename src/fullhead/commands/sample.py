"""`fullhead sample`: pictures of random heads."""

from __future__ import annotations

from pathlib import Path

from fullhead.commands.options import HeadOptions, radians, tracked
from fullhead.core.errors import FullheadError
from fullhead.io.files import check_place


def sample(
    head: HeadOptions = HeadOptions(),  # noqa: B008
    out: Path = Path("out/sample.png"),
    yaw: tuple[float, ...] = (0, 45, 90, 135, 180),
    pitch: float = 0.0,
    labels: bool = True,
) -> None:
    """Pictures of random heads from several sides: a sheet with a row per seed, or one file per picture.

    Args:
        head: Which heads, and how they are shown.
        out: An image file for a sheet; a folder (a name without suffix) for single pictures seed0000_yaw+000.png.
        yaw: Sides in degrees, with spaces between: 0 is the front, positive moves the camera to the head's left.
        pitch: Height of the camera, degrees; positive looks down on the head.
        labels: Write seeds and yaws beside the sheet.
    """
    from fullhead.io.images import check_still_path, contact_sheet, save_image
    from fullhead.viewing.sheet import sheet_rows

    head.check()
    sides, up, show = [radians(y, "--yaw") for y in yaw], radians(pitch, "--pitch", 85), head.show()
    if out.suffix:
        check_still_path(out)
        if head.background == "transparent":
            raise FullheadError(f"--out {out}: a sheet is opaque; transparent pictures go to a folder, a name without suffix")
    check_place(out, folder=not out.suffix)
    model = head.load()
    names, latents = head.heads(model, default="0-7")
    drawn = sheet_rows(model, latents, sides, up, background=head.background is None, show=show)
    rows = []
    for name, row in zip(names, tracked(drawn, "heads", len(names)), strict=True):
        if out.suffix:
            rows.append(row)
        else:
            for degrees, picture in zip(yaw, row, strict=True):
                save_image(picture, out / f"{name}_yaw{degrees:+04.0f}.png")
    if out.suffix:
        columns = [f"{y:g}°" for y in yaw]
        save_image(contact_sheet(rows, row_labels=names if labels else (), column_labels=columns if labels else ()), out)
    print(f"{len(names)} heads x {len(yaw)} views in {out}")
