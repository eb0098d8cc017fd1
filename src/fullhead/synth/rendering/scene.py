"""One posed head in flat arrays, as renderers and kernels take them. World units, float32 unless said otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fullhead.core.random import stream
from fullhead.core.triangles import unit_vectors
from fullhead.synth.anatomy.regions import LABELS
from fullhead.synth.anatomy.textured_mesh import GLASS, TexturedMesh
from fullhead.synth.hair.strands import Strands
from fullhead.synth.rendering.person import Person, posed_parts


class SurfaceArrays(NamedTuple):
    vertices: NDArray  # [V, 3]
    normals: NDArray  # [V, 3]
    uv: NDArray  # [V, 2]
    openness: NDArray  # [V], as in TexturedMesh
    faces: NDArray  # [F, 3] int32
    texture: NDArray  # [F] int32, row of texture_layout
    label: NDArray  # [F] uint8
    material: NDArray  # [F] int32
    roughness: NDArray  # [F]
    coverage: NDArray  # [F], share of its pixels that are drawn; 0 for glass, which is laid over the picture
    texels: NDArray  # [T, 3], all textures after each other
    texture_layout: NDArray  # [n, 3] int64: height, width, first texel


class StrandArrays(NamedTuple):
    """All strands, point after point."""

    points: NDArray  # [P, 3]
    tangents: NDArray  # [P, 3]
    radius: NDArray  # [P]
    colour: NDArray  # [P, 3]
    segments: NDArray  # [S, 2] int32, rows of points
    label: NDArray  # [S] uint8


@dataclass(frozen=True)
class Scene:
    surfaces: SurfaceArrays
    strands: StrandArrays
    hair_segments: int  # how many of the segments, the first, are the head's hair


def build_scene(person: Person, expression: Mapping[str, float] | None = None, joint_pose: NDArray | None = None) -> Scene:
    """The person with ARKit weights in [0, 1] and joint rotations [5, 3] (axis-angle, radians)."""
    meshes, kinds = posed_parts(person, expression, joint_pose)
    first_point = np.cumsum([0, *(strands.points[..., 0].size for strands in kinds[:-1])])
    parts = [_strand_arrays(strands, first) for strands, first in zip(kinds, first_point, strict=True)]
    hair_segments = sum(len(part.segments) for part in parts if part.label[0] == LABELS["hair"])
    return Scene(_surface_arrays(meshes), StrandArrays(*map(np.concatenate, zip(*parts, strict=True))), hair_segments)


def _joined(parts: Sequence[NDArray], dtype: type) -> NDArray:
    return np.ascontiguousarray(np.concatenate(parts), dtype=dtype)


def _surface_arrays(meshes: list[TexturedMesh]) -> SurfaceArrays:
    first_vertex = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    first_texel = np.cumsum([0, *(mesh.texture[..., 0].size for mesh in meshes[:-1])])

    def per_face(values: list[Any], dtype: type) -> NDArray:
        return _joined([np.broadcast_to(value, len(mesh.faces)) for mesh, value in zip(meshes, values, strict=True)], dtype)

    return SurfaceArrays(
        vertices=_joined([mesh.vertices for mesh in meshes], np.float32),
        normals=_joined([mesh.normals for mesh in meshes], np.float32),
        uv=_joined([mesh.uv for mesh in meshes], np.float32),
        openness=_joined([np.ones(len(m.vertices)) if m.openness is None else m.openness for m in meshes], np.float32),
        faces=_joined([mesh.faces + first for mesh, first in zip(meshes, first_vertex, strict=True)], np.int32),
        texture=per_face(list(range(len(meshes))), np.int32),
        label=_joined([mesh.labels for mesh in meshes], np.uint8),
        material=per_face([mesh.material for mesh in meshes], np.int32),
        roughness=per_face([mesh.roughness for mesh in meshes], np.float32),
        coverage=per_face([0.0 if mesh.material == GLASS else 1.0 for mesh in meshes], np.float32),
        texels=_joined([mesh.texture.reshape(-1, 3) for mesh in meshes], np.float32),
        texture_layout=np.array([[*m.texture.shape[:2], t] for m, t in zip(meshes, first_texel, strict=True)], np.int64),
    )


def _strand_arrays(strands: Strands, first_point: int) -> StrandArrays:
    """Those of one kind, with points numbered from `first_point`."""
    n, k = strands.points.shape[:2]
    t = np.linspace(0, 1, k)
    lean = stream(0, "lean of strands").normal(size=(n, 1, 3))  # so that no two strands shine at quite the same place
    tangents = unit_vectors(unit_vectors(np.gradient(strands.points, axis=1)) + 0.07 * lean)
    start = (first_point + np.arange(n)[:, None] * k + np.arange(k - 1)).ravel()
    return StrandArrays(
        points=strands.points.reshape(-1, 3),
        tangents=tangents.reshape(-1, 3).astype(np.float32),
        radius=(strands.radius[:, None] * (1 - 0.5 * t**2)).ravel().astype(np.float32),
        colour=(strands.colour[:, None] * (0.78 + 0.35 * t)[:, None]).reshape(-1, 3).astype(np.float32),
        segments=np.stack([start, start + 1], axis=1).astype(np.int32),
        label=np.full(len(start), strands.label, np.uint8),
    )
