"""Where along its ray a renderer looks: stratified first, then where the light was stopped [nerf §5.2].

`t` are distances along rays, [B, R, S]. Both functions are deterministic unless a generator is given: then the jitter
is the middle of each stratum and the quantiles are evenly spaced.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fullhead.core.devices import uniform

BIN_FLOOR = 0.01  # added to every weight, so that no part of a ray goes unseen
PDF_FLOOR = 1e-5


def stratified(near: Tensor, far: Tensor, samples: int, generator: torch.Generator | None = None) -> Tensor:
    """One distance in each of `samples` strata that begin at near + i (far - near) / (samples - 1).

    near, far [B, R, 1]. Returns t [B, R, samples]; the last stratum reaches beyond far.
    """
    step = (far - near) / (samples - 1)
    index = torch.arange(samples, device=near.device, dtype=near.dtype)
    return near + (index + jitter((*near.shape[:-1], samples), near, generator)) * step


def jitter(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """U[0, 1) of a generator, or 0.5 everywhere."""
    if generator is None:
        return torch.full(shape, 0.5, device=like.device, dtype=like.dtype)
    return uniform(shape, like, generator)


def importance(t: Tensor, weights: Tensor, samples: int, generator: torch.Generator | None = None) -> Tensor:
    """Distances drawn in proportion to the coarse weights, no gradient.

    t [B, R, S] sorted, weights [B, R, S - 1] of its intervals. Returns [B, R, samples].
    """
    if generator is None:
        u = torch.linspace(0, 1, samples, device=t.device, dtype=t.dtype).expand(*t.shape[:2], samples)
    else:
        u = uniform((*t.shape[:2], samples), t, generator)
    return inverse_cdf(t.detach(), weights.detach(), u)


def inverse_cdf(t: Tensor, weights: Tensor, u: Tensor) -> Tensor:
    """The quantiles u [B, R, I] of the piecewise constant density that smoothed weights put on the bins between samples.

    The weights are first widened (the larger of neighbours, then the mean of two) as in mip-NeRF [mip-nerf]. The weight of
    interval [t_i, t_i+1] goes to the bin that ends at its middle, and the outermost bins are left out: half a sample towards
    the camera, as in EG3D's released renderer, which the published weights were trained with [eg3d].
    """
    padded = torch.nn.functional.pad(weights, (1, 1), value=-torch.inf)
    widened = torch.maximum(padded[..., :-1], padded[..., 1:])  # [B, R, S]
    smooth = 0.5 * (widened[..., :-1] + widened[..., 1:]) + BIN_FLOOR  # [B, R, S - 1]
    edges = 0.5 * (t[..., :-1] + t[..., 1:])  # [B, R, S - 1]
    pdf = smooth[..., 1:-1] + PDF_FLOOR  # [B, R, S - 3]
    pdf = pdf / pdf.sum(dim=-1, keepdim=True)
    cdf = torch.nn.functional.pad(pdf.cumsum(dim=-1), (1, 0))  # [B, R, S - 2]
    above = torch.searchsorted(cdf, u.contiguous(), right=True)
    low, high = (above - 1).clamp(min=0), above.clamp(max=cdf.shape[-1] - 1)
    cdf_low, cdf_high = cdf.gather(-1, low), cdf.gather(-1, high)
    edge_low, edge_high = edges.gather(-1, low), edges.gather(-1, high)
    width = cdf_high - cdf_low
    width = torch.where(width < PDF_FLOOR, torch.ones_like(width), width)
    return edge_low + (u - cdf_low) / width * (edge_high - edge_low)
