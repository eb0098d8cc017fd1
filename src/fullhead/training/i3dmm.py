"""How i3DMM learns: the reference head alone, then everything together; and how its codes are fitted to a scan [i3dmm]."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from fullhead.core.cameras import orbit
from fullhead.core.devices import CPU, device_of
from fullhead.core.isosurface import NoSurfaceError
from fullhead.data.scan_distances import DistanceBatch, ScanDistances
from fullhead.data.scan_set import ScanSet
from fullhead.io.config import Count, Limited, Number, Positive, Share, Weight
from fullhead.io.images import to_uint8
from fullhead.models.head import RenderOptions
from fullhead.models.i3dmm import I3DMM, I3DMMCodes, I3DMMConfig
from fullhead.training.loop import Clock, Phase, StepState, Terms

FACE = (36, 39, 42, 45, 30, 48, 54, 8)  # landmarks that are held together: corners of the eyes, tip of the nose, mouth, chin
PREVIEW_HEADS, PREVIEW_CELLS, PREVIEW_SIZE = 4, 64, 128

ScanStep = StepState[Tensor, None]  # on scans by their numbers [B]


@dataclass(frozen=True)
class LossConfig(Limited):
    """Weights of the losses of training and fitting, and the points they are taken at."""

    points: Count = 16384  # of each scan and step
    near: Share = 0.94  # share of them about the surface; the others anywhere in the cube
    reach: Positive = 0.1  # distances count up to it, in units of the cube
    colour: Weight = 0.25  # of the sum over channels
    delta: Weight = 1e-4  # of the length of the deformation
    code: Weight = 1e-4  # of the codes


@dataclass(frozen=True)
class I3DMMTaskConfig(Limited):
    """Sizes, losses and schedule. An epoch is as many scans as there are. The defaults are the published ones."""

    model: I3DMMConfig = field(default_factory=I3DMMConfig)  # the set says how many rows its tables have
    loss: LossConfig = field(default_factory=LossConfig)
    shared_expressions: bool = True  # scans of one label show one expression; if not, each but the neutral ones has its own
    landmark_weight: Weight = 1.0
    code_epochs: Count = 100  # in which the weight of the codes grows to its full
    networks_lr: Weight = 5e-4
    codes_lr: Weight = 1e-3
    halving_epochs: Count = 250  # after which learning rates are halved, again and again
    reference_images: Number = 64_000  # scans shown to the reference network alone, before the epochs begin


@dataclass(frozen=True)
class CodeFitConfig(Limited):
    """How codes are fitted to a scan."""

    loss: LossConfig = field(default_factory=LossConfig)
    steps: Count = 800
    lr: Weight = 5e-3  # divided by 10 at half
    start: Weight = 0.01  # deviation of the codes at first


@dataclass(frozen=True)
class Rows:
    """Which rows of the tables are each scan's, [M] int64 each."""

    identity: Tensor
    expression: Tensor
    hair: Tensor


def rows_of(scans: ScanSet, shared_expressions: bool) -> Rows:
    """Rows of a set's scans. A prepared set tells no hairstyles: every person has one, their own."""
    neutral = (scans.expression == 0).all(dim=1).tolist()
    own = ["" if at_rest else name for at_rest, name in zip(neutral, scans.names, strict=True)]
    faces = scans.expressions if shared_expressions else own
    people, looks = list(dict.fromkeys(scans.identities)), list(dict.fromkeys(faces))
    identity, expression = torch.tensor([*map(people.index, scans.identities)]), torch.tensor([*map(looks.index, faces)])
    return Rows(identity, expression, identity)


def distance_loss(found: Tensor, truth: Tensor, reach: float) -> Tensor:
    """Mean difference of distances, which count up to `reach`."""
    return (found.clamp(-reach, reach) - truth.clamp(-reach, reach)).abs().mean()


def point_terms(model: I3DMM, codes: I3DMMCodes, batch: DistanceBatch, config: LossConfig) -> Terms:
    """What points say of codes: distance, colour, and how far they are moved; sums over the points over their number."""
    delta = model.deformation(codes, batch.points)
    x = batch.points + delta
    colour = (model.colours_at_reference(codes, x) - batch.colours).abs().sum(dim=-1)
    return {
        "distance": distance_loss(model.reference_distance(x), batch.distance, config.reach),
        "colour": config.colour * colour.mean(),
        "delta": config.delta * delta.norm(dim=-1).mean(),
    }


def landmark_spread(model: I3DMM, codes: I3DMMCodes, landmarks: Tensor) -> Tensor:
    """Mean distance, over pairs of heads and over landmarks [B, L, 3], of where they lie on the reference head."""
    x = landmarks + model.deformation(codes, landmarks)
    one, other = torch.triu_indices(len(x), len(x), offset=1).to(x.device)
    return (x[one] - x[other]).norm(dim=-1).mean() if len(one) else x.new_zeros(())


class I3DMMTask:
    """The model and its two phases."""

    def __init__(self, config: I3DMMTaskConfig, scans: ScanSet, device: torch.device = CPU) -> None:
        self.config, self.scans, self.distances, self.device = config, scans, ScanDistances(scans), device
        self.rows = rows_of(scans, config.shared_expressions)
        people, expressions, hairstyles = (int(rows.max()) + 1 for rows in vars(self.rows).values())
        sizes = replace(config.model, people=people, expressions=expressions, hairstyles=hairstyles)
        self.model = I3DMM(sizes).to(device)
        self.reference_scan = int((scans.expression == 0).all(dim=1).int().argmax())  # the first neutral one, else the first
        networks = [p for part in (self.model.deform, self.model.reference, self.model.paint) for p in part.parameters()]
        codes = {"params": self.model.tables.parameters(), "lr": config.codes_lr}
        together = torch.optim.Adam([{"params": networks, "lr": config.networks_lr}, codes])
        alone = torch.optim.Adam(self.model.reference.parameters(), config.networks_lr)
        self.modules = self.results = {"model": self.model}
        self.phases = [
            Phase("reference", self.model.reference, alone, 1, self.reference_loss, end=config.reference_images),
            Phase("joint", self.model, together, 1, self.joint_loss, config.reference_images, lr_scale=self.lr_scale),
        ]

    def __len__(self) -> int:
        return len(self.scans)

    def batch(self, positions: Tensor) -> Tensor:
        """The scans themselves: each phase draws the points that it needs."""
        return positions

    def after_step(self, clock: Clock) -> None:
        """Codes longer than 1 are brought back to length 1."""
        self.model.bound_codes()

    def epoch(self, clock: Clock) -> float:
        return (clock.images_seen - self.config.reference_images) / len(self)

    def lr_scale(self, clock: Clock) -> float:
        return 0.5 ** (self.epoch(clock) // self.config.halving_epochs)

    def codes(self, scans: Tensor) -> I3DMMCodes:
        """Those of training scans [B]."""
        return self.model.codes(*(rows[scans].to(self.device) for rows in vars(self.rows).values()))

    def points(self, scans: Tensor, count: int, rng: torch.Generator) -> DistanceBatch:
        """So many points of each scan [B], some of them near its surface."""
        near = round(self.config.loss.near * count)
        return self.distances.batch(scans, near, count - near, rng).to(self.device)

    # -- losses: named terms, summed by the loop

    def reference_loss(self, step: ScanStep) -> Terms:
        """The reference head is one scan's."""
        c = self.config.loss
        drawn = self.points(torch.tensor([self.reference_scan]), len(step.batch) * c.points, step.random.common)
        return {"reference": distance_loss(self.model.reference_distance(drawn.points), drawn.distance, c.reach)}

    def joint_loss(self, step: ScanStep) -> Terms:
        """All networks and codes together; the weight of the codes grows."""
        c = self.config
        drawn, codes = self.points(step.batch, c.loss.points, step.random.common), self.codes(step.batch)
        lengths = codes.geometry.norm(dim=1).mean() + codes.colour.norm(dim=1).mean()
        return {
            **point_terms(self.model, codes, drawn, c.loss),
            "code": c.loss.code * min(1.0, self.epoch(step.clock) / c.code_epochs) * lengths,
            "landmarks": c.landmark_weight * landmark_spread(self.model, codes, drawn.landmarks[:, FACE]),
        }

    @torch.no_grad()
    def preview(self) -> np.ndarray:
        """The first training scans as their codes give them, bare and painted, from the front."""
        columns = []
        for scan in range(min(PREVIEW_HEADS, len(self))):
            try:
                head = self.model.decode(self.codes(torch.tensor([scan])), None, RenderOptions(resolution=PREVIEW_CELLS))
            except NoSurfaceError:
                columns.append(torch.ones(3, 2 * PREVIEW_SIZE, PREVIEW_SIZE))
                continue
            looks = (RenderOptions(PREVIEW_SIZE, shading) for shading in ("clay", "colour"))
            shown = [self.model.render(head, orbit(0.0), look).image[0].cpu() for look in looks]
            columns.append(torch.cat(shown, dim=1))
        return to_uint8(torch.cat(columns, dim=2)[None])[0]


@torch.enable_grad()
def fit_codes(
    model: I3DMM, distances: ScanDistances, scan: int, config: CodeFitConfig, generator: torch.Generator
) -> tuple[I3DMMCodes, list[float]]:
    """Codes of a scan that the model has not seen, found by gradients with the networks fixed, and the loss of each step."""
    C, device = model.config.code, device_of(model)
    start = config.start * torch.randn(1, 5 * C, generator=generator)
    geometry, colour = (part.to(device).requires_grad_() for part in start.split((3 * C, 2 * C), dim=1))
    codes, losses = I3DMMCodes(geometry, colour), []
    optimiser = torch.optim.Adam([geometry, colour], config.lr)
    near = round(config.loss.near * config.loss.points)
    for step in range(config.steps):
        optimiser.param_groups[0]["lr"] = config.lr * (1 if step < config.steps / 2 else 0.1)
        drawn = distances.batch(torch.tensor([scan]), near, config.loss.points - near, generator).to(device)
        small = config.loss.code * (geometry.square().mean() + colour.square().mean())
        loss = torch.stack([*point_terms(model, codes, drawn, config.loss).values(), small]).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return codes.each(torch.Tensor.detach), losses
