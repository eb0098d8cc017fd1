"""How often a surface winds around a point: 1 inside, 0 outside, in between near holes [jacobson13].

Unlike the parity of crossings it needs no closed surface: a head whose neck is open, or whose crown has a hole, still has an
inside, where the number is above a half. Sums over all faces: the reference of `kernels.tree`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def solid_angles(points: NDArray, corners: NDArray) -> NDArray:
    """Signed solid angle [...] of triangles `corners` [..., 3, 3] seen from `points` [..., 3] [oosterom83].

    Positive where the triangle is seen from behind: from inside a surface whose triangles turn counter-clockwise outside.
    """
    a, b, c = np.moveaxis(corners - points[..., None, :], -2, 0)
    la, lb, lc = (np.linalg.norm(v, axis=-1) for v in (a, b, c))
    volume = (a * np.cross(b, c)).sum(-1)
    below = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    return 2 * np.arctan2(volume, below)


def winding_numbers(points: NDArray, corners: NDArray) -> NDArray:
    """Generalised winding number [P] of triangles `corners` [F, 3, 3] about each of `points` [P, 3] [jacobson13 Eq.5]."""
    return np.array([solid_angles(point[None], corners).sum() for point in points]) / (4 * np.pi)
