"""The volume rendering quadrature with mid-points [mip-nerf] [eg3d §3] [pano Eq.1] [pano Eq.2]."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

DENSITY_BIAS = -1.0  # sigma = softplus(raw - 1): space starts out nearly empty


def density_activation(raw: Tensor) -> Tensor:
    """sigma >= 0 from a network's raw output."""
    return F.softplus(raw + DENSITY_BIAS)


def interval_weights(raw: Tensor, t: Tensor) -> Tensor:
    """Weights alpha_i T_i of the intervals between samples [pano Eq.2].

    raw [B, R, S] density before activation, t [B, R, S] sorted. Returns [B, R, S - 1].
    """
    sigma = density_activation(0.5 * (raw[..., 1:] + raw[..., :-1]))
    alpha = 1 - torch.exp(-sigma * (t[..., 1:] - t[..., :-1]))
    passed = F.pad(1 - alpha[..., :-1] + 1e-10, (1, 0), value=1.0)
    return alpha * passed.cumprod(dim=-1)


def sample_weights(weights: Tensor) -> Tensor:
    """Weights of the samples from those of the intervals: [B, R, S - 1] -> [B, R, S].

    An interval's value is the mean of its two ends, so each sample carries half of both its intervals.
    """
    return F.pad(0.5 * weights, (0, 1)) + F.pad(0.5 * weights, (1, 0))


def expected_distance(weights: Tensor, t: Tensor) -> Tensor:
    """Mean distance at which a ray is stopped: weights [B, R, S - 1], t [B, R, S] -> [B, R, 1].

    A ray that meets nothing gets its last t.
    """
    distance = (sample_weights(weights) * t).sum(dim=-1, keepdim=True) / weights.sum(dim=-1, keepdim=True)
    return torch.nan_to_num(distance, nan=torch.inf).clamp(t[..., :1], t[..., -1:])
