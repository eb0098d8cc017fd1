"""`fullhead synth photos`: single views of procedural heads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro


def photos(
    out: Annotated[Path, tyro.conf.Positional],
    images: int = 1000,
    size: int = 128,
    views_per_head: int = 4,
    seed: int = 0,
    shard: str = "0/1",
    workers: int = 2,
    pitch_spread: float = 0.18,
    yaw_limit: float = 180.0,
    expressive: float = 1.0,
) -> None:
    """Write photos of procedural heads with masks, depth, cameras and attributes, in the layout of EG3D and PanoHead.

    Stop it at any time with Ctrl-C and run it again to go on. The same seed writes the same files.

    Args:
        out: Folder of the set; it is made if needed.
        images: Number of photos of the whole set. More can be asked for later.
        size: Pixels per side.
        views_per_head: Photos of each head, from random sides.
        seed: Which set of heads.
        shard: i/n writes every n-th head, from the i-th, so n machines can share the work in one folder.
        workers: Processes; 0 works in this one.
        pitch_spread: Standard deviation of the camera's pitch, radians.
        yaw_limit: Cameras stand evenly within plus and minus this many degrees of the front.
        expressive: Strength of the mild expressions; 0 leaves all faces neutral.
    """
    import math

    from fullhead.core.errors import FullheadError
    from fullhead.synth.photos import write_photos

    which, _, count = shard.partition("/")
    if not (which.isdigit() and count.isdigit()):
        raise FullheadError(f"--shard {shard!r} is not i/n, such as 0/4 for the first of four")
    try:
        new = write_photos(
            out, images, size, views_per_head, seed, (int(which), int(count)), workers,
            pitch_spread=pitch_spread, yaw_limit=math.radians(yaw_limit), expressive=expressive,
        )  # fmt: skip
    except KeyboardInterrupt:
        print(f"Stopped. What is finished is in {out}; run the same command again to go on.")
        raise SystemExit(130) from None
    print(f"{new} new photos in {out}")
