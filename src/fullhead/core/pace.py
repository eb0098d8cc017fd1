"""How long work takes, told in lines where no bar can be shown."""

from __future__ import annotations

import sys
import time

from fullhead.core.errors import about

LONG, BETWEEN = 10.0, 30.0  # seconds: of work that says how long it takes, and between its lines


class Pace:
    """Tells on stderr about how long work goes on that takes more than ten seconds: after the first step, whose time is the
    most that others take, as loops are compiled in it; then twice a minute. `total`: items of the whole work, which began now,
    or at another moment of `time.monotonic`."""

    def __init__(self, what: str, total: int, began: float | None = None) -> None:
        self.what, self.total, self.done, self.first_done = what, total, 0, 0
        self.began = self.first = self.said = time.monotonic() if began is None else began

    def step(self, count: int = 1) -> None:
        """So many items more are done."""
        now, is_first = time.monotonic(), not self.done
        self.done += count
        if is_first:
            self.first, self.first_done = now, count
            each = (now - self.began) / count
        else:
            each = (now - self.first) / (self.done - self.first_done)
        left = (self.total - self.done) * each
        if left > LONG and (is_first or now - self.said > BETWEEN):
            most = "at most " * is_first
            print(f"{self.what}: {self.done} of {self.total} done, {most}{about(left)} to go", file=sys.stderr, flush=True)
            self.said = now
