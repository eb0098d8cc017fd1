"""A square window into a photo: where it lies, and pixels cut out and laid back.

Pixels of a photo: x to the right, y down, from the top left corner, so that the first pixel's centre is at (0.5, 0.5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fullhead.io.images import Bytes

FINEST = 1.5  # pixels of the photo per pixel of a cut above which whole blocks are averaged first


@dataclass(frozen=True)
class Window:
    """Centre `x`, `y` and `side`, in pixels of the photo; it may reach beyond it. `turn`: by how many radians its own x axis is
    turned from the photo's, clockwise as one sees it."""

    x: float
    y: float
    side: float
    turn: float = 0.0

    def photo_from_window(self) -> NDArray:
        """[2, 3]: the photo's pixels of places in the window, which go from 0 to 1 both ways."""
        c, s = self.side * math.cos(self.turn), self.side * math.sin(self.turn)
        return np.array([[c, -s, self.x - (c - s) / 2], [s, c, self.y - (s + c) / 2]])

    def to_photo(self, places: NDArray) -> NDArray:
        """Pixels [..., 2] of the photo of places [..., 2] in the window."""
        matrix = self.photo_from_window()
        return places @ matrix[:, :2].T + matrix[:, 2]

    def to_window(self, pixels: NDArray) -> NDArray:
        """Places [..., 2] in the window of pixels [..., 2] of the photo."""
        matrix = self.photo_from_window()
        return (pixels - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T


def cut(photo: Bytes, window: Window, size: int) -> Bytes:
    """What the window shows of a photo uint8 [H, W, 3], as uint8 [size, size, 3]; black beyond the photo."""
    half = window.side * math.sqrt(0.5) + 2
    left, top = math.floor(window.x - half), math.floor(window.y - half)
    right, bottom = math.ceil(window.x + half), math.ceil(window.y + half)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(right, photo.shape[1]), min(bottom, photo.shape[0])
    if x0 >= x1 or y0 >= y1:
        return np.zeros((size, size, 3), np.uint8)
    block = max(1, round(window.side / size / FINEST))
    part = Image.fromarray(np.ascontiguousarray(photo[y0:y1, x0:x1]))
    part = part.reduce(block) if block > 1 else part
    matrix = window.photo_from_window() / [[size, size, 1]]
    matrix[:, 2] -= [x0, y0]
    coefficients = (matrix / block).ravel().tolist()
    return np.asarray(part.transform((size, size), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR))


def laid_back(layer: NDArray, window: Window, height: int, width: int) -> NDArray:
    """A layer [n, n] that was read in a window, uint8 or float32, as one of the whole photo [height, width]; 0 outside it."""
    n, smooth = len(layer), layer.dtype != np.uint8
    matrix = window.photo_from_window()
    inverse = np.linalg.inv(matrix[:, :2]) * n
    coefficients = np.column_stack([inverse, -inverse @ matrix[:, 2]])
    image = Image.fromarray(np.pad(layer, 1))
    coefficients[:, 2] += 1
    kind = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    return np.asarray(image.transform((width, height), Image.Transform.AFFINE, coefficients.ravel().tolist(), kind))
