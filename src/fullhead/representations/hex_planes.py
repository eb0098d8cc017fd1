"""A textured head mesh drawn onto three planes from six sides [h360 §3.2] [h360 supp. A.2].

    mesh, neural texture --draw--> views [B, 6, C, S, S] --pair opposite ones--> planes [B, 3, P, S, S]

Mesh vertices times `scale` are plane units: the square [-1, 1]^2 of a plane, and the cube [-1, 1]^3 of space. Opposite views
are laid onto the same plane, one of them flipped, so that a point of space lies at the same pixel in both.
A row further down is further along the plane's height: the front plane holds the face upside down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from fullhead.core.grids import HEX_AXES
from fullhead.io.config import Limited, Positive, Side, Width
from fullhead.kernels.gather import channels_last
from fullhead.kernels.raster import orthographic
from fullhead.nn.superres import resized
from fullhead.representations.planes import flat_features

FRONT, LEFT, RIGHT, TOP, BACK, BOTTOM = range(6)
PAIRS = ((FRONT, BACK), (LEFT, RIGHT), (TOP, BOTTOM))  # on the front, the side and the top plane
# Along an image's width, its height (downwards) and towards the eye: each row is an axis of the mesh.
VIEWS = torch.tensor([
    [[1.0, 0, 0], [0, 1, 0], [0, 0, 1]],  # front
    [[0.0, 0, -1], [0, 1, 0], [1, 0, 0]],  # left
    [[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]],  # right
    [[1.0, 0, 0], [0, 0, -1], [0, 1, 0]],  # top
    [[-1.0, 0, 0], [0, 1, 0], [0, 0, -1]],  # back
    [[1.0, 0, 0], [0, 0, 1], [0, -1, 0]],  # bottom
])  # fmt: skip
COLUMNS, ROWS = 1, 0  # of an image
FLIPS = {RIGHT: COLUMNS, BACK: COLUMNS, BOTTOM: ROWS}  # what lays a view onto its opposite's plane
RELEASED_FLIPS = FLIPS | {BOTTOM: COLUMNS}
GRAZING = 1e-8  # twice a face's area in plane units below which it is not seen; the released program adds it to the area, too
OUTSIDE = 2.0  # a texture coordinate where the texture is zero
SOLID = 254 / 255  # a mask above it stops the filling of what is outside
MOUTH_MARGIN = 1.2  # of the square about the lips, over their larger extent


@dataclass(frozen=True)
class HexPlanesConfig(Limited):
    """How a mesh becomes planes."""

    size: Side = 256  # pixels a side
    channels: Width = 64  # of a plane
    pairing: Literal["add", "concat"] = (
        "add"  # of opposite views: the paper's; the released program's, each with half of the channels
    )
    hair: Literal["add", "alpha"] = (
        "add"  # onto the head's planes; or under them, where the mesh does not cover (the released stage one)
    )
    scale: Positive = 9.0  # plane units per unit of the mesh
    as_released: bool = False  # four habits that only the released program's weights want: see `look_up` and `covered`

    @property
    def texture_channels(self) -> int:
        return self.channels if self.pairing == "add" else self.channels // 2


class Topology(Protocol):
    """What of a mesh does not move: `faces` [F, 3], counter-clockwise seen from outside; `uv` [T, 2] in [0, 1], v upwards;
    `uv_faces` [F, 3], rows of uv."""

    faces: Tensor
    uv: Tensor
    uv_faces: Tensor


def look_up(vertices: Tensor, mesh: Topology, config: HexPlanesConfig) -> tuple[Tensor, Tensor]:
    """Where in the texture each pixel of the six views looks: coordinates [B, 6, S, S, 2] as grid_sample takes them, and
    whether it sees the mesh [B, 6, S, S]. vertices [B, V, 3] in plane units; no gradient. On the CPU, wherever they are.

    A pixel that sees nothing looks outside the texture. As released: it looks at the texture's middle; coordinates of grazing
    faces shrink towards it; and the view from below is flipped sideways, so that front and back of it are exchanged.
    """
    flips = RELEASED_FLIPS if config.as_released else FLIPS
    faces = mesh.faces.cpu().numpy()
    corners = (mesh.uv.cpu() * torch.tensor([2.0, -2.0]) + torch.tensor([-1.0, 1.0])).numpy()[mesh.uv_faces.cpu().numpy()]
    grids, seen = [], []
    for points in vertices.detach().float().cpu():
        for view, axes in enumerate(VIEWS):
            grid, there = _one_view((points @ axes.T).numpy(), faces, corners, config)
            flip = flips.get(view)
            grids.append(grid if flip is None else np.flip(grid, flip))
            seen.append(there if flip is None else np.flip(there, flip))
    shape = (len(vertices), len(VIEWS), config.size, config.size)
    return (torch.from_numpy(np.stack(x)).to(vertices.device).view(*shape, *x[0].shape[2:]) for x in (grids, seen))  # type: ignore[return-value]


def _one_view(points: NDArray, faces: NDArray, corners: NDArray, config: HexPlanesConfig) -> tuple[NDArray, NDArray]:
    """Coordinates [S, S, 2] and coverage [S, S] of points [V, 3] along width, height and towards the eye."""
    flat = points[faces, :2].astype(np.float64)  # [F, 3, 2]: grazing faces want the digits
    shown = np.flatnonzero(_twice_areas(flat).sum(axis=1) > GRAZING)  # what faces the eye goes round counter-clockwise
    found = orthographic(points * np.array([1, -1, 1], np.float32), faces[shown], config.size)[0]
    seen = found >= 0
    face = shown[found[seen]]
    pixels = (2 * np.argwhere(seen)[:, None, ::-1] + 1) / config.size - 1
    weights = _twice_areas(flat[face] - pixels)
    weights /= weights.sum(axis=1, keepdims=True) + (GRAZING if config.as_released else 0)
    grid = np.full((config.size, config.size, 2), 0.0 if config.as_released else OUTSIDE, np.float32)
    grid[seen] = (weights[:, :, None] * corners[face]).sum(axis=1)
    return grid, seen


def _twice_areas(corners: NDArray) -> NDArray:
    """Of the triangles [..., 3] that the origin makes with the sides opposite to corners [..., 3, 2]."""
    a, b = np.roll(corners, -1, axis=-2), np.roll(corners, -2, axis=-2)
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def draw(texture: Tensor, grid: Tensor) -> Tensor:
    """Six views [B, 6, C, S, S] of a texture [B, C, T, T], bilinear; differentiable in the texture."""
    views = F.grid_sample(texture, grid.flatten(1, 2), align_corners=False)
    return views.unflatten(2, (len(VIEWS), -1)).transpose(1, 2)


def paired(views: Tensor, config: HexPlanesConfig) -> Tensor:
    """Planes [B, 3, P, S, S] of six views [B, 6, C, S, S]: opposite ones added [h360 supp. A.2], or side by side."""
    first, second = (views[:, list(side)] for side in zip(*PAIRS, strict=True))
    return first + second if config.pairing == "add" else torch.cat([first, second], dim=2)


def covered(grid: Tensor, seen: Tensor, mask: Tensor, config: HexPlanesConfig) -> Tensor:
    """How much of each plane the mesh covers, [B, 3, 1, S, S] in [0, 1]: where either view sees it, of the texture what the
    `mask` [T, T] keeps, and all that is enclosed. As released: what a pair's first view sees, all or nothing at the side."""
    views = [first for first, _ in PAIRS] if config.as_released else list(range(len(VIEWS)))
    sampled = F.grid_sample(mask.expand(len(grid), 1, -1, -1), grid[:, views].flatten(1, 2), align_corners=False)
    alpha = sampled.unflatten(2, (len(views), -1))[:, 0] * seen[:, views]  # [B, 3 or 6, S, S]
    alpha = torch.stack([torch.stack([_filled(x) for x in head]) for head in alpha])
    if config.as_released:
        alpha[:, 1] = (alpha[:, 1] > 0).float()
    else:
        alpha = torch.stack([alpha[:, list(pair)].amax(dim=1) for pair in PAIRS], dim=1)
    return alpha[:, :, None]


def _filled(alpha: Tensor) -> Tensor:
    """alpha [S, S] with all that cannot be reached from its first corner made solid."""
    regions: NDArray = ndimage.label(alpha.cpu().numpy() <= SOLID)[0]  # type: ignore[assignment]
    outside = torch.from_numpy(regions == regions[0, 0]).to(alpha.device)
    return torch.where(outside, alpha, torch.ones_like(alpha)) if regions[0, 0] else torch.ones_like(alpha)


@dataclass(frozen=True)
class Square:
    """Pixels rows.start to rows.stop and columns likewise, as many."""

    rows: slice
    columns: slice

    @property
    def side(self) -> int:
        return self.rows.stop - self.rows.start


def mouth_squares(lips: Tensor, size: int) -> list[Square]:
    """Where on the front view, of `size` pixels, the mouths are: lips [B, L, 3] in plane units, from one corner over the other,
    at L / 2, and back. Each lies within the view."""
    squares = []
    for points in lips[..., :2].detach().float().cpu():
        pixels = points * (size / 2) + size / 2
        half = int(MOUTH_MARGIN * float((pixels.amax(0) - pixels.amin(0)).max())) // 2
        x, y = ((pixels[0] + pixels[len(pixels) // 2]) / 2).tolist()
        half = min(max(half, 1), size // 2)
        x, y = (min(max(centre, half), size - half) for centre in (x, y))
        squares.append(Square(slice(int(y - half), int(y + half)), slice(int(x - half), int(x + half))))
    return squares


def cut_out(views: Tensor, squares: list[Square], size: int) -> Tensor:
    """The squares of views [B, C, S, S], resized to [B, C, size, size]."""
    return torch.cat([resized(x[None, :, at.rows, at.columns], size) for x, at in zip(views, squares, strict=True)])


def pasted(views: Tensor, squares: list[Square], patches: Tensor) -> Tensor:
    """Views [B, C, S, S] with patches [B, C, s, s] in their squares."""
    out = views.clone()
    for i, at in enumerate(squares):
        out[i, :, at.rows, at.columns] = resized(patches[i : i + 1], at.side)[0]
    return out


def joined(head: Tensor, hair: Tensor, amount: Tensor, alpha: Tensor | None) -> Tensor:
    """The planes that are rendered, [B, 3, P, 1, S, S]: those of head and hair [B, 3, P, S, S], of which `amount` [B, 1] is
    taken, added; with alpha [B, 3, 1, S, S], the head over the hair."""
    hair = amount[:, :, None, None, None] * hair
    planes = head + hair if alpha is None else head * alpha + hair * (1 - alpha)
    return channels_last(planes[:, :, :, None])


def features(planes: Tensor, xyz: Tensor, box_size: float) -> Tensor:
    """Features [B, N, P] of points xyz [B, N, 3] in world units: the mean over planes [B, 3, P, 1, S, S]."""
    return flat_features(planes, xyz, HEX_AXES, box_size)
