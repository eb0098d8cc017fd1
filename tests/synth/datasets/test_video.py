"""Clips of moving heads."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fullhead.commands.synth.options import SetOptions
from fullhead.commands.synth.sets import video
from fullhead.core.cameras import cameras_from_labels, yaw_pitch
from fullhead.io.sets import read_records
from fullhead.synth.datasets.options import VideoOptions
from fullhead.synth.datasets.shots import replay


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("video")
    options = VideoOptions(clips=1, motion="wander", frames=4, fps=2.0, size=32, seed=1)
    video(out, options, writing=SetOptions(form="tar", workers=0))
    return out


def test_a_clip_tells_of_every_frame(clips: Path) -> None:
    told = json.loads((clips / "clips/c0000.json").read_text())
    assert told["fps"] == 2.0 and [frame["frame"] for frame in told["frames"]] == [0, 1, 2, 3]
    assert all(len(frame["landmarks"]) == len(frame["landmarks_3d"]) == 68 for frame in told["frames"])
    assert told["frames"][0]["expression"] != told["frames"][3]["expression"]
    labels = [label for _, label in json.loads((clips / "frames/dataset.json").read_text())["labels"]]
    yaw = yaw_pitch(cameras_from_labels(torch.tensor(labels)))[0]
    np.testing.assert_allclose(yaw, [frame["yaw"] for frame in told["frames"]], atol=1e-4)


def test_the_preview_shows_the_frames(clips: Path) -> None:
    film = Image.open(clips / "preview/c0000.webp")
    assert (film.n_frames, film.size) == (4, (32, 32))


def test_one_head_before_one_background(clips: Path) -> None:
    records = read_records(clips)
    assert len({json.dumps(record["subject"]) for record in records}) == 1
    pictures = [np.asarray(Image.open(io.BytesIO(replay(record)[0]["img.png"]))) for record in records[:2]]
    np.testing.assert_array_equal(pictures[0][:4, :4], pictures[1][:4, :4])
    assert (pictures[0] != pictures[1]).mean() > 0.05
