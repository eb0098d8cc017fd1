"""A head in motion: it is decoded once and moved from pose to pose.

Faces are given as ARKit's 52 weights and as rotations of our template's joints, which FLAME's joints share; a model with
another rig turns them into its own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fullhead.core.cameras import WHOLE_TURN, Cameras, orbit
from fullhead.core.errors import FullheadError, in_words
from fullhead.io.files import existing_file
from fullhead.io.images import Bytes, contact_sheet
from fullhead.models.head import H, HeadModel, HeadPose, L, Posable, Render, RenderOptions, capable
from fullhead.rig.arkit import ARKIT, arkit_weights
from fullhead.rig.template import JOINTS
from fullhead.viewing.turntable import final_image

TURN = (-WHOLE_TURN, WHOLE_TURN)  # bounds of angles in a clip, radians
SHEET_COLUMNS = 13  # a quarter of the 52


@dataclass(frozen=True)
class Clip:
    """A clip of `fullhead synth video`: `poses` in ARKit's weights, the `cameras` [N] that saw them, frames a second."""

    poses: HeadPose
    cameras: Cameras
    fps: float


def read_clip(path: str | Path) -> Clip:
    """A file clips/c0000.json of a set of clips. Raises FullheadError for anything else."""
    path = existing_file(path, "a clip of `fullhead synth video`, clips/c0000.json")
    number = None
    try:
        clip = json.loads(path.read_text(encoding="utf-8"))
        moments, fps = [], _number(clip["fps"], "fps", (1e-3, 1000.0))
        for number, frame in enumerate(clip["frames"]):  # noqa: B007
            weights = {name: _number(weight, name, (0.0, 1.0)) for name, weight in frame["expression"].items()}
            turns = [
                [_number(turn, name, TURN) for turn in turns] for name, turns in zip(JOINTS, frame["joint_pose"], strict=True)
            ]
            view = [_number(frame[name], name, TURN) for name in ("yaw", "pitch")]
            moments.append((arkit_weights(weights), torch.tensor(turns).reshape(len(JOINTS), 3), torch.tensor(view)))
        number = None
        expression, joint_pose, seen = (torch.stack(parts) for parts in zip(*moments, strict=True))
        return Clip(HeadPose(expression, joint_pose), orbit(*seen.unbind(1)), fps)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, OverflowError, FullheadError) as error:
        where = "" if number is None else f"frame {number}: "
        said = f"{error.args[0]} is missing" if isinstance(error, KeyError) else in_words(error)
        raise FullheadError(
            f"{path} is no clip of `fullhead synth video` ({where}{said}): give clips/c0000.json of its set"
        ) from None


def _number(value: float, name: str, bounds: tuple[float, float]) -> float:
    low, high = bounds
    if not low <= value <= high:
        raise ValueError(f"{name} is {value:g}, not between {low:g} and {high:g}")
    return float(value)


def posed(weights: Mapping[str, float], turns: Mapping[str, Sequence[float]]) -> HeadPose:
    """One moment: ARKit weights by name, and the axis-angle [3] in radians of joints by name. What is left out rests."""
    unknown = sorted(set(turns) - set(JOINTS))
    if unknown:
        raise FullheadError(f"no joint {unknown[0]!r}: there is {', '.join(JOINTS)}")
    return HeadPose(arkit_weights(weights)[None], torch.tensor([[list(turns.get(name, (0.0, 0.0, 0.0))) for name in JOINTS]]))


def there_and_back(pose: HeadPose, frames: int) -> HeadPose:
    """Softly from rest to one pose and back, in a loop."""
    strength = 0.5 - 0.5 * torch.cos(2 * math.pi * torch.arange(frames) / frames)
    return HeadPose(strength[:, None] * pose.expression, strength[:, None, None] * pose.joint_pose)


def animate(
    model: HeadModel[L, H],
    head: H,
    poses: HeadPose,
    cameras: Cameras,
    options: RenderOptions = RenderOptions(),
    *,
    show: Callable[[Render], Bytes] = final_image,
) -> Iterator[Bytes]:
    """Frames uint8 [H, W, C] of one decoded head in each of the `poses` (ARKit's weights [N, 52] and our template's joints),
    seen by the camera of the same number; one camera serves all. FullheadError if the model cannot be posed."""
    posable = capable(model, Posable, "this model", "give a GANHead")
    if len(head) != 1:
        raise FullheadError(f"an animation shows one head, not {len(head)}: take head[0]")
    if len(cameras) not in (1, len(poses)):
        raise FullheadError(f"{len(poses)} poses take as many cameras, or one, not {len(cameras)}")
    of_rig = posable.rig_pose(poses)
    for i in range(len(poses)):
        moved = posable.posed(head, of_rig[i], options)
        yield from show(model.render(moved, cameras[i % len(cameras)], options))


def expression_sheet(
    model: HeadModel[L, H],
    head: H,
    camera: Cameras,
    options: RenderOptions = RenderOptions(),
    *,
    show: Callable[[Render], Bytes] = final_image,
) -> Bytes:
    """One head with each of ARKit's 52 expressions at full strength, with their names: uint8 [H, W, 3]."""
    poses = HeadPose(torch.eye(len(ARKIT)), torch.zeros(len(ARKIT), len(JOINTS), 3))
    faces = list(animate(model, head, poses, camera, options, show=show))
    rows = [slice(start, start + SHEET_COLUMNS) for start in range(0, len(ARKIT), SHEET_COLUMNS)]
    return np.concatenate([contact_sheet([faces[row]], column_labels=ARKIT[row]) for row in rows])
