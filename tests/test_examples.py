"""The examples run, make pictures that show something, and their pages show their code."""

import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PICTURES = {path.stem: path for path in (ROOT / "docs" / "img" / "examples").iterdir()}
LARGEST = 150_000  # bytes of a picture


def shows_something(path: Path) -> bool:
    """Whether every frame has more than one colour, in more than a few places."""
    with Image.open(path) as image:
        for frame in range(getattr(image, "n_frames", 1)):
            image.seek(frame)
            pixels = np.asarray(image.convert("RGB"), float)
            if pixels.std(axis=(0, 1)).min() < 10:
                return False
    return True


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_its_picture_shows_something(example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [example.name, "--quick"])
    runpy.run_path(str(example), run_name="__main__")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert shows_something(tmp_path / "out" / "examples" / example.stem / PICTURES[example.stem].name)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_its_picture_in_the_docs_is_small(example: Path):
    assert 20 <= len(example.read_text(encoding="utf-8").splitlines()) <= 60
    assert PICTURES[example.stem].stat().st_size < LARGEST
    assert shows_something(PICTURES[example.stem])


def test_the_pages_of_the_examples_are_up_to_date():
    tool = [sys.executable, "tools/examples.py", "--check"]
    done = subprocess.run(tool, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
