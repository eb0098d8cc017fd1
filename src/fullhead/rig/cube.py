"""Rigs in the cube [-1, 1]^3 that scans are brought into, with what it takes to fit them to a scan.

Scans are put where the rig stands, so that a rig's parameters tell of a scan with no further scale or translation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fullhead.core.meshes import area_vectors
from fullhead.core.rotations import matrix_from_axis_angle
from fullhead.core.similarity import similarity
from fullhead.kernels.raster import orthographic
from fullhead.kernels.tree import mesh_tree
from fullhead.rig.identity import main_shape_rig
from fullhead.rig.landmarks import landmark_weights
from fullhead.rig.rig import Rig
from fullhead.rig.template import LEFT_EYE, Template
from fullhead.rig.transfer import pair_faces

UNITS_PER_METRE = 5.0  # of our template's cube: 40 cm a side, a head with most hair and its collar
POSE_SPREAD = (0.3, 0.3, 0.05, 0.1, 0.1)  # of the template's joints; its jaw opens by expressions
FLAME_POSE_SPREAD = (0.3, 0.3, 0.2, 0.1, 0.1)  # FLAME's jaw opens by its joint
FLAME_UNITS_PER_METRE = 6.0  # [ganhead]
EYES = (0.0, 0.0, 0.43)  # where the mean head's eyes' midpoint lies in it


@dataclass(frozen=True)
class CubeRig:
    """A rig whose heads stand in [-1, 1]^3."""

    name: str
    rig: Rig
    landmark_weights: Tensor  # [68, N], of the vertices
    surface: Tensor  # [F, 3], the faces that are seen from outside
    pose_spread: Tensor  # [J], radians by which joints usually turn
    bounded: bool  # whether expressions are weights from 0 to 1

    def landmarks(self, vertices: Tensor) -> Tensor:
        """The 68 landmarks [B, 68, 3] of vertices [B, N, 3]."""
        return self.landmark_weights @ vertices

    @property
    def millimetres(self) -> float:
        """Of a unit."""
        return 1000 * self.rig.metres


def template_in_cube(template: Template, shapes: int = 100) -> CubeRig:
    """Our template with its first principal shapes, upright in the cube."""
    rig = main_shape_rig(template).truncated(shapes)
    scale = UNITS_PER_METRE * rig.metres
    eyes = scale * rig.rest_joints[LEFT_EYE:].mean(0)
    x, y, z = (torch.tensor(EYES) - eyes).tolist()
    rig = rig.placed(scale, (x, y, z))
    faces = rig.faces.numpy()
    skin = np.isin(np.tile(template.quad_part, 2), [0, 1])  # skin and eyes; both halves of the quads
    seen = visible_faces(rig.template.numpy(), faces[skin])
    weights = torch.from_numpy(landmark_weights(template).toarray().astype(np.float32))
    return CubeRig("template", rig, weights, torch.from_numpy(faces[skin][seen]), torch.tensor(POSE_SPREAD), bounded=True)


def flame_in_cube(flame: Rig, shapes: int = 100, expressions: int = 50) -> Rig:
    """FLAME as GANHead has it [ganhead]: its first components, six units a metre, halfway between front and back."""
    flame = flame.truncated(shapes, expressions)
    scale = FLAME_UNITS_PER_METRE * flame.metres
    depth = flame.template[:, 2]
    return flame.placed(scale, (0.0, 0.0, -scale * float(depth.min() + depth.max()) / 2))


def flame_cube(flame: Rig, template: Template, shapes: int = 100, expressions: int = 50) -> CubeRig:
    """FLAME in its cube, to be fitted: its landmarks lie where our template's do when their faces are laid over each other."""
    ours, rig = template_in_cube(template), flame_in_cube(flame, shapes, expressions)
    pairs = pair_faces(ours.rig, rig)
    near = pairs[0].trust > pairs[0].trust.median()
    points = [(face.rig.template[face.corners] * face.weights[..., None]).sum(1)[near].double().numpy() for face in pairs]
    marks = similarity(*points)(ours.landmarks(ours.rig().vertices)[0].double().numpy())
    vertices, faces = rig.template.double().numpy(), rig.faces.numpy()
    surface = faces[visible_faces(vertices, faces)]
    found, weights, _ = mesh_tree(vertices, surface).closest(marks)
    landmarks = np.zeros((len(marks), len(vertices)), np.float32)
    np.put_along_axis(landmarks, surface[found], weights.astype(np.float32), axis=1)
    spread = torch.tensor(FLAME_POSE_SPREAD)
    return CubeRig("flame", rig, torch.from_numpy(landmarks), torch.from_numpy(surface), spread, bounded=False)


def visible_faces(vertices: NDArray, faces: NDArray, size: int = 256) -> NDArray:
    """Which faces [F] of a mesh in the cube show their front to some of eighteen orthographic views."""
    seen = np.zeros(len(faces), bool)
    for pitch, yaw in ((pitch, yaw) for pitch in (-0.7, 0.0, 0.7) for yaw in np.arange(6) * np.pi / 3):
        turn = matrix_from_axis_angle(torch.tensor([[pitch, 0, 0], [0, yaw, 0]])).numpy()
        turned = vertices @ (turn[0] @ turn[1]).T
        found = orthographic(turned, faces, size)[0]
        found = np.unique(found[found >= 0])
        seen[found[area_vectors(turned, faces[found])[:, 2] > 0]] = True
    return seen
