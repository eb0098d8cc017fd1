"""Sheets of procedural heads to look at: heads from all sides, styles, tones and expressions on one face, the ground truth.

Subjects are the first ones, counting seeds from the one given, that have a wanted hair style. Nothing else is chosen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.spatial.transform import Rotation

from fullhead.core.cameras import RADIUS, Cameras, orbit
from fullhead.core.colour import linear_from_srgb
from fullhead.core.errors import FullheadError
from fullhead.core.random import stream
from fullhead.kernels.raster import orthographic
from fullhead.rig.arkit import ARKIT, alone
from fullhead.synth.anatomy.skin import ita_of_tone
from fullhead.synth.datasets.scans import make_scan
from fullhead.synth.datasets.shots import RenderContext, ShotSpec, rig_vertices
from fullhead.synth.people.expressions import mild_expression
from fullhead.synth.people.population import Population
from fullhead.synth.people.subject import EARRINGS, GLASSES, HATS, STYLES, Subject
from fullhead.synth.rendering.ground_truth import camera_normals, label_palette, visible_landmarks
from fullhead.synth.rendering.render import composite_over, render_photo

STYLES_SHOWN = (
    "short", "long_straight", "afro", "bob", "receding", "ponytail", "buzz", "long_wavy", "side_part", "bun", "curly", "fringe",
)  # fmt: skip
BACKGROUNDS = linear_from_srgb(np.array([(0.90, 0.89, 0.87), (0.62, 0.66, 0.71), (0.80, 0.77, 0.71), (0.36, 0.38, 0.41)]))
CAPTION = 14  # pixels
MOST_TRIED = 2000  # seeds looked at for one hair style
SUBPIXEL = np.array([0.00013, 0.00021, 0])  # a scan's vertices lie on a grid, and rays through its edges meet nothing


def heads_sheet(size: int, seed: int = 0, consecutive: int = 0, population: Population | None = None) -> NDArray:
    """Heads from five sides: the first of each of STYLES_SHOWN from `seed` on, or that many seeds as they come."""
    context = RenderContext(size)
    if consecutive:
        subjects = [context.subject(seed + i, population) for i in range(consecutive)]
    else:
        subjects = first_with_styles(context, STYLES_SHOWN, seed, population)
    behind = BACKGROUNDS[np.arange(len(subjects)) % len(BACKGROUNDS)]
    rows = [_views(context, _shot(s, size), (0, 45, 90, 135, 180), b) for s, b in zip(subjects, behind, strict=True)]
    height = -(-len(rows) // 2)
    rows += [np.full_like(rows[0], 255)] * (2 * height - len(rows))
    return np.concatenate([np.concatenate(rows[:height]), np.concatenate(rows[height:])], axis=1)


def faces_sheet(size: int, seed: int = 0, consecutive: int = 48, population: Population | None = None) -> NDArray:
    """That many seeds as they come, from the front."""
    context = RenderContext(size)
    subjects = [context.subject(seed + i, population) for i in range(consecutive)]
    return _grid([_views(context, _shot(subject, size), (0,), BACKGROUNDS[1]) for subject in subjects], 8)


def styles_sheet(size: int, seed: int = 0, population: Population | None = None) -> NDArray:
    """Every hair style on one face, from the front, the side and behind."""
    context, bare = _bareheaded(size, seed, population)
    return _grid([_at_rest(context, bare.with_hair(style), size, style) for style in STYLES], 3)


def worn_sheet(size: int, seed: int = 0, population: Population | None = None) -> NDArray:
    """Every hat, pair of glasses and earrings on one head, from the front, the side and behind."""
    context, bare = _bareheaded(size, seed, population)
    tied = bare.with_hair("bun")  # so that the ears show
    wearing = {name: bare.with_worn(hat=name) for name in HATS[1:]}
    wearing |= {f"{name} glasses": bare.with_worn(glasses=name) for name in GLASSES[1:]}
    wearing |= {f"{name} earrings": tied.with_worn(earrings=name) for name in EARRINGS[1:]}
    return _grid([_at_rest(context, subject, size, name) for name, subject in wearing.items()], 3)


def tones_sheet(size: int, seed: int = 0, population: Population | None = None) -> NDArray:
    """One face in eleven tones of skin, with their typology angles."""
    (context, bare), tiles = _bareheaded(size, seed, population), []
    for i in range(11):
        toned = replace(bare, skin=replace(bare.skin, tone=i / 10))
        shot = replace(_shot(toned, size), expression={})
        name = f"tone {i / 10}: {ita_of_tone(i / 10):.0f} degrees"
        tiles.append(_captioned(_views(context, shot, (20,), BACKGROUNDS[1]), name))
    return _grid(tiles, 6)


def expressions_sheet(size: int, seed: int = 0) -> NDArray:
    """One face at rest, then each of ARKit's 52 expressions at full weight (mouthClose over an open jaw), close up."""
    context = RenderContext(size)
    subject = context.subject(seed)
    subject = replace(subject.with_hair("slicked_back"), worn=replace(subject.worn, hat="none", glasses="none"))
    camera = _close_up(orbit(math.radians(18), math.radians(4)))
    tiles = []
    for name in (None, *ARKIT):
        weights = {} if name is None else alone(name)
        _, light = context.lit_scene(replace(_shot(subject, size), expression=weights))
        tiles.append(_captioned(composite_over(render_photo(light, camera, size), BACKGROUNDS[1]), name or "at rest"))
    return _grid(tiles, 9)


def truth_sheet(size: int, seed: int = 0) -> NDArray:
    """Four heads as photo, alpha, depth, normals, parts and landmarks (red: hidden)."""
    context = RenderContext(size)
    subjects = first_with_styles(context, STYLES_SHOWN, seed)
    rows = [_truth_row(context, s, size, yaw) for s, yaw in zip(subjects[1::3], (0.0, 0.6, 1.2, 2.6), strict=False)]
    names = ("photo", "alpha", "depth", "normals", "parts", "landmarks")
    heading = np.concatenate([_captioned(np.zeros((0, size, 3), np.uint8), name) for name in names], axis=1)
    return np.concatenate([heading, *rows])


def scan_views_sheet(size: int, seed: int = 0, population: Population | None = None) -> NDArray:
    """One scan from four sides, in its colours under a lamp and as normals."""
    context = RenderContext(size)
    subject = context.subject(seed, population)
    expression = mild_expression(stream(subject.seed, "expression"))
    mesh = make_scan(context.person(subject), expression, np.zeros((5, 3)), 224)
    assert mesh.normals is not None and mesh.colours is not None
    columns = []
    for degrees in (0, 50, 90, 180):
        turn = Rotation.from_euler("y", -degrees, degrees=True).as_matrix()
        found, weights, _ = orthographic(mesh.vertices @ turn.T + SUBPIXEL, mesh.faces, size)
        corners = mesh.faces[found]  # [size, size, 3]
        normal, colour = ((values[corners] * weights[..., None]).sum(2) for values in (mesh.normals @ turn.T, mesh.colours))
        lamp = np.clip(0.45 + 0.6 * normal @ np.array([0.3, 0.4, 0.85]), 0, 1)[..., None]
        seen = (found >= 0)[..., None]
        columns.append(np.concatenate([np.where(seen, picture, 255) for picture in (colour * lamp, (normal + 1) * 127.5)]))
    return np.concatenate(columns, axis=1).astype(np.uint8)


def first_with_styles(
    context: RenderContext, styles: Sequence[str], seed: int, population: Population | None = None
) -> list[Subject]:
    """For each style the first subject from `seed` on that has it and is not shown yet; FullheadError if there is none."""
    found: list[Subject] = []
    for style in styles:
        drawn = (context.subject(seed + i, population) for i in range(MOST_TRIED))
        shown = {subject.seed for subject in found}
        match = next((subject for subject in drawn if subject.hair.style == style and subject.seed not in shown), None)
        if match is None:
            nobody = f"nobody of {MOST_TRIED} seeds has the hair style {style}"
            raise FullheadError(f"{nobody}: give it a share, or show faces instead")
        found.append(match)
    return found


def _bareheaded(size: int, seed: int, population: Population | None) -> tuple[RenderContext, Subject]:
    """A context for views of that size, and the subject of a seed without accessories."""
    context = RenderContext(size)
    return context, context.subject(seed, population).with_worn("none", "none", "none")


def _views(context: RenderContext, shot: ShotSpec, degrees: Iterable[float], behind: NDArray) -> NDArray:
    """A shot seen from several yaws, side by side."""
    _, light = context.lit_scene(shot)
    yaws = (math.radians(yaw) for yaw in degrees)
    return np.concatenate([composite_over(render_photo(light, orbit(yaw), shot.size), behind) for yaw in yaws], axis=1)


def _at_rest(context: RenderContext, subject: Subject, size: int, name: str) -> NDArray:
    """A subject without expression from the front, the side and behind, with its name."""
    shot = replace(_shot(subject, size), expression={})
    return _captioned(_views(context, shot, (20, 90, 180), BACKGROUNDS[0]), name)


def _shot(subject: Subject, size: int) -> ShotSpec:
    """A subject with its mild expression."""
    return ShotSpec(subject, size, (), mild_expression(stream(subject.seed, "expression")))


def _truth_row(context: RenderContext, subject: Subject, size: int, yaw: float) -> NDArray:
    camera, shot = orbit(yaw), _shot(subject, size)
    person, light = context.lit_scene(shot)
    photo = render_photo(light, camera, size)
    seen = photo.alpha[..., None] > 0
    near = np.clip((RADIUS + 0.25 - photo.depth[..., None]) / 0.5, 0.1, 1) * seen
    normal = (camera_normals(photo, camera) + 1) / 2 * seen
    drawn = [np.repeat(photo.alpha[..., None], 3, 2), np.repeat(near, 3, 2), normal]
    plain = composite_over(photo, BACKGROUNDS[1])
    pictures = [plain, *((picture * 255).astype(np.uint8) for picture in drawn), label_palette()[photo.label]]
    marked = Image.fromarray(plain)
    points = context.landmark_weights @ rig_vertices(person, shot)
    pixels, shown = visible_landmarks(points, photo, camera, person.metres_per_unit)
    for (x, y), visible in zip(pixels, shown, strict=True):
        box = [x - size / 160, y - size / 160, x + size / 160, y + size / 160]
        ImageDraw.Draw(marked).ellipse(box, fill=(40, 235, 60) if visible else (235, 40, 40))
    return np.concatenate([*pictures, np.asarray(marked)], axis=1)


def _close_up(camera: Cameras) -> Cameras:
    """The camera with the face filling its picture."""
    K = camera.K.clone()
    K[:, 0, 0], K[:, 1, 1], K[:, 1, 2] = 1.75 * K[:, 0, 0], 1.75 * K[:, 1, 1], 0.38
    return Cameras(camera.c2w, K)


def _captioned(picture: NDArray, text: str) -> NDArray:
    """The picture with a line of text below."""
    strip = Image.new("RGB", (picture.shape[1], CAPTION), "white")
    ImageDraw.Draw(strip).text((3, 1), text, fill=(40, 40, 40))
    return np.concatenate([picture, np.asarray(strip)])


def _grid(tiles: list[NDArray], columns: int) -> NDArray:
    tiles = [*tiles, *[np.full_like(tiles[0], 255)] * (-len(tiles) % columns)]
    return np.concatenate([np.concatenate(tiles[i : i + columns], axis=1) for i in range(0, len(tiles), columns)])
