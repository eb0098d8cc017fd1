"""Binary glTF 2.0 [gltf 2.0 spec]: one file with a JSON part and one buffer.

The frame of glTF is ours: metres, +y up, the face along +z.  `Gltf` gathers arrays as accessors; whatever else a file needs
(nodes, skins, morph targets) is plain dictionaries that name them by number.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fullhead.core.colour import linear_from_srgb
from fullhead.io.files import written_whole

COMPONENT_TYPES = {"int8": 5120, "uint8": 5121, "int16": 5122, "uint16": 5123, "uint32": 5125, "float32": 5126}
ELEMENT_TYPES = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
VERTICES, INDICES = 34962, 34963  # what a buffer view is for: ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER


@dataclass
class Gltf:
    """The parts of a file in the making; `add` puts an array into the buffer, `save` writes all of it."""

    parts: dict[str, Any] = field(default_factory=dict)
    buffer: bytearray = field(default_factory=bytearray)

    def add(self, array: NDArray[Any], target: int | None = None, *, normalized: bool = False, bounds: bool = False) -> int:
        """The number of a new accessor of `array` [N] or [N, 2..4] or [N, 4, 4] (matrices column by column).

        target: VERTICES or INDICES for what a mesh draws, else None.  normalized: integers stand for [0, 1] or [-1, 1].
        bounds: write min and max, which positions and the times of animations must have.
        """
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        stride = array.itemsize * int(np.prod(array.shape[1:], dtype=int))
        if target == VERTICES and stride % 4:
            raise ValueError(f"attributes of vertices lie on 4 bytes, not {stride}: pad the last axis")
        accessor: dict[str, Any] = {
            "bufferView": self._view(array, target),
            "componentType": COMPONENT_TYPES[array.dtype.name],
            "count": len(array),
            "type": ELEMENT_TYPES[array.shape[1:]],
        }
        if normalized:
            accessor["normalized"] = True
        if bounds:
            rows = array.reshape(len(array), -1)
            accessor |= {"min": rows.min(axis=0).tolist(), "max": rows.max(axis=0).tolist()}
        return self.append("accessors", accessor)

    def add_offsets(self, count: int, rows: NDArray[Any], offsets: dict[str, NDArray[np.float32]]) -> dict[str, int]:
        """A morph target of `count` vertices: accessors by attribute name, of offsets [k, 3] of the vertices `rows` [k].

        They are sparse accessors over zeros, which share the list of rows, where that is smaller.
        """
        if len(rows) == 0:  # a target without any accessor is not allowed, nor is an empty sparse one
            rows, offsets = np.zeros(1, int), {name: np.zeros((1, 3), np.float32) for name in offsets}
        index = rows.astype(np.uint16 if count <= 65535 else np.uint32)
        found = {}
        if index.nbytes + sum(a.nbytes for a in offsets.values()) > 0.9 * 12 * count * len(offsets):
            for name, values in offsets.items():
                dense = np.zeros((count, 3), np.float32)
                dense[rows] = values
                found[name] = self.add(dense, VERTICES, bounds=True)
            return found
        indices = {"bufferView": self._view(index), "componentType": COMPONENT_TYPES[index.dtype.name]}
        for name, values in offsets.items():
            values = np.ascontiguousarray(values, "<f4")
            sparse = {"count": len(rows), "indices": indices, "values": {"bufferView": self._view(values)}}
            low, high = np.minimum(values.min(axis=0), 0), np.maximum(values.max(axis=0), 0)
            accessor = {"componentType": 5126, "count": count, "type": "VEC3", "sparse": sparse}
            found[name] = self.append("accessors", accessor | {"min": low.tolist(), "max": high.tolist()})
        return found

    def add_texture(self, image: bytes, name: str) -> int:
        """The number of a new texture of an encoded image, PNG or JPEG."""
        kind = "image/png" if image[:4] == b"\x89PNG" else "image/jpeg"
        source = self.append(
            "images", {"name": name, "mimeType": kind, "bufferView": self._view(np.frombuffer(image, np.uint8))}
        )
        if "samplers" not in self.parts:  # one for all: smooth, and clamped at the borders
            self.append("samplers", {"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071})
        return self.append("textures", {"sampler": 0, "source": source})

    def _view(self, array: NDArray[Any], target: int | None = None) -> int:
        """The number of a new buffer view of an array's bytes, which end on a multiple of 4."""
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self.buffer), "byteLength": array.nbytes}
        if target is not None:
            view["target"] = target
        self.buffer += array.tobytes() + b"\0" * (-array.nbytes % 4)
        return self.append("bufferViews", view)

    def append(self, kind: str, part: dict[str, Any]) -> int:
        """Append to the list `kind` of the file ("nodes", "meshes", "skins", ...); its number there."""
        self.parts.setdefault(kind, []).append(part)
        return len(self.parts[kind]) - 1

    def save(self, path: str | Path, scene_nodes: list[int]) -> Path:
        """Write the file; `scene_nodes` are the numbers of the nodes at the top."""
        document = {
            "asset": {"version": "2.0", "generator": "fullhead"},
            "scene": 0,
            "scenes": [{"nodes": scene_nodes}],
            **self.parts,
            "buffers": [{"byteLength": len(self.buffer)}],
        }
        text = json.dumps(document, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        chunks = [struct.pack("<I4s", len(text), b"JSON"), text, struct.pack("<I4s", len(self.buffer), b"BIN\0"), self.buffer]
        with written_whole(path) as temporary, temporary.open("wb") as file:
            file.write(struct.pack("<4sII", b"glTF", 2, 12 + sum(map(len, chunks))))
            file.writelines(chunks)
        return Path(path)


def vertex_colours(colours: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """COLOR_0 [V, 4] of sRGB colours [V, 3]: linear, opaque, 16 bits (8 would leave steps in dark hair)."""
    linear = np.round(linear_from_srgb(colours / 255) * 65535)
    return np.concatenate([linear, np.full_like(linear[:, :1], 65535)], axis=-1).astype(np.uint16)


def save_glb(
    path: str | Path, positions: NDArray[np.float32], faces: NDArray[np.int32], normals: NDArray[np.float32],
    colours: NDArray[np.uint8],
) -> Path:  # fmt: skip
    """Write one coloured mesh: positions [V, 3] in metres, faces [F, 3], unit normals [V, 3], colours [V, 3] uint8 sRGB.

    The material is white and dull, so that vertex colours show and lights still model the form.
    """
    gltf = Gltf()
    material = {
        "name": "head",
        "pbrMetallicRoughness": {"baseColorFactor": [1.0, 1.0, 1.0, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.9},
    }
    primitive = {
        "attributes": {
            "POSITION": gltf.add(positions, VERTICES, bounds=True),
            "NORMAL": gltf.add(normals, VERTICES),
            "COLOR_0": gltf.add(vertex_colours(colours), VERTICES, normalized=True),
        },
        "indices": gltf.add(faces.astype(np.uint32).ravel(), INDICES),
        "material": gltf.append("materials", material),
    }
    mesh = gltf.append("meshes", {"name": "head", "primitives": [primitive]})
    return gltf.save(path, [gltf.append("nodes", {"name": "head", "mesh": mesh})])
