"""A subject: everything that is decided about one head before it is built, as plain values. Colours are linear RGB."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fullhead.core.colour import linear_from_srgb
from fullhead.core.errors import FullheadError
from fullhead.rig.identity import Phenotype
from fullhead.synth.people.population import Population

Colour = tuple[float, float, float]


def linear_colour(srgb: NDArray) -> Colour:
    """Of an sRGB colour [3] in [0, 1]."""
    r, g, b = (float(c) for c in linear_from_srgb(srgb))
    return r, g, b


def _srgb(*colour: int) -> Colour:
    return linear_colour(np.array(colour) / 255)


HAIR_COLOURS: dict[str, Colour] = {
    "black": (0.012, 0.010, 0.009), "darkbrown": (0.030, 0.017, 0.010), "brown": (0.070, 0.038, 0.020),
    "lightbrown": (0.15, 0.088, 0.045), "blond": (0.36, 0.235, 0.105), "red": (0.24, 0.072, 0.022),
    "auburn": (0.11, 0.033, 0.015), "grey": (0.25, 0.245, 0.24), "white": (0.55, 0.54, 0.53), "platinum": (0.60, 0.53, 0.40),
    "fire": _srgb(168, 22, 20), "pink": _srgb(232, 112, 160), "purple": _srgb(104, 50, 138), "blue": _srgb(38, 76, 170),
    "turquoise": _srgb(46, 160, 165), "green": _srgb(70, 130, 60),
}  # fmt: skip
NATURAL_COLOURS = tuple(HAIR_COLOURS)[:9]  # the others are dyed
IRIS_COLOURS: dict[str, Colour] = {
    "brown": (0.09, 0.04, 0.016), "darkbrown": (0.03, 0.014, 0.007), "hazel": (0.17, 0.10, 0.03),
    "green": (0.12, 0.17, 0.07), "blue": (0.080, 0.135, 0.205), "grey": (0.22, 0.26, 0.28),
}  # fmt: skip
LIPSTICKS: dict[str, Colour] = {
    "nude": _srgb(178, 112, 98), "rose": _srgb(190, 84, 98), "red": _srgb(168, 22, 34), "berry": _srgb(132, 28, 62),
    "plum": _srgb(92, 30, 52),
}  # fmt: skip
METAL_COLOURS: dict[str, Colour] = {"gold": (0.62, 0.40, 0.12), "silver": (0.58, 0.58, 0.60), "black": (0.02, 0.02, 0.022)}
STYLES = tuple(Population().hair.style_men)
HATS = tuple(Population().worn.hat_men)
GLASSES = tuple(Population().worn.glasses)
EARRINGS = tuple(Population().worn.earrings_men)


@dataclass(frozen=True)
class Skin:
    tone: float  # 0 lightest .. 1 darkest, evenly in degrees of skin.ita_of_tone
    undertone: float  # -1 cool (rosy) .. 1 warm (golden)
    redness: float
    mottle: float
    eyebag: float
    wrinkle: float
    freckles: float
    moles: int
    shine: float  # strength of the highlights
    lip_depth: float  # 0 pale .. 1 strongly coloured lips


@dataclass(frozen=True)
class Makeup:
    """All strengths are 0 for none to 1."""

    lipstick: float
    lip_colour: str  # one of LIPSTICKS
    eyeshadow: float
    eyeshadow_colour: Colour
    liner: float
    blush: float


@dataclass(frozen=True)
class Hair:
    style: str  # one of STYLES
    colour: str  # one of HAIR_COLOURS
    natural: str  # one of NATURAL_COLOURS: that of brows and beard, of the roots too where `colour` is dyed
    grey: float  # share of grey in an undyed colour
    recede: float  # 0 full hairline .. about 1


@dataclass(frozen=True)
class FaceHair:
    beard: str  # one of the names of population.FaceHairKnobs.beard
    brow_density: float
    brow_shift: float  # dm upwards
    brow_thickness: float  # relative to a strong brow


@dataclass(frozen=True)
class Outfit:
    collar: str  # crew, vneck, turtle or none
    colour: Colour
    second: Colour
    pattern: str  # plain, stripe, check, knit


@dataclass(frozen=True)
class Accessories:
    glasses: str  # one of GLASSES
    glasses_half: tuple[float, float]  # half width and height of a lens, dm
    glasses_power: float  # 2 ellipse .. 4 nearly a rectangle
    glasses_colour: Colour
    hat: str  # one of HATS
    hat_colour: Colour
    earrings: str  # one of EARRINGS
    metal: str  # one of METAL_COLOURS


@dataclass(frozen=True)
class Lighting:
    azimuth: float  # radians of the key light, 0 from the front, + from the subject's left
    elevation: float
    key: float
    ambient: float
    warmth: float


@dataclass(frozen=True)
class Subject:
    """One person, clothed, with a hairstyle, under one light."""

    seed: int
    male: bool
    phenotype: Phenotype
    shape: dict[str, float]  # parameters of rig.identity.shape_parameters
    skin: Skin
    makeup: Makeup
    iris: str
    hair: Hair
    face_hair: FaceHair
    outfit: Outfit
    worn: Accessories
    lighting: Lighting

    def with_hair(self, style: str | None = None, colour: str | None = None) -> Subject:
        """The same person with another style and colour of hair (of STYLES, HAIR_COLOURS); None keeps it.

        Raises FullheadError for an unknown name.
        """
        style, colour = style or self.hair.style, colour or self.hair.colour
        _check_known("hair style", style, STYLES)
        _check_known("hair colour", colour, HAIR_COLOURS)
        natural = colour if colour in NATURAL_COLOURS else self.hair.natural
        return replace(self, hair=replace(self.hair, style=style, colour=colour, natural=natural))

    def with_worn(self, glasses: str | None = None, hat: str | None = None, earrings: str | None = None) -> Subject:
        """The same person with other glasses, hat and earrings (of GLASSES, HATS, EARRINGS); None keeps them.

        Raises FullheadError for an unknown name.
        """
        wanted = {"glasses": (glasses, GLASSES), "hat": (hat, HATS), "earrings": (earrings, EARRINGS)}
        for what, (name, known) in wanted.items():
            if name is not None:
                _check_known(what, name, known)
        return replace(self, worn=replace(self.worn, **{what: name for what, (name, _) in wanted.items() if name}))


def _check_known(what: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise FullheadError(f"no {what} {name!r}; there is {', '.join(known)}")


def subject_attributes(subject: Subject) -> dict[str, Any]:
    """The labels of a subject that a classifier may learn."""
    return {
        "seed": subject.seed,
        "male": subject.male,
        "age": round(subject.phenotype.age, 4),
        "tone": round(subject.skin.tone, 4),
        "hair_style": subject.hair.style,
        "hair_colour": subject.hair.colour,
        "beard": subject.face_hair.beard,
        "glasses": subject.worn.glasses != "none",
        "sunglasses": subject.worn.glasses == "sun",
        "hat": subject.worn.hat,
        "earrings": subject.worn.earrings,
        "lipstick": round(subject.makeup.lipstick, 4),
        "collar": subject.outfit.collar,
        "iris": subject.iris,
    }
