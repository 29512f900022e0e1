import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sunpy_superres.metrics import polarity_score, ssim

GAUSS = arrays(np.float64, (12, 16), elements=st.integers(-3000, 3000))


def similarity_by_loops(pred, truth, data_range):
    weight = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    weight = np.outer(weight, weight) / weight.sum() ** 2
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    values = []
    for y in range(5, truth.shape[0] - 5):
        for x in range(5, truth.shape[1] - 5):
            p, g = (field[y - 5 : y + 6, x - 5 : x + 6] for field in (pred, truth))
            if not np.isfinite(p + g).all():
                continue
            mp, mg = (weight * p).sum(), (weight * g).sum()
            vp, vg, both = ((weight * a * b).sum() for a, b in ((p - mp, p - mp), (g - mg, g - mg), (p - mp, g - mg)))
            values.append((2 * mp * mg + c1) * (2 * both + c2) / ((mp**2 + mg**2 + c1) * (vp + vg + c2)))
    return np.mean(values)


@pytest.mark.parametrize("data_range", [200, 6000])
def test_ssim_by_loops(data_range, rng):
    truth = rng.normal(0, 300, (20, 31))
    pred = 0.7 * truth + rng.normal(20, 100, truth.shape)
    assert ssim(pred, truth, data_range) == pytest.approx(similarity_by_loops(pred, truth, data_range), rel=1e-9)
    pred[3, 4], truth[12, 22] = np.nan, -np.inf
    assert ssim(pred, truth, data_range) == pytest.approx(similarity_by_loops(pred, truth, data_range), rel=1e-9)


def test_ssim_against_torchmetrics(rng):
    torch = pytest.importorskip("torch")
    image = pytest.importorskip("torchmetrics.functional.image")
    truth = rng.normal(0, 300, (40, 50))
    pred = 0.7 * truth + rng.normal(20, 100, truth.shape)
    x, y = (torch.from_numpy(field)[None, None] for field in (pred, truth))
    full = image.structural_similarity_index_measure(x, y, data_range=6000.0, return_full_image=True)[1]
    # Its own mean also has the windows that hang over the edge.
    assert ssim(pred, truth, 6000) == pytest.approx(float(full[0, 0, 5:-5, 5:-5].mean()), rel=1e-6)


def test_ssim_against_scikit_image(rng):
    metrics = pytest.importorskip("skimage.metrics")
    pred, truth = rng.normal(0, 300, (2, 40, 50)).astype(np.float32)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 6000.0}
    expected = metrics.structural_similarity(pred.astype(float), truth.astype(float), **options)
    assert ssim(pred, truth, 6000) == pytest.approx(expected, rel=1e-9)


def test_ssim_of_quiet_sun_says_nothing(rng):
    pred, truth = rng.normal(0, 10, (2, 64, 64))
    assert ssim(pred, truth, 6000) > 0.99
    assert ssim(pred, truth, 60) < 0.1


@given(pred=GAUSS, truth=GAUSS, scale=st.sampled_from([0.25, 2.0, 1024.0]))
def test_ssim_invariances(pred, truth, scale):
    value = ssim(pred, truth, 6000)
    assert -1 <= value <= 1 + 1e-12
    expected = pytest.approx(value, rel=1e-9, abs=1e-12)
    assert ssim(scale * pred, scale * truth, scale * 6000) == expected
    assert ssim(truth, pred, 6000) == expected
    for turn in (np.fliplr, np.flipud, np.transpose, np.rot90, np.negative):
        assert ssim(turn(pred), turn(truth), 6000) == expected
    assert ssim(np.pad(pred, 3, constant_values=np.nan), np.pad(truth, 3), 6000) == expected
    assert ssim(truth, truth, 6000) == pytest.approx(1)


@pytest.mark.parametrize("factor", [0.5, 1.2, -0.5, 0.0])
def test_polarity_score_of_a_multiple(factor, rng):
    truth = rng.choice([-500.0, 500.0], (8, 8)).repeat(4, 0).repeat(4, 1)
    assert polarity_score(factor * truth, truth) == pytest.approx((1 - factor) ** 2 / (1 + factor) ** 2)


def test_polarity_score_by_loops(rng):
    pred, truth = rng.normal(0, 900, (2, 14, 19))
    pred[2, 3] = np.nan
    for block, threshold, delta in ((4, 150, 0), (3, 300, 1e4), (1, 0, 0)):
        right = wrong = 0.0
        for y in range(0, 14 - block + 1, block):
            for x in range(0, 19 - block + 1, block):
                p, g = (field[y : y + block, x : x + block].mean() for field in (pred, truth))
                if abs(g) > threshold and np.isfinite(p):
                    right, wrong = right + (p - g) ** 2, wrong + (-p - g) ** 2
        value = polarity_score(pred, truth, threshold=threshold, block=block, delta=delta)
        assert value == pytest.approx(right / (wrong + delta), rel=1e-9)


@given(pred=GAUSS, truth=GAUSS, scale=st.sampled_from([0.25, 2.0, 1024.0]))
def test_polarity_score_invariances(pred, truth, scale):
    value = polarity_score(pred, truth)
    assert math.isnan(value) or value >= 0
    expected = pytest.approx(value, rel=1e-9, nan_ok=True)
    assert polarity_score(scale * pred, scale * truth, threshold=scale * 150) == expected
    for turn in (np.fliplr, np.flipud, np.transpose, np.rot90, np.negative):
        assert polarity_score(turn(pred), turn(truth)) == expected
    assert polarity_score(np.pad(pred, 4, constant_values=np.nan), np.pad(truth, 4, constant_values=999)) == expected
    if 0 < value < math.inf:
        assert polarity_score(-pred, truth) == pytest.approx(1 / value)


def test_polarity_score_at_its_ends():
    truth = np.full((4, 4), 500.0)
    assert polarity_score(truth, truth) == 0
    assert polarity_score(-truth, truth) == math.inf
    assert polarity_score(-truth, truth, delta=1.0) == 1e6
    assert math.isnan(polarity_score(truth, truth, threshold=500))


def test_errors():
    with pytest.raises(ValueError, match="data_range must be positive, got 0"):
        ssim(np.zeros((20, 20)), np.zeros((20, 20)), 0)
    with pytest.raises(ValueError, match="No window of 11 x 11 pixels"):
        ssim(np.zeros((10, 20)), np.zeros((10, 20)), 6000)
    with pytest.raises(ValueError, match="No window of 11 x 11 pixels"):
        ssim(np.zeros((11, 11)), np.where(np.eye(11), np.nan, 0), 6000)
    with pytest.raises(ValueError, match="2 dimensions"):
        ssim(np.zeros(20), np.zeros(20), 6000)
    with pytest.raises(ValueError, match="must be equal"):
        polarity_score(np.zeros((4, 4)), np.zeros((4, 5)))
    with pytest.raises(ValueError, match="must have 1 to 4 pixels a side"):
        polarity_score(np.zeros((4, 4)), np.zeros((4, 4)), block=5)
    with pytest.raises(ValueError, match="No block of 4 x 4 pixels is finite"):
        polarity_score(np.zeros((4, 4)), np.where(np.eye(4), np.nan, 0))
