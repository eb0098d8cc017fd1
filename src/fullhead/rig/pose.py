"""Joints of a head and linear blend skinning over the joints root, neck, jaw, left eye, right eye."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fullhead.rig.template import JOINT_PARENTS, Template


def joints(template: Template, vertices: NDArray) -> NDArray:
    """Rest positions [5, 3] of the joints in the frame of `vertices` [N, 3]; they follow the identity."""
    return template.joint_regressor @ vertices


def rotation(axis_angle: NDArray) -> NDArray:
    """Rotation matrix [3, 3] of an axis-angle vector [3], radians (Rodrigues)."""
    angle = float(np.linalg.norm(axis_angle))
    if angle < 1e-9:
        return np.eye(3)
    x, y, z = np.asarray(axis_angle) / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def joint_transforms(rest_joints: NDArray, joint_pose: NDArray) -> NDArray:
    """posed_from_rest [5, 4, 4] of each joint; joint_pose [5, 3] axis-angle radians about the rest joints."""
    transforms: list[NDArray] = []
    for joint, (place, axis_angle) in enumerate(zip(rest_joints, joint_pose, strict=True)):
        local = np.eye(4)
        local[:3, :3] = rotation(axis_angle)
        local[:3, 3] = place - local[:3, :3] @ place
        parent = JOINT_PARENTS[joint]
        transforms.append(local if parent < 0 else transforms[parent] @ local)
    return np.stack(transforms)


def skinned(template: Template, vertices: NDArray, transforms: NDArray) -> NDArray:
    """Posed vertices [N, 3] by linear blend skinning with transforms [5, 4, 4]."""
    blended = np.einsum("nj,jab->nab", template.skin_weights, transforms.astype(np.float32))
    return (np.einsum("nab,nb->na", blended[:, :3, :3], vertices) + blended[:, :3, 3]).astype(np.float32)
