"""
The split into large and small scales, against a Fourier transform of the mirrored map.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import astropy.units as u

from sunpy_superres.metrics import fair_crps, mae, rmse, split_scales


def mirrored(field, scale, period):
    """
    Low-pass of a map continued by its mirror images, by the Fourier transform of twice its size.
    """
    ny, nx = field.shape
    whole = np.block([[field, field[:, ::-1]], [field[::-1], field[::-1, ::-1]]])
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(2 * ny, scale), np.fft.fftfreq(2 * nx, scale), indexing="ij"))
    return np.fft.ifft2(np.fft.fft2(whole) * (k <= 1 / period)).real[:ny, :nx]


@pytest.mark.parametrize("shape", [(32, 32), (33, 20)])
@pytest.mark.parametrize("period", [4.0, 1.7])
def test_against_the_mirrored_transform(shape, period, rng):
    field = rng.normal(40, 300, shape)
    large, small = split_scales(field, 0.5, period)
    np.testing.assert_allclose(large, mirrored(field, 0.5, period), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(large + small, field, rtol=1e-12)


@pytest.mark.parametrize(("period", "part"), [(4.0, 0), (4.1, 0), (3.9, 1), (1.5, 1), (30, 0)])
def test_a_wave_is_on_its_side(period, part):
    x = 0.5 * (np.arange(240) + 0.5)
    # A whole number of half waves fits into the map.
    halves = round(2 * 120 / period)
    wave = np.ones((20, 1)) * np.cos(np.pi * halves * x / 120)
    parts = split_scales(wave, 0.5)
    np.testing.assert_allclose(parts[part], wave, atol=1e-12)
    np.testing.assert_allclose(parts[1 - part], 0, atol=1e-12)


def test_squared_errors_add_up(rng):
    pred, truth = rng.normal(0, 300, (2, 40, 50))
    parts = [rmse(p, t) for p, t in zip(split_scales(pred, 0.5), split_scales(truth, 0.5), strict=True)]
    assert np.hypot(*parts) == pytest.approx(rmse(pred, truth), rel=1e-12)


def test_holes_stay_holes(rng):
    field = rng.normal(500, 100, (40, 50))
    field[3:6, 7] = np.nan
    field[20, 20] = np.inf
    before = field.copy()
    hole = ~np.isfinite(field)
    large, small = split_scales(field, 0.5)
    np.testing.assert_array_equal(field, before)
    for part in (large, small):
        np.testing.assert_array_equal(np.isnan(part), hole)
    np.testing.assert_allclose((large + small)[~hole], field[~hole], rtol=1e-12)
    filled = mirrored(np.where(hole, field[~hole].mean(), field), 0.5, 4)
    np.testing.assert_allclose(large[~hole], filled[~hole], rtol=1e-9)
    # The filling goes along with a constant, which is all in the large scales.
    offset = split_scales(field + 70, 0.5)
    np.testing.assert_allclose(offset[0], large + 70, rtol=1e-9)
    np.testing.assert_allclose(offset[1], small, atol=1e-9)


def test_stacks_and_maps(rng, mdi_map):
    members = rng.normal(0, 100, (3, 24, 30))
    members[1, 4, 5] = np.nan
    parts = split_scales(members, 0.5)
    for i, member in enumerate(members):
        np.testing.assert_array_equal([part[i] for part in parts], split_scales(member, 0.5))
    truth = rng.normal(0, 100, (24, 30))
    scores = [fair_crps(m, t) for m, t in zip(parts, split_scales(truth, 0.5), strict=True)]
    assert 0 < min(scores) < max(scores) < fair_crps(members, truth)
    field = np.asarray(mdi_map.data)
    of_map = split_scales(mdi_map, None, 12)
    np.testing.assert_allclose(of_map, split_scales(field, 1.986, 12), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(of_map, split_scales(field * u.G, 1.986 * u.arcsec, 12), rtol=1e-6, atol=1e-6)


@given(
    st.integers(0, 1000),
    st.floats(0.01, 100),
    st.sampled_from([(slice(None, None, -1),), (slice(None), slice(None, None, -1))]),
)
def test_linear_and_the_same_in_the_mirror(seed, factor, flip):
    one, other = np.random.default_rng(seed).normal(0, 100, (2, 12, 18))
    first, second = split_scales(one, 0.5), split_scales(other, 0.5)
    np.testing.assert_allclose(
        split_scales(factor * one - other, 0.5), [factor * a - b for a, b in zip(first, second, strict=True)], atol=1e-7
    )
    np.testing.assert_allclose(split_scales(one[flip], 0.5), [part[flip] for part in first], atol=1e-9)
    assert mae(split_scales(one.T, 0.5)[0], first[0].T) < 1e-9


def test_errors():
    with pytest.raises(ValueError, match="y, x"):
        split_scales(np.zeros(5), 0.5)
    with pytest.raises(ValueError, match="finite"):
        split_scales(np.stack([np.zeros((4, 4)), np.full((4, 4), np.nan)]), 0.5)
    with pytest.raises(ValueError, match="period must be positive"):
        split_scales(np.zeros((4, 4)), 0.5, 0)
    with pytest.raises(ValueError, match="scale must be one positive number"):
        split_scales(np.zeros((4, 4)), -1)
