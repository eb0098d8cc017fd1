"""Sets of scans: closed, coloured meshes of heads in [-1, 1]^3 with the rig's parameters that their body was made from.

A part is one scan: a subject with one expression and pose.

    scans/s0000/00.ply           the aligned scan: vertices, normals, 8-bit sRGB colours without light
    rigs/s0000/00.safetensors    of the template's rig: shape [444], expression [52], joint_pose [5, 3], scale [1] and
                                 translation [3]; and what they give: vertices [N, 3], joints [5, 3], landmarks [68, 3]
    raw/s0000/00.ply             the same as a scanner leaves it: somewhere in space, in millimetres, with noise and holes
    raw/s0000/00.json            scan_from_raw [4, 4], which brings it back

Frame of the aligned scans: that of rig.cube, 5 units per metre, the middle between the eyes at rest at its EYES.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save
from scipy import ndimage
from scipy.spatial.transform import Rotation

from fullhead.core.colour import to_bytes
from fullhead.core.meshes import vertex_normals
from fullhead.core.random import stream
from fullhead.core.tri_mesh import TriMesh, present
from fullhead.io.ply import ply_bytes
from fullhead.io.sets import Part, Records, Sample, json_rows
from fullhead.kernels.raster import rasterize_arrays
from fullhead.rig.arkit import arkit_weights
from fullhead.rig.cube import EYES as CUBE_EYES
from fullhead.rig.cube import UNITS_PER_METRE
from fullhead.rig.template import LEFT_EYE
from fullhead.synth.datasets.options import ScansOptions
from fullhead.synth.datasets.shots import HeadSet, RenderContext
from fullhead.synth.datasets.watertight import watertight_mesh
from fullhead.synth.people.expressions import random_expression
from fullhead.synth.people.subject import Subject, subject_attributes
from fullhead.synth.rendering.person import METRES_PER_DM, WORLD_EYES, Person
from fullhead.synth.rendering.scene import build_scene

PICTURE_SIZE = 256  # heads are built as for pictures of this size
NECK_SPREAD = 0.12  # radians, standard deviation of each turn of the neck
SCANNERS = ((0, 10), (50, -5), (-50, -5), (110, 15), (-110, 15), (180, 10))  # yaw and pitch of where they stand, degrees
SCANNER_PIXELS = 700  # pixels per side of what a scanner sees


class Scans(HeadSet[ScansOptions]):
    """The recipe of a set of scans."""

    kind, version = "scans", 7
    pictures = 1
    per_shard = 16

    @property
    def parts(self) -> int:
        return self.what.subjects * self.what.scans_per_subject

    @property
    def folders(self) -> Mapping[str, str]:
        return {"scan": "scans", "rig": "rigs"} | ({"raw": "raw", "raw_place": "raw"} if self.what.raw else {})

    def about(self) -> dict[str, Any]:
        return {"units_per_metre": UNITS_PER_METRE, "eyes": CUBE_EYES, "colours": "sRGB, 8 bits, without light"}

    def open(self) -> RenderContext:
        return RenderContext(PICTURE_SIZE)

    def make(self, shared: RenderContext, part: int) -> Part:
        number, scan = divmod(part, self.what.scans_per_subject)
        subject = self.subject(shared, number)
        expression, pose = expression_and_pose(subject.seed, scan)
        mesh = make_scan(shared.person(subject), expression, pose, self.what.resolution)
        tensors = rig_parameters(shared, subject, expression, pose)
        key = f"s{number:04d}/{scan:02d}"
        files = {"scan.ply": _ply(mesh, "5 units per metre, +y up, face along +z"), "rig.safetensors": save(tensors)}
        known = {"attributes": subject_attributes(subject), "expression": expression, "joint_pose": pose.tolist()}
        record = {"subject_number": number, "scan": scan, "key": key, "subject": asdict(subject)}
        record |= known | {"vertices": len(mesh.vertices)}
        if self.what.raw:
            raw, scan_from_raw = simulate_scanner(mesh, subject.seed, scan, self.what.noise)
            files["raw.ply"] = _ply(raw, "millimetres, somewhere in space")
            files["raw_place.json"] = json.dumps({"scan_from_raw": scan_from_raw.tolist()}).encode()
            record["scan_from_raw"] = scan_from_raw.tolist()
        return Part(record, [Sample(key, files, known)])

    def lists(self, records: Records) -> Iterator[tuple[str, Iterable[str]]]:
        named = ("key", "subject_number", "scan", "attributes", "expression", "joint_pose")
        yield "scans.json", json_rows({name: record[name] for name in named} for record in records)


def make_scan(person: Person, expression: dict[str, float], pose: NDArray, cells: int) -> TriMesh[NDArray]:
    """The aligned scan of a person with ARKit weights and joint rotations [5, 3]."""
    scale = UNITS_PER_METRE * METRES_PER_DM / person.scale  # from our world to the cube
    return watertight_mesh(build_scene(person, expression, pose), scale, np.array(CUBE_EYES) - scale * WORLD_EYES, cells)


def expression_and_pose(seed: int, scan: int) -> tuple[dict[str, float], NDArray]:
    """ARKit weights and joint rotations [5, 3] of a subject's scan; the first is neutral and upright."""
    pose = np.zeros((5, 3))
    if scan == 0:
        return {}, pose
    random = stream(seed, "scan", scan)
    weights = random_expression(random, int(random.choice([1, 2], p=[0.6, 0.4])))
    pose[1] = np.clip(NECK_SPREAD * random.normal(size=3), -0.3, 0.3)
    return {name: round(min(value, 1.0), 4) for name, value in weights.items()}, pose.round(5)


def rig_parameters(shared: RenderContext, subject: Subject, expression: dict[str, float], pose: NDArray) -> dict[str, NDArray]:
    """What makes the body of a scan with the template's rig, and what comes out of it, float32."""
    template = shared.assets.template
    shape, weights = shared.assets.parameters.of(subject.phenotype, subject.shape), arkit_weights(expression)
    joint_pose = torch.from_numpy(pose.astype(np.float32))
    scale = UNITS_PER_METRE * template.rig.metres
    eyes = template.rig(shape[None]).joints[0, LEFT_EYE:].mean(0)
    translation = torch.tensor(CUBE_EYES) - scale * eyes
    posed = template.rig(shape[None], weights[None], joint_pose[None]).placed(scale, translation[None])
    tensors = {
        "shape": shape, "expression": weights, "joint_pose": joint_pose, "scale": torch.tensor([scale]),
        "translation": translation, "vertices": posed.vertices[0], "joints": posed.joints[0],
        "landmarks": torch.from_numpy(shared.landmark_weights @ posed.vertices[0].numpy()),
    }  # fmt: skip
    return {name: np.ascontiguousarray(value.numpy().astype(np.float32)) for name, value in tensors.items()}


def simulate_scanner(mesh: TriMesh[NDArray], seed: int, scan: int, noise: float) -> tuple[TriMesh[NDArray], NDArray]:
    """The mesh as scanners around it leave it, and scan_from_raw [4, 4], which brings it back.

    What no scanner sees is missing, and some of what they do; depths are noisy by `noise` millimetres, a part of it in waves;
    the whole is turned, moved and in millimetres.
    """
    normals, colours = present(mesh.normals), present(mesh.colours)
    random = stream(seed, "raw scan", scan)
    seen = _seen(mesh) & ~_lost(random, mesh)
    faces = mesh.faces[seen]
    used, numbers = np.unique(faces, return_inverse=True)
    unit = noise * UNITS_PER_METRE / 1000
    bumps = unit * (0.7 * _waves(random, mesh.vertices[used]) + 0.7 * random.normal(size=len(used)))
    vertices = mesh.vertices[used] + normals[used] * bumps[:, None]
    angle, axis = random.uniform(0, np.pi), random.normal(size=3)
    turn = Rotation.from_rotvec(angle * (axis / np.linalg.norm(axis))).as_matrix()
    raw_from_scan = np.eye(4)
    raw_from_scan[:3, :3] = turn * 1000 / UNITS_PER_METRE
    raw_from_scan[:3, 3] = random.uniform(-600, 600, 3)
    vertices = (vertices @ raw_from_scan[:3, :3].T + raw_from_scan[:3, 3]).astype(np.float32)
    faces = numbers.reshape(-1, 3).astype(np.int32)
    raw = replace(mesh, vertices=vertices, faces=faces, normals=vertex_normals(vertices, faces), colours=colours[used])
    return raw, np.linalg.inv(raw_from_scan)


def _ply(mesh: TriMesh[NDArray], comment: str) -> bytes:
    return ply_bytes(mesh.vertices, mesh.faces, present(mesh.normals), to_bytes(present(mesh.colours)), comment)


def _seen(mesh: TriMesh[NDArray]) -> NDArray:
    """Which faces [F] the scanners see: those whose corners belong to faces that a ray meets; small ones it misses."""
    normals, corner = present(mesh.normals), np.zeros(len(mesh.vertices), bool)
    for yaw, pitch in SCANNERS:
        view = Rotation.from_euler("yx", [yaw, -pitch], degrees=True).as_matrix()  # columns: right, up, towards the scanner
        placed = mesh.vertices @ view
        pixels = (placed[:, :2] / 2 + 0.5) * SCANNER_PIXELS + 0.25
        found = rasterize_arrays(pixels[:, 0], pixels[:, 1], 10 + placed[:, 2], mesh.faces, SCANNER_PIXELS, SCANNER_PIXELS)[0]
        found = mesh.faces[found[found >= 0]]
        facing = normals[found].mean(1) @ view[:, 2] > 0.2  # a surface seen too flat gives no depth
        corner[found[facing]] = True
    return np.asarray(corner[mesh.faces].all(1))


def _lost(random: np.random.RandomState, mesh: TriMesh[NDArray]) -> NDArray:
    """Which faces [F] are lost to chance: a few patches, and specks where the surface is dark, as dark hair is."""
    centres = mesh.vertices[mesh.faces].mean(1)
    middles = centres[random.randint(0, len(centres), random.randint(2, 6))]
    radii = random.uniform(0.03, 0.12, len(middles))
    patches = np.asarray((np.linalg.norm(centres[:, None] - middles, axis=2) < radii).any(1))
    darkness = 1 - to_bytes(present(mesh.colours))[mesh.faces].mean((1, 2)) / 255
    return patches | (_waves(random, centres) > 2.6 - 1.4 * darkness)


def _waves(random: np.random.RandomState, points: NDArray) -> NDArray:
    """A smooth random field [P] of standard deviation 1 at points [P, 3] of the cube, some 6 mm from crest to trough."""
    lattice = ndimage.gaussian_filter(random.normal(size=(48, 48, 48)), 0.7, mode="wrap")
    return ndimage.map_coordinates(lattice / lattice.std(), (points.T + 1) * 32, order=1, mode="grid-wrap")
