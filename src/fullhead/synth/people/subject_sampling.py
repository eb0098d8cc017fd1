"""Drawing a subject from a seed and a population.

Every decision draws from its own random stream, named after it, so one that is changed or added leaves the others of the
seed's head as they were. Adults only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import RandomState

from fullhead.core.random import hashed_uniform, stream
from fullhead.core.smooth import smoothstep
from fullhead.rig.identity import Phenotype
from fullhead.synth.people.population import Population, Range, Shares
from fullhead.synth.people.subject import (
    Accessories,
    Colour,
    FaceHair,
    Hair,
    Lighting,
    Makeup,
    Outfit,
    Skin,
    Subject,
    linear_colour,
)

FRAME_COLOURS: dict[str, Colour] = {
    "black": (0.01, 0.01, 0.012), "brown": (0.05, 0.025, 0.012), "metal": (0.25, 0.22, 0.18), "blue": (0.02, 0.03, 0.08),
    "red": (0.16, 0.02, 0.03),
}  # fmt: skip
# Deciles of how dark the ancestries of the default population make its skin: through them, tones are spread evenly.
TONE_DECILES = (-0.10, 0.135, 0.208, 0.279, 0.340, 0.398, 0.461, 0.531, 0.617, 0.738, 1.10)


@dataclass(frozen=True)
class SubjectDraw:
    """Decisions of one seed, each from the stream of its name."""

    seed: int

    def stream(self, name: str) -> RandomState:
        return stream(self.seed, name)

    def uniform(self, name: str, between: Range = (0.0, 1.0)) -> float:
        return between[0] + (between[1] - between[0]) * hashed_uniform(self.seed, name)

    def normal(self, name: str) -> float:
        return float(self.stream(name).normal())

    def beta(self, name: str, between: Range, a: float, b: float) -> float:
        return between[0] + (between[1] - between[0]) * float(self.stream(name).beta(a, b))

    def happens(self, name: str, share: float) -> bool:
        return self.uniform(name) < share

    def choice(self, name: str, shares: Shares, factors: Shares | None = None) -> str:
        """One of the names by their shares, those times `factors` (of names, else 1) unless nothing would be left."""
        weights = np.array(list(shares.values()), float)
        likelier = weights * np.array([(factors or {}).get(option, 1.0) for option in shares])
        weights = likelier if likelier.sum() > 0 else weights
        place = int(np.searchsorted(np.cumsum(weights)[:-1], self.uniform(name) * weights.sum(), side="right"))
        return list(shares)[place]


def sample_subject(seed: int, shape_names: Iterable[str], population: Population | None = None) -> Subject:
    """The subject of a seed; `shape_names` are those of `rig.identity.shape_parameters`."""
    knobs, draw = population or Population(), SubjectDraw(seed)
    male = draw.happens("sex", knobs.person.men)
    phenotype = _sample_phenotype(draw, knobs, male)
    light = float(smoothstep(0.4, 0.7, phenotype.caucasian))  # light eyes and hair come with European ancestry
    return Subject(
        seed=seed,
        male=male,
        phenotype=phenotype,
        shape=_sample_shape(draw.stream("shape"), list(shape_names), knobs.person.variety, male),
        skin=_sample_skin(draw, knobs, phenotype),
        makeup=_sample_makeup(draw, knobs, male),
        iris=draw.choice("iris", knobs.eyes.iris, dict.fromkeys(("hazel", "green", "blue", "grey"), light)),
        hair=_sample_hair(draw, knobs, male, phenotype.age, light),
        face_hair=FaceHair(
            beard=draw.choice("beard", knobs.face_hair.beard) if male else "none",
            brow_density=draw.uniform("brow density", (0.7, 1.1) if male else (0.45, 0.85)),
            brow_shift=draw.uniform("brow shift", (-0.012, 0.018)),
            brow_thickness=draw.uniform("brow thickness", (0.8, 1.1) if male else (0.42, 0.72)),
        ),
        outfit=Outfit(
            collar=draw.choice("collar", knobs.outfit.collar),
            colour=_sample_cloth_colour(draw.stream("cloth colour")),
            second=_sample_cloth_colour(draw.stream("second colour")),
            pattern=draw.choice("pattern", knobs.outfit.pattern),
        ),
        worn=Accessories(
            glasses=draw.choice("glasses", knobs.worn.glasses),
            glasses_half=(draw.uniform("lens width", (0.235, 0.275)), draw.uniform("lens height", (0.165, 0.215))),
            glasses_power=draw.uniform("lens shape", (2.0, 4.0)),
            glasses_colour=FRAME_COLOURS[draw.choice("frame", {"black": 40, "brown": 20, "metal": 25, "blue": 8, "red": 7})],
            hat=draw.choice("hat", knobs.worn.hat_men if male else knobs.worn.hat_women),
            hat_colour=_sample_cloth_colour(draw.stream("hat colour")),
            earrings=draw.choice("earrings", knobs.worn.earrings_men if male else knobs.worn.earrings_women),
            metal=draw.choice("metal", {"gold": 0.5, "silver": 0.45, "black": 0.05}),
        ),
        lighting=Lighting(
            azimuth=float(np.radians(draw.uniform("light azimuth", knobs.light.azimuth))),
            elevation=float(np.radians(draw.uniform("light elevation", knobs.light.elevation))),
            key=draw.uniform("light key", knobs.light.key),
            ambient=draw.uniform("light ambient", knobs.light.ambient),
            warmth=draw.uniform("light warmth", knobs.light.warmth),
        ),
    )


def _sample_phenotype(draw: SubjectDraw, knobs: Population, male: bool) -> Phenotype:
    person = knobs.person
    names = [name for name, share in person.ancestry.items() if share > 0]
    shares = np.array([person.ancestry[name] for name in names])
    mixture = draw.stream("ancestry").dirichlet(person.mixing * len(names) * shares / shares.sum())
    ancestry = dict.fromkeys(("african", "asian", "caucasian"), 0.0) | dict(zip(names, mixture.tolist(), strict=True))
    return Phenotype(
        gender=float(np.clip((0.92 if male else 0.06) + 0.05 * draw.normal("gender"), 0, 1)),
        age=draw.beta("age", person.age, 1.2, 2.0),
        muscle=draw.uniform("muscle", person.muscle),
        weight=draw.beta("weight", person.weight, 3.0, 3.0),
        **ancestry,
    )


# Standard deviation of shape parameters by how their names start: wide for features, narrow for what soon looks wrong.
DEVIATION = {
    "asym": 0.14, "head-scale": 0.10, "head-back": 0.10, "head-trans": 0.02, "head-angle": 0.03, "head-age": 0.08,
    "head-fat": 0.08, "head-": 0.12, "neck-trans": 0.03, "measure-neck": 0.12, "neck": 0.10, "nose-trans-in": 0.03,
    "mouth-trans-in": 0.03, "eye-height": 0.10, "eye-push": 0.10, "eye-trans": 0.16, "eye-eyefold": 0.18, "eye-scale": 0.18,
    "ear-shape": 0.15, "ear-wing": 0.18, "nose-scale": 0.18, "nose-point": 0.16, "chin-prognathism": 0.14,
    "chin-prominent": 0.14, "chin-width": 0.14, "chin-jaw": 0.14, "forehead-scale": 0.15, "forehead-nubian": 0.12,
    "cheek-volume": 0.14, "cheek-inner": 0.14, "mouth-scale": 0.15, "mouth-trans": 0.14, "mouth-angles": 0.14,
    "mouth-lowerlip": 0.16, "mouth-upperlip": 0.16, "mouth-philtrum": 0.15, "": 0.22,
}  # fmt: skip
# Beyond what the template's gender does: by how much women's features lie above the mean, men's half as much below.
FEMININE = {
    "mouth-lowerlip-volume": 0.10, "mouth-upperlip-volume": 0.10, "eye-scale": 0.08, "neck-scale-horiz": -0.14,
    "chin-width": -0.08, "chin-jaw-drop": -0.06, "eyebrows-trans-backward": -0.06, "nose-scale-horiz": -0.06, "": 0.0,
}  # fmt: skip


def _sample_shape(random: RandomState, names: Sequence[str], variety: float, male: bool) -> dict[str, float]:
    deviation, lean = (
        np.array([next(value for start, value in table.items() if name.startswith(start)) for name in names])
        for table in (DEVIATION, FEMININE)
    )
    drawn = variety * deviation * np.clip(random.normal(size=len(names)), -2.2, 2.2) + lean * (-0.5 if male else 1.0)
    values = np.where(["/" in name for name in names], drawn, np.maximum(drawn, 0)).tolist()
    return {name: round(value, 4) for name, value in zip(names, values, strict=True)}


def _sample_skin(draw: SubjectDraw, knobs: Population, phenotype: Phenotype) -> Skin:
    likely = 0.82 * phenotype.african + 0.30 * phenotype.asian + 0.14 * phenotype.caucasian
    tone = float(np.interp(likely + 0.13 * draw.normal("tone"), TONE_DECILES, np.linspace(0, 1, 11)))
    if knobs.skin.tone is not None:
        tone = draw.uniform("tone", knobs.skin.tone)
    freckled = draw.happens("freckled", knobs.skin.freckled)
    return Skin(
        tone=tone,
        undertone=float(np.clip(0.5 * draw.normal("undertone"), -1, 1)),
        redness=draw.uniform("redness", (0.5, 1.3)),
        mottle=draw.uniform("mottle", (0.6, 1.4)),
        eyebag=draw.uniform("eyebag", (0.1, 0.7)),
        wrinkle=float(smoothstep(0.72, 1.0, phenotype.age)) * draw.uniform("wrinkle", knobs.skin.wrinkles),
        freckles=freckled * draw.uniform("freckles", (0.15, 1.0)) * float(1 - smoothstep(0.35, 0.75, tone)),
        moles=round(draw.uniform("moles", knobs.skin.moles)),
        shine=draw.uniform("shine", knobs.skin.shine),
        lip_depth=draw.uniform("lip depth"),
    )


def _sample_makeup(draw: SubjectDraw, knobs: Population, male: bool) -> Makeup:
    made_up = float(draw.happens("make-up", knobs.makeup.men if male else knobs.makeup.women))
    random = draw.stream("eyeshadow colour")
    shadow = (float(random.uniform(0.03, 0.3)), float(random.uniform(0.02, 0.16)), float(random.uniform(0.02, 0.22)))
    return Makeup(
        lipstick=made_up * draw.uniform("lipstick", (0.3, 1.0)),
        lip_colour=draw.choice("lip colour", knobs.makeup.lips),
        eyeshadow=made_up * max(0.0, draw.uniform("eyeshadow", (-0.3, 0.9))),
        eyeshadow_colour=shadow,
        liner=made_up * max(0.0, draw.uniform("liner", (-0.3, 1.0))),
        blush=made_up * draw.uniform("blush", (0.0, 0.8)),
    )


def _sample_hair(draw: SubjectDraw, knobs: Population, male: bool, age: float, light: float) -> Hair:
    pale = dict.fromkeys(("lightbrown", "blond", "red", "auburn"), light) | {"brown": 0.25 + 0.75 * light}
    natural = draw.choice("hair colour", knobs.hair.colour, pale | {"black": 1 + 2 * (1 - light)})
    grey = float(smoothstep(0.78, 1.0, age + 0.05 * draw.normal("greyness")))
    if knobs.hair.grey is not None:
        grey = draw.uniform("greyness", knobs.hair.grey)
    elif grey > 0.85:
        natural = draw.choice("old hair", {"grey": 0.6, "white": 0.4})
    dyed = draw.happens("dyed", knobs.hair.dyed_men if male else knobs.hair.dyed_women)
    old = float(smoothstep(0.70, 0.82, age))
    shares = knobs.hair.style_men if male else knobs.hair.style_women
    return Hair(
        style=draw.choice("hair style", shares, {"balding": old, "receding": 0.3 + 0.7 * old}),
        colour=draw.choice("dye", knobs.hair.dye) if dyed else natural,
        natural=natural,
        grey=0.0 if natural in ("grey", "white") else grey,
        recede=male * max(0.0, draw.uniform("recede", (-0.6, 1.2))) * float(smoothstep(0.68, 0.9, age)),
    )


def _sample_cloth_colour(random: RandomState) -> Colour:
    """Mostly greys and muted colours."""
    grey = random.uniform(0.06, 0.92)
    tint = random.uniform(-1, 1, 3) * random.choice([0.04, 0.16, 0.34], p=[0.4, 0.4, 0.2])
    return linear_colour(np.clip(grey + tint, 0.04, 0.95))
