"""What eyes see while they learn: windows around heads, and scenes with several heads or none, in all the ways photos are bad.

Pictures of a `ViewSet` are laid over backgrounds, turned, mirrored, covered, cut off and spoilt. B pictures, S pixels a side.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Generator, Tensor

from fullhead.data.view_set import ViewBatch
from fullhead.eyes.networks import LARGEST, SMALLEST
from fullhead.eyes.reading import SIDE_OF_A_HEAD
from fullhead.models.head import Batch
from fullhead.rig.arkit import ARKIT
from fullhead.rig.landmarks import MIRRORED, dense_points
from fullhead.synth.anatomy.regions import LABELS

SCALE, SHIFT, TURN, ANY_TURN = 0.12, 0.05, 0.2, 0.15  # of windows: deviations (turn in radians), and the share that lies anyhow
ASIDE, ASTRAY = (0.6, 1.4), (0.9, 1.7)  # of windows that miss their head: by how many sides, by which power of e of their size
LIE_OF_HEADS = 0.15  # share of heads in scenes that may lie anyhow
SCENE_SIDES = (15.0, 90.0)  # pixels of windows in scenes
HEADS_IN_A_SCENE = 3
SCENES_COARSEST = 1.8  # what still leaves something of the smallest heads
EMPTY = 0.3  # share of scenes without heads
NEAR, AROUND = 0.2, 0.5  # parts of a window's side: cells so near to a head's centre say so; those around it are not judged


@dataclass(frozen=True)
class Windows(Batch):
    """Windows around heads, and what is true in them; places go from 0 to 1 across a window."""

    images: Tensor  # [B, 3, S, S] in [-1, 1]
    head: Tensor  # [B] 0 where the window is around no head, and what follows means nothing; else 1
    centre: Tensor  # [B, 2]
    side: Tensor  # [B] of the window that would be right, in sides of this one
    rotation: Tensor  # [B, 3, 3]
    points: Tensor  # [B, P, 2]
    seen: Tensor  # [B, P], 0 or 1
    parts: Tensor  # [B, S, S] int64
    matte: Tensor  # [B, S, S]
    expression: Tensor
    gaze: Tensor


@dataclass(frozen=True)
class Scenes(Batch):
    """Pictures with some heads: K places in each, those that are not taken have side 0."""

    images: Tensor  # [B, 3, S, S]
    x: Tensor  # [B, K] pixels
    y: Tensor
    side: Tensor  # [B, K] pixels of the heads' windows
    turn: Tensor  # [B, K] radians
    shown: Tensor  # [B, K] bool: the head's middle is not covered


def mirror_some(views: ViewBatch, random: Generator) -> ViewBatch:
    """Half of the pictures mirrored, with everything that is true of them; a mirrored person counts as the same."""
    flip = _chance(len(views.rgba), 0.5, random)
    truth, n = views.truth, views.rgba.shape[-1]
    order = torch.tensor([*MIRRORED, *(len(MIRRORED) + dense_points().mirror).tolist()])
    points = views.points[:, order].clone()
    points[..., 0] = n - points[..., 0]
    swap = torch.arange(max(LABELS.values()) + 1)
    for name, number in LABELS.items():
        if name[:2] in ("l_", "r_") and name not in ("l_lip",):  # l_lip is the lower one
            swap[number] = LABELS[{"l_": "r_", "r_": "l_"}[name[:2]] + name[2:]]
    sides = [name.replace("Left", "?").replace("Right", "Left").replace("?", "Right") for name in ARKIT]
    across = torch.tensor([-1.0, 1.0, 1.0])
    other = replace(
        truth,
        centre=torch.stack([n - truth.centre[:, 0], truth.centre[:, 1]], 1),
        rotation=across[:, None] * truth.rotation * across,
        expression=truth.expression[:, [ARKIT.index(name) for name in sides]],
        gaze=truth.gaze * torch.tensor([-1.0, 1.0]),
    )
    pick = {name: _where(flip, getattr(other, name), getattr(truth, name)) for name in vars(truth)}
    return ViewBatch(
        _where(flip, views.rgba.flip(-1), views.rgba),
        _where(flip, swap[views.parts.flip(-1)], views.parts),
        _where(flip, points, views.points),
        type(truth)(**pick),
    )


def windows(
    views: ViewBatch, behind: Tensor, size: int, random: Generator, others: Tensor | None = None, empty: int = 0
) -> Windows:
    """A window about each head, not quite where it should be, before backgrounds `behind` [N, 3, n, n]. The first `empty` of
    them are around no head: they miss it by far, or show what only looks like parts of one, or one of `others` (`things`), or
    nothing."""
    b, n, truth = len(views.rgba), views.rgba.shape[-1], views.truth
    right = SIDE_OF_A_HEAD * truth.unit
    side = right * (SCALE * _normal(b, random)).clamp(-0.4, 0.4).exp()
    middle = truth.centre + side[:, None] * SHIFT * _normal((b, 2), random)
    if others is not None:
        views, side, middle = _missed(views, side, middle, others, empty, random)
    turn = torch.where(_chance(b, ANY_TURN, random), math.pi * _between(-1, 1, b, random), TURN * _normal(b, random))
    turn = turn + roll_of(truth.rotation)
    matrix = _photo_from_window(middle, side, turn)  # [B, 2, 3], places to pixels
    grid = _grid(matrix, size, n)
    rgba = F.grid_sample(views.rgba, grid, align_corners=False)
    parts = F.grid_sample(views.parts[:, None].float(), grid, mode="nearest", align_corners=False)[:, 0].long()
    back = _cut_backgrounds(behind, b, size, random)
    back = _others_behind(back, views.rgba, random)
    image = rgba[:, :3] + (1 - rgba[:, 3:]) * back
    hidden = _covers(b, size, random)
    image = torch.where(hidden[:, None], _cut_backgrounds(behind, b, size, random), image)
    beyond = _beyond(b, size, random, torch.where(torch.arange(b) < empty, -0.45, 0.04))
    image, gone = image.masked_fill(beyond[:, None], 0.0), hidden | beyond
    inverse = torch.linalg.inv(matrix[:, :, :2])
    points = (views.points[..., :2] - matrix[:, None, :, 2]) @ inverse.mT
    at = (points * size).long().clamp(0, size - 1)
    inside = ((points > 0) & (points < 1)).all(-1) & ~gone[torch.arange(b)[:, None], at[..., 1], at[..., 0]]
    c, s, zero, one = turn.cos(), turn.sin(), torch.zeros(b), torch.ones(b)
    undo = torch.stack([c, s, zero, -s, c, zero, zero, zero, one], 1).unflatten(1, (3, 3))
    image = spoilt(image, random).masked_fill(beyond[:, None], 0.0)
    return Windows(
        images=2 * image - 1,
        head=(torch.arange(b) >= empty).float(),
        centre=((truth.centre - matrix[:, :, 2])[:, None] @ inverse.mT)[:, 0],
        side=right / side,
        rotation=undo @ truth.rotation,
        points=points,
        seen=views.points[..., 2] * inside,
        parts=parts.masked_fill(gone, 0),
        matte=rgba[:, 3].masked_fill(gone, 0.0),
        expression=truth.expression,
        gaze=truth.gaze,
    )


def _missed(
    views: ViewBatch, side: Tensor, middle: Tensor, others: Tensor, count: int, random: Generator
) -> tuple[ViewBatch, Tensor, Tensor]:
    """Pictures, sides and middles of windows, the first `count` of which are around no head."""
    first = torch.arange(len(side)) < count
    aside, away = _chance(len(side), 0.3, random), 2 * math.pi * _between(0, 1, len(side), random)
    direction = torch.stack([away.cos(), away.sin()], 1)
    moved = middle + (side * _between(*ASIDE, len(side), random))[:, None] * direction
    astray = ~aside & _chance(len(side), 0.35, random)
    sign = torch.where(_chance(len(side), 0.4, random), 1.0, -1.0)
    scaled = side * (sign * _between(*ASTRAY, len(side), random)).exp()
    nothing = first & ~aside & ~astray
    no_heads = _no_heads(views, others, random)
    other = no_heads[torch.arange(len(side)) % len(no_heads)] * _chance(len(side), 0.75, random)[:, None, None, None]
    shown = replace(views, rgba=_where(nothing, other, views.rgba))
    return shown, torch.where(first & astray, scaled, side), _where(first & aside, moved, middle)


def scenes(views: ViewBatch, behind: Tensor, others: Tensor, count: int, size: int, random: Generator) -> Scenes:
    """Pictures with up to HEADS_IN_A_SCENE heads of any size, anywhere, some of `others` (`things`), and what only looks like
    parts of heads."""
    n, truth = views.rgba.shape[-1], views.truth
    image = _cut_backgrounds(behind, count, size, random)
    sprites = [F.avg_pool2d(views.rgba, k) if k > 1 else views.rgba for k in (1, 2, 4)]
    no_heads = _no_heads(views, others, random)
    wrong = [F.avg_pool2d(no_heads, k) if k > 1 else no_heads for k in (1, 2, 4)]
    empty = _chance(count, EMPTY, random)
    x, y, side, turn, shown = (torch.zeros(count, HEADS_IN_A_SCENE) for _ in range(5))
    for k in range(HEADS_IN_A_SCENE):
        which = torch.randint(len(views.rgba), (count,), generator=random)
        low, high = (math.log(value) for value in SCENE_SIDES)
        side_k = _between(low, high, count, random).exp()
        middle = size * _between(-0.1, 1.1, (count, 2), random)
        lies = _chance(count, LIE_OF_HEADS, random)
        turn_k = torch.where(lies, math.pi * _between(-1, 1, count, random), TURN * _normal(count, random))
        # From pixels of the scene to pixels of the picture: the window of the head becomes side_k pixels wide.
        ratio = SIDE_OF_A_HEAD * truth.unit[which] / side_k
        c, s = ratio * turn_k.cos(), ratio * turn_k.sin()
        linear = torch.stack([torch.stack([c, s], 1), torch.stack([-s, c], 1)], 1)
        shift = truth.centre[which] - (linear @ middle[..., None])[..., 0]
        grid = _grid(torch.cat([linear * size, shift[..., None]], 2), size, n)
        level = torch.bucketize(ratio, torch.tensor([1.6, 3.2]))
        real = _chance(count, 0.7, random) & ~empty
        layer = torch.zeros(count, 4, size, size)
        for finer in range(3):
            for kind, pictures in ((real, sprites), (~real, wrong)):
                rows = torch.nonzero((level == finer) & kind)[:, 0]
                if len(rows):
                    of = pictures[finer][which[rows] % len(pictures[finer])]
                    layer[rows] = F.grid_sample(of, grid[rows], align_corners=False)
        there = _chance(count, 0.75 if k else 0.95, random)
        layer = layer * there[:, None, None, None]
        image = layer[:, :3] + (1 - layer[:, 3:]) * image
        at = middle.long().clamp(0, size - 1)
        over = layer[torch.arange(count)[:, None], 3, at[:, 1:], at[:, :1]][:, 0] > 0.5
        for earlier in range(k):  # those that this one covers
            spot = torch.stack([x[:, earlier], y[:, earlier]], 1).long().clamp(0, size - 1)
            covered = layer[torch.arange(count), 3, spot[:, 1], spot[:, 0]] > 0.5
            shown[:, earlier] *= (~covered).float()
        taken = real & there
        x[:, k], y[:, k], turn[:, k] = middle[:, 0], middle[:, 1], turn_k + roll_of(truth.rotation[which])
        side[:, k], shown[:, k] = side_k * taken, (taken & over).float()
    beyond = _beyond(count, size, random, torch.full((count,), -0.3))
    at = torch.stack([x, y], -1).long().clamp(0, size - 1)
    shown = (shown > 0.5) & ~beyond[torch.arange(count)[:, None], at[..., 1], at[..., 0]]
    return Scenes(2 * spoilt(image, random, SCENES_COARSEST).masked_fill(beyond[:, None], 0.0) - 1, x, y, side, turn, shown)


def finder_targets(found: Scenes, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For cells whose centres are at pixels rows [h], columns [w]: which head of a scene a cell should tell of [B, h, w],
    whether it should [B, h, w], and whether it is judged at all [B, h, w]."""
    away = torch.hypot(columns - found.x[..., None, None], rows[:, None] - found.y[..., None, None])  # [B, K, h, w]
    side = found.side[..., None, None]
    part = torch.where(side > 0, away / side.clamp(min=1), torch.inf)
    good = found.shown & (found.side > SMALLEST) & (found.side < LARGEST)
    nearest, which = torch.where(good[..., None, None], part, torch.inf).min(1)
    tells = nearest < NEAR
    close = (torch.maximum(away / side.clamp(min=1), torch.zeros(1)) < AROUND) & (side > 0)
    return which, tells, tells | ~close.any(1)


def spoilt(images: Tensor, random: Generator, coarsest: float = 6.7) -> Tensor:
    """Pictures [B, 3, S, S] in [0, 1] as bad cameras, screens and files leave them: at worst with `coarsest` times fewer pixels
    a side."""
    b = len(images)

    def some(share: float, changed: Tensor) -> Tensor:
        return _where(_chance(b, share, random), changed, images)

    def number(low: float, high: float, channels: int = 1) -> Tensor:
        return _between(low, high, (b, channels, 1, 1), random)

    images = some(0.4, images.clamp(min=1e-4) ** (number(-0.6, 0.6).exp()))
    mean = images.mean((1, 2, 3), keepdim=True)
    images = some(0.5, (mean + (images - mean) * number(0.5, 1.5)) * number(0.6, 1.35))
    images = some(0.35, images * number(0.7, 1.3, 3))
    grey = images.mean(1, keepdim=True)
    images = some(0.3, grey + (images - grey) * number(0.0, 1.6))
    images = some(0.12, images.mean(1, keepdim=True).expand_as(images))
    for k in range(b):  # what no batch can do at once
        if torch.rand((), generator=random) < 0.45:
            images = _replaced(images, k, _coarse(images[k], random, coarsest))
        if torch.rand((), generator=random) < 0.35:
            images = _replaced(images, k, _compressed(images[k], random))
    noise = torch.randn(images.shape, generator=random) * number(0, 0.08)
    return some(0.4, images + noise).clamp(0, 1)


def _replaced(images: Tensor, k: int, image: Tensor) -> Tensor:
    images[k] = image
    return images


def _coarse(image: Tensor, random: Generator, coarsest: float) -> Tensor:
    """Fewer pixels, or a blur."""
    size = image.shape[-1]
    if torch.rand((), generator=random) < 0.6:
        fewer = max(14, int(size / math.exp(float(_between(0, math.log(coarsest), 1, random)))))
        small = F.interpolate(image[None], size=(fewer, fewer), mode="area")
        return F.interpolate(small, size=(size, size), mode="bilinear", align_corners=False)[0]
    radius = int(torch.randint(1, max(2, round(coarsest / 2) + 1), (), generator=random))
    across = bool(torch.rand((), generator=random) < 0.5)
    kernel = (2 * radius + 1, 1) if across else (2 * radius + 1, 2 * radius + 1)
    padding = (radius, 0) if across else (radius, radius)
    return F.avg_pool2d(image[None], kernel, 1, padding, count_include_pad=False)[0]


def _compressed(image: Tensor, random: Generator) -> Tensor:
    """As a JPEG file leaves it."""
    buffer = io.BytesIO()
    pixels = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(buffer, "jpeg", quality=int(torch.randint(15, 90, (), generator=random)))
    return torch.from_numpy(np.array(Image.open(buffer))).permute(2, 0, 1).float() / 255


def _cut_backgrounds(behind: Tensor, count: int, size: int, random: Generator) -> Tensor:
    """Random squares [count, 3, size, size] of backgrounds, mirrored half of the time."""
    n, found = behind.shape[-1], []
    for which in torch.randint(len(behind), (count,), generator=random).tolist():
        side = int(torch.randint(n // 4, n + 1, (), generator=random))
        left, top = (int(torch.randint(0, n - side + 1, (), generator=random)) for _ in range(2))
        part = behind[which : which + 1, :, top : top + side, left : left + side]
        found.append(F.interpolate(part, size=(size, size), mode="bilinear", align_corners=False)[0])
    images = torch.stack(found)
    return _where(_chance(count, 0.5, random), images.flip(-1), images)


def _others_behind(back: Tensor, rgba: Tensor, random: Generator) -> Tensor:
    """Another head beside and behind, in some of the pictures [B, 3, S, S]."""
    b, n, size = len(back), rgba.shape[-1], back.shape[-1]
    others = rgba.roll(1, 0)
    aside = torch.where(_chance(b, 0.5, random), -1.0, 1.0) * _between(0.35, 0.9, b, random)
    middle = n * (0.5 + torch.stack([-aside, 0.3 * _normal(b, random).clamp(-1, 1)], 1))
    side = n * _between(0.6, 1.5, b, random)
    grid = _grid(_photo_from_window(middle, side, 0.2 * _normal(b, random)), size, n)
    layer = F.grid_sample(others, grid, align_corners=False) * _chance(b, 0.25, random)[:, None, None, None]
    return layer[:, :3] + (1 - layer[:, 3:]) * back


def _no_heads(views: ViewBatch, others: Tensor, random: Generator) -> Tensor:
    """Some pictures [b, 4, n, n] of what is no head: things, clothes alone, or the pieces of a head thrown together."""
    some = slice(0, max(1, len(views.rgba) // 2))
    rgba, n = views.rgba[some], views.rgba.shape[-1]
    clothes = rgba * (views.parts[some] == LABELS["cloth"])[:, None]
    piece = n // 6
    order = torch.randperm(36, generator=random)
    pieces = rgba.unfold(2, piece, piece).unfold(3, piece, piece).reshape(len(rgba), 4, 36, piece, piece)[:, :, order]
    mixed = pieces.unflatten(2, (6, 6)).permute(0, 1, 2, 4, 3, 5).reshape(len(rgba), 4, 6 * piece, 6 * piece)
    mixed = F.pad(mixed, (0, n - 6 * piece, 0, n - 6 * piece))
    thing = F.interpolate(others[torch.randint(len(others), (len(rgba),), generator=random)], size=(n, n), mode="bilinear")
    broken = _where(_chance(len(rgba), 0.4, random), clothes, mixed)
    return _where(_chance(len(rgba), 0.6, random), thing, broken)


def _covers(b: int, size: int, random: Generator) -> Tensor:
    """[B, S, S] bool: ellipses and bars over some of the pictures."""
    rows, columns = torch.meshgrid(*(2 * [(torch.arange(size) + 0.5) / size]), indexing="ij")
    x, y = (_between(0.0, 1.0, b, random)[:, None, None] for _ in range(2))
    a, h = (_between(0.04, 0.3, b, random)[:, None, None] for _ in range(2))
    angle = _between(0, math.pi, b, random)[:, None, None]
    u = (columns - x) * angle.cos() + (rows - y) * angle.sin()
    v = (rows - y) * angle.cos() - (columns - x) * angle.sin()
    round_ = (u / a) ** 2 + (v / h) ** 2 < 1
    square = (u.abs() < a) & (v.abs() < h)
    return _where(_chance(b, 0.5, random), round_, square) & _chance(b, 0.3, random)[:, None, None]


def _beyond(b: int, size: int, random: Generator, nearest: Tensor) -> Tensor:
    """[B, S, S] bool: what would lie beyond the photo's edge, in some of the pictures. The edge is at least `nearest` [B] of a
    side from the middle; what has a middle beyond the edge is below 0."""
    rows, columns = torch.meshgrid(*(2 * [(torch.arange(size) + 0.5) / size]), indexing="ij")
    angle = torch.where(
        _chance(b, 0.7, random), math.pi / 2 * torch.randint(4, (b,), generator=random), math.pi * 2 * _between(0, 1, b, random)
    )
    edge = nearest + (0.5 - nearest) * _between(0, 1, b, random)
    angle, edge = angle[:, None, None], edge[:, None, None]
    past = (columns - 0.5) * angle.cos() + (rows - 0.5) * angle.sin() > edge
    return past & _chance(b, 0.35, random)[:, None, None]


def roll_of(rotation: Tensor) -> Tensor:
    """How far heads are tilted in their pictures [B], radians, as `eyes.reading.Reading.yaw_pitch_roll` counts it."""
    towards = -rotation[:, 2]
    yaw = torch.atan2(towards[:, 0], towards[:, 2])
    level = rotation @ torch.stack([yaw.cos(), torch.zeros_like(yaw), -yaw.sin()], 1)[..., None]
    return torch.atan2(level[:, 1, 0], level[:, 0, 0])


def _photo_from_window(middle: Tensor, side: Tensor, turn: Tensor) -> Tensor:
    """[B, 2, 3]: pixels of places in windows, as `eyes.window.Window` has them."""
    c, s = side * turn.cos(), side * turn.sin()
    linear = torch.stack([torch.stack([c, -s], 1), torch.stack([s, c], 1)], 1)
    return torch.cat([linear, (middle - linear.sum(2) / 2)[..., None]], 2)


def _grid(matrix: Tensor, size: int, n: int) -> Tensor:
    """What `grid_sample` wants, [B, S, S, 2], for windows of S pixels into pictures of n; matrix [B, 2, 3] from places (0 to
    1) to pixels."""
    place = (torch.arange(size) + 0.5) / size
    rows, columns = torch.meshgrid(place, place, indexing="ij")
    places = torch.stack([columns, rows, torch.ones_like(rows)], -1)  # [S, S, 3]
    return (places @ matrix[:, None].mT) * (2 / n) - 1


def _where(chosen: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Rows of `one` where `chosen` [B], else of `other`."""
    return torch.where(chosen.reshape(-1, *(one.ndim - 1) * [1]), one, other)


def _chance(b: int, share: float, random: Generator) -> Tensor:
    return torch.rand(b, generator=random) < share


def _normal(shape: int | tuple[int, ...], random: Generator) -> Tensor:
    return torch.randn(shape, generator=random)


def _between(low: float, high: float, shape: int | tuple[int, ...], random: Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=random)
