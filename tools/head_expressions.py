"""Expressions of the head asset: the Face Units in ARKit's order, made even, clearer and fit to act together.

All offsets are in decimetres, [N, 3] for the N vertices of the asset; `mesh` is the asset's, by its array names.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph
from scipy.spatial import KDTree

from fullhead.core.meshes import vertex_normals
from fullhead.rig.arkit import ARKIT
from fullhead.rig.subdivision import triangles_from_quads
from fullhead.rig.template import JOINTS, LOOK, PARTS

Mesh = dict[str, NDArray]
Offsets = dict[str, NDArray]

SIDES = {"Left": 1, "Right": -1}  # sign of x
OVERLAP = 0.004  # dm by which the upper lid closes over the lower one in its middle
YIELD = 0.02  # dm by which the lower lid gives way there
EDGE_WIDTH = 0.03  # dm from the upper lid's edge where it is told by the lower lid rather than by the eyeball
LID_THICKNESS = 0.05  # dm over the eyeball up to which skin counts as lid
CORNEA = 0.02  # dm of room for the cornea under a closed lid
LASH_DROOP = 0.6  # of their length by which the tips of the upper lashes sink in a blink
LASHES_SINK, LASHES_LEAVE = 0.027, 0.018  # dm by which all lower lashes sink and all upper ones come forward
LIPS_CLOSE, LIPS_WIDTH = 0.009, 0.06  # dm by which each lip moves, and of skin about the lips' edges that goes with them
CHEEK, CHEEK_RADIUS, CHEEK_RISE = (0.47, 6.64, 1.08), 0.16, 0.075  # dm: centre, reach and height of a puffed cheek
GUM = 6.56  # dm, height below which the lower teeth are gum
LIFT = 1.0  # of eyeWide's upper lid that goes with looking up
TONGUE_JAW = 0.5  # of jawOpen that lets the tongue out
# Face Units that hardly show, made stronger; what a side of another adds to them.
STRENGTH = {
    "noseSneer": 1.8,
    "cheekPuff": 1.5,
    "cheekSquint": 1.8,
    "browInnerUp": 1.5,
    "mouthDimple": 1.3,
    "mouthLowerDown": 1.2,
}
PRESS = {"mouthRollLower": 0.4, "mouthRollUpper": 0.4}
CLOSED = {"mouthRollLower": 0.3, "mouthRollUpper": 0.3}  # mouthClose of a closed mouth
# What pairs have too much of (below 0) or lack; {} stands for a side.
COMBINATIONS: dict[str, dict[str, float]] = {
    "mouthFunnel+mouthPucker": {"mouthPucker": -0.7},
    "mouthSmile{}+mouthPucker": {"mouthSmile{}": -0.6},
    "mouthSmile{}+mouthFunnel": {"mouthSmile{}": -0.6},
    "mouthSmile{}+mouthStretch{}": {"mouthStretch{}": -0.7},
    "mouthSmile{}+mouthDimple{}": {"mouthDimple{}": -0.6},
    "mouthSmile{}+mouthPress{}": {"mouthPress{}": -0.5},
    "mouthStretch{}+mouthDimple{}": {"mouthDimple{}": -0.5},
    "mouth{}+mouthSmile{}": {"mouthSmile{}": -0.5},
    "mouthLeft+mouthRight": {"mouthLeft": -1.0, "mouthRight": -1.0},
    "cheekPuff+mouthSmile{}": {"cheekPuff{}": -0.6},
    "cheekPuff+mouthPucker": {"mouthPucker": -0.5},
    "cheekPuff+jawOpen": {"cheekPuff": -0.5},
}


def expressions(mesh: Mesh, units: Offsets) -> dict[str, NDArray]:
    """The arrays of head.npz that have to do with expressions, from the offsets of the Face Units."""
    units = _even(mesh, units)
    lips, lids = _edge(mesh, *MOUTH_ISLAND), _edge(mesh, *SOCKET_ISLAND)
    off_lids = _away(mesh, lids)
    units = {name: offsets * (1 + (STRENGTH.get(_bare(name), 1) - 1) * off_lids) for name, offsets in units.items()}
    units["cheekPuff"] = _smoothed(mesh, units["cheekPuff"], lips, 16) + _cheeks(mesh)
    units["mouthClose"] = _smoothed(mesh, units["mouthClose"] + units["jawOpen"], lips, 40) - units["jawOpen"]
    for side, sign in SIDES.items():
        half = _half(mesh, sign)
        units[f"mouthSmile{side}"] = _smoothed(mesh, units[f"mouthSmile{side}"], lips, 16)  # else the cheek folds over itself
        units[f"cheekSquint{side}"] *= 0.5 + 0.5 * off_lids  # the lids are eyeSquint's
        units[f"cheekSquint{side}"] = _smoothed(mesh, units[f"cheekSquint{side}"], lids, 8)
        units[f"mouthPress{side}"] += half * sum(share * units[name] for name, share in PRESS.items())
        units[f"cheekPuff{side}"] = half * units["cheekPuff"]
        wide = units[f"eyeWide{side}"]
        units[f"eyeLookUp{side}"] += LIFT * wide * (wide[:, 1:2] > 0)
    rows = {name: units[name] for name in ARKIT}
    combinations = _combinations(units)
    pressed = sum(share * units[name] for name, share in CLOSED.items())
    rows["mouthClose"], combinations["mouthClose+jawOpen"] = pressed, units["mouthClose"] - pressed
    open_jaw = TONGUE_JAW * units["jawOpen"]
    rows["tongueOut"], combinations["tongueOut+jawOpen"] = units["tongueOut"] + open_jaw, -open_jaw
    combinations["tongueOut+jawOpen+mouthClose"] = -units["tongueOut"]
    for name in [name for name in ARKIT if name.startswith(("eye", "cheekSquint"))]:
        rows[name] = units[name] = _over_the_eye(mesh, units[name])
    eyes = _part(mesh, "eyes")
    by_gaze = {name: _without(units[name], eyes) for name in units if name.startswith("eyeLook")}
    closures: dict[str, NDArray] = {}
    for side in SIDES:
        rows[f"eyeBlink{side}"], found = _blink(mesh, units[f"eyeBlink{side}"], side)
        closures |= found
    rows |= {name: np.zeros_like(offsets) for name, offsets in by_gaze.items()}  # the pose basis moves them
    return {
        "expression": np.array([*rows.values(), *combinations.values()], np.float16),
        "combination_names": np.array(list(combinations)),
        "pose": _lids_by_gaze(by_gaze).astype(np.float16),
        **closures,
    }


def sealed_lips(mesh: Mesh) -> NDArray:
    """The vertices with the lips brought together, which stand half a millimetre apart."""
    vertices, links = mesh["vertices"], _links(mesh)
    edge = _edge(mesh, *MOUTH_ISLAND)
    corners = edge[[vertices[edge, 0].argmin(), vertices[edge, 0].argmax()]]
    inner = np.setdiff1d(edge, corners)
    piece = csgraph.connected_components(links[inner][:, inner])[1]
    one, other = (inner[piece == k] for k in (0, 1))
    upper, lower = (one, other) if vertices[one, 1].mean() > vertices[other, 1].mean() else (other, one)
    rows, columns = links.nonzero()
    lengths = sparse.csr_matrix((np.linalg.norm(vertices[rows] - vertices[columns], axis=1), (rows, columns)), links.shape)
    above, below = (csgraph.dijkstra(lengths, indices=chain, min_only=True, limit=0.3) for chain in (upper, lower))
    near = np.minimum(above, below)
    towards = np.where(above < below, -1, np.where(below < above, 1, 0))
    inside = np.clip((np.ptp(vertices[corners, 0]) / 2 - np.abs(vertices[:, 0])) / 0.02, 0, 1)
    moved = np.zeros_like(vertices)
    moved[:, 1] = LIPS_CLOSE * towards * inside * np.exp(-((near / LIPS_WIDTH) ** 2))
    return vertices + moved


def tucked_gums(mesh: Mesh) -> NDArray:
    """The vertices with the lower teeth's gums drawn in, which an open, smiling mouth would press through the chin."""
    vertices = mesh["vertices"].copy()
    teeth = _part(mesh, "teeth")
    below = np.clip((GUM - vertices[teeth, 1]) / 0.1, 0, 1)
    vertices[teeth, 0] *= 1 - 0.2 * below
    vertices[teeth, 2] -= 0.06 * below
    return vertices


def _part(mesh: Mesh, name: str) -> NDArray:
    """The vertices of one of PARTS."""
    return np.unique(mesh["quads"][mesh["quad_part"] == PARTS.index(name)])


def _bare(name: str) -> str:
    return name.removesuffix("Left").removesuffix("Right")


def _even(mesh: Mesh, units: Offsets) -> Offsets:
    """Each expression averaged with the mirror image of its opposite; the mesh is symmetric."""
    flip = np.array([-1, 1, 1])
    mirror = np.zeros(len(mesh["vertices"]), int)
    for part in range(len(PARTS)):
        own = np.unique(mesh["quads"][mesh["quad_part"] == part])
        mirror[own] = own[KDTree(mesh["vertices"][own]).query(mesh["vertices"][own] * flip)[1]]
    swap = {name: name for name in units}
    for one, other in (("Left", "Right"), ("Right", "Left")):
        swap |= {name: name.removesuffix(one) + other for name in units if name.endswith(one)}
    return {name: (units[name] + units[swap[name]][mirror] * flip) / 2 for name in units}


def _half(mesh: Mesh, sign: int) -> NDArray:
    """[N, 1]: 1 on one side of the face, 0 on the other, smooth between; both sides sum to 1."""
    t = np.clip(0.5 + sign * mesh["vertices"][:, :1] / 0.3, 0, 1)
    return t * t * (3 - 2 * t)


def _away(mesh: Mesh, edge: NDArray) -> NDArray:
    """[N, 1]: 0 within 6 mm of some vertices, 1 from 21 mm on."""
    distance = KDTree(mesh["vertices"][edge]).query(mesh["vertices"])[0][:, None]
    return np.clip((distance - 0.06) / 0.15, 0, 1)


def _cheeks(mesh: Mesh) -> NDArray:
    """Offsets of both cheeks outwards, as air in the mouth pushes them."""
    vertices = mesh["vertices"]
    face = np.unique(_island(mesh, *FACE_ISLAND))
    quads = mesh["quads"][mesh["quad_part"] == PARTS.index("skin")]
    normals = vertex_normals(vertices, triangles_from_quads(quads))
    found = np.zeros_like(vertices)
    for sign in SIDES.values():
        apart = (vertices[face] - np.array(CHEEK) * [sign, 1, 1]) / CHEEK_RADIUS
        found[face] += CHEEK_RISE * np.exp(-0.5 * (apart**2).sum(1, keepdims=True)) * normals[face]
    return found


def _links(mesh: Mesh) -> sparse.csr_matrix:
    """[N, N], 1 where two vertices of the skin share a side of a quad."""
    quads = mesh["quads"][mesh["quad_part"] == PARTS.index("skin")]
    pairs = np.concatenate([quads[:, [i, (i + 1) % 4]] for i in range(4)])
    links = sparse.coo_matrix((np.ones(len(pairs)), pairs.T), (len(mesh["vertices"]),) * 2).tocsr()
    return ((links + links.T) > 0).astype(float)


def _smoothed(mesh: Mesh, offsets: NDArray, edge: NDArray, times: int) -> NDArray:
    """Offsets of the skin averaged with their neighbours', less so near some vertices, not at them."""
    links = _links(mesh)
    mean = sparse.diags(1 / np.maximum(np.asarray(links.sum(1)).ravel(), 1)) @ links
    share = _away(mesh, edge) * (np.diff(links.indptr) > 0)[:, None]
    for _ in range(times):
        offsets = offsets + 0.5 * share * (mean @ offsets - offsets)
    return offsets


def _combinations(units: Offsets) -> Offsets:
    """Offsets of COMBINATIONS by name, sides filled in."""
    found: Offsets = {}
    for name, parts in COMBINATIONS.items():
        for side in SIDES if "{}" in name else ("",):
            found[name.replace("{}", side)] = sum(
                (factor * units[part.replace("{}", side)] for part, factor in parts.items()), np.zeros(1)
            )
    return found


def _without(offsets: NDArray, vertices: NDArray) -> NDArray:
    kept = offsets.copy()
    kept[vertices] = 0
    return kept


def _lids_by_gaze(lids: Offsets) -> NDArray:
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


def _over_the_eye(mesh: Mesh, offsets: NDArray, clearance: float = 0.0) -> NDArray:
    """Offsets whose lids slide over the eyeballs: no nearer than they were, and than `clearance` dm over the eyeball."""
    vertices, found = mesh["vertices"], offsets.copy()
    eyes = _part(mesh, "eyes")
    face = np.union1d(_island(mesh, *FACE_ISLAND), _part(mesh, "lashes"))
    for sign in SIDES.values():
        eye = vertices[eyes[vertices[eyes, 0] * sign > 0]]
        centre = (eye.min(0) + eye.max(0)) / 2
        radius = np.linalg.norm(eye - centre, axis=1).mean()
        before = np.linalg.norm(vertices[face] - centre, axis=1)
        near = face[(before < 1.6 * radius) & (np.linalg.norm(offsets[face], axis=1) > 1e-4)]
        ray = (vertices + offsets)[near] - centre
        distance = np.linalg.norm(ray, axis=1)
        least = np.minimum(np.linalg.norm(vertices[near] - centre, axis=1), radius + LID_THICKNESS)
        found[near] += ray * (np.maximum(np.maximum(least, radius + clearance) / distance, 1) - 1)[:, None]
    return found


def _blink(mesh: Mesh, blink: NDArray, side: str) -> tuple[NDArray, dict[str, NDArray]]:
    """A blink that meets the lower lid and clears the eyeball, and how it follows other faces (rig.ContactCorrective).

    Closed, the upper lid's edge lies on the lower lid's, and the rest of it on the eyeball: each of the vertices `moved` [n]
    leaves its own offset by its share of the way down for those of the lower edge and of the eyeball under it.
    """
    vertices, sign = mesh["vertices"], SIDES[side]
    edges, eye = _edge(mesh, *SOCKET_ISLAND), _part(mesh, "eyes")
    edges, eye = (own[vertices[own, 0] * sign > 0] for own in (edges, eye))
    x, y = vertices[edges, 0] * sign, vertices[edges, 1]
    inner, outer = x.argmin(), x.argmax()
    chord = y[inner] + (y[outer] - y[inner]) * (x - x[inner]) / (x[outer] - x[inner])
    upper, lower = edges[y > chord], edges[y <= chord]
    moved = np.flatnonzero(np.linalg.norm(blink, axis=1) > 1e-4)
    count = len(vertices)
    x = vertices[:, 0] * sign
    above = _interpolation(x[moved], x[upper], upper, count)
    on_upper = np.isin(np.arange(count), moved[-blink[moved, 1] > 0.01])
    share = np.clip(-blink[moved, 1] / np.maximum(above @ -blink[:, 1], 0.02), 0, 1)[:, None]
    along = np.clip((x - x[edges[inner]]) / np.ptp(x[edges]), 0, 1)
    middle = 4 * along * (1 - along)
    blink = blink.copy()
    blink[:, 1] -= YIELD * middle * np.exp(-((KDTree(vertices[lower]).query(vertices)[0] / LID_THICKNESS) ** 2)) * ~on_upper
    closed = vertices + blink
    onto_edge = _interpolation(above @ closed[:, 0] * sign, closed[lower, 0] * sign, lower, count)
    onto_eye = _nearest(closed[moved], eye, vertices, count)
    near_edge = np.exp(-((KDTree(closed[upper]).query(closed[moved])[0][:, None] / EDGE_WIDTH) ** 2))
    lashes = _part(mesh, "lashes")
    blink[np.setdiff1d(lashes[vertices[lashes, 0] * sign > 0], moved[-blink[moved, 1] > 0.01]), 1] -= LASHES_SINK
    lashes = np.isin(moved, lashes) & (-blink[moved, 1] > 0.01)
    near_edge[lashes] = 1  # they hang on it
    blink[moved, 2] += LASHES_LEAVE * lashes
    length = np.maximum(KDTree(vertices[upper]).query(vertices[moved])[0] - 0.02, 0)
    blink[moved, 1] -= LASH_DROOP * lashes * length * share[:, 0] + OVERLAP * share[:, 0] * middle[moved]
    blink[moved] += share * ((onto_edge - above) @ closed)
    blink = _over_the_eye(mesh, blink, CORNEA)
    weights = near_edge * onto_edge + (1 - near_edge) * onto_eye
    weights[np.arange(len(moved)), moved] -= 1
    weights *= share
    used = np.flatnonzero(np.abs(weights).sum(0) > 0)
    found = (moved.astype(np.int32), used.astype(np.int32), weights[:, used].astype(np.float16))
    return blink, dict(zip((f"lid_{side}", f"lid_edges_{side}", f"lid_weights_{side}"), found, strict=True))


def _nearest(points: NDArray, columns: NDArray, vertices: NDArray, count: int, neighbours: int = 6) -> NDArray:
    """Weights [len(points), count] of the vertices `columns` that lie nearest, by inverse distance."""
    distance, found = KDTree(vertices[columns]).query(points, neighbours)
    weights = np.zeros((len(points), count))
    near = 1 / (distance + 0.01)
    np.put_along_axis(weights, columns[found], near / near.sum(1, keepdims=True), axis=1)
    return weights


FACE_ISLAND, SOCKET_ISLAND, MOUTH_ISLAND = ((0.7, 1), (0.2, 0.8)), ((0, 0.17), (0.5, 0.7)), ((0.7, 1), (0, 0.2))  # of u and v


def _island(mesh: Mesh, of_u: tuple[float, float], of_v: tuple[float, float]) -> NDArray:
    """Quads [F, 4] of the skin that lie in a window of the texture."""
    skin = mesh["quad_part"] == PARTS.index("skin")
    quads, uv = mesh["quads"][skin], mesh["uv"][mesh["quad_uv"][skin]].mean(1)
    return quads[(uv[:, 0] > of_u[0]) & (uv[:, 0] < of_u[1]) & (uv[:, 1] > of_v[0]) & (uv[:, 1] < of_v[1])]


def _edge(mesh: Mesh, of_u: tuple[float, float], of_v: tuple[float, float]) -> NDArray:
    """The vertices of the front where the face's island of the texture meets another one."""
    edge = np.intersect1d(_island(mesh, *FACE_ISLAND), _island(mesh, of_u, of_v))
    return edge[mesh["vertices"][edge, 2] > 1]


def _interpolation(x: NDArray, places: NDArray, columns: NDArray, count: int) -> NDArray:
    """Weights [len(x), count] that interpolate linearly at x between the `places` of `columns`."""
    order = np.argsort(places)
    places, columns = places[order], columns[order]
    right = np.clip(np.searchsorted(places, x), 1, len(places) - 1)
    t = np.clip((x - places[right - 1]) / np.maximum(places[right] - places[right - 1], 1e-9), 0, 1)
    weights = np.zeros((len(x), count))
    rows = np.arange(len(x))
    weights[rows, columns[right - 1]] = 1 - t
    weights[rows, columns[right]] = t
    return weights
