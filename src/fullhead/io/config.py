"""Configs are frozen dataclasses: to plain values and strictly back, and changed by `a.b=c` from a command line."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from typing import Annotated, Any, TypeVar

import tyro

from fullhead.core.errors import FullheadError

T = TypeVar("T")
Unset = Annotated[T | None, tyro.conf.arg(help_behavior_hint="")]  # None: its help says what holds without it


def to_dict(config: Any) -> dict[str, Any]:
    """A config as nested plain values, ready for JSON."""
    return dataclasses.asdict(config)


def from_dict(cls: type[T], values: dict[str, Any], where: str = "") -> T:
    """The config of class `cls` from nested plain values. An unknown, missing or ill-typed key is a FullheadError."""
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            raise FullheadError(f"unknown key {where}{key}: {cls.__name__} has {', '.join(fields)}")
    kwargs = {}
    for name, field in fields.items():
        if name in values:
            kwargs[name] = _checked(values[name], hints[name], f"{where}{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise FullheadError(f"missing key {where}{name} of {cls.__name__}")
    return cls(**kwargs)


def _checked(value: Any, hint: Any, where: str) -> Any:
    """`value` as the type `hint`, or a FullheadError that names both."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise FullheadError(f"{where} must be a group of keys, not {value!r}")
        return from_dict(typing.cast(type, hint), value, where + ".")
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _checked(value, next(a for a in args if a is not type(None)), where)
    if origin is typing.Literal:
        if value not in args:
            raise FullheadError(f"{where} must be one of {', '.join(map(str, args))}, not {value!r}")
        return value
    if origin is dict:
        if not isinstance(value, dict):
            raise FullheadError(f"{where} must be a group of keys, not {value!r}")
        return {name: _checked(item, args[1], f"{where}.{name}") for name, item in value.items()}
    if origin is tuple:
        if not isinstance(value, (list, tuple)) or (args[-1] is not ... and len(value) != len(args)):
            raise FullheadError(f"{where} must be {len(args)} values, not {value!r}")
        kinds = [args[0]] * len(value) if args[-1] is ... else args
        return tuple(_checked(v, kind, f"{where}[{i}]") for i, (v, kind) in enumerate(zip(value, kinds, strict=True)))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise FullheadError(f"{where} must be of type {hint.__name__}, not {value!r}")
    return value


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
