"""Closest points on triangles and meshes."""

import numpy as np

from fullhead.core.triangles import closest_on_mesh, closest_weights


def test_the_closest_point_of_a_triangle_is_that_of_a_search() -> None:
    rng = np.random.default_rng(0)
    corners, points = rng.normal(size=(40, 3, 3)), rng.normal(size=(40, 3)) * 2
    found = np.einsum("nc,ncd->nd", closest_weights(points, corners), corners)
    grid = np.array([(i, j, 60 - i - j) for i in range(61) for j in range(61 - i)]) / 60
    searched = np.linalg.norm(np.einsum("gc,ncd->ngd", grid, corners) - points[:, None], axis=2).min(1)
    distance = np.linalg.norm(found - points, axis=1)
    assert (distance <= searched + 1e-9).all() and (searched - distance).max() < 0.05


def test_points_of_a_mesh_are_found_where_they_were_taken() -> None:
    rng = np.random.default_rng(1)
    place = np.arange(12)[:, None] + np.arange(12) * 12
    quads = np.stack([place[:-1, :-1], place[1:, :-1], place[1:, 1:], place[:-1, 1:]], axis=-1).reshape(-1, 4)
    triangles = np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]])
    vertices = np.concatenate([np.argwhere(np.ones((12, 12))), rng.normal(size=(144, 1))], axis=1)
    picked, weights = rng.integers(len(triangles), size=50), rng.dirichlet([1, 1, 1], 50)
    points = np.einsum("nc,ncd->nd", weights, vertices[triangles[picked]])
    found, at = closest_on_mesh(points, vertices, triangles, 60)
    np.testing.assert_allclose(np.einsum("nc,ncd->nd", at, vertices[triangles[found]]), points, atol=1e-9)
