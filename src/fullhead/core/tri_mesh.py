"""The triangle mesh: one type for every surface that is extracted, read, posed, rendered or written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fullhead.core.errors import FullheadError

A = TypeVar("A")
B = TypeVar("B")
GREY = 0.6  # the colour of a mesh that has none


@dataclass(frozen=True)
class TriMesh(Generic[A]):
    """V vertices and F faces, counter-clockwise seen from outside.

    `TriMesh[Tensor]` inside models, `TriMesh[NDArray]` elsewhere. Colours are sRGB in [-1, 1], as images are; bytes only in
    files. The colour of a face is that of its texture if it has one, else that of its vertices.
    """

    vertices: A  # [V, 3]
    faces: A  # [F, 3] integers; int64 if they are tensors
    normals: A | None = None  # [V, 3], of length 1
    colours: A | None = None  # [V, 3]
    uv: A | None = None  # [F, 3, 2] of the corners; (0, 0) is the lower left corner of the texture
    texture_ids: A | None = None  # [F], which texture; -1: none
    textures: tuple[NDArray[np.uint8], ...] = ()  # [H, W, 3] sRGB each

    def each(self, change: Callable[[A], B]) -> TriMesh[B]:
        """The mesh with all its arrays changed, textures excepted."""
        arrays = {name: change(value) for name, value in vars(self).items() if name != "textures" and value is not None}
        return TriMesh(**arrays, textures=self.textures)

    @property
    def coloured(self) -> bool:
        """Whether any of it has a colour of its own."""
        return self.colours is not None or bool(self.textures)

    def numpy(self: TriMesh[Tensor]) -> TriMesh[NDArray]:
        return self.each(lambda x: x.detach().cpu().numpy())

    def tensors(self: TriMesh[NDArray], device: torch.device | None = None) -> TriMesh[Tensor]:
        """Faces become int64, other types stay."""
        mesh = self.each(lambda x: torch.from_numpy(x).to(device))
        return replace(mesh, faces=mesh.faces.long())

    def select_faces(self: TriMesh[NDArray], chosen: NDArray[np.bool_]) -> TriMesh[NDArray]:
        """Only the faces `chosen` [F]; all vertices stay."""
        uv, texture_ids = (None if value is None else value[chosen] for value in (self.uv, self.texture_ids))
        return replace(self, faces=self.faces[chosen], uv=uv, texture_ids=texture_ids)

    def colours_at(self: TriMesh[NDArray], face: NDArray, weights: NDArray) -> NDArray:
        """Colours [P, 3] at points of the surface: faces [P] and weights [P, 3] of their corners."""
        if self.colours is None:
            colours = np.full((len(face), 3), GREY)
        else:
            colours = (self.colours[self.faces[face]] * weights[..., None]).sum(1)
        if self.texture_ids is None or self.uv is None:
            return colours
        for number, texture in enumerate(self.textures):
            here = self.texture_ids[face] == number
            uv = (self.uv[face[here]] * weights[here][..., None]).sum(1)
            colours[here] = texture_colours(texture, uv)
        return colours


def present(attribute: A | None) -> A:
    """An attribute that a mesh must have to be used so."""
    if attribute is None:
        raise FullheadError("this mesh has no normals or no colours, which are needed here")
    return attribute


def joined(meshes: Sequence[TriMesh[NDArray]]) -> TriMesh[NDArray]:
    """Several meshes as one. It has the normals and the colours if all have them, and all textures."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    first = np.cumsum([0, *(len(mesh.textures) for mesh in meshes)])
    uv = [np.zeros((len(mesh.faces), 3, 2)) if mesh.uv is None else mesh.uv for mesh in meshes]
    ids = [np.full(len(mesh.faces), -1) if mesh.texture_ids is None else mesh.texture_ids for mesh in meshes]
    ids = [np.where(own < 0, -1, own + start) for own, start in zip(ids, first[:-1], strict=True)]
    textures = tuple(texture for mesh in meshes for texture in mesh.textures)
    return TriMesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts[:-1], strict=True)]),
        _all_or_none([mesh.normals for mesh in meshes]),
        _all_or_none([mesh.colours for mesh in meshes]),
        np.concatenate(uv) if textures else None,
        np.concatenate(ids) if textures else None,
        textures,
    )


def _all_or_none(arrays: Sequence[NDArray | None]) -> NDArray | None:
    known = [array for array in arrays if array is not None]
    return np.concatenate(known) if len(known) == len(arrays) else None


def texture_colours(texture: NDArray[np.uint8], uv: NDArray) -> NDArray:
    """Bilinear colours [P, 3] in [-1, 1] of a texture [H, W, 3] at uv [P, 2]: texel (column, row) has its centre at
    u = (column + 1/2) / W, v = 1 - (row + 1/2) / H. Beyond [0, 1] the texture repeats."""
    height, width = texture.shape[:2]
    x, y = uv[:, 0] * width - 0.5, (1 - uv[:, 1]) * height - 0.5
    left, top = np.floor(x), np.floor(y)
    result = np.zeros((len(uv), 3))
    for step_x, step_y in ((0, 0), (0, 1), (1, 0), (1, 1)):
        share = (1 - abs(x - left - step_x)) * (1 - abs(y - top - step_y))
        texels = texture[(top + step_y).astype(int) % height, (left + step_x).astype(int) % width]
        result += share[:, None] * texels
    return result / 127.5 - 1
