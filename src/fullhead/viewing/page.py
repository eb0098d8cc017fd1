"""One HTML file that shows results to people: pictures, films, a mesh to turn, numbers. It needs no network and no server.

Everything is embedded: a page opened from a disk may not fetch its neighbours, and one file is easily sent.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from fullhead.core.errors import FullheadError
from fullhead.io.files import existing_file, written_whole

MEDIA_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".mp4": "video/mp4",
    ".glb": "model/gltf-binary",
}
LOOKS = ("colours", "lit", "form")  # of the mesh viewer, numbered as in page.js


@dataclass(frozen=True)
class Medium:
    """A picture (.png, .jpg, .webp), a film (.webp, .mp4) or a mesh (.glb, as `save_mesh` writes it) with its caption."""

    path: Path
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the page: `text` in paragraphs (an empty line between), `numbers` as name -> value with unit, `media`."""

    title: str
    text: str = ""
    numbers: Mapping[str, str] = field(default_factory=dict)
    media: Sequence[Medium] = ()


def write_page(folder: str | Path, title: str, sections: Sequence[Section], lead: str = "") -> Path:
    """Write folder/index.html with `title`, a sentence `lead`, and the sections in order; returns its path."""
    resources = files("fullhead.viewing")
    meshes: list[Path] = []
    body = "\n".join(_section(section, meshes) for section in sections)
    data = [f'<script type="{MEDIA_TYPES[".glb"]}" id="glb{i}">{_base64(path)}</script>' for i, path in enumerate(meshes)]
    script = "\n".join([*data, f"<script>\n{resources.joinpath('page.js').read_text()}</script>"]) if meshes else ""
    page = Template(resources.joinpath("page.html").read_text()).substitute(
        title=escape(title), lead=f'<p class="lead">{escape(lead)}</p>' if lead else "", sections=body, script=script
    )
    path = Path(folder) / "index.html"
    with written_whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _section(section: Section, meshes: list[Path]) -> str:
    paragraphs = "".join(f"<p>{escape(part)}</p>" for part in section.text.split("\n\n") if part.strip())
    numbers = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in section.numbers.items())
    media = "\n".join(_figure(medium, meshes) for medium in section.media)
    parts = [f"<h2>{escape(section.title)}</h2>", paragraphs, f"<dl>{numbers}</dl>" if numbers else ""]
    return "<section>" + "\n".join([*parts, f'<div class="media">{media}</div>' if media else ""]) + "</section>"


def _figure(medium: Medium, meshes: list[Path]) -> str:
    """The HTML of one medium; a mesh is appended to `meshes`, whose bytes stand at the end of the page."""
    path = existing_file(medium.path, "a picture, film or mesh")
    suffix = path.suffix.lower()
    if suffix not in MEDIA_TYPES:
        raise FullheadError(f"a page cannot show {path.name!r}: choose one of {', '.join(MEDIA_TYPES)}")
    data, label = f"data:{MEDIA_TYPES[suffix]};base64,{_base64(path)}", escape(medium.caption or path.stem)
    caption = f"<figcaption>{escape(medium.caption)}</figcaption>" if medium.caption else ""
    if suffix == ".glb":
        meshes.append(path)
        looks = "".join(f'<button type="button" data-look="{i}">{look}</button>' for i, look in enumerate(LOOKS))
        canvas = f'<canvas data-glb="glb{len(meshes) - 1}" role="img" aria-label="{label}"></canvas>'
        shown = f'{canvas}<div class="looks">{looks}</div>'
    elif suffix == ".mp4":
        shown = f'<video src="{data}" autoplay loop muted playsinline controls></video>'
    else:
        shown = f'<img src="{data}" alt="{label}">'
    return f"<figure>{shown}{caption}</figure>"


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")
