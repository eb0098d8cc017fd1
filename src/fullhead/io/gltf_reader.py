"""Reading glTF: a mesh for each primitive at rest, in the scene's frame and metres."""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from fullhead.core.colour import linear_from_srgb, srgb_from_linear
from fullhead.core.errors import FullheadError, counted
from fullhead.core.polygons import strip_triangles
from fullhead.core.tri_mesh import TriMesh
from fullhead.io.files import existing_file
from fullhead.io.images import read_pixels

COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
TRIANGLES, STRIP, FAN = 4, 5, 6  # modes; the others are points and lines
SPECULAR = "KHR_materials_pbrSpecularGlossiness"
WEBP, TRANSFORM = "EXT_texture_webp", "KHR_texture_transform"
UNDERSTOOD = {WEBP, TRANSFORM, "KHR_mesh_quantization", "KHR_lights_punctual"}  # and all materials: they give their colour
COMPRESSED = ("KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_meshopt_compression")


@dataclass(frozen=True)
class Gltf:
    path: Path
    json: dict[str, Any]
    binary: bytes | None  # of a .glb


def read_gltf(path: Path) -> list[TriMesh[NDArray]]:
    """The primitives of all nodes of the scene, coloured by their vertices times their material, and textured.

    Skins and morph targets stand as the file's nodes and weights put them. Raises ValueError, KeyError or IndexError where the
    file is not sound, FullheadError where it requires an extension that we do not know.
    """
    data, chunks = path.read_bytes(), {}
    if data[:4] == b"glTF":
        start = 12
        while start < len(data):
            length, kind = struct.unpack_from("<I4s", data, start)
            chunks[kind] = data[start + 8 : start + 8 + length]
            start += 8 + length
    elif path.suffix.lower() == ".glb":
        raise ValueError("it does not begin with 'glTF'")
    gltf = Gltf(path, json.loads(chunks.get(b"JSON", data)), chunks.get(b"BIN\0"))
    for name in gltf.json.get("extensionsRequired", []):
        if name in COMPRESSED:
            raise FullheadError(f"{path} is compressed ({name}): export it again without compression")
        if name not in UNDERSTOOD and not name.startswith("KHR_materials_"):
            raise FullheadError(f"{path} requires the glTF extension {name}, which we do not know: export it again without it")
    meshes = _primitives(gltf)
    if any(mesh.colours is not None for mesh in meshes):  # what has no colour is white
        meshes = [mesh if mesh.colours is not None else replace(mesh, colours=np.ones_like(mesh.vertices)) for mesh in meshes]
    return meshes


def _primitives(gltf: Gltf) -> list[TriMesh[NDArray]]:
    places, found = _scene_from_nodes(gltf.json), []
    for number, scene_from_node in places.items():
        node = gltf.json["nodes"][number]
        if "mesh" not in node:
            continue
        mesh, joints = gltf.json["meshes"][node["mesh"]], None
        if "skin" in node:
            skin = gltf.json["skins"][node["skin"]]
            joints = np.array([places[joint] for joint in skin["joints"]])
            if "inverseBindMatrices" in skin:
                joints = joints @ _accessor(gltf, skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        for primitive in mesh["primitives"]:
            if primitive.get("mode", TRIANGLES) in (TRIANGLES, STRIP, FAN):
                weights = node.get("weights", mesh.get("weights", []))
                found.append(_primitive(gltf, primitive, weights, scene_from_node, joints))
    return found


def _scene_from_nodes(gltf: dict[str, Any]) -> dict[int, NDArray]:
    """The matrix [4, 4] of each of the scene's nodes, parents first."""
    scenes, nodes = gltf.get("scenes"), gltf.get("nodes", [])
    roots = scenes[gltf.get("scene", 0)].get("nodes", []) if scenes else range(len(nodes))
    if not scenes:
        roots = sorted(set(roots) - {child for node in nodes for child in node.get("children", [])})
    found, left = dict[int, NDArray](), [(root, np.eye(4)) for root in reversed(roots)]
    while left:
        number, scene_from_parent = left.pop()
        if number in found:
            raise ValueError(f"its node {number} is reached twice: nodes must form a tree, not a cycle")
        found[number] = scene_from_parent @ _matrix(nodes[number])
        left += [(child, found[number]) for child in reversed(nodes[number].get("children", []))]
    return found


def _matrix(node: dict[str, Any]) -> NDArray:
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    result = np.eye(4)
    result[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    result[:3, :3] *= node.get("scale", (1, 1, 1))
    result[:3, 3] = node.get("translation", (0, 0, 0))
    return result


def _primitive(
    gltf: Gltf, primitive: dict[str, Any], weights: list[float], scene_from_node: NDArray, joints: NDArray | None
) -> TriMesh[NDArray]:
    """A primitive in the scene; weights [T] of its morph targets, joints [J, 4, 4] of its skin, which then place it alone."""
    attributes = primitive["attributes"]
    points = _accessor(gltf, attributes["POSITION"])
    targets = primitive.get("targets", [])
    if weights and len(weights) != len(targets):
        raise ValueError(f"it gives {len(weights)} weights for {counted(len(targets), 'morph target')}")
    for weight, target in zip(weights, targets, strict=False):
        if weight and "POSITION" in target:
            points = points + weight * _accessor(gltf, target["POSITION"])
    place = scene_from_node
    if joints is not None and "JOINTS_0" in attributes:
        sets = [n for n in range(len(attributes)) if f"JOINTS_{n}" in attributes]
        numbers, shares = (
            np.hstack([_accessor(gltf, attributes[f"{name}_{n}"]) for n in sets]) for name in ("JOINTS", "WEIGHTS")
        )
        shares = shares / shares.sum(axis=1, keepdims=True)
        place = np.zeros((len(points), 4, 4))
        for number, share in zip(numbers.T.astype(int), shares.T, strict=True):
            place += share[:, None, None] * joints[number]
    vertices = (place[..., :3, :3] @ points[..., None])[..., 0] + place[..., :3, 3]
    faces = _faces(gltf, primitive, len(vertices))
    if np.linalg.det(place.reshape(-1, 4, 4)[0, :3, :3]) < 0:
        faces = faces[:, ::-1]
    mesh = TriMesh(vertices, faces)
    material = gltf.json["materials"][primitive["material"]] if "material" in primitive else {}
    shown, kind = material.get("extensions", {}).get(SPECULAR), "diffuse"
    if shown is None:
        shown, kind = material.get("pbrMetallicRoughness", {}), "baseColor"
    factor = np.array(shown.get(f"{kind}Factor", (1, 1, 1))[:3], np.float64)
    if "COLOR_0" in attributes or f"{kind}Factor" in shown:
        own = _accessor(gltf, attributes["COLOR_0"], colour=True)[:, :3] if "COLOR_0" in attributes else np.ones_like(vertices)
        mesh = replace(mesh, colours=2 * srgb_from_linear(own * factor) - 1)
    if (texture := shown.get(f"{kind}Texture")) is None:
        return mesh
    moved = texture.get("extensions", {}).get(TRANSFORM, {})
    uv = attributes.get(f"TEXCOORD_{moved.get('texCoord', texture.get('texCoord', 0))}")
    if uv is None:
        return mesh
    sine, cosine = np.sin(moved.get("rotation", 0)), np.cos(moved.get("rotation", 0))
    uv = _accessor(gltf, uv) * moved.get("scale", (1, 1)) @ [[cosine, -sine], [sine, cosine]] + moved.get("offset", (0, 0))
    image = _image(gltf, gltf.json["textures"][texture["index"]])
    if (factor != 1).any():
        shades = np.round(255 * srgb_from_linear(linear_from_srgb(np.arange(256) / 255)[:, None] * factor)).astype(np.uint8)
        image = np.stack([shades[image[..., k], k] for k in range(3)], axis=-1)
    uv = (uv * [1, -1] + [0, 1])[faces]  # glTF has (0, 0) at the upper left corner
    return replace(mesh, uv=uv, texture_ids=np.zeros(len(faces), np.int64), textures=(image,))


def _faces(gltf: Gltf, primitive: dict[str, Any], count: int) -> NDArray:
    indices = _accessor(gltf, primitive["indices"])[:, 0].astype(np.int64) if "indices" in primitive else np.arange(count)
    match primitive.get("mode", TRIANGLES):
        case 5:
            return strip_triangles(indices)
        case 6:
            return np.stack([indices[1:-1], indices[2:], np.full(max(len(indices) - 2, 0), indices[0])], axis=1)
    return indices.reshape(-1, 3)


def _accessor(gltf: Gltf, number: int, *, colour: bool = False) -> NDArray:
    """[count, width] float64; normalised integers, which colours always are, in [0, 1] or [-1, 1]."""
    accessor = gltf.json["accessors"][number]
    count, width, kind = accessor["count"], WIDTHS[accessor["type"]], np.dtype(COMPONENTS[accessor["componentType"]])
    sparse = accessor.get("sparse")
    if "bufferView" in accessor:
        rows = _rows(gltf, accessor, count, width, kind)
    elif sparse and count <= gltf.path.stat().st_size:
        rows = np.zeros((count, width), kind)
    else:
        raise ValueError("it has an accessor without data: export it again without compression")
    if sparse:
        rows, changed = rows.copy(), sparse["indices"]
        places = _rows(gltf, changed, sparse["count"], 1, np.dtype(COMPONENTS[changed["componentType"]]))
        rows[places[:, 0]] = _rows(gltf, sparse["values"], sparse["count"], width, kind)
    if kind.kind == "f" or not (colour or accessor.get("normalized")):
        return rows.astype(np.float64)
    return np.maximum(rows / np.iinfo(kind).max, -1)


def _rows(gltf: Gltf, place: dict[str, Any], count: int, width: int, kind: np.dtype[Any]) -> NDArray:
    """Rows [count, width] at the byteOffset of a bufferView."""
    view = gltf.json["bufferViews"][place["bufferView"]]
    stride = view.get("byteStride") or kind.itemsize * width
    if stride < kind.itemsize * width:
        raise ValueError(f"rows of {kind.itemsize * width} bytes stand {stride} bytes apart")
    return np.ndarray((count, width), kind, _view(gltf, view), place.get("byteOffset", 0), (stride, kind.itemsize))


def _view(gltf: Gltf, view: dict[str, Any]) -> memoryview:
    buffer, start = gltf.json["buffers"][view["buffer"]], view.get("byteOffset", 0)
    held = _resource(gltf, buffer["uri"]) if "uri" in buffer else gltf.binary
    if held is None:
        raise ValueError("it lacks its binary part")
    return memoryview(held)[start : start + view["byteLength"]]


def _resource(gltf: Gltf, uri: str) -> bytes:
    """Bytes that stand in a data: address, or in a file beside."""
    if uri.startswith("data:"):
        return base64.b64decode(uri.partition(",")[2])
    return existing_file(gltf.path.parent / unquote(uri), f"the file that {gltf.path.name} names").read_bytes()


def _image(gltf: Gltf, texture: dict[str, Any]) -> NDArray:
    """Pixels [H, W, 3] uint8."""
    source = texture.get("extensions", {}).get(WEBP, texture).get("source")
    if source is None:
        raise ValueError(f"its textures are of a kind that is not known here ({', '.join(texture.get('extensions', {}))})")
    image = gltf.json["images"][source]
    data = _resource(gltf, image["uri"]) if "uri" in image else _view(gltf, gltf.json["bufferViews"][image["bufferView"]])
    return read_pixels(bytes(data), f"a picture in {gltf.path}", profile=False)  # as glTF has it: no profile counts
