"""Precision and recall of a generator from nearest neighbours [kynkaanniemi19].

A set of features stands for the region covered by balls about each, that reach to its k-th nearest neighbour in the set.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fullhead.core.errors import FullheadError

NEIGHBOUR = 3
CHUNK = 1024  # rows of the distance table held at once


def radii(features: Tensor, k: int = NEIGHBOUR) -> Tensor:
    """Distance [N] of each of the features [N, D] to its k-th nearest neighbour among the others."""
    if len(features) <= k:
        raise FullheadError(f"neighbour {k} needs more than {k} features, not {len(features)}")
    return torch.cat([distances(c, features).kthvalue(k + 1, dim=1).values for c in features.split(CHUNK)])


def share_covered(points: Tensor, features: Tensor, k: int = NEIGHBOUR) -> float:
    """Share of `points` [M, D] that lie in the region of `features` [N, D] [kynkaanniemi19 Eq.1-2]."""
    reach = radii(features, k)
    inside = [(distances(c, features) <= reach).any(dim=1) for c in points.split(CHUNK)]
    return float(torch.cat(inside).double().mean())


def precision_recall(real: Tensor, generated: Tensor, k: int = NEIGHBOUR) -> tuple[float, float]:
    """Share of generated features [M, D] that look real, and share of real ones [N, D] that the generator reaches."""
    return share_covered(generated, real, k), share_covered(real, generated, k)


def distances(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean distances [N, M], exact: the faster way by inner products is not 0 between a point and itself."""
    return torch.cdist(x.double(), y.double(), compute_mode="donot_use_mm_for_euclid_dist")
