"""Films: frames one after the other to a .webp or an .mp4, and from any film."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from fullhead.core.errors import FullheadError
from fullhead.io.files import check_suffix, existing_file, written_whole
from fullhead.io.images import MAX_PIXELS, Bytes, frame_seconds, read_frames, save_animated_webp
from fullhead.io.reading import reading

VIDEO_SUFFIXES = (".webp", ".mp4")  # that are written
FILM_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")  # that ffmpeg reads
MOVING_SUFFIXES = (".gif", ".webp", ".png", ".apng")  # of pictures that may have several frames


def check_video_path(path: str | Path) -> Path:
    """`path` as a Path if a film can be written there; call it before the frames are computed."""
    path = check_suffix(path, VIDEO_SUFFIXES, "a film")
    if path.suffix.lower() == ".mp4":
        _imageio_ffmpeg(path)
    return path


def _imageio_ffmpeg(path: Path) -> Any:
    try:
        return importlib.import_module("imageio_ffmpeg")
    except ImportError as error:
        raise FullheadError(f"{path.name}: {path.suffix} needs `pip install imageio-ffmpeg`; .webp works without") from error


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


# -- films that are read


@dataclass(frozen=True)
class Film:
    """A film to go through once: `frames` uint8 [H, W, 3] in sRGB, `count` of them where the file says it."""

    fps: float
    count: int | None
    frames: Iterator[Bytes]


def is_film(path: Path) -> bool:
    """Whether a file is a film, or a picture that moves. Raises FullheadError where it cannot be read."""
    suffix = path.suffix.lower()
    return suffix in FILM_SUFFIXES or (suffix in MOVING_SUFFIXES and len(frame_seconds(path)) > 1)


def open_film(path: Path) -> Film:
    """A film file, or a picture that moves, such as a GIF. Raises FullheadError, also while frames are read."""
    path = existing_file(path, "a film")
    if path.suffix.lower() not in FILM_SUFFIXES:
        seconds = frame_seconds(path)
        return Film(len(seconds) / sum(seconds), len(seconds), read_frames(path))
    imageio_ffmpeg = _imageio_ffmpeg(path)
    hint = "is it a whole film, in a form that ffmpeg knows?"
    with reading(path, hint):
        source = imageio_ffmpeg.read_frames(str(path))
        try:
            about = next(source)
        except (OSError, RuntimeError, StopIteration) as error:  # with all that ffmpeg prints
            raise ValueError("ffmpeg finds no pictures in it") from error
        width, height = about["size"]
        fps, seconds = float(about["fps"]), float(about["duration"])
    if not (0 < fps < 1000 and width * height <= MAX_PIXELS):
        raise FullheadError(f"{path}: {width} x {height} pixels, {fps:g} frames a second; give a smaller film")

    def frames() -> Iterator[Bytes]:
        with closing(source), reading(path, hint):
            for content in source:
                yield np.frombuffer(content, np.uint8).reshape(height, width, 3)

    return Film(fps, round(fps * seconds) or None, frames())
