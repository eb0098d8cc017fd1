"""Painted meshes: what another library writes is read back, and files by hand are read as they say."""

import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from fullhead.core.errors import FullheadError
from fullhead.core.tri_mesh import TriMesh, texture_colours
from fullhead.io.mesh_files import read_mesh


def painting(size: int = 16) -> np.ndarray:
    return np.random.RandomState(0).randint(0, 256, (size, size, 3)).astype(np.uint8)


def test_texels_have_their_centres_where_they_should_and_are_mixed_between():
    texture = painting(4)
    rows, columns = np.mgrid[:4, :4]
    centres = np.stack([(columns + 0.5) / 4, 1 - (rows + 0.5) / 4], axis=-1).reshape(-1, 2)
    np.testing.assert_allclose(texture_colours(texture, centres), texture.reshape(-1, 3) / 127.5 - 1)
    between = texture_colours(texture, np.array([[0.25, 1 - 0.125]]))  # of the first two texels of the first row
    np.testing.assert_allclose(between[0], texture[0, :2].mean(0) / 127.5 - 1)
    repeated = texture_colours(texture, np.array([[1.125, 0.875], [0.0, 0.875]]))
    np.testing.assert_allclose(repeated[0], texture[0, 0] / 127.5 - 1)
    np.testing.assert_allclose(repeated[1], texture[0, [0, -1]].mean(0) / 127.5 - 1)


def test_an_obj_is_read_with_its_polygons_materials_and_textures(tmp_path: Path):
    texture = painting()
    Image.fromarray(texture).save(tmp_path / "skin.png")
    (tmp_path / "head.mtl").write_text("newmtl skin\nKd 1 1 1\nmap_Kd skin.png\nnewmtl shirt\nKd 0.1 0.2 0.3\n")
    (tmp_path / "head.obj").write_text(
        "# by hand\nmtllib head.mtl\n"
        "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 0 1\nv 1 0 1\n"
        "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
        "usemtl skin\nf 1/1 2/2 3/3 4/4\nusemtl shirt\nf -2 -1 1\n"
    )
    mesh = read_mesh(tmp_path / "head.obj")
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2], [0, 2, 3], [4, 5, 0]])
    assert (len(mesh.textures), mesh.texture_ids.tolist()) == (1, [0, 0, -1])
    at = mesh.colours_at(np.array([0, 1, 2]), np.array([[0.5, 0, 0.5], [0.25, 0.25, 0.5], [1, 0, 0]]))
    np.testing.assert_allclose(at[:2], texture_colours(texture, np.array([[0.5, 0.5], [0.25, 0.75]])))
    np.testing.assert_allclose(at[2], [-0.8, -0.6, -0.4])
    other = np.full((2, 2, 3), 51, np.uint8)
    Image.fromarray(other).save(tmp_path / "other.png")
    changed = read_mesh(tmp_path / "head.obj", texture=tmp_path / "other.png")
    np.testing.assert_allclose(changed.colours_at(np.arange(3), np.full((3, 3), 1 / 3)), -0.6)
    kept = mesh.select_faces(np.array([False, True, True]))
    np.testing.assert_allclose(kept.colours_at(np.array([0]), np.array([[0.25, 0.25, 0.5]])), at[1:2])


@pytest.mark.parametrize("ending", [".obj", ".glb"])
def test_textured_meshes_of_another_library_keep_their_places_and_colours(tmp_path: Path, ending: str):
    texture = painting()
    ball = trimesh.creation.icosphere(2)
    uv = np.random.RandomState(1).uniform(0, 1, (len(ball.vertices), 2))
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.fromarray(texture))
    if ending == ".obj":
        material = trimesh.visual.material.SimpleMaterial(image=Image.fromarray(texture))
    ball.visual = trimesh.visual.TextureVisuals(uv=uv, material=material)
    ball.export(tmp_path / f"ball{ending}")
    mesh = read_mesh(tmp_path / f"ball{ending}")
    centres = mesh.vertices[mesh.faces].mean(1)
    order, theirs = np.lexsort(centres.round(4).T), np.lexsort(ball.triangles_center.round(4).T)
    np.testing.assert_allclose(centres[order], ball.triangles_center[theirs], atol=1e-6)
    weights = np.full((len(mesh.faces), 3), 1 / 3)
    wanted = texture_colours(texture, uv[ball.faces].mean(1))
    np.testing.assert_allclose(mesh.colours_at(np.arange(len(weights)), weights)[order], wanted[theirs], atol=1e-4)


def test_nodes_of_a_glb_are_placed_and_their_colours_shown(tmp_path: Path):
    box = trimesh.creation.box()
    box.visual = trimesh.visual.ColorVisuals(box, vertex_colors=np.tile([255, 0, 0, 255], (8, 1)).astype(np.uint8))
    scene = trimesh.Scene()
    turn = trimesh.transformations.rotation_matrix(0.7, [1, 2, 3])
    turn[:3, 3] = [1, 2, 3]
    scene.add_geometry(box, transform=turn)
    scene.export(tmp_path / "scene.glb")
    mesh = read_mesh(tmp_path / "scene.glb")
    np.testing.assert_allclose(mesh.vertices, box.vertices @ turn[:3, :3].T + turn[:3, 3], atol=1e-6)
    np.testing.assert_allclose(mesh.colours, np.tile([1.0, -1, -1], (8, 1)))


@pytest.mark.parametrize("encoding", ["ascii", "binary"])
def test_a_ply_of_another_library_keeps_its_places_and_colours(tmp_path: Path, encoding: str):
    ball = trimesh.creation.icosphere(1)
    colours = np.random.RandomState(0).randint(0, 256, (len(ball.vertices), 4)).astype(np.uint8)
    ball.visual = trimesh.visual.ColorVisuals(ball, vertex_colors=colours)
    (tmp_path / "ball.ply").write_bytes(trimesh.exchange.ply.export_ply(ball, encoding=encoding))
    mesh = read_mesh(tmp_path / "ball.ply")
    np.testing.assert_allclose(mesh.vertices, ball.vertices, atol=1e-6)
    np.testing.assert_array_equal(mesh.faces, ball.faces)
    np.testing.assert_allclose(mesh.colours, colours[:, :3] / 127.5 - 1)


def test_a_ply_may_mix_polygons_and_orders_of_bytes(tmp_path: Path):
    head = (
        "ply\nformat binary_big_endian 1.0\nelement vertex 5\nproperty float x\nproperty float y\nproperty float z\n"
        "element face 2\nproperty list uchar int vertex_indices\nproperty uchar flag\nelement other 0\nend_header\n"
    )
    points = np.random.RandomState(0).rand(5, 3).astype(np.float32)
    faces = struct.pack(">BiiiiB", 4, 0, 1, 2, 3, 7) + struct.pack(">BiiiB", 3, 2, 3, 4, 9)
    (tmp_path / "mixed.ply").write_bytes(head.encode() + points.astype(">f4").tobytes() + faces)
    mesh = read_mesh(tmp_path / "mixed.ply")
    np.testing.assert_allclose(mesh.vertices, points)
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2], [0, 2, 3], [2, 3, 4]])


def test_files_that_are_no_meshes_are_refused_in_a_line(tmp_path: Path):
    (tmp_path / "cloud.ply").write_text(
        "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\nend_header\n0 0 0\n"
    )
    (tmp_path / "torn.glb").write_bytes(b"glTF" + bytes(4))
    (tmp_path / "far.obj").write_text("v 0 0 0\nv 0 1 0\nv 1 0 0\nf 1 2 9\n")
    (tmp_path / "word.obj").write_text("v 0 0 zero\nv 0 1 0\nv 1 0 0\nf 1 2 3\n")
    (tmp_path / "head.stl").write_text("solid")
    said = {"cloud.ply": "no faces", "torn.glb": "sound", "far.obj": "damaged", "word.obj": "sound", "head.stl": "no mesh"}
    for name, why in said.items():
        with pytest.raises(FullheadError, match=why):
            read_mesh(tmp_path / name)
    with pytest.raises(FullheadError, match="no mesh file at"):
        read_mesh(tmp_path / "absent.ply")
    plain = TriMesh(np.zeros((3, 3)), np.array([[0, 1, 2]]), colours=np.zeros((3, 3)))
    np.testing.assert_array_equal(plain.colours_at(np.array([0]), np.full((1, 3), 1 / 3)), np.zeros((1, 3)))
