"""Clothes as a shell around the shoulders. Frame: the subject's, dm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fullhead.core.random import stream
from fullhead.core.smooth import Noise, smoothstep
from fullhead.core.triangles import unit_vectors
from fullhead.rig.subdivision import triangles_from_quads
from fullhead.synth.anatomy.template_assets import TemplateAssets
from fullhead.synth.anatomy.textured_mesh import BareMesh
from fullhead.synth.people.subject import Outfit, Subject

CLOTH_CLEARANCE = 0.055  # of the cloth from the skin, dm
PATTERN_LOW, PATTERN_SIDE = np.array([-3.0, 3.0]), 6.0  # what the cloth's texture covers of the average body, dm
COLLAR_AZIMUTH = (0, 25, 75, 120, 180)  # degrees, 0 front
COLLAR_HEIGHT = {
    "crew": (5.66, 5.73, 5.95, 6.05, 6.06),
    "vneck": (5.22, 5.52, 5.92, 6.04, 6.05),
    "turtle": (6.02, 6.05, 6.15, 6.22, 6.25),
    "none": (4.72, 4.80, 5.05, 5.05, 5.00),
}


def garment_mesh(assets: TemplateAssets, outfit: Outfit, skin: NDArray, normals: NDArray) -> BareMesh:
    """The garment over a skin [V, 3], with texture coordinates."""
    rest, inside = assets.rest[assets.uv_vertex], (assets.in_mouth | assets.in_socket)[assets.uv_vertex]
    azimuth = np.degrees(np.arctan2(np.abs(rest[:, 0]), rest[:, 2] - 0.25))
    collar = np.interp(azimuth, COLLAR_AZIMUTH, COLLAR_HEIGHT[outfit.collar])
    signed = np.where(inside, -1.0, collar - rest[:, 1])  # [U], dm below the collar: where the cloth is
    folds = np.sin(9 * rest[:, 0] + 5 * rest[:, 1]) * np.sin(8 * rest[:, 2] - 3 * rest[:, 1]) * smoothstep(0, 0.4, signed)
    lifted = skin[assets.uv_vertex] + normals[assets.uv_vertex] * (0.010 * folds)[:, None]
    flat = (rest[:, :2] - PATTERN_LOW) / PATTERN_SIDE  # the cloth is printed from the front
    attributes = np.concatenate([lifted, normals[assets.uv_vertex], flat], axis=1)  # [U, 8]
    attributes, faces, rim = clip_mesh(attributes, assets.uv_faces, signed)
    points, normal, uv = attributes[:, :3], unit_vectors(attributes[:, 3:6]), attributes[:, 6:]
    outer = points + normal * CLOTH_CLEARANCE
    rim_vertices, rim = np.unique(rim, return_inverse=True)
    rim = rim.reshape(-1, 2)
    lip = outer[rim_vertices]
    inner = points[rim_vertices] - normal[rim_vertices] * 0.01
    first, n = len(outer), len(rim_vertices)
    band = np.stack([first + rim[:, 0], first + rim[:, 1], first + n + rim[:, 1], first + n + rim[:, 0]], axis=1)
    vertices = np.concatenate([outer, lip, inner])
    uv = np.concatenate([uv, uv[rim_vertices], uv[rim_vertices]])
    faces = np.concatenate([faces, triangles_from_quads(band)])
    return BareMesh(vertices.astype(np.float32), faces, uv.astype(np.float32))


def clip_mesh(attributes: NDArray, faces: NDArray, signed: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """The part of a mesh where `signed` [U] > 0: attributes [U', A], faces [F', 3], border edges [E, 2].

    Faces across the border are cut; attributes are interpolated linearly.
    """
    inside = signed[faces] > 0  # [F, 3]
    number = inside.sum(1)
    across = (number == 1) | (number == 2)
    one_inside = number[across] == 1
    alone = np.where(one_inside, inside[across].argmax(1), inside[across].argmin(1))
    a, b, c = np.take_along_axis(faces[across], (alone[:, None] + np.arange(3)) % 3, axis=1).T  # a is the corner alone
    edges = np.stack([a, b, a, c], axis=1).reshape(-1, 2)
    _, first, edge = np.unique(np.sort(edges, axis=1), axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)  # cuts are numbered as the faces come to them
    i, j = edges[first[order]].T
    part = (signed[i] / (signed[i] - signed[j]))[:, None]
    values = np.concatenate([attributes, attributes[i] * (1 - part) + attributes[j] * part])
    on_ab, on_ac = len(attributes) + np.argsort(order)[edge.ravel()].reshape(-1, 2).T
    pieces = np.stack([np.where(one_inside, (a, on_ab, on_ac), (on_ab, b, c)).T, np.stack([on_ab, c, on_ac], axis=1)], axis=1)
    pieces = pieces[np.stack([np.ones_like(one_inside), ~one_inside], axis=1)]  # two triangles where two corners are inside
    used, inverse = np.unique(np.concatenate([faces[number == 3], pieces]), return_inverse=True)
    border = np.where(one_inside, (on_ab, on_ac), (on_ac, on_ab)).T
    return values[used], inverse.reshape(-1, 3).astype(np.int32), np.searchsorted(used, border)


def garment_texture(subject: Subject, size: int) -> NDArray:
    """Linear albedo [size, size, 3] of the garment, over the average body seen from the front."""
    outfit, noise = subject.outfit, Noise(stream(subject.seed, "cloth"))
    across, up = np.meshgrid((np.arange(size) + 0.5) / size, 1 - (np.arange(size) + 0.5) / size)
    x, y = PATTERN_LOW[0] + PATTERN_SIDE * across, PATTERN_LOW[1] + PATTERN_SIDE * up
    points = np.stack([x, y, 0 * x], axis=-1)
    bands = [smoothstep(0.46, 0.54, np.abs((v * rate) % 1 - 0.5) * 2) for v, rate in ((x, 2.0), (y, 2.2))]
    share = {"stripe": bands[1], "check": 0.5 * (bands[0] + bands[1])}.get(outfit.pattern, 0 * x)
    colour = np.array(outfit.colour) + share[..., None] * (np.array(outfit.second) - np.array(outfit.colour))
    weave = 1 + 0.05 * noise(points, 30, 1) + 0.05 * noise(points, 3, 2)
    if outfit.pattern == "knit":
        weave = weave * (1 + 0.12 * np.sin(2 * np.pi * 7 * x + noise(points, 4, 3)))
    return np.clip(colour * weave[..., None], 0, 1).astype(np.float32)
