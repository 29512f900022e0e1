import numpy as np
import pytest
from scipy import ndimage

from sunpy_superres.metrics import gradient_error, unsigned_flux


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
