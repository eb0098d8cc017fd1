"""The 68 landmarks of the iBUG scheme on the template's skin.

Order: 0-16 the jaw from the subject's right ear over the chin (8) to the left ear; 17-21 right brow, 22-26 left brow, from
the right; 27-30 ridge of the nose downwards, 31-35 under it; 36-41 right eye, 42-47 left eye; 48-59 outer lips and 60-67
inner lips, from the right corner over the upper lip. Right and left are the subject's.

They are points of the skin, not of its outline: they stay where they are on the face when the head turns. They are linear in
the template's vertices and follow identity, expression and pose.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fullhead.kernels.tree import mesh_tree
from fullhead.rig.identity import Phenotype, identity
from fullhead.rig.subdivision import catmull_clark, triangles_from_quads
from fullhead.rig.template import Template

EYES_AND_MOUTH = slice(36, 68)
# Where each of the 68 is in the mirror image.
MIRRORED = (
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1), *range(45, 41, -1), 47, 46, *range(39, 35, -1),
    41, 40, *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1),
)  # fmt: skip

# On the average adult, dm; the subject's left half and the middle, in the order of the right half of the scheme.
JAW = (
    (0.674, 7.301, 0.683), (0.665, 7.093, 0.673), (0.634, 6.903, 0.678), (0.581, 6.731, 0.690), (0.530, 6.590, 0.760),
    (0.478, 6.510, 0.910), (0.402, 6.458, 1.080), (0.235, 6.360, 1.270), (0.000, 6.300, 1.340),
)  # fmt: skip
BROW = ((0.575, 7.455, 1.112), (0.470, 7.530, 1.286), (0.345, 7.556, 1.380), (0.220, 7.528, 1.423), (0.115, 7.480, 1.427))
RIDGE = ((0.0, 7.360, 1.413), (0.0, 7.240, 1.448), (0.0, 7.120, 1.528), (0.0, 6.998, 1.595))
UNDER_NOSE = ((0.130, 6.905, 1.432), (0.065, 6.885, 1.477), (0.0, 6.885, 1.497))
EYE = (
    (0.405, 7.342, 1.247), (0.353, 7.388, 1.284), (0.263, 7.386, 1.303), (0.178, 7.326, 1.310), (0.252, 7.301, 1.295),
    (0.340, 7.302, 1.281),
)  # fmt: skip
OUTER_LIPS = (
    (0.225, 6.682, 1.338), (0.135, 6.770, 1.485), (0.055, 6.792, 1.520), (0.0, 6.782, 1.531), (0.0, 6.567, 1.473),
    (0.065, 6.570, 1.465), (0.140, 6.585, 1.438),
)  # fmt: skip
INNER_LIPS = ((0.195, 6.686, 1.395), (0.100, 6.702, 1.466), (0.0, 6.698, 1.483), (0.0, 6.672, 1.486), (0.100, 6.675, 1.462))


def ibug_points() -> NDArray:
    """The landmarks [68, 3] on the average adult, dm."""

    def right(points: tuple[tuple[float, float, float], ...]) -> NDArray:
        return np.array(points) * [-1, 1, 1]

    return np.concatenate([
        right(JAW), JAW[-2::-1],
        right(BROW), BROW[::-1],
        RIDGE, right(UNDER_NOSE), UNDER_NOSE[1::-1],
        right(EYE), (*EYE[3::-1], EYE[5], EYE[4]),
        right(OUTER_LIPS[:4]), OUTER_LIPS[2::-1], OUTER_LIPS[:3:-1], right(OUTER_LIPS[5:]),
        right(INNER_LIPS[:3]), INNER_LIPS[1::-1], INNER_LIPS[:2:-1], right(INNER_LIPS[4:]),
    ])  # fmt: skip


def landmark_weights(template: Template) -> sparse.csr_matrix:
    """Weights [68, N] of the template's vertices, so that `weights @ vertices` are the landmarks of any head."""
    operator, quads = catmull_clark(len(template.vertices), template.part("skin")[0])
    faces = triangles_from_quads(quads)
    average = operator @ template.rig(identity(template, Phenotype(), {})[None]).vertices[0].numpy()
    found, weights, _ = mesh_tree(average, faces).closest(ibug_points())
    on_skin = sparse.csr_matrix((weights.ravel(), (np.repeat(np.arange(68), 3), faces[found].ravel())), (68, len(average)))
    return sparse.csr_matrix(on_skin @ operator)


@dataclass(frozen=True)
class DensePoints:
    """Points all over face, ears, skull and neck, which are vertices of the template, and which is whose mirror image."""

    vertex: NDArray  # [P]
    mirror: NDArray  # [P]


def dense_points() -> DensePoints:
    """The dense points; `tools/dense_points.py` chose them."""
    text = (files("fullhead.rig") / "assets" / "dense_points.json").read_text()
    return DensePoints(**{name: np.array(rows) for name, rows in json.loads(text).items()})
