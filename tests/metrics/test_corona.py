"""
What is measured of full-disk images of the corona.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from suns import draw_sun

from sunpy_superres.metrics import corona


@given(st.integers(0, 1000), st.floats(-2, 2), st.floats(-2, 2), st.floats(50, 57))
def test_limb_is_found_wherever_it_is(seed, dx, dy, radius):
    center = (63.5 + dx, 63.5 + dy)
    image = draw_sun(np.random.default_rng(seed), size=128, center=center, radius=radius)
    found = corona.fit_limb(image)
    assert np.hypot(found.x - center[0], found.y - center[1]) < 0.4
    assert found.radius / corona.LIMB_171 == pytest.approx(radius, abs=0.6)


def test_active_limb_does_not_move_the_circle(rng):
    image = draw_sun(rng, size=128)
    image[40:75, 105:125] += 0.4
    found = corona.fit_limb(image)
    assert np.hypot(found.x - 63.5, found.y - 63.5) < 0.5


@pytest.mark.parametrize(("wrong", "told"), [(np.zeros(5), "two axes"), (np.full((64, 64), np.nan), "not finite")])
def test_wrong_images_are_refused(wrong, told):
    with pytest.raises(ValueError, match=told):
        corona.fit_limb(wrong)


def test_bright_fraction_counts_the_disk_alone():
    image = np.zeros((64, 64))
    disk = (31.5, 31.5, 20.0)
    image[corona.disk_mask(image.shape, disk, 1.05)] = 1
    assert corona.bright_fraction(image, disk, 0.5) == 1
    image[:, :32] = 0
    assert corona.bright_fraction(image, disk, 0.5) == pytest.approx(0.5)
    image[:] = 0
    image[0, 0] = 1
    assert corona.bright_fraction(image, disk, 0.5) == 0


def test_profiles_of_what_is_known():
    y, x = np.mgrid[:101, :101] - 50.0
    disk = (50.0, 50.0, 40.0)
    rings = corona.radial_profile(np.hypot(x, y) / 40, disk, [0.2, 0.4, 0.6])
    assert rings == pytest.approx([0.3, 0.5], abs=0.02)
    belts = corona.latitude_profile(np.where(y > 0, 3.0, 1.0), disk, [-60, -10, 10, 60, 89.9])
    assert belts[[0, 2]] == pytest.approx([1, 3])
    assert np.isnan(corona.radial_profile(np.ones((101, 101)), disk, [3.0, 4.0]))


@given(st.integers(0, 100))
def test_asymmetry_changes_its_sign_in_the_mirror(seed):
    image = draw_sun(np.random.default_rng(seed))
    disk = (31.5, 31.5, 27.0)
    assert corona.asymmetry(image, disk) == pytest.approx(-corona.asymmetry(image[::-1], disk))
    assert abs(corona.asymmetry(image, disk)) < 1
