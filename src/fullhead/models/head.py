"""What an application may ask of a head, whatever family made it, and the values that pass between them.

    latents = model.seed_latents([7])                who
    head = model.decode(latents, pose)               the expensive part, once
    render = model.render(head, cameras, options)    as often as wanted

`HeadModel` is what all families offer. What only some can do is a capability, a protocol of its own: an application asks
`capable(model, Posable, name)` and never asks for a class.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, Self, TypeVar, get_args, runtime_checkable

import torch
from torch import Tensor

from fullhead.core.cameras import Cameras
from fullhead.core.errors import FullheadError, with_article
from fullhead.core.tri_mesh import TriMesh
from fullhead.representations.surface import SHADINGS, pictures


@dataclass(frozen=True)
class Batch:
    """Values of B heads: a frozen dataclass of tensors [B, ...], batches, tuples of B meshes, or None (but the first)."""

    def __len__(self) -> int:
        return len(self._first)

    @property
    def device(self) -> torch.device:
        return self._first.device

    def __getitem__(self, index: int | slice) -> Self:
        one_or_more = slice(index, index + 1) if isinstance(index, int) else index
        return self._changed(lambda x: x[one_or_more])

    def to(self, device: torch.device) -> Self:
        return self.each(lambda x: x.to(device))

    def expand(self, views: int) -> Self:
        """The same single head for `views` cameras (no copy)."""
        return self._changed(lambda x: views * x if isinstance(x, tuple) else x.expand(views, *x.shape[1:]))

    def each(self, function: Callable[[Tensor], Tensor]) -> Self:
        """A function of every tensor."""
        return self._changed(lambda x: tuple(mesh.each(function) for mesh in x) if isinstance(x, tuple) else function(x))

    def _changed(self, change: Callable[[Any], Any]) -> Self:
        """A change of every tensor and tuple, those of the batches within too."""
        known = {name: x for name, x in vars(self).items() if x is not None}
        return replace(self, **{n: x._changed(change) if isinstance(x, Batch) else change(x) for n, x in known.items()})

    @property
    def _first(self) -> Tensor | Batch:
        return next(iter(vars(self).values()))


@dataclass(frozen=True)
class Latents(Batch):
    """`w` [B, L, w_dim]: styles of the foreground, one per layer; `background` [B, L, w_dim] or None: styles of the
    background (None: those of the foreground)."""

    w: Tensor
    background: Tensor | None = None


@dataclass(frozen=True)
class HeadPose(Batch):
    """B poses: `expression` [B, E] weights and `joint_pose` [B, J, 3] axis-angle in radians, relative to the parent joint.

    Applications speak in ARKit's 52 weights and the joints of our template; `Posable.rig_pose` turns these into the
    expressions and joints of the model's own rig.
    """

    expression: Tensor
    joint_pose: Tensor


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


Shading = Literal["colour", "normal", "clay"]
Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class RenderOptions:
    """How heads are decoded and shown. What a family cannot do, it refuses in words."""

    size: int | None = None  # pixels of the picture; None: the model's own
    shading: Shading = "colour"  # colours, normals, or the bare geometry
    precision: Precision = "fp32"  # of convolutions
    background: bool = True  # paint what stands behind the head; without it, straight colours beside the mask
    resolution: int | None = None  # cells along the box in which a surface is found; None: the model's own

    def __post_init__(self) -> None:
        for name, known in (("shading", get_args(Shading)), ("precision", get_args(Precision))):
            if getattr(self, name) not in known:
                raise FullheadError(f"{name} {getattr(self, name)}: there is {', '.join(known)}")

    @property
    def dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    def refuse(self, who: str, **kept: object) -> None:
        """Raise FullheadError if one of the named options is not at the only value that `who` knows."""
        for name, value in kept.items():
            if getattr(self, name) != value:
                raise FullheadError(f"{who} has no {name} {getattr(self, name)}: leave {name} at {value}")


def render_surfaces(meshes: Sequence[TriMesh[Tensor]], cameras: Cameras, size: int, options: RenderOptions) -> Render:
    """What one camera each sees of surfaces in the cube [-1, 1]^3, rasterised."""
    shade = SHADINGS[options.shading]
    image, mask, depth = pictures(meshes, cameras, size, shade, alone=not options.background)
    return Render(image, image, mask, depth)


L = TypeVar("L", bound=Batch)
H = TypeVar("H", bound=Batch)
C = TypeVar("C")


class HeadModel(Protocol[L, H]):
    """A family's model, as applications see it. B heads, one camera per head. Its latents L and decoded heads H are its own."""

    @property
    def box_size(self) -> float:
        """Side of the cube about the origin that holds the head, in world units."""
        ...

    @property
    def metres_per_unit(self) -> float:
        """Metres in a world unit, for export: what makes a grown head about 0.23 m high from chin to crown."""
        ...

    @property
    def image_size(self) -> int:
        """Pixels of a render whose size is not given."""
        ...

    def sample_latents(self, n: int, generator: torch.Generator | None = None) -> L: ...

    def seed_latents(self, seeds: list[int], truncation: float = 0.7) -> L:
        """The heads of seeds; truncation 1: as varied as the training set, 0: the average head."""
        ...

    def decode(self, latents: L, pose: HeadPose | None = None, options: RenderOptions = RenderOptions()) -> H:
        """The heads in a pose of the model's own rig (None: at rest). A family that cannot be posed refuses one."""
        ...

    def render(self, head: H, cameras: Cameras, options: RenderOptions = RenderOptions()) -> Render: ...


# -- capabilities


@runtime_checkable
class HasDensity(Protocol):
    """A volume: density and colour of any point."""

    def density(self, head: Any, xyz: Tensor) -> Tensor:
        """sigma after activation, [B, N, 1], of points xyz [B, N, 3] in world units; 0 outside the head's box."""
        ...

    def colour(self, head: Any, xyz: Tensor) -> Tensor:
        """RGB [B, N, 3] in [-1, 1] of points xyz [B, N, 3] in world units."""
        ...


@runtime_checkable
class HasSurface(Protocol):
    """A surface that the model finds itself, with colours and normals."""

    def surface(self, head: Any, resolution: int) -> TriMesh[Tensor]:
        """The surface of one decoded head in its pose, in the cube [-1, 1]^3; `resolution` cells along the cube."""
        ...


@runtime_checkable
class Posable(Protocol):
    """A rig: ARKit's weights and joints move the head."""

    def rig_pose(self, pose: HeadPose) -> HeadPose:
        """A pose in ARKit's 52 weights and our template's joints, as the model's own rig has it."""
        ...

    def posed(self, head: Any, pose: HeadPose, options: RenderOptions = RenderOptions()) -> Any:
        """The same decoded heads in another pose of the model's rig: much cheaper than `decode`."""
        ...


@runtime_checkable
class HasBackground(Protocol):
    """A background of its own, which belongs to the latents."""

    def with_background(self, latents: Any, seed: int, truncation: float = 0.7) -> Any:
        """The same heads before the background of a seed."""
        ...


@runtime_checkable
class HasLatentParts(Protocol):
    """Latents of several parts, such as shape and colour, that can vary one by one."""

    latent_parts: tuple[str, ...]

    def vary_latents(self, seeds: list[int], truncation: float, vary: Collection[str]) -> Batch:
        """The heads of seeds in which only the parts `vary` differ from the average head."""
        ...


MISSING = {
    HasDensity: "has no density",
    HasSurface: "has no surface of its own",
    Posable: "has no rig, so its heads do not move",
    HasBackground: "makes no background",
    HasLatentParts: "has latents of one part, which cannot vary in parts",
}


def capable(model: object, capability: type[C], name: str, hint: str = "") -> C:
    """The model, seen as what can do something. FullheadError if the model, known as `name`, cannot; `hint`: what to do."""
    if isinstance(model, capability):
        return model
    raise FullheadError(f"{name} is {with_article(type(model).__name__)}, which {MISSING[capability]}{hint and f': {hint}'}")
