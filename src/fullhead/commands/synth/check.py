"""`fullhead synth check`: whether a set is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro


def check(out: Annotated[Path, tyro.conf.Positional]) -> None:
    """Compare every file of a set with its checksum.

    `sha256sum -c SHA256SUMS` does the same in the set's folder.

    Args:
        out: Folder of the set.
    """
    from fullhead.core.errors import FullheadError
    from fullhead.synth.sets import check_set

    count, wrong = check_set(out)
    if wrong:
        some = ", ".join(wrong[:3]) + (", ..." if len(wrong) > 3 else "")
        raise FullheadError(
            f"{len(wrong)} of {count} files of {out} are missing or damaged ({some}): delete them and run the command that "
            "wrote the set again"
        )
    print(f"{count} files, all as they should be")
