"""
The forward operator against an independent one, and the synthetic magnetogram.
"""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.ndimage import shift as spline_shift

from sunpy_superres.degradation import blur_and_bin, degrade, diffraction, sharpening_kernel, synthetic_magnetogram
from sunpy_superres.instruments import HMI_SCALE, get_instrument


def _blocks(image):
    ny, nx = image.shape
    return image.reshape(ny // 4, 4, nx // 4, 4).mean(axis=(1, 3))


def test_operator_agrees_with_scipy():
    truth = synthetic_magnetogram((96, 128), seed=3)
    sigma = 3.32 / HMI_SCALE / np.sqrt(8 * np.log(2))
    expected = _blocks(gaussian_filter(truth.astype(float), sigma, mode="mirror", truncate=6)) / 0.701
    noise = np.random.default_rng(5).normal(0.0, 23.0, expected.shape)
    np.testing.assert_allclose(degrade(truth, seed=5), expected + noise, atol=0.3)


def test_displacement_moves_the_image_the_way_it_says():
    smooth = gaussian_filter(np.random.default_rng(0).normal(size=(64, 64)), 4)
    moved = spline_shift(smooth, (0.4, -0.3), mode="mirror")
    field = torch.from_numpy(smooth)[None, None].float()
    found = blur_and_bin(field, torch.zeros(1, 2), torch.tensor([[0.4, -0.3]]), 1)[0, 0].numpy()
    inner = (slice(8, -8),) * 2
    # What is left is the half pixel of blur that interpolates; the other way round it would be twice the step.
    assert np.abs(found - moved)[inner].max() < 0.2 * np.abs(found - smooth)[inner].max()


def test_without_blur_it_is_the_block_mean(rng):
    field = rng.normal(size=(16, 24)).astype(np.float32)
    found = blur_and_bin(torch.from_numpy(field)[None, None], torch.zeros(1, 2), torch.zeros(1, 2), 4)
    np.testing.assert_allclose(found[0, 0], _blocks(field), atol=1e-6)


def test_each_field_has_its_own_blur(rng):
    fields = torch.from_numpy(rng.normal(size=(2, 1, 32, 32))).float()
    fwhm, offset = torch.tensor([[3.0, 5.0], [8.0, 2.0]]), torch.tensor([[0.0, 0.2], [-0.4, 0.0]])
    together = blur_and_bin(fields, fwhm, offset, 4)
    # The kernel's length is that of the widest, so that alone a field is cut a little closer.
    for i in range(2):
        alone = blur_and_bin(fields[i : i + 1], fwhm[i : i + 1], offset[i : i + 1], 4)
        np.testing.assert_allclose(together[i : i + 1], alone, atol=2e-3)


def test_noise_and_seed():
    zero = np.zeros((400, 400))
    seen = degrade(zero, seed=1)
    assert seen.dtype == np.float32
    assert abs(seen.std() / get_instrument("mdi").noise - 1) < 0.03
    np.testing.assert_array_equal(seen, degrade(zero, seed=1))
    assert (seen != degrade(zero, seed=2)).any()


def test_missing_pixels_stay_missing():
    truth = np.full((16, 16), 100.0)
    truth[1, 5] = np.nan
    expected = np.zeros((4, 4), dtype=bool)
    expected[0, 1] = True
    np.testing.assert_array_equal(np.isnan(degrade(truth, seed=0)), expected)


@pytest.mark.parametrize("shape", [(15, 16), (16,), (0, 4), (4, 4, 4)])
def test_wrong_shape(shape):
    with pytest.raises(ValueError, match="multiple of 4"):
        degrade(np.zeros(shape))


def test_unknown_instrument():
    with pytest.raises(ValueError, match="known are gong, hmi, hmi-continuum, mdi"):
        degrade(np.zeros((4, 4)), instrument="kpvt")


def test_synthetic_magnetogram_looks_like_one():
    field = synthetic_magnetogram((256, 384), seed=4)
    np.testing.assert_array_equal(field, synthetic_magnetogram((256, 384), seed=4))
    assert field.shape == (256, 384)
    # Quiet almost everywhere, kilogauss in places, both polarities.
    assert np.median(np.abs(field)) < 30
    assert field.max() > 900
    assert field.min() < -900


def test_sharpening_kernel_leads_from_one_telescope_to_the_other():
    """
    The diffraction of 28 cm, blurred by the kernel, is the point-spread function of HMI in the paper.
    """
    pixel, n = HMI_SCALE / 2, 129
    place = (np.arange(n) - n // 2) * pixel
    r = np.hypot(*np.meshgrid(place, place)) / 0.2895  # one unit of the paper in arcsec
    hmi = 0.9 * np.exp(-((r / 2.0) ** 2)) + 0.1 / (1 + (r / 3.4) ** 3)
    cutoff = 0.28 / 6173e-10 * np.pi / 180 / 3600
    frequency = np.fft.fftfreq(n, pixel)
    airy = np.fft.ifft2(diffraction(np.hypot(*np.meshgrid(frequency, frequency)), cutoff)).real
    kernel = np.zeros((n, n))
    wide = sharpening_kernel(60)
    kernel[4:-4, 4:-4] = wide
    found = np.fft.fftshift(np.fft.ifft2(np.fft.fft2(np.fft.ifftshift(kernel)) * np.fft.fft2(airy)).real)
    middle = (slice(n // 2 - 20, n // 2 + 21),) * 2
    np.testing.assert_allclose(found[middle] / found.max(), hmi[middle], atol=3e-3)


def test_sharpening_kernel_is_a_blur():
    kernel = sharpening_kernel()
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert kernel.min() >= 0
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-7)
    with pytest.raises(ValueError, match="read-only"):
        kernel[0, 0] = 1


def test_diffraction():
    np.testing.assert_allclose(diffraction(np.array([0.0, 0.5, 1.0, 2.0]), 1.0), [1, 0.391, 0, 0], atol=1e-3)
