"""Sheets of procedural heads to look at: heads from all sides, styles, tones and expressions on one face, the ground truth.

Subjects are the first ones, counting seeds from the one given, that have a wanted hair style. Nothing else is chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import cycle

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.spatial.transform import Rotation

from fullhead.core.cameras import RADIUS, Cameras, orbit
from fullhead.core.colour import linear_from_srgb
from fullhead.core.errors import FullheadError
from fullhead.core.random import stream
from fullhead.core.tri_mesh import present
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


class Studio:
    """Where subjects of a population are drawn, from `seed` on, in views of `size` pixels; `consecutive` of them, or 0."""

    def __init__(self, size: int, seed: int = 0, consecutive: int = 0, population: Population | None = None) -> None:
        self.context, self.size, self.seed = RenderContext(size), size, seed
        self.consecutive, self.population = consecutive, population

    def subject(self, number: int = 0) -> Subject:
        """The subject that many seeds after the first."""
        return self.context.subject(self.seed + number, self.population)

    def styled(self) -> list[Subject]:
        """The first subject with each of STYLES_SHOWN."""
        return first_with_styles(self.context, STYLES_SHOWN, self.seed, self.population)

    def shot(self, subject: Subject, expression: dict[str, float] | None = None) -> ShotSpec:
        """A subject with an expression; by default its own mild one."""
        mild = mild_expression(stream(subject.seed, "expression")) if expression is None else expression
        return ShotSpec(subject, self.size, (), mild)

    def views(self, shot: ShotSpec, cameras: Iterable[Cameras], behind: NDArray, name: str = "") -> NDArray:
        """A shot seen by several cameras, side by side, with its name below if it has one."""
        _, light = self.context.lit_scene(shot)
        pictures = [composite_over(render_photo(light, camera, self.size), behind) for camera in cameras]
        return _captioned(np.concatenate(pictures, axis=1), name)

    def at_rest(self, subjects: Mapping[str, Subject]) -> NDArray:
        """Subjects without expression from the front, the side and behind, with their names."""
        sides = _around(20, 90, 180)
        return _grid([self.views(self.shot(who, {}), sides, BACKGROUNDS[0], name) for name, who in subjects.items()], 3)


def heads_sheet(studio: Studio) -> NDArray:
    """Heads from five sides: the first of each of STYLES_SHOWN, or as many seeds as are wanted as they come."""
    subjects = [studio.subject(i) for i in range(studio.consecutive)] or studio.styled()
    sides, backgrounds = _around(0, 45, 90, 135, 180), cycle(BACKGROUNDS)
    rows = [studio.views(studio.shot(subject), sides, next(backgrounds)) for subject in subjects]
    height = -(-len(rows) // 2)
    rows += [np.full_like(rows[0], 255)] * (2 * height - len(rows))
    return np.concatenate([np.concatenate(rows[:height]), np.concatenate(rows[height:])], axis=1)


def faces_sheet(studio: Studio) -> NDArray:
    """As many seeds as are wanted, or 48, as they come, from the front."""
    subjects = map(studio.subject, range(studio.consecutive or 48))
    return _grid([studio.views(studio.shot(subject), _around(0), BACKGROUNDS[1]) for subject in subjects], 8)


def styles_sheet(studio: Studio) -> NDArray:
    """Every hair style on one face, from the front, the side and behind."""
    bare = studio.subject().with_worn("none", "none", "none")
    return studio.at_rest({style: bare.with_hair(style) for style in STYLES})


def worn_sheet(studio: Studio) -> NDArray:
    """Every hat, pair of glasses and earrings on one head, from the front, the side and behind."""
    bare = studio.subject().with_worn("none", "none", "none")
    tied = bare.with_hair("bun")  # so that the ears show
    wearing = {name: bare.with_worn(hat=name) for name in HATS[1:]}
    wearing |= {f"{name} glasses": bare.with_worn(glasses=name) for name in GLASSES[1:]}
    return studio.at_rest(wearing | {f"{name} earrings": tied.with_worn(earrings=name) for name in EARRINGS[1:]})


def tones_sheet(studio: Studio) -> NDArray:
    """One face in eleven tones of skin, with their typology angles."""
    bare, tiles = studio.subject().with_worn("none", "none", "none"), []
    for tone in np.arange(11) / 10:
        shot = studio.shot(replace(bare, skin=replace(bare.skin, tone=float(tone))), {})
        tiles.append(studio.views(shot, _around(20), BACKGROUNDS[1], f"tone {tone}: {ita_of_tone(tone):.0f} degrees"))
    return _grid(tiles, 6)


def expressions_sheet(studio: Studio) -> NDArray:
    """One face at rest, then each of ARKit's 52 expressions at full weight (mouthClose over an open jaw), close up."""
    subject = studio.subject().with_hair("slicked_back").with_worn(hat="none", glasses="none")
    camera = orbit(math.radians(18), math.radians(4))
    K = camera.K.clone()
    K[:, [0, 1], [0, 1]] *= 1.75  # the face fills the picture
    K[:, 1, 2] = 0.38
    shown = {"at rest": {}, **{name: alone(name) for name in ARKIT}}
    near = [Cameras(camera.c2w, K)]
    return _grid([studio.views(studio.shot(subject, w), near, BACKGROUNDS[1], name) for name, w in shown.items()], 9)


def truth_sheet(studio: Studio) -> NDArray:
    """Four heads as photo, alpha, depth, normals, parts and landmarks (red: hidden)."""
    yaws = (0.0, 0.6, 1.2, 2.6)
    rows = [_truth_row(studio, subject, yaw) for subject, yaw in zip(studio.styled()[1::3], yaws, strict=True)]
    names = ("photo", "alpha", "depth", "normals", "parts", "landmarks")
    heading = np.concatenate([_captioned(np.zeros((0, studio.size, 3), np.uint8), name) for name in names], axis=1)
    return np.concatenate([heading, *rows])


def scan_views_sheet(studio: Studio) -> NDArray:
    """One scan from four sides, in its colours under a lamp and as normals."""
    size, subject = studio.size, studio.subject()
    mesh = make_scan(studio.context.person(subject), studio.shot(subject).expression, np.zeros((5, 3)), 224)
    normals, colours = present(mesh.normals), present(mesh.colours)
    columns = []
    for degrees in (0, 50, 90, 180):
        turn = Rotation.from_euler("y", -degrees, degrees=True).as_matrix()
        found, weights, _ = orthographic(mesh.vertices @ turn.T + SUBPIXEL, mesh.faces, size)
        corners = mesh.faces[found]  # [size, size, 3]
        normal, colour = ((values[corners] * weights[..., None]).sum(2) for values in (normals @ turn.T, colours))
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


def _around(*degrees: float) -> list[Cameras]:
    """Cameras at these yaws."""
    return [orbit(math.radians(yaw)) for yaw in degrees]


def _truth_row(studio: Studio, subject: Subject, yaw: float) -> NDArray:
    camera, shot, size = orbit(yaw), studio.shot(subject), studio.size
    person, light = studio.context.lit_scene(shot)
    photo = render_photo(light, camera, size)
    alpha, plain = photo.alpha[..., None], composite_over(photo, BACKGROUNDS[1])
    near = np.clip((RADIUS + 0.25 - photo.depth[..., None]) / 0.5, 0.1, 1) * (alpha > 0)
    normal = (camera_normals(photo, camera) + 1) / 2 * (alpha > 0)
    drawn = [(picture * 255).astype(np.uint8) for picture in (alpha.repeat(3, 2), near.repeat(3, 2), normal)]
    marked = Image.fromarray(plain)
    points = studio.context.landmark_weights @ rig_vertices(person, shot)
    pixels, shown = visible_landmarks(points, photo, camera, person.metres_per_unit)
    for (x, y), visible in zip(pixels, shown, strict=True):
        box = [x - size / 160, y - size / 160, x + size / 160, y + size / 160]
        ImageDraw.Draw(marked).ellipse(box, fill=(40, 235, 60) if visible else (235, 40, 40))
    return np.concatenate([plain, *drawn, label_palette()[photo.label], np.asarray(marked)], axis=1)


def _captioned(picture: NDArray, text: str) -> NDArray:
    """The picture with a line of text below, if there is one."""
    if not text:
        return picture
    strip = Image.new("RGB", (picture.shape[1], CAPTION), "white")
    ImageDraw.Draw(strip).text((3, 1), text, fill=(40, 40, 40))
    return np.concatenate([picture, np.asarray(strip)])


def _grid(tiles: list[NDArray], columns: int) -> NDArray:
    tiles = [*tiles, *[np.full_like(tiles[0], 255)] * (-len(tiles) % columns)]
    return np.concatenate([np.concatenate(tiles[i : i + columns], axis=1) for i in range(0, len(tiles), columns)])


SHEETS: dict[str, Callable[[Studio], NDArray]] = {
    "heads": heads_sheet, "faces": faces_sheet, "styles": styles_sheet, "worn": worn_sheet, "tones": tones_sheet,
    "expressions": expressions_sheet, "truth": truth_sheet, "scan": scan_views_sheet,
}  # fmt: skip
