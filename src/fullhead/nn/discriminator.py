"""The discriminator of a rendered head: image, raw image and mask together, conditioned on a label [eg3d §3] [pano §3.2].

With 7 input channels it is PanoHead's tri-discriminator, with 6 EG3D's dual-discriminator, with 27 (20 parsing classes more)
SphereHead's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from fullhead.io.config import Limited, Positive, Side, Width
from fullhead.nn.layers import SQRT_HALF, Conv, FullyConnected
from fullhead.nn.module import ConfiguredModule
from fullhead.nn.stylegan2 import Mapping, channels_at
from fullhead.nn.superres import resized


@dataclass(frozen=True)
class DiscriminatorConfig(Limited):
    """Size and inputs of a discriminator."""

    image_size: Annotated[Side, (8, 4096)] = 512  # pixels
    mask: bool = True  # judge the mask too (the tri-discriminator); without it the dual-discriminator
    parsing_classes: Annotated[int, (0, 1024)] = 0  # judge class probabilities too
    channel_base: Annotated[int, (1, 1 << 20)] = 32768  # channels at size r: min(channel_base / r, channel_max)
    channel_max: Width = 512
    clamp: Positive | None = 256.0  # of every layer's output
    group: Width = 4  # images whose spread is judged together
    label: Width = 25  # numbers in a label: the camera's 25, then what else is known of an image


class Block(nn.Module):
    """Residual block that halves the image."""

    def __init__(self, image_channels: int, inputs: int, outputs: int, clamp: float | None) -> None:
        super().__init__()
        if image_channels:
            self.fromrgb = Conv(image_channels, inputs, 1, clamp=clamp)
        self.conv0 = Conv(inputs, inputs, 3, clamp=clamp)
        self.conv1 = Conv(inputs, outputs, 3, down=True, clamp=clamp)
        self.skip = Conv(inputs, outputs, 1, bias=False, leaky=False, down=True)

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self, "fromrgb"):
            x = self.fromrgb(x)
        return self.conv1(self.conv0(x), gain=SQRT_HALF) + self.skip(x, gain=SQRT_HALF)


class Pyramid(ConfiguredModule):
    """Residual blocks from an image down to 4 x 4: b512, b256, ..., b8, named by what they take."""

    def __init__(self, config: Any, image_channels: int, image_size: int, clamp: float | None) -> None:
        super().__init__(config)
        self.sizes = [image_size >> i for i in range(int(math.log2(image_size)) - 2)]
        widths = [channels_at(size, config.channel_base, config.channel_max) for size in (*self.sizes, 4)]
        self.width = widths[-1]  # channels of the last features
        for i, size in enumerate(self.sizes):
            setattr(self, f"b{size}", Block(0 if i else image_channels, widths[i], widths[i + 1], clamp))

    def levels(self, x: Tensor, precision: torch.dtype = torch.float32) -> list[Tensor]:
        """What each block makes of an image [B, C, H, H]: [B, C', r, r] at r = H / 2, H / 4, ..., 4, in `precision`."""
        found = [x.to(precision, memory_format=torch.channels_last)]
        for size in self.sizes:
            found.append(getattr(self, f"b{size}")(found[-1]))
        return found[1:]


def minibatch_stddev(x: Tensor, group: int) -> Tensor:
    """x [B, C, H, W] with one more channel: the standard deviation among the images of a group [progressive-gan §3].

    Image i is in a group with those at i + B / group, i + 2 B / group and so on.
    """
    B, C, H, W = x.shape
    group = min(group, B)
    y = x.reshape(group, B // group, C, H, W)
    y = (y.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))  # [B / group]
    return torch.cat([x, y.repeat(group)[:, None, None, None].expand(-1, -1, H, W)], dim=1)


class Epilogue(nn.Module):
    """4 x 4 features to one vector per image."""

    def __init__(self, channels: int, outputs: int, group: int, clamp: float | None) -> None:
        super().__init__()
        self.group = group
        self.conv = Conv(channels + 1, channels, 3, clamp=clamp)
        self.fc = FullyConnected(channels * 16, channels, leaky=True)
        self.out = FullyConnected(channels, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.fc(self.conv(minibatch_stddev(x, self.group)).flatten(1)))


class Discriminator(Pyramid):
    """Realness of an image together with its raw version, mask and camera."""

    model_type, config_class = "panohead-discriminator", DiscriminatorConfig

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__(config, 6 + int(config.mask) + config.parsing_classes, config.image_size, config.clamp)
        self.b4 = Epilogue(self.width, self.width, config.group, config.clamp)
        self.mapping = Mapping(0, config.label, self.width, layers=8)
        del self.mapping.w_avg  # a discriminator does not truncate

    def forward(
        self,
        image: Tensor,
        image_raw: Tensor,
        label: Tensor,
        mask: Tensor | None = None,
        parsing: Tensor | None = None,
        precision: torch.dtype = torch.float32,
    ) -> Tensor:
        """Logits [B, 1]; positive is real.

        image [B, 3, H, H] and image_raw [B, 3, R, R] about [-1, 1], label [B, label], mask [B, 1, R, R] and parsing
        [B, classes, R, R] in [0, 1]; the blocks run in `precision`.
        """
        return self.logits(self.features(image, image_raw, mask, parsing, precision)[-1], label)

    def features(
        self,
        image: Tensor,
        image_raw: Tensor,
        mask: Tensor | None = None,
        parsing: Tensor | None = None,
        precision: torch.dtype = torch.float32,
    ) -> list[Tensor]:
        """What each block makes of these, [B, C, r, r] from the first block's r = H / 2 to 4."""
        size = self.config.image_size
        parts = [image, resized(image_raw, size)]
        parts += [2 * resized(x, size) - 1 for x in (mask, parsing) if x is not None]
        return self.levels(torch.cat(parts, dim=1), precision)

    def logits(self, last: Tensor, label: Tensor) -> Tensor:
        """Logits [B, 1] of the last of the features, given label [B, label]."""
        x = self.b4(last.float())
        condition = self.mapping(None, label)
        return (x * condition).sum(dim=1, keepdim=True) / math.sqrt(condition.shape[1])
