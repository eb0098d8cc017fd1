"""Films: frames one after the other to a .webp or an .mp4."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from contextlib import closing
from itertools import chain
from pathlib import Path

import numpy as np

from fullhead.core.errors import FullheadError
from fullhead.io.files import check_suffix, written_whole
from fullhead.io.images import Bytes, save_animated_webp

VIDEO_SUFFIXES = (".webp", ".mp4")


def check_video_path(path: str | Path) -> Path:
    """`path` as a Path if a film can be written there; call it before the frames are computed."""
    path = check_suffix(path, VIDEO_SUFFIXES, "a film")
    if path.suffix.lower() == ".mp4":
        try:
            importlib.import_module("imageio_ffmpeg")
        except ImportError as error:
            raise FullheadError(f"{path.name}: .mp4 needs `pip install imageio-ffmpeg`; .webp works without") from error
    return path


def save_video(frames: Iterable[Bytes], path: str | Path, fps: float = 30.0) -> Path:
    """Write frames uint8 [H, W, 3] as a looping .webp or an .mp4 (H.264, which needs the extra `video`)."""
    path = check_video_path(path)
    return _save_mp4(frames, path, fps) if path.suffix.lower() == ".mp4" else save_animated_webp(frames, path, fps)


def _save_mp4(frames: Iterable[Bytes], path: Path, fps: float) -> Path:
    import imageio_ffmpeg

    # H.264 halves its colours: a last odd row or column is repeated.
    pictures = (np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge") for frame in frames)
    first = next(pictures, None)
    if first is None:
        raise FullheadError("an animation needs at least one frame")
    with written_whole(path) as temporary:
        writer = imageio_ffmpeg.write_frames(
            str(temporary),
            (first.shape[1], first.shape[0]),
            fps=fps,  # pyright: ignore[reportArgumentType]
            codec="libx264",
            quality=7,
            macro_block_size=2,
            output_params=["-movflags", "+faststart"],
        )
        with closing(writer):
            writer.send(None)
            for picture in chain([first], pictures):
                writer.send(np.ascontiguousarray(picture))
    return path
