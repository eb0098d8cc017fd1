"""`fullhead interpolate`: heads that flow into each other."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fullhead.commands.options import HeadOptions, ViewOptions, check_film, check_film_memory, parse_seeds, tracked
from fullhead.core.errors import FullheadError, counted
from fullhead.io.files import check_place


def interpolate(
    heads: HeadOptions = HeadOptions(),
    view: ViewOptions = ViewOptions(),
    out: Path = Path("out/interpolate.webp"),
    frames: int = 96,
    fps: float = 24.0,
    camera: Literal["turn", "swing", "still"] = "turn",
) -> None:
    """A looping film through the heads of the seeds.

    Args:
        heads: Which heads.
        view: How they are shown.
        out: A .webp or (with the extra `video`) .mp4.
        frames: Number of frames of the whole loop.
        fps: Frames per second.
        camera: How the camera moves: it goes once around, swings in front, or stands still.
    """
    from fullhead.io.video import check_video_path, save_video
    from fullhead.viewing.turntable import interpolate as flow
    from fullhead.viewing.turntable import moving_cameras

    check_film(frames, fps)
    check_video_path(check_place(out))
    if len(parse_seeds(heads.seeds)) == 1:
        raise FullheadError(f"--seeds {heads.seeds[0]}: an interpolation needs two seeds at least")
    show, opened = view.show(), heads.open()
    _, latents = heads.latents(opened, default="0-7")
    latents = view.before(opened, latents, heads.truncation)
    cameras = moving_cameras(camera, frames, pitch=view.up)
    options = view.options(opened)
    check_film_memory(out, frames, options.size or opened.model.image_size)
    save_video(tracked(flow(opened.model, latents, cameras, options, show=show), "frames", frames), out, fps)
    print(f"{counted(frames, 'frame')} in {out}")
