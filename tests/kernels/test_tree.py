"""Trees of faces and of points against sums and minima over all of them."""

import numpy as np
import pytest
import trimesh

from fullhead.core.errors import FullheadError
from fullhead.core.triangles import closest_weights, winding_numbers
from fullhead.kernels.tree import mesh_tree, point_tree


def lump(subdivisions: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """A closed surface that is not convex."""
    mesh = trimesh.creation.icosphere(subdivisions)
    v = np.asarray(mesh.vertices)
    return v * (1 + 0.3 * np.sin(5 * v[:, :1]) * np.cos(4 * v[:, 1:2])), np.asarray(mesh.faces)


def some_points(vertices: np.ndarray, count: int) -> np.ndarray:
    """Half near the surface, half around it."""
    rng = np.random.RandomState(1)
    near = vertices[rng.randint(len(vertices), size=count // 2)] + rng.normal(size=(count // 2, 3)) * 0.02
    return np.concatenate([near, rng.uniform(-1.5, 1.5, (count - count // 2, 3))])


def crossed_oddly(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Whether a ray in an odd direction from each point crosses an odd number of faces: inside, if they close."""
    direction = np.array([0.3141, 0.5926, 0.7415])
    a, b, c = np.moveaxis(corners, 1, 0)
    odd = []
    for p in points:
        system = np.stack([b - a, c - a, np.broadcast_to(-direction, a.shape)], axis=-1)  # v (b - a) + w (c - a) - t d = p - a
        v, w, t = np.linalg.solve(system, (p - a)[..., None])[..., 0].T
        odd.append(((v >= 0) & (w >= 0) & (v + w <= 1) & (t > 0)).sum() % 2)
    return np.array(odd, bool)


@pytest.mark.parametrize("count", [1, 7, 40, 5120])
def test_winding_numbers_without_summing_up_are_those_of_the_reference(count: int):
    vertices, faces = lump()
    points = some_points(vertices, 60)
    numbers = mesh_tree(vertices, faces[:count]).winding(points, far=np.inf)
    np.testing.assert_allclose(numbers, winding_numbers(points, vertices[faces[:count]]), atol=1e-10)


def test_summing_up_changes_winding_numbers_little_and_less_the_farther_it_begins():
    vertices, faces = lump()
    points = some_points(vertices, 1000)
    tree = mesh_tree(vertices, faces)
    exact = tree.winding(points, far=np.inf)
    error = [np.abs(tree.winding(points, far=far) - exact).max() for far in (2.0, 4.0, 8.0)]
    assert error[0] < 0.06
    assert error[1] < error[0] / 4
    assert error[2] < error[1] / 4
    np.testing.assert_array_equal(tree.winding(points) > 0.5, exact > 0.5)


def test_insides_are_those_of_crossing_rays_even_when_the_mesh_has_holes():
    vertices, faces = lump()
    points = some_points(vertices, 300)
    inside = crossed_oddly(points, vertices[faces])
    assert 0.2 < inside.mean() < 0.8
    np.testing.assert_array_equal(mesh_tree(vertices, faces).winding(points) > 0.5, inside)
    centres = vertices[faces].mean(1)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    holed = faces[np.abs(centres - [0, 1, 0]).max(1) > 0.25]  # a hole of a quarter of the radius at the crown
    assert 0 < len(faces) - len(holed) < 0.05 * len(faces)
    wrong = (mesh_tree(vertices, holed).winding(points) > 0.5) != inside
    assert wrong.mean() < 0.01
    assert (np.abs(points[wrong] - [0, 1, 0]) < 0.6).all()  # only where the surface is missing


@pytest.mark.parametrize("count", [1, 5, 5120])
def test_closest_points_are_those_of_all_triangles(count: int):
    vertices, faces = lump()
    corners = vertices[faces[:count]]
    points = some_points(vertices, 100)
    face, weights, distance = mesh_tree(vertices, faces[:count]).closest(points)
    found = (corners[face] * weights[..., None]).sum(1)
    np.testing.assert_allclose(np.linalg.norm(found - points, axis=1), distance, atol=1e-12)
    for point, near in zip(points, distance, strict=True):
        every = (corners * closest_weights(point[None], corners)[..., None]).sum(1)
        assert np.linalg.norm(every - point, axis=1).min() == pytest.approx(near, abs=1e-12)
    assert weights.min() > -1e-12
    np.testing.assert_allclose(weights.sum(1), 1)


def test_needles_and_points_among_the_triangles_do_no_harm():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 1, 0.0]])
    tree = mesh_tree(vertices, np.array([[0, 1, 2], [1, 1, 1], [0, 1, 3]]))
    _, _, distance = tree.closest(np.array([[1.5, 0, 1], [0.25, 0.25, -2], [5, 0, 0.0]]))
    np.testing.assert_allclose(distance, [1, 2, 3])
    assert np.isfinite(tree.winding(np.array([[1.5, 0, 1], [1.0, 0, 0]]))).all()
    with pytest.raises(FullheadError, match="no faces"):
        mesh_tree(vertices, np.empty((0, 3), int))


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
