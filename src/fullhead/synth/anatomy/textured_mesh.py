"""Meshes as the rooms of synth hand them on: bare ones, and textured ones with the labels and the material of their faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fullhead.core.meshes import vertex_normals
from fullhead.synth.anatomy.regions import LABELS

SKIN, EYE, PLAIN, CLOTH, GLASS = range(5)  # materials


@dataclass(frozen=True)
class BareMesh:
    vertices: NDArray  # [V, 3]
    faces: NDArray  # [F, 3] int32, counter-clockwise from outside
    uv: NDArray | None = None  # [V, 2], v up


@dataclass(frozen=True)
class TexturedMesh:
    vertices: NDArray  # [V, 3]
    normals: NDArray  # [V, 3]
    uv: NDArray  # [V, 2], v up
    faces: NDArray  # [F, 3]
    texture: NDArray  # [h, w, 3] linear, row 0 at v = 1
    labels: NDArray  # [F] uint8, of regions.LABELS
    material: int
    roughness: float | NDArray  # of all faces or of each [F]
    openness: NDArray | None = None  # [V], share of the light that lids and lips let through; None for all of it


def textured(
    mesh: BareMesh, texture: NDArray, label: str, material: int, roughness: float, openness: NDArray | None = None
) -> TexturedMesh:
    """A mesh with a texture [h, w, 3], all of one label (a name of regions.LABELS)."""
    normals, labels = vertex_normals(mesh.vertices, mesh.faces), np.full(len(mesh.faces), LABELS[label], np.uint8)
    uv = np.zeros((len(mesh.vertices), 2), np.float32) if mesh.uv is None else mesh.uv
    return TexturedMesh(mesh.vertices, normals, uv, mesh.faces, texture, labels, material, roughness, openness)


def plain(mesh: BareMesh, colour: Sequence[float], label: str, material: int, roughness: float) -> TexturedMesh:
    """A mesh of one linear colour."""
    mesh = BareMesh(mesh.vertices.astype(np.float32), mesh.faces)
    return textured(mesh, np.array(colour, np.float32).reshape(1, 1, 3), label, material, roughness)


def joined_bare(meshes: Sequence[BareMesh]) -> BareMesh:
    """Several meshes in one, without texture coordinates."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    faces = np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)])
    return BareMesh(np.concatenate([mesh.vertices for mesh in meshes]).astype(np.float32), faces.astype(np.int32))
