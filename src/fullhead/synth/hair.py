"""Strand hair: a few hundred guide hairs grow over the head, thousands of strands follow their neighbours among them.

Everything here is in the frame of the subject's neutral head, dm. `to_rest` carries points to the average head, where the
combs are drawn. Number of guides G, of strands S, points per strand K.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy.spatial import KDTree

from fullhead.rig.subdivision import vertex_normals
from fullhead.synth import regions
from fullhead.synth.body import HEAD, Studio
from fullhead.synth.fields import normalised, smoothstep, stream
from fullhead.synth.styles import STYLE_OF, HairStyle
from fullhead.synth.subject import HAIR_COLOURS, Subject


@dataclass(frozen=True)
class Strands:
    """Hairs of one kind: points [S, K, 3] from root to tip, linear colour [S, 3], radius at the root [S]."""

    points: NDArray
    colour: NDArray
    radius: NDArray
    label: int


@dataclass(frozen=True)
class Ground:
    """The skin that hair grows on and lies on."""

    studio: Studio
    vertices: NDArray  # [V, 3] neutral, dm; shoulders swollen by the clothes
    normals: NDArray  # [V, 3]
    tree: KDTree
    offset: NDArray  # rest = (x - offset) * factor + rest_offset, per axis
    factor: NDArray
    rest_offset: NDArray

    @property
    def size(self) -> float:
        """Lengths on this head relative to the average head."""
        return float(1 / self.factor.mean())

    def to_rest(self, points: NDArray) -> NDArray:
        return (points - self.offset) * self.factor + self.rest_offset

    def from_rest(self, points: NDArray) -> NDArray:
        return (points - self.rest_offset) / self.factor + self.offset

    def height_from_rest(self, y: float) -> float:
        return float((y - self.rest_offset[1]) / self.factor[1] + self.offset[1])

    def nearest(self, points: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        """Distance [...] to the nearest vertex, height above its tangent plane, its normal [..., 3]."""
        distance, vertex = self.tree.query(points)
        normal = self.normals[vertex]
        return distance, ((points - self.vertices[vertex]) * normal).sum(-1), normal

    def lifted(self, points: NDArray, height: float, reach: float = 0.4) -> NDArray:
        """Points [n, 3], those within `reach` of the skin pushed out until they are `height` above it."""
        distance, vertex = self.tree.query(points, distance_upper_bound=reach)
        near = np.flatnonzero(np.isfinite(distance))
        vertex, moved = vertex[near], points.copy()
        normal = self.normals[vertex]
        above = ((points[near] - self.vertices[vertex]) * normal).sum(-1)
        moved[near] += normal * np.clip(height - above, 0, reach)[:, None]
        return moved


@dataclass(frozen=True)
class Roots:
    """Where hairs start: on the head, the skin's normal there, and the same place on the average head. [n, 3] each."""

    points: NDArray
    normals: NDArray
    rest: NDArray


def ground(studio: Studio, neutral: NDArray) -> Ground:
    """The ground of a neutral skin [V, 3], dm, with room for clothes on the shoulders."""
    normals = vertex_normals(neutral, studio.skin.triangles)
    room = 0.075 * smoothstep(6.15, 5.85, studio.rest[:, 1])
    vertices = neutral + normals * room[:, None]
    on_scalp = regions.scalp(studio.rest) > 0.5
    low, high = neutral[on_scalp].min(0), neutral[on_scalp].max(0)
    rest_low, rest_high = studio.rest[on_scalp].min(0), studio.rest[on_scalp].max(0)
    return Ground(studio, vertices, normals, KDTree(vertices), low, (rest_high - rest_low) / (high - low), rest_low)


def sample_roots(random: RandomState, place: Ground, density: NDArray, count: int) -> Roots:
    """`count` random places on the head, as dense on the average head as `density` [V] says.

    So a hair keeps its root whatever face the head makes.
    """
    studio = place.studio
    triangles = studio.skin.triangles[studio.island == HEAD]  # [F', 3]
    corners = studio.rest[triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    weight = density[triangles].mean(1) * area
    if weight.sum() <= 0:
        return Roots(*(np.zeros((0, 3)) for _ in range(3)))
    picked = np.searchsorted(np.cumsum(weight), random.uniform(0, weight.sum(), count))
    chosen = triangles[picked.clip(max=len(triangles) - 1)]
    b, c = random.uniform(size=(2, count))
    b, c = np.where(b + c > 1, 1 - b, b), np.where(b + c > 1, 1 - c, c)
    weights = np.stack([1 - b - c, b, c], axis=-1)[..., None]  # [n, 3, 1]
    points, normals, rest = ((weights * values[chosen]).sum(1) for values in (place.vertices, place.normals, studio.rest))
    return Roots(points, normalised(normals), rest)


def grow_hair(place: Ground, subject: Subject, detail: float = 1.0) -> Strands:
    """The subject's hair; `detail` in (0, 1] grows that share of the strands, thicker, among the same guides."""
    label = regions.LABELS["hair"]
    if subject.hair.style == "bald":
        return Strands(np.zeros((0, 2, 3), np.float32), np.zeros((0, 3), np.float32), np.zeros(0, np.float32), label)
    style = STYLE_OF[subject.hair.style](stream(subject.seed, "hair style"))
    density = regions.scalp(place.studio.rest, subject.hair.recede) * (np.abs(place.studio.rest[:, 0]) < 0.735)
    density = density * place.studio.in_head
    if subject.hair.style == "balding":
        density = density * regions.wreath(place.studio.rest)
    random = stream(subject.seed, "guides")
    roots = sample_roots(random, place, density, style.guides)
    side = _side(random, roots, style, 0.04)
    guides = _grow_guides(random, place, style, roots, side)
    guides = _trimmed(random, place, style, roots, guides)
    random = stream(subject.seed, "strands")
    all_roots = sample_roots(random, place, density, style.strands)
    count = max(int(style.strands * detail), 150)
    some = Roots(all_roots.points[:count], all_roots.normals[:count], all_roots.rest[:count])
    points = _strands_among_guides(stream(subject.seed, "strands", 1), place, style, roots, side, guides, some)
    if style.bun:
        points = np.concatenate([points, _bun(stream(subject.seed, "bun"), place, style, max(int(2600 * detail), 100))])
        points = points[stream(subject.seed, "shuffle").permutation(len(points))]
    return Strands(
        points.astype(np.float32),
        hair_colours(stream(subject.seed, "hair colour"), subject, len(points)),
        np.full(len(points), 0.5 * style.width * place.size * (1 / detail) ** 0.85, np.float32),
        label,
    )


def hair_colours(random: RandomState, subject: Subject, count: int) -> NDArray:
    """Linear colours [count, 3] of single strands; grey is mixed into all of them, unevenly but softly."""
    base, grey = np.array(HAIR_COLOURS[subject.hair.colour]), np.array(HAIR_COLOURS["grey"])
    share = np.clip(subject.hair.grey * (1 + 0.35 * random.normal(size=(count, 1))), 0, 1) * (subject.hair.grey > 0)
    spread = np.exp(0.14 * random.normal(size=(count, 1)) + 0.03 * random.normal(size=(count, 3)))
    mixed = (base**0.4 + share * (grey**0.4 - base**0.4)) ** 2.5  # as the eye mixes
    return (mixed * spread).astype(np.float32)


def _is_fringe(style: HairStyle, rest: NDArray) -> NDArray:
    """Roots [n] whose hair falls over the forehead."""
    return style.fringe & (rest[:, 2] > 0.55) & (np.abs(rest[:, 0]) < 0.55) & (rest[:, 1] > 7.9)


def _side(random: RandomState, roots: Roots, style: HairStyle, spread: float) -> NDArray:
    """Side of the parting [n], +1 or -1."""
    return np.where(roots.rest[:, 0] + spread * random.normal(size=len(roots.rest)) > style.part, 1.0, -1.0)


def _lengths(style: HairStyle, rest: NDArray) -> NDArray:
    """Length [n] of the hair of each root on the average head."""
    top = smoothstep(7.45, 8.0, rest[:, 1] - 0.12 * (rest[:, 2] - 0.5))
    front = 1 - style.short_front * smoothstep(0.75, 1.1, rest[:, 2])
    return style.length * (style.short_sides + (1 - style.short_sides) * top) * front


def _comb(style: HairStyle, place: Ground, points: NDArray, side: NDArray) -> NDArray:
    """Direction [n, 3] in which hair at `points` is combed, before it is laid on the skin."""
    rest = place.to_rest(points)
    x, y, z = rest.T
    if style.comb == "whorl":
        return rest - np.array([0.06, 8.42, 0.12])
    if style.comb == "forward":
        ahead = np.stack([0.25 * x, np.full_like(x, -0.35), np.full_like(x, 0.9)], axis=-1)
        return np.where((y < 7.7)[:, None], np.array([0, -1, 0.15]), ahead)
    if style.comb == "back":
        return np.stack([0 * x, 0.15 - 1.2 * smoothstep(0.2, -0.3, z), np.full_like(x, -1.0)], axis=-1)
    if style.comb == "gather":
        return place.from_rest(np.array(style.gather)) - points
    top = smoothstep(7.45, 8.0, y)
    if style.length <= 1.5:
        return np.stack([side * top, -0.25 - 1.2 * (1 - top), -0.45 * top * smoothstep(1.3, 0.4, z)], axis=-1)
    beside_face = (1 - top) * smoothstep(0.4, 0.9, z)  # tucked back, so that the profile shows
    backwards = -0.75 * top * smoothstep(-0.2, 0.5, z) - 1.1 * beside_face
    parted = np.stack([side * (top + 0.4 * beside_face), -0.25 - 1.2 * (1 - top), backwards], axis=-1)
    behind, ahead = -0.15 - 0.3 * (z + 0.2), 0.1 - 0.6 * smoothstep(0.6, 1.0, z)
    to_neck = np.stack([-0.9 * x, np.full_like(x, -0.6), np.where(z < 0.45, behind, ahead)], axis=-1)
    low = smoothstep(7.0, 6.5, y)[:, None]
    return parted * (1 - low) + to_neck * low


def _grow_guides(random: RandomState, place: Ground, style: HairStyle, roots: Roots, side: NDArray) -> NDArray:
    """Guide hairs [G, K, 3]: step by step along the comb, gravity and what they did before, kept off the head."""
    count, size = len(roots.points), place.size
    length = _lengths(style, roots.rest) * (1 + style.length_spread * (random.uniform(size=count) - 0.5)) * size
    step = (length / (style.points - 1))[:, None]
    fringe = _is_fringe(style, roots.rest)
    clearance = style.offset * (0.35 + 0.65 * random.uniform(size=count)) * size
    direction = normalised(roots.normals * style.lift + 1.5 * style.frizz * random.normal(size=(count, 3)))
    tail_direction = normalised(0.16 * random.normal(size=(count, 3)) + np.array([0, -0.1, -1.0]))
    gather = place.from_rest(np.array(style.gather))
    in_tail, tail_length = np.zeros(count, bool), np.zeros((count, 1))
    point = roots.points.copy()
    points = [point]
    for k in range(1, style.points):
        distance, _, normal = place.nearest(point)
        comb = _comb(style, place, point, side)
        comb[fringe] = (0, -0.5, 1.0)
        comb = comb - (comb * normal).sum(-1, keepdims=True) * normal * (0.7 if style.comb == "gather" else 0.9)
        comb, near = normalised(comb), np.exp(-distance / 0.35)[:, None]
        if style.comb == "gather":
            in_tail = in_tail | (np.linalg.norm(gather - point, axis=-1) < 0.16 * size)
            falling = tail_direction * np.exp(-1.6 * tail_length) + 0.75 * direction + np.array([0, -0.62, 0])
            direction = normalised(np.where(in_tail[:, None], falling, 0.5 * direction + 0.9 * comb))
            tail_length = tail_length + np.where(in_tail[:, None], step, 0)
            move = np.where(in_tail[:, None] & (tail_length > style.tail * size), 0.0, step)
        else:
            hanging = 0.45 * ((place.to_rest(point)[:, 1:2] < 7.0) & (style.length > 1.5) & (style.comb == "part"))
            down = np.array([0, -1.0, 0]) * style.gravity * (0.4 + k / (style.points - 1))
            direction = normalised(direction * style.inertia + comb * style.combed * np.maximum(near, hanging) + down)
            direction[fringe] = normalised(direction[fringe] + np.array([0, -0.55, 0]))
            move = step
        point = point + direction * move
        distance, height, normal = place.nearest(point)
        wanted = clearance * min(1, k / 3) * (distance < 0.6)
        wanted = np.where(in_tail, 0.03 * (distance < 0.3), wanted)
        point = point + normal * np.clip(np.where(distance < 0.6, wanted - height, 0), 0, None)[:, None]
        points.append(point)
    return np.stack(points, axis=1)


def _trimmed(random: RandomState, place: Ground, style: HairStyle, roots: Roots, guides: NDArray) -> NDArray:
    """Guides cut off below the style's height (the fringe above the eyes) and resampled to K points."""
    fringe, count, points = _is_fringe(style, roots.rest), len(guides), guides.shape[1]
    if style.cut is None and not fringe.any():
        return guides
    height = np.full(count, -9.0 if style.cut is None else place.height_from_rest(style.cut))
    height[fringe] = place.height_from_rest(7.50)
    height = height + np.where(fringe, 0.03, 0.08) * random.normal(size=count) * place.size
    trimmed = guides.copy()
    for i in range(count):
        below = np.flatnonzero(guides[i, :, 1] < height[i])
        if not len(below):
            continue
        end = below[0]
        if end <= 1:
            trimmed[i] = guides[i, :1] + (guides[i] - guides[i, :1]) * 0.12
            continue
        above, under = guides[i, end - 1, 1], guides[i, end, 1]
        last = end - 1 + (above - height[i]) / max(above - under, 1e-6)
        trimmed[i] = _resampled(guides[i], np.linspace(0, last, points))
    return trimmed


def _resampled(points: NDArray, places: NDArray) -> NDArray:
    first = np.clip(places.astype(int), 0, len(points) - 2)
    part = (places - first)[:, None]
    return points[first] * (1 - part) + points[first + 1] * part


def _strands_among_guides(
    random: RandomState, place: Ground, style: HairStyle, guide_roots: Roots, side: NDArray, guides: NDArray, roots: Roots
) -> NDArray:
    """Strands [S, K, 3]: the mean of the three nearest guides' shapes, clumped, waved, curled, frizzed, off the skin."""
    size, count, points = place.size, len(roots.points), guides.shape[1]
    t = np.linspace(0, 1, points)
    feature, guide_feature = roots.rest.copy(), guide_roots.rest.copy()
    if style.comb == "part":  # never mix the sides of a parting
        feature[:, 0] += _side(random, roots, style, 0.03)
        guide_feature[:, 0] += side
    feature[:, 2] += 2.0 * _is_fringe(style, roots.rest)
    guide_feature[:, 2] += 2.0 * _is_fringe(style, guide_roots.rest)
    distance, near = (np.asarray(found) for found in KDTree(guide_feature).query(feature, k=3))  # [S, 3]
    weight = 1 / (distance + 0.03)
    weight /= weight.sum(1, keepdims=True)
    shapes = guides - guides[:, :1]
    strands = roots.points[:, None] + np.einsum("sk,skpd->spd", weight, shapes[near])
    clump = style.clump * t[:, None] ** 1.3 * random.uniform(0.6, 1.0, (count, 1, 1))
    spread = random.normal(size=(count, 1, 3)) * 0.045 * size * (1 - 0.5 * style.clump)
    strands = strands * (1 - clump) + (guides[near[:, 0]] + spread) * clump
    arc = t * np.linalg.norm(np.diff(strands, axis=1), axis=2).sum(1)[:, None]  # [S, K]
    if style.wave > 0:
        phase = (near[:, 0] * 0.7) % 6.28
        axis = np.stack([np.cos(phase), 0 * phase, np.sin(phase)], axis=-1)
        angle = arc * 2 * np.pi * style.wave_rate + phase[:, None] + 0.4 * random.normal(size=(count, 1))
        strands = strands + (np.sin(angle) * style.wave * smoothstep(0.05, 0.35, t))[..., None] * axis[:, None]
    if style.curl > 0:
        along = normalised(strands[:, -1] - strands[:, 0])
        first = normalised(np.cross(along, np.array([0.3, 0.9, 0.2])))
        angle = arc * style.curl_rate * 2 * np.pi + ((near[:, 0] * 1.3) % 6.28)[:, None] + 0.5 * random.normal(size=(count, 1))
        radius = style.curl * smoothstep(0, 0.15, t) * random.uniform(0.6, 1.4, (count, 1))
        strands = strands + (np.cos(angle) * radius)[..., None] * first[:, None]
        strands = strands + (np.sin(angle) * radius)[..., None] * np.cross(along, first)[:, None]
    knots = random.normal(size=(count, 4, 3))
    places = np.linspace(0, 3, points)
    first_knot = np.clip(places.astype(int), 0, 2)
    part = (places - first_knot)[:, None]
    wobble = knots[:, first_knot] * (1 - part) + knots[:, first_knot + 1] * part
    strands = strands + wobble * style.frizz * (t**0.7)[:, None] * size
    moving = strands[:, 1:].reshape(-1, 3)
    strands[:, 1:] = place.lifted(moving, 0.012).reshape(count, points - 1, 3)
    return strands


def _bun(random: RandomState, place: Ground, style: HairStyle, count: int) -> NDArray:
    """Strands [count, K, 3] wound around a ball behind the place where the hair gathers."""
    size = place.size
    centre = place.from_rest(np.array(style.gather)) + np.array([0, 0.04, -0.20]) * size
    axis = normalised(random.normal(size=(count, 3)) * 0.35 + np.array([0, 0, 1.0]))
    u = normalised(np.cross(axis, random.normal(size=(count, 3))))
    v = np.cross(axis, u)
    latitude = np.arcsin(random.uniform(-1, 1, (count, 1))) * 0.9
    turn = np.linspace(0, 2.6, style.points) + random.uniform(0, 6.28, (count, 1))
    radius = 0.44 * size * random.uniform(0.78, 1.0, (count, 1)) * (1 + 0.05 * np.sin(3 * turn))
    flat = np.cos(latitude) * radius
    around = (flat * np.cos(turn))[..., None] * u[:, None] + (flat * np.sin(turn))[..., None] * v[:, None]
    return centre + around + (np.sin(latitude) * radius)[..., None] * axis[:, None]
