"""`fullhead synth video`: heads that move."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from fullhead.commands.options import check_seed
from fullhead.commands.synth.options import SetOptions, check_size


def video(
    out: Annotated[Path, tyro.conf.Positional],
    clips: int = 1,
    motion: Literal["talk", "idle", "wander", "faces", "turn", "orbit"] = "talk",
    frames: int = 120,
    fps: float = 25.0,
    size: int = 256,
    seed: int = 0,
    truth: tuple[str, ...] = ("seg",),
    preview: Literal["webp", "mp4", "none"] = "webp",
    writing: SetOptions = SetOptions(),
) -> None:
    """Write clips of moving heads with expression, pose and camera of every frame.

    Stop it at any time with Ctrl-C and run it again to go on. The same settings write the same files.

    Args:
        out: Folder of the set; it is made if needed.
        clips: Number of clips, each of another head. More can be asked for later.
        motion: talk: blinks, speaks, smiles; idle: blinks and looks around; wander: faces and turns, seen from all around;
            faces: the 52 expressions in turn; turn: shakes the head, nods, tilts it; orbit: the camera goes around.
        frames: Of each clip.
        fps: Frames a second.
        size: Pixels per side.
        seed: Which set of heads and motions.
        truth: What is also written of seg, mask, rgba, parts, depth and normal; or all, or none.
        preview: Also write a film of each clip, preview/c0000.webp (.mp4 needs the extra `video`).
        writing: How the set is written.
    """
    from fullhead.commands.options import check_film
    from fullhead.io.stores import open_store
    from fullhead.io.video import check_video_path, save_video
    from fullhead.synth.datasets.video import Video, clip_name
    from fullhead.synth.rendering.ground_truth import parse_fields

    check_film(frames, fps)
    check_size(size)
    check_seed(seed, bits=64)
    writing.check()
    films = [] if preview == "none" else [out / "preview" / f"{clip_name(number)}.{preview}" for number in range(clips)]
    for film in films[:1]:
        check_video_path(film)
    writing.write(
        out, Video(clips, motion, frames, fps, size, seed, parse_fields(",".join(truth)), writing.population()), "frames"
    )
    store = open_store(out, "frames")
    for number, film in enumerate(films):
        names = [f"{clip_name(number)}/{frame:05d}.png" for frame in range(frames)]
        if not film.exists() and set(names) <= set(store.names()):
            save_video((store.picture(name) for name in names), film, fps)
            print(film)
