"""The reader of MediaPipe's networks: its places, and, with a file of the user's own, what it sees."""

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from skimage.data import astronaut

from fullhead.core.errors import FullheadError
from fullhead.eyes import mediapipe
from fullhead.eyes.mediapipe import (
    ANCHORS,
    FINDER,
    LOOKER,
    NAMES,
    POINTS,
    SEEN_BY_EXPRESSION,
    Face,
    MediaPipe,
    Networks,
    apart,
    face_box,
    load_mediapipe,
    load_table,
    search_windows,
    window_around,
)
from fullhead.eyes.window import Window
from fullhead.rig.arkit import ARKIT

TASK = os.environ.get("FULLHEAD_FACE_LANDMARKER")
with_task = pytest.mark.skipif(TASK is None, reason="no face_landmarker.task: FULLHEAD_FACE_LANDMARKER names the file")


def test_anchors_are_the_middles_of_cells_row_by_row():
    expected = [((x + 0.5) / 16, (y + 0.5) / 16) for y in range(16) for x in range(16) for _ in range(2)]
    expected += [((x + 0.5) / 8, (y + 0.5) / 8) for y in range(8) for x in range(8) for _ in range(6)]
    assert np.allclose(ANCHORS, expected)


def test_a_box_of_the_finder_lies_in_the_photo():
    row = np.zeros(16)
    row[:8] = (8, -4, 32, 24, -10, 0, 10, 0)  # centre, size, right eye, left eye
    box = face_box(row, np.array([0.5, 0.25]), Window(100, 60, 64))
    assert (box.x, box.y) == pytest.approx((100 + 4, 60 - 16 - 2))
    assert box.side == pytest.approx(1.5 * 16)
    assert box.turn == 0
    turned = face_box(row, np.array([0.5, 0.5]), Window(100, 60, 64, math.pi / 2))
    assert turned.turn == pytest.approx(math.pi / 2)
    assert (turned.x, turned.y) == pytest.approx((100 + 2, 60 + 4))


@pytest.mark.parametrize("shape", [(600, 900), (20, 20), (3000, 400)])
def test_the_finder_looks_everywhere(shape: tuple[int, int]):
    height, width = shape
    windows = list(search_windows(height, width, 0.0))
    assert windows[0] == Window(width / 2, height / 2, max(shape))
    for side in {window.side for window in windows}:
        covered = np.zeros(shape, bool)
        for window in windows:
            if window.side == side:
                x0, y0 = round(window.x - side / 2), round(window.y - side / 2)
                covered[max(y0, 0) : max(y0, 0) + math.ceil(side), max(x0, 0) : max(x0, 0) + math.ceil(side)] = True
        assert covered.all()


def test_one_face_found_several_times_is_the_surest():
    a, b, c = Window(50, 50, 30), Window(53, 50, 36), Window(90, 50, 30)
    assert apart([(0.6, a), (0.9, b), (0.7, c)]) == [(0.9, b), (0.7, c)]


def test_the_window_around_points_is_upright():
    points = np.zeros((POINTS, 3))
    points[:, 0], points[:, 1] = np.linspace(-10, 10, POINTS), np.linspace(-4, 4, POINTS)
    points[mediapipe.LEFT_EYE], points[mediapipe.RIGHT_EYE] = (5, 0, 0), (-5, 0, 0)
    turn = np.array([[0.6, -0.8, 0], [0.8, 0.6, 0], [0, 0, 1]])
    window = window_around(points @ turn.T + [70, 40, 0])
    assert (window.x, window.y, window.side) == pytest.approx((70, 40, 30))
    assert window.turn == pytest.approx(math.atan2(0.8, 0.6))


def test_weights_of_points_keep_shifts_turns_and_sizes():
    table = load_table()
    assert np.allclose(table.weight.sum(1), 1, atol=1e-3)
    assert table.index.max() < POINTS
    assert table.place.shape == (68, 3)
    points = np.random.default_rng(0).normal(size=(POINTS, 3))
    expected = [sum(w * points[i] for w, i in zip(table.weight[j], table.index[j], strict=True)) for j in range(68)]
    assert np.allclose(table.landmarks(points), expected)


def test_names_are_those_of_arkit():
    assert NAMES[:3] == ("_neutral", "browDownLeft", "browDownRight")
    assert len(NAMES) == 52
    assert set(ARKIT) - set(NAMES) == {"tongueOut"}
    assert len(set(SEEN_BY_EXPRESSION)) == 146


def posing(turn: np.ndarray, found: np.ndarray | None = None) -> MediaPipe:
    """A reader whose networks see one head that fills the photo, however it stands; points are on one landmark each."""
    table = load_table()
    own = replace(table, index=np.arange(100, 168)[:, None], weight=np.ones((68, 1)))

    def find(pixels: np.ndarray) -> list[np.ndarray]:
        assert pixels.shape == (1, FINDER, FINDER, 3)
        boxes, logits = np.zeros((1, 896, 16)), np.full((1, 896, 1), -20.0)
        logits[0, 500], boxes[0, 500, 2:4] = 20, 64
        boxes[0, 500, 4:8] = (-9, 0, 9, 0)
        return [boxes, logits]

    def look(pixels: np.ndarray) -> list[np.ndarray]:
        assert pixels.shape == (1, LOOKER, LOOKER, 3)
        points = np.zeros((POINTS, 3))
        points[100:168] = 400 * table.place @ turn.T + [128, 120, 7]
        points[mediapipe.LEFT_EYE], points[mediapipe.RIGHT_EYE] = (150, 128, 0), (106, 128, 0)
        return [points.ravel(), np.array([9.0])]

    return MediaPipe(Networks(find, look, lambda points: [np.linspace(-0.1, 1, 52)]), own)


def test_points_in_space_tell_how_the_head_stands():
    turn = Rotation.from_euler("yx", [0.5, 0.2]).as_matrix() @ np.diag([1, -1, -1])
    reader = posing(turn)
    face = reader.networks.looked_once(np.zeros((256, 256, 3), np.uint8), Window(128, 128, 256), 1.0)
    reading = reader.reading(face)
    assert np.allclose(reading.rotation, turn)
    assert np.allclose(reading.centre, [128, 120])
    assert reading.unit == pytest.approx(400)
    assert reading.expression is not None
    assert reading.expression.min() >= 0
    assert reading.expression[ARKIT.index("tongueOut")] == 0
    assert reading.expression[ARKIT.index("noseSneerRight")] == 1


def test_a_face_is_looked_at_where_it_was_found():
    readings = posing(np.diag([1.0, -1, -1]))(np.zeros((200, 300, 3), np.uint8))
    assert readings
    assert all(reading.score > 0.9 for reading in readings)


def test_no_face_is_no_reading():
    reader = posing(np.diag([1.0, -1, -1]))
    blind = replace(reader.networks, find=lambda pixels: [np.zeros((1, 896, 16)), np.full((1, 896, 1), -9.0)])
    assert replace(reader, networks=blind)(np.zeros((64, 64, 3), np.uint8)) == []
    assert isinstance(Face(1.0, np.zeros((POINTS, 3)), Window(0, 0, 1)), Face)


def test_another_file_is_refused_in_one_line(tmp_path: Path):
    with pytest.raises(FullheadError, match=r"no face_landmarker\.task at"):
        load_mediapipe(tmp_path / "face_landmarker.task")
    wrong = tmp_path / "wrong.task"
    wrong.write_bytes(b"no zip")
    with pytest.raises(FullheadError, match=r"pip install|Face Landmarker"):
        load_mediapipe(wrong)


def test_a_missing_extra_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "face_landmarker.task").write_bytes(b"")
    monkeypatch.setitem(__import__("sys").modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(FullheadError, match=r'pip install "fullhead\[mediapipe\]"'):
        load_mediapipe(tmp_path / "face_landmarker.task")


@with_task
def test_the_networks_read_a_photo_however_it_is_turned():
    pytest.importorskip("ai_edge_litert")
    assert TASK is not None
    reader = load_mediapipe(TASK)
    for quarters in range(4):
        (found,) = reader(np.ascontiguousarray(np.rot90(astronaut(), -quarters)))
        assert found.yaw_pitch_roll is not None and found.landmarks is not None
        roll = math.remainder(found.yaw_pitch_roll[2] - quarters * math.pi / 2, math.tau)
        assert abs(roll - 0.05) < 0.05
        assert abs(found.yaw_pitch_roll[0]) < 0.1
    assert found.expression is not None
    assert found.expression[ARKIT.index("mouthSmileLeft")] > 0.5
