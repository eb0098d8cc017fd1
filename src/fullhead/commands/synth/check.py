"""`fullhead synth check`: whether a set is whole, and whether a reader takes its faces for faces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from fullhead.io.config import Unset


def check(out: Annotated[Path, tyro.conf.Positional], reader: Unset[str] = None, yaw_limit: float = 30) -> None:
    """Compare every file of a set with its checksum; with --reader, look for the faces of its photos instead.

    `sha256sum -c SHA256SUMS` compares the files too, in the set's folder.

    Args:
        out: Folder of the set.
        reader: What reads heads from photos: eyes, or module:function. It runs over the frontal photos of a set of photos.
        yaw_limit: Degrees to each side up to which a photo counts as frontal.
    """
    from fullhead.core.errors import FullheadError, counted
    from fullhead.io.sets import check_set

    if reader is not None:
        from fullhead.eyes.readers import open_reader
        from fullhead.metrics.landmark_error import agreement

        found = agreement(out, open_reader(reader), yaw_limit)
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
