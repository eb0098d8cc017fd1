"""An encoder of photos beside a GAN: some heads are drawn after photos. No published recipe has it [vae-gan].

    photo, mask --encoder--> z --generator, by the photo's camera--> drawing, which should be like the photo

Its losses: reconstruction of the photo, the Kullback-Leibler divergence of z from those of random heads, and the difference
of what the discriminator sees in photo and drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fullhead.io.config import Limited, Number, Share, Weight


@dataclass(frozen=True)
class EncoderTaskConfig(Limited):
    """How a generator learns to draw photos at the z that an encoder finds for them."""

    alone_images: Number = 0  # until then it is all that the generator learns from, and the discriminator waits
    alone_lr: Weight = 0.003  # until then
    share: Share = 0.5  # afterwards, the part of the heads that are drawn after photos
    weight: Weight = 10.0  # of the reconstruction
    kl: Weight = 2e-4  # of the divergence, beside the reconstruction
    features: Weight = 0.0  # weight of the difference of the discriminator's features


def l1_loss(drawn: Sequence[Tensor], true: Sequence[Tensor]) -> Tensor:
    """L1 of drawings and photos [B, C, H, W], at each of several sizes or kinds of image, summed over these."""
    return torch.stack([(a - b).abs().mean() for a, b in zip(drawn, true, strict=True)]).sum()


def feature_loss(drawn: Sequence[Tensor], true: Sequence[Tensor]) -> Tensor:
    """L1 of features [B, C, H, W], relative to the size of each image's true ones, mean over images and blocks [vae-gan §3]."""
    off = [
        (a - b).abs().flatten(1).mean(1) / b.abs().flatten(1).mean(1).clamp(min=1e-8) for a, b in zip(drawn, true, strict=True)
    ]
    return torch.stack(off).mean()
