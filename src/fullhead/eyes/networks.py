"""The two networks of the eyes: one finds heads anywhere in a photo, one reads all that is known of a head in its window.

B windows or photos. Places in a window go from 0 to 1 both ways, x to the right and y down. Rotations are those of
`eyes.reading.Reading`. Both networks take pictures in [-1, 1], black beyond the photo.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fullhead.eyes.reading import SIDE_OF_A_HEAD
from fullhead.io.config import Limited
from fullhead.models.head import Batch
from fullhead.models.hub import HubModel

STRIDE = 8  # pixels of a photo per cell of the finder
SMALLEST, LARGEST = 22.0, 62.0  # sides of windows that the finder finds in one level of the pyramid, pixels
MIDDLE_SIDE = 36.0  # pixels: the side that a cell's 0 stands for

Width = Annotated[int, (1, 4096)]
Names = tuple[str, ...]


@dataclass(frozen=True)
class EyesConfig(Limited):
    """Sizes, and what the outputs are called."""

    finder_widths: tuple[Width, Width, Width] = (32, 64, 92)  # at strides 4, 8 and 16
    window: Annotated[int, (32, 512)] = 128  # pixels a side that the reader sees
    widths: tuple[Width, Width, Width, Width, Width] = (24, 48, 96, 160, 192)  # at strides 2 to 32
    decoder: Width = 32
    hidden: Width = 256
    second: Width = 192  # the layer that also knows where points are
    landmarks: Width = 68
    dense: Width = 330  # points of rig.landmarks.dense_points
    parts: Width = 24  # numbers of parts
    expressions: Width = 52
    identity: Width = 64  # numbers of the embedding
    choices: dict[str, Names] = field(default_factory=dict)  # by what they are of: names that one is chosen from
    yes_or_no: Names = ("glasses", "sunglasses", "male")
    amounts: Names = ("tone", "age")


@dataclass(frozen=True)
class Found(Batch):
    """What the finder says of the cells of B photos, at STRIDE pixels, [B, h, w] each."""

    logit: Tensor  # of a head whose centre is near the cell's
    x: Tensor  # centre, in pixels from the photo's corner
    y: Tensor
    side: Tensor  # of its window, pixels
    turn: Tensor  # [B, h, w, 2] cosine and sine of the window's turn, not normalised


@dataclass(frozen=True)
class WindowReading:
    """What the reader says of B windows."""

    head: Tensor  # [B] logit of a head that this window is around
    centre: Tensor  # [B, 2] of the head, places
    side: Tensor  # [B] of the window that would be right, in sides of this one
    rotation: Tensor  # [B, 3, 3]
    points: Tensor  # [B, P, 2] places: landmarks, then dense points
    deviation: Tensor  # [B, P], places
    seen: Tensor  # [B, P] logits
    heat: Tensor  # [B, P, n / 8, n / 8] logits of where points are
    parts: Tensor  # [B, parts, n, n] logits
    matte: Tensor  # [B, n, n] logits
    expression: Tensor  # [B, 52]
    gaze: Tensor  # [B, 2] yaw and pitch, radians
    choices: dict[str, Tensor]  # [B, K] logits
    yes_or_no: Tensor  # [B, K] logits
    amounts: Tensor  # [B, K]
    identity: Tensor  # [B, D] unit vectors

    def each(self, change: Callable[[Tensor], Tensor]) -> WindowReading:
        """With every tensor changed."""
        choices = {name: change(x) for name, x in self.choices.items()}
        return replace(self, **{n: choices if n == "choices" else change(x) for n, x in vars(self).items()})


class Norm(nn.BatchNorm2d):
    """Batch normalisation without PyTorch's counter of batches, which is no weight."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.register_buffer("num_batches_tracked", None)

    def _load_from_state_dict(self, *given: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        nn.Module._load_from_state_dict(self, *given)  # PyTorch's own would ask for the counter


def conv(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution and its normalisation."""
    padding = (size - 1) // 2
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, stride, padding, bias=False), Norm(outputs))


def dense_layer(inputs: int, outputs: int) -> nn.Sequential:
    """A dense layer, normalised so that none of its units dies."""
    return nn.Sequential(nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.GELU())


class Residual(nn.Module):
    """Two convolutions beside a way that leaves them out, which halves the picture where `stride` is 2."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first, self.second = conv(inputs, outputs, 3, stride), conv(outputs, outputs)
        self.past = conv(inputs, outputs, 1) if stride > 1 or inputs != outputs else nn.Identity()
        self.shrink = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(F.relu(self.first(x))) + self.past(self.shrink(x)))


class Finder(nn.Module):
    """Where heads are, in cells of STRIDE pixels; the context comes from twice as large ones."""

    def __init__(self, widths: tuple[int, int, int]) -> None:
        super().__init__()
        a, b, c = widths
        self.stem, self.down = conv(3, a, 4, 4), conv(a, b, 3, 2)
        self.near, self.far = Residual(b, b), nn.Sequential(Residual(b, c, 2), Residual(c, c))
        self.back, self.out = conv(c, b, 1), nn.Conv2d(b, 6, 1)
        nn.init.constant_(self.out.bias[:1], -4.0)  # nearly no cell tells of a head  # type: ignore[index]

    def forward(self, images: Tensor) -> Found:
        """images [B, 3, H, W], whose sides are multiples of 16."""
        x = F.relu(self.down(F.relu(self.stem(images))))
        x = self.near(x)
        x = F.relu(x + F.interpolate(self.back(self.far(x)), scale_factor=2, mode="nearest"))
        logit, dx, dy, log_side, c, s = self.out(x).unbind(1)
        rows, columns = (torch.arange(n, device=x.device) for n in logit.shape[1:])
        to_x, to_y = STRIDE * (columns + 0.5), STRIDE * (rows + 0.5)[:, None]
        return Found(
            logit, to_x + MIDDLE_SIDE * dx, to_y + MIDDLE_SIDE * dy, MIDDLE_SIDE * log_side.exp(), torch.stack([c, s], -1)
        )


class WindowReader(nn.Module):
    """All that is known of the head in a window."""

    mean_points: Tensor

    def __init__(self, config: EyesConfig) -> None:
        super().__init__()
        self.config, w = config, config.widths
        self.stem = conv(3, w[0], 3, 2)
        self.down = nn.ModuleList([Residual(a, b, 2) for a, b in pairwise(w)])
        self.stay = nn.ModuleList([Residual(b, b) for b in w[1:-1]])
        # The decoder goes from stride 16 back to 2, then gives 2 x 2 pixels for each place.
        d = config.decoder
        self.lateral = nn.ModuleList([conv(width, d, 1) for width in w[:-1]])
        self.top = conv(w[-1], d, 1)
        self.mix = nn.ModuleList([conv(d, d) for _ in w[:-1]])
        self.layers = nn.Conv2d(d, 4 * (config.parts + 1), 1)
        points = config.landmarks + config.dense
        self.heat = nn.Conv2d(d, points, 1)
        cells = (config.window // 32) ** 2
        self.hidden = dense_layer(cells * w[-1], config.hidden)
        self.second = dense_layer(config.hidden + 3 * points, config.second)
        self.sizes = {
            "pose": 9, "points": 5 * points, "expression": config.expressions, "gaze": 2,
            "yes_or_no": len(config.yes_or_no), "amounts": len(config.amounts),
            **{f"choice_{name}": len(names) for name, names in config.choices.items()}, "head": 1,
        }  # fmt: skip
        self.out = nn.Linear(config.second, sum(self.sizes.values()))
        both = config.hidden + config.second
        self.embedding = nn.Sequential(*dense_layer(both, config.hidden), nn.Linear(config.hidden, config.identity))
        self.register_buffer("mean_points", torch.zeros(points, 3))  # in the head's world

    def forward(self, images: Tensor) -> WindowReading:
        """images [B, 3, n, n], n = config.window."""
        levels = [F.relu(self.stem(images))]
        for i, down in enumerate(self.down):
            x = down(levels[-1])
            levels.append(self.stay[i](x) if i < len(self.stay) else x)
        layers, heat = self._decoded(levels)
        places, spread = soft_argmax(heat)
        first = self.hidden(levels[-1].flatten(1))
        h = self.second(torch.cat([first, 4 * (places - 0.5).flatten(1), 10 * spread], 1))
        given = dict(zip(self.sizes, self.out(h).split(list(self.sizes.values()), dim=1), strict=True))
        centre, log_side, rotation = given["pose"][:, :2], given["pose"][:, 2], rotation_from_6d(given["pose"][:, 3:])
        centre, side = 0.5 + 0.1 * centre, (0.2 * log_side).exp()
        moved, log_deviation, seen, trust = given["points"].unflatten(1, (-1, 5)).split([2, 1, 1, 1], dim=-1)
        average = (self.mean_points @ rotation.mT)[..., :2] * (side / SIDE_OF_A_HEAD)[:, None, None]
        supposed, trust = centre[:, None] + average + 0.05 * moved, torch.sigmoid(trust)
        parts, matte = layers.split([self.config.parts, 1], dim=1)
        return WindowReading(
            head=given["head"].squeeze(1),
            centre=centre,
            side=side,
            rotation=rotation,
            points=trust * places + (1 - trust) * supposed,
            deviation=0.02 * log_deviation.squeeze(-1).clamp(-5, 4).exp(),
            seen=seen.squeeze(-1),
            heat=heat,
            parts=parts,
            matte=matte.squeeze(1),
            expression=given["expression"],
            gaze=given["gaze"],
            choices={name: given[f"choice_{name}"] for name in self.config.choices},
            yes_or_no=given["yes_or_no"],
            amounts=given["amounts"],
            identity=F.normalize(self.embedding(torch.cat([first, h], 1)), dim=1),
        )

    def _decoded(self, levels: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Parts and matte [B, parts + 1, n, n], and the heat of each point [B, P, n / 8, n / 8]."""
        x = heat = self.top(levels[-1])
        for lateral, mix, level in zip(reversed(self.lateral), reversed(self.mix), reversed(levels[:-1]), strict=True):
            x = F.relu(mix(F.relu(lateral(level) + F.interpolate(x, scale_factor=2, mode="nearest"))))
            heat = x if level is levels[2] else heat
        return F.pixel_shuffle(self.layers(x), 2), self.heat(heat)


def soft_argmax(heat: Tensor) -> tuple[Tensor, Tensor]:
    """Mean places [B, P, 2] and their deviations [B, P] under the softmax of heat [B, P, n, n] (Sun et al. 2018)."""
    n = heat.shape[-1]
    weight = F.softmax(heat.float().flatten(2), 2).unflatten(2, (n, n))
    at = (torch.arange(n, device=heat.device) + 0.5) / n
    along = [weight.sum(2), weight.sum(3)]  # of x and of y
    mean = torch.stack([w @ at for w in along], -1)
    variance = sum(w @ at**2 for w in along) - mean.square().sum(-1)
    return mean, variance.clamp(min=1e-6).sqrt()


def rotation_from_6d(six: Tensor) -> Tensor:
    """[..., 3, 3] whose first two rows are [..., 6] made orthonormal (Zhou et al. 2019): continuous over all rotations."""
    a, b = six[..., :3], six[..., 3:]
    first = F.normalize(a, dim=-1)
    second = F.normalize(b - (first * b).sum(-1, keepdim=True) * first, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=-2)


class EyeNetworks(HubModel):
    """Finder and reader, in one file."""

    model_type = "eyes"
    config_class = EyesConfig

    def __init__(self, config: EyesConfig) -> None:
        super().__init__(config)
        self.finder, self.reader = Finder(config.finder_widths), WindowReader(config)
