"""Configs are frozen dataclasses: to plain values and strictly back, and changed by `a.b=c` from a command line.

What a number may be stands in its type: Annotated[int, (1, 64)] is from 1 to 64, Annotated[int, frozenset({8, 16})] one of the
two. Every float is finite.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
import typing
from reprlib import repr as shown  # of files' values, which may be long
from typing import Annotated, Any, TypeVar

import tyro

from fullhead.core.errors import FullheadError

T = TypeVar("T")
Count = Annotated[int, (1, math.inf)]  # how many
Number = Annotated[int, (0, math.inf)]  # how many, perhaps none
Width = Annotated[int, (1, 1 << 14)]  # numbers side by side: channels, features, codes
Depth = Annotated[int, (1, 64)]  # layers one after another
Side = Annotated[int, frozenset(1 << n for n in range(2, 13))]  # pixels of what is halved again and again
Positive = Annotated[float, (1e-6, 1e6)]
Weight = Annotated[float, (0, math.inf)]  # also a rate
Share = Annotated[float, (0, 1)]
Seed = Annotated[int, (0, 2**32 - 1)]
Unset = Annotated[T | None, tyro.conf.arg(help_behavior_hint="")]  # None: its help says what holds without it


class Limited:
    """A frozen dataclass whose numbers lie within the limits of their types, however it is made; FullheadError if not."""

    def __post_init__(self) -> None:
        for name, hint in _hints(type(self)).items():
            _within_limits(getattr(self, name), hint, self.written(name))

    @staticmethod
    def written(name: str) -> str:
        """A field, as messages have it."""
        return name


class Asked(Limited):
    """Options, which messages name as the command line does."""

    @staticmethod
    def written(name: str) -> str:
        return f"--{name.replace('_', '-')}"


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def to_dict(config: Any) -> dict[str, Any]:
    """A config as nested plain values, ready for JSON."""
    return dataclasses.asdict(config)


def from_dict(cls: type[T], values: dict[str, Any], where: str = "") -> T:
    """The config of class `cls` from nested plain values. An unknown, missing or ill-typed key is a FullheadError."""
    hints = _hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            raise FullheadError(f"unknown key {where}{key[:80]}: {cls.__name__} has {', '.join(fields)}")
    kwargs = {}
    for name, field in fields.items():
        if name in values:
            kwargs[name] = _checked(values[name], hints[name], f"{where}{name}")
            _within_limits(kwargs[name], hints[name], f"{where}{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise FullheadError(f"missing key {where}{name} of {cls.__name__}")
    return cls(**kwargs)


def _checked(value: Any, hint: Any, where: str) -> Any:
    """`value` as the type `hint`, or a FullheadError that names both."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise FullheadError(f"{where} must be a group of keys, not {shown(value)}")
        return from_dict(typing.cast(type, hint), value, where + ".")
    if origin is Annotated:
        return _checked(value, args[0], where)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _checked(value, next(a for a in args if a is not type(None)), where)
    if origin is typing.Literal:
        if value not in args:
            raise FullheadError(f"{where} must be one of {', '.join(map(str, args))}, not {shown(value)}")
        return value
    if origin is dict:
        if not isinstance(value, dict):
            raise FullheadError(f"{where} must be a group of keys, not {shown(value)}")
        return {name: _checked(item, args[1], f"{where}.{name[:80]}") for name, item in value.items()}
    if origin is tuple:
        if not isinstance(value, (list, tuple)) or (args[-1] is not ... and len(value) != len(args)):
            raise FullheadError(f"{where} must be {len(args)} values, not {shown(value)}")
        kinds = [args[0]] * len(value) if args[-1] is ... else args
        return tuple(_checked(v, kind, f"{where}[{i}]") for i, (v, kind) in enumerate(zip(value, kinds, strict=True)))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) < 1 << 1000 else math.inf
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise FullheadError(f"{where} must be of type {hint.__name__}, not {shown(value)}")
    return value


def _within_limits(value: Any, hint: Any, where: str) -> None:
    """Refuse a number that its type leaves out, also one of several. Who takes a range (low, high) checks its ends."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if value is None:
        return
    if origin is Annotated:
        for limits in args[1:]:
            if isinstance(limits, frozenset) and value not in limits:
                raise FullheadError(f"{where} {shown(value)}: one of {', '.join(map(str, sorted(limits)))}")
            if isinstance(limits, tuple) and not isinstance(value, tuple) and not limits[0] <= value <= limits[1]:
                low, high = limits
                allowed = f"at least {low:g}" if high == math.inf else f"from {low} to {high}"
                raise FullheadError(f"{where} {shown(value)}: {allowed}")
        _within_limits(value, args[0], where)
    elif origin in (typing.Union, types.UnionType):
        _within_limits(value, next(a for a in args if a is not type(None)), where)
    elif origin in (tuple, dict):
        numbered = enumerate(value) if origin is tuple else value.items()
        for i, (name, item) in enumerate(numbered):
            _within_limits(item, args[1 if origin is dict else 0 if args[-1] is ... else i], f"{where}[{name}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise FullheadError(f"{where} is {value}: a finite number is due")


def overridden(config: T, settings: list[str]) -> T:
    """The config with each "a.b=value" applied; values are JSON (3, 0.5, true, null, [1, 2]) or bare words."""
    values = to_dict(config)
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals:
            raise FullheadError(f"--set {setting} has no '=': write it as key=value")
        keys = path.split(".")
        parent: Any = values
        group: Any = values
        for depth, key in enumerate(keys):
            if not isinstance(group, dict) or key not in group:
                known = ", ".join(group) if isinstance(group, dict) else "no keys"
                raise FullheadError(f"unknown key {'.'.join(keys[: depth + 1])}: there is {known}")
            parent, group = group, group[key]
        try:
            parent[keys[-1]] = json.loads(text)
        except json.JSONDecodeError:
            parent[keys[-1]] = text
    return from_dict(type(config), values)


def describe(config: Any, indent: str = "") -> str:
    """A config as indented lines `key = value`."""
    lines = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            lines += [f"{indent}{field.name}", describe(value, indent + "  ")]
        else:
            lines.append(f"{indent}{field.name} = {json.dumps(value)}")
    return "\n".join(lines)
