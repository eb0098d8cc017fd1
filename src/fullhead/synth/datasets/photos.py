"""Sets of single photos in the layout of EG3D and PanoHead: img/, seg/ and dataset.json.

A part is a head, under one light, with one mild expression, seen by some cameras over random backgrounds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.random import RandomState

from fullhead.core.cameras import Cameras, orbit
from fullhead.core.random import stream
from fullhead.io.sets import Form, Part, write_set
from fullhead.synth.datasets.shots import Take, View, Workshop, dataset_json, head_seed, label_of, shoot
from fullhead.synth.people.population import Population
from fullhead.synth.people.population import population as default_population
from fullhead.synth.people.subject import sample_subject
from fullhead.synth.rendering.ground_truth import about_truth

VERSION = 9  # of the pictures: raise it when the same seed gives other ones
PER_FOLDER = 1000

# Photos in the wild as PanoHead collected them: from how many degrees to how many the camera stands off the front, and how
# many thousands of photos do [pano supp. A.2]. The first are as portraits are: most from near the front.
WILD = ((0, 60, 70), (60, 180, 15), (120, 180, 4))
PORTRAIT_SPREAD = 20.0  # degrees


@dataclass(frozen=True)
class Misalignment:
    """Standard deviations of what the labels do not tell, as a pipeline for photos leaves it."""

    scale: float = 0.0  # of the focal length, as a factor e^x
    shift: float = 0.0  # of the picture's middle, in image sizes
    angle: float = 0.0  # of yaw, pitch and roll, degrees


@dataclass(frozen=True)
class Photos:
    """The recipe of a set of photos."""

    heads: int = 250
    size: int = 128  # pixels per side
    views_per_head: int = 4
    seed: int = 0
    yaw: Literal["uniform", "wild"] = "uniform"  # where the cameras stand: evenly around, or as in collected photos
    yaw_limit: float = 180.0  # degrees to each side of the front
    pitch_spread: float = 10.0  # standard deviation of the camera's pitch, degrees
    pitch_limit: float = 30.0  # degrees
    expressive: float = 1.0  # factor of the mild expressions, 0 for none
    closer: float = 1.0  # how much larger heads are than where all hair fits: units of the set's world per unit of ours
    misaligned: Misalignment = field(default_factory=Misalignment)
    truth: tuple[str, ...] = ("seg",)
    population: Population = field(default_factory=default_population)

    kind = "photos"
    per_shard = 64

    @property
    def parts(self) -> int:
        return self.heads

    @property
    def pictures(self) -> int:
        return self.views_per_head

    @property
    def folders(self) -> Mapping[str, str]:
        return {name: name for name in ("img", *self.truth)}

    def settings(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "heads"} | {"version": VERSION}

    def about(self) -> dict[str, Any]:
        return about_truth(self.truth)

    def open(self) -> Workshop:
        return Workshop(self.size)

    def make(self, shared: Workshop, part: int) -> Part:
        done = shoot(shared, self.take(part, shared.studio.parameters.names), self.truth)
        return Part({"head": part, **done.record}, done.samples)

    def take(self, head: int, shape_names: Iterable[str]) -> Take:
        """What is decided about a head and its photos."""
        subject = sample_subject(head_seed(self.seed, head), shape_names, self.population)
        expression = mild_expression(stream(subject.seed, "expression"), self.expressive)
        views = tuple(self.view(head, number) for number in range(self.views_per_head))
        return Take(subject, self.size, views, expression, world=self.closer, backdrop=self.population.backdrop.kind)

    def view(self, head: int, number: int) -> View:
        """One photo of a head: its camera and what stands behind."""
        random = stream(self.seed, "camera", head, number)
        yaw = _yaw(random, self.yaw, self.yaw_limit)
        pitch = float(np.clip(self.pitch_spread * random.normal(), -self.pitch_limit, self.pitch_limit))
        yaw, pitch = math.radians(yaw), math.radians(pitch)
        true = _misaligned(stream(self.seed, "misaligned", head, number), self.misaligned, yaw, pitch)
        return View(
            key=image_key(head * self.views_per_head + number),
            yaw=round(yaw, 6),
            pitch=round(pitch, 6),
            label=label_of(orbit(yaw, pitch)),
            camera=None if self.misaligned == Misalignment() else label_of(true),
            background=(self.seed, head, number),
        )

    def lists(self, records: list[dict[str, Any]]) -> dict[str, str]:
        views = [(record, view) for record in records for view in record["views"]]
        labels = dataset_json((f"{view['key']}.png", view["label"]) for _, view in views)
        entries = [
            {"file": f"{v['key']}.png", "head": r["head"], "yaw": v["yaw"], "pitch": v["pitch"], **r["attributes"]}
            for r, v in views
        ]
        lists = {"img/dataset.json": labels, "heads.json": json.dumps(entries)}
        if self.misaligned != Misalignment():
            true = dataset_json((f"{view['key']}.png", view["camera"]) for _, view in views)
            lists["img/true_cameras.json"] = true
        return lists


def write_photos(
    out: Path, images: int, size: int = 128, views_per_head: int = 1, seed: int = 0, *, form: Form = "folder",
    share: tuple[int, int] = (0, 1), workers: int | None = None, quiet: bool = False,
) -> int:  # fmt: skip
    """Write a set of `images` photos (rounded up to whole heads) to `out`; returns how many are new.

    For a set with other settings: `sets.write_set(out, Photos(...))`, which also says what the rest means.
    """
    recipe = Photos(math.ceil(images / views_per_head), size, views_per_head, seed)
    return write_set(out, recipe, form=form, share=share, workers=workers, quiet=quiet)


def image_key(index: int) -> str:
    """Path of a photo in its folder, without its ending."""
    return f"{index // PER_FOLDER:05d}/img{index:08d}"


def mild_expression(random: RandomState, strength: float = 1.0) -> dict[str, float]:
    """ARKit weights as people have them in photos: neutral to a smile, hardly an open mouth, eyes that wander a little."""
    weights: dict[str, float] = {}

    def both(name: str, value: float) -> None:
        lean = random.uniform(-0.1, 0.1) * value
        weights[f"{name}Left"], weights[f"{name}Right"] = value + lean, value - lean

    smile = max(0.0, random.uniform(-0.35, 0.65))
    both("mouthSmile", smile)
    both("cheekSquint", 0.5 * smile)
    both("eyeSquint", random.uniform(0, 0.2))
    both("eyeWide", max(0.0, random.uniform(-0.3, 0.2)))
    both("browDown", max(0.0, random.uniform(-0.6, 0.3)))
    weights["browInnerUp"] = max(0.0, random.uniform(-0.6, 0.4))
    weights["jawOpen"] = max(0.0, random.uniform(-0.5, 0.12)) * (1 + smile)
    both("mouthFrown", max(0.0, random.uniform(-0.7, 0.2)) * (smile < 0.05))
    both("mouthPress", max(0.0, random.uniform(-0.5, 0.3)) * (smile < 0.05))
    left, up = 0.25 * random.normal(), 0.15 * random.normal()
    weights["eyeLookOutLeft" if left > 0 else "eyeLookInLeft"] = min(abs(left), 0.5)
    weights["eyeLookInRight" if left > 0 else "eyeLookOutRight"] = min(abs(left), 0.5)
    for side in ("Left", "Right"):
        weights[f"eyeLook{'Up' if up > 0 else 'Down'}{side}"] = min(abs(up), 0.3)
    return {name: round(strength * value, 4) for name, value in weights.items() if value}


def _yaw(random: RandomState, kind: str, limit: float) -> float:
    """Degrees within +-limit."""
    if kind == "uniform":
        return float(random.uniform(-limit, limit))
    while True:
        low, high, _ = WILD[random.choice(len(WILD), p=np.array([w for *_, w in WILD]) / sum(w for *_, w in WILD))]
        yaw = abs(PORTRAIT_SPREAD * random.normal()) if low == 0 else random.uniform(low, high)
        if yaw <= min(high, limit):
            return float(yaw * random.choice([-1, 1]))


def _misaligned(random: RandomState, by: Misalignment, yaw: float, pitch: float) -> Cameras:
    """The camera near (yaw, pitch), radians, that a label misses by random errors."""
    turn = [math.radians(by.angle) * float(x) for x in random.normal(size=3)]
    scale, shift = math.exp(by.scale * float(random.normal())), [by.shift * float(x) for x in random.normal(size=2)]
    camera = orbit(yaw + turn[0], pitch + turn[1])
    roll = torch.tensor([[math.cos(turn[2]), -math.sin(turn[2])], [math.sin(turn[2]), math.cos(turn[2])]])
    c2w, K = camera.c2w.clone(), camera.K.clone()
    c2w[0, :3, :2] = c2w[0, :3, :2] @ roll
    K[0, :2, :2] *= scale
    K[0, :2, 2] += torch.tensor(shift)
    return Cameras(c2w, K)
