"""Eyeballs and teeth.

An eyeball is a sphere with a corneal bulge and a polar texture (u azimuth, v from the back pole to the pupil). The template's
two arches of teeth have no gaps, so they are painted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fullhead.core.random import stream
from fullhead.core.smooth import smoothstep
from fullhead.rig.subdivision import triangles_from_quads
from fullhead.synth.anatomy.textured_mesh import BareMesh
from fullhead.synth.people.subject import IRIS_COLOURS, Subject

IRIS_ANGLE = 0.47  # radians from the optical axis to the iris's edge
IVORY = np.array([0.60, 0.55, 0.46])
GAPS = (0.0, 0.086, 0.152, 0.228, 0.298, 0.366, 0.46, 0.56)  # between the teeth of one half, dm along the arch
ARCH_SPAN = 1.3  # dm of the arch that the texture covers, its middle in the middle
ARCH_RADIUS = 0.27  # radius of the arch, dm


def eye_texture(subject: Subject, rows: int = 128) -> NDArray:
    """Linear albedo [rows, 2 rows, 3] float32; row 0 is the pupil's pole."""
    random = stream(subject.seed, "eye texture")
    columns = 2 * rows
    polar = ((np.arange(rows) + 0.5) / rows * np.pi)[:, None]
    veins = ndimage.gaussian_filter(random.normal(size=(rows, columns)), (6, 1.2), mode="wrap")
    veins = np.clip(veins / veins.std() - 1, 0, 2)[..., None]
    white = np.array([0.60, 0.565, 0.53]) * (1 - 0.06 * veins * np.array([0.1, 1, 1]))
    white = white * (1 - 0.40 * smoothstep(0.50, 1.15, polar)[..., None] * np.array([0.55, 0.9, 0.9]))
    fibres = ndimage.gaussian_filter1d(random.normal(size=columns), 1.0, mode="wrap")
    wide = ndimage.gaussian_filter1d(random.normal(size=columns), 4.0, mode="wrap")
    speckle = ndimage.gaussian_filter(random.normal(size=(rows, columns)), (2, 0.8), mode="wrap")
    radius = polar / IRIS_ANGLE
    pattern = 1.1 + 0.22 * fibres / fibres.std() + 0.10 * wide / wide.std() + 0.12 * speckle / speckle.std()
    ring = (0.62 + 0.75 * np.exp(-(((radius - 0.60) / 0.20) ** 2))) * (1 - 0.8 * smoothstep(0.78, 1.0, radius))
    iris = np.array(IRIS_COLOURS[subject.iris]) * (pattern * ring)[..., None]
    inner = np.exp(-(((radius - 0.45) / 0.09) ** 2))[..., None]  # the browner ring around the pupil
    iris = iris * (1 - 0.35 * inner) + 0.35 * inner * np.array([0.09, 0.05, 0.02])
    pupil = smoothstep(0.40, 0.34, radius)[..., None]
    iris = iris * (1 - pupil) + 0.003 * pupil
    edge = smoothstep(1.06, 0.94, radius)[..., None]
    return np.clip(white * (1 - edge) + iris * edge, 0, 1).astype(np.float32)


def eyeball(radius: float, around: int = 36, rings: int = 28) -> BareMesh:
    """A mesh about the origin that looks along +z, with texture coordinates."""
    polar, azimuth = np.meshgrid(np.linspace(0, np.pi, rings + 1), np.linspace(0, 2 * np.pi, around + 1), indexing="ij")
    bulge = 1 + 0.045 * np.exp(-((polar / 0.36) ** 4))
    direction = np.stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=-1)
    uv = np.stack([azimuth / (2 * np.pi), 1 - polar / np.pi], axis=-1)
    first = np.arange(rings)[:, None] * (around + 1) + np.arange(around)
    quads = np.stack([first, first + around + 1, first + around + 2, first + 1], axis=-1).reshape(-1, 4)
    vertices = (radius * bulge[..., None] * direction).reshape(-1, 3)
    return BareMesh(vertices.astype(np.float32), triangles_from_quads(quads), uv.reshape(-1, 2).astype(np.float32))


def teeth_texture(columns: int = 512) -> NDArray:
    """Linear albedo [1, columns, 3] float32 along the arch."""
    along = np.abs((np.arange(columns) + 0.5) / columns - 0.5) * ARCH_SPAN
    gap = np.exp(-(((along[:, None] - np.array(GAPS)) / 0.0035) ** 2)).max(1)
    yellow = np.clip(along / 0.5, 0, 1)[:, None] * np.array([0.05, 0.10, 0.22])
    return (IVORY * (1 - yellow) * (1 - 0.55 * gap[:, None]))[None].astype(np.float32)


def teeth_uv(points: NDArray) -> NDArray:
    """Texture coordinates [V, 2] of the arches' vertices [V, 3] at rest, dm."""
    front = points[:, 2].max()
    along = ARCH_RADIUS * np.arctan2(points[:, 0] - points[:, 0].mean(), points[:, 2] - (front - ARCH_RADIUS))
    return np.stack([0.5 + along / ARCH_SPAN, np.full(len(points), 0.5)], axis=-1).astype(np.float32)
