import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sunpy_superres.metrics import bias, mae, pcc, psnr, rmse, slope

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


def test_errors():
    with pytest.raises(ValueError, match="must be equal"):
        rmse(np.zeros((2, 3)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="No pixel"):
        mae([np.nan, 1.0], [1.0, np.nan])
    with pytest.raises(ValueError, match="No pixel"):
        bias([], [])
    with pytest.raises(ValueError, match="data_range"):
        psnr([1.0], [2.0], data_range=0)
