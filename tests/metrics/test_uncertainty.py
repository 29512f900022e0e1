"""
Coverage of all intervals, the bins of a rank histogram, and sparsification, against loops and closed forms.
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sunpy_superres.metrics import (
    ause,
    coverage,
    mae,
    nominal_coverage,
    rank_histogram,
    rank_histogram_error,
    reliability,
    rmse,
    sparsification,
)


@pytest.mark.parametrize("m", [4, 7])
def test_coverage_of_ranks_against_sorted_members(m, rng):
    # Whole numbers, so that members equal the truth and each other.
    members, truth = rng.integers(0, 12, (m, 300)), rng.integers(0, 12, 300)
    for k in range(1, (m + 1) // 2 + 1):
        inside = [sorted(x)[k - 1] <= y <= sorted(x)[m - k] for x, y in zip(members.T, truth, strict=True)]
        assert coverage(members, truth, rank=k) == pytest.approx(np.mean(inside), rel=1e-12)
    assert coverage(members, truth) == coverage(members, truth, rank=1)


@pytest.mark.parametrize("draw", [stats.norm(), stats.expon(), stats.cauchy()])
@pytest.mark.parametrize("m", [5, 8])
def test_nominal_coverage_is_that_of_any_distribution(draw, m):
    draws = draw.rvs((m + 1, 40_000), random_state=1)
    for k in range(1, m // 2 + 1):
        nominal = nominal_coverage(m, rank=k)
        assert nominal == pytest.approx((m + 1 - 2 * k) / (m + 1))
        assert coverage(draws[1:], draws[0], rank=k) == pytest.approx(nominal, abs=0.01)
    for level in (0.05, 0.3, 0.5, 0.64):
        assert coverage(draws[1:], draws[0], level=level) == pytest.approx(level, abs=0.01)


def test_levels_of_ranks_are_exact(rng):
    members, truth = rng.normal(0, 2, (20, 500)), rng.normal(size=500)
    for k in (1, 3, 10):
        assert coverage(members, truth, level=nominal_coverage(20, rank=k)) == coverage(members, truth, rank=k)
    middle = (nominal_coverage(20, rank=3) + nominal_coverage(20, rank=4)) / 2
    expected = (coverage(members, truth, rank=3) + coverage(members, truth, rank=4)) / 2
    assert coverage(members, truth, level=middle) == pytest.approx(expected)


def test_coverage_errors(rng):
    members, truth = rng.normal(size=(8, 20)), rng.normal(size=20)
    with pytest.raises(ValueError, match="not both"):
        coverage(members, truth, rank=1, level=0.5)
    for rank in (0, 5, 1.5):
        with pytest.raises(ValueError, match="whole number from 1 to 4"):
            coverage(members, truth, rank=rank)
    for level in (0, 0.9, 1, -0.1):
        with pytest.raises(ValueError, match=r"not above 0\.7778"):
            coverage(members, truth, level=level)
    assert nominal_coverage(7, rank=4) == 0


@pytest.mark.parametrize("m", [2, 7, 8])
def test_reliability_is_the_coverage_of_all_ranks(m, rng):
    members, truth = rng.normal(0, 0.7, (m, 400)), rng.normal(size=400)
    members[:, 3], truth[7] = np.nan, np.inf
    nominal, observed = reliability(members, truth)
    ranks = range(m // 2, 0, -1)
    np.testing.assert_allclose(nominal, [nominal_coverage(m, rank=k) for k in ranks], rtol=1e-12)
    np.testing.assert_allclose(observed, [coverage(members, truth, rank=k) for k in ranks], rtol=1e-12)
    assert np.all(np.diff(nominal) > 0)
    with pytest.raises(ValueError, match="at least 2 members"):
        reliability(members[:1], truth)


def test_scatter_of_the_rank_histogram(rng):
    m, n = 9, 2000
    several = np.array([rank_histogram(draws[1:], draws[0]) for draws in rng.normal(size=(200, m + 1, n))])
    assert (several.std(axis=0) / (n / (m + 1))).mean() == pytest.approx(rank_histogram_error(m, n), rel=0.05)
    # The standard deviation of a binomial count over its mean.
    count = stats.binom(n, 1 / (m + 1))
    assert rank_histogram_error(m, n) == pytest.approx(count.std() / count.mean(), rel=1e-12)
    with pytest.raises(ValueError, match="At least one"):
        rank_histogram_error(9, 0)


def curves_by_loops(error, key, average):
    order = sorted(range(len(error)), key=lambda i: -key[i])
    return np.array([average([error[i] for i in order[k:]]) for k in range(len(error))])


def root_mean_square(values):
    return math.sqrt(np.mean(np.square(values)))


@pytest.mark.parametrize(("error", "average"), [("mae", np.mean), ("rmse", root_mean_square)])
def test_sparsification_against_loops(error, average, rng):
    members, truth = rng.normal(0, rng.gamma(2, 50, (1, 37)), (6, 37)), rng.normal(0, 80, 37)
    members[2, 5] = truth[8] = np.nan
    good = np.isfinite(truth) & np.isfinite(members).all(axis=0)
    errors = np.abs(members[:, good].mean(axis=0) - truth[good])
    left = curves_by_loops(errors, members[:, good].std(axis=0, ddof=1), average)
    oracle = curves_by_loops(errors, errors, average)
    removed, found_left, found_oracle = sparsification(members, truth, error=error, steps=35)
    np.testing.assert_allclose(removed, np.arange(35) / 35)
    np.testing.assert_allclose(found_left, left, rtol=1e-9)
    np.testing.assert_allclose(found_oracle, oracle, rtol=1e-9)
    area = np.trapezoid(np.append(left - oracle, 0), dx=1 / 35) / left[0]
    # Both curves begin together, and the one pixel that is left at last is not removed.
    assert ause(members, truth, error=error) == pytest.approx(area, rel=1e-9)
    ten = sparsification(members, truth, error=error, steps=10)
    np.testing.assert_allclose(ten[1], left[np.floor(np.arange(10) / 10 * 35 + 1e-9).astype(int)], rtol=1e-9)


def test_sparsification_begins_with_the_error_of_all(rng):
    members, truth = rng.normal(0, 9, (6, 8, 9)), rng.normal(0, 80, (8, 9))
    for name, score in (("mae", mae), ("rmse", rmse)):
        _, left, oracle = sparsification(members, truth, error=name)
        assert left[0] == pytest.approx(score(members.mean(axis=0), truth), rel=1e-9)
        assert left[0] == pytest.approx(oracle[0], rel=1e-12)
        assert np.all(oracle <= left + 1e-9)


def test_equal_uncertainties_are_removed_in_all_orders(rng):
    truth = rng.normal(0, 80, 5)
    uncertainty = [1, 2, 2, 2, 3]
    _, left, _ = sparsification(np.zeros((1, 5)), truth, uncertainty=uncertainty, steps=5)
    several = []
    for order in itertools.permutations(range(3)):
        key = np.array([1, *(2 + 0.1 * np.array(order)), 3])
        several.append(curves_by_loops(np.abs(truth), key, np.mean))
    np.testing.assert_allclose(left, np.mean(several, axis=0), rtol=1e-12)
    # An uncertainty that knows nothing leaves the error as it is.
    np.testing.assert_allclose(
        sparsification(np.zeros((1, 5)), truth, uncertainty=np.ones(5))[1], np.abs(truth).mean(), rtol=1e-12
    )


def test_ause_of_known_distributions(rng):
    # Errors uniform from 0 to 1: random removal leaves 1/2, the oracle (1 - f)/2. The area is 1/4, over 1/2.
    truth = rng.uniform(0, 1, 200_000)
    members = np.zeros((1, truth.size))
    assert ause(members, truth, uncertainty=np.ones(truth.size)) == pytest.approx(0.5, abs=0.005)
    assert ause(members, truth, uncertainty=truth) == 0
    # The wrong way round the small errors go first: (1 + f)/2 is left.
    assert ause(members, truth, uncertainty=-truth) == pytest.approx(1, abs=0.01)
    assert math.isnan(ause(members, np.zeros(truth.size), uncertainty=truth))


def test_sparsification_errors(rng):
    members, truth = rng.normal(size=(3, 5)), rng.normal(size=5)
    for function in (sparsification, ause):
        with pytest.raises(ValueError, match="'mae' or 'rmse'"):
            function(members, truth, error="mse")
        with pytest.raises(ValueError, match="at least 2 members"):
            function(members[:1], truth)
        with pytest.raises(ValueError, match="must be equal"):
            function(members, truth, uncertainty=np.ones(4))
        with pytest.raises(ValueError, match="No pixel"):
            function(members, truth, uncertainty=np.full(5, np.nan))
    with pytest.raises(ValueError, match="steps"):
        sparsification(members, truth, steps=0)


@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_only_the_order_of_the_uncertainty_counts(seed, factor):
    rng = np.random.default_rng(seed)
    truth, uncertainty = rng.normal(0, 80, 30), rng.gamma(2, 5, 30)
    found = ause(np.zeros((1, 30)), truth, uncertainty=uncertainty)
    assert ause(np.zeros((1, 30)), truth, uncertainty=(factor * uncertainty) ** 2) == pytest.approx(found, rel=1e-9)
    assert ause(np.zeros((1, 30)), factor * truth, uncertainty=uncertainty) == pytest.approx(found, rel=1e-6)
