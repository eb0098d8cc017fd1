"""Folders of scans: which files belong to a scan, whose it is, and what is known of it.

Layouts that are read:

    synth      what `fullhead synth scans` writes: scans/s0000/00.ply with rigs/s0000/00.safetensors
    faceverse  001_01.obj, 001_01.jpg: subject and expression; FaceVerse looks down and backwards, (x, -y, -z) is upright
    multiface  m--date--time--SUBJECT--GHS/tracked_mesh/EXPRESSION/frame.obj with unwrapped_uv_1024/EXPRESSION/camera/frame.png;
               the middle frame of each expression, and the mean of its cameras' textures
    files      any other .obj, .ply, .stl, .xyz, .glb and .gltf; the folder that a file is in says whose it is
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fullhead.core.errors import FullheadError
from fullhead.core.tri_mesh import TriMesh
from fullhead.data.scan_landmarks import ENDINGS
from fullhead.io.files import existing_file
from fullhead.io.mesh_files import SUFFIXES, read_mesh, read_texture

Layout = Literal["synth", "faceverse", "multiface", "files"]
FACEVERSE_NAME = re.compile(r"(\d{3})_(\d{2})")
FACEVERSE_AXES = (1, -2, -3)
MULTIFACE_FOLDER = re.compile(r"m--.*--(\d+)--GHS")


@dataclass(frozen=True)
class ScanFile:
    """Where a scan is."""

    name: str  # unique in the set
    identity: str
    expression: str
    mesh: Path
    textures: tuple[Path, ...] = ()  # instead of those that the mesh names; of several the mean
    landmarks: Path | None = None
    ground_truth: Path | None = None  # the rig's parameters, of procedural scans
    scan_from_raw: Path | None = None  # of raw procedural scans: the matrix that brings them to where their parameters hold
    axes: tuple[int, int, int] = (1, 2, 3)  # which of the file's become x, y and z; negative ones are turned round

    @property
    def marked(self) -> bool:
        """Whether a file says where its landmarks are."""
        return self.landmarks is not None or self.ground_truth is not None

    def upright(self, points: NDArray) -> NDArray:
        """Points [..., 3] of the file, turned so that the face looks along +z and up is +y, as far as is known."""
        return points[..., [abs(axis) - 1 for axis in self.axes]] * np.sign(self.axes)


def find_scans(root: Path, layout: Layout | None = None, *, raw: bool = False, landmarks: Path | None = None) -> list[ScanFile]:
    """The scans below a folder, sorted by name. layout: None finds it out; raw: the raw scans of a procedural set;
    landmarks: a folder with <name>.txt, .json or .pp for each scan, instead of <mesh>_landmarks.txt beside the mesh."""
    if not root.is_dir():
        raise FullheadError(f"no folder {root}: give the folder that the scans are in")
    layout = layout or layout_of(root)
    if layout == "synth":
        scans = _synth(root, raw)
    else:
        scans = {"faceverse": _faceverse, "multiface": _multiface, "files": _files}[layout](root)
    if not scans:
        raise FullheadError(f"{root} holds no scans in the layout {layout!r}: {', '.join(SUFFIXES)} files are looked for")
    names = [scan.name for scan in scans]
    if len(set(names)) < len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise FullheadError(f"{root} holds two scans called {double}: rename one")
    scans = [replace(scan, landmarks=_landmarks(scan, landmarks)) for scan in scans]
    return sorted(scans, key=lambda scan: scan.name)


def scan_file(mesh: Path, landmarks: Path | None = None, axes: str | None = None) -> ScanFile:
    """One scan alone. landmarks: .txt, .json, .pp, or the .safetensors of a procedural scan; None: <mesh>_landmarks.txt or such
    beside it, if there is one.
    axes: see `with_axes`."""
    mesh = existing_file(mesh, f"a scan ({', '.join(SUFFIXES)})")
    scan = ScanFile(mesh.stem, mesh.stem, mesh.stem, mesh)
    if landmarks is None:
        scan = replace(scan, landmarks=_landmarks(scan, None))
    else:
        kind = "ground_truth" if landmarks.suffix == ".safetensors" else "landmarks"
        scan = replace(scan, **{kind: existing_file(landmarks, "a file of landmarks")})
    return scan if axes is None else with_axes([scan], axes)[0]


def layout_of(root: Path) -> Layout:
    """By what the folder holds."""
    if (root / "set.json").is_file():
        return "synth"
    if any(MULTIFACE_FOLDER.fullmatch(path.name) for path in (root, *root.iterdir())):
        return "multiface"
    meshes = list(root.rglob("*.obj"))
    return "faceverse" if meshes and all(FACEVERSE_NAME.fullmatch(path.stem) for path in meshes) else "files"


def with_axes(scans: Sequence[ScanFile], axes: str) -> list[ScanFile]:
    """The scans with other axes, such as x,-y,-z: what becomes x, y and z."""
    words = axes.replace(" ", "").split(",")
    numbers = [("xyz".find(word.lstrip("-")) + 1) * (-1 if word.startswith("-") else 1) for word in words]
    if sorted(map(abs, numbers)) != [1, 2, 3]:
        raise FullheadError(f"--axes {axes!r}: write which axes become x, y and z, as in x,-y,-z or x,z,-y")
    x, y, z = numbers
    if np.linalg.det(np.eye(3)[[abs(n) - 1 for n in numbers]] * np.sign(numbers)) < 0:
        raise FullheadError(f"--axes {axes!r} mirrors the scans: turn one more axis round, or one less")
    return [replace(scan, axes=(x, y, z)) for scan in scans]


def read_order(path: Path) -> list[str]:
    """Names of scans, one in a line; of several columns (commas between) the first counts."""
    lines = existing_file(path, "a list of names").read_text(encoding="utf-8").splitlines()
    return [name for line in lines if (name := line.split(",")[0].strip())]


def ordered_by_names(scans: Sequence[ScanFile], names: Sequence[str]) -> list[ScanFile]:
    """The scans that have these names, in this order, which is that of their codes."""
    known = {scan.name: scan for scan in scans}
    missing = [name for name in names if name not in known]
    if missing:
        raise FullheadError(f"the order names scans that are not there: {len(missing)} of them, the first is {missing[0]}")
    return [known[name] for name in names]


def read_scan(scan: ScanFile) -> TriMesh[NDArray]:
    """The scan's mesh with its colours, upright where its layout says how; otherwise as the file has it."""
    mesh = read_mesh(scan.mesh, scan.textures[0] if scan.textures else None)
    if len(scan.textures) > 1:
        mesh = replace(mesh, textures=(_mean_texture(scan.textures),))
    return replace(mesh, vertices=scan.upright(mesh.vertices))


def _mean_texture(paths: Sequence[Path]) -> NDArray:
    """The mean of several textures, each where it is not black."""
    total, count = 0, 0
    for path in paths:
        texture = read_texture(path).astype(np.float32)
        lit = (texture.sum(-1, keepdims=True) > 0).astype(np.float32)
        total, count = total + texture, count + lit
    return np.asarray(total / np.maximum(count, 1) + 0.5).astype(np.uint8)


def _landmarks(scan: ScanFile, folder: Path | None) -> Path | None:
    if folder is None:
        places = [scan.mesh.with_name(scan.mesh.stem + ending) for ending in ENDINGS]
    else:
        places = [folder / f"{scan.name}{ending}" for ending in (".txt", ".json", ".pp")]
    return next((place for place in places if place.is_file()), None)


def _synth(root: Path, raw: bool) -> list[ScanFile]:
    rigs = sorted((root / "rigs").rglob("*.safetensors"))
    if not rigs:
        raise FullheadError(f"{root} holds no scans in folders: make them with `fullhead synth scans`, in the form of a folder")
    if raw and not (root / "raw").is_dir():
        raise FullheadError(f"{root} holds no raw scans: make them with `fullhead synth scans --raw`")
    scans = []
    for rig in rigs:
        key = rig.relative_to(root / "rigs").with_suffix("")
        mesh = (root / ("raw" if raw else "scans") / key).with_suffix(".ply")
        matrix = mesh.with_suffix(".json") if raw else None
        name = key.as_posix().replace("/", "_")
        scans.append(ScanFile(name, key.parts[0], key.name, mesh, ground_truth=rig, scan_from_raw=matrix))
    return scans


def _faceverse(root: Path) -> list[ScanFile]:
    scans = []
    for mesh in sorted(root.rglob("*.obj")):
        if match := FACEVERSE_NAME.fullmatch(mesh.stem):
            texture = next((p for e in (".jpg", ".jpeg", ".png") if (p := mesh.with_suffix(e)).is_file()), None)
            textures = () if texture is None else (texture,)
            scans.append(ScanFile(mesh.stem, match[1], match[2], mesh, textures, axes=FACEVERSE_AXES))
    return scans


def _multiface(root: Path) -> list[ScanFile]:
    scans = []
    for folder in sorted(path for path in (root, *root.iterdir()) if path.is_dir()):
        if not (match := MULTIFACE_FOLDER.fullmatch(folder.name)):
            continue
        for expression in sorted(path for path in (folder / "tracked_mesh").iterdir() if path.is_dir()):
            frames = sorted(expression.glob("*.obj"))
            if frames:
                mesh = frames[len(frames) // 2]
                seen = tuple(sorted((folder / "unwrapped_uv_1024" / expression.name).glob(f"*/{mesh.stem}.png")))
                mean = (folder / "tex_mean.png",) if (folder / "tex_mean.png").is_file() else ()
                name = f"{match[1]}_{expression.name}_{mesh.stem}"
                scans.append(ScanFile(name, match[1], expression.name, mesh, seen or mean))
    return scans


def _files(root: Path) -> list[ScanFile]:
    scans = []
    for mesh in sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES):
        inside = mesh.relative_to(root).with_suffix("")
        identity = inside.parts[0] if len(inside.parts) > 1 else inside.name
        scans.append(ScanFile("_".join(inside.parts), identity, inside.name, mesh))
    return scans
