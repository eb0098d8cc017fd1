"""A process that has the product imported and forks for each input; the client tells it which, and is told how it went."""

from __future__ import annotations

import faulthandler
import json
import os
import re
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .product import Kind

MEMORY = 1 << 30  # bytes that an input of at most a megabyte may take
RAN = "code-ran"  # a file in an input's folder that its code would make
LONGEST = 2000  # characters of an error's one line
FRAME = re.compile(r'File ".*?/src/(fullhead/[^"]+)", line \d+,? in (\S+)')


@dataclass(frozen=True)
class Outcome:
    """How the product took an input. `verdict`: read, refused, busy (stopped; right for this kind), or failed; `error` and
    `place` (file and function of the product) say which failure it is, `text` all of it."""

    verdict: str
    seconds: float
    megabytes: float
    error: str = ""
    place: str = ""
    text: str = ""

    @property
    def failed(self) -> bool:
        return self.verdict == "failed"


class Server:
    """The process, started at once and ended by `close`. `valid`: folder of the valid inputs, by kind."""

    def __init__(self, folder: Path) -> None:
        quiet = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "NUMBA_THREADING_LAYER": "workqueue", "HF_HUB_OFFLINE": "1"}
        self.valid, log = folder / "valid", folder / "server.txt"
        folder.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(self.valid)],
            cwd=Path(__file__).parents[__name__.count(".")],  # this module is fuzz.runner or tests.fuzz.runner
            env={**os.environ, **quiet},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("w"),
            text=True,
        )
        if self._line().get("kinds") is None:
            raise RuntimeError(f"the server did not start: {log.read_text()[-3000:]}")

    def _line(self) -> dict:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline() or "{}")

    def try_(self, kind: str, folder: Path) -> Outcome:
        """What the product does with the input in `folder`, in a process of its own."""
        assert self.process.stdin is not None
        print(json.dumps([kind, str(folder)]), file=self.process.stdin, flush=True)
        return Outcome(**self._line())

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


# -- in the server


def serve(valid: Path) -> None:
    """Make the valid inputs, then answer: a line for each line."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    from fullhead.core.errors import FullheadError

    from .product import KINDS

    for name, kind in KINDS.items():
        (valid / name).mkdir(parents=True)
        start = time.monotonic()
        kind.valid(valid / name)
        print(f"{name}: {time.monotonic() - start:.1f} s", flush=True)
    print(json.dumps({"kinds": list(KINDS)}), file=answers, flush=True)
    for line in sys.stdin:
        name, place = json.loads(line)
        outcome = _tried(KINDS[name], Path(place), FullheadError)
        print(json.dumps(asdict(outcome)), file=answers, flush=True)


def _tried(kind: Kind, folder: Path, refusal: type[Exception]) -> Outcome:
    said, beside = folder.with_suffix(".said"), os.pipe()
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    start = time.monotonic()
    if not (child := os.fork()):
        os.close(beside[0])
        _child(kind, folder, said, beside[1], pages * resource.getpagesize() + MEMORY, refusal)
    os.close(beside[1])
    found = b""
    while select.select([beside[0]], [], [], max(0, start + _wait(kind) + 5 - time.monotonic()))[0]:
        if not (piece := os.read(beside[0], 1 << 16)):
            break
        found += piece
    os.close(beside[0])
    seconds = time.monotonic() - start
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what it left running, too
    _, status = os.waitpid(child, 0)
    output = said.read_text(errors="replace") if said.exists() else ""
    said.unlink(missing_ok=True)
    verdict, error, place, text, megabytes = json.loads(found or "[0, 0, 0, 0, 0]")
    spent = (round(seconds, 3), round(megabytes, 1))
    if (folder / RAN).exists():
        return Outcome("failed", *spent, "code ran", "", output[-4000:])
    if not found:
        ended = (
            signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"exit {os.waitstatus_to_exitcode(status)}"
        )
        late = ended == "SIGXCPU" or "Timeout (" in output or seconds > _wait(kind)
        if late and kind.patient:
            return Outcome("busy", *spent)
        frames = FRAME.findall(output)
        place = " ".join(frames[0]) if frames else ""  # faulthandler begins with the innermost
        return Outcome("failed", *spent, f"over {kind.seconds:g} seconds" if late else ended, place, output[-6000:])
    if verdict != "failed" and "Traceback (most recent call last)" in output:
        frames = FRAME.findall(output)
        return Outcome("failed", *spent, "printed a traceback", " ".join(frames[-1]) if frames else "", output[-6000:])
    return Outcome(verdict, *spent, error, place, text)


def _wait(kind: Kind) -> float:
    """Seconds by the clock; a busy machine gets more, for its processor's seconds are counted, too."""
    return kind.seconds if kind.patient else 6 * kind.seconds


def _child(kind: Kind, folder: Path, said: Path, answer: int, memory: int, refusal: type[Exception]) -> None:
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    log = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(folder)
    faulthandler.enable(log)
    faulthandler.register(signal.SIGXCPU, log, chain=True)
    faulthandler.dump_traceback_later(_wait(kind), exit=True, file=log)
    resource.setrlimit(resource.RLIMIT_CPU, (int(kind.seconds), int(kind.seconds) + 2))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    Path("/proc/self/clear_refs").write_text("5")  # the most memory counts from here
    before = _memory("VmRSS")
    try:
        kind.use(folder)
        result = ("read", "", "", "")
    except refusal as error:
        result = _refused(error)
    except SystemExit as stop:
        sys.stderr.flush()
        refused = Path(said).read_text(errors="replace").strip().rpartition("fullhead: ")[2]
        result = _refused(refusal(refused)) if stop.code == 2 else ("read", "", "", "")
        if stop.code not in (None, 0, 2, 130):
            result = ("failed", f"exit {stop.code}", "", refused)
    except BaseException as error:
        result = _failed(error)
    faulthandler.cancel_dump_traceback_later()
    os.write(answer, json.dumps([*result, max(0, _memory("VmHWM") - before)]).encode())
    os._exit(0)


def _memory(name: str) -> float:
    """Of this process, MB."""
    return float(re.findall(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) / 1024


def _refused(error: Exception) -> tuple[str, str, str, str]:
    text = str(error)
    wrong = ""
    if re.search(r"can't allocate|[Uu]nable to allocate|MemoryError|Cannot allocate", text):
        wrong = "refused for want of memory"
    elif "\n" in text:
        wrong = "refused in several lines"
    elif len(text) > LONGEST:
        wrong = "refused at great length"
    if not wrong:
        return "refused", "", "", text
    return "failed", wrong, _place(error), text[:4000]


def _failed(error: BaseException) -> tuple[str, str, str, str]:
    kind = type(error).__name__
    if re.search(r"can't allocate|[Uu]nable to allocate|Cannot allocate", str(error)) or isinstance(error, MemoryError):
        kind = f"over {MEMORY >> 20} MB"
    if kind == "Silent":
        kind = f"read {error}"
    text = "".join(traceback.format_exception(error))
    return "failed", kind, _place(error), text if len(text) < 6000 else text[:2000] + "\n...\n" + text[-4000:]


def _place(error: BaseException) -> str:
    """File and function of the product in which an error was raised."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if "/fullhead/" in f.filename and "/tests/" not in f.filename
    ]
    return f"fullhead/{frames[-1].filename.rpartition('/fullhead/')[2]} {frames[-1].name}" if frames else ""


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
