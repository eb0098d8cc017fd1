"""A very small model of each family gives, stage by stage, the numbers of the published programs."""

from dataclasses import dataclass

import pytest
import torch
from recipe import FAMILIES, assert_close, golden, micro_discriminator, micro_generator, random
from torch import Tensor

from fullhead.core.cameras import Cameras, cameras_from_labels
from fullhead.core.compositing import interval_weights
from fullhead.core.grids import inside_crop
from fullhead.core.rays import pixel_rays
from fullhead.core.sampling import importance
from fullhead.models.head import Head, Latents, Render
from fullhead.models.panohead import PanoHead
from fullhead.nn.superres import resized
from fullhead.representations.volume import EMPTY, coarse_distances, render_features

TOLERANCE = {"panohead": 1e-4, "spherehead": 1e-4, "eg3d": 1e-3}  # its planes are 256 x 256 sums of large numbers


@dataclass
class Micro:
    family: str
    model: PanoHead
    numbers: dict[str, Tensor]
    cameras: Cameras
    latents: Latents
    head: Head
    render: Render


@pytest.fixture(scope="module", params=FAMILIES)
def micro(request: pytest.FixtureRequest) -> Micro:
    numbers = golden(f"micro_{request.param}")
    model = micro_generator(request.param)
    cameras = cameras_from_labels(numbers["c_cam"])
    latents = model.latents(numbers["z"], 0.8, 3, cameras_from_labels(numbers["c_cond"]))
    head = model.decode(latents)
    return Micro(request.param, model, numbers, cameras, latents, head, model.render(head, cameras))


def test_styles_agree(micro: Micro):
    assert_close(micro.latents.w[:, [0, -1]], micro.numbers["ws"], 1e-5)


def test_the_backbones_image_agrees(micro: Micro):
    image = micro.model.backbone.synthesis(micro.latents.w)
    stride = 64 if micro.family == "eg3d" else 4
    assert_close(image[..., ::stride, ::stride], micro.numbers[next(k for k in micro.numbers if k.startswith("backbone"))])


def test_importance_distances_agree(micro: Micro):
    march = micro.model.config.march
    origins, directions = pixel_rays(micro.cameras, 16)
    t = coarse_distances(march, origins, directions, None)
    xyz = (origins[:, :, None] + t[..., None] * directions[:, :, None]).flatten(1, 2)
    raw = micro.model.point_values(micro.head, xyz)[0]
    if march.crop is not None:
        raw = torch.where(inside_crop(xyz, march.box_size, march.crop), raw, EMPTY)
    fine = importance(t, interval_weights(raw.reshape(t.shape), t), march.fine)
    assert_close(fine[:, ::16, :, None], micro.numbers["depths_fine"])


def test_composited_features_and_opacity_agree(micro: Micro):
    model, config = micro.model, micro.model.config
    features, opacity, _ = render_features(
        lambda xyz: model.point_values(micro.head, xyz), config.march, micro.cameras, config.neural_size
    )
    assert_close(opacity.flatten(2).transpose(1, 2), micro.numbers["weight_total"])
    if micro.family == "eg3d":
        features = 2 * features - 1
    expected = micro.numbers["features_stride4"]  # before the background is added
    assert_close(features.flatten(2).transpose(1, 2)[:, ::4], expected)


def test_images_agree(micro: Micro):
    tolerance = TOLERANCE[micro.family]
    render, numbers = micro.render, micro.numbers
    assert_close(render.image_raw, numbers["image_raw"], tolerance)
    assert_close(render.image[..., ::8, ::8], numbers["image_stride8"], tolerance)
    assert_close(render.image.mean(dim=(2, 3)), numbers["image_mean"], tolerance)
    assert_close(render.image.std(dim=(2, 3)), numbers["image_std"], tolerance)


def test_depth_mask_and_parsing_agree(micro: Micro):
    assert_close(micro.render.depth, micro.numbers["image_depth"])
    if "image_mask" in micro.numbers:
        assert_close(micro.render.mask, micro.numbers["image_mask"])
    if "image_parsing" in micro.numbers:
        assert micro.render.parsing is not None
        assert_close(micro.render.parsing, micro.numbers["image_parsing"])


def test_densities_and_colours_at_points_agree(micro: Micro):
    raw, colour = micro.model.point_values(micro.head, micro.numbers["sample.xyz"])
    assert_close(raw[..., None], micro.numbers["sample.sigma"], TOLERANCE[micro.family])
    assert_close(colour[..., ::4], micro.numbers["sample.rgb"])


def test_camera_corrections_agree(micro: Micro):
    if micro.family == "eg3d":
        assert not micro.model.config.camera_adaptation
        return
    shift = micro.model.camera_shift(micro.numbers["z"], micro.cameras)
    assert_close(shift, micro.numbers["delta_c"].reshape(2, 3), 1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_discriminators_logits_agree(family: str):
    numbers = golden(f"micro_{family}")
    mask = torch.sigmoid(random(22, 4, 1, 32, 32)) if family != "eg3d" else None
    parsing = random(23, 4, 20, 32, 32).softmax(dim=1) if family == "spherehead" else None
    image, raw = 0.5 * random(20, 4, 3, 128, 128), 0.5 * random(21, 4, 3, 32, 32)
    logits = micro_discriminator(family)(image, raw, numbers["disc.c"], mask, parsing)
    assert_close(logits, numbers["disc.logits"])


@pytest.mark.parametrize("size", [24, 128])
def test_antialiased_resizing_agrees(size: int):
    numbers = golden("resizing")
    assert_close(resized(numbers["in"], size), numbers[f"antialiased_{size}"], 1e-6)


def test_plain_resizing_agrees():
    numbers = golden("resizing")
    assert_close(resized(numbers["in"], 128, antialias=False), numbers["none_128"], 1e-6)
