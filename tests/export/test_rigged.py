"""A procedural person as a posable model, and its files: what is stored and posed by plain skinning is the posed person."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from scipy.interpolate import interp1d
from scipy.spatial import KDTree
from test_gltf_writer import array_of, parts

from fullhead.core.colour import linear_from_srgb
from fullhead.core.errors import FullheadError
from fullhead.core.meshes import vertex_normals
from fullhead.core.rotations import matrix_from_axis_angle
from fullhead.core.winding import turned_faces
from fullhead.export.clips import CLIPS, quaternions
from fullhead.export.ribbons import SOLID, TONES, away_from_axis, away_from_middle, resampling, ribbons, strand_texture
from fullhead.export.rigged_files import check_rigged_path, posed_mesh, save_rigged
from fullhead.export.rigged_layers import OPEN, select_strands
from fullhead.export.rigged_person import Layer, RiggedHead, rig_person
from fullhead.rig.arkit import ARKIT
from fullhead.rig.identity import shape_parameters
from fullhead.rig.landmarks import landmark_weights
from fullhead.rig.template import JOINT_PARENTS, JOINTS
from fullhead.synth.anatomy.template_assets import load_template_assets
from fullhead.synth.anatomy.textured_mesh import SKIN
from fullhead.synth.people.population import population
from fullhead.synth.people.subject_sampling import sample_subject
from fullhead.synth.rendering.person import Person, build_person, posed_parts

WITH_ALL = ("hair.style=long_straight", "face_hair.beard=full", "worn.glasses=clear", "worn.hat=none", "person.men=1")


@pytest.fixture(scope="module")
def person() -> Person:
    assets = load_template_assets(256)
    return build_person(assets, sample_subject(5, shape_parameters(assets.template), population(WITH_ALL)), detail=0.2)


@pytest.fixture(scope="module")
def head(person: Person) -> RiggedHead:
    return rig_person(person, hair_detail=0.3)


@pytest.fixture(scope="module")
def skin(head: RiggedHead) -> Layer:
    return layer_of(head, "skin")


def layer_of(head: RiggedHead, name: str) -> Layer:
    return next(layer for layer in head.layers if layer.name == name)


def posed(head: RiggedHead, layer: Layer, expression: str | None, pose: np.ndarray) -> np.ndarray:
    """Vertices as any program poses them: target added, then linear blend skinning joint by joint."""
    moved = layer.vertices.astype(float)
    if expression is not None and expression in layer.targets:
        moved[layer.targets[expression].rows] += layer.targets[expression].offsets
    transforms = []
    for joint, parent in enumerate(JOINT_PARENTS):
        local = np.eye(4)
        local[:3, :3] = matrix_from_axis_angle(torch.from_numpy(pose[joint])).numpy()
        local[:3, 3] = head.joints[joint] - local[:3, :3] @ head.joints[joint]
        transforms.append(local if parent < 0 else transforms[parent] @ local)
    turned = [moved @ t[:3, :3].T + t[:3, 3] for t in transforms]
    return np.einsum("vj,jvd->vd", layer.weights, np.stack(turned))


@pytest.mark.parametrize("expression", [None, "jawOpen", "eyeLookOutLeft", "mouthSmileRight"])
def test_the_stored_model_posed_by_plain_skinning_is_the_posed_person(
    person: Person, head: RiggedHead, skin: Layer, expression: str | None
) -> None:
    pose = np.zeros((len(JOINTS), 3))
    pose[JOINTS.index("neck")] = (0.1, 0.35, -0.05)
    pose[JOINTS.index("jaw"), 0] = 0.1
    metres = 0.1 / person.scale
    at_rest, moved = (
        next(s for s in posed_parts(person, *how)[0] if s.material == SKIN).vertices * metres
        for how in ((None, None), ({} if expression is None else {expression: 1.0}, pose))
    )
    apart, vertex = KDTree(at_rest).query(skin.vertices)
    own = apart < 1e-6  # vertices at the line of the bust were moved onto it
    assert own.mean() > 0.95
    distance = np.linalg.norm(posed(head, skin, expression, pose) - moved[vertex], axis=1)[own]
    assert distance.max() < 2e-3
    assert distance.mean() < 1e-4


@pytest.fixture(scope="module")
def file_of(head: RiggedHead, tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, float]], np.ndarray]:
    """Vertices of the skin as glTF says, from a written file: rest + sum of weight * target."""
    path = save_rigged(head, tmp_path_factory.mktemp("pairs") / "head.glb")
    mesh = next(mesh for mesh in parts(path)[0]["meshes"] if mesh["name"] == "skin")
    primitive = mesh["primitives"][0]
    targets = dict(zip(mesh["extras"]["targetNames"], primitive["targets"], strict=True))
    rest = array_of(path, primitive["attributes"]["POSITION"]).astype(float)

    def vertices(weights: dict[str, float]) -> np.ndarray:
        return rest + sum(weight * array_of(path, targets[name]["POSITION"]) for name, weight in weights.items())

    return vertices


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_mouth_close_closes_the_open_jaw_of_a_file(person: Person, file_of: Callable, weight: float) -> None:
    lips = person.to_world(landmark_weights(person.assets.template) @ person.neutral)[[62, 66]] * person.metres_per_unit
    upper, lower = KDTree(file_of({})).query(lips)[1]

    def gap(weights: dict[str, float]) -> float:
        return np.linalg.norm(np.subtract(*file_of(weights)[[upper, lower]]))

    assert gap({"jawOpen": weight}) > weight * 0.03
    assert gap({"jawOpen": weight, "mouthClose": weight}) < gap({}) + 3e-4


# metres, as docs/export.md says
FURTHEST = {
    "mouthClose+jawOpen": 1e-4,
    "tongueOut+jawOpen": 0.02,
    "tongueOut+jawOpen+mouthClose": 0.02,
}
TEMPLATE_COMBINATIONS = ["+".join(ARKIT[i] for i in pair) for pair in load_template_assets(256).template.rig.combinations]


@pytest.mark.parametrize("pair", TEMPLATE_COMBINATIONS)
def test_how_far_a_file_is_from_the_rig_where_expressions_combine(person: Person, file_of: Callable, pair: str) -> None:
    weights = dict.fromkeys(pair.split("+"), 1.0)
    rest, combined = (
        next(s for s in posed_parts(person, shown)[0] if s.material == SKIN).vertices * person.metres_per_unit
        for shown in ({}, weights)
    )
    apart, vertex = KDTree(rest).query(file_of({}))
    off = np.linalg.norm(file_of(weights) - combined[vertex], axis=1)[apart < 1e-6].max()
    assert off < FURTHEST.get(pair, 0.011)


def test_eyeballs_turn_with_their_joint_and_look_the_same_way_by_targets(head: RiggedHead) -> None:
    eyes = layer_of(head, "eyes")
    left = eyes.vertices[:, 0] > 0
    for side, rows in (("left", left), ("right", ~left)):
        np.testing.assert_allclose(eyes.weights[rows, JOINTS.index(f"{side}_eye")], 1, atol=1e-6)
    centre = head.joints[JOINTS.index("left_eye")]
    target = eyes.targets["eyeLookOutLeft"]
    assert left[target.rows].all()
    turned = eyes.vertices[target.rows] + target.offsets
    before, after = (np.linalg.norm(v - centre, axis=1) for v in (eyes.vertices[target.rows], turned))
    np.testing.assert_allclose(after, before, atol=2e-5)  # a turn, not a slide
    foremost = target.rows[eyes.vertices[target.rows, 2].argmax()]
    assert turned[target.rows == foremost][0, 0] > eyes.vertices[foremost, 0] + 0.003  # to the subject's left


def test_weights_are_shares_and_hair_hangs_on_head_and_shoulders(head: RiggedHead, skin: Layer) -> None:
    for layer in head.layers:
        np.testing.assert_allclose(layer.weights.sum(axis=1), 1, atol=1e-5)
        assert layer.weights.min() >= 0
    crown, chest = skin.vertices[:, 1].argmax(), skin.vertices[:, 1].argmin()
    assert skin.weights[crown, JOINTS.index("neck")] == pytest.approx(1, abs=0.01)
    assert skin.weights[chest, JOINTS.index("root")] > 0.9
    hair = layer_of(head, "hair")
    high, low = hair.vertices[:, 1] > 0.05, hair.vertices[:, 1] < -0.17
    assert hair.weights[high, JOINTS.index("neck")].min() > 0.95
    assert hair.weights[low, JOINTS.index("root")].mean() > 0.3
    glasses = layer_of(head, "glasses")
    np.testing.assert_allclose(glasses.weights[:, JOINTS.index("neck")], 1, atol=1e-5)


def test_every_expression_moves_the_skin_and_only_what_it_should(head: RiggedHead, skin: Layer) -> None:
    assert set(skin.targets) == set(ARKIT)
    blink = skin.targets["eyeBlinkLeft"]
    left, far = skin.vertices[blink.rows, 0] > 0, np.linalg.norm(blink.offsets, axis=1)
    assert far[left].sum() > 5 * far[~left].sum()
    assert "jawOpen" in layer_of(head, "teeth").targets
    assert "tongueOut" in layer_of(head, "tongue").targets
    assert "eyeBlinkLeft" in layer_of(head, "lashes").targets
    assert "browInnerUp" in layer_of(head, "brows").targets
    assert "jawOpen" in layer_of(head, "beard").targets
    assert not layer_of(head, "hair").targets


def test_what_lies_under_the_hair_is_a_shade_of_it_and_not_black(head: RiggedHead) -> None:
    hair = layer_of(head, "hair")
    assert hair.uv is not None
    under = hair.uv[:, 0] < SOLID / TONES  # columns without gaps
    assert under.any() and not under.all()
    ribbons = np.median(hair.uv[~under, 1])  # v is the light in the texture
    assert 0.4 * ribbons < np.median(hair.uv[under, 1]) < 0.8 * ribbons  # black streaks were 0.2


@pytest.mark.parametrize("style", ["braids", "bun", "ponytail"])
def test_what_is_knotted_keeps_its_windings(style: str) -> None:
    """Half of the ribbons of a braid stay near their strands; it was 8 mm while the straight hair chose how many points."""
    assets = load_template_assets(256)
    subject = sample_subject(7, shape_parameters(assets.template)).with_worn(hat="none").with_hair(style)
    person = build_person(assets, subject, detail=0.2)
    strands = posed_parts(person)[1]
    bright = np.full(sum(kind.points.size // 3 for kind in strands), OPEN)
    subsets = [subset for subset in select_strands(strands, bright, 0.1 / person.scale, 1.0, hat=False) if subset.kind == 0]
    assert [subset.tied for subset in subsets] == [False, True]
    for subset in subsets:
        kept, whole = subset.apply(strands), strands[0].points[subset.rows]
        t, wanted = np.linspace(0, 1, kept.shape[1]), np.linspace(0, 1, whole.shape[1])
        apart = np.linalg.norm(interp1d(t, kept, axis=1)(wanted) - whole, axis=-1).max(1) * 0.1 / person.scale
        assert np.median(apart) < 2.1e-3
        np.testing.assert_allclose(subset.light, 1)


@pytest.mark.parametrize("expression", ["jawOpen", "cheekPuff", "browInnerUp"])
def test_hairs_of_the_face_keep_their_roots(person: Person, expression: str) -> None:
    """A hair that took another root would leap; as it is, roots move no farther than the skin does."""
    (surfaces, strands), (moved_surfaces, moved_strands) = (posed_parts(person, e) for e in ({}, {expression: 1.0}))
    skin_moves = np.linalg.norm(moved_surfaces[0].vertices - surfaces[0].vertices, axis=1).max()
    for kind, moved in zip(strands, moved_strands, strict=True):
        assert np.linalg.norm(moved.points[:, 0] - kind.points[:, 0], axis=1).max() < 1.1 * skin_moves, kind.label


def test_the_bust_ends_in_a_closed_line(head: RiggedHead, skin: Layer) -> None:
    clothes = layer_of(head, "clothes")
    lowest, neck = clothes.vertices[:, 1].min(), head.joints[JOINTS.index("neck"), 1]
    assert lowest == pytest.approx(neck - 0.185, abs=2e-3)
    assert skin.vertices[:, 1].min() > lowest
    below = clothes.normals[:, 1] < -0.9
    assert np.ptp(clothes.vertices[below, 2]) > 0.1  # a bottom from front to back


@pytest.mark.parametrize("name", ["skin", "clothes", "glasses", "lenses", "teeth"])
def test_all_faces_of_a_layer_are_wound_outwards_as_its_normals_point(head: RiggedHead, name: str) -> None:
    layer = layer_of(head, name)
    assert not turned_faces(layer.vertices, layer.faces).any()
    own, seen = vertex_normals(layer.vertices, layer.faces), np.linalg.norm(layer.normals, axis=1) > 0.5
    agree = (own * layer.normals).sum(1) > 0
    assert agree[seen].mean() > 0.99


def test_ribbons_lie_on_their_strands_and_narrow_to_a_tip() -> None:
    rng = np.random.default_rng(0)
    points = np.cumsum(rng.normal(size=(5, 7, 3)) * 0.003 + [0, 0.02, 0.01], axis=1)
    half = np.full((5, 7), 1e-3)
    bound = ribbons(points, half, np.zeros(5), np.ones((5, 7)), away_from_axis(points, np.array([0, 0, -0.1])))
    assert len(bound.anchor) == 5 * 13
    assert len(bound.faces) == 5 * 11
    assert np.linalg.norm(bound.offset, axis=1).max() == pytest.approx(1e-3, rel=1e-5)
    np.testing.assert_array_equal(bound.offset[12::13], 0)
    np.testing.assert_allclose(np.linalg.norm(bound.normals, axis=1), 1, atol=1e-5)
    vertices = points.reshape(-1, 3)[bound.anchor] + bound.offset
    corners = vertices[bound.faces]
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert ((faces * bound.normals[bound.faces[:, 0]]).sum(1) > 0).mean() > 0.95  # they face the way they are lit


def test_straight_strands_need_two_points_and_curls_keep_theirs() -> None:
    t = np.linspace(0, 1, 20)[None, :, None]
    straight = np.array([[[0.1, 0.0, 0.0]]]) + t * np.array([0.0, -0.2, 0.05])
    assert resampling(straight, 1e-3, most=16).shape == (2, 20)
    curled = np.concatenate([0.02 * np.cos(20 * t), 0.02 * np.sin(20 * t), 0.2 * t], axis=-1)
    matrix = resampling(curled, 1e-3, most=16)
    assert matrix.shape == (16, 20)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    np.testing.assert_allclose((matrix @ curled)[:, [0, -1]], curled[:, [0, -1]])


def test_a_texture_of_strands_holds_the_colour_of_every_strand() -> None:
    colour = np.random.default_rng(1).uniform(0.05, 0.6, (4000, 3)) * [1.0, 0.6, 0.3]
    texture, tones = strand_texture(colour)
    height, width = texture.shape[:2]
    column = (tones * width).astype(int)
    stored = linear_from_srgb(texture[height // 8, :, :3] / 255)[column]
    assert np.corrcoef(stored.sum(1), colour.sum(1))[0, 1] > 0.9
    assert texture[-1, :, :3].max() < 60  # v = 0 is dark
    assert texture[..., 3].min() == 0  # gaps
    assert texture[..., 3].mean() > 0.5 * 255


def test_ribbons_of_two_tails_face_away_from_the_middle_of_each() -> None:
    angle, height = np.linspace(0, 2 * np.pi, 40, endpoint=False), np.linspace(0, -0.15, 12)
    ring = 0.012 * np.stack([np.cos(angle), np.zeros(40), np.sin(angle)], axis=-1)[:, None]
    tail, aside = ring + height[:, None] * np.array([0, 1, 0]), np.array([0.06, 0, 0])
    out = away_from_middle(np.concatenate([tail - aside, tail + aside]))
    due = np.tile(ring / 0.012, (2, 1, 1))
    assert ((out * due).sum(-1)[:, 3:-3] > 0.98).all()


def document_of(path: Path) -> dict:
    data = path.read_bytes()
    return json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])


@pytest.mark.parametrize("clip", [None, "talk", "all52"])
def test_the_validator_finds_nothing_wrong(head: RiggedHead, tmp_path: Path, validate, clip: str | None) -> None:
    issues = validate(save_rigged(head, tmp_path / "head.glb", clip))
    assert issues["numErrors"] == issues["numWarnings"] == 0, issues["messages"]


def test_a_glb_names_its_targets_joints_and_layers(head: RiggedHead, tmp_path: Path) -> None:
    document = document_of(save_rigged(head, tmp_path / "head.glb", "talk"))
    meshes = {mesh["name"]: mesh for mesh in document["meshes"]}
    assert list(meshes) == [layer.name for layer in head.layers]
    assert meshes["skin"]["extras"]["targetNames"] == list(ARKIT)
    assert len(meshes["skin"]["primitives"][0]["targets"]) == 52
    assert {"POSITION", "NORMAL"} == set(meshes["skin"]["primitives"][0]["targets"][0])
    assert [document["nodes"][i]["name"] for i in document["skins"][0]["joints"]] == list(JOINTS)
    materials = {material["name"]: material for material in document["materials"]}
    assert "KHR_materials_clearcoat" in materials["eyes"]["extensions"]
    assert materials["lenses"]["alphaMode"] == "BLEND"
    assert materials["hair"]["extensions"]["KHR_materials_specular"]["specularFactor"] == 0.3
    assert document["extensionsUsed"] == ["KHR_materials_clearcoat", "KHR_materials_specular"]
    assert materials["hair"]["alphaMode"] == "MASK"
    paths = [channel["target"]["path"] for channel in document["animations"][0]["channels"]]
    assert {"weights", "rotation"} == set(paths)


@pytest.mark.parametrize("suffix", [".obj", ".ply"])
def test_files_at_rest_are_read_back_by_another_library(head: RiggedHead, tmp_path: Path, suffix: str) -> None:
    path = save_rigged(head, tmp_path / f"head{suffix}")
    read = trimesh.load(path, process=False, force="mesh", maintain_order=True)
    assert len(read.faces) == sum(len(layer.faces) for layer in head.layers)
    everything = np.concatenate([layer.vertices for layer in head.layers])
    np.testing.assert_allclose(read.bounds, [everything.min(axis=0), everything.max(axis=0)], atol=1e-5)
    if suffix == ".obj":
        written = {p.name for p in tmp_path.iterdir()}
        textures = [line.split()[1] for line in (tmp_path / "head.mtl").read_text().splitlines() if line.startswith("map_Kd")]
        assert {"head.obj", "head.mtl", *textures} == written
    else:
        teeth_first = sum(len(layer.vertices) for layer in head.layers[:1])
        assert read.visual.vertex_colors[:teeth_first, :3].std() > 5


@pytest.mark.parametrize("name", list(CLIPS))
def test_clips_end_as_they_begin_and_stay_within_bounds(name: str) -> None:
    clip = CLIPS[name]()
    assert (np.diff(clip.times) > 0).all()
    assert set(clip.weights) <= set(ARKIT)
    assert set(clip.turns) <= set(JOINTS)
    for values in [*clip.weights.values(), *clip.turns.values()]:
        assert len(values) == len(clip.times)
        np.testing.assert_allclose(values[0], values[-1], atol=1e-3)
    for values in clip.weights.values():
        assert 0 <= values.min() <= values.max() <= 1
    for turns in clip.turns.values():
        np.testing.assert_allclose(np.linalg.norm(quaternions(turns), axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("name", list(CLIPS))
def test_clips_close_no_mouth_further_than_the_jaw_is_open(name: str) -> None:
    weights = CLIPS[name]().weights
    assert (weights.get("mouthClose", 0.0) <= weights.get("jawOpen", np.zeros(1))).all()


def test_all52_shows_each_expression_in_order_and_mouth_close_on_an_open_jaw() -> None:
    clip = CLIPS["all52"]()
    weights = np.stack([clip.weights[name] for name in ARKIT])
    expected = np.eye(52)
    expected[ARKIT.index("jawOpen"), ARKIT.index("mouthClose")] = 1
    np.testing.assert_array_equal(weights[:, 1::2], expected)
    np.testing.assert_array_equal(weights[:, ::2], 0)


def test_mistakes_are_refused_before_anything_is_built() -> None:
    with pytest.raises(FullheadError, match=r"'head.fbx': choose one of .glb, .obj, .ply"):
        check_rigged_path("head.fbx")
    with pytest.raises(FullheadError, match="no clip 'dance': choose one of talk, blink, all52"):
        check_rigged_path("head.glb", "dance")
    with pytest.raises(FullheadError, match=r"a clip needs a .glb: .obj files do not move"):
        check_rigged_path("head.obj", "talk")


def test_a_posed_mesh_is_the_resting_one_with_its_targets_added(head: RiggedHead, skin: Layer):
    rest, posed = posed_mesh(head, {}), posed_mesh(head, {"jawOpen": 0.5})
    target = skin.targets["jawOpen"]
    moved = posed.vertices[: len(skin.vertices)] - rest.vertices[: len(skin.vertices)]  # the skin is the first layer
    np.testing.assert_allclose(moved[target.rows], 0.5 * target.offsets, atol=1e-6)
    assert not np.delete(moved, target.rows, axis=0).any() and len(posed.faces) == len(rest.faces)
