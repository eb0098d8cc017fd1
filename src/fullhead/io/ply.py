"""PLY files: read as tables, text or binary of both byte orders; written as coloured triangle meshes, binary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4", "double": "f8",
    "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4", "float32": "f4", "float64": "f8",
}  # fmt: skip
Column = NDArray | list[NDArray]  # a number of each row, or a list of each row


@dataclass(frozen=True)
class Property:
    name: str
    kind: np.dtype[Any]
    count: np.dtype[Any] | None  # of a list: the type of its length


def read_ply(path: Path) -> dict[str, dict[str, Column]]:
    """Element -> property -> column. Raises ValueError, KeyError or IndexError where the file is not sound."""
    head, _, body = path.read_bytes().partition(b"end_header")
    body = body[body.index(b"\n") + 1 :]
    lines = [line.split() for line in head.decode("ascii", "replace").splitlines()]
    if not lines or lines[0] != ["ply"]:
        raise ValueError("it does not begin with 'ply'")
    form = next(words[1] for words in lines if words[:1] == ["format"])
    order = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}[form]
    elements: dict[str, tuple[int, list[Property]]] = {}
    for words in lines:
        if words[:1] == ["element"]:
            elements[words[1]] = (int(words[2]), [])
        elif words[:1] == ["property"]:
            *kinds, name = words[1:]
            types = [np.dtype(order + TYPES[kind]) for kind in kinds if kind != "list"]
            elements[list(elements)[-1]][1].append(Property(name, types[-1], types[0] if kinds[0] == "list" else None))
    found, start = {}, 0
    words = body.split() if form == "ascii" else []
    for name, (count, properties) in elements.items():
        if form == "ascii":
            found[name], start = _from_text(words, start, count, properties)
        else:
            found[name], start = _from_bytes(body, start, count, properties)
    return found


def _from_text(words: list[bytes], start: int, count: int, properties: list[Property]) -> tuple[dict[str, Column], int]:
    columns: dict[str, list[Any]] = {p.name: [] for p in properties}
    for _ in range(count):
        for p in properties:
            n = 1
            if p.count is not None:
                n, start = int(words[start]), start + 1
            values = [float(word) for word in words[start : start + n]]
            columns[p.name].append(values[0] if p.count is None else np.array(values).astype(p.kind))
            start += n
    return {p.name: np.array(columns[p.name]).astype(p.kind) if p.count is None else columns[p.name] for p in properties}, start


def _from_bytes(body: bytes, start: int, count: int, properties: list[Property]) -> tuple[dict[str, Column], int]:
    """All rows at once if their lists are as long as those of the first row, else one after the other."""
    row = _row_type(body, start, properties) if count else np.dtype([])
    if start + count * row.itemsize <= len(body):
        rows = np.frombuffer(body, row, count, start) if count else np.empty(0, row)
        if all((rows[f"{p.name} count"] == row[p.name].shape[0]).all() for p in properties if p.count is not None and count):
            return {p.name: rows[p.name] for p in properties if count}, start + count * row.itemsize
    columns: dict[str, list[Any]] = {p.name: [] for p in properties}
    for _ in range(count):
        row = _row_type(body, start, properties)
        values = np.frombuffer(body, row, 1, start)[0]
        start += row.itemsize
        for p in properties:
            columns[p.name].append(values[p.name])
    return {p.name: np.array(columns[p.name]) if p.count is None else columns[p.name] for p in properties}, start


def _row_type(body: bytes, start: int, properties: list[Property]) -> np.dtype[Any]:
    """Type of the row at `start`; a list is preceded by a column `<name> count`."""
    kinds: list[Any] = []
    for p in properties:
        if p.count is None:
            kinds.append((p.name, p.kind))
            start += p.kind.itemsize
        else:
            n = int(np.frombuffer(body, p.count, 1, start)[0])
            kinds += [(f"{p.name} count", p.count), (p.name, p.kind, (n,))]
            start += p.count.itemsize + n * p.kind.itemsize
    return np.dtype(kinds)


def ply_bytes(vertices: NDArray, faces: NDArray, normals: NDArray, colours: NDArray, comment: str) -> bytes:
    """Content of a file of vertices [V, 3], faces [F, 3], normals [V, 3] and uint8 sRGB colours [V, 3]."""
    rows = np.zeros(len(vertices), np.dtype([("xyz", "<f4", 3), ("normal", "<f4", 3), ("rgb", "u1", 3)]))
    rows["xyz"], rows["normal"], rows["rgb"] = vertices, normals, colours
    lists = np.zeros(len(faces), np.dtype([("n", "u1"), ("ijk", "<i4", 3)]))
    lists["n"], lists["ijk"] = 3, faces
    header = ["ply", "format binary_little_endian 1.0", f"comment {comment}", f"element vertex {len(rows)}"]
    header += [f"property float {name}" for name in ("x", "y", "z", "nx", "ny", "nz")]
    header += [f"property uchar {name}" for name in ("red", "green", "blue")]
    header += [f"element face {len(lists)}", "property list uchar int vertex_indices", "end_header", ""]
    return "\n".join(header).encode() + rows.tobytes() + lists.tobytes()
