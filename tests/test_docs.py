"""What the pages say is so: defaults of options, code in Python, commands, links, units, names of the package, the version.

A block of Python runs unless a comment stands before it that says why not: <!-- not run: needs FLAME -->
"""

import ast
import inspect
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
import torch
from PIL import Image
from skimage.data import astronaut

import fullhead
from fullhead import cli
from fullhead.cli import COMMANDS
from fullhead.commands.synth.export import export as synth_export
from fullhead.commands.synth.sets import photos
from fullhead.models.checkpoint import save
from fullhead.models.i3dmm import I3DMM, I3DMMConfig
from small_head360 import small_head360
from small_scans import write_balls

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = DOCS / "commands"
TEXTS = {  # the pages of the project, without the code that they show
    path: re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for path in [*ROOT.glob("*.md"), *(ROOT / "benchmarks").glob("*.md"), *DOCS.rglob("*.md")]
}
SOURCES = [path for path in TEXTS if path.parent != ROOT / "benchmarks" and path.name not in ("CHANGELOG.md",)]
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
    for table in re.findall(r"^\| option \| default \|.*\n((?:\|.*\n)+)", TEXTS[PAGES / f"{page}.md"], re.MULTILINE):
        for row in table.splitlines():
            names, said = (cell.strip() for cell in row.split("|")[1:3])
            options, said = re.findall(r"`(--[a-z-]+)`", names), said.removesuffix(" each")
            values = said.split(", ") if said.count(", ") == len(options) - 1 else len(options) * [said]
            yield from ((name, value.strip("`")) for name, value in zip(options, values, strict=True))


def as_said(default: Any) -> str:
    if isinstance(default, tuple):
        return " ".join(map(as_said, default))
    return f"{default:g}" if isinstance(default, float) else str(default)


PAGES_WITH_DEFAULTS = [page for page in PAGED if "| option | default |" in TEXTS[PAGES / f"{page}.md"]]


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


PYTHON = re.compile(r"^(?:<!-- not run: ([^\n]+) -->\n)?```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def write_i3dmm(folder: Path) -> None:
    config = I3DMMConfig(people=4, expressions=5, hairstyles=3, code=6, deform_width=24, colour_width=24, resolution=32)
    (folder / "runs/i3dmm").mkdir(parents=True)
    torch.manual_seed(0)  # a head with a surface
    save(I3DMM(replace(config, reference_width=32, image_size=64)), folder / "runs/i3dmm/model.safetensors")


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


GIVEN: dict[str, Callable[[Path], object]] = {  # what a page's reader has made or brought
    "invert": lambda folder: Image.fromarray(astronaut()).save(folder / "portrait.jpg"),
    "read": lambda folder: Image.fromarray(astronaut()).save(folder / "portrait.jpg"),
    "prepare": lambda folder: write_balls(folder / "prepared"),
    "i3dmm": write_i3dmm,
    "head360": lambda folder: save(small_head360(), made(folder / "runs/head360") / "model.safetensors"),
}


def blocks(page: Path) -> list[tuple[str, str]]:
    """Why a block of Python does not run (empty: it runs), and its code, on the lines where it stands in the page."""
    text = page.read_text()
    return [(found[1] or "", "\n" * text[: found.start(2)].count("\n") + found[2]) for found in PYTHON.finditer(text)]


def commands(page: Path) -> Iterator[list[str]]:
    for block in SHELL.findall(page.read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            yield shlex.split(line, comments=True)


WITH_PYTHON = [page for page in SOURCES if page.parent.name != "examples" and any(not why for why, _ in blocks(page))]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.stem)
def test_python_on_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    GIVEN.get(page.stem, lambda folder: None)(tmp_path)
    names: dict[str, Any] = {"__name__": "docs"}
    for why, code in blocks(page):
        if not why:
            exec(compile(code, str(page), "exec"), names)


def test_python_that_does_not_run_imports_what_there_is():
    left_out = [(page, code) for page in SOURCES for why, code in blocks(page) if why and "dlib" not in why]
    for page, code in left_out:
        imports = [node for node in ast.parse(code).body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), str(page), "exec"), {})
    assert len(left_out) < 10, "most of the code runs"


@pytest.mark.parametrize("page", SOURCES, ids=lambda page: page.stem)
def test_commands_on_a_page_are_understood(page: Path):
    for words in commands(page):
        if "fullhead.cli" in words:
            words = ["fullhead", *words[words.index("fullhead.cli") + 1 :]]
        if words[:1] == ["fullhead"]:
            cli.understood(words[1:])
        elif words[:1] == ["python"] and words[1] != "-m":
            source = (ROOT / words[1]).read_text()
            assert all(f'"{word}"' in source for word in words if word.startswith("--")), shlex.join(words)


def test_the_page_of_benchmarks_shows_the_results_with_a_unit_each():
    made = runpy.run_path(str(ROOT / "benchmarks" / "table.py"))["page"]()
    assert (DOCS / "benchmarks.md").read_text() == made, "stale: run python benchmarks/table.py"


def anchors(text: str) -> set[str]:
    """What a repository's host calls the headings of a page in links."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_pages_pictures_and_headings_that_are_there(page: Path):
    """`make docs` checks the pages of the site, too; this checks pictures, and pages outside the site."""
    for link in re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", re.sub(r"`[^`\n]*`", "", TEXTS[page])):
        target, _, anchor = "".join(link).partition("#")
        if ":" in target:
            continue  # another site
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), f"{page.name} links to {target}, which is not there"
        assert not anchor or anchor in anchors(TEXTS[there]), f"{target} has no heading #{anchor}"


def test_the_site_shows_every_page():
    shown = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(shown) == sorted(path.relative_to(DOCS).as_posix() for path in TEXTS if DOCS in path.parents)


def test_the_reference_has_every_public_name():
    shown = re.findall(r"^::: fullhead\.(\w+)$", (DOCS / "reference.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(shown) == sorted(set(fullhead.__all__) - {"__version__"})


def test_the_page_for_newcomers_from_other_projects_names_what_is_there():
    text = TEXTS[DOCS / "coming_from.md"]
    names = re.findall(r"`(fullhead(?:\.\w+)+)`", text)
    for config, rows in re.findall(r"key of `(\S+)` \|\n\|---\|---\|\n((?:\|.*\n)+)", text):
        keys = [key for row in rows.splitlines() for key in re.findall(r"`(\w+)`", row.split("|")[2].partition(";")[0])]
        names += [f"{config}.{key}" for key in keys]
    assert len(names) > 60
    for name in names:
        owner, _, last = name.rpartition(".")
        try:
            resolve_name(name)
        except AttributeError:  # a field of a dataclass without a plain default
            assert last in {f.name for f in fields(resolve_name(owner))}, name


def test_the_changelog_knows_the_version():
    """Its newest release is this version; before the first release there is only what is unreleased."""
    known = re.findall(r"^## \[(\S+)\]", TEXTS[ROOT / "CHANGELOG.md"], re.MULTILINE)
    assert known[0] == "Unreleased"
    assert known[1:2] in ([], [fullhead.__version__])


def test_the_package_runs_as_a_module(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "fullhead", "--version"], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout == f"fullhead {fullhead.__version__}\n"
