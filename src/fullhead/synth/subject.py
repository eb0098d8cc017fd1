"""A subject: everything that is decided about one head before it is built, sampled from one seed.

Colours are linear RGB. The decisions of a group are drawn from the group's own stream, so adding to one group leaves the
others' heads as they were. Adults only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.random import RandomState

from fullhead.rig.identity import Phenotype
from fullhead.synth.fields import linear_from_srgb, smoothstep, stream

HAIR_COLOURS = {
    "black": (0.012, 0.010, 0.009),
    "darkbrown": (0.030, 0.017, 0.010),
    "brown": (0.070, 0.038, 0.020),
    "lightbrown": (0.15, 0.088, 0.045),
    "blond": (0.36, 0.235, 0.105),
    "platinum": (0.55, 0.45, 0.30),
    "red": (0.24, 0.072, 0.022),
    "auburn": (0.11, 0.033, 0.015),
    "grey": (0.25, 0.245, 0.24),
    "white": (0.55, 0.54, 0.53),
}
IRIS_COLOURS = {
    "brown": (0.09, 0.04, 0.016),
    "darkbrown": (0.03, 0.014, 0.007),
    "hazel": (0.17, 0.10, 0.03),
    "green": (0.12, 0.17, 0.07),
    "blue": (0.10, 0.20, 0.36),
    "grey": (0.22, 0.26, 0.28),
}
STYLES_MALE = {
    "bald": 0.09, "buzz": 0.13, "short": 0.29, "sidepart": 0.16, "slickback": 0.10, "curly": 0.08, "afro": 0.05,
    "balding": 0.06, "wavy": 0.03, "ponytail": 0.01,
}  # fmt: skip
STYLES_FEMALE = {
    "short": 0.06, "curly": 0.10, "afro": 0.06, "bob": 0.16, "long": 0.19, "wavy": 0.17, "ponytail": 0.10, "bun": 0.09,
    "bangs": 0.06, "buzz": 0.01,
}  # fmt: skip
STYLES = tuple(dict.fromkeys([*STYLES_MALE, *STYLES_FEMALE]))
BEARDS = {"none": 0.45, "stubble": 0.25, "moustache": 0.07, "short": 0.13, "full": 0.10}
ADULT = 0.62  # on the template's age axis; below lie teenagers


@dataclass(frozen=True)
class Skin:
    tone: float  # 0 lightest .. 1 darkest
    undertone: tuple[float, float, float]  # factors of the tone's colour
    redness: float
    mottle: float
    eyebag: float
    wrinkle: float
    freckles: float
    moles: int
    lips: tuple[float, float, float]  # factors of the skin's colour
    makeup: float
    eyeshadow: tuple[float, float, float]


@dataclass(frozen=True)
class Hair:
    style: str  # one of STYLES
    colour: str  # one of HAIR_COLOURS
    grey: float  # share of grey in the colour
    recede: float  # 0 full hairline .. about 1


@dataclass(frozen=True)
class FaceHair:
    beard: str  # one of BEARDS
    brow_colour: str
    brow_density: float
    brow_shift: float  # dm upwards
    brow_thickness: float  # relative to a strong brow


@dataclass(frozen=True)
class Outfit:
    collar: str  # crew, vneck, turtle or none
    colour: tuple[float, float, float]
    second: tuple[float, float, float]
    pattern: str  # plain, stripe, check, knit
    glasses: bool
    glasses_half: tuple[float, float]  # half width and height of a lens, dm
    glasses_power: float  # 2 ellipse .. 4 nearly a rectangle
    glasses_colour: tuple[float, float, float]


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
    iris: str
    hair: Hair
    face_hair: FaceHair
    outfit: Outfit
    lighting: Lighting

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON keeps them."""
        return asdict(self)


def sample_subject(seed: int, shape_names: Iterable[str]) -> Subject:
    """The subject of a seed; `shape_names` are those of `rig.identity.shape_parameters`."""
    random = stream(seed, "person")
    male = bool(random.uniform() < 0.5)
    age = float(np.clip(ADULT + 0.38 * random.beta(1.3, 2.0), ADULT, 1.0))
    african, asian, caucasian = random.dirichlet([0.45, 0.45, 0.45])
    phenotype = Phenotype(
        gender=float(np.clip((0.9 if male else 0.1) + 0.06 * random.normal(), 0, 1)),
        age=age,
        muscle=float(random.uniform(0.4, 0.65)),
        weight=float(np.clip(random.normal(0.48, 0.11), 0.25, 0.8)),
        african=float(african),
        asian=float(asian),
        caucasian=float(caucasian),
    )
    tone = float(np.clip(african * 0.80 + asian * 0.30 + caucasian * 0.18 + random.normal() * 0.10, 0, 1))
    hair = _sample_hair(stream(seed, "hair choice"), male, age, dark=float(african + asian))
    eyes = stream(seed, "iris")
    return Subject(
        seed=seed,
        male=male,
        phenotype=phenotype,
        shape=_sample_shape(stream(seed, "shape"), shape_names),
        skin=_sample_skin(stream(seed, "skin choice"), male, age, tone),
        iris=str(eyes.choice(list(IRIS_COLOURS) if african + asian < 0.5 else ["brown", "darkbrown"])),
        hair=hair,
        face_hair=_sample_face_hair(stream(seed, "face hair choice"), male, hair),
        outfit=_sample_outfit(stream(seed, "outfit")),
        lighting=_sample_lighting(stream(seed, "lighting")),
    )


def _choice(random: RandomState, shares: dict[str, float]) -> str:
    p = np.array(list(shares.values()))
    return str(random.choice(list(shares), p=p / p.sum()))


def _shape_deviation(name: str) -> float:
    """Standard deviation of a shape parameter: wide for features, narrow for what soon looks wrong."""
    narrow = {
        "asym": 0.14, "head-scale": 0.10, "head-back": 0.10, "head-trans": 0.02, "head-angle": 0.03, "head-age": 0.08,
        "head-fat": 0.08, "head-": 0.12, "neck-trans": 0.03, "measure-neck": 0.12, "neck": 0.10, "nose-trans-in": 0.03,
        "mouth-trans-in": 0.03, "eye-height": 0.10, "eye-push": 0.10, "eye-trans": 0.16, "eye-eyefold": 0.18,
        "eye-scale": 0.18, "ear-shape": 0.15, "ear-wing": 0.18, "nose-scale": 0.18, "nose-point": 0.16,
        "chin-prognathism": 0.14, "chin-prominent": 0.14, "chin-width": 0.14, "chin-jaw": 0.14, "forehead-scale": 0.15,
        "forehead-nubian": 0.12, "cheek-volume": 0.14, "cheek-inner": 0.14, "mouth-scale": 0.15, "mouth-trans": 0.14,
        "mouth-angles": 0.14, "mouth-lowerlip": 0.16, "mouth-upperlip": 0.16, "mouth-philtrum": 0.15,
    }  # fmt: skip
    return next((sd for start, sd in narrow.items() if name.startswith(start)), 0.22)


def _sample_shape(random: RandomState, names: Iterable[str]) -> dict[str, float]:
    values = {}
    for name in names:
        sd = _shape_deviation(name)
        value = float(np.clip(random.normal() * sd, -2.2 * sd, 2.2 * sd))
        values[name] = round(value if "/" in name else max(0.0, value), 4)
    return values


def _sample_skin(random: RandomState, male: bool, age: float, tone: float) -> Skin:
    u = random.uniform
    makeup = 0.0 if male else float(max(0.0, u(-0.6, 1.0)))
    lips = (u(0.75, 1.0), u(0.25, 0.48), u(0.28, 0.5)) if makeup > 0.3 else (u(0.86, 1.0), u(0.52, 0.68), u(0.55, 0.72))
    undertone = 1 + random.normal(size=3) * np.array([0.02, 0.02, 0.04])
    return Skin(
        tone=tone,
        undertone=(float(undertone[0]), float(undertone[1]), float(undertone[2])),
        redness=float(u(0.5, 1.3)),
        mottle=float(u(0.6, 1.4)),
        eyebag=float(u(0.1, 0.7)),
        wrinkle=float(smoothstep(0.72, 1.0, age) * u(0.5, 1.1)),
        freckles=float(max(0.0, random.normal(-0.45, 0.5)) * (1 - tone)),
        moles=int(random.randint(0, 6)),
        lips=lips,
        makeup=makeup,
        eyeshadow=(float(u(0.02, 0.3)), float(u(0.02, 0.2)), float(u(0.02, 0.25))),
    )


def _sample_hair(random: RandomState, male: bool, age: float, dark: float) -> Hair:
    light = {"black": 0.12, "darkbrown": 0.2, "brown": 0.24, "lightbrown": 0.16, "blond": 0.16, "red": 0.06, "auburn": 0.06}
    colour = _choice(random, light if dark < 0.55 else {"black": 0.65, "darkbrown": 0.27, "brown": 0.08})
    greyness = float(smoothstep(0.78, 1.0, age + 0.05 * random.normal()))
    if greyness > 0.85:
        colour = _choice(random, {"grey": 0.6, "white": 0.4})
    if random.uniform() < 0.03:
        colour = _choice(random, {"platinum": 0.5, "red": 0.5})
    style = _choice(random, STYLES_MALE if male else STYLES_FEMALE)
    if style == "balding" and age < 0.75:
        style = "short"
    recede = float(max(0.0, random.uniform(-0.6, 1.2)) * smoothstep(0.66, 0.9, age)) if male else 0.0
    return Hair(style=style, colour=colour, grey=0.6 * greyness, recede=recede)


def _sample_face_hair(random: RandomState, male: bool, hair: Hair) -> FaceHair:
    brow = {"white": "grey", "platinum": "brown", "blond": "lightbrown"}.get(hair.colour, hair.colour)
    return FaceHair(
        beard=_choice(random, BEARDS) if male else "none",
        brow_colour=brow,
        brow_density=float(random.uniform(0.7, 1.1) if male else random.uniform(0.5, 0.9)),
        brow_shift=float(random.uniform(-0.012, 0.018)),
        brow_thickness=float(random.uniform(0.8, 1.1) if male else random.uniform(0.5, 0.8)),
    )


def _sample_outfit(random: RandomState) -> Outfit:
    def cloth() -> tuple[float, float, float]:
        grey = random.uniform(0.06, 0.92)
        tint = random.uniform(-1, 1, 3) * random.choice([0.04, 0.16, 0.34], p=[0.4, 0.4, 0.2])
        r, g, b = (float(c) for c in linear_from_srgb(np.clip(grey + tint, 0.04, 0.95)))
        return r, g, b

    frame = random.randint(3)
    return Outfit(
        collar=_choice(random, {"crew": 0.52, "vneck": 0.28, "turtle": 0.16, "none": 0.04}),
        colour=cloth(),
        second=cloth(),
        pattern=_choice(random, {"plain": 0.55, "stripe": 0.17, "check": 0.13, "knit": 0.15}),
        glasses=bool(random.uniform() < 0.2),
        glasses_half=(float(random.uniform(0.235, 0.275)), float(random.uniform(0.165, 0.215))),
        glasses_power=float(random.uniform(2.0, 4.0)),
        glasses_colour=[(0.01, 0.01, 0.012), (0.05, 0.025, 0.012), (0.25, 0.22, 0.18)][frame],
    )


def _sample_lighting(random: RandomState) -> Lighting:
    u = random.uniform
    return Lighting(
        azimuth=float(np.radians(u(-70, 70))),
        elevation=float(np.radians(u(10, 60))),
        key=float(u(0.9, 1.9)),
        ambient=float(u(0.8, 1.3)),
        warmth=float(u(-0.10, 0.10)),
    )
