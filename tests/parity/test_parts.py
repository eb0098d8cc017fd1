"""Single layers, cameras and small networks against the published programs."""

import math

import pytest
import torch
from recipe import assert_close, golden
from torch import Tensor

from fullhead.core.cameras import FOCAL, Cameras, cameras_from_labels, labels_from_cameras, look_at, mirrored, orbit, yaw_pitch
from fullhead.core.rays import box_range, pixel_rays
from fullhead.nn.discriminator import minibatch_stddev
from fullhead.nn.layers import Conv, demodulation, downsample, modulated_conv, normalize_2nd_moment, upsample
from fullhead.nn.stylegan2 import Mapping
from fullhead.representations.planes import Decoder, DecoderConfig
from fullhead.training.gan import blurred
from fullhead.training.panohead import camera_penalty


@pytest.fixture(scope="module")
def ops() -> dict[str, Tensor]:
    return golden("ops")


@pytest.fixture(scope="module")
def poses() -> dict[str, Tensor]:
    return golden("cameras")


def orbits(poses: dict[str, Tensor], radius: float = 2.7) -> Cameras:
    """Our cameras at the golden angles: the original's second angle is not the polar angle itself."""
    h, v = poses["yaw_pitch"].unbind(dim=1)
    return orbit(h - math.pi / 2, math.pi / 2 - torch.arccos(1 - 2 * v / math.pi), radius=radius)


def test_orbits_are_the_originals_poses(poses: dict[str, Tensor]):
    assert_close(orbits(poses).c2w, poses["gaussian_std0"], 1e-6)
    assert_close(orbits(poses, radius=1.7).c2w, poses["uniform_std0"], 1e-6)
    assert_close(orbits(poses).c2w, poses["lookat.origin"], 1e-6)


def test_cameras_that_look_beside_the_origin_are_the_originals(poses: dict[str, Tensor]):
    origins = poses["lookat.ffhq"][:, :3, 3]
    target = find_target(poses["lookat.ffhq"])
    assert_close(look_at(origins, target.expand_as(origins)), poses["lookat.ffhq"], 1e-5)


def find_target(c2w: Tensor) -> Tensor:
    """The point nearest to the optical axes of all cameras."""
    forward, origin = c2w[:, :3, 2].double(), c2w[:, :3, 3].double()
    across = torch.eye(3, dtype=torch.float64) - forward[:, :, None] * forward[:, None]
    point = torch.linalg.solve(across.sum(dim=0), (across @ origin[..., None]).sum(dim=0))[:, 0]
    return point.float()


def test_labels_and_mirrored_labels_agree(poses: dict[str, Tensor]):
    ours = orbits(poses)
    assert_close(labels_from_cameras(ours)[:, :16], poses["labels"][:, :16], 1e-6)
    flipped = mirrored(cameras_from_labels(poses["labels"]))
    assert_close(labels_from_cameras(flipped), poses["labels_mirrored"], 1e-6)


def test_yaw_agrees_with_the_original_angle_except_steeply_from_above(poses: dict[str, Tensor]):
    """The original's Euler angles mix yaw and roll away from pitch 0; there the two say the same, in degrees."""
    cameras = cameras_from_labels(poses["labels"])
    level = (poses["yaw_pitch"][:, 1] - math.pi / 2).abs() < 1e-9
    yaw = torch.rad2deg(yaw_pitch(cameras)[0][level]).double()
    difference = (yaw - poses["poseangle_deg_yaw_pitch_roll"][level, 0] + 180) % 360 - 180
    signed = (yaw + poses["poseangle_deg_yaw_pitch_roll"][level, 0] + 180) % 360 - 180
    assert min(difference.abs().max(), signed.abs().max()) < 1e-3


def test_rays_of_a_centred_and_of_a_skewed_camera_agree(poses: dict[str, Tensor]):
    cameras = Cameras(poses["rays.cam2world"], poses["rays.intrinsics"])
    origins, directions = pixel_rays(cameras, 8)
    assert_close(origins, poses["rays.origins_8"], 1e-6)
    assert_close(directions, poses["rays.directions_8"], 1e-6)


def test_where_rays_meet_a_box_agrees(poses: dict[str, Tensor]):
    near, far, hit = box_range(poses["rays.origins_8"], poses["rays.directions_8"], 1.0)
    theirs = poses["rays.box_near"] <= poses["rays.box_far"]
    assert torch.equal(hit, theirs)
    assert_close(near[hit], poses["rays.box_near"][hit], 1e-5)
    assert_close(far[hit], poses["rays.box_far"][hit], 1e-5)


def test_the_focal_length_is_the_published_one(poses: dict[str, Tensor]):
    assert math.isclose(FOCAL, float(poses["rays.intrinsics"][0, 0, 0]), abs_tol=1e-4)


def test_resampling_agrees(ops: dict[str, Tensor]):
    assert_close(upsample(ops["x"]), ops["upsample2d"], 1e-6)
    assert_close(downsample(ops["x"]), ops["downsample2d"], 1e-6)


def test_modulated_convolutions_agree(ops: dict[str, Tensor]):
    x, w, style = ops["x"], ops["w"], ops["styles"]
    none, scale = torch.zeros(5), demodulation(w, style)
    demodulated = modulated_conv(x, w, none, style, scale=scale)
    assert_close(demodulated, ops["modconv"], 1e-5)
    assert_close(demodulated, ops["modconv_nonfused"], 1e-5)
    up = modulated_conv(x, w, none, style, scale=scale, up=True) + ops["noise32"]
    assert_close(up, ops["modconv_up2_noise"], 1e-5)
    assert_close(modulated_conv(x, w[:, :, 1:2, 1:2], none, style), ops["modconv_nodemod_1x1"], 1e-5)


def test_small_operations_agree(ops: dict[str, Tensor]):
    assert_close(minibatch_stddev(ops["x8"], 4), ops["mbstd_g4"], 1e-6)
    assert_close(normalize_2nd_moment(ops["styles"]), ops["normalize_2nd_moment"], 1e-6)


def test_the_decoders_activations_agree():
    numbers = golden("decoder_variants")
    for ours, theirs in (("none", "none"), ("sigmoid", "sigmoid"), ("leaky", "lrelu")):
        decoder = Decoder(DecoderConfig(lr_multiplier=0.5, activation=ours), 32)  # type: ignore[arg-type]
        decoder.load_state_dict({k.removeprefix("state."): v for k, v in numbers.items() if k.startswith("state.")})
        with torch.no_grad():
            raw, colour = decoder(numbers["features"].mean(dim=1))
        assert_close(raw[..., None], numbers[f"{theirs}.sigma"], 1e-5)
        assert_close(colour, numbers[f"{theirs}.rgb"], 1e-5)


def test_the_camera_self_adaptation_agrees():
    numbers = golden("t_mapping")
    mapping = Mapping(512, 25, 3, lr_multiplier=1.0, last_leaky=False)
    mapping.load_state_dict({k.removeprefix("state."): v for k, v in numbers.items() if k.startswith("state.")})
    with torch.no_grad():
        shift = mapping(numbers["z"], numbers["c"])
    assert_close(shift[:, None], numbers["delta"], 1e-6)
    assert_close(mapping.truncated(shift, 0.5)[:, None], numbers["delta_psi0.5"], 1e-6)


def test_halving_convolutions_and_the_blur_agree(ops: dict[str, Tensor]):
    x, w = ops["x"], ops["w"]
    for kernel, weight, expected in ((3, w, "conv_down2"), (1, w[:, :, 1:2, 1:2], "conv1x1_down2")):
        conv = Conv(6, 5, kernel, bias=False, leaky=False, down=True)
        conv.load_state_dict({"weight": weight * math.sqrt(6 * kernel * kernel)})  # undo the equalised learning rate
        with torch.no_grad():
            assert_close(conv(x), ops[expected], 1e-5)
    assert_close(blurred(x, 1.7), ops["blur_sigma1.7"], 1e-6)


def test_the_camera_loss_and_its_running_mean_agree():
    """The published code squares the batch's mean correction; its weight is 10."""
    numbers = golden("camera_loss")
    mapping = Mapping(64, 25, 3, lr_multiplier=1.0, last_leaky=False)
    mapping.load_state_dict({k.removeprefix("state."): v for k, v in numbers.items() if k.startswith("state.")})
    with torch.no_grad():
        shift = mapping(numbers["z"], numbers["c"])
    assert_close(10 * camera_penalty(shift, mean_first=True)[None], numbers["loss"], 1e-6)
    mapping.update_w_avg(shift.mean(dim=0))
    assert_close(mapping.w_avg, numbers["w_avg_after"], 1e-6)
