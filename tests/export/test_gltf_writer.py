"""Binary glTF: what the official validator says, and the bytes themselves."""

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fullhead.core.colour import linear_from_srgb
from fullhead.export.mesh import save_mesh
from fullhead.io.gltf_writer import VERTICES, Gltf, save_glb, vertex_colours

OCTAHEDRON = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], np.float32)
FACES = np.array([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]], np.int32)
COLOURS = np.arange(18, dtype=np.uint8).reshape(6, 3) * 15


def parts(path: Path) -> tuple[dict, bytes]:
    data = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    n = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[20 : 20 + n]), data[28 + n :]


def array_of(path: Path, number: int) -> np.ndarray:
    """The values [N, 3] of an accessor of float vectors, sparse or not."""
    document, binary = parts(path)
    accessor = document["accessors"][number]

    def view(index: int, dtype: type) -> np.ndarray:
        place = document["bufferViews"][index]
        return np.frombuffer(binary, dtype, place["byteLength"] // np.dtype(dtype).itemsize, place["byteOffset"])

    if "sparse" not in accessor:
        return view(accessor["bufferView"], np.float32).reshape(-1, 3)
    sparse, values = accessor["sparse"], np.zeros((accessor["count"], 3), np.float32)
    values[view(sparse["indices"]["bufferView"], np.uint16)] = view(sparse["values"]["bufferView"], np.float32).reshape(-1, 3)
    assert (accessor["min"], accessor["max"]) == (values.min(0).tolist(), values.max(0).tolist())
    return values


def test_the_validator_finds_nothing(tmp_path, validate):
    path = save_glb(tmp_path / "head.glb", OCTAHEDRON * 0.1, FACES, OCTAHEDRON, COLOURS)
    issues = validate(path)
    assert [issues[f"num{kind}"] for kind in ("Errors", "Warnings", "Infos", "Hints")] == [0, 0, 0, 0], issues["messages"]


def test_a_real_mesh_passes_the_validator(mesh, tmp_path, validate):
    issues = validate(save_mesh(mesh, tmp_path / "head.glb"))
    assert issues["numErrors"] == issues["numWarnings"] == 0, issues["messages"]


def test_the_builder_takes_what_skins_and_morph_targets_need(tmp_path, validate):
    """A second node with a skin, joints, weights and a morph target, put together from plain dictionaries."""
    gltf = Gltf()
    position = gltf.add(OCTAHEDRON, VERTICES, bounds=True)
    attributes = {
        "POSITION": position,
        "JOINTS_0": gltf.add(np.zeros((6, 4), np.uint8), VERTICES),
        "WEIGHTS_0": gltf.add(np.tile(np.float32([1, 0, 0, 0]), (6, 1)), VERTICES),
    }
    target = {"POSITION": gltf.add(OCTAHEDRON * 0.1, VERTICES, bounds=True)}
    primitive = {"attributes": attributes, "indices": gltf.add(FACES.astype(np.uint32).ravel(), 34963), "targets": [target]}
    mesh = gltf.append("meshes", {"primitives": [primitive], "weights": [0.0]})
    joint = gltf.append("nodes", {"name": "head"})
    skin = gltf.append("skins", {"joints": [joint], "inverseBindMatrices": gltf.add(np.eye(4, dtype=np.float32)[None])})
    issues = validate(gltf.save(tmp_path / "rig.glb", [joint, gltf.append("nodes", {"mesh": mesh, "skin": skin})]))
    assert issues["numErrors"] == issues["numWarnings"] == 0, issues["messages"]


def test_a_target_is_stored_sparsely_where_few_vertices_move(tmp_path, validate):
    """Rows are shared by positions and normals; a target of all vertices is dense, one of none is zeros."""
    gltf, rng = Gltf(), np.random.default_rng(0)
    count = 198
    attributes = {
        "POSITION": gltf.add(rng.normal(size=(count, 3)).astype(np.float32), VERTICES, bounds=True),
        "NORMAL": gltf.add(np.tile(np.float32([0, 0, 1]), (count, 1)), VERTICES),
    }
    wanted, targets = [], []
    for rows in (np.array([3, 50, 197]), np.arange(count), np.zeros(0, int)):
        offsets = {name: rng.normal(size=(len(rows), 3)).astype(np.float32) for name in ("POSITION", "NORMAL")}
        before = len(gltf.buffer)
        targets.append(gltf.add_offsets(count, rows, offsets))
        wanted.append((rows, offsets["POSITION"], len(gltf.buffer) - before))
    primitive = {"attributes": attributes, "targets": targets}
    mesh = gltf.append("meshes", {"primitives": [primitive], "weights": [0.0] * 3})
    path = gltf.save(tmp_path / "morph.glb", [gltf.append("nodes", {"mesh": mesh})])
    assert [size for *_, size in wanted] == [8 + 2 * 36, 2 * 12 * count, 4 + 2 * 12]
    for (rows, offsets, _), target in zip(wanted, targets, strict=True):
        dense = np.zeros((count, 3), np.float32)
        dense[rows] = offsets
        np.testing.assert_array_equal(array_of(path, target["POSITION"]), dense)
    issues = validate(path)
    assert issues["numErrors"] == issues["numWarnings"] == 0, issues["messages"]


def test_a_texture_is_the_picture_that_went_in(tmp_path):
    gltf = Gltf()
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    texture = gltf.add_texture(stream.getvalue(), "skin")
    document, binary = parts(gltf.save(tmp_path / "texture.glb", []))
    view = document["bufferViews"][document["images"][document["textures"][texture]["source"]]["bufferView"]]
    stored = binary[view["byteOffset"] :][: view["byteLength"]]
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(stored))), picture)


def test_positions_carry_bounds_and_every_view_is_aligned(tmp_path):
    document, binary = parts(save_glb(tmp_path / "head.glb", OCTAHEDRON, FACES, OCTAHEDRON, COLOURS))
    position = document["accessors"][document["meshes"][0]["primitives"][0]["attributes"]["POSITION"]]
    assert (position["min"], position["max"]) == ([-1, -1, -1], [1, 1, 1])
    assert all(view["byteOffset"] % 4 == 0 for view in document["bufferViews"])
    assert document["buffers"][0]["byteLength"] == len(binary)
    assert document["asset"]["generator"] == "fullhead"


def test_colours_are_linear_light(tmp_path):
    document, binary = parts(save_glb(tmp_path / "head.glb", OCTAHEDRON, FACES, OCTAHEDRON, COLOURS))
    accessor = document["accessors"][document["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]]
    view = document["bufferViews"][accessor["bufferView"]]
    stored = np.frombuffer(binary, np.uint16, view["byteLength"] // 2, view["byteOffset"]).reshape(-1, 4) / 65535
    np.testing.assert_allclose(stored[:, :3], linear_from_srgb(COLOURS / 255), atol=1e-5)
    assert accessor["normalized"]
    assert linear_from_srgb(np.array([0, 188, 255]) / 255) == pytest.approx([0, 0.5029, 1], abs=1e-3)
    assert len(np.unique(vertex_colours(np.arange(256, dtype=np.uint8)[:, None].repeat(3, 1))[:, 0])) == 256


def test_attributes_that_would_not_be_aligned_are_refused():
    with pytest.raises(ValueError, match="4 bytes, not 3"):
        Gltf().add(np.zeros((5, 3), np.uint8), VERTICES)
