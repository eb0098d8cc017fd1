"""Heads through a film: who is who by place, and what is read of each smoothed over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fullhead.eyes.reading import Points, Reading

CUTOFF = 1.5  # Hz: slower changes pass, of what hardly moves
SPEED_CUTOFF = 1.0  # Hz, for the speed itself
OPENING = 6.0  # Hz more for each world unit, radian or whole weight a second
NEAR = 0.35  # world units by which a head may move from one frame to the next
ALIKE = 1.6  # times by which its size may change
FORGOTTEN = 0.5  # seconds after which a head that was not seen is another one


class OneEuro:
    """A low-pass filter of arrays that lets fast changes through: the One Euro filter of Casiez, Roussel and Vogel (2012)."""

    def __init__(self) -> None:
        self.value: NDArray | None = None
        self.speed: NDArray | float = 0.0

    def __call__(self, value: NDArray, seconds: float, scale: float = 1.0) -> NDArray:
        """The smoothed value, so many seconds after the last one. scale: what counts as a whole, in the unit of the values."""
        if self.value is None:
            self.value = np.asarray(value, float)
            return self.value
        speed = (value - self.value) / (seconds * scale)
        self.speed = self.speed + passing(SPEED_CUTOFF, seconds) * (speed - self.speed)
        self.value = self.value + passing(CUTOFF + OPENING * np.abs(self.speed), seconds) * (value - self.value)
        return self.value


def passing(cutoff: NDArray | float, seconds: float) -> NDArray | float:
    """Share of a change that a low-pass filter lets through in a step of so many seconds."""
    turns = 2 * math.pi * cutoff * seconds
    return turns / (turns + 1)


@dataclass(eq=False)
class Track:
    """One head through a film."""

    number: int
    last: Reading
    time: float  # seconds, when it was seen last
    filters: dict[str, OneEuro] = field(default_factory=dict)

    def like(self, reading: Reading) -> float:
        """How far a reading is from where the head was, in parts of what a head may move; infinite for another size."""
        size = max(reading.unit, self.last.unit)
        if size > ALIKE * min(reading.unit, self.last.unit):
            return math.inf
        return float(np.linalg.norm(reading.centre - self.last.centre)) / (size * NEAR)

    def smoothed(self, reading: Reading, time: float) -> Reading:
        """The reading of the head at a later time; place, size, rotation, points, expression and gaze are smoothed."""
        passed = max(time - self.time, 1e-3)
        self.last, self.time = reading, time

        def smooth(name: str, value: NDArray, scale: float = 1.0) -> NDArray:
            return self.filters.setdefault(name, OneEuro())(value, passed, scale)

        def points(name: str, found: Points | None) -> Points | None:
            if found is None:  # they are smoothed as places on the head, so that they do not lag behind it
                return None
            return replace(found, xy=smooth(name, (found.xy - reading.centre) / reading.unit) * unit + centre)

        unit = float(np.exp(smooth("unit", np.log(reading.unit))))
        centre = smooth("centre", reading.centre, reading.unit)
        return replace(
            reading,
            centre=centre,
            unit=unit,
            rotation=None if reading.rotation is None else nearest_rotation(smooth("rotation", reading.rotation)),
            landmarks=points("landmarks", reading.landmarks),
            dense=points("dense", reading.dense),
            expression=None if reading.expression is None else smooth("expression", reading.expression).clip(0, 1),
            gaze=None if reading.gaze is None else smooth("gaze", reading.gaze),
        )


def nearest_rotation(matrix: NDArray) -> NDArray:
    """The rotation [3, 3] that is closest to a matrix."""
    u, _, vt = np.linalg.svd(matrix)
    return (u * [1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt


class Tracker:
    """Gives the heads of frame after frame their numbers, from 0 on, and smooths what is read of them."""

    def __init__(self) -> None:
        self.tracks: list[Track] = []
        self.count = 0

    def __call__(self, readings: Sequence[Reading], time: float) -> list[tuple[int, Reading]]:
        """The heads of the frame at a time in seconds, which grows, with their numbers."""
        self.tracks = [track for track in self.tracks if time - track.time <= FORGOTTEN]
        pairs = [(track.like(reading), i, j) for i, reading in enumerate(readings) for j, track in enumerate(self.tracks)]
        known: dict[int, Track] = {}
        for distance, i, j in sorted(pairs):
            if distance <= 1 and i not in known and self.tracks[j] not in known.values():
                known[i] = self.tracks[j]
        for i, reading in enumerate(readings):
            if i not in known:
                known[i] = Track(self.count, reading, time)
                self.tracks.append(known[i])
                self.count += 1
        return [(known[i].number, known[i].smoothed(reading, time)) for i, reading in enumerate(readings)]
