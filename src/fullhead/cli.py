"""`fullhead COMMAND ...`: gathers the commands, and turns mistakes into one line and exit code 2."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable

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
from fullhead.commands.mistakes import explained
from fullhead.commands.options import later
from fullhead.commands.orbit import orbit
from fullhead.commands.prepare import prepare
from fullhead.commands.presets import presets
from fullhead.commands.sample import sample
from fullhead.commands.study import study
from fullhead.commands.synth import SYNTH, synth
from fullhead.commands.train import train
from fullhead.core.errors import FullheadError
from fullhead.kernels.allocator import keep_memory

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
        understood(words)()
    except FullheadError as error:
        _stop(str(error), 2)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # of an impatient user, on the way out
        _stop("stopped; nothing half-written is left behind", 130)
    except BrokenPipeError:  # as of `fullhead --help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM):
            raise
        _stop(f"cannot write {error.filename or 'the output'}: {error.strerror}; choose another place", 2)


def understood(words: list[str]) -> Callable[[], None]:
    """What a user's words ask for, not begun yet. FullheadError in one line where they cannot be understood."""
    commands = {name: later(command) for name, command in COMMANDS.items()}
    with explained(words, {**commands, "synth": {name: later(command) for name, command in SYNTH.items()}}):
        return tyro.extras.subcommand_cli_from_dict(
            commands,
            prog="fullhead",
            description="360-degree human heads in 3D: generate, fit to a photo, export.",
            args=words,
            config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes, tyro.conf.DisallowNone),
        )


def _stop(message: str, code: int) -> None:
    if os.environ.get("RANK", "0") != "0" and code == 2:  # torchrun ends this process if the first one says the same
        time.sleep(20)
    print(f"fullhead: {message}", file=sys.stderr)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
