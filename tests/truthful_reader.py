"""A reader of heads that knows the answer: where a scan's head stands, and from where each picture of it was taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from fullhead.core.cameras import Cameras
from fullhead.core.similarity import Similarity
from fullhead.core.tri_mesh import TriMesh
from fullhead.data import scan_reading
from fullhead.data.scan_views import ScanViews
from fullhead.eyes.reading import Points, Reading, aimed_at
from fullhead.io.images import Bytes
from fullhead.rig.cube import EYES, UNITS_PER_METRE

CUBE_FROM_HEAD = Similarity(0.68 * UNITS_PER_METRE, np.eye(3), np.array(EYES) - [0, 0, 0.68 * UNITS_PER_METRE * 0.115])


@dataclass
class TruthfulReader:
    """Sees only heads that stand about upright in the picture, as one that learned from photos does. `change` may lie about a
    reading; noise: of landmarks, in pixels."""

    scan_from_head: Similarity
    landmarks: NDArray  # [68, 3], in the scan
    noise: float = 0.0
    turned: float = 0.0  # radians, deviation of its rotations
    change: Callable[[Reading], Reading | None] = lambda reading: reading
    asked: int = 0
    _known: dict[bytes, tuple[NDArray, NDArray]] = field(default_factory=dict)

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> TruthfulReader:
        """From now on, know the camera of each view of a scan that is rendered."""
        render = scan_reading.views_of_scan

        def watched(mesh: TriMesh[NDArray], cameras: Cameras, size: int) -> ScanViews:
            views = render(mesh, cameras, size)
            for i, picture in enumerate(views.pictures):
                self._known[picture.tobytes()] = views.cameras.c2w[i].numpy(), views.cameras.K[i].numpy()
            return views

        monkeypatch.setattr(scan_reading, "views_of_scan", watched)
        return self

    def __call__(self, photo: Bytes) -> list[Reading]:
        self.asked += 1
        c2w, K = self._known[photo.tobytes()]
        random, size = np.random.RandomState(self.asked), len(photo)
        to_camera, focal = c2w[:3, :3].T, K[0, 0] * size
        at = to_camera @ (self.scan_from_head.shift - c2w[:3, 3])
        ray = at / at[2]
        rotation = aimed_at(ray) @ to_camera @ self.scan_from_head.turn @ small_turn(self.turned * random.normal(size=3))
        marks = (self.landmarks - c2w[:3, 3]) @ to_camera.T
        xy = marks[:, :2] / marks[:, 2:] * focal + size / 2 + self.noise * random.normal(size=(68, 2))
        reading = Reading(
            0.9, ray[:2] * focal + size / 2, focal * self.scan_from_head.scale / at[2], rotation, Points(xy, np.full(68, 1.5))
        )
        _, pitch, roll = reading.yaw_pitch_roll or (0, 0, 0)
        told = self.change(reading) if abs(roll) < np.radians(50) and abs(pitch) < np.radians(50) else None
        return [] if told is None else [told]


def small_turn(axis_angle: NDArray) -> NDArray:
    angle = np.linalg.norm(axis_angle)
    x, y, z = axis_angle / max(angle, 1e-12)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
