"""What is worn on the head: glasses and earrings here, hats in hats.py. Frame: the subject's neutral head, dm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fullhead.core.triangles import unit_vectors
from fullhead.rig.subdivision import triangles_from_quads
from fullhead.synth.anatomy.scalp import Ground
from fullhead.synth.people.subject import METALS, Subject, Worn

LENS_TINT = (0.012, 0.011, 0.011)  # of sunglasses


@dataclass(frozen=True)
class Thing:
    """A mesh that moves with the head. Material names are those of scene.MATERIALS."""

    points: NDArray  # [V, 3]
    triangles: NDArray  # [F, 3]
    uv: NDArray  # [V, 2], v up
    texture: NDArray  # [h, w, 3] linear
    label: str  # of regions.LABELS
    material: str
    roughness: float


def plain(points: NDArray, triangles: NDArray, colour: tuple[float, ...], label: str, material: str, roughness: float) -> Thing:
    """A thing of one colour."""
    texture = np.array(colour, np.float32).reshape(1, 1, 3)
    return Thing(
        points.astype(np.float32), triangles, np.zeros((len(points), 2), np.float32), texture, label, material, roughness
    )


def glasses(place: Ground, worn: Worn, eyes: NDArray) -> list[Thing]:
    """Frame and lenses in front of eyes with centres [2, 3] (left, right)."""
    half_width, half_height = worn.glasses_half
    front = max(float(eyes[:, 2].max()) + 0.30, float(place.skin_at((0, 7.28, 1.45))[2]) + 0.04)
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    corner = np.stack([np.cos(angle), np.sin(angle)])
    outline = np.sign(corner) * np.abs(corner) ** (2 / worn.glasses_power)  # [2, 40], a superellipse
    thick = 0.010 if worn.glasses == "clear" and worn.glasses_power < 2.8 else 0.016
    frame, lenses, bridge = [], [], []
    for eye, side in zip(eyes, (1, -1), strict=True):
        centre_x = eye[0] + side * 0.02
        x = centre_x + half_width * outline[0]
        ring = np.stack([x, eye[1] - 0.03 + half_height * outline[1], front - 0.06 * (x / 0.6) ** 2], axis=1)
        frame.append(tube(ring, thick, closed=True))
        lenses.append(_disc(ring))
        ear = place.skin_at((side * 0.74, 7.33, 0.60)) + np.array([side * 0.035, 0.03, 0])
        outer_x = centre_x + side * half_width
        hinge = np.array([outer_x, eye[1] + 0.05, front - 0.06 * (outer_x / 0.6) ** 2])
        middle = 0.5 * (hinge + ear) + np.array([side * 0.05, 0.02, 0])
        frame.append(tube(np.stack([hinge, middle, ear, ear + np.array([0, -0.12, -0.16])]), 0.012))
        bridge.append(np.array([centre_x - side * half_width, eye[1] + 0.02, front - 0.01]))
    part = np.linspace(0, 1, 9)[:, None]
    arch = bridge[0] * (1 - part) + bridge[1] * part + 4 * part * (1 - part) * np.array([0, 0.03, 0.02])
    frame.append(tube(arch, thick))
    lens = joined(lenses)
    if worn.glasses == "sun":
        glass = plain(*lens, LENS_TINT, "glasses", "plain", 0.12)
    else:
        glass = plain(*lens, (1.0, 1.0, 1.0), "glasses", "glass", 0.05)
    return [plain(*joined(frame), worn.glasses_colour, "glasses", "plain", 0.25), glass]


def earrings(place: Ground, subject: Subject) -> list[Thing]:
    """A pair on the lobes."""
    kind, size = subject.worn.earrings, place.size
    pieces = []
    for side in (1, -1):
        lobe, outwards = place.lobe(side)
        if kind == "stud":
            pieces.append(_ball(lobe + 0.012 * outwards, 0.026 * size))
        elif kind == "hoop":
            radius = (0.10 + 0.07 * ((subject.seed >> 3) % 5) / 4) * size
            turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)[:, None]
            circle = np.sin(turn) * np.array([0.15 * side, 0, 1.0]) + np.cos(turn) * np.array([0, 1.0, 0])
            pieces.append(
                tube(lobe + np.array([0.008 * side, -radius + 0.03, 0.01]) + radius * circle, 0.009 * size, closed=True)
            )
        else:
            end = lobe + 0.02 * outwards + np.array([0, -0.17 * size, 0])
            pieces += [_ball(lobe + 0.012 * outwards, 0.018 * size), _ball(end, 0.034 * size)]
            pieces.append(tube(np.linspace(lobe + 0.02 * outwards, end, 3), 0.005 * size))
    return [plain(*joined(pieces), METALS[subject.worn.metal], "earring", "plain", 0.22)]


def joined(pieces: list[tuple[NDArray, NDArray]]) -> tuple[NDArray, NDArray]:
    """Vertices and triangles of several meshes in one."""
    starts = np.cumsum([0, *(len(v) for v, _ in pieces[:-1])])
    triangles = np.concatenate([t + start for (_, t), start in zip(pieces, starts, strict=True)])
    return np.concatenate([v for v, _ in pieces]).astype(np.float32), triangles.astype(np.int32)


def grid_triangles(rows: int, columns: int, closed: bool = False) -> NDArray:
    """Triangles of a grid of vertices [rows, columns]; a closed one joins its last column to the first."""
    i, j = np.arange(rows - 1)[:, None], np.arange(columns if closed else columns - 1)
    next_j = (j + 1) % columns
    corners = (i * columns + j, i * columns + next_j, (i + 1) * columns + next_j, (i + 1) * columns + j)
    return triangles_from_quads(np.stack(np.broadcast_arrays(*corners), axis=-1).reshape(-1, 4))


def tube(line: NDArray, radius: float, closed: bool = False, around: int = 6) -> tuple[NDArray, NDArray]:
    """Vertices and triangles of a tube along a polyline [n, 3]."""
    along = np.roll(line, -1, 0) - np.roll(line, 1, 0) if closed else np.gradient(line, axis=0)
    along = unit_vectors(along)
    u = unit_vectors(np.cross(along, np.array([0.1, 0.2, 1.0])) + 1e-6)
    v = np.cross(along, u)
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)[None, :, None]
    vertices = line[:, None] + radius * (np.cos(angle) * u[:, None] + np.sin(angle) * v[:, None])
    if closed:
        vertices = np.concatenate([vertices, vertices[:1]])
    return vertices.reshape(-1, 3), grid_triangles(len(vertices), around, closed=True)


def _ball(centre: NDArray, radius: float, rings: int = 8, around: int = 12) -> tuple[NDArray, NDArray]:
    polar, turn = np.linspace(0, np.pi, rings)[:, None], np.linspace(0, 2 * np.pi, around, endpoint=False)
    points = np.stack([np.sin(polar) * np.cos(turn), np.cos(polar) + 0 * turn, np.sin(polar) * np.sin(turn)], axis=-1)
    return centre + radius * points.reshape(-1, 3), grid_triangles(rings, around, closed=True)


def _disc(ring: NDArray, bulge: float = 0.022, rings: int = 5) -> tuple[NDArray, NDArray]:
    """A lens that fills a ring [n, 3], bulging forwards."""
    centre = ring.mean(0)
    t = np.linspace(0, 1, rings)[:, None, None]
    points = centre + t * (ring - centre) + np.array([0, 0, bulge]) * (1 - t**2)
    return points.reshape(-1, 3), grid_triangles(rings, len(ring), closed=True)
