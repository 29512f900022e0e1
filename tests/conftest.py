"""
What all tests share: where the real observations are, and small magnetograms made on the spot.
"""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from scipy import ndimage

from astropy.io import fits
from astropy.utils import iers

# Nothing is downloaded in a test; the Earth-rotation tables that come with astropy are enough.
iers.conf.auto_download = False
iers.conf.auto_max_age = None

# Timings on a shared machine say nothing; in continuous integration the same examples run every time.
settings.register_profile("sunpy_superres", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("sunpy_superres")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """
    Keep the user's cache of weights out of the tests.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SUNPY_SUPERRES_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def shared_data():
    """
    The folder of real observations; a test that asks for it is skipped where there is none.
    """
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SUNPY_SUPERRES_TEST_DATA") or default).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real observations at {folder}; SUNPY_SUPERRES_TEST_DATA names their folder")
    return folder


@pytest.fixture
def rng():
    """
    A random generator with a fixed seed.
    """
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def bipole():
    """
    A bipolar region on a noisy quiet background, (48, 64) float32 in MDI gauss.
    """
    y, x = np.mgrid[:48, :64]
    field = np.random.default_rng(2010).normal(scale=23, size=(48, 64))
    for center, peak in ((24, 1500), (40, -1100)):
        field += peak * np.exp(-((x - center) ** 2 + (y - 25) ** 2) / 18)
    field = field.astype(np.float32)
    field.flags.writeable = False
    return field


@pytest.fixture
def mdi_map(bipole):
    """
    The bipolar region as a Map of MDI, off the center of the disk.
    """
    from sunpy_superres.maps import from_array

    return from_array(bipole.copy(), scale=1.986, instrument="mdi", center=(150, -220))


@pytest.fixture
def gong():
    """
    A quarter of the disk with the header of a GONG magnetogram; the sky is filled, and mixed into the limb.
    """
    import sunpy.map
    from sunpy.data.test import rootdir

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = fits.Header.fromtextfile(rootdir / "gong_magnetogram.header")
    radius = np.hypot(*np.mgrid[:430, :430] - np.array([header["FNDLMBYC"], header["FNDLMBXC"]])[:, None, None] + 1)
    radius /= header["FNDLMBMI"]
    data = np.where(radius < 1, np.random.default_rng(0).normal(0, 4, radius.shape), -703.9613).astype(np.float32)
    edge = (radius < 1) & ndimage.binary_dilation(radius >= 1)
    data[edge] = -300
    header["NAXIS1"] = header["NAXIS2"] = 430
    return sunpy.map.Map(data, header)
