"""Our own reader: heads from any side, by the two networks of `eyes.networks`.

photo --pyramid, Finder--> windows --cut, WindowReader--> better windows --cut, WindowReader--> readings
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from fullhead.eyes.networks import LARGEST, SMALLEST, STRIDE, EyeNetworks, WindowReading
from fullhead.eyes.reading import SIDE_OF_A_HEAD, Description, Points, Reading
from fullhead.eyes.window import Window, cut
from fullhead.io.images import Bytes

HEAD_OF_WINDOW = 0.66  # part of a window's side that a head is high
TILE, OVERLAP = 1024, 128  # pixels of a level of the pyramid that are searched at once
SAME = 0.4  # heads whose centres are nearer than this part of the larger window are one
MOST = 80  # windows of a photo that the reader looks through
ALIKE = 2.0  # and whose windows' sides differ by less than this factor
WITHIN = 0.3  # a head whose centre is nearer than this part of a surer one's side to its centre is a piece of it
LEAST_LOGIT = 4.0  # of a head in its window: where the network itself is half sure
MOST_DEVIATION, SPREAD = 0.06, 0.01  # of points, in sides of the window: what is no head has no places for them
HOPE = 0.02  # score of a first reading above which a second look may find a head
AT_ONCE = 16  # windows that are read together
MOVED = 0.05  # of a window's side, its logarithm, and half of the radians: what is less needs no second look
LENGTHS = {
    "none": ("bald",),
    "short": ("buzz", "receding", "balding", "short", "side_part", "slicked_back", "pixie"),
    "medium": ("curly", "afro", "bob"),
    "long": ("fringe", "long_straight", "long_wavy", "long_curly", "ponytail", "bun", "braids", "locs"),
}  # by hair style


@dataclass(frozen=True)
class Candidate:
    """A window that may hold a head."""

    score: float
    window: Window


class Eyes:
    """A Reader. `smallest`: height of the smallest heads that are looked for, pixels; `sure`: the least score of a reading;
    `doubt`: score of the finder above which the reader has a look."""

    def __init__(self, networks: EyeNetworks, *, smallest: float = 20.0, sure: float = 0.5, doubt: float = 0.15) -> None:
        self.config, self.smallest, self.sure, self.doubt = networks.config, smallest, sure, doubt
        networks = _fused(networks.eval()).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.finder, self.reader = networks.finder, networks.reader

    def __call__(self, photo: Bytes) -> list[Reading]:
        """The heads of a photo uint8 [H, W, 3] in sRGB, the surest first."""
        return self.read(photo, self.find(photo))

    @torch.no_grad()
    def find(self, photo: Bytes) -> list[Candidate]:
        """Where heads may be, the surest first."""
        found = [one for level, scale in pyramid(photo, self.smallest) for one in self._find_in(level, scale)]
        return distinct([one for one in found if _is_in(photo, one.window)])

    def _find_in(self, level: Bytes, scale: float) -> Iterator[Candidate]:
        """Candidates of one level of the pyramid, whose pixels are `scale` of the photo's."""
        height, width = level.shape[:2]
        margin = OVERLAP // 2
        for top in range(-margin, max(height + margin - OVERLAP, 1 - margin), TILE - OVERLAP):
            for left in range(-margin, max(width + margin - OVERLAP, 1 - margin), TILE - OVERLAP):
                tile = _piece(level, left, top, min(TILE, width + margin - left), min(TILE, height + margin - top))
                f = self.finder(_tensor(tile[None]))
                sure = torch.sigmoid(f.logit[0])
                for row, column in torch.nonzero(sure > self.doubt).tolist():
                    x, y, side = (float(v[0, row, column]) for v in (f.x, f.y, f.side))
                    turn = math.atan2(float(f.turn[0, row, column, 1]), float(f.turn[0, row, column, 0]))
                    window = Window((x + left) / scale, (y + top) / scale, side / scale, turn)
                    yield Candidate(float(sure[row, column]), window)

    @torch.no_grad()
    def read(self, photo: Bytes, candidates: list[Candidate]) -> list[Reading]:
        """What is known of the heads in some windows of a photo; those that turn out to be one are given once, those that turn
        out to be none are left out."""
        windows = [one.window for one in candidates[:MOST]]
        found = self._read(photo, windows)
        again = [k for k, one in enumerate(found) if one.score > HOPE and has_moved(windows[k], one.head_window())]
        for k, better in zip(again, self._read(photo, [found[k].head_window() for k in again]), strict=True):
            found[k] = better
        return distinct_readings([one for one in found if one.score >= self.sure and _is_in(photo, one.head_window())])

    def _read(self, photo: Bytes, windows: list[Window]) -> list[Reading]:
        """One look through each window."""
        found = []
        for first in range(0, len(windows), AT_ONCE):
            some = windows[first : first + AT_ONCE]
            given = self.reader(_tensor(np.stack([cut(photo, window, self.config.window) for window in some])))
            found += [self._reading(given, k, window) for k, window in enumerate(some)]
        return found

    def _reading(self, given: WindowReading, k: int, window: Window) -> Reading:
        n = self.config.landmarks
        xy, deviation = (
            window.to_photo(given.points[k].double().numpy()),
            math.sqrt(2) * window.side * given.deviation[k].numpy(),
        )
        seen = torch.sigmoid(given.seen[k]).numpy()
        turn = np.array(
            [[math.cos(window.turn), -math.sin(window.turn), 0], [math.sin(window.turn), math.cos(window.turn), 0], [0, 0, 1]]
        )
        unsure = float(given.deviation[k].quantile(0.25)) / float(given.side[k])
        return Reading(
            score=_sigmoid(float(given.head[k]) - LEAST_LOGIT) * _sigmoid((MOST_DEVIATION - unsure) / SPREAD),
            centre=window.to_photo(given.centre[k].double().numpy()),
            unit=float(given.side[k]) * window.side / SIDE_OF_A_HEAD,
            rotation=turn @ given.rotation[k].double().numpy(),
            landmarks=Points(xy[:n], deviation[:n], seen[:n]),
            dense=Points(xy[n:], deviation[n:], seen[n:]),
            window=window,
            parts=given.parts[k].argmax(0).byte().numpy(),
            matte=torch.sigmoid(given.matte[k]).numpy(),
            expression=given.expression[k].clamp(0, 1).numpy(),
            gaze=given.gaze[k].numpy(),
            description=self._description(given, k),
            identity=given.identity[k].numpy(),
        )

    def _description(self, given: WindowReading, k: int) -> Description:
        chosen = {name: _by_name(self.config.choices[name], logits[k]) for name, logits in given.choices.items()}
        style = chosen.get("hair_style", {})
        length = {name: sum(style.get(s, 0.0) for s in styles) for name, styles in LENGTHS.items()} if style else {}
        yes = dict(zip(self.config.yes_or_no, torch.sigmoid(given.yes_or_no[k]).tolist(), strict=True))
        amounts = dict(zip(self.config.amounts, given.amounts[k].tolist(), strict=True))
        return Description(**chosen, hair_length=dict(sorted(length.items(), key=lambda item: -item[1])), **yes, **amounts)


def load_eyes(model: str | Path = "eyes", *, smallest: float = 20.0) -> Eyes:
    """Eyes by a shipped model's name, a file or a hub id. FullheadError if it is none."""
    return Eyes(EyeNetworks.from_pretrained(model), smallest=smallest)


def pyramid(photo: Bytes, smallest: float) -> Iterator[tuple[Bytes, float]]:
    """The photo ever smaller, and the factor of its size: in one of its levels every head of at least `smallest` pixels has a
    size that the finder finds."""
    height, width = photo.shape[:2]
    scale = min(1.0, SMALLEST / (smallest / HEAD_OF_WINDOW))
    image = Image.fromarray(np.ascontiguousarray(photo))
    while True:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = (
            image
            if image.size == size
            else image.resize(size, Image.Resampling.BOX if scale < 0.3 else Image.Resampling.BILINEAR)
        )
        yield np.asarray(image), size[0] / width
        if LARGEST / scale > 2.2 * max(height, width):
            return
        scale /= 2


def distinct(candidates: list[Candidate]) -> list[Candidate]:
    """One for each head, the surest first: windows that tell of the same head are averaged by their scores."""
    left, found = sorted(candidates, key=lambda one: -one.score), []
    while left:
        first, w = left[0], left[0].window
        near = [one is first or same_head(w, one.window) for one in left]
        same, left = ([one for one, is_near in zip(left, near, strict=True) if is_near is kind] for kind in (True, False))
        weight = np.array([one.score**2 for one in same])
        weight /= weight.sum()
        x, y, log_side = (
            float(weight @ [value(one.window) for one in same])
            for value in (lambda v: v.x, lambda v: v.y, lambda v: math.log(v.side))
        )
        turn = math.atan2(*(float(weight @ [f(one.window.turn) for one in same]) for f in (math.sin, math.cos)))
        found.append(Candidate(first.score, Window(x, y, math.exp(log_side), turn)))
    return found


def same_head(a: Window, b: Window) -> bool:
    """Whether two windows are around one head."""
    return math.hypot(a.x - b.x, a.y - b.y) < SAME * max(a.side, b.side) and 1 / ALIKE < a.side / b.side < ALIKE


def _is_in(photo: Bytes, window: Window) -> bool:
    """Whether a window's middle is in the photo: of what lies beyond nobody can tell."""
    return 0 <= window.x <= photo.shape[1] and 0 <= window.y <= photo.shape[0]


def has_moved(before: Window, after: Window) -> bool:
    """Whether a head turned out to be elsewhere than in the middle of its window, so that a second look helps."""
    away, turn = math.hypot(after.x - before.x, after.y - before.y), math.remainder(after.turn - before.turn, 2 * math.pi)
    return away > MOVED * before.side or abs(math.log(after.side / before.side)) > MOVED or abs(turn) > 2 * MOVED


def distinct_readings(readings: list[Reading]) -> list[Reading]:
    """One for each head, the surest first."""
    found: list[Reading] = []
    for one in sorted(readings, key=lambda r: -r.score):
        if not any(_is_of(one.head_window(), other.head_window()) for other in found):
            found.append(one)
    return found


def _is_of(window: Window, surer: Window) -> bool:
    """Whether a window is around the head of a surer one, or a piece of it."""
    return same_head(window, surer) or math.hypot(window.x - surer.x, window.y - surer.y) < WITHIN * surer.side


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(min(-x, 60.0)))


def _by_name(names: tuple[str, ...], logits: Tensor) -> dict[str, float]:
    return dict(sorted(zip(names, F.softmax(logits, 0).tolist(), strict=True), key=lambda item: -item[1]))


def _tensor(pictures: Bytes) -> Tensor:
    """[B, 3, H, W] in [-1, 1] of uint8 [B, H, W, 3]."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def _piece(picture: Bytes, left: int, top: int, width: int, height: int) -> Bytes:
    """A piece of a picture, black beyond it, whose sides are rounded up to multiples of twice STRIDE."""
    step = 2 * STRIDE
    piece = np.zeros((-(-height // step) * step, -(-width // step) * step, 3), np.uint8)
    x0, y0 = max(left, 0), max(top, 0)
    inside = picture[y0 : top + height, x0 : left + width]
    piece[y0 - top :][: len(inside), x0 - left :][:, : inside.shape[1]] = inside
    return piece


def _fused(module: nn.Module) -> nn.Module:
    """The module with each normalisation taken into the convolution before it."""
    for name, child in module.named_children():
        layers = list(child) if isinstance(child, nn.Sequential) else []
        if len(layers) == 2 and isinstance(layers[0], nn.Conv2d) and isinstance(layers[1], nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(layers[0], layers[1]))
        else:
            _fused(child)
    return module
