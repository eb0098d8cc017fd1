"""The 3D feature generator: a code becomes a volume of features [ganhead supp. 1.1] [gdna].

A learned constant is styled by the code (adaptive instance normalisation), enlarged and convolved three times.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAKY_SLOPE = 0.01
EPSILON = 1e-5  # added to the variance
START = (2, 8, 8)  # depth, height, width of the constant
VOLUME = (16, 64, 64)  # and of what is made of it


def adain(h: Tensor, style: Tensor) -> Tensor:
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
        return F.leaky_relu(self.enc2(self.all_but_last(code)), LEAKY_SLOPE)  # unstyled

    def where_asked(self, code: Tensor) -> VolumeWhereAsked:
        """The same features, for those who ask for few: the last convolution, 7 of 10 multiplications, is left to them."""
        h = self.all_but_last(code).permute(0, 2, 3, 4, 1)  # [B, D, H, W, C]
        taps = self.enc2.weight.permute(2, 3, 4, 1, 0).flatten(0, 3)
        bias = self.enc2.bias
        assert bias is not None
        return VolumeWhereAsked(F.pad(h, (0, 0, *6 * (1,))), taps, bias)

    def all_but_last(self, code: Tensor) -> Tensor:
        """What the last convolution sees: [B, C, 16, 64, 64]."""
        h = self.start(code).contiguous(memory_format=torch.channels_last_3d)  # halves the time on CPUs
        h = F.leaky_relu(adain(self.enc0(_doubled(h)), self.lin0(code)), LEAKY_SLOPE)
        h = F.leaky_relu(adain(self.enc1(_doubled(h)), self.lin1(code)), LEAKY_SLOPE)
        return _doubled(h)

    def start(self, code: Tensor) -> Tensor:
        """The constant, styled: [B, width, 2, 8, 8]."""
        constant = self.shape_code.expand(len(code), -1, -1, -1, -1)
        return F.leaky_relu(adain(constant, self.lin_code(code)), LEAKY_SLOPE)


def _doubled(h: Tensor) -> Tensor:
    return F.interpolate(h, scale_factor=2, mode="trilinear", align_corners=True)


@dataclass(frozen=True)
class VolumeWhereAsked:
    """Volumes whose last convolution is done only at the cells next to the points that are asked for.

    `padded` [B, D + 2, H + 2, W + 2, C]: what it sees, with a border of zeros; `taps` [27 C, features] and `bias`: itself.
    """

    padded: Tensor
    taps: Tensor
    bias: Tensor

    def __len__(self) -> int:
        return len(self.padded)

    def at(self, x: Tensor, scan: Tensor) -> Tensor:
        """Trilinear features [N, features] of points x [N, 3] in [-1, 1]^3 of heads `scan` [N]; zero outside.

        The outermost cells' centres lie on the faces of the cube.
        """
        _, *sizes = self.padded.shape[:-1]
        size = x.new_tensor([side - 2 for side in reversed(sizes)])  # of x, y, z
        stride = torch.tensor([1, sizes[2], sizes[1] * sizes[2]], device=x.device)
        place = (x + 1) / 2 * (size - 1)
        low = place.detach().floor()
        above = place - low
        two = torch.stack([low, low + 1], dim=-1)  # [N, 3, 2] cells along each axis
        share = torch.stack([1 - above, above], dim=-1) * ((two >= 0) & (two < size[:, None]))
        row = (two.clamp(min=0).minimum(size[:, None] - 1).long() + 1) * stride[:, None]
        own = scan[:, None, None, None] * math.prod(sizes)
        corner = own + row[:, 2, :, None, None] + row[:, 1, None, :, None] + row[:, 0, None, None, :]  # [N, 2, 2, 2]
        weight = share[:, 2, :, None, None] * share[:, 1, None, :, None] * share[:, 0, None, None, :]
        asked, which = corner.flatten(1).unique(return_inverse=True)
        step = torch.arange(-1, 2, device=x.device)[:, None] * stride  # [3, 3] along x, y, z
        about = step[:, None, None, 2] + step[None, :, None, 1] + step[None, None, :, 0]
        seen = F.embedding(asked[:, None] + about.flatten(), self.padded.flatten(0, 3))  # [cells, 27, C]
        features = F.leaky_relu(torch.addmm(self.bias, seen.flatten(1), self.taps), LEAKY_SLOPE)
        return F.embedding_bag(which, features, per_sample_weights=weight.flatten(1), mode="sum")
