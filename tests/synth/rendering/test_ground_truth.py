"""The truth of a picture agrees with itself and with the head that was pictured."""

import io
import json

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fullhead.core.cameras import Cameras, orbit
from fullhead.core.errors import FullheadError
from fullhead.io.sets import Part
from fullhead.kernels.tree import mesh_tree
from fullhead.synth.anatomy.regions import LABELS
from fullhead.synth.datasets.shots import (
    RenderContext,
    ShotSpec,
    View,
    camera_label,
    render_shot,
    rig_vertices,
    shot_from_record,
    true_camera,
)
from fullhead.synth.rendering.ground_truth import DEPTH_STEP, FIELDS, parse_fields
from fullhead.synth.rendering.lights import LitScene
from fullhead.synth.rendering.person import Person
from fullhead.viewing.synth_sheet import first_with_styles

SIZE = 96
FACE = [LABELS[name] for name in ("skin", "nose", "l_ear", "r_ear", "u_lip", "l_lip", "mouth", "neck")]


@pytest.fixture(scope="module")
def context() -> RenderContext:
    return RenderContext(SIZE)


@pytest.fixture(scope="module")
def shot(context: RenderContext) -> ShotSpec:
    subject = first_with_styles(context, ["side_part"], 0)[0]
    views = tuple(View(f"{i}", yaw, 0.1, camera_label(orbit(yaw, 0.1))) for i, yaw in enumerate((0.0, 1.0, 3.0)))
    pose = ((0.0, 0.0, 0.0), (0.1, 0.2, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    return ShotSpec(subject, SIZE, views, {"jawOpen": 0.6, "mouthSmileLeft": 0.4}, pose)


@pytest.fixture(scope="module")
def rendered(context: RenderContext, shot: ShotSpec) -> Part:
    return render_shot(context, shot, tuple(FIELDS))


@pytest.fixture(scope="module")
def built(context: RenderContext, shot: ShotSpec) -> tuple[Person, LitScene]:
    return context.lit_scene(shot)


def picture(rendered: Part, view: int, field: str) -> NDArray:
    return np.asarray(Image.open(io.BytesIO(rendered.samples[view].files[f"{field}.png"])))


def camera(shot: ShotSpec, view: int) -> Cameras:
    return true_camera(shot.views[view])


@pytest.mark.parametrize("view", [0, 1, 2])
def test_depth_leads_back_to_the_surface_within_a_pixel(
    view: int, rendered: Part, shot: ShotSpec, built: tuple[Person, LitScene]
) -> None:
    scene, metres = built[1].scene, rendered.record["metres_per_unit"]
    seen = np.isin(picture(rendered, view, "parts"), FACE)
    rows, columns = np.nonzero(seen)
    z = picture(rendered, view, "depth")[seen] * DEPTH_STEP / metres
    K, c2w = camera(shot, view).K[0].numpy(), camera(shot, view).c2w[0].numpy()
    pixels = np.stack([(columns + 0.5) / SIZE, (rows + 0.5) / SIZE, np.ones(len(rows))], axis=1)
    points = (pixels @ np.linalg.inv(K).T * z[:, None]) @ c2w[:3, :3].T + c2w[:3, 3]
    away = mesh_tree(scene.surfaces.vertices, scene.surfaces.faces).closest(points)[2]
    assert len(points) > 100
    assert away.max() < (z / K[0, 0] / SIZE).min()  # a pixel's width there


@pytest.mark.parametrize("view", [0, 1, 2])
def test_masks_are_where_alpha_is_above_a_half(view: int, rendered: Part) -> None:
    seg, mask, rgba = (picture(rendered, view, name) for name in ("seg", "mask", "rgba"))
    assert set(np.unique(mask)) == {0, 255}
    np.testing.assert_array_equal(mask == 255, seg > 128)  # 128 is a half, rounded
    np.testing.assert_array_equal(rgba[..., 3], seg)
    np.testing.assert_array_equal(picture(rendered, view, "img"), rgba)  # no background was asked for
    for name in ("depth", "parts"):
        np.testing.assert_array_equal(picture(rendered, view, name) > 0, seg > 0)


def test_normals_are_unit_face_the_camera_and_are_those_of_the_surface(
    rendered: Part, shot: ShotSpec, built: tuple[Person, LitScene]
) -> None:
    seen = np.isin(picture(rendered, 0, "parts"), FACE) & (picture(rendered, 0, "seg") == 255)
    normal = picture(rendered, 0, "normal")[seen] / 127.5 - 1
    np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1, atol=0.02)
    assert (normal[:, 2] > -0.05).all()
    # The face's left half, on the right of a picture from the front, looks to the right.
    columns = np.nonzero(seen)[1]
    assert normal[columns > SIZE * 0.55, 0].mean() > 0.3 and normal[columns < SIZE * 0.45, 0].mean() < -0.3


def test_landmarks_lie_on_the_skin_and_where_cameras_see_them(
    rendered: Part, shot: ShotSpec, built: tuple[Person, LitScene]
) -> None:
    person, _ = built
    points = np.array(rendered.record["landmarks"])
    skin = person.assets.skin.operator @ rig_vertices(person, shot)
    away = mesh_tree(skin, person.assets.skin.faces).closest(points)[2]
    assert away.max() * rendered.record["metres_per_unit"] < 1e-4
    for number, view in enumerate(rendered.record["views"]):
        c2w, K = camera(shot, number).c2w[0].numpy(), camera(shot, number).K[0].numpy()
        in_camera = (points - c2w[:3, 3]) @ c2w[:3, :3] @ K.T
        np.testing.assert_allclose(in_camera[:, :2] / in_camera[:, 2:] * SIZE, view["landmarks"], atol=0.02)


def test_landmarks_are_visible_from_their_side_only(rendered: Part) -> None:
    front, left, back = (np.array(list(view["visible"])) == "1" for view in rendered.record["views"])
    assert front[17:].mean() > 0.9
    assert not back[17:].any()  # corners of the jaw may be
    assert left[[26, 45, 12]].all() and not left[[0, 1, 2, 3]].any()  # the camera stands on the subject's left


def test_an_open_mouth_parts_the_lips_in_the_picture(rendered: Part) -> None:
    lips = np.array(rendered.record["views"][0]["landmarks"])
    assert lips[66, 1] - lips[62, 1] > 2


def test_a_smaller_world_is_the_same_picture_with_other_numbers(context: RenderContext, shot: ShotSpec, rendered: Part) -> None:
    camera = orbit(0.0, 0.1, radius=2.7 * 3)
    large = ShotSpec(
        shot.subject, SIZE, (View("0", 0.0, 0.1, camera_label(camera)),), shot.expression, shot.joint_pose, world=3.0
    )
    done = render_shot(context, large, ("depth",))
    assert np.abs(picture(done, 0, "img").astype(int) - picture(rendered, 0, "img")).mean() < 0.1
    assert np.abs(picture(done, 0, "depth").astype(int) - picture(rendered, 0, "depth")).mean() < 2
    np.testing.assert_allclose(np.array(done.record["landmarks"]) / 3, rendered.record["landmarks"], atol=1e-5)
    assert done.record["metres_per_unit"] * 3 == pytest.approx(rendered.record["metres_per_unit"])


def test_without_hair_no_hair_is_seen_and_the_face_stays(context: RenderContext, shot: ShotSpec, rendered: Part) -> None:
    bald = render_shot(
        context, ShotSpec(shot.subject, SIZE, shot.views[:1], shot.expression, shot.joint_pose, hair=False), ("parts",)
    )
    parts, before = picture(bald, 0, "parts"), picture(rendered, 0, "parts")
    assert not (parts == LABELS["hair"]).any() and (before == LABELS["hair"]).any()
    assert (parts == before)[np.isin(before, [LABELS["nose"], LABELS["l_lip"], LABELS["u_lip"]])].mean() > 0.97
    assert bald.record["landmarks"] == rendered.record["landmarks"]


def test_a_record_in_json_is_the_take_again(rendered: Part, shot: ShotSpec) -> None:
    assert shot_from_record(json.loads(json.dumps(rendered.record))) == shot


def test_truth_is_asked_for_by_name() -> None:
    assert parse_fields("depth, seg") == ("seg", "depth")
    assert parse_fields("all") == tuple(FIELDS) and parse_fields("none") == ()
    with pytest.raises(FullheadError, match="'detph'"):
        parse_fields("seg,detph")
