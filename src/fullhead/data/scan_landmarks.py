"""The 68 landmarks of a scan, from a file that somebody made: lines of numbers, JSON, or points that were picked in MeshLab."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from fullhead.core.errors import FullheadError
from fullhead.io.reading import reading

COUNT = 68
ENDINGS = ("_landmarks.txt", "_landmarks.json", "_landmarks.pp", "_picked_points.pp")  # of files beside a scan
FORMS = "68 lines x y z (nan or nothing where unknown), lines `number x y z`, a JSON list or object of such, or MeshLab's .pp"


def read_landmarks(path: Path) -> NDArray:
    """Landmarks [68, 3] in the scan's own frame; NaN where unknown.

    .txt: 68 lines of three numbers, where an unknown one is nan or an empty line; or lines of four, the first of which says
    which of the 68. .json: a list of 68, null where unknown, or an object by numbers. .pp: 68 points in order, or points whose
    names are numbers. Numbers count from 0; or from 1 if there is a 68 and no 0. Raises FullheadError.
    """
    with reading(path, FORMS):
        if path.suffix.lower() == ".pp":
            return _picked(path)
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".json":
            found = json.loads(text)
            return _numbered(found.items()) if isinstance(found, dict) else _in_order([row or () for row in found], path)
        rows = [line.split("#")[0].replace(",", " ").split() for line in text.splitlines()]
        known = [row for row in rows if row]
        if known and all(len(row) == 4 for row in known):
            return _numbered((row[0], row[1:]) for row in known)
        while len(rows) > COUNT and not rows[-1]:
            rows.pop()
        return _in_order(rows if len(rows) == COUNT else known, path)


def _in_order(rows: Sequence[Sequence[Any]], path: Path) -> NDArray:
    """Landmarks of 68 rows, some of which may be empty."""
    points = np.array([row if len(row) else (np.nan,) * 3 for row in rows], np.float64)
    if points.shape != (COUNT, 3):
        shape = " x ".join(map(str, points.shape))
        raise FullheadError(f"{path} holds {shape} numbers, not 68 x 3: one line x y z each, or lines `number x y z`")
    return points


def _numbered(rows: Iterable[tuple[Any, Any]]) -> NDArray:
    """Landmarks of pairs: which of the 68, and its place or None."""
    pairs = [(int(number), place) for number, place in rows]
    first = int(any(number == COUNT for number, _ in pairs) and not any(number == 0 for number, _ in pairs))
    points = np.full((COUNT, 3), np.nan)
    for number, place in pairs:
        if not 0 <= number - first < COUNT:
            raise ValueError(f"a landmark has the number {number}: they count from 0 to 67, or from 1 to 68")
        points[number - first] = np.nan if place is None else np.array(place, np.float64).reshape(3)
    return points


def _picked(path: Path) -> NDArray:
    """Landmarks of MeshLab's picked points; those that are not active are unknown."""
    points = [
        (point.get("name", ""), [float(point.attrib[axis]) for axis in "xyz"] if point.get("active", "1") != "0" else None)
        for point in ElementTree.parse(path).iter("point")
    ]
    names = [name for name, _ in points]
    if all(name.strip().isdecimal() for name in names) and len(set(names)) == len(names):
        return _numbered(points)
    return _in_order([place or () for _, place in points], path)
