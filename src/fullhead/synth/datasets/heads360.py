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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fullhead.core import cameras as eg3d
from fullhead.core.cameras import orbit
from fullhead.io.sets import Part, Records, Sample
from fullhead.rig.arkit import ARKIT, alone, check_names
from fullhead.rig.identity import Phenotype, identity
from fullhead.rig.subdivision import triangles_from_quads
from fullhead.rig.template import PARTS, Template, load_template
from fullhead.synth.datasets.options import Heads360Options
from fullhead.synth.datasets.shots import (
    PictureSet,
    RenderContext,
    ShotSpec,
    View,
    camera_label,
    dataset_json,
    render_shot,
    rig_vertices,
)

RADIUS, FOCAL = 22.5, 28.0  # of its cameras
ENLARGED = (RADIUS / FOCAL) / (eg3d.RADIUS / eg3d.FOCAL)
MESH_SCALE = 4.5  # world units per unit of its meshes
PITCHES, YAWS = (-30, 0, 30), 24  # degrees; yaws of a row, the seventh of which is the front
OUTER_LIP_LANDMARKS = slice(48, 60)  # among the 68 landmarks
EXPRESSIONS = tuple(sorted(ARKIT))


class Heads360(PictureSet[Heads360Options]):
    """The recipe of such a set."""

    kind, version = "heads360", 7

    @property
    def expressions(self) -> tuple[str, ...]:
        """Those that are shown, in alphabetical order."""
        asked = {name for word in self.what.expressions for name in word.replace(",", " ").split()}
        check_names(asked - {"all"})
        return EXPRESSIONS if "all" in asked else tuple(sorted(asked))

    @property
    def parts(self) -> int:
        return self.what.subjects * len(self.expressions)

    @property
    def per_shard(self) -> int:
        return len(self.expressions)

    @property
    def pictures(self) -> int:
        return len(self.variants) * len(PITCHES) * YAWS

    @property
    def variants(self) -> dict[str, str]:
        """Folders of the pictures with hair and without, and how names of their fields begin."""
        both = {"images": "", "bald": "bald_"}
        return {"with": {"images": ""}, "without": {"bald": "bald_"}, "both": both}[self.what.hair]

    @property
    def folders(self) -> Mapping[str, str]:
        split = f"split_{self.what.size}"
        pictures = {f"{start}img": f"{variant}/{split}" for variant, start in self.variants.items()}
        names = [start + field for start in self.variants.values() for field in self.fields]
        return {**pictures, **{name: f"{name}/{split}" for name in names}, "mesh": "mesh_lms/meshes", "lms": "mesh_lms/lms"}

    def settings(self) -> dict[str, Any]:
        return super().settings() | {"expressions": self.expressions}

    def about(self) -> dict[str, Any]:
        world = {"camera_radius": RADIUS, "focal": FOCAL, "world_per_mesh_unit": MESH_SCALE, "per_eg3d_world_unit": ENLARGED}
        return super().about() | {"world": world, "expression_order": EXPRESSIONS}

    def open(self) -> RenderContext:
        return RenderContext(self.what.size, same_views=True)

    def make(self, shared: RenderContext, part: int) -> Part:
        number, k = divmod(part, len(self.expressions))
        shot = self.shot(shared, number, self.expressions[k])
        shots = {variant: replace(shot, hair=variant == "images") for variant in self.variants}
        rendered = {variant: render_shot(shared, one, self.fields) for variant, one in shots.items()}
        first, known = next(iter(shots.values())), next(iter(rendered.values()))
        samples = []
        for i, view in enumerate(shot.views):
            parts = {start: rendered[variant].samples[i].files for variant, start in self.variants.items()}
            files = {start + name: data for start, part in parts.items() for name, data in part.items()}
            samples.append(Sample(view.key, files, {"subject": number, **dict(known.samples[i].label or {})}))
        vertices = rig_vertices(shared.person(first.subject, first.hair), first) * (ENLARGED / MESH_SCALE)
        record = {"number": number, "name": self.expressions[k], **known.record}
        lips = np.array(record["landmarks"])[OUTER_LIP_LANDMARKS] / MESH_SCALE
        mesh = {"mesh.obj": _rows(vertices, "v ").encode(), "lms.txt": _rows(lips).encode()}
        return Part(record, [*samples, Sample(f"{subject_name(number)}_{self.expressions[k]}", mesh)])

    def shot(self, context: RenderContext, number: int, expression: str) -> ShotSpec:
        """A subject with an expression, with hair, and the 72 cameras."""
        folder = f"{subject_name(number)}/{expression}"
        views = tuple(View(f"{folder}/{i:04d}", *camera) for i, camera in enumerate(_cameras()))
        return ShotSpec(self.subject(context, number), self.what.size, views, alone(expression), world=ENLARGED)

    def lists(self, records: Records) -> Iterator[tuple[str, Iterable[str]]]:
        def named() -> Iterator[tuple[str, list[float], str]]:
            return ((f"split_{self.what.size}/{v['key']}.png", v["label"], r["name"]) for r in records for v in r["views"])

        yield "template.obj", [template_obj(load_template())]
        hair = {subject_name(r["number"]): {k: r["attributes"][f"hair_{k}"] for k in ("style", "colour")} for r in records}
        yield "hair.json", [json.dumps(hair, indent=1)]
        one_hot = {name: [int(name == other) for other in EXPRESSIONS] for name in self.expressions}
        for variant in self.variants:
            yield f"{variant}/dataset_pose.json", dataset_json((name, label) for name, label, _ in named())
            yield f"{variant}/total_dataset_exp.json", dataset_json((name, one_hot[shown]) for name, _, shown in named())


def subject_name(number: int) -> str:
    return f"s{number:04d}"


@cache
def _cameras() -> tuple[tuple[float, float, tuple[float, ...]], ...]:
    """Yaw and pitch, radians, and label of the 72 cameras: rows of 24 yaws from the lowest up; number 30 sees the front."""
    angles = [(math.radians((k - YAWS // 4) * 360 / YAWS), math.radians(pitch)) for pitch in PITCHES for k in range(YAWS)]
    return tuple((round(y, 6), round(p, 6), camera_label(orbit(y, p, radius=RADIUS, focal=FOCAL))) for y, p in angles)


def template_obj(template: Template) -> str:
    """Faces and texture coordinates of the meshes, part by part, on the average adult in metres, as text of an OBJ file."""
    average_samples = template.rig(identity(template, Phenotype(), {})[None]).vertices[0].numpy() * template.rig.metres
    lines = [_rows(average_samples, "v "), _rows(template.uv, "vt ")]
    for name in PARTS:
        corners = np.stack([triangles_from_quads(quads) for quads in template.part(name)], axis=-1) + 1  # [F, 3, 2]
        lines += [f"g {name}\n", *("f " + " ".join(f"{v}/{t}" for v, t in face) + "\n" for face in corners.tolist())]
    return "".join(lines)


def _rows(values: NDArray, start: str = "") -> str:
    return "".join(start + " ".join(f"{x:.6f}" for x in row) + "\n" for row in values.tolist())
