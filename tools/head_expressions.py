"""Expressions of the head asset: the Face Units in ARKit's order, eyelids that follow the gaze, lids that meet in a blink.

All offsets are in decimetres, [N, 3] for the N vertices of the asset; `mesh` is the asset's, by its array names.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fullhead.rig.arkit import ARKIT
from fullhead.rig.template import JOINTS, LOOK, PARTS

SIDES = {"Left": 1, "Right": -1}  # sign of x
OVERLAP = 0.004  # dm by which closed lids overlap


def expressions(mesh: dict[str, NDArray], units: dict[str, NDArray]) -> dict[str, NDArray]:
    """The arrays of head.npz that have to do with expressions, from the offsets of the Face Units."""
    eyes = np.unique(mesh["quads"][mesh["quad_part"] == PARTS.index("eyes")])
    lids = {name: _without(units[name], eyes) for name in units if name.startswith("eyeLook")}
    found = {name: np.zeros_like(units[name]) if name in lids else units[name].copy() for name in ARKIT}
    closures: dict[str, NDArray] = {}
    for side in SIDES:
        moved, edges, weights = _lid_closure(mesh, units[f"eyeBlink{side}"], side)
        blink = found[f"eyeBlink{side}"]
        gap = (mesh["vertices"] + blink)[edges]
        blink[moved] += weights @ gap
        closures |= {f"lid_{side}": moved, f"lid_edges_{side}": edges, f"lid_weights_{side}": weights}
    return {
        "expression": np.array(list(found.values()), np.float16),
        "combination_names": np.array([], "U1"),
        "pose": _lids_by_gaze(lids).astype(np.float16),
        **closures,
    }


def _without(offsets: NDArray, vertices: NDArray) -> NDArray:
    kept = offsets.copy()
    kept[vertices] = 0
    return kept


def _lids_by_gaze(lids: dict[str, NDArray]) -> NDArray:
    """Pose basis [36, N, 3]: each eye's lids as a quadratic curve through looking to one side, ahead, to the other side.

    The features are R - 1: of a turn by a about x, R_zy = sin a and R_yy = cos a; about y, R_xz = sin a and R_xx = cos a.
    """
    basis = np.zeros((len(JOINTS), 3, 3, *lids["eyeLookUpLeft"].shape))
    for side, sign in SIDES.items():
        of_eye = basis[JOINTS.index(f"{side.lower()}_eye")]
        for forth, back, axis, odd, even in (("Down", "Up", 0, (2, 1), (1, 1)), ("Out", "In", 1, (0, 2), (0, 0))):
            angle = np.radians(LOOK[forth][axis])
            a, b = lids[f"eyeLook{forth}{side}"], lids[f"eyeLook{back}{side}"]
            of_eye[odd] = (a - b) / (2 * np.sin(angle)) * (sign if axis == 1 else 1)
            of_eye[even] = (a + b) / (2 * (np.cos(angle) - 1))
    return basis[1:].reshape(-1, *basis.shape[3:])


def _lid_closure(mesh: dict[str, NDArray], blink: NDArray, side: str) -> tuple[NDArray, NDArray, NDArray]:
    """Vertices moved [n], edges [m] and weights [n, m] of the upper lid that follows its own edge to the lower lid's."""
    vertices = mesh["vertices"]
    edges = _lid_edge(mesh, side)
    x, y = vertices[edges, 0] * SIDES[side], vertices[edges, 1]
    inner, outer = x.argmin(), x.argmax()
    chord = y[inner] + (y[outer] - y[inner]) * (x - x[inner]) / (x[outer] - x[inner])
    upper, lower = (np.flatnonzero(part)[np.argsort(x[part])] for part in (y > chord, y <= chord))
    closed = vertices[edges] + blink[edges]
    to_lower = np.zeros((len(edges), len(edges)))  # rows of `upper`: from a closed upper edge to the lower edge there
    to_lower[upper] = _interpolation(closed[upper, 0] * SIDES[side], closed[lower, 0] * SIDES[side], lower, len(edges))
    to_lower[upper, upper] -= 1
    moved = np.flatnonzero(np.linalg.norm(blink, axis=1) > 1e-4)
    above = _interpolation(vertices[moved, 0] * SIDES[side], x[upper], upper, len(edges))
    drop = np.maximum(above @ -blink[edges, 1], 0.02)
    share = np.clip(-blink[moved, 1] / drop, 0, 1)
    return moved.astype(np.int32), edges.astype(np.int32), (share[:, None] * (above @ to_lower)).astype(np.float32)


def _lid_edge(mesh: dict[str, NDArray], side: str) -> NDArray:
    """The vertices where the face's island of the texture meets the eye socket's."""
    skin = mesh["quad_part"] == PARTS.index("skin")
    quads, uv = mesh["quads"][skin], mesh["uv"][mesh["quad_uv"][skin]].mean(1)
    face = (uv[:, 0] > 0.7) & (uv[:, 1] > 0.2) & (uv[:, 1] < 0.8)
    socket = (uv[:, 0] < 0.17) & (uv[:, 1] > 0.5) & (uv[:, 1] < 0.7)
    edge = np.intersect1d(quads[face], quads[socket])
    return edge[mesh["vertices"][edge, 0] * SIDES[side] > 0]


def _interpolation(x: NDArray, places: NDArray, columns: NDArray, count: int) -> NDArray:
    """Weights [len(x), count] that interpolate linearly at x between the ascending `places` of `columns`."""
    order = np.argsort(places)
    places, columns = places[order], columns[order]
    right = np.clip(np.searchsorted(places, x), 1, len(places) - 1)
    t = np.clip((x - places[right - 1]) / np.maximum(places[right] - places[right - 1], 1e-9), 0, 1)
    weights = np.zeros((len(x), count))
    rows = np.arange(len(x))
    weights[rows, columns[right - 1]] = 1 - t
    weights[rows, columns[right]] = t
    return weights
