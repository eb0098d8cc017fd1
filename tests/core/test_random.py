"""Random numbers of seeds."""

import numpy as np
import pytest

from fullhead.core.errors import FullheadError
from fullhead.core.random import seed_noise


def test_the_noise_of_a_seed_is_that_of_numpy_whatever_else_is_asked_for():
    noise = seed_noise([7, 0, 2**32 - 1], 5)
    for row, seed in zip(noise, (7, 0, 2**32 - 1), strict=True):
        np.testing.assert_array_equal(row, np.random.RandomState(seed).randn(1, 5)[0])


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_numpy_does_not_take_is_refused(seed: int):
    with pytest.raises(FullheadError, match=f"seed {seed}: a seed is a whole number from 0 to 4294967295"):
        seed_noise([1, seed], 5)
