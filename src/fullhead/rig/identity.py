"""Who a head is: a phenotype and named local parameters, or principal components, to the shape of the template's rig.

The phenotype mixes 96 corners of a body model (two sexes, four ages, three degrees of muscle and of weight, three
ancestries) by products of tents. A local parameter such as `nose-scale-vert-decr/incr` is signed: below 0 it applies its
first word, above 0 its second; one without a slash, such as `head-oval`, is not negative. Left and right move together;
`asym-...` parameters are the odd ones. All is differentiable but at the tents' tips.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import torch
from numpy.typing import NDArray
from torch import Tensor

from fullhead.core.errors import FullheadError
from fullhead.rig.rig import Rig
from fullhead.rig.template import LEFT_EYE, Template

OPPOSITES = ("decr/incr", "down/up", "backward/forward", "in/out", "concave/convex", "compress/uncompress")
TENTS = {  # anchors of each axis of the phenotype, evenly from 0 to 1
    "gender": ("female", "male"),
    "age": ("baby", "child", "young", "old"),
    "muscle": ("minmuscle", "averagemuscle", "maxmuscle"),
    "weight": ("minweight", "averageweight", "maxweight"),
}
ANCESTRIES = ("african", "asian", "caucasian")


@dataclass(frozen=True)
class Phenotype:
    """All in [0, 1]. The three ancestries are shares of their sum."""

    gender: float = 0.5  # 0 female, 1 male
    age: float = 2 / 3  # 0 baby, 1/3 child, 2/3 young adult, 1 old
    muscle: float = 0.5
    weight: float = 0.5
    african: float = 1 / 3
    asian: float = 1 / 3
    caucasian: float = 1 / 3


@dataclass(frozen=True)
class Parameters:
    """The M named parameters and what they do to the S coefficients of the template's rig."""

    names: tuple[str, ...]
    below: Tensor  # [M, S], 1 at the targets of values below zero; none for parameters that are not negative
    above: Tensor  # [M, S]
    corners: Tensor  # [96, 4] int64: the tents whose product is the coefficient of a corner

    def coefficients(self, phenotype: Tensor, values: Tensor) -> Tensor:
        """Shape [B, S] of phenotypes [B, 7], in the order of Phenotype, and values [B, M]."""
        tents = [_tents(phenotype[:, i], len(anchors)) for i, anchors in enumerate(TENTS.values())]
        ancestry = phenotype[:, len(TENTS) :] / phenotype[:, len(TENTS) :].sum(1, keepdim=True)
        factors = torch.cat([*tents, ancestry, torch.ones_like(ancestry[:, :1])], dim=1)  # [B, 16]
        macro = factors[:, self.corners].prod(-1)  # [B, 96]
        local = values.clamp(min=0) @ self.above + (-values).clamp(min=0) @ self.below
        return local + torch.nn.functional.pad(macro, (0, local.shape[1] - macro.shape[1]))

    def of(self, phenotype: Phenotype, shape: Mapping[str, float]) -> Tensor:
        """Shape [S] of a phenotype and values by name; those left out are 0."""
        if unknown := sorted(set(shape) - set(self.names)):
            some = ", ".join(self.names[:3])
            raise FullheadError(f"no shape parameter {unknown[0]!r}; there are {len(self.names)}, such as {some}")
        values = torch.tensor([[shape.get(name, 0.0) for name in self.names]])
        return self.coefficients(torch.tensor([list(asdict(phenotype).values())]), values)[0]


def shape_parameters(template: Template) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Name -> (targets below zero, targets above zero); the first is empty for a parameter that is not negative."""
    names = [name for name in template.rig.shape_names if not _corner(name)]
    parameters: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
    for name in names:
        stem, _, ending = name.rpartition("-")
        if name.startswith("asym-"):
            parameters[f"{stem}-r/l"] = ((f"{stem}-r",), (f"{stem}-l",))
            continue
        sides = ("l-", "r-") if name[:2] in ("l-", "r-") else ("",)
        stem, bare = stem.removeprefix(sides[0]).removeprefix(sides[-1]), name.removeprefix(sides[0]).removeprefix(sides[-1])

        def existing(end: str, stem: str = stem, sides: tuple[str, ...] = sides) -> tuple[str, ...]:
            return tuple(n for n in (f"{side}{stem}-{end}" for side in sides) if n in names)

        pair = next((pair for pair in OPPOSITES if ending in pair.split("/")), None)
        if pair is None:
            parameters[bare] = ((), existing(ending))
        else:
            below, _, above = pair.partition("/")
            parameters[f"{stem}-{pair}"] = (existing(below), existing(above))
    return parameters


def head_parameters(template: Template) -> Parameters:
    """The parameters of the template's identities, for batches of them."""
    names = template.rig.shape_names
    words = [*(word for anchors in TENTS.values() for word in anchors), *ANCESTRIES, ""]
    corners = [corner for name in names if (corner := _corner(name))]
    rows = {name: row for row, name in enumerate(names)}
    parameters = shape_parameters(template)
    below, above = torch.zeros(2, len(parameters), len(names))
    for row, sides in enumerate(parameters.values()):
        for matrix, side in zip((below, above), sides, strict=True):
            matrix[row, [rows[name] for name in side]] = 1
    places = [[words.index(word) for word in (*corner, "", "")[:4]] for corner in corners]
    return Parameters(tuple(parameters), below, above, torch.tensor(places))


def identity(template: Template, phenotype: Phenotype, shape: Mapping[str, float]) -> Tensor:
    """Shape [S] of a phenotype and values by name of `shape_parameters`; those left out are 0."""
    return head_parameters(template).of(phenotype, shape)


def identity_vertices(template: Template, phenotype: Phenotype, shape: Mapping[str, float]) -> NDArray:
    """Neutral vertices [N, 3] float32, decimetres, of an `identity`."""
    return template.rig.personal(identity(template, phenotype, shape)).template.numpy()


def main_shape_rig(template: Template) -> Rig:
    """The template's rig with 100 principal components of adults' shapes instead of its raw targets.

    A coefficient's unit is one standard deviation. The eyes' midpoint of every head lies where the mean's does.
    """
    rig = template.rig
    basis = torch.from_numpy(template.main_shapes)
    mean = rig.personal(basis[0])
    vertices, joints = (torch.tensordot(basis[1:], of, 1) for of in (rig.shape_basis, rig.joint_shape_basis))
    shift = joints[:, LEFT_EYE:].mean(1, keepdim=True)
    names = tuple(f"component {i + 1}" for i in range(len(vertices)))
    return replace(mean, shape_basis=vertices - shift, joint_shape_basis=joints - shift, shape_names=names)


def _corner(name: str) -> tuple[str, ...]:
    """The tents of a macro target such as `asian-female-young` or `universal-male-old-maxmuscle-minweight`; else none."""
    first, *words = name.split("-")
    if first in ANCESTRIES and len(words) == 2:
        return (first, *words)
    return tuple(words) if first == "universal" else ()


def _tents(x: Tensor, count: int) -> Tensor:
    """Linear interpolation weights [B, count] of x [B] in [0, 1] between even anchors."""
    anchors = torch.arange(count, dtype=x.dtype, device=x.device)
    return (1 - (x[:, None].clamp(0, 1) * (count - 1) - anchors).abs()).clamp(min=0)
