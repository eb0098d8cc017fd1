"""`fullhead COMMAND ...`: gathers the commands, and turns mistakes into one line and exit code 2."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import tyro

import fullhead
from fullhead.commands.align import align
from fullhead.commands.animate import animate
from fullhead.commands.bilinear import bilinear
from fullhead.commands.cameras import cameras
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
from fullhead.commands.read import read
from fullhead.commands.sample import sample
from fullhead.commands.study import study
from fullhead.commands.synth import SYNTH, synth
from fullhead.commands.train import train
from fullhead.core.errors import FullheadError
from fullhead.kernels.allocator import keep_memory

NAMED = (
    demo, sample, orbit, interpolate, mesh, animate, export, read, invert, fit_scan, synth, prepare, align, bilinear, train,
    study, convert, cameras, presets,
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
        with _one_interrupt():
            try:
                understood(words)()
            finally:
                sys.stdout.flush()
    except FullheadError as error:
        _stop(str(error), 2)
    except KeyboardInterrupt:
        _stop("stopped; nothing half-written is left behind", 130)
    except BrokenPipeError:
        try:
            print(flush=True)
        except BrokenPipeError:  # nobody reads on, as behind `fullhead presets NAME | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        else:
            raise
    except OSError as error:
        _stop(_of_the_system(error), 2)


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


@contextmanager
def _one_interrupt() -> Iterator[None]:
    """The first Ctrl-C ends what runs in the block; those of an impatient user, on the way out, do nothing."""

    def once(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, once)
    try:
        yield
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise
    finally:
        if signal.getsignal(signal.SIGINT) is once:
            signal.signal(signal.SIGINT, before)


def _of_the_system(error: OSError) -> str:
    """What the operating system refuses, in words. Other errors are raised again."""
    name = "the output" if error.filename is None else str(error.filename)
    if error.errno == errno.ENAMETOOLONG:
        return f"the name {Path(name).name[:40]}... is too long: give a shorter one"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"no right to read or write {name} ({error.strerror}): give another file or place"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        return f"cannot write {name}: {error.strerror}; choose another place"
    raise error


def _stop(message: str, code: int) -> None:
    if os.environ.get("RANK", "0") != "0" and code == 2:  # torchrun ends this process if the first one says the same
        time.sleep(20)
    print(f"fullhead: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
