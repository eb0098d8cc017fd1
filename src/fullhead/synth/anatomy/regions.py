"""Where on the average head (`TemplateAssets.rest`, dm) things are: scalp, beard, brows, lips, labels of parts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fullhead.core.smooth import blob, smoothstep
from fullhead.synth.people.subject import FaceHair, Hair

# Labels of parts: CelebAMask-HQ's ids (16, a necklace, does not occur) and five of our own.
LABELS = {
    "background": 0, "skin": 1, "nose": 2, "glasses": 3, "l_eye": 4, "r_eye": 5, "l_brow": 6, "r_brow": 7, "l_ear": 8,
    "r_ear": 9, "mouth": 10, "u_lip": 11, "l_lip": 12, "hair": 13, "hat": 14, "earring": 15, "neck": 17, "cloth": 18,
    "teeth": 19, "tongue": 20, "beard": 21, "lash": 22, "headscarf": 23,
}  # fmt: skip

HEAD, TORSO, MOUTH, SOCKET = range(4)  # islands of the skin's texture
LIP_EDGE = 6.8  # edge loop around the mouth's opening where the red of the lips ends

# Height of the hairline above each azimuth (degrees, 0 front, 180 back) and how far receding lifts it.
HAIRLINE_AZIMUTH = (0, 22, 42, 52, 62, 72, 80, 88, 97, 106, 116, 135, 160, 180)
HAIRLINE_HEIGHT = (8.06, 8.08, 8.02, 7.78, 7.62, 7.42, 7.20, 7.30, 7.42, 7.36, 6.95, 6.72, 6.62, 6.60)
HAIRLINE_RECEDE = (0.22, 0.30, 0.32, 0.25, 0.10, 0, 0, 0, 0, 0, 0, 0, 0, 0)

# Upper edge of a beard on the cheek, by depth: sideburns at the ear, low on the cheek.
BEARD_Z = (0.60, 0.74, 0.84, 0.95, 1.10, 1.30)
BEARD_TOP = (7.14, 7.10, 6.92, 6.72, 6.62, 6.60)

BROW_X = (0.105, 0.20, 0.32, 0.43, 0.54, 0.585)
BROW_Y = (7.475, 7.52, 7.555, 7.55, 7.49, 7.45)


def scalp_mask(points: NDArray, recede: float = 0.0, noise: NDArray | float = 0.0) -> NDArray:
    """1 where hair grows, 0 where not [...], for points [..., 3]."""
    return smoothstep(-0.05, 0.07, above_hairline(points, recede) + noise)


def above_hairline(points: NDArray, recede: float) -> NDArray:
    """Height [...] of points [..., 3] above the hairline, dm."""
    from_centre = points - np.array([0, 7.55, 0.52])
    azimuth = np.degrees(np.arctan2(np.abs(from_centre[..., 0]), from_centre[..., 2]))
    line = np.interp(azimuth, HAIRLINE_AZIMUTH, np.array(HAIRLINE_HEIGHT) + recede * np.array(HAIRLINE_RECEDE))
    return points[..., 1] - line


def recession(hair: Hair) -> float:
    """How far the hairline lies back, 0 to about 1.2."""
    return max(hair.recede, 0.9) if hair.style == "receding" else hair.recede


def thinning(points: NDArray, hair: Hair) -> NDArray:
    """Share of the scalp's hair that is there [...]: a bald crown leaves a wreath, a receding one is thin on top."""
    if hair.style == "balding":
        return smoothstep(8.08, 7.68, points[..., 1] + 0.12 * (points[..., 2] - 0.5))
    if hair.style == "receding":
        return 1 - 0.65 * blob(points, (0, 8.4, 0.15), (0.35, 0.3, 0.35))
    return np.ones(points.shape[:-1])


def beard_mask(points: NDArray, lip_ring: NDArray) -> NDArray:
    """Density of beard [...]: from the sideburns along the jaw to chin and moustache, not on the lips."""
    y, z = points[..., 1], points[..., 2]
    upper = np.interp(z, BEARD_Z, BEARD_TOP)  # edge on the cheek
    rear = np.interp(y, [6.1, 6.5, 6.8, 7.1], [0.34, 0.42, 0.60, 0.66])  # edge before the ear and behind the jaw
    jaw = smoothstep(0.05, -0.07, y - upper) * smoothstep(-0.03, 0.06, z - rear) * smoothstep(5.97, 6.12, y + 0.18 * (1 - z))
    return np.maximum(jaw, moustache_mask(points)) * smoothstep(LIP_EDGE + 0.2, LIP_EDGE + 1, lip_ring)


def moustache_mask(points: NDArray) -> NDArray:
    """Density of the moustache alone [...], which droops towards its ends."""
    x, y, z = np.abs(points[..., 0]), points[..., 1], points[..., 2]
    under_nose = smoothstep(6.88, 6.80, y + 0.25 * x) * smoothstep(6.63, 6.69, y + 0.2 * x)
    return under_nose * smoothstep(0.36, 0.26, x) * smoothstep(1.15, 1.25, z)


def brow_line(x: NDArray) -> NDArray:
    """Height of the brow's middle above |x|."""
    return np.interp(np.abs(x), BROW_X, BROW_Y)


def brow_mask(points: NDArray, hair: FaceHair) -> NDArray:
    """Density of the brows [...]."""
    x = np.abs(points[..., 0])
    thickness = np.interp(x, [0.10, 0.15, 0.3, 0.45, 0.585], [0.028, 0.042, 0.038, 0.026, 0.008])
    thickness = thickness * hair.brow_thickness
    inside = smoothstep(0.09, 0.125, x) * smoothstep(0.60, 0.56, x) * (points[..., 2] > 0.7)
    return np.exp(-(((points[..., 1] - brow_line(x) - hair.brow_shift) / thickness) ** 2)) * inside


def lip_mask(lip_ring: NDArray) -> NDArray:
    """1 on the red of the lips [...], soft at its edge."""
    return smoothstep(LIP_EDGE + 0.35, LIP_EDGE - 0.35, lip_ring)


def skin_zones(
    points: NDArray, lip_ring: NDArray, lip_side: NDArray, eye_ring: NDArray, cavity: NDArray, on_head: NDArray
) -> dict[str, NDArray]:
    """Maps [...] in [0, 1] of where the skin differs, for points [..., 3] and the fields of `TemplateAssets` there."""
    mirrored = np.concatenate([np.abs(points[..., :1]), points[..., 1:]], axis=-1)
    x, y, z = np.moveaxis(mirrored, -1, 0)
    blood = 0.55 * blob(mirrored, (0.44, 6.93, 1.20), (0.17, 0.15, 0.3))
    blood += 0.55 * blob(mirrored, (0, 6.98, 1.65), (0.10, 0.10, 0.2))
    blood += 0.30 * smoothstep(0.70, 0.80, x) * smoothstep(7.5, 7.4, y) * smoothstep(6.7, 6.8, y) * smoothstep(0.85, 0.75, z)
    blood += 0.25 * blob(mirrored, (0, 6.3, 1.4), (0.15, 0.12, 0.3)) + 0.25 * np.exp(-eye_ring / 3)
    around_mouth = np.exp(-(((lip_ring - LIP_EDGE) / 6) ** 2)) * (lip_ring > LIP_EDGE)
    around_eye = np.exp(-((eye_ring / 9) ** 2))
    upper_lid = np.exp(-((eye_ring / 6.5) ** 2)) * smoothstep(7.24, 7.32, y)
    found = {
        "blood": blood,
        "dark": 0.5 * around_mouth + 0.8 * around_eye + 0.35 * smoothstep(7.6, 7.9, y) * smoothstep(0.9, 1.2, z),
        "eyebag": blob(mirrored, (0.31, 7.12, 1.38), (0.13, 0.05, 0.3)),
        "lid": upper_lid,
        "rim": smoothstep(1.7, 0.8, eye_ring),
        "nostril": blob(mirrored, (0.085, 6.885, 1.43), (0.032, 0.020, 0.045)),
        "hollow": np.clip(cavity, 0, 1) ** 1.3,
        "ridge": np.clip(-cavity, 0, 1),
        "lips": lip_mask(lip_ring),
        "upper_lip": lip_mask(lip_ring) * smoothstep(-0.6, 0.6, lip_side),
        "cheek": blob(mirrored - (mirrored[..., :1] - 0.5) * np.array([0, 0.5, 0]), (0.50, 6.97, 1.1), (0.17, 0.10, 0.3)),
        "freckled": 0.85 * blob(mirrored, (0.30, 7.02, 1.35), (0.24, 0.15, 0.4)) + 0.3 * smoothstep(0.5, 0.9, z),
        "beard": beard_mask(points, lip_ring),
        "moustache": moustache_mask(points),
        "grown": smoothstep(0.66, 0.60, x) + smoothstep(7.45, 7.55, y),
    }
    return {name: np.clip(zone * on_head, 0, 1).astype(np.float32) for name, zone in found.items()}


def skin_labels(centre: NDArray, lip_ring: NDArray, lip_side: NDArray, island: NDArray) -> NDArray:
    """LABELS [F] uint8 of the skin's faces, by their centres [F, 3], fields of `TemplateAssets` there [F], and islands."""
    side, x, y, z = centre[:, 0], np.abs(centre[:, 0]), centre[:, 1], centre[:, 2]
    head = island == HEAD
    labels = np.full(len(centre), LABELS["skin"])
    jaw = 6.12 + 0.85 * np.clip(0.98 - z, 0, 1)
    under = ((y < jaw) & (z > 0) & (y < 6.85)) | ((z <= 0.1) & (y < 6.75))
    labels[(island == TORSO) | (head & under)] = LABELS["neck"]
    ear = head & (x > 0.69) & (y > 6.80) & (y < 7.40) & (z > 0.28) & (z < 0.72)
    labels[ear & (side > 0)], labels[ear & (side < 0)] = LABELS["l_ear"], LABELS["r_ear"]
    half_nose = np.interp(y, [6.82, 6.92, 7.05, 7.3, 7.42], [0.17, 0.20, 0.15, 0.09, 0.07])
    labels[head & (y > 6.83) & (y < 7.38) & (x < half_nose) & (z > 1.25)] = LABELS["nose"]
    lip = head & (lip_ring < LIP_EDGE)
    labels[lip & (lip_side > 0)], labels[lip & (lip_side <= 0)] = LABELS["u_lip"], LABELS["l_lip"]
    labels[island == MOUTH] = LABELS["mouth"]
    labels[island == SOCKET] = LABELS["skin"]
    return labels.astype(np.uint8)
