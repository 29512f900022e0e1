"""
What must not change a score: the unit of the field, mirrors, the order of the members, what pixels left out hold.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sunpy_superres import metrics

# Each with the power of the unit that it has.
ENSEMBLE = {
    "fair_crps": (metrics.fair_crps, 1),
    "crps_spread_skill": (metrics.crps_spread_skill, 0),
    "energy_score": (lambda x, y: metrics.energy_score(x, y, patch=4), 1),
    "spread_skill_ratio": (metrics.spread_skill_ratio, 0),
    "debiased_mse": (metrics.debiased_mse, 2),
    "coverage": (metrics.coverage, 0),
    "coverage of a rank": (lambda x, y: metrics.coverage(x, y, rank=2), 0),
    "coverage of a level": (lambda x, y: metrics.coverage(x, y, level=0.4), 0),
    "reliability": (metrics.reliability, 0),
    "rank_histogram": (metrics.rank_histogram, 0),
    "sparsification": (lambda x, y: metrics.sparsification(x, y, steps=8)[1:], 1),
    "ause": (metrics.ause, 0),
    "ause of the rmse": (lambda x, y: metrics.ause(x, y, error="rmse"), 0),
}
SPECTRAL = {
    "power_spectrum": (lambda x, y: metrics.power_spectrum(x, 0.5)[1], 2),
    "band_power": (lambda x, y: metrics.band_power(x, 0.5, (4, 2)), 2),
    "power_ratio": (lambda x, y: metrics.power_ratio(x, y, 0.5, (4, 2)), 0),
    "ralsd": (lambda x, y: metrics.ralsd(x, y, 0.5), 0),
    "frc": (lambda x, y: metrics.frc(x, y, 0.5)[1], 0),
    "resolution": (lambda x, y: metrics.resolution(x, y, 0.5), 0),
}
FLIPS = [(slice(None, None, -1), slice(None)), (slice(None), slice(None, None, -1))]
SEEDS = st.integers(0, 10_000)


def ensemble(seed, shape=(12, 16)):
    rng = np.random.default_rng(seed)
    draws = rng.normal(0, 100, shape) + rng.gamma(2, 30, shape) * rng.normal(size=(8, *shape))
    return draws[1:], draws[0]


def pair(seed, shape=(16, 20)):
    one, other = np.random.default_rng(seed).normal(0, 100, (2, *shape))
    return one + other, other


@pytest.mark.parametrize("name", ENSEMBLE)
@given(seed=SEEDS, factor=st.floats(1e-4, 1e4))
@settings(max_examples=15)
def test_unit_of_an_ensemble(name, seed, factor):
    score, power = ENSEMBLE[name]
    members, truth = ensemble(seed)
    expected = np.asarray(score(members, truth))
    np.testing.assert_allclose(score(factor * members, factor * truth), factor**power * expected, rtol=1e-6)
    # Both polarities are the same.
    negative = np.asarray(score(-members, -truth))
    np.testing.assert_allclose(negative[::-1] if name == "rank_histogram" else negative, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ENSEMBLE)
@given(seed=SEEDS, flip=st.sampled_from(FLIPS), data=st.data())
@settings(max_examples=15)
def test_mirror_and_order_of_the_members(name, seed, flip, data):
    score, _ = ENSEMBLE[name]
    members, truth = ensemble(seed)
    expected = score(members, truth)
    np.testing.assert_allclose(score(members[:, *flip], truth[flip]), expected, rtol=1e-6)
    order = data.draw(st.permutations(range(len(members))))
    np.testing.assert_allclose(score(members[order], truth), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ENSEMBLE)
@given(seed=SEEDS, left_out=st.sets(st.integers(0, 12 * 16 - 1), max_size=60))
@settings(max_examples=15)
def test_pixels_left_out_of_an_ensemble(name, seed, left_out):
    score, _ = ENSEMBLE[name]
    members, truth = ensemble(seed)
    mask = np.zeros(truth.shape, dtype=bool)
    mask.ravel()[list(left_out)] = True
    expected = score(members, np.ma.masked_array(truth, mask))
    one, other, third = members.copy(), truth.copy(), np.where(mask, 1e9, members)
    one[2, mask], other[mask] = np.nan, np.inf
    for x, y in ((one, truth), (members, other), (third, other)):
        np.testing.assert_allclose(score(x, y), expected, rtol=1e-9)
    if name != "energy_score":  # whose patches are places
        np.testing.assert_allclose(score(members[:, ~mask], truth[~mask]), expected, rtol=1e-6)


@pytest.mark.parametrize("name", SPECTRAL)
@given(seed=SEEDS, factor=st.floats(1e-4, 1e4), flip=st.sampled_from(FLIPS))
@settings(max_examples=15)
def test_unit_and_mirror_of_a_map(name, seed, factor, flip):
    score, power = SPECTRAL[name]
    pred, truth = pair(seed)
    expected = np.asarray(score(pred, truth))
    np.testing.assert_allclose(score(factor * pred, factor * truth), factor**power * expected, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(score(pred[flip], truth[flip]), expected, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(score(pred.T, truth.T), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", SPECTRAL)
@given(seed=SEEDS, left_out=st.sets(st.integers(0, 16 * 20 - 1), max_size=60))
@settings(max_examples=15)
def test_what_a_masked_pixel_holds_does_not_matter(name, seed, left_out):
    score, _ = SPECTRAL[name]
    pred, truth = pair(seed)
    mask = np.zeros(truth.shape, dtype=bool)
    mask.ravel()[list(left_out)] = True
    expected = score(np.ma.masked_array(pred, mask), truth)
    np.testing.assert_allclose(score(np.where(mask, np.inf, pred), truth), expected, rtol=1e-9)
    if name not in ("power_spectrum", "band_power"):  # which are of one map
        np.testing.assert_allclose(score(np.where(mask, 1e6, pred), np.where(mask, np.nan, truth)), expected, rtol=1e-6)
