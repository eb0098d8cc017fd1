"""Readers by name: files that are there already, functions of the user's own, and words for what is none."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fullhead
from fullhead.core.cameras import labels_from_cameras, orbit
from fullhead.core.errors import FullheadError
from fullhead.eyes.pose import reading_of_camera
from fullhead.eyes.readers import Files, open_reader
from fullhead.eyes.reading import Reading
from fullhead.eyes.records import record

SIZE = 100


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.new("RGB", (SIZE, SIZE), "grey").save(tmp_path / "me.jpg")
    return tmp_path / "me.jpg"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


def only(photo: Path, reader: str) -> Reading:
    (found,) = fullhead.read(photo, reader)
    return found


def write_points(path: Path, xy: np.ndarray) -> None:
    lines = "\n".join(f"{x} {y}" for x, y in xy)
    match path.suffix:
        case ".npy":
            np.save(path, xy)
        case ".json":
            path.write_text(json.dumps(xy.tolist()))
        case ".pts":
            shifted = "\n".join(f"{x + 0.5} {y + 0.5}" for x, y in xy)
            path.write_text(f"version: 1\nn_points: 68\n{{\n{shifted}\n}}\n")
        case _:
            path.write_text(lines)


@pytest.mark.parametrize("suffix", [".txt", ".json", ".npy", ".pts"])
def test_points_of_files_are_landmarks_and_tell_how_the_head_stands(photo: Path, folder: Path, known, suffix: str):
    truth = known()
    write_points(folder / f"me{suffix}", truth.landmarks.xy)
    found = only(photo, str(folder))
    assert found.landmarks is not None and found.rotation is not None
    assert np.allclose(found.landmarks.xy, truth.landmarks.xy)
    assert np.abs(found.rotation - truth.rotation).max() < 0.1


def test_a_camera_and_a_mask_of_files(photo: Path, folder: Path):
    camera = orbit(2.0, 0.2)
    labels = [["00000/me.png", labels_from_cameras(camera)[0].tolist()]]
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[20:60, 30:70] = 255
    Image.fromarray(mask).save(folder / "me.png")
    Image.fromarray(mask // 64).save(folder / "me_parts.png")
    found, truth = only(photo, str(folder)), reading_of_camera(camera, SIZE, SIZE)
    assert np.allclose(found.rotation, truth.rotation, atol=1e-6)
    assert found.unit == pytest.approx(truth.unit)
    assert found.matte is not None and found.parts is not None
    assert np.array_equal(found.matte, mask / 255)
    assert np.array_equal(found.parts, mask // 64)


def test_parts_of_an_oblong_photo_lie_where_they_are(tmp_path: Path, folder: Path, known):
    Image.new("RGB", (60, 30)).save(tmp_path / "wide.jpg")
    write_points(folder / "wide.txt", known().landmarks.xy)
    parts = np.arange(1800, dtype=np.uint8).reshape(30, 60)
    Image.fromarray(parts).save(folder / "wide_parts.png")
    found = only(tmp_path / "wide.jpg", str(folder)).parts
    assert found is not None
    assert np.array_equal(found[15:45], parts)
    assert not found[:15].any()


def test_the_photo_itself_is_no_mask_of_it(tmp_path: Path, known):
    Image.new("RGB", (SIZE, SIZE)).save(tmp_path / "me.png")
    write_points(tmp_path / "me.txt", known().landmarks.xy)
    assert only(tmp_path / "me.png", str(tmp_path)).matte is None


def test_what_was_read_is_read_again(photo: Path, folder: Path, known):
    heads = [record(known(), SIZE, SIZE), record(known(yaw=-1.0), SIZE, SIZE)]
    (folder / "me.json").write_text(json.dumps({"heads": heads}))
    first, second = fullhead.read(photo, str(folder))
    assert np.allclose(first.expression, np.linspace(0, 1, 52), atol=1e-3)
    assert second.yaw_pitch_roll is not None
    assert second.yaw_pitch_roll[0] == pytest.approx(-1.0, abs=1e-3)


def test_files_go_by_names(folder: Path, photo: Path):
    with pytest.raises(FullheadError, match="go by names"):
        fullhead.read(np.zeros((8, 8, 3), np.uint8), str(folder))
    with pytest.raises(FullheadError, match=r"neither points nor a camera of me\.jpg"):
        fullhead.read(photo, str(folder))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("me.txt", "1 2\n3 4\n"),
        ("me.txt", "a b\n"),
        ("me.json", "[1, 2"),
        ("me.json", '{"heads": [{"score": 1}]}'),
        ("me.json", '{"heads": 3}'),
        ("me.npy", "no array"),
        ("me.pts", "version: 1"),
        ("dataset.json", '{"labels": [["me.png", [1, 2]]]}'),
        ("dataset.json", '{"labels": 4}'),
    ],
)
def test_damaged_files_are_refused_by_name(photo: Path, folder: Path, name: str, content: str):
    (folder / name).write_text(content)
    with pytest.raises(FullheadError, match=name):
        fullhead.read(photo, str(folder))


def test_a_mask_of_another_size_is_refused(photo: Path, folder: Path, known):
    write_points(folder / "me.txt", known().landmarks.xy)
    Image.new("L", (8, 9)).save(folder / "me_matte.png")
    with pytest.raises(FullheadError, match="8 x 9 pixels, and the photo 100 x 100"):
        fullhead.read(photo, str(folder))


OWN = """
import numpy as np
from pathlib import Path
from fullhead.eyes.pose import landmark_places
from fullhead.eyes.reading import Reading

XY = landmark_places()[:, :2] * [100, -100] + 50
def points(photo): return XY
def two(photo): return np.stack([XY, XY + 20])
def nobody(photo): return None
def empty(photo): return []
def readings(photo): return [Reading(0.2, XY[0], 9.0), Reading(0.7, XY[1], 9.0)]
def wrong(photo): return XY[:67]
def words(photo): return "a face"
def broken(photo): raise KeyError("weights")
number = 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_own_reader.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(("function", "count"), [("points", 1), ("two", 2), ("nobody", 0), ("empty", 0), ("readings", 2)])
def test_a_function_of_the_users_own_is_a_reader(own: None, function: str, count: int):
    found = open_reader(f"my_own_reader:{function}")(np.zeros((8, 8, 3), np.uint8))
    assert len(found) == count
    assert [reading.score for reading in found] == sorted((reading.score for reading in found), reverse=True)


@pytest.mark.parametrize(("function", "says"), [("wrong", "67 x 2"), ("words", "a face"), ("broken", "weights")])
def test_what_goes_wrong_in_it_is_said(own: None, function: str, says: str):
    with pytest.raises(FullheadError, match=f"my_own_reader:{function}.*{says}"):
        open_reader(f"my_own_reader:{function}")(np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("eye", "no reader 'eye': give eyes"),
        ("no_such_module_here:read", "no_such_module_here"),
        ("my_own_reader:number", "is no function"),
        ("my_own_reader:nothing", "nothing"),
        ("nowhere.task", "no face_landmarker"),
    ],
)
def test_what_is_no_reader_is_refused(own: None, text: str, says: str):
    with pytest.raises(FullheadError, match=says):
        open_reader(text)


def test_a_folder_is_a_reader(folder: Path):
    assert open_reader(str(folder)) == Files(folder)
