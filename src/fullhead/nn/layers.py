"""The layers of StyleGAN2, with equalised learning rates [stylegan2 §B].

Weights are stored at unit variance and scaled at run time by 1 / sqrt(fan_in); a `lr_multiplier` below one stores
them larger, so that one optimiser step moves them less. The resampling filter of all layers is the binomial
[1, 3, 3, 1] / 8 in each axis.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAKY_SLOPE = 0.2
LEAKY_GAIN = math.sqrt(2)  # keeps the variance of a leaky ReLU's output near that of its input
SQRT_HALF = math.sqrt(0.5)


def normalize_2nd_moment(x: Tensor) -> Tensor:
    """x [B, C] scaled to a mean square of one along C."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


def leaky_relu(x: Tensor, gain: float = LEAKY_GAIN, clamp: float | None = None) -> Tensor:
    """Leaky ReLU times `gain`, then cut to +-`clamp`."""
    return clamped(F.leaky_relu(x, LEAKY_SLOPE) * gain, clamp)


def clamped(x: Tensor, clamp: float | None) -> Tensor:
    """x cut to +-`clamp`, or as it is; x itself is changed if no gradient needs it."""
    if clamp is None:
        return x
    return x.clamp(-clamp, clamp) if x.requires_grad else x.clamp_(-clamp, clamp)


def blur(x: Tensor, padding: int, stride: int = 1) -> Tensor:
    """x [B, C, H, W], zero-padded on all sides, smoothed by the 4 x 4 binomial filter, every stride-th pixel kept."""
    taps = torch.tensor([0.125, 0.375, 0.375, 0.125], dtype=x.dtype, device=x.device)
    kernel = (taps[:, None] * taps).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(x, kernel, padding=padding, stride=stride, groups=x.shape[1])


def upsample(x: Tensor) -> Tensor:
    """x [B, C, H, W] -> [B, C, 2H, 2W] by zero insertion and the binomial filter.

    Its taps (1/4, 3/4) are those of bilinear interpolation; only outside the image it sees zeros.
    """
    x = F.interpolate(F.pad(x, (1, 1, 1, 1)), scale_factor=2, mode="bilinear", align_corners=False)
    return x[:, :, 2:-2, 2:-2]


def downsample(x: Tensor) -> Tensor:
    """x [B, C, H, W] -> [B, C, H/2, W/2] by the binomial filter."""
    return blur(x, 1, stride=2)


class FullyConnected(nn.Module):
    """y = x (weight lr / sqrt(in))^T + bias lr, optionally with a leaky ReLU."""

    def __init__(
        self, inputs: int, outputs: int, *, lr_multiplier: float = 1.0, bias_init: float = 0.0, leaky: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((outputs,), float(bias_init)))
        self.lr_multiplier, self.leaky = lr_multiplier, leaky

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * (self.lr_multiplier / math.sqrt(self.weight.shape[1]))
        y = F.linear(x, weight.to(x.dtype), (self.bias * self.lr_multiplier).to(x.dtype))
        return leaky_relu(y) if self.leaky else y


def modulated_conv(
    x: Tensor, weight: Tensor, bias: Tensor, style: Tensor, *, scale: Tensor | None = None, up: bool = False
) -> Tensor:
    """Convolution whose input and output channels are scaled per image, and a bias [stylegan2 §2.2].

    x [B, I, H, W], weight [O, I, k, k], bias [O], style [B, I], scale [B, O]. Returns [B, O, H, W], or [B, O, 2H, 2W] with
    `up`, in a tensor of its own. One image: style and scale go into the weights. Several: into the input and the output.
    """
    bias = bias.to(x.dtype)
    if len(x) == 1:
        weight = weight * style[0, None, :, None, None]
        weight = weight if scale is None else weight * scale[0, :, None, None, None]
        scale = None
    else:
        x = x * style[:, :, None, None].to(x.dtype)
    weight = weight.to(x.dtype)
    if up:
        x = blur(F.conv_transpose2d(x, 4 * weight.transpose(0, 1), stride=2), 1)
    else:
        x = F.conv2d(x, weight, bias if scale is None else None, padding=weight.shape[-1] // 2)
    if scale is not None:
        return torch.addcmul(bias[:, None, None], x, scale[:, :, None, None].to(x.dtype))
    return x.add_(bias[:, None, None]) if up else x


def demodulation(weight: Tensor, style: Tensor) -> Tensor:
    """What keeps the output of a modulated convolution at unit variance: weight [O, I, k, k], style [B, I] -> [B, O]."""
    return ((weight.square().sum(dim=(2, 3))[None] * style[:, None].square()).sum(dim=2) + 1e-8).rsqrt()


class SynthesisLayer(nn.Module):
    """Modulated 3 x 3 convolution, noise, bias, leaky ReLU."""

    noise_const: Tensor

    def __init__(
        self, inputs: int, outputs: int, w_dim: int, size: int, *, up: bool = False, clamp: float | None = None
    ) -> None:
        super().__init__()
        self.affine = FullyConnected(w_dim, inputs, bias_init=1)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(size, size))
        self.up, self.clamp = up, clamp

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """x [B, I, h, h], w [B, w_dim], noise [H, H] or [B, 1, H, H] or None. Returns [B, O, H, H]."""
        style = self.affine(w)
        scale = demodulation(self.weight, style) * LEAKY_GAIN  # a gain before a leaky ReLU is one after it
        x = modulated_conv(x, self.weight, self.bias * LEAKY_GAIN, style, scale=scale, up=self.up)
        if noise is not None:
            x = x.add_((noise * (self.noise_strength * LEAKY_GAIN)).to(x.dtype))
        return clamped(F.leaky_relu(x, LEAKY_SLOPE, inplace=True), self.clamp)


class ToRGB(nn.Module):
    """Modulated 1 x 1 convolution without demodulation: features to colours (or to planes)."""

    def __init__(self, inputs: int, outputs: int, w_dim: int, *, clamp: float | None = None) -> None:
        super().__init__()
        self.affine = FullyConnected(w_dim, inputs, bias_init=1)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.clamp = clamp

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x [B, I, H, W], w [B, w_dim]. Returns [B, O, H, W]."""
        style = self.affine(w) / math.sqrt(self.weight.shape[1])
        return clamped(modulated_conv(x, self.weight, self.bias, style), self.clamp)


class Conv(nn.Module):
    """k x k convolution of the discriminators, optionally halving the image."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        bias: bool = True,
        leaky: bool = True,
        down: bool = False,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.leaky, self.down, self.clamp = leaky, down, clamp

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        """x [B, I, H, W]; `gain` scales the output and its clamp. Returns [B, O, H, W] or [B, O, H/2, W/2]."""
        _, inputs, kernel, _ = self.weight.shape
        gain = gain * LEAKY_GAIN if self.leaky else gain  # a gain before a leaky ReLU is one after it
        weight = (self.weight * (gain / math.sqrt(inputs * kernel * kernel))).to(x.dtype)
        bias = None if self.bias is None else (self.bias * gain).to(x.dtype)
        if self.down and kernel == 1:
            x = F.conv2d(downsample(x), weight, bias)
        elif self.down:
            x = F.conv2d(blur(x, 2), weight, bias, stride=2)
        else:
            x = F.conv2d(x, weight, bias, padding=kernel // 2)
        if not self.leaky:
            return x
        x = F.leaky_relu(x, LEAKY_SLOPE, inplace=True)
        return clamped(x, None if self.clamp is None else self.clamp * gain / LEAKY_GAIN)
