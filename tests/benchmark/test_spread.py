"""
Fitting the calibration of a spread, on ensembles whose spread is wrong by a known factor.
"""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from astropy.io import fits

import sunpy_superres
from sunpy_superres import metrics, sample_posterior
from sunpy_superres.benchmark import fit_spread, spread, store_calibration
from sunpy_superres.benchmark.cases import case_seed
from sunpy_superres.cli import main
from sunpy_superres.degradation import degrade, synthetic_magnetogram
from sunpy_superres.inference import SpreadCalibration
from sunpy_superres.maps import from_array
from sunpy_superres.models import get_method
from sunpy_superres.weights.files import read_config, save_model
from sunpy_superres.weights.loading import load, locate


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """
    An ensemble of a known spread: three times too narrow where it is small, twice too wide where it is large.
    """
    fake = SimpleNamespace(antithetic=False, stochastic=True, calls=[])

    def posterior(smap, method, n_samples, *, seed, calibrate, model, instrument):
        fake.calls.append((method, n_samples, calibrate, model, instrument))
        rng = np.random.default_rng(seed)
        truth = fake.truths[(len(fake.calls) - 1) % len(fake.truths)]
        right = np.where(np.abs(truth) > 50, 60.0, 9.0)
        mean = truth + rng.normal(0, right)
        noise = rng.normal(0, np.where(right > 10, 2 * right, right / 3), (n_samples, *truth.shape))
        if fake.antithetic:
            noise[1::2] = -noise[::2]
        return SimpleNamespace(data=(mean + noise).astype(np.float32))

    monkeypatch.setitem(sunpy_superres.__dict__, "sample_posterior", posterior)
    monkeypatch.setattr(spread, "network_of", lambda *_: fake)
    fake.truths = [synthetic_magnetogram((128, 128), seed=i) for i in range(2)]
    fake.data = tmp_path / "data"
    fake.data.mkdir()
    for name, truth in zip(("one", "two"), fake.truths, strict=True):
        fits.PrimaryHDU(truth).writeto(fake.data / f"{name}.fits")
    return fake


@pytest.mark.parametrize("antithetic", [False, True])
def test_the_factor_is_found(fake, antithetic):
    fake.antithetic = antithetic
    found = fit_spread(fake.data, method="ldm", model="folder", instrument="gong", seed=3)
    assert fake.calls == [("ldm", 38 if antithetic else 19, False, "folder", "gong")] * 4
    calibration = SpreadCalibration(found["spread"], found["factor"])
    np.testing.assert_allclose(calibration.factors(np.array([3.0, 120.0])), [3, 0.5], rtol=0.3)  # smoothly
    before, after = found["before"]["all"], found["after"]["all"]
    assert abs(before["coverage_50"] - 0.5) > 0.2
    for name in ("coverage_50", "normal_50"):
        assert after[name] == pytest.approx(0.5, abs=0.03)
    assert after["coverage_90"] == pytest.approx(0.9, abs=0.03)
    assert after["spread_skill"] == pytest.approx(1, abs=0.1)
    assert found["after"]["strong"]["spread_skill"] == pytest.approx(1, abs=0.1)
    # Each region by the other: the error is the same in both.
    assert found["held_out"]["all"]["coverage_90"] == pytest.approx(0.9, abs=0.04)
    assert set(found["after"]["images"]) == {"one", "two"}


def test_figures_are_those_of_the_metrics(fake):
    (fake.data / "two.fits").unlink()
    found = fit_spread(fake.data, method="ldm", repeats=1)
    assert "held_out" not in found
    fake.calls.clear()
    options = {"seed": case_seed(0, "one"), "calibrate": False, "model": None, "instrument": "mdi"}
    members = sunpy_superres.sample_posterior(None, "ldm", 19, **options).data
    before, truth = found["before"]["all"], fake.truths[0]
    assert before["coverage_90"] == pytest.approx(metrics.coverage(members, truth), abs=1e-4)
    expected = metrics.spread_skill_ratio(members, truth) / np.sqrt(20 / 19)
    assert before["spread_skill"] == pytest.approx(expected, abs=1e-4)


def test_what_cannot_be_calibrated(fake):
    with pytest.raises(FileNotFoundError, match="No HMI magnetograms"):
        fit_spread(fake.data / "nowhere")
    fake.stochastic = False
    with pytest.raises(ValueError, match="'progressive' is deterministic"):
        fit_spread(fake.data, method="progressive")


@pytest.fixture
def model(tmp_path):
    """
    A model whose draws differ, untrained.
    """
    arguments = {"factor": 4, "width": 8, "blocks": 1, "dropout": 0.2}
    network = get_method("highresnet")(**arguments)
    save_model(network, tmp_path / "model", arguments=arguments, instruments=["mdi"], scale=2.017092)
    return tmp_path / "model"


def test_what_is_stored_is_applied(model):
    smap = from_array(degrade(synthetic_magnetogram((64, 64), seed=0), seed=0), scale=2.017092)
    plain = sample_posterior(smap, "highresnet", 4, model=model, seed=0)
    assert plain.meta["srcalib"] is False
    store_calibration(model, {"spread": [1.0, 2.0], "factor": [3.0, 3.0], "after": {}})
    assert read_config(model)["calibration"] == {"spread": [1.0, 2.0], "factor": [3.0, 3.0]}
    found = sample_posterior(smap, "highresnet", 4, model=model, seed=0)
    assert found.meta["srcalib"] == SpreadCalibration([1.0, 2.0], [3.0, 3.0]).digest
    np.testing.assert_allclose(found.data.mean(axis=0), plain.data.mean(axis=0), atol=1e-2)
    np.testing.assert_allclose(found.data.std(axis=0), 3 * plain.data.std(axis=0), rtol=1e-3, atol=1e-3)


def test_a_damaged_calibration_is_told(model):
    config = read_config(model)
    (model / "config.json").write_text(json.dumps(config | {"calibration": {"spread": [2, 1], "factor": [1, 1]}}))
    weights = locate(model, "highresnet", "mdi")
    import torch

    with pytest.raises(ValueError, match=r"config\.json: A calibration has as many factors as spreads"):
        load(weights, torch.device("cpu"), torch.float32)
    (model / "config.json").write_text(json.dumps(config | {"calibration": [1, 2]}))
    with pytest.raises(ValueError, match="calibration is"):
        locate(model, "highresnet", "mdi")


def test_command(model, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    fits.PrimaryHDU(synthetic_magnetogram((96, 96), seed=0)).writeto(data / "hmi.sharp.1.time.magnetogram.fits")
    command = ["calibrate", str(data), "--method", "highresnet", "--model", str(model)]
    done = CliRunner().invoke(main, [*command, "--store", "-o", str(tmp_path / "found.json")])
    assert done.exit_code == 0, done.output
    assert "after, all" in done.output
    kept = read_config(model)["calibration"]
    found = json.loads((tmp_path / "found.json").read_text())
    assert kept["factor"] == found["factor"]
    assert kept["images"] == ["hmi.sharp.1.time"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--store"], "--store needs a folder"),
        (["-o", "nowhere/found.json"], "nowhere"),
        ([], "No HMI magnetograms"),
    ],
)
def test_command_is_refused(tmp_path, arguments, message):
    done = CliRunner().invoke(main, ["calibrate", str(tmp_path), *arguments])
    assert done.exit_code != 0
    assert message in done.output
