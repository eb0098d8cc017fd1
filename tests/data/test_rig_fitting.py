"""Fitting finds again what a scan was made of, wherever it stands, with hair on it and holes in it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fullhead.core.errors import FullheadError
from fullhead.core.least_squares import bounded_solution
from fullhead.core.rotations import matrix_from_axis_angle
from fullhead.core.similarity import Similarity, similarity
from fullhead.rig.arkit import ARKIT, arkit_weights
from fullhead.rig.cube import CubeRig
from fullhead.rig.fitting import Fit, FitConfig, fit_rig
from fullhead.rig.template import NECK

QUICK = FitConfig(points=600, rounds=10)


def somewhere(seed: int) -> Similarity:
    rng = np.random.RandomState(seed)
    turn = matrix_from_axis_angle(torch.from_numpy(rng.normal(size=3))).numpy()
    return Similarity(float(np.exp(rng.normal())) * 100, turn, rng.normal(size=3) * 300)


class Person:
    """Somebody who smiles and looks aside, as a scan elsewhere."""

    def __init__(self, cube: CubeRig, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.shape = torch.randn(len(cube.rig.shape_basis), generator=generator)
        self.expression = arkit_weights({"jawOpen": 0.6, "mouthSmileLeft": 0.8, "browInnerUp": 0.5})
        self.pose = torch.zeros(5, 3)
        self.pose[NECK] = torch.tensor([0.1, -0.15, 0.05])
        posed = cube.rig(self.shape[None], self.expression[None], self.pose[None])
        self.vertices, self.landmarks = posed.vertices[0].double().numpy(), cube.landmarks(posed.vertices)[0].double().numpy()
        self.place, self.triangles = somewhere(seed), cube.surface.numpy()

    def fitted(self, cube: CubeRig, vertices: np.ndarray | None = None, triangles: np.ndarray | None = None) -> Fit:
        vertices = self.place(self.vertices if vertices is None else vertices)
        triangles = self.triangles if triangles is None else triangles
        return fit_rig(cube, vertices, triangles, self.place(self.landmarks), QUICK, np.random.RandomState(0))

    def misses(self, cube: CubeRig, fit: Fit) -> np.ndarray:
        """Millimetres between the fitted rig's vertices and where the scan's own vertices come to lie [N]."""
        found = cube.rig(*(torch.from_numpy(value)[None] for value in (fit.shape, fit.expression, fit.joint_pose)))
        return np.linalg.norm(found.vertices[0].numpy() - fit.cube_from_scan(self.place(self.vertices)), axis=1) * 200


def test_a_similarity_is_found_from_points_and_refused_from_a_line():
    points = np.random.RandomState(0).normal(size=(7, 3))
    true = somewhere(3)
    found = similarity(points, true(points))
    np.testing.assert_allclose(found(points), true(points))
    np.testing.assert_allclose(found.turn, true.turn)
    again = somewhere(4)
    np.testing.assert_allclose(again.after(true)(points), again(true(points)))
    mirrored = similarity(points, points * [-1, 1, 1])
    assert np.linalg.det(mirrored.turn) == pytest.approx(1)
    with pytest.raises(FullheadError, match="line"):
        similarity(np.outer(np.arange(5), [1, 2, 3.0]), points[:5])


def test_a_bounded_solution_is_best_among_those_within_its_bounds():
    rng = np.random.RandomState(0)
    root = rng.normal(size=(6, 4))
    hessian, target, low, high = root.T @ root, rng.normal(size=4) * 3, np.full(4, -0.3), np.full(4, 0.5)
    x = bounded_solution(hessian, target, low, high)
    assert ((x >= low) & (x <= high)).all()
    slope = hessian @ x - target
    free = (x > low) & (x < high)
    assert 0 < free.sum() < 4
    np.testing.assert_allclose(slope[free], 0, atol=1e-9)
    assert (slope[x == low] >= 0).all() and (slope[x == high] <= 0).all()


def test_shape_expression_pose_and_place_are_found_again(cube: CubeRig):
    person = Person(cube, seed=1)
    fit = person.fitted(cube)
    face = np.unique(person.triangles)
    assert person.misses(cube, fit)[face].mean() < 0.6
    assert np.abs(fit.shape - person.shape.numpy()).mean() < 0.25
    np.testing.assert_allclose(fit.expression, person.expression, atol=0.2)
    assert fit.expression[ARKIT.index("jawOpen")] == pytest.approx(0.6, abs=0.1)
    assert fit.expression.min() >= 0 and fit.expression.max() <= 1
    assert np.rad2deg(np.linalg.norm(fit.joint_pose[NECK] - person.pose[NECK].numpy())) < 2
    assert not fit.joint_pose[0].any()
    assert fit.landmarks_mm < 1 and fit.face_mm < 0.2 and fit.face_mm < fit.face_mm_95 < 1


def test_hair_and_holes_leave_the_face_where_it_is(cube: CubeRig):
    person = Person(cube, seed=2)
    marks = person.landmarks
    away = np.linalg.norm(person.vertices[:, None] - marks[None], axis=2).min(1) * cube.millimetres
    scalp = (away > 55) & (person.vertices[:, 1] > 0)
    centre = person.vertices[scalp].mean(0)
    out = person.vertices[scalp] - centre
    hairy = person.vertices.copy()
    hairy[scalp] += 0.1 * out / np.linalg.norm(out, axis=1, keepdims=True)  # 20 mm of hair
    cheek = marks[3] * 0.5 + marks[31] * 0.5
    kept = np.linalg.norm(hairy[person.triangles].mean(1) - cheek, axis=1) > 0.06  # and a hole of 24 mm in a cheek
    kept &= hairy[person.triangles].min(1)[:, 1] > -0.8  # the scan ends below the neck
    fit = person.fitted(cube, hairy, person.triangles[kept])
    misses = person.misses(cube, fit)
    assert misses[np.unique(person.triangles[away[person.triangles].max(1) < 20])].mean() < 1
    assert fit.face_mm < 0.3


def test_a_known_unit_keeps_the_scan_s_size(cube: CubeRig):
    person = Person(cube, seed=3)
    config = replace(QUICK, metres_per_unit=cube.rig.metres / person.place.scale)
    marks = person.landmarks * 1.05 - 0.05 * person.landmarks.mean(0)  # which alone would make it smaller
    fit = fit_rig(cube, person.place(person.vertices), person.triangles, person.place(marks), config, np.random.RandomState(0))
    assert fit.cube_from_scan.scale * person.place.scale == pytest.approx(1, abs=1e-4)


def test_too_few_landmarks_are_refused(cube: CubeRig):
    person = Person(cube, seed=1)
    person.landmarks[5:] = np.nan
    with pytest.raises(FullheadError, match="5 landmarks"):
        person.fitted(cube)
