"""Small folders of scans in the layouts that are read, made from the template's rig: bare heads without hair."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save_file

from fullhead.core.meshes import vertex_normals
from fullhead.core.rotations import matrix_from_axis_angle
from fullhead.io.ply import ply_bytes
from fullhead.rig.arkit import arkit_weights
from fullhead.rig.cube import EYES, UNITS_PER_METRE, CubeRig
from fullhead.rig.identity import Phenotype, identity
from fullhead.rig.template import LEFT_EYE, NECK, Template

FACES = ({}, {"jawOpen": 0.7, "mouthSmileLeft": 0.5})
PEOPLE = (Phenotype(gender=0.0, weight=0.3), Phenotype(gender=1.0, african=1.0), Phenotype(age=1.0, asian=1.0))


def shades(vertices: np.ndarray) -> np.ndarray:
    """Colours [V, 3] uint8 that tell where on a head a vertex is."""
    return ((0.5 + 0.45 * np.sin(7 * vertices + [0, 1, 2])) * 255).astype(np.uint8)


def write_synth(root: Path, template: Template, cube: CubeRig) -> Path:
    """A set as `fullhead synth scans --raw` writes it: three subjects, two scans each."""
    faces = cube.surface.numpy().astype(np.int32)
    for number, phenotype in enumerate(PEOPLE):
        shape = identity(template, phenotype, {})[None]
        for scan, face in enumerate(FACES):
            expression, pose = arkit_weights(face)[None], torch.zeros(1, 5, 3)
            pose[0, NECK] = 0.1 * scan * torch.tensor([1.0, -1.5, 0.5])
            scale = UNITS_PER_METRE * template.rig.metres
            translation = torch.tensor([EYES]) - scale * template.rig(shape).joints[:, LEFT_EYE:].mean(1)
            posed = template.rig(shape, expression, pose).placed(scale, translation)
            tensors = {
                "shape": shape[0], "expression": expression[0], "joint_pose": pose[0], "scale": torch.tensor([scale]),
                "translation": translation[0], "vertices": posed.vertices[0], "joints": posed.joints[0],
                "landmarks": cube.landmarks(posed.vertices)[0],
            }  # fmt: skip
            key = f"s{number:04d}/{scan:02d}"
            for folder in ("scans", "rigs", "raw"):
                (root / folder / key).parent.mkdir(parents=True, exist_ok=True)
            save_file({name: value.numpy().copy() for name, value in tensors.items()}, root / f"rigs/{key}.safetensors")
            vertices = posed.vertices[0].numpy()
            normals, colours = vertex_normals(vertices, faces), shades(vertices)
            (root / f"scans/{key}.ply").write_bytes(ply_bytes(vertices, faces, normals, colours, "a scan"))
            raw_from_scan = np.eye(4)
            raw_from_scan[:3, :3] = 200 * matrix_from_axis_angle(torch.tensor([0.3, 2.0 + scan, 0.1 * number])).numpy()
            raw_from_scan[:3, 3] = [400, -100, 50]
            raw = vertices @ raw_from_scan[:3, :3].T + raw_from_scan[:3, 3]
            (root / f"raw/{key}.ply").write_bytes(ply_bytes(raw, faces, normals, colours, "a raw scan"))
            (root / f"raw/{key}.json").write_text(json.dumps({"scan_from_raw": np.linalg.inv(raw_from_scan).tolist()}))
    (root / "set.json").write_text(json.dumps({"kind": "scans", "form": "folder", "settings": {}}))
    return root


def write_obj(path: Path, vertices: np.ndarray, triangles: np.ndarray, texture: str | None = None) -> None:
    """An OBJ whose texture coordinates are the vertices' x and y, with a material of its own name if it has a texture."""
    lines = [f"mtllib {path.stem}.mtl", f"usemtl {path.stem}"] if texture else []
    lines += ["v {:.6f} {:.6f} {:.6f}".format(*v) for v in vertices]
    lines += ["vt {:.6f} {:.6f}".format(*(0.5 + 0.5 * v[:2]).clip(0, 1)) for v in vertices]
    lines += ["f " + " ".join(f"{k + 1}/{k + 1}" for k in t) for t in triangles]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    if texture:
        path.with_suffix(".mtl").write_text(f"\nnewmtl {path.stem}\nKa 1 1 1\nKd 1 1 1\nmap_Kd {texture}\n")


def write_texture(path: Path, colour: tuple[int, int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path, quality=100)


def write_balls(root: Path, radii: Sequence[float] = (0.4, 0.5, 0.6, 0.45), count: int = 3000) -> Path:
    """A prepared set of balls about the origin, a pair of a neutral and another scan per identity, the last pair held out.

    Their points are as `fullhead prepare` leaves them. A ball is red to the right, green above, blue in front.
    """
    rng = np.random.RandomState(0)
    rows = []
    (root / "scans").mkdir(parents=True)
    for i, radius in enumerate(radii):
        on = rng.normal(size=(count, 3))
        on /= np.linalg.norm(on, axis=1, keepdims=True)
        near, uniform = radius * on + 0.02 * rng.normal(size=(count, 3)), rng.uniform(-1, 1, (count, 3))
        inside = [(np.linalg.norm(x, axis=1) < radius).astype(np.uint8) for x in (near, uniform)]
        white = np.full((9, 16, 16, 3), 255, np.uint8)
        tensors = {
            "shape": np.zeros(2), "expression": np.full(3, float(i % 2)), "joint_pose": np.zeros((5, 3)),
            "landmarks": radius * on[:68], "cube_from_scan": np.eye(4),
            "near_points": near, "uniform_points": uniform, "surface_points": radius * on,
        }  # fmt: skip
        tensors = {name: value.astype(np.float32) for name, value in tensors.items()}
        tensors |= {"near_inside": inside[0], "uniform_inside": inside[1], "surface_normals": on.astype(np.float16)}
        tensors |= {"surface_colours": ((0.5 + 0.5 * on) * 255 + 0.5).astype(np.uint8), "view_normals": white}
        tensors |= {"view_colours": white, "view_z": np.full((9, 16, 16), -2, np.float16)}
        name, held_out = f"s{i // 2}_{i % 2:02d}", i >= len(radii) - 2
        save_file({key: np.ascontiguousarray(value) for key, value in tensors.items()}, root / f"scans/{name}.safetensors")
        split = "held_out" if held_out else "train"
        rows.append({"row": i, "name": name, "identity": name[:2], "expression": name[3:], "split": split, "fit_mm": {}})
    (root / "scans.json").write_text(json.dumps(rows))
    (root / "set.json").write_text(json.dumps({"kind": "prepared", "form": "folder", "settings": {}}))
    return root
