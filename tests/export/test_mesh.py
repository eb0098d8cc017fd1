"""Meshes of an analytic head: shape, colours, and files as another library reads them."""

import numpy as np
import pytest
import torch
import trimesh

from analytic_head import AnalyticHead
from fullhead.core import cameras as cams
from fullhead.core.colour import to_bytes
from fullhead.core.errors import FullheadError
from fullhead.export.mesh import (
    COLOUR_DEPTH,
    blended_colours,
    check_mesh_path,
    colouring_cameras,
    extract_mesh,
    point_colours,
    project,
    save_mesh,
)


def test_mesh_is_a_watertight_head_with_its_nose_in_front(mesh):
    shape = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert shape.is_watertight
    assert shape.volume > 0
    vertices = mesh.vertices / AnalyticHead.metres_per_unit
    assert vertices[:, 1].max() == pytest.approx(0.21, abs=0.02)
    assert vertices[:, 1].min() == pytest.approx(-0.5, abs=0.02)  # the neck is closed at the box
    assert vertices[:, 2].max() == pytest.approx(0.23, abs=0.02)
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=-1), 1, atol=1e-5)


def test_mesh_surface_lies_where_the_density_is_the_level(model, head):
    found = extract_mesh(model, head, resolution=128, coarse=32, level=50.0, views=colouring_cameras()[:0])
    vertices = found.vertices / AnalyticHead.metres_per_unit
    inner = np.abs(vertices).max(axis=-1) < 0.48
    density = model.density(head, torch.from_numpy(vertices[inner])[None])[0, :, 0]
    assert density.quantile(0.05) > 35
    assert density.quantile(0.95) < 70


def test_a_lower_level_gives_a_larger_head(model, head):
    volumes = []
    for level in (5.0, 150.0):
        found = extract_mesh(model, head, resolution=64, level=level, views=colouring_cameras()[:0])
        volumes.append(trimesh.Trimesh(found.vertices, found.faces, process=False).volume)
    assert volumes[0] > volumes[1]


def test_a_level_above_all_densities_is_refused_with_the_highest(model, head):
    with pytest.raises(FullheadError, match=r"no surface at density 1e\+03: the head reaches 300"):
        extract_mesh(model, head, resolution=32, coarse=32, level=1000.0)


def test_colours_from_views_agree_with_the_field_and_hair_is_not_skin(model, head, mesh):
    points, normals = torch.from_numpy(mesh.vertices / AnalyticHead.metres_per_unit), torch.from_numpy(mesh.normals)
    field = point_colours(model, head, points, normals, COLOUR_DEPTH)
    views = blended_colours(model, head, points, normals, colouring_cameras())
    assert (field - views).abs().mean() < 0.1
    hair = ((points[:, 2] < -0.1) & (points[:, 1] > 0)).numpy()
    expected = head.planes[0, 0, :, 0, 0, 0]
    np.testing.assert_allclose(np.median(mesh.colours[hair], axis=0), expected, atol=0.06)


def test_a_hidden_surface_takes_no_colour_from_what_hides_it(model, head):
    """A point of the neck behind the chin, seen from above by one camera that sees only hair."""
    point, up = torch.tensor([[0.0, -0.45, -0.1]]), torch.tensor([[0.0, 1.0, 0.0]])
    from_above = cams.orbit(0.0, 1.4)
    blended = blended_colours(model, head, point, up, from_above)
    torch.testing.assert_close(blended, point_colours(model, head, point, up, COLOUR_DEPTH))


def test_points_project_where_the_camera_looks():
    camera = cams.orbit(0.7, 0.3)
    uv, ahead = project(camera, torch.stack([torch.zeros(3), camera.origins[0] * 2]))
    torch.testing.assert_close(uv[0], torch.tensor([0.5, 0.5]))
    assert ahead.tolist() == [True, False]
    left_and_up, _ = project(cams.orbit(0.0), torch.tensor([[0.1, 0.2, 0.0]]))  # the subject's left is on the right
    torch.testing.assert_close(left_and_up[0], 0.5 + cams.FOCAL * torch.tensor([0.1, -0.2]) / cams.RADIUS)


@pytest.mark.parametrize("suffix", [".glb", ".ply", ".obj"])
def test_a_saved_mesh_is_read_back_in_metres_with_its_colours(mesh, tmp_path, suffix):
    path = save_mesh(mesh, tmp_path / f"head{suffix}")
    read = trimesh.load(path, process=False, force="mesh", maintain_order=True)
    assert len(read.vertices) == len(mesh.vertices)
    np.testing.assert_array_equal(read.faces, mesh.faces)
    np.testing.assert_allclose(read.vertices, mesh.vertices, atol=1e-6)
    assert (read.vertex_normals * mesh.normals).sum(axis=-1).min() > 0.8
    if suffix != ".glb":  # glTF is linear, see test_gltf_writer
        np.testing.assert_allclose(read.visual.vertex_colors[:, :3].astype(int), to_bytes(mesh.colours), atol=1)


def test_an_unknown_suffix_lists_the_valid_ones(mesh, tmp_path):
    with pytest.raises(FullheadError, match=r"'head.stl': choose one of .glb, .ply, .obj"):
        save_mesh(mesh, tmp_path / "head.stl")
    assert check_mesh_path("Head.GLB").name == "Head.GLB"


def test_a_mesh_of_two_heads_is_refused(model, latents):
    with pytest.raises(FullheadError, match="one head, not 3"):
        extract_mesh(model, model.decode(latents))
