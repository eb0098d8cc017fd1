"""Implicit networks: multi-layer perceptrons from points (and codes and features) to values [ganhead supp. 1.1].

Layers are weight-normalised, activations a sharp softplus. A code is one vector per scan, a feature one per point; `scan` [N]
says which scan each of N points belongs to, so that scans need not have equally many. Parameters: the names of the published
checkpoints (`lin0.weight_v`, ...).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from fullhead.kernels.dense import linear, slope, softplus_

SQRT_HALF = math.sqrt(0.5)
TINY = 1e-12  # length of a direction that is none
Rows = Annotated[int, (1, 1 << 20)]  # of an auto-decoder's table of codes
CHUNK = 8192  # points whose hidden layers stay near the processor


def positional_encoding(x: Tensor, octaves: int) -> Tensor:
    """x [N, 3] and sin, cos of 2^l x for l < octaves (no factor pi): [N, 3 + 6 octaves] [nerf]."""
    waves = [f(2.0**octave * x) for octave in range(octaves) for f in (torch.sin, torch.cos)]
    return torch.cat([x, *waves], dim=-1)


def encoded_size(octaves: int) -> int:
    """Numbers in an encoded point."""
    return 3 + 6 * octaves


def by_chunks(function: Callable[..., tuple[Tensor, ...]], *rows: Tensor) -> tuple[Tensor, ...]:
    """function(*rows) of tensors [N, ...] to tensors [N, ...], a part of the rows at a time where no gradient is wanted."""
    if torch.is_grad_enabled() or len(rows[0]) <= CHUNK:
        return function(*rows)
    parts = [function(*part) for part in zip(*(row.split(CHUNK) for row in rows), strict=True)]
    return tuple(map(torch.cat, zip(*parts, strict=True)))


def random_codes(tables: Sequence[nn.Embedding], noise: Sequence[Tensor | None]) -> list[Tensor]:
    """Codes [B, C] for each of an auto-decoder's tables [N, C], spread as its rows are when `noise` [B, C] is white: that is
    turned and stretched by the symmetric root of their covariance. None: the rows' mean."""
    batch = next(len(part) for part in noise if part is not None)
    codes = []
    for table, part in zip(tables, noise, strict=True):
        mean = table.weight.mean(dim=0)
        if part is None:
            codes.append(mean.expand(batch, -1))
            continue
        centred = (table.weight - mean) / max(1, len(table.weight) - 1) ** 0.5
        _, lengths, axes = torch.linalg.svd(centred, full_matrices=False)
        codes.append(mean + part @ (axes.T * lengths @ axes))
    return codes


class NormedLinear(nn.Module):
    """A linear layer whose rows have the lengths `weight_g` [O, 1] and the directions of `weight_v` [O, I]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        plain = nn.Linear(inputs, outputs)
        self.weight_v = nn.Parameter(plain.weight.detach().clone())
        self.weight_g = nn.Parameter(plain.weight.detach().norm(dim=1, keepdim=True))
        self.bias = nn.Parameter(plain.bias.detach().clone())

    @property
    def weight(self) -> Tensor:
        return self.weight_v * (self.weight_g / self.weight_v.norm(dim=1, keepdim=True).clamp(min=TINY))

    @torch.no_grad()
    def reset(self, weight: Tensor, bias: float) -> None:
        """Take this weight [O, I] and a constant bias."""
        self.weight_v.copy_(weight)
        self.weight_g.copy_(weight.norm(dim=1, keepdim=True))
        self.bias.fill_(bias)


@dataclass(frozen=True)
class Layers:
    """The effective weights of a network for given codes: prepared once, then applied to any number of points.

    `weights` [O, I] and `biases` [O] of each layer; the code is part of the first bias, [B, O] or [1, O], and the scale of the
    skip of its layer's weight.
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    octaves: int
    skip: int | None
    tap: int

    def __call__(self, x: Tensor, scan: Tensor | None = None, feature: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Values [N, O] and the hidden layer `tap` [N, W] of points x [N, 3]."""
        encoded = positional_encoding(x, self.octaves)
        h = tapped = encoded if feature is None else torch.cat([encoded, feature], dim=-1)
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if i == self.skip:
                h = torch.cat([h, encoded], dim=-1)
            h = linear(h, weight, bias) if i else self._first(h, scan)
            if i < len(self.weights) - 1:
                h = softplus_(h)
                tapped = h if i == self.tap else tapped
        return h, tapped

    def linearised(self, x: Tensor, dx: Tensor, scan: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As above, and how both change when x changes by dx [3, N, 3] (three directions): [3, N, O] and [3, N, W].

        Forward differentiation: three tangents go through the layers beside the values. For networks without encoding, skip
        and features.
        """
        assert self.octaves == 0 and self.skip is None
        h = tapped = x
        dh = dtapped = dx
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = linear(h, weight, bias) if i else self._first(h, scan)
            dh = linear(dh.flatten(0, 1), weight).unflatten(0, (3, -1))
            if i < len(self.weights) - 1:
                h = softplus_(h)
                dh = dh.mul_(slope(h))
                tapped, dtapped = (h, dh) if i == self.tap else (tapped, dtapped)
        return h, tapped, dh, dtapped

    def _first(self, h: Tensor, scan: Tensor | None) -> Tensor:
        bias = self.biases[0]
        if len(bias) == 1:
            return linear(h, self.weights[0], bias[0])
        assert scan is not None, "several codes need to know whose point is whose"
        return linear(h, self.weights[0]) + bias.index_select(0, scan)


class ImplicitNetwork(nn.Module):
    """Points, codes and features to values.

    `depth` hidden layers of `width`; layer 0 sees [encoded point, code, feature]; layer `skip` sees the encoded point again
    beside its input, both scaled by sqrt(1/2).  `octaves` of positional encoding (0: the bare point).  `tap`: which hidden
    activation is returned beside the values (the last).
    """

    def __init__(
        self,
        outputs: int,
        *,
        width: int,
        depth: int,
        code: int = 0,
        feature: int = 0,
        octaves: int = 0,
        skip: int | None = None,
        tap: int | None = None,
    ) -> None:
        super().__init__()
        self.code, self.octaves, self.skip = code, octaves, skip
        self.tap = depth - 1 if tap is None else tap
        self.encoded = encoded = encoded_size(octaves)
        sizes = [encoded + code + feature, *[width] * depth, outputs]
        for i in range(depth + 1):
            narrow = encoded if skip is not None and i + 1 == skip else 0  # what the skip brings back
            setattr(self, f"lin{i}", NormedLinear(sizes[i], sizes[i + 1] - narrow))
        self.depth = depth
        self.hidden = self.lin[self.tap].bias.numel()  # numbers in the activation beside the values

    @property
    def lin(self) -> list[NormedLinear]:
        return [getattr(self, f"lin{i}") for i in range(self.depth + 1)]

    def prepared(self, code: Tensor | None = None) -> Layers:
        """The layers for codes [B, C] of B scans."""
        first, *others = self.lin
        weight = first.weight  # [W, E + C + F]
        bias = first.bias[None]
        if self.code:
            assert code is not None and code.shape[1] == self.code, f"a code of {self.code} numbers is due"
            bias = linear(code, weight[:, self.encoded : self.encoded + self.code], first.bias)
            weight = torch.cat([weight[:, : self.encoded], weight[:, self.encoded + self.code :]], dim=1)
        weights = (weight, *(layer.weight for layer in others))
        if self.skip is not None:
            weights = tuple(w * SQRT_HALF if i == self.skip else w for i, w in enumerate(weights))
        return Layers(weights, (bias, *(layer.bias for layer in others)), self.octaves, self.skip, self.tap)

    def forward(
        self, x: Tensor, scan: Tensor | None = None, code: Tensor | None = None, feature: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Values [N, O] and hidden features [N, W] of points x [N, 3] with codes [B, C] and features [N, F]."""
        return self.prepared(code)(x, scan, feature)

    @torch.no_grad()
    def start_as_sphere(self, features: int, generator: torch.Generator | None = None) -> None:
        """Weights whose value is about 1 - |x|, for a network without a code [igr].

        The first layer sees only the bare point and the last `features` of its inputs, the last one nothing of the skip (in the
        published code it does, which dents the ball).
        """
        for i, layer in enumerate(self.lin):
            outputs, inputs = layer.weight_v.shape
            skipped = self.encoded if i == self.skip else 0
            seen, scale = inputs - skipped, 1 if skipped == 0 else 1 / SQRT_HALF
            normal = torch.randn(outputs, inputs, generator=generator)
            if i == self.depth:
                weight, bias = -math.sqrt(math.pi / seen) + 1e-4 * normal, 1.0
            else:
                weight, bias = normal * math.sqrt(2 / outputs), 0.0
            if i == 0:
                weight[:, 3 : inputs - features] = 0
            weight[:, seen:] = 0
            layer.reset(scale * weight, bias)
