"""
From display values to DN/s.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from suns import aia_header, draw_sun

from sunpy.map import Map

from sunpy_superres.training.images import ImageRecord, write_images
from sunpy_superres.training.transfer import fit_transfer
from sunpy_superres.transfer import DN_RANGE, display_to_rates, image_to_rates, rates_to_image, read_curve


@given(arrays(float, 20, elements=st.floats(0, 1)))
def test_brighter_is_brighter(image):
    rates, uncertainty = display_to_rates(np.sort(image))
    assert (np.diff(rates) >= 0).all()
    assert (rates > 0).all()
    assert (uncertainty > 0).all()
    assert rates.dtype == uncertainty.dtype == np.float32


def test_the_curve_is_that_of_the_detector():
    curve = read_curve()
    assert curve["display"][0] == 0
    assert curve["display"][-1] == 255
    # The archive cuts off at 6000 DN of five seconds.
    assert display_to_rates(1.0).rates == pytest.approx(1200, rel=0.1)
    # The quiet disk has about 150 DN/s, and it is known to some 20 %.
    rate, uncertainty = display_to_rates(90 / 255)
    assert 130 < rate < 180
    assert 0.1 < uncertainty / rate < 0.3


@given(st.floats(*DN_RANGE))
def test_logarithmic_scaling_and_back(rate):
    image = rates_to_image(rate)
    assert -1e-9 < image < 1 + 1e-9
    assert image_to_rates(image).rates == pytest.approx(rate, rel=1e-5)


def test_what_is_beyond_the_range_is_cut():
    assert rates_to_image(np.array([-5.0, 0.0, 1e6])).tolist() == [0.0, 0.0, 1.0]
    assert image_to_rates(0.5).uncertainty is None


@pytest.fixture
def calibrated(tmp_path, rng):
    """
    Level 1.5 images whose rate is 10 to the power of 1 + 2 times the display value, in DN of 2 s.
    """
    paths = []
    for k in range(2):
        sun = np.kron(draw_sun(rng, size=64), np.ones((2, 2)))
        header = aia_header(rsun_obs=0.424 * 128 * 17.7, **{"date-obs": f"2012-0{k + 3}-01T00:00:00"})
        path = tmp_path / f"{k}.fits"
        Map((2 * 10 ** (1 + 2 * sun)).astype(np.float32), header).save(path)
        paths.append(path)
    return paths


@pytest.fixture
def display_images(tmp_path, rng):
    images = np.array([np.rint(255 * draw_sun(rng, size=64)) for _ in range(12)], dtype=np.uint8)
    records = [ImageRecord(str(k), "2012-01-01", 1, -6.5, [31.5, 31.5, 0.424 * 64]) for k in range(12)]
    write_images(tmp_path / "display", images, records, "display")
    return tmp_path / "display"


def test_fit_finds_the_curve_that_the_images_were_made_with(display_images, calibrated, tmp_path):
    table = fit_transfer(display_images, calibrated, tmp_path / "curve.ecsv")
    assert read_curve(tmp_path / "curve.ecsv")["rate"].unit == "DN / s"
    middle = (table["display"] >= 40) & (table["display"] <= 120)
    expected = 10 ** (1 + 2 * table["display"][middle] / 255)
    assert np.allclose(np.log10(table["rate"][middle].value / expected), 0, atol=0.06)
    assert (np.diff(table["rate"].value) >= 0).all()


def test_fit_needs_a_calibrated_image(display_images, tmp_path):
    with pytest.raises(ValueError, match="at least one calibrated image"):
        fit_transfer(display_images, [], tmp_path / "curve.ecsv")
    assert not (tmp_path / "curve.ecsv").exists()


@pytest.mark.filterwarnings("ignore:Invalid .BLANK. keyword")  # of the files of the archive
def test_bundled_curve_is_what_the_command_makes(shared_data, tmp_path):
    from sunpy_superres.training.prepare_images import prepare_images

    folder = shared_data / "aia171"
    prepare_images(folder / "aia171_2012_128px.npz", tmp_path / "train", split="train")
    table = fit_transfer(tmp_path / "train", sorted(folder.glob("*.fits")), tmp_path / "curve.ecsv")
    assert np.allclose(table["rate"].value, read_curve()["rate"].value, rtol=1e-3)
    assert np.allclose(table["dex"], read_curve()["dex"], atol=2e-3)
