"""The heads of `synth.datasets.heads360` without pictures: the vertices of its meshes, and those of the heads at rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

from fullhead.rig.arkit import ARKIT, alone, arkit_weights
from fullhead.rig.landmarks import dense_points, landmark_weights
from fullhead.rig.rig import Rig
from fullhead.rig.rigged_heads import RiggedHeads, SharedMesh
from fullhead.rig.subdivision import triangles_from_quads
from fullhead.rig.template import JOINTS, LEFT_EYE, PARTS, ROOT, Template
from fullhead.synth.anatomy.template_assets import TemplateAssets
from fullhead.synth.datasets.heads360 import ENLARGED, MESH_SCALE, Heads360, subject_name
from fullhead.synth.datasets.options import Heads360Options
from fullhead.synth.datasets.shots import RenderContext
from fullhead.synth.people.population import Population, population
from fullhead.synth.people.subject import Subject
from fullhead.synth.rendering.person import METRES_PER_DM, WORLD_EYES, WORLD_PER_DM, world_scale

MESH_PER_DM = WORLD_PER_DM * ENLARGED / MESH_SCALE  # units of its meshes per dm of a head of average height
SHOULDERS = 0.05  # importance of what does not turn with the head
METRES_PER_MESH_UNIT = METRES_PER_DM / MESH_PER_DM


def procedural_heads(
    numbers: Sequence[int],
    seed: int = 0,
    who: Population | None = None,
    track: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> RiggedHeads:
    """The subjects of these numbers of the set of that seed, in the frame and unit of its meshes. `track` shows progress."""
    context, recipe = RenderContext(64), Heads360(Heads360Options(seed=seed), who or population())
    shared = template_mesh(context.assets.template)
    vertices = torch.empty(len(numbers), len(expressions_alone()), len(context.assets.template.vertices), 3)
    joints = torch.empty(len(numbers), len(JOINTS), 3)
    for row, number in enumerate(track(numbers)):
        rig = mesh_rig(context.assets, recipe.subject(context, number))
        vertices[row], joints[row] = rig(expression=expressions_alone()).vertices, rig.rest_joints
    return RiggedHeads(shared, tuple(map(subject_name, numbers)), vertices, joints, METRES_PER_MESH_UNIT)


def mesh_rig(assets: TemplateAssets, subject: Subject) -> Rig:
    """The rig of a subject in the frame of its meshes."""
    rig = assets.template.rig.personal(assets.parameters.of(subject.phenotype, subject.shape))
    skin = (assets.skin.operator @ rig.template.numpy()).astype(np.float32)
    scale = world_scale(assets, skin)
    shift = (WORLD_EYES - scale * rig.rest_joints[LEFT_EYE:].mean(0).double().numpy()) * ENLARGED / MESH_SCALE
    return rig.placed(scale * ENLARGED / MESH_SCALE, (float(shift[0]), float(shift[1]), float(shift[2])))


@cache
def expressions_alone() -> Tensor:
    """[53, 52] weights: none, then each expression of ARKIT with what it is built on."""
    return torch.stack([arkit_weights(weights) for weights in ({}, *map(alone, ARKIT))])


def template_mesh(template: Template) -> SharedMesh:
    """The template's mesh, its triangles in the order of template.obj."""
    quads = [template.part(name) for name in PARTS]
    faces, uv_faces = ([triangles_from_quads(part[i]).astype(np.int64) for part in quads] for i in range(2))
    weights = landmark_weights(template)
    most = int(np.diff(weights.indptr).max())
    at, by = torch.zeros(68, most, dtype=torch.int64), torch.zeros(68, most)
    for row in range(68):
        inside = slice(weights.indptr[row], weights.indptr[row + 1])
        count = inside.stop - inside.start
        at[row, :count] = torch.from_numpy(weights.indices[inside].astype(np.int64))
        by[row, :count] = torch.from_numpy(weights.data[inside].astype(np.float32))
    return SharedMesh(
        faces=torch.from_numpy(np.concatenate(faces)),
        uv=torch.from_numpy(template.uv.astype(np.float32)),
        uv_faces=torch.from_numpy(np.concatenate(uv_faces)),
        parts=tuple((name, len(of_part)) for name, of_part in zip(PARTS, faces, strict=True)),
        landmark_vertices=at,
        landmark_weights=by,
        dense_vertices=torch.from_numpy(dense_points().vertex.astype(np.int64)),
        skin_weights=template.rig.skin_weights,
        pose_basis=template.rig.pose_basis * MESH_PER_DM,
        importance=(1 - template.rig.skin_weights[:, ROOT]).clamp(min=SHOULDERS),
    )
