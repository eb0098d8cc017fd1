"""Random numbers of seeds. Streams have names: every part draws from its own, so none depends on how much another one drew."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from fullhead.core.errors import FullheadError

MASK = 2**64 - 1


def stream(seed: int, *purpose: str | int) -> RandomState:
    """Random numbers of one purpose, from RandomState: its streams are frozen across numpy's releases."""
    words = [seed & 0xFFFFFFFF, seed >> 32]
    words += [word if isinstance(word, int) else zlib.crc32(word.encode()) for word in purpose]
    return RandomState(np.array(words, np.uint32))


def seed_noise(seeds: Sequence[int], size: int) -> NDArray:
    """Standard normal numbers [N, size], a row for each seed, drawn as the field does: RandomState(seed).randn(1, size).

    Raises FullheadError for a seed that RandomState does not take.
    """
    for seed in seeds:
        if not 0 <= seed < 2**32:
            raise FullheadError(f"seed {seed}: a seed is a whole number from 0 to {2**32 - 1}")
    return np.concatenate([RandomState(seed).randn(1, size) for seed in seeds])


def hashed_uniform(seed: int, purpose: str) -> float:
    """A single number in [0, 1) of one purpose: splitmix64 of both, much cheaper than a stream."""
    z = (seed * 0x9E3779B97F4A7C15 + zlib.crc32(purpose.encode()) * 0xD1342543DE82EF95 + 0x9E3779B97F4A7C15) & MASK
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 0xBF58476D1CE4E5B9), (29, 1)):
        z = ((z ^ (z >> shift)) * factor) & MASK
    return (z >> 11) / 2**53
