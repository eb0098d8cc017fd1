"""`fullhead interpolate`: heads that flow into each other."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fullhead.commands.options import HeadOptions, check_film, parse_seeds, radians, tracked
from fullhead.core.errors import FullheadError
from fullhead.io.files import check_place


def interpolate(
    head: HeadOptions = HeadOptions(),  # noqa: B008
    out: Path = Path("out/interpolate.webp"),
    frames: int = 96,
    fps: float = 24.0,
    pitch: float = 0.0,
    motion: Literal["turn", "swing", "still"] = "turn",
) -> None:
    """A looping film through the heads of the seeds.

    Args:
        head: Which heads, and how they are shown.
        out: A .webp or (with the extra `video`) .mp4.
        frames: Of the whole loop.
        fps: Frames a second.
        pitch: Height of the camera, degrees; positive looks down on the head.
        motion: Of the camera: once around, a swing about the front, or none.
    """
    from fullhead.viewing.turntable import check_video_path, save_video, swing_cameras, turntable_cameras
    from fullhead.viewing.turntable import interpolate as flow

    head.check()
    check_film(frames, fps)
    check_video_path(check_place(out))
    if head.seeds is not None and len(parse_seeds(head.seeds)) < 2:
        raise FullheadError(f"--seeds {head.seeds}: an interpolation needs two seeds at least")
    up, show = radians(pitch, "--pitch", 85), head.show()
    model = head.load()
    _, latents = head.heads(model, default="0-7")
    cameras = {
        "turn": lambda: turntable_cameras(frames, up),
        "swing": lambda: swing_cameras(frames, up),
        "still": lambda: swing_cameras(frames, up, amplitude=0.0),
    }[motion]()
    flowing = flow(model, latents, cameras, background=head.background is None, show=show)
    save_video(tracked(flowing, "frames", frames), out, fps)
    print(f"{frames} frames in {out}")
