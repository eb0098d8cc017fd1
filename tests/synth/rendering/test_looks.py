"""What heads look like: skin on a stated scale, hair that can be swapped and hangs, hats that hold it, things that are worn."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike
from PIL import Image

from fullhead.commands.synth.sheet import sheet
from fullhead.core.cameras import orbit
from fullhead.core.colour import WHITE, XYZ_FROM_RGB, linear_from_lab
from fullhead.core.errors import FullheadError
from fullhead.core.meshes import vertex_normals
from fullhead.rig.identity import shape_parameters
from fullhead.synth.anatomy import regions
from fullhead.synth.anatomy.regions import LABELS
from fullhead.synth.anatomy.scalp import scalp_surface
from fullhead.synth.anatomy.skin import base_colour, ita_of_tone, skin_texture
from fullhead.synth.anatomy.template_assets import TemplateAssets, load_template_assets
from fullhead.synth.anatomy.textured_mesh import GLASS, PLAIN
from fullhead.synth.clothing.hats import HAIR_ROOM, edge_angle, measure_skull
from fullhead.synth.people.subject import EARRINGS, GLASSES, HATS, STYLES, Subject
from fullhead.synth.people.subject_sampling import sample_subject
from fullhead.synth.rendering.lights import light_scene, lights_from
from fullhead.synth.rendering.person import Person, build_person, posed_parts, turn_with_head
from fullhead.synth.rendering.render import render_photo
from fullhead.synth.rendering.scene import build_scene
from fullhead.synth.rendering.shading import Photo


@pytest.fixture(scope="module")
def assets() -> TemplateAssets:
    return load_template_assets(128)


@pytest.fixture(scope="module")
def subject(assets: TemplateAssets) -> Subject:
    plain = sample_subject(2, shape_parameters(assets.template)).with_worn("none", "none", "none")
    return replace(plain, makeup=replace(plain.makeup, lipstick=0.0, eyeshadow=0.0, liner=0.0, blush=0.0))


def shot(assets: TemplateAssets, subject: Subject, yaw: float = 0.0, size: int = 96) -> Photo:
    scene = build_scene(build_person(assets, subject, 0.2))
    return render_photo(light_scene(scene, lights_from(subject.lighting), 4, 64, 128), orbit(yaw), size)


def lab_from_linear(colour: ArrayLike) -> np.ndarray:
    """CIELAB [..., 3] (D65) of linear sRGB [..., 3]."""
    t = np.asarray(colour, float) @ XYZ_FROM_RGB.T / WHITE
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def ita(colour: np.ndarray) -> np.ndarray:
    """Individual typology angle [...], degrees, of linear colours [..., 3]: atan((L* - 50) / b*)."""
    lightness, _, b = np.moveaxis(lab_from_linear(colour), -1, 0)
    return np.degrees(np.arctan2(lightness - 50, b))


def test_cielab_is_the_inverse_of_its_inverse_and_knows_white() -> None:
    colours = np.random.RandomState(0).uniform(size=(20, 3))
    np.testing.assert_allclose(linear_from_lab(lab_from_linear(colours)), colours, atol=1e-9)
    np.testing.assert_allclose(lab_from_linear([1.0, 1.0, 1.0]), [100, 0, 0], atol=0.02)


@pytest.mark.parametrize("warm", [-1.0, 0.0, 1.0])
def test_tones_are_even_steps_of_the_typology_angle_from_very_light_to_dark(subject: Subject, warm: float) -> None:
    tones = np.linspace(0, 1, 11)
    colours = [base_colour(replace(subject, skin=replace(subject.skin, tone=t, undertone=warm))) for t in tones.tolist()]
    np.testing.assert_allclose(ita(np.array(colours)), [ita_of_tone(t) for t in tones.tolist()], atol=0.5)
    assert ita_of_tone(0) > 55 and ita_of_tone(1) < -30  # very light and dark, as the categories have it
    assert (np.array(colours) > 0).all() and (np.diff(np.array(colours), axis=0) < 0).all()


@pytest.mark.parametrize("tone", [0.05, 0.5, 0.95])
def test_a_painted_forehead_has_the_tone_of_its_skin(assets: TemplateAssets, subject: Subject, tone: float) -> None:
    bare = replace(subject.with_hair("bald"), skin=replace(subject.skin, tone=tone, freckles=0.0, moles=0, wrinkle=0.0))
    away = np.abs(assets.atlas.position - np.array([0, 7.8, 1.2])) / np.array([0.3, 0.15, 0.4])
    there = (away.max(1) < 1)[assets.atlas.texel] & assets.atlas.covered
    painted = skin_texture(assets, bare)[there]
    assert abs(float(ita(painted.mean(0))) - ita_of_tone(tone)) < 9


def test_lips_are_redder_than_the_skin_around_them_and_lipstick_more(assets: TemplateAssets, subject: Subject) -> None:
    atlas = assets.atlas
    inside, around = atlas.zones["lips"] > 0.9, (atlas.lip_ring > 8.5) & (atlas.lip_ring < 11)

    def redness(of: Subject) -> float:
        lab = lab_from_linear(skin_texture(assets, of)[..., :][atlas.covered])
        return float(lab[inside, 1].mean() - lab[around, 1].mean())

    bare = redness(subject)
    painted = redness(replace(subject, makeup=replace(subject.makeup, lipstick=1.0, lip_colour="red")))
    assert bare > 3 and painted > bare + 10


def test_lips_part_where_the_mouth_opens(assets: TemplateAssets, subject: Subject) -> None:
    scene = build_scene(build_person(assets, subject, 0.05), {"jawOpen": 1.0})
    photo = render_photo(
        light_scene(scene, lights_from(subject.lighting), 4, 64, 128), orbit(0.0, focal=12.0, target=(0, -0.12, 0.1)), 96
    )
    rows = {name: np.nonzero(photo.label == LABELS[name])[0] for name in ("u_lip", "l_lip")}
    middle = photo.label[:, 44:52]
    inside = np.nonzero(np.isin(middle, [LABELS[name] for name in ("mouth", "teeth", "tongue")]))[0]
    assert len(inside) > 50 and rows["u_lip"].max() < rows["l_lip"].max() and rows["u_lip"].min() < rows["l_lip"].min()
    upper, lower = (np.nonzero(middle == LABELS[name])[0] for name in ("u_lip", "l_lip"))
    assert upper.max() <= np.percentile(inside, 5) and lower.min() >= np.percentile(inside, 95)


def test_every_style_sits_on_the_same_face(assets: TemplateAssets, subject: Subject) -> None:
    bald = posed_parts(build_person(assets, subject.with_hair("bald"), 0.1))[0]
    below = assets.atlas.covered & (regions.scalp_mask(assets.atlas.position, -0.5) < 0.01)[assets.atlas.texel]
    for style in STYLES:
        surfaces, _ = posed_parts(build_person(assets, subject.with_hair(style, "pink"), 0.02))
        for mine, its in zip(surfaces, bald, strict=True):
            assert (mine.vertices == its.vertices).all() and (mine.faces == its.faces).all()
        assert (surfaces[0].texture[below] == bald[0].texture[below]).mean() > 0.99


def test_hair_is_swapped_by_name_and_an_unknown_name_lists_the_known(subject: Subject) -> None:
    changed = subject.with_hair("afro", "blue")
    assert (changed.hair.style, changed.hair.colour, changed.hair.natural) == ("afro", "blue", subject.hair.natural)
    assert replace(changed, hair=subject.hair) == subject
    with pytest.raises(FullheadError, match=r"no hair style 'afroo'; there is bald, .*braids"):
        subject.with_hair("afroo")
    with pytest.raises(FullheadError, match="no hat 'crown'; there is none, beanie"):
        subject.with_worn(hat="crown")


def test_dyed_hair_shows_its_colour(assets: TemplateAssets, subject: Subject) -> None:
    for colour, channel in (("fire", 0), ("green", 1), ("blue", 2)):
        photo = shot(assets, subject.with_hair("long_straight", colour), np.pi)
        assert photo.colour[photo.label == LABELS["hair"]].mean(0).argmax() == channel


def depth_in_skin(assets: TemplateAssets, person: Person, points: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """How deep points [n, 3] of the world lie under the posed skin, dm; negative outside."""
    skin = posed_parts(person, None, pose)[0][0]
    vertices = np.zeros((len(assets.rest), 3), np.float32)
    vertices[assets.uv_vertex] = skin.vertices
    vertices /= np.float32(person.scale)
    normals = vertex_normals(vertices, assets.skin.faces)
    return -scalp_surface(assets, vertices, normals).nearest(points / person.scale)[1]


@pytest.mark.parametrize("style", ["long_straight", "long_wavy", "braids", "locs"])
def test_long_hair_stays_out_of_neck_and_shoulders_when_the_neck_turns(
    assets: TemplateAssets, subject: Subject, style: str
) -> None:
    person = build_person(assets, subject.with_hair(style), 0.03)
    for turn in ((0, 60, 0), (0, -60, 0), (20, 0, 0)):
        pose = np.zeros((5, 3))
        pose[1] = np.radians(turn)
        hair = posed_parts(person, None, pose)[1][0].points.reshape(-1, 3)
        deep = depth_in_skin(assets, person, hair, pose)
        assert (deep > 0.25).mean() < 0.01


def test_stiff_hair_would_go_through_the_shoulders(assets: TemplateAssets, subject: Subject) -> None:
    person = build_person(assets, subject.with_hair("long_straight"), 0.03)
    pose = np.zeros((5, 3))
    pose[1] = (0, 0, 0.5)  # towards a shoulder
    transforms = person.rig(joint_pose=torch.from_numpy(pose.astype(np.float32))[None]).transforms[0].numpy()
    stiff = person.to_world(turn_with_head(person.hair.points, np.ones_like(person.hair_weight), transforms)).reshape(-1, 3)
    hanging = posed_parts(person, None, pose)[1][0].points.reshape(-1, 3)
    through = [(depth_in_skin(assets, person, points, pose) > 0.1).mean() for points in (stiff, hanging)]
    assert through[0] > 0.01 and through[1] < 0.5 * through[0]


def test_roots_follow_the_head_and_tips_the_torso(assets: TemplateAssets, subject: Subject) -> None:
    person = build_person(assets, subject.with_hair("long_straight"), 0.03)
    pose = np.zeros((5, 3))
    pose[1] = (0, 1.0, 0)
    still, turned = (posed_parts(person, None, p)[1][0].points for p in (None, pose))
    moved = np.linalg.norm(turned - still, axis=-1)
    assert moved[:, 0].mean() > 0.05 and moved[person.hair_weight == 0].max() < 1e-5


@pytest.mark.parametrize("hat", sorted(HAIR_ROOM))
@pytest.mark.parametrize("style", ["afro", "bun", "long_wavy"])
def test_no_hair_comes_through_a_hat(assets: TemplateAssets, subject: Subject, hat: str, style: str) -> None:
    person = build_person(assets, subject.with_hair(style).with_worn(hat=hat), 0.05)
    head = measure_skull(person.scalp)
    distance, angle, turn = head.polar(person.hair.points.astype(float))
    covered = angle < edge_angle(hat, turn) - 0.02
    assert covered.any() and (distance - head.radius(angle, turn))[covered].max() < HAIR_ROOM[hat] + 0.01


@pytest.mark.parametrize("name", [*HATS[1:], *EARRINGS[1:], *GLASSES[1:]])
def test_everything_worn_has_its_label_and_is_part_of_the_mask(assets: TemplateAssets, subject: Subject, name: str) -> None:
    kind = next(k for k, known in (("hat", HATS), ("earrings", EARRINGS), ("glasses", GLASSES)) if name in known)
    label = {"hat": "headscarf" if name == "headscarf" else "hat", "earrings": "earring", "glasses": "glasses"}[kind]
    photo = shot(assets, subject.with_hair("buzz").with_worn(**{kind: name}), yaw=0.5, size=160)
    worn = photo.label == LABELS[label]
    assert worn.sum() > (3 if kind == "earrings" else 40)
    assert (photo.alpha[worn] > 0).all()
    hidden = np.isin(photo.label, [LABELS[part] for part in ("hair", "l_ear", "r_ear")])
    assert (name == "headscarf") == (not hidden.any())


def test_a_lens_adds_a_reflection_and_changes_nothing_else(assets: TemplateAssets, subject: Subject) -> None:
    scene = build_scene(build_person(assets, subject.with_worn(glasses="clear"), 0.2))
    light = light_scene(scene, lights_from(subject.lighting), 4, 64, 128)
    with_lens = render_photo(light, orbit(0.3), 128)
    material = np.where(scene.surfaces.material == GLASS, PLAIN, scene.surfaces.material)
    bare = replace(scene, surfaces=scene.surfaces._replace(material=material))
    without = render_photo(replace(light, scene=bare), orbit(0.3), 128)
    for field in ("alpha", "depth", "label", "normal"):
        assert (getattr(with_lens, field) == getattr(without, field)).all()
    changed = np.abs(with_lens.colour - without.colour).max(-1) > 1e-4
    assert 100 < changed.sum() < 3000 and (with_lens.alpha[changed] > 0).all()


@pytest.mark.parametrize(("show", "cells"), [("tones", (6, 2)), ("worn", (9, 3)), ("faces", (8, 1))])
def test_sheets_are_drawn_by_name(show: Any, cells: tuple[int, int], tmp_path: Path) -> None:
    sheet(tmp_path / "sheet.png", show=show, size=16, consecutive=2, set=("skin.tone=0.5",))
    width, height = Image.open(tmp_path / "sheet.png").size
    assert width == 16 * cells[0] and height >= 16 * cells[1]


def test_a_sheet_of_nobody_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FullheadError, match=r"unknown key hair.stile: there is style_men"):
        sheet(tmp_path / "sheet.png", show="faces", set=("hair.stile=afro",))
    assert not list(tmp_path.iterdir())


def test_a_sheet_of_styles_that_nobody_has_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fullhead.viewing.synth_sheet.MOST_TRIED", 5)
    with pytest.raises(FullheadError, match=r"nobody of 5 seeds has the hair style short: .*show faces"):
        sheet(tmp_path / "sheet.png", size=16, set=("hair.style=bob",))
