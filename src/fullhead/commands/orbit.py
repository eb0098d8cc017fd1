"""`fullhead orbit`: a head turned once around."""

from __future__ import annotations

from pathlib import Path

from fullhead.commands.options import HeadOptions, check_film, radians, tracked
from fullhead.io.files import check_place


def orbit(
    head: HeadOptions = HeadOptions(),  # noqa: B008
    out: Path = Path("out/orbit.webp"),
    frames: int = 72,
    fps: float = 24.0,
    pitch: float = 0.0,
) -> None:
    """A film of a head turned once around. With several seeds, one file each.

    Args:
        head: Which heads, and how they are shown.
        out: A .webp or (with the extra `video`) .mp4; with several seeds, orbit_seed0003.webp and so on.
        frames: Of a full turn.
        fps: Frames a second.
        pitch: Height of the camera, degrees; positive looks down on the head.
    """
    from fullhead.viewing.turntable import check_video_path, save_video, turntable_cameras
    from fullhead.viewing.turntable import orbit as turn

    head.check()
    check_film(frames, fps)
    check_video_path(check_place(out))
    up, show = radians(pitch, "--pitch", 85), head.show()
    model = head.load()
    names, latents = head.heads(model, default="0")
    for i, name in enumerate(names):
        path = out if len(names) == 1 else out.with_stem(f"{out.stem}_{name}")
        decoded = model.decode(latents[i], background=head.background is None)
        turning = turn(model, decoded, turntable_cameras(frames, up), show=show)
        save_video(tracked(turning, name, frames), path, fps)
        print(f"{name}: {frames} frames in {path}")
