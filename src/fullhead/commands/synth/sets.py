"""`fullhead synth photos`, `heads360`, `views`, `scans` and `video`: sets of procedural heads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from fullhead.commands.synth.options import SetOptions
from fullhead.synth.datasets.options import Heads360Options, PhotosOptions, ScansOptions, VideoOptions, ViewsOptions

Out = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="Folder of the set; it is made if needed.")]


def photos(out: Out, what: PhotosOptions = PhotosOptions(), writing: SetOptions = SetOptions()) -> None:
    """Write single photos of procedural heads with masks, cameras and attributes, in the layout of EG3D and PanoHead.

    Stop it at any time with Ctrl-C and run it again to continue. The same settings write the same files.
    """
    from fullhead.synth.datasets.photos import Photos

    writing.write(out, Photos(what, writing.population()), "photo")


def heads360(out: Out, what: Heads360Options = Heads360Options(), writing: SetOptions = SetOptions()) -> None:
    """Write heads with 52 expressions from 72 sides, with meshes, landmarks and hair labels, in the layout of Head360.

    Stop it at any time with Ctrl-C and run it again to continue. The same settings write the same files.
    """
    from fullhead.synth.datasets.heads360 import Heads360

    writing.write(out, Heads360(what, writing.population()), "picture")


def views(out: Out, what: ViewsOptions = ViewsOptions(), writing: SetOptions = SetOptions()) -> None:
    """Write heads from any side, in any light and with any face, and all that a picture shows of them: what eyes learn from.

    Stop it at any time with Ctrl-C and run it again to continue. The same settings write the same files.
    """
    from fullhead.synth.datasets.views import Views

    writing.write(out, Views(what, writing.population()), "picture")


def scans(out: Out, what: ScansOptions = ScansOptions(), writing: SetOptions = SetOptions()) -> None:
    """Write closed, coloured meshes of heads in several expressions and poses, and what bends our head mesh to each.

    Stop it at any time with Ctrl-C and run it again to continue. The same settings write the same files.
    """
    from fullhead.synth.datasets.scans import Scans

    writing.write(out, Scans(what, writing.population()), "scan")


def video(
    out: Out,
    what: VideoOptions = VideoOptions(),
    preview: Literal["webp", "mp4", "none"] = "webp",
    writing: SetOptions = SetOptions(),
) -> None:
    """Write clips of moving heads with expression, pose and camera of every frame.

    Stop it at any time with Ctrl-C and run it again to continue. The same settings write the same files.

    Args:
        preview: Also write a film of each clip. mp4 needs the extra `video`.
    """
    from fullhead.io.stores import open_store
    from fullhead.io.video import check_video_path, save_video
    from fullhead.synth.datasets.video import Video, clip_name

    if preview != "none":
        check_video_path(Path(f"clip.{preview}"))
    writing.write(out, Video(what, writing.population()), "frame")
    store = open_store(out, "frames")
    there = set[str]() if preview == "none" else set(store.names())
    for clip in map(clip_name, range(0 if preview == "none" else what.clips)):
        film = out / "preview" / f"{clip}.{preview}"
        names = [f"{clip}/{frame:05d}.png" for frame in range(what.frames)]
        if not film.exists() and there.issuperset(names):
            save_video((store.picture(name) for name in names), film, what.fps)
            print(film)
