"""`fullhead cameras`: cameras of one program for another."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from fullhead.core.errors import FullheadError, counted
from fullhead.io.config import Unset
from fullhead.io.files import check_new

AxesName = Literal["y-up", "z-up", "y-down"]
KindName = Literal["eg3d", "opencv", "blender", "nerf", "colmap", "colmap-text"]


def cameras(
    source: Path, out: Path, /, to: Unset[KindName] = None, size: Unset[str] = None, scale: float = 1.0,
    axes_in: Unset[AxesName] = None, axes_out: Unset[AxesName] = None, overwrite: bool = False,
) -> None:  # fmt: skip
    """Turn cameras of EG3D, OpenCV, Blender, NeRF, nerfstudio or COLMAP into those of another.

    Args:
        source: A dataset.json, a transforms.json, cameras of OpenCV (.json, .npz) or Blender (.json), or the folder of a COLMAP
            model.
        out: dataset*.json, opencv*.json, *.npz, blender*.json, transforms*.json, or a folder for a COLMAP model.
        to: What to write, if the name of out does not say it.
        size: Pixels of the pictures, where source does not say: 512, or WIDTHxHEIGHT.
        scale: What lengths are multiplied with.
        axes_in: How the world of source stands, if not as its program has it: y-up, z-up or y-down.
        axes_out: How the world of out is to stand.
        overwrite: Replace out if it exists.
    """
    sides = _sides(size)
    if not 0 < scale < 1e9:
        raise FullheadError(f"--scale {scale:g}: lengths are multiplied with a number above 0")

    from fullhead.data.camera_files import FORMATS, check_out, read_kind, write_cameras
    from fullhead.data.colmap import model_ending

    kind = check_out(out, to)
    if FORMATS[kind].suffixes:
        check_new(out, overwrite)
    elif model_ending(out) and not overwrite:
        raise FullheadError(f"{out} holds a COLMAP model already: choose another place, or say --overwrite")
    found, read = read_kind(source, size=sides, axes=axes_in)
    write_cameras(found, out, to=kind, size=sides, axes=axes_out, scale=scale)
    bent = ", their lenses bend lines (k1, k2, p1, p2 are kept)" if found.distortion.any() else ""
    print(f"Read {counted(len(found), 'camera')} from {FORMATS[read].title}{bent}.")
    if found.points is not None and len(found.points.places) and not FORMATS[kind].points:
        print(f"Left out: {counted(len(found.points.places), 'point')} of the scene, which only COLMAP holds.")
    print(f"Wrote {out} ({FORMATS[kind].title})")


def _sides(size: str | None) -> tuple[int, int] | None:
    if size is None:
        return None
    match = re.fullmatch(r"(\d{1,7})(?:x(\d{1,7}))?", size)
    width, height = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not (0 < width <= 1_000_000 and 0 < height <= 1_000_000):
        raise FullheadError(f"--size {size}: write pixels as 512, or width and height as 640x480")
    return width, height
