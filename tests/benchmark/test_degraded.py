import json

import numpy as np
import pytest

from astropy.io import fits

from sunpy_superres import metrics
from sunpy_superres.benchmark import degraded_hmi, run_degraded, score_ensemble, table
from sunpy_superres.degradation import degrade, synthetic_magnetogram

SCALE = 0.504273


@pytest.fixture
def folder(tmp_path):
    """
    Two magnetograms as SHARP files have them: compressed, in the second HDU, one with holes and of odd size.
    """
    directory = tmp_path / "hmi" / "validation"
    directory.mkdir(parents=True)
    for i, shape in enumerate([(96, 112), (101, 95)]):
        field = synthetic_magnetogram(shape, seed=i).astype(np.float64)
        if i:
            field[:30, :21] = np.nan
        hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(field)])
        hdus.writeto(directory / f"hmi.sharp.{i}.magnetogram.fits")
    fits.PrimaryHDU(np.full((96, 96), 5e4)).writeto(directory / "hmi.sharp.0.continuum.fits")
    return tmp_path


def test_score_ensemble_by_hand(rng):
    truth = rng.normal(0, 200, (60, 70)).astype(np.float32)
    members = (0.9 * truth + rng.normal(0, 50, (6, 60, 70))).astype(np.float32)
    baseline = (0.5 * truth).astype(np.float32)
    figures = score_ensemble(truth, members, baseline, edge=5)
    inner = np.s_[..., 5:-5, 5:-5]
    t, m, b = truth[inner], members[inner], baseline[inner]
    mean = m.mean(axis=0, dtype=float)
    expected = {
        "rmse": metrics.rmse(mean, t),
        "rmse_bicubic": metrics.rmse(b, t),
        "rmse_ratio": metrics.rmse(mean, t) / metrics.rmse(b, t),
        "gradient_error": metrics.gradient_error(mean, t),
        "gradient_bicubic": metrics.gradient_error(b, t),
        "gradient_ratio": metrics.gradient_error(mean, t) / metrics.gradient_error(b, t),
        "mae": metrics.mae(mean, t),
        "fair_crps": metrics.fair_crps(m, t),
        "crps_ratio": metrics.fair_crps(m, t) / metrics.mae(mean, t),
        "spread_skill": metrics.spread_skill_ratio(m, t),
        "coverage": metrics.coverage(m, t),
        "nominal_coverage": 5 / 7,
        "power_8": metrics.power_ratio(m[0], t, SCALE, 8)[0],
        "power_4": metrics.power_ratio(m[0], t, SCALE, 4)[0],
        "power_2": metrics.power_ratio(m[0], t, SCALE, 2)[0],
        **{f"truth_power_{p}": metrics.band_power(t, SCALE, p)[0] for p in (8, 4, 2)},
        "flux_ratio": np.abs(m[0]).sum(dtype=float) / np.abs(t).sum(dtype=float),
    }
    assert figures == pytest.approx(expected)
    assert all(type(value) is float for value in figures.values())


def test_score_ensemble_of_a_calibrated_ensemble_reaches_its_aims(rng):
    center = rng.normal(0, 200, (128, 128))
    draws = center + rng.normal(0, 60, (21, 128, 128))
    figures = score_ensemble(draws[0], draws[1:], np.zeros((128, 128)))
    assert figures["spread_skill"] == pytest.approx(1, abs=0.02)
    assert figures["coverage"] == pytest.approx(figures["nominal_coverage"], abs=0.01)
    assert figures["flux_ratio"] == pytest.approx(1, abs=0.02)
    # For a Gaussian, CRPS/MAE of the mean is 1/sqrt(2), but for the error of a mean of 20.
    assert figures["crps_ratio"] == pytest.approx(np.sqrt(0.5), abs=0.02)


def test_score_ensemble_takes_independent_members_only(rng):
    center = rng.normal(0, 200, (64, 64))
    truth, half = center + rng.normal(0, 60, (64, 64)), rng.normal(0, 60, (10, 64, 64))
    members = center + np.stack([half, -half], axis=1).reshape(20, 64, 64)
    figures = score_ensemble(truth, members, np.zeros((64, 64)), antithetic=True)
    assert figures["spread_skill"] == pytest.approx(1, abs=0.05)
    assert figures["nominal_coverage"] == 9 / 11
    assert figures["fair_crps"] == pytest.approx(metrics.fair_crps(members[::2], truth))
    assert figures["rmse"] == pytest.approx(metrics.rmse(center, truth), rel=1e-5)
    with pytest.raises(ValueError, match="at least 2 members"):
        score_ensemble(truth, members[:2], np.zeros((64, 64)), antithetic=True)


def test_score_ensemble_scores_the_same_pixels_for_all(rng):
    truth, baseline = rng.normal(0, 100, (2, 40, 40))
    members = rng.normal(0, 100, (3, 40, 40))
    holes = np.zeros((40, 40), dtype=bool)
    truth[12, 12], baseline[20, 20], members[2, 30, 30] = np.nan, np.nan, np.nan
    holes[12, 12] = holes[20, 20] = holes[30, 30] = True
    figures = score_ensemble(truth, members, baseline, edge=0)
    assert figures["rmse_bicubic"] == pytest.approx(metrics.rmse(baseline[~holes], truth[~holes]), rel=1e-6)
    assert figures["fair_crps"] == pytest.approx(metrics.fair_crps(members[:, ~holes], truth[~holes]), rel=1e-6)
    flux = np.abs(members[0][~holes]).sum() / np.abs(truth[~holes]).sum()
    assert figures["flux_ratio"] == pytest.approx(flux, rel=1e-6)


def test_score_ensemble_errors():
    with pytest.raises(ValueError, match="Shapes do not fit"):
        score_ensemble(np.zeros((40, 40)), np.zeros((2, 40, 44)), np.zeros((40, 40)))
    with pytest.raises(ValueError, match="Shapes do not fit"):
        score_ensemble(np.zeros((40, 40)), np.zeros((2, 40, 40)), np.zeros((10, 10)))
    with pytest.raises(ValueError, match="Nothing is left"):
        score_ensemble(np.zeros((16, 40)), np.zeros((2, 16, 40)), np.zeros((16, 40)), edge=8)
    with pytest.raises(ValueError, match="at least 2 members"):
        score_ensemble(np.ones((40, 40)), np.zeros((2, 40, 40)), np.zeros((40, 40)), antithetic=True)


def test_a_deterministic_result_has_no_ensemble_figures(rng):
    truth, found = rng.normal(0, 100, (2, 40, 40))
    figures = score_ensemble(truth, found[None], truth + 10)
    assert figures["rmse"] == pytest.approx(metrics.rmse(found, truth), rel=1e-6)
    assert not {"fair_crps", "spread_skill", "coverage"} & set(figures)


def test_run_degraded(folder, fake):
    out = folder / "degraded.json"
    results = run_degraded(folder, out, n_samples=4, seed=3, edge=6, steps=5)
    assert [image["file"] for image in results["images"]] == [f"hmi.sharp.{i}.magnetogram.fits" for i in range(2)]
    assert [image["shape"] for image in results["images"]] == [[96, 112], [96, 88]]
    assert results["method"] == "ldm"
    assert results["provenance"] == {"srmethod": "ldm", "srsha256": "0" * 16}
    assert fake.calls == [("ldm", 4, 3, {"steps": 5}), ("bicubic", 1, None, {})] * 2
    for period in (8, 4, 2):
        one, two = ([image[f"{kind}power_{period}"] for image in results["images"]] for kind in ("", "truth_"))
        assert results["figures"].pop(f"pooled_power_{period}") == pytest.approx(np.dot(one, two) / np.sum(two))
    for name, value in results["figures"].items():
        values = [image[name] for image in results["images"]]
        assert value == pytest.approx(np.mean(values))
        assert results["std"][name] == pytest.approx(np.std(values))
    kept = json.loads(out.read_text())
    assert kept["images"] == results["images"]
    assert results["figures"].items() < kept["figures"].items()
    assert "not measured" not in table(results)


def test_degraded_hmi_scores_against_the_truth(folder, fake):
    path = folder / "hmi" / "validation" / "hmi.sharp.1.magnetogram.fits"
    fake.noise = 0
    results = degraded_hmi([path], n_samples=3, seed=7, edge=8)
    truth = fits.getdata(path)[:96, :88].astype(np.float32)
    import sunpy_superres

    seen = degrade(truth, seed=7)
    estimate = sunpy_superres.superresolve(seen, "ldm").data
    # The block of the input that has a hole is a hole of the output, beyond that of the truth.
    assert np.isnan(estimate).sum() > np.isnan(truth).sum()
    inner = np.s_[8:-8, 8:-8]
    assert results["figures"]["rmse"] == pytest.approx(metrics.rmse(estimate[inner], truth[inner]), rel=1e-6)
    # Equal members: the score of a deterministic method.
    assert results["figures"]["crps_ratio"] == pytest.approx(1)


def test_the_noise_does_not_depend_on_the_other_files(folder, fake):
    paths = sorted((folder / "hmi" / "validation").glob("*.magnetogram.fits"))
    both = degraded_hmi(paths, n_samples=3)
    assert degraded_hmi(paths[1:], n_samples=3)["images"] == both["images"][1:]


def test_autoencoder_roundtrip(folder, fake):
    error = run_degraded(folder, n_samples=3)["figures"]["autoencoder_rmse"]
    assert 0 < error < 50
    assert "autoencoder_rmse" not in run_degraded(folder, method="bicubic", n_samples=2)["figures"]


def test_data_consistency_of_the_truth_is_the_noise(rng):
    from sunpy_superres.benchmark.degraded import _data_consistency
    from sunpy_superres.degradation import degrade

    truth = rng.normal(0, 100, (64, 64)).astype(np.float32)
    seen = degrade(truth, seed=0)
    assert _data_consistency(truth, truth, seen, "mdi", 8) == 1
    assert _data_consistency(2 * truth, truth, seen, "mdi", 8) > 1


def test_holes_of_a_method_are_not_overlooked(folder, fake):
    fake.holes = True
    with pytest.raises(ValueError, match="ldm returned values that are not finite"):
        run_degraded(folder, n_samples=3)


def test_errors_come_before_the_work(folder, fake, tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        run_degraded(folder, tmp_path / "nowhere" / "out.json")
    with pytest.raises(FileNotFoundError, match="hmi/test"):
        run_degraded(folder, split="test")
    with pytest.raises(ValueError, match="No files"):
        degraded_hmi([])
    with pytest.raises(ValueError, match="n_samples must be at least 3"):
        run_degraded(folder, n_samples=2)
    assert fake.calls == []


def test_file_without_an_image(folder, fake):
    path = folder / "empty.fits"
    fits.PrimaryHDU().writeto(path)
    with pytest.raises(ValueError, match=r"empty\.fits holds no image"):
        degraded_hmi([path])


def test_progress(folder, fake, capsys):
    run_degraded(folder, n_samples=3, progress=True)
    assert "2/2" in capsys.readouterr().err
    run_degraded(folder, n_samples=3)
    assert capsys.readouterr().err == ""


def test_validation_data_can_be_read(shared_data, fake):
    # The first real file only, without a network: what interpolation reaches is known.
    path = min((shared_data / "hmi" / "validation").glob("*.1447.*.magnetogram.fits"))
    figures = degraded_hmi([path], n_samples=3)["figures"]
    assert 30 < figures["rmse_bicubic"] < 70
    assert figures["power_2"] > 0
