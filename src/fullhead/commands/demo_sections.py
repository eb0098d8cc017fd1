"""The sections of the page of `fullhead demo`: each computes its files and says what they are."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage.data import astronaut

from fullhead.commands.options import stage_bars, tracked
from fullhead.core.cameras import orbit
from fullhead.core.errors import FullheadError
from fullhead.export.mesh import extract_mesh, save_mesh
from fullhead.families.opening import Opened
from fullhead.families.table import require
from fullhead.fitting.invert import fit_sheet
from fullhead.fitting.options import InvertConfig
from fullhead.io.images import contact_sheet, save_image, to_uint8
from fullhead.io.video import save_video
from fullhead.models.head import HeadModel, RenderOptions
from fullhead.viewing.animate import animate, posed, there_and_back
from fullhead.viewing.page import Medium, Section
from fullhead.viewing.sheet import sheet_rows
from fullhead.viewing.turntable import interpolate, render_views, turntable_cameras

HEADS = YAWS = 8
FRAMES = 72
TRUNCATION = 0.7
SHOWN = 128  # pixels a picture; smaller models are enlarged
MESH_SEED = 1
FIT_STEPS, PIVOT_STEPS = 150, 80  # of the photo: a short fit
SIDES = (0.0, -0.8, 3.1416)  # that its heads are seen from
AH = {"jawOpen": 0.9, "browInnerUp": 0.6}  # what one of them does
AH_SEED, AH_FRAMES, AH_YAW = 2, 16, -0.35
CELLS = 128  # of a surface that the sheet and the film show, along the cube


def heads(model: HeadModel[Any, Any], out: Path) -> Section:
    """The sheet of seeds and yaws."""
    start = time.perf_counter()
    yaws = [i * 2 * np.pi / YAWS for i in range(YAWS)]
    latents = model.seed_latents(list(range(HEADS)), TRUNCATION)
    rows = list(tracked(sheet_rows(model, latents, yaws, options=RenderOptions(size=SHOWN)), "heads", HEADS))
    seconds = time.perf_counter() - start
    save_image(contact_sheet(rows), out / "heads.png")
    return Section(
        "Heads",
        f"{HEADS} seeds, each turned once around.",
        {"pictures a second": f"{HEADS * YAWS / seconds:.1f}", "pixels": f"{model.image_size}"},
        [Medium(out / "heads.png")],
    )


def turntable(model: HeadModel[Any, Any], out: Path) -> Section:
    """Films of one head turning, and of heads that flow into each other."""
    options = RenderOptions(size=2 * SHOWN)
    latents = model.seed_latents(list(range(HEADS)), TRUNCATION)
    turning = render_views(model, model.decode(latents[MESH_SEED]), turntable_cameras(FRAMES), options)
    frames = list(tracked(turning, "turntable", FRAMES))
    flowing = interpolate(model, latents, turntable_cameras(FRAMES), options)
    media = [
        Medium(save_video(frames, out / "turntable.webp", 24), f"Seed {MESH_SEED}, all around"),
        Medium(save_video(tracked(flowing, "interpolation", FRAMES), out / "interpolate.webp", 24), "From seed to seed"),
    ]
    with suppress(FullheadError):  # without the extra `video` the WebP has to do
        save_video(frames, out / "turntable.mp4", 24)
    return Section("All around", media=media)


def mesh(model: HeadModel[Any, Any], out: Path) -> Section:
    """A coloured mesh."""
    start = time.perf_counter()
    head = model.decode(model.seed_latents([MESH_SEED], TRUNCATION), None, RenderOptions(background=False))
    found = extract_mesh(model, head, resolution=256)
    save_mesh(found, out / "head.glb")
    seconds = time.perf_counter() - start
    return Section(
        "A mesh",
        "Closed, in metres, upright; drag to turn it. head.glb opens in Blender and in a browser.",
        {"vertices": f"{len(found.vertices)}", "faces": f"{len(found.faces)}", "seconds": f"{seconds:.1f}"},
        [Medium(out / "head.glb", f"Seed {MESH_SEED}")],
    )


def photo(opened: Opened[Any, Any], out: Path) -> Section:
    """A short fit to the portrait of Eileen Collins that comes with scikit-image (NASA, public domain)."""
    fit = require(opened.family, "fit_photo")
    with stage_bars(latents=("looking for the head", FIT_STEPS), weights=("adapting the model", PIVOT_STEPS)) as on_step:
        aligned, fitted = fit(astronaut(), opened.model, config=InvertConfig(FIT_STEPS, PIVOT_STEPS), on_step=on_step)
    save_image(fit_sheet(aligned, fitted), out / "fit.png")
    return Section(
        "A photo",
        "The portrait of Eileen Collins (NASA) that comes with scikit-image: photo, fit, and the fitted head from eight sides.",
        {"PSNR over the head": f"{fitted.psnr_head:.1f} dB", "seconds": f"{fitted.seconds:.0f}"},
        [Medium(out / "fit.png")],
    )


def implicit(model: HeadModel[Any, Any], out: Path) -> Section:
    """Heads of a GANHead, in colour and as bare geometry, and one of them saying "ah"."""
    start, latents = time.perf_counter(), model.seed_latents(list(range(HEADS)), TRUNCATION)
    coarse = RenderOptions(resolution=CELLS)
    decoded = [model.decode(latents[i], None, coarse) for i in tracked(range(HEADS), "heads that move", HEADS)]
    seconds = time.perf_counter() - start
    cameras, rows = orbit(torch.tensor(SIDES)), []
    for head in decoded:
        seen, row = head.expand(len(SIDES)), []
        for shading in ("colour", "clay"):
            row += list(to_uint8(model.render(seen, cameras, RenderOptions(SHOWN, shading)).image))
        rows.append(row)
    save_image(contact_sheet(rows), out / "ganheads.png")
    poses, films = there_and_back(posed(AH, {}), AH_FRAMES), []
    for shading in ("colour", "clay"):
        frames = animate(model, decoded[AH_SEED], poses, orbit(AH_YAW), RenderOptions(2 * SHOWN, shading))
        films.append(list(tracked(frames, "ah", AH_FRAMES)))
    film = save_video([np.concatenate(pair, axis=1) for pair in zip(*films, strict=True)], out / "ah.webp", AH_FRAMES)
    return Section(
        "Heads that move",
        "Eight seeds of ganhead-demo, an implicit head that was trained on procedural scans: colours, and the bare geometry; "
        f"seed {AH_SEED} moves its jaw. `fullhead animate` poses them, `fullhead export` writes them with a skeleton.",
        {"seconds a head": f"{seconds / HEADS:.1f}"},
        [Medium(out / "ganheads.png"), Medium(film, f"Seed {AH_SEED} says ah")],
    )
