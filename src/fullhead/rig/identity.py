"""Who a head is: a phenotype (gender, age, muscle, weight, ancestry) and named local parameters, to neutral vertices.

A parameter such as `nose-scale-vert-decr/incr` is signed: below 0 it applies its first word, above 0 its second; one
without a slash, such as `head-oval`, is not negative. Left and right move together; `asym-...` parameters are the odd ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fullhead.core.errors import FullheadError
from fullhead.rig.template import Template

OPPOSITES = (
    ("decr", "incr"),
    ("down", "up"),
    ("backward", "forward"),
    ("in", "out"),
    ("concave", "convex"),
    ("compress", "uncompress"),
)


@dataclass(frozen=True)
class Phenotype:
    """Corners of the multilinear body model; all in [0, 1]. The three ancestries are shares of their sum."""

    gender: float = 0.5  # 0 female, 1 male
    age: float = 2 / 3  # 0 baby, 1/3 child, 2/3 young adult, 1 old
    muscle: float = 0.5
    weight: float = 0.5
    african: float = 1 / 3
    asian: float = 1 / 3
    caucasian: float = 1 / 3


def shape_parameters(template: Template) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Name -> (targets below zero, targets above zero); the first is empty for a parameter that is not negative."""
    names = set(template.shape_names)
    parameters: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
    for name in template.shape_names:
        stem, _, ending = name.rpartition("-")
        if name.startswith("asym-"):
            parameters[f"{stem}-r/l"] = ((f"{stem}-r",), (f"{stem}-l",))
            continue
        sides = ("l-", "r-") if name[:2] in ("l-", "r-") else ("",)
        stem, bare = stem.removeprefix(sides[0]).removeprefix(sides[-1]), name.removeprefix(sides[0]).removeprefix(sides[-1])

        def existing(end: str, stem: str = stem, sides: tuple[str, ...] = sides) -> tuple[str, ...]:
            return tuple(n for n in (f"{side}{stem}-{end}" for side in sides) if n in names)

        pair = next((pair for pair in OPPOSITES if ending in pair), None)
        if pair is None:
            parameters[bare] = ((), existing(ending))
        else:
            parameters[f"{stem}-{pair[0]}/{pair[1]}"] = (existing(pair[0]), existing(pair[1]))
    return parameters


def identity_vertices(template: Template, phenotype: Phenotype, shape: Mapping[str, float]) -> NDArray:
    """Neutral vertices [N, 3] float32, decimetres, of a phenotype and values of `shape_parameters`."""
    parameters = shape_parameters(template)
    unknown = sorted(set(shape) - set(parameters))
    if unknown:
        some = ", ".join(list(parameters)[:3])
        raise FullheadError(f"no shape parameter {unknown[0]!r}; there are {len(parameters)}, such as {some}")
    rows = {name: i for i, name in enumerate(template.shape_names)}
    coefficients = np.zeros(len(rows), np.float32)
    for name, value in shape.items():
        for target in parameters[name][1 if value >= 0 else 0]:
            coefficients[rows[target]] += abs(value)
    macro = _combine(phenotype_coefficients(template, phenotype), template.macro)
    return template.vertices + macro + _combine(coefficients, template.shape)


def expression_offsets(template: Template, weights: Mapping[str, float]) -> NDArray:
    """Vertex offsets [N, 3], decimetres, of ARKit blendshape weights in [0, 1]."""
    unknown = sorted(set(weights) - set(template.expression_names))
    if unknown:
        raise FullheadError(f"no ARKit blendshape {unknown[0]!r}; names are spelt as in eyeBlinkLeft or jawOpen")
    coefficients = np.array([weights.get(name, 0.0) for name in template.expression_names], np.float32)
    return _combine(coefficients, template.expression)


def phenotype_coefficients(template: Template, phenotype: Phenotype) -> NDArray:
    """Weights [96] of the macro targets: products of tents along each axis of the phenotype."""
    ancestry = {name: getattr(phenotype, name) for name in ("african", "asian", "caucasian")}
    total = sum(ancestry.values())
    genders = _tents(phenotype.gender, {"female": 0.0, "male": 1.0})
    ages = _tents(phenotype.age, {"baby": 0.0, "child": 1 / 3, "young": 2 / 3, "old": 1.0})
    muscles = _tents(phenotype.muscle, {"minmuscle": 0.0, "averagemuscle": 0.5, "maxmuscle": 1.0})
    weights = _tents(phenotype.weight, {"minweight": 0.0, "averageweight": 0.5, "maxweight": 1.0})
    named: dict[str, float] = {}
    for gender, g in genders.items():
        for age, a in ages.items():
            named |= {f"{name}-{gender}-{age}": share / total * g * a for name, share in ancestry.items()}
            for muscle, m in muscles.items():
                named |= {f"universal-{gender}-{age}-{muscle}-{weight}": g * a * m * w for weight, w in weights.items()}
    return np.array([named.get(name, 0.0) for name in template.macro_names], np.float32)


def _tents(x: float, anchors: dict[str, float]) -> dict[str, float]:
    """Linear interpolation weights of `x` between named, ascending anchors."""
    places = list(anchors.values())
    return {name: float(np.interp(x, places, np.eye(len(places))[i])) for i, name in enumerate(anchors)}


def _combine(coefficients: NDArray, targets: NDArray) -> NDArray:
    """Sum over the targets with a coefficient: [M] x [M, N, 3] -> [N, 3]."""
    active = np.flatnonzero(coefficients)
    return np.tensordot(coefficients[active], targets[active].astype(np.float32), axes=1)
