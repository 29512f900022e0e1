import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import astropy.units as u

from sunpy_superres.maps import from_array
from sunpy_superres.metrics import (
    ValidCount,
    bias,
    fraction_within,
    mae,
    pcc,
    pcc_by,
    psnr,
    rmse,
    slope,
    valid_count,
)

FIELDS = arrays(np.float64, (3, 4), elements=st.floats(-3000, 3000, allow_nan=False))


def test_closed_forms():
    truth = np.array([[0.0, 10.0], [20.0, 30.0]])
    pred = truth + np.array([[3.0, -3.0], [5.0, -1.0]])
    assert rmse(pred, truth) == pytest.approx(math.sqrt(44 / 4))
    assert mae(pred, truth) == 3.0
    assert bias(pred, truth) == 1.0
    assert psnr(pred, truth, data_range=6000) == pytest.approx(20 * math.log10(6000 / math.sqrt(11)))


def test_perfect_prediction(rng):
    truth = rng.normal(0, 300, (8, 9))
    assert rmse(truth, truth) == mae(truth, truth) == bias(truth, truth) == 0
    assert pcc(truth, truth) == pytest.approx(1)
    assert slope(truth, truth) == pytest.approx(1)
    assert psnr(truth, truth, data_range=6000) == math.inf


@given(FIELDS, FIELDS)
def test_bias_mae_rmse_are_ordered(pred, truth):
    assert abs(bias(pred, truth)) <= mae(pred, truth) + 1e-9
    assert mae(pred, truth) <= rmse(pred, truth) + 1e-9


def test_correlation_and_slope_against_numpy(rng):
    truth = rng.normal(0, 300, (40, 50))
    pred = 0.8 * truth + rng.normal(5, 50, truth.shape)
    assert pcc(pred, truth) == pytest.approx(np.corrcoef(pred.ravel(), truth.ravel())[0, 1])
    assert slope(pred, truth) == pytest.approx(np.polyfit(truth.ravel(), pred.ravel(), 1)[0])
    assert pcc(-3 * pred + 100, truth) == pytest.approx(-pcc(pred, truth))


def test_constant_images_have_no_correlation():
    flat, ramp = np.full((2, 3), 7.0), np.arange(6.0).reshape(2, 3)
    assert math.isnan(pcc(flat, ramp))
    assert math.isnan(pcc(ramp, flat))
    assert math.isnan(slope(ramp, flat))
    assert slope(flat, ramp) == 0


@pytest.mark.parametrize("score", [rmse, mae, bias, pcc, slope, lambda p, g: psnr(p, g, 6000)])
@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_only_pixels_finite_in_both_count(score, hole, rng):
    truth, pred = rng.normal(0, 300, (2, 6, 7))
    expected = score(pred[2:, 1:], truth[2:, 1:])
    pred[:2], truth[:, 0] = hole, hole
    assert score(pred, truth) == pytest.approx(expected)


@pytest.mark.parametrize("dtype", ["<f4", ">f4", ">f8", "<i2"])
def test_any_dtype(dtype, rng):
    truth = rng.integers(-3000, 3000, (5, 5)).astype(dtype)
    pred = rng.integers(-3000, 3000, (5, 5)).astype(dtype)
    difference = pred.astype(float) - truth.astype(float)
    result = rmse(pred, truth)
    assert type(result) is float
    assert result == pytest.approx(math.sqrt((difference**2).mean()))


def test_float32_is_summed_in_float64():
    # 1e8 + 1 is 1e8 in float32.
    truth = np.zeros(2**16, dtype=np.float32)
    assert bias(np.full_like(truth, 0.1), truth) == pytest.approx(np.float32(0.1), rel=1e-12)


def test_input_is_not_changed(rng):
    truth, pred = rng.normal(size=(2, 4, 4))
    copies = truth.copy(), pred.copy()
    for array in (truth, pred):
        array.flags.writeable = False
    pcc(pred, truth)
    slope(pred, truth)
    np.testing.assert_array_equal((truth, pred), copies)


# What a score becomes when both fields are multiplied by c, which options scale with them.
SCORES = {
    "rmse": (lambda p, g, c: rmse(p, g) / c, 1),
    "mae": (lambda p, g, c: mae(p, g) / c, 1),
    "bias": (lambda p, g, c: bias(p, g) / c, -1),
    "pcc": (lambda p, g, c: pcc(p, g), 1),
    "slope": (lambda p, g, c: slope(p, g), 1),
    "psnr": (lambda p, g, c: psnr(p, g, 6000 * c), 1),
    "fraction_within": (lambda p, g, c: fraction_within(p, g, 300 * c, threshold=100 * c), 1),
}
GAUSS = arrays(np.float64, (4, 6), elements=st.integers(-3000, 3000))


@pytest.mark.parametrize("name", SCORES)
@given(pred=GAUSS, truth=GAUSS, scale=st.sampled_from([0.25, 2.0, 1024.0]))
def test_invariances(name, pred, truth, scale):
    score, parity = SCORES[name]
    expected = pytest.approx(score(pred, truth, 1), rel=1e-9, abs=1e-12, nan_ok=True)
    assert score(scale * pred, scale * truth, scale) == expected
    for turn in (np.fliplr, np.flipud, np.transpose, np.rot90, np.ravel):
        assert score(turn(pred), turn(truth), 1) == expected
    assert parity * score(-pred, -truth, 1) == expected
    # Masking is cropping away.
    padded = np.pad(pred, 2, constant_values=np.nan), np.pad(truth, 2, constant_values=7)
    assert score(*padded, 1) == expected


@given(GAUSS, GAUSS)
def test_bounds(pred, truth):
    for correlation in (pcc(pred, truth), *pcc_by(pred, truth, np.abs(truth), [0, 600, 3000])[0]):
        assert math.isnan(correlation) or abs(correlation) <= 1 + 1e-12
    assert 0 <= fraction_within(pred, truth, 300) <= 1
    assert fraction_within(pred, truth, 100) <= fraction_within(pred, truth, 300)


def test_against_torchmetrics(rng):
    torch = pytest.importorskip("torch")
    regression = pytest.importorskip("torchmetrics.functional.regression")
    from torchmetrics.functional.image import peak_signal_noise_ratio

    truth = rng.normal(0, 300, (40, 50))
    pred = 0.8 * truth + rng.normal(5, 50, truth.shape)
    x, y = torch.from_numpy(pred).ravel(), torch.from_numpy(truth).ravel()
    assert rmse(pred, truth) == pytest.approx(float(regression.mean_squared_error(x, y, squared=False)))
    assert mae(pred, truth) == pytest.approx(float(regression.mean_absolute_error(x, y)))
    assert pcc(pred, truth) == pytest.approx(float(regression.pearson_corrcoef(x, y)))
    peak = peak_signal_noise_ratio(x, y, data_range=6000.0)
    assert psnr(pred, truth, 6000) == pytest.approx(float(peak), rel=1e-6)


def test_fraction_within(rng):
    pred, truth = rng.normal(0, 800, (2, 30, 40))
    close = strong = both = 0
    for p, t in zip(pred.ravel(), truth.ravel(), strict=True):
        close += abs(p - t) < 300
        strong += abs(t) > 1000
        both += abs(p - t) < 300 and abs(t) > 1000
    assert fraction_within(pred, truth, 300) == pytest.approx(close / truth.size)
    assert fraction_within(pred, truth, 300, threshold=1000) == pytest.approx(both / strong)
    # Neither the tolerance nor the threshold is inside.
    assert fraction_within([300.0], [0.0], 300) == 0
    assert math.isnan(fraction_within([0.0], [1000.0], 300, threshold=1000))


def test_pcc_by(rng):
    truth = rng.normal(0, 300, (30, 40))
    pred = truth + rng.normal(0, 100, truth.shape)
    radius = np.hypot(*np.indices(truth.shape)) / 50
    pred[3, 4] = radius[5, 6] = np.nan
    edges = [0, 0.21, 0.51, 0.91]
    correlation, count = pcc_by(pred, truth, radius, edges)
    for i, (low, high) in enumerate(pairwise(edges)):
        inside = np.isfinite(pred) & (radius >= low) & (radius < high)
        assert count[i] == inside.sum()
        assert correlation[i] == pytest.approx(np.corrcoef(pred[inside], truth[inside])[0, 1])
    np.testing.assert_array_equal(count, np.histogram(radius[np.isfinite(pred + radius)], edges)[0])


def test_pcc_by_bins(rng):
    pred, truth = rng.normal(0, 300, (2, 200))
    by = np.repeat(np.arange(5.0), 40)
    # One bin of everything is everything.
    correlation, count = pcc_by(pred, truth, by, [-np.inf, np.inf])
    assert (correlation[0], count[0]) == (pytest.approx(pcc(pred, truth)), 200)
    # The last upper edge is inside, the others are not; bins may overlap.
    assert pcc_by(pred, truth, by, [0, 1, 4])[1].tolist() == [40, 160]
    overlapping = pcc_by(pred, truth, by, [(0, 4), (0, 1), (1, np.inf)])
    assert overlapping[1].tolist() == [200, 80, 160]
    assert overlapping[0][1] == pytest.approx(pcc(pred[:80], truth[:80]))
    # A bin with no pixel, with one, and with constant ones.
    correlation, count = pcc_by([1.0, 2.0, 2.0], [1.0, 3.0, 4.0], [0, 1, 1], [-1, 0, 0.5, 2])
    assert count.tolist() == [0, 1, 2]
    assert np.isnan(correlation).all()


def test_pcc_by_units(rng):
    pred, truth = rng.normal(0, 300, (2, 100))
    by = np.abs(truth) * u.G
    expected = pcc_by(pred, truth, np.abs(truth), [0, 100, 1000])
    for edges in ([0, 100, 1000], [0, 100, 1000] * u.G, [0, 0.01, 0.1] * u.T):
        np.testing.assert_allclose(pcc_by(pred, truth, by, edges), expected)
    with pytest.raises(ValueError, match="does not convert"):
        pcc_by(pred, truth, by, [0, 1] * u.m)


def test_pcc_by_pairs_with_units(rng):
    pred, truth = rng.normal(0, 300, (2, 100))
    expected = pcc_by(pred, truth, np.abs(truth), [(0, 100), (50, np.inf)])
    for edges in ([(0 * u.G, 100 * u.G), (50 * u.G, np.inf)], [[0, 0.01], [0.005, np.inf]] * u.T):
        for by in (np.abs(truth) * u.G, np.abs(truth)):
            np.testing.assert_allclose(pcc_by(pred, truth, by, edges), expected)
    with pytest.raises(ValueError, match=r"unit of edges is 'deg', .* a field without a unit"):
        pcc_by(pred, truth, np.abs(truth), [0, 1] * u.deg)


def test_pcc_by_a_map(rng):
    pred, truth = rng.normal(0, 300, (2, 12, 16))

    def hmi(data, **options):
        return from_array(data, scale=0.5, instrument="hmi", **options)

    expected = pcc_by(pred, truth, truth, [-1000, 0, 1000])
    for one, other in ((pred, hmi(truth)), (hmi(pred), truth), (hmi(pred), hmi(truth)), (pred, truth)):
        np.testing.assert_allclose(pcc_by(one, other, hmi(truth), [-1000, 0, 1000]), expected, rtol=1e-4)
        found = pcc_by(one, other, hmi(truth), [-0.1, 0, 0.1] * u.T)
        np.testing.assert_allclose(found, expected, rtol=1e-4)
        if not (one is pred and other is truth):
            with pytest.raises(ValueError, match="corners of the quantity to bin by and of the truth are up to"):
                pcc_by(one, other, hmi(truth, center=(3, 0)), [-1000, 0, 1000])


@pytest.mark.parametrize("edges", [[1], [1, 1], [2, 1], [0, np.nan], [[2, 1]], [[1, 2, 3]], 5, np.zeros((0, 2))])
def test_pcc_by_edges(edges):
    with pytest.raises(ValueError, match="edges must be two or more increasing numbers"):
        pcc_by([1.0, 2.0], [1.0, 2.0], [1.0, 2.0], edges)


def test_valid_count():
    pred, truth = np.zeros((2, 4, 5))
    pred[0], truth[:, 0] = np.nan, np.inf
    assert valid_count(pred, truth) == (12, 8)
    assert valid_count(pred, truth) == ValidCount(used=12, ignored=8)
    assert valid_count(pred, np.full((4, 5), np.nan)) == (0, 20)


def test_errors():
    with pytest.raises(ValueError, match="must be equal"):
        rmse(np.zeros((2, 3)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="No pixel"):
        mae([np.nan, 1.0], [1.0, np.nan])
    with pytest.raises(ValueError, match="No pixel"):
        bias([], [])
    with pytest.raises(ValueError, match="data_range"):
        psnr([1.0], [2.0], data_range=0)
    with pytest.raises(ValueError, match="tolerance must be positive, got -1"):
        fraction_within([1.0], [2.0], -1)
    with pytest.raises(ValueError, match=r"bin by has shape \(3,\) and the truth \(2,\)"):
        pcc_by([1.0, 2.0], [1.0, 2.0], [1.0, 2.0, 3.0], [0, 1])
    with pytest.raises(ValueError, match="and the quantity to bin by"):
        pcc_by([1.0, np.nan], [1.0, 2.0], [np.nan, 1.0], [0, 1])
    with pytest.raises(ValueError, match="must be equal"):
        valid_count(np.zeros(2), np.zeros(3))
