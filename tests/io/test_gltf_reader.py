"""glTF: each file, made here by hand, says by the specification where its vertices are and which colours they have."""

import base64
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fullhead.core.colour import srgb_from_linear
from fullhead.core.errors import FullheadError
from fullhead.core.tri_mesh import TriMesh
from fullhead.io.mesh_files import read_mesh

CORNER = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
SQUARE = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], np.float32)
LEFT = np.full((3, 2), 0.1, np.float32)  # texture coordinates at the left
RED, GREEN = (255, 0, 0), (0, 255, 0)
KINDS = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}
WIDTHS = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
QUARTER = [-np.sqrt(0.5), 0, 0, np.sqrt(0.5)]  # a turn about x: y becomes -z


def picture(form: str = "PNG") -> bytes:
    """Red at the left, green at the right."""
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:, :4], pixels[:, 4:] = RED, GREEN
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, lossless=True)
    return file.getvalue()


def glb(path: Path, arrays: list[np.ndarray], primitive: dict[str, Any], **more: Any) -> Path:
    """A .glb of one node with one mesh, unless `more` says otherwise; array k is accessor and bufferView k, 2-D arrays of
    integers are normalised."""
    views, accessors, binary = [], [], b""
    for array in arrays:
        rows = array.reshape(len(array), -1)
        kind = KINDS[rows.dtype.str[1:]]
        place = {"bufferView": len(views), "componentType": kind, "count": len(rows), "type": WIDTHS[rows.shape[1]]}
        accessors.append(place | ({"normalized": True} if array.ndim == 2 and kind in (5120, 5121, 5122, 5123) else {}))
        padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4 if rows.dtype.itemsize == 1 and array.ndim == 2 else 0)))
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": padded.nbytes})
        if padded.shape != rows.shape:
            views[-1]["byteStride"] = padded.shape[1]
        binary += padded.tobytes() + bytes(-padded.nbytes % 4)
    for image in more.get("images", []):
        if "bytes" in image:
            data = image.pop("bytes")
            image |= {"bufferView": len(views), "mimeType": "image/png"}
            views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(data)})
            binary += data + bytes(-len(data) % 4)
    document = {
        "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}], "meshes": [{"primitives": [primitive]}],
        "accessors": accessors, "bufferViews": views, "buffers": [{"byteLength": len(binary)}], **more,
    }  # fmt: skip
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body)
    return path


def textured(path: Path, material: dict[str, Any], **more: Any) -> Path:
    primitive = {"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "material": 0}
    more = {"images": [{"bytes": picture()}], "textures": [{"source": 0}], **more}
    return glb(path, [CORNER, LEFT], primitive, materials=[material], **more)


def colour(mesh: TriMesh) -> np.ndarray:
    """Of the first face, in bytes."""
    return np.round((mesh.colours_at(np.array([0]), np.full((1, 3), 1 / 3))[0] + 1) * 127.5)


def base(**texture: Any) -> dict[str, Any]:
    return {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0, **texture}}}


@pytest.mark.parametrize(
    ("material", "wanted"),
    [
        (base(), RED),
        (base(extensions={"KHR_texture_transform": {"offset": [0.6, 0]}}), GREEN),
        (base(extensions={"KHR_texture_transform": {"scale": [8, 1]}}), GREEN),
        (base(extensions={"KHR_texture_transform": {"offset": [0.1, 0.9], "rotation": np.pi / 2}}), RED),
        (base(extensions={"KHR_texture_transform": {"offset": [0.6, 0.9], "rotation": np.pi / 2}}), GREEN),
        ({"extensions": {"KHR_materials_pbrSpecularGlossiness": {"diffuseTexture": {"index": 0}}}}, RED),
        ({"extensions": {"KHR_materials_pbrSpecularGlossiness": {"diffuseFactor": [0, 1, 0, 1]}}}, GREEN),
        ({"pbrMetallicRoughness": {"baseColorFactor": [0, 1, 0, 1]}}, GREEN),
        ({"pbrMetallicRoughness": {"baseColorFactor": [0.5, 1, 1, 1], "baseColorTexture": {"index": 0}}}, (188, 0, 0)),
    ],
)
def test_materials_show_their_colours_and_their_textures_where_they_are_moved_to(tmp_path: Path, material: Any, wanted: Any):
    np.testing.assert_array_equal(colour(read_mesh(textured(tmp_path / "a.glb", material))), wanted)


def test_a_turned_texture_is_turned_as_the_specification_says(tmp_path: Path):
    moved = {"KHR_texture_transform": {"offset": [0.2, 0.3], "rotation": 0.4, "scale": [2, 3]}}
    mesh = read_mesh(textured(tmp_path / "a.glb", base(extensions=moved)))
    shift, turn, scale = np.eye(3), np.eye(3), np.diag([2.0, 3, 1])
    shift[:2, 2] = [0.2, 0.3]
    turn[:2, :2] = [[np.cos(0.4), np.sin(0.4)], [-np.sin(0.4), np.cos(0.4)]]  # the columns of the specification's example
    u, v, _ = shift @ turn @ scale @ [0.1, 0.1, 1]
    np.testing.assert_allclose(mesh.uv[0, 0], [u, 1 - v], rtol=1e-6)


def test_images_may_be_beside_the_file_in_an_address_or_webp(tmp_path: Path):
    (tmp_path / "a picture.png").write_bytes(picture())
    address = "data:image/png;base64," + base64.b64encode(picture()).decode()
    webp = [{"extensions": {"EXT_texture_webp": {"source": 1}}, "source": 0}]
    for name, more in {
        "beside": {"images": [{"uri": "a%20picture.png"}]},
        "address": {"images": [{"uri": address}]},
        "webp": {"images": [{"uri": "absent.png"}, {"bytes": picture("WEBP")}], "textures": webp},
    }.items():
        required = ["EXT_texture_webp"] if name == "webp" else []
        mesh = read_mesh(textured(tmp_path / f"{name}.glb", base(), extensionsRequired=required, **more))
        np.testing.assert_array_equal(colour(mesh), RED)
    with pytest.raises(FullheadError, match=r"lost\.png"):
        read_mesh(textured(tmp_path / "lost.glb", base(), images=[{"uri": "lost.png"}]))
    with pytest.raises(FullheadError, match="KHR_texture_basisu"):
        read_mesh(textured(tmp_path / "basis.glb", base(), textures=[{"extensions": {"KHR_texture_basisu": {"source": 0}}}]))


def test_a_gltf_has_its_buffers_beside_it_or_in_an_address(tmp_path: Path):
    (tmp_path / "points.bin").write_bytes(CORNER.tobytes())
    address = "data:application/octet-stream;base64," + base64.b64encode(CORNER.tobytes()).decode()
    for uri in ("points.bin", address):
        document = {
            "nodes": [{"mesh": 0, "translation": [0, 0, 2]}], "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
            "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
            "bufferViews": [{"buffer": 0, "byteLength": 36}], "buffers": [{"byteLength": 36, "uri": uri}],
        }  # fmt: skip
        (tmp_path / "a.gltf").write_text(json.dumps(document))
        np.testing.assert_array_equal(read_mesh(tmp_path / "a.gltf").vertices, CORNER + np.array([0, 0, 2]))


@pytest.mark.parametrize(
    "name", ["KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_meshopt_compression", "ACME_new"]
)
def test_extensions_that_are_required_and_not_known_are_refused_by_name(tmp_path: Path, name: str):
    path = glb(tmp_path / "a.glb", [CORNER], {"attributes": {"POSITION": 0}}, extensionsRequired=[name])
    with pytest.raises(FullheadError, match=f"{name}.*export it again without"):
        read_mesh(path)


def test_a_skinned_mesh_stands_where_its_joints_put_it_whatever_its_own_node(tmp_path: Path):
    joints, weights = np.zeros((3, 4), np.uint8), np.tile(np.float32([1, 0, 0, 0]), (3, 1))
    bind = np.eye(4, dtype=np.float32)
    bind[3, 1] = -100  # column-major: the joint is 100 above the origin
    nodes = [
        {"children": [1, 2], "scale": [0.01] * 3, "rotation": QUARTER},
        {"mesh": 0, "skin": 0, "translation": [7, 7, 7]},
        {"translation": [0, 100, 0]},
    ]
    path = glb(
        tmp_path / "a.glb", [100 * CORNER, joints[:, :, None], weights, bind.reshape(1, 16)],
        {"attributes": {"POSITION": 0, "JOINTS_0": 1, "WEIGHTS_0": 2}},
        nodes=nodes, skins=[{"joints": [2], "inverseBindMatrices": 3}],
    )  # fmt: skip
    np.testing.assert_allclose(read_mesh(path).vertices, [[0, 0, 0], [1, 0, 0], [0, 0, -1]], atol=1e-6)


def test_two_joints_share_a_vertex_by_its_weights_which_may_be_bytes(tmp_path: Path):
    joints = np.tile(np.uint8([0, 1, 0, 0]), (3, 1))
    weights = np.uint8([[255, 0, 0, 0], [0, 255, 0, 0], [51, 204, 0, 0]])
    nodes = [{"mesh": 0, "skin": 0}, {"translation": [1, 0, 0]}, {"translation": [0, 0, 10]}]
    path = glb(
        tmp_path / "a.glb", [CORNER, joints[:, :, None], weights],
        {"attributes": {"POSITION": 0, "JOINTS_0": 1, "WEIGHTS_0": 2}},
        nodes=nodes, skins=[{"joints": [1, 2]}], scenes=[{"nodes": [0, 1, 2]}],
    )  # fmt: skip
    np.testing.assert_allclose(read_mesh(path).vertices, [[1, 0, 0], [1, 0, 10], [0.2, 1, 8]], atol=1e-6)


def test_strips_fans_and_triangles_are_read_and_points_and_lines_left_out(tmp_path: Path):
    modes = {None: [[0, 1, 2]], 5: [[0, 1, 2], [1, 3, 2]], 6: [[1, 2, 0], [2, 3, 0]], 0: [], 1: []}
    primitives = [
        {"attributes": {"POSITION": int(mode in (5, 6))}} | ({} if mode is None else {"mode": mode}) for mode in modes
    ]
    path = glb(tmp_path / "a.glb", [CORNER, SQUARE], primitives[0], meshes=[{"primitives": primitives}])
    mesh = read_mesh(path)
    starts = [0, 3, 7]
    expected = [triangle + start for start, faces in zip(starts, modes.values(), strict=False) for triangle in np.array(faces)]
    corners = mesh.vertices[mesh.faces]
    wanted = np.concatenate([CORNER, SQUARE, SQUARE])[np.array(expected)]
    np.testing.assert_array_equal(np.sort(corners, axis=1), np.sort(wanted, axis=1))
    assert len(mesh.vertices) == 11


def test_numbers_are_read_as_their_types_say(tmp_path: Path):
    whole = np.int8([[-128, -127, 0], [127, 0, 0], [0, 127, 0]])
    mesh = read_mesh(glb(tmp_path / "i8.glb", [whole], {"attributes": {"POSITION": 0}}))
    np.testing.assert_array_equal(mesh.vertices, [[-1, -1, 0], [1, 0, 0], [0, 1, 0]])
    units = np.int16([[0, 0, 0], [300, 0, 0], [0, 300, 0]])[:, :, None]  # not normalised, as KHR_mesh_quantization allows
    more = {"nodes": [{"mesh": 0, "scale": [0.01] * 3}], "extensionsRequired": ["KHR_mesh_quantization"]}
    mesh = read_mesh(glb(tmp_path / "i16.glb", [units], {"attributes": {"POSITION": 0}}, **more))
    np.testing.assert_allclose(mesh.vertices, 3 * CORNER)


def test_sparse_accessors_change_some_rows_also_of_nothing(tmp_path: Path):
    accessors = [
        {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"},
        {"componentType": 5126, "count": 3, "type": "VEC3"},
    ]
    for accessor in accessors:
        accessor["sparse"] = {"count": 1, "indices": {"bufferView": 1, "componentType": 5123}, "values": {"bufferView": 2}}
    arrays = [CORNER, np.uint16([1]), np.float32([[5, 0, 0]])]
    for number, points in enumerate((np.array([[0, 0, 0], [5, 0, 0], [0, 1, 0]]), np.array([[0, 0, 0], [5, 0, 0], [0, 0, 0]]))):
        path = glb(tmp_path / "a.glb", arrays, {"attributes": {"POSITION": number}}, accessors=accessors)
        np.testing.assert_array_equal(read_mesh(path).vertices, points)


def test_targets_that_the_file_sets_change_the_form_at_rest(tmp_path: Path):
    primitive = {"attributes": {"POSITION": 0}, "targets": [{"POSITION": 1}]}
    up = np.tile(np.float32([0, 0, 2]), (3, 1))
    for weights in ({"meshes": [{"primitives": [primitive], "weights": [0.5]}]}, {"nodes": [{"mesh": 0, "weights": [0.5]}]}):
        mesh = read_mesh(glb(tmp_path / "a.glb", [CORNER, up], primitive, **weights))
        np.testing.assert_array_equal(mesh.vertices, CORNER + np.array([0, 0, 1]))
    assert (read_mesh(glb(tmp_path / "a.glb", [CORNER, up], primitive)).vertices == CORNER).all(), "without weights they are 0"


@pytest.mark.parametrize("weights", [[1.0], [0, 0.5, 0]])
def test_weights_that_are_not_as_many_as_the_targets_are_refused(weights: list[float], tmp_path: Path):
    primitive = {"attributes": {"POSITION": 0}, "targets": [{"POSITION": 1}, {"POSITION": 1}]}
    path = glb(tmp_path / "a.glb", [CORNER, CORNER], primitive, nodes=[{"mesh": 0, "weights": weights}])
    with pytest.raises(FullheadError, match=f"{len(weights)} weights for 2 morph targets"):
        read_mesh(path)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_colours_of_vertices_are_linear_light_of_any_type(tmp_path: Path, kind: type):
    top = 1 if kind is np.float32 else np.iinfo(kind).max
    shares = np.array([[1, 0.2, 0, 1], [1, 0.2, 0, 1], [1, 0.2, 0, 1]])
    colours = (shares * top).astype(kind)
    mesh = read_mesh(glb(tmp_path / "a.glb", [CORNER, colours], {"attributes": {"POSITION": 0, "COLOR_0": 1}}))
    np.testing.assert_allclose(mesh.colours, 2 * srgb_from_linear(shares[:, :3]) - 1, atol=1e-4)


def test_what_has_no_colour_beside_what_has_is_white_and_a_file_without_has_none(tmp_path: Path):
    primitives = [{"attributes": {"POSITION": 0}}, {"attributes": {"POSITION": 0, "COLOR_0": 1}}]
    meshes = [{"primitives": primitives}]
    mesh = read_mesh(glb(tmp_path / "a.glb", [CORNER, np.zeros((3, 3), np.float32)], primitives[0], meshes=meshes))
    np.testing.assert_array_equal(mesh.colours, [[1] * 3] * 3 + [[-1] * 3] * 3)
    assert read_mesh(glb(tmp_path / "b.glb", [CORNER], primitives[0])).colours is None


@pytest.mark.parametrize("nodes", [[{"mesh": 0, "children": [0]}], [{"mesh": 0, "children": [1]}, {"children": [0]}]])
def test_nodes_that_form_a_cycle_are_one_clear_error(tmp_path: Path, nodes: Any):
    for scene in ({}, {"scenes": []}):
        path = glb(tmp_path / "a.glb", [CORNER], {"attributes": {"POSITION": 0}}, nodes=nodes, **scene)
        with pytest.raises(FullheadError, match=r"node|faces"):
            read_mesh(path)


def test_a_mirrored_node_keeps_the_outside_outside(tmp_path: Path):
    path = glb(tmp_path / "a.glb", [CORNER], {"attributes": {"POSITION": 0}}, nodes=[{"mesh": 0, "scale": [-1, 1, 1]}])
    mesh = read_mesh(path)
    a, b, c = mesh.vertices[mesh.faces[0]]
    assert np.cross(b - a, c - a)[2] > 0


def test_files_that_are_torn_are_refused(tmp_path: Path):
    whole = glb(tmp_path / "a.glb", [CORNER], {"attributes": {"POSITION": 0}}).read_bytes()
    for length in range(4, len(whole), 7):
        (tmp_path / "torn.glb").write_bytes(whole[:length])
        with pytest.raises(FullheadError):
            read_mesh(tmp_path / "torn.glb")
