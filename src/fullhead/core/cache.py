"""Keep what was made while there is room for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import is_dataclass
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ByteCache(Generic[K, V]):
    """Values by key, first come first kept, up to `limit` bytes; what does not fit is made anew whenever it is asked for."""

    def __init__(self, limit: int) -> None:
        self._values: dict[K, V] = {}
        self._room = limit

    def get(self, key: K, make: Callable[[], V]) -> V:
        if key in self._values:
            return self._values[key]
        value = make()
        if (size := nbytes(value)) <= self._room:
            self._values[key] = value
            self._room -= size
        return value


def nbytes(value: Any) -> int:
    """Bytes of an array or a tensor, or of all in a tuple or a dataclass."""
    if is_dataclass(value):
        value = tuple(vars(value).values())
    return sum(map(nbytes, value)) if isinstance(value, tuple) else value.nbytes
