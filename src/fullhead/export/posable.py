"""A posable head as arrays: layers of meshes on one skeleton, with skin weights, morph targets and materials.

`rigged_person` makes one of a procedural person, `rigged_ganhead` one of a GANHead; `rigged_files` writes them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_OFFSET = 4e-5  # metres: what moves less under an expression stays where it is
LEAST_TURN = 0.03  # length of a normal's offset that counts


@dataclass(frozen=True)
class Material:
    """How a layer looks. Pictures are uint8 [h, w, 3 or 4], row 0 at v = 1."""

    colour: NDArray | None  # sRGB; with alpha, which cuts out where it is below one half; None: white
    roughness: float = 1.0
    surface: NDArray | None = None  # occlusion, factor of the roughness, and 0
    normal_map: NDArray | None = None  # normals in the frames of the layer's tangents, (n + 1) / 2
    gloss: float = 1.0  # factor of what the surface mirrors, 4 % at right angles
    clearcoat: float = 0.0  # strength of a clear, smooth layer: the cornea's
    alpha: float = 1.0  # below 1: glass
    both_sides: bool = False

    @property
    def cut_out(self) -> bool:
        """Whether the picture's alpha takes parts of the layer away."""
        return self.colour is not None and self.colour.shape[2] == 4


@dataclass(frozen=True)
class Target:
    """How some vertices of a layer move at full weight."""

    rows: NDArray  # [k]
    offsets: NDArray  # [k, 3] metres
    normal_offsets: NDArray  # [k, 3]

    @staticmethod
    def of(offsets: NDArray, turns: NDArray, least: NDArray | float = LEAST_OFFSET) -> Target:
        """What all vertices do, offsets [V, 3] metres and turns [V, 3] of normals, as far as it counts: `least` [V] metres."""
        rows = np.flatnonzero((np.abs(offsets).max(1) > least) | (np.abs(turns).max(1) > LEAST_TURN))
        return Target(rows, offsets[rows].astype(np.float32), turns[rows].astype(np.float32))


@dataclass(frozen=True)
class Layer:
    """One mesh of one material."""

    name: str
    vertices: NDArray  # [V, 3] metres
    normals: NDArray  # [V, 3]
    uv: NDArray | None  # [V, 2], v up; None: the material has no picture
    light: NDArray  # [V, 3], linear factor of the material's colour
    faces: NDArray  # [F, 3]
    weights: NDArray  # [V, J] of the joints, rows sum to 1
    targets: dict[str, Target]  # by names of expressions; those that move something here
    material: Material
    tangents: NDArray | None = None  # [V, 3], where the material has a normal map: along u; normal x tangent runs along v


@dataclass(frozen=True)
class RiggedHead:
    """Metres, +y up, the face along +z, the eyes' midpoint where pictures of the same head have it."""

    layers: tuple[Layer, ...]  # the first has all expressions
    joints: NDArray  # [J, 3] at rest, in the order of rig.template.JOINTS
    parents: tuple[int, ...]  # [J], -1 for the root
    expressions: tuple[str, ...]
    metres_per_unit: float  # of the world of the head's pictures
