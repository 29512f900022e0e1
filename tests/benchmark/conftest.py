from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

import sunpy_superres
from sunpy_superres.benchmark import degraded, pairs


def enlarge(field, order):
    return 0.701 * ndimage.zoom(field, 4, order=order, mode="grid-constant", grid_mode=True)


@pytest.fixture
def fake(monkeypatch):
    """
    Replace the Map and the networks by arrays and interpolation; keep what was asked for in ``fake.calls``.
    """
    fake = SimpleNamespace(calls=[], holes=False, noise=30.0)

    def output(field, order):
        data = enlarge(np.where(np.isfinite(field), field, 0), order)
        data[np.kron(~np.isfinite(field), np.ones((4, 4), dtype=bool))] = np.nan
        if fake.holes:
            data[9, 9] = np.nan
        return data.astype(np.float32)

    def superresolve(smap, method="ldm", n_samples=20, *, seed=None, **options):
        fake.calls.append((method, n_samples, seed, options))
        meta = {"srmethod": method, "srseed": seed, "telescop": "SOHO"}
        data = output(smap, 1 if method == "bicubic" else 3)
        return SimpleNamespace(data=data, meta=meta, uncertainty=None)

    def sample_posterior(smap, method="ldm", n_samples=20, *, seed=None, **options):
        fake.calls.append((method, n_samples, seed, options))
        data = output(smap, 3)
        noise = np.random.default_rng(seed).normal(0, fake.noise, (n_samples, *data.shape))
        return SimpleNamespace(data=(data + noise).astype(np.float32), meta={"SRMETHOD": method, "SRSHA256": "0" * 16})

    for module in (degraded, pairs):
        monkeypatch.setattr(module, "input_map", lambda field, instrument="mdi": field)
    # The package's names are lazy: in its dictionary they come first.
    monkeypatch.setitem(sunpy_superres.__dict__, "superresolve", superresolve)
    monkeypatch.setitem(sunpy_superres.__dict__, "sample_posterior", sample_posterior)
    return fake
