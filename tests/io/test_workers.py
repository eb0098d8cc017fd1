"""Work shared among processes: what goes wrong in a worker is told as it would be here, and items are taken as needed."""

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from fullhead.core.errors import FullheadError
from fullhead.io.workers import run


@dataclass(frozen=True)
class Task:
    refuses: str = ""

    def open(self) -> str:
        if self.refuses == "open":
            raise FullheadError("the template is damaged: install it again")
        return "shared"

    def work(self, shared: Any, item: int, stopped: Callable[[], bool]) -> int:
        if self.refuses == "work":
            raise FullheadError("the template is damaged: install it again")
        if self.refuses == "die":
            os._exit(9)
        return 2 * item

    def __reduce__(self) -> tuple[Any, ...]:
        return (_unpickled, (self.refuses,))


def _unpickled(refuses: str) -> Task:
    if refuses == "import":
        raise FullheadError("the template is damaged: install it again")
    return Task(refuses)


@pytest.mark.parametrize("refuses", ["import", "open", "work"])
def test_a_worker_s_message_reaches_the_user(refuses: str):
    with pytest.raises(FullheadError, match="the template is damaged: install it again"):
        list(run(Task(refuses), range(5), 2))


def test_a_worker_that_dies_is_an_error_in_words():
    with pytest.raises(FullheadError, match="a worker process died"):
        list(run(Task("die"), range(5), 2))


@pytest.mark.parametrize("workers", [0, 1])
def test_items_without_end_are_taken_as_they_are_needed(workers: int):
    done = run(Task(), itertools.count(1), workers)
    found = {next(done) for _ in range(4)}  # in any order
    assert len(found) == 4 and found < set(range(2, 200, 2))
    done.close()
