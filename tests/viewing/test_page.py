"""The page stands alone: everything is inside, nothing is fetched, texts cannot break it."""

import base64
import re

import numpy as np
import pytest

from fullhead.core.errors import FullheadError
from fullhead.export.mesh import save_mesh
from fullhead.io.images import save_image
from fullhead.io.video import save_video
from fullhead.viewing.page import Medium, Section, write_page

FRAME = np.full((16, 16, 3), 99, np.uint8)


def test_a_page_holds_its_pictures_films_and_numbers(tmp_path):
    media = [
        Medium(save_image(FRAME, tmp_path / "sheet.png"), "five views"),
        Medium(save_video([FRAME] * 2, tmp_path / "turn.webp"), "a turn"),
        Medium(save_video([FRAME] * 2, tmp_path / "turn.mp4")),
    ]
    page = write_page(tmp_path / "out", "Heads", [Section("Sheet", "One.\n\nTwo.", {"PSNR": "28.1 dB"}, media)], lead="Lead.")
    assert page == tmp_path / "out" / "index.html"
    html = page.read_text()
    for medium in media:
        assert base64.b64encode(medium.path.read_bytes()).decode() in html
    assert "<p>One.</p><p>Two.</p>" in html
    assert "<dt>PSNR</dt><dd>28.1 dB</dd>" in html
    assert html.count("<img") == 2
    assert html.count("<video") == 1
    assert "<script" not in html  # no mesh, no viewer


def test_a_page_with_meshes_holds_them_and_one_viewer(mesh, tmp_path):
    path = save_mesh(mesh, tmp_path / "head.glb")
    html = write_page(tmp_path, "Heads", [Section("Mesh", media=[Medium(path), Medium(path)])]).read_text()
    stored = re.findall(r'<script type="model/gltf-binary" id="(glb\d)">([^<]+)</script>', html)
    assert [name for name, _ in stored] == re.findall(r'<canvas data-glb="(\w+)"', html) == ["glb0", "glb1"]
    assert base64.b64decode(stored[1][1]) == path.read_bytes()
    assert html.count("function parseGlb") == 1


def test_a_page_fetches_nothing(mesh, tmp_path):
    path = save_mesh(mesh, tmp_path / "head.glb")
    html = write_page(tmp_path, "Heads", [Section("Mesh", media=[Medium(path)])]).read_text()
    assert not re.search(r"https?://|\bfetch\(|<link|\bimport\b|@import", html)
    assert all(source.startswith("data:") for source in re.findall(r'src="([^"]*)"', html))


def test_texts_are_escaped(tmp_path):
    sections = [Section("<b>", "$title & <script>", {"<i>": "<u>"}, [Medium(save_image(FRAME, tmp_path / "a.png"), '"><b>')])]
    html = write_page(tmp_path, "<title> & $lead", sections, lead="<em>").read_text()
    assert not re.search(r"<(b|i|u|em|script)>", html)
    assert "&lt;title&gt; &amp; $lead" in html


def test_media_that_a_page_cannot_show_are_refused(tmp_path):
    (tmp_path / "head.ply").write_text("ply")
    with pytest.raises(FullheadError, match=r"cannot show 'head.ply': choose one of .png"):
        write_page(tmp_path, "Heads", [Section("Mesh", media=[Medium(tmp_path / "head.ply")])])
    with pytest.raises(FullheadError, match=r"none\.png"):
        write_page(tmp_path, "Heads", [Section("Mesh", media=[Medium(tmp_path / "none.png")])])
