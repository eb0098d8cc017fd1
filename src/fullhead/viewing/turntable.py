"""Moving pictures: a head that is turned once around, heads that flow into each other, and the files they go to.

Frames are made one after the other by generators, uint8 [H, W, 3]; who writes them decides what is kept.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.interpolate import CubicSpline

from fullhead.core import cameras as cams
from fullhead.core.cameras import Cameras
from fullhead.core.errors import FullheadError
from fullhead.io.files import check_suffix, written_whole
from fullhead.io.images import Bytes, save_animated_webp, to_uint8
from fullhead.models.head import H, HeadModel, L, Render

VIDEO_SUFFIXES = (".webp", ".mp4")


def picture(render: Render) -> Bytes:
    """What a render shows, as uint8 [B, H, W, 3]."""
    return to_uint8(render.image)


def turntable_cameras(
    frames: int,
    pitch: float = 0.0,
    yaws: tuple[float, float] = (0.0, 2 * math.pi),
    *,
    radius: float = cams.RADIUS,
    focal: float = cams.FOCAL,
) -> Cameras:
    """`frames` cameras from yaws[0] towards yaws[1] (left out, so that a full turn loops), radians, at one pitch."""
    yaw = yaws[0] + (yaws[1] - yaws[0]) * torch.arange(frames, dtype=torch.float64) / frames
    return cams.orbit(yaw, pitch, radius=radius, focal=focal)


def swing_cameras(
    frames: int,
    pitch: float = 0.0,
    amplitude: float = 0.6,
    *,
    radius: float = cams.RADIUS,
    focal: float = cams.FOCAL,
) -> Cameras:
    """`frames` cameras that swing once by +-`amplitude` radians of yaw about the front, and loop."""
    yaw = amplitude * torch.sin(2 * math.pi * torch.arange(frames, dtype=torch.float64) / frames)
    return cams.orbit(yaw, pitch, radius=radius, focal=focal)


def orbit(
    model: HeadModel[L, H], head: H, cameras: Cameras, *, batch: int = 1, show: Callable[[Render], Bytes] = picture
) -> Iterator[Bytes]:
    """Frames uint8 [H, W, C] of one decoded head seen by each of the cameras in turn, `batch` at a time."""
    if len(head) != 1:
        raise FullheadError(f"an orbit shows one head, not {len(head)}: take head[0]")
    for first in range(0, len(cameras), batch):
        views = cameras[first : first + batch]
        with torch.no_grad():
            render = model.render(head.expand(len(views)), views)
        yield from show(render)


def between(keys: L, frames: int) -> Iterator[L]:
    """`frames` latents on a closed, smooth path through the latents `keys`, which come at equal distances in time.

    A periodic cubic spline in w, or in a GANHead's codes: w is not a sphere (slerp is for z), and pieces of straight lines
    would stop and turn at every key, while the spline passes through with a steady velocity.
    """

    def path(x: torch.Tensor) -> CubicSpline:
        return CubicSpline(range(len(x) + 1), torch.cat([x, x[:1]]).detach().double().cpu().numpy(), bc_type="periodic")

    paths = {name: path(x) for name, x in vars(keys).items() if x is not None}
    for frame in range(frames):
        t = frame * len(keys) / frames
        yield replace(keys, **{name: torch.from_numpy(at(t)[None]).to(getattr(keys, name)) for name, at in paths.items()})


def interpolate(
    model: HeadModel[L, H],
    keys: L,
    cameras: Cameras,
    *,
    background: bool = True,
    show: Callable[[Render], Bytes] = picture,
) -> Iterator[Bytes]:
    """A looping film through the heads `keys`: one frame uint8 [H, W, C] per camera, each with its own head decoded."""
    for i, latents in enumerate(between(keys, len(cameras))):
        with torch.no_grad():
            head = model.decode(latents, background=background)
        yield from orbit(model, head, cameras[i], show=show)


def check_video_path(path: str | Path) -> Path:
    """`path` as a Path if a film can be written there; call it before the frames are computed."""
    path = check_suffix(path, VIDEO_SUFFIXES, "a film")
    if path.suffix.lower() == ".mp4":
        try:
            importlib.import_module("imageio_ffmpeg")
        except ImportError as error:
            raise FullheadError(f"{path.name}: .mp4 needs `pip install fullhead[video]`; .webp works without") from error
    return path


def save_video(frames: Iterable[Bytes], path: str | Path, fps: float = 30.0) -> Path:
    """Write frames uint8 [H, W, 3] as a looping .webp or an .mp4 (H.264, which needs the extra `video`)."""
    path = check_video_path(path)
    return _save_mp4(frames, path, fps) if path.suffix.lower() == ".mp4" else save_animated_webp(frames, path, fps)


def _save_mp4(frames: Iterable[Bytes], path: Path, fps: float) -> Path:
    import imageio_ffmpeg

    with written_whole(path) as temporary:
        writer = None
        try:
            for frame in frames:
                frame = _even(frame)
                if writer is None:
                    size = (frame.shape[1], frame.shape[0])
                    writer = imageio_ffmpeg.write_frames(
                        str(temporary),
                        size,
                        fps=fps,  # pyright: ignore[reportArgumentType]
                        codec="libx264",
                        quality=7,
                        macro_block_size=2,
                        output_params=["-movflags", "+faststart"],
                    )
                    writer.send(None)
                writer.send(np.ascontiguousarray(frame))
        finally:
            if writer is not None:
                writer.close()
        if writer is None:
            raise FullheadError("an animation needs at least one frame")
    return path


def _even(frame: Bytes) -> Bytes:
    """H.264 halves its colours: a last odd row or column is repeated."""
    return np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")
