"""A command line that cannot be understood, explained in one line.

tyro reports what is wrong as an event, by a hook of its module `_errors`, which is not part of its stable interface. So this
reads events by name and leaves what it does not know to tyro's own message; tests hold the lines for the version in
constraints.txt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import is_dataclass
from difflib import get_close_matches
from inspect import signature
from itertools import pairwise
from typing import Any, get_type_hints

import tyro

from fullhead.core.errors import FullheadError

Commands = Mapping[str, "Callable[..., Any] | Commands"]
KINDS = {"INT": "a whole number", "FLOAT": "a number", "PATH": "a file or folder"}


def explained(words: Sequence[str], commands: Commands) -> AbstractContextManager[None]:
    """While words are parsed: mistakes in them become a FullheadError."""

    def hook(event: Any) -> None:
        if said := _explain(event, words, commands):
            raise FullheadError(said)

    if said := _unknown_command(words, commands):  # tyro would show the general help for `nosuch --help`
        raise FullheadError(said)
    on_parse_error = getattr(getattr(tyro, "_errors", None), "on_parse_error", None)
    return nullcontext() if on_parse_error is None else on_parse_error(hook)


def _explain(event: Any, words: Sequence[str], commands: Commands) -> str | None:
    program, command, rest = _command(words, commands)
    see, kind = f"see {program} --help", type(event).__name__
    if isinstance(command, Mapping) and kind == "MissingSubcommand":
        return f"{program} needs a command: {', '.join(command)}; {see}"
    options, bare = [], []
    if not isinstance(command, Mapping):
        options, bare = (
            [f"--{name.replace('_', '-')}" for name in names] for names in (["help", *_names(command)], _bare(command))
        )
    for name in (word.partition("=")[0] for word in rest if word.startswith("--")):
        if name in bare:
            return f"{name}: give {name[2:].upper()} itself, without {name} before it; {see}"
        if name.replace("_", "-").replace("--no-", "--") not in options:
            return f"unknown option {name}; {_nearest(name, options)}{see}"
    if kind == "UnrecognizedArgs":
        return f"{event.tokens[0]}: the command takes no such word, files to write come behind --out; {see}"
    if kind == "MissingArgs":
        names = [argument.arg.display_name().rpartition(".")[2] for argument in event.missing_arguments]
        return f"missing: {' and '.join(names)}; {see}"
    if kind in ("InvalidChoice", "BadValue", "InstantiationFailure") and event.argument is not None:
        option = event.argument.lowered.name_or_flags[0]
        if kind == "InvalidChoice":
            choices = str(event.argument.lowered.metavar).strip("{}").replace(",", ", ")  # in order, and without None
            return f"{option} {event.value}: there is {choices}; {see}"
        given = next((after for word, after in pairwise(rest) if word == option), "")
        metavar = str(event.argument.lowered.metavar)
        return f"{option} {given}: it takes {KINDS.get(metavar, metavar)}; {see}".replace(" :", ":")
    return None


def _unknown_command(words: Sequence[str], commands: Commands) -> str | None:
    program, command, rest = _command(words, commands)
    if not isinstance(command, Mapping) or not rest or rest[0].startswith("-"):
        return None
    return f"unknown command {rest[0]}; {_nearest(rest[0], list(command))}see {program} --help"


def _command(words: Sequence[str], commands: Commands) -> tuple[str, Callable[..., Any] | Commands, list[str]]:
    """How the command is called that the words name, the command or group of commands, and the words behind its name."""
    program, rest, here = "fullhead", list(words), commands
    while isinstance(here, Mapping) and rest and rest[0] in here:
        here = here[rest[0]]
        program += f" {rest.pop(0)}"
    return program, here, rest


def _names(options: Any) -> Iterator[str]:
    """Names of the options of a command or of a dataclass, those of dataclasses among them too."""
    for name, hint in get_type_hints(options).items():
        yield from _names(hint) if is_dataclass(hint) else [name]


def _bare(options: Any) -> Iterator[str]:
    """Names of what stands without an option before it."""
    kinds = signature(options).parameters
    for name, hint in get_type_hints(options, include_extras=True).items():
        if tyro.conf.Positional in getattr(hint, "__metadata__", ()) or (
            name in kinds and kinds[name].kind == kinds[name].POSITIONAL_ONLY
        ):
            yield name
        elif is_dataclass(hint):
            yield from _bare(hint)


def _nearest(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, 1)
    return f"did you mean {near[0]}? " if near else ""
