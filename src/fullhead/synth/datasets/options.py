"""What is asked of a set of photos: values that Python and the command line share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PhotosOptions:
    """How many photos, of what, and seen from where."""

    images: int = 1000
    """Number of photos of the whole set, rounded up to whole heads. More can be asked for later."""
    size: int = 128
    """Pixels per side."""
    views_per_head: int = 4
    """Photos of each head, from random sides."""
    seed: int = 0
    """Which set of heads."""
    truth: tuple[str, ...] = ("seg",)
    """What is also written of seg, mask, rgba, parts, depth and normal; or all, or none."""
    yaw_distribution: Literal["uniform", "wild"] = "uniform"
    """Where cameras stand: evenly around the head, or mostly in front, as in collections of photos."""
    yaw_limit: float = 180.0
    """Cameras stand within plus and minus this many degrees of the front."""
    pitch_spread: float = 10.0
    """Standard deviation of the cameras' pitch, degrees."""
    expressive: float = 1.0
    """Strength of the mild expressions; 0 leaves all faces neutral."""
    zoom: float = 1.0
    """How much larger heads are than where all hair fits the picture, 0.5 to 2; 1.24 is as large as the published PanoHead has
    them."""
    scale_error: float = 0.0
    """Misaligned on purpose: standard deviation of an error of the head's size that labels do not know, as in 0.05."""
    shift_error: float = 0.0
    """The same for its place in the picture, in picture sizes."""
    angle_error: float = 0.0
    """The same for yaw, pitch and roll of the camera, degrees."""
