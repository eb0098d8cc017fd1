"""Plane features on a CPU: the fast version of `core.grids.sample_planes` followed by the mean over planes.

Planes are stored channels-last, so that the C features of a cell are neighbours in memory, and every point reads eight
cells of each plane in one compiled loop. Forward and backward run over (head, plane) or points in parallel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import prange
from torch import Tensor

from fullhead.core.compiled import njit
from fullhead.core.grids import sample_planes


@njit(inline="always")
def _cells(x: float, size: int) -> tuple[int, int, Any, Any]:
    """The two cells about a coordinate in [-1, 1] and their weights: cell centres are inset by half a cell, and a cell
    outside has no weight (its index is moved inside)."""
    position = (x + np.float32(1)) * np.float32(0.5) * size - np.float32(0.5)
    low = int(np.floor(position))
    high = low + 1
    f = np.float32(position - low)
    w_low = np.float32(1) - f if 0 <= low < size else np.float32(0)
    w_high = f if 0 <= high < size else np.float32(0)
    return min(max(low, 0), size - 1), min(max(high, 0), size - 1), w_low, w_high


@njit(inline="always")
def _slopes(x: float, size: int) -> tuple[Any, Any]:
    """How the two weights change, in cells: -1 and 1, or 0 for a cell outside."""
    low = int(np.floor((x + np.float32(1)) * np.float32(0.5) * size - np.float32(0.5)))
    return np.float32(-1 if 0 <= low < size else 0), np.float32(1 if 0 <= low + 1 < size else 0)


@njit(parallel=True, fastmath=True, nogil=True)
def _forward(planes: np.ndarray, uvw: np.ndarray, out: np.ndarray) -> None:
    """planes [B, P, D, H, W, C], uvw [B, P, N, 3] -> out [B, N, C], the mean over planes."""
    B, P, D, H, W, C = planes.shape
    N = uvw.shape[2]
    block = 512
    blocks = (N + block - 1) // block
    for task in prange(B * blocks):
        b = task // blocks
        first = (task % blocks) * block
        for n in range(first, min(first + block, N)):
            for c in range(C):
                out[b, n, c] = 0.0
            for p in range(P):
                x0, x1, wx0, wx1 = _cells(uvw[b, p, n, 0], W)
                y0, y1, wy0, wy1 = _cells(uvw[b, p, n, 1], H)
                z0, z1, wz0, wz1 = _cells(uvw[b, p, n, 2], D)
                for side in range(2):
                    z = z1 if side else z0
                    wz = (wz1 if side else wz0) / np.float32(P)
                    if wz == 0:
                        continue
                    w00, w01, w10, w11 = wz * wy0 * wx0, wz * wy0 * wx1, wz * wy1 * wx0, wz * wy1 * wx1
                    for c in range(C):
                        out[b, n, c] += (
                            w00 * planes[b, p, z, y0, x0, c]
                            + w01 * planes[b, p, z, y0, x1, c]
                            + w10 * planes[b, p, z, y1, x0, c]
                            + w11 * planes[b, p, z, y1, x1, c]
                        )


@njit(parallel=True, fastmath=True, nogil=True)
def _backward(
    planes: np.ndarray, uvw: np.ndarray, grad: np.ndarray, grad_planes: np.ndarray, grad_uvw: np.ndarray, move: bool
) -> None:
    """grad [B, N, C] -> grad_planes (zeroed before) and, with `move`, grad_uvw."""
    B, P, D, H, W, C = planes.shape
    N = uvw.shape[2]
    for task in prange(B * P):
        b = task // P
        p = task % P
        for n in range(N):
            x0, x1, wx0, wx1 = _cells(uvw[b, p, n, 0], W)
            y0, y1, wy0, wy1 = _cells(uvw[b, p, n, 1], H)
            z0, z1, wz0, wz1 = _cells(uvw[b, p, n, 2], D)
            in_x0, in_x1 = _slopes(uvw[b, p, n, 0], W)
            in_y0, in_y1 = _slopes(uvw[b, p, n, 1], H)
            in_z0, in_z1 = _slopes(uvw[b, p, n, 2], D)
            gx = gy = gz = np.float32(0)
            for corner in range(8):
                x, wx, sx = (x1, wx1, in_x1) if corner & 1 else (x0, wx0, in_x0)
                y, wy, sy = (y1, wy1, in_y1) if corner & 2 else (y0, wy0, in_y0)
                z, wz, sz = (z1, wz1, in_z1) if corner & 4 else (z0, wz0, in_z0)
                w = wx * wy * wz / np.float32(P)
                if w != 0:
                    for c in range(C):
                        grad_planes[b, p, z, y, x, c] += w * grad[b, n, c]
                if move:
                    s = np.float32(0)
                    for c in range(C):
                        s += planes[b, p, z, y, x, c] * grad[b, n, c]
                    gx += s * wy * wz * sx
                    gy += s * wx * wz * sy
                    gz += s * wx * wy * sz
            if move:
                grad_uvw[b, p, n, 0] = gx * W / (2 * P)
                grad_uvw[b, p, n, 1] = gy * H / (2 * P)
                grad_uvw[b, p, n, 2] = gz * D / (2 * P)


class _MeanFeatures(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, planes: Tensor, uvw: Tensor) -> Tensor:
        planes = planes.permute(0, 1, 3, 4, 5, 2).contiguous()  # [B, P, D, H, W, C]; no copy if they were laid so
        uvw = uvw.contiguous()
        ctx.save_for_backward(planes, uvw)
        out = torch.empty(planes.shape[0], uvw.shape[2], planes.shape[-1])
        _forward(planes.detach().numpy(), uvw.detach().numpy(), out.numpy())
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor | None]:
        planes, uvw = ctx.saved_tensors
        move = ctx.needs_input_grad[1]
        grad_planes = torch.zeros_like(planes)
        grad_uvw = torch.empty_like(uvw) if move else torch.empty(1, 1, 1, 3)
        _backward(planes.numpy(), uvw.numpy(), grads[0].contiguous().numpy(), grad_planes.numpy(), grad_uvw.numpy(), move)
        return grad_planes.permute(0, 1, 5, 2, 3, 4), grad_uvw if move else None


def channels_last(planes: Tensor) -> Tensor:
    """Planes [B, P, C, D, H, W] with their channels last in memory, as `sample_planes_mean` reads them. One copy per head."""
    return planes.permute(0, 1, 3, 4, 5, 2).contiguous().permute(0, 1, 5, 2, 3, 4)


def sample_planes_mean(planes: Tensor, uvw: Tensor) -> Tensor:
    """Trilinear features of points, averaged over planes: the CPU's compiled loop, or the reference elsewhere.

    planes [B, P, C, D, H, W], uvw [B, P, N, 3] in [-1, 1] along width, height, depth. Returns [B, N, C].
    """
    if planes.device.type == "cpu" and planes.dtype == torch.float32:
        return _MeanFeatures.apply(planes, uvw.float())  # type: ignore[return-value]
    return sample_planes(planes, uvw.to(planes.dtype)).mean(dim=1)
