"""Fit a rig to a scan: a similarity from landmarks, then everything from landmarks and distances between the surfaces.

The scan is moved (scaled, turned, shifted) to where the rig stands in its cube; the rig's root does not turn. Distances count
from the scan's face to the rig, and from the rig to the scan everywhere; outside the face, where hair may lie over the skin,
what matters is that the rig does not stick out of the scan. Far pairs are discounted by Geman and McClure's function. Pairs
are found anew in every round and held during its steps, with their normals, along which surfaces pull.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fullhead.core.errors import FullheadError
from fullhead.core.least_squares import bounded_solution
from fullhead.core.meshes import boundary_vertices, face_normals, interpolate_vertices, sample_surface
from fullhead.core.rotations import matrix_from_axis_angle
from fullhead.core.similarity import Similarity, similarity
from fullhead.kernels.tree import MeshTree, mesh_tree
from fullhead.rig.cube import CubeRig

JAW_LINE = 17  # the first landmarks: of an outline, so they are known less well
FEWEST = 6  # landmarks
KNOWN_SCALE = 1e-5  # how far a scale that is known may stray, in logarithms


@dataclass(frozen=True)
class FitConfig:
    """Lengths are in millimetres."""

    points: int = 1500  # on the scan's face, and on the rig
    rounds: int = 16  # of new pairs, each with a step
    jacobians: int = 3  # rounds between new derivatives of the rig, which is almost linear
    landmark_spread: float = 2.0  # how well landmarks are known
    jaw_line_spread: float = 5.0
    distance_spread: float = 1.0  # how well the surfaces agree
    evidence: float = 100.0  # independent measurements that the points of each direction count as
    expression_spread: float = 0.3  # of weights that run from 0 to 1
    far_first: float = 25.0  # in the first round: the distance at which a pair has lost three quarters of its pull
    far_last: float = 2.5  # in the last
    sliding: float = 0.1  # weight of the way along the surface, that across counting 1
    covered: float = 0.03  # weight, outside the face, of rig points inside the scan
    face_full: float = 25.0  # nearer to a landmark lies the face
    face_none: float = 50.0  # farther there is none of it
    facing: float = 0.3  # least cosine between the normals of a pair
    metres_per_unit: float | None = None  # of the scans; None: their scale is sought, too
    scale_spread: float = 0.05  # in logarithms, about that of the landmarks, where it is sought


@dataclass(frozen=True)
class Fit:
    """Where a scan belongs, the rig's parameters there, and how well they fit."""

    cube_from_scan: Similarity
    shape: NDArray  # [S]
    expression: NDArray  # [E]
    joint_pose: NDArray  # [J, 3], axis-angle
    landmarks_mm: float  # mean distance of the landmarks
    face_mm: float  # median distance from the scan's face to the rig
    face_mm_95: float  # its 95th percentile


def fit_rig(
    cube: CubeRig, vertices: NDArray, faces: NDArray, landmarks: NDArray, config: FitConfig, rng: np.random.RandomState,
    spread: NDArray | None = None,
) -> Fit:  # fmt: skip
    """Fit to a scan with vertices [V, 3], faces [F, 3] and landmarks [68, 3] in its own frame; NaN where unknown.

    spread [68]: how well each landmark is known, in millimetres, where that is worse than `config` says.
    """
    known = np.flatnonzero(np.isfinite(landmarks).all(1))
    if len(known) < FEWEST:
        raise FullheadError(f"{len(known)} landmarks are known: fitting takes {FEWEST} or more")
    model = _Model(cube, config)
    start = similarity(landmarks[known], model.marks(model.vertices)[known])
    if config.metres_per_unit is not None:
        scale, middle = config.metres_per_unit / cube.rig.metres, landmarks[known].mean(0)
        start = Similarity(scale, start.turn, start(middle) - scale * start.turn @ middle)
    usual = np.where(known < JAW_LINE, config.jaw_line_spread, config.landmark_spread)
    spread = usual if spread is None else np.fmax(usual, spread[known])
    scan = _Scan(start(vertices), faces, start(landmarks[known]), known, spread)  # so near that little is left to find
    fitting = _Fitting(model, scan, config, rng)
    for number, far in enumerate(np.geomspace(config.far_first, config.far_last, config.rounds)):
        if number % config.jacobians == 0:
            model.differentiate()
        fitting.step(float(far))
    landmarks_mm = float(np.linalg.norm(fitting.landmark_residuals(), axis=1).mean()) * cube.millimetres
    face_mm = (np.quantile(fitting.face_distances(), [0.5, 0.95]) * cube.millimetres).tolist()
    return Fit(fitting.cube_from_scan.after(start), *model.parts(), landmarks_mm, *face_mm)


class _Model:
    """The rig at the D parameters sought (shape, expression, turns of all joints but the root), and its derivatives there."""

    def __init__(self, cube: CubeRig, config: FitConfig) -> None:
        self.cube, self.rig = cube, cube.rig
        S, E, J = len(cube.rig.shape_basis), len(cube.rig.expression_names), len(cube.rig.parents)
        self.sizes = (S, E, 3 * (J - 1))
        expression = np.full(E, config.expression_spread if cube.bounded else 1.0)
        self.spread = np.concatenate([np.ones(S), expression, np.repeat(cube.pose_spread.numpy()[1:], 3)])  # [D]
        self.lowest, self.highest = np.full((2, S + E + 3 * (J - 1)), np.inf) * [[-1], [1]]
        if cube.bounded:
            self.lowest[S : S + E], self.highest[S : S + E] = 0, 1
        self.values = np.zeros(len(self.spread))
        self.vertices = self.at(self.values[None])[0]  # [N, 3]
        self.jacobian = np.empty((0, 3, len(self.spread)))  # [N, 3, D]

    def at(self, values: NDArray) -> NDArray:
        """Vertices [B, N, 3] at parameters [B, D]."""
        shape, expression, turns = torch.from_numpy(values.astype(np.float32)).split(self.sizes, dim=1)
        pose = torch.nn.functional.pad(turns, (3, 0)).unflatten(1, (-1, 3))
        with torch.no_grad():
            return self.rig(shape, expression, pose).vertices.double().numpy()

    def parts(self) -> tuple[NDArray, NDArray, NDArray]:
        """Shape [S], expression [E], joint pose [J, 3], float32."""
        shape, expression, turns = np.split(self.values.astype(np.float32), np.cumsum(self.sizes)[:2])
        return shape, expression, np.concatenate([np.zeros(3, np.float32), turns]).reshape(-1, 3)

    def marks(self, vertices: NDArray) -> NDArray:
        """Landmarks [68, ...] of vertices [N, ...]."""
        return np.tensordot(self.cube.landmark_weights.double().numpy(), vertices, 1)

    def differentiate(self) -> None:
        """Differences over a third of each spread, inwards where there are bounds."""
        step = np.where(self.values + self.spread / 3 > self.highest, -1, 1) * self.spread / 3
        jacobian = []
        for columns in np.array_split(np.arange(len(step)), max(1, len(step) // 24)):
            moved = self.at(self.values + np.eye(len(step))[columns] * step)
            jacobian.append((moved - self.vertices) / step[columns, None, None])
        self.jacobian = np.concatenate(jacobian).transpose(1, 2, 0)

    def move(self, change: NDArray) -> None:
        self.values = np.clip(self.values + change, self.lowest, self.highest)
        self.vertices = self.at(self.values[None])[0]


class _Scan:
    """The scan near the rig, and where it is nearest to a point."""

    def __init__(self, vertices: NDArray, faces: NDArray, landmarks: NDArray, known: NDArray, spread: NDArray) -> None:
        self.vertices, self.faces, self.landmarks, self.known, self.spread = vertices, faces, landmarks, known, spread
        self.tree: MeshTree = mesh_tree(vertices, faces)
        self.normals = face_normals(vertices, faces)
        self.rim = boundary_vertices(faces, len(vertices))


@dataclass(frozen=True)
class _Pairs:
    """Points of the rig and of the scan that pull at each other."""

    corners: NDArray  # [P, 3], vertices of the rig
    weights: NDArray  # [P, 3], of these
    target: NDArray  # [P, 3], points of the scan in the cube
    normal: NDArray  # [P, 3]
    pull: NDArray  # [P]


class _Fitting:
    def __init__(self, model: _Model, scan: _Scan, config: FitConfig, rng: np.random.RandomState) -> None:
        self.model, self.scan, self.config = model, scan, config
        self.unit = model.cube.millimetres
        self.surface = model.cube.surface.numpy()
        self.cube_from_scan = Similarity(1.0, np.eye(3), np.zeros(3))
        self.face = self._in_face(model.vertices, model.marks(model.vertices))  # [N]
        self.rig_points = sample_surface(model.vertices, self.surface, config.points, rng)
        dense = self._in_face(scan.vertices[scan.faces].mean(1), scan.landmarks)
        triangle, weights = sample_surface(scan.vertices, scan.faces, config.points, rng, weight=dense)
        self.face_points = interpolate_vertices(scan.vertices, scan.faces, triangle, weights)
        self.face_normals = scan.normals[triangle]

    def _in_face(self, points: NDArray, landmarks: NDArray) -> NDArray:
        """1 near the landmarks, 0 far from them [P]."""
        near = np.full(len(points), np.inf)
        for mark in landmarks:  # one at a time, for scans have millions of points
            np.minimum(near, np.linalg.norm(points - mark, axis=1), out=near)
        near *= self.unit
        return ((self.config.face_none - near) / (self.config.face_none - self.config.face_full)).clip(0, 1)

    def landmark_residuals(self) -> NDArray:
        """[K, 3] from the scan's landmarks to the rig's."""
        return self.model.marks(self.model.vertices)[self.scan.known] - self.cube_from_scan(self.scan.landmarks)

    def face_distances(self) -> NDArray:
        """From points of the scan's face to the rig [P]."""
        return mesh_tree(self.model.vertices, self.surface).closest(self.cube_from_scan(self.face_points))[2]

    def step(self, far: float) -> None:
        """One step of Gauss and Newton for the pairs as they are now; `far`: where they lose their pull, in millimetres.

        Unknown are seven numbers of the scan's motion (growth, turn, shift) and the rig's D.
        """
        config, model = self.config, self.model
        unit = self.unit / self.cube_from_scan.scale  # as the scan began: a scan that shrinks must not come closer by it
        marks = self.cube_from_scan(self.scan.landmarks)
        residuals = self.landmark_residuals()
        jacobian = self._jacobian(marks, residuals, model.marks(model.jacobian)[self.scan.known])
        hessian, gradient = _normal_equations(jacobian, residuals, (unit / self.scan.spread) ** 2)
        for pairs in (self._onto_rig(), self._onto_scan()):
            residual = _interpolate(model.vertices, pairs) - pairs.target
            jacobian = self._jacobian(pairs.target, residual, _interpolate(model.jacobian, pairs))
            across, slope_across = (residual * pairs.normal).sum(1), np.einsum("pkd,pk->pd", jacobian, pairs.normal)
            squared = (across**2 + config.sliding * (residual**2).sum(1)) * unit**2
            pull = pairs.pull / len(pairs.pull) * config.evidence * (unit / config.distance_spread) ** 2
            pull = pull * (far**2 / (far**2 + squared)) ** 2  # Geman and McClure's function, as weights
            for parts in ((slope_across[:, None], across[:, None], pull), (jacobian, residual, config.sliding * pull)):
                more = _normal_equations(*parts)
                hessian, gradient = hessian + more[0], gradient + more[1]
        scale_spread = config.scale_spread if config.metres_per_unit is None else KNOWN_SCALE
        prior = np.concatenate([[scale_spread**-2], np.zeros(6), model.spread**-2])
        now = np.concatenate([[np.log(self.cube_from_scan.scale)], np.zeros(6), model.values])
        hessian, gradient = hessian + np.diag(prior), gradient + prior * now
        low, high = (np.concatenate([np.full(7, end), edge - model.values]) for end, edge in
                     ((-np.inf, model.lowest), (np.inf, model.highest)))  # fmt: skip
        change = bounded_solution(hessian, -gradient, low, high)
        turn = matrix_from_axis_angle(torch.from_numpy(change[1:4])).numpy()
        self.cube_from_scan = Similarity(float(np.exp(change[0])), turn, change[4:7]).after(self.cube_from_scan)
        model.move(change[7:])

    def _jacobian(self, moved: NDArray, residual: NDArray, of_rig: NDArray) -> NDArray:
        """Derivatives [P, 3, 7 + D] of residuals [P, 3], in the scan's unit, from points of the scan [P, 3] to points of the
        rig with derivatives `of_rig` [P, 3, D]."""
        x, y, z = moved.T
        zero = np.zeros_like(x)
        turned = np.stack([zero, z, -y, -z, zero, x, y, -x, zero], axis=1).reshape(-1, 3, 3)  # columns: axis x point
        shifted = np.broadcast_to(np.eye(3), turned.shape)
        return np.concatenate([-(moved + residual)[:, :, None], -turned, -shifted, of_rig], axis=2)

    def _onto_rig(self) -> _Pairs:
        """From the scan's face to where the rig is nearest."""
        normals = face_normals(self.model.vertices, self.surface)
        points = self.cube_from_scan(self.face_points)
        triangle, weights, _ = mesh_tree(self.model.vertices, self.surface).closest(points)
        facing = (normals[triangle] * (self.face_normals @ self.cube_from_scan.turn.T)).sum(1) > self.config.facing
        return _Pairs(self.surface[triangle], weights, points, normals[triangle], facing.astype(float))

    def _onto_scan(self) -> _Pairs:
        """From the rig to where the scan is nearest, unless it ends there."""
        scan, motion = self.scan, self.cube_from_scan
        corners, share = self.surface[self.rig_points[0]], self.rig_points[1]
        points = (self.model.vertices[corners] * share[..., None]).sum(1)
        triangle, weights, _ = scan.tree.closest((points - motion.shift) @ motion.turn / motion.scale)
        target = motion(interpolate_vertices(scan.vertices, scan.faces, triangle, weights))
        normal = scan.normals[triangle] @ motion.turn.T
        inside = ((points - target) * normal).sum(1) < 0
        face = (self.face[corners] * share).sum(1)
        rig_normal = face_normals(self.model.vertices, self.surface)[self.rig_points[0]]
        facing = (rig_normal * normal).sum(1) > self.config.facing
        ends = (scan.rim[scan.faces[triangle]] | (weights < 1e-9)).all(1)
        pull = (face + (1 - face) * np.where(inside, self.config.covered, 1)) * (facing & ~ends)
        return _Pairs(corners, share, target, normal, pull)


def _interpolate(values: NDArray, pairs: _Pairs) -> NDArray:
    """Values [N, ...] of the rig's vertices at its points of the pairs [P, ...]."""
    return sum(values[pairs.corners[:, k]] * pairs.weights[:, k].reshape(-1, *[1] * (values.ndim - 1)) for k in range(3))  # type: ignore[return-value]


def _normal_equations(jacobian: NDArray, residuals: NDArray, weight: NDArray) -> tuple[NDArray, NDArray]:
    """Hessian and gradient of half the weighted squares: jacobian [P, K, D], residuals [P, K], weight [P]."""
    root = np.sqrt(weight)[:, None, None]
    rows = (jacobian * root).reshape(-1, jacobian.shape[2])
    return rows.T @ rows, rows.T @ (residuals * root[..., 0]).ravel()
