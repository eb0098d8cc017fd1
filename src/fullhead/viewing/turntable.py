"""Moving pictures: a head that turns once around, and heads that flow into each other.

Frames uint8 [H, W, 3] are made one after the other by generators; `io.video` writes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

import torch
from scipy.interpolate import CubicSpline

from fullhead.core import cameras as cams
from fullhead.core.cameras import Cameras
from fullhead.core.errors import FullheadError
from fullhead.io.images import Bytes, to_uint8
from fullhead.models.head import H, HeadModel, L, Render, RenderOptions


def final_image(render: Render) -> Bytes:
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


def swing_cameras(frames: int, pitch: float = 0.0, amplitude: float = 0.6) -> Cameras:
    """`frames` cameras that swing once by +-`amplitude` radians of yaw about the front, and loop."""
    return cams.orbit(amplitude * torch.sin(2 * math.pi * torch.arange(frames, dtype=torch.float64) / frames), pitch)


def moving_cameras(kind: Literal["turn", "swing", "still"], frames: int, yaw: float = 0.0, pitch: float = 0.0) -> Cameras:
    """`frames` cameras at one pitch that go once around, swing about the front, or stand still at one yaw (radians)."""
    if kind == "still":
        return cams.orbit(torch.full((frames,), yaw, dtype=torch.float64), pitch)
    return (turntable_cameras if kind == "turn" else swing_cameras)(frames, pitch)


def render_views(
    model: HeadModel[L, H],
    head: H,
    cameras: Cameras,
    options: RenderOptions = RenderOptions(),
    *,
    batch: int = 1,
    show: Callable[[Render], Bytes] = final_image,
) -> Iterator[Bytes]:
    """Frames uint8 [H, W, C] of one decoded head seen by each of the cameras in turn, `batch` at a time."""
    if len(head) != 1:
        raise FullheadError(f"a film shows one head, not {len(head)}: take head[0]")
    for first in range(0, len(cameras), batch):
        views = cameras[first : first + batch]
        with torch.no_grad():
            render = model.render(head.expand(len(views)), views, options)
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
    options: RenderOptions = RenderOptions(),
    *,
    show: Callable[[Render], Bytes] = final_image,
) -> Iterator[Bytes]:
    """A looping film through the heads `keys`: one frame uint8 [H, W, C] per camera, each with its own head decoded."""
    for i, latents in enumerate(between(keys, len(cameras))):
        with torch.no_grad():
            head = model.decode(latents, None, options)
        yield from render_views(model, head, cameras[i], options, show=show)
