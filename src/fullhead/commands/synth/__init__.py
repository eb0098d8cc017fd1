"""`fullhead synth ...`: procedural heads, as sets, sheets and files. One file per command."""

from __future__ import annotations

from typing import Annotated, Any

from tyro.conf import subcommand

from fullhead.commands.options import later
from fullhead.commands.synth.check import check
from fullhead.commands.synth.export import export
from fullhead.commands.synth.heads360 import heads360
from fullhead.commands.synth.photos import photos
from fullhead.commands.synth.scans import scans
from fullhead.commands.synth.sheet import sheet
from fullhead.commands.synth.video import video


def synth(
    command: Annotated[Any, subcommand(name="photos", constructor=later(photos))]
    | Annotated[Any, subcommand(name="heads360", constructor=later(heads360))]
    | Annotated[Any, subcommand(name="scans", constructor=later(scans))]
    | Annotated[Any, subcommand(name="video", constructor=later(video))]
    | Annotated[Any, subcommand(name="export", constructor=later(export))]
    | Annotated[Any, subcommand(name="sheet", constructor=later(sheet))]
    | Annotated[Any, subcommand(name="check", constructor=later(check))],
) -> None:
    """Procedural heads that need no permission: sets with the truth known, models to pose, and sheets to look at."""
    command()
