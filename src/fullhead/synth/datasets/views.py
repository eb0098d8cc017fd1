"""Sets of views: heads from any side, in any light, with any face, and all that a picture shows of them. Eyes learn from them.

A part is a sitting: one person with one face, hair and light, seen by some cameras. Pictures are RGBA, so that they can be laid
over any background.

    img/00000/000000_0.png     the head alone: 8-bit sRGB and opacity, colours not multiplied by it
    parts/00000/000000_0.png   number of the part that is nearest in each pixel
    points/00000/000000_0.npy  float32 [68 + P, 3]: x and y in pixels, and 1 where the picture shows the point;
                               the 68 landmarks, then `rig.landmarks.dense_points`
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.random import RandomState

from fullhead.core.cameras import orbit
from fullhead.core.random import stream
from fullhead.io.sets import Part, Records, json_rows
from fullhead.rig.arkit import ARKIT, alone
from fullhead.synth.datasets.options import ViewsOptions
from fullhead.synth.datasets.shots import PictureSet, RenderContext, ShotSpec, View, camera_label, head_pose, render_shot
from fullhead.synth.people.expressions import Weights, add_weights, mild_expression, random_expression
from fullhead.synth.people.subject import Subject

PER_FOLDER = 500  # sittings
MARGIN = 0.72  # world units that a picture is wide at the head
NEAREST, FARTHEST = 1.2, 8.0  # world units from the camera to the head
IN_FRONT, SIDE = 0.5, 100.0  # share of cameras that stand within so many degrees of the front
TILT, MOST_TILT = 20.0, 75.0  # degrees of pitch: deviation, and the most
NECK_TURN = (0.2, 0.35, 0.15)  # deviations of the neck's nod, turn and tilt, radians
MILD, WHOLE = 0.3, 0.5  # shares of mild faces and of whole ones; the others are single expressions
STILL = (0.0, 0.0, 0.0)  # a joint at rest


class Views(PictureSet[ViewsOptions]):
    """The recipe of a set of views."""

    kind, version = "views", 1
    per_shard = 64

    @property
    def parts(self) -> int:
        return math.ceil(self.what.images / self.what.views_per_sitting)

    @property
    def pictures(self) -> int:
        return self.what.views_per_sitting

    @property
    def folders(self) -> Mapping[str, str]:
        return {name: name for name in ("img", *self.fields, "points")}

    def make(self, shared: RenderContext, part: int) -> Part:
        shot = self.shot(shared, part)
        done = render_shot(shared, shot, self.fields, points=True)
        person = part // self.what.sittings
        pose = head_pose(shared.person(shot.subject), shot)
        return Part({"person": person, "world_from_head": pose.round(6).tolist(), **done.record}, done.samples)

    def shot(self, context: RenderContext, part: int) -> ShotSpec:
        """What is decided about a sitting and its pictures."""
        person, sitting = divmod(part, self.what.sittings)
        random = stream(self.what.seed, "sitting", person, sitting)
        subject = self.dressed(context, self.subject(context, person), random)
        neck = (np.array(NECK_TURN) * random.normal(size=3) * (random.uniform() < 0.7)).round(4).tolist()
        views = tuple(self.view(part, number) for number in range(self.what.views_per_sitting))
        return ShotSpec(subject, self.what.size, views, any_expression(random), (STILL, tuple(neck), STILL, STILL, STILL))

    def dressed(self, context: RenderContext, subject: Subject, random: RandomState) -> Subject:
        """The person as they come to a sitting: with hair, beard, make-up and clothes of another seed, and its light."""
        same_sex = replace(self.population, person=replace(self.population.person, men=float(subject.male)))
        other = context.subject(int(random.randint(0, 2**31)), same_sex)
        light = replace(other.lighting, azimuth=float(random.uniform(-math.pi, math.pi)))
        face_hair = replace(subject.face_hair, beard=other.face_hair.beard)
        own = {"hair": other.hair, "makeup": other.makeup, "outfit": other.outfit, "worn": other.worn}
        return replace(subject, **own, face_hair=face_hair, lighting=light)

    def view(self, part: int, number: int) -> View:
        """One picture of a sitting."""
        random = stream(self.what.seed, "camera", part, number)
        limit = SIDE if random.uniform() < IN_FRONT else 180.0
        yaw = math.radians(random.uniform(-limit, limit))
        pitch = math.radians(float(np.clip(TILT * random.normal(), -MOST_TILT, MOST_TILT)))
        radius = math.exp(random.uniform(math.log(NEAREST), math.log(FARTHEST)))
        label = camera_label(orbit(yaw, pitch, radius=radius, focal=radius / MARGIN))
        return View(f"{part // PER_FOLDER:05d}/{part:06d}_{number}", round(yaw, 6), round(pitch, 6), label)

    def lists(self, records: Records) -> Iterator[tuple[str, Iterable[str]]]:
        yield "views.json", json_rows([view["key"], r["person"]] for r in records for view in r["views"])


def any_expression(random: RandomState) -> Weights:
    """A mild face, a whole one or two together, or single expressions of ARKit; eyes look anywhere."""
    kind = random.uniform()
    weights = mild_expression(random)
    if kind > MILD:
        gaze = {name: value for name, value in weights.items() if name.startswith("eyeLook")}
        faces = (
            random_expression(random, random.randint(1, 3), (0.2, 1.0)) if kind < MILD + WHOLE else single_expressions(random)
        )
        weights = gaze | faces
    return {name: round(float(min(value, 1.0)), 4) for name, value in weights.items() if value > 0}


def single_expressions(random: RandomState) -> Weights:
    """One to three of the 52, of any strength."""
    weights: Weights = {}
    for k in random.choice(len(ARKIT), random.randint(1, 4), replace=False):
        add_weights(weights, alone(ARKIT[k]), float(random.uniform(0.2, 1.0)))
    return weights
