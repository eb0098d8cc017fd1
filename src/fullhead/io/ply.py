"""PLY files: read as tables, text or binary of both byte orders; written as coloured triangle meshes, binary."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4", "double": "f8",
    "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4", "float32": "f4", "float64": "f8",
}  # fmt: skip
DOUBLE = np.dtype(np.float64)  # all numbers of a text file, at first


@dataclass(frozen=True)
class Lists:
    """A list of each row."""

    values: NDArray  # of all rows, one after the other
    sizes: NDArray  # [rows]


@dataclass(frozen=True)
class Ply:
    elements: Mapping[str, Mapping[str, NDArray | Lists]]  # by name, then by property: a number or a list of each row
    comments: tuple[str, ...]


@dataclass(frozen=True)
class Property:
    name: str
    kind: np.dtype[Any]
    count: np.dtype[Any] | None  # of a list: the type of its length


def read_ply(path: Path) -> Ply:
    """Raises ValueError, KeyError or IndexError where the file is not sound."""
    data = path.read_bytes()
    first = re.match(rb"ply[ \t]*(\r\n|\n|\r)", data)
    last = first and re.search(rb"[\r\n]end_header[ \t]*" + first[1], data)
    if not last:
        raise ValueError("it does not begin with 'ply', or its header has no end")
    lines = data[: last.start()].decode("utf-8", "replace").splitlines()
    form = next((words[1] for line in lines if (words := line.split())[:1] == ["format"]), "")
    if form not in (orders := {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}):
        raise ValueError(f"its format {form!r} is not known")
    elements: dict[str, tuple[int, list[Property]]] = {}
    for words in map(str.split, lines):
        if words[:1] == ["element"]:
            elements[words[1]] = (int(words[2]), [])
        elif words[:1] == ["property"]:
            *kinds, name = words[1:]
            types = [np.dtype(orders[form] + TYPES[kind]) for kind in kinds if kind != "list"]
            elements[list(elements)[-1]][1].append(Property(name, types[-1], types[0] if kinds[0] == "list" else None))
    body, start, found = np.frombuffer(data, np.uint8)[last.end() :], 0, {}
    if form == "ascii":
        body = np.fromstring(data[last.end() :], np.float64, sep=" ").view(np.uint8)
    for name, (count, properties) in elements.items():
        stored = [replace(p, kind=DOUBLE, count=p.count and DOUBLE) for p in properties] if form == "ascii" else properties
        columns, start = _columns(body, start, count, stored)
        found[name] = {p.name: _as(columns[p.name], p.kind) for p in properties}
    return Ply(found, tuple(line.strip()[8:] for line in lines if line.strip().startswith("comment ")))


def _as(column: NDArray | Lists, kind: np.dtype[Any]) -> NDArray | Lists:
    with np.errstate(invalid="ignore"):
        return Lists(column.values.astype(kind, copy=False), column.sizes) if isinstance(column, Lists) else column.astype(kind)


def _columns(body: NDArray, start: int, count: int, properties: list[Property]) -> tuple[dict[str, NDArray | Lists], int]:
    """The properties of `count` rows from byte `start` of `body` on, and where the last row ends."""
    lists = [p.name for p in properties if p.count is not None]
    least = sum((p.count or p.kind).itemsize for p in properties)
    if not 0 <= count * least <= len(body) - start:
        raise ValueError(f"it ends before its {count} rows of {', '.join(p.name for p in properties)}")
    if not count or not properties:
        return {
            p.name: np.empty(0, p.kind) if p.count is None else Lists(np.empty(0, p.kind), np.empty(0, int)) for p in properties
        }, start
    starts, sizes, end = _rows(body, start, count, properties)
    firsts = np.cumsum(sizes, axis=0) - sizes
    kinds, group = (sizes[:1], np.zeros(1, int)) if (sizes == sizes[0]).all() else np.unique(sizes, axis=0, return_inverse=True)
    numbers = {p.name: np.empty(count if p.count is None else sizes[:, lists.index(p.name)].sum(), p.kind) for p in properties}
    for k, kind in enumerate(kinds):  # rows whose lists are equally long are read together
        chosen = slice(None) if len(kinds) == 1 else np.flatnonzero(group.reshape(-1) == k)
        row = _row_type(properties, kind)
        rows = np.lib.stride_tricks.sliding_window_view(body, row.itemsize)[starts[chosen]].view(row)[:, 0]
        for p in properties:
            place = chosen
            if p.count is not None:
                place = firsts[chosen, lists.index(p.name), None] + np.arange(row[p.name].shape[0])
            numbers[p.name][place] = rows[p.name]
    return {
        name: Lists(values, sizes[:, lists.index(name)]) if name in lists else values for name, values in numbers.items()
    }, end


def _rows(body: NDArray, start: int, count: int, properties: list[Property]) -> tuple[NDArray, NDArray, int]:
    """Where each row begins [count], how long its lists are [count, lists], and where the last row ends."""
    _, sizes, _ = _walked(body, start, 1, properties)
    row = _row_type(properties, sizes[0])
    if start + count * row.itemsize <= len(body):  # are all rows as the first?
        rows = np.ndarray(count, row, body, start)
        if all((rows[f"{p.name} count"] == row[p.name].shape[0]).all() for p in properties if p.count is not None):
            return start + np.arange(count) * row.itemsize, np.repeat(sizes, count, axis=0), start + count * row.itemsize
    return _walked(body, start, count, properties)


def _walked(body: NDArray, at: int, count: int, properties: list[Property]) -> tuple[NDArray, NDArray, int]:
    """`_rows`, row by row."""
    codes = [None if p.count is None else (">" if p.count.byteorder == ">" else "<") + p.count.char for p in properties]
    starts, sizes = np.empty(count, int), np.empty((count, len(codes) - codes.count(None)), int)
    for row in range(count):
        starts[row], column = at, 0
        for p, code in zip(properties, codes, strict=True):
            n = 1
            if p.count is not None and code is not None:
                n = int(struct.unpack_from(code, body.data, at)[0])
                sizes[row, column], column, at = n, column + 1, at + p.count.itemsize
            at += n * p.kind.itemsize
            if not (n >= 0 and at <= len(body)):
                raise ValueError(f"{p.name} of row {row} ends beyond the file")
    return starts, sizes, at


def _row_type(properties: list[Property], sizes: NDArray) -> np.dtype[Any]:
    """Type of a row whose lists have these `sizes`; a list is preceded by a column `<name> count`."""
    kinds, left = list[Any](), iter(sizes.tolist())
    for p in properties:
        kinds += [(p.name, p.kind)] if p.count is None else [(f"{p.name} count", p.count), (p.name, p.kind, (next(left),))]
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
