"""How a head stands, of landmarks and of cameras."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from fullhead.core.cameras import FOCAL, Cameras, orbit
from fullhead.core.errors import FullheadError
from fullhead.eyes.pose import landmark_places, reading_of_camera, reading_of_landmarks
from fullhead.eyes.reading import Reading


def seen_by(camera: Cameras, points: np.ndarray, width: int, height: int) -> np.ndarray:
    """Pixels [P, 2] of points [P, 3], one after the other."""
    w2c, K = np.linalg.inv(camera.c2w[0].double().numpy()), camera.K[0].double().numpy()
    pixels = []
    for point in points:
        x, y, z = K @ (w2c[:3, :3] @ point + w2c[:3, 3])
        pixels.append((x / z * width, y / z * height))
    return np.array(pixels)


def degrees_apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(Rotation.from_matrix(a @ b.T).magnitude()))


@pytest.mark.parametrize(("yaw", "pitch"), [(0.0, 0.0), (0.7, -0.3), (-1.3, 0.2), (2.8, 0.1)])
def test_landmarks_of_the_average_head_tell_the_camera(yaw: float, pitch: float):
    camera = orbit(yaw, pitch)
    truth = reading_of_camera(camera, 200, 200)
    found = reading_of_landmarks(seen_by(camera, landmark_places(), 200, 200))
    assert found.rotation is not None and truth.rotation is not None
    assert degrees_apart(found.rotation, truth.rotation) < 0.1
    assert np.allclose(found.centre, truth.centre, atol=0.1)
    assert found.unit == pytest.approx(truth.unit, rel=1e-3)


def test_a_turned_photo_turns_the_head():
    xy = seen_by(orbit(0.3, 0.1), landmark_places(), 200, 200)
    upright, turned = reading_of_landmarks(xy), reading_of_landmarks(np.column_stack([200 - xy[:, 1], xy[:, 0]]))
    assert upright.yaw_pitch_roll is not None and turned.yaw_pitch_roll is not None
    assert turned.yaw_pitch_roll == pytest.approx(np.add(upright.yaw_pitch_roll, [0, 0, np.pi / 2]), abs=1e-3)


def test_what_is_not_known_is_where_the_average_head_has_it():
    xy = seen_by(orbit(0.4, 0.0), landmark_places(), 100, 100)
    partly = xy.copy()
    partly[:30] = np.nan
    found = reading_of_landmarks(partly)
    assert found.landmarks is not None and found.landmarks.seen is not None
    assert np.abs(found.landmarks.xy - xy).max() < 0.2
    assert found.landmarks.seen.tolist() == [0.0] * 30 + [1.0] * 38


@pytest.mark.parametrize("xy", [np.full((68, 2), np.nan), np.ones((68, 2)), np.repeat(np.arange(68.0)[:, None], 2, axis=1)])
def test_too_few_landmarks_and_those_in_a_line_are_refused(xy: np.ndarray):
    with pytest.raises(FullheadError, match="landmarks"):
        reading_of_landmarks(xy)


def test_a_camera_goes_to_a_reading_and_back():
    camera = orbit(-0.6, 0.3)
    back = reading_of_camera(camera, 300, 300).camera(300, 300, focal=FOCAL * 300)
    assert np.allclose(back.c2w, camera.c2w, atol=1e-5)
    assert np.allclose(back.K, camera.K, atol=1e-5)


def test_a_camera_that_looks_away_is_refused():
    camera = orbit(0.0)
    with pytest.raises(FullheadError, match="does not look"):
        reading_of_camera(Cameras(camera.c2w @ torch.diag(torch.tensor([-1.0, 1, -1, 1])), camera.K), 10, 10)


def test_the_places_are_where_a_reading_says_the_head_is():
    eyes = landmark_places()[[36, 39, 42, 45]].mean(0)
    assert np.allclose(eyes, [0, 0, 0.115], atol=0.02)
    assert isinstance(reading_of_camera(orbit(0.0), 10, 10), Reading)
