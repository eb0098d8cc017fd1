"""`fullhead synth photos`: single views of procedural heads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from fullhead.commands.options import check_seed
from fullhead.commands.synth.options import SetOptions, check_size


def photos(
    out: Annotated[Path, tyro.conf.Positional],
    images: int = 1000,
    size: int = 128,
    views_per_head: int = 4,
    seed: int = 0,
    truth: tuple[str, ...] = ("seg",),
    yaw_distribution: Literal["uniform", "wild"] = "uniform",
    yaw_limit: float = 180.0,
    pitch_spread: float = 10.0,
    expressive: float = 1.0,
    zoom: float = 1.0,
    scale_error: float = 0.0,
    shift_error: float = 0.0,
    angle_error: float = 0.0,
    writing: SetOptions = SetOptions(),
) -> None:
    """Write single photos of procedural heads with masks, cameras and attributes, in the layout of EG3D and PanoHead.

    Stop it at any time with Ctrl-C and run it again to go on. The same settings write the same files.

    Args:
        out: Folder of the set; it is made if needed.
        images: Number of photos of the whole set, rounded up to whole heads. More can be asked for later.
        size: Pixels per side.
        views_per_head: Photos of each head, from random sides.
        seed: Which set of heads.
        truth: What is also written of seg, mask, rgba, parts, depth and normal; or all, or none.
        yaw_distribution: Where cameras stand: evenly around the head, or mostly in front, as in collections of photos.
        yaw_limit: Cameras stand within plus and minus this many degrees of the front.
        pitch_spread: Standard deviation of the cameras' pitch, degrees.
        expressive: Strength of the mild expressions; 0 leaves all faces neutral.
        zoom: How much larger heads are than where all hair fits the picture, 0.5 to 2; 1.24 is as large as the published
            PanoHead has them.
        scale_error: Misaligned on purpose: standard deviation of the head's size that labels do not tell, as in 0.05.
        shift_error: The same for its place in the picture, in picture sizes.
        angle_error: The same for yaw, pitch and roll of the camera, degrees.
        writing: How the set is written.
    """
    import math

    from fullhead.core.errors import FullheadError
    from fullhead.synth.datasets.photos import Misalignment, Photos
    from fullhead.synth.rendering.ground_truth import parse_fields

    if images < 1 or views_per_head < 1:
        raise FullheadError(f"--images {images} and --views-per-head {views_per_head}: both are at least 1")
    if not 0.5 <= zoom <= 2:
        raise FullheadError(f"--zoom {zoom:g}: from 0.5 to 2")
    check_size(size)
    check_seed(seed, bits=64)
    writing.check()
    recipe = Photos(
        heads=math.ceil(images / views_per_head),
        size=size,
        views_per_head=views_per_head,
        seed=seed,
        yaw=yaw_distribution,
        yaw_limit=yaw_limit,
        pitch_spread=pitch_spread,
        expressive=expressive,
        zoom=zoom,
        misaligned=Misalignment(scale_error, shift_error, angle_error),
        ground_truth=parse_fields(",".join(truth)),
        population=writing.population(),
    )
    writing.write(out, recipe, "photos")
