"""Heads as surfaces: the canonical mesh with all that moves it, and pictures of posed meshes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from fullhead.core.cameras import FOCAL, RADIUS, Cameras
from fullhead.core.meshes import vertex_normals
from fullhead.core.tri_mesh import TriMesh, present
from fullhead.kernels.raster import rasterize
from fullhead.representations.canonical_field import CanonicalPoints
from fullhead.representations.deformer import Motion

SAMPLES = 2  # of each pixel, per axis
AT_ONCE = 2**20  # pixels that are drawn at once
Cells = Annotated[int, frozenset({8, 16, 32, 64, 128, 256, 512})]  # along a cube in which a surface is found
Pixels = Annotated[int, (8, 1024)]  # of a picture whose size is not asked for
BOX = RADIUS / FOCAL  # side in world units of what the standard cameras see at the origin: that of the cube [-1, 1]^3


@dataclass(frozen=True)
class CanonicalMesh:
    """The surface of one head in its canonical pose, V vertices, and at each of them what poses and colours it.

    A posed vertex is skinned by `weights` from its place at rest plus `offsets`.
    """

    vertices: Tensor  # [V, 3]
    faces: Tensor  # [F, 3] int64, counter-clockwise seen from outside
    at: CanonicalPoints  # the vertices without the person's shape
    weights: Tensor  # [V, J]
    expression_basis: Tensor  # [V, 3, E]
    pose_basis: Tensor  # [V, P, 3]
    normals: Tensor  # [V, 3] at rest
    normal_feature: Tensor  # [V, W], which the colours see

    def offsets(self, motion: Motion) -> Tensor:
        """What the pose and the expression of one head add to its vertices at rest, [V, 3]."""
        pose = torch.einsum("vpc,p->vc", self.pose_basis, (motion.pose - motion.canonical_pose)[0])
        return pose + self.expression_basis @ motion.expression[0]


Shade = Callable[[TriMesh[Tensor], Cameras], Tensor]
"""What a picture shows: values [V, 3] in [-1, 1] of a mesh, seen by one camera."""


def coloured(mesh: TriMesh[Tensor], camera: Cameras) -> Tensor:
    return present(mesh.colours)


def normal_coloured(mesh: TriMesh[Tensor], camera: Cameras) -> Tensor:
    """Red to the subject's left, green up, blue to the front."""
    return present(mesh.normals)


def clay(mesh: TriMesh[Tensor], camera: Cameras) -> Tensor:
    """The bare geometry in grey, lit from the camera: normals of the faces, not those that a network gives."""
    normals = vertex_normals(mesh.vertices.cpu().numpy(), mesh.faces.cpu().numpy())
    to_camera = F.normalize(camera.origins - mesh.vertices, dim=-1)
    facing = (torch.from_numpy(normals).to(to_camera) * to_camera).sum(dim=-1, keepdim=True)
    return (facing.clamp(min=0) * 1.6 - 0.8).expand(-1, 3)


SHADINGS: dict[str, Shade] = {"colour": coloured, "normal": normal_coloured, "clay": clay}


def draw_surface(mesh: TriMesh[Tensor], camera: Cameras, size: int, shade: Shade = coloured) -> tuple[Tensor, Tensor, Tensor]:
    """One camera's straight values [3, H, W] (white outside), opacity [1, H, W] and distance along the ray [1, H, W].

    The rasteriser runs on the CPU; `camera` is in the frame of the mesh.
    """
    fine = SAMPLES * size
    x_camera = (mesh.vertices - camera.origins) @ camera.c2w[0, :3, :3]
    ahead = x_camera[:, 2]
    homogeneous = x_camera @ camera.K[0].T
    xy_px = homogeneous[:, :2] / torch.where(ahead > 0, homogeneous[:, 2], torch.ones_like(ahead))[:, None] * fine
    slant = x_camera.norm(dim=-1) / ahead  # distance along the ray per depth; about linear in a triangle
    values, faces = torch.cat([shade(mesh, camera), slant[:, None]], dim=-1).cpu(), mesh.faces.cpu()
    rows, bands = max(1, AT_ONCE // size), []  # bounds memory
    for top in range(0, size, rows):
        below = xy_px.cpu() - torch.tensor([0, SAMPLES * top])
        bands.append(_drawn(below, ahead.cpu(), faces, values, SAMPLES * min(rows, size - top), fine))
    image, seen, distance = (torch.cat(parts, dim=1) for parts in zip(*bands, strict=True))
    return image, seen, distance


def _drawn(xy_px: Tensor, z: Tensor, faces: Tensor, values: Tensor, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """What `draw_surface` gives, of `height` x `width` samples."""
    found = rasterize(xy_px, z, faces, height, width)
    corners = faces[found.face.long().clamp(min=0)]  # [H, W, 3]
    values = (found.barycentric[..., None] * values[corners]).sum(dim=-2).permute(2, 0, 1)  # [4, H, W]
    seen = (found.face >= 0).float()[None]
    values = torch.cat([values[:3], values[3:] * found.depth], dim=0) * seen
    values, seen = F.avg_pool2d(values, SAMPLES), F.avg_pool2d(seen, SAMPLES)
    values = values / seen.clamp(min=SAMPLES**-2)
    image = torch.where(seen > 0, values[:3], torch.ones_like(values[:3]))
    return image, seen, values[3:]


def pictures(
    meshes: Sequence[TriMesh[Tensor]], cameras: Cameras, size: int, shade: Shade = coloured, *, alone: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """Values [B, 3, H, W], straight if they stand `alone`, else on white; opacity [B, 1, H, W] and distance along the ray
    [B, 1, H, W] in world units. Of B meshes in the cube [-1, 1]^3, one camera each."""
    found = []
    for i, mesh in enumerate(meshes):
        camera = cameras[i].to(mesh.vertices.device)
        c2w = camera.c2w.clone()
        c2w[:, :3, 3] *= 2 / BOX  # into model units
        found.append(draw_surface(mesh, replace(camera, c2w=c2w), size, shade))
    image, mask, distance = (torch.stack(parts).to(meshes[0].vertices.device) for parts in zip(*found, strict=True))
    return image if alone else image * mask + (1 - mask), mask, distance * (BOX / 2)
