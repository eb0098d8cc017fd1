"""The commands take a Head360: a very small one with random weights."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from fullhead.cli import main
from fullhead.models.checkpoint import save
from small_head360 import small_head360

SMALL = ["--size", "32"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    path = tmp_path_factory.mktemp("head360") / "model.safetensors"
    save(small_head360(), path)
    return ["--model", str(path)]


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_pictures_and_films(model: list[str], tmp_path: Path):
    sheets = []
    for vary in ([], ["--vary", "hair"], ["--vary", "texture,shape"]):
        main(
            [
                "sample",
                *model,
                "--seeds",
                "0-1",
                "--yaws",
                "0,90",
                "--no-labels",
                "--out",
                str(tmp_path / "a.png"),
                *vary,
                *SMALL,
            ]
        )
        sheets.append(pixels(tmp_path / "a.png"))
    assert sheets[0].shape == (2 * 36 + 4, 2 * 36 + 4, 3)
    assert all(np.abs(a - b).mean() > 0.5 for a, b in pairwise(sheets))
    main(["orbit", *model, "--frames", "3", "--out", str(tmp_path / "a.webp"), *SMALL])
    main(["interpolate", *model, "--seeds", "0,1", "--frames", "3", "--out", str(tmp_path / "b.webp"), *SMALL])
    assert [Image.open(tmp_path / name).n_frames for name in ("a.webp", "b.webp")] == [3, 3]  # type: ignore[attr-defined]


def test_a_mesh(model: list[str], tmp_path: Path):
    main(["mesh", *model, "--resolution", "32", "--level", "2", "--keep-floaters", "--out", str(tmp_path / "head.ply")])
    assert trimesh.load(tmp_path / "head.ply", process=False).is_watertight  # type: ignore[attr-defined]


def test_faces_and_turns(model: list[str], tmp_path: Path):
    words = {"rest": ["--expression", "jawOpen=0"], "open": ["--expression", "jawOpen=1"], "turned": ["--joint", "neck=0,30,0"]}
    seen = {}
    for name, moves in words.items():
        main(["animate", *model, *moves, "--out", str(tmp_path / f"{name}.png"), *SMALL])
        seen[name] = pixels(tmp_path / f"{name}.png")
    assert all(np.abs(seen[name] - seen["rest"]).max() > 2 for name in ("open", "turned"))
    main(["animate", *model, "--expression", "jawOpen=1", "--frames", "4", "--out", str(tmp_path / "a.webp"), *SMALL])
    assert Image.open(tmp_path / "a.webp").n_frames == 4  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sample", "--shading", "clay"], "no surface of its own"),
        (["sample", "--vary", "colour"], "are texture, shape, hair"),
        (["sample", "--background-seed", "1"], "makes no background"),
        (["export"], "Head360"),
    ],
)
def test_what_it_cannot_do_is_refused_in_words(
    words: list[str], said: str, model: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit):
        main([*words, *model, "--out", str(tmp_path / ("a.glb" if words[0] == "export" else "a.png"))])
    message = capsys.readouterr().err
    assert said in message and len(message.splitlines()) == 1


def test_its_presets_are_listed(capsys: pytest.CaptureFixture[str]):
    main(["presets"])
    listed = capsys.readouterr().out
    assert "head360-512" in listed and "head360-released512" in listed
