"""What applications may assume of a head model, and the values that pass between them.

latents = model.sample_latents(4, generator)     which head
head = model.decode(latents)                     the expensive part, once
render = model.render(head, cameras)             as often as wanted
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor

from fullhead.core.cameras import Cameras


@dataclass(frozen=True)
class Batch:
    """Values of B heads: a frozen dataclass whose fields are tensors [B, ...] or None, the first one a tensor."""

    def __len__(self) -> int:
        return len(self._first)

    @property
    def device(self) -> torch.device:
        return self._first.device

    def __getitem__(self, index: int | slice) -> Self:
        if isinstance(index, int):
            index = slice(index, index + 1)
        return self.each(lambda x: x[index])

    def to(self, device: torch.device) -> Self:
        return self.each(lambda x: x.to(device))

    def expand(self, views: int) -> Self:
        """The same single head for `views` cameras (no copy)."""
        return self.each(lambda x: x.expand(views, *x.shape[1:]))

    def each(self, function: Callable[[Tensor], Tensor]) -> Self:
        """A function of every tensor."""
        return replace(self, **{name: x if x is None else function(x) for name, x in vars(self).items()})

    @property
    def _first(self) -> Tensor:
        return next(iter(vars(self).values()))


@dataclass(frozen=True)
class Latents(Batch):
    """`w` [B, L, w_dim]: styles of the foreground, one per layer; `background` [B, L, w_dim] or None: styles of the
    background (None: those of the foreground)."""

    w: Tensor
    background: Tensor | None = None


@dataclass(frozen=True)
class Head(Batch):
    """A decoded head: `planes` [B, P, C, D, H, W], `background` features [B, C, h, w] or None, `w_last` [B, w_dim]
    (the style that colours and super-resolves)."""

    planes: Tensor
    background: Tensor | None
    w_last: Tensor


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


class HeadBatch(Protocol):
    """What the latents and the decoded heads of any family offer, as a `Batch` does."""

    def __len__(self) -> int: ...

    @property
    def device(self) -> torch.device: ...

    def __getitem__(self, index: int | slice) -> Self: ...

    def expand(self, views: int) -> Self: ...


L = TypeVar("L", bound=Batch)
H = TypeVar("H", bound=HeadBatch)


class HeadModel(Protocol[L, H]):
    """A family's model, as applications see it. B heads, V views; one camera per head. Its latents L and decoded heads H are
    its own."""

    @property
    def box_size(self) -> float:
        """Side of the cube about the origin that holds the head, in world units."""
        ...

    @property
    def metres_per_unit(self) -> float:
        """Metres in a world unit, for export: what makes a grown head about 0.23 m high from chin to crown."""
        ...

    def sample_latents(self, n: int, generator: torch.Generator | None = None) -> L: ...

    def seed_latents(self, seeds: list[int], truncation: float = 0.7) -> L:
        """The heads of seeds; truncation 1: as varied as the training set, 0: the average head."""
        ...

    def decode(self, latents: L, *, background: bool = True) -> H:
        """The heads; without `background` (or for a family that has none) they are rendered alone, in straight colours."""
        ...

    def render(self, head: H, cameras: Cameras) -> Render: ...

    def density(self, head: H, xyz: Tensor) -> Tensor:
        """sigma after activation, [B, N, 1], of points xyz [B, N, 3] in world units; 0 outside the head's box."""
        ...

    def colour(self, head: H, xyz: Tensor) -> Tensor:
        """RGB in [-1, 1], [B, N, 3], of points xyz [B, N, 3]."""
        ...
