"""Strand hair: a few hundred guide hairs grow over the head, thousands of strands follow their neighbours among them.

Everything here is in the frame of the subject's neutral head, dm. S strands of K points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy.spatial import KDTree

from fullhead.core.random import stream
from fullhead.core.smooth import smoothstep
from fullhead.core.triangles import unit_vectors
from fullhead.synth.anatomy import regions
from fullhead.synth.anatomy.scalp import HairRoots, ScalpSurface, sample_roots
from fullhead.synth.hair.growth import grow_guides, nearest_gather, over_forehead, parting_side, resampled, tail_path
from fullhead.synth.hair.styles import STYLE_SAMPLERS, HairStyle
from fullhead.synth.people.subject import HAIR_COLOURS, Subject

MUCH_DETAIL, FEWER_POINTS = 0.7, 0.65  # of strands: below that detail they have that share of their points


@dataclass(frozen=True)
class Strands:
    """Hairs of one kind: points [S, K, 3] from root to tip, linear colour [S, 3], radius at the root [S]."""

    points: NDArray
    colour: NDArray
    radius: NDArray
    label: int
    tied: NDArray | None = None  # [S] bool: which make a bun, tails or braids; None for none


def grow_hair(scalp: ScalpSurface, subject: Subject, detail: float = 1.0) -> Strands:
    """The subject's hair; `detail` > 0 grows that share of the strands, thicker or thinner, among the same guides.

    With little detail strands that do not curl have fewer points.
    """
    if subject.hair.style == "bald":
        none = np.zeros((0, 2, 3), np.float32)
        return Strands(none, none[:, 0], none[:, 0, 0], regions.LABELS["hair"])
    style = STYLE_SAMPLERS[subject.hair.style](stream(subject.seed, "hair style"))
    rest = scalp.assets.rest
    density = regions.scalp_mask(rest, regions.recession(subject.hair)) * (np.abs(rest[:, 0]) < 0.735)
    density = density * scalp.assets.in_head * regions.thinning(rest, subject.hair)
    random = stream(subject.seed, "guides")
    guide_roots = sample_roots(random, scalp, density, style.guides)
    side = parting_side(random, guide_roots, style, 0.04)
    guides = grow_guides(random, scalp, style, guide_roots, side)
    straight = not (style.wave or style.curl or style.rope or style.braid)
    points = max(round(FEWER_POINTS * style.points), 4) if straight and detail < MUCH_DETAIL else style.points
    guides = _with_points(guides, points)
    count = max(int(style.strands * detail), 150)
    roots = sample_roots(stream(subject.seed, "roots"), scalp, density, count)
    strands, lock, thin = _strands_among_guides(subject.seed, scalp, style, guide_roots, side, guides, roots)
    extra = [_with_points(knot, points) for knot in _knots(subject.seed, scalp, style, detail)]
    strands = np.concatenate([strands, *extra])
    lock = np.concatenate([lock, *(np.arange(len(e)) // 24 + 10**6 for e in extra)])
    thin = np.concatenate([thin, np.ones(len(strands) - len(thin))])
    colour = hair_colours(stream(subject.seed, "hair colour"), subject, lock)
    mixed = stream(subject.seed, "shuffle").permutation(len(strands)) if extra else np.arange(len(strands))
    radius = 0.5 * style.width * scalp.size * (1 / detail) ** 0.85 * thin[mixed]
    points, radius, tied = strands[mixed].astype(np.float32), radius.astype(np.float32), mixed >= len(roots.points)
    return Strands(points, colour[mixed], radius, regions.LABELS["hair"], tied)


def _with_points(strands: NDArray, points: int) -> NDArray:
    """The same strands [S, K, 3], each of `points` points."""
    places = np.linspace(0, strands.shape[1] - 1, points)
    return resampled(strands, np.broadcast_to(places, (len(strands), points)))


def hair_colours(random: RandomState, subject: Subject, lock: NDArray) -> NDArray:
    """Linear colours [S, 3] of strands that belong to locks [S]; grey is mixed into all of them, unevenly but softly."""
    count = len(lock)
    base, grey = np.array(HAIR_COLOURS[subject.hair.colour]), np.array(HAIR_COLOURS["grey"])
    dyed = subject.hair.colour != subject.hair.natural
    share = 0.0 if dyed else np.clip(0.75 * subject.hair.grey * (1 + 0.3 * random.normal(size=(count, 1))), 0, 1)
    of_lock = random.normal(size=(997, 1))[lock % 997]
    spread = np.exp(0.11 * random.normal(size=(count, 1)) + 0.10 * of_lock + 0.03 * random.normal(size=(count, 3)))
    mixed = (base**0.4 + share * (grey**0.4 - base**0.4)) ** 2.5  # as the eye mixes
    return (mixed * spread).astype(np.float32)


def _strands_among_guides(
    seed: int, scalp: ScalpSurface, style: HairStyle, guide_roots: HairRoots, side: NDArray, guides: NDArray, roots: HairRoots
) -> tuple[NDArray, NDArray, NDArray]:
    """Strands [S, K, 3], their locks [S] and relative thickness [S].

    A strand is the mean of its three nearest guides' shapes, clumped, waved, curled and frizzed; shorter and thinner at the
    hairline.
    """
    random, size, count, points = stream(seed, "strands"), scalp.size, len(roots.points), guides.shape[1]
    t = np.linspace(0, 1, points)
    near, weight = _neighbours(random, style, guide_roots, side, roots)
    shapes = guides - guides[:, :1]
    strands = roots.points[:, None] + np.einsum("sk,skpd->spd", weight, shapes[near])
    lock = near[:, 0] * style.locks + random.randint(0, style.locks, count)
    centre = random.normal(size=(len(guides) * style.locks, 3))[lock]
    spread = (0.042 * centre + 0.016 * random.normal(size=(count, 3)))[:, None] * size * (1 - 0.5 * style.clump)
    clump = style.clump * t[:, None] ** 1.3 * random.uniform(0.6, 1.0, (count, 1, 1))
    if style.comb == "gather":  # all end at one place
        clump, spread = np.maximum(clump, smoothstep(0.5, 1.0, t)[:, None]), spread * 0.9
    strands = strands * (1 - clump) + (guides[near[:, 0]] + spread) * clump
    if style.rope > 0:
        strands = _roped(random, scalp, style, strands, guides[near[:, 0]])
    inwards = smoothstep(0.0, 0.16, regions.above_hairline(roots.rest, 0.0))
    if style.comb != "gather":
        shorter = (1 - style.uneven * random.uniform(size=(count, 1)) ** 1.5) * (0.4 + 0.6 * inwards[:, None])
        strands = resampled(strands, shorter * np.linspace(0, points - 1, points))
    strands = _curled(random, style, strands, lock)
    wobble = random.normal(size=(count, 4, 3))
    wobble *= np.where(random.uniform(size=(count, 1, 1)) < 0.03 * (style.curl == 0), 2.5, 1.0)  # some fly away
    strands = strands + _with_points(wobble, points) * style.frizz * (t**0.7)[:, None] * size
    moving = strands[:, 1:].reshape(-1, 3)
    strands[:, 1:] = scalp.push_out(moving, 0.012).reshape(count, points - 1, 3)
    return strands, lock, 0.4 + 0.6 * inwards


def _neighbours(
    random: RandomState, style: HairStyle, guide_roots: HairRoots, side: NDArray, roots: HairRoots
) -> tuple[NDArray, NDArray]:
    """The three guides [S, 3] that each strand follows, and how much [S, 3]; never those across a parting."""
    feature, guide_feature = roots.rest.copy(), guide_roots.rest.copy()
    if style.comb in ("part", "swept"):
        feature[:, 0] += parting_side(random, roots, style, 0.02) * smoothstep(-0.1, 0.2, roots.rest[:, 2])
        guide_feature[:, 0] += side * smoothstep(-0.1, 0.2, guide_roots.rest[:, 2])
    if style.comb == "gather":
        feature[:, 0] += 2.0 * nearest_gather(style, roots.rest)
        guide_feature[:, 0] += 2.0 * nearest_gather(style, guide_roots.rest)
    feature[:, 2] += 2.0 * over_forehead(style, roots.rest)
    guide_feature[:, 2] += 2.0 * over_forehead(style, guide_roots.rest)
    distance, near = (np.asarray(found) for found in KDTree(guide_feature).query(feature, k=3))
    weight = 1 / (distance + 0.03)
    return near, weight / weight.sum(1, keepdims=True)


def _roped(random: RandomState, scalp: ScalpSurface, style: HairStyle, strands: NDArray, guides: NDArray) -> NDArray:
    """Strands [S, K, 3] wound around their guides [S, K, 3] to ropes of even thickness."""
    count, points = strands.shape[:2]
    t = np.linspace(0, 1, points)
    angle = random.uniform(0, 2 * np.pi, (count, 1)) + 14 * t
    radius = style.rope * scalp.size * np.sqrt(random.uniform(size=(count, 1)))
    u = unit_vectors(np.cross(guides[:, -1] - guides[:, 0], np.array([0.1, 0.2, 1.0])))[:, None]
    v = np.cross(unit_vectors(guides[:, -1] - guides[:, 0]), u[:, 0])[:, None]
    rope = guides + (radius * np.cos(angle))[..., None] * u + (radius * np.sin(angle))[..., None] * v
    wound = smoothstep(0.0, 0.12, t)[:, None]
    return strands * (1 - wound) + rope * wound


def _curled(random: RandomState, style: HairStyle, strands: NDArray, lock: NDArray) -> NDArray:
    """Strands with the waves and curls of their style, in step within a lock [S]."""
    count, points = strands.shape[:2]
    t = np.linspace(0, 1, points)
    if style.wave <= 0 and style.curl <= 0:
        return strands
    arc = t * np.linalg.norm(np.diff(strands, axis=1), axis=2).sum(1)[:, None]  # [S, K]
    if style.wave > 0:
        phase = (lock // style.locks * 0.7) % 6.28
        axis = np.stack([np.cos(phase), 0 * phase, np.sin(phase)], axis=-1)
        angle = arc * 2 * np.pi * style.wave_rate + phase[:, None] + 0.4 * random.normal(size=(count, 1))
        strands = strands + (np.sin(angle) * style.wave * smoothstep(0.05, 0.35, t))[..., None] * axis[:, None]
    if style.curl > 0:
        along = unit_vectors(strands[:, -1] - strands[:, 0])
        first = unit_vectors(np.cross(along, np.array([0.3, 0.9, 0.2])))
        own = random.uniform(size=(997, 3))[lock % 997]  # phase, rate and hand of each lock
        rate = style.curl_rate * (0.8 + 0.4 * own[:, 1:2]) * np.sign(own[:, 2:] - 0.5)
        angle = 2 * np.pi * (arc * rate + own[:, :1]) + 0.3 * random.normal(size=(count, 1))
        radius = style.curl * smoothstep(0, 0.15, t) * random.uniform(0.6, 1.4, (count, 1))
        strands = strands + (np.cos(angle) * radius)[..., None] * first[:, None]
        strands = strands + (np.sin(angle) * radius)[..., None] * np.cross(along, first)[:, None]
    return strands


def _knots(seed: int, scalp: ScalpSurface, style: HairStyle, detail: float) -> list[NDArray]:
    """What hangs or sits where hair is gathered: strands [n, K, 3] of a bun, tails or braids at each place."""
    found = []
    for which, where in enumerate(style.gathers):
        random, start = stream(seed, "knot", which), scalp.from_rest(np.array(where))
        if style.bun > 0:
            found.append(_bun(random, scalp, style, start, max(int(3000 * detail), 100)))
        else:
            line = tail_path(scalp, style, start, style.points)
            make = _braid if style.braid > 0 else _tail
            found.append(make(random, scalp, style, line, max(int(3600 * detail), 100)))
    return found


def _bun(random: RandomState, scalp: ScalpSurface, style: HairStyle, start: NDArray, count: int) -> NDArray:
    """Strands [count, K, 3] wound around a ball behind the place where the hair gathers."""
    size = scalp.size
    centre = start + np.array([0, 0.10 * style.bun, -0.45 * style.bun]) * size
    axis = unit_vectors(random.normal(size=(count, 3)) * 0.35 + np.array([0, 0, 1.0]))
    u = unit_vectors(np.cross(axis, random.normal(size=(count, 3))))
    v = np.cross(axis, u)
    latitude = np.arcsin(random.uniform(-1, 1, (count, 1))) * 0.9
    turn = np.linspace(0, 2.6, style.points) + random.uniform(0, 6.28, (count, 1))
    radius = style.bun * size * random.uniform(0.78, 1.0, (count, 1)) * (1 + 0.05 * np.sin(3 * turn))
    flat = np.cos(latitude) * radius
    around = (flat * np.cos(turn))[..., None] * u[:, None] + (flat * np.sin(turn))[..., None] * v[:, None]
    return centre + around + (np.sin(latitude) * radius)[..., None] * axis[:, None]


def _frames(line: NDArray) -> tuple[NDArray, NDArray]:
    """Two unit vectors [K, 3] across a line [K, 3]; the first is as level as can be."""
    along = unit_vectors(np.gradient(line, axis=0))
    u = unit_vectors(np.cross(along, np.array([0.05, 0.1, 1.0])))
    return u, np.cross(along, u)


def _tail(random: RandomState, scalp: ScalpSurface, style: HairStyle, line: NDArray, count: int) -> NDArray:
    """Strands [count, K, 3] of a tail along its middle line [K, 3]: thin at the tie, full below, ending unevenly."""
    t = np.linspace(0, 1, len(line))
    thick = (0.07 + 0.15 * smoothstep(0.0, 0.25, t) - 0.10 * smoothstep(0.45, 1.0, t)) * scalp.size
    u, v = _frames(line)
    angle, radius = random.uniform(0, 2 * np.pi, (count, 1, 1)), np.sqrt(random.uniform(size=(count, 1, 1)))
    lean = 0.10 * random.normal(size=(count, 1, 3)) * (t**2)[:, None] * scalp.size
    strands = line + radius * thick[:, None] * (np.cos(angle) * u + np.sin(angle) * v) + lean
    strands = resampled(strands, (1 - 0.35 * random.uniform(size=(count, 1)) ** 2) * np.arange(len(line)))
    return _curled(random, style, strands, random.randint(0, 40, count))


def _braid(random: RandomState, scalp: ScalpSurface, style: HairStyle, line: NDArray, count: int) -> NDArray:
    """Strands [count, K, 3] of a plait of three along its middle line [K, 3], with a tuft below its end."""
    t = np.linspace(0, 1, len(line))
    thick = style.braid * scalp.size * (0.6 + 0.4 * smoothstep(0, 0.2, t) - 0.4 * smoothstep(0.5, 1.0, t))
    plaited = smoothstep(0.97, 0.9, t)
    u, v = _frames(line)
    turn = 2 * np.pi * style.tail * scalp.size / (2.6 * style.braid) * t + (2 * np.pi / 3) * random.randint(0, 3, (count, 1))
    across, depth = np.sin(turn) * 0.62, np.sin(2 * turn) * 0.34
    angle, radius = random.uniform(0, 2 * np.pi, (count, 1)), 0.42 * np.sqrt(random.uniform(size=(count, 1)))
    inside = radius * np.stack([np.cos(angle) + 0 * t, np.sin(angle) + 0 * t])  # [2, n, K]
    offset = (across * plaited + inside[0])[..., None] * u + (depth * plaited + inside[1])[..., None] * v
    return line + offset * thick[:, None]
