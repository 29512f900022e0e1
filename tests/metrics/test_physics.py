import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

import astropy.units as u

from sunpy_superres.degradation import degrade, synthetic_magnetogram
from sunpy_superres.instruments import get_instrument
from sunpy_superres.maps import from_array
from sunpy_superres.metrics import (
    data_consistency,
    extreme_bias,
    extreme_error,
    gradient_error,
    gradient_mae,
    gradient_ratio,
    wasserstein,
)

GAUSS = arrays(np.float64, (6, 8), elements=st.integers(-3000, 3000))
# Each score divided by c for c times the fields.
SCORES = {
    "extreme_error": lambda p, g, c: extreme_error(p, g, 2) / c,
    "extreme_bias": lambda p, g, c: extreme_bias(p, g, 2) / c,
    "gradient_error": lambda p, g, c: gradient_error(p, g) / c,
    "gradient_ratio": lambda p, g, c: gradient_ratio(p, g),
    "gradient_mae": lambda p, g, c: gradient_mae(p, g) / c,
    "wasserstein": lambda p, g, c: wasserstein(p, g) / c,
}


@pytest.mark.parametrize("name", SCORES)
@given(pred=GAUSS, truth=GAUSS, scale=st.sampled_from([0.25, 2.0, 1024.0]))
def test_invariances(name, pred, truth, scale):
    score = SCORES[name]
    expected = pytest.approx(score(pred, truth, 1), rel=1e-9, abs=1e-9, nan_ok=True)
    assert score(scale * pred, scale * truth, scale) == expected
    for turn in (np.fliplr, np.flipud, np.transpose, np.rot90, np.negative):
        assert score(turn(pred), turn(truth), 1) == expected
    assert score(np.pad(pred, 2, constant_values=np.nan), np.pad(truth, 2, constant_values=7), 1) == expected


@given(GAUSS, GAUSS)
def test_bounds(pred, truth):
    # By the triangle inequality; the distributions are no further apart than the pixels.
    assert 0 <= gradient_mae(pred, truth) <= gradient_error(pred, truth) + 1e-9
    assert 0 <= wasserstein(pred, truth) <= np.abs(pred - truth).mean() + 1e-9
    assert wasserstein(pred, truth) >= abs(pred.mean() - truth.mean()) - 1e-9
    assert extreme_error(pred, truth, 2) >= abs(extreme_bias(pred, truth, 2)) - 1e-9


@pytest.mark.parametrize(("gy", "gx"), [(0, 3), (-4, 0), (3, 4)])
def test_gradient_error_of_a_ramp(gy, gx):
    y, x = np.mgrid[:9, :7]
    truth = 50.0 * np.sin(x + 2 * y)
    assert gradient_error(truth + gy * y + gx * x + 100, truth) == pytest.approx(np.hypot(gy, gx))


def test_gradient_error_against_scipy(rng):
    pred, truth = rng.normal(0, 100, (2, 20, 31)).astype(np.float32)
    error = pred.astype(float) - truth
    expected = np.hypot(ndimage.sobel(error, 0), ndimage.sobel(error, 1))[1:-1, 1:-1].mean() / 8
    assert gradient_error(pred, truth) == pytest.approx(expected)


def test_gradient_error_leaves_out_the_neighborhood_of_holes(rng):
    pred, truth = rng.normal(0, 100, (2, 12, 15))
    error = pred - truth
    size = np.hypot(ndimage.sobel(error, 0), ndimage.sobel(error, 1)) / 8
    holes = np.zeros(error.shape, dtype=bool)
    holes[4, 5] = holes[8, 10] = True
    keep = ~ndimage.binary_dilation(holes, np.ones((3, 3)))
    keep[[0, -1]] = keep[:, [0, -1]] = False
    pred[4, 5], truth[8, 10] = np.nan, np.inf
    assert gradient_error(pred, truth) == pytest.approx(size[keep].mean())


def test_gradient_error_errors():
    with pytest.raises(ValueError, match="must be equal"):
        gradient_error(np.zeros((4, 4)), np.zeros((4, 5)))
    with pytest.raises(ValueError, match="2 dimensions"):
        gradient_error(np.zeros(9), np.zeros(9))
    with pytest.raises(ValueError, match="neighborhood"):
        gradient_error(np.zeros((2, 9)), np.zeros((2, 9)))
    with pytest.raises(ValueError, match="neighborhood"):
        gradient_error(np.zeros((3, 3)), np.where(np.eye(3), np.nan, 0))


def test_extremes_by_hand(rng):
    truth, pred = rng.normal(0, 100, (2, 13, 22)).astype(np.float32)
    differences = []
    for y in (0, 4, 8):
        for x in (0, 4, 8, 12, 16):
            p, t = (field[y : y + 4, x : x + 4].astype(float) for field in (pred, truth))
            differences.append((p.max() - t.max(), p.min() - t.min()))
    high, low = np.transpose(differences)
    assert extreme_error(pred, truth, 4) == pytest.approx(np.mean([np.abs(high), np.abs(low)]))
    assert extreme_bias(pred, truth, 4) == pytest.approx(np.mean(high - low) / 2)
    # Blocks of one pixel have the largest and the smallest value in common.
    assert extreme_error(pred, truth, 1) == pytest.approx(np.abs(pred.astype(float) - truth).mean())
    assert extreme_bias(pred, truth, 1) == 0


@pytest.mark.parametrize("factor", [0.6, 1.5])
def test_extremes_of_a_field_that_is_too_weak_or_too_strong(factor):
    truth = np.kron([[1, 2], [3, 4]], [[100.0, -60.0], [20.0, 0.0]])
    expected = 2.5 * (factor - 1) * 80
    assert extreme_bias(factor * truth, truth, 2) == pytest.approx(expected)
    assert extreme_error(factor * truth, truth, 2) == pytest.approx(abs(expected))
    # An offset makes one polarity stronger and the other weaker.
    assert extreme_bias(truth + 7, truth, 2) == pytest.approx(0)
    assert extreme_error(truth + 7, truth, 2) == pytest.approx(7)


@pytest.mark.parametrize("score", [extreme_bias, extreme_error])
def test_extremes_do_not_depend_on_orientation_or_polarity(score, rng):
    pred, truth = rng.normal(0, 100, (2, 12, 18))
    expected = score(pred, truth, 6)
    for turn in (np.fliplr, np.flipud, np.transpose, np.negative):
        assert score(turn(pred), turn(truth), 6) == pytest.approx(expected)
    assert score(truth, truth, 6) == 0


@pytest.mark.parametrize("score", [extreme_bias, extreme_error])
def test_extremes_leave_out_blocks_with_holes(score, rng):
    pred, truth = rng.normal(0, 100, (2, 8, 16))
    expected = np.mean([score(pred[:4, 8:], truth[:4, 8:], 4), score(pred[4:, :8], truth[4:, :8], 4)])
    pred[0, 0], pred[3, 7], truth[5, 9], truth[7, 15] = np.nan, np.inf, np.nan, -np.inf
    assert score(pred, truth, 4) == pytest.approx(expected)
    with pytest.raises(ValueError, match="No block of 8 x 8 pixels is finite"):
        score(pred, truth, 8)


@pytest.mark.parametrize("score", [extreme_bias, extreme_error])
def test_extremes_errors(score):
    for block in (0, -2, 5):
        with pytest.raises(ValueError, match=rf"must have 1 to 4 pixels a side .* got {block}"):
            score(np.zeros((4, 6)), np.zeros((4, 6)), block)
    with pytest.raises(ValueError, match="must be equal"):
        score(np.zeros((4, 4)), np.zeros((4, 5)), 2)
    with pytest.raises(ValueError, match="2 dimensions"):
        score(np.zeros(9), np.zeros(9), 2)


def sobel_by_loops(field):
    size = np.full(field.shape, np.nan)
    for y in range(1, field.shape[0] - 1):
        for x in range(1, field.shape[1] - 1):
            f = field[y - 1 : y + 2, x - 1 : x + 2]
            if np.isfinite(f).all():
                gx = (f[:, 2] - f[:, 0]) @ [1, 2, 1]
                gy = (f[2] - f[0]) @ [1, 2, 1]
                size[y, x] = math.hypot(gx, gy) / 8
    return size


def test_gradients_by_loops(rng):
    pred, truth = rng.normal(0, 100, (2, 12, 15))
    pred[4, 5], truth[8, 10] = np.nan, np.inf
    known = np.isfinite(pred) & np.isfinite(truth)
    one, other = (sobel_by_loops(np.where(known, field, np.nan)) for field in (pred, truth))
    assert gradient_ratio(pred, truth) == pytest.approx(np.nansum(one) / np.nansum(other))
    assert gradient_mae(pred, truth) == pytest.approx(np.nanmean(np.abs(one - other)))
    error = sobel_by_loops(np.where(known, pred, np.nan) - np.where(known, truth, np.nan))
    assert gradient_error(pred, truth) == pytest.approx(np.nanmean(error))


def test_gradients_against_scikit_image(rng):
    filters = pytest.importorskip("skimage.filters")
    pred, truth = rng.normal(0, 100, (2, 20, 31))
    # Their kernels are divided by 4 instead of 8, and the size by the root of 2.
    one, other = (filters.sobel(field)[1:-1, 1:-1] / math.sqrt(2) for field in (pred, truth))
    assert gradient_ratio(pred, truth) == pytest.approx(one.sum() / other.sum())
    assert gradient_mae(pred, truth) == pytest.approx(np.abs(one - other).mean())


def test_gradients_of_multiples(rng):
    truth = rng.normal(0, 100, (9, 9))
    assert gradient_ratio(-0.6 * truth + 5, truth) == pytest.approx(0.6)
    assert gradient_mae(-truth, truth) == pytest.approx(0, abs=1e-12)
    assert math.isnan(gradient_ratio(truth, np.ones((9, 9))))


def test_wasserstein_by_sorting(rng):
    pred, truth = rng.normal(0, 100, (2, 20, 30))
    expected = np.abs(np.sort(pred, axis=None) - np.sort(truth, axis=None)).mean()
    assert wasserstein(pred, truth) == pytest.approx(expected)
    assert wasserstein(pred + 7, pred) == pytest.approx(7)
    assert wasserstein(np.flipud(truth), truth) == 0
    pred[0] = np.nan
    expected = np.abs(np.sort(pred[1:], axis=None) - np.sort(truth[1:], axis=None)).mean()
    assert wasserstein(pred, truth) == pytest.approx(expected)


@pytest.mark.parametrize(("instrument", "factor"), [("mdi", 4), ("gong", 4), ("mdi", 2)])
def test_data_consistency_against_scipy(instrument, factor, rng):
    known = get_instrument(instrument)
    pred = rng.normal(0, 300, (80, 96))
    seen = rng.normal(0, 100, (80 // factor, 96 // factor))
    sigma = known.psf_fwhm / 0.5 / math.sqrt(8 * math.log(2))
    blurred = ndimage.gaussian_filter(pred, sigma, mode="mirror", radius=math.ceil(4 * sigma)) / known.to_hmi
    binned = blurred.reshape(*seen.shape[:1], factor, seen.shape[1], factor).mean(axis=(1, 3))
    rms = math.sqrt(np.mean((binned - seen) ** 2))
    result = data_consistency(pred, seen, instrument, scale=0.5)
    # The operator is of float32.
    assert result.rms == pytest.approx(rms, rel=1e-5)
    assert result.relative == pytest.approx(rms / math.sqrt(np.mean(seen**2)), rel=1e-5)


def test_data_consistency_of_the_truth_is_the_noise():
    truth = synthetic_magnetogram((128, 128), seed=3)
    assert data_consistency(truth, degrade(truth, noise=False)) == pytest.approx((0, 0), abs=1e-6)
    assert data_consistency(truth, degrade(truth, seed=0)).rms == pytest.approx(get_instrument("mdi").noise, rel=0.1)
    flat = data_consistency(np.full((16, 16), 70.1), np.full((4, 4), 80.0))
    assert flat == pytest.approx((20, 0.25), rel=1e-5)
    assert math.isnan(data_consistency(np.zeros((16, 16)), np.zeros((4, 4))).relative)


def test_data_consistency_leaves_out_what_is_not_known(rng):
    truth = synthetic_magnetogram((128, 128), seed=3)
    seen = degrade(truth, seed=0)
    holes = truth.copy()
    holes[40:44, 60:64] = np.nan
    # Around the hole the blur mixes it in, so that the noise must stay what it is.
    assert data_consistency(holes, seen).rms == pytest.approx(data_consistency(truth, seen).rms, rel=0.02)
    seen[:3] = np.nan
    assert np.isfinite(data_consistency(truth, seen).rms)
    seen[:] = np.nan
    with pytest.raises(ValueError, match="No pixel that was seen is finite"):
        data_consistency(truth, seen)


def test_data_consistency_of_maps():
    truth = synthetic_magnetogram((64, 64), seed=3)
    seen = degrade(truth, seed=0, scale=0.5)
    expected = data_consistency(truth, seen, scale=0.5)
    fine = from_array(truth, scale=0.5, instrument="hmi", center=(100, 50))
    coarse = from_array(seen, scale=2, center=(100, 50))
    assert data_consistency(fine, coarse) == pytest.approx(expected)
    assert data_consistency((truth * u.G).to(u.T), coarse, scale=0.5) == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="1 pixels apart"):
        data_consistency(fine, from_array(seen, scale=2, center=(102, 50)))


def test_new_errors():
    for score in (gradient_ratio, gradient_mae):
        with pytest.raises(ValueError, match="must be equal"):
            score(np.zeros((4, 4)), np.zeros((4, 5)))
        with pytest.raises(ValueError, match="2 dimensions"):
            score(np.zeros(9), np.zeros(9))
        with pytest.raises(ValueError, match="neighborhood"):
            score(np.zeros((3, 3)), np.where(np.eye(3), np.nan, 0))
    with pytest.raises(ValueError, match="No pixel is finite in both"):
        wasserstein([np.nan, 1], [1, np.nan])
    for shape in ((16, 12), (17, 16), (2, 2), (16,)):
        with pytest.raises(ValueError, match="no multiple of that seen"):
            data_consistency(np.zeros(shape), np.zeros((4, 4)))
    with pytest.raises(ValueError, match="no multiple of that seen"):
        data_consistency(np.zeros(16), np.zeros(4))
    with pytest.raises(ValueError, match="does not convert to 'G'"):
        data_consistency(np.zeros((16, 16)) * u.K, np.zeros((4, 4)))
