"""`fullhead demo`: what the library does, as one page."""

from __future__ import annotations

from pathlib import Path

from fullhead.commands.options import ModelOptions
from fullhead.io.files import check_place

GANHEAD = "ganhead-demo"


def demo(out: Path = Path("out/demo"), using: ModelOptions = ModelOptions()) -> None:
    """Make a sheet of heads, a turntable, a mesh, a fit to a photo and heads that move, and a page of them: OUT/index.html.

    Args:
        out: Folder of the results; files of an earlier demo are replaced.
        using: The model that makes the heads.
    """
    from fullhead.commands import demo_sections as made
    from fullhead.families.opening import load
    from fullhead.families.table import require
    from fullhead.viewing.page import write_page

    check_place(out, folder=True)
    opened = using.open()
    require(opened.family, "fit_photo")  # before the rest is computed
    stages = {
        "heads": lambda: made.heads(opened.model, out),
        "a turntable, and heads that flow into each other": lambda: made.turntable(opened.model, out),
        "a mesh": lambda: made.mesh(opened.model, out),
        "a fit to a photo": lambda: made.photo(opened, out),
        "heads that move": lambda: made.implicit(load(GANHEAD, device=using.device), out),
    }
    print(f"{len(stages)} parts, about a minute of a laptop's core with the shipped models", flush=True)
    sections = []
    for name, section in stages.items():
        print(f"{name} ...", flush=True)
        sections.append(section())
    page = write_page(
        out,
        "fullhead",
        sections,
        f"360-degree heads by {using.model} and {GANHEAD}, computed on this machine. The photo shows a real person; all other "
        "heads are made up.",
    )
    print(f"open {page}")
