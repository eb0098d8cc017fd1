"""A reader that knows the truth of a photo: its cameras and points."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from fullhead.core.cameras import orbit
from fullhead.eyes.pose import landmark_places, reading_of_camera
from fullhead.eyes.reading import Description, Points, Reading
from fullhead.eyes.window import Window
from fullhead.rig.landmarks import dense_points

Known = Callable[..., Reading]


def projected(reading: Reading, places: np.ndarray) -> np.ndarray:
    """Pixels [P, 2] of places [P, 3] on a head, as if it were far away."""
    assert reading.rotation is not None
    return reading.centre + reading.unit * (places @ reading.rotation.T)[:, :2]


@pytest.fixture
def known() -> Known:
    """A reading of a head seen from yaw (radians) in a photo of `size` pixels, moved by `shift`; all that a reader can say."""

    def make(yaw: float = 0.4, size: int = 100, shift: tuple[float, float] = (0.0, 0.0)) -> Reading:
        head = reading_of_camera(orbit(yaw, 0.1), size, size)
        head = replace(head, centre=head.centre + shift)
        points, count = projected(head, landmark_places()), len(dense_points().vertex)
        seen = np.linspace(0, 1, count)
        return replace(
            head,
            score=0.9,
            landmarks=Points(points, np.full(68, 0.5), (points[:, 0] < size / 2).astype(float)),
            dense=Points(projected(head, np.random.default_rng(0).normal(size=(count, 3)) * 0.1), seen=seen),
            window=Window(*head.centre, 0.5 * size),
            parts=np.full((16, 16), 3, np.uint8),
            matte=np.pad(np.ones((8, 8), np.float32), 4),
            expression=np.linspace(0, 1, 52),
            gaze=np.array([0.1, -0.2]),
            description=Description(hair_style={"bob": 0.75, "afro": 0.25}, glasses=0.5),
            identity=np.array([0.6, 0.8]),
        )

    return make
