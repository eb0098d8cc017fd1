"""Volume rendering of one head, stage by stage, with even and with recorded random samples."""

import pytest
import torch
from recipe import assert_close, golden
from torch import Tensor

from fullhead.core import sampling
from fullhead.core.cameras import cameras_from_labels
from fullhead.core.compositing import expected_distance, interval_weights
from fullhead.core.grids import PANOHEAD_AXES, in_planes, inside_crop, sample_planes
from fullhead.core.rays import pixel_rays
from fullhead.models.panohead import MASK_MARGIN
from fullhead.nn.layers import ToRGB
from fullhead.representations import volume
from fullhead.representations.planes import Decoder, DecoderConfig, PlanesConfig, TriGrid
from fullhead.representations.volume import EMPTY, MarchConfig, coarse_distances, render_features

MARCH = MarchConfig(coarse=12, fine=12)
SIZE = 16


@pytest.fixture(scope="module")
def numbers() -> dict[str, Tensor]:
    return golden("tiny_render")


@pytest.fixture(scope="module")
def decoder(numbers: dict[str, Tensor]) -> Decoder:
    decoder = Decoder(DecoderConfig(), 32)
    decoder.load_state_dict({k.removeprefix("state.decoder."): v for k, v in numbers.items() if "state.decoder." in k})
    return decoder.requires_grad_(False)


@pytest.fixture(scope="module")
def planes(numbers: dict[str, Tensor]) -> Tensor:
    return TriGrid(PlanesConfig(size=32)).planes(numbers["planes"].flatten(1, 2))


def test_rays_agree(numbers: dict[str, Tensor]):
    origins, directions = pixel_rays(cameras_from_labels(numbers["c_cam"]), SIZE)
    assert_close(origins, numbers["ray_origins"], 1e-6)
    assert_close(directions, numbers["ray_directions"], 1e-6)


def test_coarse_distances_agree(numbers: dict[str, Tensor]):
    t = coarse_distances(MARCH, numbers["ray_origins"], numbers["ray_directions"], None)
    assert_close(t[..., None], numbers["depths_coarse"], 1e-6)


def test_densities_and_colours_of_samples_agree(numbers: dict[str, Tensor], decoder: Decoder, planes: Tensor):
    features = sample_planes(planes, in_planes(numbers["sample_xyz_coarse"], PANOHEAD_AXES, 1.0)).mean(dim=1)
    raw, colour = decoder(features)
    assert_close(raw[..., None], numbers["decoder_sigma_coarse"])
    assert_close(colour[..., ::8], numbers["decoder_rgb_coarse"], 1e-5)


def test_importance_distances_agree(numbers: dict[str, Tensor]):
    fine = sampling.importance(numbers["depths_coarse"][..., 0], numbers["march_weights_coarse"][..., 0], MARCH.fine)
    assert_close(fine[..., None], numbers["depths_fine"], 1e-5)


def test_weights_of_intervals_agree(numbers: dict[str, Tensor]):
    raw, t = numbers["densities_sorted_after_crop"][..., 0], numbers["depths_sorted"][..., 0]
    weights = interval_weights(raw, t)
    assert_close(weights[..., None], numbers["march_weights_final"], 1e-6)
    # The original clips distances to the whole batch's range, not the ray's: only a ray that meets nothing differs.
    stopped = numbers["renderer_weight_total"] > 1e-3
    assert_close(expected_distance(weights, t)[stopped], numbers["renderer_depth"][stopped], 1e-5)


def test_composited_features_agree(numbers: dict[str, Tensor], decoder: Decoder, planes: Tensor):
    check_render(numbers, decoder, planes, "")
    features, opacity, _ = rendered(numbers, decoder, planes)
    assert_close(features.flatten(2).transpose(1, 2), numbers["renderer_features"])
    assert_close(opacity.flatten(2).transpose(1, 2), numbers["renderer_weight_total"])
    assert_close(features + (1 - opacity) * numbers["background_16"], numbers["composited_features"])


def test_recorded_random_samples_give_the_same_render(
    numbers: dict[str, Tensor], decoder: Decoder, planes: Tensor, monkeypatch: pytest.MonkeyPatch
):
    """The two draws of the random sampler are put where ours come from; the rest is the ordinary renderer."""
    seen = {}

    def recorded(t: Tensor, weights: Tensor, samples: int, generator: torch.Generator | None) -> Tensor:
        seen["fine"] = sampling.inverse_cdf(t, weights, numbers["random.u"][None])
        return seen["fine"]

    monkeypatch.setattr(sampling, "jitter", lambda shape, like, generator: numbers["random.jitter"][..., 0])
    monkeypatch.setattr(volume, "importance", recorded)
    t = coarse_distances(MARCH, numbers["ray_origins"], numbers["ray_directions"], None)
    assert_close(t[..., None], numbers["random.depths_coarse"], 1e-6)
    check_render(numbers, decoder, planes, "random.")
    assert_close(seen["fine"][..., None], numbers["random.depths_fine"])


def rendered(numbers: dict[str, Tensor], decoder: Decoder, planes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    def function(xyz: Tensor) -> tuple[Tensor, Tensor]:
        return decoder(TriGrid(PlanesConfig(size=32)).features(planes, xyz, MARCH.box_size))

    with torch.no_grad():
        return render_features(function, MARCH, cameras_from_labels(numbers["c_cam"]), SIZE)


def check_render(numbers: dict[str, Tensor], decoder: Decoder, planes: Tensor, prefix: str) -> None:
    """Raw image, mask and depth of the golden render whose keys begin with `prefix`."""
    features, opacity, depth = rendered(numbers, decoder, planes)
    torgb = ToRGB(32, 3, 512)
    torgb.load_state_dict({k.removeprefix("state.torgb."): v for k, v in numbers.items() if "state.torgb." in k})
    with torch.no_grad():
        raw = torgb(features + (1 - opacity) * numbers["background_16"], numbers["ws_last"])
    assert_close(raw, numbers[f"{prefix}image_raw"])
    assert_close(opacity * (1 + 2 * MASK_MARGIN) - MASK_MARGIN, numbers[f"{prefix}image_mask"])
    assert_close(depth, numbers[f"{prefix}image_depth"])


def test_the_crop_keeps_what_the_original_kept(numbers: dict[str, Tensor]):
    origins, directions = numbers["ray_origins"], numbers["ray_directions"]
    t = numbers["depths_sorted"]
    xyz = (origins[:, :, None] + t * directions[:, :, None]).flatten(1, 2)
    kept = numbers["densities_sorted_after_crop"].flatten(1) != EMPTY
    near_the_border = ((xyz[..., [0, 2]].abs() - 0.4).abs() < 1e-5).any(dim=-1)
    assert torch.equal(inside_crop(xyz, 1.0, 0.1)[~near_the_border], kept[~near_the_border])
