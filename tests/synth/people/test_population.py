"""Populations: shares and ranges, changed by name, that say what is wrong with a wrong one."""

import json
from collections import Counter

import pytest

from fullhead.core.errors import FullheadError
from fullhead.io.config import from_dict, to_dict
from fullhead.synth.anatomy.skin import ita_of_tone
from fullhead.synth.hair.styles import STYLE_SAMPLERS
from fullhead.synth.people.population import ADULT, Population, population
from fullhead.synth.people.subject import HAIR_COLOURS, IRIS_COLOURS, LIPSTICKS, STYLES, Subject
from fullhead.synth.people.subject_sampling import sample_subject

ITA_CATEGORIES = (55, 41, 28, 10, -30)  # degrees: very light, light, intermediate, tan, brown, dark


def subjects(settings: list[str], count: int = 40) -> list[Subject]:
    return [sample_subject(seed, [], population(settings)) for seed in range(count)]


def test_a_population_survives_the_way_through_json() -> None:
    wanted = population(["hair.style=afro", "skin.tone=0.6,1"])
    assert from_dict(Population, json.loads(json.dumps(to_dict(wanted)))) == wanted


def test_a_name_sets_a_choice_of_men_and_women_alike() -> None:
    assert {subject.hair.style for subject in subjects(["hair.style=afro"])} == {"afro"}
    styles = {
        (subject.male, subject.hair.style) for subject in subjects(["hair.style_women=bob:1,bun:1", "hair.style_men=bald"])
    }
    assert styles == {(True, "bald"), (False, "bob"), (False, "bun")}


def test_weights_and_ranges_are_kept_to() -> None:
    one_share = subjects(["hair.style.afro=0", "hair.style_men.afro=1e9"])
    assert {subject.hair.style == "afro" for subject in one_share if subject.male} == {True}
    assert not [subject for subject in one_share if not subject.male and subject.hair.style == "afro"]
    assert all(0.6 <= subject.skin.tone <= 0.7 for subject in subjects(["skin.tone=0.6,0.7"]))
    assert {subject.lighting.key for subject in subjects(["light.key=1.5"])} == {1.5}
    assert not any(subject.male for subject in subjects(["person.men=0"]))


def test_a_knob_changes_what_it_names_and_nothing_else() -> None:
    for before, after in zip(subjects([]), subjects(["hair.style=afro", "worn.hat=beanie"]), strict=True):
        assert after.hair.style == "afro" and after.worn.hat == "beanie"
        undone = after.with_hair(before.hair.style).with_worn(hat=before.worn.hat)
        assert undone == before


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("hair.style=afr", "no 'afr'; there is bald, buzz, .*braids"),
        ("hair.stile=afro", "unknown key hair.stile: there is style_men, style_women"),
        ("hare.style=afro", "unknown key hare: there is person, skin"),
        ("hair.style.bobb=1", "unknown key hair.style_men.bobb: there is bald, buzz"),
        ("hair.style_men=afro:-1", "not negative"),
        ("worn.hat={}", "one of them positive"),
        ("skin.tone=0.2,3", "skin.tone must lie in 0 to 1"),
        ("skin.tone=0.8,0.2", "the lower end first"),
        ("person.age=0.3,0.9", "person.age must lie in 0.666667 to 1"),
        ("person.men=two", "must be of type float"),
        ("light.key=1,2,3", "2 values|type"),
        ("hair.style", "="),
    ],
)
def test_a_wrong_knob_is_an_error_that_says_what_would_be_right(setting: str, said: str) -> None:
    with pytest.raises(FullheadError, match=said):
        population([setting])


def test_every_style_and_colour_that_can_be_drawn_can_be_made() -> None:
    knobs = Population()
    assert set(knobs.hair.style_men) == set(knobs.hair.style_women) == {"bald", *STYLE_SAMPLERS} == set(STYLES)
    assert set(knobs.hair.colour) | set(knobs.hair.dye) == set(HAIR_COLOURS)
    assert set(knobs.eyes.iris) == set(IRIS_COLOURS) and set(knobs.makeup.lips) == set(LIPSTICKS)


def test_the_default_population_is_balanced_and_adult() -> None:
    drawn = subjects([], 600)
    assert min(subject.phenotype.age for subject in drawn) >= ADULT
    assert 0.44 < sum(subject.male for subject in drawn) / 600 < 0.56
    for ancestry in ("african", "asian", "caucasian"):
        assert 0.28 < sum(getattr(subject.phenotype, ancestry) for subject in drawn) / 600 < 0.39
    bins = Counter(sum(ita_of_tone(subject.skin.tone) <= edge for edge in ITA_CATEGORIES) for subject in drawn)
    assert len(bins) == 6 and min(bins.values()) > 600 * 0.05
    assert {subject.hair.style for subject in drawn} == set(STYLES)
    assert all(subject.male or subject.face_hair.beard == "none" for subject in drawn)
