"""Painted meshes and the files they come in: .obj with .mtl, .ply, .glb.

What is read: triangles (polygons are cut into fans), textures by corner, colours of vertices and of materials. Normals,
animation and lights are left out.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fullhead.core.colour import srgb_from_linear
from fullhead.core.errors import FullheadError, in_words
from fullhead.io.files import existing_file
from fullhead.io.gltf_reader import read_glb
from fullhead.io.ply import read_ply

SUFFIXES = (".obj", ".ply", ".glb")
GREY = 0.8  # of a mesh without colours


@dataclass(frozen=True)
class PaintedMesh:
    """A triangle mesh whose triangles take their colour from textures or from their vertices."""

    vertices: NDArray  # [V, 3] float64
    triangles: NDArray  # [F, 3] int64, counter-clockwise from outside
    colours: NDArray  # [V, 3], sRGB in [0, 1]; counts where there is no texture
    textures: tuple[NDArray, ...] = ()  # [H, W, 3] uint8 sRGB each
    paint: NDArray | None = None  # [F], which texture; -1: the vertices' colours
    uv: NDArray | None = None  # [F, 3, 2] of the corners; (0, 0) is the lower left corner of the texture

    def colours_at(self, triangle: NDArray, weights: NDArray) -> NDArray:
        """Colours [P, 3] in [0, 1] at points of the surface: triangles [P] and weights [P, 3] of their corners."""
        result = (self.colours[self.triangles[triangle]] * weights[..., None]).sum(1)
        if self.paint is None or self.uv is None:
            return result
        for number, texture in enumerate(self.textures):
            here = self.paint[triangle] == number
            uv = (self.uv[triangle[here]] * weights[here][..., None]).sum(1)
            result[here] = texture_colours(texture, uv)
        return result

    def kept(self, chosen: NDArray) -> PaintedMesh:
        """Only the triangles `chosen` ([F] bool)."""
        paint, uv = (None if value is None else value[chosen] for value in (self.paint, self.uv))
        return replace(self, triangles=self.triangles[chosen], paint=paint, uv=uv)

    def placed(self, vertices: NDArray) -> PaintedMesh:
        """The same surface with its vertices elsewhere."""
        return replace(self, vertices=vertices)


def texture_colours(texture: NDArray, uv: NDArray) -> NDArray:
    """Bilinear colours [P, 3] in [0, 1] of a texture [H, W, 3] at uv [P, 2]: texel (column, row) has its centre at
    u = (column + 1/2) / W, v = 1 - (row + 1/2) / H. Beyond [0, 1] the texture repeats."""
    height, width = texture.shape[:2]
    x, y = uv[:, 0] * width - 0.5, (1 - uv[:, 1]) * height - 0.5
    left, top = np.floor(x), np.floor(y)
    result = np.zeros((len(uv), 3))
    for step_x, step_y in ((0, 0), (0, 1), (1, 0), (1, 1)):
        share = (1 - abs(x - left - step_x)) * (1 - abs(y - top - step_y))
        texels = texture[(top + step_y).astype(int) % height, (left + step_x).astype(int) % width]
        result += share[:, None] * texels
    return result / 255


def read_mesh(path: str | Path, texture: str | Path | None = None) -> PaintedMesh:
    """A mesh file; `texture` takes the place of the textures that it names. Raises FullheadError."""
    path = existing_file(path, "a mesh file")
    readers = {".obj": _read_obj, ".ply": _read_ply, ".glb": _read_glb}
    if path.suffix.lower() not in readers:
        raise FullheadError(f"{path.name} is no mesh that can be read: give one of {', '.join(SUFFIXES)}")
    try:
        mesh = readers[path.suffix.lower()](path)
    except (ValueError, IndexError, KeyError, TypeError, UnicodeDecodeError, struct.error) as error:
        raise FullheadError(f"{path} is not a sound {path.suffix.lower()} file: {in_words(error)}") from error
    if not len(mesh.triangles):
        raise FullheadError(f"{path} has no triangles: scans are surfaces, not clouds of points")
    if not (mesh.triangles.min() >= 0 and mesh.triangles.max() < len(mesh.vertices)):
        raise FullheadError(f"{path} has triangles of vertices that it does not have: the file is damaged")
    if not np.isfinite(mesh.vertices).all():
        raise FullheadError(f"{path} has vertices that are not finite: the file is damaged")
    if texture is None:
        return mesh
    if mesh.uv is None:
        raise FullheadError(f"{path} has no texture coordinates, so {texture} cannot be put on it")
    return replace(mesh, textures=(read_texture(Path(texture)),), paint=np.zeros(len(mesh.triangles), np.int64))


def read_texture(path: Path) -> NDArray:
    """Pixels [H, W, 3] uint8 sRGB of an image file."""
    try:
        return np.asarray(Image.open(existing_file(path, "a texture")).convert("RGB"))
    except OSError as error:
        raise FullheadError(f"cannot read the texture {path}: {in_words(error)}") from None


def _grey(count: int) -> NDArray:
    return np.full((count, 3), GREY)


def _fans(polygons: NDArray | list[NDArray]) -> tuple[NDArray, NDArray]:
    """Triangles [F, 3, ...] of polygons [n, ...] cut into fans about their first corner, and the polygon of each [F].

    An array [P, n, ...] holds polygons of equally many corners.
    """
    if isinstance(polygons, np.ndarray) and polygons.shape[1] == 3:
        return polygons, np.arange(len(polygons))
    fans = [np.stack([np.broadcast_to(p[:1], p[1:-1].shape), p[1:-1], p[2:]], axis=1) for p in polygons]
    return np.concatenate(fans), np.repeat(np.arange(len(polygons)), [len(fan) for fan in fans])


def _read_obj(path: Path) -> PaintedMesh:
    points, texture_points, polygons, materials, paint = [], [], [], dict[str, Any](), []
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
                paint.append(current)
            elif word == "usemtl":
                if rest.strip() not in names:
                    names.append(rest.strip())
                current = names.index(rest.strip())
            elif word == "mtllib" and (library := path.parent / rest.strip()).is_file():
                materials |= _read_mtl(library)
    if not polygons:
        return PaintedMesh(np.zeros((len(points), 3)), np.empty((0, 3), np.int64), _grey(len(points)))
    table = np.array([row[:6] if len(row) >= 6 else row[:3] for row in points], np.float64)
    corners, polygon = _fans([_obj_corners(p, len(points), len(texture_points)) for p in polygons])  # [F, 3, 2]
    mesh = PaintedMesh(
        table[:, :3], corners[..., 0], table[:, 3:] if table.shape[1] == 6 else _grey(len(table)),
        uv=np.array(texture_points, np.float64)[corners[..., 1]] if texture_points else None,
    )  # fmt: skip
    return _painted(mesh, [materials.get(name, {}) for name in names], np.array(paint)[polygon])


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


def _painted(mesh: PaintedMesh, materials: list[dict[str, Any]], paint: NDArray) -> PaintedMesh:
    """The mesh with what its materials [M] say of the triangles that have them; paint [F], -1 for none."""
    textures, colours, number = [], mesh.colours.copy(), np.full(len(paint), -1)
    for m, material in enumerate(materials):
        here = paint == m
        if "texture" in material and mesh.uv is not None:
            number[here] = len(textures)
            textures.append(material["texture"])
        elif "colour" in material:
            colours[mesh.triangles[here]] = material["colour"]
    return replace(mesh, colours=colours, textures=tuple(textures), paint=number if textures else None)


def _read_ply(path: Path) -> PaintedMesh:
    table = read_ply(path)
    vertex, face = table["vertex"], table.get("face", {})
    points = np.stack([np.asarray(vertex[name], np.float64) for name in "xyz"], axis=1)
    colours = _grey(len(points))
    if "red" in vertex:
        colours = np.stack([np.asarray(vertex[name], np.float64) for name in ("red", "green", "blue")], axis=1)
        colours = colours / (255 if np.issubdtype(np.asarray(vertex["red"]).dtype, np.integer) else 1)
    polygons = face.get("vertex_indices", face.get("vertex_index", []))
    triangles = _fans(polygons)[0] if len(polygons) else np.empty((0, 3))
    return PaintedMesh(points, triangles.astype(np.int64), colours)


def _read_glb(path: Path) -> PaintedMesh:
    parts = read_glb(path)
    starts = np.cumsum([0, *(len(p.vertices) for p in parts)])
    colours = [np.ones((len(p.vertices), 3)) if p.colours is None else p.colours for p in parts]
    textured = [p for p in parts if p.texture is not None and p.uv is not None]
    paint = [np.full(len(p.triangles), next((i for i, q in enumerate(textured) if q is p), -1)) for p in parts]
    uv = [np.zeros((len(p.triangles), 3, 2)) if p.uv is None else (p.uv * [1, -1] + [0, 1])[p.triangles] for p in parts]
    return PaintedMesh(
        np.concatenate([p.vertices for p in parts]),
        np.concatenate([p.triangles + start for p, start in zip(parts, starts, strict=False)]),
        srgb_from_linear(np.concatenate([c * p.factor for p, c in zip(parts, colours, strict=True)])),
        tuple(p.texture for p in textured if p.texture is not None),
        np.concatenate(paint) if textured else None,
        np.concatenate(uv) if textured else None,
    )
