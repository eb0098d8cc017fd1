"""What is asked of scans: values that Python and the command line share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from fullhead.io.config import Asked, Count, Unset
from fullhead.synth.datasets.options import Pixels, Seed


@dataclass(frozen=True)
class ScanOptions(Asked):
    """Where landmarks come from, and how scans lie in their files."""

    landmarks: Unset[Path] = None
    """68 landmarks in the scan's frame, .txt, .json, or a rigs/ file of `fullhead synth scans`; of many scans a folder with a
    <name>.txt or .json each. By default <scan>_landmarks.txt beside the scan."""
    detector: Unset[str] = None
    """module:function that finds 68 landmarks in a picture of the front, for scans without a file."""
    axes: Unset[str] = None
    """Which axes of the file become x (to the subject's left), y (up) and z (forward), as in x,-y,-z."""
    metres_per_unit: Unset[Annotated[float, (1e-9, 1e9)]] = None
    """Size of a unit of the file, 0.001 for millimetres; by default the scale is fitted, too."""


@dataclass(frozen=True)
class PrepareOptions(ScanOptions):
    """Which scans become a training set, and what is taken of each."""

    layout: Unset[Literal["synth", "faceverse", "multiface", "files"]] = None
    """What lies in the folder; by default it is found out."""
    raw: bool = False
    """Take the raw scans of a procedural set, and fit them."""
    fit: bool = False
    """Fit procedural scans as if their parameters were not known."""
    order: Unset[Path] = None
    """Text file with the names of the scans in the order of their codes; by default they are sorted."""
    flame: Unset[Path] = None
    """FLAME's file, to fit FLAME instead of our own rig."""
    shapes: Count = 100
    """How many numbers describe the shape of each head, as fitted."""
    near: Count = 100_000
    """Points near the surface of each scan; of each it is known whether it lies inside."""
    uniform: Count = 100_000
    """The same anywhere in the box of 40 cm that holds the head."""
    surface: Count = 100_000
    """Points of the surface, with normals and colours."""
    size: Pixels = 256
    """Pixels per side of the nine views."""
    held_out: Annotated[float, (0, 0.99)] = 0.1
    """Share of the identities that no training sees."""
    seed: Seed = 0
    """Seed of all random numbers."""
