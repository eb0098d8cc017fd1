"""Kernels that draw strands and light them."""

import numpy as np
import pytest

from fullhead.synth.rendering.strand_raster import ScreenPoints, draw_segments


@pytest.mark.parametrize("radius", [0.2, 1.3])  # thinner and thicker than the least
def test_leaving_hidden_strands_out_changes_nothing(radius: float) -> None:
    random, count, size = np.random.RandomState(0), 3000, 72
    ends = random.uniform(-8, size + 8, (2, count)) * np.ones((2, 1, 1))  # x and y of where each begins, [2, 2, count]
    ends[1] += random.uniform(-12, 12, (2, count))
    points = ends.transpose(2, 0, 1).reshape(-1, 2).astype(np.float32)
    inverse_z = random.uniform(-0.02, 1, 2 * count).astype(np.float32)  # some lie behind the camera
    segments = np.arange(2 * count, dtype=np.int32).reshape(-1, 2)
    screen = ScreenPoints(*points.T.copy(), inverse_z, np.full(2 * count, radius, np.float32))

    def drawn(begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        nearest, winner = np.zeros((size, size), np.float32), np.full((size, size), -1, np.int32)
        draw_segments(screen, segments[begin:end], begin, 0, nearest, winner)
        return nearest, winner

    together, winner = drawn(0, count)
    alone = [drawn(i, i + 1) for i in range(count)]  # before nothing, so nothing is hidden
    np.testing.assert_array_equal(together, np.max([nearest for nearest, _ in alone], axis=0))
    assert (together > 0).mean() > 0.5
    rows, columns = np.nonzero(winner >= 0)
    assert all(alone[winner[r, c]][0][r, c] == together[r, c] for r, c in zip(rows, columns, strict=True))
