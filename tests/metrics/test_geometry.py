"""Figures of geometry against loops and closed forms."""

import itertools

import numpy as np
import pytest

from fullhead.core.errors import FullheadError
from fullhead.metrics.geometry import Samples, chamfer_distances, generation_metrics, surface_metrics


def directions(count: int, seed: int = 0) -> np.ndarray:
    v = np.random.RandomState(seed).normal(size=(count, 3))
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def random_samples(count: int, seed: int) -> Samples:
    rng = np.random.RandomState(seed)
    return Samples(rng.uniform(-1, 1, (count, 3)), directions(count, seed), rng.uniform(0, 1, (count, 3)))


def test_surface_metrics_are_what_two_loops_find():
    a, b, near = random_samples(40, 0), random_samples(30, 1), 0.3
    distance, shares, cosine, colour = [], [], [], []
    for one, other in ((a, b), (b, a)):
        rows = []
        for p, n, c in zip(one.points, one.normals, one.colours, strict=True):
            away = [np.sqrt(((p - q) ** 2).sum()) for q in other.points]
            j = int(np.argmin(away))
            rows.append((away[j], away[j] < near, abs(n @ other.normals[j]), np.sqrt(((c - other.colours[j]) ** 2).sum())))
        for column, values in zip((distance, shares, cosine, colour), zip(*rows, strict=True), strict=True):
            column.append(np.mean(values))
    found = surface_metrics(a, b, near)
    assert found.chamfer == pytest.approx(np.mean(distance))
    assert found.f_score == pytest.approx(2 / (1 / shares[0] + 1 / shares[1]))
    assert found.normal_consistency == pytest.approx(np.mean(cosine))
    assert found.colour_error == pytest.approx(np.mean(colour))


def test_spheres_about_one_centre_are_as_far_apart_as_their_radii():
    n = directions(20000)
    m = directions(20000, seed=1)
    found = surface_metrics(Samples(n, n), Samples(1.1 * m, m), near=0.105)
    assert found.chamfer == pytest.approx(0.1, abs=0.003)
    assert found.normal_consistency > 0.999
    assert found.colour_error is None
    assert found.f_score > 0.9
    assert surface_metrics(Samples(n, n), Samples(1.1 * m, m)).f_score == 0
    same = surface_metrics(Samples(n, n, n), Samples(n, -n, n))
    assert (same.chamfer, same.f_score, same.colour_error) == (0, 1, 0)
    assert same.normal_consistency == pytest.approx(1)


def test_distances_of_clouds_are_those_of_surface_metrics():
    x, y = np.random.RandomState(0).normal(size=(3, 20, 3)), np.random.RandomState(1).normal(size=(4, 25, 3))
    table = chamfer_distances(x, y)
    for (i, a), (j, b) in itertools.product(enumerate(x), enumerate(y)):
        assert table[i, j] == pytest.approx(surface_metrics(Samples(a, a), Samples(b, b)).chamfer)
    np.testing.assert_allclose(chamfer_distances(x, x), chamfer_distances(x, x.copy()))


def loops(generated: np.ndarray, scans: np.ndarray) -> tuple[float, float, float, float]:
    def away(a: np.ndarray, b: np.ndarray) -> float:
        return chamfer_distances(a[None], b[None])[0, 0]

    covered = {min(range(len(scans)), key=lambda j, g=g: away(g, scans[j])) for g in generated}
    matching = np.mean([min(away(g, s) for g in generated) for s in scans])
    clouds, of_scan = [*generated, *scans], [False] * len(generated) + [True] * len(scans)
    right = 0
    for i in range(len(clouds)):
        nearest = min((j for j in range(len(clouds)) if j != i), key=lambda j, i=i: away(clouds[i], clouds[j]))
        right += of_scan[nearest] == of_scan[i]
    pairs = [away(a, b) for a, b in itertools.combinations(generated, 2)]
    return len(covered) / len(scans), float(matching), right / len(clouds), float(np.mean(pairs))


def test_variety_is_what_loops_find():
    rng = np.random.RandomState(0)
    generated, scans = rng.normal(size=(5, 12, 3)), rng.normal(size=(6, 12, 3)) * 1.2
    found = generation_metrics(generated, scans)
    figures = (found.coverage, found.matching, found.neighbour_accuracy, found.diversity)
    assert figures == pytest.approx(loops(generated, scans))


def test_sets_of_one_kind_are_told_apart_by_chance_only_and_collapsed_ones_always():
    rng = np.random.RandomState(0)

    def heads(n: int) -> np.ndarray:
        return directions(128)[None] * (1 + 0.3 * rng.rand(n, 1, 3)) + 0.01 * rng.normal(size=(n, 128, 3))

    scans = heads(24)
    alike = generation_metrics(heads(24), scans)
    assert 0.3 < alike.neighbour_accuracy < 0.7
    assert alike.coverage > 0.4
    collapsed = generation_metrics(np.repeat(heads(1), 24, axis=0), scans)
    assert collapsed.neighbour_accuracy > 0.9
    assert collapsed.coverage < 0.1
    assert collapsed.matching > 1.5 * alike.matching


def test_what_cannot_be_compared_is_refused():
    empty = Samples(np.empty((0, 3)), np.empty((0, 3)))
    with pytest.raises(FullheadError, match="without points"):
        surface_metrics(empty, random_samples(3, 0))
    with pytest.raises(FullheadError, match="at least 2"):
        generation_metrics(np.zeros((1, 4, 3)), np.zeros((3, 4, 3)))
