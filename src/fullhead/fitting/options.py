"""How long fits take and where they begin: values that Python and the command line share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fullhead.io.config import Asked, Count, Number, Seed

OnStep = Callable[[str, int, int, float], None]
"""Called after each step of a fit with its stage, the steps done and due in that, and the loss."""


@dataclass(frozen=True)
class InvertConfig(Asked):
    """The fit of a head to a photo."""

    steps: Count = 150
    """Number of steps of the first stage, which looks for the head among those that the model knows."""
    pivot_steps: Number = 80
    """Number of steps of the second stage, which adapts the model to the photo; 0 leaves the model as it is."""
    seed: Seed = 0
    """Seed of the random numbers of the fit."""
