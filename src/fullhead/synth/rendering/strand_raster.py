"""Kernels that project points and draw strands into a z-buffer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fullhead.core.compiled import njit
from fullhead.kernels.raster import hash_below

HALF, SQRT_2 = np.float32(0.5), np.float32(1.4143)
MIN_RADIUS = np.float32(0.45)  # of a strand, in samples
TILE, LAYERS = 8, 8  # pixels a side of the squares, and slices of depth, by which hidden strands are left out
PER_TILE = np.float32(1 / TILE)


class ScreenPoints(NamedTuple):
    """Points of strands [P] as a camera sees them, float32."""

    x: NDArray  # pixels
    y: NDArray
    inverse_z: NDArray
    radius: NDArray  # of the strand there, pixels


@njit(nogil=True)
def project_points(points, c2w, K_px):
    """Pixel x, y and inverse depth, float32 [P] each, of the world's points [P, 3]. Reference: render.project_to_pixels."""
    x, y, inverse_z = np.empty((3, len(points)), np.float32)
    for i in range(len(points)):
        px, py, pz = points[i, 0] - c2w[0, 3], points[i, 1] - c2w[1, 3], points[i, 2] - c2w[2, 3]
        inverse = 1 / (px * c2w[0, 2] + py * c2w[1, 2] + pz * c2w[2, 2])
        x[i] = (px * c2w[0, 0] + py * c2w[1, 0] + pz * c2w[2, 0]) * inverse * K_px[0, 0] + K_px[0, 2]
        y[i] = (px * c2w[0, 1] + py * c2w[1, 1] + pz * c2w[2, 1]) * inverse * K_px[1, 1] + K_px[1, 2]
        inverse_z[i] = inverse
    return x, y, inverse_z


@njit(nogil=True)
def draw_segments(points, segments, first_segment, first_code, nearest, winner):
    """Draw strands as lines into a z-buffer: segments [S, 2] of ScreenPoints, numbered from `first_segment`; segment s gets the
    code first_code + s.

    Strands thinner than MIN_RADIUS are drawn that wide in a share of their pixels, by a fixed pattern. Those in front are drawn
    first, so that most of the others are known to be hidden from the farthest that shows in each square of TILE x TILE pixels.
    """
    x, y, inverse_z, radius = points.x, points.y, points.inverse_z, points.radius
    height, width = nearest.shape
    order, starts = _front_to_back(inverse_z, segments)
    farthest = np.zeros(((height + TILE - 1) // TILE, (width + TILE - 1) // TILE), np.float32)
    for layer in range(len(starts) - 1):
        _farthest_in_tiles(nearest, farthest)
        for local in order[starts[layer] : starts[layer + 1]]:
            s, a, b = first_segment + local, segments[local, 0], segments[local, 1]
            x0, y0, x1, y1, wa, wb = x[a], y[a], x[b], y[b], inverse_z[a], inverse_z[b]
            half = max(HALF * (radius[a] + radius[b]), MIN_RADIUS)
            if _hidden(farthest, x0, y0, x1, y1, SQRT_2 * half, max(wa, wb)):
                continue
            share = HALF * (radius[a] + radius[b]) / half
            flat = abs(x1 - x0) >= abs(y1 - y0)
            if not flat:
                x0, y0, x1, y1 = y0, x0, y1, x1
            if abs(x1 - x0) < 1e-5:
                continue
            if x1 < x0:
                x0, y0, x1, y1, wa, wb = x1, y1, x0, y0, wb, wa
            slope, slope_w = (y1 - y0) / (x1 - x0), (wb - wa) / (x1 - x0)
            reach = half * np.sqrt(1 + slope * slope)
            long_size, short_size = (width, height) if flat else (height, width)
            for i in range(max(0, int(np.ceil(x0 - 0.5))), min(long_size - 1, int(np.floor(x1))) + 1):
                t = min(max(i + 0.5 - x0, 0.0), x1 - x0)
                middle, w = y0 + slope * t, np.float32(wa + slope_w * t)  # as it is kept
                low = max(0, int(np.ceil(middle - reach - 0.5)))
                for j in range(low, min(short_size - 1, int(np.floor(middle + reach - 0.5))) + 1):
                    column, row = (i, j) if flat else (j, i)
                    if w > nearest[row, column] and (share >= 1 or hash_below(column, row, s, share)):
                        nearest[row, column], winner[row, column] = w, first_code + s


@njit(nogil=True)
def _front_to_back(inverse_z, segments):
    """The segments that lie before the camera in LAYERS slices of depth, those in front first, and where each slice starts."""
    count = len(segments)
    high, low = np.float32(0), np.float32(np.inf)
    for s in range(count):
        w = inverse_z[segments[s, 0]]
        high, low = max(high, w), min(low, max(w, np.float32(0)))
    per_layer = LAYERS / max(high - low, np.float32(1e-9))
    starts, layer_of = np.zeros(LAYERS + 1, np.int64), np.empty(count, np.int8)
    for s in range(count):
        a, b = inverse_z[segments[s, 0]], inverse_z[segments[s, 1]]
        layer = -1 if a <= 0 or b <= 0 else min(LAYERS - 1, int((high - a) * per_layer))
        layer_of[s] = layer
        if layer >= 0:
            starts[layer + 1] += 1
    starts = np.cumsum(starts)
    order, free = np.empty(starts[-1], np.int32), starts.copy()
    for s in range(count):
        layer = layer_of[s]
        if layer >= 0:
            order[free[layer]] = s
            free[layer] += 1
    return order, starts


@njit(nogil=True)
def _farthest_in_tiles(nearest, farthest):
    """The least inverse depth of each square of TILE x TILE pixels; 0 where nothing is in one of them."""
    farthest[:] = np.inf
    for row in range(nearest.shape[0]):
        for column in range(nearest.shape[1]):
            farthest[row // TILE, column // TILE] = min(farthest[row // TILE, column // TILE], nearest[row, column])


@njit(inline="always")
def _hidden(farthest, x0, y0, x1, y1, reach, w):
    """Whether a line `reach` pixels to each side, of inverse depth `w` or less, lies outside or behind what shows already."""
    top, bottom = max(0, int((min(y0, y1) - reach) * PER_TILE)), min(len(farthest) - 1, int((max(y0, y1) + reach) * PER_TILE))
    left, right = int((min(x0, x1) - reach) * PER_TILE), int((max(x0, x1) + reach) * PER_TILE)
    for row in range(top, bottom + 1):
        for column in range(max(0, left), min(farthest.shape[1] - 1, right) + 1):
            if w > farthest[row, column]:
                return False
    return True
