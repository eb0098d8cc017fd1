"""Brows and beards: short strands rooted on the face as it is, so they follow expressions. Frame: the subject's, dm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from fullhead.core.random import stream
from fullhead.core.smooth import smoothstep
from fullhead.core.triangles import unit_vectors
from fullhead.synth.anatomy import regions
from fullhead.synth.anatomy.scalp import HairRoots, ScalpSurface, sample_roots
from fullhead.synth.anatomy.skin import base_colour
from fullhead.synth.anatomy.template_assets import TemplateAssets
from fullhead.synth.hair.growth import leaning
from fullhead.synth.hair.strands import Strands, hair_colours
from fullhead.synth.people.subject import HAIR_COLOURS, Subject

BEARD_LENGTH = {"stubble": 0.016, "moustache": 0.08, "goatee": 0.08, "short": 0.075, "full": 0.26}
BEARD_RADIUS = {"stubble": 0.0020, "moustache": 0.0042, "goatee": 0.003, "short": 0.0028, "full": 0.0042}
BEARD_STRANDS = {"stubble": 9000, "moustache": 3500, "goatee": 5000, "short": 13000, "full": 12000}


def grow_brows(scalp: ScalpSurface, subject: Subject) -> list[Strands]:
    """Left and right brow, always with all hairs: they are few, and gaps would show."""
    hair = subject.face_hair
    rest = scalp.assets.rest
    density = smoothstep(0.22, 0.7, regions.brow_mask(rest, hair)) * scalp.assets.in_head
    count = int(1150 * hair.brow_density * hair.brow_thickness)
    natural = "grey" if subject.hair.natural == "white" else subject.hair.natural  # brows never turn quite white
    own = np.array(HAIR_COLOURS[natural]) * (0.55 if natural == "grey" else 0.85) + 0.05 * base_colour(subject)
    found = []
    for side, name in ((1, "l_brow"), (-1, "r_brow")):
        random = stream(subject.seed, name)
        roots = sample_roots(random, scalp, density * (rest[:, 0] * side > 0), count)
        x, y = np.abs(roots.rest[:, 0]), roots.rest[:, 1]
        to_middle = -5.0 * (y - regions.brow_line(x) - hair.brow_shift)
        up = 0.9 * (1 - smoothstep(0.12, 0.34, x)) - 0.40 * smoothstep(0.4, 0.55, x)
        direction = np.stack([side * (0.45 + 1.2 * smoothstep(0.1, 0.3, x)), up + to_middle, 0 * x], axis=-1)
        length = np.interp(x, (0.1, 0.2, 0.45, 0.58), (0.05, 0.072, 0.062, 0.042)) * scalp.size
        length = length * random.uniform(0.7, 1.1, count)
        points = _hairs(random, roots, direction, length, 4, rise=0.12)
        spread = np.exp(0.2 * random.normal(size=(count, 1)))
        radius = np.full(count, 0.00105 * scalp.size, np.float32)
        found.append(Strands(points, (own * spread).astype(np.float32), radius, regions.LABELS[name]))
    return found


def grow_beard(scalp: ScalpSurface, subject: Subject, detail: float = 1.0) -> Strands | None:
    """The subject's beard, if any."""
    kind = subject.face_hair.beard
    if kind == "none":
        return None
    random, assets = stream(subject.seed, "beard"), scalp.assets
    density = regions.beard_mask(assets.rest, assets.lip_ring) * assets.in_head
    if kind == "moustache":
        density = density * regions.moustache_mask(assets.rest)
    count = max(int(BEARD_STRANDS[kind] * detail), 150)
    roots = sample_roots(random, scalp, density, count)
    if not len(roots.points):
        return None
    length = np.full(count, BEARD_LENGTH[kind] * scalp.size) * random.uniform(0.7, 1.3, count)
    if kind == "full":
        length *= 1 + 0.8 * smoothstep(6.5, 6.1, roots.rest[:, 1])
        length *= np.where((roots.rest[:, 1] > 6.62) & (np.abs(roots.rest[:, 0]) < 0.34), 0.45, 1.0)
    at_roots = density[scalp.tree.closest(roots.points)[1]]
    length *= 0.4 + 0.6 * smoothstep(0.3, 0.8, at_roots)  # shorter towards the edge
    down = np.stack([0.8 * roots.rest[:, 0], np.full(count, -1.0), np.full(count, 0.15)], axis=-1)
    points = _hairs(random, roots, down, length, 6 if kind == "full" else 3, rise=0.45)
    if kind == "full":
        t = np.linspace(0, 1, points.shape[1])[:, None]
        points = points + (0.025 * random.normal(size=(count, 1, 3)) + 0.006 * random.normal(size=points.shape)) * t
    undyed = replace(subject, hair=replace(subject.hair, colour=subject.hair.natural))
    colour = hair_colours(random, undyed, np.arange(count) // 6)
    if kind == "stubble":  # skin shows between and through
        colour = 0.65 * colour + 0.18 * base_colour(subject)
    radius = np.full(count, BEARD_RADIUS[kind] * scalp.size * detail**-0.85, np.float32)
    return Strands(points.astype(np.float32), colour.astype(np.float32), radius, regions.LABELS["beard"])


def grow_lashes(assets: TemplateAssets, subject: Subject, vertices: NDArray, per_column: int = 7) -> Strands:
    """Lashes along the template's strips, whose `vertices` [N, 3] follow the lids."""
    random, columns = stream(subject.seed, "lashes"), assets.lash_columns
    count = len(columns) * per_column
    part = random.uniform(size=(len(columns), per_column, 1, 1))
    left, right = (vertices[columns[:, None, :, side]] for side in (0, 1))  # [C, 1, 5, 3]
    points = left + (right - left) * part  # [C, per_column, 5, 3]
    fan = (random.uniform(-0.5, 0.5, (len(columns), per_column, 1, 1)) * (right - left)) * np.linspace(0, 1, 5)[:, None]
    points = (points + fan).reshape(count, 5, 3)
    centre = np.where(points[:, :1, :1] > 0, *(vertices[eye].mean(0) for eye in assets.eye_vertices))  # [n, 1, 3]
    lower = points[:, :1, 1:2] < centre[..., 1:2]
    length = np.where(lower, 0.35, 0.9) * random.uniform(0.6, 1.0, (count, 1, 1))
    points = points[:, :1] + (points - points[:, :1]) * length
    radius = np.where(lower[:, 0, 0], 0.0006, 0.0008 if subject.male else 0.0013).astype(np.float32)
    return Strands(points.astype(np.float32), np.full((count, 3), 0.014, np.float32), radius, regions.LABELS["lash"])


def _hairs(random: RandomState, roots: HairRoots, direction: NDArray, length: NDArray, points: int, rise: float) -> NDArray:
    """Strands [n, K, 3] laid along `direction` [n, 3], rising from the skin by `rise` and bending back."""
    normal = roots.normals
    along = unit_vectors(leaning(direction, normal, 0.95)) + normal * rise + 0.10 * random.normal(size=normal.shape)
    t = np.linspace(0, 1, points)[None, :, None]
    shape = unit_vectors(along)[:, None] * t - normal[:, None] * (0.45 * rise * t**2)
    return (roots.points[:, None] + shape * length[:, None, None] + 0.004 * normal[:, None]).astype(np.float32)
