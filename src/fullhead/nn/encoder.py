"""The encoder of photos: which heads a photo may show, as a Gaussian over the generator's z [vae §3]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from fullhead.core.devices import normal
from fullhead.io.config import Limited, Side, Width
from fullhead.nn.discriminator import Pyramid
from fullhead.nn.layers import Conv, FullyConnected


@dataclass(frozen=True)
class EncoderConfig(Limited):
    """Size of an encoder."""

    z_dim: Width = 512
    image_size: Annotated[Side, (8, 4096)] = 512  # pixels
    channel_base: Annotated[int, (1, 1 << 20)] = 32768  # channels at size r: min(channel_base / r, channel_max)
    channel_max: Width = 512


class Encoder(Pyramid):
    """The discriminator's blocks down to 4 x 4, then two layers."""

    model_type, config_class = "panohead-encoder", EncoderConfig

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config, 4, config.image_size, None)
        self.conv = Conv(self.width, self.width, 3)
        self.fc = FullyConnected(self.width * 16, self.width, leaky=True)
        self.out = FullyConnected(self.width, 2 * config.z_dim)

    def forward(self, image: Tensor, mask: Tensor, precision: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
        """image [B, 3, H, H] in [-1, 1], mask [B, 1, H, H] in [0, 1] -> mean and log variance of z, [B, z_dim] each.
        The blocks run in `precision`."""
        x = self.levels(torch.cat([image, 2 * mask - 1], dim=1), precision)[-1]
        mean, log_variance = self.out(self.fc(self.conv(x.float()).flatten(1))).chunk(2, dim=1)
        return mean, log_variance

    def sample(
        self, image: Tensor, mask: Tensor, generator: torch.Generator | None = None, precision: torch.dtype = torch.float32
    ) -> tuple[Tensor, Tensor]:
        """z [B, z_dim] of photos, drawn from their Gaussians or, without a generator, the means; and the Kullback-Leibler
        divergence of the Gaussians from N(0, 1), the z of random heads, mean over the batch [vae Eq.10]."""
        mean, log_variance = self(image, mask, precision)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()
        if generator is None:
            return mean, kl
        return mean + (log_variance / 2).exp() * normal(tuple(mean.shape), mean, generator), kl
