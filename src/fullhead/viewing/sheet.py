"""A contact sheet: every head in a row, every view in a column."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch

from fullhead.core.cameras import orbit
from fullhead.io.images import Bytes, contact_sheet
from fullhead.models.head import H, HeadModel, L, Render, RenderOptions
from fullhead.viewing.turntable import final_image, render_views

YAWS = tuple(math.radians(degrees) for degrees in (0, 45, 90, 135, 180))


def sheet_rows(
    model: HeadModel[L, H],
    latents: L,
    yaws: Sequence[float] = YAWS,
    pitch: float = 0.0,
    options: RenderOptions = RenderOptions(),
    *,
    show: Callable[[Render], Bytes] = final_image,
) -> Iterator[list[Bytes]]:
    """For each head of `latents` its pictures uint8 [H, W, 3] at `yaws` (radians), one pitch; each head is decoded once."""
    cameras = orbit(torch.tensor(yaws, dtype=torch.float64), pitch)
    for i in range(len(latents)):
        with torch.no_grad():
            head = model.decode(latents[i], None, options)
        yield list(render_views(model, head, cameras, options, show=show))


def sheet(
    model: HeadModel[L, H],
    latents: L,
    yaws: Sequence[float] = YAWS,
    pitch: float = 0.0,
    options: RenderOptions = RenderOptions(),
    *,
    labels: Sequence[str] = (),
) -> Bytes:
    """One final_image, uint8 [H, W, 3]: a row per head (labelled with `labels` if given), a column per yaw in radians."""
    columns = [f"{math.degrees(yaw):.0f}°" for yaw in yaws] if labels else []
    return contact_sheet(list(sheet_rows(model, latents, yaws, pitch, options)), row_labels=labels, column_labels=columns)
