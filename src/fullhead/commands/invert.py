"""`fullhead invert`: a head from a photo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from fullhead.commands.options import ModelOptions, radians, stage_bars
from fullhead.core.errors import FullheadError
from fullhead.fitting.options import InvertConfig
from fullhead.io.config import Unset
from fullhead.io.files import check_new, check_place, written_whole


def invert(
    photo: Annotated[Path, tyro.conf.Positional],
    out: Path = Path("out/invert"),
    box: Unset[str] = None,
    yaw: float = 0.0,
    pitch: float = 0.0,
    using: ModelOptions = ModelOptions(),
    fit: InvertConfig = InvertConfig(),
    overwrite: bool = False,
) -> None:
    """Fit a head to a photo of a face that looks roughly into the camera.

    Writes to the folder `out`: head.safetensors, which `orbit`, `mesh` and the others take as --model; photo.png, the part of
    the photo that was fitted; and fit.png: the photo, the fit, and the head from eight sides.

    Args:
        photo: An image file with a face; of several the one that is large and central is taken, unless --box says another.
        out: Folder of the results.
        box: Where the face is, from the middle of the forehead to the chin: x,y,width,height in pixels. By default it is found.
        yaw: Side from which the photo was taken, in degrees: positive is the head's left. A rough value is enough.
        pitch: Height from which it was taken, in degrees: positive is from above. A rough value is enough.
        using: The model to fit.
        fit: How long the fit takes, and where it begins.
        overwrite: Replace the results that are in the folder.
    """
    check_place(out, folder=True)
    head, part, sheet_file = (check_new(out / name, overwrite) for name in ("head.safetensors", "photo.png", "fit.png"))
    if photo.resolve() == part.resolve():
        raise FullheadError(f"{photo} would be replaced by the part that is fitted: choose another --out")
    about, above = radians(yaw, "--yaw", 90), radians(pitch, "--pitch", 60)

    import torch

    from fullhead.families.table import require
    from fullhead.fitting.align import find_faces, parse_box
    from fullhead.fitting.invert import fit_sheet
    from fullhead.io.images import read_image, save_image
    from fullhead.models.checkpoint import save

    pixels = read_image(photo)
    face = parse_box(box, pixels) if box else None
    opened = using.open()
    fit_photo = require(opened.family, "fit_photo")
    if face is None:
        face, *others = find_faces(pixels)
        boxes = [f"--box {f.x - f.side / 2:.0f},{f.y - f.side / 2:.0f},{f.side:.0f},{f.side:.0f}" for f in (face, *others)]
        if others:
            first = f"found {len(boxes)} faces and take {boxes[0]}, which is large and central; for another one say its box"
            print(f"{first}: {'; '.join(boxes[1:])}", flush=True)
        else:
            print(f"found a face: {boxes[0]}; if another is meant, say its box", flush=True)
    with stage_bars(latents=("looking for the head", fit.steps), weights=("adapting the model", fit.pivot_steps)) as on_step:
        aligned, fitted = fit_photo(pixels, opened.model, face, about, above, fit, on_step)
        sheet = fit_sheet(aligned, fitted)
    figures = {name: round(getattr(fitted, name), 2) for name in ("psnr", "psnr_head", "behind")}
    record = {"inverted": True, "photo": photo.name, "model": using.model, **figures, "seed": fit.seed}
    with written_whole(head) as a, written_whole(part) as b, written_whole(sheet_file) as c:  # all or none
        save_image(aligned, b)
        save_image(sheet, c)
        save(fitted.model, a, dtype=torch.float16, about=record, latents=fitted.latents)
    print(
        f"PSNR over the head {fitted.psnr_head:.1f} dB; over the whole picture, with the background, {fitted.psnr:.1f} dB "
        f"({fitted.psnr_latents:.1f} before the model was adapted); {fitted.seconds:.0f} s"
    )
    if fitted.hidden:
        print(
            f"warning: the background seems to show {fitted.behind:.0%} of the photo's head, such as hair or shoulders. That "
            f"is missing from other sides and from meshes: look at {sheet_file}"
        )
    print(f"{head}: show it with  fullhead orbit --model {head}")
