"""A coloured triangle mesh of a head, and the files that other tools open: .glb, .ply, .obj."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fullhead.core import cameras as cams
from fullhead.core.cameras import Cameras
from fullhead.core.colour import to_bytes
from fullhead.core.errors import FullheadError, with_article
from fullhead.core.isosurface import NoSurfaceError, extract_surface, largest_component
from fullhead.core.meshes import vertex_normals
from fullhead.core.tri_mesh import TriMesh, present
from fullhead.io.files import check_suffix, written_whole
from fullhead.io.gltf_writer import save_glb
from fullhead.io.ply import ply_bytes
from fullhead.models.head import Batch, H, HasDensity, HasSurface, HeadModel, L, RenderOptions, capable
from fullhead.representations.surface import BOX

MESH_SUFFIXES = (".glb", ".ply", ".obj")

HALF_DEPTH = 1 / 16
"""The default level: what stops half of the light within this part of the box's side is solid.  For a box of side 1 that is
a density of ln 2 * 16 = 11; the scripts of EG3D and PanoHead cut at 10 before the softplus, 9 after it.  Lower values keep
more of thin hair, higher ones cut closer to the skin."""

COLOUR_DEPTH = 1 / 200  # of the box: point colours are read so far below the surface, where the density lies that is seen
HIDDEN_DEPTH = 1 / 50  # of the box: a point so far behind the depth that a camera saw is hidden from it
FACING_POWER = 4  # views are weighted by cos^4 of the angle to the normal: the most frontal view decides, without seams
POINT_WEIGHT = 0.01  # weight of the point colours in the blend: they fill what no view sees


def density_level(box_size: float) -> float:
    """The density of HALF_DEPTH, per world unit."""
    return math.log(2) / (HALF_DEPTH * box_size)


def extract_mesh(
    model: HeadModel[L, H],
    head: H,
    resolution: int = 256,
    level: float | None = None,
    *,
    views: Cameras | None = None,
    keep_floaters: bool = False,
    coarse: int = 64,
    chunk: int = 2**18,
) -> TriMesh[NDArray]:
    """The closed surface of one decoded head, in metres, where its density is `level` (per world unit; None: `density_level`).

    resolution: cells along the box, best a power of two times `coarse`.  views: cameras whose renders colour the mesh
    (None: `colouring_cameras()`; an empty set, `views[:0]`: colours of the field alone, which are blurrier and quicker).
    A model that has a surface of its own gives it, with its networks' normals and colours; it has neither `level` nor floaters.
    """
    if len(head) != 1:
        raise FullheadError(f"a mesh is made of one head, not {len(head)}: take head[0]")
    if isinstance(model, HasSurface):
        if level is not None or keep_floaters:
            raise FullheadError(
                f"{with_article(type(model).__name__)} has a surface of its own, so no level and no floaters: leave --level "
                "and --keep-floaters out"
            )
        own = model.surface(head, resolution).numpy()
        return replace(own, vertices=np.float32(BOX / 2) * own.vertices * np.float32(model.metres_per_unit))
    volume = capable(model, HasDensity, "this model")
    level = density_level(model.box_size) if level is None else level
    if not level > 0:
        raise FullheadError(f"the level is a density and must be above 0, not {level:g}")

    def opacity(xyz: Tensor) -> Tensor:  # of a slab that is half opaque at the level: bounded, so edges divide evenly
        sigma = volume.density(head, xyz[None].to(head.device))[0, :, 0]
        return 1 - torch.exp2(-sigma.float() / level)

    with torch.no_grad():
        try:
            surface = extract_surface(opacity, model.box_size, 0.5, resolution, coarse=coarse, chunk=chunk)
        except NoSurfaceError as error:
            highest = -level * math.log2(max(1 - error.high, 1e-12))
            raise FullheadError(f"no surface at density {level:.3g}: the head reaches {highest:.3g}; lower --level") from error
        surface = surface if keep_floaters else largest_component(surface)
        surface = replace(surface, normals=vertex_normals(surface.vertices, surface.faces))
        mesh = surface.tensors(head.device)
        cameras = colouring_cameras() if views is None else views
        colours = blended_colours(model, head, mesh.vertices, present(mesh.normals), cameras, chunk).cpu().numpy()
    return replace(surface, vertices=surface.vertices * np.float32(model.metres_per_unit), colours=colours)


def colouring_cameras() -> Cameras:
    """Eight cameras around the head at the height of the eyes, four from above."""
    yaws = [i * math.pi / 4 for i in range(8)] + [(i + 0.5) * math.pi / 2 for i in range(4)]
    return cams.orbit(torch.tensor(yaws), torch.tensor([0.0] * 8 + [0.6] * 4))


def point_colours(model: HasDensity, head: Batch, points: Tensor, normals: Tensor, depth: float, chunk: int = 2**18) -> Tensor:
    """The field's colours [V, 3] in [-1, 1] at `depth` under the surface points [V, 3] with outward normals [V, 3]."""
    inner = points - depth * normals
    return torch.cat([model.colour(head, part[None])[0].float() for part in inner.split(chunk)])


def blended_colours(
    model: HeadModel[L, H], head: H, points: Tensor, normals: Tensor, cameras: Cameras, chunk: int = 2**18
) -> Tensor:
    """Colours [V, 3] in [-1, 1] of surface points [V, 3] out of renders from `cameras`, which are sharper than the field.

    A camera counts where it sees the point: its render is opaque there, and no surface lies more than HIDDEN_DEPTH before
    the point. It counts more the straighter it looks at the surface. Where none looks, the field's own colour stands.
    """
    under, alone = COLOUR_DEPTH * model.box_size, RenderOptions(background=False)
    volume = capable(model, HasDensity, "this model")
    total = POINT_WEIGHT * point_colours(volume, head, points, normals, under, chunk)  # [V, 3]
    weights = torch.full_like(points[:, :1], POINT_WEIGHT)  # [V, 1]
    cameras = cameras.to(points.device)
    for i in range(len(cameras)):
        camera = cameras[i]
        render = model.render(head, camera, alone)
        to_camera = camera.origins - points  # [V, 3]
        distance = to_camera.norm(dim=-1)
        cosine = (to_camera * normals).sum(-1) / distance
        uv, ahead = project(camera, points)
        depth, mask = _at(render.depth, uv)[:, 0], _at(render.mask, uv)[:, 0].clamp(0, 1)
        inside = ahead & ((uv - 0.5).abs() < 0.5).all(dim=-1)
        seen = inside & (mask > 0.5) & (distance < depth + HIDDEN_DEPTH * model.box_size)
        weight = (seen * mask * cosine.clamp_min(0) ** FACING_POWER)[:, None]
        total, weights = total + weight * _at(render.image, uv), weights + weight
    return total / weights


def project(camera: Cameras, points: Tensor) -> tuple[Tensor, Tensor]:
    """Where one camera sees points [V, 3]: image coordinates [V, 2] in [0, 1] from the top left, and whether it lies ahead."""
    x_camera = (points - camera.origins) @ camera.c2w[0, :3, :3]  # R^T (x - o), as rows
    homogeneous = x_camera @ camera.K[0].T
    return homogeneous[:, :2] / homogeneous[:, 2:].clamp_min(1e-6), x_camera[:, 2] > 0


def _at(image: Tensor, uv: Tensor) -> Tensor:
    """Values [V, C] of image [1, C, H, W] at uv [V, 2] in [0, 1], bilinear."""
    grid = (uv * 2 - 1)[None, None].to(image)
    return torch.nn.functional.grid_sample(image, grid, padding_mode="border", align_corners=False)[0, :, 0].T.to(uv)


def check_mesh_path(path: str | Path) -> Path:
    """`path` as a Path if a mesh can be written there; call it before the mesh is computed."""
    return check_suffix(path, MESH_SUFFIXES, "a mesh")


def save_mesh(mesh: TriMesh[NDArray], path: str | Path) -> Path:
    """Write a mesh in metres, with normals and colours, as .glb, .ply or .obj (the suffix of `path` chooses)."""
    path = check_mesh_path(path)
    write = {".glb": save_glb, ".ply": _save_ply, ".obj": _save_obj}[path.suffix.lower()]
    write(path, mesh.vertices, mesh.faces, present(mesh.normals), to_bytes(present(mesh.colours)))
    return path


def _save_ply(path: Path, metres: NDArray, faces: NDArray, normals: NDArray, colours: NDArray[np.uint8]) -> None:
    with written_whole(path) as temporary:
        temporary.write_bytes(ply_bytes(metres, faces, normals, colours, "metres, +y up, face along +z"))


def _save_obj(path: Path, metres: NDArray, faces: NDArray, normals: NDArray, colours: NDArray[np.uint8]) -> None:
    """OBJ with the colours behind the coordinates, as MeshLab, Blender and ZBrush read them."""
    with written_whole(path) as temporary, temporary.open("w") as file:
        file.write("# metres, +y up, face along +z\n")
        np.savetxt(file, np.hstack([metres, colours / 255.0]), "v %.6f %.6f %.6f %.4f %.4f %.4f")
        np.savetxt(file, normals, "vn %.4f %.4f %.4f")
        np.savetxt(file, np.repeat(faces + 1, 2, axis=1), "f %d//%d %d//%d %d//%d")
