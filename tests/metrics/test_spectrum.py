import math

import numpy as np
import pytest
from scipy import ndimage

from sunpy_superres.metrics import (
    band_power,
    frc,
    half_bit,
    power_ratio,
    power_spectrum,
    ralsd,
    resolution,
    ring_counts,
)

SCALE = 0.5


def brute_force_rings(shape, scale):
    """
    Ring of every Fourier pixel, by the definition.
    """
    step = 1 / (min(shape) * scale)
    ring = np.empty(shape, dtype=int)
    for i, ky in enumerate(np.fft.fftfreq(shape[0], scale)):
        for j, kx in enumerate(np.fft.fftfreq(shape[1], scale)):
            ring[i, j] = round(math.hypot(ky, kx) / step)
    return ring, step


def windowed_transform(field):
    window = np.outer(np.hanning(field.shape[0]), np.hanning(field.shape[1]))
    return np.fft.fft2(window * (field - np.average(field, weights=window))), window


@pytest.mark.parametrize("shape", [(16, 16), (17, 24), (30, 13)])
def test_power_spectrum_against_brute_force(shape, rng):
    field = rng.normal(40, 100, shape)
    frequency, power = power_spectrum(field, SCALE)
    ring, step = brute_force_rings(shape, SCALE)
    transform, window = windowed_transform(field)
    density = np.abs(transform) ** 2 * SCALE**2 / (window**2).sum()
    np.testing.assert_allclose(frequency, step * np.arange(1, min(shape) // 2 + 1))
    np.testing.assert_allclose(power, [density[ring == i].mean() for i in range(1, len(frequency) + 1)])
    assert frequency[-1] <= 1 / (2 * SCALE)


def test_white_noise_has_a_flat_spectrum_of_known_height(rng):
    _, power = power_spectrum(rng.normal(0, 10, (256, 300)), SCALE)
    assert power[20:].mean() == pytest.approx(10**2 * SCALE**2, rel=0.02)
    assert power[20:].std() < 0.1 * power[20:].mean()


def test_a_wave_appears_at_its_frequency():
    y, x = np.mgrid[:64, :64]
    frequency, power = power_spectrum(1000 + np.sin(2 * np.pi * (3 * x + 4 * y) / 64), SCALE)
    assert frequency[np.argmax(power)] == pytest.approx(5 / (64 * SCALE))


def test_power_ratio_against_brute_force(rng):
    shape = (24, 37)
    pred, truth = rng.normal(0, 100, (2, *shape))
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(shape[0], SCALE), np.fft.fftfreq(shape[1], SCALE), indexing="ij"))
    p, g = (np.abs(windowed_transform(a)[0]) ** 2 for a in (pred, truth))
    periods = (6.0, 2.0, 1.0)
    expected = []
    for period in periods:
        ring = np.abs(k - 1 / period) <= max(0.2 / period, 0.5 / (24 * SCALE))
        expected.append(p[ring].sum() / g[ring].sum())
    np.testing.assert_allclose(power_ratio(pred, truth, SCALE, periods, width=0.2), expected)


def test_power_ratio_of_a_filter_is_its_squared_response(rng):
    truth = rng.normal(0, 100, (256, 256))
    sigma = 0.8
    pred = ndimage.gaussian_filter(truth, sigma, mode="wrap")
    periods = np.array([16.0, 8.0, 4.0, 2.0])
    response = np.exp(-((2 * np.pi * sigma * SCALE / periods) ** 2))
    np.testing.assert_allclose(power_ratio(pred, truth, SCALE, periods, width=0.03), response, rtol=0.05)


def test_power_ratio_ignores_the_mean_and_keeps_the_order(rng):
    truth = rng.normal(0, 100, (40, 40))
    np.testing.assert_allclose(power_ratio(3 * truth + 500, truth, SCALE, (2, 8, 4)), 9)
    assert power_ratio(truth, truth, SCALE, 4).shape == (1,)
    assert np.isnan(power_ratio(truth, np.zeros_like(truth), SCALE, 4)).all()


def test_power_ratio_accepts_the_limits_of_its_range():
    truth = np.random.default_rng(0).normal(size=(30, 50))
    scale = 0.504273
    np.testing.assert_allclose(power_ratio(truth, truth, scale, (2 * scale, 30 * scale)), 1)


@pytest.mark.parametrize("period", [0.99, 15.1, 0, -4, np.nan])
def test_power_ratio_outside_its_range(period):
    with pytest.raises(ValueError, match="Periods must lie"):
        power_ratio(np.ones((30, 50)), np.ones((30, 50)), SCALE, (4, period))


def test_frc_of_equal_opposite_and_unrelated_maps(rng):
    truth, other = rng.normal(0, 100, (2, 128, 150))
    assert frc(0.1 * truth + 9, truth, SCALE)[1] == pytest.approx(1)
    assert frc(-truth, truth, SCALE)[1] == pytest.approx(-1)
    # The Hann window correlates neighboring frequencies; the scatter is that of a tenth of the pixels.
    assert np.abs(frc(other, truth, SCALE)[1][8:]).mean() < 0.1


def test_frc_against_brute_force(rng):
    pred, truth = rng.normal(0, 100, (2, 18, 23))
    frequency, correlation = frc(pred, truth, SCALE)
    ring, _ = brute_force_rings((18, 23), SCALE)
    p, g = windowed_transform(pred)[0], windowed_transform(truth)[0]
    for i in range(len(frequency)):
        a, b = p[ring == i + 1], g[ring == i + 1]
        expected = np.vdot(b, a).real / (np.linalg.norm(a) * np.linalg.norm(b))
        assert correlation[i] == pytest.approx(expected)


def test_frc_of_signal_and_noise(rng):
    # Two measurements of one signal with noise of the same power: the correlation is 1/2 everywhere.
    signal, first, second = rng.normal(0, 100, (3, 256, 256))
    assert frc(signal + first, signal + second, SCALE)[1][20:].mean() == pytest.approx(0.5, abs=0.02)


def low_pass(field, period):
    k = np.hypot(np.fft.fftfreq(field.shape[0], SCALE)[:, None], np.fft.fftfreq(field.shape[1], SCALE))
    return np.fft.ifft2(np.where(k < 1 / period, np.fft.fft2(field), 0)).real


@pytest.mark.parametrize("threshold", [1 / 7, "half-bit"])
def test_resolution_finds_where_the_common_signal_ends(threshold, rng):
    truth, invented = rng.normal(0, 100, (2, 256, 256))
    pred = low_pass(truth, 4.0) + invented - low_pass(invented, 4.0)
    assert resolution(pred, truth, SCALE, threshold=threshold) == pytest.approx(4.0, rel=0.05)


def test_an_invented_spectrum_passes_the_ratio_and_fails_the_correlation(rng):
    truth, invented = ndimage.gaussian_filter(rng.normal(0, 100, (2, 200, 200)), (0, 1, 1))
    np.testing.assert_allclose(power_ratio(invented, truth, SCALE, (4, 2)), 1, atol=0.3)
    assert resolution(invented, truth, SCALE) > 20


def test_resolution_limits(rng):
    truth, noise = rng.normal(0, 100, (2, 32, 32))
    assert resolution(truth, truth, SCALE) == 2 * SCALE
    assert resolution(-truth, truth, SCALE) == math.inf
    assert resolution(truth, np.zeros_like(truth), SCALE) == math.inf
    with pytest.raises(ValueError, match="half-bit"):
        resolution(truth, noise, SCALE, threshold="one-bit")


def test_resolution_interpolates(monkeypatch):
    # Correlations 1, 0.5, 0.2, 0.1 at frequencies 1 to 4 (in units of the step): 1/7 lies 0.5714 behind the third.
    from sunpy_superres.metrics import spectrum

    class Rings:
        frequency = np.array([1.0, 2.0, 3.0, 4.0])

    monkeypatch.setattr(spectrum, "_frc", lambda *_: (Rings, np.array([1, 0.5, 0.2, 0.1])))
    assert resolution(None, None, 0.125) == pytest.approx(1 / (3 + (0.2 - 1 / 7) / 0.1))


def test_holes_are_the_same_in_both(rng):
    truth = rng.normal(0, 100, (60, 70))
    pred = truth.copy()
    pred[10:14, 20], truth[30, 30:40] = np.nan, np.inf
    np.testing.assert_allclose(power_ratio(pred, truth, SCALE, (8, 2)), 1)
    assert frc(pred, truth, SCALE)[1] == pytest.approx(1)
    # A hole is the mean: what the field is outside of it does not depend on its offset.
    power = power_spectrum(truth, SCALE)[1]
    np.testing.assert_allclose(power_spectrum(truth + 1000, SCALE)[1], power, rtol=1e-6)


@pytest.mark.parametrize("function", [frc, resolution, lambda p, g, s: power_ratio(p, g, s, 4)])
def test_errors(function):
    with pytest.raises(ValueError, match="must be equal"):
        function(np.zeros((20, 20)), np.zeros((20, 21)), SCALE)
    with pytest.raises(ValueError, match="2 dimensions"):
        function(np.zeros((2, 20, 20)), np.zeros((2, 20, 20)), SCALE)
    with pytest.raises(ValueError, match="finite"):
        function(np.full((20, 20), np.nan), np.zeros((20, 20)), SCALE)


def test_spectrum_errors():
    with pytest.raises(ValueError, match="at least 4 pixels"):
        power_spectrum(np.zeros((3, 20)), SCALE)
    with pytest.raises(ValueError, match="scale must be one positive number"):
        power_spectrum(np.zeros((20, 20)), 0)


def test_band_power_is_what_the_ratio_divides(rng):
    truth = rng.normal(0, 30, (72, 96))
    sample = 1.5 * truth + rng.normal(0, 10, truth.shape)
    found = band_power(sample, 0.5, (8, 2)) / band_power(truth, 0.5, (8, 2))
    np.testing.assert_allclose(found, power_ratio(sample, truth, 0.5, (8, 2)), rtol=1e-12)
    assert band_power(truth, 0.5, 2)[0] == pytest.approx(30**2 * 0.5**2, rel=0.2)


@pytest.mark.parametrize("shape", [(16, 16), (17, 24)])
def test_ralsd_against_brute_force(shape, rng):
    pred, truth = rng.normal(40, 100, (2, *shape))
    ring, step = brute_force_rings(shape, SCALE)
    power = [np.abs(windowed_transform(field)[0]) ** 2 for field in (pred, truth)]
    rings = range(1, min(shape) // 2 + 1)
    decibels = [10 * math.log10(power[0][ring == i].mean() / power[1][ring == i].mean()) for i in rings]
    assert ralsd(pred, truth, SCALE) == pytest.approx(math.sqrt(np.mean(np.square(decibels))), rel=1e-9)
    # Of the rings with periods from 2 to 4.
    part = [value for i, value in zip(rings, decibels, strict=True) if 0.25 <= i * step <= 0.5]
    found = ralsd(pred, truth, SCALE, periods=(2, 4))
    assert found == pytest.approx(math.sqrt(np.mean(np.square(part))), rel=1e-9)


@pytest.mark.parametrize("factor", [0.1, -3.0, 1.0])
def test_ralsd_of_a_factor(factor, rng):
    truth = rng.normal(0, 100, (40, 50))
    expected = 20 * abs(math.log10(abs(factor)))
    assert ralsd(factor * truth + 70, truth, SCALE) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_ralsd_does_not_see_phases(rng):
    truth = rng.normal(0, 100, (40, 50))
    # The Hann window is the same on both sides.
    assert ralsd(truth[::-1], truth, SCALE) == pytest.approx(0, abs=1e-9)
    assert frc(truth[::-1], truth, SCALE)[1].mean() < 0.5


def test_ralsd_without_power(rng):
    truth = rng.normal(0, 100, (40, 40))
    assert ralsd(np.zeros((40, 40)), truth, SCALE) == math.inf
    assert ralsd(truth, np.zeros((40, 40)), SCALE) == math.inf
    assert math.isnan(ralsd(np.zeros((40, 40)), np.zeros((40, 40)), SCALE))
    with pytest.raises(ValueError, match="No ring"):
        ralsd(truth, truth, SCALE, periods=(8, 2))


@pytest.mark.parametrize("shape", [(16, 16), (17, 24)])
def test_ring_counts_against_brute_force(shape):
    frequency, count = ring_counts(shape, SCALE)
    ring, step = brute_force_rings(shape, SCALE)
    np.testing.assert_allclose(frequency, step * np.arange(1, min(shape) // 2 + 1))
    np.testing.assert_array_equal(count, [(ring == i).sum() for i in range(1, len(frequency) + 1)])


def test_half_bit():
    # Half a bit per pixel: log2(1 + SNR) = 1/2 with both halves of the data, in the limit of large rings.
    ratio = (2**0.5 - 1) / 2
    assert half_bit(1e12) == pytest.approx(ratio / (1 + ratio), abs=1e-4)
    assert half_bit(1) == pytest.approx(1)
    np.testing.assert_allclose(half_bit([4, 25]), [(0.2071 + 0.9551) / (1.2071 + 0.4551), 0.58914 / 1.38914], rtol=1e-6)
    with pytest.raises(ValueError, match="at least one pixel"):
        half_bit([4, 0])


def test_half_bit_is_what_resolution_uses(rng):
    truth = rng.normal(0, 100, (48, 48))
    pred = ndimage.gaussian_filter(truth, 1.5) + rng.normal(0, 15, truth.shape)
    frequency, correlation = frc(pred, truth, SCALE)
    below = np.flatnonzero(correlation < half_bit(ring_counts(truth.shape, SCALE)[1]))[0]
    assert 1 / frequency[below] <= resolution(pred, truth, SCALE, threshold="half-bit") <= 1 / frequency[below - 1]


def test_maps_bring_their_scale(mdi_map):
    import astropy.units as u

    field = np.asarray(mdi_map.data, dtype=float)
    for scale in (None, 1.986 * u.arcsec / u.pix):
        np.testing.assert_allclose(power_spectrum(mdi_map, scale), power_spectrum(field, 1.986), rtol=1e-6)
        assert resolution(mdi_map, mdi_map, scale) == pytest.approx(2 * 1.986, rel=1e-6)
    tesla = (field * u.G).to(u.T)
    assert ralsd(tesla, mdi_map, None) == pytest.approx(0, abs=1e-5)
    np.testing.assert_allclose(power_ratio(tesla, field * u.G, 2, 8), 1, rtol=1e-6)
