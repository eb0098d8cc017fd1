"""`fullhead synth ...`: procedural heads, as sets, sheets and files."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Annotated, Any

from tyro.conf import subcommand

from fullhead.commands.options import later
from fullhead.commands.synth.check import check
from fullhead.commands.synth.export import export
from fullhead.commands.synth.sets import heads360, photos, scans, video, views
from fullhead.commands.synth.sheet import sheet

SYNTH: dict[str, Callable[..., None]] = {f.__name__: f for f in (photos, heads360, views, scans, video, export, sheet, check)}


def synth(command: Any) -> None:
    """Procedural heads, which show no real person: sets with their ground truth, rigged models, and sheets."""
    command()


synth.__annotations__["command"] = reduce(
    or_, [Annotated[Any, subcommand(name=name, constructor=later(command))] for name, command in SYNTH.items()]
)
