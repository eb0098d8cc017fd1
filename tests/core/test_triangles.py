"""Closest points on triangles and meshes."""

import numpy as np

from fullhead.core.triangles import closest_weights


def test_the_closest_point_of_a_triangle_is_that_of_a_search() -> None:
    rng = np.random.default_rng(0)
    corners, points = rng.normal(size=(40, 3, 3)), rng.normal(size=(40, 3)) * 2
    found = np.einsum("nc,ncd->nd", closest_weights(points, corners), corners)
    grid = np.array([(i, j, 60 - i - j) for i in range(61) for j in range(61 - i)]) / 60
    searched = np.linalg.norm(np.einsum("gc,ncd->ngd", grid, corners) - points[:, None], axis=2).min(1)
    distance = np.linalg.norm(found - points, axis=1)
    assert (distance <= searched + 1e-9).all() and (searched - distance).max() < 0.05
