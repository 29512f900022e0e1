"""
Running moments are the moments.
"""

import numpy as np
import pytest

from sunpy_superres.inference import moments


@pytest.mark.parametrize("count", [2, 3, 20])
def test_moments(rng, count):
    members = (1000 + 50 * rng.normal(size=(count, 6, 7))).astype(np.float32)
    found = moments(iter(members))
    np.testing.assert_allclose(found.mean, members.mean(axis=0, dtype=float), rtol=1e-6)
    np.testing.assert_allclose(found.std, members.std(axis=0, ddof=1, dtype=float), rtol=1e-4)
    assert found.mean.dtype == found.std.dtype == np.float32


@pytest.mark.parametrize("count", [2, 3, 7, 20])
def test_moments_of_antithetic_samples_are_without_bias(rng, count):
    half = 50 * rng.normal(size=((count + 1) // 2, 200, 300))
    members = np.stack([half, -half], axis=1).reshape(-1, 200, 300)[:count]
    found = moments(members, antithetic=True)
    np.testing.assert_allclose(np.sqrt(np.mean(found.std**2)), 50, rtol=0.02)


def test_one_sample_has_no_spread(rng):
    member = rng.normal(size=(3, 4)).astype(np.float32)
    found = moments([member])
    np.testing.assert_array_equal(found.mean, member)
    assert found.std is None


def test_members_are_not_changed(rng):
    members = rng.normal(size=(4, 3, 3)).astype(np.float32)
    kept = members.copy()
    moments(members)
    np.testing.assert_array_equal(members, kept)
