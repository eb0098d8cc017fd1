"""Areas, points, welding and defects of meshes against closed forms and counts by hand; winding numbers of the reference."""

import numpy as np
import pytest
import trimesh

from fullhead.core.errors import FullheadError
from fullhead.core.meshes import area_vectors, faces_in_box, interpolate_vertices, sample_surface
from fullhead.core.triangles import solid_angles, winding_numbers
from mesh_defects import defects, merge_vertices


def ball(subdivisions: int = 3) -> tuple[np.ndarray, np.ndarray]:
    mesh = trimesh.creation.icosphere(subdivisions)
    return np.asarray(mesh.vertices), np.asarray(mesh.faces)


def test_area_vectors_point_outwards_and_add_up_to_nothing_on_a_closed_surface():
    vertices, triangles = ball()
    vectors = area_vectors(vertices, triangles)
    assert (vectors * vertices[triangles].mean(1)).sum(1).min() > 0
    np.testing.assert_allclose(vectors.sum(0), 0, atol=1e-12)
    assert np.linalg.norm(vectors, axis=1).sum() == pytest.approx(4 * np.pi, rel=0.02)


def test_points_lie_on_their_triangles_as_often_as_these_are_large():
    vertices = np.array([[0, 0, 0], [3, 0, 0], [0, 1, 0], [0, 0, 5.0], [1, 0, 5], [0, 1, 5]])
    triangles = np.array([[0, 1, 2], [3, 4, 5]])  # of areas 3 to 1
    triangle, weights = sample_surface(vertices, triangles, 20000, np.random.RandomState(0))
    assert (triangle == 0).mean() == pytest.approx(0.75, abs=0.01)
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(1), 1)
    points = interpolate_vertices(vertices, triangles, triangle, weights)
    np.testing.assert_allclose(points[:, 2], np.where(triangle == 0, 0, 5), atol=1e-12)
    np.testing.assert_allclose(points[triangle == 0].mean(0), [1, 1 / 3, 0], atol=0.02)  # evenly spread: about the centroid
    below = points[triangle == 0]
    assert (below[:, 0] / 3 + below[:, 1] < 0.5).mean() == pytest.approx(0.25, abs=0.015)


def test_weights_make_some_triangles_denser():
    vertices, triangles = ball(1)
    chosen = np.arange(len(triangles)) < 10
    triangle, _ = sample_surface(vertices, triangles, 500, np.random.RandomState(0), weight=chosen)
    assert triangle.max() < 10
    with pytest.raises(FullheadError, match="no surface"):
        sample_surface(vertices, triangles[:, [0, 0, 0]], 5, np.random.RandomState(0))


def test_a_soup_of_triangles_is_welded_to_the_mesh_it_came_from():
    vertices, triangles = ball()
    soup = vertices[triangles].reshape(-1, 3)
    whole, corners = merge_vertices(soup, np.arange(len(soup)).reshape(-1, 3))
    assert len(whole) == len(vertices)
    np.testing.assert_array_equal(whole[corners], vertices[triangles])


def test_defects_count_pieces_holes_and_edges():
    vertices, triangles = ball()
    assert vars(defects(vertices, triangles)) == {"components": 1, "holes": 0, "open_edges": 0, "tangled_edges": 0}
    two = np.concatenate([vertices, vertices + 5])
    far = [int(np.flatnonzero((triangles == v).any(1))[0]) for v in (0, 1)]  # two triangles that share no corner
    kept = np.delete(triangles, far, axis=0)
    found = defects(two, np.concatenate([kept, triangles + len(vertices), triangles[5:6, [1, 0, 2]]]))
    assert vars(found) == {"components": 2, "holes": 2, "open_edges": 6, "tangled_edges": 3}


def test_triangles_that_leave_the_box_are_told():
    vertices, triangles = ball()
    kept = faces_in_box(vertices * 1.01, triangles)
    for triangle, inside in zip(triangles, kept, strict=True):
        assert inside == bool((np.abs(vertices[triangle] * 1.01) <= 1).all())
    assert 0.5 < kept.mean() < 1


def test_solid_angle_of_an_octant_is_an_eighth_of_the_sphere():
    corners = np.eye(3)[None]
    assert solid_angles(np.zeros((1, 3)), corners)[0] == pytest.approx(4 * np.pi / 8)
    assert solid_angles(np.zeros((1, 3)), corners[:, [1, 0, 2]])[0] == pytest.approx(-4 * np.pi / 8)


def test_winding_numbers_are_one_inside_and_nothing_outside():
    vertices, triangles = ball(2)
    points = np.random.RandomState(0).uniform(-1.5, 1.5, (300, 3))
    outwards = area_vectors(vertices, triangles)
    inside = (((points[:, None] - vertices[triangles[:, 0]]) * outwards).sum(-1) < 0).all(1)  # below the planes of all faces
    numbers = winding_numbers(points, vertices[triangles])
    np.testing.assert_allclose(numbers, inside, atol=1e-9)
    assert 0.05 < inside.mean() < 0.3


def test_winding_numbers_of_an_open_hemisphere_are_the_share_of_directions_that_it_covers():
    vertices, triangles = ball(4)
    upper = vertices[triangles][(vertices[triangles][..., 2] >= -1e-9).all(1)]
    heights = np.array([0.0, 0.3, 0.8])
    numbers = winding_numbers(np.stack([0 * heights, 0 * heights, heights], axis=1), upper)
    covered = 0.5 + 0.5 * heights / np.sqrt(1 + heights**2)  # the rest is the disc below, seen under a cone
    np.testing.assert_allclose(numbers, covered, atol=0.01)
