"""Sets of single photos in the layout of EG3D and PanoHead: img/, seg/ and dataset.json.

A part is a head, under one light, with one mild expression, seen by some cameras over random backgrounds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.random import RandomState

from fullhead.core.cameras import Cameras, orbit
from fullhead.core.errors import FullheadError
from fullhead.core.random import stream
from fullhead.io.sets import Form, Part, write_set
from fullhead.synth.datasets.options import PhotosOptions
from fullhead.synth.datasets.shots import (
    RenderContext,
    ShotSpec,
    View,
    camera_label,
    dataset_json,
    recipe_settings,
    render_shot,
    subject_seed,
)
from fullhead.synth.people.expressions import mild_expression
from fullhead.synth.people.population import Population
from fullhead.synth.people.population import population as default_population
from fullhead.synth.rendering.ground_truth import describe_fields, parse_fields

VERSION = 9  # of the pictures: raise it when the same seed gives other ones
PER_FOLDER = 1000

# Photos in the wild as PanoHead collected them: from how many degrees to how many the camera stands off the front, and how
# many thousands of photos do [pano supp. A.2]. The first are as portraits are: most from near the front.
WILD = ((0, 60, 70), (60, 180, 15), (120, 180, 4))
PORTRAIT_SPREAD = 20.0  # degrees


@dataclass(frozen=True)
class Misalignment:
    """Standard deviations of the errors that a pipeline for photos leaves in the labels."""

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
    zoom: float = 1.0  # how much larger heads are than where all hair fits: units of the set's world per unit of ours
    misaligned: Misalignment = field(default_factory=Misalignment)
    ground_truth: tuple[str, ...] = ("seg",)
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
        return {name: name for name in ("img", *self.ground_truth)}

    def settings(self) -> dict[str, Any]:
        return recipe_settings(self, "heads", VERSION)

    def about(self) -> dict[str, Any]:
        return describe_fields(self.ground_truth)

    def open(self) -> RenderContext:
        return RenderContext(self.size)

    def make(self, shared: RenderContext, part: int) -> Part:
        done = render_shot(shared, self.shot(shared, part), self.ground_truth)
        return Part({"head": part, **done.record}, done.samples)

    def shot(self, context: RenderContext, head: int) -> ShotSpec:
        """What is decided about a head and its photos."""
        subject = context.subject(subject_seed(self.seed, head), self.population)
        expression = mild_expression(stream(subject.seed, "expression"), self.expressive)
        views = tuple(self.view(head, number) for number in range(self.views_per_head))
        return ShotSpec(subject, self.size, views, expression, world=self.zoom, backdrop=self.population.backdrop.kind)

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
            label=camera_label(orbit(yaw, pitch)),
            camera=None if self.misaligned == Misalignment() else camera_label(true),
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


def recipe(options: PhotosOptions, population: Population | None = None) -> Photos:
    """What `write_set` makes a set of. FullheadError for what makes no sense."""
    o = options
    if o.images < 1 or o.views_per_head < 1:
        raise FullheadError(f"--images {o.images} and --views-per-head {o.views_per_head}: both are at least 1")
    if not 0.5 <= o.zoom <= 2:
        raise FullheadError(f"--zoom {o.zoom:g}: from 0.5 to 2")
    return Photos(
        heads=math.ceil(o.images / o.views_per_head),
        size=o.size,
        views_per_head=o.views_per_head,
        seed=o.seed,
        yaw=o.yaw_distribution,
        yaw_limit=o.yaw_limit,
        pitch_spread=o.pitch_spread,
        expressive=o.expressive,
        zoom=o.zoom,
        misaligned=Misalignment(o.scale_error, o.shift_error, o.angle_error),
        ground_truth=parse_fields(",".join(o.truth)),
        population=default_population() if population is None else population,
    )


def write_photos(
    out: Path,
    options: PhotosOptions = PhotosOptions(),
    population: Population | None = None,
    *,
    form: Form = "folder",
    workers: int | None = None,
    quiet: bool = False,
) -> int:
    """Write a set of photos to `out`, or what is missing of it; returns how many are new. Files are the command's own."""
    return write_set(out, recipe(options, population), form=form, workers=workers, quiet=quiet)


def image_key(index: int) -> str:
    """Path of a photo in its folder, without its ending."""
    return f"{index // PER_FOLDER:05d}/img{index:08d}"


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
