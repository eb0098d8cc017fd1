"""The bilinear head: a mesh whose vertices are linear in an identity and linear in ARKit's 52 expressions [h360 supp. A.1].

    vertices = basis (C_0 s + sum over e of b_e C_e s)

s is the identity code, b the weights of the expressions, C_0 the face at rest and C_e what expression e moves. The face at
rest counts once, whatever the weights are; weights add up, and none need be 1 together.

The tensor of N heads with 53 faces each is factored by the higher-order singular value decomposition, one mode after the other:
over the heads, U [N, K] has orthonormal columns and is not centred (its first is about the mean head, as in the published
factors), and a head's code is its row of U; over the coordinates, `basis` has orthonormal rows. With all components a head
that the model was made of is met exactly.

B heads, K numbers of an identity, R components of the basis, V vertices. Frame and unit as in rig.rigged_heads.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from fullhead.core.errors import FullheadError
from fullhead.core.least_squares import bounded_solution
from fullhead.core.rotations import matrix_from_axis_angle
from fullhead.core.skinning import blended_transforms, joint_transforms, transformed
from fullhead.io.config import Count, Limited, Number, Positive
from fullhead.nn.module import ConfiguredModule
from fullhead.rig.arkit import ARKIT, BUILT_ON
from fullhead.rig.rig import Posed, Rig
from fullhead.rig.rigged_heads import RiggedHeads, SharedMesh
from fullhead.rig.template import JOINT_PARENTS, JOINTS

FACES = 1 + len(ARKIT)  # at rest, and the expressions
OUTER_LIPS = slice(48, 60)  # among the 68 landmarks
MORE = 20  # directions beyond those asked for, of the search for the leading ones
NARROWEST = 1e-3  # of the directions of codes, beside the widest: the least deviation that one counts as having
SHARED = tuple(f.name for f in fields(SharedMesh) if f.name != "parts")


@dataclass(frozen=True)
class BilinearConfig(Limited):
    """Sizes of a bilinear head."""

    vertices: Count
    triangles: Count
    uv_points: Number
    heads: Count  # that it was made of
    identity: Count = 50  # numbers of an identity, K
    components: Count = 128  # of the basis of vertices, R
    landmarks: Number = 68
    landmark_corners: Number = 1  # vertices that each lies between
    dense_points: Number = 0
    joints: Number = 0
    metres_per_unit: Positive = 1.0
    parts: tuple[tuple[str, int], ...] = ()  # names, and how many triangles each has


class BilinearMesh(ConfiguredModule):
    """It learns nothing: its numbers are counted out by `fit_bilinear`. Gradients flow to identities, weights and poses."""

    model_type = "bilinear-mesh"
    config_class = BilinearConfig
    config: BilinearConfig

    basis: Tensor  # [R, V, 3], orthonormal rows of 3 V
    core: Tensor  # [K, 53, R]: the face at rest, then what each expression moves
    codes: Tensor  # [N, K], of the heads that it was made of
    identity_mean: Tensor  # [K]
    identity_spread: Tensor  # [K, K], symmetric: its square is the covariance of the codes
    joint_core: Tensor  # [K, J, 3]
    faces: Tensor  # as in SharedMesh, here and below
    uv: Tensor
    uv_faces: Tensor
    landmark_vertices: Tensor
    landmark_weights: Tensor
    dense_vertices: Tensor
    skin_weights: Tensor
    pose_basis: Tensor
    importance: Tensor

    def __init__(self, config: BilinearConfig) -> None:
        super().__init__(config)
        c, corners = config, (config.landmarks, config.landmark_corners)
        for name, shape in {
            "basis": (c.components, c.vertices, 3),
            "core": (c.identity, FACES, c.components),
            "codes": (c.heads, c.identity),
            "identity_mean": (c.identity,),
            "identity_spread": (c.identity, c.identity),
            "joint_core": (c.identity, c.joints, 3),
            "uv": (c.uv_points, 2),
            "landmark_weights": corners,
            "skin_weights": (c.vertices, c.joints),
            "importance": (c.vertices,),
            "pose_basis": (9 * max(c.joints - 1, 0), c.vertices, 3),
        }.items():
            self.register_buffer(name, torch.zeros(shape))
        for name, shape in {
            "faces": (c.triangles, 3),
            "uv_faces": (c.triangles, 3),
            "landmark_vertices": corners,
            "dense_vertices": (c.dense_points,),
        }.items():
            self.register_buffer(name, torch.zeros(shape, dtype=torch.int64))
        self.register_load_state_dict_post_hook(_check_rows)

    def vertices(self, identity: Tensor, expression: Tensor | None = None) -> Tensor:
        """[B, V, 3] of identities [B, K] with weights [B, 52]; without weights at rest. A batch of 1 serves all others."""
        return (self.coefficients(identity, expression) @ self.basis.flatten(1)).unflatten(1, (-1, 3))

    def coefficients(self, identity: Tensor, expression: Tensor | None = None) -> Tensor:
        """[B, R], of the basis."""
        identity = self._checked("identity", identity, (self.config.identity,))
        if expression is None:
            return identity @ self.core[:, 0]
        weights = torch.nn.functional.pad(self._checked("expression", expression, (len(ARKIT),)), (1, 0), value=1.0)
        if len({len(identity), len(weights), 1}) > 2:
            raise FullheadError(f"{len(identity)} identities and weights of {len(weights)} faces: give as many, or one")
        return (weights[:, None] @ self._personal(identity))[:, 0]

    def posed(self, identity: Tensor, expression: Tensor | None = None, joint_pose: Tensor | None = None) -> Posed:
        """Heads whose joints turn, too, by joint_pose [B, 5, 3]: axis-angle, radians, in the order of rig.template.JOINTS."""
        self._need_joints()
        rest = self.vertices(identity, expression)
        pose = rest.new_zeros(1, self.config.joints, 3) if joint_pose is None else joint_pose
        rotations = matrix_from_axis_angle(self._checked("joint_pose", pose, (self.config.joints, 3)))
        features = (rotations[:, 1:] - torch.eye(3, dtype=rest.dtype, device=rest.device)).flatten(1)
        rest = rest + (features @ self.pose_basis.flatten(1)).unflatten(1, (-1, 3))
        joints = self.joints(identity).expand(len(rest), -1, -1)
        transforms = joint_transforms(joints, rotations.expand(len(rest), -1, -1, -1), JOINT_PARENTS)
        vertices = transformed(blended_transforms(self.skin_weights, transforms), rest)
        return Posed(vertices, transformed(transforms, joints), transforms)

    def personal(self, identity: Tensor) -> Rig:
        """The rig of one person, of identity [K], for whatever takes a rig. Its gazes are shapes, not turns of the eyes."""
        self._need_joints()
        with torch.no_grad():
            shapes = (self._personal(identity[None])[0] @ self.basis.flatten(1)).unflatten(1, (-1, 3))
            joints = self.joints(identity[None])[0]
        return Rig(
            template=shapes[0],
            faces=self.faces,
            shape_basis=shapes[:0],
            expression_basis=shapes[1:],
            pose_basis=self.pose_basis,
            skin_weights=self.skin_weights,
            rest_joints=joints,
            joint_shape_basis=joints.new_zeros(0, len(joints), 3),
            joint_expression_basis=joints.new_zeros(len(ARKIT), len(joints), 3),
            expression_pose=joints.new_zeros(len(ARKIT), len(joints), 3),
            parents=JOINT_PARENTS,
            joint_names=JOINTS,
            shape_names=(),
            expression_names=ARKIT,
            combinations=(),
            contacts=(),
            metres=self.config.metres_per_unit,
        )

    def joints(self, identity: Tensor) -> Tensor:
        """[B, J, 3] at rest."""
        return torch.tensordot(self._checked("identity", identity, (self.config.identity,)), self.joint_core, 1)

    def landmarks(self, vertices: Tensor) -> Tensor:
        """[B, L, 3] of heads with vertices [B, V, 3]: the 68 of rig.landmarks, or the 12 of the outer lips."""
        return (vertices[:, self.landmark_vertices] * self.landmark_weights[..., None]).sum(2)

    def outer_lips(self, vertices: Tensor) -> Tensor:
        """[B, 12, 3], from the subject's right corner over the upper lip, as Head360's data have them."""
        found = self.landmarks(vertices)
        if found.shape[1] not in (12, 68):
            raise FullheadError("this mesh does not know its lips: it was made of meshes without landmarks")
        return found if found.shape[1] == 12 else found[:, OUTER_LIPS]

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Identities [count, K] as varied as the heads that the mesh was made of."""
        return self.identity(torch.randn(count, self.config.identity, generator=generator).to(self.core))

    def identity(self, white: Tensor) -> Tensor:
        """Identities [B, K] of codes [B, K] whose numbers have mean 0 and deviation 1 and are not correlated."""
        return self.identity_mean + white @ self.identity_spread

    def whitened(self, identity: Tensor) -> Tensor:
        """What `identity` makes the identity of."""
        return (identity - self.identity_mean) @ torch.linalg.inv(self.identity_spread)

    def part(self, name: str) -> slice:
        """Rows of `faces` and `uv_faces` of a part."""
        start = 0
        for known, count in self.config.parts:
            if known == name:
                return slice(start, start + count)
            start += count
        raise FullheadError(f"this mesh has no part {name!r}; there is {', '.join(known for known, _ in self.config.parts)}")

    def truncated(self, identity: int) -> BilinearMesh:
        """With only the first numbers of an identity."""
        if not 1 <= identity <= self.config.identity:
            raise FullheadError(f"this mesh has 1 to {self.config.identity} numbers of an identity, not {identity}")
        mesh = BilinearMesh(replace(self.config, identity=identity))
        kept = {name: tensor for name, tensor in self.state_dict().items() if not name.startswith("identity_")}
        cut = {name: kept[name][:identity] for name in ("core", "joint_core")}
        return mesh._filled({**kept, **cut, "codes": kept["codes"][:, :identity]})

    def _filled(self, tensors: dict[str, Tensor]) -> BilinearMesh:
        """This mesh with all its tensors but mean and spread, which its codes give."""
        codes = tensors["codes"].double()
        mean = codes.mean(0)
        values, vectors = torch.linalg.eigh((codes - mean).T @ (codes - mean) / len(codes))
        values = values.clamp(min=max(float(values[-1]), 1e-30) * NARROWEST**2)
        spread = vectors * values.sqrt() @ vectors.T
        known = {"identity_mean": mean.float(), "identity_spread": spread.float()}
        self.load_state_dict({**tensors, **known}, strict=True)
        return self.requires_grad_(False).eval()

    def _personal(self, identity: Tensor) -> Tensor:
        """[B, 53, R]."""
        return (identity @ self.core.flatten(1)).unflatten(1, self.core.shape[1:])

    def _need_joints(self) -> None:
        if self.config.joints != len(JOINTS):
            raise FullheadError("this mesh has no joints: it was made of meshes alone, and not of procedural heads")

    def _checked(self, name: str, value: Tensor, size: tuple[int, ...]) -> Tensor:
        if value.ndim == 0 or value.shape[1:] != size:
            raise FullheadError(f"{name} must be [B, {', '.join(map(str, size))}] for this mesh, not {list(value.shape)}")
        return value


def fit_bilinear(heads: RiggedHeads, identity: int = 50, components: int = 128) -> BilinearMesh:
    """The bilinear model of heads, by higher-order singular value decomposition [h360 supp. A.1] [lathauwer00].

    identity, components: at most these many numbers; there are no more than heads, and shapes of them.
    """
    count, faces, vertices, _ = heads.vertices.shape
    identity, components = min(identity, count), min(components, min(identity, count) * faces, 3 * vertices)
    gram, importance = torch.zeros(count, count, dtype=torch.float64), heads.shared.importance.sqrt()[:, None]
    for e in range(faces):
        shapes = (importance * heads.vertices[:, e]).flatten(1).double()
        gram += shapes @ shapes.T
    codes = _signed(torch.linalg.eigh(gram).eigenvectors.flip(1)[:, :identity].T).T  # U [N, K]
    unfolded = torch.stack([codes.T @ heads.vertices[:, e].flatten(1).double() for e in range(faces)], 1)  # [K, 53, 3 V]
    basis = _leading(unfolded.flatten(0, 1), components)  # [R, 3 V]
    core = unfolded @ basis.T  # [K, 53, R]
    below = torch.tensor([1 + ARKIT.index(BUILT_ON[name]) if name in BUILT_ON else 0 for name in ARKIT])
    core = torch.cat([core[:, :1], core[:, 1:] - core[:, below]], dim=1)
    shared = {name: getattr(heads.shared, name) for name in SHARED}
    config = BilinearConfig(
        vertices=vertices,
        triangles=len(heads.shared.faces),
        uv_points=len(heads.shared.uv),
        heads=count,
        identity=identity,
        components=components,
        landmarks=len(heads.shared.landmark_vertices),
        landmark_corners=heads.shared.landmark_vertices.shape[1],
        dense_points=len(heads.shared.dense_vertices),
        joints=heads.joints.shape[1],
        metres_per_unit=heads.metres,
        parts=heads.shared.parts,
    )
    joint_core = torch.tensordot(codes.T, heads.joints.double(), 1)
    found = {"basis": basis.unflatten(1, (-1, 3)), "core": core, "codes": codes, "joint_core": joint_core}
    return BilinearMesh(config)._filled({**shared, **found})


@dataclass(frozen=True)
class Projection:
    """What a bilinear mesh makes of heads that it does not know."""

    identity: Tensor  # [B, K]
    expression: Tensor  # [B, 52]
    millimetres: Tensor  # [B], mean distance of the vertices


def project(
    mesh: BilinearMesh,
    vertices: Tensor,
    expression: Tensor | None = None,
    *,
    noise: float = 0.1,
    rounds: int = 100,
) -> Projection:
    """Identities and weights of heads [B, V, 3] in correspondence, in the mesh's frame: the likeliest ones.

    expression [B, 52]: the weights, where they are known; zeros for heads at rest. Else both are found in turns, weights in
    [0, 1].  noise: millimetres by which coordinates deviate; the more, the closer identities stay to the mean. Vertices count
    by their importance.
    """
    size = (mesh.config.vertices, 3)
    if vertices.shape[1:] != size:
        raise FullheadError(f"vertices must be [B, {size[0]}, 3] for this mesh, not {list(vertices.shape)}")
    core, mean, spread = (x.double() for x in (mesh.core, mesh.identity_mean, mesh.identity_spread))
    variance = (noise / 1000 / mesh.config.metres_per_unit) ** 2
    prior = variance * torch.linalg.inv(spread @ spread)  # [K, K]
    weighted = (mesh.basis.double() * mesh.importance.double()[:, None]).flatten(1)
    root = torch.linalg.cholesky(mesh.basis.double().flatten(1) @ weighted.T)  # lengths times it are as vertices count
    core, wanted = core @ root, vertices.flatten(1).double() @ weighted.T @ torch.linalg.inv(root).T  # [K, 53, R], [B, R]
    ridge = variance * np.eye(len(ARKIT))
    identities, weights = [], []
    for b in range(len(vertices)):
        known = None if expression is None else expression[b % len(expression)].double()
        w, s = (known if known is not None else core.new_zeros(len(ARKIT))), mean
        for _ in range(1 if known is not None else rounds):
            before = w
            at = core[:, 0] + torch.einsum("ker,e->kr", core[:, 1:], w)  # [K, R]
            s = torch.linalg.solve(at @ at.T + prior, at @ wanted[b] + prior @ mean)
            if known is None:
                own = torch.tensordot(s, core, 1)  # [53, R]
                moves, goal = own[1:].cpu().numpy(), (wanted[b] - own[0]).cpu().numpy()
                ends = np.zeros(len(ARKIT)), np.ones(len(ARKIT))
                found = bounded_solution(moves @ moves.T + ridge, moves @ goal, *ends)
                w = torch.from_numpy(np.clip(found, 0, 1)).to(core)
                if float((w - before).abs().max()) < 1e-5:
                    break
        identities.append(s)
        weights.append(w)
    identity, weight = (torch.stack(found).to(mesh.core) for found in (identities, weights))
    off = (mesh.vertices(identity, weight) - vertices).norm(dim=2).mean(1)
    return Projection(identity, weight, 1000 * mesh.config.metres_per_unit * off)


@dataclass(frozen=True)
class Fidelity:
    """How well heads are met whose identity is taken from their face at rest, over all their faces, without the shoulders."""

    explained: float  # share of the variance about the mean head with the same expression
    millimetres: float  # mean distance of the vertices
    worst: float  # the same of the head that is met worst


def fidelity(mesh: BilinearMesh, heads: RiggedHeads) -> Fidelity:
    """Of heads that the mesh was not made of, if it is to say something."""
    found = project(mesh, heads.vertices[:, 0], torch.zeros(1, len(ARKIT))).identity
    own, mean = mesh._personal(found), mesh._personal(mesh.identity_mean[None])
    head = heads.shared.importance > 0.5
    basis = mesh.basis[:, head].flatten(1)
    lost, total, off = 0.0, 0.0, torch.zeros(len(found))
    for e, name in enumerate(("", *ARKIT)):
        shown = [0, *([1 + ARKIT.index(BUILT_ON[name])] if name in BUILT_ON else []), *([e] if e else [])]
        true = heads.vertices[:, e, head]
        made, average = ((x[:, shown].sum(1) @ basis).unflatten(1, (-1, 3)) for x in (own, mean))
        lost += float((made - true).square().sum())
        total += float((average - true).square().sum())
        off += (made - true).norm(dim=2).mean(1) / FACES
    off = 1000 * mesh.config.metres_per_unit * off
    return Fidelity(1 - lost / total, float(off.mean()), float(off.max()))


def _check_rows(mesh: BilinearMesh, _: object) -> None:
    """Refuse numbers of vertices and texture points that there are not."""
    c = mesh.config
    for name in ("faces", "uv_faces", "landmark_vertices", "dense_vertices"):
        rows, most = getattr(mesh, name), c.uv_points if name == "uv_faces" else c.vertices
        if rows.numel() and not 0 <= int(rows.min()) <= int(rows.max()) < most:
            raise FullheadError(f"the {name} of this mesh name some that it does not have: get its file again")


def _leading(rows: Tensor, count: int) -> Tensor:
    """[count, n] orthonormal: the leading right singular vectors of rows [m, n]."""
    if count + MORE >= min(rows.shape):
        return _signed(torch.linalg.svd(rows, full_matrices=False).Vh[:count])
    random = torch.Generator().manual_seed(0)
    found = rows @ torch.randn(rows.shape[1], count + MORE, generator=random).to(rows)
    for _ in range(2):  # a subspace that every step turns further towards the leading ones
        found = rows @ (rows.T @ torch.linalg.qr(found).Q)
    small = torch.linalg.qr(found).Q.T @ rows
    return _signed(torch.linalg.svd(small, full_matrices=False).Vh[:count])


def _signed(rows: Tensor) -> Tensor:
    """Each row times 1 or -1, so that its largest number is positive: the same on all machines."""
    return rows * rows.gather(1, rows.abs().argmax(1, keepdim=True)).sign()
