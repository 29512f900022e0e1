import itertools
import math

import numpy as np
import pytest
import torch

from sunpy_superres.metrics import (
    _arrays,
    add_noise,
    coverage,
    crps_spread_skill,
    debiased_mse,
    energy_score,
    fair_crps,
    mae,
    nominal_coverage,
    rank_histogram,
    spread_skill_ratio,
)

SCORES = [fair_crps, crps_spread_skill, spread_skill_ratio, debiased_mse, coverage, rank_histogram]


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


@pytest.mark.parametrize("score", [fair_crps, crps_spread_skill, energy_score, spread_skill_ratio, debiased_mse])
def test_one_member_is_no_ensemble(score):
    with pytest.raises(ValueError, match="at least 2 members"):
        score(np.zeros((1, 3, 3)), np.zeros((3, 3)))


@pytest.mark.parametrize("m", [2, 5, 9])
def test_crps_against_torchmetrics(m, rng):
    crps = pytest.importorskip("torchmetrics.functional.regression.crps")  # not in the oldest that is supported
    members, truth = rng.normal(0, 300, (m, 40)), rng.normal(0, 300, 40)
    biased = (
        crps.continuous_ranked_probability_score(torch.from_numpy(members.T), torch.from_numpy(truth)).mean().item()
    )
    # Theirs divides the sum over all pairs by the square of M; half of the spread between members makes it fair.
    error = np.abs(members - truth).mean()
    assert fair_crps(members, truth) == pytest.approx(error - m / (m - 1) * (error - biased), rel=1e-6)
    assert crps_spread_skill(members, truth) == pytest.approx(2 * m / (m - 1) * (error - biased) / error, rel=1e-6)


def test_crps_spread_skill_against_its_definition(rng):
    members, truth = rng.normal(0, 300, (6, 7, 5)), rng.normal(0, 300, (7, 5))
    between = np.mean([np.abs(a - b).mean() for a, b in itertools.permutations(members, 2)])
    skill = np.mean([np.abs(a - truth).mean() for a in members])
    assert crps_spread_skill(members, truth) == pytest.approx(between / skill, rel=1e-9)
    assert math.isnan(crps_spread_skill(np.zeros((3, 4)), np.zeros(4)))
    assert crps_spread_skill(np.array([[-1.0], [1.0]]), np.zeros(1)) == 2


def test_crps_spread_skill_of_a_calibrated_ensemble(calibrated):
    members, truth = calibrated
    assert crps_spread_skill(members, truth) == pytest.approx(1, abs=0.02)
    assert crps_spread_skill(members.mean(axis=0) + 0.5 * (members - members.mean(axis=0)), truth) < 0.8


def energy_by_loops(members, truth, patch):
    m = len(members)
    scores, weights = [], []
    for top in range(0, truth.shape[0], patch):
        for left in range(0, truth.shape[1], patch):
            where = (slice(top, top + patch), slice(left, left + patch))
            good = np.isfinite(truth[where]) & np.isfinite(members[(slice(None), *where)]).all(axis=0)
            if not good.any():
                continue
            x, y = [one[where][good] for one in members], truth[where][good]
            skill = np.mean([math.sqrt(((a - y) ** 2).mean()) for a in x])
            spread = sum(math.sqrt(((a - b) ** 2).mean()) for a in x for b in x) / (m * (m - 1))
            scores.append(skill - spread / 2)
            weights.append(good.sum())
    return np.average(scores, weights=weights)


@pytest.mark.parametrize("patch", [1, 4, 7, 40])
def test_energy_score_against_double_loops(patch, rng):
    members, truth = rng.normal(0, 300, (5, 17, 22)), rng.normal(0, 300, (17, 22))
    members[2, 3, 4:9] = np.nan
    truth[12:, 14:] = np.inf
    before = members.copy()
    assert energy_score(members, truth, patch=patch) == pytest.approx(energy_by_loops(members, truth, patch), rel=1e-9)
    np.testing.assert_array_equal(members, before)


def test_energy_score_of_single_pixels_is_the_crps(rng):
    members, truth = rng.normal(0, 300, (5, 17, 22)), rng.normal(0, 300, (17, 22))
    assert energy_score(members, truth, patch=1) == pytest.approx(fair_crps(members, truth), rel=1e-9)


def test_energy_score_of_normal_draws(rng):
    # Half of E|x - x'|, which for d independent normal pixels is 2 gamma((d + 1)/2) / gamma(d/2).
    draws = rng.normal(size=(9, 400, 400))
    d = 16
    expected = math.gamma((d + 1) / 2) / math.gamma(d / 2) / math.sqrt(d)
    assert energy_score(draws[1:], draws[0], patch=4) == pytest.approx(expected, rel=0.005)


def test_energy_score_sees_correlations(rng):
    members = np.repeat(rng.normal(size=(20, 64, 64)), 8, axis=2)
    truth = np.repeat(rng.normal(size=(64, 64)), 8, axis=1)
    # Every pixel keeps its distribution, and loses what it had to do with its neighbor.
    shuffled = np.stack([np.roll(members[:, :, i], i, axis=0) for i in range(members.shape[2])], axis=2)
    assert fair_crps(shuffled, truth) == pytest.approx(fair_crps(members, truth), rel=0.02)
    assert energy_score(shuffled, truth) > 1.005 * energy_score(members, truth)


def test_energy_score_errors(rng):
    with pytest.raises(ValueError, match="whole number"):
        energy_score(np.zeros((3, 4, 4)), np.zeros((4, 4)), patch=0)
    with pytest.raises(ValueError, match="y, x"):
        energy_score(np.zeros((3, 4)), np.zeros(4))
    with pytest.raises(ValueError, match="No pixel"):
        energy_score(np.zeros((3, 4, 4)), np.full((4, 4), np.nan))
    with pytest.raises(ValueError, match="Expected members of shape"):
        energy_score(np.zeros((3, 4, 5)), np.zeros((4, 4)))


def test_debiased_mse_against_its_definition(rng):
    members, truth = rng.normal(0, 300, (5, 6, 7)), rng.normal(0, 300, (6, 7))
    expected = [
        (np.mean(x) - y) ** 2 - sum((value - np.mean(x)) ** 2 for value in x) / 4 / 5
        for x, y in zip(members.reshape(5, -1).T, truth.ravel(), strict=True)
    ]
    assert debiased_mse(members, truth) == pytest.approx(np.mean(expected), rel=1e-9)


def test_debiased_mse_does_not_depend_on_the_number_of_members(rng):
    # Of draws from the distribution of the truth, the mean of infinitely many has its variance as error.
    draws = rng.normal(0, 3, (41, 100_000))
    for m in (2, 5, 40):
        assert debiased_mse(draws[1 : m + 1], draws[0]) == pytest.approx(9, rel=0.02)


def test_noise_of_the_truth(rng):
    draws = rng.normal(0, 10, (9, 40_000))
    seen = draws[0] + rng.normal(0, 10, 40_000)
    assert coverage(draws[1:], seen) < nominal_coverage(8) - 0.1
    noisy = add_noise(draws[1:], 10)
    assert coverage(noisy, seen) == pytest.approx(nominal_coverage(8), abs=0.01)
    assert spread_skill_ratio(noisy, seen) == pytest.approx(1, abs=0.02)
    added = noisy - draws[1:]
    assert added.std() == pytest.approx(10, rel=0.01)
    assert np.abs(np.corrcoef(added) - np.eye(8)).max() < 0.02
    np.testing.assert_array_equal(noisy, add_noise(draws[1:], 10))
    assert np.abs(noisy - add_noise(draws[1:], 10, seed=1)).max() > 1


def test_noise_is_not_that_of_members_with_the_same_seed():
    members = np.random.default_rng(3).standard_normal((2, 5000))
    noise = add_noise(members, 1, seed=3) - members
    assert abs(np.corrcoef(members[0], noise[0])[0, 1]) < 0.06


def test_noise_by_pixel_and_by_unit(rng):
    import astropy.units as u

    members = rng.normal(0, 10, (3, 4, 5)).astype("f4")
    sigma = np.zeros((4, 5))
    sigma[2] = 5
    noisy = add_noise(members, sigma)
    assert noisy.dtype == np.float32
    changed = (noisy != members).any(axis=(0, 2))
    np.testing.assert_array_equal(changed, [False, False, True, False])
    np.testing.assert_allclose(add_noise(members * u.G, 5e-4 * u.T), add_noise(members, 5), rtol=1e-5)
    np.testing.assert_allclose(add_noise(members, 5e-4 * u.T), add_noise(members, 5), rtol=1e-5)
    with pytest.raises(ValueError, match="unit of sigma is 'K', which does not convert to 'G'"):
        add_noise(members, 5 * u.K)
    members[0, 0, 0] = np.nan
    assert np.isnan(add_noise(members, 1)).sum() == 1
    for wrong in (-1, np.nan, np.ones(5)):
        with pytest.raises(ValueError, match="sigma must be"):
            add_noise(members, wrong)


def test_maps_and_quantities(rng, mdi_map):
    import astropy.units as u

    from sunpy_superres.maps import from_array

    truth = np.asarray(mdi_map.data, dtype=np.float64)
    members = truth + rng.normal(0, 20, (4, *truth.shape))
    maps = [from_array(one, scale=1.986, instrument="mdi", center=(150, -220)) for one in members]
    for score in (*SCORES, energy_score):
        expected = score(members, truth)
        np.testing.assert_allclose(score(maps, mdi_map), expected, rtol=1e-4)
        np.testing.assert_allclose(score((members * u.G).to(u.T), truth * u.G), expected, rtol=1e-4)
        masked = np.ma.masked_array(truth, truth > 1000)
        np.testing.assert_allclose(score(members, masked), score(members, masked.filled(np.nan)))
