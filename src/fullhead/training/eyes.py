"""How eyes learn: the reader from windows around heads, the finder from scenes, both made anew from the same pictures.

Points are learnt with their uncertainty: -log p of a Laplace distribution whose deviation the network says itself
(Wood et al. 2022 take a Gaussian). Persons are told apart by supervised contrast (Khosla et al. 2020): each batch holds two
pictures of each of its persons.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fullhead.core.devices import CPU
from fullhead.data.view_scenes import Scenes, Windows, finder_targets, mirror_some, scenes, windows
from fullhead.data.view_set import AMOUNTS, CHOICES, YES_OR_NO, ViewBatch, ViewSet
from fullhead.data.view_things import backgrounds, things
from fullhead.eyes.networks import STRIDE, EyeNetworks, EyesConfig, Found, WindowReading
from fullhead.io.config import Limited
from fullhead.io.images import to_uint8
from fullhead.nn.module import ConfiguredModule
from fullhead.rig.identity import Phenotype, identity
from fullhead.rig.landmarks import dense_points, landmark_weights
from fullhead.rig.template import LEFT_EYE, load_template
from fullhead.synth.rendering.ground_truth import label_palette
from fullhead.synth.rendering.person import WORLD_EYES, WORLD_PER_DM
from fullhead.training.loop import Clock, Phase, StepState, Terms
from fullhead.training.schedules import cosine_decay

PREVIEW_HEADS, PREVIEW_SIZE = 24, 192
RARE = 0.35  # parts count by their share of pixels to the power of minus this
FOCUS = 2.0  # of the finder's loss: how much less sure cells count (Lin et al. 2017)
SCALE_OF_PERSONS = 12.0  # of the cosines of embeddings


@dataclass(frozen=True)
class LossWeights(Limited):
    """What each thing that is read weighs."""

    head: float = 0.5  # whether a window is around a head
    pose: float = 2.0  # rotation, place and size
    points: float = 1.0
    heat: float = 0.25
    seen: float = 0.3
    parts: float = 0.6
    matte: float = 1.0
    expression: float = 4.0
    gaze: float = 0.5
    looks: float = 0.15  # choices, yes or no, amounts
    identity: float = 0.2
    finder: float = 1.0


@dataclass(frozen=True)
class EyesTaskConfig(Limited):
    """Sizes, losses and schedule."""

    model: EyesConfig = field(default_factory=EyesConfig)
    weights: LossWeights = field(default_factory=LossWeights)
    lr: Annotated[float, (0, 1)] = 2e-3
    images: Annotated[int, (1, 10**12)] = 400_000  # over which the rate falls to nothing
    cosine_fraction: Annotated[float, (0, 1)] = 0.9  # the last part of them, in which it falls
    weight_decay: float = 1e-3
    average_images: float = 15_000  # the memory of the averaged weights
    scene_size: Annotated[int, (64, 512)] = 128  # pixels of the finder's scenes
    scenes: Annotated[float, (0, 4)] = 1.25  # of them for each window
    empty: Annotated[float, (0, 1)] = 0.25  # share of windows that are around no head
    bf16: bool = True  # convolutions in bfloat16
    backgrounds: Annotated[int, (1, 100_000)] = 240  # different ones


@dataclass(frozen=True)
class EyesBatch:
    """What both networks see in a step, and the persons in the windows."""

    windows: Windows
    scenes: Scenes
    person: Tensor  # [B]
    choice: Tensor
    yes_or_no: Tensor
    amount: Tensor

    def __getitem__(self, chosen: Tensor) -> EyesBatch:
        """Some of the windows, all scenes."""
        rest = (self.person, self.choice, self.yes_or_no, self.amount)
        return EyesBatch(self.windows.each(lambda x: x[chosen]), self.scenes, *(x[chosen] for x in rest))


class EyesTask:
    """Both networks, their averages, and a phase for them together."""

    def __init__(self, config: EyesTaskConfig, views: ViewSet, device: torch.device = CPU) -> None:
        self.config, self.views, self.device = config, views, device
        self.live = EyeNetworks(config.model)
        self.live.reader.mean_points.copy_(mean_points())
        self.live = self.live.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = deepcopy(self.live).eval()
        self.behind, self.things = backgrounds(config.backgrounds, 0), things(config.backgrounds, 0)
        self.part_weight = part_weights(views, config.model.parts).to(device)
        self.optimiser = torch.optim.AdamW(self.live.parameters(), lr=config.lr, weight_decay=config.weight_decay)
        self.phases = [Phase("eyes", self.live, self.optimiser, 1, self.loss, clip=5.0, lr_scale=self.rate)]
        self._clock = Clock(0, 1)

    @property
    def modules(self) -> dict[str, ConfiguredModule]:
        return {"live": self.live, "eyes": self.averaged}

    @property
    def results(self) -> dict[str, ConfiguredModule]:
        return {"eyes": self.averaged}

    def rate(self, clock: Clock) -> float:
        """Factor of the learning rate: up in the first hundredth, then level, then down along a cosine."""
        done = clock.images_seen / self.config.images
        return min(1.0, 100 * done + 0.02) * cosine_decay(done, self.config.cosine_fraction)

    def __len__(self) -> int:
        return len(self.views)

    def batch(self, positions: Tensor) -> ViewBatch:
        """Half of the pictures at `positions` [B], and for each of them the next one of its person."""
        some = positions[: (len(positions) + 1) // 2]
        return self.views.batch(torch.stack([some, self.views.next_of_person[some]], 1).flatten()[: len(positions)])

    def made(self, views: ViewBatch, random: torch.Generator) -> EyesBatch:
        """Windows and scenes of some pictures."""
        c, views = self.config, mirror_some(views, random)
        shown = scenes(views, self.behind, self.things, round(c.scenes * len(views.rgba)), c.scene_size, random)
        seen = windows(views, self.behind, c.model.window, random, self.things, round(c.empty * len(views.rgba)))
        truth = views.truth
        rest = (truth.person, truth.choice, truth.yes_or_no, truth.amount)
        return EyesBatch(seen.to(self.device), shown.to(self.device), *(x.to(self.device) for x in rest))

    def loss(self, state: StepState[ViewBatch, None]) -> Terms:
        """All terms of a step."""
        random = torch.Generator().manual_seed(
            int(torch.randint(2**62, (), generator=state.random.own, device=state.random.own.device))
        )
        made = self.made(state.batch, random)
        self.live.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bf16):
            read = self.live.reader(made.windows.images.contiguous(memory_format=torch.channels_last))
            found = self.live.finder(made.scenes.images.contiguous(memory_format=torch.channels_last))
        row, column = torch.randint(2, (2,), generator=random).tolist()  # every fourth pixel's part is judged
        read = replace(read, parts=read.parts[..., row::2, column::2]).each(Tensor.float)
        judged = replace(made.windows, parts=made.windows.parts[..., row::2, column::2])
        made, found = replace(made, windows=judged), found.each(Tensor.float)
        weights, heads = self.config.weights, made.windows.head > 0
        doubt = F.binary_cross_entropy_with_logits(read.head, made.windows.head)
        read, made = read.each(lambda x: x[heads]), made[heads]
        terms = reader_terms(read, made, weights, self.part_weight) | {"head": weights.head * doubt}
        terms["identity"] = weights.identity * contrast(read.identity, made.person)
        cells = [STRIDE * (torch.arange(n, device=self.device) + 0.5) for n in found.logit.shape[1:]]
        return terms | finder_terms(found, made.scenes, *cells, weight=self.config.weights.finder)

    def after_step(self, clock: Clock) -> None:
        """Average the weights, faster at first."""
        memory = min(self.config.average_images, 0.1 * clock.images_seen + 1)
        kept = 0.5 ** (clock.batch / memory)
        for old, new in zip(self.averaged.state_dict().values(), self.live.state_dict().values(), strict=True):
            old.lerp_(new, 1 - kept) if old.is_floating_point() else old.copy_(new)

    @torch.no_grad()
    def preview(self) -> np.ndarray:
        """The same windows always: what is seen of the points, and the parts."""
        random = torch.Generator().manual_seed(1)
        made = self.made(self.views.batch(torch.linspace(0, len(self.views) - 1, PREVIEW_HEADS).long()), random)
        read = self.averaged.reader(made.windows.images)
        images = F.interpolate(made.windows.images.cpu(), size=PREVIEW_SIZE, mode="bilinear")
        pictures = []
        palette = label_palette()
        for k, image in enumerate(images):
            drawn = to_uint8(image[None])[0].copy()
            for (x, y), seen in zip(
                (read.points[k].cpu() * PREVIEW_SIZE).round().int().tolist(), read.seen[k].tolist(), strict=True
            ):
                if 0 < x < PREVIEW_SIZE - 1 and 0 < y < PREVIEW_SIZE - 1:
                    drawn[y : y + 2, x : x + 2] = (255, 255, 0) if seen > 0 else (0, 0, 255)
            parts = F.interpolate(read.parts[k : k + 1], size=PREVIEW_SIZE).argmax(1)[0].cpu().numpy()
            pictures.append(np.concatenate([drawn, palette[parts]], 0))
        rows = [np.concatenate(pictures[k : k + 8], 1) for k in range(0, len(pictures), 8)]
        return np.concatenate(rows, 0)


def reader_terms(read: WindowReading, true: EyesBatch, weights: LossWeights, part_weight: Tensor) -> Terms:
    """Losses of a reading of windows."""
    w, front = true.windows, true.windows.seen[:, :68].mean(1)  # how much of the face is seen
    turned = (read.rotation - w.rotation).square().sum((1, 2)).add(1e-6).sqrt().mean()
    placed = (read.centre - w.centre).abs().sum(1).mean() + (read.side / w.side).log().abs().mean()
    away = (read.points - w.points).abs().sum(-1)
    likely = (away / read.deviation + 2 * read.deviation.log()).mean() / 2
    seen = F.binary_cross_entropy_with_logits(read.seen, w.seen)
    parts = F.cross_entropy(read.parts, w.parts, part_weight)
    matte = (torch.sigmoid(read.matte) - w.matte).abs().mean()
    expression = ((read.expression - w.expression).square().mean(1) * front).mean()
    gaze = ((read.gaze - w.gaze).abs().sum(1) * front).mean()
    looks = torch.stack([F.cross_entropy(logits, true.choice[:, k]) for k, logits in enumerate(read.choices.values())]).sum()
    looks = looks + F.binary_cross_entropy_with_logits(read.yes_or_no, true.yes_or_no)
    looks = looks + (read.amounts - true.amount).abs().sum(1).mean()
    return {
        "pose": weights.pose * (turned + 5 * placed),
        "points": weights.points * likely,
        "heat": weights.heat * heat_loss(read.heat, w.points, w.seen),
        "seen": weights.seen * seen,
        "parts": weights.parts * parts,
        "matte": weights.matte * matte,
        "expression": weights.expression * expression,
        "gaze": weights.gaze * gaze,
        "looks": weights.looks * looks,
    }


def heat_loss(heat: Tensor, points: Tensor, seen: Tensor) -> Tensor:
    """Cross entropy of the softmax of heat [B, P, n, n] with the cells around points [B, P, 2], of those seen [B, P]."""
    b, p, n, _ = heat.shape
    rows, at = heat.reshape(b * p, 1, n, n), (2 * points - 1).reshape(b * p, 1, 1, 2)
    there = F.grid_sample(rows, at, align_corners=False).flatten()
    return ((rows.flatten(1).logsumexp(1) - there) * seen.flatten()).sum() / seen.sum().clamp(min=1)


def contrast(embedding: Tensor, person: Tensor) -> Tensor:
    """How badly embeddings [B, D], unit vectors, of the same person [B] are told from those of others."""
    itself = torch.eye(len(person), dtype=torch.bool, device=person.device)
    log_share = (SCALE_OF_PERSONS * embedding @ embedding.mT).masked_fill(itself, -torch.inf).log_softmax(1)
    same = (person[:, None] == person) & ~itself
    return -log_share.masked_fill(~same, 0.0).sum() / same.sum().clamp(min=1)


def finder_terms(f: Found, true: Scenes, rows: Tensor, columns: Tensor, weight: float) -> Terms:
    """Losses of what the finder says of scenes; rows, columns: pixels of the cells' centres."""
    which, tells, judged = finder_targets(true, rows, columns)
    sure = torch.sigmoid(f.logit)
    unlike = torch.where(tells, 1 - sure, sure) ** FOCUS
    entropy = F.binary_cross_entropy_with_logits(f.logit, tells.float(), reduction="none")
    count = tells.sum().clamp(min=1)
    heads = (unlike * entropy * judged).sum() / count

    def of(value: Tensor) -> Tensor:
        return value.gather(1, which.flatten(1)).reshape(which.shape)[tells]

    side = of(true.side).clamp(min=1)
    place = ((f.x[tells] - of(true.x)).abs() + (f.y[tells] - of(true.y)).abs()) / side
    size = (f.side[tells] / side).log().abs()
    turn = (f.turn[tells] - torch.stack([of(true.turn).cos(), of(true.turn).sin()], -1)).abs().sum(-1)
    return {"heads": weight * heads, "boxes": weight * (2 * place + size + 0.5 * turn).sum() / count}


def part_weights(views: ViewSet, parts: int) -> Tensor:
    """[parts] weights of classes: rare ones more; mean 1 over pixels."""
    some = torch.linspace(0, len(views) - 1, min(len(views), 200)).long().tolist()
    counts = sum(np.bincount(views.picture(i)[1].ravel(), minlength=parts).astype(float) for i in some)
    share = torch.from_numpy(np.asarray(counts) / np.sum(counts)).float().clamp(min=1e-4)
    weight = share**-RARE
    return weight / (weight * share).sum()


def mean_points() -> Tensor:
    """[68 + P, 3]: landmarks and dense points of the average head, in its world."""
    template = load_template()
    posed = template.rig(identity(template, Phenotype(), {})[None])
    vertices, eyes = posed.vertices[0].numpy(), posed.joints[0, LEFT_EYE:].mean(0).numpy()
    points = np.concatenate([landmark_weights(template) @ vertices, vertices[dense_points().vertex]])
    return torch.from_numpy((points - eyes) * WORLD_PER_DM + WORLD_EYES).float()


def eyes_config(**sizes: object) -> EyesConfig:
    """The config of eyes that say what sets of views know."""
    return EyesConfig(choices=dict(CHOICES), yes_or_no=YES_OR_NO, amounts=AMOUNTS, dense=len(dense_points().vertex), **sizes)  # type: ignore[arg-type]
