"""Where a head's features live: planes laid through space, and the decoder that reads density and colour from them.

A field turns the backbone's image into `planes` [B, P, C, D, H, W] and gives features [B, N, C] of points.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from fullhead.core.grids import EG3D_AXES, PANOHEAD_AXES, dual_spherical_planes, in_planes, sample_flat_planes
from fullhead.io.config import Limited, Positive, Side, Width
from fullhead.kernels.gather import channels_last, sample_planes_mean
from fullhead.nn.layers import Conv, FullyConnected, leaky_relu


@dataclass(frozen=True)
class PlanesConfig(Limited):
    """Layout of the planes."""

    kind: Literal["tri-grid", "eg3d", "two-balls"] = "tri-grid"  # PanoHead's, EG3D's flat planes, SphereHead's
    size: Side = 256  # pixels a side
    depth: Width = 3  # planes stacked in each grid (the D of a tri-grid; 1 for the others)
    channels: Width = 32


class Field(Protocol):
    image_channels: int  # of the backbone's image

    def planes(self, image: Tensor) -> Tensor: ...

    def features(self, planes: Tensor, xyz: Tensor, box_size: float) -> Tensor: ...


class TriGrid:
    """Three orthogonal stacks of D planes, trilinear between them [pano §3.3] [pano supp. A.1]."""

    def __init__(self, config: PlanesConfig) -> None:
        self.depth = config.depth
        self.image_channels = 3 * config.channels * config.depth

    def planes(self, image: Tensor) -> Tensor:
        """image [B, 3 C D, H, W], the stack fastest -> [B, 3, C, D, H, W]."""
        B, _, H, W = image.shape
        return channels_last(image.reshape(B, 3, -1, self.depth, H, W))

    def features(self, planes: Tensor, xyz: Tensor, box_size: float) -> Tensor:
        """xyz [B, N, 3] in world units -> [B, N, C], the mean over the grids."""
        return sample_planes_mean(planes, in_planes(xyz, PANOHEAD_AXES, box_size))


class TriPlane(TriGrid):
    """Three flat planes, laid as in EG3D's released weights [eg3d §3]."""

    def __init__(self, config: PlanesConfig) -> None:
        super().__init__(replace(config, depth=1))

    def features(self, planes: Tensor, xyz: Tensor, box_size: float) -> Tensor:
        return flat_features(planes, xyz, EG3D_AXES, box_size)


def flat_features(planes: Tensor, xyz: Tensor, axes: Tensor, box_size: float) -> Tensor:
    """Features [B, N, C] of points xyz [B, N, 3] in world units: the mean over flat planes [B, P, C, 1, H, W] along `axes`."""
    return sample_planes_mean(planes, in_planes(xyz, axes, box_size) * torch.tensor([1.0, 1.0, 0.0]).to(xyz))


class DualSphericalPlanes(nn.Module):
    """Two balls of three spherical planes, poles at right angles, blended so that neither's seam shows [spherehead §3]."""

    image_channels = 512

    def __init__(self, config: PlanesConfig) -> None:
        super().__init__()
        self.channels, outputs = config.channels, 3 * config.channels
        conv = partial(Conv, kernel=1, bias=False, leaky=False)
        self.ConvA, self.ConvB = (nn.Sequential(conv(self.image_channels, 256), conv(256, outputs)) for _ in range(2))

    def planes(self, image: Tensor) -> Tensor:
        """image [B, 512, H, W] -> [B, 2 * 3, C, 1, H, W]."""
        B, _, H, W = image.shape
        both = torch.stack([self.ConvA(image), self.ConvB(image)], dim=1)
        return both.reshape(B, 6, self.channels, 1, H, W)

    def features(self, planes: Tensor, xyz: Tensor, box_size: float) -> Tensor:
        uv, weights = dual_spherical_planes(xyz, box_size)  # [B, 2, 3, N, 2], [B, 2, N]
        f = sample_flat_planes(planes, uv.flatten(1, 2)).unflatten(1, (2, 3))  # [B, 2, 3, N, C]
        weights = weights / (weights.sum(dim=1, keepdim=True) + 1e-8)
        return (f * weights[:, :, None, :, None]).sum(dim=1).mean(dim=1)


def field(config: PlanesConfig) -> TriGrid | TriPlane | DualSphericalPlanes:
    """The field of a config."""
    return {"tri-grid": TriGrid, "eg3d": TriPlane, "two-balls": DualSphericalPlanes}[config.kind](config)


@dataclass(frozen=True)
class DecoderConfig(Limited):
    """The network from a point's features to its density and colour features."""

    hidden: Width = 64
    lr_multiplier: Positive = 1.0
    activation: Literal["none", "sigmoid", "leaky"] = "none"  # of the colour features: PanoHead's, EG3D's, a third


def widened_sigmoid(x: Tensor) -> Tensor:
    """A sigmoid that reaches 0 and 1 [mip-nerf supp.]."""
    return torch.sigmoid(x) * (1 + 2 * 0.001) - 0.001


class Decoder(nn.Module):
    """One hidden layer; density is raw (before its activation)."""

    def __init__(self, config: DecoderConfig, features: int) -> None:
        super().__init__()
        self.activation = config.activation
        layer = partial(FullyConnected, lr_multiplier=config.lr_multiplier)
        self.net = nn.Sequential(layer(features, config.hidden), nn.Softplus(), layer(config.hidden, 1 + features))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """features [..., C] -> raw density [...] and colour features [..., C]."""
        out = self.net(features)
        raw, colour = out[..., 0], out[..., 1:]
        if self.activation == "sigmoid":
            colour = widened_sigmoid(colour)
        elif self.activation == "leaky":
            colour = leaky_relu(colour)
        return raw, colour
