import math

import numpy as np
import pytest

from sunpy_superres.metrics import (
    _arrays,
    coverage,
    fair_crps,
    mae,
    nominal_coverage,
    rank_histogram,
    spread_skill_ratio,
)

SCORES = [fair_crps, spread_skill_ratio, coverage, rank_histogram]


@pytest.fixture
def calibrated(rng):
    """
    Members and truth drawn from one distribution, whose mean and width differ from pixel to pixel.
    """
    center, width = rng.normal(0, 500, (100, 200)), rng.gamma(2, 30, (100, 200))
    draws = center + width * rng.normal(size=(21, 100, 200))
    return draws[1:], draws[0]


@pytest.mark.parametrize("m", [2, 3, 7])
def test_fair_crps_against_its_definition(m, rng):
    members, truth = rng.normal(0, 300, (m, 4, 5)), rng.normal(0, 300, (4, 5))
    pairs = sum(np.abs(a - b) for a in members for b in members)
    expected = np.abs(members - truth).mean(axis=0) - pairs / (2 * m * (m - 1))
    assert fair_crps(members, truth) == pytest.approx(expected.mean())


def test_fair_crps_does_not_depend_on_the_number_of_members(rng):
    # For draws of N(0, 1) against N(0, 1) the expectation is 1/sqrt(pi), however few the members.
    draws = rng.normal(size=(41, 100_000))
    for m in (2, 5, 40):
        assert fair_crps(draws[1 : m + 1], draws[0]) == pytest.approx(1 / math.sqrt(math.pi), abs=0.006)


def test_fair_crps_of_equal_members_is_the_mae(rng):
    pred, truth = rng.normal(0, 300, (2, 9, 9))
    assert fair_crps(np.stack([pred] * 4), truth) == pytest.approx(mae(pred, truth))


def test_fair_crps_prefers_the_right_width(rng):
    draws = rng.normal(size=(11, 50_000))
    right = fair_crps(draws[1:], draws[0])
    assert right < fair_crps(0.5 * draws[1:], draws[0])
    assert right < fair_crps(2 * draws[1:], draws[0])


def test_fair_crps_keeps_its_digits_in_strong_fields(rng):
    draws = rng.normal(size=(6, 1000))
    assert fair_crps(draws[1:] + 1e8, draws[0] + 1e8) == pytest.approx(fair_crps(draws[1:], draws[0]), rel=1e-6)


def test_calibrated_ensemble(calibrated):
    members, truth = calibrated
    assert spread_skill_ratio(members, truth) == pytest.approx(1, abs=0.02)
    assert coverage(members, truth) == pytest.approx(nominal_coverage(20), abs=0.01)
    counts = rank_histogram(members, truth)
    assert counts.shape == (21,)
    assert counts.sum() == truth.size
    assert np.abs(counts / counts.mean() - 1).max() < 0.15


def test_over_confident_ensemble(calibrated):
    members, truth = calibrated
    mean = members.mean(axis=0)
    narrow = mean + 0.5 * (members - mean)
    assert spread_skill_ratio(narrow, truth) == pytest.approx(0.5 * spread_skill_ratio(members, truth))
    assert coverage(narrow, truth) < nominal_coverage(20) - 0.2
    counts = rank_histogram(narrow, truth)
    assert min(counts[0], counts[-1]) > 2 * counts[5:16].mean()


def test_spread_skill_ratio_against_its_definition(rng):
    members, truth = rng.normal(0, 300, (5, 6, 7)), rng.normal(0, 300, (6, 7))
    spread = math.sqrt(members.var(axis=0, ddof=1).mean())
    error = math.sqrt(((members.mean(axis=0) - truth) ** 2).mean())
    assert spread_skill_ratio(members, truth) == pytest.approx(math.sqrt(6 / 5) * spread / error)


def test_spread_skill_ratio_without_error():
    truth = np.zeros(3)
    assert spread_skill_ratio(np.array([[-1.0] * 3, [1.0] * 3]), truth) == math.inf
    assert math.isnan(spread_skill_ratio(np.zeros((2, 3)), truth))


def test_coverage_includes_its_ends():
    members = np.array([[0.0] * 5, [1.0] * 5])
    assert coverage(members, np.array([-0.1, 0.0, 0.5, 1.0, 1.1])) == 0.6


def test_nominal_coverage():
    assert nominal_coverage(8) == pytest.approx(7 / 9)
    assert nominal_coverage(1) == 0
    with pytest.raises(ValueError, match="at least one"):
        nominal_coverage(0)


def test_rank_histogram_counts_members_below(rng):
    members, truth = rng.normal(size=(4, 300)), rng.normal(size=300)
    expected = np.bincount(
        [sum(m < t for m in column) for column, t in zip(members.T, truth, strict=True)], minlength=5
    )
    np.testing.assert_array_equal(rank_histogram(members, truth), expected)


def test_rank_histogram_spreads_ties():
    counts = rank_histogram(np.zeros((4, 50_000)), np.zeros(50_000), seed=3)
    assert counts / counts.mean() == pytest.approx(np.ones(5), abs=0.05)
    np.testing.assert_array_equal(counts, rank_histogram(np.zeros((4, 50_000)), np.zeros(50_000), seed=3))


@pytest.mark.parametrize("score", SCORES)
def test_blocks_change_nothing(score, calibrated, monkeypatch):
    members, truth = calibrated
    whole = score(members, truth)
    monkeypatch.setattr(_arrays, "BLOCK", 777)
    np.testing.assert_allclose(score(members, truth), whole, rtol=1e-12)


@pytest.mark.parametrize("score", SCORES)
def test_only_pixels_finite_everywhere_count(score, rng):
    members, truth = rng.normal(size=(5, 8, 9)), rng.normal(size=(8, 9))
    expected = score(members[:, 1:, 2:], truth[1:, 2:])
    truth[0], members[3, :, :2] = np.nan, np.inf
    before = members.copy()
    np.testing.assert_allclose(score(members, truth), expected)
    np.testing.assert_array_equal(members, before)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("dtype", ["<f4", ">f4"])
def test_single_precision(score, dtype, rng):
    members, truth = rng.normal(size=(5, 8, 9)).astype(dtype), rng.normal(size=(8, 9)).astype(dtype)
    np.testing.assert_allclose(score(members, truth), score(members.astype("f8"), truth.astype("f8")))


@pytest.mark.parametrize("score", SCORES)
def test_errors(score):
    with pytest.raises(ValueError, match="Expected members of shape"):
        score(np.zeros((4, 5)), np.zeros((4, 5)))
    with pytest.raises(ValueError, match="Expected members of shape"):
        score(np.zeros((3, 4, 6)), np.zeros((4, 5)))
    with pytest.raises(ValueError, match="No pixel"):
        score(np.zeros((3, 2)), np.full(2, np.nan))
    with pytest.raises(ValueError, match="at least"):
        score(np.zeros((0, 2)), np.zeros(2))


@pytest.mark.parametrize("score", [fair_crps, spread_skill_ratio])
def test_one_member_is_no_ensemble(score):
    with pytest.raises(ValueError, match="at least 2 members"):
        score(np.zeros((1, 3)), np.zeros(3))
