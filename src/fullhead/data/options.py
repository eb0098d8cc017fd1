"""What is asked of scans and photos: values that Python and the command line share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from fullhead.io.config import Asked, Count, Unset
from fullhead.synth.datasets.options import Pixels, Seed

PhotoLayout = Literal["files", "ffhq", "lpff", "celebamask", "khairstyle", "labelled"]


@dataclass(frozen=True)
class ScanOptions(Asked):
    """Where landmarks come from, and how scans lie in their files."""

    landmarks: Unset[Path] = None
    """68 landmarks in the scan's frame, .txt, .json, MeshLab's .pp, or a rigs/ file of `fullhead synth scans`; of many scans a
    folder with a file each. By default <scan>_landmarks.txt beside the scan; without one, they are found."""
    reader: str = "eyes"
    """What finds the landmarks of scans that have no file of them: eyes, or module:function that reads heads from pictures."""
    axes: Unset[str] = None
    """Which axes of the file become x (to the subject's left), y (up) and z (forward), as in x,-y,-z. Not needed."""
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


@dataclass(frozen=True)
class AlignOptions(Asked):
    """How photos become a training set, and which heads are left out."""

    reader: str = "eyes"
    """What finds the heads, their cameras and their mattes: eyes, or module:function of your own."""
    layout: PhotoLayout = "files"
    """What lies in the folder: any pictures, or a published collection."""
    size: Pixels = 256
    """Pixels per side of the aligned pictures."""
    zoom: Annotated[float, (0.5, 2)] = 1.0
    """How much larger heads are than where all hair fits the picture, 0.5 to 2; 1.24 is that of the published PanoHead."""
    heads: Count = 4
    """Most heads of one photo, the surest first."""
    parts: bool = False
    """Also write the parts: skin, hair, eyes and so on."""
    min_score: Annotated[float, (0, 1)] = 0.5
    """Least that the reader is sure of a head, 0 to 1."""
    min_pixels: Count = 128
    """Least pixels of the photo that become a side of an aligned picture."""
    min_sharpness: Annotated[float, (0, 1)] = 0.2
    """Least sharpness at the size of the aligned picture: about 0.4 is sharp, 0.15 is a blur of two pixels."""
    min_light: Annotated[float, (0, 1)] = 0.15
    """Least brightness of the brightest twentieth of the picture, 0 to 1."""
    max_outside: Annotated[float, (0, 1)] = 0.1
    """Most of a head that may lie beyond the photo's edge, as a share."""
    max_overlap: Annotated[float, (0, 1)] = 0.1
    """Most that another head may reach into a head, as a share of its width."""
    unique: bool = False
    """Leave out heads that look nearly the same as one before."""
    yaw_turn: Literal["left", "right"] = "left"
    """Of a collection that gives yaws: to which side of the head the camera goes as they grow."""
    yaw_noise: Annotated[float, (0, 45)] = 2.5
    """Of a collection that gives yaws: standard deviation of noise that is added, degrees."""
    seed: Seed = 0
    """Seed of that noise."""
