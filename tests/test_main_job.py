"""
The main job through the public API alone, with nothing installed but what the package itself requires.
"""

import subprocess
import sys

import numpy as np
import pytest

import astropy.units as u

import sunpy_superres

# What the extras bring. In the environment "minimal" these are not installed; elsewhere they are made to fail.
EXTRAS = ("distributed", "drms", "lightning", "lpips", "pytorch_lightning", "skimage", "torchmetrics", "torchvision")

WITHOUT_EXTRAS = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {EXTRAS!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())

import numpy as np
import sunpy_superres
from sunpy_superres.maps import from_array

field = np.random.default_rng(0).normal(scale=50, size=(24, 24)).astype(np.float32)
result = sunpy_superres.superresolve(from_array(field, scale=1.986, instrument="mdi"), n_samples=2, seed=0)
print(*result.data.shape)
"""


@pytest.mark.parametrize(("method", "n_samples"), [("ldm", 3), ("bicubic", 1)])
def test_superresolve(mdi_map, method, n_samples):
    result = sunpy_superres.superresolve(mdi_map, method=method, n_samples=n_samples, seed=1)
    assert type(result) is type(mdi_map)
    assert result.data.shape == (4 * 48, 4 * 64)
    assert result.data.dtype == np.float32
    assert result.unit == u.G
    assert u.allclose(4 * u.Quantity(result.scale), u.Quantity(mdi_map.scale))
    assert np.isfinite(result.data).all()
    if n_samples > 1:
        assert result.uncertainty.array.shape == result.data.shape
        assert (result.uncertainty.array >= 0).all()
    else:
        assert result.uncertainty is None


def test_same_seed_same_numbers(mdi_map):
    first, second = (sunpy_superres.superresolve(mdi_map, n_samples=2, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.data, second.data)
    np.testing.assert_array_equal(first.uncertainty.array, second.uncertainty.array)


def test_ensemble(mdi_map):
    cube = sunpy_superres.sample_posterior(mdi_map, n_samples=3, seed=1)
    assert cube.data.shape == (3, 4 * 48, 4 * 64)
    assert cube.unit == u.G


def test_nothing_of_the_extras_is_needed():
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT_EXTRAS], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["96", "96"]
