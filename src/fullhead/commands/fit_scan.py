"""`fullhead fit-scan`: a head from a scan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import tyro

from fullhead.commands.options import ModelOptions, check_seed, stage_bars
from fullhead.core.errors import FullheadError
from fullhead.data.options import ScanOptions
from fullhead.io.files import check_new, check_place, written_whole


def fit_scan(
    scan: Annotated[Path, tyro.conf.Positional],
    out: Path = Path("out/fit-scan"),
    using: ModelOptions = ModelOptions(model="ganhead-demo"),
    source: ScanOptions = ScanOptions(),
    shape_steps: int = 200,
    looks_steps: int = 200,
    seed: int = 0,
    overwrite: bool = False,
) -> None:
    """Fit a GANHead to a scan of a head: the rig, then the shape code, then the detail and colour codes.

    Nothing is needed but the scan: its landmarks are found, however it lies in its file. You can give them, too.
    Writes to the folder `out`: head.safetensors, which `orbit`, `animate`, `mesh` and the others take as --model; and fit.png,
    scan with its landmarks and fit from several sides. Exits with 2 if the fit failed.

    Args:
        scan: An .obj, .ply, .stl or .glb of a head, which need not be closed, or a cloud of points (.ply, .xyz).
        out: Folder of the results.
        using: The model to fit.
        source: Where landmarks come from, and how the scan lies in its file.
        shape_steps: Number of steps in which the shape code is fitted.
        looks_steps: Number of steps in which the detail and colour codes are fitted.
        seed: Seed of the random numbers of the fit.
        overwrite: Replace the results that are in the folder.
    """
    check_place(out, folder=True)
    head, sheet_file = (check_new(out / name, overwrite) for name in ("head.safetensors", "fit.png"))
    if shape_steps < 1 or looks_steps < 1:
        raise FullheadError(f"--shape-steps {shape_steps}, --looks-steps {looks_steps}: at least 1 each")
    check_seed(seed, "--seed")

    import numpy as np
    import torch

    from fullhead.data.scans import scan_file
    from fullhead.eyes.readers import open_reader
    from fullhead.families.table import require
    from fullhead.fitting.fit_scan import WORST_CHAMFER, FitScanConfig, cube_rig, scan_sheet
    from fullhead.io.images import save_image
    from fullhead.models.checkpoint import save
    from fullhead.rig.fitting import FitConfig

    given = scan_file(scan, source.landmarks, source.axes)
    opened = using.open()
    model: Any = opened.model
    fit, cube = require(opened.family, "fit_scan"), cube_rig(model)
    reader = None if given.marked else open_reader(source.reader)
    config = FitScanConfig(shape_steps, looks_steps, rig=FitConfig(metres_per_unit=source.metres_per_unit))
    with stage_bars(shape=("rig, then shape", shape_steps), looks=("detail and colour", looks_steps)) as on_step:
        fitted = fit(model, cube, given, config, reader=reader, seed=seed, on_step=on_step)
        sheet = scan_sheet(model, fitted)
    alike, unit = fitted.likeness, cube.millimetres
    numbers = {
        "chamfer_mm": round(alike.chamfer * unit, 3),
        "normal_consistency": round(alike.normal_consistency, 4),
        "f_score": round(alike.f_score, 4),
        "colour_error": None if alike.colour_error is None else round(alike.colour_error, 4),
        "verdict": fitted.verdict,
    }
    pose = {"expression": fitted.pose.expression[0].tolist(), "joint_pose": fitted.pose.joint_pose[0].tolist()}
    record = {"fitted_to": scan.name, "model": using.model, "seed": seed, **numbers, **pose}
    with written_whole(head) as a, written_whole(sheet_file) as b:  # both or none
        save_image(sheet, b)
        save(model, a, dtype=torch.float16, about=record, latents=fitted.codes)
    off = dict(fitted.placed.errors)
    if (apart := off.pop("views", None)) is not None:
        known = int(np.isfinite(fitted.placed.landmarks).all(1).sum())
        print(f"{known} of 68 landmarks found in the scan, which views of it show {apart:.1f} mm apart")
    print(
        f"the rig is off by {off['landmarks']:.2f} mm at the landmarks; by at most {off['face']:.2f} mm at half of the face, "
        f"and by {off['face_95']:.2f} mm at 95% of it"
    )
    colour = "the scan has no colours" if alike.colour_error is None else f"colour error {alike.colour_error:.3f}"
    print(
        f"chamfer {alike.chamfer * unit:.2f} mm, normal consistency {alike.normal_consistency:.3f}, "
        f"F-score at {10 * unit / 1000:.0f} mm {alike.f_score:.3f}, {colour}; {fitted.seconds:.0f} s: a {fitted.verdict} fit"
    )
    if fitted.doubt:
        print(f"warning: {fitted.doubt}")
    if fitted.verdict == "failed":
        raise FullheadError(
            f"the fit failed: scan and head are {alike.chamfer * unit:.0f} mm apart, at most {WORST_CHAMFER * unit:.0f} is a "
            f"fit. Look at {sheet_file}; is the scan one of a head, and the model trained on such heads?"
        )
    print(f"{head}: show it with  fullhead orbit --model {head}")
