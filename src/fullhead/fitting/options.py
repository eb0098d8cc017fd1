"""How long fits take and where they begin: values that Python and the command line share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class InvertConfig:
    """The fit of a head to a photo."""

    steps: int = 400
    """Of the first stage, which looks for the head among those the model knows."""
    pivot_steps: int = 200
    """Of the second stage, which adapts the model to the photo; 0 leaves the model as it is."""
    seed: int = 0
    """Of the fit's randomness."""
