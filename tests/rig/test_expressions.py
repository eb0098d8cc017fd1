"""The 52 expressions: each does what its name says, on its own side; pairs act together; eyes and teeth stay covered."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from fullhead.kernels.raster import rasterize_arrays
from fullhead.rig.arkit import ARKIT, arkit_weights
from fullhead.rig.identity import head_parameters
from fullhead.rig.landmarks import landmark_weights
from fullhead.rig.rig import Posed, Rig
from fullhead.rig.subdivision import triangles_from_quads
from fullhead.rig.template import LEFT_EYE, RIGHT_EYE, Template, load_template

MILLIMETRE = 0.01  # in decimetres
SQUEEZE = 0.55  # of its length that an edge of the cheek keeps at least; folding over itself it had 0.45
Landmarks = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template()


@pytest.fixture(scope="module")
def people(template: Template) -> list[Rig]:
    """Four adults of random parameters."""
    parameters, generator = head_parameters(template), torch.Generator().manual_seed(2)
    phenotypes = torch.tensor([[0.1, 0.68, 0.5, 0.4, 1, 0, 0], [0.9, 0.7, 0.6, 0.5, 0, 1, 0], [0.1, 0.85, 0.5, 0.5, 0, 0, 1]])
    phenotypes = torch.cat([phenotypes, torch.tensor([[0.9, 0.95, 0.5, 0.6, 1, 1, 1]])])
    values = 0.15 * torch.randn(4, len(parameters.names), generator=generator)
    return [template.rig.personal(shape) for shape in parameters.coefficients(phenotypes, values)]


@pytest.fixture(scope="module")
def landmarks(template: Template, people: list[Rig]) -> Landmarks:
    """The 68 landmarks [68, 3] of the first of the people, millimetres, with expressions by name."""
    weights = landmark_weights(template)
    return lambda **expression: weights @ posed(people[0], **expression).vertices[0].numpy() / MILLIMETRE


def posed(rig: Rig, **expression: float) -> Posed:
    return rig(expression=arkit_weights(expression)[None])


def both(*names: str) -> dict[str, float]:
    return {name + side: 1.0 for name in names for side in ("Left", "Right")}


def test_names_are_apple_s_in_apple_s_order(template: Template) -> None:
    assert len(set(ARKIT)) == 52 and template.rig.expression_names == ARKIT
    assert ARKIT[:3] == ("eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft") and ARKIT[-1] == "tongueOut"


@pytest.mark.parametrize("name", ARKIT)
def test_every_expression_shows(name: str, people: list[Rig]) -> None:
    rig = people[0]
    moved = (posed(rig, **{name: 1.0}).vertices - rig.template).norm(dim=-1)
    assert moved.max() > 1.2 * MILLIMETRE


@pytest.mark.parametrize("name", [name for name in ARKIT if name.endswith("Left")])
def test_left_is_the_mirror_image_of_right_and_on_the_left(name: str, template: Template) -> None:
    rig, flip = template.rig, torch.tensor([-1.0, 1, 1])
    left = posed(rig, **{name: 1.0}).vertices[0] - rig.template
    right = posed(rig, **{name.removesuffix("Left") + "Right": 1.0}).vertices[0] - rig.template
    mirror = torch.cdist(rig.template * flip, rig.template).argmin(1)
    same = (rig.template[mirror] * flip - rig.template).norm(dim=1) < 1e-3  # not where two vertices share a place
    torch.testing.assert_close(left[same], (right[mirror] * flip)[same], atol=0.3 * MILLIMETRE, rtol=0)
    if name not in ("jawLeft", "mouthLeft"):  # those go there
        moved, side = left.norm(dim=1), rig.template[:, 0]
        assert moved[side > 0.05].sum() > 2.5 * moved[side < -0.05].sum()  # the subject's left is +x


def test_the_mouth_does_what_the_names_say(landmarks: Landmarks) -> None:
    rest = landmarks()

    def change(point: int, axis: int, **expression: float) -> float:
        return float((landmarks(**expression) - rest)[point, axis])

    right, left, upper, lower, chin = 48, 54, 62, 66, 8
    x, y, z = range(3)
    assert change(chin, y, jawOpen=1.0) < -10 and change(lower, y, jawOpen=1.0) < -15 and change(upper, y, jawOpen=1.0) > -2
    assert change(chin, z, jawForward=1.0) > 4
    assert change(chin, x, jawLeft=1.0) > 4 and change(chin, x, jawRight=1.0) < -4
    assert change(left, y, mouthSmileLeft=1.0) > 5 and change(left, x, mouthSmileLeft=1.0) > 2
    assert change(right, y, mouthFrownRight=1.0) < -3
    assert change(left, x, mouthStretchLeft=1.0) > 3 and change(left, x, mouthDimpleLeft=1.0) > 2
    assert change(left, x, mouthPucker=1.0) < -4 < 4 < change(right, x, mouthPucker=1.0)
    assert change(lower, z, mouthFunnel=1.0) > 1 and change(lower, y, mouthFunnel=1.0) < -2
    assert change(lower, x, mouthLeft=1.0) > 4 and change(lower, x, mouthRight=1.0) < -4
    assert change(51, y, mouthUpperUpLeft=1.0, mouthUpperUpRight=1.0) > 2
    assert change(57, y, mouthLowerDownLeft=1.0, mouthLowerDownRight=1.0) < -2
    assert change(lower, z, mouthRollLower=1.0) < -2 and change(51, z, mouthRollUpper=1.0) < -2
    assert change(lower, y, mouthShrugLower=1.0) > 2 and change(upper, y, mouthShrugUpper=1.0) > 1
    thickness = rest[51, 1] - rest[57, 1]
    pressed = landmarks(**both("mouthPress"))
    assert pressed[51, 1] - pressed[57, 1] < 0.8 * thickness


def test_brows_cheeks_and_nose_do_what_the_names_say(landmarks: Landmarks, people: list[Rig]) -> None:
    rest = landmarks()
    assert (landmarks(**both("browDown")) - rest)[[18, 25], 1].max() < -2
    inner_up, outer_up = landmarks(browInnerUp=1.0) - rest, landmarks(**both("browOuterUp")) - rest
    assert inner_up[[21, 22], 1].min() > 3 and outer_up[[18, 25], 1].min() > 3
    assert inner_up[21, 1] > outer_up[21, 1] and outer_up[18, 1] > inner_up[18, 1]
    assert (landmarks(**both("noseSneer")) - rest)[[31, 35], 1].min() > 1
    face = people[0].template
    cheek = (face[:, 0] > 0.3) & (face[:, 2] > 0.7) & (face[:, 1] < float(rest[33, 1]) * MILLIMETRE + 0.3)
    puffed, squinting = (posed(people[0], **{name: 1.0}).vertices[0] - face for name in ("cheekPuff", "cheekSquintLeft"))
    assert puffed[cheek, 0].max() > 5 * MILLIMETRE and squinting[cheek, 1].max() > 5 * MILLIMETRE


def test_the_tongue_comes_out_between_the_lips(template: Template, people: list[Rig], landmarks: Landmarks) -> None:
    tongue = np.unique(template.part("tongue")[0])
    for jaw in (0.0, 0.5, 1.0):
        expression = {"tongueOut": 1.0, "jawOpen": jaw}
        vertices = posed(people[0], **expression).vertices[0].numpy()[tongue] / MILLIMETRE
        upper, lower = landmarks(**expression)[[62, 66]]
        assert vertices[:, 2].max() > lower[2] + 3
        between = vertices[(vertices[:, 2] > lower[2] - 2) & (vertices[:, 2] < lower[2] + 2)]
        assert between[:, 1].max() < upper[1] + 1 and upper[1] - lower[1] > 8
    assert posed(people[0]).vertices[0].numpy()[tongue, 2].max() / MILLIMETRE < landmarks()[66, 2]


@pytest.mark.parametrize("open", [0.3, 1.0])
def test_mouth_close_closes_an_open_jaw_whatever_it_opens_to(open: float, landmarks: Landmarks) -> None:
    def gap(**expression: float) -> float:
        points = landmarks(**expression)
        return float((points[[61, 62, 63]] - points[[67, 66, 65]])[:, 1].mean())

    rest = gap()
    assert gap(jawOpen=open) > rest + 9 * open
    assert gap(jawOpen=open, mouthClose=open) < rest + 1
    assert gap(jawOpen=open, mouthClose=1.0) < rest + 1
    assert gap(mouthClose=1.0) < rest + 1
    assert gap(jawOpen=open, mouthClose=open / 2) > rest + 3 * open


def test_opposites_and_doubles_do_not_pile_up(landmarks: Landmarks) -> None:
    rest = landmarks()

    def corner(**expression: float) -> np.ndarray:
        return (landmarks(**expression) - rest)[54]

    assert np.abs(landmarks(mouthLeft=1.0, mouthRight=1.0) - rest).max() < 1
    smile = corner(mouthSmileLeft=1.0)
    assert corner(mouthSmileLeft=1.0, mouthStretchLeft=1.0)[0] < smile[0] + 0.5 * corner(mouthStretchLeft=1.0)[0]
    assert corner(mouthSmileLeft=1.0, mouthPucker=1.0)[1] < 0.6 * smile[1]


def test_the_eyes_turn_where_the_names_say_and_lids_follow(people: list[Rig], landmarks: Landmarks) -> None:
    for side, joint, outwards in (("Left", LEFT_EYE, 1), ("Right", RIGHT_EYE, -1)):
        look = {word: posed(people[0], **{f"eyeLook{word}{side}": 1.0}).transforms[0, joint, :3, 2] for word in
                ("Up", "Down", "In", "Out")}  # fmt: skip
        assert look["Up"][1] > 0.3 > -0.3 > look["Down"][1]
        assert look["Out"][0] * outwards > 0.4 > -0.4 > look["In"][0] * outwards
    upper, rest = [43, 44], landmarks()
    up, down = (landmarks(**{name: 1.0})[upper, 1] for name in ("eyeLookUpLeft", "eyeLookDownLeft"))
    assert (up > rest[upper, 1] + 2).all() and (down < rest[upper, 1] - 1.5).all()


def _least_squeeze(template: Template, one: np.ndarray, other: np.ndarray) -> float:
    """The shortest that any edge of the cheeks' and chin's skin gets from one to the other pose [N, 3], as a share."""
    u, v = template.uv[template.quad_uv].mean(1).T
    skin = template.quads[(template.quad_part == 0) & (u > 0.7) & (v > 0.2) & (v < 0.8)]
    edges = np.concatenate([skin[:, [k, (k + 1) % 4]] for k in range(4)])
    x, y, z = one[edges].mean(1).T
    edges = edges[(np.abs(x) > 0.32) & (np.abs(x) < 0.6) & (y > 6.4) & (y < 7) & (z > 0.8)]
    before, after = (np.linalg.norm(at[edges[:, 0]] - at[edges[:, 1]], axis=1) for at in (one, other))
    return float((after / before).min())


def test_a_smile_does_not_fold_the_cheek(template: Template) -> None:
    rest, smile = (template.rig(expression=arkit_weights(w)[None]).vertices[0].numpy() for w in ({}, both("mouthSmile")))
    assert _least_squeeze(template, rest, smile) > SQUEEZE


def test_the_chin_stays_smooth_where_lips_close_over_an_open_jaw(template: Template) -> None:
    rest, closed = (template.rig(expression=arkit_weights(w)[None]).vertices[0] for w in ({}, {"jawOpen": 1, "mouthClose": 1}))
    quads, moved = template.part("skin")[0], (closed - rest).numpy() / MILLIMETRE
    x, y, z = rest.T.numpy()
    bends = []
    for vertex in np.flatnonzero((np.abs(x) < 0.35) & (y > 6.1) & (y < 6.45) & (z > 0.9)):
        around = [quad[[(k + 1) % 4, k - 1]] for quad in quads for k in np.flatnonzero(quad == vertex)]
        if around:
            bends.append(np.linalg.norm(moved[vertex] - moved[np.unique(around)].mean(0)))
    assert len(bends) > 100 and np.mean(bends) < 0.3  # millimetres between neighbours; it was 0.44


def test_eyes_turned_by_their_joints_take_the_lids_along_as_expressions_do(people: list[Rig]) -> None:
    turn = torch.zeros(1, 5, 3)
    turn[0, LEFT_EYE, 0] = torch.deg2rad(torch.tensor(22.0))
    by_joint = people[0](joint_pose=turn).vertices
    torch.testing.assert_close(by_joint, posed(people[0], eyeLookDownLeft=1.0).vertices, atol=1e-5, rtol=0)


def test_wide_opens_and_squint_narrows_the_eyes(landmarks: Landmarks) -> None:
    def opening(**expression: float) -> float:
        points = landmarks(**expression)
        return float((points[[43, 44]] - points[[47, 46]])[:, 1].mean())

    assert opening(eyeSquintLeft=1.0) + 1.5 < opening() < opening(eyeWideLeft=1.0) - 2


def seen(rig: Rig, template: Template, parts: tuple[str, ...], **expression: float) -> np.ndarray:
    """Points [P, 2] (x, y, dm) of half-millimetre pixels that show the last of the parts from the front, past the others."""
    vertices = posed(rig, **expression).vertices[0].numpy()
    triangles = [triangles_from_quads(template.part(part)[0]) for part in parts]
    n, side = 512, 2.5
    corner = rig.rest_joints[LEFT_EYE:].numpy().mean(0) - [side / 2, side / 2 + 0.5, 0]
    x, y, z = ((vertices - corner) * n / side).T
    drawn = np.concatenate(triangles).astype(np.int32)
    found = rasterize_arrays(x, y, z + 2 * n, drawn, n, n)[0]
    rows, columns = np.nonzero(found >= len(drawn) - len(triangles[-1]))
    return (np.stack([columns, rows], axis=1) + 0.5) * side / n + corner[:2]


BLINK = both("eyeBlink")


@pytest.mark.parametrize(
    "others",
    [{}, both("eyeLookDown"), both("eyeLookUp"), both("eyeSquint"), both("eyeWide"), both("cheekSquint"), both("browDown")],
    ids=["alone", "down", "up", "squint", "wide", "cheeks", "brows"],
)
def test_closed_lids_cover_the_eyeballs(others: dict[str, float], people: list[Rig], template: Template) -> None:
    for rig in people:
        assert len(seen(rig, template, ("skin", "eyes"))) > 200
        assert len(seen(rig, template, ("skin", "eyes"), **BLINK, **others)) <= 4


def test_teeth_stay_behind_closed_lips(people: list[Rig], template: Template) -> None:
    closed = [{}, both("mouthSmile"), {"mouthPucker": 1.0}, {"cheekPuff": 1.0}, {"jawOpen": 1.0, "mouthClose": 1.0}]
    for rig in people:
        for expression in closed:
            assert len(seen(rig, template, ("skin", "teeth"), **expression)) <= 6
        assert len(seen(rig, template, ("skin", "teeth"), **both("mouthUpperUp", "mouthLowerDown"))) > 60


def test_gums_stay_inside_an_open_smile(people: list[Rig], template: Template) -> None:
    weights = landmark_weights(template)
    for rig in people:
        expression = {"jawOpen": 1.0, **both("mouthSmile")}
        lips = (weights @ posed(rig, **expression).vertices[0].numpy())[48:60, :2]
        teeth = seen(rig, template, ("skin", "teeth"), **expression)
        assert ((teeth > lips.min(0)) & (teeth < lips.max(0))).all()
        corners, low = lips[[0, 6]], lips[9]
        slope = (corners[:, 1].mean() - low[1]) / np.abs(corners[:, 0] - low[0]).mean()
        assert (teeth[:, 1] > low[1] + 0.5 * slope * np.abs(teeth[:, 0] - low[0])).all()  # above the lower lip's curve
