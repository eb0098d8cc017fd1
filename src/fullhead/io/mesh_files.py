"""Reading meshes: .obj with .mtl, .ply, .glb. Vertices are float64, faces int64.

What is read: faces (polygons are cut into fans), textures by corner, colours of vertices and of materials. Normals, animation
and lights are left out.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fullhead.core.colour import from_bytes
from fullhead.core.errors import FullheadError, in_words
from fullhead.core.tri_mesh import GREY, TriMesh, joined
from fullhead.io.files import existing_file
from fullhead.io.gltf_reader import read_glb
from fullhead.io.ply import read_ply

SUFFIXES = (".obj", ".ply", ".glb")


def read_mesh(path: str | Path, texture: str | Path | None = None) -> TriMesh[NDArray]:
    """A mesh file; `texture` takes the place of the textures that it names. Raises FullheadError."""
    path = existing_file(path, "a mesh file")
    readers = {".obj": _read_obj, ".ply": _read_ply, ".glb": lambda path: joined(read_glb(path))}
    if path.suffix.lower() not in readers:
        raise FullheadError(f"{path.name} is no mesh that can be read: give one of {', '.join(SUFFIXES)}")
    try:
        mesh = readers[path.suffix.lower()](path)
    except (ValueError, IndexError, KeyError, TypeError, UnicodeDecodeError, struct.error) as error:
        raise FullheadError(f"{path} is not a sound {path.suffix.lower()} file: {in_words(error)}") from error
    if not len(mesh.faces):
        raise FullheadError(f"{path} has no faces: scans are surfaces, not clouds of points")
    if not (mesh.faces.min() >= 0 and mesh.faces.max() < len(mesh.vertices)):
        raise FullheadError(f"{path} has faces of vertices that it does not have: the file is damaged")
    if not np.isfinite(mesh.vertices).all():
        raise FullheadError(f"{path} has vertices that are not finite: the file is damaged")
    if texture is None:
        return mesh
    if mesh.uv is None:
        raise FullheadError(f"{path} has no texture coordinates, so {texture} cannot be put on it")
    return replace(mesh, textures=(read_texture(Path(texture)),), texture_ids=np.zeros(len(mesh.faces), np.int64))


def read_texture(path: Path) -> NDArray:
    """Pixels [H, W, 3] uint8 sRGB of an image file."""
    try:
        return np.asarray(Image.open(existing_file(path, "a texture")).convert("RGB"))
    except OSError as error:
        raise FullheadError(f"cannot read the texture {path}: {in_words(error)}") from None


def _fans(polygons: NDArray | list[NDArray]) -> tuple[NDArray, NDArray]:
    """Faces [F, 3, ...] of polygons [n, ...] cut into fans about their first corner, and the polygon of each [F].

    An array [P, n, ...] holds polygons of equally many corners.
    """
    if isinstance(polygons, np.ndarray) and polygons.shape[1] == 3:
        return polygons, np.arange(len(polygons))
    fans = [np.stack([np.broadcast_to(p[:1], p[1:-1].shape), p[1:-1], p[2:]], axis=1) for p in polygons]
    return np.concatenate(fans), np.repeat(np.arange(len(polygons)), [len(fan) for fan in fans])


def _read_obj(path: Path) -> TriMesh[NDArray]:
    points, texture_points, polygons, materials, used = [], [], [], dict[str, Any](), []
    names, current = list[str](), -1
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            word, _, rest = line.partition(" ")
            if word == "v":
                points.append(rest.split())
            elif word == "vt":
                texture_points.append(rest.split()[:2])
            elif word == "f":
                polygons.append(rest.split())
                used.append(current)
            elif word == "usemtl":
                if rest.strip() not in names:
                    names.append(rest.strip())
                current = names.index(rest.strip())
            elif word == "mtllib" and (library := path.parent / rest.strip()).is_file():
                materials |= _read_mtl(library)
    if not polygons:
        return TriMesh(np.zeros((len(points), 3)), np.empty((0, 3), np.int64))
    table = np.array([row[:6] if len(row) >= 6 else row[:3] for row in points], np.float64)
    corners, polygon = _fans([_obj_corners(p, len(points), len(texture_points)) for p in polygons])  # [F, 3, 2]
    mesh = TriMesh(
        table[:, :3], corners[..., 0], colours=2 * table[:, 3:] - 1 if table.shape[1] == 6 else None,
        uv=np.array(texture_points, np.float64)[corners[..., 1]] if texture_points else None,
    )  # fmt: skip
    return _with_materials(mesh, [materials.get(name, {}) for name in names], np.array(used)[polygon])


def _obj_corners(words: list[str], points: int, texture_points: int) -> NDArray:
    """Rows [n, 2] of points and texture points of `f` words such as 3/7/2 or -1//4; 0 where there is no texture point."""
    rows = []
    for word in words:
        first, *more = word.split("/")
        p, t = int(first), int(more[0]) if more and more[0] else 1
        rows.append((p - 1 if p > 0 else points + p, t - 1 if t > 0 else texture_points + t))
    return np.array(rows)


def _read_mtl(path: Path) -> dict[str, dict[str, Any]]:
    """By material: `texture` (pixels) or `colour` [3]."""
    found, name = dict[str, dict[str, Any]](), ""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "newmtl":
            found[name := rest.strip()] = {}
        elif word == "Kd" and name:
            found[name]["colour"] = np.array(rest.split()[:3], np.float64)
        elif word == "map_Kd" and name:
            found[name]["texture"] = read_texture(path.parent / rest.strip().replace("\\", "/"))
    return found


def _with_materials(mesh: TriMesh[NDArray], materials: list[dict[str, Any]], used: NDArray) -> TriMesh[NDArray]:
    """The mesh with what its materials [M] say of the faces that have them; used [F], -1 for none."""
    textures, ids = [], np.full(len(used), -1)
    colours = np.full_like(mesh.vertices, GREY) if mesh.colours is None else mesh.colours.copy()
    for m, material in enumerate(materials):
        here = used == m
        if "texture" in material and mesh.uv is not None:
            ids[here] = len(textures)
            textures.append(material["texture"])
        elif "colour" in material:
            colours[mesh.faces[here]] = 2 * material["colour"] - 1
    return replace(mesh, colours=colours, textures=tuple(textures), texture_ids=ids if textures else None)


def _read_ply(path: Path) -> TriMesh[NDArray]:
    table = read_ply(path)
    vertex, face = table["vertex"], table.get("face", {})
    points = np.stack([np.asarray(vertex[name], np.float64) for name in "xyz"], axis=1)
    colours = None
    if "red" in vertex:
        colours = np.stack([np.asarray(vertex[name]) for name in ("red", "green", "blue")], axis=1)
        colours = from_bytes(colours) if np.issubdtype(colours.dtype, np.integer) else 2 * colours.astype(np.float64) - 1
    polygons = face.get("vertex_indices", face.get("vertex_index", []))
    faces = _fans(polygons)[0] if len(polygons) else np.empty((0, 3))
    return TriMesh(points, faces.astype(np.int64), colours=colours)
