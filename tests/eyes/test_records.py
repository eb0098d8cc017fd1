"""Readings as JSON."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fullhead.eyes.reading import Reading
from fullhead.eyes.records import MEANING, reading_of, record
from fullhead.rig.arkit import ARKIT


def test_a_reading_goes_to_json_and_back(known):
    reading = known()
    found = reading_of(json.loads(json.dumps(record(reading, 100, 100))))
    for name in ("centre", "unit", "rotation", "expression", "gaze", "identity", "score"):
        assert np.allclose(getattr(found, name), getattr(reading, name), atol=1e-3), name
    for name in ("landmarks", "dense"):
        assert np.allclose(getattr(found, name).xy, getattr(reading, name).xy, atol=1e-3)
        assert np.allclose(getattr(found, name).seen, getattr(reading, name).seen, atol=1e-3)
    assert found.landmarks is not None and found.landmarks.deviation is not None
    assert found.description == reading.description


def test_a_record_says_what_its_values_mean(known):
    found = record(known(), 100, 100)
    assert set(found) <= set(MEANING)
    assert list(found["expression"]) == list(ARKIT)
    assert found["yaw_pitch_roll"] == pytest.approx([np.degrees(0.4), np.degrees(0.1), 0], abs=0.5)
    assert found["camera"]["K"][0][2] == 0.5


def test_what_a_reader_does_not_say_is_absent():
    bare = Reading(0.5, np.array([3.0, 4.0]), 20.0)
    found = record(bare, 10, 10)
    assert set(found) == {"score", "centre", "unit", "box"}
    assert replace(reading_of(found), centre=bare.centre) == bare
