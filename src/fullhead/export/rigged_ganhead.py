"""A GANHead as a posable model: its learned skinning weights, its learned expressions as targets, its colours baked.

The file poses as the model does [ganhead supp. 1.1]: targets are added at rest, then the bones are blended. The rest of the
file is the model's own: all joints at zero, the jaw closed that is open in the canonical space.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import fast_simplification
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fullhead.core.colour import linear_from_srgb, to_bytes
from fullhead.core.errors import FullheadError
from fullhead.core.meshes import vertex_normals
from fullhead.core.tri_mesh import TriMesh
from fullhead.core.uv_atlas import unwrapped
from fullhead.export.posable import Layer, Material, RiggedHead, Target
from fullhead.io.images import filled
from fullhead.kernels.raster import rasterize_arrays
from fullhead.models.ganhead import GANHead, GANHeadCodes, colour_pose, flat
from fullhead.representations.surface import CanonicalMesh
from fullhead.rig.arkit import BUILT_ON

ROUGHNESS = 0.8
CHUNK = 2**17  # points whose features are held at once
SAME_WAY = 1e-4  # sine of an angle below which two directions are one


@torch.no_grad()
def rig_ganhead(
    model: GANHead, codes: GANHeadCodes, *, faces: int = 40_000, texture: int | None = None, resolution: int = 256
) -> RiggedHead:
    """One head of a model, as one layer "head".

    faces: at most.  texture: pixels a side of its colours and of the normal map that the network N gives; None: colours
    at the vertices.  resolution: cells along the cube in which the surface is found.
    """
    if len(codes) != 1:
        raise FullheadError(f"a file holds one head, not {len(codes)}: take codes[0]")
    metres, volume, rig = model.rig.metres, model.volume(codes), model.rig
    surface = simplified(model.canonical_surface(codes, volume, resolution), faces)
    mesh = model.dressed(codes, volume, surface)
    expressions, rest = torch.eye(len(rig.expression_names)).to(volume), model.rest_pose()

    def built(expression: Tensor) -> tuple[NDArray, NDArray]:
        """Vertices in metres and normals of the form."""
        vertices = model.posed_vertices(codes, mesh, replace(rest, expression=expression))[0].cpu().numpy()
        return metres * vertices, vertex_normals(vertices, surface.faces)

    vertices, normals = built(0 * expressions[:1])
    painted = _painted(model, codes, volume, mesh, normals, texture)
    on = painted.carrier
    targets = {}
    for i, name in enumerate(rig.expression_names):
        base = expressions[[rig.expression_names.index(BUILT_ON[name])]] if name in BUILT_ON else 0 * expressions[:1]
        before, faced = built(base) if name in BUILT_ON else (vertices, normals)
        moved, turned = built(base + expressions[i : i + 1])
        targets[name] = Target.of((moved - before)[on], (turned - faced)[on])
    layer = Layer(
        name="head",
        vertices=vertices[on],
        normals=normals[on],
        uv=painted.uv,
        light=painted.light,
        faces=painted.faces,
        weights=mesh.weights.cpu().numpy()[on],
        targets={name: target for name, target in targets.items() if len(target.rows)},
        material=painted.material,
        tangents=painted.tangents,
    )
    joints = metres * rig(codes.rig_shape).joints[0].cpu().numpy()
    return RiggedHead((layer,), joints, rig.parents, rig.expression_names, model.metres_per_unit)


def simplified(surface: TriMesh[NDArray], faces: int) -> TriMesh[NDArray]:
    """The surface with at most so many triangles, more of them where it bends [garland97]."""
    if len(surface.faces) <= faces:
        return surface
    vertices, fewer = fast_simplification.simplify(surface.vertices.astype(float), surface.faces, target_count=faces)[:2]
    return TriMesh(vertices.astype(np.float32), fewer.astype(np.int32))


@dataclass(frozen=True)
class Painted:
    """How a mesh is coloured. Vertices of the layer are copies of the mesh's, of some more than one."""

    carrier: NDArray  # [V'], the mesh's vertex that each is
    faces: NDArray  # [F, 3]
    light: NDArray  # [V', 3]
    material: Material
    uv: NDArray | None = None
    tangents: NDArray | None = None


def _painted(
    model: GANHead, codes: GANHeadCodes, volume: Tensor, mesh: CanonicalMesh, normals: NDArray, texture: int | None
) -> Painted:
    """Colours in the neutral pose, at the vertices or as a picture with a normal map. normals [V, 3]: of the form, at rest."""
    vertices, faces = mesh.vertices.cpu().numpy(), mesh.faces.cpu().numpy().astype(np.int32)
    if texture is None:
        colours = linear_from_srgb(_looks(model, codes, volume, mesh.vertices)[0] / 255)
        return Painted(np.arange(len(vertices)), faces, colours, Material(None, ROUGHNESS))
    atlas = unwrapped(vertices, faces, texture)
    on = atlas.carrier
    tangents = along_u(atlas.up, normals[on])
    x, y = texture * atlas.uv[:, 0], texture * (1 - atlas.uv[:, 1])
    found, b, c, _ = rasterize_arrays(x, y, np.ones(len(on)), atlas.faces, texture, texture)
    seen = found >= 0
    weights = np.stack([1 - b - c, b, c], axis=-1)[seen][..., None]

    def between(values: NDArray) -> NDArray:
        """Values [V', 3] at the pixels that are seen."""
        return (values[atlas.faces[found[seen]]] * weights).sum(1)

    colours, learned = _looks(model, codes, volume, torch.from_numpy(between(vertices[on]).astype(np.float32)))
    normal_map = _unit(_in_frame(learned, _unit(between(tangents)), _unit(between(normals[on]))))
    pictures = np.zeros((2, texture, texture, 3), np.uint8)
    pictures[0, seen], pictures[1, seen] = colours, (normal_map * 127.5 + 128).clip(0, 255)
    colour, bumps = (filled(picture, seen) for picture in pictures)
    return Painted(on, atlas.faces, np.ones((len(on), 3)), Material(colour, ROUGHNESS, normal_map=bumps), atlas.uv, tangents)


def along_u(up: NDArray, normals: NDArray) -> NDArray:
    """Unit tangents [V, 3] square to the normals and to `up` [V, 3], along an axis; to the normals alone where both are one."""
    across = np.cross(up, normals)
    lost = np.linalg.norm(across, axis=1) < SAME_WAY
    across[lost] = np.cross(np.roll(up[lost], 1, axis=1), normals[lost])
    return _unit(across)


def _in_frame(vectors: NDArray, tangent: NDArray, normal: NDArray) -> NDArray:
    """x, y, z [N, 3] of vectors [N, 3] = x tangent + y normal x tangent + z normal; these are of length 1, not quite square."""
    along, across, out = ((vectors * axis).sum(1) for axis in (tangent, np.cross(normal, tangent), normal))
    slant = (tangent * normal).sum(1)
    return np.stack([along - slant * out, across, out - slant * along], axis=1) / (1 - slant**2).clip(1e-6)[:, None]


def _looks(model: GANHead, codes: GANHeadCodes, volume: Tensor, canonical: Tensor) -> tuple[NDArray[np.uint8], NDArray]:
    """sRGB colours [N, 3] and unit normals [N, 3] at rest, of canonical points [N, 3] of one head."""
    rest = model.rest_pose()
    pose = colour_pose(rest.expression, rest.joint_pose)
    colours, normals = [], []
    for points in canonical.to(volume).split(CHUNK):
        at = model.at_canonical(volume, codes.rig_shape, *flat(points[None]))
        normal, feature = model.normals(codes.detail, at)
        normals.append(normal)
        colours.append(model.canonical.colours(codes.colour, pose, at, feature).clamp(-1, 1))
    return to_bytes(torch.cat(colours).cpu().numpy()), torch.cat(normals).cpu().numpy()


def _unit(vectors: NDArray) -> NDArray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(1e-12)
