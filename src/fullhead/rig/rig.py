"""A posable head: a mesh with bases for shape and expression, joints and skinning weights. FLAME is one, our template another.

B heads, N vertices, F faces, S shape coefficients, E expressions, J joints, P = 9 (J - 1) pose features or none. Frame:
+y up, the face looks along +z, the subject's left is +x; a unit is `metres` long.

    vertices = skin(rest, transforms)      rest = template + shape + expression features + pose features, then contacts
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from fullhead.core.errors import FullheadError
from fullhead.core.rotations import matrix_from_axis_angle
from fullhead.core.skinning import blended_transforms, joint_transforms, transformed

OF_SHAPE = ("shape_basis", "joint_shape_basis", "shape_names")  # fields of a rig with a row for each coefficient
OF_EXPRESSION = ("expression_basis", "joint_expression_basis", "expression_pose", "expression_names")


@dataclass(frozen=True)
class ContactCorrective:
    """An expression that brings two edges together whatever else the face does, as a blink does the eyelids.

    Its row of the expression basis closes the edges as they are on the template. What else moved them (another face, other
    expressions, the gaze) is made up for by weights @ (edges as they are without it - edges of the template).
    """

    expression: int
    moved: Tensor  # [n] int64, vertices
    edges: Tensor  # [m] int64, vertices
    rest: Tensor  # [m, 3], the edges of the template
    weights: Tensor  # [n, m]


@dataclass(frozen=True)
class Posed:
    """Heads as a rig gives them, in its frame and unit."""

    vertices: Tensor  # [B, N, 3]
    joints: Tensor  # [B, J, 3]
    transforms: Tensor  # [B, J, 4, 4], posed_from_rest of each joint

    def placed(self, scale: Tensor | float, translation: Tensor) -> Posed:
        """x -> scale x + translation; scale [B] or a number, translation [B, 3]."""
        scale = torch.as_tensor(scale, dtype=self.vertices.dtype, device=self.vertices.device).reshape(-1, 1, 1)
        moved = torch.cat([scale[..., None] * self.transforms[..., :3, :], self.transforms[..., 3:, :]], dim=-2)
        shift = torch.zeros_like(moved)
        shift[..., :3, 3] = translation[:, None]
        return Posed(scale * self.vertices + translation[:, None], scale * self.joints + translation[:, None], moved + shift)


@dataclass(frozen=True)
class Rig:
    """Everything is linear in the coefficients but the products of rotations, the combinations and the contacts.

    The E expressions have K more features: a combination is as active as the least of its expressions, and its row of the
    basis is what they lack (or have too much of) together. Expressions may turn joints: a gaze turns the eyes.
    """

    template: Tensor  # [N, 3]
    faces: Tensor  # [F, 3] int64, counter-clockwise seen from outside
    shape_basis: Tensor  # [S, N, 3]
    expression_basis: Tensor  # [E + K, N, 3]
    pose_basis: Tensor  # [P, N, 3]
    skin_weights: Tensor  # [N, J], rows sum to 1
    rest_joints: Tensor  # [J, 3]
    joint_shape_basis: Tensor  # [S, J, 3]
    joint_expression_basis: Tensor  # [E + K, J, 3]
    expression_pose: Tensor  # [E, J, 3], axis-angle radians that an expression adds to a joint's
    parents: tuple[int, ...]  # a parent stands before its children; -1 for the root
    joint_names: tuple[str, ...]
    shape_names: tuple[str, ...]
    expression_names: tuple[str, ...]
    combinations: tuple[tuple[int, ...], ...]  # [K] of expressions
    contacts: tuple[ContactCorrective, ...]
    metres: float  # length of a unit

    def __call__(
        self, shape: Tensor | None = None, expression: Tensor | None = None, joint_pose: Tensor | None = None
    ) -> Posed:
        """Heads of shape [B, S], expression [B, E] and joint_pose [B, J, 3] (axis-angle, radians, relative to the parent).

        What is left out is zero. A batch of 1 serves all heads of the others. Raises FullheadError when sizes do not fit.
        """
        given = {"shape": shape, "expression": expression, "joint_pose": joint_pose}
        batch = max((len(value) for value in given.values() if value is not None), default=1)
        shape = self._checked("shape", shape, (len(self.shape_basis),), batch)
        expression = self._checked("expression", expression, (len(self.expression_names),), batch)
        joint_pose = self._checked("joint_pose", joint_pose, (len(self.parents), 3), batch)
        features = self.expression_features(expression)
        rotations = matrix_from_axis_angle(joint_pose + _sum(expression, self.expression_pose))
        rest = self.template + _sum(shape, self.shape_basis) + _sum(features, self.expression_basis)
        if len(self.pose_basis):
            rest = rest + _sum(self.pose_features(rotations), self.pose_basis)
        rest = self._closed(rest, expression)
        joints = self.rest_joints + _sum(shape, self.joint_shape_basis) + _sum(features, self.joint_expression_basis)
        transforms = joint_transforms(joints, rotations, self.parents)
        vertices = transformed(blended_transforms(self.skin_weights, transforms), rest)
        return Posed(vertices, transformed(transforms, joints), transforms)

    def expression_features(self, expression: Tensor) -> Tensor:
        """[B, E + K] factors of the expression basis: the expressions [B, E], then the combinations."""
        least = [expression[:, list(combination)].amin(1, keepdim=True) for combination in self.combinations]
        return torch.cat([expression, *least], dim=1)

    def pose_features(self, rotations: Tensor) -> Tensor:
        """[B, P] factors of the pose basis: R - 1 of all joints but the root, row by row; rotations [B, J, 3, 3]."""
        return (rotations[:, 1:] - torch.eye(3, dtype=rotations.dtype, device=rotations.device)).flatten(1)

    def personal(self, shape: Tensor) -> Rig:
        """The rig of one person, of shape [S]: it takes no shape any more, and is faster."""
        shape = self._checked("shape", shape[None], (len(self.shape_basis),), 1)
        return replace(
            self.truncated(0),
            template=self.template + _sum(shape, self.shape_basis)[0],
            rest_joints=self.rest_joints + _sum(shape, self.joint_shape_basis)[0],
        )

    def placed(self, scale: float, translation: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Rig:
        """The rig in another frame: x -> scale x + translation (in the new unit)."""
        shift = self.template.new_tensor(translation)
        return replace(
            self,
            template=scale * self.template + shift,
            rest_joints=scale * self.rest_joints + shift,
            contacts=tuple(replace(contact, rest=scale * contact.rest + shift) for contact in self.contacts),
            metres=self.metres / scale,
            **{name: scale * getattr(self, name) for name in (*OF_SHAPE[:2], *OF_EXPRESSION[:2], "pose_basis")},
        )

    def truncated(self, shapes: int, expressions: int | None = None) -> Rig:
        """Only the first coefficients of bases that are sorted by variance; expressions: None keeps all."""
        if expressions is not None and (self.combinations or self.contacts):
            raise FullheadError("expressions that act in combination cannot be left out one by one: keep all of them")
        kept = {name: getattr(self, name)[:shapes] for name in OF_SHAPE}
        return replace(self, **kept, **{name: getattr(self, name)[:expressions] for name in OF_EXPRESSION})

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Rig:
        """All tensors on a device; those with fractions as a dtype."""

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device, dtype if tensor.is_floating_point() else None)

        contacts = tuple(replace(contact, **_mapped(contact, moved)) for contact in self.contacts)
        return replace(self, contacts=contacts, **_mapped(self, moved))

    def _closed(self, rest: Tensor, expression: Tensor) -> Tensor:
        for contact in self.contacts:
            k = contact.expression
            strength = expression[:, k, None, None]
            without = rest[:, contact.edges] - strength * self.expression_basis[k, contact.edges]  # [B, m, 3]
            rest = rest.index_add(1, contact.moved, strength * (contact.weights @ (without - contact.rest)))
        return rest

    def _checked(self, name: str, value: Tensor | None, size: tuple[int, ...], batch: int) -> Tensor:
        if value is None:
            return self.template.new_zeros(batch, *size)
        if value.shape[1:] != size or len(value) not in (1, batch):
            wanted = ", ".join(map(str, (batch, *size)))
            raise FullheadError(f"{name} must be [{wanted}] for this rig, not {list(value.shape)}")
        return value.expand(batch, *size)


def _sum(coefficients: Tensor, basis: Tensor) -> Tensor:
    """[B, M] x [M, N, 3] -> [B, N, 3]"""
    return (coefficients @ basis.flatten(1)).unflatten(1, basis.shape[1:])


def _mapped(value: Rig | ContactCorrective, function: Callable[[Tensor], Tensor]) -> dict[str, Any]:
    """The tensors among the fields of `value`, each replaced."""
    return {f.name: function(v) for f in fields(value) if isinstance(v := getattr(value, f.name), Tensor)}
