"""Sets of single photos in the layout of EG3D and PanoHead: img/, seg/ and dataset.json.

A part is a head, under one light, with one mild expression, seen by some cameras over random backgrounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.random import RandomState

from fullhead.core.cameras import Cameras, orbit
from fullhead.core.random import stream
from fullhead.io.sets import Form, Part, Records, json_rows, write_set
from fullhead.synth.datasets.options import PhotosOptions
from fullhead.synth.datasets.shots import PictureSet, RenderContext, ShotSpec, View, camera_label, dataset_json, render_shot
from fullhead.synth.people.expressions import mild_expression
from fullhead.synth.people.population import Population

PER_FOLDER = 1000
PITCH_LIMIT = 30.0  # degrees

# Photos in the wild as PanoHead collected them: from how many degrees to how many the camera stands off the front, and how
# many thousands of photos do [pano supp. A.2]. The first are as portraits are: most from near the front.
WILD = ((0, 60, 70), (60, 180, 15), (120, 180, 4))
PORTRAIT_SPREAD = 20.0  # degrees


class Photos(PictureSet[PhotosOptions]):
    """The recipe of a set of photos."""

    kind, version = "photos", 9
    per_shard = 64

    @property
    def parts(self) -> int:
        return math.ceil(self.what.images / self.what.views_per_head)

    @property
    def pictures(self) -> int:
        return self.what.views_per_head

    @property
    def misaligned(self) -> bool:
        """Whether labels are wrong on purpose."""
        return any((self.what.scale_error, self.what.shift_error, self.what.angle_error))

    @property
    def folders(self) -> Mapping[str, str]:
        return {name: name for name in ("img", *self.fields)}

    def settings(self) -> dict[str, Any]:
        o, kept = self.what, super().settings()
        return {
            "size": o.size, "views_per_head": o.views_per_head, "seed": o.seed, "yaw": o.yaw_distribution,
            "yaw_limit": o.yaw_limit, "pitch_spread": o.pitch_spread, "pitch_limit": PITCH_LIMIT, "expressive": o.expressive,
            "closer": o.zoom, "misaligned": {"scale": o.scale_error, "shift": o.shift_error, "angle": o.angle_error},
            "truth": kept["truth"], "population": kept["population"], "version": kept["version"],
        }  # fmt: skip

    def make(self, shared: RenderContext, part: int) -> Part:
        done = render_shot(shared, self.shot(shared, part), self.fields)
        return Part({"head": part, **done.record}, done.samples)

    def shot(self, context: RenderContext, head: int) -> ShotSpec:
        """What is decided about a head and its photos."""
        o, subject = self.what, self.subject(context, head)
        expression = mild_expression(stream(subject.seed, "expression"), o.expressive)
        views = tuple(self.view(head, number) for number in range(o.views_per_head))
        return ShotSpec(subject, o.size, views, expression, world=o.zoom, backdrop=self.population.backdrop.kind)

    def view(self, head: int, number: int) -> View:
        """One photo of a head: its camera and what stands behind."""
        o = self.what
        random = stream(o.seed, "camera", head, number)
        yaw = math.radians(_yaw(random, o.yaw_distribution, o.yaw_limit))
        pitch = math.radians(float(np.clip(o.pitch_spread * random.normal(), -PITCH_LIMIT, PITCH_LIMIT)))
        true = _misaligned(stream(o.seed, "misaligned", head, number), o, yaw, pitch)
        key, label = image_key(head * o.views_per_head + number), camera_label(orbit(yaw, pitch))
        camera, background = camera_label(true) if self.misaligned else None, (o.seed, head, number)
        return View(key, round(yaw, 6), round(pitch, 6), label, camera, background)

    def lists(self, records: Records) -> Iterator[tuple[str, Iterable[str]]]:
        yield "img/dataset.json", dataset_json((f"{v['key']}.png", v["label"]) for r in records for v in r["views"])
        entries = (
            {"file": f"{v['key']}.png", "head": r["head"], "yaw": v["yaw"], "pitch": v["pitch"], **r["attributes"]}
            for r in records
            for v in r["views"]
        )
        yield "heads.json", json_rows(entries)
        if self.misaligned:
            yield "img/true_cameras.json", dataset_json((f"{v['key']}.png", v["camera"]) for r in records for v in r["views"])


def write_photos(
    out: Path, options: PhotosOptions = PhotosOptions(), population: Population | None = None, *, form: Form = "folder",
    workers: int | None = None, quiet: bool = False,
) -> int:  # fmt: skip
    """Write a set of photos to `out`, or what is missing of it; returns how many are new. Files are the command's own."""
    recipe = Photos(options) if population is None else Photos(options, population)
    return write_set(out, recipe, form=form, workers=workers, quiet=quiet)


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


def _misaligned(random: RandomState, by: PhotosOptions, yaw: float, pitch: float) -> Cameras:
    """The camera near (yaw, pitch), radians, that a label misses by random errors."""
    turn = [math.radians(by.angle_error) * float(x) for x in random.normal(size=3)]
    scale, shift = math.exp(by.scale_error * float(random.normal())), [by.shift_error * float(x) for x in random.normal(size=2)]
    camera = orbit(yaw + turn[0], pitch + turn[1])
    roll = torch.tensor([[math.cos(turn[2]), -math.sin(turn[2])], [math.sin(turn[2]), math.cos(turn[2])]])
    c2w, K = camera.c2w.clone(), camera.K.clone()
    c2w[0, :3, :2] = c2w[0, :3, :2] @ roll
    K[0, :2, :2] *= scale
    K[0, :2, 2] += torch.tensor(shift)
    return Cameras(c2w, K)
