"""The cache with a limit of bytes."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from fullhead.core.cache import ByteCache, nbytes


@pytest.mark.parametrize(("limit", "made"), [(0, "aabb"), (99, "aabb"), (100, "abb"), (200, "ab")])
def test_values_are_made_once_while_they_fit_and_again_when_they_do_not(limit: int, made: str):
    calls: list[str] = []
    cache = ByteCache[str, np.ndarray](limit)
    for key in "aabb":
        value = cache.get(key, lambda key=key: calls.append(key) or np.full(100, ord(key), np.uint8))
        assert (value == ord(key)).all()
    assert "".join(calls) == made


def test_a_smaller_value_still_fits_after_a_large_one_did_not():
    cache = ByteCache[int, np.ndarray](50)
    cache.get(0, lambda: np.zeros(51, np.uint8))
    first = cache.get(1, lambda: np.zeros(50, np.uint8))
    assert cache.get(1, lambda: np.ones(50, np.uint8)) is first


def test_bytes_of_what_is_nested_are_added_up():
    @dataclass(frozen=True)
    class Pair:
        array: np.ndarray
        rest: tuple[torch.Tensor, np.ndarray]

    assert nbytes(Pair(np.zeros(3), (torch.zeros(2), np.zeros((2, 2), np.uint8)))) == 24 + 8 + 4
