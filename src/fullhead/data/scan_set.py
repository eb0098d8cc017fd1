"""A prepared set as batches for training: labelled points, points of surfaces, views. `data.prepare` says what is in its files.

B scans by their position in the set, n points of each. Points are in the rig's cube; chance comes from a generator.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load
from scipy.spatial import KDTree
from torch import Tensor

from fullhead.core.cache import ByteCache
from fullhead.core.errors import FullheadError
from fullhead.data.prepare import HELD_OUT, TRAIN
from fullhead.data.scan_samples import NO_SURFACE, ScanSamples, rotated_root_pose
from fullhead.io.reading import reading
from fullhead.io.sets import read_set
from fullhead.io.stores import open_store

AGAIN = "run `fullhead prepare` again"
CACHE_BYTES = 4 << 30  # of samples kept in memory
Split = Literal["train", "held_out", "all"]


@dataclass(frozen=True)
class ScanBatch:
    """Who, with which face, in which pose."""

    scan: Tensor  # [B] int64, position in the set
    shape: Tensor  # [B, S]
    expression: Tensor  # [B, E]
    joint_pose: Tensor  # [B, J, 3]


@dataclass(frozen=True)
class OccupancyBatch(ScanBatch):
    points: Tensor  # [B, n, 3], those near the surface first
    inside: Tensor  # [B, n], 1 or 0


@dataclass(frozen=True)
class SurfaceBatch(ScanBatch):
    points: Tensor  # [B, n, 3]
    normals: Tensor  # [B, n, 3], of length 1
    colours: Tensor  # [B, n, 3], in [-1, 1]


@dataclass(frozen=True)
class ViewBatch(ScanBatch):
    """Orthographic views; `joint_pose` is turned with them."""

    normals: Tensor  # [B, 3, H, W], in [-1, 1]; 1 where nothing is
    colours: Tensor  # [B, 3, H, W], in [-1, 1]; 1 where nothing is
    mask: Tensor  # [B, 1, H, W], 1 where the scan is
    points: Tensor  # [B, H, W, 3], what each pixel sees, of the turned scan; 0 where nothing is


class ScanSet:
    """The scans of one split, in the order of the set.

    `names`, `identities`, `expressions`: of each scan. `shape` [M, S], `expression` [M, E], `joint_pose` [M, J, 3]: the rig's
    parameters of all.
    """

    def __init__(self, root: Path, split: Split = "train") -> None:
        self.about = read_set(root, "prepared")
        self.store = open_store(root, "scans")
        with reading(root / "scans.json", AGAIN):
            rows = json.loads((root / "scans.json").read_bytes())
            self.rows = [row for row in rows if split == "all" or row["split"] == split]
            self.names, self.identities, self.expressions = (
                [str(row[name]) for row in self.rows] for name in ("name", "identity", "expression")
            )
        if not self.rows:
            raise FullheadError(f"{root} has no scans in the split {split!r}; there are {len(rows)} of {TRAIN} and {HELD_OUT}")
        self._oversampled: dict[str, list[NDArray]] = {}
        self._share = 0.0
        self._cache = ByteCache[int, ScanSamples](CACHE_BYTES)
        known = [self.samples(i) for i in range(len(self.rows))]
        for name, own in zip(self.names, known, strict=True):
            if own.form != known[0].form:
                raise FullheadError(f"{name} and {self.names[0]} of {root} differ in form: {AGAIN}")
        self.shape, self.expression, self.joint_pose = (
            torch.from_numpy(np.stack([getattr(own, name) for own in known])) for name in ("shape", "expression", "joint_pose")
        )
        self.views, self.view_size = known[0].view.z.shape[:2]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def parameters(self) -> tuple[Tensor, Tensor, Tensor]:
        """Shape, expression and joint pose of all."""
        return self.shape, self.expression, self.joint_pose

    def samples(self, scan: int) -> ScanSamples:
        """All that the set holds of a scan, as it is in its file."""
        return self._cache.get(scan, lambda: self._read(scan))

    def _read(self, scan: int) -> ScanSamples:
        name = f"{self.names[scan]}.safetensors"
        with reading(f"{name} of the set", AGAIN):
            return ScanSamples.of(load(self.store.read(name)))

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Positions [count] of scans at random."""
        return torch.randint(len(self), (count,), generator=generator)

    def oversample(self, centres: Tensor, radius: float, share: float) -> None:
        """From now on, draw `share` of the points near and on the surface from those within `radius` of a scan's own `centres`
        [M, L, 3], in the cube's units; a scan that has none there is sampled as before."""
        trees = [KDTree(own.numpy()) for own in centres]
        self._share = share
        for kind in ("near", "surface"):
            distances = [tree.query(getattr(self.samples(scan), kind).points)[0] for scan, tree in enumerate(trees)]
            self._oversampled[kind] = [np.flatnonzero(distance < radius) for distance in distances]

    def _sample_rows(self, kind: str, scan: int, count: int, generator: torch.Generator) -> NDArray:
        """Rows [count] of the scan's points of a kind: near, uniform or surface."""
        rows = torch.randint(len(getattr(self.samples(scan), kind).points), (count,), generator=generator).numpy()
        if kind in self._oversampled and len(preferred := self._oversampled[kind][scan]):
            n = round(self._share * count)
            rows[:n] = preferred[rows[:n] % len(preferred)]
        return rows

    def occupancy(self, scans: Tensor, near: int, uniform: int, generator: torch.Generator) -> OccupancyBatch:
        """For each of `scans` [B], `near` points about the surface, then `uniform` ones in the cube; drawn with replacement."""
        points, inside = [], []
        for scan in scans.tolist():
            own = self.samples(scan)
            for kind, known, count in (("near", own.near, near), ("uniform", own.uniform, uniform)):
                rows = self._sample_rows(kind, scan, count, generator)
                points.append(torch.from_numpy(known.points[rows]))
                inside.append(torch.from_numpy(known.inside[rows]).float())
        shape = (len(scans), near + uniform)
        drawn, labels = torch.cat(points).view(*shape, 3), torch.cat(inside).view(shape)
        return OccupancyBatch(**vars(self._who(scans)), points=drawn, inside=labels)

    def surface(self, scans: Tensor, count: int, generator: torch.Generator) -> SurfaceBatch:
        """`count` points of the surface of each of `scans` [B], drawn with replacement."""
        parts = []
        for scan in scans.tolist():
            rows = self._sample_rows("surface", scan, count, generator)
            parts.append([torch.from_numpy(values[rows]).float() for values in vars(self.samples(scan).surface).values()])
        points, normals, colours = (torch.stack(column) for column in zip(*parts, strict=True))
        normals = torch.nn.functional.normalize(normals, dim=-1)
        return SurfaceBatch(**vars(self._who(scans)), points=points, normals=normals, colours=colours / 127.5 - 1)

    def view(self, scans: Tensor, views: Tensor) -> ViewBatch:
        """One view each of `scans` [B]: `views` [B] from 0 to `self.views` - 1, 0 is the front."""
        pairs = list(zip(scans.tolist(), views.tolist(), strict=True))
        normals, colours, z = (
            torch.from_numpy(np.stack([getattr(self.samples(scan).view, name)[view] for scan, view in pairs]))
            for name in ("normals", "colours", "z")
        )
        mask = z != NO_SURFACE
        who = self._who(scans)
        pose = who.joint_pose.clone()
        for row, (_, view) in enumerate(pairs):
            pose[row, 0] = torch.from_numpy(rotated_root_pose(pose[row, 0].numpy(), 2 * np.pi * view / self.views))
        return ViewBatch(
            **vars(replace(who, joint_pose=pose)),
            normals=normals.permute(0, 3, 1, 2) / 127.5 - 1,
            colours=colours.permute(0, 3, 1, 2) / 127.5 - 1,
            mask=mask[:, None].float(),
            points=_seen_points(z.float(), mask),
        )

    def _who(self, scans: Tensor) -> ScanBatch:
        return ScanBatch(scans, self.shape[scans], self.expression[scans], self.joint_pose[scans])


def _seen_points(z: Tensor, mask: Tensor) -> Tensor:
    """The points [B, H, W, 3] at the centres of pixels, at heights z [B, H, W]."""
    height, width = z.shape[1:]
    x = (torch.arange(width) + 0.5) / width * 2 - 1
    y = 1 - (torch.arange(height) + 0.5) / height * 2
    points = torch.stack([x.expand_as(z), y[:, None].expand_as(z), z], dim=-1)
    return torch.where(mask[..., None], points, torch.zeros_like(points))
