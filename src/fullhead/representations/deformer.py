"""The deformation module: canonical points to posed ones [ganhead supp. 1.1]. `representations.correspondence` goes back.

    shape-neutral  <--deshape (D)--  canonical, with the person's shape  --forward map F-->  posed
                       bases (C) at the neutral point: skinning weights, pose and expression bases

Points are flat, x [N, 3]; `scan` [N], ascending, says whose point each is, so that heads need not have equally many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from fullhead.core.roots import inverse_3x3
from fullhead.core.rotations import matrix_from_axis_angle
from fullhead.core.skinning import transformed
from fullhead.io.config import Limited, Width
from fullhead.kernels.dense import linear
from fullhead.nn.implicit import ImplicitNetwork, Layers, by_chunks
from fullhead.rig.rig import Rig

CONTRAST = 20.0  # of the softmax that gives skinning weights [snarf]
Basis = Annotated[int, (0, 4096)]  # vectors of a basis


@dataclass(frozen=True)
class Motion:
    """What a rig says of B posed heads. Transforms map its rest to a pose, the joints' own places taken out.

    `shape` [B, S], `expression` [B, E] (the rig's expression features), `pose` [B, P] (its pose features), `bones`
    [B, J, 3, 4]; `canonical_pose`, `canonical_bones`: the same in the canonical pose, with the same shape and no expression.
    """

    shape: Tensor
    expression: Tensor
    pose: Tensor
    bones: Tensor
    canonical_pose: Tensor
    canonical_bones: Tensor

    def __len__(self) -> int:
        return len(self.shape)


def rig_motion(rig: Rig, canonical: Tensor, shape: Tensor, expression: Tensor, joint_pose: Tensor) -> Motion:
    """The motion of heads of shape [B, S], expression [B, E], joint_pose [B, J, 3]; `canonical` [J, 3]: the canonical pose."""

    def posed(expression: Tensor, joint_pose: Tensor) -> tuple[Tensor, Tensor]:
        return pose_features(rig, expression, joint_pose), rig(shape, expression, joint_pose).transforms[..., :3, :]

    still = torch.zeros_like(expression), canonical.expand_as(joint_pose)
    return Motion(shape, rig.expression_features(expression), *posed(expression, joint_pose), *posed(*still))


def pose_features(rig: Rig, expression: Tensor, joint_pose: Tensor) -> Tensor:
    """[B, P] factors of the rig's pose basis, none if it has no such basis."""
    turns = joint_pose + torch.einsum("be,ejk->bjk", expression, rig.expression_pose)
    return rig.pose_features(matrix_from_axis_angle(turns))[:, : len(rig.pose_basis)]


@dataclass(frozen=True)
class DeformerConfig(Limited):
    """Sizes of the deformation networks. The defaults are the published ones, for FLAME."""

    width: Width = 128
    joints: Width = 5
    shapes: Basis = 100  # numbers of the rig's shape that D sees
    expressions: Basis = 50  # features of the rig's expression
    pose_features: Basis = 36


class Deformer(nn.Module):
    """D and C."""

    def __init__(self, config: DeformerConfig) -> None:
        super().__init__()
        self.config = config
        self.deshape = ImplicitNetwork(3, width=config.width, depth=4, code=config.shapes)
        self.skinning = ImplicitNetwork(config.joints, width=config.width, depth=4, tap=2)
        self.blendshapes = nn.Linear(config.width, 3 * (config.pose_features + config.expressions))
        nn.init.zeros_(self.blendshapes.weight)
        nn.init.zeros_(self.blendshapes.bias)

    def neutral(self, x: Tensor, scan: Tensor, shape: Tensor) -> Tensor:
        """x + D(x, shape) of canonical points [N, 3] of heads of the rig's shape [B, S]."""
        return neutral(self.deshape.prepared(shape), x, scan)

    def weights(self, x_neutral: Tensor) -> Tensor:
        """C's skinning weights alone, [N, J]."""
        layers = self.skinning.prepared()
        return (CONTRAST * by_chunks(lambda x: layers(x)[:1], x_neutral)[0]).softmax(dim=-1)

    def bases(self, x_neutral: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """C at points [N, 3]: skinning weights [N, J], expression basis [N, 3, E] and pose basis [N, P, 3]."""
        logits, hidden = self.skinning(x_neutral)
        flat = linear(hidden, self.blendshapes.weight, self.blendshapes.bias)
        pose, expression = flat.split([3 * self.config.pose_features, 3 * self.config.expressions], dim=-1)
        pose = pose.unflatten(-1, (self.config.pose_features, 3))
        return (CONTRAST * logits).softmax(dim=-1), expression.unflatten(-1, (3, self.config.expressions)), pose

    def warp(self, motion: Motion) -> Warp:
        """The maps between the spaces of B heads in their poses."""
        P, E = self.config.pose_features, self.config.expressions
        weight = torch.cat([self.blendshapes.weight, self.blendshapes.bias[:, None]], dim=1)  # [3 P + 3 E, W + 1]
        moved = torch.einsum("bp,pcw->bcw", motion.pose - motion.canonical_pose, weight[: 3 * P].unflatten(0, (P, 3)))
        moved = moved + torch.einsum("be,cew->bcw", motion.expression, weight[3 * P :].unflatten(0, (3, E)))
        deshape, skinning = self.deshape.prepared(motion.shape), self.skinning.prepared()
        return Warp(Skeleton.of(motion), deshape, skinning, moved[..., :-1].flatten(0, 1), moved[..., -1])


@dataclass(frozen=True)
class Skeleton:
    """Bones [B, J, 3, 4], rest to posed and rest to canonical: all of F but the networks."""

    bones: Tensor
    canonical_bones: Tensor

    @staticmethod
    def of(motion: Motion) -> Skeleton:
        return Skeleton(motion.bones, motion.canonical_bones)

    def forward_skin(self, x: Tensor, weights: Tensor, offset: Tensor, scan: Tensor) -> Tensor:
        """Canonical points x [N, 3] in the pose: to rest, plus what pose and expression add there [N, 3], to the pose."""
        canonical = blended(self.canonical_bones, weights, scan)
        rest = times(inverse_3x3(canonical[..., :3]), x - canonical[..., 3])
        return transformed(blended(self.bones, weights, scan), rest + offset)

    def rotate_normals(self, normals: Tensor, weights: Tensor, scan: Tensor) -> Tensor:
        """Normals [N, 3] in the pose, not of length 1: the inverse transpose of the blended bones."""
        return times(inverse_3x3(blended(self.bones, weights, scan)[..., :3]).mT, normals)

    @property
    def canonical_from_posed(self) -> Tensor:
        """canonical_from_posed [B, J, 3, 4] of each bone alone."""
        turn, shift = self.bones[..., :3], self.bones[..., 3:]
        turn = self.canonical_bones[..., :3] @ inverse_3x3(turn)
        return torch.cat([turn, self.canonical_bones[..., 3:] - turn @ shift], dim=-1)


@dataclass(frozen=True)
class Warp:
    """The maps of B heads in one pose each, ready for points: codes are folded into the layers, and the bases are already
    multiplied by pose and expression, so that C gives three numbers instead of 3 (P + E)."""

    skeleton: Skeleton
    deshape: Layers
    skinning: Layers
    offset_weight: Tensor  # [3 B, W]
    offset_bias: Tensor  # [B, 3]

    def neutral(self, x: Tensor, scan: Tensor) -> Tensor:
        """x + D(x, shape) of canonical points."""
        return neutral(self.deshape, x, scan)

    def fields(self, x: Tensor, scan: Tensor) -> tuple[Tensor, Tensor]:
        """Skinning weights [N, J] of canonical points, and what pose and expression add to them at rest, [N, 3]."""
        return by_chunks(self._fields, x, scan)  # type: ignore[return-value]

    def _fields(self, x: Tensor, scan: Tensor) -> tuple[Tensor, Tensor]:
        logits, hidden = self.skinning(x + self.deshape(x, scan)[0])
        return (CONTRAST * logits).softmax(dim=-1), self._offset(hidden, scan) + self.offset_bias.index_select(0, scan)

    def posed(self, x: Tensor, scan: Tensor) -> tuple[Tensor, Tensor]:
        """F(x) [N, 3] of canonical points, and their skinning weights [N, J]."""
        weights, offset = self.fields(x, scan)
        return self.skeleton.forward_skin(x, weights, offset, scan), weights

    @torch.no_grad()
    def jacobian(self, x: Tensor, scan: Tensor) -> Tensor:
        """dF/dx [N, 3, 3], exact: three tangents go forward through the networks."""
        return by_chunks(self._jacobian, x, scan)[0]

    def _jacobian(self, x: Tensor, scan: Tensor) -> tuple[Tensor]:
        dx = torch.eye(3).to(x)[:, None].expand(3, len(x), 3)  # [3, N, 3]
        moved, _, dmoved, _ = self.deshape.linearised(x, dx, scan)
        logits, hidden, dlogits, dhidden = self.skinning.linearised(x + moved, dx + dmoved)
        weights = (CONTRAST * logits).softmax(dim=-1)
        dweights = CONTRAST * weights * (dlogits - (weights * dlogits).sum(dim=-1, keepdim=True))  # [3, N, J]
        doffset = self._offset(dhidden.flatten(0, 1), scan.repeat(3)).unflatten(0, (3, -1))
        canonical, bones = (blended(b, weights, scan) for b in (self.skeleton.canonical_bones, self.skeleton.bones))
        inverse = inverse_3x3(canonical[..., :3])
        rest = times(inverse, x - canonical[..., 3])
        moved = rest + self._offset(hidden, scan) + self.offset_bias.index_select(0, scan)
        columns = []
        for k in range(3):
            dcanonical, dbones = (blended(b, dweights[k], scan) for b in (self.skeleton.canonical_bones, self.skeleton.bones))
            drest = times(inverse, dx[k] - transformed(dcanonical, rest))
            columns.append(transformed(dbones, moved) + times(bones[..., :3], drest + doffset[k]))
        return (torch.stack(columns, dim=-1),)

    def _offset(self, hidden: Tensor, scan: Tensor) -> Tensor:
        """[N, 3] from C's hidden layer [N, W], without the bias."""
        heads = len(self.offset_bias)
        offsets = linear(hidden, self.offset_weight).unflatten(-1, (heads, 3))  # [N, B, 3]
        return offsets[:, 0] if heads == 1 else offsets[torch.arange(len(scan), device=scan.device), scan]


def neutral(deshape: Layers, x: Tensor, scan: Tensor) -> Tensor:
    return x + by_chunks(lambda x, scan: deshape(x, scan)[:1], x, scan)[0]


def blended(bones: Tensor, weights: Tensor, scan: Tensor) -> Tensor:
    """Linear blends [N, 3, 4] of the bones [B, J, 3, 4] of each point's own head, by weights [N, J]."""
    if len(bones) == 1:
        return (weights @ bones[0].flatten(1)).unflatten(-1, (3, 4))
    return (weights[:, :, None] * bones.flatten(2).index_select(0, scan)).sum(dim=1).unflatten(-1, (3, 4))


def times(matrices: Tensor, vectors: Tensor) -> Tensor:
    """[..., 3, 3] times [..., 3]."""
    return (matrices * vectors[..., None, :]).sum(dim=-1)
