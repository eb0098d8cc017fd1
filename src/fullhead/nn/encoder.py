"""The encoder of photos: which heads a photo may show, as a Gaussian over the generator's z [vae §3]."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fullhead.core.devices import normal
from fullhead.nn.discriminator import Block
from fullhead.nn.layers import Conv, FullyConnected
from fullhead.nn.stylegan2 import channels_at


@dataclass(frozen=True)
class EncoderConfig:
    """Size of an encoder."""

    z_dim: int = 512
    image_size: int = 512  # pixels
    channel_base: int = 32768  # channels at size r: min(channel_base / r, channel_max)
    channel_max: int = 512


class Encoder(nn.Module):
    """Residual blocks down to 4 x 4, then two layers."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.precision = torch.float32  # of the convolutions
        self.sizes = [config.image_size >> i for i in range(int(math.log2(config.image_size)) - 2)]

        def width(size: int) -> int:
            return channels_at(size, config.channel_base, config.channel_max)

        image_channels = 4
        for size in self.sizes:
            setattr(self, f"b{size}", Block(image_channels, width(size), width(size // 2), None))
            image_channels = 0
        self.conv = Conv(width(4), width(4), 3)
        self.fc = FullyConnected(width(4) * 16, width(4), leaky=True)
        self.out = FullyConnected(width(4), 2 * config.z_dim)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """image [B, 3, H, H] in [-1, 1], mask [B, 1, H, H] in [0, 1] -> mean and log variance of z, [B, z_dim] each."""
        x = torch.cat([image, 2 * mask - 1], dim=1).to(self.precision, memory_format=torch.channels_last)
        for size in self.sizes:
            x = getattr(self, f"b{size}")(x)
        mean, log_variance = self.out(self.fc(self.conv(x.float()).flatten(1))).chunk(2, dim=1)
        return mean, log_variance

    def sample(self, image: Tensor, mask: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """z [B, z_dim] that photos may show, the likeliest without a generator; and how far it is, on the batch's mean, from
        the z of random heads: the Kullback-Leibler divergence [vae Eq.10]."""
        mean, log_variance = self(image, mask)
        apart = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()
        if generator is None:
            return mean, apart
        return mean + (log_variance / 2).exp() * normal(tuple(mean.shape), mean, generator), apart
