"""Where on the average head things grow: scalp, beard, brows, lips, semantic labels. Points are on `Studio.rest`, in dm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fullhead.synth.body import HEAD, MOUTH, SOCKET, TORSO, Studio
from fullhead.synth.fields import smoothstep
from fullhead.synth.subject import FaceHair

# Semantic labels, CelebAMask-HQ's ids and four of our own.
LABELS = {
    "background": 0, "skin": 1, "nose": 2, "glasses": 3, "l_eye": 4, "r_eye": 5, "l_brow": 6, "r_brow": 7, "l_ear": 8,
    "r_ear": 9, "mouth": 10, "u_lip": 11, "l_lip": 12, "hair": 13, "hat": 14, "neck": 17, "cloth": 18, "teeth": 19,
    "tongue": 20, "beard": 21, "lash": 22,
}  # fmt: skip

# Height of the hairline above each azimuth (degrees, 0 front, 180 back) and how far receding lifts it.
HAIRLINE_AZIMUTH = (0, 22, 42, 52, 62, 72, 80, 88, 97, 106, 116, 135, 160, 180)
HAIRLINE_HEIGHT = (8.06, 8.08, 8.02, 7.78, 7.62, 7.42, 7.20, 7.30, 7.42, 7.36, 6.95, 6.72, 6.62, 6.60)
HAIRLINE_RECEDE = (0.22, 0.30, 0.32, 0.25, 0.10, 0, 0, 0, 0, 0, 0, 0, 0, 0)

# Upper edge of a beard on the cheek, by depth: sideburns at the ear, low on the cheek.
BEARD_Z = (0.60, 0.74, 0.84, 0.95, 1.10, 1.30)
BEARD_TOP = (7.14, 7.10, 6.92, 6.72, 6.62, 6.60)

BROW_X = (0.105, 0.20, 0.32, 0.43, 0.54, 0.585)
BROW_Y = (7.475, 7.52, 7.555, 7.55, 7.49, 7.45)


def scalp(points: NDArray, recede: float = 0.0, noise: NDArray | float = 0.0) -> NDArray:
    """1 where hair grows, 0 where not [...], for points [..., 3]."""
    from_centre = points - np.array([0, 7.55, 0.52])
    azimuth = np.degrees(np.arctan2(np.abs(from_centre[..., 0]), from_centre[..., 2]))
    line = np.interp(azimuth, HAIRLINE_AZIMUTH, np.array(HAIRLINE_HEIGHT) + recede * np.array(HAIRLINE_RECEDE))
    return smoothstep(-0.05, 0.05, points[..., 1] - line + noise)


def wreath(points: NDArray) -> NDArray:
    """1 on the sides and the back that keep hair when the crown is bald."""
    return smoothstep(8.02, 7.8, points[..., 1] + 0.12 * (points[..., 2] - 0.5))


def beard(points: NDArray, lip_distance: NDArray) -> NDArray:
    """Density of beard [...]: from the sideburns along the jaw to chin and moustache, not on the lips."""
    y, z = points[..., 1], points[..., 2]
    upper = np.interp(z, BEARD_Z, BEARD_TOP)  # edge on the cheek
    rear = np.interp(y, [6.1, 6.5, 6.8, 7.1], [0.34, 0.42, 0.60, 0.66])  # edge before the ear and behind the jaw
    jaw = smoothstep(0.05, -0.07, y - upper) * smoothstep(-0.03, 0.06, z - rear) * smoothstep(5.97, 6.12, y + 0.18 * (1 - z))
    return np.maximum(jaw, moustache(points)) * smoothstep(0.07, 0.095, lip_distance)


def moustache(points: NDArray) -> NDArray:
    """Density of the moustache alone [...], which droops towards its ends."""
    x, y, z = np.abs(points[..., 0]), points[..., 1], points[..., 2]
    under_nose = smoothstep(6.88, 6.80, y + 0.25 * x) * smoothstep(6.63, 6.69, y + 0.2 * x)
    return under_nose * smoothstep(0.36, 0.26, x) * smoothstep(1.15, 1.25, z)


def brow_line(x: NDArray) -> NDArray:
    """Height of the brow's middle above |x|."""
    return np.interp(np.abs(x), BROW_X, BROW_Y)


def brow(points: NDArray, hair: FaceHair) -> NDArray:
    """Density of the brows [...]."""
    x = np.abs(points[..., 0])
    thickness = np.interp(x, [0.10, 0.15, 0.3, 0.45, 0.585], [0.028, 0.042, 0.038, 0.026, 0.008])
    thickness = thickness * hair.brow_thickness
    inside = smoothstep(0.09, 0.125, x) * smoothstep(0.60, 0.56, x) * (points[..., 2] > 0.7)
    return np.exp(-(((points[..., 1] - brow_line(x) - hair.brow_shift) / thickness) ** 2)) * inside


def lips(points: NDArray, lip_distance: NDArray, corner_height: float) -> NDArray:
    """1 on the lips [...], which end above and below the line of the mouth at y = corner_height."""
    x, upper = np.abs(points[..., 0]), points[..., 1] > corner_height
    taper = np.sqrt(np.clip(1 - (x / 0.30) ** 2, 0, 1))
    width = np.where(upper, 0.085, 0.115) * (0.35 + 0.65 * taper)
    return smoothstep(1.05, 0.75, lip_distance / width) * (points[..., 2] > 1)


def mouth_height(studio: Studio) -> float:
    """y of the line where the lips meet."""
    return float(studio.rest[studio.lip_distance < 1e-3, 1].mean())


def skin_labels(studio: Studio) -> NDArray:
    """LABELS [F] uint8 of the skin's triangles."""
    corners = studio.skin.triangles
    centre, island = studio.rest[corners].mean(1), studio.island
    side, x, y, z = centre[:, 0], np.abs(centre[:, 0]), centre[:, 1], centre[:, 2]
    head = island == HEAD
    labels = np.full(len(corners), LABELS["skin"])
    jaw = 6.12 + 0.85 * np.clip(0.98 - z, 0, 1)
    under = ((y < jaw) & (z > 0) & (y < 6.85)) | ((z <= 0.1) & (y < 6.75))
    labels[(island == TORSO) | (head & under)] = LABELS["neck"]
    ear = head & (x > 0.69) & (y > 6.80) & (y < 7.40) & (z > 0.28) & (z < 0.72)
    labels[ear & (side > 0)], labels[ear & (side < 0)] = LABELS["l_ear"], LABELS["r_ear"]
    half_nose = np.interp(y, [6.82, 6.92, 7.05, 7.3, 7.42], [0.17, 0.20, 0.15, 0.09, 0.07])
    labels[head & (y > 6.83) & (y < 7.38) & (x < half_nose) & (z > 1.25)] = LABELS["nose"]
    middle = mouth_height(studio)
    lip = head & (lips(centre, studio.lip_distance[corners].mean(1), middle) > 0.5)
    labels[lip & (y > middle)], labels[lip & (y <= middle)] = LABELS["u_lip"], LABELS["l_lip"]
    labels[island == MOUTH] = LABELS["mouth"]
    labels[island == SOCKET] = LABELS["skin"]
    return labels.astype(np.uint8)
