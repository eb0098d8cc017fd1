"""From posed points back to canonical ones: the correspondence search of forward skinning [snarf].

F has no inverse in closed form, and several canonical points may land on one posed point. From one start per bone Broyden's
method finds roots of F(x) = x_posed; gradients go through the roots by the implicit function theorem [snarf].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fullhead.core.roots import TOLERANCE, broyden, inverse_3x3
from fullhead.core.skinning import transformed
from fullhead.kernels.gather import channels_last
from fullhead.representations.canonical_field import INVALID, CanonicalHead, CanonicalPoints, Volume, sample_own, scatter_rows
from fullhead.representations.deformer import Skeleton, Warp, blended, times

SAME_ROOT = 10 * TOLERANCE  # roots closer to each other than this are one
SAME_BONE = 1e-6  # carriers that differ by no more are one: bones that did not turn against each other


Jacobian = Callable[[Tensor, Tensor], Tensor]  # of points [N, 3] of scans [N]: [N, 3, 3]


class ForwardMap(Protocol):
    """What is searched: a `Warp`, or fields of one in voxels."""

    @property
    def skeleton(self) -> Skeleton: ...

    def posed(self, x: Tensor, scan: Tensor) -> tuple[Tensor, Tensor]: ...


@dataclass(frozen=True)
class Candidates:
    """Canonical points `x` [N, I, 3] of N posed ones from I starts; where nothing was `found` [N, I], the best iterate."""

    x: Tensor
    found: Tensor
    evaluations: int = 0  # of F at one point

    @property
    def distinct(self) -> Tensor:
        """[N, I]: found, and not found by an earlier start."""
        near = (self.x[:, :, None] - self.x[:, None]).norm(dim=-1) < SAME_ROOT  # [N, I, I]
        known = torch.tril(near & self.found[:, None], diagonal=-1).any(dim=-1)
        return self.found & ~known


@torch.no_grad()
def find_correspondences(
    warp: ForwardMap, x_posed: Tensor, scan: Tensor, *, steps: int = 50, jacobian: Jacobian | None = None
) -> Candidates:
    """Roots of F(x) = x_posed [N, 3], one start per bone: I = J. Bones that moved as one are one start.

    `jacobian`: of F, where the search begins (`Warp.jacobian`: exact, at the price of three evaluations); None: that of the
    blended bones.
    """
    carriers = warp.skeleton.canonical_from_posed  # [B, J, 3, 4]
    starts = transformed(carriers.index_select(0, scan), x_posed[:, None])  # [N, J, 3]
    first = _first_alike(carriers)
    asked = (first == torch.arange(first.shape[1], device=first.device)).index_select(0, scan)
    found = _solved(warp, x_posed, scan, starts, asked, steps, jacobian)
    first = first.index_select(0, scan)  # [N, J]
    x = found.x.gather(1, first[..., None].expand_as(starts))
    return Candidates(x, found.found.gather(1, first), found.evaluations)


@torch.no_grad()
def find_correspondences_by_voxels(
    warp: ForwardMap, voxels: ForwardMap, x_posed: Tensor, scan: Tensor, *, steps: int = 50
) -> Candidates:
    """As `search`, but what `voxels` of the warp find is only completed there; points that they miss are searched as usual."""
    near = find_correspondences(voxels, x_posed, scan, steps=steps)
    roots = _solved(warp, x_posed, scan, near.x, near.distinct, steps, None)
    missed = (~roots.found.any(dim=1)).nonzero()[:, 0]
    rest = find_correspondences(warp, x_posed[missed], scan[missed], steps=steps)
    x, found = roots.x.index_copy(0, missed, rest.x), roots.found.index_copy(0, missed, rest.found)
    return Candidates(x, found, roots.evaluations + rest.evaluations)


def _solved(
    warp: ForwardMap, x_posed: Tensor, scan: Tensor, starts: Tensor, asked: Tensor, steps: int, jacobian: Jacobian | None
) -> Candidates:
    """Searches from those of the starts [N, I, 3] that are `asked` for [N, I]."""
    point, start = asked.nonzero(as_tuple=True)
    whose, target, x = scan[point], x_posed[point], starts[point, start]
    at_x, weights = warp.posed(x, whose)
    slope = jacobian(x, whose) if jacobian else blended(warp.skeleton.bones, weights, whose)[..., :3]
    roots = broyden(lambda x, rows: warp.posed(x, whose[rows])[0] - target[rows], x, at_x - target, inverse_3x3(slope), steps)
    x, found = starts.clone(), torch.zeros_like(asked)
    x[point, start], found[point, start] = roots.x, roots.found
    return Candidates(x, found, roots.evaluations)


def _first_alike(carriers: Tensor) -> Tensor:
    """For each bone of [B, J, 3, 4] the first one that moved as it did: [B, J]."""
    flat = carriers.flatten(2)
    alike = (flat[:, :, None] - flat[:, None]).abs().amax(dim=-1) <= SAME_BONE  # [B, J, J]
    numbers = torch.arange(flat.shape[1], device=flat.device).expand_as(alike)
    return torch.where(alike, numbers, flat.shape[1]).amin(dim=-1)


def attach_implicit_grad(warp: Warp, x: Tensor, scan: Tensor) -> Tensor:
    """Roots x [N, 3] with the gradient that they have by the implicit function theorem: dx = -(dF/dx)^-1 dF."""
    if not torch.is_grad_enabled():
        return x
    at_x = warp.posed(x, scan)[0]
    return x - times(inverse_3x3(warp.jacobian(x, scan)), at_x - at_x.detach())


def select_correspondences(
    head: CanonicalHead, volume: Volume, warp: Warp, candidates: Candidates, scan: Tensor
) -> CanonicalPoints:
    """Where posed points are: of several canonical ones that land on a point, the one that lies deepest inside.

    Gradients go to that one alone, as they do when the greatest logit is taken.
    """
    deepest = _select_inside(head, volume, warp, candidates, scan)
    x = candidates.x.gather(1, deepest[:, None, None].expand(-1, 1, 3))[:, 0]
    found = candidates.found.any(dim=1)
    rows = found.nonzero()[:, 0]
    at = head.at(volume, warp.neutral(attach_implicit_grad(warp, x[rows], scan[rows]), scan[rows]), scan[rows])
    if len(rows) == len(x):
        return at
    with torch.no_grad():
        lost = warp.neutral(x, scan)
    logit, feature = (scatter_rows(values, rows, len(x), INVALID) for values in (at.logit, at.feature))
    return CanonicalPoints(lost.index_copy(0, rows, at.x), scan, logit, feature, found)


@torch.no_grad()
def _select_inside(head: CanonicalHead, volume: Volume, warp: Warp, candidates: Candidates, scan: Tensor) -> Tensor:
    """The candidate of the greatest logit, [N]; networks are asked only where several were found."""
    distinct = candidates.distinct  # [N, I]
    logits = torch.zeros_like(candidates.x[..., 0]).masked_fill(~distinct, -torch.inf)
    point, start = (distinct & (distinct.sum(dim=1) > 1)[:, None]).nonzero(as_tuple=True)
    logits[point, start] = head.occupancy(volume, warp.neutral(candidates.x[point, start], scan[point]), scan[point])
    return logits.argmax(dim=1)


@dataclass(frozen=True)
class VoxelWarp:
    """F with its networks' fields read from voxels: skinning weights and offsets in the canonical box of each head [fastsnarf].

    Lookups are many times cheaper than networks, and off by the interpolation: search here first, then in the `Warp`.
    """

    skeleton: Skeleton
    voxels: Tensor  # [B, J + 3, R, R, R]
    centre: Tensor  # [B, 3]
    half: Tensor  # [B], half a side of the box

    def posed(self, x: Tensor, scan: Tensor) -> tuple[Tensor, Tensor]:
        inset = 1 - 1 / self.voxels.shape[-1]  # voxels' values are at their centres
        inside = ((x - self.centre[scan]) / self.half[scan, None]).clamp(-inset, inset)
        fields = sample_own(self.voxels, inside, scan)
        return self.skeleton.forward_skin(x, fields[:, :-3], fields[:, -3:], scan), fields[:, :-3]


@torch.no_grad()
def voxelised(warp: Warp, low: Tensor, high: Tensor, resolution: int = 32) -> VoxelWarp:
    """The fields of a warp in the cubes about the boxes from low to high [B, 3], a tenth larger."""
    centre, half = (low + high) / 2, (high - low).amax(dim=-1) * 0.55
    places = (torch.arange(resolution).to(low) + 0.5) * (2 / resolution) - 1
    z, y, x = torch.meshgrid(places, places, places, indexing="ij")
    grid = torch.stack([x, y, z], dim=-1).reshape(-1, 3)
    volumes = []
    for b in range(len(low)):
        scan = torch.full((len(grid),), b, device=low.device)
        fields = torch.cat(warp.fields(centre[b] + half[b] * grid, scan), dim=-1)  # [R^3, J + 3]
        volumes.append(fields.T.unflatten(-1, (resolution, resolution, resolution)))
    return VoxelWarp(warp.skeleton, channels_last(torch.stack(volumes)[:, None])[:, 0], centre, half)
