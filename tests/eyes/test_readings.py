"""Readings and windows: places, cuts, and the cameras that follow."""

import math

import numpy as np
import pytest

from fullhead.core.cameras import FOCAL, RADIUS, orbit
from fullhead.core.errors import FullheadError
from fullhead.eyes.pose import reading_of_camera
from fullhead.eyes.reading import Reading
from fullhead.eyes.window import Window, crop, crop_layer, cut, laid_back
from fullhead.rig.landmarks import MIRRORED, dense_points, ibug_points
from fullhead.rig.template import load_template


def read_from(yaw: float, pitch: float, roll: float = 0.0) -> Reading:
    c, s = math.cos(roll), math.sin(roll)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return Reading(1.0, np.array([40.0, 50.0]), 100 * FOCAL / RADIUS, turn @ orbit(yaw, pitch).c2w[0, :3, :3].numpy().T)


@pytest.mark.parametrize("yaw", [-3.0, -1.2, 0.0, 0.4, 2.5])
def test_angles_are_those_of_the_camera(yaw: float):
    assert read_from(yaw, 0.3, -0.4).yaw_pitch_roll == pytest.approx((yaw, 0.3, -0.4), abs=1e-6)


def test_a_head_in_the_middle_gives_the_camera_of_a_set():
    reading = read_from(0.7, -0.2)
    camera, expected = Reading(1.0, np.array([50.0, 50.0]), reading.unit, reading.rotation).camera(100, 100), orbit(0.7, -0.2)
    assert np.allclose(camera.c2w, expected.c2w, atol=1e-6)
    assert np.allclose(camera.K, expected.K, atol=1e-6)


def test_the_camera_sees_the_head_where_it_is():
    camera = read_from(0.7, -0.2, 0.3).camera(100, 80, focal=150.0)
    origin = -camera.c2w[0, :3, :3].T @ camera.c2w[0, :3, 3]
    seen = (camera.K[0] @ (origin / origin[2])).numpy()
    assert np.allclose(seen[:2] * [100, 80], [40, 50], atol=1e-4)
    assert float(camera.K[0, 0, 0]) * 100 / float(origin[2]) == pytest.approx(100 * FOCAL / RADIUS, rel=1e-5)


def test_a_cut_without_turn_is_a_slice_and_goes_back():
    photo = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    window = Window(40, 30, 20)
    found = cut(photo, window, 20)
    assert np.array_equal(found, photo[20:40, 30:50])
    back = laid_back(found[..., 0], window, 60, 80)
    assert np.array_equal(back[20:40, 30:50], photo[20:40, 30:50, 0])
    assert not back[:19].any()


def test_a_turned_cut_shows_the_head_upright():
    photo = np.zeros((100, 100, 3), np.uint8)
    photo[50, 60:90] = 255  # goes to the right of the middle
    upright = cut(photo, Window(50, 50, 100, math.pi / 2), 100)  # whose own x axis points down in the photo
    rows, columns = np.nonzero(upright[..., 0] > 128)
    assert (abs(columns - 50) <= 1).all()
    assert rows.max() < 45


def test_a_cameras_reading_gives_that_camera_again():
    expected = read_from(2.0, 0.3, -0.4).camera(120, 90, focal=180.0)
    found = reading_of_camera(expected, 120, 90).camera(120, 90, focal=180.0)
    assert np.allclose(found.c2w, expected.c2w, atol=1e-5)
    assert np.allclose(found.K, expected.K, atol=1e-5)


def waves(height: int, width: int, turn: float = 0.0) -> np.ndarray:
    """Waves 8 pixels long, turned about the middle."""
    y, x = np.mgrid[:height, :width] + 0.5
    along = (x - width / 2) * math.cos(turn) + (y - height / 2) * math.sin(turn)
    grey = np.round(127.5 + 100 * np.sin(along * math.pi / 4)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


@pytest.mark.parametrize("turn", [0.3, -1.1, 2.5])
def test_a_turned_crop_is_the_crop_of_a_turned_photo(turn: float):
    straight = crop(waves(200, 240), Window(120, 100, 100), 100)
    turned = crop(waves(200, 240, turn), Window(120, 100, 100, turn), 100)
    assert np.abs(straight.astype(int) - turned).max() < 8


@pytest.mark.parametrize("turn", [0.0, 0.5])
def test_what_is_finer_than_a_crops_pixels_is_grey_in_it(turn: float):
    found = crop(waves(400, 400), Window(200, 200, 320, turn), 32)  # ten pixels of the photo in one
    assert np.abs(found[4:-4, 4:-4].astype(int) - 127).max() < 12


@pytest.mark.parametrize("turn", [0.0, 0.7])
def test_a_layer_is_cropped_as_the_photo_is_also_beyond_its_edge(turn: float):
    photo = np.zeros((90, 120, 3), np.uint8)
    photo[20:70, 0:60] = 255
    layer = np.zeros((120, 120), np.float32)
    layer[:90] = photo[..., 0] / 255
    window = Window(20, 50, 80, turn)  # a quarter of it is beyond the left edge
    picture, matte = crop(photo, window, 80), crop_layer(layer, Window(60, 60, 120), window, 80, 90, 120)
    assert ((picture[..., 0] > 127) == (matte > 0.5)).mean() > 0.97
    numbers = crop_layer((layer * 7).astype(np.uint8), Window(60, 60, 120), window, 80, 90, 120)
    assert set(np.unique(numbers)) == {0, 7}


def test_a_crop_wholly_beyond_the_photo_is_refused():
    with pytest.raises(FullheadError, match="beyond the photo"):
        crop(np.zeros((10, 10, 3), np.uint8), Window(100, 5, 10), 8)


def test_places_go_there_and_back():
    window = Window(12.0, 30.0, 25.0, 0.7)
    places = np.random.default_rng(0).uniform(size=(9, 2))
    assert np.allclose(window.to_window(window.to_photo(places)), places)
    assert np.allclose(window.to_photo(np.array([0.5, 0.5])), [12, 30])


def test_a_window_beyond_the_photo_is_black():
    assert not cut(np.full((10, 10, 3), 255, np.uint8), Window(100, 100, 10), 8).any()


def test_mirror_images_of_points_are_where_they_are_said_to_be():
    vertices = load_template().vertices
    dense = dense_points()
    points = vertices[dense.vertex]
    assert np.abs(points[dense.mirror] * [-1, 1, 1] - points).max() < 1e-3
    assert np.allclose(ibug_points()[list(MIRRORED)] * [-1, 1, 1], ibug_points())
