"""`fullhead orbit`: a head turned once around."""

from __future__ import annotations

from pathlib import Path

from fullhead.commands.options import HeadOptions, parse_seeds, radians, tracked


def orbit(
    head: HeadOptions,
    out: Path = Path("out/orbit.webp"),
    frames: int = 72,
    fps: float = 24.0,
    pitch: float = 0.0,
) -> None:
    """A film of a head turned once around. With several seeds, one file each.

    Args:
        head: Which heads, and how they are shown.
        out: A .webp or (with the extra `video`) .mp4; with several seeds, the seed is added to its name.
        frames: Of a full turn.
        fps: Frames a second.
        pitch: Height of the camera, degrees; positive looks down on the head.
    """
    from fullhead.apps.orbit import check_video_path, save_video, turntable_cameras
    from fullhead.apps.orbit import orbit as turn

    check_video_path(out)
    seeds, up, show = parse_seeds(head.seeds), radians(pitch, "--pitch", 85), head.show()
    model = head.load()
    latents = head.latents(model)
    for i, seed in enumerate(seeds):
        path = out if len(seeds) == 1 else out.with_stem(f"{out.stem}_seed{seed:04d}")
        cameras = turntable_cameras(frames, up)
        turning = turn(model, model.decode(latents[i], background=head.background is None), cameras, show=show)
        save_video(tracked(turning, f"seed {seed}", frames), path, fps)
        print(f"seed {seed}: {frames} frames in {path}")
