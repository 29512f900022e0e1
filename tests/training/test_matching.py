import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import astropy.units as u
from astropy.time import Time

from sunpy_superres.training.matching import match_times

START = Time("2011-01-01T00:00:00")
MINUTES = st.lists(st.integers(0, 60), max_size=12)


def at(minutes):
    return START + np.array(minutes, dtype=float) * u.min


@given(first=MINUTES, second=MINUTES, tolerance=st.integers(0, 20))
def test_match_times(first, second, tolerance):
    pairs = match_times(at(first), at(second), tolerance * u.min)
    partner, other = dict(pairs), {j: i for i, j in pairs}
    assert len(pairs) == len(partner) == len(other)
    assert pairs == sorted(pairs)
    assert all(abs(first[i] - second[j]) <= tolerance for i, j in pairs)
    for i, here in enumerate(first):
        for j, there in enumerate(second):
            if (difference := abs(here - there)) <= tolerance:
                # Nobody would rather have each other than the partners they have.
                mine = abs(here - second[partner[i]]) if i in partner else np.inf
                theirs = abs(there - first[other[j]]) if j in other else np.inf
                assert difference >= min(mine, theirs)


@given(first=MINUTES, second=MINUTES)
def test_match_times_of_two_scales(first, second):
    expected = match_times(at(first), at(second), 5 * u.min)
    assert match_times(at(first).tai, at(second).utc, 5 * u.min) == expected


def test_the_closest_pair_comes_first():
    # The first has two near it; the second only one, and takes it.
    assert match_times(at([0, 6]), at([5]), 10 * u.min) == [(1, 0)]
    assert match_times(at([0, 6]), at([5, -4]), 10 * u.min) == [(0, 1), (1, 0)]


@pytest.mark.parametrize("tolerance", [-1, np.nan, np.inf])
def test_match_times_rejects(tolerance):
    with pytest.raises(ValueError, match="tolerance must be 0 or more"):
        match_times(at([0]), at([0]), tolerance * u.s)
