"""`fullhead prepare`: scans to a set that an implicit head trains on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from fullhead.commands.synth.options import WriteOptions, check_size


def prepare(
    scans: Annotated[Path, tyro.conf.Positional],
    out: Annotated[Path, tyro.conf.Positional],
    layout: Literal["synth", "faceverse", "multiface", "files"] | None = None,
    raw: bool = False,
    fit: bool = False,
    landmarks: Path | None = None,
    detector: str | None = None,
    axes: str | None = None,
    metres_per_unit: float | None = None,
    order: Path | None = None,
    flame: Path | None = None,
    shapes: int = 100,
    near: int = 100_000,
    uniform: int = 100_000,
    surface: int = 100_000,
    view_size: int = 256,
    held_out: float = 0.1,
    seed: int = 0,
    options: WriteOptions = WriteOptions(),  # noqa: B008
) -> None:
    """Put scans into the cube of a rig, tell them in its parameters, and take what an implicit head trains on.

    Stop it at any time with Ctrl-C and run it again to go on. The same settings write the same files.

    Args:
        scans: Folder of `fullhead synth scans`, of FaceVerse, of Multiface, or of any .obj, .ply and .glb files.
        out: Folder of the prepared set; it is made if needed.
        layout: What lies in the folder; by default it is found out.
        raw: Take the raw scans of a procedural set, and fit them.
        fit: Fit procedural scans as if their parameters were not known.
        landmarks: Folder with <name>.txt or .json of 68 landmarks for each scan; by default <mesh>_landmarks.txt beside it.
        detector: module:function that finds 68 landmarks in a picture of the front, for scans without.
        axes: Which axes of the files become x (to the subject's left), y (up) and z (forward), as in x,-y,-z.
        metres_per_unit: Size of a unit of the files, 0.001 for millimetres; by default the scale is fitted, too.
        order: Text file with the names of the scans in the order of their codes; by default they are sorted.
        flame: FLAME's file, to fit FLAME instead of our own rig.
        shapes: Components of the rig's shape.
        near: Labelled points near the surface of each scan.
        uniform: Labelled points anywhere in the cube.
        surface: Points of the surface, with normals and colours.
        view_size: Pixels per side of the nine views.
        held_out: Share of the identities that no training sees.
        seed: Of all that is drawn.
        options: How the set is written.
    """
    from fullhead.core.errors import FullheadError
    from fullhead.data.prepare import Prepared
    from fullhead.data.scan_landmarks import load_detector
    from fullhead.data.scan_samples import SampleConfig
    from fullhead.data.scans import find_scans, ordered_by_names, read_order, with_axes
    from fullhead.io.files import existing_file
    from fullhead.rig.fitting import FitConfig

    for name, count in (("near", near), ("uniform", uniform), ("surface", surface), ("shapes", shapes)):
        if count < 1:
            raise FullheadError(f"--{name} {count}: at least 1")
    if not 0 <= held_out < 1:
        raise FullheadError(f"--held-out {held_out:g}: a share from 0 to below 1")
    if metres_per_unit is not None and not metres_per_unit > 0:
        raise FullheadError(f"--metres-per-unit {metres_per_unit:g}: above 0, such as 0.001 for millimetres")
    check_size(view_size)
    options.check()
    if detector is not None:
        load_detector(detector)
    found = find_scans(scans, layout, raw=raw, landmarks=landmarks)
    found = found if axes is None else with_axes(found, axes)
    found = found if order is None else ordered_by_names(found, read_order(order))
    recipe = Prepared(
        tuple(found),
        SampleConfig(near, uniform, surface, view_size=view_size),
        fit,
        FitConfig(metres_per_unit=metres_per_unit),
        None if flame is None else str(existing_file(flame, "FLAME file")),
        shapes,
        held_out,
        detector,
        seed,
    )
    options.write(out, recipe, "scans")
