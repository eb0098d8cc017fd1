"""StyleGAN2's mapping and synthesis networks, conditioned on a camera label [stylegan2] [eg3d §3] [pano §3.1].

`w` [B, w_dim] is one style; `ws` [B, L, w_dim] one per layer. Rendering is deterministic (the stored noise images)
unless a generator is given.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from fullhead.core.devices import normal
from fullhead.nn.layers import FullyConnected, SynthesisLayer, ToRGB, normalize_2nd_moment, upsample


class Mapping(nn.Module):
    """z and a camera label to w; keeps the running mean of w for truncation."""

    w_avg: Tensor

    def __init__(
        self,
        z_dim: int,
        label_dim: int,
        w_dim: int,
        *,
        layers: int = 2,
        embed_dim: int | None = None,
        lr_multiplier: float = 0.01,
        last_leaky: bool = True,
        last_scale: float = 1.0,
    ) -> None:
        """`embed_dim` numbers stand for the label beside z, by default `w_dim`."""
        super().__init__()
        self.z_dim, self.layers = z_dim, layers
        embed_dim = w_dim if embed_dim is None else embed_dim
        self.embed = FullyConnected(label_dim, embed_dim)
        for i in range(layers):
            inputs = z_dim + embed_dim if i == 0 else w_dim
            leaky = last_leaky or i < layers - 1
            layer = FullyConnected(inputs, w_dim, lr_multiplier=lr_multiplier, leaky=leaky)
            if i == layers - 1:
                layer.weight.data.mul_(last_scale)
            setattr(self, f"fc{i}", layer)
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z: Tensor | None, label: Tensor) -> Tensor:
        """z [B, z_dim] (None where z_dim is 0), label [B, label_dim] -> w [B, w_dim]."""
        x = normalize_2nd_moment(self.embed(label))
        if z is not None:
            x = torch.cat([normalize_2nd_moment(z), x], dim=1)
        for i in range(self.layers):
            x = getattr(self, f"fc{i}")(x)
        return x

    def truncated(self, w: Tensor, truncation: float) -> Tensor:
        """w moved towards the mean: truncation 1 leaves it, 0 gives the mean [stylegan §B]."""
        return self.w_avg + truncation * (w - self.w_avg)

    @torch.no_grad()
    def update_w_avg(self, mean: Tensor, beta: float = 0.998) -> None:
        """Move the running mean towards a batch's mean [w_dim]."""
        self.w_avg.copy_(mean.lerp(self.w_avg, beta))


def channels_at(size: int, base: int, most: int) -> int:
    """Channels of a block at `size` pixels."""
    return max(1, min(base // size, most))


class SynthesisBlock(nn.Module):
    """Two modulated convolutions and a layer that adds to the running image, all at one size."""

    const: nn.Parameter  # of the first block

    def __init__(
        self, inputs: int, outputs: int, w_dim: int, size: int, image_channels: int, up: bool = True, clamp: float | None = None
    ) -> None:
        super().__init__()
        self.up, self.first = up, inputs == 0
        self.convolutions = 1 if self.first else 2
        if self.first:
            self.const = nn.Parameter(torch.randn(outputs, size, size))
        else:
            self.conv0 = SynthesisLayer(inputs, outputs, w_dim, size, up=up, clamp=clamp)
        self.conv1 = SynthesisLayer(outputs, outputs, w_dim, size, clamp=clamp)
        self.torgb = ToRGB(outputs, image_channels, w_dim, clamp=clamp)

    def forward(
        self, x: Tensor, image: Tensor | None, ws: Tensor, noise: bool, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """x [B, I, h, h] (the constant in the first block), image [B, C, h, h] or None, ws [B, convolutions + 1, w_dim].

        Returns features and image at this block's size; the image is summed in float32.
        """
        if not self.first:
            x = self.conv0(x, ws[:, 0], layer_noise(self.conv0, len(ws), noise, generator))
        x = self.conv1(x, ws[:, -2], layer_noise(self.conv1, len(ws), noise, generator))
        rgb = self.torgb(x, ws[:, -1]).float()
        if image is None:
            return x, rgb
        return x, rgb.add_(upsample(image) if self.up else image)


def layer_noise(layer: SynthesisLayer, batch: int, noise: bool, generator: torch.Generator | None) -> Tensor | None:
    """None without noise; the layer's stored image without a generator; else fresh N(0, 1) [B, 1, H, W]."""
    if not noise:
        return None
    if generator is None:
        return layer.noise_const
    return normal((batch, 1, *layer.noise_const.shape), layer.noise_const, generator)


class Synthesis(nn.Module):
    """Styles to an image of `image_channels` at `size` pixels, by a skip pyramid from 4 x 4 on."""

    b4: SynthesisBlock

    def __init__(self, w_dim: int, size: int, image_channels: int, channel_base: int = 32768, channel_max: int = 512) -> None:
        super().__init__()
        self.sizes = [4 << i for i in range(int(math.log2(size)) - 1)]
        inputs = 0
        for block_size in self.sizes:
            outputs = channels_at(block_size, channel_base, channel_max)
            setattr(self, f"b{block_size}", SynthesisBlock(inputs, outputs, w_dim, block_size, image_channels))
            inputs = outputs
        self.num_ws = 2 * len(self.sizes)

    def forward(
        self, ws: Tensor, noise: bool = True, generator: torch.Generator | None = None, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """ws [B, num_ws, w_dim] -> [B, image_channels, size, size] float32; convolutions run in `dtype`.

        A block's last style is also the next block's first.
        """
        x = self.b4.const.to(dtype).expand(len(ws), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        image, start = None, 0
        for size in self.sizes:
            block: SynthesisBlock = getattr(self, f"b{size}")
            x, image = block(x, image, ws[:, start : start + block.convolutions + 1], noise, generator)
            start += block.convolutions
        assert image is not None
        return image


class Backbone(nn.Module):
    """The mapping and the synthesis network of the planes, under the names of the field's checkpoints."""

    def __init__(self, mapping: Mapping, synthesis: Synthesis) -> None:
        super().__init__()
        self.synthesis = synthesis
        self.mapping = mapping
