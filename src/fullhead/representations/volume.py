"""Volume rendering of a feature field: coarse samples, importance samples, one composite [eg3d §3] [pano §3.2]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from fullhead.core.cameras import Cameras
from fullhead.core.compositing import expected_distance, interval_weights, sample_weights
from fullhead.core.devices import normal
from fullhead.core.errors import FullheadError
from fullhead.core.grids import inside_crop
from fullhead.core.rays import box_range, pixel_rays
from fullhead.core.sampling import importance, stratified
from fullhead.io.config import Limited

EMPTY = -1000.0  # raw density of the cropped space

FieldFunction = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Points [B, N, 3] in world units to raw density [B, N] and features [B, N, C]."""


@dataclass(frozen=True)
class MarchConfig(Limited):
    """How rays look through the head's box."""

    near: Annotated[float, (0, 1000)] = (
        2.25  # distance at which rays begin, in world units; with near = far the box itself bounds them
    )
    far: Annotated[float, (0, 1000)] = 3.3
    radius: Annotated[float, (0, 1000)] | None = (
        None  # distance of the cameras from the origin that near and far are for: others' are moved with them; None: for all
    )
    coarse: Annotated[int, (4, 1024)] = 48  # stratified samples
    fine: Annotated[int, (0, 1024)] = 48  # importance samples; 0 for none
    box_size: Annotated[float, (1e-3, 1000)] = 1.0  # side of the cube that the planes cover
    crop: Annotated[float, (0, 1000)] | None = (
        0.1  # space nearer than this to the box's sides (x and z) is empty; None keeps it all
    )
    in_disparity: bool = False  # strata even in 1 / t instead of t
    from_end_to_end: bool = False  # coarse samples without chance, evenly from near to far, both ends too
    white_background: bool = False  # add the missing opacity to every feature
    rays_at_once: Annotated[int, (1, 1 << 20)] = 2048  # bounds memory when no gradient is wanted

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.near > self.far:
            raise FullheadError(f"near {self.near:g} lies behind far {self.far:g}: rays begin at near and end at far")
        if self.in_disparity and self.near == 0 < self.far:
            raise FullheadError("near 0 with in_disparity: 1 / near must be a number, give a near above 0")
        if self.crop is not None and 2 * self.crop >= self.box_size:
            raise FullheadError(f"crop {self.crop:g} leaves nothing of a box of {self.box_size:g}: less than half of it is due")


def ray_ranges(config: MarchConfig, origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """First and last distance of each ray, [B, R, 1]."""
    if config.near != config.far:
        shape = (*origins.shape[:-1], 1)
        moved = 0.0 if config.radius is None else origins.norm(dim=-1, keepdim=True) - config.radius
        near, far = (origins.new_full(shape, end) + moved for end in (config.near, config.far))
        return near.clamp(min=0), far
    near, far, hit = box_range(origins, directions, config.box_size)
    if not bool(hit.any()):
        return near, far
    # A ray that misses the box is given the span of entries of those that hit: it finds nothing there.
    return torch.where(hit, near, near[hit].min()), torch.where(hit, far, near[hit].max())


def coarse_distances(config: MarchConfig, origins: Tensor, directions: Tensor, generator: torch.Generator | None) -> Tensor:
    """Stratified distances [B, R, S]."""
    near, far = ray_ranges(config, origins, directions)
    if config.from_end_to_end:
        return near + (far - near) * torch.linspace(0, 1, config.coarse).to(near)
    if not config.in_disparity:
        return stratified(near, far, config.coarse, generator)
    s = stratified(torch.zeros_like(near), torch.ones_like(far), config.coarse, generator)
    return 1 / ((1 - s) / near + s / far)


def march(
    function: FieldFunction,
    config: MarchConfig,
    origins: Tensor,
    directions: Tensor,
    generator: torch.Generator | None = None,
    density_noise: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Features [B, R, C], opacity [B, R, 1] and distance [B, R, 1] of rays [B, R, 3].

    Deterministic unless a generator is given. `density_noise` is the deviation added to raw densities in training.
    """

    def look(t: Tensor) -> tuple[Tensor, Tensor]:
        """Raw density [B, R, S] and features [B, R, S, C] at distances t."""
        xyz = (origins[:, :, None] + t[..., None] * directions[:, :, None]).flatten(1, 2)
        raw, values = function(xyz)
        if density_noise > 0 and generator is not None:
            raw = raw + density_noise * normal(tuple(raw.shape), raw, generator)
        if config.crop is not None:
            raw = torch.where(inside_crop(xyz, config.box_size, config.crop), raw, EMPTY)
        return raw.reshape(t.shape), values.reshape(*t.shape, -1)

    t = coarse_distances(config, origins, directions, generator)
    raw, values = look(t)
    if config.fine:
        with torch.no_grad():
            weights = interval_weights(raw, t)
            t_fine = importance(t, weights, config.fine, generator)
        raw_fine, values_fine = look(t_fine)
        t, order = torch.cat([t, t_fine], dim=-1).sort(dim=-1)
        raw = torch.cat([raw, raw_fine], dim=-1).gather(-1, order)
        weights = interval_weights(raw, t)
        # The weights go back to the order of the samples: one number each to move, not a feature vector.
        per_sample = torch.zeros_like(t).scatter(-1, order, sample_weights(weights))
        ours, theirs = per_sample.split([config.coarse, config.fine], dim=-1)
        out = (ours[..., None, :] @ values + theirs[..., None, :] @ values_fine)[..., 0, :]
    else:
        weights = interval_weights(raw, t)
        out = (sample_weights(weights)[..., None, :] @ values)[..., 0, :]
    opacity = weights.sum(dim=-1, keepdim=True)
    if config.white_background:
        out = out + 1 - opacity
    return out, opacity, expected_distance(weights, t)


def render_features(
    function: FieldFunction,
    config: MarchConfig,
    cameras: Cameras,
    size: int,
    generator: torch.Generator | None = None,
    density_noise: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Images of features [B, C, size, size], opacity and distance [B, 1, size, size] seen by one camera per head."""
    origins, directions = pixel_rays(cameras, size)
    at_once = origins.shape[1] if torch.is_grad_enabled() else config.rays_at_once
    parts = [
        march(function, config, o, d, generator, density_noise)
        for o, d in zip(origins.split(at_once, dim=1), directions.split(at_once, dim=1), strict=True)
    ]
    features, opacity, distance = (
        torch.cat(part, dim=1).transpose(1, 2).unflatten(2, (size, size)) for part in zip(*parts, strict=True)
    )
    return features, opacity, distance
