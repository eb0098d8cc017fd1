"""The canonical head: geometry, normals and colours at shape-neutral points [ganhead supp. 1.1].

    z_shape --generator--> volume --G--> logit of being inside, feature --N, z_detail--> normal, feature --T, z_colour--> colour

Points x [N, 3] lie in [-1, 1]^3; `scan` [N], ascending, says whose point each is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from fullhead.io.config import Limited, Width
from fullhead.kernels.gather import channels_last, sample_planes_mean
from fullhead.nn.feature_volume import FeatureGenerator, VolumeWhereAsked
from fullhead.nn.implicit import ImplicitNetwork, by_chunks

Volume = Tensor | VolumeWhereAsked  # features of the geometry of B heads
INVALID = -1000.0  # logit and features of a point that was not found [ganhead]
PAD = 1.0  # its normal and colour [ganhead]


@dataclass(frozen=True)
class CanonicalConfig(Limited):
    """Sizes of the canonical networks. The defaults are the published ones."""

    shape_code: Width = 64  # numbers in z_shape
    detail_code: Width = 128  # in z_detail
    colour_code: Width = 64  # in z_colour
    pose: Width = 65  # numbers of joint pose and expression that the colours see
    generator_width: Width = 256  # channels that the feature generator starts with
    features: Width = 64  # channels of its volume
    geometry_width: Annotated[Width, (28, math.inf)] = 256  # hidden layers hold more than the encoded point
    normal_width: Annotated[Width, (40, math.inf)] = 256
    texture_width: Annotated[Width, (40, math.inf)] = 256


@dataclass(frozen=True)
class CanonicalPoints:
    """N points where the canonical networks live.

    `x` [N, 3] shape-neutral, `scan` [N], `logit` [N] of being inside, `feature` [N, F] of the geometry. Where `found` [N] is
    false (posed points only) no canonical point is known, and logit and feature are INVALID.
    """

    x: Tensor
    scan: Tensor
    logit: Tensor
    feature: Tensor
    found: Tensor


class CanonicalHead(nn.Module):
    """G, N and T, and the generator of G's features."""

    def __init__(self, config: CanonicalConfig) -> None:
        super().__init__()
        features = config.features
        self.generator = FeatureGenerator(config.shape_code, config.generator_width, features)
        self.geometry = ImplicitNetwork(1, width=config.geometry_width, depth=4, feature=features, octaves=4, skip=4)
        self.geometry.start_as_sphere(features)
        seen, trunk = self.geometry.hidden, {"depth": 8, "octaves": 6, "skip": 4}
        self.normal = ImplicitNetwork(3, width=config.normal_width, code=config.detail_code, feature=seen, **trunk)
        code, seen = config.colour_code + config.pose, seen + self.normal.hidden
        self.texture = ImplicitNetwork(3, width=config.texture_width, code=code, feature=seen, **trunk)

    def volume(self, shape_code: Tensor) -> Tensor:
        """Features [B, C, 16, 64, 64] of codes [B, .], laid in memory as points read them."""
        return channels_last(self.generator(shape_code)[:, None])[:, 0]

    def volume_where_asked(self, shape_code: Tensor) -> VolumeWhereAsked:
        """The same volume for a few thousand points, as training asks for."""
        return self.generator.where_asked(shape_code)

    def occupancy(self, volume: Volume, x: Tensor, scan: Tensor) -> Tensor:
        """Logits [N] alone, positive inside."""
        layers = self.geometry.prepared()
        return by_chunks(lambda x, scan: layers(x, scan, sample_volume(volume, x, scan))[:1], x, scan)[0][:, 0]

    def at(self, volume: Volume, x: Tensor, scan: Tensor) -> CanonicalPoints:
        """What G says of shape-neutral points."""
        layers = self.geometry.prepared()
        logit, feature = by_chunks(lambda x, scan: layers(x, scan, sample_volume(volume, x, scan)), x, scan)
        return CanonicalPoints(x, scan, logit[:, 0], feature, torch.ones_like(scan, dtype=torch.bool))

    def normals(self, detail: Tensor, located: CanonicalPoints) -> tuple[Tensor, Tensor]:
        """N: normals [N, 3] at rest, of any length, and features [N, W], for detail codes [B, .]; PAD where not found."""
        normal, feature = _where_found(located, self.normal.prepared(detail), located.feature)
        return normal, feature

    def colours(self, colour: Tensor, pose: Tensor, located: CanonicalPoints, normal_feature: Tensor) -> Tensor:
        """T: colours [N, 3], about [-1, 1], for colour codes [B, .] and poses [B, .]; PAD where not found."""
        layers = self.texture.prepared(torch.cat([colour, pose], dim=1))
        features = torch.cat([located.feature, normal_feature], dim=-1)
        return _where_found(located, lambda *rows: layers(*rows)[:1], features)[0]


def _where_found(
    located: CanonicalPoints, function: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, ...]], feature: Tensor
) -> tuple[Tensor, ...]:
    rows = located.found.nonzero()[:, 0]
    if len(rows) == len(located.x):
        return by_chunks(function, located.x, located.scan, feature)
    parts = by_chunks(function, located.x[rows], located.scan[rows], feature[rows])
    return tuple(scatter_rows(part, rows, len(located.x), PAD) for part in parts)


def scatter_rows(values: Tensor, rows: Tensor, n: int, fill: float) -> Tensor:
    """[n, ...] with `values` in the given rows and `fill` elsewhere."""
    return values.new_full((n, *values.shape[1:]), fill).index_copy(0, rows, values)


def sample_volume(volume: Volume, x: Tensor, scan: Tensor) -> Tensor:
    """Trilinear features [N, C] of points x [N, 3] in [-1, 1]^3 from volumes [B, C, D, H, W]; zero outside.

    The outermost cells' centres lie on the faces of the cube; `scan` [N] is ascending.
    """
    if isinstance(volume, VolumeWhereAsked):
        return volume.at(x, scan)
    sizes = x.new_tensor(volume.shape[:1:-1])  # W, H, D
    return sample_own(volume, x * ((sizes - 1) / sizes), scan)


def sample_own(volume: Tensor, x: Tensor, scan: Tensor) -> Tensor:
    """As `sample_volume`, but the outermost cells end at the faces of the cube."""
    counts = torch.bincount(scan, minlength=len(volume)).tolist() if len(volume) > 1 else [len(x)]
    heads = volume[:, None].split(1)
    parts = [sample_planes_mean(head, part[None, None])[0] for head, part in zip(heads, x.split(counts), strict=True)]
    return torch.cat(parts) if len(parts) > 1 else parts[0]
