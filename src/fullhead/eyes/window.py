"""A square window into a photo: where it lies, and pixels cut out, cropped finely and laid back.

Pixels of a photo: x to the right, y down, from the top left corner, so that the first pixel's centre is at (0.5, 0.5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage

from fullhead.core.errors import FullheadError
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


def crop(photo: Bytes, window: Window, size: int) -> Bytes:
    """What the window shows of a photo uint8 [H, W, 3], finely resized to uint8 [size, size, 3]; beyond its edge the photo goes
    on mirrored, softly. FullheadError where the window shows nothing of the photo."""
    height, width = photo.shape[:2]
    reach = window.side / 2 * (abs(math.cos(window.turn)) + abs(math.sin(window.turn)))
    x0, y0 = math.floor(window.x - reach) - 1, math.floor(window.y - reach) - 1
    x1, y1 = math.ceil(window.x + reach) + 1, math.ceil(window.y + reach) + 1
    inside = photo[max(y0, 0) : max(min(y1, height), 0), max(x0, 0) : max(min(x1, width), 0)]
    if not inside.size:
        raise FullheadError("the square around the face lies wholly beyond the photo")
    missing = ((max(-y0, 0), max(y1 - height, 0)), (max(-x0, 0), max(x1 - width, 0)))
    pixels = np.pad(inside, (*missing, (0, 0)), mode="symmetric")
    part = Image.fromarray(_softened(pixels, missing) if np.any(missing) else pixels)
    if window.turn == 0:
        left, top = window.x - window.side / 2 - x0, window.y - window.side / 2 - y0
        return np.array(part.resize((size, size), Image.Resampling.LANCZOS, (left, top, left + window.side, top + window.side)))
    fine = 2 * size  # turned there, and only then brought to its size, so that it is as sharp as without a turn
    if window.side > fine:
        scaled = [max(1, round(n * fine / window.side)) for n in part.size]
        small = part.resize((scaled[0], scaled[1]), Image.Resampling.LANCZOS)
    else:
        small = part
    matrix = window.photo_from_window() / [[fine, fine, 1]] - [[0, 0, x0], [0, 0, y0]]
    matrix *= np.array([[small.width / part.width], [small.height / part.height]])
    turned = small.transform((fine, fine), Image.Transform.AFFINE, matrix.ravel().tolist(), Image.Resampling.BICUBIC)
    return np.array(turned.resize((size, size), Image.Resampling.LANCZOS))


def _softened(pixels: Bytes, missing: tuple[tuple[int, int], tuple[int, int]]) -> Bytes:
    """Blur the margins that were made up, more the farther they are from the photo."""
    (up, down), (left, right) = missing
    height, width = pixels.shape[:2]
    y, x = np.ogrid[:height, :width]
    outside = np.hypot(
        np.maximum(np.maximum(up - y, y - (height - 1 - down)), 0), np.maximum(np.maximum(left - x, x - (width - 1 - right)), 0)
    )
    radius = max(height, width) / 24
    blurred = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))
    share = np.clip(outside / radius, 0, 1)[..., None]
    return ((1 - share) * pixels + share * blurred).round().astype(np.uint8)


def crop_layer(layer: NDArray, its: Window, window: Window, size: int, height: int, width: int) -> NDArray:
    """A layer [n, n] that lies in the window `its` of a photo, as `window` shows it: [size, size], uint8 by the nearest pixel,
    float32 smoothly. Beyond the photo [height, width] it goes on mirrored, as `crop` does; elsewhere outside `its` it is 0."""
    places = (np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1) + 0.5) / size
    pixels = window.to_photo(places)
    mirrored = np.array([width, height]) - np.abs(pixels % [2 * width, 2 * height] - [width, height])
    column, row = np.moveaxis(its.to_window(mirrored) * len(layer) - 0.5, -1, 0)
    smooth = layer.dtype != np.uint8
    return ndimage.map_coordinates(layer, [row, column], order=1 if smooth else 0, mode="grid-constant", cval=0)


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
