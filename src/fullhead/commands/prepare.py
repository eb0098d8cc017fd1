"""`fullhead prepare`: scans to a set that an implicit head trains on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from fullhead.commands.synth.options import WriteOptions
from fullhead.data.options import PrepareOptions


def prepare(
    scans: Annotated[Path, tyro.conf.Positional],
    out: Annotated[Path, tyro.conf.Positional],
    what: PrepareOptions = PrepareOptions(),
    writing: WriteOptions = WriteOptions(),
) -> None:
    """Make a training set for a GANHead or an i3DMM out of scans: fit a head that can be posed to each, and take points of it.

    Stop it at any time with Ctrl-C and run it again to continue. The same settings write the same files.

    Args:
        scans: Folder of `fullhead synth scans`, of FaceVerse, of Multiface, or of any .obj, .ply, .stl, .xyz and .glb files.
        out: Folder of the prepared set; it is made if needed.
        what: Which scans become a training set, and what is taken of each.
        writing: How the set is written.
    """
    from fullhead.data.prepare import recipe

    writing.check()
    writing.write(out, recipe(scans, what), "scan")
