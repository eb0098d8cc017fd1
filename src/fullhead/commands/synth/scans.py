"""`fullhead synth scans`: coloured meshes with the rig's parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from fullhead.commands.options import check_resolution, check_seed
from fullhead.commands.synth.options import SetOptions


def scans(
    out: Annotated[Path, tyro.conf.Positional],
    subjects: int = 50,
    scans_per_subject: int = 4,
    seed: int = 0,
    resolution: int = 224,
    raw: bool = False,
    noise: float = 0.3,
    writing: SetOptions = SetOptions(),
) -> None:
    """Write closed, coloured meshes of heads in [-1, 1]^3 with the rig's parameters, in several expressions and poses.

    Stop it at any time with Ctrl-C and run it again to go on. The same settings write the same files.

    Args:
        out: Folder of the set; it is made if needed.
        subjects: Number of heads. More can be asked for later.
        scans_per_subject: Scans of each head; the first is neutral and upright.
        seed: Which set of heads.
        resolution: Cells of the grid along the cube's side of 40 cm.
        raw: Also write every scan as a scanner leaves it: somewhere in space, in millimetres, with noise and holes.
        noise: Of the raw scans, millimetres.
        writing: How the set is written.
    """
    from fullhead.core.errors import FullheadError
    from fullhead.synth.datasets.scans import Scans

    if subjects < 1 or scans_per_subject < 1:
        raise FullheadError(f"--subjects {subjects} and --scans-per-subject {scans_per_subject}: both are at least 1")
    check_resolution(resolution, 32, 512)
    check_seed(seed, bits=64)
    writing.check()
    writing.write(out, Scans(subjects, scans_per_subject, seed, resolution, raw, noise, writing.population()), "scans")
