"""Light on a scene that no camera changes: a key light with a shadow map, and ambient light gathered at every vertex.

The ambient light is a sky with a rim behind and a fill in front. It is gathered by shadow maps from directions spread over
the sphere, each vertex adding the light of the directions that see it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fullhead.core.compiled import njit
from fullhead.core.triangles import unit_vectors
from fullhead.kernels.raster import rasterize_arrays
from fullhead.synth.people.subject import Lighting
from fullhead.synth.rendering.scene import Scene

EXTENT = 0.56  # half side of the square that a shadow map covers, world units
MAP_FAR = np.float32(4)  # shadow maps keep MAP_FAR minus the distance along the light
HAIR_DENSITY = 28.0  # how fast light fades in hair, per world unit
FADE_STEPS, FADE_REACH = 2048, 0.4  # of the table of what is left of the light behind so much hair
FADE = np.exp(-HAIR_DENSITY * FADE_REACH * np.arange(FADE_STEPS) / FADE_STEPS).astype(np.float32)
OUTSIDE = np.float32(1e9)  # how far before everything lies what the map does not cover
HALF = np.float32(0.5)


class Lights(NamedTuple):
    """Directions point towards the light."""

    key: NDArray  # [3]
    key_colour: NDArray  # [3]
    ambient: float | np.float32
    rim: NDArray  # [3]
    fill: NDArray  # [3]

    def float32(self) -> Lights:
        """The same, as kernels take them."""
        key, key_colour, rim, fill = (a.astype(np.float32) for a in (self.key, self.key_colour, self.rim, self.fill))
        return Lights(key, key_colour, np.float32(self.ambient), rim, fill)


class ShadowMap(NamedTuple):
    """MAP_FAR minus the distance of the first thing hit along the light; 0 where nothing is. float32."""

    nearest: NDArray  # [R, R]
    basis: NDArray  # [3, 3] rows: right, up, away from the light
    scale: np.float32  # texels per world unit


@dataclass(frozen=True)
class LitScene:
    scene: Scene
    lights: Lights
    surface_ambient: NDArray  # [V], the same in all colours
    strand_ambient: NDArray  # [P]
    key_shadow: ShadowMap


def lights_from(lighting: Lighting) -> Lights:
    """Key light as chosen, rim behind on the other side, fill in front on the other side."""
    az, el = lighting.azimuth, lighting.elevation
    return Lights(
        key=np.array([np.sin(az) * np.cos(el), np.sin(el), np.cos(az) * np.cos(el)]),
        key_colour=np.array([1 + lighting.warmth, 1, 1 - lighting.warmth]) * lighting.key,
        ambient=lighting.ambient,
        rim=unit_vectors(np.array([-np.sin(az), 0.35, -0.9])),
        fill=unit_vectors(np.array([-0.8 * np.sin(az), 0.1, 0.8])),
    )


def ambient_radiance(lights: Lights, directions: NDArray) -> NDArray:
    """Radiance [...] of the surroundings in unit directions [..., 3], without the key light."""
    up = directions[..., 1]
    sky = 0.30 + 0.25 * np.clip(up, 0, 1) - 0.12 * np.clip(-up, 0, 1)
    rim = 1.6 * np.exp(14 * (directions @ lights.rim - 1))
    return lights.ambient * (sky + rim + 0.55 * np.exp(4 * (directions @ lights.fill - 1)))


def light_scene(scene: Scene, lights: Lights, directions: int = 32, size: int = 128, key_size: int = 512) -> LitScene:
    """Gather the light of a scene; the sizes are those of the shadow maps."""
    surfaces, strands = scene.surfaces, scene.strands
    on_surfaces, on_strands = np.zeros(len(surfaces.vertices), np.float32), np.zeros(len(strands.points), np.float32)
    for direction in _sphere(directions):
        weight = np.float32(ambient_radiance(lights, direction) * 4 / directions)
        shadow, towards = shadow_map(scene, direction, size), direction.astype(np.float32)
        _gather_surface(surfaces.vertices, surfaces.normals, shadow, towards, weight, on_surfaces)
        _gather_strands(strands.points, strands.tangents, shadow, towards, weight, on_strands)
    on_surfaces *= surfaces.openness
    return LitScene(scene, lights, on_surfaces, on_strands, shadow_map(scene, lights.key, key_size))


def shadow_map(scene: Scene, to_light: NDArray, size: int) -> ShadowMap:
    """What the light sees first, surfaces and strands alike."""
    surfaces, strands = scene.surfaces, scene.strands
    basis, scale, middle = _light_basis(to_light), np.float32(size / (2 * EXTENT)), np.float32(size / 2)
    x, y, nearness = np.ascontiguousarray(_placed(surfaces.vertices, basis, scale, middle).T)
    nearest = rasterize_arrays(x, y, nearness, surfaces.faces, size, size, surfaces.coverage)[3]
    _splat_segments(_placed(strands.points, basis, scale, middle), strands.segments, nearest)
    return ShadowMap(nearest, basis, scale)


def _sphere(count: int) -> NDArray:
    """`count` directions evenly over the sphere, along a spiral [count, 3]."""
    i = np.arange(count) + 0.5
    y = 1 - 2 * i / count
    turn = np.pi * (1 + 5**0.5) * i
    r = np.sqrt(1 - y * y)
    return np.stack([r * np.cos(turn), y, r * np.sin(turn)], axis=1)


def _light_basis(to_light: NDArray) -> NDArray:
    away = unit_vectors(np.asarray(to_light, float))
    side = np.array([0, 1, 0]) if abs(away[1]) < 0.95 else np.array([1, 0, 0])
    right = unit_vectors(np.cross(side, away))
    return np.stack([right, np.cross(away, right), -away]).astype(np.float32)


@njit(inline="always")
def on_map(basis, scale, middle, x, y, z):
    """Column and row of a point in a shadow map, and its distance along the light."""
    column = (basis[0, 0] * x + basis[0, 1] * y + basis[0, 2] * z) * scale + middle
    row = (basis[1, 0] * x + basis[1, 1] * y + basis[1, 2] * z) * scale + middle
    return column, row, basis[2, 0] * x + basis[2, 1] * y + basis[2, 2] * z


@njit(nogil=True)
def _placed(points, basis, scale, middle):
    """Column and row in a shadow map, and MAP_FAR minus the distance along the light, of each point [P, 3]."""
    placed = np.empty_like(points)
    for i in range(len(points)):
        column, row, distance = on_map(basis, scale, middle, points[i, 0], points[i, 1], points[i, 2])
        placed[i, 0], placed[i, 1], placed[i, 2] = column, row, MAP_FAR - distance
    return placed


@njit(nogil=True)
def _splat_segments(placed, segments, nearest):
    """Draw strand segments one texel wide into a shadow map."""
    height, width = nearest.shape
    for s in range(segments.shape[0]):
        a, b = placed[segments[s, 0]], placed[segments[s, 1]]
        dx, dy, dz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        steps = int(max(abs(dx), abs(dy))) + 1
        for k in range(steps):
            t = (np.float32(k) + HALF) / np.float32(steps)
            x, y = int(a[0] + dx * t), int(a[1] + dy * t)
            if 0 <= x < width and 0 <= y < height:
                value = a[2] + dz * t
                if value > nearest[y, x]:
                    nearest[y, x] = value


@njit(nogil=True)
def shadow_gap(shadow, x, y, z):
    """How far behind the first thing hit along the light a point lies; hugely negative in the open."""
    nearest, size = shadow.nearest, shadow.nearest.shape[0]
    x, y, distance = on_map(shadow.basis, shadow.scale, np.float32(size) * HALF, x, y, z)
    column, row = int(x), int(y)
    if not (0 <= column < size and 0 <= row < size) or nearest[row, column] <= 0:
        return -OUTSIDE
    return distance - (MAP_FAR - nearest[row, column])


@njit(nogil=True)
def _gather_surface(points, normals, shadow, direction, weight, light):
    """Add one direction's light to vertices: cosine times visibility, with a little leaking into thin shadows."""
    bias = np.float32(0.006)
    for i in range(points.shape[0]):
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        cosine = nx * direction[0] + ny * direction[1] + nz * direction[2]
        if cosine <= 0:
            continue
        x, y, z = points[i, 0] + nx * bias, points[i, 1] + ny * bias, points[i, 2] + nz * bias
        gap = shadow_gap(shadow, x, y, z) - bias
        light[i] += cosine * weight * (np.float32(1) if gap < 0 else np.float32(0.25) * np.exp(np.float32(-25) * gap))


@njit(nogil=True)
def _gather_strands(points, tangents, shadow, direction, weight, light):
    """Add one direction's light to strand points: sine to the hair, fading with the hair in between.

    Without branches that depend on what is hit, and with a table in place of the exponential, it takes a quarter of the time.
    """
    basis, scale, size, texels = shadow.basis, shadow.scale, shadow.nearest.shape[0], shadow.nearest.ravel()
    middle, per_step = np.float32(size) * HALF, np.float32(FADE_STEPS / FADE_REACH)
    zero, one, last = np.float32(0), np.float32(1), np.float32(FADE_STEPS - 1)
    for i in range(points.shape[0]):
        x, y, distance = on_map(basis, scale, middle, points[i, 0], points[i, 1], points[i, 2])
        column, row = np.int32(x), np.int32(y)
        inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
        hit = texels[np.uint32(row * size + column)] if inside else zero
        gap = distance - (MAP_FAR - hit) - np.float32(0.003)
        step = min(max(gap * per_step, zero), last) if hit > 0 else zero
        along = tangents[i, 0] * direction[0] + tangents[i, 1] * direction[1] + tangents[i, 2] * direction[2]
        light[i] += HALF * weight * np.sqrt(max(zero, one - along * along)) * FADE[np.uint32(step)]
