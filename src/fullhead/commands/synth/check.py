"""`fullhead synth check`: whether a set is whole, and whether a detector takes its faces for faces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from fullhead.io.config import Unset


def check(out: Annotated[Path, tyro.conf.Positional], detector: Unset[str] = None, yaw_limit: float = 30) -> None:
    """Compare every file of a set with its checksum; with --detector, look for the faces of its photos instead.

    `sha256sum -c SHA256SUMS` compares the files too, in the set's folder.

    Args:
        out: Folder of the set.
        detector: module:function of a landmark detector made for photos: a picture [H, W, 3] uint8 to 68 points [68, 2] in
            pixels, or to an empty array where it sees no face. It runs over the frontal photos of a set of photos.
        yaw_limit: Degrees to each side up to which a photo counts as frontal.
    """
    from fullhead.core.errors import FullheadError, counted
    from fullhead.io.sets import check_set

    if detector is not None:
        from fullhead.data.scan_landmarks import load_detector
        from fullhead.metrics.landmark_error import agreement

        found = agreement(out, load_detector(detector), yaw_limit)
        print(f"{found.faces} of {found.photos} frontal faces found, {found.elsewhere} times something else")
        if found.faces:
            print(f"mean error {found.errors.mean():.4f} of the distance between the outer corners of the eyes, ", end="")
            print(f"{found.inner_errors.mean():.4f} without the jaw")
        return
    count, wrong = check_set(out)
    if wrong:
        some = ", ".join(wrong[:3]) + (", ..." if len(wrong) > 3 else "")
        raise FullheadError(
            f"{len(wrong)} of {count} files of {out} are missing or damaged ({some}): delete them and run the command that "
            "wrote the set again"
        )
    print(f"{counted(count, 'file')}, all as they should be")
