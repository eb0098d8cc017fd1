"""Many heads in correspondence: one mesh, and its vertices for each head at rest and with each of ARKit's 52 expressions.

Frame: +y up, the face looks along +z, the subject's left is +x; a unit is `metres` long. N heads, V vertices, F triangles,
L landmarks, J joints.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class SharedMesh:
    """What all heads have in common."""

    faces: Tensor  # [F, 3] int64, counter-clockwise seen from outside, part by part
    uv: Tensor  # [T, 2], from the lower left corner of the texture
    uv_faces: Tensor  # [F, 3] int64, rows of uv
    parts: tuple[tuple[str, int], ...]  # names, and how many triangles each has
    landmark_vertices: Tensor  # [L, M] int64; L is 68 (see rig.landmarks), 12 (the outer lips) or 0
    landmark_weights: Tensor  # [L, M], rows sum to 1
    dense_vertices: Tensor  # [P] int64, the dense points of rig.landmarks, or none
    skin_weights: Tensor  # [V, J], for the joints of rig.template.JOINTS, or none
    pose_basis: Tensor  # [9 (J - 1), V, 3], as in rig.Rig
    importance: Tensor  # [V], how much a vertex counts where heads are told apart: 1 on the head, less on the shoulders


@dataclass(frozen=True)
class RiggedHeads:
    """Heads by name."""

    shared: SharedMesh
    names: tuple[str, ...]
    vertices: Tensor  # [N, 53, V, 3]: at rest, then by ARKIT as `alone` shows them
    joints: Tensor  # [N, J, 3], at rest
    metres: float

    def some(self, chosen: slice) -> RiggedHeads:
        """Only those of the slice."""
        return replace(self, names=self.names[chosen], vertices=self.vertices[chosen], joints=self.joints[chosen])


def landmarks_of_vertices(vertices: Tensor) -> tuple[Tensor, Tensor]:
    """`landmark_vertices` and `landmark_weights` of landmarks that are vertices [L]."""
    return vertices[:, None], torch.ones(len(vertices), 1)
