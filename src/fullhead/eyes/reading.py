"""What a photo shows of a head: one value, whichever reader found it.

Pixels are those of the photo, as in `eyes.window`. The head's own axes are the world's: +x to the subject's left, +y up, the
face looks along +z. Its origin is inside the head: the middle between the eyes is at (0, 0, 0.115). So places mean the same
from the front, the side and behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from fullhead.core.cameras import RADIUS, Cameras
from fullhead.eyes.window import Window
from fullhead.io.images import Bytes

SIDE_OF_A_HEAD = 0.52  # world units that the window around a head is wide: all of the head, hair and a part of the shoulders


@dataclass(frozen=True)
class Points:
    """P points of a head in the photo."""

    xy: NDArray  # [P, 2] pixels
    deviation: NDArray | None = None  # [P] standard deviation of x and of y, pixels; None where a reader does not say it
    seen: NDArray | None = None  # [P] probability, 0 to 1, that the photo shows the point; None where a reader does not say it


@dataclass(frozen=True)
class Description:
    """What a head looks like. Choices are probabilities by name, the likeliest first."""

    hair_style: Mapping[str, float] = field(default_factory=dict)  # names of synth.people.subject.STYLES
    hair_colour: Mapping[str, float] = field(default_factory=dict)  # of HAIR_COLOURS
    hair_length: Mapping[str, float] = field(default_factory=dict)  # none, short, medium, long
    beard: Mapping[str, float] = field(default_factory=dict)
    hat: Mapping[str, float] = field(default_factory=dict)
    glasses: float | None = None  # probability
    sunglasses: float | None = None
    male: float | None = None  # probability
    tone: float | None = None  # of the skin, 0 lightest to 1 darkest, as the procedural heads count it
    age: float | None = None  # on the template's axis: 2/3 a young adult, 1 old


@dataclass(frozen=True)
class Reading:
    """One head in a photo. What a reader cannot say is None."""

    score: float  # how sure it is that this is a head, 0 to 1
    centre: NDArray  # [2] pixels: where the head's origin is seen
    unit: float  # pixels that a unit of the world (0.68 metres) has at the head's distance
    rotation: NDArray | None = None  # [3, 3] from the head's axes to those (OpenCV's) of a camera that is aimed at its origin
    landmarks: Points | None = None  # the 68 of rig.landmarks
    dense: Points | None = None  # those of rig.landmarks.dense_points
    window: Window | None = None  # where `parts` and `matte` lie
    parts: NDArray | None = None  # uint8 [n, n], numbers of CelebAMask-HQ and ours, as sets of procedural heads have them
    matte: NDArray | None = None  # float32 [n, n], opacity of the head with hair and clothes, 0 to 1
    expression: NDArray | None = None  # [52] ARKit weights
    gaze: NDArray | None = None  # [2] yaw (to the subject's left) and pitch (up) of the eyes in the head, radians
    description: Description | None = None
    identity: NDArray | None = None  # [D] unit vector: near to that of the same person in another photo

    @property
    def yaw_pitch_roll(self) -> tuple[float, float, float] | None:
        """Where the camera stands around the head, radians, as `core.cameras` counts it: yaw, pitch, and how far the head is
        tilted in the picture, clockwise as one sees it."""
        if self.rotation is None:
            return None
        towards_camera = -self.rotation[2]  # the camera's backward axis, in the head's axes
        yaw, pitch = np.arctan2(towards_camera[0], towards_camera[2]), np.arcsin(np.clip(towards_camera[1], -1, 1))
        right = np.array([np.cos(yaw), 0, -np.sin(yaw)])  # what is level to the right for a camera that stands there upright
        level = self.rotation @ right
        return float(yaw), float(pitch), float(np.arctan2(level[1], level[0]))

    def head_window(self, side: float = SIDE_OF_A_HEAD) -> Window:
        """The upright window around the head, `side` world units wide."""
        angles = self.yaw_pitch_roll
        return Window(float(self.centre[0]), float(self.centre[1]), side * self.unit, angles[2] if angles else 0.0)

    def camera(self, width: int, height: int, focal: float | None = None) -> Cameras:
        """The camera that took the photo, in the head's world. focal: in pixels; by default the head is RADIUS away, where the
        cameras of training sets are."""
        assert self.rotation is not None, "a reader without rotations gives no camera"
        focal = RADIUS * self.unit if focal is None else focal
        ray = np.array([*((self.centre - [width / 2, height / 2]) / focal), 1.0])
        turn = aimed_at(ray).T @ self.rotation  # from the head's axes to the photo's camera
        c2w = np.eye(4)
        c2w[:3, :3] = turn.T
        c2w[:3, 3] = -turn.T @ (ray * focal / self.unit)
        K = np.array([[focal / width, 0, 0.5], [0, focal / height, 0.5], [0, 0, 1]])
        return Cameras(torch.from_numpy(c2w)[None].float(), torch.from_numpy(K)[None].float())


def aimed_at(ray: NDArray) -> NDArray:
    """[3, 3]: the least turn that takes the direction of `ray` [3] to +z."""
    a, b = ray / np.linalg.norm(ray), np.array([0.0, 0.0, 1.0])
    v, c = np.cross(a, b), float(a @ b)
    cross = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + cross + cross @ cross / (1 + c)


class Reader(Protocol):
    """Anything that reads heads from photos."""

    def __call__(self, photo: Bytes) -> list[Reading]:
        """The heads of a photo uint8 [H, W, 3] in sRGB, the surest first."""
        ...
