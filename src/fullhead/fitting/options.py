"""How long fits take and where they begin: values that Python and the command line share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

OnStep = Callable[[str, int, int, float], None]
"""Called after each step of a fit with its stage, the steps done and due in that, and the loss."""


@dataclass(frozen=True)
class InvertConfig:
    """The fit of a head to a photo."""

    steps: int = 150
    """Number of steps of the first stage, which looks for the head among those that the model knows."""
    pivot_steps: int = 80
    """Number of steps of the second stage, which adapts the model to the photo; 0 leaves the model as it is."""
    seed: int = 0
    """Seed of the random numbers of the fit."""
