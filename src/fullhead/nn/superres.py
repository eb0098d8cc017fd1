"""Super-resolution of a rendered feature image by two modulated blocks [eg3d §3] [pano §3.1]."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fullhead.io.config import Limited, Positive, Side, Width
from fullhead.nn.stylegan2 import SynthesisBlock


@dataclass(frozen=True)
class SuperresConfig(Limited):
    """The parts in which the published super-resolutions differ."""

    input_size: Side = 128  # features and colours are first resized to this
    channels: tuple[Width, Width] = (256, 128)  # of the two blocks
    upsample_first: bool = True  # whether the first block doubles the size; the second always does
    enlarge_only: bool = False  # whether inputs larger than input_size stay as they are
    clamp: Positive | None = 256.0  # of every layer's output; the published weights were trained with it
    antialias: bool = True  # of the resizing

    @property
    def factor(self) -> int:
        return 4 if self.upsample_first else 2


def resized(x: Tensor, size: int, *, antialias: bool = True) -> Tensor:
    """x [B, C, H, W] bilinearly resized to size x size; as it is if it has that size."""
    if x.shape[-2:] == (size, size):
        return x
    return F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False, antialias=antialias)


class Superres(nn.Module):
    """Raw colours and features to the final image; all layers use the head's last style, without noise."""

    def __init__(self, config: SuperresConfig, features: int, w_dim: int) -> None:
        super().__init__()
        self.config = config
        first = config.input_size * (2 if config.upsample_first else 1)
        a, b = config.channels
        self.block0 = SynthesisBlock(features, a, w_dim, first, 3, up=config.upsample_first, clamp=config.clamp)
        self.block1 = SynthesisBlock(a, b, w_dim, first * 2, 3, clamp=config.clamp)

    def forward(self, rgb: Tensor, features: Tensor, w: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """rgb [B, 3, R, R], features [B, C, R, R], w [B, w_dim]. Returns [B, 3, H, H]; convolutions run in `dtype`."""
        config = self.config
        if features.shape[-1] < config.input_size or not config.enlarge_only:
            rgb = resized(rgb, config.input_size, antialias=config.antialias)
            features = resized(features, config.input_size, antialias=config.antialias)
        ws = w[:, None].expand(-1, 3, -1)
        x = features.to(dtype, memory_format=torch.channels_last)
        x, rgb = self.block0(x, rgb, ws, False, None)
        x, rgb = self.block1(x, rgb, ws, False, None)
        return rgb
