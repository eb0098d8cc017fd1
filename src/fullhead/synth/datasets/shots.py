"""A shot: one subject with one expression under its light, seen by some cameras. All pictures of all sets are made so.

What is to be shot is plain values. What a set records of it is enough to make its pictures again, byte for byte (`replay`).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from fullhead.core.cameras import Cameras, cameras_from_labels, labels_from_cameras
from fullhead.core.random import stream
from fullhead.io.config import from_dict, to_dict
from fullhead.io.sets import Part, Sample, json_rows
from fullhead.rig.arkit import arkit_weights
from fullhead.rig.landmarks import dense_points, landmark_weights
from fullhead.rig.rig import Posed
from fullhead.rig.template import LEFT_EYE, NECK
from fullhead.synth.anatomy.template_assets import TemplateAssets, load_template_assets
from fullhead.synth.datasets.options import Heads360Options, PhotosOptions, ScansOptions, VideoOptions, ViewsOptions
from fullhead.synth.people.population import BackdropKnobs, Population, Shares
from fullhead.synth.people.population import population as default_population
from fullhead.synth.people.subject import Subject, subject_attributes
from fullhead.synth.people.subject_sampling import sample_subject
from fullhead.synth.rendering.backgrounds import random_background
from fullhead.synth.rendering.ground_truth import (
    describe_fields,
    ground_truth_files,
    parse_fields,
    png_bytes,
    rgba,
    visible_landmarks,
)
from fullhead.synth.rendering.lights import LitScene, light_scene, lights_from
from fullhead.synth.rendering.person import WORLD_EYES, Person, build_person
from fullhead.synth.rendering.render import HairLayer, composite_over, hair_layer, render_photo
from fullhead.synth.rendering.scene import Scene, build_scene
from fullhead.synth.rendering.shading import Photo

# Names that sets keep since before options were called otherwise.
RECORDED_NAMES = {"motion": "clip", "resolution": "cells"}

Pictures = TypeVar("Pictures", bound=PhotosOptions | Heads360Options | VideoOptions | ViewsOptions)
What = TypeVar("What", bound=PhotosOptions | Heads360Options | VideoOptions | ScansOptions | ViewsOptions)


@dataclass(frozen=True)
class View:
    key: str  # name of its files
    yaw: float  # of the label, radians
    pitch: float
    label: tuple[float, ...]  # EG3D's 25 numbers
    camera: tuple[float, ...] | None = None  # the true camera, where the label is wrong on purpose
    background: tuple[int, ...] | None = None  # (seed, numbers) of its stream; None leaves the picture transparent


@dataclass(frozen=True)
class ShotSpec:
    subject: Subject
    size: int  # pixels per side
    views: tuple[View, ...]
    expression: dict[str, float]  # ARKit weights
    joint_pose: tuple[tuple[float, ...], ...] | None = None  # [5, 3] axis-angle, radians
    hair: bool = True
    world: float = 1.0  # units of the set's world per unit of ours
    backdrop: Shares = field(default_factory=lambda: BackdropKnobs().kind)  # what backgrounds are of, where views have one


class RenderContext:
    """What shots of one size share: the template's assets, and the subject that was built last.

    same_views: all shots are seen by the same cameras, so that what these see of the hair is kept, too.
    """

    def __init__(self, size: int, *, same_views: bool = False) -> None:
        self.detail = float(np.clip((size / 512) ** 0.75, 0.2, 1.0))  # share of the hairs
        # From how many directions ambient light is gathered; texels a side of their shadow maps, and of the key light's.
        self.lighting = (18, 80, 384) if size <= 96 else (32, 128, 768)
        self.assets: TemplateAssets = load_template_assets(int(np.clip(3 * size, 192, 1024)))
        self.landmark_weights = landmark_weights(self.assets.template)
        self.same_views = same_views
        self._built: list[tuple[Subject, Person]] = []
        self._seen: dict[tuple[Any, ...], HairLayer] = {}  # by person, camera and pose

    def subject(self, seed: int, population: Population | None = None) -> Subject:
        """The subject of a seed."""
        return sample_subject(seed, self.assets.parameters.names, population)

    def person(self, subject: Subject, hair: bool = True) -> Person:
        """The subject, built; without hair if so wished, and then without a hat too."""
        wanted = subject if hair else replace(subject.with_hair("bald"), worn=replace(subject.worn, hat="none"))
        if any(built.seed != subject.seed for built, _ in self._built):
            self._built, self._seen = [], {}
        for known, person in self._built:
            if known == wanted:
                return person
        person = build_person(self.assets, wanted, self.detail)
        self._built.append((wanted, person))
        return person

    def lit_scene(self, shot: ShotSpec) -> tuple[Person, LitScene]:
        """The subject of a shot, and its scene under its light."""
        person = self.person(shot.subject, shot.hair)
        scene = build_scene(person, shot.expression, None if shot.joint_pose is None else np.array(shot.joint_pose))
        return person, light_scene(scene, lights_from(shot.subject.lighting), *self.lighting)

    def hair_layer(self, person: Person, scene: Scene, shot: ShotSpec, view: View) -> HairLayer | None:
        """What a view of a shot shows of the hair, if that is to be kept."""
        if not self.same_views:
            return None
        key = (id(person), view.camera or view.label, shot.joint_pose, shot.size)
        if key not in self._seen:
            self._seen[key] = hair_layer(scene, true_camera(view, shot.world), shot.size)
        return self._seen[key]


def rig_vertices(person: Person, shot: ShotSpec) -> NDArray:
    """The rig's vertices [N, 3] of a shot, in our world."""
    return person.to_world(_posed(person, shot).vertices[0].numpy())


def head_pose(person: Person, shot: ShotSpec) -> NDArray:
    """world_from_head [4, 4]: how the neck has turned and moved the head of a shot, in our world; no turn is the identity."""
    turn, shift = _posed(person, shot).transforms[0, NECK, :3].numpy().astype(float), np.eye(4)
    origin = person.joints[LEFT_EYE:].mean(0) - WORLD_EYES / person.scale  # the world's, in the subject's frame
    shift[:3, :3] = turn[:, :3]
    shift[:3, 3] = person.to_world(turn[:, :3] @ origin + turn[:, 3])
    return shift


def _posed(person: Person, shot: ShotSpec) -> Posed:
    pose = None if shot.joint_pose is None else torch.tensor([shot.joint_pose])
    return person.rig(expression=arkit_weights(shot.expression)[None], joint_pose=pose)


def camera_label(camera: Cameras) -> tuple[float, ...]:
    """EG3D's 25 numbers of a camera, rounded as sets keep them."""
    return tuple(round(float(value), 7) for value in labels_from_cameras(camera)[0])


def true_camera(view: View, world: float = 1.0) -> Cameras:
    """The camera that took a view, in our world."""
    camera = cameras_from_labels(torch.tensor([view.camera or view.label], dtype=torch.float64))
    camera.c2w[:, :3, 3] /= world
    return camera


def render_shot(context: RenderContext, shot: ShotSpec, fields: Sequence[str], *, points: bool = False) -> Part:
    """Pictures, ground truth and record of a shot. `fields` are names of ground_truth.FIELDS; with `points` the landmarks and
    the dense points of each picture are files, too, as `datasets.views` says."""
    person, light = context.lit_scene(shot)
    metres = person.metres_per_unit
    vertices = rig_vertices(person, shot)
    landmarks = context.landmark_weights @ vertices
    samples, views = [], []
    for view in shot.views:
        camera = true_camera(view, shot.world)
        photo = render_photo(light, camera, shot.size, context.hair_layer(person, light.scene, shot, view))
        files = {"img.png": png_bytes(_picture(photo, view, shot.backdrop))} | ground_truth_files(photo, camera, fields, metres)
        pixels, seen = visible_landmarks(landmarks, photo, camera, metres)
        if points:
            dense, dense_seen = visible_landmarks(vertices[dense_points().vertex], photo, camera, metres)
            rows = np.column_stack([np.concatenate([pixels, dense]), np.concatenate([seen, dense_seen])])
            files["points.npy"] = _npy(rows.astype(np.float32))
        known = {name: value for name, value in vars(view).items() if value is not None}
        known |= {"landmarks": pixels.round(2).tolist(), "visible": "".join("01"[int(value)] for value in seen)}
        views.append(known)
        samples.append(Sample(view.key, files, {**subject_attributes(shot.subject), "expression": shot.expression, **known}))
    record = to_dict(shot) | {
        "views": views,
        "attributes": subject_attributes(shot.subject),
        "metres_per_unit": metres / shot.world,
        "landmarks": (landmarks.astype(float) * shot.world).round(5).tolist(),
    }
    return Part(record, samples)


def shot_from_record(record: dict[str, Any]) -> ShotSpec:
    """The shot of a record of a set."""

    def known(kind: type, record: dict[str, Any]) -> dict[str, Any]:
        return {name: record[name] for name in kind.__annotations__ if name in record}

    return from_dict(ShotSpec, known(ShotSpec, record) | {"views": [known(View, view) for view in record["views"]]})


def replay(record: dict[str, Any], fields: Sequence[str] = (), context: RenderContext | None = None) -> list[dict[str, bytes]]:
    """The files of each view of a record made again, by "field.png": `img.png` and the wanted fields of the ground truth."""
    shot = shot_from_record(record)
    return [dict(sample.files) for sample in render_shot(context or RenderContext(shot.size), shot, fields).samples]


def _npy(array: NDArray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _picture(photo: Photo, view: View, backdrop: Shares) -> NDArray:
    if view.background is None:
        return rgba(photo)
    seed, *numbers = view.background
    return composite_over(photo, random_background(stream(seed, "background", *numbers), len(photo.alpha), backdrop))


def dataset_json(entries: Iterable[tuple[str, Sequence[float]]]) -> Iterator[str]:
    """EG3D's dataset.json, in pieces: names of files and the numbers that go with them."""
    yield '{"labels": '
    yield from json_rows([name, list(numbers)] for name, numbers in entries)
    yield "}"


@dataclass(frozen=True)
class HeadSet(Generic[What]):
    """What the recipes of all sets share: what is asked for, and from whom heads are drawn."""

    what: What
    population: Population = field(default_factory=default_population)

    kind: ClassVar[str]
    version: ClassVar[int]  # of the files: raise it when the same seed gives other ones

    def settings(self) -> dict[str, Any]:
        _, *asked = vars(self.what).items()  # the first says how large the set is
        kept = {RECORDED_NAMES.get(name, name): value for name, value in asked}
        return kept | {"population": asdict(self.population), "version": self.version}

    def subject(self, context: RenderContext, number: int) -> Subject:
        """The subject of that number."""
        high, low = stream(self.what.seed, "head", number).randint(0, 2**31, 2)
        return context.subject(int(high) << 31 | int(low), self.population)


class PictureSet(HeadSet[Pictures]):
    """What the recipes of pictures share."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Of the ground truth."""
        return parse_fields(",".join(self.what.truth))

    def settings(self) -> dict[str, Any]:
        return super().settings() | {"truth": self.fields}

    def about(self) -> dict[str, Any]:
        return describe_fields(self.fields)

    def open(self) -> RenderContext:
        return RenderContext(self.what.size)
