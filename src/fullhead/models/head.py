"""What applications may assume of a head model, and the values that pass between them.

latents = model.sample_latents(4, generator)     which head
head = model.decode(latents)                     the expensive part, once
render = model.render(head, cameras)             as often as wanted
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from fullhead.core.cameras import Cameras


@dataclass(frozen=True)
class Latents:
    """`w` [B, L, w_dim]: styles of the foreground, one per layer; `background` [B, L, w_dim] or None: styles of the
    background (None: those of the foreground)."""

    w: Tensor
    background: Tensor | None = None

    def __len__(self) -> int:
        return self.w.shape[0]

    def __getitem__(self, index: int | slice) -> Latents:
        if isinstance(index, int):
            index = slice(index, index + 1)
        return Latents(self.w[index], None if self.background is None else self.background[index])

    def to(self, device: torch.device) -> Latents:
        return Latents(self.w.to(device), None if self.background is None else self.background.to(device))


@dataclass(frozen=True)
class Head:
    """A decoded head: `planes` [B, P, C, D, H, W], `background` features [B, C, h, w] or None, `w_last` [B, w_dim]
    (the style that colours and super-resolves)."""

    planes: Tensor
    background: Tensor | None
    w_last: Tensor

    def __len__(self) -> int:
        return self.planes.shape[0]

    def __getitem__(self, index: int | slice) -> Head:
        if isinstance(index, int):
            index = slice(index, index + 1)
        return Head(self.planes[index], None if self.background is None else self.background[index], self.w_last[index])

    def expand(self, views: int) -> Head:
        """The same single head for `views` cameras (no copy)."""
        one = [None if x is None else x.expand(views, *x.shape[1:]) for x in (self.planes, self.background, self.w_last)]
        return replace(self, planes=one[0], background=one[1], w_last=one[2])


@dataclass(frozen=True)
class Render:
    """`image` [B, 3, H, W] final and `image_raw` [B, 3, R, R] before super-resolution, both about [-1, 1];
    `mask` [B, 1, R, R] in [0, 1]; `depth` [B, 1, R, R] along the ray, in world units; `parsing` [B, 20, R, R] class
    probabilities where the model has them."""

    image: Tensor
    image_raw: Tensor
    mask: Tensor
    depth: Tensor
    parsing: Tensor | None = None


class HeadModel(Protocol):
    """A family's model, as applications see it. B heads, V views; one camera per head."""

    @property
    def box_size(self) -> float:
        """Side of the cube about the origin that holds the head, in world units."""
        ...

    @property
    def metres_per_unit(self) -> float:
        """Metres in a world unit, for export: what makes a grown head about 0.23 m high from chin to crown."""
        ...

    def sample_latents(self, n: int, generator: torch.Generator | None = None) -> Latents: ...

    def decode(self, latents: Latents, *, background: bool = True) -> Head:
        """The heads; without `background` (or for a family that has none) they are rendered alone, in straight colours."""
        ...

    def render(self, head: Head, cameras: Cameras) -> Render: ...

    def density(self, head: Head, xyz: Tensor) -> Tensor:
        """sigma after activation, [B, N, 1], of points xyz [B, N, 3] in world units; 0 outside the head's box."""
        ...

    def colour(self, head: Head, xyz: Tensor) -> Tensor:
        """RGB in [-1, 1], [B, N, 3], of points xyz [B, N, 3]."""
        ...
