"""`fullhead align`: photos to a training set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from fullhead.commands.synth.options import WriteOptions
from fullhead.core.errors import FullheadError, counted
from fullhead.data.options import AlignOptions


def align(
    photos: Annotated[Path, tyro.conf.Positional],
    out: Annotated[Path, tyro.conf.Positional],
    what: AlignOptions = AlignOptions(),
    preview: int = 12,
    writing: WriteOptions = WriteOptions(),
) -> None:
    """Find the heads in photos, cut them out upright, and label and matte them: a set that `fullhead train panohead-...` reads.

    Stop it at any time with Ctrl-C and run it again to continue. The same settings write the same files.

    Args:
        photos: Folder of photos, with all folders below it.
        out: Folder of the set; it is made if needed.
        what: How photos become a training set, and which heads are left out.
        preview: Photos on preview.webp, with their windows and what became of them, by yaw; 0 writes none.
        writing: How the set is written.
    """
    if not 0 <= preview <= 200:
        raise FullheadError(f"--preview {preview}: from 0 to 200 photos")
    writing.check()

    from fullhead.data.align import recipe
    from fullhead.io.images import save_image
    from fullhead.viewing.aligned import aligned_sheet, report

    set_of = recipe(photos, out, what)
    writing.write(out, set_of, "photo")
    said = report(out)
    print("\n".join(said.lines))
    if not said.heads:
        raise FullheadError(
            f"none of {counted(len(set_of.photos), 'photo')} shows a head that can be used: see {out / 'left_out.json'}"
        )
    if preview:
        print(save_image(aligned_sheet(photos, out, preview), out / "preview.webp"))
