"""The tree of points against distances to all of them."""

import numpy as np
import pytest

from fullhead.kernels.points import point_tree


@pytest.mark.parametrize(("count", "reach"), [(1, np.inf), (9, np.inf), (700, np.inf), (700, 0.2)])
def test_the_closest_point_within_reach_is_the_least_distance_over_all(count: int, reach: float) -> None:
    random = np.random.RandomState(count)
    points, places = random.normal(size=(count, 3)), random.normal(size=(200, 3)) * 1.5
    distance, found = point_tree(points).closest(places, reach)
    all_distances = np.linalg.norm(places[:, None] - points, axis=2)
    near = all_distances.min(1) < reach
    np.testing.assert_array_equal(found, np.where(near, all_distances.argmin(1), -1))
    np.testing.assert_allclose(distance, np.where(near, all_distances.min(1), np.inf), rtol=1e-12)
    assert reach == np.inf or 0.05 < near.mean() < 0.95


def test_the_order_of_another_cloud_gives_the_same_answers() -> None:
    random = np.random.RandomState(1)
    points, places = random.normal(size=(500, 3)), random.normal(size=(100, 3))
    moved = points * [1.3, 0.8, 1.0] + 0.1 * random.normal(size=points.shape)
    np.testing.assert_array_equal(
        point_tree(moved, point_tree(points).order).closest(places)[1], point_tree(moved).closest(places)[1]
    )
