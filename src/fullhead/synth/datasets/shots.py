"""A take: one subject making one face under its light, seen by some cameras. All pictures of all sets are made of takes.

A take is plain values. What a set records of it is enough to make its pictures again, byte for byte (`replay`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fullhead.core.cameras import Cameras, cameras_from_labels, labels_from_cameras
from fullhead.core.random import stream
from fullhead.io.config import from_dict, to_dict
from fullhead.io.sets import Part, Sample
from fullhead.rig.arkit import arkit_weights
from fullhead.rig.landmarks import landmark_weights
from fullhead.synth.anatomy.template_assets import Studio, open_studio
from fullhead.synth.people.population import BackdropKnobs, Shares
from fullhead.synth.people.subject import Subject
from fullhead.synth.rendering.backgrounds import background
from fullhead.synth.rendering.ground_truth import encoded, rgba, seen_landmarks, truth_files
from fullhead.synth.rendering.lights import Lit, lights_of, lit
from fullhead.synth.rendering.render import HairLayer, Photo, composite, hair_layer, take_photo
from fullhead.synth.rendering.scene import Person, Scene, build_person, build_scene

METRES_PER_DM = 0.1


@dataclass(frozen=True)
class Quality:
    """How finely a head is built and lit for pictures of some size."""

    detail: float  # share of the hairs
    texture: int  # texels per side
    directions: int  # from which ambient light is gathered
    shadow: int  # texels per side of their shadow maps
    key_shadow: int  # and of the key light's


def quality_for(size: int) -> Quality:
    """What suits pictures of `size` pixels."""
    small = size <= 96
    return Quality(
        detail=float(np.clip((size / 512) ** 0.75, 0.2, 1.0)),
        texture=int(np.clip(3 * size, 192, 1024)),
        directions=18 if small else 32,
        shadow=80 if small else 128,
        key_shadow=384 if small else 768,
    )


@dataclass(frozen=True)
class View:
    key: str  # name of its files
    yaw: float  # of the label, radians
    pitch: float
    label: tuple[float, ...]  # EG3D's 25 numbers
    camera: tuple[float, ...] | None = None  # the true camera, where the label is wrong on purpose
    background: tuple[int, ...] | None = None  # (seed, numbers) of its stream; None leaves the picture transparent


@dataclass(frozen=True)
class Take:
    subject: Subject
    size: int  # pixels per side
    views: tuple[View, ...]
    expression: dict[str, float]  # ARKit weights
    joint_pose: tuple[tuple[float, ...], ...] | None = None  # [5, 3] axis-angle, radians
    hair: bool = True
    world: float = 1.0  # units of the set's world per unit of ours
    backdrop: Shares = field(default_factory=lambda: BackdropKnobs().kind)  # what backgrounds are of, where views have one


class Workshop:
    """A studio for pictures of one size, and the subject that was last built there: takes of one subject share it.

    same_views: its takes are seen by the same cameras, so that what these see of the hair is kept, too.
    """

    def __init__(self, size: int, *, same_views: bool = False) -> None:
        self.quality = quality_for(size)
        self.studio: Studio = open_studio(self.quality.texture)
        self.landmark_weights = landmark_weights(self.studio.template)
        self.same_views = same_views
        self._built: list[tuple[Subject, Person]] = []
        self._seen: dict[tuple[Any, ...], HairLayer] = {}  # by person, camera and pose

    def person(self, subject: Subject, hair: bool = True) -> Person:
        """The subject, built; without hair if so wished, and then without a hat too."""
        wanted = subject if hair else replace(subject.with_hair("bald"), worn=replace(subject.worn, hat="none"))
        if any(built.seed != subject.seed for built, _ in self._built):
            self._built, self._seen = [], {}
        for known, person in self._built:
            if known == wanted:
                return person
        person = build_person(self.studio, wanted, self.quality.detail)
        self._built.append((wanted, person))
        return person

    def lit(self, take: Take) -> tuple[Person, Lit]:
        """The subject of a take, and its scene under its light."""
        person, q = self.person(take.subject, take.hair), self.quality
        scene = build_scene(person, take.expression, None if take.joint_pose is None else np.array(take.joint_pose))
        return person, lit(scene, lights_of(take.subject.lighting), q.directions, q.shadow, q.key_shadow)

    def hair(self, person: Person, scene: Scene, take: Take, view: View) -> HairLayer | None:
        """What a view of a take shows of the hair, if that is to be kept."""
        if not self.same_views:
            return None
        key = (id(person), view.camera or view.label, take.joint_pose, take.size)
        if key not in self._seen:
            self._seen[key] = hair_layer(scene, true_camera(view, take.world), take.size)
        return self._seen[key]


def vertices_of(person: Person, take: Take) -> NDArray:
    """The rig's vertices [N, 3] of a take, in our world."""
    pose = None if take.joint_pose is None else torch.tensor([take.joint_pose])
    return person.to_world(person.rig(expression=arkit_weights(take.expression)[None], joint_pose=pose).vertices[0].numpy())


def label_of(camera: Cameras) -> tuple[float, ...]:
    """EG3D's 25 numbers of a camera, rounded as sets keep them."""
    return tuple(round(float(value), 7) for value in labels_from_cameras(camera)[0])


def true_camera(view: View, world: float = 1.0) -> Cameras:
    """The camera that took a view, in our world."""
    camera = cameras_from_labels(torch.tensor([view.camera or view.label], dtype=torch.float64))
    camera.c2w[:, :3, 3] /= world
    return camera


def shoot(workshop: Workshop, take: Take, truth: Sequence[str]) -> Part:
    """Pictures, truth and record of a take. `truth` names fields of `truth.FIELDS`."""
    person, light = workshop.lit(take)
    metres = METRES_PER_DM / person.scale  # per unit of our world
    landmarks = workshop.landmark_weights @ vertices_of(person, take)
    samples, views = [], []
    for view in take.views:
        camera = true_camera(view, take.world)
        photo = take_photo(light, camera, take.size, workshop.hair(person, light.scene, take, view))
        files = {"img.png": encoded(_picture(photo, view, take.backdrop))} | truth_files(photo, camera, truth, metres)
        pixels, seen = seen_landmarks(landmarks, photo, camera, metres)
        known = _plain(view) | {
            "landmarks": pixels.round(2).tolist(),
            "visible": "".join("01"[int(value)] for value in seen),
        }
        views.append(known)
        samples.append(Sample(view.key, files, {**attributes(take.subject), "expression": take.expression, **known}))
    record = to_dict(take) | {
        "views": views,
        "attributes": attributes(take.subject),
        "metres_per_unit": metres / take.world,
        "landmarks": (landmarks.astype(float) * take.world).round(5).tolist(),
    }
    return Part(record, samples)


def take_of(record: dict[str, Any]) -> Take:
    """The take that a record of a set tells of."""
    views = [{f.name: view[f.name] for f in fields(View) if f.name in view} for view in record["views"]]
    return from_dict(Take, {f.name: record[f.name] for f in fields(Take) if f.name in record} | {"views": views})


def replay(record: dict[str, Any], truth: Sequence[str] = (), workshop: Workshop | None = None) -> list[dict[str, bytes]]:
    """The files of each view of a record made again, by "field.png": `img.png` and the truth that is asked for."""
    take = take_of(record)
    return [dict(sample.files) for sample in shoot(workshop or Workshop(take.size), take, truth).samples]


def attributes(subject: Subject) -> dict[str, Any]:
    """The labels of a subject that a classifier may learn."""
    return {
        "seed": subject.seed,
        "male": subject.male,
        "age": round(subject.phenotype.age, 4),
        "tone": round(subject.skin.tone, 4),
        "hair_style": subject.hair.style,
        "hair_colour": subject.hair.colour,
        "beard": subject.face_hair.beard,
        "glasses": subject.worn.glasses != "none",
        "sunglasses": subject.worn.glasses == "sun",
        "hat": subject.worn.hat,
        "earrings": subject.worn.earrings,
        "lipstick": round(subject.makeup.lipstick, 4),
        "collar": subject.outfit.collar,
        "iris": subject.iris,
    }


def head_seed(seed: int, head: int) -> int:
    """Seed of the subject number `head` of the set `seed`."""
    words = stream(seed, "head", head).randint(0, 2**31, 2)
    return int(words[0]) << 31 | int(words[1])


def _plain(view: View) -> dict[str, Any]:
    """A view without what it does not have."""
    return {name: value for name, value in vars(view).items() if value is not None}


def _picture(photo: Photo, view: View, backdrop: Shares) -> NDArray:
    if view.background is None:
        return rgba(photo)
    seed, *numbers = view.background
    return composite(photo, background(stream(seed, "background", *numbers), len(photo.alpha), backdrop))


def dataset_json(entries: Iterable[tuple[str, Sequence[float]]]) -> str:
    """EG3D's dataset.json: names of files and the numbers that go with them."""
    return json.dumps({"labels": [[name, list(numbers)] for name, numbers in entries]})
