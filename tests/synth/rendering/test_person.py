"""Subjects and the scenes built from them."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from scipy.spatial import KDTree

from fullhead.core.cameras import orbit
from fullhead.core.colour import srgb_from_linear
from fullhead.core.random import stream
from fullhead.core.smooth import smoothstep
from fullhead.rig.identity import shape_parameters
from fullhead.synth.anatomy.regions import LABELS
from fullhead.synth.anatomy.template_assets import TemplateAssets, load_template_assets
from fullhead.synth.clothing.wardrobe import clip_mesh
from fullhead.synth.people.subject import STYLES, Subject
from fullhead.synth.people.subject_sampling import sample_subject
from fullhead.synth.rendering.lights import LitScene, light_scene, lights_from
from fullhead.synth.rendering.person import WORLD_EYES, build_person
from fullhead.synth.rendering.render import composite_over, render_photo
from fullhead.synth.rendering.scene import build_scene
from fullhead.synth.rendering.shading import Photo


@pytest.fixture(scope="module")
def assets() -> TemplateAssets:
    return load_template_assets(128)


@pytest.fixture(scope="module")
def names(assets: TemplateAssets) -> list[str]:
    return list(shape_parameters(assets.template))


def lit_head(assets: TemplateAssets, subject: Subject) -> LitScene:
    return light_scene(build_scene(build_person(assets, subject, 0.2)), lights_from(subject.lighting), 4, 64, 128)


@pytest.fixture(scope="module")
def head(assets: TemplateAssets, names: list[str]) -> LitScene:
    return lit_head(assets, sample_subject(0, names).with_hair("buzz").with_worn(hat="none"))


@pytest.fixture(scope="module")
def front(head: LitScene) -> Photo:
    return render_photo(head, orbit(0.0), 80)


def test_a_seed_is_a_subject_that_json_can_keep(names: list[str]) -> None:
    assert sample_subject(7, names) == sample_subject(7, names) != sample_subject(8, names)
    assert json.loads(json.dumps(asdict(sample_subject(7, names))))["hair"]["style"] in STYLES


def test_streams_of_different_purposes_do_not_touch_each_other() -> None:
    first = stream(5, "hair").uniform(size=3)
    other = stream(5, "skin").uniform(size=3)
    assert (stream(5, "hair").uniform(size=3) == first).all() and (first != other).all()
    assert (stream(5 + 2**40, "hair").uniform(size=3) != first).all()


def test_steps_and_colours_keep_their_ends() -> None:
    assert smoothstep(0, 1, [-1, 0, 0.5, 1, 2]).tolist() == [0, 0, 0.5, 1, 1]
    assert smoothstep(1, 0, 0.25) == pytest.approx(1 - smoothstep(0, 1, 0.25))
    np.testing.assert_allclose(srgb_from_linear([0.0, 0.2140411, 1.0]), [0, 0.5, 1], atol=1e-5)


def test_eyes_of_all_subjects_lie_at_the_same_place(assets: TemplateAssets, names: list[str]) -> None:
    for seed in range(3):
        surfaces = build_scene(build_person(assets, sample_subject(seed, names), 0.2)).surfaces
        eyes = [surfaces.vertices[np.unique(surfaces.faces[surfaces.label == LABELS[k]])] for k in ("l_eye", "r_eye")]
        middle = (eyes[0].mean(0) + eyes[1].mean(0)) / 2
        np.testing.assert_allclose(middle, WORLD_EYES, atol=0.01)
        assert eyes[0][:, 0].mean() > 0.03 > -0.03 > eyes[1][:, 0].mean()  # the subject's left is +x


def test_depth_leads_back_to_the_surface(head: LitScene, front: Photo) -> None:
    camera, size = orbit(0.0), front.alpha.shape[0]
    rows, columns = np.nonzero(front.alpha == 1)
    K, c2w = camera.K[0].double().numpy(), camera.c2w[0].double().numpy()
    pixels = np.stack([(columns + 0.5) / size, (rows + 0.5) / size, np.ones(len(rows))], axis=1)
    points = (pixels @ np.linalg.inv(K).T * front.depth[rows, columns, None]) @ c2w[:3, :3].T + c2w[:3, 3]
    scene = head.scene
    distance = KDTree(np.concatenate([scene.surfaces.vertices, scene.strands.points])).query(points)[0]
    assert np.median(distance) < 0.006 and np.percentile(distance, 99) < 0.03


def test_normals_face_the_camera_and_labels_cover_the_head(front: Photo) -> None:
    covered = front.alpha == 1
    assert (front.normal[covered][:, 2] > -0.3).mean() > 0.99
    np.testing.assert_allclose(np.linalg.norm(front.normal[covered], axis=-1), 1, atol=1e-3)
    assert (front.label[covered] > 0).all() and not front.label[front.alpha == 0].any()
    assert {LABELS[name] for name in ("skin", "nose", "l_eye", "r_eye", "hair", "cloth", "u_lip", "l_lip")} <= set(
        np.unique(front.label).tolist()
    )


def test_a_photo_over_a_background_shows_it_where_the_head_is_not(front: Photo) -> None:
    red = composite_over(front, np.array([1.0, 0, 0]))
    assert (red[front.alpha == 0] == [255, 0, 0]).all()
    assert (red[front.alpha == 1] == composite_over(front, np.zeros(3))[front.alpha == 1]).all()


def test_the_back_of_the_head_shows_no_face(head: LitScene) -> None:
    back = render_photo(head, orbit(np.pi), 80).label
    assert not np.isin(back, [LABELS[name] for name in ("nose", "l_eye", "r_eye", "u_lip", "l_lip", "mouth")]).any()


@pytest.mark.parametrize("style", STYLES)
def test_hair_fits_the_frame_from_the_front_and_the_side(style: str, assets: TemplateAssets, names: list[str]) -> None:
    lit_one = lit_head(assets, sample_subject(1, names).with_hair(style).with_worn(hat="none"))
    for yaw in (0.0, np.pi / 2):
        label = render_photo(lit_one, orbit(yaw), 32).label
        hair = label == LABELS["hair"]
        assert hair.any() == (style != "bald")
        assert not hair[0].any() and not hair[:16, 0].any() and not hair[:16, -1].any()


def test_clipping_keeps_exactly_the_positive_side() -> None:
    square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    points, kept, border = clip_mesh(square, faces, square[:, 0] - 0.25)
    a, b, c = (points[kept[:, k]] for k in range(3))
    area = 0.5 * ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])
    assert area.sum() == pytest.approx(0.75) and (area > 0).all()
    np.testing.assert_allclose(points[border.ravel(), 0], 0.25)
