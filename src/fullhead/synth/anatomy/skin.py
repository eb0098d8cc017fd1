"""The skin's colour texture: tone, blood, mottling, lips, stubble, scalp, brows, age, make-up, freckles and moles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from fullhead.core.colour import linear_from_lab
from fullhead.core.random import stream
from fullhead.core.smooth import blob, smoothstep
from fullhead.synth.anatomy import regions
from fullhead.synth.anatomy.regions import HEAD, MOUTH, SOCKET
from fullhead.synth.anatomy.template_assets import SkinAtlas, TemplateAssets
from fullhead.synth.people.subject import HAIR_COLOURS, LIPSTICKS, Subject

# Chroma of skin in CIELAB by tone; its lightness follows from the tone's individual typology angle.
TONE_PLACES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
TONE_A = (8.5, 11.0, 13.0, 15.0, 13.0, 9.5)
TONE_B = (13.0, 19.0, 23.5, 22.5, 17.5, 9.5)
STUBBLE = {"none": 0.2, "stubble": 0.75, "moustache": 0.3, "goatee": 0.5, "short": 0.85, "full": 0.9}
BLOOD = np.array([0.10, 0.52, 0.48], np.float32)  # share of the light that blood absorbs
PIGMENT = np.array([0.30, 0.42, 0.48], np.float32)  # and that darker skin absorbs
COARSE, MEDIUM, FINE, FINEST = range(4)  # rows of SkinAtlas.noise
OwnNoise = Callable[[int, int], NDArray]  # the subject's [M], of a rate and a channel: a mixture of the atlas's
LEAST_SHARE = 0.004  # of another colour, that shows


def ita_of_tone(tone: float) -> float:
    """Individual typology angle of a tone in [0, 1], degrees: 68 (very light; above 55) to -72 (dark; below -30)."""
    return 68 - 140 * tone


def base_colour(subject: Subject) -> NDArray:
    """Mean skin colour [3], linear."""
    tone, warm = subject.skin.tone, subject.skin.undertone
    a = float(np.interp(tone, TONE_PLACES, TONE_A)) * (1 - 0.12 * warm)
    b = float(np.interp(tone, TONE_PLACES, TONE_B)) * (1 + 0.12 * warm)
    return linear_from_lab([50 + b * np.tan(np.radians(ita_of_tone(tone))), a, b])


def skin_texture(assets: TemplateAssets, subject: Subject) -> NDArray:
    """Linear albedo [R, R, 3] float32 in the atlas's layout; row 0 is v = 1."""
    random, atlas = stream(subject.seed, "skin"), assets.atlas
    mix = random.normal(size=(4, 4, 3)) / np.sqrt(3)

    def noise(rate: int, channel: int) -> NDArray:
        return np.tensordot(mix[channel, rate].astype(np.float32), atlas.noise[rate], 1)

    base = base_colour(subject).astype(np.float32)
    colour = _complexion(subject, atlas, base, noise)
    _paint_wrinkles(colour, subject, atlas, noise)
    _paint_lips(colour, subject, atlas, base, noise)
    _paint_hair_shadows(colour, subject, atlas, base, noise)
    _paint_makeup(colour, subject, atlas)
    colour[atlas.island == MOUTH] = (0.30, 0.07, 0.06)
    colour[atlas.island == SOCKET] = (0.35, 0.12, 0.09)
    texture = np.clip(colour, 0, 1)[atlas.texel]
    _add_spots(texture, subject, atlas, random)
    return texture


def skin_roughness(assets: TemplateAssets, subject: Subject) -> NDArray:
    """Roughness [F] of the skin's faces: oily nose and forehead, moist lips and mouth, dull under hair."""
    corners = assets.skin.faces
    points, lip_ring = assets.rest[corners].mean(1), assets.lip_ring[corners].mean(1)
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    oily = np.exp(-((x / 0.16) ** 2)) * smoothstep(6.85, 6.95, y) * smoothstep(7.3, 7.2, y) * (z > 1.2)
    oily += 0.7 * np.exp(-(((y - 7.75) / 0.2) ** 2)) * smoothstep(0.9, 1.1, z)
    rough = 0.50 - 0.08 * np.clip(oily, 0, 1) - 0.14 * regions.lip_mask(lip_ring) - 0.06 * (subject.skin.shine - 1)
    hair = regions.scalp_mask(points, regions.recession(subject.hair)) * regions.thinning(points, subject.hair)
    rough = rough + (0.95 - rough) * hair * (subject.hair.style != "bald")
    rough[assets.island == MOUTH] = 0.30
    return rough.astype(np.float32)


def _blend(colour: NDArray, share: NDArray, other: NDArray) -> None:
    """Move colour [M, 3] by its `share` [M] in [0, 1] towards `other` [3] or [M, 3]."""
    there = np.flatnonzero(share > LEAST_SHARE)
    target = other if other.ndim == 1 else other[there]
    colour[there] += np.minimum(share[there], 1)[:, None].astype(np.float32) * (target.astype(np.float32) - colour[there])


def _absorb(colour: NDArray, share: NDArray, absorbed: NDArray) -> None:
    """Darken colour [M, 3] by its `share` [M] in [0, 1] of the light that is `absorbed` [3]."""
    there = np.flatnonzero(share > LEAST_SHARE)
    colour[there] *= 1 - share[there][:, None] * absorbed.astype(np.float32)


def _complexion(subject: Subject, atlas: SkinAtlas, base: NDArray, noise: OwnNoise) -> NDArray:
    """Tone with mottling, blood in cheeks, nose, ears and chin, darker eyelids and folds [M, 3] float32."""
    skin, zones, light = subject.skin, atlas.zones, 1 - subject.skin.tone
    coarse, medium, fine, finest = (noise(rate, 0) for rate in range(4))
    mottling = skin.mottle * (0.020 * coarse + 0.022 * medium) + 0.016 * fine + 0.020 * finest
    colour = base * (1 + mottling[:, None] * np.array([0.8, 1.1, 1.2], np.float32))
    blood = zones["blood"] * skin.redness * (1 + 0.18 * coarse + 0.15 * medium) * (0.30 + 0.40 * light)
    _absorb(colour, blood + 0.5 * zones["rim"] * (0.4 + 0.6 * light), BLOOD)
    _absorb(colour, zones["dark"] * (0.10 + 0.32 * smoothstep(0.25, 0.7, skin.tone)), PIGMENT)
    _absorb(colour, 0.6 * skin.eyebag * zones["eyebag"], np.array([0.34, 0.46, 0.34]))
    _absorb(colour, 0.22 * zones["lid"], PIGMENT)
    _absorb(colour, 0.8 * zones["hollow"], np.array([0.45, 0.62, 0.62]))
    _absorb(colour, 0.85 * zones["nostril"], np.array([0.85, 0.92, 0.92]))
    colour *= 1 + 0.05 * zones["ridge"][:, None]
    return colour


def _paint_lips(colour: NDArray, subject: Subject, atlas: SkinAtlas, base: NDArray, noise: OwnNoise) -> None:
    """Lips as they are, the darker the skin the browner, the upper darker; then lipstick."""
    tone, depth, makeup = subject.skin.tone, subject.skin.lip_depth, subject.makeup
    bare = base * np.array([0.98 - 0.22 * depth, 0.66 - 0.22 * depth, 0.70 - 0.18 * depth])
    bare = bare + smoothstep(0.45, 1.0, tone) * np.array([0.045, 0.012, 0.014])  # paler inside on dark skin
    there = np.flatnonzero(atlas.zones["lips"] > LEAST_SHARE)
    cover, lips = atlas.zones["lips"][there], colour[there]
    creases = 1 + 0.06 * noise(FINE, 1)[there]
    upper = 1 - (0.10 + 0.14 * smoothstep(0.3, 0.8, tone)) * atlas.zones["upper_lip"][there]
    inner = 1 - 0.35 * smoothstep(2.6, 1.2, atlas.lip_ring[there])
    _blend(lips, 0.92 * cover, bare * (creases * upper * inner)[:, None])
    stick = np.array(LIPSTICKS[makeup.lip_colour]) * (0.85 - 0.45 * tone)  # what shines through is darker
    _blend(lips, 0.8 * makeup.lipstick * cover, stick * (creases * inner)[:, None])
    colour[there] = lips


def _paint_hair_shadows(colour: NDArray, subject: Subject, atlas: SkinAtlas, base: NDArray, noise: OwnNoise) -> None:
    """Shaved or bearded cheeks, roots of the hair, and what shows between the hairs of the brows."""
    own, finest = np.array(HAIR_COLOURS[subject.hair.natural]), noise(FINEST, 1)
    dots = np.clip(0.75 + 0.35 * finest, 0.3, 1.4)
    if subject.male:
        share = 0.5 * STUBBLE[subject.face_hair.beard] * atlas.zones["beard"] * dots
        _blend(colour, share, 0.25 * base + 0.6 * own + 0.01)
    cover, roots = _scalp_cover(subject, atlas, noise(MEDIUM, 2), finest), np.array(HAIR_COLOURS[subject.hair.colour])
    if subject.hair.colour != subject.hair.natural:
        roots = 0.5 * (roots + own)
    _blend(colour, cover * (np.maximum(dots, 0.8) if subject.hair.style in ("buzz", "bald") else 1), roots + 0.012 * base)
    x, y, z = atlas.position.T
    there = np.flatnonzero((atlas.island == HEAD) & (np.abs(x) < 0.65) & (np.abs(y - 7.5) < 0.3) & (z > 0.7))
    brow, forehead = regions.brow_mask(atlas.position[there], subject.face_hair), colour[there]
    _blend(forehead, brow * (0.15 + 0.45 * subject.face_hair.brow_density), 0.7 * own + 0.06 * base)
    colour[there] = forehead


def _scalp_cover(subject: Subject, atlas: SkinAtlas, medium: NDArray, finest: NDArray) -> NDArray:
    """How much the roots of the hair darken the skin [M]."""
    hair, wild = subject.hair, 0.025 * medium + 0.012 * finest
    if hair.style == "bald":
        return 0.07 * regions.scalp_mask(atlas.position, 0.6, wild) * subject.male
    there = np.flatnonzero(atlas.zones["grown"] > LEAST_SHARE)
    points, cover = atlas.position[there], np.zeros(len(wild))
    cover[there] = regions.scalp_mask(points, regions.recession(hair), wild[there]) * atlas.zones["grown"][there]
    cover[there] *= (0.98 if hair.style == "buzz" else 0.97) * regions.thinning(points, hair)
    return cover


def _paint_wrinkles(colour: NDArray, subject: Subject, atlas: SkinAtlas, noise: OwnNoise) -> None:
    """Lines of forehead, crow's feet, nose to mouth and under the eyes, each with a lighter side; spots of old age."""
    strength = subject.skin.wrinkle
    if strength <= 0.02:
        return
    points = atlas.position
    there = np.flatnonzero((points[:, 2] > 0.7) & (points[:, 1] > 6.3) & (points[:, 1] < 8.1) & (atlas.island == HEAD))
    x, y, z = np.abs(points[there, 0]), points[there, 1], points[there, 2]
    coarse, medium = noise(COARSE, 1)[there], noise(MEDIUM, 1)[there]

    def line(place: NDArray, width: float) -> NDArray:
        """A dark line where `place` is 0 with a light one beside it."""
        return np.exp(-((place / width) ** 2)) - 0.45 * np.exp(-(((place - 1.6 * width) / width) ** 2))

    rows = (y + 0.030 * coarse + 0.012 * medium + 0.05 * np.cos(5 * x)) * 8.0
    broken = np.clip(0.6 + 0.5 * coarse + 0.4 * medium, 0, 1)
    lines = 0.7 * line((rows % 1) - 0.5, 0.085) * broken * blob(points[there], (0, 7.80, 1.2), (0.26, 0.10, 0.5))
    mirrored = np.stack([x, y, z], axis=-1)
    fan = np.arctan2(y - 7.28, x - 0.50) * 2.9 + 0.12 * medium
    lines += 0.65 * line((fan % 1) - 0.5, 0.13) * blob(mirrored, (0.635, 7.27, 1.0), (0.055, 0.10, 0.3)) * (x > 0.56)
    side = x - 0.205 - 0.34 * np.clip(6.98 - y, 0, 1) + 0.006 * coarse
    lines += 0.9 * line(-side, 0.018) * smoothstep(6.52, 6.64, y) * smoothstep(7.0, 6.90, y) * (z > 1.0)
    bag = y - 7.085 - 0.5 * (x - 0.30) ** 2 + 0.006 * medium
    lines += 0.55 * line(bag, 0.012) * blob(mirrored, (0.30, 7.09, 1.4), (0.11, 0.05, 0.4))
    dark = np.clip(lines * strength, -0.3, 1)[:, None].astype(np.float32)
    colour[there] *= 1 - dark * np.array([0.22, 0.30, 0.30], np.float32)
    spots = smoothstep(1.7, 2.3, coarse + 0.8 * medium) * strength * smoothstep(0.7, 0.3, subject.skin.tone)
    colour[there] *= 1 - (0.35 * spots)[:, None].astype(np.float32) * PIGMENT


def _paint_makeup(colour: NDArray, subject: Subject, atlas: SkinAtlas) -> None:
    makeup, zones = subject.makeup, atlas.zones
    _blend(colour, 0.55 * makeup.eyeshadow * zones["lid"], np.array(makeup.eyeshadow_colour))
    liner = smoothstep(2.2, 1.2, atlas.eye_ring) * (zones["rim"] > 0)
    _blend(colour, 0.85 * makeup.liner * liner, np.array([0.015, 0.012, 0.012]))
    _absorb(colour, 0.2 * makeup.blush * zones["cheek"], BLOOD)


def _add_spots(texture: NDArray, subject: Subject, atlas: SkinAtlas, random: RandomState) -> None:
    """Freckles and moles, drawn into the texture. Sizes are those of a texture of 1024."""
    points = atlas.position
    face = (atlas.island == HEAD) & (points[:, 2] > 0.6) & (points[:, 1] < 8) & (points[:, 1] > 6.1)
    places = np.argwhere(atlas.covered)  # in the order of the atlas's M
    for density, count, radii, depth in (
        (atlas.zones["freckled"] * face, int(1500 * subject.skin.freckles), (0.6, 1.25), 0.34),
        (face.astype(float), subject.skin.moles, (1.2, 2.4), 0.85),
    ):
        if count:
            total = np.cumsum(density)
            chosen = places[np.searchsorted(total, random.uniform(0, total[-1], count)).clip(max=len(places) - 1)]
            radius = random.uniform(*radii, count) * atlas.size / 1024
            _draw_spots(texture, chosen, radius, random.uniform(0.4, 1, count) * depth)


def _draw_spots(texture: NDArray, places: NDArray, wanted: NDArray, strength: NDArray) -> None:
    """Round brown spots at texels [n, 2] with radii [n] in texels; one smaller than a texel fades instead of vanishing."""
    radius = np.maximum(wanted, 0.6)
    reach = int(np.ceil(2.5 * radius.max()))
    steps = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    cover = np.exp(-(steps**2).sum(-1) / radius[:, None] ** 2) * (strength * (wanted / radius) ** 2)[:, None]  # [n, steps]
    row, column = np.moveaxis((places[:, None] + steps).clip(0, len(texture) - 1), -1, 0)
    np.multiply.at(texture, (row, column), (1 - cover[..., None] * np.array([0.45, 0.75, 0.9])).astype(np.float32))
