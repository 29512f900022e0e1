"""
The terms of the published loss, each against what it is by hand.
"""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

pytest.importorskip("pytorch_lightning")

from sunpy_superres.training.losses import conversion_loss, sobel, soft_histogram

NONE = {"gradient": 0.0, "histogram": 0.0, "ssim": 0.0}


@pytest.fixture
def pair(rng):
    truth = rng.normal(0, 300, (2, 1, 24, 20))
    return torch.from_numpy(truth + rng.normal(0, 50, truth.shape)), torch.from_numpy(truth)


def test_sobel(rng):
    field = rng.normal(size=(1, 1, 9, 11))
    expected = [ndimage.sobel(field[0, 0], axis)[1:-1, 1:-1] / 8 for axis in (1, 0)]
    np.testing.assert_allclose(sobel(torch.from_numpy(field))[0], expected, atol=1e-12)


def test_slope_of_a_plane():
    y, x = torch.meshgrid(torch.arange(6.0), torch.arange(7.0), indexing="ij")
    gradient = sobel((3 * x - 2 * y)[None, None])
    assert gradient[:, 0].unique().tolist() == [3]
    assert gradient[:, 1].unique().tolist() == [-2]


def test_histogram_counts_every_pixel(rng):
    field = torch.from_numpy(rng.normal(0, 3000, (3, 1, 30, 30)))
    histogram = soft_histogram(field)
    half = math.ceil(math.asinh(5000 / 60) / 0.15)
    assert histogram.shape == (3, 2 * half + 1)
    torch.testing.assert_close(histogram.sum(dim=1), torch.ones(3, dtype=torch.float64))
    # The middle of a bin is counted there only; half way to the next, in both.
    field = 60 * torch.sinh(torch.tensor([0.0, 0.15, 0.225])).reshape(3, 1, 1, 1)
    histogram = soft_histogram(field)
    expected = np.zeros((3, 2 * half + 1))
    expected[0, half] = expected[1, half + 1] = 1
    expected[2, half + 1 : half + 3] = 0.5
    np.testing.assert_allclose(histogram, expected, atol=1e-5)


def test_histogram_can_be_differentiated(rng):
    field = torch.from_numpy(rng.normal(0, 300, (1, 1, 4, 4))).requires_grad_()
    weights = torch.from_numpy(rng.normal(size=soft_histogram(field).shape))
    assert torch.autograd.gradcheck(lambda x: (soft_histogram(x) * weights).sum(), field, eps=1e-4, atol=1e-6)


def test_terms(pair):
    found, truth = pair
    error = (found - truth).numpy() / 3500
    assert conversion_loss(found, truth, 3500, **NONE).item() == pytest.approx(np.mean(error**2))
    slope = sobel(torch.from_numpy(error)).square().sum(dim=1).mean().item()
    with_gradient = conversion_loss(found, truth, 3500, **(NONE | {"gradient": 5.0})).item()
    assert with_gradient == pytest.approx(np.mean(error**2) + 5 * slope)
    distance = 0.5 * (soft_histogram(found) - soft_histogram(truth)).abs().sum(dim=1).mean().item()
    assert 0 < distance < 1
    with_histogram = conversion_loss(found, truth, 3500, **(NONE | {"histogram": 0.1})).item()
    assert with_histogram == pytest.approx(np.mean(error**2) + 0.1 * distance)
    with_ssim = conversion_loss(found, truth, 300, **(NONE | {"ssim": 1.0})).item()
    assert 0 < with_ssim - np.mean((found - truth).numpy() ** 2) / 300**2 < 1


def test_a_perfect_result_costs_nothing(pair):
    _, truth = pair
    assert conversion_loss(truth, truth, 3500, gradient=5, histogram=1, ssim=1).item() == pytest.approx(0, abs=1e-6)
