"""Sheets, turntables and interpolations of an analytic head."""

import math
import sys

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image

from fullhead.core.cameras import yaw_pitch
from fullhead.core.errors import FullheadError
from fullhead.io.images import to_uint8
from fullhead.io.video import check_video_path, save_video
from fullhead.models.head import Latents
from fullhead.viewing.sheet import sheet, sheet_rows
from fullhead.viewing.turntable import (
    between,
    interpolate,
    moving_cameras,
    render_views,
    swing_cameras,
    turntable_cameras,
)


def test_an_orbit_decodes_nothing_and_renders_every_camera_once(model, head):
    model.decoded = 0
    frames = list(render_views(model, head, turntable_cameras(5), batch=2))
    assert (model.decoded, model.rendered) == (0, 5)
    assert [frame.shape for frame in frames] == [(64, 64, 3)] * 5
    assert frames[0].dtype == np.uint8


def test_batches_do_not_change_the_frames(model, head):
    cameras = turntable_cameras(3)
    for one, many in zip(render_views(model, head, cameras), render_views(model, head, cameras, batch=3), strict=True):
        np.testing.assert_allclose(one.astype(int), many, atol=1)


def test_frames_are_made_only_when_asked_for(model, head):
    frames = render_views(model, head, turntable_cameras(100))
    next(frames)
    assert model.rendered == 1


def test_a_turntable_is_a_full_turn_that_loops():
    yaw, pitch = yaw_pitch(turntable_cameras(4, pitch=0.2))
    torch.testing.assert_close(yaw.abs(), torch.tensor([0, math.pi / 2, math.pi, math.pi / 2]), atol=1e-5, rtol=0)
    assert yaw[1] > 0 > yaw[3]
    torch.testing.assert_close(pitch, torch.full((4,), 0.2), atol=1e-5, rtol=0)
    swing = yaw_pitch(swing_cameras(8, amplitude=0.5))[0]
    assert swing.max() == pytest.approx(0.5, abs=1e-4)
    assert swing.min() == pytest.approx(-0.5, abs=1e-4)


def test_a_camera_turns_swings_or_stands_still_by_name():
    for kind, cameras in (("turn", turntable_cameras(4, 0.2)), ("swing", swing_cameras(4, 0.2))):
        torch.testing.assert_close(moving_cameras(kind, 4, pitch=0.2).c2w, cameras.c2w)
    yaw, pitch = yaw_pitch(moving_cameras("still", 3, 0.7, -0.1))
    torch.testing.assert_close(yaw, torch.full((3,), 0.7), atol=1e-5, rtol=0)
    torch.testing.assert_close(pitch, torch.full((3,), -0.1), atol=1e-5, rtol=0)


def test_an_orbit_of_two_heads_is_refused(model, latents):
    with pytest.raises(FullheadError, match="one head, not 3"):
        next(render_views(model, model.decode(latents), turntable_cameras(2)))


def test_what_is_shown_can_be_chosen(model, head):
    frames = render_views(model, head, turntable_cameras(1), show=lambda render: to_uint8(render.image_raw))
    assert next(frames).shape == (32, 32, 3)


def test_an_interpolation_passes_through_its_keys_smoothly_and_loops(latents):
    path = torch.cat([step.w for step in between(latents, 120)])
    torch.testing.assert_close(path[::40], latents.w)
    steps = (torch.roll(path, -1, 0) - path).flatten(1)
    turns = (torch.roll(steps, -1, 0) - steps).norm(dim=-1)
    assert turns.max() < 0.15 * steps.norm(dim=-1).max()  # also at the keys, and from the last frame to the first


def test_backgrounds_flow_with_their_heads(latents):
    moved = list(between(Latents(latents.w, -latents.w), 6))
    torch.testing.assert_close(moved[3].background, -moved[3].w)
    assert next(between(latents, 6)).background is None


def test_a_path_of_one_head_stands_still(latents):
    assert all(torch.equal(step.w, latents[0].w) for step in between(latents[0], 4))


def test_an_interpolation_decodes_one_head_per_frame(model, latents):
    frames = list(interpolate(model, latents, turntable_cameras(6)))
    assert (model.decoded, model.rendered, len(frames)) == (6, 6, 6)
    np.testing.assert_array_equal(frames[0], next(render_views(model, model.decode(latents[0]), turntable_cameras(1))))


def test_a_sheet_decodes_each_head_once_and_has_a_row_for_it(model, latents):
    picture = sheet(model, latents, yaws=(0.0, 1.0, 2.0, 3.0))
    assert (model.decoded, model.rendered) == (3, 12)
    assert picture.shape == (4 + 3 * 68, 4 + 4 * 68, 3)
    assert sheet(model, latents, labels=["a", "b", "c"]).shape[0] > 208


def test_rows_come_one_after_the_other(model, latents):
    rows = sheet_rows(model, latents, yaws=(0.0, 1.0))
    assert len(next(rows)) == 2
    assert model.decoded == 1


def test_films_are_written_in_both_formats(model, head, tmp_path):
    frames = [frame[:63, :61] for frame in render_views(model, head, turntable_cameras(6))]  # odd sizes, too
    with Image.open(save_video(iter(frames), tmp_path / "turn.webp", fps=12)) as film:
        assert (film.n_frames, film.size) == (6, (61, 63))
    reader = imageio_ffmpeg.read_frames(str(save_video(iter(frames), tmp_path / "turn.mp4", fps=12)))
    facts = next(reader)
    assert facts["size"] == (62, 64)
    assert facts["fps"] == 12
    first = np.frombuffer(next(reader), np.uint8).reshape(64, 62, 3)[:63, :61]
    assert np.abs(first.astype(int) - frames[0]).mean() < 4
    assert 1 + 1 + sum(1 for _ in reader) == 7


def test_an_empty_film_is_refused_and_leaves_no_file(tmp_path):
    for name in ("none.webp", "none.mp4"):
        with pytest.raises(FullheadError, match="at least one frame"):
            save_video(iter([]), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_film_with_an_unknown_suffix_lists_the_valid_ones():
    with pytest.raises(FullheadError, match=r"'turn.gif': choose one of .webp, .mp4"):
        check_video_path("turn.gif")


def test_an_mp4_without_the_extra_says_what_to_install_before_any_frame(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(FullheadError, match=r"pip install imageio-ffmpeg"):
        save_video((pytest.fail("a frame was computed") for _ in range(1)), tmp_path / "turn.mp4")
    assert check_video_path("turn.webp").name == "turn.webp"
