"""Sheets of procedural heads to look at.

One head per row: the first subject, counting seeds from the one given, that has the wanted hair style. Nothing else is
chosen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fullhead.core.cameras import RADIUS, orbit
from fullhead.rig.identity import shape_parameters
from fullhead.rig.template import load_template
from fullhead.synth.body import Studio, open_studio
from fullhead.synth.fields import linear_from_srgb, stream
from fullhead.synth.lights import Lit, lights_of, lit
from fullhead.synth.photos import mild_expression
from fullhead.synth.render import composite, take_photo
from fullhead.synth.scene import build_person, build_scene
from fullhead.synth.subject import Subject, sample_subject
from fullhead.synth.takes import quality_for

STYLES_SHOWN = (
    "short", "long_straight", "afro", "bob", "receding", "ponytail", "buzz", "long_wavy", "side_part", "bun", "curly", "fringe",
)  # fmt: skip
YAWS = tuple(math.radians(degrees) for degrees in (0, 45, 90, 135, 180))
BACKGROUNDS = linear_from_srgb(np.array([(0.90, 0.89, 0.87), (0.62, 0.66, 0.71), (0.80, 0.77, 0.71), (0.36, 0.38, 0.41)]))


def contact_sheet(subjects: Sequence[Subject], size: int = 256, columns: int = 2) -> NDArray:
    """uint8 sRGB picture: every subject from the five yaws, subjects running down `columns` columns."""
    studio = open_studio(quality_for(size).texture)
    rows = [head_row(studio, subject, size, BACKGROUNDS[i % len(BACKGROUNDS)]) for i, subject in enumerate(subjects)]
    height = -(-len(rows) // columns)
    rows += [np.full_like(rows[0], 255)] * (height * columns - len(rows))
    return np.concatenate([np.concatenate(rows[c * height : (c + 1) * height]) for c in range(columns)], axis=1)


def head_row(studio: Studio, subject: Subject, size: int, behind: NDArray) -> NDArray:
    """One subject from the five yaws, uint8 [size, 5 size, 3]."""
    light = _lit(studio, subject, size)
    return np.concatenate([composite(take_photo(light, orbit(yaw), size), behind) for yaw in YAWS], axis=1)


def truth_row(studio: Studio, subject: Subject, size: int, yaw: float) -> NDArray:
    """One view as photo, mask, depth, normals and labels, uint8 [size, 5 size, 3]."""
    camera = orbit(yaw)
    photo = take_photo(_lit(studio, subject, size), camera, size)
    seen = photo.alpha[..., None] > 0
    near = np.clip((RADIUS + 0.25 - photo.depth[..., None]) / 0.5, 0.1, 1) * seen
    normal = (photo.normal @ camera.c2w[0, :3, :3].numpy() * np.array([1, -1, -1]) + 1) / 2 * seen
    palette = stream(5, "palette").uniform(0.15, 1, (256, 3)) * (np.arange(256) > 0)[:, None]
    pictures = [np.repeat(photo.alpha[..., None], 3, 2), np.repeat(near, 3, 2), normal, palette[photo.label]]
    return np.concatenate([composite(photo, BACKGROUNDS[1]), *((p * 255).astype(np.uint8) for p in pictures)], axis=1)


def _lit(studio: Studio, subject: Subject, size: int) -> Lit:
    """A subject with its mild expression under its light, for pictures of `size`."""
    expression = mild_expression(stream(subject.seed, "expression"))
    scene = build_scene(build_person(studio, subject, quality_for(2 * size).detail), expression)
    return lit(scene, lights_of(subject.lighting), directions=48, size=192, key_size=1024)


def first_subjects(styles: Sequence[str], seed: int, shape_names: Sequence[str]) -> list[Subject]:
    """For each style the first subject from `seed` on that has it and was not taken."""
    found: list[Subject] = []
    for style in styles:
        taken = {subject.seed for subject in found}
        candidate = seed
        while (subject := sample_subject(candidate, shape_names)).hair.style != style or candidate in taken:
            candidate += 1
        found.append(subject)
    return found


def heads_sheet(size: int, seed: int = 0, consecutive: int = 0) -> NDArray:
    """Heads from all sides: the first of each of STYLES_SHOWN from `seed` on, or that many seeds as they come."""
    names = list(shape_parameters(load_template()))
    if consecutive:
        return contact_sheet([sample_subject(seed + i, names) for i in range(consecutive)], size)
    return contact_sheet(first_subjects(STYLES_SHOWN, seed, names), size)


def truth_sheet(size: int, seed: int = 0) -> NDArray:
    """Four heads as photo, mask, depth, normals and labels."""
    subjects = first_subjects(STYLES_SHOWN, seed, list(shape_parameters(load_template())))
    studio = open_studio(quality_for(size).texture)
    views = zip(subjects[1::3], (0.0, 0.6, 1.2, 2.6), strict=False)
    return np.concatenate([truth_row(studio, subject, size, yaw) for subject, yaw in views])
