"""An exported GANHead in three.js in a real browser: its outline is that of the head as the model poses it."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from fullhead.export.rigged_files import save_rigged
from fullhead.export.rigged_ganhead import rig_ganhead
from fullhead.kernels.raster import rasterize_arrays
from fullhead.models.ganhead import DecodedGANHead, GANHead
from fullhead.models.head import HeadPose
from fullhead.rig.arkit import ARKIT, arkit_weights
from fullhead.rig.template import JOINTS

SIZE, FOV, DISTANCE = 300, 40, 1.0  # pixels, degrees, metres
BLINK = {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}
SHOTS: dict[str, dict] = {
    "rest": {},
    "jaw": {"weights": {"jawOpen": 1.0}},
    "blink": {"weights": BLINK},
    "neck": {"joints": {"neck": (0.0, 0.5, 0.3)}},
    "clip": {"clip": "blink", "time": 0.92},
}


@pytest.fixture(scope="module")
def decoded(waved_ganhead: GANHead) -> DecodedGANHead:
    return waved_ganhead.decode(waved_ganhead.codes(torch.tensor([2])))


@pytest.fixture(scope="module")
def seen(
    waved_ganhead: GANHead, decoded: DecodedGANHead, take_shots: Callable, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, np.ndarray], dict]:
    head = rig_ganhead(waved_ganhead, decoded.codes, resolution=32, texture=256)
    path = save_rigged(head, tmp_path_factory.mktemp("head") / "head.glb", "blink")
    view = {"size": SIZE, "fov": FOV, "position": (0, 0, DISTANCE), "target": (0, 0, 0)}
    return take_shots(path, [view | shot | {"name": name} for name, shot in SHOTS.items()])


def outline(model: GANHead, decoded: DecodedGANHead, weights: dict[str, float], turn: tuple[float, ...]) -> np.ndarray:
    """Which pixels [SIZE, SIZE] the model's posed head covers."""
    pose = torch.zeros(1, len(JOINTS), 3)
    pose[0, JOINTS.index("neck")] = torch.tensor(turn)
    mesh = model.posed(decoded, HeadPose(arkit_weights(weights)[None], pose)).posed[0]
    ahead = DISTANCE - model.rig.metres * mesh.vertices.numpy()[:, 2]
    flat = model.rig.metres * mesh.vertices.numpy()[:, :2] / (np.tan(np.radians(FOV / 2)) * ahead[:, None])
    x, y = (flat[:, 0] + 1) * SIZE / 2, (1 - flat[:, 1]) * SIZE / 2
    return rasterize_arrays(x, y, 1 / ahead, mesh.faces.numpy(), SIZE, SIZE)[0] >= 0


def test_three_js_finds_the_expressions_the_joints_and_the_clip(seen: tuple[dict[str, np.ndarray], dict]) -> None:
    report = seen[1]
    assert report["meshes"] == {"head": list(ARKIT)}
    assert sorted(report["joints"]) == sorted(JOINTS)
    assert report["clips"] == [{"name": "blink", "seconds": 2}]


@pytest.mark.parametrize("name", list(SHOTS))
def test_the_browser_shows_the_head_where_the_model_poses_it(
    waved_ganhead: GANHead, decoded: DecodedGANHead, seen: tuple[dict[str, np.ndarray], dict], name: str
) -> None:
    """Outlines agree to a pixel's width; that of the head at rest would not do for any other."""
    picture, shot = seen[0][name], SHOTS[name]
    covered = np.abs(picture - picture[0, 0]).max(axis=-1) > 0.02
    weights = BLINK if name == "clip" else shot.get("weights", {})
    turn = shot.get("joints", {}).get("neck", (0.0, 0.0, 0.0))
    due, at_rest = (outline(waved_ganhead, decoded, *how) for how in ((weights, turn), ({}, (0.0, 0.0, 0.0))))
    assert 0.05 < due.mean() < 0.9

    def apart(a: np.ndarray, b: np.ndarray) -> float:
        return float((a ^ b).sum() / (a | b).sum())

    assert apart(covered, due) < 0.02
    if name != "rest":
        assert apart(covered, at_rest) > 0.06
