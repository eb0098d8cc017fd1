"""Heads through a film."""

from dataclasses import replace

import numpy as np
import pytest

from fullhead.eyes.reading import Reading
from fullhead.eyes.tracking import FORGOTTEN, OneEuro, Tracker

FPS = 25.0


def moved(reading: Reading, shift: np.ndarray) -> Reading:
    assert reading.landmarks is not None
    points = replace(reading.landmarks, xy=reading.landmarks.xy + shift)
    return replace(reading, centre=reading.centre + shift, landmarks=points)


def test_a_still_head_trembles_less_and_a_fast_one_is_followed(known):
    head, random = known(), np.random.default_rng(0)
    tremble, tracker = random.normal(size=(60, 2)) * 0.5, Tracker()
    still = np.array([tracker([moved(head, noise)], i / FPS)[0][1].centre for i, noise in enumerate(tremble)])
    assert still[20:].std() < 0.5 * tremble[20:].std()
    tracker, there = Tracker(), np.array([2.0, 0.0])
    fast = [tracker([moved(head, there * i)], i / FPS)[0][1].centre for i in range(40)]
    assert np.abs(fast[-1] - (head.centre + 39 * there)).max() < 4.5  # about two frames behind


def test_points_move_with_their_head(known):
    head, tracker = known(), Tracker()
    for i in range(30):
        _, found = tracker([moved(head, np.array([1.5 * i, 0]))], i / FPS)[0]
        assert found.landmarks is not None and head.landmarks is not None
        assert np.allclose(found.landmarks.xy - found.centre, head.landmarks.xy - head.centre)


def test_rotations_stay_rotations_and_go_the_short_way(known):
    tracker = Tracker()
    for i in range(30):
        _, found = tracker([known(yaw=2.9 + 0.03 * i)], i / FPS)[0]
        assert found.rotation is not None
        assert np.allclose(found.rotation @ found.rotation.T, np.eye(3))
        assert np.linalg.det(found.rotation) == pytest.approx(1)
    assert found.yaw_pitch_roll is not None
    assert abs(np.remainder(found.yaw_pitch_roll[0] - (2.9 + 0.87) + np.pi, 2 * np.pi) - np.pi) < 0.1


def test_heads_keep_their_numbers_when_their_order_changes(known):
    left, right, tracker = known(shift=(-80, 0)), known(shift=(80, 0)), Tracker()
    assert [n for n, _ in tracker([left, right], 0.0)] == [0, 1]
    assert [n for n, _ in tracker([right, left], 0.04)] == [1, 0]
    assert [n for n, _ in tracker([right], 0.08)] == [1]
    assert [n for n, _ in tracker([left, right], 0.12)] == [0, 1]


def test_a_head_that_was_away_for_long_is_a_new_one(known):
    tracker = Tracker()
    assert tracker([known()], 0.0)[0][0] == 0
    assert tracker([], 0.1) == []
    assert tracker([known()], 0.2 + FORGOTTEN)[0][0] == 1


def test_the_first_value_is_not_changed():
    smooth = OneEuro()
    assert smooth(np.array([3.0]), 0.1) == 3.0
    assert smooth(np.array([3.0]), 0.1) == 3.0
