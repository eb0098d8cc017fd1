"""Photos of a lit scene: project, rasterise at twice the size, shade, average down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fullhead.core.cameras import Cameras
from fullhead.core.colour import srgb_from_linear
from fullhead.kernels.raster import rasterize_arrays
from fullhead.synth.anatomy.textured_mesh import GLASS
from fullhead.synth.rendering.lights import LitScene
from fullhead.synth.rendering.scene import Scene, StrandArrays, SurfaceArrays
from fullhead.synth.rendering.shading import Photo, Shaded, ZBuffer, average_samples, lay_glass, shade_strands, shade_surfaces
from fullhead.synth.rendering.strand_raster import ScreenPoints, draw_segments, project_points

OVERSAMPLING = 2  # per axis


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
    _draw_strands(scene.strands, cameras, slice(0, scene.hair_segments), 0, nearest, winner)
    sample = np.flatnonzero(winner >= 0).astype(np.int32)
    return HairLayer(sample, nearest.ravel()[sample], winner.ravel()[sample])


def render_photo(lit: LitScene, cameras: Cameras, size: int, hair: HairLayer | None = None) -> Photo:
    """What the first of `cameras` sees, size x size pixels; `hair`, if it is known already, is its `hair_layer`."""
    surfaces, strands, n = lit.scene.surfaces, lit.scene.strands, size * OVERSAMPLING
    buffer = _z_buffer(surfaces, surfaces.faces, cameras, n, surfaces.coverage)
    first_code, begin = len(surfaces.faces), 0
    if hair is not None:
        nearest, winner = buffer.nearest.ravel(), buffer.winner.ravel()
        before = hair.inverse_z > nearest[hair.sample]
        nearest[hair.sample[before]] = hair.inverse_z[before]
        winner[hair.sample[before]] = first_code + hair.segment[before]
        begin = lit.scene.hair_segments
    _draw_strands(strands, cameras, slice(begin, len(strands.segments)), first_code, buffer.nearest, buffer.winner)
    shaded = Shaded(np.zeros((n, n, 3), np.float32), np.zeros((n, n), np.uint8), np.zeros((n, n, 3), np.float32))
    eye, lights = cameras.origins[0].numpy().astype(np.float32), lit.lights.float32()
    shade_surfaces(buffer, surfaces, lit.surface_ambient, eye, lights, lit.key_shadow, shaded)
    shade_strands(buffer.winner - first_code, strands, lit.strand_ambient, eye, lights, lit.key_shadow, shaded)
    glass = surfaces.faces[surfaces.material == GLASS]
    if len(glass):
        lay_glass(_z_buffer(surfaces, glass, cameras, n), buffer, surfaces, glass, eye, lights, shaded.colour)
    colour, normal = np.empty((2, size, size, 3), np.float32)
    alpha, depth = np.empty((2, size, size), np.float32)
    photo = Photo(colour, alpha, depth, normal, np.empty((size, size), np.uint8))
    average_samples(buffer, shaded, OVERSAMPLING, photo)
    return photo


def composite_over(photo: Photo, background: NDArray) -> NDArray:
    """uint8 sRGB [n, n, 3] over a linear background [n, n, 3] (or [3])."""
    colour = photo.colour + (1 - photo.alpha)[..., None] * background
    return (srgb_from_linear(colour) * 255 + 0.5).astype(np.uint8)


def project_to_pixels(points: NDArray, cameras: Cameras, size: int) -> tuple[NDArray, NDArray]:
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
    return project_points(points, c2w, K * size)


def _z_buffer(surfaces: SurfaceArrays, faces: NDArray, cameras: Cameras, size: int, coverage: NDArray | None = None) -> ZBuffer:
    return ZBuffer(*rasterize_arrays(*_on_screen(surfaces.vertices, cameras, size), faces, size, size, coverage))


def _draw_strands(
    strands: StrandArrays, cameras: Cameras, chosen: slice, first_code: int, nearest: NDArray, winner: NDArray
) -> None:
    """Draw the chosen segments into a z-buffer; `winner` gets first_code + segment."""
    segments = strands.segments[chosen]
    if not len(segments):
        return
    first = segments[0, 0]  # points of a strand follow each other, as strands do
    x, y, inverse_z = _on_screen(strands.points[first:], cameras, len(winner))
    radius = (strands.radius[first:] * inverse_z * np.float32(float(cameras.K[0, 0, 0]) * len(winner))).astype(np.float32)
    draw_segments(ScreenPoints(x, y, inverse_z, radius), segments - first, chosen.start, first_code, nearest, winner)
