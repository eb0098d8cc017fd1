"""What a reader found, drawn."""

import numpy as np
import pytest
from PIL import Image

from fullhead.core.cameras import orbit
from fullhead.eyes.pose import landmark_places, reading_of_camera
from fullhead.eyes.reading import Points, Reading
from fullhead.eyes.window import Window
from fullhead.viewing.draw_reading import AXES, BOX, FAINT, OUTLINE, draw_readings, opacities, resized


def near(picture: np.ndarray, colour: tuple[int, ...], by: int = 40) -> np.ndarray:
    return np.abs(picture.astype(int) - colour).max(-1) < by


def head(size: int = 640, yaw: float = 0.5) -> Reading:
    return reading_of_camera(orbit(yaw, 0.2), size, size)


def test_a_box_and_axes_are_where_the_head_is():
    drawn = draw_readings(np.zeros((640, 640, 3), np.uint8), [head()])
    rows, columns = np.nonzero(near(drawn, BOX))
    side = head().head_window().side
    assert drawn.shape == (640, 640, 3)
    assert columns.min() == pytest.approx(320 - side / 2, abs=5)
    assert rows.max() == pytest.approx(320 + side / 2, abs=5)
    for k, colour in enumerate(AXES):
        end = head().centre + 0.15 * head().unit * head().rotation[:2, k]  # type: ignore[index]
        x, y = end.round().astype(int)
        assert near(drawn[y - 3 : y + 4, x - 3 : x + 4], colour).any(), k


@pytest.mark.parametrize(
    ("height", "width", "expected"), [(20, 16, (640, 512)), (100, 3000, (68, 2048)), (700, 800, (700, 800))]
)
def test_drawings_are_neither_tiny_nor_huge(height: int, width: int, expected: tuple[int, int]):
    assert draw_readings(np.zeros((height, width, 3), np.uint8), []).shape[:2] == expected


def test_a_photo_without_heads_is_only_the_photo():
    photo = np.random.default_rng(0).integers(0, 255, (640, 700, 3), dtype=np.uint8)
    assert np.array_equal(draw_readings(photo, []), photo)


def test_points_that_are_not_seen_are_faint():
    xy = np.column_stack([np.linspace(50, 600, 68), np.full(68, 600.0)])
    seen = np.repeat([1.0, 0.0], 34)
    reading = Reading(1.0, np.array([320.0, 300.0]), 100.0, landmarks=Points(xy, seen=seen))
    row = draw_readings(np.zeros((640, 640, 3), np.uint8), [reading])[600].max(-1)
    assert row[:310].max() > 200
    assert row[340:].max() < 1.6 * FAINT
    assert opacities(Points(xy)).min() == 255


def test_parts_are_coloured_and_a_line_goes_around_the_matte():
    inner = np.pad(np.ones((8, 8), np.float32), 4)
    reading = Reading(
        1.0, np.array([320.0, 320.0]), 100.0, window=Window(320, 320, 320), matte=inner, parts=inner.astype(np.uint8)
    )
    drawn = draw_readings(np.full((640, 640, 3), 128, np.uint8), [reading])
    assert (drawn[320, 320] != 128).any()
    assert (drawn[200, 200] == 128).all()
    assert near(drawn[320, 232:246], OUTLINE, 80).any()


def test_a_head_far_beyond_the_photo_is_drawn_without_error():
    reading = Reading(1.0, np.array([-9000.0, 1e5]), 5000.0, head().rotation, Points(landmark_places()[:, :2] * 1e6))
    assert draw_readings(np.zeros((30, 30, 3), np.uint8), [reading]).shape == (640, 640, 3)


def test_a_larger_photo_has_the_same_head_larger():
    reading = resized(head(100), 3.0)
    assert np.allclose(reading.centre, head(300).centre)
    assert reading.unit == pytest.approx(head(300).unit)
    assert Image.fromarray(draw_readings(np.zeros((64, 64, 3), np.uint8), [reading])).size == (640, 640)
