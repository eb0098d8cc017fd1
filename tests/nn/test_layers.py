"""The layers of StyleGAN2 against their definitions."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fullhead.nn.layers import (
    LEAKY_GAIN,
    Conv,
    FullyConnected,
    SynthesisLayer,
    ToRGB,
    blur,
    demodulation,
    downsample,
    leaky_relu,
    modulated_conv,
    normalize_2nd_moment,
    upsample,
)

TAPS = (0.125, 0.375, 0.375, 0.125)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def loop_filter(x: Tensor, gain: float) -> Tensor:
    """Correlation of one channel [H, W] with the binomial filter, no padding."""
    H, W = x.shape
    out = torch.zeros(H - 3, W - 3)
    for i in range(H - 3):
        for j in range(W - 3):
            out[i, j] = gain * sum(TAPS[a] * TAPS[b] * x[i + a, j + b] for a in range(4) for b in range(4))
    return out


def test_enlarging_is_zero_insertion_and_the_binomial_filter(generator: torch.Generator):
    x = torch.randn(1, 1, 5, 4, generator=generator)
    spread = torch.zeros(10, 8)
    spread[::2, ::2] = x[0, 0]
    expected = loop_filter(F.pad(spread, (2, 1, 2, 1)), 4)
    torch.testing.assert_close(upsample(x)[0, 0], expected, rtol=0, atol=1e-6)


def test_halving_is_the_binomial_filter_and_every_second_pixel(generator: torch.Generator):
    x = torch.randn(1, 1, 6, 8, generator=generator)
    expected = loop_filter(F.pad(x[0, 0], (1, 1, 1, 1)), 1)[::2, ::2]
    torch.testing.assert_close(downsample(x)[0, 0], expected, rtol=0, atol=1e-6)


def test_the_blur_keeps_a_constant_picture_away_from_its_border():
    x = torch.full((2, 3, 9, 9), 0.7)
    torch.testing.assert_close(blur(x, 2)[:, :, 3:-3, 3:-3], torch.full((2, 3, 4, 4), 0.7))


def test_channels_do_not_mix_in_resampling(generator: torch.Generator):
    x = torch.randn(2, 3, 6, 6, generator=generator)
    for operation in (upsample, downsample):
        torch.testing.assert_close(operation(x)[:, 1:2], operation(x[:, 1:2]))


@pytest.mark.parametrize("up", [False, True])
def test_one_image_and_many_images_take_different_paths_to_the_same_picture(generator: torch.Generator, up: bool):
    layer = SynthesisLayer(5, 7, 8, 12 if up else 6, up=up)
    with torch.no_grad():
        layer.noise_strength.fill_(0.3)
        layer.bias.copy_(torch.randn(7, generator=generator))
        x, w = torch.randn(3, 5, 6, 6, generator=generator), torch.randn(3, 8, generator=generator)
        together = layer(x, w, layer.noise_const)
        for i in range(3):
            torch.testing.assert_close(
                layer(x[i : i + 1], w[i : i + 1], layer.noise_const), together[i : i + 1], atol=1e-5, rtol=1e-4
            )


@pytest.mark.parametrize("images", [1, 2])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("up", [False, True])
def test_a_modulated_convolution_scales_channels_and_adds_a_bias(
    generator: torch.Generator, images: int, scaled: bool, up: bool
):
    x, w = torch.randn(images, 4, 6, 6, generator=generator), torch.randn(3, 4, 3, 3, generator=generator)
    style, bias = torch.randn(images, 4, generator=generator), torch.randn(3, generator=generator)
    scale = torch.randn(images, 3, generator=generator) if scaled else None
    before = x.clone()
    ours = modulated_conv(x, w, bias, style, scale=scale, up=up)
    assert torch.equal(x, before)
    for i in range(images):
        weight = w * style[i, None, :, None, None]
        weight = weight if scale is None else weight * scale[i, :, None, None, None]
        if up:  # a true convolution of the zero-inserted image, then the binomial filter
            expected = blur(4 * F.conv_transpose2d(x[i : i + 1], weight.transpose(0, 1), stride=2), 1)
        else:
            expected = F.conv2d(x[i : i + 1], weight, padding=1)
        torch.testing.assert_close(ours[i : i + 1], expected + bias[:, None, None], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("images", [1, 3])
def test_the_gradients_of_a_synthesis_layer_are_those_of_its_plain_formula(generator: torch.Generator, images: int):
    """Nothing that the backward pass needs is overwritten on the way."""
    layer = SynthesisLayer(4, 3, 8, 6, clamp=4.0)
    layer.noise_strength.data.fill_(0.5)
    layer.bias.data.copy_(torch.randn(3, generator=generator))
    x = torch.randn(images, 4, 6, 6, generator=generator, requires_grad=True)
    w = torch.randn(images, 8, generator=generator, requires_grad=True)
    style = layer.affine(w)
    weight = layer.weight[None] * style[:, None, :, None, None]  # [B, O, I, 3, 3]
    weight = weight * (weight.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    y = torch.cat([F.conv2d(a[None], k, padding=1) for a, k in zip(x, weight, strict=True)])
    y = y + layer.noise_strength * layer.noise_const + layer.bias[None, :, None, None]
    plain = (F.leaky_relu(y, 0.2) * math.sqrt(2)).clamp(-4, 4)
    learned = [x, w, *layer.parameters()]
    direction = torch.randn(plain.shape, generator=generator)
    theirs = torch.autograd.grad(plain, learned, direction, retain_graph=True)
    ours = torch.autograd.grad(layer(x, w, layer.noise_const), learned, direction)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-3)


def test_demodulated_weights_have_unit_norm(generator: torch.Generator):
    w, style = torch.randn(3, 4, 3, 3, generator=generator), torch.randn(2, 4, generator=generator)
    scale = demodulation(w, style)
    for i in range(2):
        modulated = w * style[i, None, :, None, None] * scale[i, :, None, None, None]
        torch.testing.assert_close(modulated.square().sum(dim=(1, 2, 3)), torch.ones(3))


def test_a_synthesis_layer_is_convolution_noise_bias_and_leaky_relu_in_this_order(generator: torch.Generator):
    layer = SynthesisLayer(4, 3, 8, 6, clamp=1.0)
    with torch.no_grad():
        layer.noise_strength.fill_(0.5)
        layer.bias.copy_(torch.randn(3, generator=generator))
        x, w = torch.randn(2, 4, 6, 6, generator=generator), torch.randn(2, 8, generator=generator)
        style = layer.affine(w)
        y = modulated_conv(x, layer.weight, layer.bias, style, scale=demodulation(layer.weight, style))
        y = y + 0.5 * layer.noise_const
        expected = (F.leaky_relu(y, 0.2) * math.sqrt(2)).clamp(-1, 1)
        torch.testing.assert_close(layer(x, w, layer.noise_const), expected, atol=1e-5, rtol=1e-4)


def test_to_rgb_is_linear_in_features_and_not_demodulated(generator: torch.Generator):
    layer = ToRGB(4, 3, 8)
    x, w = torch.randn(2, 4, 5, 5, generator=generator), torch.randn(2, 8, generator=generator)
    with torch.no_grad():
        torch.testing.assert_close(layer(2 * x, w), 2 * layer(x, w), atol=1e-5, rtol=1e-4)  # the bias starts at zero


@pytest.mark.parametrize("lr_multiplier", [1.0, 0.01])
def test_fully_connected_layers_start_at_unit_variance_whatever_their_learning_rate(lr_multiplier: float):
    torch.manual_seed(0)
    layer = FullyConnected(400, 300, lr_multiplier=lr_multiplier)
    assert float(layer(torch.randn(200, 400)).detach().std()) == pytest.approx(1, rel=0.05)
    assert float(layer.weight.detach().std()) == pytest.approx(1 / lr_multiplier, rel=0.05)


def test_the_leaky_relus_gain_keeps_the_mean_square():
    x = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    assert float(leaky_relu(x).square().mean()) == pytest.approx(LEAKY_GAIN**2 * (1 + 0.2**2) / 2, rel=0.02)
    assert float(leaky_relu(x, clamp=0.5).abs().max()) == 0.5


def test_normalised_vectors_have_a_mean_square_of_one(generator: torch.Generator):
    x = 7 * torch.randn(4, 30, generator=generator)
    torch.testing.assert_close(normalize_2nd_moment(x).square().mean(dim=1), torch.ones(4))


@pytest.mark.parametrize("kernel", [1, 3])
def test_a_halving_convolution_filters_first(generator: torch.Generator, kernel: int):
    conv = Conv(3, 4, kernel, bias=False, leaky=False, down=True)
    x = torch.randn(1, 3, 8, 8, generator=generator)
    weight = conv.weight.detach() / math.sqrt(3 * kernel * kernel)
    full = F.conv2d(blur(x, 1 if kernel == 1 else 2), weight)
    with torch.no_grad():
        torch.testing.assert_close(conv(x), full[:, :, ::2, ::2], atol=1e-5, rtol=1e-4)


def test_a_convolutions_gain_scales_its_clamp_too(generator: torch.Generator):
    conv = Conv(3, 4, 3, clamp=0.5)
    x = 100 * torch.randn(1, 3, 8, 8, generator=generator)
    with torch.no_grad():
        assert float(conv(x).abs().max()) == pytest.approx(0.5)
        assert float(conv(x, gain=0.25).abs().max()) == pytest.approx(0.125)
