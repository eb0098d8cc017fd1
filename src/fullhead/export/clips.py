"""Short expression clips for a rigged head: weights of ARKit's expressions and turns of joints over time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fullhead.rig.arkit import ARKIT, BUILT_ON

RATE = 30  # samples a second
SECONDS_EACH = 0.6  # of an expression in all52: up and down


@dataclass(frozen=True)
class AnimationClip:
    """Sampled at `times` [T] seconds; between them values change evenly. A clip ends as it began."""

    name: str
    times: NDArray
    weights: dict[str, NDArray]  # [T] in [0, 1], by ARKit's names; the others are 0
    turns: dict[str, NDArray]  # [T, 3] axis-angle radians, by names of joints; the others rest


def blink() -> AnimationClip:
    """Two seconds with one blink of both eyes: 0.1 s to close, 0.15 s to open."""
    times = np.array([0, 0.8, 0.9, 0.94, 1.09, 2.0])
    closed = np.array([0, 0, 1.0, 1.0, 0, 0])
    return AnimationClip("blink", times, {"eyeBlinkLeft": closed, "eyeBlinkRight": closed}, {})


def all52() -> AnimationClip:
    """Every expression once, in ARKit's order, up to its full weight and down again; what is built on another, with that."""
    times = np.arange(2 * len(ARKIT) + 1) * SECONDS_EACH / 2
    weights = {name: (np.arange(len(times)) == 2 * i + 1) * 1.0 for i, name in enumerate(ARKIT)}
    for name, base in BUILT_ON.items():
        weights[base] = weights[base] + weights[name]
    return AnimationClip("all52", times, weights, {})


def talk() -> AnimationClip:
    """Four seconds of speaking to nobody: syllables, a blink, brows, eyes that wander, a head that sways."""
    seconds = 4.0
    times = np.arange(int(seconds * RATE) + 1) / RATE

    def wave(turns: int, phase: float = 0.0) -> NDArray:
        """In [-1, 1], `turns` whole periods in the clip."""
        return np.sin(2 * np.pi * (turns * times / seconds + phase))

    def bump(at: float, width: float) -> NDArray:
        return np.exp(-(((times - at) / width) ** 2))

    speaking = np.clip(np.sin(np.pi * times / seconds) * 3, 0, 1)
    syllable = speaking * np.clip(0.5 + 0.5 * wave(17) * (0.6 + 0.4 * wave(5, 0.2)), 0, 1)
    rounded = speaking * np.clip(wave(7, 0.1), 0, 1)
    spread = speaking * np.clip(wave(6, 0.6), 0, 1)
    both_sides = {
        "mouthStretch": 0.25 * spread,
        "mouthUpperUp": 0.2 * syllable,
        "mouthLowerDown": 0.3 * syllable,
        "browOuterUp": 0.3 * bump(1.1, 0.25),
        "eyeBlink": bump(2.0, 0.07),
        "mouthSmile": 0.25 * bump(3.3, 0.25),
    }
    weights = {f"{name}{side}": values for name, values in both_sides.items() for side in ("Left", "Right")} | {
        "jawOpen": 0.32 * syllable,
        "mouthFunnel": 0.45 * rounded,
        "mouthPucker": 0.3 * rounded * syllable,
        "mouthClose": 0.32 * syllable * np.clip(wave(8, 0.4), 0, 1),
        "browInnerUp": 0.5 * bump(1.1, 0.25) + 0.35 * bump(2.9, 0.3),
    }
    still = np.sin(np.pi * times / seconds) ** 2
    sway = np.stack([0.05 * wave(2, 0.1), 0.09 * wave(1), 0.03 * wave(1, 0.3)], axis=1) * still[:, None]
    gaze = np.stack([0.03 * wave(3), 0.10 * wave(1, 0.5), 0 * times], axis=1) * still[:, None]
    return AnimationClip("talk", times, weights, {"neck": sway, "left_eye": gaze, "right_eye": gaze})


CLIPS: dict[str, Callable[[], AnimationClip]] = {"talk": talk, "blink": blink, "all52": all52}


def quaternions(turns: NDArray) -> NDArray[np.float32]:
    """[T, 4] x, y, z, w of axis-angle turns [T, 3]."""
    angle = np.linalg.norm(turns, axis=1, keepdims=True)
    axis = turns / np.maximum(angle, 1e-12)
    return np.concatenate([axis * np.sin(angle / 2), np.cos(angle / 2)], axis=1).astype(np.float32)
