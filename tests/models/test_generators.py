"""What applications may rely on in a generator of any family."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fullhead.core.cameras import orbit
from fullhead.core.compositing import density_activation
from fullhead.core.errors import FullheadError
from fullhead.models.head import HeadPose, RenderOptions
from fullhead.models.panohead import PanoHead, PanoHeadConfig
from fullhead.representations.planes import DecoderConfig
from fullhead.training.panohead import PanoHeadTaskConfig


def config_of(kind: str, tiny: PanoHeadConfig) -> PanoHeadConfig:
    if kind == "eg3d":
        return replace(
            tiny,
            planes=replace(tiny.planes, kind="eg3d", depth=1),
            decoder=DecoderConfig(hidden=8, activation="sigmoid"),
            march=replace(tiny.march, crop=None),
            background=False,
            raw_colours=False,
            camera_adaptation=False,
        )
    if kind == "spherehead":
        return replace(tiny, planes=replace(tiny.planes, kind="two-balls", depth=1), parsing_classes=5)
    return tiny


@pytest.fixture(params=["panohead", "eg3d", "spherehead"])
def model(request: pytest.FixtureRequest, tiny: PanoHeadTaskConfig) -> PanoHead:
    torch.manual_seed(0)
    return PanoHead(config_of(request.param, tiny.generator)).eval().requires_grad_(False)


@pytest.fixture
def panohead(tiny: PanoHeadTaskConfig) -> PanoHead:
    torch.manual_seed(0)
    return PanoHead(tiny.generator).eval().requires_grad_(False)


def test_pictures_have_the_promised_shapes_and_ranges(model: PanoHead):
    render = model.render(model.decode(model.seed_latents([0, 1])), orbit(torch.tensor([0.0, 2.0])))
    assert render.image.shape == (2, 3, 64, 64) and render.image_raw.shape == (2, 3, 16, 16)
    assert render.mask.shape == render.depth.shape == (2, 1, 16, 16)
    assert render.mask.min() >= -0.0011 and render.mask.max() <= 1.0011
    assert (render.depth >= 2.2).all() and (render.depth <= 3.5).all()
    if render.parsing is not None:
        torch.testing.assert_close(render.parsing.sum(dim=1), torch.ones(2, 16, 16))


def test_the_mask_does_not_depend_on_the_background(panohead: PanoHead):
    latents = panohead.seed_latents([0])
    other = panohead.with_background(latents, 5)
    assert torch.equal(other.w, latents.w) and torch.equal(other.background, panohead.seed_latents([5]).w)
    a, b = (panohead.render(panohead.decode(x), orbit(0.2)) for x in (latents, other))
    assert torch.equal(a.mask, b.mask) and torch.equal(a.depth, b.depth)
    assert not torch.allclose(a.image_raw, b.image_raw)


def test_without_a_background_a_head_is_rendered_alone_however_it_was_decoded(panohead: PanoHead):
    alone, latents = RenderOptions(background=False), panohead.seed_latents([0])
    painted = panohead.decode(latents)
    assert painted.background is not None and panohead.decode(latents, None, alone).background is None
    a, b = (panohead.render(head, orbit(0.2), alone) for head in (painted, panohead.decode(latents, None, alone)))
    assert torch.equal(a.image, b.image) and not torch.allclose(a.image, panohead.render(painted, orbit(0.2)).image)


def test_size_and_precision_are_options_of_a_picture(panohead: PanoHead):
    latents, pictures = panohead.seed_latents([0]), []
    for options in (RenderOptions(), RenderOptions(precision="bf16"), RenderOptions(size=24)):
        pictures.append(panohead.render(panohead.decode(latents, None, options), orbit(0.2), options).image)
    full, half, small = pictures
    assert half.shape == full.shape and not torch.equal(half, full)
    torch.testing.assert_close(half, full, atol=0.1, rtol=0.1)
    assert small.shape == (1, 3, 24, 24)
    assert float((small - torch.nn.functional.adaptive_avg_pool2d(full, 24)).abs().mean()) < 0.1 * float(full.std())


def test_what_it_cannot_do_is_refused_in_words(panohead: PanoHead):
    head = panohead.decode(panohead.seed_latents([0]))
    with pytest.raises(FullheadError, match="a PanoHead has no shading clay: leave shading at colour"):
        panohead.render(head, orbit(0.0), RenderOptions(shading="clay"))
    with pytest.raises(FullheadError, match="do not move"):
        panohead.decode(panohead.seed_latents([0]), HeadPose(torch.zeros(1, 52), torch.zeros(1, 5, 3)))
    with pytest.raises(FullheadError, match="precision fp16: there is fp32, bf16"):
        RenderOptions(precision="fp16")  # type: ignore[arg-type]


def test_a_head_in_a_batch_is_the_head_alone(model: PanoHead):
    latents = model.seed_latents([0, 1, 2])
    cameras = orbit(torch.tensor([0.1, 0.9, -2.0]))
    together = model.render(model.decode(latents), cameras)
    for i in range(3):
        alone = model.render(model.decode(latents[i]), cameras[i])
        torch.testing.assert_close(alone.image_raw[0], together.image_raw[i], atol=2e-4, rtol=1e-3)
        torch.testing.assert_close(alone.mask[0], together.mask[i], atol=1e-4, rtol=1e-3)


def test_one_head_seen_by_many_cameras_is_decoded_once(model: PanoHead):
    head = model.decode(model.seed_latents([4]))
    cameras = orbit(torch.tensor([0.0, 1.5, 3.0]))
    views = model.render(head.expand(3), cameras)
    for i in range(3):
        torch.testing.assert_close(model.render(head, cameras[i]).image_raw[0], views.image_raw[i], atol=2e-4, rtol=1e-3)


def test_the_template_is_shared_by_all_heads(tiny: PanoHeadTaskConfig):
    torch.manual_seed(0)
    shared = PanoHead(replace(tiny.generator, template=True)).requires_grad_(False)
    alone = PanoHead(replace(tiny.generator, template=False))
    missing = alone.load_state_dict(shared.state_dict(), strict=False)
    assert missing.unexpected_keys == ["template"] and not missing.missing_keys
    latents = shared.seed_latents([0, 1])
    torch.testing.assert_close(shared.decode(latents).planes, alone.decode(latents).planes)  # it starts at zero
    torch.nn.init.normal_(shared.template)
    added = shared.decode(latents).planes - alone.decode(latents).planes
    assert added.abs().mean() > 1
    torch.testing.assert_close(added[0], added[1], atol=1e-4, rtol=0)


def test_a_seed_is_drawn_as_the_field_does(panohead: PanoHead):
    z = torch.from_numpy(np.random.RandomState(7).randn(1, 16)).float()
    torch.testing.assert_close(panohead.seed_latents([7], 0.6).w, panohead.latents(z, 0.6).w)
    torch.testing.assert_close(panohead.seed_latents([3, 7]).w[1:], panohead.seed_latents([7]).w, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_nobody_can_draw_is_refused_in_words(panohead: PanoHead, seed: int):
    with pytest.raises(FullheadError, match=f"seed {seed}: .*0 to 4294967295"):
        panohead.seed_latents([0, seed])


def test_truncation_stops_at_the_cutoff(panohead: PanoHead):
    z = torch.randn(1, 16, generator=torch.Generator().manual_seed(0))
    full, cut = panohead.latents(z).w, panohead.latents(z, 0.5, cutoff=2).w
    assert torch.equal(cut[:, 2:], full[:, 2:])
    mean = panohead.backbone.mapping.w_avg
    torch.testing.assert_close(cut[:, :2], mean + 0.5 * (full[:, :2] - mean))


def test_without_a_camera_the_style_is_that_of_the_frontal_one(panohead: PanoHead):
    z = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(panohead.style(z), panohead.style(z, orbit(torch.zeros(2))))
    assert not torch.allclose(panohead.style(z), panohead.style(z, orbit(torch.full((2,), 2.0))))


def test_an_unconditioned_model_does_not_see_the_camera(tiny: PanoHeadTaskConfig):
    torch.manual_seed(0)
    model: PanoHead = PanoHead(replace(tiny.generator, conditioned=False)).requires_grad_(False)
    z = torch.randn(2, 16)
    assert torch.equal(model.style(z), model.style(z, orbit(torch.full((2,), 2.0))))


def test_density_is_that_of_the_renders_and_0_in_the_cropped_space(panohead: PanoHead):
    head = panohead.decode(panohead.seed_latents([0]))
    xyz = torch.tensor([[[0.1, 0.2, -0.1], [0.47, 0.0, 0.0], [0.0, 0.0, -0.47]]])
    sigma = panohead.density(head, xyz)
    assert sigma.shape == (1, 3, 1)
    assert sigma[0, 1:].abs().max() == 0
    torch.testing.assert_close(sigma[0, 0, 0], density_activation(panohead.point_values(head, xyz)[0])[0, 0])


def test_colours_are_rgb_in_range(model: PanoHead):
    head = model.decode(model.seed_latents([0]))
    colour = model.colour(head, torch.rand(1, 9, 3) - 0.5)
    assert colour.shape == (1, 9, 3) and colour.abs().max() <= 1


def test_camera_corrections_move_but_do_not_turn_and_start_small(panohead: PanoHead):
    z = torch.randn(4, 16, generator=torch.Generator().manual_seed(0))
    cameras = orbit(torch.linspace(-2, 2, 4))
    moved, shift = panohead.adapted(z, cameras)
    assert torch.equal(moved.c2w[:, :3, :3], cameras.c2w[:, :3, :3])
    torch.testing.assert_close(moved.origins - cameras.origins, shift, atol=1e-6, rtol=1e-4)
    assert shift.abs().max() < 0.2


def test_rendering_does_not_change_the_model(panohead: PanoHead):
    before = {k: v.clone() for k, v in panohead.state_dict().items()}
    panohead.render(panohead.decode(panohead.sample_latents(1)), orbit(0.0), generator=torch.Generator())
    assert all(torch.equal(before[k], v) for k, v in panohead.state_dict().items())


def test_more_pixels_of_the_raw_image_leave_the_final_size(panohead: PanoHead):
    render = panohead.render(panohead.decode(panohead.seed_latents([0])), orbit(0.0), neural_size=12)
    assert render.image_raw.shape[-1] == 12 and render.image.shape[-1] == 64


def test_the_default_config_is_the_published_models():
    assert PanoHeadConfig().planes.depth == 3 and PanoHeadConfig().march.coarse == 48
