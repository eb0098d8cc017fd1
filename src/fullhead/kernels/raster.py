"""The rasteriser of `core.raster` for CPUs, in numba: some 100 times faster, not differentiable, same rules."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fullhead.core.compiled import njit
from fullhead.core.raster import SMALLEST_AREA, Raster


def rasterize(xy_px: Tensor, z: Tensor, faces: Tensor, height: int, width: int) -> Raster:
    """`core.raster.rasterize` for CPU tensors, without gradients."""
    xy = np.ascontiguousarray(xy_px.detach().numpy())
    inverse_z = 1.0 / z.detach().numpy()
    face, b, c, nearest = rasterize_arrays(xy[:, 0], xy[:, 1], inverse_z, faces.int().numpy(), height, width)
    seen = face >= 0
    weights = np.stack([np.where(seen, 1 - b - c, 0), b, c], axis=-1)
    depth = np.where(seen, 1 / np.where(seen, nearest, 1), 0)
    return Raster(torch.from_numpy(face), torch.from_numpy(weights).to(xy_px), torch.from_numpy(depth).to(z))


def rasterize_arrays(
    x: NDArray, y: NDArray, inverse_z: NDArray, faces: NDArray, height: int, width: int, keep: NDArray | None = None
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Face [H, W] int32, weights of corners b and c [H, W], inverse depth [H, W] (0 where nothing is).

    x, y [V] in pixels, inverse_z [V] positive in front of the camera, faces [F, 3] int32. keep [F] in [0, 1] thins
    a face to that share of its pixels by a fixed pattern (lashes); all are kept without it.
    """
    share = np.ones(len(faces), np.float32) if keep is None else keep.astype(np.float32)
    sx, sy, w = (np.ascontiguousarray(a, np.float32) for a in (x, y, inverse_z))
    face = np.full((height, width), -1, np.int32)
    nearest, b, c = (np.zeros((height, width), np.float32) for _ in range(3))
    _fill_faces(sx, sy, w, np.ascontiguousarray(faces, np.int32), share, nearest, face, b, c)
    return face, b, c, nearest


def orthographic(vertices: NDArray, faces: NDArray, size: int) -> tuple[NDArray, NDArray, NDArray]:
    """What a camera at +z sees that looks along -z, +x right, +y up: the square [-1, 1]^2 on size x size pixels.

    Face [H, W] int32, -1 where nothing is; weights [H, W, 3] of its corners and z [H, W], both 0 there.
    """
    lowest = vertices[:, 2].min() - 1
    nearness = vertices[:, 2] - lowest  # positive, and linear in the image as an inverse depth is
    x, y = (vertices[:, 0] + 1) / 2 * size, (1 - vertices[:, 1]) / 2 * size
    face, b, c, nearest = rasterize_arrays(x, y, nearness, faces, size, size)
    seen = face >= 0
    weights = np.stack([1 - b - c, b, c], axis=-1) / nearness[faces[face]]  # undo the correction of perspective
    weights = np.where(seen[..., None], weights / weights.sum(-1, keepdims=True), 0)
    return face, weights, np.where(seen, nearest + lowest, 0)


@njit(nogil=True)
def hash_below(x, y, item, share):
    """Whether a fixed pseudo-random number in [0, 1) of (pixel, item) is below `share`."""
    h = np.uint32(x) * np.uint32(73856093) ^ np.uint32(y) * np.uint32(19349663) ^ np.uint32(item) * np.uint32(83492791)
    h = np.uint32((h ^ (h >> np.uint32(13))) * np.uint32(1274126177))
    return ((h ^ (h >> np.uint32(16))) & np.uint32(0xFFFF)) < share * 65536


@njit(nogil=True)
def _fill_faces(sx, sy, w, faces, keep, nearest, winner, weight_b, weight_c):
    """Write the nearest face of each pixel into the four [H, W] buffers. Reference: core.raster.rasterize."""
    height, width = nearest.shape
    for t in range(faces.shape[0]):
        i, j, k = faces[t, 0], faces[t, 1], faces[t, 2]
        if w[i] <= 0 or w[j] <= 0 or w[k] <= 0:
            continue
        ax, ay, bx, by, cx, cy = sx[i], sy[i], sx[j], sy[j], sx[k], sy[k]
        top = max(0, int(np.ceil(min(ay, by, cy) - 0.5)))
        bottom = min(height - 1, int(np.floor(max(ay, by, cy) - 0.5)))
        left = max(0, int(np.ceil(min(ax, bx, cx) - 0.5)))
        right = min(width - 1, int(np.floor(max(ax, bx, cx) - 0.5)))
        if top > bottom or left > right:
            continue
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < SMALLEST_AREA:
            continue
        inverse = 1 / area
        u_x, u_y, v_x, v_y = (cy - ay) * inverse, (cx - ax) * inverse, (by - ay) * inverse, (bx - ax) * inverse
        for y in range(top, bottom + 1):
            down = y + 0.5 - ay
            for x in range(left, right + 1):
                across = x + 0.5 - ax
                u, v = across * u_x - down * u_y, down * v_y - across * v_x
                if min(u, v, 1 - u - v) < 0:
                    continue
                inverse_depth = w[i] * (1 - u - v) + w[j] * u + w[k] * v
                if inverse_depth > nearest[y, x]:
                    if keep[t] < 1 and not hash_below(x, y, t, keep[t]):
                        continue
                    nearest[y, x], winner[y, x] = inverse_depth, t
                    weight_b[y, x], weight_c[y, x] = u * w[j] / inverse_depth, v * w[k] / inverse_depth
