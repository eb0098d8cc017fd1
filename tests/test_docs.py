"""What the pages of the commands say of defaults is what the commands do."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from fullhead.cli import COMMANDS
from fullhead.commands.synth.export import export as synth_export
from fullhead.commands.synth.photos import photos

PAGES = Path(__file__).parents[1] / "docs" / "commands"
PAGED = {**{name.replace("-", "_"): command for name, command in COMMANDS.items()}, "synth": photos}
PAGED["synth_export"] = synth_export


def defaults(function: Any) -> Iterator[tuple[str, Any]]:
    """Options, as they are written on the command line, and their defaults; groups of options are opened."""
    for name, parameter in inspect.signature(function).parameters.items():
        if is_dataclass(parameter.default):
            yield from ((option(f.name), getattr(parameter.default, f.name)) for f in fields(parameter.default))
        else:
            yield option(name), parameter.default


def option(name: str) -> str:
    return "--" + name.replace("_", "-")


def documented(page: str) -> Iterator[tuple[str, str]]:
    """Options and what the tables' column of defaults says of each, where it says a value."""
    for table in re.findall(r"^\| option \| default \|.*\n((?:\|.*\n)+)", (PAGES / f"{page}.md").read_text(), re.MULTILINE):
        for row in table.splitlines():
            names, said = (cell.strip() for cell in row.split("|")[1:3])
            options, said = re.findall(r"`(--[a-z-]+)`", names), said.removesuffix(" each")
            values = said.split(", ") if said.count(", ") == len(options) - 1 else len(options) * [said]
            yield from ((name, value.strip("`")) for name, value in zip(options, values, strict=True))


def as_said(default: Any) -> str:
    if isinstance(default, tuple):
        return " ".join(map(as_said, default))
    return f"{default:g}" if isinstance(default, float) else str(default)


PAGES_WITH_DEFAULTS = [page for page in PAGED if "| option | default |" in (PAGES / f"{page}.md").read_text()]


@pytest.mark.parametrize("page", PAGES_WITH_DEFAULTS)
def test_documented_defaults_are_the_commands_own(page: str):
    known, compared = dict(defaults(PAGED[page])), 0
    for name, said in documented(page):
        default = known.get(name)
        if default in (None, (), "") or isinstance(default, bool) or said.startswith("as for") or not said:
            continue  # said in words, or each set's own
        assert said == as_said(default), f"{page}: {name}"
        compared += 1
    assert compared >= 2
