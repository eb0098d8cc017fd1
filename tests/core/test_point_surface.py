"""The surface through a cloud of points, against the ball and the half ball that the points are of."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fullhead.core.errors import FullheadError
from fullhead.core.meshes import boundary_vertices, face_normals
from fullhead.core.point_surface import surface_of_points


def ball(count: int, seed: int = 0) -> NDArray:
    points = np.random.RandomState(seed).normal(size=(count, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("unit", [1e-3, 700.0])
def test_points_of_a_ball_become_a_closed_ball_with_their_colours(known: bool, unit: float):
    points, middle = ball(4000), unit * np.array([50.0, -3, 2])
    mesh = surface_of_points(unit * points + middle, points if known else None, points)
    out = (mesh.vertices - middle) / unit
    radius = np.linalg.norm(out, axis=1)
    np.testing.assert_allclose(radius, 1, atol=0.02)
    assert not boundary_vertices(mesh.faces, len(out)).any()
    sides = (face_normals(out, mesh.faces) * out[mesh.faces].mean(1)).sum(1)
    assert (sides > 0).mean() > 0.999, "faces look out"
    assert mesh.colours is not None
    np.testing.assert_allclose(mesh.colours, out / radius[:, None], atol=0.12)


def test_where_no_points_are_there_is_no_surface():
    points = ball(4000)
    mesh = surface_of_points(points[points[:, 1] > 0])
    assert mesh.vertices[:, 1].min() > -0.15 and boundary_vertices(mesh.faces, len(mesh.vertices)).any()
    high = mesh.vertices[:, 1] > 0.1
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices[high], axis=1), 1, atol=0.03)


def test_too_few_points_and_points_in_one_place_are_refused():
    for points, why in ((ball(20), "20 points are too few"), (np.ones((200, 3)), "one place"),
                        (np.repeat(ball(20), 10, axis=0), "20 different points")):  # fmt: skip
        with pytest.raises(FullheadError, match=why):
            surface_of_points(points)
