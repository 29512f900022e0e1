"""
A simulated photosphere through a telescope, against waves whose fate is known.
"""

import numpy as np
import pytest

from sunpy_superres.degradation import SHARPER_APERTURE, WAVELENGTH, diffraction
from sunpy_superres.training.simulation import observe


def wave(period, pixel, n=400):
    return 2.0 + np.cos(2 * np.pi * (np.arange(n) + 0.5) * pixel / period) * np.ones((n, 1))


@pytest.mark.parametrize("period", [0.7, 1.5, 4.0])
def test_waves_are_damped_as_optics_says(period):
    pixel, scale = 0.05, 0.25
    found = observe(wave(period, pixel), pixel, scale=scale)
    assert found.shape == (80, 80)
    passed = diffraction(1 / period, SHARPER_APERTURE / WAVELENGTH * np.pi / 180 / 3600) * np.sinc(scale / period)
    place = (np.arange(80) + 0.5) * scale
    expected = 1 + 0.5 * passed * np.cos(2 * np.pi * place / period)
    # Mirrored at its edges the wave has a kink there.
    np.testing.assert_allclose(found[20, 15:-15], expected[15:-15], atol=0.01)


@pytest.mark.parametrize(
    ("image", "pixel", "message"),
    [
        (np.ones((3, 8, 8)), 0.1, "two axes"),
        (np.full((8, 8), np.nan), 0.1, "finite"),
        (np.zeros((8, 8)), 0.1, "bright"),
        (np.ones((8, 8)), 0.5, "at most those of the result"),
        (np.ones((8, 8)), -0.1, "at most those of the result"),
    ],
)
def test_what_is_no_simulation(image, pixel, message):
    with pytest.raises(ValueError, match=message):
        observe(image, pixel)
