"""What is asked of sets of procedural heads: values that Python and the command line share.

The first option says how large the set is. More can be asked for later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from fullhead.io.config import Asked, Count

Pixels = Annotated[int, (8, 2048)]
Seed = Annotated[int, (0, 2**64 - 1)]


@dataclass(frozen=True)
class PhotosOptions(Asked):
    """How many photos, of what, and seen from where."""

    images: Count = 1000
    """Number of photos of the whole set, rounded up to whole heads. More can be asked for later."""
    size: Pixels = 128
    """Pixels per side."""
    views_per_head: Count = 4
    """Photos of each head, from random sides."""
    seed: Seed = 0
    """Which set of heads."""
    truth: tuple[str, ...] = ("seg",)
    """What is also written of seg, mask, rgba, parts, depth and normal; or all, or none."""
    yaw_distribution: Literal["uniform", "wild"] = "uniform"
    """Where cameras stand: evenly around the head, or mostly in front, as in collections of photos."""
    yaw_limit: Annotated[float, (0, 180)] = 180.0
    """Cameras stand within plus and minus this many degrees of the front."""
    pitch_spread: Annotated[float, (0, 90)] = 10.0
    """Standard deviation of the cameras' pitch, degrees."""
    expressive: Annotated[float, (0, 10)] = 1.0
    """Strength of the mild expressions; 0 leaves all faces neutral."""
    zoom: Annotated[float, (0.5, 2)] = 1.0
    """How much larger heads are than where all hair fits the picture, 0.5 to 2; 1.24 is that of the published PanoHead."""
    scale_error: Annotated[float, (0, 0.5)] = 0.0
    """Misaligned on purpose: standard deviation of an error of the head's size that labels do not know, as in 0.05."""
    shift_error: Annotated[float, (0, 1)] = 0.0
    """The same for its place in the picture, in picture sizes."""
    angle_error: Annotated[float, (0, 30)] = 0.0
    """The same for yaw, pitch and roll of the camera, degrees."""


@dataclass(frozen=True)
class Heads360Options(Asked):
    """How many heads, with which expressions, and what is written of them."""

    subjects: Count = 100
    """Number of heads. More can be asked for later."""
    size: Pixels = 128
    """Pixels per side."""
    seed: Seed = 0
    """Which set of heads."""
    hair: Literal["with", "without", "both"] = "both"
    """Pictures with hair, without, or both of each."""
    expressions: tuple[str, ...] = ("all",)
    """By ARKit's names, as in jawOpen,eyeBlinkLeft; or all."""
    truth: tuple[str, ...] = ("none",)
    """What is also written of seg, mask, rgba, parts, depth and normal; or all, or none."""


@dataclass(frozen=True)
class ScansOptions(Asked):
    """How many scans, of how many heads, and how fine they are."""

    subjects: Count = 50
    """Number of heads. More can be asked for later."""
    scans_per_subject: Count = 4
    """Scans of each head; the first is neutral and upright."""
    seed: Seed = 0
    """Which set of heads."""
    resolution: Annotated[int, (32, 512)] = 224
    """Cells along the box of 40 cm that holds the head, in which its surface is found."""
    raw: bool = False
    """Also write every scan as a scanner leaves it: somewhere in space, in millimetres, with noise and holes."""
    noise: Annotated[float, (0, 100)] = 0.3
    """Of the raw scans: how far their points stray, millimetres."""


@dataclass(frozen=True)
class VideoOptions(Asked):
    """How many clips, of what, and how long."""

    clips: Count = 1
    """Number of clips, each of another head. More can be asked for later."""
    motion: Literal["talk", "idle", "wander", "faces", "turn", "orbit"] = "talk"
    """What happens, from speech and smiles (talk) to a camera that goes around (orbit)."""
    frames: Annotated[int, (1, 100_000)] = 120
    """Pictures of each clip."""
    fps: Annotated[float, (1, 1000)] = 25.0
    """Frames a second."""
    size: Pixels = 256
    """Pixels per side."""
    seed: Seed = 0
    """Which set of heads and motions."""
    truth: tuple[str, ...] = ("seg",)
    """What is also written of seg, mask, rgba, parts, depth and normal; or all, or none."""


@dataclass(frozen=True)
class ViewsOptions(Asked):
    """How many pictures, and of how many heads."""

    images: Count = 24_000
    """Number of pictures of the whole set, rounded up to whole sittings. More can be asked for later."""
    size: Pixels = 160
    """Pixels per side."""
    views_per_sitting: Count = 8
    """Pictures of a sitting: a person with one face, in one light, from random sides."""
    sittings: Count = 2
    """Sittings of each person, with other hair, clothes, light and face each."""
    seed: Seed = 0
    """Which set of heads."""
    truth: tuple[str, ...] = ("parts",)
    """What is also written of seg, mask, rgba, parts, depth and normal; or all, or none. Training needs parts."""
