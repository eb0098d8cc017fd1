"""The scalp, and the skin below it that hair lies on. Frame: the subject's, dm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from fullhead.core.smooth import smoothstep
from fullhead.core.triangles import unit_vectors
from fullhead.kernels.tree import PointTree, point_tree
from fullhead.synth.anatomy import regions
from fullhead.synth.anatomy.template_assets import TemplateAssets


@dataclass(frozen=True)
class ScalpSurface:
    """The skin that hair grows on and lies on: scalp, face, neck and shoulders."""

    assets: TemplateAssets
    vertices: NDArray  # [V, 3] dm; shoulders swollen by the clothes
    normals: NDArray  # [V, 3]
    tree: PointTree
    offset: NDArray  # rest = (x - offset) * factor + rest_offset, per axis
    factor: NDArray
    rest_offset: NDArray

    @property
    def size(self) -> float:
        """Lengths on this head relative to the average head."""
        return float(1 / self.factor.mean())

    def to_rest(self, points: NDArray) -> NDArray:
        return (points - self.offset) * self.factor + self.rest_offset

    def from_rest(self, points: NDArray) -> NDArray:
        return (points - self.rest_offset) / self.factor + self.offset

    def nearest(self, points: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        """Distance [...] to the nearest vertex, height above its tangent plane, its normal [..., 3]."""
        distance, vertex = self.tree.closest(points)
        normal = self.normals[vertex]
        return distance, ((points - self.vertices[vertex]) * normal).sum(-1), normal

    def skin_at(self, rest_point: tuple[float, float, float]) -> NDArray:
        """The vertex [3] of the skin that lies nearest to a point on the average head."""
        return self.vertices[np.argmin(np.linalg.norm(self.assets.rest - np.array(rest_point), axis=1))]

    def ear_lobe(self, side: int) -> tuple[NDArray, NDArray]:
        """Where an earring sits, and the skin's normal there, on the left (1) or right (-1) ear."""
        rest = self.assets.rest
        ear = np.flatnonzero((rest[:, 0] * side > 0.69) & (rest[:, 2] > 0.28) & (rest[:, 2] < 0.72) & (rest[:, 1] > 6.80))
        lowest = self.vertices[ear, 1].min()
        at = ear[np.argmax(np.where(self.vertices[ear, 1] < lowest + 0.09 * self.size, self.vertices[ear, 0] * side, -9))]
        return self.vertices[at], self.normals[at]

    def push_out(self, points: NDArray, height: float, reach: float = 0.4) -> NDArray:
        """Points [n, 3], those within `reach` of the skin pushed out until they are `height` above it."""
        _, vertex = self.tree.closest(points, reach)
        near = np.flatnonzero(vertex >= 0)
        vertex, moved = vertex[near], points.copy()
        normal = self.normals[vertex]
        above = ((points[near] - self.vertices[vertex]) * normal).sum(-1)
        moved[near] += normal * np.clip(height - above, 0, reach)[:, None]
        return moved


def head_weight(rest_height: NDArray) -> NDArray:
    """How far what hangs at a height on the average head follows a turn of the neck: 1 down to the jaw, 0 on the chest."""
    return smoothstep(5.95, 6.75, rest_height)


@dataclass(frozen=True)
class HairRoots:
    """Where hairs start: on the head, the skin's normal there, and the same place on the average head. [n, 3] each."""

    points: NDArray
    normals: NDArray
    rest: NDArray


def scalp_surface(assets: TemplateAssets, skin: NDArray, normals: NDArray) -> ScalpSurface:
    """Of a skin [V, 3], dm, with room for clothes on the shoulders."""
    vertices = skin + normals * (0.075 * smoothstep(6.15, 5.85, assets.rest[:, 1]))[:, None]
    tree = point_tree(vertices, assets.tree_order)
    low, high = skin[assets.on_scalp].min(0), skin[assets.on_scalp].max(0)
    rest_low, rest_high = assets.rest[assets.on_scalp].min(0), assets.rest[assets.on_scalp].max(0)
    return ScalpSurface(assets, vertices, normals, tree, low, (rest_high - rest_low) / (high - low), rest_low)


def sample_roots(random: RandomState, scalp: ScalpSurface, density: NDArray, count: int) -> HairRoots:
    """`count` random places on the head, as dense on the average head as `density` [V] says.

    So a hair keeps its root whatever face the head makes.
    """
    assets = scalp.assets
    faces = assets.skin.faces[assets.island == regions.HEAD]  # [F', 3]
    weight = density[faces].mean(1) * assets.head_areas
    if weight.sum() <= 0:
        return HairRoots(*(np.zeros((0, 3)) for _ in range(3)))
    picked = np.searchsorted(np.cumsum(weight), random.uniform(0, weight.sum(), count))
    chosen = faces[picked.clip(max=len(faces) - 1)]
    b, c = random.uniform(size=(2, count))
    b, c = np.where(b + c > 1, 1 - b, b), np.where(b + c > 1, 1 - c, c)
    weights = np.stack([1 - b - c, b, c], axis=-1)[..., None]  # [n, 3, 1]
    points, normals, rest = ((weights * values[chosen]).sum(1) for values in (scalp.vertices, scalp.normals, assets.rest))
    return HairRoots(points, unit_vectors(normals), rest)
