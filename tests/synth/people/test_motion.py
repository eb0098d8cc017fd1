"""Motion: smooth, seeded, the same at any frame rate."""

import numpy as np
import pytest

from fullhead.core.random import stream
from fullhead.rig.arkit import ARKIT
from fullhead.synth.people.expressions import COMPOUND_EXPRESSIONS, VISEMES, random_expression
from fullhead.synth.people.motion import MOTIONS, Pose, clip_poses


def values(poses: list[Pose]) -> np.ndarray:
    """[F, 52 + 15] of each frame."""
    weights = [[pose.expression.get(name, 0.0) for name in ARKIT] for pose in poses]
    return np.concatenate([weights, np.array([pose.joint_pose for pose in poses]).reshape(len(poses), -1)], axis=1)


@pytest.mark.parametrize("name", MOTIONS)
def test_a_clip_is_seeded_bounded_and_does_not_jump(name: str) -> None:
    poses = clip_poses(name, 3, 1200, 60.0)
    assert poses == clip_poses(name, 3, 1200, 60.0)
    found = values(poses)
    assert set().union(*(pose.expression for pose in poses)) <= set(ARKIT)
    assert found[:, :52].min() >= 0 and found[:, :52].max() <= 1 and np.abs(found[:, 52:]).max() < 1
    eyes = [i for i, other in enumerate(ARKIT) if other.startswith("eyeLook")]  # eyes do jump
    assert np.abs(np.diff(np.delete(found, eyes, axis=1), axis=0)).max() < 0.45
    turned = np.unwrap([pose.yaw for pose in poses])
    assert np.abs(np.diff(turned)).max() < 0.1


def test_more_frames_a_second_show_the_same_motion() -> None:
    slow, fast = clip_poses("talk", 5, 50, 25.0), clip_poses("talk", 5, 100, 50.0)
    assert slow == fast[::2]


def test_another_seed_moves_otherwise() -> None:
    assert clip_poses("wander", 1, 20, 25.0) != clip_poses("wander", 2, 20, 25.0)


def test_talking_opens_the_mouth_blinks_and_smiles() -> None:
    found = values(clip_poses("talk", 7, 250, 25.0))
    for name, least in (("jawOpen", 0.2), ("eyeBlinkLeft", 0.9), ("mouthSmileLeft", 0.4)):
        column = found[:, ARKIT.index(name)]
        assert column.max() > least and column.min() < 0.1


def test_every_expression_has_its_turn() -> None:
    poses = clip_poses("faces", 0, 52 * 8, 25.0)
    for k, name in enumerate(ARKIT):
        assert poses[8 * k + 4].expression[name] == 1.0
        assert not poses[8 * k].expression.get(name)


def test_the_orbit_goes_once_around() -> None:
    yaw = np.unwrap([pose.yaw for pose in clip_poses("orbit", 0, 40, 25.0)])
    np.testing.assert_allclose(np.diff(yaw), 2 * np.pi / 40, atol=1e-6)


def test_faces_are_made_of_names_that_exist() -> None:
    for weights in (*COMPOUND_EXPRESSIONS, *VISEMES, random_expression(stream(1, "x"), 2)):
        assert set(weights) <= set(ARKIT)
