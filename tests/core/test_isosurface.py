"""Sparse surfaces against whole grids, an independent marching cubes, and closed forms."""

from functools import partial

import numpy as np
import pytest
import torch
import trimesh
from skimage.measure import marching_cubes
from torch import Tensor

from fullhead.core.errors import FullheadError
from fullhead.core.isosurface import central_component, extract_surface, largest_component, refined
from fullhead.core.meshes import vertex_normals
from fullhead.core.tri_mesh import TriMesh


def sphere(xyz: Tensor) -> Tensor:
    return torch.sigmoid((0.31 - xyz.norm(dim=-1)) * 40)


def torus(xyz: Tensor) -> Tensor:
    ring = torch.hypot(xyz[:, 0], xyz[:, 2]) - 0.27
    return torch.sigmoid((0.09 - torch.hypot(ring, xyz[:, 1])) * 40)


def two_blobs(xyz: Tensor) -> Tensor:
    near, far = (xyz - torch.tensor([-0.15, 0.02, 0.0])).norm(dim=-1), (xyz - torch.tensor([0.24, 0.0, 0.0])).norm(dim=-1)
    return torch.sigmoid((torch.maximum(0.2 - near, 0.11 - far)) * 40)


def bust(xyz: Tensor) -> Tensor:
    """A ball on a column that leaves the cube below."""
    column = torch.hypot(xyz[:, 0], xyz[:, 2]) - 0.2
    return torch.sigmoid(-torch.minimum(xyz.norm(dim=-1) - 0.3, torch.maximum(column, xyz[:, 1])) * 40)


def noise(seed: int, r: int) -> tuple[np.ndarray, float]:
    return np.random.default_rng(seed).normal(size=(r + 1,) * 3).astype(np.float32), -9.0


def as_trimesh(surface: TriMesh[np.ndarray]) -> trimesh.Trimesh:
    return trimesh.Trimesh(surface.vertices, surface.faces, process=False)


def in_order(rows: np.ndarray) -> np.ndarray:
    rows = np.round(rows, 5)
    return rows[np.lexsort(rows.T)]


@pytest.mark.parametrize("field", [sphere, torus, two_blobs, bust])
def test_sparse_surface_is_that_of_the_whole_grid(field):
    counts = [0, 0]

    def counted(which: int, xyz: Tensor) -> Tensor:
        counts[which] += len(xyz)
        return field(xyz)

    sparse, whole = (extract_surface(partial(counted, i), 1.0, 0.5, 64, coarse=coarse) for i, coarse in enumerate((16, 64)))
    np.testing.assert_array_equal(in_order(sparse.vertices), in_order(whole.vertices))
    corners = [in_order(s.vertices[s.faces].mean(axis=1)) for s in (sparse, whole)]
    np.testing.assert_allclose(corners[0], corners[1], atol=2e-5)
    assert counts[0] < 0.25 * counts[1]


@pytest.mark.parametrize("field", [sphere, torus, two_blobs])
def test_vertices_are_those_of_another_marching_cubes(field):
    r = 40
    axis = torch.linspace(-0.5, 0.5, r + 1)
    xyz = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)
    theirs = marching_cubes(field(xyz.reshape(-1, 3)).reshape(r + 1, r + 1, r + 1).numpy(), 0.5)[0] / r - 0.5
    ours = extract_surface(field, 1.0, 0.5, r, coarse=10).vertices
    assert len(ours) == len(theirs)
    np.testing.assert_allclose(in_order(ours), in_order(theirs), atol=2e-3 / r)


@pytest.mark.parametrize(("field", "handles"), [(sphere, 0), (torus, 1), (bust, 0)])
def test_surface_is_watertight_with_the_right_topology(field, handles):
    mesh = as_trimesh(extract_surface(field, 1.0, 0.5, 64, coarse=16))
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.euler_number == 2 - 2 * handles


def test_sphere_has_its_volume_and_normals_point_outwards():
    surface = extract_surface(sphere, 1.0, 0.5, 64, coarse=16)
    assert as_trimesh(surface).volume == pytest.approx(4 / 3 * np.pi * 0.31**3, rel=0.005)
    outwards = surface.vertices / np.linalg.norm(surface.vertices, axis=-1, keepdims=True)
    assert (vertex_normals(surface.vertices, surface.faces) * outwards).sum(-1).min() > 0.99


def test_surface_is_closed_where_it_leaves_the_cube():
    surface = extract_surface(bust, 2.0, 0.5, 64, coarse=16)
    small = extract_surface(bust, 1.0, 0.5, 64, coarse=16)
    for s, half in ((surface, 1.0), (small, 0.5)):
        mesh = as_trimesh(s)
        assert mesh.is_watertight
        assert np.abs(s.vertices).max() <= half
        assert s.vertices[:, 1].min() == pytest.approx(-half, abs=2 * half / 64)


@pytest.mark.parametrize("seed", range(3))
def test_surface_of_pure_noise_is_a_closed_manifold(seed):
    """Every ambiguous cell, next to every other: each edge must have exactly two faces, also after exact ties."""
    values, outside = noise(seed, 16)
    values[values > 1.5] = 0.1  # ties with the level

    def field(xyz: Tensor) -> Tensor:
        i, j, k = ((xyz + 0.5) * 16).round().long().unbind(-1)
        return torch.from_numpy(values)[i, j, k]

    surface = extract_surface(field, 1.0, 0.1, 16, coarse=16, outside=outside)
    edges = np.sort(surface.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=-1)
    assert set(np.unique(edges, axis=0, return_counts=True)[1]) == {2}
    merged = trimesh.Trimesh(surface.vertices, surface.faces, process=True)  # merges vertices that coincide
    assert len(merged.vertices) == len(surface.vertices)
    assert merged.is_watertight
    assert merged.volume > 0


def test_a_thin_horn_that_the_coarse_grid_misses_is_followed_from_the_head():
    def horned(xyz: Tensor) -> Tensor:
        horn = torch.maximum(torch.hypot(xyz[:, 0] - 0.03, xyz[:, 2] - 0.03) - 0.012, (xyz[:, 1] - 0.2).abs() - 0.2)
        return torch.sigmoid(-torch.minimum(xyz.norm(dim=-1) - 0.2, horn) * 100)

    sparse = extract_surface(horned, 1.0, 0.5, 128, coarse=8)
    assert sparse.vertices[:, 1].max() > 0.39
    assert len(sparse.vertices) == len(extract_surface(horned, 1.0, 0.5, 128, coarse=128).vertices)


def test_the_field_is_asked_for_few_points_in_chunks_and_never_twice():
    asked = []

    def counted(xyz: Tensor) -> Tensor:
        asked.append(xyz.clone())
        return sphere(xyz)

    extract_surface(counted, 1.0, 0.5, 128, coarse=32, chunk=5000)
    points = torch.cat(asked)
    assert max(map(len, asked)) <= 5000
    assert len(points) == len(torch.unique(points, dim=0))
    assert len(points) < 0.08 * 129**3


@pytest.mark.parametrize("above", [0.25, 0.0, -1.0])
def test_edges_at_chosen_vertices_are_halved_and_the_surface_stays_closed_where_it_was(above: float):
    whole = extract_surface(torus, 1.0, 0.5, 32)
    chosen = whole.vertices[:, 0] > above
    fine = refined(whole, chosen)
    before, after = as_trimesh(whole), as_trimesh(fine)
    assert after.is_watertight and after.euler_number == before.euler_number
    assert after.area == pytest.approx(before.area, rel=1e-5) and after.volume == pytest.approx(before.volume, rel=1e-5)
    np.testing.assert_array_equal(fine.vertices[: len(chosen)], whole.vertices)
    halved = chosen[before.edges_unique].any(1)
    assert len(fine.vertices) == len(chosen) + halved.sum()
    ends = np.sort(after.edges_unique, axis=1)
    assert not (ends[:, 1] < len(chosen))[chosen[ends.clip(max=len(chosen) - 1)].any(1)].any()  # none of the old edges there


def test_largest_piece_drops_floaters():
    surface = extract_surface(two_blobs, 1.0, 0.5, 64, coarse=16)
    head = largest_component(surface)
    assert as_trimesh(surface).body_count == 2
    assert as_trimesh(head).is_watertight
    assert head.vertices[:, 0].max() < 0.06


@pytest.mark.parametrize(("small", "kept"), [(0.1, 0.2), (0.16, 0.16)])
def test_the_central_piece_gives_way_to_one_of_more_than_twice_its_area(small: float, kept: float):
    """A ball at the origin, and one of radius 0.2 beside it."""

    def two_balls(xyz: Tensor) -> Tensor:
        return torch.maximum(small - xyz.norm(dim=-1), 0.2 - (xyz - torch.tensor([0.0, 0.4, 0.0])).norm(dim=-1))

    surface = extract_surface(two_balls, 1.3, 0.0, 64, coarse=16, outside=-1.0)
    piece = central_component(surface)
    assert as_trimesh(surface).body_count == 2
    assert np.ptp(piece.vertices, axis=0) == pytest.approx(2 * kept, rel=0.01)


def test_only_corners_of_crossed_cells_are_asked_for_below_the_coarse_grid():
    asked = []

    def counted(xyz: Tensor) -> Tensor:
        asked.append(len(xyz))
        return sphere(xyz)

    r = 64
    extract_surface(counted, 1.0, 0.5, r, coarse=32)
    axis = (torch.arange(r + 1) / r - 0.5).float()
    inside = sphere(torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).reshape(-1, 3)).view(
        r + 1, r + 1, r + 1
    )
    corners = (inside > 0.5).float()[None, None]
    crossed = torch.nn.functional.avg_pool3d(corners, 2, stride=1)
    crossed = ((crossed > 0) & (crossed < 1)).float()
    needed = torch.nn.functional.max_pool3d(torch.nn.functional.pad(crossed, (1,) * 6), 2, stride=1)[0, 0] > 0
    needed[::2, ::2, ::2] = False  # known from the coarse grid
    assert sum(asked) == 31**3 + int(needed.sum())  # the samples on the cube's faces are not asked for


def test_a_level_without_surface_says_which_values_there_are():
    with pytest.raises(FullheadError, match=r"values run from 0 to 1;"):
        extract_surface(sphere, 1.0, 5.0, 16)
    with pytest.raises(FullheadError, match="must be above 0"):
        extract_surface(sphere, 1.0, 0.0, 16)


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(FullheadError, match="not finite"):
        extract_surface(lambda xyz: sphere(xyz) / 0, 1.0, 0.5, 16)
