import numpy as np
import pytest
from scipy import ndimage

from sunpy_superres.metrics import extreme_bias, extreme_error, gradient_error, unsigned_flux


def test_unsigned_flux():
    field = np.array([[1.0, -2.0], [np.nan, 4.0]], dtype=">f4")
    assert unsigned_flux(field) == 7.0
    assert unsigned_flux(field, pixel_area=1e15) == 7e15
    # Areas of pixels that do not count may be anything.
    assert unsigned_flux(field, pixel_area=[[1, 10], [np.nan, 100]]) == 421.0


def test_unsigned_flux_scales_with_resolution(rng):
    coarse = rng.normal(0, 100, (6, 7))
    fine = np.kron(coarse, np.ones((4, 4)))
    assert unsigned_flux(fine, pixel_area=1 / 16) == pytest.approx(unsigned_flux(coarse))


def test_unsigned_flux_of_nothing():
    with pytest.raises(ValueError, match="No pixel"):
        unsigned_flux(np.full((2, 2), np.nan))


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
