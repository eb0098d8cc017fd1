"""Reading meshes: .obj with .mtl, .ply, .stl, .xyz, .glb, .gltf. Vertices are float64, faces int64 and wound as seen from
outside.

What is read: faces (polygons are cut into triangles), textures by corner, colours of vertices, faces and materials. Normals,
animation and lights are left out. A cloud of points becomes a surface. What a file names but lacks, and what was made of it, is
logged in a line.
"""

from __future__ import annotations

import logging
import math
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fullhead.core.colour import to_bytes
from fullhead.core.errors import FullheadError, in_words
from fullhead.core.point_surface import surface_of_points
from fullhead.core.polygons import strip_triangles, triangulated
from fullhead.core.tri_mesh import GREY, TriMesh, joined
from fullhead.core.winding import turned_faces
from fullhead.io.files import existing_file
from fullhead.io.gltf_reader import read_gltf
from fullhead.io.images import read_pixels
from fullhead.io.ply import Lists, read_ply
from fullhead.io.reading import DAMAGED

SUFFIXES = (".obj", ".ply", ".stl", ".xyz", ".glb", ".gltf")
LOG = logging.getLogger("fullhead")
NONE = -(2**31)  # number of the texture point of a corner that has none
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
TEXTURE_POINTS = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"), ("texture_s", "texture_t"))  # names in PLY
COLOURS = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))


LARGEST = 1e30  # number of a mesh that is no damage


def read_mesh(path: str | Path, texture: str | Path | None = None) -> TriMesh[NDArray]:
    """A mesh file; `texture` takes the place of the textures that it names. Raises FullheadError."""
    path = existing_file(path, "a mesh file")
    suffix, named = path.suffix.lower(), texture is None
    try:
        if suffix == ".obj":
            mesh = _read_obj(path, named)
        elif suffix == ".ply":
            mesh = _read_ply(path, named)
        elif suffix == ".stl":
            mesh = _read_stl(path)
        elif suffix == ".xyz":
            mesh = _read_xyz(path)
        elif suffix in SUFFIXES:
            mesh = joined(read_gltf(path) or [TriMesh(np.empty((0, 3)), np.empty((0, 3), np.int64))])
        else:
            raise FullheadError(f"{path.name} is no mesh that can be read: give one of {', '.join(SUFFIXES)}")
    except OSError as error:
        raise FullheadError(f"cannot read {path}: {in_words(error)}") from error
    except DAMAGED as error:
        raise FullheadError(f"{path} is not a sound {suffix} file: {in_words(error)}") from error
    if len(mesh.faces) and not (mesh.faces.min() >= 0 and mesh.faces.max() < len(mesh.vertices)):
        raise FullheadError(f"{path} has faces of vertices that it does not have: the file is damaged")
    for what, values in {"vertices": mesh.vertices, "colours": mesh.colours, "texture coordinates": mesh.uv}.items():
        if values is not None and not (np.abs(values) < LARGEST).all():
            raise FullheadError(f"{path} has {what} that are not finite, or far too large: the file is damaged")
    mesh = _facing_out(mesh if len(mesh.faces) else _with_surface(mesh, path), path)
    if texture is None:
        return mesh
    if mesh.uv is None:
        raise FullheadError(f"{path} has no texture coordinates, so {texture} cannot be put on it")
    return replace(mesh, textures=(read_texture(Path(texture)),), texture_ids=np.zeros(len(mesh.faces), np.int64))


def read_texture(path: Path) -> NDArray:
    """Pixels [H, W, 3] uint8 sRGB of an image file."""
    return read_pixels(existing_file(path, "a texture"), str(path))


def _with_surface(points: TriMesh[NDArray], path: Path) -> TriMesh[NDArray]:
    """A mesh without faces with a surface through its vertices, which is said."""
    try:
        mesh = surface_of_points(points.vertices, points.normals, points.colours)
    except FullheadError as error:
        raise FullheadError(f"{path} has no faces, and {error}") from error
    LOG.warning(
        "%s has no faces: a surface of %d faces was laid through its %d points. What is finer than they lie apart is lost",
        path, len(mesh.faces), len(points.vertices),
    )  # fmt: skip
    return mesh


def _facing_out(mesh: TriMesh[NDArray], path: Path) -> TriMesh[NDArray]:
    """The mesh with the faces turned that are wound the wrong way, which is said."""
    turned = turned_faces(mesh.vertices, mesh.faces)
    if not (count := np.count_nonzero(turned)):
        return mesh
    if count == len(turned):
        LOG.warning("%s is wound inside out: all its faces were turned", path)
    else:
        LOG.warning("%s: %d of its %d faces were wound the wrong way and were turned", path, count, len(turned))

    def change(corners: NDArray) -> NDArray:
        return np.where(turned.reshape(-1, *[1] * (corners.ndim - 1)), corners[:, ::-1], corners)

    return replace(mesh, faces=change(mesh.faces), uv=None if mesh.uv is None else change(mesh.uv))


def _beside(path: Path, name: str) -> Path | None:
    """The file that `path` names, where it says or beside it under its last name; None, with a line, if there is none."""
    name = name.strip().strip('"').replace("\\", "/")
    for place in (path.parent / name, path.parent / PurePosixPath(name).name):
        if place.is_file():
            return place
    LOG.warning("%s names %s, which is not there: its colours are missing", path, name)
    return None


def _full(values: NDArray) -> float:
    """What stands for 1 in the numbers of colours: by their type, or the least that they do not exceed (a little over 1 is
    light, not bytes)."""
    if values.dtype in (np.uint8, np.uint16):
        return float(np.iinfo(values.dtype).max)
    return next(full for full in (1, 255, 65535, np.inf) if not len(values) or np.nanmax(values) <= max(full, 2))


def _colours(values: NDArray) -> NDArray:
    """Colours in [-1, 1] of numbers [N, 3] as files have them, NaN where there is none."""
    return np.nan_to_num((values / _full(values) * 2 - 1).clip(-1, 1), nan=GREY)


def _statements(path: Path) -> Iterator[tuple[int, str, str]]:
    """Number, keyword and rest of the lines that say something; after a backslash, a line goes on in the next."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        held = ""
        for number, line in enumerate(file, 1):
            line = held + line
            if "#" in line:
                line = re.split(r"(?<!\S)#", line, maxsplit=1)[0]
            if "\\" in line and line.rstrip().endswith("\\"):
                held = line.rstrip()[:-1] + " "
                continue
            held, words = "", line.split(None, 1)
            if words:
                yield number, words[0], words[1].rstrip() if len(words) > 1 else ""


def _read_obj(path: Path, named: bool) -> TriMesh[NDArray]:
    """named: read also the textures that its materials name."""
    points, colours, texture_points = array("d"), array("d"), array("d")
    corners, corners_uv, sizes, used, lines = array("i"), array("i"), array("i"), array("i"), array("i")
    materials, names, current, nothing = dict[str, dict[str, Any]](), dict[str, int](), -1, (np.nan,) * 3
    for number, keyword, rest in _statements(path):
        try:
            if keyword == "v":
                x, y, z, *more = map(float, rest.split())
                points.extend((x, y, z))
                colours.extend(more[:3] if len(more) >= 3 else nothing)
            elif keyword == "vt":
                u, v = (*rest.split(), "0")[:2]
                texture_points.extend((float(u), float(v)))
            elif keyword == "f" and len(words := rest.split()) >= 3:
                for word in words:
                    point, *more = word.split("/")
                    corners.append(_number(point, len(points) // 3))
                    corners_uv.append(_number(more[0], len(texture_points) // 2) if more and more[0] else NONE)
                sizes.append(len(words))
                used.append(current)
                lines.append(number)
            elif keyword == "usemtl":
                current = names.setdefault(rest, len(names))
            elif keyword == "mtllib":
                whole = (path.parent / rest.strip('"')).is_file() or '"' in rest
                for library in [rest] if whole else rest.split():
                    if place := _beside(path, library):
                        materials = _read_mtl(place) | materials  # the first that has a name counts
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    points, texture_points = np.array(points).reshape(-1, 3), np.array(texture_points).reshape(-1, 2)
    corners, corners_uv, sizes = np.array(corners), np.array(corners_uv), np.array(sizes)
    bare = corners_uv == NONE
    for numbers, count, what in ((corners, len(points), "vertex"), (np.where(bare, 0, corners_uv), len(texture_points), "vt")):
        outside = ((numbers < 0) | (numbers >= count)) & ~(bare if what == "vt" else False)
        if outside.any():
            line = lines[int(np.searchsorted(np.cumsum(sizes), outside.argmax(), side="right"))]
            raise ValueError(f"line {line}: a face has a {what} that the file does not have; it has {count}")
    places, polygon = triangulated(points, corners, sizes)
    mesh = TriMesh(points, corners[places].astype(np.int64))
    if not np.isnan(colours).all():
        mesh = replace(mesh, colours=_colours(np.array(colours).reshape(-1, 3)))
    untextured = bare[places].any(axis=1)
    if not untextured.all():
        mesh = replace(mesh, uv=np.where(bare[places, None], 0, texture_points[np.where(bare, 0, corners_uv)[places]]))
    used = np.array(used, np.int64)[polygon]
    return _with_materials(mesh, [materials.get(name, {}) for name in names], used, untextured, named)


def _number(word: str, count: int) -> int:
    """From 0, of a number from 1, or from -1 backwards from the last of `count`; negative if it is none of a thing."""
    number = int(word)
    return number - 1 if number > 0 else number + count if number < 0 and number + count >= 0 else -1


def _read_mtl(path: Path) -> dict[str, dict[str, Any]]:
    """By material: `colour` [3], and `texture` (a file) with `scale` and `offset` [2] of its coordinates."""
    found, material = dict[str, dict[str, Any]](), dict[str, Any]()
    for _, keyword, rest in _statements(path):
        if keyword == "newmtl":
            material = found.setdefault(rest, {})
        elif keyword == "Kd":
            material["colour"] = np.array(rest.split()[:3], np.float64)
        elif keyword == "map_Kd":
            options = {"-s": np.ones(2), "-o": np.zeros(2)}
            while rest.startswith("-"):
                option, *words = rest.split()
                most = {"-s": 3, "-o": 3, "-t": 3, "-mm": 2}.get(option, 1)
                count = next((n for n, word in enumerate(words[:most]) if n and not NUMBER.fullmatch(word)), most)
                if option in options:
                    options[option][: min(count, 2)] = words[: min(count, 2)]
                rest = "".join(rest.split(None, 1 + count)[1 + count :])
            if rest:  # some programs name none
                material |= {"texture": _beside(path, rest), "scale": options["-s"], "offset": options["-o"]}
    return found


def _with_materials(
    mesh: TriMesh[NDArray], materials: list[dict[str, Any]], used: NDArray, untextured: NDArray, named: bool
) -> TriMesh[NDArray]:
    """The mesh with what its materials [M] say of the faces that have them; used [F], -1 for none."""
    textures, ids, uv = [], np.full(len(used), -1), mesh.uv
    colours = np.full_like(mesh.vertices, GREY) if mesh.colours is None else mesh.colours
    known = mesh.colours is not None
    for m, material in enumerate(materials):
        here = used == m
        if material.get("texture") and uv is not None and named:
            uv = np.where(here[:, None, None], uv * material["scale"] + material["offset"], uv)
            ids[here & ~untextured] = len(textures)
            textures.append(read_texture(material["texture"]))
        elif "colour" in material and "texture" not in material:
            colours[mesh.faces[here]], known = 2 * material["colour"] - 1, True
    colours = colours if known else None
    return replace(mesh, colours=colours, uv=uv, textures=tuple(textures), texture_ids=ids if textures else None)


def _read_ply(path: Path, named: bool) -> TriMesh[NDArray]:
    """named: read also the textures that its comments name."""
    ply = read_ply(path)
    vertex, face = ply.elements.get("vertex", {}), ply.elements.get("face", {})
    points, colours, uv = (_together(vertex, names) for names in ([("x", "y", "z")], COLOURS, TEXTURE_POINTS))
    if points is None:
        raise ValueError("it has no vertices with x, y and z")
    points, polygons = points.astype(np.float64), _lists(face, "vertex_indices", "vertex_index")
    corners = polygons.values.astype(np.int64)
    if len(corners) and not (corners.min() >= 0 and corners.max() < len(points)):
        raise ValueError(f"a face has a vertex that the file does not have; it has {len(points)}")
    places, polygon = triangulated(points, corners, polygons.sizes)
    faces = corners[places]
    if not face:
        strips = _lists(ply.elements.get("tristrips", {}), "vertex_indices", "vertex_index")
        ends = np.union1d(np.cumsum(strips.sizes), np.flatnonzero(strips.values < 0))  # a negative number ends a strip, too
        parts = [part[part >= 0] for part in np.split(strips.values.astype(np.int64), ends)]
        faces = np.concatenate([strip_triangles(part) for part in parts])
    mesh = TriMesh(points, faces, colours=None if colours is None else _colours(colours))
    if not len(faces):
        normals = _together(vertex, [("nx", "ny", "nz")])
        return replace(mesh, normals=None if normals is None else normals.astype(np.float64))
    if (at_corners := _lists(face, "texcoord")).sizes.any():
        if not np.array_equal(at_corners.sizes, 2 * polygons.sizes):
            raise ValueError("a face has not two numbers of texcoord for each corner")
        mesh = replace(mesh, uv=at_corners.values.reshape(-1, 2)[places].astype(np.float64))
    elif uv is not None:
        mesh = replace(mesh, uv=uv.astype(np.float64)[faces])
    files = [words[1] for c in ply.comments if (words := c.split(None, 1))[:1] == ["TextureFile"] and len(words) > 1]
    if named and files and mesh.uv is not None:
        found = [_beside(path, file) for file in files]
        ids = np.asarray(face["texnumber"])[polygon] if "texnumber" in face else np.zeros(len(faces))
        numbers = np.array([*np.where([f is None for f in found], -1, np.cumsum([f is not None for f in found]) - 1), -1])
        ids = numbers[np.where((ids >= 0) & (ids < len(files)), ids, -1).astype(int)]
        return replace(mesh, texture_ids=ids, textures=tuple(read_texture(f) for f in found if f is not None))
    painted = _together(face, COLOURS)
    if painted is None or mesh.colours is not None or mesh.uv is not None:
        return mesh
    return _with_painted_faces(mesh, to_bytes(_colours(painted)), polygon)


def _read_stl(path: Path) -> TriMesh[NDArray]:
    """Corners at one place become one vertex."""
    data = path.read_bytes()
    count = int.from_bytes(data[80:84], "little")
    if len(data) >= 84 and len(data) >= 84 + 50 * count > 84 and not (data[:5] == b"solid" and b"facet" in data[:1000]):
        rows = np.frombuffer(data, np.dtype([("normal", "<f4", 3), ("corners", "<f4", 9), ("more", "<u2")]), count, 84)
        corners = rows["corners"].reshape(-1, 3).astype(np.float64)
    else:
        words = re.findall(rb"\bvertex\s+(\S+)\s+(\S+)\s+(\S+)", data)
        corners = np.array(words, dtype="S32").astype(np.float64).reshape(-1, 3)
        if not len(corners) or len(corners) % 3:
            raise ValueError(f"it has {len(corners)} corners of triangles, no multiple of 3, or ends before its last triangle")
    vertices, faces = np.unique(corners, axis=0, return_inverse=True)
    faces = faces.reshape(-1, 3)
    return TriMesh(vertices, faces[(faces != np.roll(faces, 1, axis=1)).all(1)])


def _read_xyz(path: Path) -> TriMesh[NDArray]:
    """Points, one in a line: x y z, then a normal, a colour r g b, or both."""
    with path.open(encoding="utf-8-sig") as file:
        lines = [words for line in file if (words := line.split("#")[0].replace(",", " ").replace(";", " ").split())]
    if lines and len(lines[0]) == 1:  # how many there are
        lines = lines[1:]
    if lines and len({len(words) for words in lines}) > 1:
        raise ValueError("its lines have not equally many numbers")
    rows = np.array(lines, np.float64).reshape(len(lines), -1)
    if rows.shape[1] < 3:
        raise ValueError("its lines are not x y z")
    points, more = rows[:, :3], rows[:, 3:]
    unit = more.shape[1] >= 3 and np.allclose(np.linalg.norm(more[:, :3], axis=1), 1, atol=0.01)  # a normal, no colour
    normals, more = (more[:, :3], more[:, 3:]) if unit else (None, more)
    colours = _colours(more[:, :3]) if more.shape[1] >= 3 else None
    return TriMesh(points, np.empty((0, 3), np.int64), normals=normals, colours=colours)


def _together(columns: Mapping[str, NDArray | Lists], choices: Iterable[Sequence[str]]) -> NDArray | None:
    """The columns that have the first of these names, in any case, side by side: [N, names]."""
    known = {name.lower(): column for name, column in columns.items()}
    names = next((names for names in choices if all(name in known for name in names)), None)
    return None if names is None else np.stack([np.asarray(known[name]) for name in names], axis=1)


def _lists(columns: Mapping[str, NDArray | Lists], *names: str) -> Lists:
    found = next((column for name in names if isinstance(column := columns.get(name), Lists)), None)
    return found or Lists(np.empty(0, np.int64), np.empty(0, np.int64))


def _with_painted_faces(mesh: TriMesh[NDArray], colours: NDArray, polygon: NDArray) -> TriMesh[NDArray]:
    """The mesh with the colours [P, 3] of the polygons that its faces are of [F], in a texture with a texel for each."""
    side = math.isqrt(len(colours)) + 1
    texture = np.zeros((side * side, 3), np.uint8)
    texture[: len(colours)] = colours
    rows, columns = np.divmod(polygon, side)
    uv = np.stack([(columns + 0.5) / side, 1 - (rows + 0.5) / side], axis=1)
    ids = np.zeros(len(polygon), np.int64)
    return replace(mesh, uv=np.repeat(uv[:, None], 3, axis=1), texture_ids=ids, textures=(texture.reshape(side, side, 3),))
