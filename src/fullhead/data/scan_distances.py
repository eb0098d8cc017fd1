"""Signed distances and colours of a prepared set's labelled points, made from what the set holds of its scans' surfaces.

The distance is that to the nearest of the points taken of the surface, negative where the set says that a point lies inside;
the colour is that point's [i3dmm]. On the surface it is thus off by about half the spacing of those points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import Tensor

from fullhead.data.scan_set import ScanSet

CACHE_BYTES = 2 << 30  # of distances kept in memory
KINDS = ("near", "uniform")


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
        self._kept: dict[int, dict[str, NDArray]] = {}
        self._room = CACHE_BYTES

    def of(self, scan: int) -> dict[str, NDArray]:
        """Of each kind of points: <kind>_distance [N] float32, and <kind>_nearest [N] int32 among the surface's points."""
        if scan in self._kept:
            return self._kept[scan]
        arrays = self.scans.arrays(scan)
        tree, found = KDTree(arrays["surface_points"]), {}
        for kind in KINDS:
            distance, nearest = tree.query(arrays[f"{kind}_points"])
            sign = np.where(arrays[f"{kind}_inside"] > 0, -1, 1)
            found |= {f"{kind}_distance": (sign * distance).astype(np.float32), f"{kind}_nearest": nearest.astype(np.int32)}
        if (size := sum(array.nbytes for array in found.values())) <= self._room:
            self._kept[scan], self._room = found, self._room - size
        return found

    def batch(self, scans: Tensor, near: int, uniform: int, generator: torch.Generator) -> DistanceBatch:
        """For each of `scans` [B], `near` points about the surface, then `uniform` ones in the cube; drawn with replacement."""
        points, distance, colours = [], [], []
        for scan in scans.tolist():
            arrays, found = self.scans.arrays(scan), self.of(scan)
            for kind, count in zip(KINDS, (near, uniform), strict=True):
                rows = torch.randint(len(found[f"{kind}_distance"]), (count,), generator=generator).numpy()
                points.append(torch.from_numpy(arrays[f"{kind}_points"][rows]))
                distance.append(torch.from_numpy(found[f"{kind}_distance"][rows]))
                colours.append(torch.from_numpy(arrays["surface_colours"][found[f"{kind}_nearest"][rows]]).float() / 255)
        shape = (len(scans), near + uniform)
        landmarks = torch.from_numpy(np.stack([self.scans.arrays(scan)["landmarks"] for scan in scans.tolist()]))
        return DistanceBatch(
            scans,
            torch.cat(points).view(*shape, 3),
            torch.cat(distance).view(shape),
            torch.cat(colours).view(*shape, 3),
            landmarks,
        )
