"""How numbers change over a run or a fit: pure functions of the time."""

from __future__ import annotations

import math

RAMP_UP, RAMP_DOWN = 0.05, 0.25  # parts of a fit over which its learning rates rise and fall [stylegan2 §5]


def linear_ramp(start: float, end: float, images_seen: int, fade_images: int) -> float:
    """From `start` to `end` in a line over the first `fade_images`; with 0 of them it is `end` from the beginning."""
    left = max(1 - images_seen / fade_images, 0.0) if fade_images else 0.0
    return start * left + end * (1 - left)


def cosine_decay(done: float, fraction: float) -> float:
    """Factor of learning rates when the part `done`, 0 to 1, of a stage is over: 1, then down to 0 along half a cosine in the
    last `fraction` of the stage. With a fraction of 0 it is always 1."""
    left = min(1.0, max(0.0, 1 - done) / fraction) if fraction else 1.0
    return 0.5 - 0.5 * math.cos(math.pi * left)


def rate_ramp(done: float) -> float:
    """Factor of learning rates when the part `done`, 0 to 1, of a fit is over: up in a line, down along a cosine
    [stylegan2 §5]."""
    return cosine_decay(done, RAMP_DOWN) * min(1.0, done / RAMP_UP + 0.1)
