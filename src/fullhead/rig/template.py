"""The CC0 head-and-shoulders template: neutral vertices, their linear targets, skin weights and joints.

Frame of the template: decimetres, +y up, the face looks along +z, the subject's left is +x; y = 0 lies at the hips, the
eyes at about y = 7.3. The data are cut out of MakeHuman's (CC0); `rig/assets/head.json` names source and licence.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

JOINTS = ("root", "neck", "jaw", "left_eye", "right_eye")  # FLAME's, in its order
ROOT, NECK, JAW, LEFT_EYE, RIGHT_EYE = range(5)
JOINT_PARENTS = (-1, ROOT, NECK, NECK, NECK)
PARTS = ("skin", "eyes", "teeth", "tongue", "lashes", "clothes")  # numbers in `quad_part`


@dataclass(frozen=True)
class Template:
    """The mesh and its linear targets. N vertices, F quads, decimetres."""

    vertices: NDArray  # [N, 3] float32
    quads: NDArray  # [F, 4]
    uv: NDArray  # [T, 2]
    quad_uv: NDArray  # [F, 4], rows of uv
    quad_part: NDArray  # [F], index in PARTS
    skin_weights: NDArray  # [N, 5], of JOINTS, rows sum to 1
    joint_regressor: NDArray  # [5, N], joints from vertices; rows sum to 1
    macro_names: tuple[str, ...]
    macro: NDArray  # [96, N, 3] float16, offsets of phenotype corners
    shape_names: tuple[str, ...]
    shape: NDArray  # [348, N, 3] float16, offsets of local targets
    expression_names: tuple[str, ...]
    expression: NDArray  # [52, N, 3] float16, offsets of ARKit blendshapes

    def part(self, name: str) -> tuple[NDArray, NDArray]:
        """Quads [F', 4] and their texture quads [F', 4] of one of PARTS."""
        chosen = self.quad_part == PARTS.index(name)
        return self.quads[chosen], self.quad_uv[chosen]


def load_template() -> Template:
    """Read the template that ships with the package (some 0.2 s)."""
    with (files("fullhead.rig") / "assets" / "head.npz").open("rb") as file:
        data = dict(np.load(file))
    return Template(
        vertices=data["V0"],
        quads=data["F"],
        uv=data["VT"],
        quad_uv=data["FT"],
        quad_part=data["fp"],
        skin_weights=data["W"],
        joint_regressor=data["J"],
        macro_names=tuple(map(str, data["macro_names"])),
        macro=data["macro"],
        shape_names=tuple(map(str, data["loc_names"])),
        shape=data["loc"],
        expression_names=tuple(map(str, data["expr_names"])),
        expression=data["expr"],
    )
