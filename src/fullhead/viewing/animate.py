"""A GANHead in motion: its surface is found once, in the canonical pose, and carried from pose to pose.

Faces are told in ARKit's 52 weights and in turns of our template's joints, which FLAME's joints share; a model that FLAME moves
is told them in FLAME's components.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fullhead.core.cameras import Cameras, orbit
from fullhead.core.devices import CPU
from fullhead.core.errors import FullheadError, in_words
from fullhead.io.files import existing_file
from fullhead.io.images import Bytes, contact_sheet
from fullhead.models.ganhead import DecodedGANHead, GANHead
from fullhead.models.head import Batch, Render
from fullhead.representations.surface import coloured
from fullhead.rig.arkit import ARKIT, arkit_weights
from fullhead.rig.cube import template_in_cube
from fullhead.rig.template import JOINTS, load_template
from fullhead.rig.transfer import FACE_JOINTS, map_expressions
from fullhead.viewing.turntable import picture

SHEET_COLUMNS = 13  # a quarter of the 52


@dataclass(frozen=True)
class Poses(Batch):
    """N moments: `expression` [N, E] and `joint_pose` [N, J, 3], axis-angle in radians, relative to the parent."""

    expression: Tensor
    joint_pose: Tensor


@dataclass(frozen=True)
class Clip:
    """A clip of `fullhead synth video`: `poses` in ARKit's weights, the `cameras` [N] that saw them, frames a second."""

    poses: Poses
    cameras: Cameras
    fps: float


def read_clip(path: str | Path) -> Clip:
    """A file clips/c0000.json of a set of clips. Raises FullheadError for anything else."""
    path = existing_file(path, "a clip of `fullhead synth video`, clips/c0000.json")
    try:
        clip = json.loads(path.read_text(encoding="utf-8"))
        frames = clip["frames"]
        expression = torch.stack([arkit_weights(frame["expression"]) for frame in frames])
        joint_pose = torch.tensor([frame["joint_pose"] for frame in frames], dtype=torch.float32)
        yaw, pitch = (torch.tensor([frame[name] for frame in frames]) for name in ("yaw", "pitch"))
        return Clip(Poses(expression, joint_pose), orbit(yaw, pitch), float(clip["fps"]))
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise FullheadError(
            f"{path} is no clip of `fullhead synth video` ({in_words(error)}): give clips/c0000.json of its set"
        ) from None


def posed(weights: Mapping[str, float], turns: Mapping[str, Sequence[float]]) -> Poses:
    """One moment: ARKit weights by name, and the axis-angle [3] in radians of joints by name. What is left out rests."""
    unknown = sorted(set(turns) - set(JOINTS))
    if unknown:
        raise FullheadError(f"no joint {unknown[0]!r}: there is {', '.join(JOINTS)}")
    return Poses(arkit_weights(weights)[None], torch.tensor([[list(turns.get(name, (0.0, 0.0, 0.0))) for name in JOINTS]]))


def rig_poses(model: GANHead, poses: Poses) -> Poses:
    """Poses in ARKit's weights [N, 52] as the model's rig has them."""
    if model.config.rig == "template":
        return poses.to(model.rig.template.device)
    mapping = map_expressions(template_in_cube(load_template()).rig, model.rig.to(CPU), joints=FACE_JOINTS)
    return Poses(*mapping(poses.expression, poses.joint_pose)).to(model.rig.template.device)


def there_and_back(pose: Poses, frames: int) -> Poses:
    """Softly from rest to one pose and back, in a loop."""
    strength = 0.5 - 0.5 * torch.cos(2 * math.pi * torch.arange(frames) / frames)
    return Poses(strength[:, None] * pose.expression, strength[:, None, None] * pose.joint_pose)


def animate(
    model: GANHead, head: DecodedGANHead, poses: Poses, cameras: Cameras, *, show: Callable[[Render], Bytes] = picture
) -> Iterator[Bytes]:
    """Frames uint8 [H, W, C] of one decoded head in each of the poses (of the model's rig), seen by the camera of the same
    number; one camera serves all."""
    if len(head) != 1:
        raise FullheadError(f"an animation shows one head, not {len(head)}: take head[0]")
    if len(cameras) not in (1, len(poses)):
        raise FullheadError(f"{len(poses)} poses take as many cameras, or one, not {len(cameras)}")
    for i in range(len(poses)):
        moved = model.posed(head, poses[i].expression, poses[i].joint_pose, repaint=model.look is coloured)
        yield from show(model.render(moved, cameras[i % len(cameras)]))


def expression_sheet(
    model: GANHead, head: DecodedGANHead, camera: Cameras, *, show: Callable[[Render], Bytes] = picture
) -> Bytes:
    """One head with each of ARKit's 52 expressions at full strength, with their names: uint8 [H, W, 3]."""
    still = torch.zeros(len(ARKIT), len(model.rig.parents), 3)
    poses = rig_poses(model, Poses(torch.eye(len(ARKIT)), still))
    faces = list(animate(model, head, poses, camera, show=show))
    starts = range(0, len(ARKIT), SHEET_COLUMNS)
    return np.concatenate([
        contact_sheet([faces[i : i + SHEET_COLUMNS]], column_labels=ARKIT[i : i + SHEET_COLUMNS]) for i in starts
    ])  # fmt: skip
