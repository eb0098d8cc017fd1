"""Reading binary glTF: a mesh for each primitive, in the scene's frame and metres."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fullhead.core.colour import srgb_from_linear
from fullhead.core.tri_mesh import TriMesh

COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
TRIANGLES = 4  # the only mode that is read


def read_glb(path: Path) -> list[TriMesh[NDArray]]:
    """The primitives of all nodes of the scene, coloured by their vertices times their material, and textured.

    Raises ValueError, KeyError or IndexError where the file is not sound.
    """
    data = path.read_bytes()
    if data[:4] != b"glTF":
        raise ValueError("it does not begin with 'glTF'")
    chunks, start = {}, 12
    while start < len(data):
        length, kind = struct.unpack_from("<I4s", data, start)
        chunks[kind] = data[start + 8 : start + 8 + length]
        start += 8 + length
    gltf = json.loads(chunks[b"JSON"])
    roots = gltf["scenes"][gltf.get("scene", 0)].get("nodes", []) if "scenes" in gltf else range(len(gltf["nodes"]))
    return [p for node in roots for p in _of_node(gltf, chunks.get(b"BIN\0", b""), node, np.eye(4))]


def _of_node(gltf: dict[str, Any], binary: bytes, number: int, scene_from_parent: NDArray) -> Iterator[TriMesh[NDArray]]:
    node = gltf["nodes"][number]
    scene_from_node = scene_from_parent @ _matrix(node)
    if "mesh" in node:
        turn = np.eye(4) if "skin" in node else scene_from_node  # a skinned mesh stands where its joints put it
        for primitive in gltf["meshes"][node["mesh"]]["primitives"]:
            if primitive.get("mode", TRIANGLES) == TRIANGLES:
                yield _primitive(gltf, binary, primitive, turn)
    for child in node.get("children", []):
        yield from _of_node(gltf, binary, child, scene_from_node)


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


def _primitive(gltf: dict[str, Any], binary: bytes, primitive: dict[str, Any], scene_from_mesh: NDArray) -> TriMesh[NDArray]:
    attributes = primitive["attributes"]
    points = _accessor(gltf, binary, attributes["POSITION"])
    vertices = points @ scene_from_mesh[:3, :3].T + scene_from_mesh[:3, 3]
    indices = _accessor(gltf, binary, primitive["indices"])[:, 0] if "indices" in primitive else np.arange(len(vertices))
    faces = indices.astype(np.int64).reshape(-1, 3)
    if np.linalg.det(scene_from_mesh[:3, :3]) < 0:
        faces = faces[:, ::-1]
    material = gltf["materials"][primitive["material"]] if "material" in primitive else {}
    shown = material.get("pbrMetallicRoughness", {})
    linear = _accessor(gltf, binary, attributes["COLOR_0"])[:, :3] if "COLOR_0" in attributes else np.ones_like(vertices)
    colours = 2 * srgb_from_linear(linear * shown.get("baseColorFactor", (1, 1, 1, 1))[:3]) - 1
    texture = shown.get("baseColorTexture", {})
    uv = attributes.get(f"TEXCOORD_{texture.get('texCoord', 0)}")
    if not texture or uv is None:
        return TriMesh(vertices, faces, colours=colours)
    uv = (_accessor(gltf, binary, uv) * [1, -1] + [0, 1])[faces]  # glTF has (0, 0) at the upper left corner
    image = _image(gltf, binary, gltf["textures"][texture["index"]]["source"])
    return TriMesh(vertices, faces, colours=colours, uv=uv, texture_ids=np.zeros(len(faces), np.int64), textures=(image,))


def _accessor(gltf: dict[str, Any], binary: bytes, number: int) -> NDArray:
    """[count, width] float64; normalised integers in [0, 1] or [-1, 1]."""
    accessor = gltf["accessors"][number]
    if "sparse" in accessor or "bufferView" not in accessor:
        raise ValueError("sparse accessors are not read")
    view = gltf["bufferViews"][accessor["bufferView"]]
    kind, width = np.dtype(COMPONENTS[accessor["componentType"]]), WIDTHS[accessor["type"]]
    stride = view.get("byteStride", kind.itemsize * width)
    start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    rows = np.ndarray((accessor["count"], width), kind, binary, start, (stride, kind.itemsize))
    return rows / np.iinfo(kind).max if accessor.get("normalized") else rows.astype(np.float64)


def _image(gltf: dict[str, Any], binary: bytes, number: int) -> NDArray:
    image = gltf["images"][number]
    if "bufferView" not in image:
        raise ValueError("its textures are not inside the file")
    view = gltf["bufferViews"][image["bufferView"]]
    start = view.get("byteOffset", 0)
    return np.asarray(Image.open(io.BytesIO(binary[start : start + view["byteLength"]])).convert("RGB"))
