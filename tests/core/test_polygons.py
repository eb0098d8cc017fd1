"""Polygons and strips cut into triangles: they cover the polygon once, and keep its side."""

import numpy as np
import pytest

from fullhead.core.polygons import MOST_CORNERS, strip_triangles, triangulated


def areas(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Area vectors of triangles of points [F, 3]."""
    a, b, c = np.moveaxis(points[triangles], 1, 0)
    return np.cross(b - a, c - a) / 2


def star(corners: int, seed: int) -> np.ndarray:
    """A polygon about the origin that is far from convex, counter-clockwise."""
    angles, radii = 2 * np.pi * np.arange(corners) / corners, np.random.RandomState(seed).uniform(0.2, 1, corners)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles), 0 * radii], axis=1)


@pytest.mark.parametrize("corners", [4, 5, 8, 30])
@pytest.mark.parametrize("seed", range(5))
def test_triangles_cover_a_polygon_that_is_not_convex_once(corners: int, seed: int):
    turn = np.linalg.qr(np.random.RandomState(seed).normal(size=(3, 3)))[0]
    loop = star(corners, seed) @ turn.T
    places, polygon = triangulated(loop, np.arange(corners), np.array([corners]))
    assert places.shape == (corners - 2, 3) and (polygon == 0).all()
    vectors = areas(loop, places)
    whole = np.cross(loop, np.roll(loop, -1, axis=0)).sum(0) / 2
    assert (vectors @ whole > 0).all()  # none is turned over, so with the right sum they do not overlap
    np.testing.assert_allclose(vectors.sum(0), whole, atol=1e-12)


def test_polygons_of_different_sizes_keep_their_order_and_those_of_two_corners_have_no_triangles():
    points = np.concatenate([star(6, 0)[:, :3], [[0, 0, 1]]])
    corners = np.array([0, 1, 6, 0, 1, 2, 3, 4, 5, 0, 6, 1, 2])
    places, polygon = triangulated(points, corners, np.array([3, 6, 2, 2]))
    np.testing.assert_array_equal(polygon, [0, 1, 1, 1, 1])
    np.testing.assert_array_equal(corners[places[0]], [0, 1, 6])
    assert set(corners[places[1:]].ravel()) == set(range(6))


def test_a_polygon_that_is_not_convex_and_huge_is_refused():
    n = MOST_CORNERS + 1
    with pytest.raises(ValueError, match="not convex"):
        triangulated(star(n, 0), np.arange(n), np.array([n]))
    circle = star(n, 0) / np.linalg.norm(star(n, 0), axis=1, keepdims=True)
    assert len(triangulated(circle, np.arange(n), np.array([n]))[0]) == n - 2


def test_strips_turn_every_other_triangle_and_lose_those_that_join_them():
    np.testing.assert_array_equal(strip_triangles(np.array([0, 1, 2, 3])), [[0, 1, 2], [1, 3, 2]])
    np.testing.assert_array_equal(strip_triangles(np.array([0, 1, 2, 2, 3, 3, 4, 5])), [[0, 1, 2], [3, 5, 4]])
    assert strip_triangles(np.array([0, 1])).shape == (0, 3)
