"""Registration of scans: each is moved into the cube of a rig, with the rig's parameters of its shape, expression and pose.

Of procedural scans these are known; only the shape is projected onto the rig's components. Other scans are fitted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from torch import Tensor

from fullhead.core.errors import FullheadError
from fullhead.core.tri_mesh import TriMesh
from fullhead.data.scan_landmarks import read_landmarks
from fullhead.data.scan_reading import found_landmarks
from fullhead.data.scan_samples import head_surface
from fullhead.data.scans import ScanFile, read_scan
from fullhead.eyes.reading import Reader
from fullhead.io.reading import reading
from fullhead.rig.cube import CubeRig
from fullhead.rig.fitting import FitConfig, fit_rig
from fullhead.rig.rig import Posed
from fullhead.rig.template import Template

SAME_RIG = 0.5  # millimetres by which a procedural scan may differ from what our template makes of its parameters
# Millimetres that a fitted rig may be off (`Fit`). Fits to 14 procedural scans, whole and raw, are off by at most 2.8 and 0.8,
# with noise of 5 mm on the landmarks by 8.2 and 0.7; to mirrored ones by at least 6.4 and 1.8, with shuffled landmarks by 19
# and 1.8, with turned ones by 2 and 6.
WORST = {"landmarks": 10.0, "face": 1.3}


@dataclass(frozen=True)
class RegisteredScan:
    mesh: TriMesh[NDArray]  # in the cube
    shape: NDArray  # [S] float32
    expression: NDArray  # [E]
    joint_pose: NDArray  # [J, 3], axis-angle
    cube_from_scan: NDArray  # [4, 4]
    landmarks: NDArray  # [68, 3], in the cube; NaN where unknown
    errors: dict[str, float]  # how well the rig fits, in millimetres; "views": by how much what was read differs between views


def register_scan(
    scan: ScanFile, cube: CubeRig, template: Template, *, fit: bool, config: FitConfig, reader: Reader | None,
    rng: np.random.RandomState,
) -> RegisteredScan:  # fmt: skip
    """Read a scan and register it. fit: also where the parameters are known. Raises FullheadError with the scan's name."""
    try:
        mesh = read_scan(scan)
        known = scan.ground_truth and not scan.scan_from_raw and not fit
        if known:
            registered = _known(mesh, _ground_truth(scan), cube, template)
        else:
            registered = _fitted(mesh, *scan_landmarks(scan, mesh, reader), cube, config, rng)
        if not head_surface(registered.mesh).any():
            raise FullheadError("nothing of it lies in the rig's cube: are its axes and its unit right, and the rig's file?")
        if not known:
            check_fit(registered.errors)
        return registered
    except FullheadError as error:
        raise FullheadError(f"scan {scan.name}: {error}") from error


def check_fit(errors: dict[str, float]) -> None:
    """Raise FullheadError for a fit that failed: for what the rig is off, in millimetres."""
    if any(errors[name] > worst for name, worst in WORST.items()):
        off = ", ".join(f"{name} {errors[name]:.1f}" for name in WORST)
        raise FullheadError(
            f"the rig does not fit it (mm off: {off}; at most {', '.join(f'{worst:g}' for worst in WORST.values())}): is it a "
            "head, not mirrored, are its landmarks its own and in iBUG's order, and is its unit right?"
        )


def scan_landmarks(scan: ScanFile, mesh: TriMesh[NDArray], reader: Reader | None) -> tuple[NDArray, NDArray | None]:
    """Landmarks [68, 3] of a scan, by its file, its ground truth, or what the reader sees; NaN where unknown. Of those that
    were read, also by how much the views disagree, in millimetres [68]."""
    if scan.landmarks is not None:
        return scan.upright(read_landmarks(scan.landmarks)), None
    if scan.ground_truth is not None:
        points = _ground_truth(scan)["landmarks"].astype(np.float64)
        if scan.scan_from_raw is None:
            return points, None
        with reading(scan.scan_from_raw, "make the set again with `fullhead synth scans --raw`"):
            raw_from_scan = np.linalg.inv(np.array(json.loads(scan.scan_from_raw.read_bytes())["scan_from_raw"], np.float64))
            if raw_from_scan.shape != (4, 4) or not np.isfinite(raw_from_scan).all():
                raise ValueError("scan_from_raw is no matrix of 4 x 4 numbers")
        return points @ raw_from_scan[:3, :3].T + raw_from_scan[:3, 3], None
    by_hand = f"put {scan.mesh.stem}_landmarks.txt (68 lines x y z) beside it, or give --landmarks"
    if reader is None:
        raise FullheadError(f"no landmarks: {by_hand}, or a --reader")
    try:
        found = found_landmarks(mesh, reader)
    except FullheadError as error:
        raise FullheadError(f"{error}; to give landmarks by hand, {by_hand}") from error
    return found.points, found.spread


def _ground_truth(scan: ScanFile) -> dict[str, NDArray]:
    assert scan.ground_truth is not None
    with reading(scan.ground_truth, "give a file below rigs/ of `fullhead synth scans`"):
        found = load_file(scan.ground_truth)
        if "landmarks" not in found:
            raise ValueError("it holds no landmarks")
        if found["landmarks"].shape != (68, 3):
            raise ValueError(f"its landmarks are {' x '.join(map(str, found['landmarks'].shape))} numbers, not 68 x 3")
    return found


def _fitted(
    mesh: TriMesh[NDArray], landmarks: NDArray, spread: NDArray | None, cube: CubeRig, config: FitConfig,
    rng: np.random.RandomState,
) -> RegisteredScan:  # fmt: skip
    found = fit_rig(cube, mesh.vertices, mesh.faces, landmarks, config, rng, spread)
    motion = found.cube_from_scan
    matrix = np.eye(4)
    matrix[:3] = np.column_stack([motion.scale * motion.turn, motion.shift])
    mesh = replace(mesh, vertices=motion(mesh.vertices))
    errors = {"landmarks": found.landmarks_mm, "face": found.face_mm, "face_95": found.face_mm_95}
    if spread is not None:
        errors["views"] = float(np.nanmedian(spread))
    return RegisteredScan(mesh, found.shape, found.expression, found.joint_pose, matrix, motion(landmarks), errors)


def _known(mesh: TriMesh[NDArray], truth: dict[str, NDArray], cube: CubeRig, template: Template) -> RegisteredScan:
    """A procedural scan, which is in the cube: its shape is projected onto the cube's rig."""
    names = ("shape", "expression", "joint_pose", "scale", "translation", "vertices")
    shape, expression, pose, scale, translation, vertices = (torch.from_numpy(truth[name])[None] for name in names)

    def placed(posed: Posed) -> Tensor:
        return posed.placed(scale[0], translation).vertices

    off = (placed(template.rig(shape, expression, pose)) - vertices).norm(dim=-1).max() * cube.millimetres
    if off > SAME_RIG:
        raise FullheadError(
            f"it is {off:.1f} mm off what our rig makes of its parameters: make the set again with this version"
        )
    projected = rig_shape(cube, placed(template.rig(shape))[0])
    miss = (cube.rig(projected[None], expression, pose).vertices - vertices)[0, cube.surface.unique()].norm(dim=-1)
    return RegisteredScan(
        mesh, projected.numpy(), truth["expression"], truth["joint_pose"], np.eye(4), truth["landmarks"].astype(np.float64),
        {"shape": float(miss.mean()) * cube.millimetres},
    )  # fmt: skip


def rig_shape(cube: CubeRig, vertices: Tensor) -> Tensor:
    """The shape [S] whose neutral head comes closest to vertices [N, 3] in the cube, where it is seen."""
    seen = cube.surface.unique()
    basis = cube.rig.shape_basis[:, seen].flatten(1).double() * cube.millimetres
    wanted = (vertices - cube.rig().vertices[0])[seen].flatten().double() * cube.millimetres
    ridge = torch.eye(len(basis), dtype=basis.dtype)  # against 1 mm^2 summed over the vertices: next to nothing
    return torch.linalg.solve(basis @ basis.T + ridge, basis @ wanted).float()
