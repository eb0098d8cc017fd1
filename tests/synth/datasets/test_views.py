"""Sets of views: what is written is what the pictures show, and a set continues byte for byte."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fullhead.io.sets import read_records, write_set
from fullhead.rig.landmarks import dense_points
from fullhead.synth.datasets.options import ViewsOptions
from fullhead.synth.datasets.shots import replay, true_camera
from fullhead.synth.datasets.views import Views
from fullhead.synth.rendering.render import project_to_pixels


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("views") / "set"
    write_set(out, Views(ViewsOptions(images=8, size=64, views_per_sitting=4, seed=3)), workers=0, quiet=True)
    return out


def test_two_sittings_are_of_one_person(views: Path):
    one, other = read_records(views)
    assert one["person"] == other["person"] == 0
    assert one["subject"]["shape"] == other["subject"]["shape"]
    assert one["subject"]["lighting"] != other["subject"]["lighting"]
    assert one["expression"] != other["expression"]


def test_points_follow_the_landmarks_of_the_record(views: Path):
    record = read_records(views)[0]
    for view in record["views"]:
        rows = np.load(views / "points" / f"{view['key']}.npy")
        assert rows.shape == (68 + len(dense_points().vertex), 3)
        assert np.allclose(rows[:68, :2], view["landmarks"], atol=0.01)
        assert "".join("01"[int(seen)] for seen in rows[:68, 2]) == view["visible"]


def test_the_head_turns_with_the_neck(views: Path):
    """The rigid top of the head, taken back by world_from_head, is where it is on the same head at rest."""
    for record in read_records(views):
        pose, landmarks = np.array(record["world_from_head"]), np.array(record["landmarks"])
        assert np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-5)
        in_head = (landmarks - pose[:3, 3]) @ pose[:3, :3]
        eyes = in_head[36:48].mean(0)
        assert np.allclose(eyes, [0, 0, 0.115], atol=0.03)


def test_every_picture_has_its_head_in_the_middle_and_parts(views: Path):
    for record in read_records(views):
        for view in record["views"]:
            image = np.asarray(Image.open(views / "img" / f"{view['key']}.png"))
            parts = np.asarray(Image.open(views / "parts" / f"{view['key']}.png"))
            assert image.shape == (64, 64, 4)
            assert ((parts > 0) == (image[..., 3] > 127))[8:-8].mean() > 0.97
            camera = true_camera(_view(view))
            middle, _ = project_to_pixels(np.array(record["world_from_head"])[None, :3, 3], camera, 64)
            assert np.abs(middle - 32).max() < 12


def _view(view: dict[str, object]):
    from fullhead.synth.datasets.shots import View

    return View(view["key"], view["yaw"], view["pitch"], tuple(view["label"]))  # type: ignore[arg-type]


def test_a_record_makes_its_pictures_again(views: Path):
    record = read_records(views)[1]
    for view, files in zip(record["views"], replay(record), strict=True):
        written = np.asarray(Image.open(views / "img" / f"{view['key']}.png"))
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(files["img.png"]))), written)


def test_the_list_names_every_picture_and_its_person(views: Path):
    listed = json.loads((views / "views.json").read_text())
    assert len(listed) == 8
    assert {person for _, person in listed} == {0}
