"""How near a surface comes to the truth, and a set of generated surfaces to a set of scans.

Surfaces are compared by points that lie evenly on them (`core.meshes.sample_surface`; 150,000 are usual [i3dmm]), sets of
surfaces by clouds of 2048 points each. Distances are in the points' unit and not squared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from fullhead.core.errors import FullheadError

NEAR = 0.01  # tau of the F-score, in units of heads in [-1, 1]^3


@dataclass(frozen=True)
class Samples:
    """Points on a surface."""

    points: NDArray  # [P, 3]
    normals: NDArray  # [P, 3], of length 1
    colours: NDArray | None = None  # [P, 3], in [0, 1]


@dataclass(frozen=True)
class SurfaceMetrics:
    """How alike two surfaces are. Each figure is the mean of both directions."""

    chamfer: float  # distance to the nearest point of the other
    f_score: float  # harmonic mean of the shares of points that are nearer than `near` to the other
    normal_consistency: float  # |cosine| between the normals of a point and of the nearest of the other; 1: alike
    colour_error: float | None  # Euclidean distance of their colours; None where a surface has none


def surface_metrics(found: Samples, truth: Samples, near: float = NEAR) -> SurfaceMetrics:
    """Compare two surfaces by nearest neighbours, in both directions."""
    if not (len(found.points) and len(truth.points)):
        raise FullheadError("a surface without points cannot be compared")
    pairs = ((found, truth), (truth, found))
    distance, nearest = zip(*(KDTree(b.points).query(a.points) for a, b in pairs), strict=True)
    precision, recall = (float((d < near).mean()) for d in distance)
    cosine = [np.abs((a.normals * b.normals[i]).sum(1)).mean() for (a, b), i in zip(pairs, nearest, strict=True)]
    colour = [
        np.linalg.norm(a.colours - b.colours[i], axis=1).mean()
        for (a, b), i in zip(pairs, nearest, strict=True)
        if a.colours is not None and b.colours is not None
    ]
    return SurfaceMetrics(
        chamfer=float(np.mean([d.mean() for d in distance])),
        f_score=2 * precision * recall / (precision + recall) if precision + recall else 0.0,
        normal_consistency=float(np.mean(cosine)),
        colour_error=float(np.mean(colour)) if colour else None,
    )


def chamfer_distances(x: NDArray, y: NDArray) -> NDArray:
    """Chamfer distances [N, M] of clouds x [N, P, 3] and y [M, Q, 3], as in `SurfaceMetrics`."""
    of_x, of_y = ([KDTree(cloud) for cloud in clouds] for clouds in (x, y))
    same = x is y
    result = np.zeros((len(x), len(y)))
    for i in range(len(x)):
        for j in range(i + 1 if same else 0, len(y)):
            result[i, j] = (of_y[j].query(x[i])[0].mean() + of_x[i].query(y[j])[0].mean()) / 2
    return result + result.T if same else result


@dataclass(frozen=True)
class GenerationMetrics:
    """How a set of generated clouds compares with clouds of scans [pointflow §4.1]."""

    coverage: float  # share of the scans that are the nearest scan of some generated cloud; higher is more varied
    matching: float  # mean over scans of the distance to the nearest generated cloud; lower is better
    neighbour_accuracy: float  # how often a nearest neighbour tells which set a cloud is of; 0.5 is best, 1 all different
    diversity: float  # mean distance between two generated clouds; compare with that of scans


def generation_metrics(generated: NDArray, scans: NDArray) -> GenerationMetrics:
    """Compare sets of clouds, generated [N, P, 3] and scans [M, P, 3]; equal N and M make figures comparable."""
    if min(len(generated), len(scans)) < 2:
        raise FullheadError(f"sets of clouds have at least 2 each, not {len(generated)} and {len(scans)}")
    across, among = chamfer_distances(generated, scans), chamfer_distances(generated, generated)
    table = np.block([[among, across], [across.T, chamfer_distances(scans, scans)]])
    np.fill_diagonal(table, np.inf)
    is_scan = np.arange(len(table)) >= len(generated)
    return GenerationMetrics(
        coverage=len(np.unique(across.argmin(1))) / len(scans),
        matching=float(across.min(0).mean()),
        neighbour_accuracy=float((is_scan[table.argmin(1)] == is_scan).mean()),
        diversity=float(among.sum() / (len(among) * (len(among) - 1))),
    )
