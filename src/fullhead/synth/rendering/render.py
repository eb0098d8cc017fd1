"""Photos of a lit scene: project, rasterise at twice the size, shade, average down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fullhead.core.cameras import Cameras
from fullhead.core.colour import srgb_from_linear
from fullhead.kernels.raster import rasterize_arrays
from fullhead.synth.rendering.lights import Lit
from fullhead.synth.rendering.scene import Scene
from fullhead.synth.rendering.shading import GLASS, average, draw_segments, lay_glass, project, shade_strands, shade_surfaces

OVERSAMPLING = 2  # per axis
LEAST_RADIUS = 0.45  # of a strand, in pixels of the oversampled image


@dataclass(frozen=True)
class Photo:
    """One view. Size n."""

    colour: NDArray  # [n, n, 3] float32 linear light over black, multiplied by alpha
    alpha: NDArray  # [n, n] in [0, 1]
    depth: NDArray  # [n, n] camera z of the nearest thing in the pixel, world units; 0 where alpha is 0
    normal: NDArray  # [n, n, 3] unit, world; of the same thing
    label: NDArray  # [n, n] uint8, regions.LABELS


@dataclass(frozen=True)
class HairLayer:
    """What a camera sees of the head's hair alone: the samples [m] that it covers, counted row by row, with the inverse depth
    and the segment of each. It serves all scenes of that hair in that place, whatever the face does."""

    sample: NDArray
    inverse_z: NDArray
    segment: NDArray


def hair_layer(scene: Scene, cameras: Cameras, size: int) -> HairLayer:
    """The hair of a scene as the first of `cameras` sees it in a photo of size x size pixels."""
    n = size * OVERSAMPLING
    nearest, winner = np.zeros((n, n), np.float32), np.full((n, n), -1, np.int32)
    _draw_strands(scene, cameras, 0, scene.hair_segments, nearest, winner, first_code=0)
    sample = np.flatnonzero(winner >= 0).astype(np.int32)
    return HairLayer(sample, nearest.ravel()[sample], winner.ravel()[sample])


def take_photo(lit: Lit, cameras: Cameras, size: int, hair: HairLayer | None = None) -> Photo:
    """What the first of `cameras` sees, size x size pixels; `hair`, if it is known already, is its `hair_layer`."""
    scene, n = lit.scene, size * OVERSAMPLING
    x, y, inverse_z = _on_screen(scene.vertices, cameras, n)
    winner, b, c, nearest = rasterize_arrays(x, y, inverse_z, scene.triangles, n, n, scene.triangle_keep)
    first_code, begin = len(scene.triangles), 0
    if hair is not None:
        before = hair.inverse_z > nearest.ravel()[hair.sample]
        nearest.ravel()[hair.sample[before]] = hair.inverse_z[before]
        winner.ravel()[hair.sample[before]] = first_code + hair.segment[before]
        begin = scene.hair_segments
    _draw_strands(scene, cameras, begin, len(scene.segments), nearest, winner, first_code)
    colour, normal, label = np.zeros((n, n, 3), np.float32), np.zeros((n, n, 3), np.float32), np.zeros((n, n), np.uint8)
    eye, key, key_colour = (a.astype(np.float32) for a in (cameras.origins[0].numpy(), lit.lights.key, lit.lights.key_colour))
    shadow = (lit.key_shadow.nearest, lit.key_shadow.basis, np.float32(lit.key_shadow.scale))
    surroundings = (np.float32(lit.lights.ambient), lit.lights.rim.astype(np.float32), lit.lights.fill.astype(np.float32))
    shade_surfaces(
        winner, b, c, scene.vertices, scene.normals, scene.uv, scene.triangles, scene.triangle_texture, scene.triangle_label,
        scene.triangle_material, scene.triangle_roughness, scene.texels, scene.texture_place, lit.surface_ambient,
        scene.vertex_open, eye, key, key_colour, *surroundings, *shadow, colour, label, normal,
    )  # fmt: skip
    shade_strands(
        winner, first_code, scene.segments, scene.strand_points, scene.strand_tangents, scene.strand_colour,
        scene.segment_label, lit.strand_ambient, eye, key, key_colour, *shadow, colour, label, normal,
    )  # fmt: skip
    glass = scene.triangles[scene.triangle_material == GLASS]
    if len(glass):
        sheet = rasterize_arrays(*_on_screen(scene.vertices, cameras, n), glass, n, n)
        geometry = (scene.vertices, scene.normals, glass)
        lay_glass(*sheet, *geometry, winner, nearest, eye, key, key_colour, *surroundings, colour)
    return _averaged(colour, winner, nearest, normal, label)


def composite(photo: Photo, background: NDArray) -> NDArray:
    """uint8 sRGB [n, n, 3] over a linear background [n, n, 3] (or [3])."""
    colour = photo.colour + (1 - photo.alpha)[..., None] * background
    return (srgb_from_linear(colour) * 255 + 0.5).astype(np.uint8)


def projected(points: NDArray, cameras: Cameras, size: int) -> tuple[NDArray, NDArray]:
    """Where the first of `cameras` sees world points [V, 3]: pixels [V, 2] of an image of `size`, and camera z [V].

    Pixel centres lie at i + 0.5; z is in world units.
    """
    c2w, K = cameras.c2w[0].double().numpy(), cameras.K[0].double().numpy()
    in_camera = (points - c2w[:3, 3]) @ c2w[:3, :3]
    z = in_camera[:, 2]
    return (in_camera[:, :2] / z[:, None] * K[[0, 1], [0, 1]] + K[:2, 2]) * size, z


def _on_screen(points: NDArray, cameras: Cameras, size: int) -> tuple[NDArray, NDArray, NDArray]:
    """Pixel x, y and inverse depth, float32 [V] each, of world points [V, 3]."""
    c2w, K = cameras.c2w[0].double().numpy(), cameras.K[0].double().numpy()
    x, y, inverse_z = np.empty((3, len(points)), np.float32)
    project(points, c2w, K * size, x, y, inverse_z)
    return x, y, inverse_z


def _draw_strands(
    scene: Scene, cameras: Cameras, begin: int, end: int, nearest: NDArray, winner: NDArray, first_code: int
) -> None:
    """Draw segments `begin` to `end` of the strands into a z-buffer; `winner` gets first_code + segment."""
    if begin == end:
        return
    first = scene.segments[begin, 0]  # points of a strand follow each other, as strands do
    x, y, inverse_z = _on_screen(scene.strand_points[first:], cameras, len(winner))
    radius = (scene.strand_radius[first:] * inverse_z * np.float32(float(cameras.K[0, 0, 0]) * len(winner))).astype(np.float32)
    draw_segments(
        x, y, inverse_z, radius, scene.segments, first, begin, end, np.float32(LEAST_RADIUS), first_code, nearest, winner
    )


def _averaged(colour: NDArray, winner: NDArray, inverse_depth: NDArray, normal: NDArray, label: NDArray) -> Photo:
    """Mean of colour, tone-mapped, and cover over the samples of a pixel; depth, normal and label of its nearest sample."""
    n = len(winner) // OVERSAMPLING
    mean, alpha, depth = np.empty((n, n, 3), np.float32), np.empty((n, n), np.float32), np.empty((n, n), np.float32)
    front, part = np.empty((n, n, 3), np.float32), np.empty((n, n), np.uint8)
    average(OVERSAMPLING, colour, winner, inverse_depth, normal, label, mean, alpha, depth, front, part)
    return Photo(mean, alpha, depth, front, part)
