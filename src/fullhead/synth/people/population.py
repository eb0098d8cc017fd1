"""From what population subjects are drawn: shares and ranges, each a knob with a name such as `hair.style_women`.

    population(["hair.style=afro", "person.men=0.2", "skin.tone=0.6,1", "worn.hat_men=none:3,cap:1", "light.key=1.4"])

Shares of a choice are weights relative to each other. A knob changes what it names and nothing else of a seed's head.
"""

# ruff: noqa: RUF009 (`_shares` makes a field)

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, get_type_hints

from fullhead.core.errors import FullheadError
from fullhead.io.config import overridden

Shares = dict[str, float]
Range = tuple[float, float]

ADULT = 2 / 3  # on the template's age axis: the corner of its young adults; nobody is younger


# A number is annotated with the least and most that it, or both ends of a range, may be.
Share = Annotated[float, (0, 1)]


def _shares(**shares: float) -> Any:
    """A field with these shares as its default."""
    return field(default_factory=lambda: dict(shares))


@dataclass(frozen=True)
class PersonKnobs:
    men: Share = 0.5  # share of men
    # The template's axis of age: 2/3 a young adult, 1 old; the younger are more.
    age: Annotated[Range, (ADULT, 1)] = (ADULT, 1.0)
    ancestry: Shares = _shares(african=1, asian=1, caucasian=1)
    # Of ancestries in one person: small for hardly any, 1 for any mixture alike.
    mixing: Annotated[float, (0.01, 100)] = 0.45
    weight: Annotated[Range, (0, 1)] = (0.26, 0.76)  # 0.5 average; the middle of the range is likeliest
    muscle: Annotated[Range, (0, 1)] = (0.40, 0.65)
    variety: Annotated[float, (0, 1.5)] = 1.0  # factor of how far single features deviate from the average face


@dataclass(frozen=True)
class SkinKnobs:
    # 0 lightest, 1 darkest, in even steps of skin.ita_of_tone; None leaves it to ancestry.
    tone: Annotated[Range | None, (0, 1)] = None
    freckled: Share = 0.3  # share with freckles, fewer and fainter on darker skin
    moles: Annotated[Range, (0, 40)] = (0, 6)  # how many
    wrinkles: Annotated[Range, (0, 2)] = (0.5, 1.1)  # strength in old age
    shine: Annotated[Range, (0, 2)] = (0.6, 1.3)  # strength of the skin's highlights


@dataclass(frozen=True)
class MakeupKnobs:
    women: Share = 0.6  # share with make-up
    men: Share = 0.02
    lips: Shares = _shares(nude=3, rose=3, red=2, berry=1, plum=1)


@dataclass(frozen=True)
class EyeKnobs:
    # Light ones come with European ancestry.
    iris: Shares = _shares(brown=2, darkbrown=1, hazel=1, green=1, blue=2, grey=1)


@dataclass(frozen=True)
class HairKnobs:
    style_men: Shares = _shares(
        bald=8, buzz=12, receding=8, balding=5, short=24, side_part=13, slicked_back=9, pixie=0, curly=7, afro=5, bob=0,
        fringe=0, long_straight=2, long_wavy=2, long_curly=1, ponytail=1, bun=1, braids=0, locs=2,
    )  # fmt: skip
    style_women: Shares = _shares(
        bald=0.5, buzz=1.5, receding=0, balding=0, short=0, side_part=0, slicked_back=2, pixie=7, curly=6, afro=6, bob=14,
        fringe=9, long_straight=14, long_wavy=14, long_curly=7, ponytail=9, bun=8, braids=7, locs=2,
    )  # fmt: skip
    # As it grows: light ones come with European ancestry, and age turns them grey and white.
    colour: Shares = _shares(black=2, darkbrown=2, brown=2.4, lightbrown=1.6, blond=1.6, red=0.7, auburn=0.7, grey=0, white=0)
    grey: Annotated[Range | None, (0, 1)] = None  # share of grey; None leaves it to age
    dyed_men: Share = 0.03  # share with dyed hair
    dyed_women: Share = 0.12
    dye: Shares = _shares(platinum=3, fire=2, pink=2, purple=1, blue=2, turquoise=1, green=1)


@dataclass(frozen=True)
class FaceHairKnobs:
    # Of men.
    beard: Shares = _shares(none=9, stubble=5, moustache=1.2, goatee=1, short=2.4, full=1.8)


@dataclass(frozen=True)
class AccessoryKnobs:
    glasses: Shares = _shares(none=76, clear=19, sun=5)
    hat_men: Shares = _shares(none=84, beanie=5, cap=7, brimmed=4, headscarf=0)
    hat_women: Shares = _shares(none=84, beanie=4, cap=2, brimmed=4, headscarf=6)
    earrings_men: Shares = _shares(none=92, stud=5, hoop=3, drop=0)
    earrings_women: Shares = _shares(none=50, stud=20, hoop=16, drop=14)


@dataclass(frozen=True)
class OutfitKnobs:
    collar: Shares = _shares(crew=52, vneck=28, turtle=16, none=4)
    pattern: Shares = _shares(plain=55, stripe=17, check=13, knit=15)


@dataclass(frozen=True)
class LightKnobs:
    azimuth: Annotated[Range, (-180, 180)] = (-70, 70)  # degrees of the key light from the front, + to the subject's left
    elevation: Annotated[Range, (-90, 90)] = (10, 60)  # degrees
    key: Annotated[Range, (0, 10)] = (1.0, 2.3)
    ambient: Annotated[Range, (0, 10)] = (0.65, 1.2)
    warmth: Annotated[Range, (-1, 1)] = (-0.1, 0.1)  # of the key light, + yellow


@dataclass(frozen=True)
class BackdropKnobs:
    # What stands behind heads in photos and films.
    kind: Shares = _shares(flat=12, gradient=17, soft=20, lights=13, room=22, outdoors=16)


@dataclass(frozen=True)
class Population:
    """All knobs; the defaults are those of docs/heads.md. Raises FullheadError for a value that cannot be."""

    person: PersonKnobs = field(default_factory=PersonKnobs)
    skin: SkinKnobs = field(default_factory=SkinKnobs)
    makeup: MakeupKnobs = field(default_factory=MakeupKnobs)
    eyes: EyeKnobs = field(default_factory=EyeKnobs)
    hair: HairKnobs = field(default_factory=HairKnobs)
    face_hair: FaceHairKnobs = field(default_factory=FaceHairKnobs)
    worn: AccessoryKnobs = field(default_factory=AccessoryKnobs)
    outfit: OutfitKnobs = field(default_factory=OutfitKnobs)
    light: LightKnobs = field(default_factory=LightKnobs)
    backdrop: BackdropKnobs = field(default_factory=BackdropKnobs)

    def __post_init__(self) -> None:
        for group in dataclasses.fields(self):
            knobs = getattr(self, group.name)
            hints = get_type_hints(type(knobs), include_extras=True)
            for knob in dataclasses.fields(knobs):
                _check(f"{group.name}.{knob.name}", getattr(knobs, knob.name), knob, hints[knob.name])


def population(settings: Sequence[str] = ()) -> Population:
    """The default population with each "group.knob=value" applied; see the top of this file for the values.

    A knob of men and one of women are set together by the name without the ending. Raises FullheadError for an unknown
    name, listing the valid ones.
    """
    default = Population()
    return overridden(default, [one for setting in settings for one in _spelt_out(default, setting)])


def _check(name: str, value: Any, knob: dataclasses.Field[Any], hint: Any) -> None:
    if isinstance(value, dict):
        known = list(knob.default_factory())  # type: ignore[misc]
        for choice in value:
            if choice not in known:
                both = name.removesuffix("_women").removesuffix("_men")  # have the same choices
                raise FullheadError(f"{both} has no {choice!r}; there is {', '.join(known)}")
        if min(value.values(), default=0) < 0 or sum(value.values()) <= 0:
            raise FullheadError(f"{name} needs shares that are not negative, one of them positive, not {value}")
    elif value is not None:
        low, high = hint.__metadata__[0]
        first, last = value if isinstance(value, tuple) else (value, value)
        if not low <= first <= last <= high:
            raise FullheadError(f"{name} must lie in {low:g} to {high:g}, the lower end first, not {value}")


def _spelt_out(default: Population, setting: str) -> list[str]:
    """The settings, as `io.config.overridden` reads them, that a short one stands for."""
    path, equals, text = setting.partition("=")
    group_name, _, rest = path.strip().partition(".")
    knob, _, choice = rest.partition(".")
    group = getattr(default, group_name, None)
    if not (equals and dataclasses.is_dataclass(group)):
        return [setting]  # an error that `overridden` words
    known = [f.name for f in dataclasses.fields(group)]
    meant = [knob] if knob in known else [name for name in known if name.rpartition("_")[0] == knob] or [knob]
    return [f"{group_name}.{name}{'.' * bool(choice)}{choice}={_value(group, name, choice, text)}" for name in meant]


def _value(group: Any, knob: str, choice: str, text: str) -> str:
    """JSON of names ("afro", "cap:1,none:3"), of a number or of a range ("0.2,0.6") for a knob; other text as it is."""
    now = getattr(group, knob, None)
    if choice or text.lstrip().startswith(("{", "[")):
        return text
    parts = [part.partition(":") for part in text.split(",")]
    try:
        if isinstance(now, dict):
            return json.dumps(dict.fromkeys(now, 0.0) | {name.strip(): float(weight or 1) for name, _, weight in parts})
        numbers = [float(part) for part, _, _ in parts]
    except ValueError:
        return text
    takes_a_range = isinstance(now, tuple) or now is None
    return json.dumps(numbers * (3 - len(numbers)) if takes_a_range and len(numbers) < 3 else numbers[0])
