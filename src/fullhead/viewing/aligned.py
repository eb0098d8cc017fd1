"""What became of photos that were aligned: in words, and as a sheet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fullhead.data.align import REASONS
from fullhead.eyes.window import Window
from fullhead.io.images import PAPER, Bytes, contact_sheet, read_image
from fullhead.io.reading import reading
from fullhead.io.stores import open_store

CELL = 224  # pixels
COLUMNS = 2  # heads in a row
VIEWS = ((0, 60), (60, 120), (120, 181))  # degrees off the front: faces, sides, backs
AGAIN = "run the command again"
LINE = (255, 60, 40)  # the colour of a window


@dataclass(frozen=True)
class Report:
    """What became of some photos."""

    heads: int
    lines: tuple[str, ...]  # a table in words


def report(out: Path) -> Report:
    """What the lists of an aligned set say; FullheadError where they cannot be read."""
    heads = _heads(out)
    yaws = np.abs([np.degrees(head["yaw"]) for head in heads])
    lines = [f"{len(yaws):8d} heads"]
    for low, high in VIEWS:
        lines.append(
            f"{int(((yaws >= low) & (yaws < high)).sum()):8d} seen from {low} to {min(high, 180)} degrees off the front"
        )
    with reading(out / "left_out.json", AGAIN):
        counts = json.loads((out / "left_out.json").read_bytes())["left_out"]
        lines += [f"{count:8d} left out: {REASONS[why]}" for why, count in counts.items()]
    return Report(len(yaws), tuple(lines + _disagreement(heads)))


def _disagreement(heads: list[dict[str, Any]]) -> list[str]:
    """How far yaws that a collection gives are from those that the reader finds, and would be if they were turned around."""
    known, read = (np.array([head[name] for head in heads if "read_yaw" in head]) for name in ("yaw", "read_yaw"))
    if not len(read):
        return []
    apart = [float(np.degrees(np.median(np.abs(np.angle(np.exp(1j * (yaw - read))))))) for yaw in (known, -known)]
    return [f"{apart[0]:8.0f} degrees between given yaws and read ones, the median; {apart[1]:.0f} with the other --yaw-turn"]


def aligned_sheet(photos: Path, out: Path, count: int) -> Bytes:
    """Up to `count` heads of an aligned set, from the one seen most from its right to the one seen most from its left.

    Three pictures each: the photo, of the folder `photos`, with the head's window; the aligned picture; and the head alone over
    grey, with a cross in the middle of the picture. Returns uint8 [H, W, 3].
    """
    heads = sorted(_heads(out), key=lambda head: head["yaw"])
    chosen = [heads[i] for i in np.linspace(0, len(heads) - 1, min(count, len(heads))).round().astype(int)]
    images, mattes = open_store(out, "img"), open_store(out, "seg")
    cells = []
    for head in chosen:
        picture, matte = images.picture(head["file"]), mattes.picture(head["file"], "L")
        cells.append([_with_window(read_image(photos / head["photo"]), head), _fitted(picture), _alone(picture, matte)])
    rows = [[cell for cells in cells[i : i + COLUMNS] for cell in cells] for i in range(0, len(cells), COLUMNS)]
    starts = range(0, len(cells), COLUMNS)
    labels = [", ".join(f"{np.degrees(head['yaw']):+.0f}°" for head in chosen[i : i + COLUMNS]) for i in starts]
    return contact_sheet(rows, row_labels=labels)


def _heads(out: Path) -> list[dict[str, Any]]:
    with reading(out / "heads.json", AGAIN):
        return json.loads((out / "heads.json").read_bytes())


def _with_window(photo: Bytes, head: Mapping[str, Any]) -> Bytes:
    """A photo in a cell, with the outline of a head's window, thick where its upper side is."""
    scale = CELL / max(photo.shape)
    image = Image.fromarray(_fitted(photo))
    if "window" in head:
        left, top = (CELL - photo.shape[1] * scale) / 2, (CELL - photo.shape[0] * scale) / 2
        corners = Window(**head["window"]).to_photo(np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])) * scale + [left, top]
        points = [(float(x), float(y)) for x, y in corners]
        draw = ImageDraw.Draw(image)
        draw.line(points, LINE, 2)
        draw.line(points[:2], LINE, 5)
    return np.array(image)


def _fitted(picture: Bytes) -> Bytes:
    """A picture in the middle of a cell."""
    scale = CELL / max(picture.shape)
    height, width = (max(1, round(n * scale)) for n in picture.shape[:2])
    cell = Image.new("RGB", (CELL, CELL), PAPER)
    small = Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS)
    cell.paste(small, ((CELL - width) // 2, (CELL - height) // 2))
    return np.array(cell)


def _alone(picture: Bytes, matte: NDArray) -> Bytes:
    share = matte[..., None] / 255
    image = Image.fromarray(_fitted((share * picture + (1 - share) * 128).round().astype(np.uint8)))
    draw, middle = ImageDraw.Draw(image), CELL // 2
    draw.line([(middle, middle - 8), (middle, middle + 8)], LINE)
    draw.line([(middle - 8, middle), (middle + 8, middle)], LINE)
    return np.array(image)
