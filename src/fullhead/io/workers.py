"""Work shared among processes that stop cleanly: on Ctrl-C, when one dies, and when their parent is gone."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from itertools import chain
from multiprocessing import get_context, parent_process
from multiprocessing.reduction import ForkingPickler  # as multiprocessing itself sends things
from typing import Any, Protocol

from fullhead.core.errors import FullheadError


class Stopped(Exception):
    """Raised by a task that was asked to stop."""


class WorkerTask(Protocol):
    """What is to be done with each item. It is sent to the worker processes once."""

    def open(self) -> Any: ...  # what the items share, once per process

    def work(self, shared: Any, item: Any, stopped: Callable[[], bool]) -> Any: ...


def run(task: WorkerTask, items: Iterable[Any], workers: int) -> Generator[Any]:
    """Yield `task.work` of all items, as they are done. workers: processes, or 0 for this one.

    Items are taken as they are needed. When the caller stops asking, or an error or a KeyboardInterrupt comes, running items
    are told to stop and waited for.
    """
    queue = iter(items)
    if (first := next(queue, None)) is None:
        return
    queue = chain([first], queue)
    if workers == 0:
        shared = task.open()
        for item in queue:
            yield task.work(shared, item, lambda: False)
        return
    context = get_context("spawn")  # forking a process that runs threads is not safe
    stop = context.Event()
    with _single_threaded():
        pool = ProcessPoolExecutor(workers, context, _begin, (bytes(ForkingPickler.dumps(task)), stop))  # as many as it needs
        running = set[Future[Any]]()
        try:
            while True:
                while len(running) < 2 * workers and (item := next(queue, None)) is not None:
                    with _no_interrupts():  # a new process inherits this, so Ctrl-C never reaches it, even while it starts
                        running.add(pool.submit(_work, item))
                if not running:
                    break
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except (BrokenProcessPool, BrokenPipeError) as error:
            raise FullheadError(
                "a worker process died: if it says nothing above, memory ran out; run again with fewer --workers to go on"
            ) from error
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


_begun: tuple[bytes, Callable[[], bool]]  # of a worker process: its task, and whether it is to stop


def _begin(task: bytes, stop: Any) -> None:
    """Fails never: what this raises would be lost."""
    global _begun
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _begun = task, stop.is_set


@cache
def _opened(task: bytes) -> tuple[WorkerTask, Any]:
    found: WorkerTask = ForkingPickler.loads(task)  # pyright: ignore[reportAttributeAccessIssue]
    return found, found.open()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _work(item: Any) -> Any:
    pickled, stopped = _begun
    task, shared = _opened(pickled)
    return task.work(shared, item, stopped)


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back inside the block; it comes after it. Does nothing where signals cannot be held (Windows)."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Let child processes started inside use one thread each: the processes are the parallelism."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
