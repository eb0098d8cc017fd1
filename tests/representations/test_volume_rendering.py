"""The volume renderer on fields whose pictures are known."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fullhead.core.cameras import orbit
from fullhead.core.rays import pixel_rays
from fullhead.representations.planes import (
    Decoder,
    DecoderConfig,
    DualSphericalPlanes,
    PlanesConfig,
    TriGrid,
    TriPlane,
    field,
    widened_sigmoid,
)
from fullhead.representations.volume import MarchConfig, coarse_distances, march, render_features

RADIUS = 0.3
DENSE = MarchConfig(coarse=64, fine=64, crop=None)


def ball(xyz: Tensor) -> tuple[Tensor, Tensor]:
    """A dense ball whose features are where it is."""
    raw = torch.where(xyz.norm(dim=-1) < RADIUS, 500.0, -500.0)
    return raw, xyz


def test_a_ball_is_seen_as_a_disc_at_its_distance():
    features, opacity, distance = render_features(ball, DENSE, orbit(0.5, 0.2), 33)
    origins, directions = pixel_rays(orbit(0.5, 0.2), 33)
    closest = torch.linalg.cross(origins, directions).norm(dim=-1).reshape(33, 33)
    inside, outside = closest < 0.9 * RADIUS, closest > 1.1 * RADIUS
    torch.testing.assert_close(opacity[0, 0][inside], torch.ones(int(inside.sum())), atol=1e-3, rtol=0)
    assert opacity[0, 0][outside].max() < 1e-3
    centre = float(distance[0, 0, 16, 16])
    assert centre == pytest.approx(2.7 - RADIUS, abs=0.02)
    torch.testing.assert_close(features[0, :, 16, 16], (origins + centre * directions)[0, 16 * 33 + 16], atol=0.02, rtol=0)


def test_features_of_a_constant_field_are_the_constant_times_the_opacity():
    def fog(xyz: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full(xyz.shape[:-1], 1.5), torch.full((*xyz.shape[:-1], 2), 3.0)

    features, opacity, _ = render_features(fog, DENSE, orbit(0.0), 4)
    torch.testing.assert_close(features, 3 * opacity.expand(-1, 2, -1, -1), rtol=1e-4, atol=1e-4)


def test_rays_in_parts_give_the_picture_of_all_at_once():
    with torch.no_grad():
        parts = render_features(ball, replace(DENSE, rays_at_once=7), orbit(0.2), 9)
        whole = render_features(ball, DENSE, orbit(0.2), 9)
    for a, b in zip(parts, whole, strict=True):
        torch.testing.assert_close(a, b)


def test_the_crop_empties_the_sides_but_not_the_top_and_bottom():
    def full(xyz: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full(xyz.shape[:-1], 500.0), xyz

    cropped = MarchConfig(coarse=96, fine=0, crop=0.1)
    _, _, distance = render_features(full, cropped, orbit(0.0), 1)
    assert float(distance) == pytest.approx(2.7 - 0.4, abs=0.03)
    _, _, distance = render_features(full, replace(cropped, crop=None), orbit(0.0), 1)
    assert float(distance) == pytest.approx(2.25, abs=0.03)


def test_a_white_background_fills_what_is_missing():
    def nothing(xyz: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full(xyz.shape[:-1], -500.0), xyz

    features, opacity, _ = render_features(nothing, replace(DENSE, white_background=True), orbit(0.0), 2)
    torch.testing.assert_close(features + 0 * opacity, torch.ones(1, 3, 2, 2))


def test_distances_even_in_disparity_are_harmonic_between_near_and_far():
    config = MarchConfig(near=1.0, far=4.0, coarse=5, fine=0, in_disparity=True)
    origins, directions = pixel_rays(orbit(0.0), 1)
    t = coarse_distances(config, origins, directions, None)[0, 0]
    steps = (1 / t).diff()
    torch.testing.assert_close(steps, steps[:1].expand(4))
    assert 1.0 < float(t[0]) < float(t[-2]) < 4.0


def test_rays_bounded_by_the_box_begin_on_its_front():
    config = MarchConfig(near=0.0, far=0.0, coarse=50, fine=0)
    origins, directions = pixel_rays(orbit(0.0), 1)
    t = coarse_distances(config, origins, directions, None)[0, 0]
    assert float(t[0]) == pytest.approx(2.2 + 0.5 / 49, abs=1e-4)


def test_rendering_is_the_same_twice_and_with_the_same_generator():
    once, again = (march(ball, DENSE, *pixel_rays(orbit(0.1), 3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    a, b = (march(ball, DENSE, *pixel_rays(orbit(0.1), 3), torch.Generator().manual_seed(4)) for _ in range(2))
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_gradients_reach_the_field_through_both_passes():
    level = torch.tensor(0.3, requires_grad=True)

    def fog(xyz: Tensor) -> tuple[Tensor, Tensor]:
        return level.expand(xyz.shape[:-1]), torch.ones(*xyz.shape[:-1], 1)

    opacity = march(fog, replace(DENSE, coarse=16, fine=16), *pixel_rays(orbit(0.0), 1))[1].sum()
    (slope,) = torch.autograd.grad(opacity, level)
    sigma, change = math.log1p(math.exp(0.3 - 1)), 1 / (1 + math.exp(-(0.3 - 1)))
    # Between the first and last of the sorted distances fog absorbs 1 - exp(-sigma length).
    length = -math.log(1 - float(opacity)) / sigma
    assert float(slope) == pytest.approx(length * math.exp(-sigma * length) * change, rel=1e-3)


def test_fields_are_chosen_by_kind():
    kinds = {"tri-grid": TriGrid, "eg3d": TriPlane, "two-balls": DualSphericalPlanes}
    for kind, cls in kinds.items():
        assert isinstance(field(PlanesConfig(kind=kind, size=8, depth=1)), cls)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["tri-grid", "eg3d", "two-balls"])
def test_a_field_gives_features_of_points_in_any_number(kind: str):
    config = PlanesConfig(kind=kind, size=8, depth=3 if kind == "tri-grid" else 1, channels=4)  # type: ignore[arg-type]
    one = field(config)
    planes = one.planes(torch.randn(2, one.image_channels, 8, 8))
    with torch.no_grad():
        for points in (1, 17):
            assert one.features(planes, torch.rand(2, points, 3) - 0.5, 1.0).shape == (2, points, 4)


def test_a_tri_planes_features_do_not_depend_on_the_third_coordinate_of_one_plane():
    """EG3D's first plane is x, y; the others both span x and z (one of them turned)."""
    one = TriPlane(PlanesConfig(kind="eg3d", size=8, depth=1, channels=4))
    planes = torch.zeros(1, 3, 4, 1, 8, 8)
    planes[:, 0] = torch.randn(4, 1, 8, 8)
    a = one.features(planes, torch.tensor([[[0.1, 0.2, 0.3]]]), 1.0)
    b = one.features(planes, torch.tensor([[[0.1, 0.2, -0.4]]]), 1.0)
    torch.testing.assert_close(a, b)


def test_the_channels_of_a_tri_grid_have_the_stack_fastest():
    one = TriGrid(PlanesConfig(size=4, depth=3, channels=4))
    image = torch.arange(36.0).reshape(1, 36, 1, 1).expand(1, 36, 2, 2)
    planes = one.planes(image)
    assert planes[0, 1, 2, 1, 0, 0] == 1 * 12 + 2 * 3 + 1


def test_the_decoders_sigmoid_reaches_beyond_0_and_1():
    extreme = widened_sigmoid(torch.tensor([-100.0, 100.0]))
    torch.testing.assert_close(extreme, torch.tensor([-0.001, 1.001]))


def test_the_decoder_keeps_density_apart_from_colour():
    for activation in ("none", "sigmoid", "leaky"):
        raw, colour = Decoder(DecoderConfig(hidden=8, activation=activation), 6)(torch.randn(2, 5, 6))  # type: ignore[arg-type]
        assert raw.shape == (2, 5) and colour.shape == (2, 5, 6)
