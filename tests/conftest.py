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
from suns import draw_sun

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


@pytest.fixture(scope="session")
def aia_archive(tmp_path_factory):
    """
    Forty display-scaled images with their table, in two splits, as the training takes them.
    """
    rng = np.random.default_rng(7)
    folder = tmp_path_factory.mktemp("aia")
    rows = ["index,datetime,split,goes_class,xrs_flux_w_m2,xrs_class_now,xrs_class_max_30min"]
    images = []
    fluxes = {"A": 8e-8, "B": 4e-7, "C": 3e-6, "M": 2e-5, "X": 2e-4}
    for i in range(40):
        letter = "ABBBCCMX"[i % 8]
        split = "train" if i < 24 else "validation"
        date = f"2012-{1 + i // 4:02d}-{1 + i // 2 % 2:02d}T{12 * (i % 2):02d}:00:00"
        now = f"{'B' if letter == 'X' else letter}{'8.0' if letter == 'A' else '2.0'}"
        rows.append(f"{i},{date},{split},{letter},{fluxes[letter]},{now},{letter}3.0")
        images.append(np.rint(255 * draw_sun(rng, spots=3 + 2 * "ABCMX".index(letter))[::-1]).astype(np.uint8))
    rows.append(f"40,2012-12-31T00:00:00,validation,,{1e-7},,")  # a frame without a class is left out
    images.append(images[-1])
    np.savez(folder / "images.npz", images=np.array(images))
    (folder / "images.csv").write_text("\n".join(rows) + "\n")
    return folder / "images.npz"


@pytest.fixture(scope="session")
def prepared_images(aia_archive, tmp_path_factory):
    """
    Its two splits as prepared folders.
    """
    from sunpy_superres.training.prepare_images import prepare_images

    out = tmp_path_factory.mktemp("prepared")
    for split in ("train", "validation"):
        prepare_images(aia_archive, out / split, split=split)
    return out / "train", out / "validation"


@pytest.fixture(scope="session")
def tiny_generator(tmp_path_factory):
    """
    Folder of a generator of 64 pixels that has learned nothing, but is one.
    """
    import torch

    from sunpy_superres.models.class_diffusion import ClassDiffusion
    from sunpy_superres.weights.files import save_model

    arguments = {"size": 64, "widths": (8, 16), "embedding": 16, "attention": 1, "steps": 3, "radii": (26.0, 28.0)}
    torch.manual_seed(0)
    model = ClassDiffusion(**arguments)
    for part in model.network.parameters():  # what begins at zero would hide what depends on it
        part.data += 0.02 * torch.randn_like(part)
    folder = tmp_path_factory.mktemp("generator")
    save_model(model, folder, arguments=arguments, instruments=["aia"], scale=35.4)
    return folder
