"""Heads in motion: expression, pose and camera as smooth functions of time, in clips by name, drawn from a seed.

A clip is a function of time in seconds, so more frames a second show the same motion. All motion is seeded; a clip's length
matters only to the clips that go through a list (`faces`, `turn`, `orbit`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import RandomState

from fullhead.core.random import stream
from fullhead.core.smooth import smoothstep
from fullhead.rig.arkit import ARKIT, alone
from fullhead.synth.people.expressions import COMPOUND_EXPRESSIONS, VISEMES, Weights, add_weights, random_expression

Angles = tuple[float, ...]
Curve = Callable[[float], float]
Clip = Callable[[float], "Pose"]  # of a time in seconds

CLOSING, CLOSED, OPENING = 0.09, 0.05, 0.16  # seconds of a blink
SYLLABLE = 0.19  # seconds
STILL = (0.0, 0.0, 0.0)  # a joint at rest


@dataclass(frozen=True)
class Pose:
    """One moment."""

    expression: Weights  # ARKit weights, those above 0
    joint_pose: tuple[Angles, ...]  # [5, 3] axis-angle, radians
    yaw: float  # of the camera, radians
    pitch: float


def clip_poses(name: str, seed: int, frames: int, fps: float) -> list[Pose]:
    """The frames of a clip; `name` is one of MOTIONS."""
    at = MOTIONS[name](seed, frames / fps)
    return [at(frame / fps) for frame in range(frames)]


def _talk(seed: int, seconds: float) -> Clip:
    """Blinks, speaks in phrases and smiles between them; the head nods along, the camera sways in front of it."""
    blink, gaze = _blinks(seed, seconds), _gaze(seed)
    phrases = _phrases(stream(seed, "phrases"), seconds)
    mouths = stream(seed, "mouths").randint(0, len(VISEMES), int(seconds / SYLLABLE) + 2)
    loudness = stream(seed, "loudness").uniform(0.55, 1.1, len(mouths))
    nod, camera = _sway(seed, "nod", 0.9), _sway(seed, "camera", 0.12)

    def at(t: float) -> Pose:
        speaking = max((_window(t, start, end, 0.15) for start, end in phrases), default=0.0)
        weights: Weights = {}
        for k in (int(t / SYLLABLE), int(t / SYLLABLE) + 1):  # two syllables overlap at any time
            share = max(0.0, 1 - abs(t / SYLLABLE - k))
            add_weights(weights, VISEMES[mouths[k]], float(speaking * loudness[k]) * share)
        smile = 0.75 * max((_window(t, end, end + 1.0, 0.35) for _, end in phrases), default=0.0)
        add_weights(weights, COMPOUND_EXPRESSIONS[0], smile)
        add_weights(weights, {"browInnerUp": 0.5, "browOuterUpLeft": 0.3, "browOuterUpRight": 0.3}, max(0.0, nod(t)) * speaking)
        head = (0.05 * nod(t) + 0.03 * nod(t + 7), 0.10 * nod(0.6 * t + 20), 0.05 * nod(0.5 * t + 40))
        return _pose(weights, blink(t), gaze(t), head, 0.35 * camera(t), 0.08 * camera(t + 50))

    return at


def _idle(seed: int, seconds: float) -> Clip:
    """Breathes, looks around, blinks."""
    blink, gaze, sway = _blinks(seed, seconds), _gaze(seed), _sway(seed, "head", 0.25)
    return lambda t: _pose({}, blink(t), gaze(t), (0.04 * sway(t), 0.12 * sway(0.8 * t + 20), 0.03 * sway(t + 40)))


def _wander(seed: int, seconds: float) -> Clip:
    """One face after the other while the head turns and the camera goes all around."""
    blink, gaze, sway, camera = _blinks(seed, seconds), _gaze(seed), _sway(seed, "head", 0.3), _sway(seed, "camera", 0.08)
    faces = [random_expression(stream(seed, "face", k), 2) for k in range(int(seconds) + 3)]
    start = float(stream(seed, "start").uniform(-math.pi, math.pi))

    def at(t: float) -> Pose:
        k, part = int(t), float(smoothstep(0.35, 1.0, t % 1))
        weights: Weights = {}
        add_weights(weights, faces[k], 1 - part)
        add_weights(weights, faces[k + 1], part)
        head = (0.20 * sway(t), 0.35 * sway(0.8 * t + 20), 0.15 * sway(t + 40))
        yaw = math.remainder(start + 0.5 * t + 0.6 * camera(t), 2 * math.pi)
        return _pose(weights, blink(t), gaze(t), head, yaw, 0.25 * camera(t + 30))

    return at


def _faces(seed: int, seconds: float) -> Clip:
    """Each of ARKit's 52 expressions in turn, seen from the front."""

    def at(t: float) -> Pose:
        k, part = divmod(len(ARKIT) * t / seconds, 1.0)
        name = ARKIT[min(int(k), len(ARKIT) - 1)]
        strength = float(smoothstep(0, 0.35, part) * smoothstep(1, 0.65, part))
        return _pose({key: value * strength for key, value in alone(name).items()})

    return at


def _turn(seed: int, seconds: float) -> Clip:
    """Shakes the head, nods, tilts it; the camera stays in front."""
    blink = _blinks(seed, seconds)

    def at(t: float) -> Pose:
        part = 3 * t / seconds
        wave = math.sin(2 * math.pi * (part % 1))
        head = tuple(size * wave * (int(part) == k) for k, size in ((1, 0.35), (0, 0.6), (2, 0.3)))
        return _pose({}, blink(t), head=head)

    return at


def _orbit(seed: int, seconds: float) -> Clip:
    """Stays still while the camera goes once around."""
    return lambda t: _pose({}, yaw=math.remainder(2 * math.pi * t / seconds, 2 * math.pi))


MOTIONS: Mapping[str, Callable[[int, float], Clip]] = {
    "talk": _talk, "idle": _idle, "wander": _wander, "faces": _faces, "turn": _turn, "orbit": _orbit,
}  # fmt: skip


def _pose(
    weights: Weights, blink: float = 0.0, gaze: Angles = (0.0, 0.0), head: Angles = STILL, yaw: float = 0.0, pitch: float = 0.0
) -> Pose:
    """A moment of an expression, a blink on top, a gaze (outwards to the left, up) and a turn of the head."""
    weights = dict(weights)
    for side, outwards in (("Left", gaze[0]), ("Right", -gaze[0])):
        across, along = "Out" if outwards > 0 else "In", "Up" if gaze[1] > 0 else "Down"
        for what, value in (("Blink", blink), (f"Look{across}", abs(outwards)), (f"Look{along}", abs(gaze[1]))):
            weights[f"eye{what}{side}"] = max(weights.get(f"eye{what}{side}", 0.0), value)
    kept = {name: round(min(value, 1.0), 4) for name, value in sorted(weights.items())}
    neck = tuple(round(float(x), 5) for x in head)
    return Pose({name: value for name, value in kept.items() if value > 0}, (STILL, neck, STILL, STILL, STILL), yaw, pitch)


def _window(t: float, start: float, end: float, ramp: float) -> float:
    """1 from `start` to `end`, rising and falling within `ramp` seconds inside."""
    return float(smoothstep(start, start + ramp, t) * smoothstep(end, end - ramp, t))


def _sway(seed: int, name: str, rate: float) -> Curve:
    """A smooth curve in about [-1, 1] of frequencies up to `rate` a second."""
    random = stream(seed, "sway", name)
    frequency, phase = rate * random.uniform(0.25, 1.0, 5), random.uniform(0, 2 * np.pi, 5)
    strength = random.uniform(0.5, 1.0, 5)
    strength = strength / np.sqrt((strength**2).sum() / 2) * 0.6
    return lambda t: float(np.clip((strength * np.sin(2 * np.pi * frequency * t + phase)).sum(), -1.3, 1.3))


def _blinks(seed: int, seconds: float) -> Curve:
    shortest, longest = 1.2, 4.0  # seconds from one to the next
    starts = np.cumsum(stream(seed, "blinks").uniform(shortest, longest, int(seconds / shortest) + 2)) - 0.8

    def curve(t: float) -> float:
        s = t - starts[(starts <= t)][-1] if (starts <= t).any() else 9.0
        return float(smoothstep(0, CLOSING, s) * smoothstep(CLOSING + CLOSED + OPENING, CLOSING + CLOSED, s))

    return curve


def _gaze(seed: int) -> Callable[[float], Angles]:
    """Where the eyes look: they rest and jump."""

    def curve(t: float) -> Angles:
        k, part = divmod(t / 1.1, 1.0)
        last, now = (stream(seed, "gaze", max(int(j), 0)).normal(size=2) * [0.22, 0.12] for j in (k - 1, k))
        x, y = last + (now - last) * smoothstep(0, 0.06, part)
        return float(np.clip(x, -0.6, 0.6)), float(np.clip(y, -0.4, 0.4))

    return curve


def _phrases(random: RandomState, seconds: float) -> list[tuple[float, float]]:
    """Start and end of each."""
    found, t = [], 0.3
    while t < seconds:
        end = t + float(random.uniform(1.2, 2.6))
        found.append((t, end))
        t = end + float(random.uniform(0.7, 1.4))
    return found
