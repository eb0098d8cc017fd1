"""`fullhead read`: photos of all kinds, films, runs that go on, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fullhead.cli import main
from fullhead.io.images import read_image
from fullhead.io.video import open_film, save_video

# A reader that finds a head where the photo is red, and knows how it stands.
RED = """
import numpy as np
from fullhead.core.cameras import orbit
from fullhead.eyes.pose import landmark_places, reading_of_camera
from fullhead.eyes.reading import Points, Reading
from fullhead.eyes.window import Window

def read(photo):
    red = (photo[..., 0] > 150) & (photo[..., 1] < 90)
    if not red.any():
        return []
    rows, columns = np.nonzero(red)
    centre, unit = np.array([columns.mean() + 0.5, rows.mean() + 0.5]), 2.0 * (np.ptp(rows) + 1)
    turn = reading_of_camera(orbit(0.3, 0.1), 10, 10).rotation
    points = centre + unit * (landmark_places() @ turn.T)[:, :2]
    window = Window(*centre.tolist(), unit / 2)
    return [Reading(0.9, centre, unit, turn, Points(points), window=window, matte=np.ones((8, 8), np.float32),
                    parts=np.full((8, 8), 2, np.uint8), expression=np.full(52, 0.25))]
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "red_reader.py").write_text(RED)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def picture(width: int = 80, height: int = 60, at: tuple[int, int] = (30, 20)) -> np.ndarray:
    pixels = np.full((height, width, 3), 120, np.uint8)
    x, y = at
    pixels[y : y + 16, x : x + 16] = (220, 20, 20)
    return pixels


def read(*words: str | Path) -> None:
    main(["read", *map(str, words), "--reader", "red_reader:read"])


def heads(path: Path) -> list[dict]:
    return json.loads(path.read_text())["heads"]


def test_a_photo_gives_all_values_and_pictures(capsys: pytest.CaptureFixture[str]):
    Image.fromarray(picture()).save("me.png")
    read("me.png")
    found = json.loads(Path("out/read/me.json").read_text())
    (head,) = found["heads"]
    assert head["centre"] == [38.0, 28.0]
    assert head["yaw_pitch_roll"] == pytest.approx([17.19, 5.73, 0], abs=0.02)
    assert len(head["landmarks"]["xy"]) == 68
    assert head["expression"]["jawOpen"] == 0.25
    assert set(found["units"]["values"]) >= set(head)
    assert np.asarray(Image.open("out/read/me_parts.png")).shape == (60, 80)
    assert np.asarray(Image.open(f"out/read/{found['matte']}"))[28, 38] == 255
    assert read_image("out/read/me_drawn.png").shape == (480, 640, 3)
    assert "me.png: 1 head; yaw 17°, pitch 6°, roll 0°" in capsys.readouterr().out


def test_photos_of_all_kinds_are_read_upright_and_in_their_colours(capsys: pytest.CaptureFixture[str]):
    Path("kinds").mkdir()
    image = Image.fromarray(picture())
    exif = Image.Exif()
    exif[0x112] = 6
    image.rotate(90, expand=True).save("kinds/turned.jpg", exif=exif, quality=95)
    image.convert("CMYK").save("kinds/ink.jpg", quality=95)
    image.convert("RGBA").save("kinds/clear.webp", lossless=True)
    image.convert("P").save("kinds/palette.gif")
    image.resize((8, 6), Image.Resampling.NEAREST).save("kinds/tiny.png")
    image.convert("L").save("kinds/grey.png")
    Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save("kinds/deep.png")
    read("kinds", "--out", "o")
    for name in ("turned", "ink", "clear", "palette"):
        assert heads(Path(f"o/{name}.json"))[0]["centre"] == pytest.approx([38, 28], abs=0.6), name
    assert heads(Path("o/tiny.json"))
    assert heads(Path("o/grey.json")) == heads(Path("o/deep.json")) == []
    assert "grey.png: no head found" in capsys.readouterr().out
    assert read_image("o/contact_sheet.png").shape[1] > 320


def test_bad_files_do_not_stop_the_good_ones(capsys: pytest.CaptureFixture[str]):
    Path("mixed").mkdir()
    Image.fromarray(picture()).save("mixed/a.jpg")
    whole = Path("mixed/a.jpg").read_bytes()
    Path("mixed/b.jpg").write_bytes(whole[: len(whole) // 2])
    Path("mixed/c.png").write_text("no image")
    Image.fromarray(picture()).save("mixed/d.png")
    with pytest.raises(SystemExit) as stop:
        read("mixed", "--out", "o")
    said = capsys.readouterr()
    assert stop.value.code == 2
    assert said.out.count(": not read. ") == 2
    assert "is the file whole?" in said.out
    assert "2 files of 4 could not be read" in said.err
    assert Path("o/a.json").is_file() and Path("o/d.json").is_file()
    assert not list(Path("o").glob("b*")) and not list(Path("o").glob("c_*"))


def test_a_run_goes_on_and_never_overwrites(capsys: pytest.CaptureFixture[str]):
    Path("some").mkdir()
    Image.fromarray(picture()).save("some/a.png")
    read("some", "--out", "o")
    before = Path("o/a.json").stat().st_mtime_ns
    Image.fromarray(picture(at=(10, 10))).save("some/b.png")
    read("some", "--out", "o")
    assert "1 of 2 had been read already" in capsys.readouterr().out
    assert Path("o/a.json").stat().st_mtime_ns == before
    Image.fromarray(picture(at=(5, 5))).save("some/a.png")
    with pytest.raises(SystemExit):
        read("some", "--out", "o")
    assert "a.json is of another file or another reader" in capsys.readouterr().err
    assert Path("o/a.json").stat().st_mtime_ns == before
    read("some", "--out", "o", "--overwrite")
    assert heads(Path("o/a.json"))[0]["centre"] == [13.0, 13.0]


@pytest.mark.parametrize("suffix", [".webp", ".gif", ".mp4"])
def test_a_film_gives_a_line_for_each_frame_and_a_film(suffix: str):
    frames = [picture(at=(10 + 2 * i, 20)) for i in range(8)]
    film = Path(f"film{suffix}")
    if suffix == ".gif":
        first, *rest = map(Image.fromarray, frames)
        first.save(film, save_all=True, append_images=rest, duration=50)
    else:
        if suffix == ".mp4":
            pytest.importorskip("imageio_ffmpeg")
        save_video(frames, film, 20.0)
    read(film, "--out", "o")
    about, *lines = map(json.loads, Path("o/film.jsonl").read_text().splitlines())
    assert about["fps"] == pytest.approx(20, rel=0.01)
    assert [line["frame"] for line in lines] == list(range(8))
    assert lines[7]["time"] == pytest.approx(0.35, rel=0.01)
    assert {head["head"] for line in lines for head in line["heads"]} == {0}
    centres = [line["heads"][0]["centre"][0] for line in lines]
    assert centres == sorted(centres)
    drawn = open_film(Path(f"o/film_drawn{'.mp4' if suffix == '.mp4' else '.webp'}"))
    assert sum(frame.shape == (480, 640, 3) for frame in drawn.frames) == 8


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere.jpg"], "no image or film at nowhere.jpg"),
        (["empty"], "has no photos or films"),
        ([], "nothing to read"),
        (["cut.mp4"], "ffmpeg finds no pictures in it|pip install imageio-ffmpeg"),
        (["contact_sheet.png"], "name of the contact sheet"),
        (["a/me.png", "b/me.png"], "have one name"),
        (["a/me.png", "--out", "red_reader.py"], "is a file"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(words: list[str], says: str, capsys: pytest.CaptureFixture[str]):
    for folder in ("empty", "a", "b"):
        Path(folder).mkdir()
    for name in ("contact_sheet.png", "a/me.png", "b/me.png"):
        Image.fromarray(picture()).save(name)
    Path("cut.mp4").write_bytes(bytes(3000))
    with pytest.raises(SystemExit) as stop:
        read(*words)
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert said.count("\n") == 1
    assert __import__("re").search(says, said), said


def test_names_of_one_stem_keep_their_suffix():
    Path("x").mkdir()
    Image.fromarray(picture()).save("x/me.png")
    Image.fromarray(picture()).save("x/me.jpg")
    read("x", "--out", "o")
    assert Path("o/me_png.json").is_file() and Path("o/me_jpg.json").is_file()


def test_what_was_read_is_a_reader():
    Image.fromarray(picture()).save("me.png")
    read("me.png", "--out", "first")
    main(["read", "me.png", "--out", "second", "--reader", "first"])
    assert heads(Path("second/me.json"))[0]["landmarks"] == heads(Path("first/me.json"))[0]["landmarks"]
    assert np.array_equal(read_image("second/me_parts.png"), read_image("first/me_parts.png"))
