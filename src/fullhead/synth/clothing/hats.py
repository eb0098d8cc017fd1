"""Hats, headscarves and what they do to the hair under them. Frame: the subject's neutral head, dm.

A hat is drawn in polar coordinates about a point in the skull: the angle from the hat's axis, which leans back, and the turn
about it, 0 to the front. R rows of angles, C columns of turns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from fullhead.core.meshes import vertex_normals
from fullhead.core.random import stream
from fullhead.core.smooth import Noise, smoothstep
from fullhead.core.triangles import unit_vectors
from fullhead.synth.anatomy.scalp import ScalpSurface
from fullhead.synth.anatomy.textured_mesh import CLOTH, BareMesh, TexturedMesh, plain, textured
from fullhead.synth.clothing.accessories import ball, grid_faces
from fullhead.synth.people.subject import Subject

CENTRE = (0.0, 7.55, 0.35)  # on the average head
AXIS = unit_vectors(np.array([0.0, 1.0, -0.25]))
SIDE = np.array([1.0, 0.0, 0.0])
FRONT = np.cross(SIDE, AXIS)
TURN = np.linspace(0, 2 * np.pi, 80, endpoint=False)  # of a hat's columns
# Angle in degrees from the axis down to which each hat reaches, by turn: front, side, back.
EDGE_DEGREES = {"beanie": (86, 93, 110), "cap": (82, 91, 99), "brimmed": (82, 88, 95)}
HAIR_ROOM = {"beanie": 0.045, "cap": 0.05, "brimmed": 0.05}  # for the hair underneath


@dataclass(frozen=True)
class Skull:
    """Distance of the skin from a centre, smoothed, by direction."""

    centre: NDArray  # [3]
    radii: NDArray  # [61, 120], angles 0 to 180 degrees from the axis, turns 0 to 360

    def radius(self, angle: NDArray, turn: NDArray) -> NDArray:
        """Radius [...] at angles and turns [...] in radians."""
        places = np.broadcast_arrays(angle / np.pi * 60, np.mod(turn, 2 * np.pi) / (2 * np.pi) * 120)
        padded = np.concatenate([self.radii, self.radii[:, :1]], axis=1)
        return ndimage.map_coordinates(padded, np.stack(places), order=1, mode="nearest")

    def polar(self, points: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        """Distance, angle and turn [...] of points [..., 3]."""
        away = points - self.centre
        distance = np.linalg.norm(away, axis=-1)
        angle = np.arccos(np.clip(away @ AXIS / np.maximum(distance, 1e-6), -1, 1))
        return distance, angle, np.arctan2(away @ SIDE, away @ FRONT)

    def above(self, height: NDArray | float, angle: NDArray, turn: NDArray) -> NDArray:
        """Points [..., 3] at a height [...] above the skin."""
        return self.centre + (self.radius(angle, turn) + height)[..., None] * direction(angle, turn)


def direction(angle: NDArray, turn: NDArray) -> NDArray:
    """Unit vectors [..., 3]."""
    flat = np.cos(turn)[..., None] * FRONT + np.sin(turn)[..., None] * SIDE
    return np.cos(angle)[..., None] * AXIS + np.sin(angle)[..., None] * flat


def measure_skull(scalp: ScalpSurface) -> Skull:
    """The skull of a head, without its ears, nose and jaw."""
    rest, centre = scalp.assets.rest, scalp.from_rest(np.array(CENTRE))
    part = scalp.assets.in_head & (rest[:, 1] > 6.75) & (np.abs(rest[:, 0]) < 0.70) & (rest[:, 2] < 1.45)
    away = scalp.vertices[part] - centre
    distance = np.linalg.norm(away, axis=1)
    angle, turn = np.meshgrid(np.linspace(0, np.pi, 61), np.arange(120) * (np.pi / 60), indexing="ij")
    found, near = KDTree(away / distance[:, None]).query(direction(angle, turn), k=6)
    weight = 1 / (np.asarray(found) + 0.01)
    radii = (distance[near] * weight).sum(-1) / weight.sum(-1)
    return Skull(centre, np.maximum(radii, _smooth(radii, 1.5, 3.0)))


def _smooth(values: NDArray, down: float, around: float) -> NDArray:
    """Values [R, C] blurred by so many rows, and columns, which close on themselves."""
    values = ndimage.gaussian_filter1d(values, down, axis=0, mode="nearest")
    return ndimage.gaussian_filter1d(values, around, axis=1, mode="wrap")


def edge_angle(hat: str, turn: NDArray) -> NDArray:
    """Angle [...] from the axis, radians, down to which a hat reaches."""
    front, side, back = np.radians(EDGE_DEGREES[hat])
    c = np.cos(turn)
    return side + np.where(c > 0, front - side, back - side) * np.abs(c) ** 1.5


def press_hair(head: Skull, hat: str, points: NDArray) -> NDArray:
    """Hair [..., 3] pressed to the head under a hat, and kept from rising over its edge below it."""
    distance, angle, turn = head.polar(points)
    below = angle - edge_angle(hat, turn)
    most = head.radius(angle, turn) + HAIR_ROOM[hat] + 1.6 * np.maximum(below - 0.03, 0)
    factor = np.where(below < 0.9, np.minimum(distance, most) / np.maximum(distance, 1e-6), 1.0)
    return head.centre + (points - head.centre) * factor[..., None]


def hat_meshes(scalp: ScalpSurface, subject: Subject, head: Skull) -> list[TexturedMesh]:
    """The subject's hat, one of EDGE_DEGREES; headscarves come from `headscarf_meshes`."""
    return {"beanie": _beanie, "cap": _cap, "brimmed": _brimmed}[subject.worn.hat](scalp, subject, head)


def _shell(head: Skull, name: str, thickness: NDArray) -> NDArray:
    """Points [R + 1, C, 3] of a shell over the skull, `thickness` [R, C] above it, turned in at its edge."""
    angle = _rows(len(thickness)) * edge_angle(name, TURN)
    return np.concatenate([head.above(thickness, angle, TURN), head.above(0.01, angle[-1:], TURN)])


def _rows(count: int) -> NDArray:
    """How far down the hat each row lies, [count, 1] from its top to 1 at its edge."""
    return np.linspace(0.02, 1, count)[:, None]


def _grid_cloth(points: NDArray, texture: NDArray, label: str, roughness: float = 0.9) -> TexturedMesh:
    """A cloth from a grid of points [R, C, 3] that closes on itself."""
    rows = points.shape[0]
    points = np.concatenate([points, points[:, :1]], axis=1)  # the texture's seam
    faces = grid_faces(rows, points.shape[1])
    flat = points.reshape(-1, 3).astype(np.float32)
    if (vertex_normals(flat, faces) * (flat - flat.mean(0))).sum() < 0:  # light falls on the outside
        faces = faces[:, ::-1]
    u, v = np.meshgrid(np.linspace(0, 1, points.shape[1]), np.linspace(1, 0, rows))
    mesh = BareMesh(flat, faces, np.stack([u, v], axis=-1).reshape(-1, 2).astype(np.float32))
    return textured(mesh, texture.astype(np.float32), label, CLOTH, roughness)


def _weave(seed: int, colour: tuple[float, ...], rows: int, columns: int) -> NDArray:
    """Linear cloth [rows, columns, 3] with a little unevenness."""
    random = stream(seed, "hat cloth")
    fine = random.normal(size=(rows, columns))
    wide = ndimage.gaussian_filter(random.normal(size=(rows, columns)), 8, mode="wrap")
    return np.clip(np.array(colour) * (1 + 0.05 * fine + 0.05 * wide / wide.std())[..., None], 0.002, 1)


def _beanie(scalp: ScalpSurface, subject: Subject, head: Skull) -> list[TexturedMesh]:
    t = _rows(40)
    cuff = smoothstep(0.76, 0.79, t)
    slouch = 0.10 * np.exp(-((t / 0.5) ** 2)) + 0.07 * np.exp(-(((t - 0.35) / 0.3) ** 2)) * (0.5 - 0.5 * np.cos(TURN))
    folds = 0.012 * np.sin(7 * TURN + 3 * t) * (1 - cuff) * smoothstep(0.0, 0.3, t)
    points = _shell(head, "beanie", (0.075 + 0.035 * cuff + slouch + folds) * scalp.size)
    texture = _weave(subject.seed, subject.worn.hat_colour, 96, 256)
    u, v = np.meshgrid(np.arange(256) / 256, np.arange(96) / 96)
    ribs = 1 - 0.28 * (0.5 + 0.5 * np.cos(2 * np.pi * u * 64)) ** 2 - 0.10 * (0.5 + 0.5 * np.cos(2 * np.pi * v * 40))
    texture *= (ribs * (1 - 0.35 * np.exp(-(((v - 0.765) / 0.012) ** 2))))[..., None]
    return [_grid_cloth(points, texture, "hat")]


def _cap(scalp: ScalpSurface, subject: Subject, head: Skull) -> list[TexturedMesh]:
    t, size = _rows(28), scalp.size
    panels = 0.10 * np.clip(np.cos(TURN), 0, 1) ** 2 * np.sin(np.pi * np.clip(t, 0, 1)) ** 1.2
    points = _shell(head, "cap", (0.075 + panels + 0.03 * np.cos(np.pi * t / 2)) * size)
    texture = _weave(subject.seed, subject.worn.hat_colour, 64, 240)
    seams = np.exp(-(((np.arange(240) / 40 + 0.5) % 1 - 0.5) ** 2) / 0.02**2)
    texture *= 1 - 0.35 * seams[None, :, None]
    across, out = np.meshgrid(np.linspace(-1, 1, 25), np.linspace(0, 1, 8))
    at = across * np.radians(56)
    base = head.above(0.07 * size, edge_angle("cap", at), at)
    length = 0.80 * np.sqrt(np.clip(1 - 0.72 * across**2, 0, 1)) * size
    forwards = np.stack([0.30 * np.sin(at), -0.16 - 0.10 * out, 0.97 + 0 * at], axis=-1)
    bill = base + (out * length)[..., None] * forwards
    bill[..., 1] -= 0.22 * across**2 * out * size
    upper, lower = (BareMesh((bill - lowered).reshape(-1, 3), grid_faces(8, 25)) for lowered in ([0, 0, 0], [0, 0.018, 0]))
    knob = ball(head.above(0.12 * size, np.zeros(1), np.zeros(1)), 0.035 * size, rings=5, lowest=np.pi / 2, height=0.5)
    light, dark = subject.worn.hat_colour, tuple(0.7 * c for c in subject.worn.hat_colour)
    pieces = ((upper, light), (lower, dark), (knob, dark))
    return [_grid_cloth(points, texture, "hat"), *(plain(mesh, colour, "hat", CLOTH, 0.85) for mesh, colour in pieces)]


def _brimmed(scalp: ScalpSurface, subject: Subject, head: Skull) -> list[TexturedMesh]:
    """A hat of felt with a ribbon: rim, brim, crown, dented top."""
    size, random = scalp.size, stream(subject.seed, "brim")
    width, height = random.uniform(0.42, 0.72) * size, random.uniform(0.16, 0.26) * size
    foot = head.above(0.065 * size, edge_angle("brimmed", TURN), TURN) - head.centre  # [C, 3]
    low = foot @ AXIS
    out = foot - low[:, None] * AXIS
    outwards = unit_vectors(out)
    top = head.radius(np.zeros(1), np.zeros(1)) + height
    rows = []
    for s in np.linspace(1, 0, 9):  # from the rim inwards
        rise = (0.10 * np.sin(TURN) ** 2 - 0.06 * np.cos(TURN)) * s**1.5 * width / (0.5 * size) - 0.05 * s
        rows.append(foot + outwards * (width * s) + AXIS * rise[:, None])
    for s in np.linspace(0.06, 1, 14):  # up the crown
        taper = 1 - 0.15 * s - 0.06 * smoothstep(0.8, 1.0, s)
        rows.append(out * taper + AXIS * (low + (top - low) * s)[:, None])
    for s in np.linspace(0.9, 0.0, 8):  # the top, dented from front to back
        dent = 0.13 * size * (1 - (s * np.abs(np.sin(TURN))) ** 2) * smoothstep(1.0, 0.4, s)
        rows.append(out * (0.79 * s) + AXIS * (top - dent)[:, None])
    points = head.centre + np.stack(rows)
    texture = _weave(subject.seed, subject.worn.hat_colour, 3 * len(rows), 128)
    texture[28:40] = 0.25 * np.array(subject.worn.hat_colour) + 0.004  # the ribbon
    return [_grid_cloth(points, texture, "hat", roughness=0.95)]


# The opening of a headscarf on the average face: x and y of its edge from the forehead down to the chin.
OPENING = (
    (0.0, 7.98), (0.30, 7.93), (0.53, 7.70), (0.62, 7.35), (0.60, 6.95), (0.52, 6.60), (0.38, 6.30), (0.18, 6.13), (0.0, 6.09),
)  # fmt: skip


def headscarf_meshes(scalp: ScalpSurface, subject: Subject) -> list[TexturedMesh]:
    """A scarf drawn around the face, over the hair and around the neck: a hood and a drape."""
    noise = Noise(stream(subject.seed, "headscarf"))
    texture = _weave(subject.seed, subject.worn.hat_colour, 192, 256)
    hood = _hood(scalp, noise)
    return [_grid_cloth(points, texture, "headscarf") for points in (hood, _drape(scalp, noise, hood))]


def _hood(scalp: ScalpSurface, noise: Noise, rows: int = 30, columns: int = 96) -> NDArray:
    """Points [rows, columns, 3] from the edge around the face to the back of the head."""
    rest, size = scalp.assets.rest, scalp.size
    middle = scalp.from_rest(np.array([0.0, 7.25, 0.40]))
    corner = np.array(OPENING)
    corner = np.concatenate([corner, corner[-2:0:-1] * np.array([-1, 1])])  # all around
    along = np.linspace(0, len(corner), columns, endpoint=False)
    outline = np.stack([np.interp(along, np.arange(len(corner)), axis, period=len(corner)) for axis in corner.T], axis=1)
    outline = ndimage.gaussian_filter1d(outline, 1.5, axis=0, mode="wrap")
    front = scalp.assets.in_head & (rest[:, 2] > 0.35) & (np.abs(rest[:, 0]) < 0.70)
    depth = KDTree(rest[front, :2]).query(outline, k=4)[1]
    edge = ndimage.gaussian_filter1d(scalp.vertices[front][depth].mean(1), 2.0, axis=0, mode="wrap")
    edge = np.concatenate([scalp.from_rest(np.column_stack([outline, np.zeros(columns)]))[:, :2], edge[:, 2:]], axis=1)
    start = unit_vectors(edge - middle)  # [columns, 3]
    back = unit_vectors(np.array([0, 0.25, -1.0]))
    part = np.linspace(0, 1, rows)[:, None, None]
    between = np.arccos(np.clip(start @ back, -1, 1))[None, :, None]
    way = (np.sin((1 - part) * between) * start + np.sin(part * between) * back) / np.sin(between)  # [rows, columns, 3]
    skin = scalp.assets.in_head & (rest[:, 1] > 6.0)
    away = scalp.vertices[skin] - middle
    distance = np.linalg.norm(away, axis=1)
    _, near = KDTree(away / distance[:, None]).query(way, k=5)
    radius = np.minimum(distance[near].max(-1), 1.35 * size)
    wide = ndimage.maximum_filter1d(ndimage.maximum_filter1d(radius, 5, axis=0), 9, axis=1, mode="wrap")
    radius = _smooth(wide, 2.5, 4.0)  # drawn over the ears, not around them
    radius[0] = np.linalg.norm(edge - middle, axis=1)
    t = part[..., 0]
    hair = 0.13 * smoothstep(0.08, 0.35, t) * smoothstep(6.6, 7.2, scalp.to_rest(middle + way * radius[..., None])[..., 1])
    folds = 0.020 * noise(way * np.array([2.2, 5.0, 2.2]), 1.6, 1) * smoothstep(0.0, 0.2, t)
    points = middle + way * (radius + (0.035 + hair + folds) * size)[..., None]
    lip = middle + way[:1] * (radius[:1] - 0.015)[..., None]
    return np.concatenate([lip, points])


def _drape(scalp: ScalpSurface, noise: Noise, hood: NDArray, rows: int = 44, columns: int = 96) -> NDArray:
    """Points [rows, columns, 3] from the hood's sides and from under the jaw over neck and shoulders to the chest."""
    turn = np.linspace(0, 2 * np.pi, columns, endpoint=False)
    ahead = 0.5 + 0.5 * np.cos(turn)
    top = 7.45 - 1.30 * ahead**2.2
    bottom = 5.25 - 0.30 * ahead
    t = np.linspace(0, 1, rows)[:, None]
    height = top + (bottom - top) * t
    there = scalp.to_rest(np.concatenate([scalp.vertices, hood.reshape(-1, 3)]))
    spine = (np.array([5.0, 6.9, 7.5]), np.array([0.15, 0.30, 0.32]))  # z of the middle by height
    centre_z = np.interp(height, *spine)
    outside = np.concatenate([~scalp.assets.in_mouth & ~scalp.assets.in_socket, np.ones(hood.size // 3, bool)])
    points = there[outside & ((there[:, 1] < 6.1) | (there[:, 2] < 1.05))]
    z0 = np.interp(points[:, 1], *spine)
    around, out = np.arctan2(points[:, 0], points[:, 2] - z0), np.hypot(points[:, 0], points[:, 2] - z0)
    key = np.column_stack([np.cos(around), np.sin(around), 1.6 * points[:, 1]])
    ask = np.stack(np.broadcast_arrays(np.cos(turn), np.sin(turn), 1.6 * height), axis=-1)
    near = KDTree(key).query(ask, k=4)[1]
    radius = _smooth(out[near].max(-1), 1.0, 1.5)
    first = np.maximum(radius[:1], 0.60 + 0.25 * ahead)
    hanging = first * (1 - t) + np.maximum(radius[-1:], first) * t
    straight = hanging * (1 - 0.10 * np.sin(np.pi * t)) * (1 - 0.25 * ahead**2)
    radius = _smooth(np.maximum(radius + 0.09 * smoothstep(0.0, 0.15, t), straight), 2.0, 1.5)
    wind = np.stack(np.broadcast_arrays(np.cos(turn) * 1.3, height * 2.6 + 0.9 * np.sin(turn), np.sin(turn) * 1.3), axis=-1)
    folds = 0.05 * noise(wind, 1.5, 2) + 0.025 * noise(wind, 3.6, 3)
    radius = radius + folds * smoothstep(0.0, 0.25, t) - 0.05 + 0.08 * smoothstep(0.0, 0.15, t)  # from inside the hood
    placed = np.stack([np.sin(turn) * radius, height, np.cos(turn) * radius + centre_z], axis=-1)
    return scalp.from_rest(placed)
