"""A small GANHead in motion: clips, faces there and back, the surface that is found once."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from analytic_head import AnalyticHead
from fullhead.core.cameras import orbit, yaw_pitch
from fullhead.core.errors import FullheadError
from fullhead.core.meshes import vertex_normals
from fullhead.export.mesh import extract_mesh
from fullhead.io.images import to_uint8
from fullhead.models.ganhead import DecodedGANHead, GANHead
from fullhead.models.head import HeadPose
from fullhead.rig.arkit import ARKIT
from fullhead.rig.template import JAW, NECK
from fullhead.viewing.animate import animate, posed, read_clip, there_and_back


@pytest.fixture(scope="module")
def head(ganhead: GANHead) -> DecodedGANHead:
    return ganhead.decode(ganhead.seed_latents([1]))


def test_every_frame_shows_the_one_surface_in_its_pose(ganhead: GANHead, head: DecodedGANHead):
    pose = posed({"jawOpen": 0.5}, {"neck": (0.0, 0.4, 0.0)})
    cameras = orbit(torch.tensor([0.0, 0.5, 1.0]))
    frames = list(animate(ganhead, head, there_and_back(pose, 3), cameras))
    for i, strength in enumerate((0.0, 0.75, 0.75)):
        moved = ganhead.posed(head, HeadPose(strength * pose.expression, strength * pose.joint_pose))
        np.testing.assert_allclose(frames[i].astype(int), to_uint8(ganhead.render(moved, cameras[i]).image)[0], atol=1)
    assert [id(mesh) for mesh in moved.canonical] == [id(mesh) for mesh in head.canonical]


def test_a_face_comes_and_goes_softly_and_loops():
    pose = posed({"jawOpen": 0.8, "eyeBlinkLeft": 1.0}, {"jaw": (0.2, 0.0, 0.0)})
    film = there_and_back(pose, 40)
    opened = film.expression[:, ARKIT.index("jawOpen")]
    assert opened[0] == 0 and opened.max() == pytest.approx(0.8)
    steps = torch.cat([opened, opened[:1]]).diff().abs()
    assert steps.max() < 0.8 * math.pi / 40 + 1e-6, "no jump, from the last frame to the first neither"
    torch.testing.assert_close(film.joint_pose[:, JAW, 0], opened / 4)
    assert not film.joint_pose[:, NECK].any()


def test_a_clip_is_read_as_the_set_tells_it(tmp_path: Path):
    frames = [
        {"expression": {"jawOpen": 0.1 * i}, "joint_pose": [[0, 0, 0], [0, 0.2 * i, 0]] + 3 * [[0, 0, 0]],
         "yaw": 0.3 * i, "pitch": 0.1}
        for i in range(3)
    ]  # fmt: skip
    (tmp_path / "c.json").write_text(json.dumps({"fps": 20, "frames": frames}))
    clip = read_clip(tmp_path / "c.json")
    assert (len(clip.poses), len(clip.cameras), clip.fps) == (3, 3, 20)
    torch.testing.assert_close(clip.poses.expression[:, ARKIT.index("jawOpen")], torch.tensor([0.0, 0.1, 0.2]))
    torch.testing.assert_close(clip.poses.joint_pose[2, NECK], torch.tensor([0.0, 0.4, 0.0]))
    torch.testing.assert_close(yaw_pitch(clip.cameras)[0], torch.tensor([0.0, 0.3, 0.6]), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "text", ["{}", "[1]", "no json", '{"fps": 2, "frames": [{"expression": {}}]}', '{"fps": 2, "frames": []}']
)
def test_what_is_no_clip_is_refused(text: str, tmp_path: Path):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(FullheadError, match="no clip"):
        read_clip(tmp_path / "c.json")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("expression", {"jawOpen": 5}, "frame 2: jawOpen is 5, not between 0 and 1"),
        ("expression", {"jawOpen": math.nan}, "frame 2: jawOpen is nan"),
        ("expression", {"smile": 1}, "frame 2: no ARKit blendshape 'smile'"),
        ("expression", [1], "frame 2: "),
        ("joint_pose", [3 * [0], [0, 1e9, 0], *3 * [3 * [0]]], "frame 2: neck is 1e"),
        ("joint_pose", [3 * [0]], "frame 2: "),
        ("yaw", 90, "frame 2: yaw is 90, not between -6"),
        ("pitch", None, "frame 2: "),
    ],
)
def test_what_is_wrong_in_a_clip_is_named_with_its_frame(name: str, value: object, said: str, tmp_path: Path):
    rest = {"expression": {}, "joint_pose": 5 * [3 * [0.0]], "yaw": 0.0, "pitch": 0.0}
    (tmp_path / "c.json").write_text(json.dumps({"fps": 20, "frames": [rest, rest, rest | {name: value}]}))
    with pytest.raises(FullheadError, match="no clip") as refusal:
        read_clip(tmp_path / "c.json")
    assert said in str(refusal.value)


def test_what_cannot_be_moved_is_refused_in_words(ganhead: GANHead, head: DecodedGANHead):
    with pytest.raises(FullheadError, match="no joint 'nose'"):
        posed({}, {"nose": (0.0, 0.0, 0.0)})
    pose = posed({}, {})
    with pytest.raises(FullheadError, match="one head, not 2"):
        next(animate(ganhead, head.expand(2), pose, orbit(0.0)))
    with pytest.raises(FullheadError, match="1 poses take as many cameras"):
        next(animate(ganhead, head, pose, orbit(torch.zeros(2))))
    still = AnalyticHead()
    with pytest.raises(FullheadError, match="AnalyticHead, which has no rig, so its heads do not move: give a GANHead"):
        next(animate(still, still.decode(still.seed_latents([0])), pose, orbit(0.0)))


def test_a_mesh_is_the_posed_surface_at_the_asked_for_resolution(ganhead: GANHead, head: DecodedGANHead):
    moved = ganhead.posed(head, posed({}, {"neck": (0.0, 0.5, 0.0)}))
    mesh = extract_mesh(ganhead, moved, resolution=ganhead.config.resolution)
    np.testing.assert_allclose(mesh.vertices, moved.posed[0].vertices.numpy() * 0.2, atol=1e-5)
    finer = extract_mesh(ganhead, moved, resolution=2 * ganhead.config.resolution)
    assert 3 < len(finer.vertices) / len(mesh.vertices) < 5, "twice as fine, four times as many"
    outwards = vertex_normals(mesh.vertices, mesh.faces) * (mesh.vertices - mesh.vertices.mean(0))
    assert outwards.sum(1).mean() > 0
