"""
The factor on the spread.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sunpy_superres.inference import SpreadCalibration, moments

positive = st.floats(0.1, 1e3)


@pytest.fixture
def calibration():
    return SpreadCalibration([5.0, 50.0, 500.0], [2.0, 1.0, 0.5])


def test_the_factor_is_a_power_of_the_spread(calibration):
    found = calibration.factors(np.array([1.0, 5.0, np.sqrt(5 * 50), 50.0, 500.0, 1e4, np.nan]))
    np.testing.assert_allclose(found, [2, 2, np.sqrt(2), 1, 0.5, 0.5, 2])


@pytest.mark.parametrize("shape", [(3, 4), (600, 2)])
def test_a_spread_is_calibrated_in_place(calibration, rng, shape):
    std = rng.uniform(1, 1000, shape).astype(np.float32)
    std[0, 0] = np.nan
    expected = std * calibration.factors(std)
    calibration.apply(std)
    np.testing.assert_array_equal(std, expected)
    assert std.dtype == np.float32


@pytest.mark.parametrize("antithetic", [False, True])
def test_members_keep_their_mean_and_get_the_spread(calibration, rng, antithetic):
    deviation = rng.normal(0, rng.uniform(2, 200, (1, 300, 5)), (6, 300, 5))
    if antithetic:
        deviation[1::2] = -deviation[::2]
    members = (100 + deviation).astype(np.float32)
    before = moments(members.copy(), antithetic=antithetic)
    expected = before.std * calibration.factors(before.std)
    calibration.apply_to_members(members, antithetic=antithetic)
    after = moments(members, antithetic=antithetic)
    np.testing.assert_allclose(after.mean, before.mean, atol=1e-3)
    np.testing.assert_allclose(after.std, expected, rtol=1e-4)
    # The ranks of the members stay.
    np.testing.assert_array_equal(np.argsort(members, axis=0), np.argsort(deviation.astype(np.float32), axis=0))


def test_one_member_has_no_spread(calibration):
    members = np.ones((1, 4, 4), dtype=np.float32)
    calibration.apply_to_members(members)
    np.testing.assert_array_equal(members, 1)


@given(st.dictionaries(positive, positive, min_size=1, max_size=6), st.lists(positive, min_size=2))
def test_a_larger_spread_stays_the_larger_one(knots, spreads):
    spread = np.array(sorted(knots))
    factor = np.maximum.accumulate(spread * np.array([knots[s] for s in sorted(knots)])) / spread
    calibration = SpreadCalibration(spread, factor * (1 + 1e-12 * np.arange(len(spread))))
    spreads = np.array(sorted(spreads))
    assert (np.diff(spreads * calibration.factors(spreads)) >= -1e-6 * spreads[1:]).all()


@pytest.mark.parametrize(
    ("spread", "factor", "message"),
    [
        ([1, 2], [1], "as many factors as spreads"),
        ([], [], "as many factors as spreads"),
        ([2, 1], [1, 1], "increase"),
        ([0, 1], [1, 1], "all positive"),
        ([1, 2], [1, -1], "all positive"),
        ([1, np.nan], [1, 1], "as many factors"),
        ([1, 2], None, "got the spreads"),
        ("ab", [1, 2], "got the spreads"),
        ([1, 2], [1, 0.1], "must increase with the spreads"),
    ],
)
def test_what_is_no_calibration(spread, factor, message):
    with pytest.raises(ValueError, match=message):
        SpreadCalibration(spread, factor)
