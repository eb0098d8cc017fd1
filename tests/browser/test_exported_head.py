"""An exported head in three.js in a real browser, judged by pixels at the places that the rig predicts."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from fullhead.export.rigged_files import save_rigged
from fullhead.export.rigged_person import rig_person
from fullhead.rig.arkit import ARKIT, arkit_weights
from fullhead.rig.identity import shape_parameters
from fullhead.rig.landmarks import landmark_weights
from fullhead.rig.template import JOINTS
from fullhead.synth.anatomy.template_assets import load_template_assets
from fullhead.synth.people.population import population
from fullhead.synth.people.subject_sampling import sample_subject
from fullhead.synth.rendering.person import Person, build_person

SIZE, FOV = 400, 26  # pixels, degrees
POSITION, TARGET = (0.0, -0.03, 0.75), (0.0, -0.03, 0.0)  # metres
BARE = (  # a head whose face nothing hides, with dark eyes
    "hair.style=buzz",
    "face_hair.beard=none",
    "worn.glasses=none",
    "worn.hat=none",
    "person.men=1",
    "eyes.iris=darkbrown",
)
UPPER_LIP, LOWER_LIP, NOSE_TIP = 62, 66, 30  # landmarks
SHOTS = {
    "rest": {},
    "jaw": {"weights": {"jawOpen": 1}},
    "blink": {"weights": {"eyeBlinkLeft": 1}},
    "look": {"weights": {"eyeLookOutLeft": 1, "eyeLookInRight": 1}},
    "eyes": {"joints": {"left_eye": (0, 0.5, 0), "right_eye": (0, 0.5, 0)}},
    "neck": {"joints": {"neck": (0, 0.5, 0)}},
    "clip_before": {"clip": "blink", "time": 0.1},
    "clip_closed": {"clip": "blink", "time": 0.92},
}


@dataclass(frozen=True)
class Seen:
    """A person, and what the browser showed of its file."""

    person: Person
    pictures: dict[str, np.ndarray]  # [SIZE, SIZE, 3]
    report: dict

    def landmarks(self, expression: dict[str, float], neck_turn: float = 0.0) -> np.ndarray:
        """Pixels [68, 2] of the landmarks."""
        pose = torch.zeros(1, len(JOINTS), 3)
        pose[0, JOINTS.index("neck"), 1] = neck_turn
        vertices = self.person.rig(expression=arkit_weights(expression)[None], joint_pose=pose).vertices[0].numpy()
        return self.pixels(landmark_weights(self.person.assets.template) @ vertices)

    def pupil(self, side: str, neck_turn: float = 0.0) -> np.ndarray:
        """Pixel [2] of a pupil that looks straight ahead."""
        pose = torch.zeros(1, len(JOINTS), 3)
        pose[0, JOINTS.index("neck"), 1] = neck_turn
        posed = self.person.rig(joint_pose=pose)
        turned = posed.transforms[0, JOINTS.index("neck"), :3, :3].numpy() @ np.array([0, 0, 0.125])
        return self.pixels(posed.joints[0, JOINTS.index(f"{side}_eye")].numpy() + turned)

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Where points [..., 3] of the person's frame lie in the pictures."""
        seen = self.person.to_world(points) * (0.1 / self.person.scale) - np.array(POSITION)
        half = np.tan(np.radians(FOV / 2)) * -seen[..., 2:]
        return (np.array([1, -1]) * seen[..., :2] / half + 1) * SIZE / 2

    def light(self, name: str) -> np.ndarray:
        """Brightness [SIZE, SIZE] of a picture."""
        return self.pictures[name].mean(axis=-1)

    def skin(self) -> float:
        """Usual brightness of the cheeks at rest."""
        marks = self.landmarks({})
        return float(np.median([around(self.light("rest"), 0.5 * (marks[i] + marks[NOSE_TIP]), 6) for i in (3, 13)]))


def around(picture: np.ndarray, place: np.ndarray, radius: int) -> np.ndarray:
    """The square of pixels around a place."""
    x, y = (round(float(v)) for v in place)
    return picture[y - radius : y + radius + 1, x - radius : x + radius + 1]


@pytest.fixture(scope="module")
def seen(take_shots: Callable, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    assets = load_template_assets(256)
    subject = sample_subject(3, shape_parameters(assets.template), population(BARE))
    person = build_person(assets, subject, detail=0.2)
    path = save_rigged(rig_person(person, hair_detail=0.3), tmp_path_factory.mktemp("head") / "head.glb", "blink")
    view = {"size": SIZE, "fov": FOV, "position": POSITION, "target": TARGET}
    pictures, report = take_shots(path, [view | shot | {"name": name} for name, shot in SHOTS.items()])
    return Seen(person, pictures, report)


def test_three_js_finds_the_52_expressions_the_skeleton_and_the_clip(seen: Seen) -> None:
    assert seen.report["meshes"]["skin"] == list(ARKIT)
    assert {"skin", "eyes", "teeth", "tongue", "lashes", "brows", "hair", "clothes"} <= set(seen.report["meshes"])
    assert sorted(seen.report["joints"]) == sorted(JOINTS)
    assert seen.report["clips"] == [{"name": "blink", "seconds": 2}]


def dark_between_lips(seen: Seen, name: str, expression: dict[str, float]) -> tuple[int, float]:
    """How many pixels are dark on the line between the middles of the outer lips, and how far apart the inner lips are."""
    marks = seen.landmarks(expression)
    (x, top), (_, bottom) = marks[51], marks[57]
    column = seen.light(name)[round(top) : round(bottom) + 1, round(x) - 2 : round(x) + 3].mean(axis=1)
    return int((column < 0.6 * seen.skin()).sum()), float(marks[LOWER_LIP, 1] - marks[UPPER_LIP, 1])


def test_jaw_open_opens_a_dark_mouth_between_the_lips(seen: Seen) -> None:
    dark_at_rest, gap_at_rest = dark_between_lips(seen, "rest", {})
    dark, gap = dark_between_lips(seen, "jaw", {"jawOpen": 1})
    assert gap_at_rest < 5
    assert gap > 25
    assert dark_at_rest < 8
    assert dark > 0.6 * gap
    assert dark > dark_at_rest + 15


def test_the_lips_part_where_the_rig_says(seen: Seen) -> None:
    """The mouth is darker than what lies above and below its lips, and the chin has gone down as far as the rig says."""
    marks, light = seen.landmarks({"jawOpen": 1}), seen.light("jaw")
    inside = np.median(around(light, 0.6 * marks[UPPER_LIP] + 0.4 * marks[LOWER_LIP], 4))
    for place in (0.5 * (marks[33] + marks[51]), 0.5 * (marks[57] + marks[LOWER_LIP]), 0.5 * (marks[57] + marks[8])):
        assert np.median(around(light, place, 2)) > 1.3 * inside
    changed = np.abs(seen.pictures["jaw"] - seen.pictures["rest"]).max(axis=-1) > 0.03
    rows = np.flatnonzero(changed.any(axis=1))
    assert rows.min() > marks[17:27, 1].min() - 10  # nothing moves above the brows
    assert abs(rows.max() - marks[8, 1]) < 25


def test_eye_blink_left_covers_the_left_iris_only(seen: Seen) -> None:
    left, right = seen.pupil("left"), seen.pupil("right")
    assert left[0] > right[0]  # the subject's left is on the right of the picture
    assert np.median(around(seen.light("rest"), left, 4)) < 0.5 * seen.skin()
    assert np.median(around(seen.light("blink"), left, 4)) > 0.6 * seen.skin()
    np.testing.assert_allclose(around(seen.pictures["blink"], right, 8), around(seen.pictures["rest"], right, 8), atol=0.03)


def darkest(light: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Where the pupil is: the centre of the darkest tenth of the pixels around an eye [2], from `place`."""
    window = around(light, place, 14)[6:-6]
    rows, columns = np.nonzero(window <= np.quantile(window, 0.1))
    return np.array([columns.mean() - 14, rows.mean() - 8])


def test_gaze_by_morphs_and_by_joints_is_the_same(seen: Seen) -> None:
    for side in ("left", "right"):
        place = seen.pupil(side)
        rest, look, eyes = (darkest(seen.light(name), place) for name in ("rest", "look", "eyes"))
        assert look[0] > rest[0] + 4
        np.testing.assert_allclose(look, eyes, atol=2.5)


def test_the_neck_turns_the_head_and_not_the_shoulders(seen: Seen) -> None:
    before, after = seen.pupil("right"), seen.pupil("right", 0.5)
    assert after[0] > before[0] + 40
    rest, turned = seen.light("rest"), seen.light("neck")
    assert np.median(around(turned, after, 2)) < 0.5 * seen.skin()
    assert np.median(around(turned, before, 2)) > 0.5 * seen.skin()
    assert np.abs(turned[-8:] - rest[-8:]).mean() < 0.005
    assert np.abs(turned[: SIZE // 2] - rest[: SIZE // 2]).mean() > 0.02


def test_the_clip_blinks(seen: Seen) -> None:
    np.testing.assert_allclose(seen.pictures["clip_before"], seen.pictures["rest"], atol=0.03)
    for side in ("left", "right"):
        assert np.median(around(seen.light("clip_closed"), seen.pupil(side), 4)) > 0.6 * seen.skin()
