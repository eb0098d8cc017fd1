"""`fullhead align`, as a user runs it with a reader of their own."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fullhead.cli import main
from fullhead.data.photos import PhotoSet
from fullhead.io.sets import check_set

READER = """
import numpy as np
from fullhead.eyes.reading import Reading
from fullhead.eyes.window import Window

def find(photo):
    height, width = photo.shape[:2]
    middle, turn = (width / 2, height / 2), np.diag([1.0, -1.0, -1.0])
    return [Reading(0.9, np.array(middle), 90.0, turn, window=Window(*middle, 60.0), matte=np.ones((4, 4), np.float32))]
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_reader.py").write_text(READER)
    random = np.random.default_rng(0)
    for name in ("a.png", "below/b.jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (90, 120, 3), dtype=np.uint8)).save(path)
    (tmp_path / "photos/c.webp").write_bytes(b"no picture")
    return tmp_path


def test_align_makes_a_set_says_what_it_left_out_and_draws_a_sheet(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["align", "photos", "set", "--reader", "own_reader:find", "--size", "32", "--min-pixels", "40"]
    main([*words, "--workers", "1"])
    said = capsys.readouterr().out
    assert "3 new photos in set" in said
    assert "2 heads" in said
    assert "1 left out: the file cannot be read" in said
    assert len(PhotoSet(Path("set"))) == 2
    assert {row["photo"] for row in json.loads(Path("set/heads.json").read_text())} == {"a.png", "below/b.jpg"}
    assert Image.open("set/preview.webp").width > 600
    main([*words, "--workers", "0"])
    assert "0 new photos in set" in capsys.readouterr().out
    assert not check_set(Path("set"))[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--reader", "own_reader:lost"], "give module:function"),
        (["--min-pixels", "500"], "none of 3 photos shows a head that can be used: see set/left_out.json"),
        (["--layout", "lpff"], "is it the folder of that collection?"),
        (["--preview", "-1"], "from 0 to 200"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["align", "photos", "set", "--reader", "own_reader:find", "--workers", "0", *words])
    assert stop.value.code == 2
    message = capsys.readouterr().err
    assert said in message
    assert message.startswith("fullhead: ")
