"""Plane features on a CPU: the fast version of `core.grids.sample_planes` followed by the mean over planes.

Planes are stored channels-last, so that the C features of a cell are neighbours in memory, and every point reads eight
cells of each plane in one compiled loop. Forward and backward run over (head, plane) or points in parallel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

from fullhead.core.grids import sample_planes


@njit(cache=True, inline="always")
def _cell(x: float, size: int) -> tuple[int, float]:
    """Lower cell and fraction of a coordinate in [-1, 1] among `size` cells (cell centres inset by half a cell)."""
    position = (x + 1.0) * 0.5 * size - 0.5
    low = int(np.floor(position))
    return low, position - low


@njit(cache=True, parallel=True, fastmath=True, nogil=True)
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
                x0, fx = _cell(uvw[b, p, n, 0], W)
                y0, fy = _cell(uvw[b, p, n, 1], H)
                z0, fz = _cell(uvw[b, p, n, 2], D)
                for dz in range(2):
                    z = z0 + dz
                    if z < 0 or z >= D:
                        continue
                    wz = (fz if dz else np.float32(1) - fz) / np.float32(P)
                    for dy in range(2):
                        y = y0 + dy
                        if y < 0 or y >= H:
                            continue
                        wy = wz * (fy if dy else np.float32(1) - fy)
                        for dx in range(2):
                            x = x0 + dx
                            if x < 0 or x >= W:
                                continue
                            w = np.float32(wy * (fx if dx else np.float32(1) - fx))
                            for c in range(C):
                                out[b, n, c] += w * planes[b, p, z, y, x, c]


@njit(cache=True, parallel=True, fastmath=True, nogil=True)
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
            x0, fx = _cell(uvw[b, p, n, 0], W)
            y0, fy = _cell(uvw[b, p, n, 1], H)
            z0, fz = _cell(uvw[b, p, n, 2], D)
            gx = np.float32(0)
            gy = np.float32(0)
            gz = np.float32(0)
            for dz in range(2):
                z = z0 + dz
                if z < 0 or z >= D:
                    continue
                wz = fz if dz else np.float32(1) - fz
                for dy in range(2):
                    y = y0 + dy
                    if y < 0 or y >= H:
                        continue
                    wy = fy if dy else np.float32(1) - fy
                    for dx in range(2):
                        x = x0 + dx
                        if x < 0 or x >= W:
                            continue
                        wx = fx if dx else np.float32(1) - fx
                        w = np.float32(wx * wy * wz / P)
                        for c in range(C):
                            grad_planes[b, p, z, y, x, c] += w * grad[b, n, c]
                        if move:
                            s = np.float32(0)
                            for c in range(C):
                                s += planes[b, p, z, y, x, c] * grad[b, n, c]
                            gx += s * wy * wz * (1 if dx else -1)
                            gy += s * wx * wz * (1 if dy else -1)
                            gz += s * wx * wy * (1 if dz else -1)
            if move:
                grad_uvw[b, p, n, 0] = gx * W / (2 * P)
                grad_uvw[b, p, n, 1] = gy * H / (2 * P)
                grad_uvw[b, p, n, 2] = gz * D / (2 * P)


class _MeanFeatures(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, planes: Tensor, uvw: Tensor) -> Tensor:
        planes = planes.permute(0, 1, 3, 4, 5, 2).contiguous()  # [B, P, D, H, W, C]
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
        _backward(
            planes.numpy(), uvw.numpy(), grads[0].contiguous().numpy(), grad_planes.numpy(), grad_uvw.numpy(), move
        )
        return grad_planes.permute(0, 1, 5, 2, 3, 4), grad_uvw if move else None


def mean_features(planes: Tensor, uvw: Tensor) -> Tensor:
    """Trilinear features of points, averaged over planes: the CPU's compiled loop, or the reference elsewhere.

    planes [B, P, C, D, H, W], uvw [B, P, N, 3] in [-1, 1] along width, height, depth. Returns [B, N, C].
    """
    if planes.device.type == "cpu" and planes.dtype == torch.float32:
        return _MeanFeatures.apply(planes, uvw.float())  # type: ignore[return-value]
    return sample_planes(planes, uvw.to(planes.dtype)).mean(dim=1)
