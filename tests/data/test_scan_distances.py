"""Signed distances of balls against their closed form."""

from pathlib import Path

import pytest
import torch

from fullhead.data import scan_distances
from fullhead.data.scan_distances import ScanDistances
from fullhead.data.scan_set import ScanSet

RADII = (0.4, 0.5)  # of the balls that are trained on
SPACING = 0.05  # about how far apart the points of their surfaces are


def test_distances_and_colours_are_those_of_the_balls(balls: Path):
    distances = ScanDistances(ScanSet(balls))
    batch = distances.batch(torch.tensor([1, 0, 1]), 300, 200, torch.Generator().manual_seed(0))
    assert batch.points.shape == (3, 500, 3) and batch.distance.shape == (3, 500)
    for row, scan in enumerate((1, 0, 1)):
        length = batch.points[row].norm(dim=-1)
        truth = length - RADII[scan]
        assert (batch.distance[row].sign() == truth.sign()).all()
        assert (batch.distance[row] - truth).abs().max() < SPACING
        far = truth.abs() > 0.1
        assert (batch.distance[row] - truth).abs()[far].max() < 0.005
        direction = batch.points[row] / length[:, None]
        assert (batch.colours[row] - (0.5 + 0.5 * direction)).abs()[length > 0.2].max() < SPACING / 0.4
        torch.testing.assert_close(batch.landmarks[row].norm(dim=-1), torch.full((68,), RADII[scan]))
    assert (batch.distance[:, :300].abs() < 0.12).all() and (batch.distance[:, 300:] > 0.3).any()
    assert not torch.equal(batch.points[0], batch.points[2]), "each is drawn anew"


def test_a_batch_is_the_generator_s_whether_distances_are_kept_or_not(balls: Path, monkeypatch: pytest.MonkeyPatch):
    keeping = ScanDistances(ScanSet(balls))
    monkeypatch.setattr(scan_distances, "CACHE_BYTES", 0)
    forgetting = ScanDistances(ScanSet(balls))
    for _ in range(2):
        first, second = (d.batch(torch.tensor([0, 1]), 20, 10, torch.Generator().manual_seed(3)) for d in (keeping, forgetting))
        torch.testing.assert_close(first.distance, second.distance, rtol=0, atol=0)
        torch.testing.assert_close(first.points, second.points, rtol=0, atol=0)
    assert keeping.of(0) is keeping.of(0) and forgetting.of(0) is not forgetting.of(0)
