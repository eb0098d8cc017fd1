"""Painted meshes: what another library writes is read back, and files by hand are read as they say."""

import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from test_images import BOMB, p3_profile

from fullhead.core.errors import FullheadError
from fullhead.core.tri_mesh import TriMesh, texture_colours
from fullhead.io.images import read_image
from fullhead.io.mesh_files import read_mesh
from small_scans import write_obj


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
        "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 0 -1\nv 1 0 -1\n"
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
    faces = struct.pack(">BiiiiB", 4, 0, 1, 2, 3, 7) + struct.pack(">BiiiB", 3, 3, 2, 4, 9)
    (tmp_path / "mixed.ply").write_bytes(head.encode() + points.astype(">f4").tobytes() + faces)
    mesh = read_mesh(tmp_path / "mixed.ply")
    np.testing.assert_allclose(mesh.vertices, points)
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2], [0, 2, 3], [3, 2, 4]])


RED, GREY = (255, 0, 0), (204, 204, 204)
POINTS = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"
TEXTURED = POINTS + "vt 0.1 0\nvt 0.1 0\nvt 0.1 0\nusemtl A\nf 1/1 2/2 3/3\n"


def half_red(path: Path) -> None:
    """A picture that is red at the left and black at the right."""
    Image.fromarray(np.tile(np.uint8([RED] * 4 + [(0, 0, 0)] * 4), (8, 1, 1))).save(path)


def colours_of(mesh: TriMesh) -> np.ndarray:
    """Of the faces' middles, in bytes."""
    count = len(mesh.faces)
    return np.round((mesh.colours_at(np.arange(count), np.full((count, 3), 1 / 3)) + 1) * 127.5)


@pytest.mark.parametrize(
    ("text", "faces"),
    [
        (POINTS + "f -3 -2 -1\nv 0 0 5\nv 1 0 5\nv 0 1 5\nf -3 -2 -1\n", [[0, 1, 2], [3, 4, 5]]),
        (POINTS.replace(" ", "\t") + "f\t1\t2\t3\n", [[0, 1, 2]]),
        (POINTS.replace("v", "  v") + "\tf 1 2 3\n", [[0, 1, 2]]),
        (POINTS + "v 1 1 0\nf 1 2 \\\n4 3\n", [[0, 1, 3], [0, 3, 2]]),
        (POINTS + "f 1 2 \\\r\n3\r\n", [[0, 1, 2]]),
        (POINTS.replace("\n", " # a\n") + "f 1 2 3#\n".replace("3#", "3 # x"), [[0, 1, 2]]),
        ("\ufeff" + POINTS + "f 1 2 3\n", [[0, 1, 2]]),
        ("f 1 2 3\n" + POINTS, [[0, 1, 2]]),
        (POINTS + "f 1\nf 1 2\nl 1 2\np 1\nf 1 2 3", [[0, 1, 2]]),
        (POINTS.replace("0\n", "0 1.0\n") + "f 1//1 2//1 3//1\n", [[0, 1, 2]]),
        ("v 0 0 0\nv 2 0 0\nv 2 2 0\nv 1.5 0.5 0\nf 1 2 3 4\n", [[3, 0, 1], [1, 2, 3]]),
    ],
)
def test_an_obj_may_be_written_in_any_way(tmp_path: Path, text: str, faces: list[list[int]]):
    (tmp_path / "a.obj").write_text(text, encoding="utf-8", newline="")
    mesh = read_mesh(tmp_path / "a.obj")
    np.testing.assert_array_equal(mesh.faces, faces)
    np.testing.assert_array_equal(mesh.vertices[0], [0, 0, 0])
    assert mesh.colours is None and mesh.uv is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("f 0 1 2", "line 4: a face has a vertex .* 3"), ("f 1 2 4", "line 4"), ("f -4 2 3", "line 4"), ("f 1 2 x", "line 4"),
        ("vt 0 0\nf 1/1 2/2 3/1", "line 5: a face has a vt .* 1"), ("f 1 2 3\nv 0 0", "line 5"), ("f 1 2 3\nv 0 0 a", "line 5"),
    ],
)  # fmt: skip
def test_an_obj_that_is_wrong_is_refused_with_its_line(tmp_path: Path, text: str, line: str):
    (tmp_path / "a.obj").write_text(POINTS + text)
    with pytest.raises(FullheadError, match=line):
        read_mesh(tmp_path / "a.obj")


@pytest.mark.parametrize(
    ("colours", "wanted"),
    [
        (["255 128 0"] * 3, [(255, 128, 0)] * 3),
        (["1 0.2 0"] * 3, [(255, 51, 0)] * 3),
        (["1.2 0.2 0 1"] * 3, [(255, 51, 0)] * 3),
        (["1 0 0", "", "1 0 0"], [RED, GREY, RED]),
    ],
)
def test_vertices_of_an_obj_have_colours_up_to_1_or_255_or_none(tmp_path: Path, colours: list[str], wanted: list):
    lines = [f"{line} {colour}" for line, colour in zip(POINTS.splitlines(), colours, strict=True)]
    (tmp_path / "a.obj").write_text("\n".join([*lines, "f 1 2 3"]))
    np.testing.assert_allclose((read_mesh(tmp_path / "a.obj").colours + 1) * 127.5, wanted)


@pytest.mark.parametrize(
    ("library", "material"),
    [
        ("a.mtl", "newmtl A\nKd 1 1 1\nmap_Kd red.png"),
        ("a.mtl", "newmtl\tA\n\tKd\t0.5 0.5 0.5\n\tmap_Kd\tred.png  # a picture"),
        ("my lib.mtl", "newmtl A\nmap_Kd red.png"),
        ('"my lib.mtl"', "newmtl A\nmap_Kd red.png"),
        ("other.mtl a.mtl", "newmtl A\nmap_Kd red.png"),
        ("a.mtl", "newmtl A\nmap_Kd -s 1 1 1 red.png"),
        ("a.mtl", "newmtl A\nmap_Kd -bm 1.0 -clamp on -mm 0 1 red.png"),
        ("a.mtl", "newmtl A\nmap_Kd -o 0 0 0 -s 1 1 1 my red.png"),
        ("a.mtl", "newmtl A\nmap_Kd -o 0.6 -s 8 1 red.png"),
        ("a.mtl", 'newmtl A\nmap_Kd "red.png"'),
        ("a.mtl", "newmtl A\nmap_Kd C:\\Users\\me\\red.png"),
        ("a.mtl", "newmtl A\nmap_Kd ./red.png"),
    ],
)
def test_materials_are_found_with_their_pictures(tmp_path: Path, library: str, material: str):
    half_red(tmp_path / "red.png")
    half_red(tmp_path / "my red.png")
    (tmp_path / "other.mtl").write_text("newmtl B\nKd 0 1 0\n")
    (tmp_path / library.split(" a.")[-1].strip('"').replace("mtl.mtl", "a.mtl")).write_text(material)
    if library == "other.mtl a.mtl":
        (tmp_path / "a.mtl").write_text(material)
    (tmp_path / "a.obj").write_text(f"mtllib {library}\n{TEXTURED}")
    np.testing.assert_array_equal(colours_of(read_mesh(tmp_path / "a.obj")), [RED])


@pytest.mark.parametrize("line", ["map_Kd", "map_Kd -1", "map_Kd -s 1 1 1"])
def test_a_material_that_names_no_picture_keeps_its_colour(tmp_path: Path, line: str):
    (tmp_path / "a.mtl").write_text(f"newmtl A\nKd 1 0 0\n{line}")
    (tmp_path / "a.obj").write_text(f"mtllib a.mtl\n{TEXTURED}")
    mesh = read_mesh(tmp_path / "a.obj")
    assert not mesh.textures
    np.testing.assert_allclose((mesh.colours + 1) * 127.5, 3 * [RED])


@pytest.mark.parametrize("material", [None, "newmtl A\nKd 1 1 1\nmap_Kd lost.png"])
def test_what_is_missing_beside_an_obj_is_said_by_name(tmp_path: Path, caplog: pytest.LogCaptureFixture, material: str | None):
    if material:
        (tmp_path / "lost.mtl").write_text(material)
    (tmp_path / "a.obj").write_text(f"mtllib lost.mtl\n{TEXTURED}")
    mesh = read_mesh(tmp_path / "a.obj")
    assert mesh.colours is None and not mesh.textures
    assert f"names {'lost.png' if material else 'lost.mtl'}, which is not there" in caplog.text
    half_red(tmp_path / "red.png")
    caplog.clear()
    given = read_mesh(tmp_path / "a.obj", texture=tmp_path / "red.png")
    np.testing.assert_array_equal(colours_of(given), [RED])


def test_a_face_without_texture_points_has_no_texture(tmp_path: Path):
    half_red(tmp_path / "red.png")
    (tmp_path / "a.mtl").write_text("newmtl A\nmap_Kd red.png")
    (tmp_path / "a.obj").write_text(f"mtllib a.mtl\n{TEXTURED}v 0 0 1\nf 2 1 4\n")
    np.testing.assert_array_equal(colours_of(read_mesh(tmp_path / "a.obj")), [RED, GREY])


def ply(path: Path, vertex: str = "", rows: str = "", face: str = "", row: str = "", comment: str = "") -> Path:
    """A text file of one triangle; more properties of its vertices and of its face, as "uchar red", with their numbers."""
    properties = [f"property {line}" for line in vertex.split(",") if line]
    faces = [f"property {line}" for line in face.split(",") if line]
    head = ["ply", "format ascii 1.0", f"comment {comment}", "element vertex 3", *[f"property float {x}" for x in "xyz"]]
    head += [*properties, "element face 1", "property list uchar int vertex_indices", *faces, "end_header"]
    path.write_text("\n".join([*head, f"0 0 0 {rows}", f"1 0 0 {rows}", f"0 1 0 {rows}", f"3 0 1 2 {row}", ""]))
    return path


@pytest.mark.parametrize("names", ["red green blue", "diffuse_red diffuse_green diffuse_blue", "r g b", "Red Green Blue"])
@pytest.mark.parametrize(
    ("kind", "numbers"),
    [("uchar", "255 51 0"), ("ushort", "65535 13107 0"), ("float", "255 51 0"), ("float", "1 0.2 0"), ("int", "255 51 0")],
)
def test_a_ply_has_colours_of_many_names_and_types(tmp_path: Path, names: str, kind: str, numbers: str):
    columns = ",".join(f"{kind} {name}" for name in names.split())
    mesh = read_mesh(ply(tmp_path / "a.ply", columns, numbers))
    np.testing.assert_allclose((mesh.colours + 1) * 127.5, [(255, 51, 0)] * 3, atol=1e-4)
    painted = read_mesh(ply(tmp_path / "b.ply", face=columns, row=numbers))
    np.testing.assert_array_equal(colours_of(painted), [(255, 51, 0)])


@pytest.mark.parametrize("names", ["s t", "u v", "texture_u texture_v"])
def test_a_ply_has_its_texture_by_vertices(tmp_path: Path, names: str):
    half_red(tmp_path / "my red.png")
    columns = ",".join(f"float {name}" for name in names.split())
    mesh = read_mesh(ply(tmp_path / "a.ply", columns, "0.1 0", comment="TextureFile my red.png"))
    np.testing.assert_array_equal(colours_of(mesh), [RED])
    assert not read_mesh(ply(tmp_path / "b.ply", columns, "0.1 0")).textures


def test_a_ply_has_its_textures_by_corners(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    half_red(tmp_path / "red.png")
    corners, numbers = "list uchar float texcoord", "6 0.1 0 0.1 0 0.1 0"
    mesh = read_mesh(ply(tmp_path / "a.ply", face=corners, row=numbers, comment="TextureFile red.png"))
    np.testing.assert_array_equal(colours_of(mesh), [RED])
    two = "TextureFile lost.png\ncomment TextureFile red.png"
    for number, wanted in ((0, GREY), (1, RED), (-1, GREY), (7, GREY)):
        path = ply(tmp_path / "b.ply", face=f"{corners},int texnumber", row=f"{numbers} {number}", comment=two)
        np.testing.assert_array_equal(colours_of(read_mesh(path)), [wanted])
    assert "names lost.png, which is not there" in caplog.text
    with pytest.raises(FullheadError, match="texcoord"):
        read_mesh(ply(tmp_path / "c.ply", face=corners, row="4 0 0 0 0"))


def test_a_ply_may_have_strips_of_triangles(tmp_path: Path):
    head = "ply\nformat ascii 1.0\nelement vertex 5\nproperty float x\nproperty float y\nproperty float z\n"
    head += "element tristrips 1\nproperty list int int vertex_indices\nend_header\n"
    (tmp_path / "a.ply").write_text(head + "0 0 0\n1 0 0\n0 1 0\n1 1 0\n2 1 0\n8 0 1 2 3 -1 3 1 4\n")
    np.testing.assert_array_equal(read_mesh(tmp_path / "a.ply").faces, [[0, 1, 2], [1, 3, 2], [3, 1, 4]])


@pytest.mark.parametrize("newline", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize(("form", "order"), [("binary_little_endian", "<"), ("binary_big_endian", ">")])
def test_headers_of_a_ply_end_where_they_say(tmp_path: Path, newline: str, form: str, order: str):
    lines = ["ply", f"format {form} 1.0", "comment the end_header follows", "element vertex 3"]
    lines += [
        *(f"property float {x}" for x in "xyz"),
        "element face 1",
        "property list uchar uint vertex_index",
        "end_header",
        "",
    ]
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], f"{order}f4")
    points.view("u1")[0, 0] = 10  # a first byte that looks like the end of a line
    body = points.tobytes() + struct.pack(f"{order}B3I", 3, 0, 1, 2)
    (tmp_path / "a.ply").write_bytes(newline.join(lines).encode() + body)
    mesh = read_mesh(tmp_path / "a.ply")
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2]])
    np.testing.assert_array_equal(mesh.vertices, points)
    (tmp_path / "b.ply").write_bytes(newline.join(lines).encode() + body[:-2])
    with pytest.raises(FullheadError, match=r"beyond|ends before"):
        read_mesh(tmp_path / "b.ply")


@pytest.mark.parametrize("count", ["-1", "1000000000000", "x"])
def test_a_ply_that_promises_too_much_is_refused(tmp_path: Path, count: str):
    path = ply(tmp_path / "a.ply")
    path.write_text(path.read_text().replace("element vertex 3", f"element vertex {count}"))
    with pytest.raises(FullheadError, match="sound"):
        read_mesh(path)


@pytest.mark.parametrize("suffix", [".obj", ".ply"])
def test_scans_that_are_wound_inside_out_are_turned_with_their_textures(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, suffix: str
):
    ball = trimesh.creation.icosphere(3)
    points, faces = ball.vertices, np.asarray(ball.faces)
    uv = np.random.RandomState(0).rand(len(faces), 3, 2).round(4)
    some = np.random.RandomState(1).rand(len(faces)) < 0.3
    for wrong, said in ((some, f"{some.sum()} of its {len(faces)} faces"), (~(some & False), "inside out")):
        f, t = np.where(wrong[:, None], faces[:, ::-1], faces), np.where(wrong[:, None, None], uv[:, ::-1], uv)
        if suffix == ".obj":
            rows = [f"v {x} {y} {z}" for x, y, z in points] + [f"vt {u} {v}" for u, v in t.reshape(-1, 2)]
            rows += ["f " + " ".join(f"{p + 1}/{3 * n + k + 1}" for k, p in enumerate(face)) for n, face in enumerate(f)]
        else:
            rows = ["ply", "format ascii 1.0", f"element vertex {len(points)}", *(f"property double {x}" for x in "xyz")]
            rows += [f"element face {len(f)}", "property list uchar int vertex_indices", "property list uchar double texcoord"]
            rows += ["end_header", *(f"{x} {y} {z}" for x, y, z in points)]
            rows += [f"3 {a} {b} {c} 6 " + " ".join(map(str, at.ravel())) for (a, b, c), at in zip(f, t, strict=True)]
        (tmp_path / f"a{suffix}").write_text("\n".join(rows))
        caplog.clear()
        mesh = read_mesh(tmp_path / f"a{suffix}")
        np.testing.assert_array_equal(mesh.faces, faces)
        np.testing.assert_array_equal(mesh.uv, uv)
        assert said in caplog.text and len(caplog.records) == 1


def test_files_that_are_no_meshes_are_refused_in_a_line(tmp_path: Path):
    (tmp_path / "cloud.ply").write_text(
        "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\nend_header\n0 0 0\n"
    )
    (tmp_path / "torn.glb").write_bytes(b"glTF" + bytes(4))
    (tmp_path / "far.obj").write_text("v 0 0 0\nv 0 1 0\nv 1 0 0\nf 1 2 9\n")
    (tmp_path / "word.obj").write_text("v 0 0 zero\nv 0 1 0\nv 1 0 0\nf 1 2 3\n")
    (tmp_path / "head.stl").write_text("solid")
    (tmp_path / "head.fbx").write_text("")
    (tmp_path / "words.xyz").write_text("one two three\n")
    (tmp_path / "ragged.xyz").write_text("1 2 3\n1 2\n")
    (tmp_path / "flat.xyz").write_text("1 2\n3 4\n")
    (tmp_path / "same.xyz").write_text("1 2 3\n" * 200)
    said = {
        "cloud.ply": "no faces, and 1 points are too few",
        "words.xyz": "sound",
        "ragged.xyz": "not equally many numbers",
        "flat.xyz": "not x y z",
        "same.xyz": "one place",
        "torn.glb": "sound",
        "far.obj": "line 4: a face has a vertex",
        "word.obj": "sound",
        "head.stl": "sound",
        "head.fbx": "no mesh",
    }
    for name, why in said.items():
        with pytest.raises(FullheadError, match=why):
            read_mesh(tmp_path / name)
    with pytest.raises(FullheadError, match="no mesh file at"):
        read_mesh(tmp_path / "absent.ply")
    plain = TriMesh(np.zeros((3, 3)), np.array([[0, 1, 2]]), colours=np.zeros((3, 3)))
    np.testing.assert_array_equal(plain.colours_at(np.array([0]), np.full((1, 3), 1 / 3)), np.zeros((1, 3)))


def test_textures_are_read_by_their_profile_and_refused_beyond_all_bounds(tmp_path: Path):
    Image.new("RGB", (2, 2), (200, 150, 120)).save(tmp_path / "red.png", icc_profile=p3_profile(2.2))
    expected = read_image(tmp_path / "red.png")
    assert (expected != [200, 150, 120]).any()
    write_obj(tmp_path / "a.obj", np.eye(3), np.array([[0, 1, 2]]), "red.png")
    np.testing.assert_array_equal(read_mesh(tmp_path / "a.obj").textures[0], expected)
    (tmp_path / "red.png").write_bytes(BOMB)
    with pytest.raises(FullheadError, match=r"red\.png is too large"):
        read_mesh(tmp_path / "a.obj")


CUBE = TriMesh(
    np.array([[x, y, z] for x in (0.0, 2) for y in (0.0, 2) for z in (0.0, 2)]),
    np.array([[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4],
              [1, 5, 7], [1, 7, 3]]),
)  # fmt: skip


@pytest.mark.parametrize("form", ["ascii", "binary", "binary that begins with solid"])
def test_an_stl_hangs_together_where_its_corners_meet(tmp_path: Path, form: str):
    corners = CUBE.vertices[CUBE.faces]
    if form == "ascii":
        loops = ["".join("  vertex {} {} {}\n".format(*corner) for corner in three) for three in corners]
        facets = [f"facet normal 0 0 0\n outer loop\n{loop} endloop\nendfacet\n" for loop in loops]
        (tmp_path / "a.STL").write_text("solid a cube\n" + "".join(facets) + "endsolid a cube\n")
    else:
        rows = np.zeros(len(corners), np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("more", "<u2")]))
        rows["corners"] = corners
        head = b"solid" if "solid" in form else b"made by"
        (tmp_path / "a.STL").write_bytes(head.ljust(80) + np.uint32(len(rows)).tobytes() + rows.tobytes())
    mesh = read_mesh(tmp_path / "a.STL")
    assert mesh.vertices.shape == (8, 3) and mesh.faces.shape == (12, 3) and not mesh.coloured
    np.testing.assert_allclose(mesh.vertices[mesh.faces], corners)


@pytest.mark.parametrize("cut", [83, 300])
def test_an_stl_that_ends_too_early_is_refused(tmp_path: Path, cut: int):
    whole = bytes(80) + np.uint32(12).tobytes() + bytes(600)
    (tmp_path / "a.stl").write_bytes(whole[:cut])
    with pytest.raises(FullheadError, match="ends before"):
        read_mesh(tmp_path / "a.stl")


def ball_points(count: int = 2500) -> np.ndarray:
    points = np.random.RandomState(0).normal(size=(count, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


@pytest.mark.parametrize("form", ["xyz", "xyz with normals and colours", "xyz with colours", "ply", "ply with normals"])
def test_a_cloud_of_points_becomes_a_surface_and_it_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture, form: str):
    points = ball_points()
    bytes_of = ((points + 1) * 127.5).astype(int)
    columns = [3 * points + 1] + [points] * ("normals" in form)
    if form.startswith("xyz"):
        columns += [bytes_of] * ("colours" in form)
        text = "".join(" ".join(map(str, row)) + "\n" for row in zip(*np.hstack(columns).T, strict=True))
        path = tmp_path / "a.xyz"
        path.write_text(f"{len(points)}\n# a ball\n{text}")
    else:
        names = [*"xyz"] + ["nx", "ny", "nz"] * ("normals" in form) + ["red", "green", "blue"]
        head = "".join(f"property float {name}\n" for name in names)
        path, rows = tmp_path / "a.ply", np.hstack([*columns, bytes_of]).astype("<f4")
        head = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(rows)}\n{head}end_header\n"
        path.write_bytes(head.encode() + rows.tobytes())
    mesh = read_mesh(path)
    out = (mesh.vertices - 1) / 3
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), 1, atol=0.03)
    assert "2500 points" in caplog.text and "is lost" in caplog.text and len(caplog.records) == 1
    assert (mesh.colours is None) == (form == "xyz")
    if mesh.colours is not None:
        np.testing.assert_allclose(mesh.colours, out, atol=0.2)
