"""Signed distances and colours of a prepared set's labelled points, made from its scans' surface points.

The distance is that to the nearest of the scan's surface points, negative where the set says that a point lies inside;
the colour is that point's [i3dmm]. On the surface it is thus off by about half the spacing of those points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import Tensor

from fullhead.core.cache import ByteCache
from fullhead.data.scan_samples import LabelledPoints, ScanSamples
from fullhead.data.scan_set import ScanSet

CACHE_BYTES = 2 << 30  # of distances kept in memory


@dataclass(frozen=True)
class PointDistances:
    """Of N points to the surface."""

    distance: NDArray  # [N] float32, negative inside
    nearest: NDArray  # [N] int32, the nearest of the surface's points


@dataclass(frozen=True)
class DistanceBatch:
    """B scans, n points of each."""

    scan: Tensor  # [B] int64, position in the set
    points: Tensor  # [B, n, 3], those near the surface first
    distance: Tensor  # [B, n], negative inside
    colours: Tensor  # [B, n, 3], in [0, 1]
    landmarks: Tensor  # [B, 68, 3]

    def to(self, device: torch.device) -> DistanceBatch:
        return DistanceBatch(**{name: x.to(device) for name, x in vars(self).items()})


class ScanDistances:
    """Distances of the scans of a set: a scan's are found when it is first drawn, and kept while there is room."""

    def __init__(self, scans: ScanSet) -> None:
        self.scans = scans
        self._cache = ByteCache[int, tuple[PointDistances, PointDistances]](CACHE_BYTES)

    def of(self, scan: int) -> tuple[PointDistances, PointDistances]:
        """Of a scan's points near the surface, and of those anywhere."""
        return self._cache.get(scan, lambda: self._measure(self.scans.samples(scan)))

    @staticmethod
    def _measure(samples: ScanSamples) -> tuple[PointDistances, PointDistances]:
        tree = KDTree(samples.surface.points)

        def distances(labelled: LabelledPoints) -> PointDistances:
            distance, nearest = tree.query(labelled.points)
            sign = np.where(labelled.inside > 0, -1, 1)
            return PointDistances((sign * distance).astype(np.float32), np.asarray(nearest, np.int32))

        return distances(samples.near), distances(samples.uniform)

    def batch(self, scans: Tensor, near: int, uniform: int, generator: torch.Generator) -> DistanceBatch:
        """For each of `scans` [B], `near` points about the surface, then `uniform` ones in the cube; drawn with replacement."""
        points, distance, colours = [], [], []
        for scan in scans.tolist():
            samples = self.scans.samples(scan)
            for labelled, found, count in zip((samples.near, samples.uniform), self.of(scan), (near, uniform), strict=True):
                rows = torch.randint(len(found.distance), (count,), generator=generator).numpy()
                points.append(torch.from_numpy(labelled.points[rows]))
                distance.append(torch.from_numpy(found.distance[rows]))
                colours.append(torch.from_numpy(samples.surface.colours[found.nearest[rows]]).float() / 255)
        shape = (len(scans), near + uniform)
        landmarks = torch.from_numpy(np.stack([self.scans.samples(scan).landmarks for scan in scans.tolist()]))
        return DistanceBatch(
            scans,
            torch.cat(points).view(*shape, 3),
            torch.cat(distance).view(shape),
            torch.cat(colours).view(*shape, 3),
            landmarks,
        )
