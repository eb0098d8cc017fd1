"""Sets of many views of rigged heads in the layout of Head360's SynHead100: 52 expressions x 72 views of each subject.

A part is a subject with one expression, seen by all cameras under the subject's light, with its hair and without.

    images/split_128/s0000/jawOpen/0030.png    RGBA; the same without hair below bald/ instead of images/
    images/dataset_pose.json                   EG3D's 25 numbers of each
    images/total_dataset_exp.json              52 numbers of each: 1 at the expression of its folder, in alphabetical order
    mesh_lms/meshes/s0000_jawOpen.obj          vertices of the rig, in the order of template.obj
    mesh_lms/lms/s0000_jawOpen.txt             12 points of the outer lips, from the subject's right corner over the upper lip
    template.obj, hair.json                    faces and texture coordinates; hair style of each subject

World: that of Head360's cameras and planes, a box of side 1. Heads are larger in it than in the world of EG3D, by ENLARGED,
so that its narrow cameras frame them as EG3D's do. A vertex of a mesh times MESH_SCALE is its place in the world.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fullhead.core import cameras as eg3d
from fullhead.core.cameras import orbit
from fullhead.io.sets import Part, Sample
from fullhead.rig.arkit import ARKIT
from fullhead.rig.identity import Phenotype, identity
from fullhead.rig.subdivision import triangles_from_quads
from fullhead.rig.template import PARTS, Template, load_template
from fullhead.synth.datasets.shots import Take, View, Workshop, dataset_json, head_seed, label_of, shoot, vertices_of
from fullhead.synth.people.population import Population
from fullhead.synth.people.population import population as default_population
from fullhead.synth.people.subject import sample_subject
from fullhead.synth.rendering.ground_truth import about_truth

VERSION = 7  # of the pictures: raise it when the same seed gives other ones
RADIUS, FOCAL = 22.5, 28.0  # of its cameras
ENLARGED = (RADIUS / FOCAL) / (eg3d.RADIUS / eg3d.FOCAL)
MESH_SCALE = 4.5  # world units per unit of its meshes
PITCHES, YAWS = (-30, 0, 30), 24  # degrees; yaws of a row, the seventh of which is the front
OUTER_LIPS = slice(48, 60)  # among the 68 landmarks
EXPRESSIONS = tuple(sorted(ARKIT))
TOGETHER = {"mouthClose": "jawOpen"}  # an expression that means something only on top of another


@dataclass(frozen=True)
class Heads360:
    """The recipe of such a set."""

    subjects: int = 100
    size: int = 128  # pixels per side
    seed: int = 0
    hair: Literal["with", "without", "both"] = "both"
    expressions: tuple[str, ...] = EXPRESSIONS
    truth: tuple[str, ...] = ()
    population: Population = field(default_factory=default_population)

    kind = "heads360"

    @property
    def parts(self) -> int:
        return self.subjects * len(self.expressions)

    @property
    def per_shard(self) -> int:
        return len(self.expressions)

    @property
    def pictures(self) -> int:
        return len(self.looks) * len(PITCHES) * YAWS

    @property
    def looks(self) -> tuple[str, ...]:
        """Folders of the pictures: with hair, without."""
        return {"with": ("images",), "without": ("bald",), "both": ("images", "bald")}[self.hair]

    @property
    def folders(self) -> Mapping[str, str]:
        split = f"split_{self.size}"
        pictures = {_field(look, "img"): f"{look}/{split}" for look in self.looks}
        truth = {(name := _field(look, field)): f"{name}/{split}" for look in self.looks for field in self.truth}
        return {**pictures, **truth, "mesh": "mesh_lms/meshes", "lms": "mesh_lms/lms"}

    def settings(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "subjects"} | {"version": VERSION}

    def about(self) -> dict[str, Any]:
        world = {"camera_radius": RADIUS, "focal": FOCAL, "world_per_mesh_unit": MESH_SCALE, "per_eg3d_world_unit": ENLARGED}
        return about_truth(self.truth) | {"world": world, "expression_order": EXPRESSIONS}

    def open(self) -> Workshop:
        return Workshop(self.size, same_views=True)

    def make(self, shared: Workshop, part: int) -> Part:
        number, k = divmod(part, len(self.expressions))
        take = self.take(number, self.expressions[k], shared.studio.parameters.names)
        takes = {look: replace(take, hair=look == "images") for look in self.looks}
        shots = {look: shoot(shared, one, self.truth) for look, one in takes.items()}
        first = next(iter(takes.values()))
        known = next(iter(shots.values()))
        samples = []
        for i, view in enumerate(take.views):
            files = {_field(look, name): data for look, shot in shots.items() for name, data in shot.samples[i].files.items()}
            samples.append(Sample(view.key, files, {"subject": number, **dict(known.samples[i].label or {})}))
        vertices = vertices_of(shared.person(first.subject, first.hair), first) * (ENLARGED / MESH_SCALE)
        record = {"number": number, "name": self.expressions[k], **known.record}
        lips = np.array(record["landmarks"])[OUTER_LIPS] / MESH_SCALE
        mesh = {"mesh.obj": _rows(vertices, "v ").encode(), "lms.txt": _rows(lips).encode()}
        return Part(record, [*samples, Sample(f"{subject_name(number)}_{self.expressions[k]}", mesh)])

    def take(self, number: int, expression: str, shape_names: Iterable[str]) -> Take:
        """A subject with an expression, with hair, and the 72 cameras."""
        subject = sample_subject(head_seed(self.seed, number), shape_names, self.population)
        weights = {name: 1.0 for name in (expression, TOGETHER.get(expression)) if name}
        folder = f"{subject_name(number)}/{expression}"
        return Take(subject, self.size, views(folder), weights, world=ENLARGED)

    def lists(self, records: list[dict[str, Any]]) -> dict[str, str]:
        lists = {"template.obj": template_obj(load_template())}
        hair = {subject_name(r["number"]): {k: r["attributes"][f"hair_{k}"] for k in ("style", "colour")} for r in records}
        lists["hair.json"] = json.dumps(hair, indent=1)
        named = [(f"split_{self.size}/{v['key']}.png", v["label"], r["name"]) for r in records for v in r["views"]]
        one_hot = {name: [int(name == other) for other in EXPRESSIONS] for name in self.expressions}
        for look in self.looks:
            lists[f"{look}/dataset_pose.json"] = dataset_json((name, label) for name, label, _ in named)
            lists[f"{look}/total_dataset_exp.json"] = dataset_json((name, one_hot[expression]) for name, _, expression in named)
        return lists


def subject_name(number: int) -> str:
    return f"s{number:04d}"


def views(folder: str) -> tuple[View, ...]:
    """The 72 cameras: rows of 24 yaws from the lowest up; number 30 looks straight at the face."""
    return tuple(View(f"{folder}/{i:04d}", *camera) for i, camera in enumerate(_cameras()))


@cache
def _cameras() -> tuple[tuple[float, float, tuple[float, ...]], ...]:
    """Yaw and pitch, radians, and label of each."""
    angles = [(math.radians((k - YAWS // 4) * 360 / YAWS), math.radians(pitch)) for pitch in PITCHES for k in range(YAWS)]
    return tuple((round(y, 6), round(p, 6), label_of(orbit(y, p, radius=RADIUS, focal=FOCAL))) for y, p in angles)


def template_obj(template: Template) -> str:
    """Faces and texture coordinates of the meshes, part by part, on the average adult in metres, as text of an OBJ file."""
    average = template.rig(identity(template, Phenotype(), {})[None]).vertices[0].numpy() * template.rig.metres
    lines = [_rows(average, "v "), _rows(template.uv, "vt ")]
    for name in PARTS:
        corners = np.stack([triangles_from_quads(quads) for quads in template.part(name)], axis=-1) + 1  # [F, 3, 2]
        lines += [f"g {name}\n", *("f " + " ".join(f"{v}/{t}" for v, t in face) + "\n" for face in corners.tolist())]
    return "".join(lines)


def _field(look: str, field: str) -> str:
    """Name of a field of the pictures of a look."""
    return field if look == "images" else f"bald_{field}"


def _rows(values: NDArray, start: str = "") -> str:
    return "".join(start + " ".join(f"{x:.6f}" for x in row) + "\n" for row in values.tolist())
