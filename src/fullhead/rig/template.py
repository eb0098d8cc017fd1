"""The CC0 head-and-shoulders template: its mesh and its rig of raw targets.

Frame: decimetres, +y up, the face looks along +z, the subject's left is +x; y = 0 lies at the hips, the eyes of the average
adult at about y = 7.4. The data are cut out of MakeHuman's (CC0); `rig/assets/head.json` names source and licence.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import torch
from numpy.typing import NDArray

from fullhead.rig.arkit import ARKIT
from fullhead.rig.rig import ContactCorrective, Rig
from fullhead.rig.subdivision import triangles_from_quads

JOINTS = ("root", "neck", "jaw", "left_eye", "right_eye")  # FLAME's, in its order
ROOT, NECK, JAW, LEFT_EYE, RIGHT_EYE = range(5)
JOINT_PARENTS = (-1, ROOT, NECK, NECK, NECK)
PARTS = ("skin", "eyes", "teeth", "tongue", "lashes")  # numbers in `quad_part`
LOOK = {"Down": (22.0, 0.0), "Up": (-22.0, 0.0), "Out": (0.0, 30.0), "In": (0.0, -30.0)}  # degrees about x, and outwards


@dataclass(frozen=True)
class Template:
    """The mesh of N vertices in F quads, and the rig that moves it."""

    quads: NDArray  # [F, 4]
    uv: NDArray  # [T, 2]
    quad_uv: NDArray  # [F, 4], rows of uv
    quad_part: NDArray  # [F], index in PARTS
    rig: Rig  # shape: 96 corners of the phenotype, then 348 local targets (see rig.identity); expression: ARKIT
    main_shapes: NDArray  # [101, 444], mean and principal components of people's shape coefficients

    @property
    def vertices(self) -> NDArray:
        """[N, 3] float32, decimetres; of nobody: people are this plus their shape."""
        return self.rig.template.numpy()

    def part(self, name: str) -> tuple[NDArray, NDArray]:
        """Quads [F', 4] and their texture quads [F', 4] of one of PARTS."""
        chosen = self.quad_part == PARTS.index(name)
        return self.quads[chosen], self.quad_uv[chosen]


def load_template() -> Template:
    """Read the template that ships with the package (some 0.2 s)."""
    with (files("fullhead.rig") / "assets" / "head.npz").open("rb") as file:
        return template_from_arrays(dict(np.load(file)))


def template_from_arrays(data: dict[str, NDArray]) -> Template:
    """The template of the arrays of head.npz."""

    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(data[name].astype(np.float32))

    names = [str(name) for name in data["combination_names"]]  # expressions joined by +
    combinations = tuple(tuple(ARKIT.index(part) for part in name.split("+")) for name in names)
    rig = Rig(
        template=tensor("vertices"),
        faces=torch.from_numpy(triangles_from_quads(data["quads"]).astype(np.int64)),
        shape_basis=tensor("shape"),
        expression_basis=tensor("expression"),
        pose_basis=tensor("pose"),
        skin_weights=tensor("skin_weights"),
        rest_joints=tensor("joints"),
        joint_shape_basis=tensor("joint_shape"),
        joint_expression_basis=torch.zeros(len(ARKIT) + len(names), len(JOINTS), 3),
        expression_pose=gaze(),
        parents=JOINT_PARENTS,
        joint_names=JOINTS,
        shape_names=tuple(map(str, data["shape_names"])),
        expression_names=ARKIT,
        combinations=combinations,
        contacts=tuple(
            ContactCorrective(
                expression=ARKIT.index(f"eyeBlink{side}"),
                moved=torch.from_numpy(data[f"lid_{side}"].astype(np.int64)),
                edges=torch.from_numpy(edges := data[f"lid_edges_{side}"].astype(np.int64)),
                rest=tensor("vertices")[edges],
                weights=tensor(f"lid_weights_{side}"),
            )
            for side in ("Left", "Right")
        ),
        metres=0.1,
    )
    main_shapes = data["main_shapes"].astype(np.float32)
    return Template(data["quads"], data["uv"], data["quad_uv"], data["quad_part"], rig, main_shapes)


def gaze() -> torch.Tensor:
    """[52, 5, 3] axis-angle radians that the eyeLook... expressions turn the eyes by."""
    pose = torch.zeros(len(ARKIT), len(JOINTS), 3)
    for side, joint, outwards in (("Left", LEFT_EYE, 1), ("Right", RIGHT_EYE, -1)):
        for word, (about_x, out) in LOOK.items():
            pose[ARKIT.index(f"eyeLook{word}{side}"), joint] = torch.deg2rad(torch.tensor([about_x, outwards * out, 0.0]))
    return pose
