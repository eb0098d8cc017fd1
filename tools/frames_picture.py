"""Makes the picture of the frames in docs/conventions.md: python tools/frames_picture.py."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import fullhead
from fullhead.core.colour import linear_from_srgb
from fullhead.synth.datasets.shots import RenderContext, ShotSpec
from fullhead.synth.rendering.render import composite_over, project_to_pixels, render_photo

OUT = Path(__file__).resolve().parent.parent / "docs/img/frames.webp"
WIDTH, HEIGHT, FINE = 1600, 900, 2  # pixels of the picture, and how much larger it is drawn
SCENE = 900  # pixels a side of the part with the head
PAPER, CARD, INK, SOFT = (250, 250, 248), (255, 255, 255), (38, 42, 50), (110, 116, 128)
RED, GREEN, BLUE = (211, 59, 56), (38, 145, 72), (44, 98, 209)  # x, y, z
YAW_COLOUR, PITCH_COLOUR = (217, 119, 6), (147, 51, 200)
VIEW = (35, 22)  # yaw and pitch of the one who looks at all this, degrees
YAW, PITCH, FAR = math.radians(118), math.radians(30), 0.9  # of the camera that is shown; closer than real ones
Dot = tuple[float, float]
Arrow = tuple[list[float], tuple, str, Dot]  # where it ends, colour, name, and how far the name is from its end


class Sheet:
    """A drawing in pixels of the finished picture."""

    def __init__(self) -> None:
        self.image = Image.new("RGB", (WIDTH * FINE, HEIGHT * FINE), PAPER)
        self.draw = ImageDraw.Draw(self.image)

    def line(self, dots: list[Dot], colour: tuple, width: float = 3) -> None:
        self.draw.line([(x * FINE, y * FINE) for x, y in dots], colour, round(width * FINE), joint="curve")

    def dashes(self, dots: list[Dot], colour: tuple) -> None:
        for a, b in pairwise(dots):
            t = np.arange(0, math.dist(a, b), 9)[:, None] / math.dist(a, b)
            ends = [tuple(dot) for dot in (1 - t) * a + t * b]
            for start, end in zip(ends[::2], ends[1::2], strict=False):
                self.line([start, end], colour)

    def arrow(self, dots: list[Dot], colour: tuple, width: float = 4, head: float = 15) -> None:
        """A line with a point at its end."""
        tip, before = np.array(dots[-1]), np.array(next(dot for dot in dots[::-1] if math.dist(dot, dots[-1]) > head))
        along = (tip - before) / np.linalg.norm(tip - before)
        across, back = np.array([-along[1], along[0]]) * head * 0.45, tip - along * head
        self.line([*(dot for dot in dots[:-1] if math.dist(dot, dots[-1]) > head), tuple(back + along)], colour, width)
        self.draw.polygon([tuple(corner * FINE) for corner in (tip, back + across, back - across)], colour)

    def text(self, at: Dot, words: str, colour: tuple = INK, size: int = 24, anchor: str = "mm", halo: tuple = PAPER) -> None:
        font, where = ImageFont.load_default(size * FINE), (at[0] * FINE, at[1] * FINE)
        self.draw.text(where, words, colour, font, anchor, stroke_width=3 * FINE, stroke_fill=halo)
        self.draw.text(where, words, colour, font, anchor)

    def card(self, left: float, top: float, right: float, bottom: float) -> None:
        box = [side * FINE for side in (left, top, right, bottom)]
        self.draw.rounded_rectangle(box, 14 * FINE, CARD, (222, 224, 228), 2 * FINE)


class Eye:
    """Draws what a camera sees of a space, in a square of `size` pixels around `middle`."""

    def __init__(self, sheet: Sheet, size: float, middle: Dot, zoom: float) -> None:
        self.sheet, self.size, self.corner = sheet, size, (middle[0] - size / 2, middle[1] - size / 2)
        self.cameras = fullhead.orbit(math.radians(VIEW[0]), math.radians(VIEW[1]), radius=6.0, focal=zoom)

    def dots(self, points: np.ndarray) -> list[Dot]:
        seen, _ = project_to_pixels(np.atleast_2d(points), self.cameras, 1)
        return [(self.corner[0] + x * self.size, self.corner[1] + y * self.size) for x, y in seen.tolist()]

    def axis(self, start: np.ndarray, arrow: Arrow, halo: tuple = CARD) -> None:
        end, colour, words, away = arrow
        dots = self.dots(np.stack([start, end]))
        self.sheet.arrow(dots, colour)
        self.sheet.text((dots[1][0] + away[0], dots[1][1] + away[1]), words, colour, 25, halo=halo)

    def frustum(self, c2w: np.ndarray, deep: float, wide: float, high: float) -> None:
        """A camera with OpenCV axes: its centre, and the picture before it with a mark on its upper side."""
        corners = [[-wide, -high, deep], [wide, -high, deep], [wide, high, deep], [-wide, high, deep]]
        mark = [[-wide * 0.4, -high * 1.12, deep], [0, -high * 1.55, deep], [wide * 0.4, -high * 1.12, deep]]
        corners, mark = (self.dots(np.array(points) @ c2w[:3, :3].T + c2w[:3, 3]) for points in (corners, mark))
        (centre,) = self.dots(c2w[:3, 3])
        for corner in corners:
            self.sheet.line([centre, corner], SOFT, 2)
        self.sheet.line([*corners, corners[0], corners[1]], INK)
        self.sheet.draw.polygon([(x * FINE, y * FINE) for x, y in mark], INK)


def scene(sheet: Sheet) -> None:
    """The head, the world's axes, a camera, its yaw and its pitch."""
    eye = Eye(sheet, SCENE, (SCENE / 2, HEIGHT / 2 + 50), zoom=3.3)
    for r in (0.28, 0.56, 0.84):  # the plane on which yaw is measured
        turn = np.linspace(0, 2 * math.pi, 121)
        sheet.line(eye.dots(r * np.stack([np.sin(turn), 0 * turn, np.cos(turn)], 1)), (226, 228, 232), 2)
    context = RenderContext(SCENE * FINE)
    _, lit = context.lit_scene(ShotSpec(context.subject(29), SCENE * FINE, (), {}))
    photo = render_photo(lit, eye.cameras, SCENE * FINE)
    neck = [FINE * (eye.dots(np.array([0, y, 0.0]))[0][1] - eye.corner[1]) for y in (-0.25, -0.38)]
    fade = np.interp(np.arange(SCENE * FINE), neck, [1, 0]).astype(np.float32)[:, None]
    photo = photo._replace(colour=photo.colour * fade[..., None], alpha=photo.alpha * fade)
    left, top = (round(side * FINE) for side in eye.corner)
    behind = np.zeros((SCENE * FINE, SCENE * FINE, 3), np.float32)
    pixels = np.asarray(sheet.image)[top : top + SCENE * FINE, left : left + SCENE * FINE]
    behind[: len(pixels)] = linear_from_srgb(pixels / np.float32(255))
    sheet.image.paste(Image.fromarray(composite_over(photo, behind)), (left, top))

    def outside(end: list[float]) -> np.ndarray:
        """Both ends of the part of a line from the origin that is not hidden by the head."""
        steps = np.linspace(0, 1, 400)[:, None] * end
        at, z = project_to_pixels(steps, eye.cameras, SCENE * FINE)
        rows, columns = np.clip(at[:, ::-1].astype(int), 0, SCENE * FINE - 1).T
        hidden = np.flatnonzero((photo.alpha[rows, columns] > 0.5) & (photo.depth[rows, columns] < z))
        return steps[[hidden[-1] if len(hidden) else 0, -1]]

    arrows: list[Arrow] = [
        ([0.72, 0, 0], RED, "+x, the head's left", (-20, 32)),
        ([0, 0.62, 0], GREEN, "+y, up", (62, 0)),
        ([0, 0, 0.74], BLUE, "+z, the face looks here", (-40, 32)),
    ]
    for arrow in arrows:
        eye.axis(outside(arrow[0])[0], arrow, PAPER)
    camera = fullhead.orbit(YAW, PITCH, radius=FAR).c2w[0].double().numpy()
    place, foot = camera[:3, 3], camera[:3, 3] * [1, 0, 1]
    for ends in (outside(foot), np.stack([foot, place]), outside(place)):
        sheet.dashes(eye.dots(ends), SOFT)
    turns, rises = np.linspace(0.02, YAW - 0.02, 60), np.linspace(0.02, PITCH - 0.02, 30)
    yaw = eye.dots(0.56 * np.stack([np.sin(turns), 0 * turns, np.cos(turns)], 1))
    pitch = eye.dots(0.6 * np.stack([math.sin(YAW) * np.cos(rises), np.sin(rises), math.cos(YAW) * np.cos(rises)], 1))
    sheet.arrow(yaw, YAW_COLOUR, 5)
    sheet.arrow(pitch, PITCH_COLOUR, 5)
    sheet.text((yaw[24][0] - 4, yaw[24][1] + 28), "yaw grows", YAW_COLOUR, 27)
    sheet.text((pitch[15][0] - 16, pitch[15][1]), "pitch grows", PITCH_COLOUR, 27, "rm")
    eye.frustum(camera, 0.13, 0.075, 0.075)
    for i, length, colour, words, away in (
        (0, 0.21, RED, "x", (12, -10)), (1, 0.19, GREEN, "y", (14, 14)), (2, 0.24, BLUE, "z", (-8, -22)),
    ):  # fmt: skip
        eye.axis(place, ((place + camera[:3, i] * length).tolist(), colour, words, away), PAPER)
    x, y = eye.dots(place)[0]
    sheet.text((x + 10, y - 76), "camera", INK, 25)


def camera_card(sheet: Sheet, top: float, lines: list[str], arrows: list[Arrow]) -> None:
    sheet.card(990, top, 1570, top + 270)
    for i, words in enumerate(lines):
        sheet.text((1014, top + 44 + 36 * i), words, INK if i < 3 else SOFT, 26 if i < 3 else 21, "lm", CARD)
    eye = Eye(sheet, 560, (1350, top + 142), zoom=2.6)
    eye.frustum(np.diag([1.0, -1, -1, 1]), 0.42, 0.22, 0.14)
    for arrow in arrows:
        eye.axis(np.zeros(3), arrow)


def world_card(sheet: Sheet, left: float, lines: list[str], arrows: list[Arrow]) -> None:
    sheet.card(left, 610, left + 282, 876)
    for words, y, colour, size in zip(lines, (642, 824, 850), (INK, SOFT, SOFT), (25, 19, 19), strict=True):
        sheet.text((left + 22, y), words, colour, size, "lm", CARD)
    eye = Eye(sheet, 340, (left + 136, 748), zoom=2.6)
    for arrow in arrows:
        eye.axis(np.zeros(3), arrow)


def picture() -> Image.Image:
    sheet = Sheet()
    scene(sheet)
    sheet.text((40, 50), "World and angles of fullhead", INK, 32, "lm")
    sheet.text((40, 860), "Yaw 0 is the front, pitch 0 is level. Real cameras stand farther away.", SOFT, 21, "lm")
    right: Arrow = ([0.62, 0, 0], RED, "+x", (26, 4))
    camera_card(
        sheet, 24, ["+x right", "+y down", "+z forward", "fullhead, EG3D,", "OpenCV, COLMAP"],
        [right, ([0, -0.4, 0], GREEN, "+y", (28, -4)), ([0, 0, -0.95], BLUE, "+z", (28, -2))],
    )  # fmt: skip
    camera_card(
        sheet, 317, ["+x right", "+y up", "-z forward", "OpenGL, Blender,", "NeRF, nerfstudio"],
        [right, ([0, 0.4, 0], GREEN, "+y", (-28, 4)), ([0, 0, 0.7], BLUE, "+z", (-26, 4))],
    )  # fmt: skip
    x: Arrow = ([0.5, 0, 0], RED, "+x", (24, 4))
    world_card(
        sheet, 990, ["World with +y up", "fullhead, EG3D;", "the face looks along +z"],
        [x, ([0, 0.5, 0], GREEN, "+y", (26, 6)), ([0, 0, 0.5], BLUE, "+z", (-24, 4))],
    )  # fmt: skip
    world_card(
        sheet, 1288, ["World with +z up", "Blender, NeRF, nerfstudio;", "the face looks along -y"],
        [x, ([0, 0.5, 0], BLUE, "+z", (-26, 6)), ([0, 0, -0.6], GREEN, "+y", (26, 0))],
    )  # fmt: skip
    return sheet.image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    picture().save(OUT, quality=92, method=6)
    print(OUT)
