"""Cameras, their angles, labels and mirror images."""

import math

import pytest
import torch

from fullhead.core.cameras import (
    Cameras,
    cameras_from_labels,
    intrinsics,
    labels_from_cameras,
    look_at,
    mirrored,
    orbit,
    yaw_pitch,
)
from fullhead.core.errors import FullheadError
from fullhead.core.rays import box_range, pixel_rays

ANGLES = [(yaw, pitch) for yaw in (-3.0, -1.2, 0.0, 0.4, 2.9) for pitch in (-1.3, 0.0, 0.7)]


def test_the_frontal_camera_stands_on_plus_z_and_sees_the_subjects_left_on_its_right():
    camera = orbit(0.0)
    expected = torch.tensor([[1.0, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 2.7], [0, 0, 0, 1]])
    torch.testing.assert_close(camera.c2w[0], expected, rtol=0, atol=1e-6)


def test_yaw_grows_towards_plus_x_and_pitch_upwards():
    assert orbit(0.3).origins[0, 0] > 0
    assert orbit(0.0, 0.3).origins[0, 1] > 0
    assert orbit(math.pi).origins[0, 2] < 0


@pytest.mark.parametrize(("yaw", "pitch"), ANGLES)
def test_angles_come_back_from_an_orbit(yaw: float, pitch: float):
    ours = yaw_pitch(orbit(yaw, pitch, radius=1.9))
    torch.testing.assert_close(torch.stack(ours)[:, 0], torch.tensor([yaw, pitch]), rtol=0, atol=1e-5)


def test_orbits_keep_their_radius_and_are_rotations():
    cameras = orbit(torch.linspace(-3, 3, 7), 0.4, radius=2.1)
    torch.testing.assert_close(cameras.origins.norm(dim=-1), torch.full((7,), 2.1))
    R = cameras.c2w[:, :3, :3]
    torch.testing.assert_close(R @ R.transpose(1, 2), torch.eye(3).expand(7, 3, 3), rtol=0, atol=1e-6)
    torch.testing.assert_close(torch.linalg.det(R), torch.ones(7))


def test_a_camera_that_looks_at_a_target_sees_it_in_the_middle():
    target = torch.tensor([0.1, -0.2, 0.05])
    origins = torch.tensor([[1.0, 0.5, 2.0], [-2.0, 0.1, -1.0]])
    c2w = look_at(origins, target.expand(2, 3))
    in_camera = torch.linalg.inv(c2w) @ torch.cat([target, torch.ones(1)])
    torch.testing.assert_close(in_camera[:, :2], torch.zeros(2, 2), rtol=0, atol=1e-6)
    assert (in_camera[:, 2] > 0).all()


def test_labels_go_there_and_back():
    cameras = orbit(torch.tensor([0.2, 2.0]), -0.3, focal=3.3)
    back = cameras_from_labels(labels_from_cameras(cameras))
    assert torch.equal(back.c2w, cameras.c2w) and torch.equal(back.K, cameras.K)
    assert labels_from_cameras(cameras)[0, 16] == pytest.approx(3.3)


def test_a_mirrored_camera_has_the_opposite_yaw_and_mirrored_twice_is_itself():
    cameras = orbit(torch.tensor([0.7, -2.1]), torch.tensor([0.2, -0.4]))
    flipped = mirrored(cameras)
    yaw, pitch = yaw_pitch(cameras)
    torch.testing.assert_close(yaw_pitch(flipped)[0], -yaw)
    torch.testing.assert_close(yaw_pitch(flipped)[1], pitch)
    torch.testing.assert_close(mirrored(flipped).c2w, cameras.c2w)


def test_a_mirrored_camera_sees_the_mirrored_world_as_a_mirrored_picture():
    cameras = orbit(0.7, 0.2)
    origins, directions = pixel_rays(cameras, 4)
    o, d = pixel_rays(mirrored(cameras), 4)
    flip = torch.tensor([-1.0, 1, 1])
    columns = torch.arange(16).reshape(4, 4).flip(1).flatten()
    torch.testing.assert_close(o, (origins * flip)[:, columns])
    torch.testing.assert_close(d, (directions * flip)[:, columns], rtol=0, atol=1e-6)


def test_the_horizontal_field_of_view_is_what_the_edges_of_the_picture_span():
    fov = 0.5
    cameras = orbit(0.0, focal=0.5 / math.tan(0.5 * fov))
    _, directions = pixel_rays(cameras, 1001)
    middle = directions[0].reshape(1001, 1001, 3)[500]
    angle = torch.acos(middle[0] @ middle[-1])
    assert float(angle) == pytest.approx(fov * 1000 / 1001, rel=2e-3)


def test_rays_start_at_the_camera_and_meet_their_pixels_when_projected():
    K = torch.tensor([[[3.0, 0.2, 0.45], [0, 3.5, 0.6], [0, 0, 1]]])
    cameras = Cameras(orbit(0.9, 0.3).c2w, K)
    origins, directions = pixel_rays(cameras, 5)
    points = origins + 1.7 * directions
    seen = (points - cameras.origins) @ cameras.c2w[0, :3, :3]  # world to camera
    pixels = seen @ K[0].T
    pixels = pixels[0, :, :2] / pixels[0, :, 2:]
    for row in range(5):
        for column in range(5):
            expected = torch.tensor([(column + 0.5) / 5, (row + 0.5) / 5])
            torch.testing.assert_close(pixels[row * 5 + column], expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(directions.norm(dim=-1), torch.ones(1, 25))


def test_points_where_a_ray_enters_and_leaves_lie_on_the_box():
    origins, directions = pixel_rays(orbit(torch.tensor([0.4, 2.0]), 0.3), 6)
    near, far, hit = box_range(origins, directions, 1.0)
    for t in (near, far):
        farthest = (origins + t * directions).abs().amax(dim=-1, keepdim=True)
        torch.testing.assert_close(farthest[hit], torch.full_like(farthest[hit], 0.5), rtol=0, atol=1e-5)
    assert hit.any() and (near[hit] < far[hit]).all()


def test_rays_that_miss_the_box_say_so():
    origins = torch.tensor([[[0.0, 3.0, 3.0]]])
    assert not box_range(origins, torch.tensor([[[0.0, 0.0, -1.0]]]), 1.0)[2].any()


@pytest.mark.parametrize(("name", "angles"), [("yaw", (90, 0.0)), ("pitch", (0.0, -10)), ("yaw", (math.nan, 0.0))])
def test_degrees_are_refused_where_radians_are_due(name: str, angles: tuple[float, float]):
    with pytest.raises(FullheadError, match=rf"{name} .* is no angle in radians.*math\.radians\("):
        orbit(*angles)
    orbit(torch.tensor([2 * math.pi, -2 * math.pi]))


def test_cameras_are_indexed_like_lists():
    cameras = orbit(torch.tensor([0.0, 1.0, 2.0]))
    assert len(cameras) == 3 and len(cameras[1]) == 1 and len(cameras[:2]) == 2
    assert torch.equal(cameras[1].c2w[0], cameras.c2w[1])
    assert intrinsics(2.0, (3,)).shape == (3, 3, 3)
