import pytest
import torch

from fullhead.core.errors import FullheadError
from fullhead.metrics import neighbours
from fullhead.metrics.neighbours import precision_recall, radii, share_covered


def drawn(n: int, seed: int) -> torch.Tensor:
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(seed))


def test_shares_equal_a_loop_over_pairs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(neighbours, "CHUNK", 7)
    points, features = 1.5 * drawn(20, 1), drawn(30, 2)
    reach = [sorted(float((a - b).norm()) for b in features)[3] for a in features]
    covered = [any(float((p - f).norm()) <= r for f, r in zip(features, reach, strict=True)) for p in points]
    assert radii(features).tolist() == pytest.approx(reach, rel=1e-5)
    assert share_covered(points, features) == pytest.approx(sum(covered) / len(covered))
    assert 0 < sum(covered) < len(covered)


def test_a_set_covers_itself_and_nothing_far_away():
    x = drawn(40, 3)
    assert precision_recall(x, x.clone()) == (1.0, 1.0)
    assert precision_recall(x, x + 100) == (0.0, 0.0)


def test_a_generator_of_one_good_head_is_precise_without_recall():
    real = drawn(200, 4)
    precision, recall = precision_recall(real, 0.02 * drawn(200, 5))
    assert precision > 0.95
    assert recall < 0.05


def test_a_set_not_larger_than_k_is_refused():
    with pytest.raises(FullheadError, match="more than 3"):
        radii(drawn(3, 0))
