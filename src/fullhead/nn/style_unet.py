"""A generator that redraws an image: StyleGAN2's upper blocks, which see features of the image at every size [h360 supp. A.2].

image --encoder--> features at half, a quarter, ... of its size, down to `lowest`
features at `lowest` --fusion, block--> twice the size --beside the features of that size: fusion, block--> ... --> new image
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from fullhead.nn.layers import Conv, downsample
from fullhead.nn.stylegan2 import SynthesisBlock, channels_at


class EncoderStage(nn.Module):
    """An image and features of its size to features of half the size."""

    def __init__(self, image_channels: int, channels: int, outputs: int) -> None:
        super().__init__()
        self.fromrgb = Conv(image_channels, channels, 1, bias=False, leaky=False)
        self.conv1 = Conv(channels, channels, 3)
        self.conv2 = Conv(channels, outputs, 3, down=True)

    def forward(self, image: Tensor, x: Tensor | None) -> Tensor:
        """image [B, I, h, h], x [B, C, h, h] or None -> [B, O, h/2, h/2]."""
        seen = self.fromrgb(image)
        return self.conv2(self.conv1(seen if x is None else seen + x))


class StyleUNet(nn.Module):
    """Images of `image_channels` at `input_size` to such at `size`, by styles. Its tensors have the published names; those
    that were never used are left out."""

    def __init__(
        self,
        w_dim: int,
        size: int,
        image_channels: int,
        *,
        input_size: int,
        lowest: int,
        channel_base: int = 32768,
        channel_max: int = 512,
    ) -> None:
        super().__init__()

        def width(size: int) -> int:
            return channels_at(size, channel_base, channel_max)

        stages = [input_size >> i for i in range(int(math.log2(input_size // lowest)))]
        self.encoder = nn.ModuleList([EncoderStage(image_channels, width(r), width(r // 2)) for r in stages])
        seen = [r // 2 for r in reversed(stages)]  # sizes of the features, the lowest first
        self.fusion = nn.ModuleList([Conv(width(r) * (1 if r == lowest else 2), width(r), 3, leaky=False) for r in seen])
        self.sizes = [lowest << i for i in range(1, int(math.log2(size // lowest)) + 1)]
        for r in self.sizes:
            setattr(self, f"b{r}", SynthesisBlock(width(r // 2), width(r), w_dim, r, image_channels))
        self.num_ws = 2 * int(math.log2(size)) - 2

    def forward(
        self,
        image: Tensor,
        ws: Tensor,
        noise: bool = True,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """image [B, C, h, h], ws [B, num_ws, w_dim] -> [B, C, size, size] float32; convolutions run in `dtype`.

        The styles are those of a whole generator that begins at 4 x 4, of which the lower blocks are left out.
        """
        image, x = image.to(dtype, memory_format=torch.channels_last), None
        features = []
        for i, stage in enumerate(self.encoder):
            image = image if i == 0 else downsample(image)
            x = stage(image, x)
            features.append(x)
        x, drawn = self.fusion[0](features.pop()), None
        for i, size in enumerate(self.sizes):
            if i and features:
                x = self.fusion[i](torch.cat([x, features.pop()], dim=1))
            block: SynthesisBlock = getattr(self, f"b{size}")
            start = 2 * int(math.log2(size // 4)) - 1
            x, drawn = block(x, drawn, ws[:, start : start + 3], noise, generator)
        assert drawn is not None
        return drawn
