"""
GOES classes in all their forms.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import astropy.units as u

from sunpy_superres.flare_classes import FLARE_CLASSES, class_of_flux, parse_flare_class


@pytest.mark.parametrize(
    ("given_class", "letter", "flux"),
    [
        ("A", "A", None),
        ("x", "X", None),
        (" M ", "M", None),
        ("M2.5", "M", 2.5e-5),
        ("c1", "C", 1e-6),
        ("B9.99", "B", 9.99e-7),
        ("X28", "X", 28e-4),
        ("A0.5", "A", 5e-9),
        (2.5e-5 * u.W / u.m**2, "M", 2.5e-5),
        (2.5e-2 * u.erg / u.s / u.cm**2, "M", 2.5e-5),
        (1e-5 * u.W / u.m**2, "M", 1e-5),
    ],
)
def test_accepted(given_class, letter, flux):
    found = parse_flare_class(given_class)
    assert found.letter == letter
    assert found.label == "ABCMX".index(letter)
    if flux is None:
        assert found.flux is None
        assert math.isnan(found.log_flux)
    else:
        assert found.flux == pytest.approx(flux)
        assert found.log_flux == pytest.approx(np.log10(flux))


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "D", "M12", "B0.5", "C0", "2.5", "M-1", "X nan", "MX", "M2,5", "M2.5.1", "M" + 400 * "9"),
        *(None, 5, 1e-5, 1e-5 * u.m, -1e-5 * u.W / u.m**2, np.nan * u.W / u.m**2, 0 * u.W / u.m**2),
        [1e-5, 1e-6] * u.W / u.m**2,
    ],
)
def test_refused_with_what_is_accepted(wrong):
    with pytest.raises(ValueError, match=r"Give one of A, B, C, M, X, a sub-class such as 'M2.5'.*W/m2"):
        parse_flare_class(wrong)


@given(st.floats(1e-9, 1e-2))
def test_every_flux_has_one_class_and_its_text_is_that_class(flux):
    found = class_of_flux(flux)
    assert found.letter in FLARE_CLASSES
    again = parse_flare_class(str(found))
    assert again.letter == found.letter
    assert again.flux == pytest.approx(flux, rel=1e-5)


@given(st.floats(1e-9, 1e-2), st.floats(1.0, 100.0))
def test_class_grows_with_the_flux(flux, factor):
    assert class_of_flux(flux).label <= class_of_flux(flux * factor).label


def test_letters_begin_at_powers_of_ten():
    assert [class_of_flux(10.0**power).letter for power in range(-8, -3)] == list(FLARE_CLASSES)
    assert class_of_flux(9.999e-6).letter == "C"
