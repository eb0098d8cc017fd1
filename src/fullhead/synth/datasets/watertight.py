"""A scene as one closed, coloured surface, as a perfect scanner would see it.

Surfaces and hair are put into a grid of samples; what the air above the head cannot reach is solid, so nothing needs to
be closed but at the scale of a cell: lids on eyeballs, cloth on shoulders and closed lips become one. Lengths inside are in
cells; sample (i, j, k) of a grid of n cells a side lies at (i, j, k). Strands count by the area that they cover.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from fullhead.core.colour import from_bytes, srgb_from_linear
from fullhead.core.compiled import njit
from fullhead.core.isosurface import extract_surface, largest_component, refined
from fullhead.core.meshes import vertex_normals
from fullhead.core.tri_mesh import TriMesh
from fullhead.core.triangles import unit_vectors
from fullhead.kernels.tree import mesh_tree
from fullhead.synth.anatomy.regions import LABELS
from fullhead.synth.anatomy.textured_mesh import CLOTH, EYE, GLASS, SKIN
from fullhead.synth.rendering.scene import Scene, StrandArrays, SurfaceArrays
from fullhead.synth.rendering.shading import texture_colour

SPACING = 0.4  # cells between the points that stand for a surface or a strand
HAIR_SPREAD = 0.0125  # of the cube's half side: how far strands are smeared to a shell
HAIR_LEVEL = 48.0  # smeared cover per half side at which hair is solid
BAND = 2.0  # cells about the surface where depths are right
SMOOTHED = 0.6  # cells by which depths are smeared, against beads along edges
THINNEST = 0.8  # cells, radius that tubes are inflated to
REACH = 0.35  # cells over which a vertex is moved onto the surface
COVERING = 2.5  # cells under cloth within which skin does not show, nor an eye under its lid
UNDER = 0.7  # cosine to a surface's normal, at least, of the way to what lies under it; beside its border the way is flat
EYE_EDGE = 0.005  # of the cube's half side, 1 mm: about the longest edge about the eyes, which are small and full of colours
HAIR_OPAQUE = 0.7  # of what makes hair solid: hides two thirds of the skin's colour


def watertight_mesh(scene: Scene, scale: float, translation: NDArray, cells: int) -> TriMesh[NDArray]:
    """The surface of a scene whose points x are moved to scale x + translation, cut off at the cube [-1, 1]^3.

    With normals, and colours without light.
    """
    surfaces, strands = scene.surfaces, scene.strands
    points, strand_points = (to_grid(x * scale + translation, cells) for x in (surfaces.vertices, strands.points))
    hair, hair_colour = _hair(strands, strand_points, scale * cells / 2, cells)
    opaque = surfaces.material != GLASS
    of_piece = [opaque & (surfaces.texture == k) for k in np.unique(surfaces.texture[opaque])]
    inside = _inside(points, [surfaces.faces[chosen] for chosen in of_piece], hair)

    def field(xyz: torch.Tensor) -> torch.Tensor:
        i, j, k = torch.round((xyz + 1) * (cells / 2)).long().T.numpy()
        return torch.from_numpy(inside[i, j, k])

    surface = largest_component(extract_surface(field, 2.0, 0.0, cells, outside=-BAND))
    surface = _refine_eyes(surface, surfaces, points, cells)
    at, colours = _snap_to_surfaces(to_grid(surface.vertices, cells), surfaces, points, hair, hair_colour)
    vertices = np.clip(at * (2 / cells) - 1, -1, 1).astype(np.float32)
    normals = vertex_normals(vertices, surface.faces)
    return TriMesh(vertices, surface.faces, normals=normals, colours=from_bytes(colours))


def _refine_eyes(surface: TriMesh[NDArray], surfaces: SurfaceArrays, points: NDArray, cells: int) -> TriMesh[NDArray]:
    """The surface with edges halved within a cell of the eyeballs until they are about EYE_EDGE long."""
    eyes = mesh_tree(points, surfaces.faces[surfaces.material == EYE])
    for _ in range(int(np.ceil(np.log2(2 / cells / EYE_EDGE)))):
        surface = refined(surface, eyes.closest(to_grid(surface.vertices, cells), 1.0)[2] < 1)
    return surface


def to_grid(points: NDArray, cells: int) -> NDArray:
    """Points of the cube [-1, 1]^3 in cells."""
    return (points.astype(float) + 1) * (cells / 2)


def _hair(strands: StrandArrays, points: NDArray, scale: float, cells: int) -> tuple[NDArray, NDArray]:
    """How solid strands are [n, n, n], 1 or more if they are, without the lashes; and their colour [n, n, n, 3]."""
    chosen = strands.segments[strands.label != LABELS["lash"]]
    cover = np.zeros((cells + 1,) * 3 + (4,), np.float32)
    if len(chosen):
        width = (2 * scale * strands.radius).astype(np.float32)
        _splat_strands(points.astype(np.float32), chosen, width, strands.colour, cover)
        spread = HAIR_SPREAD * cells / 2
        here = _box(cover[..., 3] > 0, int(2.5 * spread + 0.5))
        for channel in range(4):
            cover[*here, channel] = ndimage.gaussian_filter(cover[*here, channel], spread, truncate=2.5)
    return cover[..., 3] * np.float32(cells / 2 / HAIR_LEVEL), cover[..., :3] / np.maximum(cover[..., 3:], 1e-9)


def _box(chosen: NDArray, margin: int) -> tuple[slice, ...]:
    """The part of a grid that holds all chosen samples [n, n, n], with a margin around."""
    spans = (np.flatnonzero(chosen.any(axis=tuple(k for k in range(3) if k != axis))) for axis in range(3))
    return tuple(slice(max(span[0] - margin, 0), span[-1] + margin + 1) for span in spans)


def _inside(points: NDArray, pieces: list[NDArray], hair: NDArray) -> NDArray:
    """How far inside each sample lies [n, n, n] float32, in cells, 0 on the surface; right to within BAND of it.

    pieces: faces [F, 3] of surfaces that may overlap. The solid is what they or the hair hold and what the air cannot
    reach between them.
    """
    occupied = np.zeros(hair.shape, bool)
    for faces in pieces:
        _voxelize_faces(points.astype(np.float32), faces, occupied)
    regions: NDArray = ndimage.label(~(occupied | (hair > 1)))[0]  # type: ignore[assignment]
    outside = regions == regions[0, -1, -1]  # the corner above, in front, on the subject's right
    band = _widened(_widened(outside) & ~outside)
    result = np.where(outside, -1.5, 1.0).astype(np.float32)  # about what lies just beyond the band
    band &= outside | occupied | (hair > 1)
    at, air, on_surface = np.argwhere(band), outside[band], occupied[band]
    depth = np.full(len(at), -BAND)
    for faces in pieces:
        low, high = points[faces].min((0, 1)) - BAND, points[faces].max((0, 1)) + BAND
        here = np.flatnonzero(((at >= low) & (at <= high)).all(1) & (air | on_surface))
        if len(here):
            thickening = _thickening(points[faces])
            height, _, _, distance = _height(at[here], points, faces, BAND + thickening)
            behind = (height < 0) & on_surface[here]
            behind &= (distance < 1) | (-height > UNDER * distance)  # where a surface ends, its far side says nothing
            above = np.where(behind, -distance, distance) - thickening
            depth[here] = np.maximum(depth[here], -above)
    soft = 0.5 * hair[band] - 0.5
    result[band] = np.clip(np.maximum(depth, np.where(air, np.minimum(soft, -0.01), soft)), -BAND, BAND)
    here = _box(band, 2)  # nothing changes elsewhere
    result[here] = ndimage.gaussian_filter(result[here], SMOOTHED, truncate=3)
    return result


def _widened(chosen: NDArray) -> NDArray:
    """The chosen samples [n, n, n] and all 26 neighbours of each."""
    for axis in range(3):
        grown, before = chosen.copy(), np.moveaxis(chosen, axis, 0)
        by_axis = np.moveaxis(grown, axis, 0)
        by_axis[1:] |= before[:-1]
        by_axis[:-1] |= before[1:]
        chosen = grown
    return chosen


def _height(at: NDArray, points: NDArray, faces: NDArray, reach: float) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Height [P] of `at` [P, 3] above the plane of the nearest face; which that is [P], weights [P, 3] of the nearest point
    in it, and its distance [P], infinite beyond `reach`."""
    found, weights, distance = mesh_tree(points, faces).closest(at.astype(float), reach)
    corners = points[faces[found]]
    off = at - (corners * weights[..., None]).sum(1)
    normal = unit_vectors(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    return (off * normal).sum(1), found, weights, distance


def _thickening(corners: NDArray) -> float:
    """By how much to inflate a closed piece [F, 3, 3] so that no part slips through between the samples: tubes are thin."""
    corners = corners - corners.mean((0, 1))
    twice_area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    volume = abs((corners[:, 0] * twice_area).sum()) / 6
    radius = 4 * volume / np.linalg.norm(twice_area, axis=1).sum()  # of a long tube
    return max(0.0, THINNEST - radius)


def _snap_to_surfaces(
    at: NDArray, surfaces: SurfaceArrays, points: NDArray, hair: NDArray, hair_colour: NDArray
) -> tuple[NDArray, NDArray]:
    """Vertices [V, 3] moved onto the surface they stand for, unless hair covers it; their colours, uint8 sRGB [V, 3]."""
    face, weights, distance = _outermost(at, surfaces, points)
    corners = surfaces.faces[face]  # [V, 3]
    nearest, uv = ((values[corners] * weights[..., None]).sum(1) for values in (points, surfaces.uv))
    cover = ndimage.map_coordinates(hair, at.T, order=1, mode="nearest")
    bare = (distance < REACH) & (cover < 0.8)
    strands = np.stack([ndimage.map_coordinates(hair_colour[..., c], at.T, order=1, mode="nearest") for c in range(3)], axis=1)
    share = np.maximum(1 - np.exp(-cover / HAIR_OPAQUE), np.clip(distance - 0.5, 0, 1) * (cover > 0.2))[:, None]
    colour = (1 - share) * _texture_colours(surfaces, surfaces.texture[face], uv) + share * strands
    return np.where(bare[:, None], nearest, at), (srgb_from_linear(colour) * 255 + 0.5).astype(np.uint8)


def _outermost(at: NDArray, surfaces: SurfaceArrays, points: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """The opaque face [V] that each of `at` [V, 3] shows, weights [V, 3] of its nearest point, and the distance [V].

    It is the nearest, but the lid within COVERING above where that is an eye, and the cloth above where it is skin: both are
    thinner than a cell.
    """
    opaque = np.flatnonzero(surfaces.material != GLASS)
    found, weights, distance = mesh_tree(points, surfaces.faces[opaque]).closest(at)
    face = opaque[found]
    for under, over in ((EYE, SKIN), (SKIN, CLOTH)):
        covers = np.flatnonzero(surfaces.material == over)
        rows = np.flatnonzero(surfaces.material[face] == under)
        if not len(covers) or not len(rows):
            continue
        height, cover, cover_weights, away = _height(at[rows], points, surfaces.faces[covers], COVERING)
        hidden = (away < COVERING) & (-height > UNDER * away)
        rows = rows[hidden]
        face[rows], weights[rows], distance[rows] = covers[cover[hidden]], cover_weights[hidden], away[hidden]
    return face, weights, distance


@njit(nogil=True)
def _texture_colours(surfaces, texture, uv):
    """Linear colours [V, 3] of textures [V] at uv [V, 2]."""
    colours, texels, layout = np.empty((len(uv), 3)), surfaces.texels, surfaces.texture_layout
    for i in range(len(uv)):
        colours[i, 0], colours[i, 1], colours[i, 2] = texture_colour(texels, layout, texture[i], uv[i, 0], uv[i, 1])
    return colours


@njit(nogil=True)
def _voxelize_faces(points, faces, occupied):
    """Mark the samples nearest to points that are scattered over the faces."""
    n = occupied.shape[0]
    for t in range(faces.shape[0]):
        a, b, c = points[faces[t, 0]], points[faces[t, 1]], points[faces[t, 2]]
        longest = np.sqrt(max(((b - a) ** 2).sum(), ((c - a) ** 2).sum(), ((c - b) ** 2).sum()))
        steps = int(longest / SPACING) + 1
        for i in range(steps + 1):
            for j in range(steps + 1 - i):
                at = a + (b - a) * (i / steps) + (c - a) * (j / steps)
                p, q, r = int(np.rint(at[0])), int(np.rint(at[1])), int(np.rint(at[2]))
                if 0 <= p < n and 0 <= q < n and 0 <= r < n:
                    occupied[p, q, r] = True


@njit(nogil=True)
def _splat_strands(points, segments, width, colour, cover):
    """Add to the samples around each strand its length times width, in the last channel, and that times its colour."""
    n = cover.shape[0]
    for s in range(segments.shape[0]):
        a, b = points[segments[s, 0]], points[segments[s, 1]]
        length = np.sqrt(((b - a) ** 2).sum())
        steps = int(length / SPACING) + 1
        value = length / steps * 0.5 * (width[segments[s, 0]] + width[segments[s, 1]])
        rgb = 0.5 * (colour[segments[s, 0]] + colour[segments[s, 1]])
        for k in range(steps):
            at = a + (b - a) * ((k + 0.5) / steps)
            p, q, r = int(np.rint(at[0])), int(np.rint(at[1])), int(np.rint(at[2]))
            if 0 <= p < n and 0 <= q < n and 0 <= r < n:
                cover[p, q, r, 3] += value
                for channel in range(3):
                    cover[p, q, r, channel] += value * rgb[channel]
