import numpy as np
import pytest
import scipy.linalg
import torch

from fullhead.core.errors import FullheadError
from fullhead.metrics.frechet import (
    Moments,
    frechet_distance,
    kernel_distance,
    kernel_interval,
    merged,
    moments,
    polynomial_kernel,
    squared_mmd,
    streamed_moments,
)


def features(n: int, D: int = 6, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(D, D, generator=generator)
    return torch.randn(n, D, generator=generator) @ mixing + torch.randn(D, generator=generator)


def gaussian(mean: list[float], covariance: torch.Tensor, count: int = 10) -> Moments:
    return Moments(count, torch.tensor(mean).double(), covariance.double() * (count - 1))


def test_distance_of_gaussians_with_independent_coordinates_has_its_closed_form():
    a = gaussian([0.0, 1.0, -2.0], torch.diag(torch.tensor([1.0, 4.0, 9.0])))
    b = gaussian([1.0, 1.0, 0.0], torch.diag(torch.tensor([4.0, 4.0, 0.25])))
    expected = (1 + 0 + 4) + ((1 - 2) ** 2 + 0 + (3 - 0.5) ** 2)
    assert frechet_distance(a, b) == pytest.approx(expected)


def test_distance_equals_the_formula_with_a_matrix_root():
    a, b = moments(features(40, seed=1)), moments(features(60, seed=2))
    A, B = a.covariance.numpy(), b.covariance.numpy()
    root = scipy.linalg.sqrtm(A @ B)
    expected = np.square(a.mean.numpy() - b.mean.numpy()).sum() + np.trace(A + B - 2 * np.real(root))
    assert frechet_distance(a, b) == pytest.approx(float(expected), rel=1e-6)
    assert frechet_distance(b, a) == pytest.approx(float(expected), rel=1e-6)


def test_distance_of_a_set_to_itself_is_nothing_even_with_fewer_features_than_numbers():
    few = moments(features(5, D=32))
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-5 * float(few.covariance.trace()))


def test_moments_are_numpys_and_may_be_gathered_in_uneven_batches():
    x = features(101) + 1000  # far from 0, where sums of squares would cancel
    whole = moments(x)
    assert whole.mean.numpy() == pytest.approx(x.double().numpy().mean(axis=0))
    assert whole.covariance.numpy() == pytest.approx(np.cov(x.double().numpy().T), rel=1e-6)
    streamed = streamed_moments(x.split(7))
    assert streamed.count == 101
    torch.testing.assert_close(streamed.mean, whole.mean)
    torch.testing.assert_close(streamed.scatter, whole.scatter)
    torch.testing.assert_close(merged(moments(x[:1]), moments(x[1:])).scatter, whole.scatter)


def test_kernel_is_the_cubic_one():
    x, y = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, -1.0], [0.0, 0.0]])
    assert polynomial_kernel(x, y).tolist() == [[(1 / 2 + 1) ** 3, 1.0]]


def test_squared_mmd_equals_a_loop_over_pairs():
    x, y = features(5, seed=3), features(4, seed=4)

    def k(a: torch.Tensor, b: torch.Tensor) -> float:
        return float((a.double() @ b.double() / 6 + 1) ** 3)

    within_x = np.mean([k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
    within_y = np.mean([k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
    across = np.mean([k(a, b) for a in x for b in y])
    assert squared_mmd(x, y) == pytest.approx(float(within_x + within_y - 2 * across), rel=1e-9)


def test_kernel_distance_of_one_distribution_is_nothing_within_its_error_and_grows_with_a_shift():
    def drawn(seed: int) -> torch.Tensor:
        return torch.randn(800, 6, generator=torch.Generator().manual_seed(seed))

    mean, error = kernel_distance(drawn(1), drawn(2), generator=torch.Generator().manual_seed(0))
    assert abs(mean) < 4 * error
    far, error = kernel_distance(drawn(1), drawn(2) + 0.5, generator=torch.Generator().manual_seed(0))
    assert far > 4 * error


def test_a_bootstrap_draw_is_the_loop_over_pairs_of_different_items():
    x, y = features(4, seed=3), features(3, seed=4)
    value, low, high = kernel_interval(x, y, draws=1, generator=torch.Generator().manual_seed(5))
    assert value == squared_mmd(x, y)
    rng = torch.Generator().manual_seed(5)
    i, j = (torch.randint(n, (1, n), generator=rng)[0].tolist() for n in (4, 3))

    def k(a: torch.Tensor, b: torch.Tensor) -> float:
        return float((a.double() @ b.double() / 6 + 1) ** 3)

    within = [np.mean([k(s[a], s[b]) for a in rows for b in rows if a != b]) for s, rows in ((x, i), (y, j))]
    expected = within[0] + within[1] - 2 * np.mean([k(x[a], y[b]) for a in i for b in j])
    assert low == high == pytest.approx(float(expected), rel=1e-9)


def test_the_interval_covers_nothing_for_one_distribution_and_not_for_two():
    def drawn(seed: int) -> torch.Tensor:
        return torch.randn(40, 6, generator=torch.Generator().manual_seed(seed))

    covered = 0
    for seed in range(40):
        _, low, high = kernel_interval(drawn(seed), drawn(1000 + seed), 300, generator=torch.Generator().manual_seed(0))
        covered += low <= 0 <= high
    assert covered >= 34
    value, low, high = kernel_interval(drawn(1), drawn(2) + 1, generator=torch.Generator().manual_seed(0))
    assert 0 < low < value < high


def test_too_few_features_are_refused_in_words():
    with pytest.raises(FullheadError, match="at least 2 features"):
        frechet_distance(moments(features(1)), moments(features(5)))
    with pytest.raises(FullheadError, match="do not fill 4 blocks"):
        kernel_distance(features(7), features(100))
    with pytest.raises(FullheadError, match="no batch"):
        streamed_moments([])
    with pytest.raises(FullheadError, match=r"\[N, D\]"):
        moments(torch.zeros(3))
