"""Expressions of one rig as those of another: ARKit's 52 in FLAME's components, and back.

The neutral heads are laid over each other and points of their faces paired. What an expression moves, as the source shows
it, is then fitted by the target's expressions, and by those of its joints that make faces (jaw, eyes), with least squares:
regularised, and within bounds. What the target has no way to show is lost; `ExpressionMap.lost` says how much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fullhead.core.least_squares import bounded_solution
from fullhead.core.meshes import face_normals, interpolate_vertices
from fullhead.core.similarity import Similarity, similarity
from fullhead.kernels.tree import MeshTree, mesh_tree
from fullhead.rig.rig import Rig
from fullhead.rig.template import JAW, LEFT_EYE, NECK, RIGHT_EYE

FACE_JOINTS = (JAW, LEFT_EYE, RIGHT_EYE)
FACE = 0.11  # metres from the eyes' midpoint within which the heads are compared
EYE_RADIUS, EYE_SHARE = 12.0, 0.02  # millimetres; how much an eye's turn counts, as a share of the face
NEAR = 4.0  # millimetres between paired points at which a pair has lost most of its weight


@dataclass(frozen=True)
class Face:
    """P points of a rig's face, each between K vertices, and the axes and size that their motion is measured by."""

    rig: Rig
    corners: Tensor  # [P, K] int64, vertices
    weights: Tensor  # [P, K], rows sum to 1
    trust: Tensor  # [P], sums to 1
    millimetres: float  # what the rig's unit counts as
    turn: Tensor  # [3, 3], from the rig's axes

    def motion(self, expression: Tensor, joint_pose: Tensor) -> Tensor:
        """[B, 3 P + 6]: what expressions [B, E] and joints [B, J, 3] move; a sum of squares is a mean in square millimetres.

        First the points, then the turns of both eyes as motion of the eyeballs' surface. Root and neck are held still.
        """
        still = joint_pose.clone()
        still[:, :JAW] = 0
        moved = self.rig(expression=expression, joint_pose=still).vertices - self.rig().vertices
        moved = (moved[:, self.corners] * self.weights[..., None]).sum(2) * self.trust.sqrt()[:, None]  # [B, P, 3]
        gaze = still[:, LEFT_EYE:] + torch.tensordot(expression, self.rig.expression_pose[:, LEFT_EYE:], 1)
        parts = (self.millimetres * moved, EYE_RADIUS * EYE_SHARE**0.5 * gaze)
        return torch.cat([(part @ self.turn.T).flatten(1) for part in parts], dim=1)


@dataclass(frozen=True)
class ExpressionMap:
    """From the source's expressions to the target's; made by `map_expressions`. T: what the target can do."""

    source: Face
    target: Face
    joints: tuple[int, ...]  # of the target, that take part
    columns: Tensor  # [T, M], the target's motion for 1 of each expression and each radian about an axis of `joints`
    low: NDArray  # [T]
    high: NDArray
    ridge: float

    def __call__(self, expression: Tensor, joint_pose: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The target's expression [B, E'] and joint_pose [B, J, 3] for the source's; root and neck turn alike."""
        pose = self._pose(expression, joint_pose)
        wanted = self.source.motion(expression, pose) @ self.columns.T
        hessian = (self.columns @ self.columns.T).double().numpy() + self.ridge * np.eye(len(self.low))
        found = [bounded_solution(hessian, row, self.low, self.high) for row in wanted.double().numpy()]
        found = torch.from_numpy(np.clip(found, self.low, self.high)).to(expression)
        count = len(self.target.rig.expression_names)
        mapped = pose.clone()
        mapped[:, JAW:] = 0
        mapped[:, list(self.joints)] = found[:, count:].unflatten(1, (len(self.joints), 3))
        return found[:, :count], mapped

    def lost(self, expression: Tensor, joint_pose: Tensor | None = None) -> Tensor:
        """[B], 0 nothing and 1 all: the share of the motion (root mean square over the face) that the target does not show."""
        wanted = self.source.motion(expression, self._pose(expression, joint_pose))
        shown = self.target.motion(*self(expression, joint_pose))
        return (wanted - shown).norm(dim=1) / wanted.norm(dim=1).clamp(min=1e-9)

    def _pose(self, expression: Tensor, joint_pose: Tensor | None) -> Tensor:
        none = expression.new_zeros(len(expression), len(self.source.rig.parents), 3)
        return none if joint_pose is None else joint_pose


def map_expressions(
    source: Rig, target: Rig, *, joints: tuple[int, ...] = (), low: float = -np.inf, high: float = np.inf, ridge: float = 0.001
) -> ExpressionMap:
    """How to tell the source's expressions in the target's.

    joints: those of the target that may turn for it: FACE_JOINTS for FLAME, whose components know neither open jaws nor gaze.
    low, high: bounds of the target's expressions, 0 and 1 for ARKit's weights.  ridge, in square millimetres: what a 1 in a
    coefficient (or a radian) costs, against the mean squared error over the face.
    """
    of_source, of_target = pair_faces(source, target)
    count, turns = len(target.expression_names), 3 * len(joints)
    pose = torch.zeros(turns, len(target.parents), 3)
    for row in range(turns):
        pose[row, joints[row // 3], row % 3] = 0.1
    columns = torch.cat([
        of_target.motion(torch.eye(count), torch.zeros(count, len(target.parents), 3)),
        10 * of_target.motion(torch.zeros(turns, count), pose),
    ])  # fmt: skip
    free = np.full(turns, np.inf)
    bounds = (np.concatenate([np.full(count, low), -free]), np.concatenate([np.full(count, high), free]))
    return ExpressionMap(of_source, of_target, joints, columns, *bounds, ridge)


def pair_faces(source: Rig, target: Rig, rounds: int = 10) -> tuple[Face, Face]:
    """Lay the source's neutral head over the target's and pair each vertex of the target's face with the closest point.

    The joints give the first guess, then closest points and similarities follow each other. Pairs far apart, or of surfaces
    that face away from each other (upper and lower lip), count for little. Rigs of one average head each serve best.
    """
    points, faces = source.template.double().numpy(), _skin(source)
    tree = mesh_tree(points, faces)
    found, normals = _face_vertices(target)
    goal = target.template.double().numpy()[found]
    joints = [rig.rest_joints[NECK:].double().numpy() for rig in (source, target)]
    fit = similarity(*joints)
    for _ in range(rounds):
        face, weights, distance = _closest(tree, goal, fit)
        near = distance <= 2 * np.median(distance)
        fit = similarity(interpolate_vertices(points, faces, face[near], weights[near]), goal[near])
    face, weights, distance = _closest(tree, goal, fit)
    facing = ((normals @ fit.turn) * face_normals(points, faces)[face]).sum(1).clip(0, 1)
    trust = np.exp(-((1000 * source.metres * distance / NEAR) ** 2)) * facing
    trust = torch.from_numpy(trust / trust.sum()).float()
    ours = 1000 * target.metres
    on_source = (torch.from_numpy(faces[face]), torch.from_numpy(weights).float())
    on_target = (torch.from_numpy(found)[:, None], torch.ones(len(found), 1))
    return (
        Face(source, *on_source, trust, ours * fit.scale, torch.from_numpy(fit.turn).float()),
        Face(target, *on_target, trust, ours, torch.eye(3)),
    )


def _closest(tree: MeshTree, points: NDArray, tree_to_points: Similarity) -> tuple[NDArray, NDArray, NDArray]:
    """`tree.closest` for points of another frame."""
    return tree.closest((points - tree_to_points.shift) @ tree_to_points.turn / tree_to_points.scale)


def _skin(rig: Rig) -> NDArray:
    """Triangles [F, 3] without those of the eyeballs."""
    eyeball = rig.skin_weights[:, LEFT_EYE:].sum(1) > 0.5
    return rig.faces[~eyeball[rig.faces].any(1)].numpy()


def _face_vertices(rig: Rig) -> tuple[NDArray, NDArray]:
    """Vertices [P] of the face's skin and their unit normals [P, 3]."""
    points, faces = rig.template.double().numpy(), _skin(rig)
    normals = np.zeros_like(points)
    np.add.at(normals, faces.ravel(), np.repeat(face_normals(points, faces), 3, axis=0))
    lengths = np.linalg.norm(normals, axis=1)
    eyes = rig.rest_joints[LEFT_EYE:].double().numpy().mean(0)
    found = np.flatnonzero((np.linalg.norm(points - eyes, axis=1) * rig.metres < FACE) & (lengths > 1e-9))
    return found, normals[found] / lengths[found, None]
