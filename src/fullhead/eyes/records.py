"""Readings as JSON, and back."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fullhead.eyes.reading import Description, Points, Reading
from fullhead.eyes.window import Window
from fullhead.rig.arkit import ARKIT, arkit_weights

MEANING = {
    "score": "how sure the reader is that this is a head, 0 to 1",
    "centre": "where the head's origin is seen, pixels",
    "unit": "pixels that a unit of the world (0.68 metres) has at the head's distance",
    "rotation": "rows of the matrix from the head's axes (x to the subject's left, y up, z where the face looks) to those of a "
    "camera aimed at its origin (x right, y down, z forward)",
    "yaw_pitch_roll": "where the camera stands around the head, degrees: to the subject's left; up; and how far "
    "the head is tilted in the picture, clockwise",
    "box": "the square around the head: its middle x, y and side, pixels; turn, degrees clockwise",
    "camera": "the photo's camera in the head's world, if the head is 2.7 units away: c2w, OpenCV axes, and K, by picture size",
    "landmarks": "the 68 of the iBUG scheme, pixels from the top left corner, where the first pixel's middle is (0.5, 0.5)",
    "dense": "points all over the head, as rig.landmarks.dense_points lists them, pixels",
    "deviation": "standard deviation of x and of y, pixels",
    "seen": "probability that the photo shows the point",
    "window": "the square that parts and matte were read in, as box",
    "expression": "ARKit weights, 0 to 1",
    "gaze": "of the eyes in the head: yaw to the subject's left, pitch up, degrees",
    "description": "choices are probabilities by name",
    "identity": "unit vector: near to that of the same person in another photo",
    "parts": "PNG of the photo's size: number of the part in each pixel, as in CelebAMask-HQ",
    "matte": "PNG of the photo's size: opacity of head, hair and clothes, 0 to 255",
}


def rounded(values: Any, digits: int = 3) -> Any:
    return np.round(np.asarray(values, float), digits).tolist()


def record(reading: Reading, width: int, height: int) -> dict[str, Any]:
    """All that a reading of a photo of that size says but parts and matte, in plain values; what it does not say is absent."""
    angles = reading.yaw_pitch_roll
    found: dict[str, Any] = {
        "score": rounded(reading.score, 4),
        "centre": rounded(reading.centre),
        "unit": rounded(reading.unit),
        "box": _box(reading.head_window()),
    }
    if angles is not None:
        camera = reading.camera(width, height)
        found["rotation"] = rounded(reading.rotation, 6)
        found["yaw_pitch_roll"] = rounded(np.degrees(angles), 2)
        found["camera"] = {"c2w": rounded(camera.c2w[0], 6), "K": rounded(camera.K[0], 6)}
    for name in ("landmarks", "dense"):
        if (points := getattr(reading, name)) is not None:
            found[name] = {key: rounded(value) for key, value in vars(points).items() if value is not None}
    if reading.window is not None:
        found["window"] = _box(reading.window)
    if reading.expression is not None:
        found["expression"] = dict(zip(ARKIT, rounded(reading.expression, 4), strict=True))
    if reading.gaze is not None:
        found["gaze"] = rounded(np.degrees(reading.gaze), 2)
    if reading.description is not None:
        found["description"] = {name: value for name, value in asdict(reading.description).items() if value not in (None, {})}
    if reading.identity is not None:
        found["identity"] = rounded(reading.identity, 5)
    return found


def reading_of(found: dict[str, Any]) -> Reading:
    """The reading of a record; what is in it is not checked, so call it inside `io.reading.reading`."""

    def array(name: str) -> NDArray | None:
        return np.array(found[name], float) if name in found else None

    def points(name: str) -> Points | None:
        return Points(**{key: np.array(value, float) for key, value in found[name].items()}) if name in found else None

    gaze, weights, known = array("gaze"), found.get("expression"), {field.name for field in fields(Description)}
    described = {name: value for name, value in found.get("description", {}).items() if name in known}
    return Reading(
        score=float(found["score"]),
        centre=np.array(found["centre"], float),
        unit=float(found["unit"]),
        rotation=array("rotation"),
        landmarks=points("landmarks"),
        dense=points("dense"),
        expression=None if weights is None else arkit_weights(weights).numpy(),
        gaze=None if gaze is None else np.radians(gaze),
        description=Description(**described) if described else None,
        identity=array("identity"),
    )


def _box(window: Window) -> dict[str, float]:
    turn = float(np.degrees(window.turn))
    return {name: rounded(value) for name, value in (vars(window) | {"turn": turn}).items()}
