"""A GANHead as a file: what any program makes of the file's numbers is the posed head of the model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_gltf_writer import array_of, parts

from fullhead.core.colour import linear_from_srgb
from fullhead.core.errors import FullheadError
from fullhead.core.meshes import sample_surface
from fullhead.core.rotations import matrix_from_axis_angle
from fullhead.export.posable import RiggedHead
from fullhead.export.rigged_files import save_rigged
from fullhead.export.rigged_ganhead import along_u, rig_ganhead, simplified
from fullhead.models.ganhead import DecodedGANHead, GANHead, GANHeadCodes, colour_pose, flat
from fullhead.models.head import HeadPose
from fullhead.rig.arkit import ARKIT, arkit_weights
from fullhead.rig.template import JOINTS
from mesh_defects import defects

ALL = 10**6  # faces: nothing is simplified


@pytest.fixture(scope="module")
def codes(waved_ganhead: GANHead) -> GANHeadCodes:
    return waved_ganhead.codes(torch.tensor([2]), torch.randn(1, 100, generator=torch.Generator().manual_seed(0)))


@pytest.fixture(scope="module")
def decoded(waved_ganhead: GANHead, codes: GANHeadCodes) -> DecodedGANHead:
    return waved_ganhead.decode(codes)


@pytest.fixture(scope="module")
def head(waved_ganhead: GANHead, codes: GANHeadCodes) -> RiggedHead:
    return rig_ganhead(waved_ganhead, codes, faces=ALL, resolution=32)


@pytest.fixture(scope="module")
def painted(waved_ganhead: GANHead, codes: GANHeadCodes) -> RiggedHead:
    return rig_ganhead(waved_ganhead, codes, faces=ALL, resolution=32, texture=512)


def values(path: Path, number: int, dtype: type) -> np.ndarray:
    """An accessor [N, 4] of JOINTS_0 or WEIGHTS_0."""
    document, binary = parts(path)
    view = document["bufferViews"][document["accessors"][number]["bufferView"]]
    count = view["byteLength"] // np.dtype(dtype).itemsize
    return np.frombuffer(binary, dtype, count, view["byteOffset"]).reshape(-1, 4)


def posed_file(path: Path, weights: dict[str, float], turns: dict[str, tuple[float, float, float]]) -> np.ndarray:
    """Vertices as glTF says: targets by their weights, then joint matrices times inverse bind matrices, blended."""
    document, binary = parts(path)
    mesh = document["meshes"][0]
    primitive = mesh["primitives"][0]
    moved = array_of(path, primitive["attributes"]["POSITION"]).astype(float)
    for name, target in zip(mesh["extras"]["targetNames"], primitive["targets"], strict=True):
        if weights.get(name):
            moved += weights[name] * array_of(path, target["POSITION"])
    skin, nodes, globals_ = document["skins"][0], document["nodes"], {}

    def walk(node: int, above: np.ndarray) -> None:
        local = np.eye(4)
        turn = torch.tensor(turns.get(nodes[node]["name"], (0.0, 0.0, 0.0)))
        local[:3, :3], local[:3, 3] = matrix_from_axis_angle(turn).numpy(), nodes[node]["translation"]
        globals_[node] = above @ local
        for child in nodes[node].get("children", []):
            walk(child, globals_[node])

    walk(skin["skeleton"], np.eye(4))
    view = document["bufferViews"][document["accessors"][skin["inverseBindMatrices"]]["bufferView"]]
    inverse = np.frombuffer(binary, np.float32, 16 * len(JOINTS), view["byteOffset"]).reshape(-1, 4, 4)
    matrices = [globals_[node] @ inverse[i].T for i, node in enumerate(skin["joints"])]
    joints = values(path, primitive["attributes"]["JOINTS_0"], np.uint8)
    shares = values(path, primitive["attributes"]["WEIGHTS_0"], np.uint16) / 65535
    result = np.zeros_like(moved)
    for k in range(4):
        M = np.stack(matrices)[joints[:, k]]
        result += shares[:, k, None] * (np.einsum("vij,vj->vi", M[:, :3, :3], moved) + M[:, :3, 3])
    return result


def turned(name: str | None) -> torch.Tensor:
    pose = torch.zeros(1, len(JOINTS), 3)
    if name is not None:
        pose[0, JOINTS.index(name)] = torch.tensor([0.1, 0.4, -0.05])
    return pose


@pytest.mark.parametrize(
    ("expression", "joint"),
    [
        (None, None),
        ("jawOpen", None),
        ("eyeBlinkLeft", None),
        ("tongueOut", None),
        ("eyeLookOutLeft", None),  # turns a joint: its target is the straight line to the turned place
        (None, "neck"),
        ("mouthSmileLeft", "neck"),
        ("jawOpen", "root"),
        ("jawOpen+mouthClose", None),  # one built on the other: the lips meet
    ],
)
def test_a_file_poses_as_the_model_does_to_a_twentieth_of_a_millimetre(
    waved_ganhead: GANHead, decoded: DecodedGANHead, head: RiggedHead, tmp_path: Path, expression: str | None, joint: str | None
) -> None:
    weights = {} if expression is None else dict.fromkeys(expression.split("+"), 1.0)
    path = save_rigged(head, tmp_path / "head.glb")
    model = waved_ganhead.posed(decoded, HeadPose(arkit_weights(weights)[None], turned(joint))).posed[0]
    found = posed_file(path, weights, {} if joint is None else {joint: (0.1, 0.4, -0.05)})
    expected = waved_ganhead.rig.metres * model.vertices.numpy()
    assert np.linalg.norm(found - expected, axis=1).max() < 7e-5
    if weights or joint:
        assert np.linalg.norm(expected - head.layers[0].vertices, axis=1).max() > 5e-3


def test_the_file_names_52_expressions_and_the_rig_s_joints_at_the_head_s_own_places(
    waved_ganhead: GANHead, codes: GANHeadCodes, head: RiggedHead, tmp_path: Path
) -> None:
    document, _ = parts(save_rigged(head, tmp_path / "head.glb"))
    assert document["meshes"][0]["extras"]["targetNames"] == list(ARKIT)
    assert [document["nodes"][i]["name"] for i in document["skins"][0]["joints"]] == list(JOINTS)
    joints = waved_ganhead.rig(codes.rig_shape).joints[0].numpy() * waved_ganhead.rig.metres
    np.testing.assert_allclose(head.joints, joints, atol=1e-6)
    assert (joints != waved_ganhead.rig.rest_joints.numpy() * waved_ganhead.rig.metres).any()


@pytest.mark.parametrize("clip", [None, "talk"])
def test_the_validator_finds_nothing_wrong(head: RiggedHead, painted: RiggedHead, tmp_path: Path, validate, clip: str | None):
    for name, rigged in {"a": head, "b": painted}.items():
        issues = validate(save_rigged(rigged, tmp_path / f"{name}.glb", clip))
        assert issues["numErrors"] == issues["numWarnings"] == 0, issues["messages"]


def test_vertices_have_the_model_s_colours(decoded: DecodedGANHead, head: RiggedHead) -> None:
    colours = (decoded.posed[0].colours.numpy() + 1) / 2
    np.testing.assert_allclose(head.layers[0].light, linear_from_srgb(colours), atol=0.006)
    assert colours.std() > 0.01


def test_every_point_of_the_surface_finds_its_colour_and_normal_in_the_pictures(
    waved_ganhead: GANHead, codes: GANHeadCodes, decoded: DecodedGANHead, painted: RiggedHead
) -> None:
    layer, mesh = painted.layers[0], decoded.canonical[0]
    triangle, weights = sample_surface(mesh.vertices.numpy(), mesh.faces.numpy(), 2000, np.random.RandomState(0))

    def between(values: np.ndarray, faces: np.ndarray) -> np.ndarray:
        return (values[faces[triangle]] * weights[..., None]).sum(1)

    points = torch.from_numpy(between(mesh.vertices.numpy(), mesh.faces.numpy())).float()
    at = waved_ganhead.at_canonical(decoded.volume, codes.rig_shape, *flat(points[None]))
    normals, feature = waved_ganhead.normals(codes.detail, at)
    pose = colour_pose(decoded.pose.expression, decoded.pose.joint_pose)
    colours = (waved_ganhead.canonical.colours(codes.colour, pose, at, feature).clamp(-1, 1).numpy() + 1) * 127.5
    assert layer.uv is not None and layer.tangents is not None
    uv = between(layer.uv, layer.faces)
    rows, columns = ((1 - uv[:, 1]) * 512).astype(int), (uv[:, 0] * 512).astype(int)
    colour, normal_map = layer.material.colour, layer.material.normal_map
    assert colour is not None and normal_map is not None
    assert np.abs(colour[rows, columns] - colours).max() < 6
    n, t = between(layer.normals, layer.faces), between(layer.tangents, layer.faces)
    n, t = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (n, t))
    x, y, z = (normal_map[rows, columns] / 127.5 - 1).T[..., None]
    cosine = ((x * t + y * np.cross(n, t) + z * n) * normals.numpy()).sum(1)
    assert np.quantile(cosine, 0.02) > 0.99


def test_tangents_are_square_to_normals_that_point_along_their_chart_too() -> None:
    up = np.array([[0.0, 1, 0], [0, 1, 0], [0, 0, -1]])
    normals = np.array([[0.0, 0.6, 0.8], [0, 1, 0], [0, 0, 1]])
    tangents = along_u(up, normals)
    np.testing.assert_allclose(tangents[0], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(tangents, axis=1), 1)
    np.testing.assert_allclose((tangents * normals).sum(1), 0, atol=1e-12)


def test_a_simplified_surface_is_whole_and_stays_where_it_was(
    waved_ganhead: GANHead, codes: GANHeadCodes, decoded: DecodedGANHead
):
    surface = waved_ganhead.canonical_surface(codes, decoded.volume, 32)
    less = simplified(surface, 1000)
    assert len(less.faces) <= 1000 < len(surface.faces)
    flaws = defects(less.vertices, less.faces)
    assert (flaws.components, flaws.open_edges, flaws.tangled_edges) == (1, 0, 0)
    distance = torch.cdist(torch.from_numpy(less.vertices), torch.from_numpy(surface.vertices)).amin(1)
    assert distance.max() < 2.2 / 32
    assert simplified(surface, ALL) is surface


def test_a_rig_of_other_expressions_names_its_own_and_takes_no_clip(
    waved_ganhead: GANHead, codes: GANHeadCodes, tmp_path: Path
) -> None:
    names = tuple(f"expression {i + 1}" for i in range(52))
    other = GANHead(waved_ganhead.config, replace(waved_ganhead.rig, expression_names=names))
    other.load_state_dict(waved_ganhead.state_dict())
    head = rig_ganhead(other, codes, resolution=16)
    assert head.expressions == names == tuple(head.layers[0].targets)
    with pytest.raises(FullheadError, match="the animation talk moves ARKit's expressions, and this head has others"):
        save_rigged(head, tmp_path / "head.glb", "talk")
    assert not list(tmp_path.iterdir())
    assert save_rigged(head, tmp_path / "head.glb").is_file()


def test_mistakes_are_refused_in_words(waved_ganhead: GANHead, codes: GANHeadCodes) -> None:
    with pytest.raises(FullheadError, match="one head, not 2"):
        rig_ganhead(waved_ganhead, codes.expand(2))
    with pytest.raises(FullheadError, match="do not fit into 8 pixels"):
        rig_ganhead(waved_ganhead, codes, resolution=16, texture=8)
