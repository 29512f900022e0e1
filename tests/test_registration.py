import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from sunpy_superres.registration import estimate_shift, shift


def scene(dy=0.0, dx=0.0, shape=(80, 90)):
    """
    A smooth scene known everywhere, its content moved by (dy, dx).
    """
    rng = np.random.default_rng(1)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    y, x = y - dy, x - dx
    field = np.zeros(shape)
    for cy, cx, width, peak in zip(*(rng.uniform(0, 90, (2, 60))), rng.uniform(2, 6, 60), rng.normal(0, 500, 60)):
        field += peak * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * width**2))
    return field


@pytest.mark.parametrize("offset", [(0.5, 0), (-1.5, 2.0), (0.25, -3.75)])
def test_shift_moves_the_content(offset):
    moved = shift(scene(), offset)
    inner = np.s_[8:-8, 8:-8]
    np.testing.assert_allclose(moved[inner], scene(*offset)[inner], atol=1)


def test_whole_pixels_are_not_interpolated(rng):
    image = rng.normal(0, 100, (6, 7)).astype(np.float32)
    moved = shift(image, (2, -3))
    assert moved.dtype == np.float32
    np.testing.assert_array_equal(moved[2:, :-3], image[:-2, 3:])
    assert np.isnan(moved[:2]).all()
    assert np.isnan(moved[:, -3:]).all()
    np.testing.assert_array_equal(shift(image, (0, 0)), image)
    assert np.isnan(shift(image, (6, 0))).all()
    assert np.isnan(shift(image, (0, -100))).all()


def test_shift_marks_what_it_does_not_know(rng):
    image = rng.normal(0, 100, (12, 12))
    image[6, 6] = np.nan
    moved = shift(image, (0.5, -0.5))
    holes = np.isnan(moved)
    expected = np.zeros((12, 12), dtype=bool)
    # The source of a pixel lies half a pixel up and to the right of it.
    expected[0], expected[:, -1] = True, True
    expected[6:8, 5:7] = True
    np.testing.assert_array_equal(holes, expected)


def test_a_hole_does_not_ring():
    image = np.full((20, 20), 1000.0)
    image[:, 10:] = np.nan
    moved = shift(image, (0, 0.5))
    np.testing.assert_allclose(moved[:, 1:9], 1000)
    assert np.isnan(moved[:, 11:]).all()
    assert np.isnan(shift(np.full((8, 8), np.nan), (0.5, 0.5))).all()


@pytest.mark.parametrize("dtype", [">f4", "<i2", ">f8"])
def test_shift_of_any_dtype(dtype):
    image = np.arange(64).reshape(8, 8).astype(dtype)
    moved = shift(image, (0.5, 1))
    assert moved.dtype == (np.float32 if dtype == ">f4" else np.float64)
    assert moved.dtype.isnative


def test_input_is_not_changed():
    image = scene()
    image[3, 3] = np.nan
    image.flags.writeable = False
    shift(image, (0.5, 0.5))
    estimate_shift(image, image)


@settings(max_examples=15)
@given(st.integers(-16, 16), st.integers(-16, 16))
def test_finds_half_pixel_shifts(twice_dy, twice_dx):
    dy, dx = twice_dy / 2, twice_dx / 2
    assert estimate_shift(scene(dy, dx), scene()) == (dy, dx)


def test_result_brings_the_image_onto_the_reference():
    reference, image = scene(1.5, -2.5), scene(-1.0, 0.5)
    found = estimate_shift(reference, image)
    assert found == (2.5, -3.0)
    np.testing.assert_allclose(shift(image, found)[8:-8, 8:-8], reference[8:-8, 8:-8], atol=1)


@pytest.mark.parametrize(("precision", "tolerance"), [(1, 0.5), (0.5, 0.25), (0.1, 0.05), (0.3, 0.15), (0.01, 0.01)])
def test_precision(precision, tolerance):
    dy, dx = estimate_shift(scene(1.37, -2.82), scene(), precision=precision)
    assert abs(dy - 1.37) <= tolerance + 1e-9
    assert abs(dx + 2.82) <= tolerance + 1e-9
    assert dy / precision == pytest.approx(round(dy / precision))


def test_gain_offset_noise_and_blur_do_not_matter(rng):
    image = ndimage.gaussian_filter(0.7 * scene() + 30, 2) + rng.normal(0, 20, (80, 90))
    reference = scene(2.0, 0.5) + rng.normal(0, 20, (80, 90))
    assert estimate_shift(reference, image) == (2.0, 0.5)


def test_holes_are_left_out():
    reference, image = scene(3.0, -1.5), scene()
    reference[:20] = np.nan
    image[50:60, 30:70] = np.inf
    assert estimate_shift(reference, image) == (3.0, -1.5)


def test_max_shift_is_a_limit():
    dy, dx = estimate_shift(scene(6, 0), scene(), max_shift=2)
    assert max(abs(dy), abs(dx)) <= 2
    assert estimate_shift(scene(6, 0), scene(), max_shift=0) == (0, 0)
    assert estimate_shift(scene(0.5, 0), scene(), max_shift=0.5) == (0.5, 0)


def test_against_every_shift_on_the_grid():
    reference, image = scene(0.8, -1.3), scene()
    grid = np.arange(-3, 3.5, 0.5)
    inner = np.s_[4:-4, 4:-4]

    def correlation(offset):
        return np.corrcoef(reference[inner].ravel(), shift(image, offset)[inner].ravel())[0, 1]

    best = max(((dy, dx) for dy in grid for dx in grid), key=correlation)
    assert estimate_shift(reference, image, max_shift=3) == best


def test_errors():
    with pytest.raises(ValueError, match="must be equal"):
        estimate_shift(np.zeros((40, 40)), np.zeros((40, 41)))
    with pytest.raises(ValueError, match="two dimensions"):
        estimate_shift(np.zeros(40), np.zeros(40))
    with pytest.raises(ValueError, match="precision"):
        estimate_shift(scene(), scene(), precision=0)
    with pytest.raises(ValueError, match="max_shift"):
        estimate_shift(scene(), scene(), max_shift=40)
    with pytest.raises(ValueError, match="max_shift"):
        estimate_shift(scene(), scene(), max_shift=-1)
    with pytest.raises(ValueError, match="Nothing to correlate"):
        estimate_shift(scene(), np.ones((80, 90)))
    with pytest.raises(ValueError, match="Nothing to correlate"):
        estimate_shift(scene(), np.full((80, 90), np.nan))
    with pytest.raises(ValueError, match="two dimensions"):
        shift(np.zeros(4), (0, 0))
    for offset in ((1,), (0, np.nan), (1, 2, 3)):
        with pytest.raises(ValueError, match="two finite numbers"):
            shift(np.zeros((4, 4)), offset)
