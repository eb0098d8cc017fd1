"""How guide hairs grow: step by step along the comb of their style, gravity and what they did before, kept off the head.

Everything is in the frame of the subject's neutral head, dm; combs are drawn on the average head. G guides, K points each.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from fullhead.core.smooth import smoothstep
from fullhead.core.triangles import unit_vectors
from fullhead.synth.anatomy.scalp import HairRoots, ScalpSurface
from fullhead.synth.hair.styles import HairStyle

CROWN = np.array([0.06, 8.42, 0.12])  # of the whorl, on the average head


def parting_side(random: RandomState, roots: HairRoots, style: HairStyle, spread: float) -> NDArray:
    """Side of the parting [n], +1 or -1; a parting ends behind the crown."""
    wander = spread * random.normal(size=len(roots.rest)) + 0.03 * np.sin(9 * roots.rest[:, 2])
    return np.where(roots.rest[:, 0] + wander > style.part * smoothstep(-0.5, 0.3, roots.rest[:, 2]), 1.0, -1.0)


def over_forehead(style: HairStyle, rest: NDArray) -> NDArray:
    """Roots [n] whose hair falls over the forehead, on the average head."""
    x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    z = z + 0.09 * np.sin(61 * rest[:, 0] + 83 * rest[:, 2])  # roots before and behind the border mingle
    return (style.fringe is not None) & (z > 0.45 + 0.4 * np.maximum(x - 0.3, 0)) & (x < 0.66) & (y > 7.7)


def lengths(style: HairStyle, rest: NDArray) -> NDArray:
    """Length [n] of the hair of each root on the average head."""
    top = smoothstep(7.45, 8.0, rest[:, 1] - 0.12 * (rest[:, 2] - 0.5))
    low = smoothstep(6.6, 7.2, rest[:, 1] - 0.35 * smoothstep(-0.1, 0.5, rest[:, 2]))
    front = 1 - style.short_front * smoothstep(0.75, 1.1, rest[:, 2]) - style.short_back * smoothstep(0.5, -0.3, rest[:, 2])
    if style.comb == "swept":  # what starts on the wide side has less far to go
        front = front * (1 - 0.5 * smoothstep(0.05, 0.55, -np.sign(style.part) * rest[:, 0]))
    sides = style.short_sides * (style.fade + (1 - style.fade) * low)
    return style.length * (sides + (1 - sides) * top) * front


def _vectors(x: NDArray | float, y: NDArray | float, z: NDArray | float) -> NDArray:
    return np.stack(np.broadcast_arrays(x, y, z), axis=-1)


def _on_sides(rest: NDArray, combed: NDArray) -> NDArray:
    """`combed` on top, down and a little back on the sides and behind."""
    top = smoothstep(7.50, 7.95, rest[:, 1] + 0.10 * smoothstep(0.2, -0.4, rest[:, 2]))[:, None]
    return combed * top + _vectors(0 * rest[:, 0], -1.0, -0.45 * smoothstep(0.2, 0.8, rest[:, 2])) * (1 - top)


def _forward(rest: NDArray, side: NDArray, style: HairStyle) -> NDArray:
    ahead = _vectors(0.25 * rest[:, 0] + 0.25 * np.sign(style.part), -0.3, 0.9)
    behind = smoothstep(0.45, -0.05, rest[:, 2])[:, None]
    return _on_sides(rest, ahead * (1 - behind) + (_radial(rest) - np.array([0, 0.3, 0])) * behind)


def _swept(rest: NDArray, side: NDArray, style: HairStyle) -> NDArray:
    """From the parting over the top, backwards at the temples."""
    away = -np.sign(style.part)  # the wide side
    wide = side == away
    x, z = rest[:, 0] * away, rest[:, 2]
    back = -0.55 - 0.7 * smoothstep(0.1, 0.5, x)
    over = _vectors(away * (1.0 - 0.45 * smoothstep(0.0, 0.5, x)), -0.1, back * smoothstep(1.4, 0.9, z) - 0.2)
    other = _vectors(0.35 * side, -0.5, -0.8)
    return _on_sides(rest, np.where(wide[:, None], over, other))


def _hanging(rest: NDArray, side: NDArray, on_top: NDArray, tuck: float) -> NDArray:
    """Long hair combed `on_top` [n, 3], tucked back beside the face, to the neck below the jaw."""
    x, y, z = rest.T
    top = smoothstep(7.45, 8.0, y)
    beside_face = tuck * (1 - top) * smoothstep(0.4, 0.9, z)
    down = _vectors(0.4 * side * beside_face, -1.2 * (1 - top), -1.1 * beside_face)
    behind, ahead = -0.15 - 0.3 * (z + 0.2), 0.1 - 0.6 * smoothstep(0.6, 1.0, z)
    to_neck = _vectors(-0.9 * x, -0.6, np.where(z < 0.45, behind, ahead))
    low = smoothstep(7.0, 6.5, y)[:, None]
    return (on_top * top[:, None] + down + np.array([0, -0.25, 0])) * (1 - low) + to_neck * low


def _parted(rest: NDArray, side: NDArray, style: HairStyle) -> NDArray:
    """Long hair from the parting to its side; behind the parting's end from the crown."""
    parted = _vectors(side, 0.0, -0.75 * smoothstep(-0.2, 0.5, rest[:, 2]))
    ahead = smoothstep(-0.15, 0.25, rest[:, 2])[:, None]
    return _hanging(rest, side, parted * ahead + _radial(rest) * (1 - ahead), style.tuck)


def _cap(rest: NDArray, side: NDArray, style: HairStyle) -> NDArray:
    """Long hair from the crown to all sides, beside the face and not over it."""
    return _hanging(rest, np.sign(rest[:, 0]), np.minimum(_radial(rest), np.array([1, 1, 0.1])), style.tuck)


def _radial(rest: NDArray) -> NDArray:
    return unit_vectors((rest - CROWN) * np.array([1, 0, 1]))


COMBS: dict[str, Callable[[NDArray, NDArray, HairStyle], NDArray]] = {
    "whorl": lambda rest, side, style: rest - CROWN,
    "down": lambda rest, side, style: _vectors(0 * side, -1.0, -0.35 * smoothstep(0.3, 0.8, rest[:, 2])),
    "back": lambda rest, side, style: _vectors(0 * side, 0.15 - 1.2 * smoothstep(0.2, -0.3, rest[:, 2]), -1.0),
    "forward": _forward,
    "swept": _swept,
    "part": _parted,
    "cap": _cap,
}


def grow_guides(random: RandomState, scalp: ScalpSurface, style: HairStyle, roots: HairRoots, side: NDArray) -> NDArray:
    """Guide hairs [G, K, 3] from their roots."""
    if style.comb == "gather":
        return _gathered(random, scalp, style, roots)
    count, size = len(roots.points), scalp.size
    length = lengths(style, roots.rest) * (1 + style.length_spread * (random.uniform(size=count) - 0.5)) * size
    step = (length / (style.points - 1))[:, None]
    fringe = over_forehead(style, roots.rest)
    clearance = style.offset * (0.35 + 0.65 * random.uniform(size=count)) * size
    lift = style.lift + style.front_lift * smoothstep(0.75, 1.1, roots.rest[:, 2:3])
    direction = unit_vectors(roots.normals * lift + 1.5 * style.frizz * random.normal(size=(count, 3)))
    points = [roots.points]
    for k in range(1, style.points):
        distance, _, normal = scalp.nearest(points[-1])
        rest = scalp.to_rest(points[-1])
        comb = COMBS[style.comb](rest, side, style)
        comb[fringe] = _vectors(-0.3 * rest[fringe, 0], -0.5, 1.0)
        comb = unit_vectors(leaning(comb, normal, 0.9))
        near = np.exp(-distance / 0.35)[:, None]
        hanging = 0.45 * ((rest[:, 1:2] < 7.0) & (style.length > 1.5) & (style.comb == "part"))
        down = np.array([0, -1.0, 0]) * style.gravity * (0.4 + k / (style.points - 1))
        direction = unit_vectors(direction * style.inertia + comb * style.combed * np.maximum(near, hanging) + down)
        direction[fringe] = unit_vectors(direction[fringe] + np.array([0, -0.55, 0]))
        points.append(_kept_off(scalp, points[-1] + direction * step, clearance * min(1, k / 3)))
    return _trimmed(random, scalp, style, fringe, np.stack(points, axis=1))


def _gathered(random: RandomState, scalp: ScalpSurface, style: HairStyle, roots: HairRoots) -> NDArray:
    """Guides [G, K, 3] drawn tight over the head to the nearest of the style's places, where they end."""
    count, size = len(roots.points), scalp.size
    gather = scalp.from_rest(np.array(style.gathers))[nearest_gather(style, roots.rest)]  # [G, 3]
    clearance = style.offset * (0.35 + 0.65 * random.uniform(size=count)) * size
    direction = unit_vectors(roots.normals * style.lift + 1.5 * style.frizz * random.normal(size=(count, 3)))
    points = [roots.points]
    for k in range(1, style.points):
        comb = gather - points[-1]
        left = np.linalg.norm(comb, axis=-1, keepdims=True)
        comb = unit_vectors(leaning(comb, scalp.nearest(points[-1])[2], 0.7 * smoothstep(0.1, 0.4, left)))
        direction = unit_vectors(0.5 * direction + 0.9 * comb)
        point = points[-1] + direction * np.minimum(1.2 * left / (style.points - k), left)
        points.append(_kept_off(scalp, point, clearance * min(1, k / 3)))
    return np.stack(points, axis=1)


def leaning(directions: NDArray, normals: NDArray, share: NDArray | float) -> NDArray:
    """Directions [..., 3] laid down along the surface with these normals by a share in [0, 1]."""
    return directions - (directions * normals).sum(-1, keepdims=True) * normals * share


def _kept_off(scalp: ScalpSurface, points: NDArray, height: NDArray) -> NDArray:
    """Points [G, 3] near the skin lifted to a height [G] above it."""
    distance, above, normal = scalp.nearest(points)
    return points + normal * np.where(distance < 0.6, height - above, 0).clip(min=0)[:, None]


def nearest_gather(style: HairStyle, rest: NDArray) -> NDArray:
    """Which of the style's places [n] roots on the average head [n, 3] go to."""
    return np.abs(np.array(style.gathers)[:, 0] - rest[:, :1]).argmin(axis=1)


def tail_path(scalp: ScalpSurface, style: HairStyle, start: NDArray, points: int) -> NDArray:
    """Middle line [points, 3] of a tail from `start` [3]: out in the style's direction, then down, over the shoulder."""
    outwards = np.array([np.sign(start[0]) if abs(start[0]) > 0.1 else 1.0, 1.0, 1.0])
    direction = unit_vectors(np.array(style.tail_direction) * outwards)
    step, line = style.tail * scalp.size / (points - 1), [start]
    for k in range(1, points):
        direction = unit_vectors(direction + np.array([0, -1.0, 0]) * 3.2 / points * (1 + 2.0 * k / points))
        point = line[-1] + direction * step
        distance, height, normal = (found[0] for found in scalp.nearest(point[None]))
        room = (style.braid or 0.10) * scalp.size + 0.02
        line.append(point + normal * max(0.0, room - height) * (distance < 0.5))
    return np.array(line)


def _trimmed(random: RandomState, scalp: ScalpSurface, style: HairStyle, fringe: NDArray, guides: NDArray) -> NDArray:
    """Guides cut off below the style's height (the fringe above the eyes) and resampled to K points."""
    if style.cut is None and style.fringe is None:
        return guides

    def height_on_head(y: float) -> float:
        return float(scalp.from_rest(np.array([0, y, 0], np.float32))[1])

    height = np.full(len(guides), -9.0 if style.cut is None else height_on_head(style.cut))
    if style.fringe is not None:
        height[fringe] = height_on_head(style.fringe)
        x = scalp.to_rest(guides[fringe, 0])[:, 0]  # longer at the temples, rising to one side if slanted
        height[fringe] += (style.slant * x - 0.5 * np.maximum(np.abs(x) - 0.42, 0)) * scalp.size
    height = height + np.where(fringe, 0.03, 0.08) * random.normal(size=len(guides)) * scalp.size
    below = guides[..., 1] < height[:, None]
    end = below.argmax(axis=1)  # the first point below; 0 and 1 leave a stub
    trimmed = np.where((below.any(axis=1) & (end <= 1))[:, None, None], guides[:, :1] + (guides - guides[:, :1]) * 0.12, guides)
    cut = np.flatnonzero(end > 1)
    above, under = guides[cut, end[cut] - 1, 1], guides[cut, end[cut], 1]
    last = end[cut] - 1 + (above - height[cut]) / np.maximum(above - under, 1e-6)
    trimmed[cut] = resampled(guides[cut], np.linspace(0, last, guides.shape[1], axis=1))
    return trimmed


def resampled(strands: NDArray, places: NDArray) -> NDArray:
    """Points [S, k, 3] of strands [S, K, 3] at `places` [S, k] counted in their points, straight in between."""
    first = np.clip(places.astype(int), 0, strands.shape[1] - 2)
    part = (places - first)[..., None]
    rows = np.arange(len(strands))[:, None]
    return strands[rows, first] * (1 - part) + strands[rows, first + 1] * part
