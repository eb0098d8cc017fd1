"""`fullhead orbit`: a head that turns once around."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fullhead.commands.options import HeadOptions, ViewOptions, check_film, check_film_memory, check_out, output_files, tracked
from fullhead.core.errors import counted


def orbit(
    heads: HeadOptions = HeadOptions(),
    view: ViewOptions = ViewOptions(),
    out: Path = Path("out/orbit.webp"),
    suffix: Literal[".webp", ".mp4"] = ".webp",
    frames: int = 72,
    fps: float = 24.0,
) -> None:
    """A film of a head that turns once around.

    Args:
        heads: Which heads.
        view: How they are shown.
        out: A .webp or (with the extra `video`) .mp4; for several seeds a folder of seed0003.webp and so on.
        suffix: Kind of the files, if they go to a folder.
        frames: Number of frames of the full turn.
        fps: Frames per second.
    """
    from fullhead.io.video import check_video_path, save_video
    from fullhead.viewing.turntable import render_views, turntable_cameras

    check_film(frames, fps)
    check_out(out, suffix, check_video_path)
    show, opened = view.show(), heads.open()
    names, latents = heads.latents(opened, default="0")
    options, latents = view.options(opened), view.before(opened, latents, heads.truncation)
    files = output_files(out, names, suffix)
    check_film_memory(files[0], frames, options.size or opened.model.image_size)
    for i, path in enumerate(files):
        decoded = opened.model.decode(latents[i], None, options)
        turning = render_views(opened.model, decoded, turntable_cameras(frames, view.up), options, show=show)
        save_video(tracked(turning, names[i], frames), path, fps)
        print(f"{names[i]}: {counted(frames, 'frame')} in {path}")
