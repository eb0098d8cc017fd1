"""`fullhead synth photos`: single views of procedural heads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from fullhead.commands.options import check_seed
from fullhead.commands.synth.options import SetOptions, check_size
from fullhead.synth.datasets.options import PhotosOptions


def photos(
    out: Annotated[Path, tyro.conf.Positional],
    what: PhotosOptions = PhotosOptions(),
    writing: SetOptions = SetOptions(),
) -> None:
    """Write single photos of procedural heads with masks, cameras and attributes, in the layout of EG3D and PanoHead.

    Stop it at any time with Ctrl-C and run it again to continue. The same settings write the same files.

    Args:
        out: Folder of the set; it is made if needed.
        what: How many photos, of what, and seen from where.
        writing: How the set is written.
    """
    from fullhead.synth.datasets.photos import recipe

    check_size(what.size)
    check_seed(what.seed, bits=64)
    writing.check()
    writing.write(out, recipe(what, writing.population()), "photos")
