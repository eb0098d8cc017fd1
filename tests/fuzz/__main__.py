"""`python -m tests.fuzz --minutes 30`: new inputs for as long as you like; what fails is kept, once each."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import signal
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.live import Live
from rich.table import Table

from .inputs import write_input
from .runner import Outcome, Server

ROUND = 15  # inputs of a kind before it is another's turn


def work(number: int, kinds: list[str], first_seed: int, until: float, place: Path, found: Any) -> None:
    """Try inputs until the time is over; puts (kind, outcome, folder of the input, what is wrong with it) into `found`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this
    place = place / f"worker{number}"
    server = Server(place)

    def one(kind: str, rng: Random) -> None:
        shutil.rmtree(place / "input", ignore_errors=True)
        notes = write_input(rng, kind, server.valid, place / "input")
        kept = place / "kept" / f"{time.monotonic_ns()}"
        shutil.copytree(place / "input", kept)  # before the product writes to it
        outcome = server.try_(kind, place / "input")
        if not outcome.failed:
            shutil.rmtree(kept)
        found.put((kind, outcome, kept, notes))

    round_ = 0
    while time.monotonic() < until:
        for kind in kinds[number % len(kinds) :] + kinds[: number % len(kinds)]:
            ways = settings(max_examples=ROUND, phases=[Phase.generate], database=None, deadline=None)
            ways = settings(ways, suppress_health_check=list(HealthCheck))

            def tried(rng: Random) -> None:
                if time.monotonic() < until:
                    one(kind, rng)  # noqa: B023

            seed(first_seed + 1000 * round_ + number)(ways(given(st.randoms(use_true_random=True))(tried)))()
        round_ += 1
    server.close()


@dataclass
class Report:
    """What came of it so far. A failure is one by its kind of input, error and place in the product."""

    keep: Path
    tried: Counter[tuple[str, str]] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    largest: dict[str, float] = field(default_factory=dict)
    failures: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def add(self, kind: str, outcome: Outcome, folder: Path, notes: list[str]) -> None:
        self.tried[kind, outcome.verdict] += 1
        self.slowest[kind] = max(self.slowest.get(kind, 0), outcome.seconds)
        self.largest[kind] = max(self.largest.get(kind, 0), outcome.megabytes)
        if not outcome.failed:
            return
        key = (kind, outcome.error, outcome.place)
        self.failures[key] = self.failures.get(key, 0) + 1
        if self.failures[key] == 1:
            name = f"{kind}-{len(self.failures):03d}"
            shutil.copytree(folder, self.keep / name, dirs_exist_ok=True)
            about = f"{name}  {outcome.error}  {outcome.place}\n    {' | '.join(notes)[:600]}\n    {last_line(outcome.text)}"
            said = [f"{kind}: {outcome.error} in {outcome.place}", *notes, "", outcome.text, ""]
            (self.keep / f"{name}.txt").write_text("\n".join(said), errors="replace")
            with (self.keep / "failures.txt").open("a", errors="replace") as file:
                print(about, file=file)
        shutil.rmtree(folder)

    def line(self) -> str:
        return f"{sum(self.tried.values())} inputs, {len(self.failures)} kinds of failure"

    def table(self, left: float) -> Table:
        table = Table(title=f"{self.line()}, {max(0, left) / 60:.1f} minutes left")
        for name in ("kind", "tried", "read", "refused", "busy", "failed", "slowest, s", "most memory, MB"):
            table.add_column(name, justify="left" if name == "kind" else "right")
        for kind in sorted({kind for kind, _ in self.tried}):
            counts = [self.tried[kind, verdict] for verdict in ("read", "refused", "busy", "failed")]
            table.add_row(kind, *map(str, (sum(counts), *counts)), f"{self.slowest[kind]:.1f}", f"{self.largest[kind]:.0f}")
        return table


def last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")[:300]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--kind", default="", help="kinds of input, with commas between them; by default all")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    parser.add_argument("--jobs", type=int, default=1, help="processes that make inputs")
    parser.add_argument("--keep", type=Path, default=Path("out/fuzz"), help="folder of the inputs that failed")
    parser.add_argument("--again", type=Path, help="try a kept input again: its folder, whose name begins with its kind")
    given_ = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz") as place:
        if given_.again:
            again(given_.again, Path(place))
            return
        search(given_, Path(place))


def search(asked: argparse.Namespace, place: Path) -> None:
    kinds = [kind for kind in asked.kind.split(",") if kind] or all_kinds()
    keep = asked.keep / str(asked.seed)
    keep.mkdir(parents=True, exist_ok=True)
    until, console, report = time.monotonic() + 60 * asked.minutes, Console(), Report(keep)
    print(f"seed {asked.seed}")
    context = multiprocessing.get_context("fork")
    found = context.Queue()
    jobs = [context.Process(target=work, args=(n, kinds, asked.seed, until, place, found)) for n in range(asked.jobs)]
    for job in jobs:
        job.start()
    for sign in (signal.SIGINT, signal.SIGTERM):  # also in the background
        signal.signal(sign, signal.default_int_handler)
    said = time.monotonic()
    with suppress(KeyboardInterrupt), Live(console=console, refresh_per_second=1, transient=True) as live:
        while any(job.is_alive() for job in jobs) or not found.empty():
            with suppress(Empty):
                report.add(*found.get(timeout=0.5))
            if console.is_terminal:
                live.update(report.table(until - time.monotonic()))
            elif time.monotonic() > said + 60:
                print(report.line(), flush=True)
                said = time.monotonic()
    console.print(report.table(0))
    for job in jobs:
        job.terminate()
    for (kind, error, where), count in sorted(report.failures.items(), key=lambda item: -item[1]):
        console.print(f"{count} x {kind}: {error} in {where or 'no place of ours'}", highlight=False, markup=False)
    console.print(f"what failed is in {keep}")


def all_kinds() -> list[str]:
    from .test_fuzz import KINDS

    return list(KINDS)


def again(folder: Path, place: Path) -> None:
    """Print what becomes of a kept input."""
    shutil.copytree(folder, place / "input")
    server = Server(place / "server")
    print(json.dumps(vars(server.try_(folder.name.partition("-")[0], place / "input")), indent=1).replace("\\n", "\n"))
    server.close()


if __name__ == "__main__":
    main()
