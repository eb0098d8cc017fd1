"""The rasterisers agree with each other and with geometry."""

import numpy as np
import pytest
import torch

from fullhead.core import raster as reference
from fullhead.kernels import raster as fast

RASTERIZERS = [reference.rasterize, fast.rasterize]


def random_triangles(count: int, size: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    xy = torch.rand(count, 3, 2, generator=generator) * 0.4 * size + torch.rand(count, 1, 2, generator=generator) * 0.9 * size
    z = 1 + torch.rand(count, 3, generator=generator)
    return xy.reshape(-1, 2) - 0.1 * size, z.reshape(-1), torch.arange(3 * count).reshape(-1, 3)


def test_the_fast_rasteriser_agrees_with_its_reference() -> None:
    xy, z, triangles = random_triangles(60, 40)
    slow, quick = (rasterize(xy, z, triangles, 37, 41) for rasterize in RASTERIZERS)
    same = slow.face == quick.face
    assert same.float().mean() > 0.995  # rounding may move a pixel on an edge
    assert (slow.face >= 0).float().mean() > 0.3
    torch.testing.assert_close(slow.barycentric[same], quick.barycentric[same], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(slow.depth[same], quick.depth[same], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rasterize", RASTERIZERS)
def test_the_nearer_triangle_wins(rasterize) -> None:
    square = torch.tensor([[-9.0, -9], [30, -9], [-9, 30]])
    z = torch.tensor([2.0, 2, 2, 1, 1, 1])
    triangles = torch.tensor([[0, 1, 2], [3, 4, 5]])
    seen = rasterize(torch.cat([square, square]), z, triangles, 4, 4)
    assert (seen.face == 1).all()
    torch.testing.assert_close(seen.depth, torch.ones(4, 4))


@pytest.mark.parametrize("rasterize", RASTERIZERS)
def test_weights_reproduce_the_point_a_pixel_sees(rasterize) -> None:
    corners = torch.tensor([[-1.0, -1.2, 2.0], [1.5, -1.0, 3.0], [0.0, 1.5, 5.0]])  # camera coordinates
    focal, size = 40.0, 64
    seen = rasterize(corners[:, :2] / corners[:, 2:] * focal + size / 2, corners[:, 2], torch.tensor([[0, 1, 2]]), size, size)
    rows, columns = torch.nonzero(seen.face == 0, as_tuple=True)
    points = seen.barycentric[rows, columns] @ corners
    pixels = points[:, :2] / points[:, 2:] * focal + size / 2
    assert len(rows) > 200
    torch.testing.assert_close(pixels, torch.stack([columns, rows], dim=-1) + 0.5, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(points[:, 2], seen.depth[rows, columns])


@pytest.mark.parametrize("rasterize", RASTERIZERS)
def test_triangles_behind_the_camera_are_left_out(rasterize) -> None:
    xy = torch.tensor([[-9.0, -9], [30, -9], [-9, 30]])
    seen = rasterize(xy, torch.tensor([1.0, 1, -1]), torch.tensor([[0, 1, 2]]), 4, 4)
    assert (seen.face == -1).all() and not seen.depth.any() and not seen.barycentric.any()


def test_depth_of_the_reference_has_gradients() -> None:
    xy, z, triangles = random_triangles(3, 16)
    z = z.double().requires_grad_()
    xy = xy.double()

    def depth(z: torch.Tensor) -> torch.Tensor:
        return reference.rasterize(xy, z, triangles, 8, 8).depth

    assert torch.autograd.gradcheck(depth, (z,))


def test_thinning_keeps_about_the_asked_share() -> None:
    big = np.array([[-99.0, -99], [300, -99], [-99, 300]])
    triangle = fast.rasterize_arrays(big[:, 0], big[:, 1], np.ones(3), np.array([[0, 1, 2]]), 80, 80, np.array([0.3]))[0]
    assert abs((triangle == 0).mean() - 0.3) < 0.05


def test_an_orthographic_view_shows_the_nearest_point_above_each_pixel() -> None:
    rng = np.random.RandomState(0)
    vertices, triangles = rng.uniform(-1, 1, (60, 3)), np.arange(60).reshape(-1, 3)
    found, weights, z = fast.orthographic(vertices, triangles, 31)
    for row in range(31):
        for column in range(31):
            pixel = np.array([(column + 0.5) / 31 * 2 - 1, 1 - (row + 0.5) / 31 * 2])
            heights = []
            for corners in vertices[triangles]:
                sides = np.stack([corners[1] - corners[0], corners[2] - corners[0]], axis=1)
                share = np.linalg.solve(sides[:2], pixel - corners[0, :2])
                inside = share.min() >= 0 and share.sum() <= 1
                heights.append((corners[0] + sides @ share)[2] if inside else -9.0)
            if max(heights) == -9:
                assert found[row, column] == -1 and not weights[row, column].any()
                continue
            assert found[row, column] == np.argmax(heights)
            assert z[row, column] == pytest.approx(max(heights), abs=1e-4)
            place = weights[row, column] @ vertices[triangles[found[row, column]]]
            np.testing.assert_allclose(place, [*pixel, max(heights)], atol=1e-4)
