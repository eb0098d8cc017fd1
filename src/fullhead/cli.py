"""`fullhead COMMAND ...`: gathers the commands, and turns mistakes into one line and exit code 2."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from difflib import get_close_matches
from itertools import takewhile

import tyro

import fullhead
from fullhead.commands.animate import animate
from fullhead.commands.convert import convert
from fullhead.commands.demo import demo
from fullhead.commands.export import export
from fullhead.commands.fit_scan import fit_scan
from fullhead.commands.interpolate import interpolate
from fullhead.commands.invert import invert
from fullhead.commands.mesh import mesh
from fullhead.commands.options import later
from fullhead.commands.orbit import orbit
from fullhead.commands.prepare import prepare
from fullhead.commands.presets import presets
from fullhead.commands.sample import sample
from fullhead.commands.study import study
from fullhead.commands.synth import synth
from fullhead.commands.train import train
from fullhead.core.errors import FullheadError
from fullhead.core.memory import keep_memory

NAMED = (
    demo, sample, orbit, interpolate, mesh, animate, export, invert, fit_scan, synth, prepare, train, study, convert, presets,
)  # fmt: skip
COMMANDS: dict[str, Callable[..., None]] = {f.__name__.replace("_", "-"): f for f in NAMED}


def main(arguments: list[str] | None = None) -> None:
    """Run a command. A user's mistake prints one line and exits with 2; Ctrl-C exits with 130."""
    words = sys.argv[1:] if arguments is None else arguments
    if words == ["--version"]:
        print(f"fullhead {fullhead.__version__}")
        return
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads: threads that spin starve a busy machine
    keep_memory()
    try:
        _understood(words)()
    except FullheadError as error:
        _stop(str(error), 2)
    except KeyboardInterrupt:
        _stop("stopped; nothing half-written is left behind", 130)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM):
            raise
        _stop(f"cannot write {error.filename or 'the output'}: {error.strerror}; choose another place", 2)


def _understood(words: list[str]) -> Callable[[], None]:
    """What a user's words ask for, not begun yet. Where they cannot be understood, one line instead of tyro's box."""
    box = io.StringIO()
    try:
        with redirect_stderr(box):
            return _parse(words)
    except SystemExit as stop:
        if not stop.code:  # --help
            raise
    page = io.StringIO()
    with suppress(SystemExit), redirect_stdout(page):
        _parse([*takewhile(lambda word: not word.startswith("-"), words), "--help"])
    raise FullheadError(_mistake(words, box.getvalue(), page.getvalue()))


def _parse(words: list[str]) -> Callable[[], None]:
    return tyro.extras.subcommand_cli_from_dict(
        {name: later(command) for name, command in COMMANDS.items()},
        prog="fullhead",
        description="360-degree human heads in 3D: generate, fit to a photo, export.",
        args=words,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes, tyro.conf.DisallowNone),
    )


def _mistake(words: list[str], box: str, page: str) -> str:
    """What is wrong with the words, out of tyro's box and the help page of their command."""
    box, page = (re.sub(r"\x1b\[[\d;]*m|[│|]", " ", text) for text in (box, page))
    usage = re.match(r"\s*usage: (fullhead[ \w-]*) \[-h\](?: \{(\S+)\})?", page)
    program, commands = usage.groups("") if usage else ("fullhead", "")
    see, options = f"see {program} --help", re.findall(r"--[a-z][\w-]*", page)
    for name in (word.partition("=")[0] for word in words if word.startswith("--")):
        if name.replace("_", "-") not in options:
            return f"unknown option {name}; {_nearest(name, options)}{see}"
    if commands and (rest := words[program.count(" ") :]):
        return f"unknown command {rest[0]}; {_nearest(rest[0], commands.split(','))}{see}"
    said, *more = (" ".join(part.split()) for part in re.split(r"(?m)^.*[─-]{3}.*$", box)[1:] or [box])
    if found := re.match(r"invalid choice '(.*)' for argument '(.*?)'", said):
        choices = re.findall(rf"{found[2]} [^{{]*\{{(.*?)\}}", page)
        return f"{found[2]} {found[1]}: there is {''.join(choices[:1]).replace(',', ', ')}; {see}"
    if found := re.match(r"Error parsing (\S+): .*?'(.*)'", said):
        return f"{found[1]} {found[2]} is not understood: {' '.join(more[:1]).partition(found[1])[2].strip()}; {see}"
    return f"{said[:1].lower()}{said[1:].rstrip('.')}; {see}"


def _nearest(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, 1)
    return f"did you mean {near[0]}? " if near else ""


def _stop(message: str, code: int) -> None:
    print(f"fullhead: {message}", file=sys.stderr)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
