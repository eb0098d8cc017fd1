"""What the docs say is so: defaults of options, code in Python, commands, links, units of the benchmarks.

A block of Python runs unless a comment stands before it that says why not: <!-- not run: needs FLAME -->
"""

import ast
import inspect
import re
import runpy
import shlex
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from skimage.data import astronaut

from fullhead import cli
from fullhead.cli import COMMANDS
from fullhead.commands.synth.export import export as synth_export
from fullhead.commands.synth.photos import photos
from fullhead.models.checkpoint import save
from fullhead.models.i3dmm import I3DMM, I3DMMConfig
from small_scans import write_balls

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "commands"
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


TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PYTHON = re.compile(r"^(?:<!-- not run: ([^\n]+) -->\n)?```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def write_i3dmm(folder: Path) -> None:
    config = I3DMMConfig(people=4, expressions=5, hairstyles=3, code=6, deform_width=24, colour_width=24, resolution=32)
    (folder / "runs/i3dmm").mkdir(parents=True)
    torch.manual_seed(0)  # a head with a surface
    save(I3DMM(replace(config, reference_width=32, image_size=64)), folder / "runs/i3dmm/model.safetensors")


GIVEN: dict[str, Callable[[Path], object]] = {  # what a page's reader has made or brought
    "invert": lambda folder: Image.fromarray(astronaut()).save(folder / "portrait.jpg"),
    "prepare": lambda folder: write_balls(folder / "prepared"),
    "i3dmm": write_i3dmm,
}


def blocks(page: Path) -> list[tuple[str, str]]:
    """Why a block of Python does not run (empty: it runs), and its code, on the lines where it stands in the page."""
    text = page.read_text()
    return [(found[1] or "", "\n" * text[: found.start(2)].count("\n") + found[2]) for found in PYTHON.finditer(text)]


def commands(page: Path) -> Iterator[list[str]]:
    for block in SHELL.findall(page.read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            yield shlex.split(line, comments=True)


WITH_PYTHON = [page for page in TEXTS if any(not why for why, _ in blocks(page))]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.stem)
def test_python_on_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    GIVEN.get(page.stem, lambda folder: None)(tmp_path)
    names: dict[str, Any] = {"__name__": "docs"}
    for why, code in blocks(page):
        if not why:
            exec(compile(code, str(page), "exec"), names)


def test_python_that_does_not_run_imports_what_there_is():
    left_out = [(page, code) for page in TEXTS for why, code in blocks(page) if why and "dlib" not in why]
    for page, code in left_out:
        imports = [node for node in ast.parse(code).body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), str(page), "exec"), {})
    assert len(left_out) < 10, "most of the code runs"


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.stem)
def test_commands_on_a_page_are_understood(page: Path):
    for words in commands(page):
        if "fullhead.cli" in words:
            words = ["fullhead", *words[words.index("fullhead.cli") + 1 :]]
        if words[:1] == ["fullhead"]:
            cli._understood(words[1:])
        elif words[:1] == ["python"] and words[1] != "-m":
            source = (ROOT / words[1]).read_text()
            assert all(f'"{word}"' in source for word in words if word.startswith("--")), shlex.join(words)


def anchors(page: Path) -> set[str]:
    """Those of the headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("page", [*TEXTS, ROOT / "benchmarks" / "README.md"], ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        if "://" not in link:
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def test_the_page_of_benchmarks_shows_the_results_with_a_unit_each():
    made = runpy.run_path(str(ROOT / "benchmarks" / "table.py"))["page"]()
    assert (ROOT / "benchmarks" / "README.md").read_text() == made, "stale: run python benchmarks/table.py"
