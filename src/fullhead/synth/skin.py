"""The skin's colour texture: tone, blood, mottling, lips, stubble, scalp, brows, freckles, wrinkles, make-up."""

from __future__ import annotations

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from fullhead.synth import regions
from fullhead.synth.body import HEAD, MOUTH, SOCKET, Atlas, Studio
from fullhead.synth.fields import Noise, blob, linear_from_srgb, smoothstep, stream
from fullhead.synth.subject import HAIR_COLOURS, Subject

# Tones from light to dark, sRGB 0..255.
TONES = linear_from_srgb(
    np.array([(241, 208, 190), (226, 180, 154), (205, 152, 120), (170, 115, 80), (120, 76, 52), (72, 45, 34)]) / 255
)
LIP_PINK = np.array([0.30, 0.075, 0.075])
STUBBLE = {"none": 0.25, "stubble": 0.8, "moustache": 0.3, "short": 0.9, "full": 1.0}


def base_colour(subject: Subject) -> NDArray:
    """Mean skin colour [3], linear."""
    place = subject.skin.tone * (len(TONES) - 1)
    tone = np.array([np.interp(place, np.arange(len(TONES)), TONES[:, c]) for c in range(3)])
    return tone * np.array(subject.skin.undertone)


def skin_texture(studio: Studio, subject: Subject) -> NDArray:
    """Linear albedo [R, R, 3] float32 in the atlas's layout; row 0 is v = 1."""
    random, atlas = stream(subject.seed, "skin"), studio.atlas
    noise, points = Noise(random), atlas.position  # [M, 3]
    base, in_head = base_colour(subject), atlas.island == HEAD
    colour = _complexion(subject, atlas, noise, base)
    colour = _lips(studio, subject, noise, colour, base)
    hair, brow = (np.array(HAIR_COLOURS[name]) for name in (subject.hair.colour, subject.face_hair.brow_colour))
    if subject.male:
        shadow = regions.beard(points, atlas.lip_distance) * (0.75 + 0.25 * noise(points, 40, 7))
        colour = _mixed(colour, 0.5 * STUBBLE[subject.face_hair.beard] * shadow, 0.2 * base + 0.5 * hair)
    colour = _mixed(colour, _scalp_cover(subject, points, noise) * in_head, hair + 0.03 * base)
    brow_cover = regions.brow(points, subject.face_hair) * (0.35 + 0.55 * subject.face_hair.brow_density) * in_head
    colour = _mixed(colour, np.minimum(brow_cover, 0.85), brow + 0.04 * base)
    colour = _aged(subject, atlas, noise, colour)
    colour[atlas.island == MOUTH] = np.array([0.30, 0.07, 0.06])
    colour[atlas.island == SOCKET] = np.array([0.35, 0.12, 0.09])
    if subject.skin.makeup > 0:
        shade = np.exp(-((atlas.eye_distance / 0.07) ** 2)) * (points[:, 1] > 7.28) * subject.skin.makeup * in_head
        colour = _mixed(colour, 0.5 * shade, np.array(subject.skin.eyeshadow))
    texture = np.clip(colour, 0, 1).astype(np.float32)[atlas.texel]
    _add_spots(texture, subject, atlas, random)
    return texture


def _mixed(colour: NDArray, share: NDArray, other: NDArray) -> NDArray:
    return colour + np.clip(share, 0, 1)[:, None] * (other - colour)


def _complexion(subject: Subject, atlas: Atlas, noise: Noise, base: NDArray) -> NDArray:
    """Tone with mottling, blood in cheeks, nose, ears and chin, shadows around the eyes."""
    points, skin = atlas.position, subject.skin
    mirrored = np.abs(points) * np.array([1, 0, 0]) + points * np.array([0, 1, 1])
    x, y, z = mirrored.T
    mottling = 0.05 * skin.mottle * noise.fractal(points, 3.0, 4, 2)
    mottling += 0.02 * noise(points, 26, 5) + 0.015 * noise(points, 60, 6)
    colour = base * (1 + mottling[:, None] * np.array([0.8, 1.1, 1.2]))
    blood = 0.55 * blob(mirrored, (0.42, 6.95, 1.25), (0.17, 0.16, 0.3))
    blood += 0.5 * blob(mirrored, (0, 6.98, 1.65), (0.10, 0.10, 0.2))
    blood += 0.25 * smoothstep(0.72, 0.82, x) * (y < 7.5) * (y > 6.7) * (z < 0.8)
    blood += 0.25 * blob(mirrored, (0, 6.3, 1.4), (0.15, 0.12, 0.3)) + 0.2 * np.exp(-atlas.eye_distance / 0.06)
    blood *= skin.redness * (0.8 + 0.4 * noise(points, 2.2, 1)) * (0.25 + 0.35 * (1 - skin.tone))
    colour *= 1 - blood[:, None] * np.array([0.10, 0.55, 0.50])
    bags = blob(mirrored, (0.31, 7.12, 1.38), (0.13, 0.05, 0.3)) * skin.eyebag
    lids = 0.8 * np.exp(-((atlas.eye_distance / 0.05) ** 2))
    hollow = np.clip(atlas.cavity, 0, 1) ** 1.3 * (atlas.island == HEAD)
    colour *= 1 - hollow[:, None] * np.array([0.45, 0.62, 0.62])
    colour *= 1 + 0.05 * np.clip(-atlas.cavity, 0, 1)[:, None]
    return colour * (1 - bags[:, None] * np.array([0.18, 0.26, 0.18])) * (1 - lids[:, None] * np.array([0.12, 0.22, 0.2]))


def _lips(studio: Studio, subject: Subject, noise: Noise, colour: NDArray, base: NDArray) -> NDArray:
    atlas = studio.atlas
    cover = regions.lips(atlas.position, atlas.lip_distance, regions.mouth_height(studio)) * (atlas.island == HEAD)
    shade = 0.6 * base * np.array(subject.skin.lips) + 0.4 * LIP_PINK
    creases = 1 + 0.08 * noise(atlas.position * np.array([6, 1.5, 1]), 6, 3)
    return colour + cover[:, None] * (shade * creases[:, None] - colour)


def _scalp_cover(subject: Subject, points: NDArray, noise: Noise) -> NDArray:
    """How much the roots of the hair darken the skin."""
    hair = subject.hair
    if hair.style == "bald":
        return 0.06 * regions.scalp(points, 0.6, 0.05 * noise(points, 6, 8)) * subject.male
    cover = regions.scalp(points, hair.recede, 0.04 * noise(points, 6, 8) + 0.02 * noise(points, 20, 9))
    cover = cover * (np.abs(points[:, 0]) < 0.80)
    if hair.style == "balding":
        return 0.7 * cover * regions.wreath(points)
    return (0.85 if hair.style == "buzz" else 0.92) * cover


def _aged(subject: Subject, atlas: Atlas, noise: Noise, colour: NDArray) -> NDArray:
    """Darken the lines of forehead, crow's feet and nose to mouth."""
    if subject.skin.wrinkle <= 0:
        return colour
    points = atlas.position
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    wavy = y + 0.035 * noise(points, 2.5, 10)
    forehead = np.exp(-(((wavy * 9.5 % 1) - 0.5) ** 2) / 0.10**2) * smoothstep(7.62, 7.72, y) * smoothstep(8.0, 7.92, y)
    forehead *= (x < 0.5) & (z > 0.9)
    angle = np.arctan2(y - 7.28, x - 0.56)
    mirrored = np.stack([x, y, z], axis=-1)
    crow = np.exp(-(((angle * 2.6 % 1) - 0.5) ** 2) / 0.16**2) * blob(mirrored, (0.60, 7.28, 1.05), (0.09, 0.13, 0.3))
    fold = np.exp(-(((x - 0.20 - 0.36 * np.clip(6.98 - y, 0, 1)) / 0.022) ** 2))
    fold *= smoothstep(6.52, 6.62, y) * smoothstep(7.0, 6.92, y) * (z > 1.0)
    lines = np.clip(0.8 * forehead + 0.8 * crow + fold, 0, 1) * subject.skin.wrinkle
    return colour * (1 - lines[:, None] * np.array([0.22, 0.30, 0.30]))


def _add_spots(texture: NDArray, subject: Subject, atlas: Atlas, random: RandomState) -> None:
    """Freckles and moles, drawn into the texture. Sizes are those of a texture of 1024."""
    points = atlas.position
    face = (atlas.island == HEAD) & (points[:, 2] > 0.6) & (points[:, 1] < 8) & (points[:, 1] > 6.1)
    middle = face & (points[:, 1] < 7.35) & (points[:, 1] > 6.65)
    for region, count, radii, depth in (
        (middle, int(900 * subject.skin.freckles), (1.0, 2.0), 0.5),
        (face, subject.skin.moles, (2.0, 3.4), 0.9),
    ):
        places = np.argwhere(np.isin(atlas.texel, np.flatnonzero(region)) & atlas.covered)
        chosen = places[random.randint(0, len(places), count)]
        sizes, depths = random.uniform(*radii, count), random.uniform(0.4, 1, count) * depth
        for (row, column), size, strength in zip(chosen, sizes, depths, strict=True):
            # A spot smaller than a texel fades instead of vanishing.
            wanted = size * atlas.size / 1024
            radius = max(wanted, 0.6)
            reach = int(np.ceil(2.5 * radius))
            window = np.s_[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1]
            r, c = np.mgrid[window]
            cover = np.exp(-((r - row) ** 2 + (c - column) ** 2) / radius**2) * strength * (wanted / radius) ** 2
            texture[window] *= 1 - cover[..., None] * np.array([0.45, 0.75, 0.9])
