"""Pictures of a scan that look like photos: soft light from above the camera, a plain background, both known in place.

Cameras stand in the scan's own frame and unit, whatever they are. The insides of a surface, seen through its holes, are dark:
the hollow of a mask would look like a face.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from fullhead.core.cameras import Cameras, orbit
from fullhead.core.meshes import vertex_normals
from fullhead.core.similarity import Similarity
from fullhead.core.tri_mesh import TriMesh
from fullhead.kernels.raster import rasterize_arrays

SAMPLES = 2  # of a pixel, per axis
GAMMA = 2.2  # of sRGB, about
SRGB = (255 * np.linspace(0, 1, 2**14) ** (1 / GAMMA) + 0.5).astype(np.uint8)  # of linear light from 0 to 1
BACKGROUND = (0.62, 0.63, 0.65)  # sRGB, 0 to 1
SPECK = 0.016  # of a picture's side: about as large are holes that are filled
INSIDE = 0.25  # brightness of what is seen from behind
CLAY = (0.80, 0.64, 0.55)  # of a scan without colours, sRGB
LIGHTS = (((0.0, 0.0, 1.0), 0.30), ((-0.5, 0.6, 0.6), 0.35))  # directions right, up and to the camera; share of the light
AMBIENT = 0.35
COLOUR_SHADE = 0.4  # how much of the shading a coloured scan gets: its colours have some of their own


@dataclass(frozen=True)
class ScanViews:
    """What V cameras see of a scan."""

    pictures: NDArray  # uint8 [V, size, size, 3], sRGB
    cameras: Cameras  # V, float64, in the scan's frame and unit
    places: NDArray  # float32 [V, size, size, 3]: the surface at each pixel's centre, less `origin`; NaN where there is none
    origin: NDArray  # [3]

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def size(self) -> int:
        return self.pictures.shape[1]

    def at(self, view: int, xy: NDArray) -> NDArray:
        """Points of the surface [P, 3] that a view shows at pixels [P, 2]; NaN where it shows none."""
        column, row = np.floor(np.nan_to_num(xy, nan=-1)).astype(int).T
        inside = (column >= 0) & (column < self.size) & (row >= 0) & (row < self.size)
        found = np.full((len(xy), 3), np.nan)
        found[inside] = self.places[view, row[inside], column[inside]] + self.origin
        return found

    def projected(self, points: NDArray) -> tuple[NDArray, NDArray]:
        """Pixels [V, P, 2] of points [P, 3], and their depths [V, P]."""
        c2w, K = self.cameras.c2w.numpy(), self.cameras.K.numpy()
        seen = np.einsum("vji,vpj->vpi", c2w[:, :3, :3], points - c2w[:, None, :3, 3])
        xy = np.einsum("vij,vpj->vpi", K, seen)[..., :2] / seen[..., 2:] * self.size
        return xy, seen[..., 2]


def cameras_around(scan_from_head: Similarity, yaw: Sequence[float], pitch: Sequence[float] | float = 0.0) -> Cameras:
    """Cameras as those of training sets, around a head that stands in a scan: float64, in the scan's frame. Radians."""
    standard = orbit(torch.tensor(yaw, dtype=torch.float64), torch.as_tensor(pitch, dtype=torch.float64))
    c2w = standard.c2w.double()
    turn = torch.from_numpy(scan_from_head.turn)
    c2w[:, :3, :3] = turn @ c2w[:, :3, :3]
    c2w[:, :3, 3] = torch.from_numpy(scan_from_head(standard.origins.double().numpy()))
    return Cameras(c2w, standard.K.double())


def views_of_scan(mesh: TriMesh[NDArray], cameras: Cameras, size: int = 512) -> ScanViews:
    """What cameras see that stand in the frame of a scan."""
    origin = mesh.vertices.mean(0)
    vertices = mesh.vertices - origin
    normals = vertex_normals(vertices, mesh.faces).astype(np.float64)
    seen = [_view(mesh, vertices, normals, camera, size) for camera in _moved(cameras, origin)]
    doubles = Cameras(cameras.c2w.double(), cameras.K.double())
    return ScanViews(np.stack([picture for picture, _ in seen]), doubles, np.stack([places for _, places in seen]), origin)


def _moved(cameras: Cameras, origin: NDArray) -> list[tuple[NDArray, NDArray, NDArray]]:
    """Turn [3, 3] from the camera, place [3] and K [3, 3] of each camera, in the frame about `origin`."""
    c2w, K = cameras.c2w.double().numpy(), cameras.K.double().numpy()
    return [(c[:3, :3], c[:3, 3] - origin, k) for c, k in zip(c2w, K, strict=True)]


def _view(
    mesh: TriMesh[NDArray], vertices: NDArray, normals: NDArray, camera: tuple[NDArray, NDArray, NDArray], size: int
) -> tuple[NDArray, NDArray]:
    """Picture uint8 [size, size, 3] and places float32 [size, size, 3]."""
    turn, place, K = camera
    fine = SAMPLES * size
    in_camera = (vertices - place) @ turn
    ahead = in_camera[:, 2]
    xy = (in_camera @ K.T)[:, :2] / np.where(ahead > 0, ahead, 1)[:, None] * fine
    nearness = np.where(ahead > 0, np.median(np.abs(ahead)) / np.where(ahead > 0, ahead, 1), -1)
    face, b, c, _ = rasterize_arrays(xy[:, 0], xy[:, 1], nearness, mesh.faces, fine, fine)
    seen = face >= 0
    face, weights = face[seen], np.stack([1 - b - c, b, c], axis=-1)[seen].astype(np.float64)
    corners = mesh.faces[face]
    at = np.einsum("pkc,pk->pc", vertices[corners], weights)
    normal = np.einsum("pkc,pk->pc", normals[corners], weights)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True).clip(1e-9)
    first, second, third = np.moveaxis(vertices[corners], 1, 0)
    behind = (np.cross(second - first, third - first) * (at - place)).sum(1) > 0
    image, places = np.empty((fine, fine, 3), np.float32), np.full((fine, fine, 3), np.nan, np.float32)
    image[:] = np.array(BACKGROUND) ** GAMMA
    image[seen] = _lit(mesh, face, weights, normal @ turn * [1, -1, -1], behind)
    places[seen] = np.where(behind[:, None], np.nan, at)
    picture = SRGB[(_averaged(image) * (len(SRGB) - 1)).astype(np.int32)]
    front = _averaged(np.isfinite(places[..., 0]).astype(np.float32))
    return _without_specks(picture, front), places[SAMPLES // 2 :: SAMPLES, SAMPLES // 2 :: SAMPLES]


def _averaged(samples: NDArray) -> NDArray:
    """Means [size, size, ...] of the samples of pixels."""
    parts = [samples[row::SAMPLES, column::SAMPLES] for row in range(SAMPLES) for column in range(SAMPLES)]
    return np.asarray(sum(parts)) / len(parts)


def _without_specks(picture: NDArray, front: NDArray) -> NDArray:
    """A picture uint8 [size, size, 3] with the small holes filled: what shows no front of the surface [size, size] and lies
    among what does takes the colours around it."""
    spread = len(picture) * SPECK
    share = gaussian_filter(front, spread)
    around = gaussian_filter(picture * front[..., None], (spread, spread, 0)) / share.clip(0.01)[..., None]
    filled = (share > 0.6) & (front < 1)
    return np.where(filled[..., None], around + 0.5, picture).clip(0, 255).astype(np.uint8)


def _lit(mesh: TriMesh[NDArray], face: NDArray, weights: NDArray, normal: NDArray, behind: NDArray) -> NDArray:
    """Linear light [P, 3] of points of the surface; normals [P, 3] to the right, up and to the camera."""
    colours = (mesh.colours_at(face, weights) + 1) / 2 if mesh.coloured else np.broadcast_to(CLAY, (len(face), 3))
    light = np.full(len(face), AMBIENT)
    for direction, share in LIGHTS:
        towards = normal @ np.array(direction) / np.linalg.norm(direction)
        light += share * ((towards + 0.2) / 1.2).clip(0)  # soft: it reaches a little around
    light = 1 - COLOUR_SHADE / 2 + COLOUR_SHADE * light if mesh.coloured else light
    light = np.where(behind, INSIDE * AMBIENT, light)
    return (colours**GAMMA * light[:, None]).clip(0, 1)
