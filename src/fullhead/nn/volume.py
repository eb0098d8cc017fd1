"""The 3D feature generator: a code becomes a volume of features [ganhead supp. 1.1] [gdna].

A learned constant is styled by the code (adaptive instance normalisation), enlarged and convolved three times.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAKY_SLOPE = 0.01
EPSILON = 1e-5  # added to the variance
START = (2, 8, 8)  # depth, height, width of the constant
VOLUME = (16, 64, 64)  # and of what is made of it


def styled(h: Tensor, style: Tensor) -> Tensor:
    """h [B, C, D, H, W] with the mean and the deviation that style [B, 2 C] asks for: first the shifts, then the scales."""
    shift, scale = style[..., None, None, None].chunk(2, dim=1)
    deviation = (h.var(dim=(2, 3, 4), keepdim=True, unbiased=True) + EPSILON).sqrt()
    return (h - h.mean(dim=(2, 3, 4), keepdim=True)) * (scale / deviation) + shift


class FeatureGenerator(nn.Module):
    """Codes [B, code] to volumes [B, features, 16, 64, 64] (depth, height, width are z, y, x).

    The constant has `width` channels; every block halves them, down to `features`. 1.5 million weights as published.
    """

    def __init__(self, code: int, width: int = 256, features: int = 64) -> None:
        super().__init__()
        first, middle, last = width, max(width // 2, features), max(width // 4, features)
        self.shape_code = nn.Parameter(0.002 * torch.randn(1, first, *START))
        self.lin_code = nn.Linear(code, 2 * first)
        self.enc0 = nn.Conv3d(first, middle, 3, padding=1)
        self.lin0 = nn.Linear(code, 2 * middle)
        self.enc1 = nn.Conv3d(middle, last, 3, padding=1)
        self.lin1 = nn.Linear(code, 2 * last)
        self.enc2 = nn.Conv3d(last, features, 3, padding=1)

    def forward(self, code: Tensor) -> Tensor:
        h = self.start(code).contiguous(memory_format=torch.channels_last_3d)  # halves the time on CPUs
        h = F.leaky_relu(styled(self.enc0(_doubled(h)), self.lin0(code)), LEAKY_SLOPE)
        h = F.leaky_relu(styled(self.enc1(_doubled(h)), self.lin1(code)), LEAKY_SLOPE)
        return F.leaky_relu(self.enc2(_doubled(h)), LEAKY_SLOPE)  # unstyled

    def start(self, code: Tensor) -> Tensor:
        """The constant, styled: [B, width, 2, 8, 8]."""
        constant = self.shape_code.expand(len(code), -1, -1, -1, -1)
        return F.leaky_relu(styled(constant, self.lin_code(code)), LEAKY_SLOPE)


def _doubled(h: Tensor) -> Tensor:
    return F.interpolate(h, scale_factor=2, mode="trilinear", align_corners=True)
