"""The eyes that are shipped: real photos, and procedural heads from all sides that they never learnt from."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data

from fullhead.data.view_set import ViewSet
from fullhead.eyes.eyes import Eyes, load_eyes
from fullhead.io.sets import write_set
from fullhead.models.hub import model_file
from fullhead.synth.datasets.options import ViewsOptions
from fullhead.synth.datasets.views import Views


@pytest.fixture(scope="module")
def eyes() -> Eyes:
    return load_eyes()


def test_they_are_small():
    assert model_file("eyes").stat().st_size < 8_000_000


def test_a_person_on_a_photo_is_read(eyes: Eyes):
    first = eyes(data.astronaut())[0]
    yaw, pitch, roll = (math.degrees(angle) for angle in first.yaw_pitch_roll)
    assert first.score > 0.9
    assert abs(yaw) < 15
    assert abs(pitch) < 20
    assert abs(roll) < 10
    known = {30: (228, 135), 8: (229, 191), 36: (190, 118), 45: (259, 110)}  # tip of the nose, chin, outer corners of the eyes
    for landmark, place in known.items():
        assert np.linalg.norm(first.landmarks.xy[landmark] - place) < 16, landmark
    assert first.description.glasses < 0.5
    assert first.description.hat["none"] > 0.5


def test_where_nobody_is_nobody_is_found(eyes: Eyes):
    for photo in (data.rocket(), np.zeros((200, 300, 3), np.uint8), np.full((50, 40, 3), 255, np.uint8)):
        assert eyes(photo) == []


def test_heads_are_read_from_all_sides(eyes: Eyes, tmp_path: Path):
    write_set(tmp_path / "views", Views(ViewsOptions(images=16, size=192, seed=900_900)), workers=0, quiet=True)
    views, errors, sides = ViewSet(tmp_path / "views"), [], set()
    for i in range(len(views)):
        one = views.batch(torch.tensor([i]))
        picture = one.rgba[0, :3] + (1 - one.rgba[0, 3:]) * 0.7
        found = eyes((picture.permute(1, 2, 0).numpy() * 255).astype(np.uint8))
        if found:
            true = one.truth.rotation[0].double().numpy()
            errors.append(math.degrees(math.acos(np.clip((np.trace(found[0].rotation @ true.T) - 1) / 2, -1, 1))))
            sides.add(true[2, 2] > 0)
    assert len(errors) >= 0.8 * len(views)
    assert np.median(errors) < 10
    assert sides == {True, False}
