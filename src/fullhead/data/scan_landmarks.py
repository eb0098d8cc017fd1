"""The 68 landmarks of a scan: from a file, or from what a detector finds in a picture of its front.

No detector comes with the package: the weights of those that find 68 points are not ours to ship. Anything that takes a
picture and gives 68 points will do.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from fullhead.core.colour import to_bytes
from fullhead.core.errors import FullheadError, in_words
from fullhead.core.meshes import area_vectors
from fullhead.core.tri_mesh import TriMesh
from fullhead.io.reading import reading
from fullhead.kernels.raster import orthographic

COUNT = 68
PICTURE = 512  # pixels of a side
FILL = 0.9  # of the picture that the scan's largest side fills

Detector = Callable[[NDArray], NDArray]
"""A picture [H, W, 3] uint8 sRGB -> 68 points [68, 2], column and row in pixels, or NaN; an empty array: no face."""


def read_landmarks(path: Path) -> NDArray:
    """Landmarks [68, 3] in the scan's own frame: 68 lines of three numbers, or a JSON list of such; nan where unknown."""
    with reading(path, "68 lines x y z, or a JSON list of such"):
        text = path.read_text()
        rows = json.loads(text) if path.suffix == ".json" else [line.replace(",", " ").split() for line in text.splitlines()]
        points = np.array([row for row in rows if len(row)], np.float64)
    if points.shape != (COUNT, 3):
        raise FullheadError(f"{path} holds {' x '.join(map(str, points.shape))} numbers, not 68 x 3: one line x y z each")
    return points


def load_detector(name: str) -> Detector:
    """The function that `module:function` names, such as `my_dlib:find`; the module, which may lie in the current folder, is
    imported."""
    module, _, function = name.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    try:
        found = getattr(import_module(module), function)
    except Exception as error:  # whatever a user's module raises
        raise FullheadError(
            f"--detector {name}: {in_words(error)}; give module:function of a module that Python finds"
        ) from error
    if not callable(found):
        raise FullheadError(f"--detector {name}: {function} is no function")
    return cast("Detector", found)


def detected_landmarks(mesh: TriMesh[NDArray], detect: Detector) -> NDArray:
    """Landmarks [68, 3] on an upright scan that looks along +z: found in a picture of its front, lifted by its depth."""
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    scale = 2 * FILL / (high - low).max()
    face, weights, _ = orthographic((mesh.vertices - (low + high) / 2) * scale, mesh.faces, PICTURE)
    seen = face >= 0
    picture = np.full((PICTURE, PICTURE, 3), 255, np.uint8)
    picture[seen] = to_bytes(mesh.colours_at(face[seen], weights[seen]))
    found = np.asarray(detect(picture), np.float64)
    if found.shape != (COUNT, 2):
        raise FullheadError(
            f"the detector gave {list(found.shape)} numbers, not [68, 2]: no face seen? Turn it to the front: --axes"
        )
    places = np.full((PICTURE, PICTURE, 3), np.nan)
    seen &= area_vectors(mesh.vertices, mesh.faces)[face, 2] > 0  # what shows its back lies behind a hole
    corners = mesh.vertices[mesh.faces[face[seen]]]
    places[seen] = (corners * weights[seen][..., None]).sum(1)
    known = np.isfinite(found).all(axis=1, keepdims=True)
    column, row = np.floor(np.where(known, found, 0)).astype(int).clip(0, PICTURE - 1).T
    return np.where(known, places[row, column], np.nan)
