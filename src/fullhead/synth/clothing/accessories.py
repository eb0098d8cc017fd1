"""What is worn on the head: glasses and earrings here, hats in hats.py. Frame: the subject's neutral head, dm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fullhead.core.triangles import unit_vectors
from fullhead.rig.subdivision import triangles_from_quads
from fullhead.synth.anatomy.scalp import ScalpSurface
from fullhead.synth.anatomy.textured_mesh import GLASS, PLAIN, BareMesh, TexturedMesh, joined_bare, plain
from fullhead.synth.people.subject import METAL_COLOURS, Accessories, Subject

LENS_TINT = (0.012, 0.011, 0.011)  # of sunglasses


def glasses_meshes(scalp: ScalpSurface, worn: Accessories, eyes: NDArray) -> list[TexturedMesh]:
    """Frame and lenses in front of eyes with centres [2, 3] (left, right)."""
    half_width, half_height = worn.glasses_half
    front = max(float(eyes[:, 2].max()) + 0.30, float(scalp.skin_at((0, 7.28, 1.45))[2]) + 0.04)
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
        ear = scalp.skin_at((side * 0.74, 7.33, 0.60)) + np.array([side * 0.035, 0.03, 0])
        outer_x = centre_x + side * half_width
        hinge = np.array([outer_x, eye[1] + 0.05, front - 0.06 * (outer_x / 0.6) ** 2])
        middle = 0.5 * (hinge + ear) + np.array([side * 0.05, 0.02, 0])
        frame.append(tube(np.stack([hinge, middle, ear, ear + np.array([0, -0.12, -0.16])]), 0.012))
        bridge.append(np.array([centre_x - side * half_width, eye[1] + 0.02, front - 0.01]))
    part = np.linspace(0, 1, 9)[:, None]
    arch = bridge[0] * (1 - part) + bridge[1] * part + 4 * part * (1 - part) * np.array([0, 0.03, 0.02])
    frame.append(tube(arch, thick))
    tint, material, roughness = (LENS_TINT, PLAIN, 0.12) if worn.glasses == "sun" else ((1.0, 1.0, 1.0), GLASS, 0.05)
    glass = plain(joined_bare(lenses), tint, "glasses", material, roughness)
    return [plain(joined_bare(frame), worn.glasses_colour, "glasses", PLAIN, 0.25), glass]


def earring_meshes(scalp: ScalpSurface, subject: Subject) -> list[TexturedMesh]:
    """A pair on the lobes."""
    kind, size = subject.worn.earrings, scalp.size
    pieces = []
    for side in (1, -1):
        lobe, outwards = scalp.ear_lobe(side)
        if kind == "stud":
            pieces.append(ball(lobe + 0.012 * outwards, 0.026 * size))
        elif kind == "hoop":
            radius = (0.10 + 0.07 * ((subject.seed >> 3) % 5) / 4) * size
            turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)[:, None]
            circle = np.sin(turn) * np.array([0.15 * side, 0, 1.0]) + np.cos(turn) * np.array([0, 1.0, 0])
            centre = lobe + np.array([0.008 * side, -radius + 0.03, 0.01])
            pieces.append(tube(centre + radius * circle, 0.009 * size, closed=True))
        else:
            end = lobe + 0.02 * outwards + np.array([0, -0.17 * size, 0])
            pieces += [ball(lobe + 0.012 * outwards, 0.018 * size), ball(end, 0.034 * size)]
            pieces.append(tube(np.linspace(lobe + 0.02 * outwards, end, 3), 0.005 * size))
    return [plain(joined_bare(pieces), METAL_COLOURS[subject.worn.metal], "earring", PLAIN, 0.22)]


def grid_faces(rows: int, columns: int, closed: bool = False) -> NDArray:
    """Faces of a grid of vertices [rows, columns]; a closed one joins its last column to the first."""
    i, j = np.arange(rows - 1)[:, None], np.arange(columns if closed else columns - 1)
    next_j = (j + 1) % columns
    corners = (i * columns + j, i * columns + next_j, (i + 1) * columns + next_j, (i + 1) * columns + j)
    return triangles_from_quads(np.stack(np.broadcast_arrays(*corners), axis=-1).reshape(-1, 4))


def tube(line: NDArray, radius: float, closed: bool = False) -> BareMesh:
    """A tube along a polyline [n, 3]."""
    along = unit_vectors(np.roll(line, -1, 0) - np.roll(line, 1, 0) if closed else np.gradient(line, axis=0))
    u = unit_vectors(np.cross(along, np.array([0.1, 0.2, 1.0])) + 1e-6)
    v = np.cross(along, u)
    angle = np.linspace(0, 2 * np.pi, 6, endpoint=False)[None, :, None]
    vertices = line[:, None] + radius * (np.cos(angle) * u[:, None] + np.sin(angle) * v[:, None])
    if closed:
        vertices = np.concatenate([vertices, vertices[:1]])
    return BareMesh(vertices.reshape(-1, 3), grid_faces(len(vertices), angle.size, closed=True))


def ball(centre: NDArray, radius: float, rings: int = 8, lowest: float = np.pi, height: float = 1.0) -> BareMesh:
    """A ball, or its cap down to the angle `lowest` from the top, `height` times as high."""
    polar, turn = np.linspace(0, lowest, rings)[:, None], np.linspace(0, 2 * np.pi, 12, endpoint=False)
    points = np.stack([np.sin(polar) * np.cos(turn), np.cos(polar) + 0 * turn, np.sin(polar) * np.sin(turn)], axis=-1)
    return BareMesh(centre + radius * np.array([1, height, 1]) * points.reshape(-1, 3), grid_faces(rings, 12, closed=True))


def _disc(ring: NDArray) -> BareMesh:
    """A lens that fills a ring [n, 3], bulging forwards."""
    centre, t = ring.mean(0), np.linspace(0, 1, 5)[:, None, None]
    points = centre + t * (ring - centre) + np.array([0, 0, 0.022]) * (1 - t**2)
    return BareMesh(points.reshape(-1, 3), grid_faces(len(t), len(ring), closed=True))
