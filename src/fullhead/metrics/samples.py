"""How good the heads are that a model draws: three views and a cloud of points of each, compared with those of scans.

Every head is seen alike, whoever made it: orthographic, 256 pixels, turned by -40, 0 and 40 degrees, white around, in the cube
of its scans and cut off at its sides. Normals have a feature space of their own, which nobody trained: `normal_cells`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fullhead.core.errors import FullheadError
from fullhead.core.meshes import interpolate_vertices, sample_surface
from fullhead.core.tri_mesh import TriMesh, present
from fullhead.data.scan_samples import SurfacePoints, head_surface, render_view
from fullhead.data.scan_set import ScanSet
from fullhead.io.images import from_uint8
from fullhead.metrics.features import HeadFeatures, feature_distance
from fullhead.metrics.frechet import kernel_interval
from fullhead.metrics.geometry import Samples, generation_metrics

TURNS = (-40, 0, 40)  # degrees; positive turns the face towards +x
SIZE = 256  # pixels
CLOUD = 2048  # points
NORMAL_SPACE = "normal-cells-v1"  # the feature space of `normal_cells`
CELL, FINE = 16, 4  # pixels per side


@dataclass(frozen=True)
class HeadViews:
    """What is seen of one head."""

    normals: NDArray  # [3, 256, 256, 3] uint8, 0 to 255 for -1 to 1, as the camera sees them; white around
    colours: NDArray  # [3, 256, 256, 3] uint8 sRGB; white around
    cloud: NDArray  # [2048, 3]


def in_doubles(mesh: TriMesh[Tensor]) -> TriMesh[NDArray]:
    """A model's surface in the precision of scans."""
    arrays = mesh.numpy()
    return replace(arrays, vertices=arrays.vertices.astype(np.float64))


def views_of_mesh(mesh: TriMesh[Tensor], pivot: NDArray, rng: np.random.RandomState) -> HeadViews:
    """Of a model's surface, with the normals that it says it has, turned about the vertical axis through pivot [3]."""
    double = in_doubles(mesh)
    seen = [render_view(double, pivot, math.radians(turn), SIZE) for turn in TURNS]
    return HeadViews(np.stack([s[0] for s in seen]), np.stack([s[1] for s in seen]), samples_of_mesh(mesh, CLOUD, rng).points)


def views_of_scan(scans: ScanSet, scan: int, rng: np.random.RandomState) -> HeadViews:
    """Of a scan of a prepared set, whose own views they are."""
    samples = scans.samples(scan)
    count, size = samples.view.z.shape[:2]
    if size != SIZE or any(turn * count % 360 for turn in TURNS):
        raise FullheadError(f"the set has {count} views of {size} pixels, where 9 of {SIZE} are due: prepare it with those")
    rows = [turn * count // 360 % count for turn in TURNS]
    points = samples.surface.points
    cloud = points[rng.choice(len(points), CLOUD, replace=len(points) < CLOUD)]
    return HeadViews(samples.view.normals[rows], samples.view.colours[rows], cloud)


def samples_of_mesh(mesh: TriMesh[Tensor], count: int, rng: np.random.RandomState) -> Samples:
    """Points evenly over a model's surface, but for where the cube cuts it: as `fullhead prepare` takes them of scans."""
    solid = in_doubles(mesh)
    face, weights = sample_surface(solid.vertices, solid.faces, count, rng, weight=head_surface(solid))
    normals = interpolate_vertices(present(solid.normals), solid.faces, face, weights)
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-12)
    points, colours = interpolate_vertices(solid.vertices, solid.faces, face, weights), solid.colours_at(face, weights)
    return Samples(points, normals, 0.5 + 0.5 * colours)


def samples_of_scan(scans: ScanSet, scan: int) -> Samples:
    """All points that a prepared set has of a scan's surface."""
    return samples_of_points(scans.samples(scan).surface)


def samples_of_points(surface: SurfacePoints) -> Samples:
    """Points of a scan's surface, to be compared."""
    points, normals, colours = (values.astype(np.float64) for values in vars(surface).values())
    return Samples(points, normals / np.linalg.norm(normals, axis=1, keepdims=True), colours / 255)


def normal_cells(normals: NDArray) -> NDArray:
    """Features [V 16 16 5] of pictures of normals [V, 256, 256, 3] uint8: in each square of 16 pixels the mean normal (0 where
    nothing is), how much normals spread in it, and how much they do in its squares of 4 pixels.

    The spread is the square root of the mean of |n|^2 less |mean n|^2: 0 on what is flat, or empty.
    """
    shown = (normals != 255).any(axis=-1, keepdims=True)  # white is no direction: it would be longer than 1
    n = np.where(shown, normals / 127.5 - 1, 0)
    n = n / np.linalg.norm(n, axis=-1, keepdims=True).clip(1e-12)

    def cells(values: NDArray, size: int) -> NDArray:
        V, H, W, C = values.shape
        return values.reshape(V, H // size, size, W // size, size, C).mean(axis=(2, 4))

    def spread(size: int) -> NDArray:
        mean = cells(n, size)
        squared = cells(shown.astype(float), size) - (mean**2).sum(-1, keepdims=True)
        return np.sqrt(squared.clip(min=0))

    return np.concatenate([cells(n, CELL), spread(CELL), cells(spread(FINE), CELL // FINE)], axis=-1).ravel()


@torch.no_grad()
def colour_features(network: HeadFeatures, heads: Sequence[HeadViews]) -> tuple[Tensor, list[list[Tensor]]]:
    """Embeddings [N, 3 x 128] of the heads' views side by side, and of each head the maps of its view from the front."""
    found = [network(from_uint8(head.colours)) for head in heads]
    front = TURNS.index(0)
    embeddings = torch.stack([embedding.flatten() for _, embedding in found])
    return embeddings, [[level[front : front + 1] for level in maps] for maps, _ in found]


def sample_figures(found: Sequence[HeadViews], scans: Sequence[HeadViews], network: HeadFeatures) -> dict[str, float]:
    """The numbers of docs/metrics.md that compare drawn heads with scans. A head, with its three views, is one item."""
    features, maps = colour_features(network, found)
    of_scans, _ = colour_features(network, scans)
    cells, cells_of_scans = (torch.from_numpy(np.stack([normal_cells(h.normals) for h in heads])) for heads in (found, scans))
    figures: dict[str, float] = {"n": len(found), "scans": len(scans)}
    for name, x, y in (("normals", cells_of_scans, cells), ("colours", of_scans, features)):
        kernel = kernel_interval(x, y, generator=torch.Generator().manual_seed(0))
        figures |= dict(zip((f"kid_{name}", f"kid_{name}_low", f"kid_{name}_high"), kernel, strict=True))
    figures |= vars(generation_metrics(*(np.stack([head.cloud for head in heads]) for heads in (found, scans))))
    pairs = [feature_distance(maps[i], maps[j]) for i in range(len(maps)) for j in range(i)]
    return figures | {"colour_diversity": float(torch.cat(pairs).mean())}
