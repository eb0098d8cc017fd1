"""What a reader found, drawn over the photo: boxes, axes, points, parts and matte."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from fullhead.eyes.reading import Points, Reading
from fullhead.eyes.window import Window, laid_back
from fullhead.io.images import Bytes
from fullhead.synth.rendering.ground_truth import label_palette

SMALLEST, LARGEST = 640, 2048  # pixels of the longer side of a drawing
FINER = 2  # lines are drawn so many times larger, and then made smaller
CURVES = (
    range(17), range(17, 22), range(22, 27), range(27, 31), range(31, 36), (*range(36, 42), 36), (*range(42, 48), 42),
    (*range(48, 60), 48), (*range(60, 68), 60),
)  # fmt: skip
AXES = ((235, 60, 60), (60, 190, 70), (60, 110, 245))  # x to the subject's left, y up, z where the face looks
AXIS = 0.2  # world units
BOX, POINT, DENSE, OUTLINE = (255, 220, 60), (255, 255, 255), (90, 220, 255), (255, 90, 200)
FAINT = 70  # opacity of what is not seen, of 255
PARTS = 0.4  # opacity of the colours of parts


def draw_readings(photo: Bytes, readings: Sequence[Reading], names: Sequence[str] = (), largest: int = LARGEST) -> Bytes:
    """The photo uint8 [H, W, 3] with all that is read of its heads, of 640 to `largest` pixels on its longer side.

    names: of the heads; by default their numbers. Parts are coloured; a pink line goes around the matte; the box is yellow; the
    head's x, y and z are red, green and blue; landmarks are white and joined, dense points blue; what is not seen is faint.
    """
    longer = max(photo.shape[:2])
    scale = min(max(longer, SMALLEST), largest) / longer
    height, width = (max(1, round(side * scale)) for side in photo.shape[:2])
    picture = np.asarray(
        Image.fromarray(photo).resize((width, height), Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX)
    )
    scaled = [resized(reading, scale) for reading in readings]
    for reading in reversed(scaled):
        picture = tinted(picture, reading)
    lines = Image.new("RGBA", (width * FINER, height * FINER), (*BOX, 0))
    draw = ImageDraw.Draw(lines)
    labels = names or [str(i) for i in range(len(readings))]
    for name, reading in zip(reversed(labels), reversed(scaled), strict=True):
        _draw_head(draw, resized(reading, FINER), name)
    over = Image.fromarray(picture).convert("RGBA")
    over.alpha_composite(lines.resize((width, height), Image.Resampling.BOX))
    return np.asarray(over.convert("RGB"))


def resized(reading: Reading, scale: float) -> Reading:
    """The same head in a photo that is so many times larger."""

    def points(found: Points | None) -> Points | None:
        deviation = None if found is None or found.deviation is None else found.deviation * scale
        return None if found is None else replace(found, xy=found.xy * scale, deviation=deviation)

    at = reading.window
    return replace(
        reading,
        centre=reading.centre * scale,
        unit=reading.unit * scale,
        landmarks=points(reading.landmarks),
        dense=points(reading.dense),
        window=None if at is None else Window(at.x * scale, at.y * scale, at.side * scale, at.turn),
    )


def tinted(picture: Bytes, reading: Reading) -> Bytes:
    """The picture with the colours of parts, and a line around the matte."""
    if reading.window is None:
        return picture
    height, width = picture.shape[:2]
    if reading.parts is not None:
        parts = laid_back(reading.parts, reading.window, height, width)
        share = PARTS * (parts > 0)[..., None]
        picture = ((1 - share) * picture + share * label_palette()[parts]).astype(np.uint8)
    if reading.matte is not None:
        inside = laid_back(reading.matte, reading.window, height, width) > 0.5
        thick = max(1, round(max(height, width) / 600))
        edge = np.asarray(ndimage.binary_dilation(inside, iterations=thick), bool) & ~inside
        picture = np.where(edge[..., None], np.array(OUTLINE, np.uint8), picture)
    return picture


def _draw_head(draw: ImageDraw.ImageDraw, reading: Reading, name: str) -> None:
    box = reading.head_window()
    line = max(FINER, round(box.side / 180))
    if reading.dense is not None:
        _draw_points(draw, reading.dense, line * 0.7, DENSE)
    if reading.landmarks is not None:
        _draw_landmarks(draw, reading.landmarks, line)
    if reading.rotation is not None:
        for k in np.argsort(-reading.rotation[2]):  # the farthest first
            end = reading.centre + AXIS * reading.unit * reading.rotation[:2, k]
            draw.line([*reading.centre, *end], (*AXES[k], 255), round(1.6 * line))
    corners = box.to_photo(np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]))
    draw.line([tuple(corner) for corner in corners], (*BOX, 255), line, joint="curve")
    angles = reading.yaw_pitch_roll
    said = "" if angles is None else "  yaw {:z.0f}°  pitch {:z.0f}°  roll {:z.0f}°".format(*map(math.degrees, angles))
    _draw_text(draw, corners, f"{name}  {reading.score:.2f}{said}", box.side)


def _draw_text(draw: ImageDraw.ImageDraw, corners: NDArray, text: str, side: float) -> None:
    """A line of text above the highest corner of a box, or inside the picture where there is no room."""
    font = ImageFont.load_default(max(11 * FINER, min(26 * FINER, side / 16)))
    width, height = draw.im.size if draw.im is not None else (0, 0)
    left, top, right, bottom = draw.textbbox((0, 0), text, font)
    x = min(max(corners[:, 0].min(), 2), max(width - right - 2, 2))
    y = min(max(corners[:, 1].min() - bottom - 2 * FINER, 2), max(height - bottom - 2, 2))
    draw.rectangle([x + left - 3, y + top - 2, x + right + 3, y + bottom + 2], (0, 0, 0, 150))
    draw.text((x, y), text, (*BOX, 255), font)


def _draw_landmarks(draw: ImageDraw.ImageDraw, points: Points, line: int) -> None:
    opacity = opacities(points)
    for curve in CURVES:
        for a, b in pairwise(curve):
            draw.line([*points.xy[a], *points.xy[b]], (*POINT, int(min(opacity[a], opacity[b]) * 0.6)), max(1, line // 2))
    _draw_points(draw, points, line, POINT)


def _draw_points(draw: ImageDraw.ImageDraw, points: Points, radius: float, colour: tuple[int, int, int]) -> None:
    for (x, y), opacity in zip(points.xy, opacities(points), strict=True):
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], (*colour, int(opacity)))


def opacities(points: Points) -> NDArray:
    """[P]: 255 where the photo shows a point, FAINT where it does not."""
    seen = np.ones(len(points.xy)) if points.seen is None else points.seen
    return np.clip(FAINT + (255 - FAINT) * seen, FAINT, 255)
