"""Configs are strict: what is not known is an error that says what is."""

from dataclasses import dataclass, field
from typing import Literal

import pytest

from fullhead.core.errors import FullheadError
from fullhead.io.config import describe, from_dict, overridden, to_dict
from fullhead.models.presets import PANOHEADS
from fullhead.training.presets import RUNS


@dataclass(frozen=True)
class Inner:
    size: int = 3
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    rate: float = 0.5
    clamp: float | None = None
    pair: tuple[int, int] = (1, 2)
    name: str = "x"
    on: bool = False
    shares: dict[str, float] = field(default_factory=lambda: {"cat": 1.0, "dog": 2.0})


@dataclass(frozen=True)
class Needs:
    value: int


@pytest.mark.parametrize("preset", sorted(PANOHEADS))
def test_every_model_preset_survives_the_way_through_plain_values(preset: str):
    config = PANOHEADS[preset]
    assert from_dict(type(config), to_dict(config)) == config


@pytest.mark.parametrize("preset", sorted(RUNS))
def test_every_training_preset_survives_the_way_through_plain_values(preset: str):
    assert from_dict(type(RUNS[preset]), to_dict(RUNS[preset])) == RUNS[preset]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("inner.size=7", Outer(inner=Inner(size=7))),
        ("inner.kind=b", Outer(inner=Inner(kind="b"))),
        ("rate=2", Outer(rate=2.0)),
        ("clamp=1.5", Outer(clamp=1.5)),
        ("pair=[3, 4]", Outer(pair=(3, 4))),
        ("name=hello", Outer(name="hello")),
        ("name=a=b", Outer(name="a=b")),
        ("on=true", Outer(on=True)),
    ],
)
def test_a_setting_changes_its_key_only(setting: str, expected: Outer):
    assert overridden(Outer(), [setting]) == expected


def test_a_setting_can_be_taken_back_to_none():
    assert overridden(Outer(clamp=2.0), ["clamp=null"]).clamp is None


def test_the_last_of_two_settings_counts():
    assert overridden(Outer(), ["rate=2", "rate=3"]).rate == 3.0


def test_one_share_of_several_is_set_by_its_name():
    assert overridden(Outer(), ["shares.dog=5"]).shares == {"cat": 1.0, "dog": 5.0}


def test_a_whole_number_of_a_float_becomes_one():
    rate = overridden(Outer(), ["rate=2"]).rate
    assert isinstance(rate, float)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("inner.sise=7", "size"),
        ("iner.size=7", "inner"),
        ("rate.size=7", "no keys"),
        ("inner.size=2.5", "int"),
        ("inner.size=true", "int"),
        ("inner.size=big", "int"),
        ("inner.kind=c", "a, b"),
        ("inner=3", "group"),
        ("pair=[1]", "2 values"),
        ("pair=3", "2 values"),
        ("on=1", "bool"),
        ("name=3", "str"),
        ("rate=null", "float"),
        ("clamp=x", "float"),
        ("rate", "="),
        ("shares=3", "group"),
        ("shares.cat=meow", r"shares\.cat must be of type float"),
        ("shares.cow=1", "cat, dog"),
    ],
)
def test_a_wrong_setting_is_an_error_that_says_what_would_be_right(setting: str, said: str):
    with pytest.raises(FullheadError, match=said):
        overridden(Outer(), [setting])


def test_an_unknown_key_lists_the_known_ones():
    with pytest.raises(FullheadError, match=r"unknown key inner.depth.*size, kind"):
        from_dict(Outer, {"inner": {"depth": 3}})


def test_a_missing_key_is_named():
    with pytest.raises(FullheadError, match="missing key value of Needs"):
        from_dict(Needs, {})


def test_a_description_shows_every_key():
    text = describe(Outer())
    for key in ("inner", "size", "kind", "rate", "clamp", "pair", "name", "on"):
        assert key in text
