"""Mapping, synthesis, super-resolution and discriminator as wholes."""

import pytest
import torch
from torch import Tensor

from fullhead.io.config import from_dict
from fullhead.nn.discriminator import Discriminator, DiscriminatorConfig, minibatch_stddev
from fullhead.nn.encoder import Encoder, EncoderConfig
from fullhead.nn.layers import normalize_2nd_moment
from fullhead.nn.stylegan2 import Mapping, Synthesis
from fullhead.nn.superres import Superres, SuperresConfig, resized


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_the_mapping_does_not_see_the_length_of_z(generator: torch.Generator):
    mapping = Mapping(8, 25, 16)
    z, label = torch.randn(3, 8, generator=generator), torch.randn(3, 25, generator=generator)
    torch.testing.assert_close(mapping(5 * z, label), mapping(z, label), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(mapping(z, label), mapping(z, label.roll(1, 0)))


def test_truncation_0_is_the_mean_and_1_changes_nothing(generator: torch.Generator):
    mapping = Mapping(8, 25, 16)
    mapping.w_avg.copy_(torch.randn(16, generator=generator))
    w = torch.randn(4, 16, generator=generator)
    torch.testing.assert_close(mapping.truncated(w, 0.0), mapping.w_avg.expand(4, 16))
    torch.testing.assert_close(mapping.truncated(w, 1.0), w)


def test_the_running_mean_nears_the_batches_mean(generator: torch.Generator):
    mapping = Mapping(8, 25, 16)
    w = torch.randn(4, 16, generator=generator)
    mapping.update_w_avg(w.mean(dim=0), beta=0.75)
    torch.testing.assert_close(mapping.w_avg, 0.25 * w.mean(dim=0))
    for _ in range(40):
        mapping.update_w_avg(w.mean(dim=0), beta=0.75)
    torch.testing.assert_close(mapping.w_avg, w.mean(dim=0), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [4, 16, 32])
def test_synthesis_reaches_its_size_with_two_styles_a_block(generator: torch.Generator, size: int):
    synthesis = Synthesis(8, size, 5, channel_base=256, channel_max=8)
    assert synthesis.num_ws == 2 * len(synthesis.sizes)
    ws = torch.randn(2, synthesis.num_ws, 8, generator=generator)
    with torch.no_grad():
        assert synthesis(ws).shape == (2, 5, size, size)


def test_later_styles_do_not_change_the_coarse_picture(generator: torch.Generator):
    """The last style only colours the last block."""
    synthesis = Synthesis(8, 16, 3, channel_base=256, channel_max=8)
    ws = torch.randn(1, synthesis.num_ws, 8, generator=generator)
    other = ws.clone()
    other[:, -1] += 1
    with torch.no_grad():
        a, b = synthesis(ws), synthesis(other)
        block, image, x = synthesis.b4, None, synthesis.b4.const.expand(1, -1, -1, -1)
        coarse = [block(x, image, w[:, :2], True, None)[1] for w in (ws, other)]
    assert not torch.allclose(a, b)
    assert torch.equal(*coarse)


def test_synthesis_repeats_itself_unless_a_generator_is_given(generator: torch.Generator):
    synthesis = Synthesis(8, 8, 3, channel_base=256, channel_max=8)
    for parameter in synthesis.parameters():
        if parameter.ndim == 0:
            parameter.data.fill_(0.5)  # noise strengths
    ws = torch.randn(1, synthesis.num_ws, 8, generator=generator)
    with torch.no_grad():
        assert torch.equal(synthesis(ws), synthesis(ws))
        noisy = synthesis(ws, generator=torch.Generator().manual_seed(1))
        assert torch.equal(noisy, synthesis(ws, generator=torch.Generator().manual_seed(1)))
        assert not torch.allclose(noisy, synthesis(ws, generator=torch.Generator().manual_seed(2)))
        assert not torch.allclose(noisy, synthesis(ws, noise=False))


@pytest.mark.parametrize(
    ("config", "rendered", "final"),
    [
        (SuperresConfig(input_size=16, channels=(6, 4)), 8, 64),
        (SuperresConfig(input_size=16, channels=(6, 4)), 32, 64),
        (SuperresConfig(input_size=16, channels=(6, 4), upsample_first=False), 16, 32),
        (SuperresConfig(input_size=16, channels=(6, 4), upsample_first=False, enlarge_only=True), 8, 32),
        (SuperresConfig(input_size=16, channels=(6, 4), upsample_first=False, enlarge_only=True, antialias=False), 32, 64),
    ],
)
def test_super_resolution_gives_its_factor_times_its_input(
    generator: torch.Generator, config: SuperresConfig, rendered: int, final: int
):
    superres = Superres(config, 5, 8)
    rgb = torch.randn(2, 3, rendered, rendered, generator=generator)
    features, w = torch.randn(2, 5, rendered, rendered, generator=generator), torch.randn(2, 8, generator=generator)
    before = rgb.clone()
    with torch.no_grad():
        assert superres(rgb, features, w).shape == (2, 3, final, final)
    assert torch.equal(rgb, before)  # the raw colours are the caller's
    assert config.factor * config.input_size == (64 if config.upsample_first else 32)


def test_resizing_to_the_same_size_is_nothing_at_all(generator: torch.Generator):
    x = torch.randn(1, 3, 7, 7, generator=generator)
    assert resized(x, 7) is x


def loop_deviation(x: Tensor, group: int) -> list[float]:
    """One number per image: the mean over everything of the deviation within its group."""
    B = len(x)
    strides = B // group
    numbers = []
    for i in range(B):
        members = [x[j] for j in range(B) if j % strides == i % strides]
        stack = torch.stack(members).double()
        deviation = ((stack - stack.mean(dim=0)).square().mean(dim=0) + 1e-8).sqrt()
        numbers.append(float(deviation.mean()))
    return numbers


@pytest.mark.parametrize(("batch", "group"), [(8, 4), (4, 4), (6, 2), (2, 4)])
def test_the_minibatch_standard_deviation_is_that_of_a_loop(generator: torch.Generator, batch: int, group: int):
    x = torch.randn(batch, 3, 4, 4, generator=generator)
    ours = minibatch_stddev(x, group)
    assert torch.equal(ours[:, :3], x)
    assert ours[:, 3].std(dim=(1, 2)).max() < 1e-6
    expected = loop_deviation(x, min(group, batch))
    assert ours[:, 3, 0, 0].tolist() == pytest.approx(expected, abs=1e-5)


OLD_HEADER = {"image_size": 64, "mask": True, "parsing_classes": 0, "channel_base": 2048, "channel_max": 128}
"""Of a model file from before labels had a width."""


def tiny_discriminator(**changes: object) -> Discriminator:
    config = DiscriminatorConfig(image_size=32, channel_base=256, channel_max=8, **changes)  # type: ignore[arg-type]
    return Discriminator(config).requires_grad_(False)


def test_the_discriminator_judges_image_raw_image_mask_and_camera(generator: torch.Generator):
    D = tiny_discriminator()
    image, raw = torch.randn(4, 3, 32, 32, generator=generator), torch.randn(4, 3, 8, 8, generator=generator)
    label, mask = torch.randn(4, 25, generator=generator), torch.rand(4, 1, 8, 8, generator=generator)
    logits = D(image, raw, label, mask)
    assert logits.shape == (4, 1)
    for changed in (
        D(image.flip(3), raw, label, mask),
        D(image, raw.flip(3), label, mask),
        D(image, raw, label.flip(0), mask),
        D(image, raw, label, 1 - mask),
    ):
        assert not torch.allclose(logits, changed)


def test_a_dual_discriminator_takes_no_mask_and_one_with_parsing_takes_classes(generator: torch.Generator):
    image, raw = torch.randn(2, 3, 32, 32, generator=generator), torch.randn(2, 3, 8, 8, generator=generator)
    label = torch.randn(2, 25, generator=generator)
    assert tiny_discriminator(mask=False)(image, raw, label).shape == (2, 1)
    mask, parsing = torch.rand(2, 1, 8, 8), torch.rand(2, 20, 8, 8)
    assert tiny_discriminator(parsing_classes=20)(image, raw, label, mask, parsing).shape == (2, 1)


def test_a_label_may_hold_more_than_the_camera(generator: torch.Generator):
    D = tiny_discriminator(label=77, mask=False)
    image, raw = torch.randn(2, 3, 32, 32, generator=generator), torch.randn(2, 3, 8, 8, generator=generator)
    label = torch.randn(2, 77, generator=generator)
    assert not torch.allclose(D(image, raw, label), D(image, raw, label.roll(1, 1)))
    assert "label" not in OLD_HEADER and from_dict(DiscriminatorConfig, OLD_HEADER).label == 25


def test_blocks_run_in_the_precision_that_is_asked_for(generator: torch.Generator):
    D = tiny_discriminator(mask=False)
    image, raw = torch.randn(2, 3, 32, 32, generator=generator), torch.randn(2, 3, 8, 8, generator=generator)
    assert {x.dtype for x in D.features(image, raw, precision=torch.bfloat16)} == {torch.bfloat16}
    label = torch.randn(2, 25, generator=generator)
    rough, fine = D(image, raw, label, precision=torch.bfloat16), D(image, raw, label)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, fine, atol=0.1, rtol=0.1)


def test_the_order_of_a_batch_of_one_group_does_not_matter(generator: torch.Generator):
    D = tiny_discriminator()
    inputs = [torch.randn(4, 3, 32, 32, generator=generator), torch.randn(4, 3, 8, 8, generator=generator)]
    inputs += [torch.randn(4, 25, generator=generator), torch.rand(4, 1, 8, 8, generator=generator)]
    torch.testing.assert_close(D(*(x.flip(0) for x in inputs)), D(*inputs).flip(0), atol=1e-5, rtol=1e-4)


def test_normalised_labels_of_zero_are_harmless():
    assert torch.isfinite(normalize_2nd_moment(torch.zeros(1, 8))).all()


def test_an_encoder_gives_a_gaussian_and_its_divergence_from_the_unit_one():
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(z_dim=5, image_size=32, channel_base=256, channel_max=8)).requires_grad_(False)
    image, mask = torch.rand(3, 3, 32, 32) * 2 - 1, torch.rand(3, 1, 32, 32)
    mean, log_variance = encoder(image, mask)
    assert mean.shape == log_variance.shape == (3, 5)
    mean_again, kl = encoder.sample(image, mask)
    assert torch.equal(mean_again, mean)
    gaussian = torch.distributions.Normal(mean, (log_variance / 2).exp())
    unit = torch.distributions.Normal(torch.zeros(5), torch.ones(5))
    torch.testing.assert_close(kl, torch.distributions.kl_divergence(gaussian, unit).sum(dim=1).mean())
    drawn = [encoder.sample(image, mask, torch.Generator().manual_seed(i))[0] for i in range(400)]
    deviation = torch.stack(drawn).std(dim=0)
    torch.testing.assert_close(deviation, (log_variance / 2).exp(), rtol=0.2, atol=0)
    one = encoder(image[1:2], mask[1:2])[0]
    torch.testing.assert_close(one, mean[1:2], atol=1e-5, rtol=0)  # photos do not see each other
    assert (encoder(image, 1 - mask)[0] - mean).abs().max() > 1e-3
