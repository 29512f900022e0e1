import csv
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from astropy.io import fits

import sunpy_superres
from sunpy_superres import maps
from sunpy_superres.benchmark import read_protocol, run_protocol
from sunpy_superres.benchmark.cases import case_seed
from sunpy_superres.benchmark.contenders import Baseline, Method
from sunpy_superres.benchmark.predictions import Prediction, Predictions
from sunpy_superres.benchmark.scoring import Scorer
from sunpy_superres.benchmark.sources import degraded_cases
from sunpy_superres.degradation import degrade, synthetic_magnetogram
from sunpy_superres.instruments import HMI_SCALE, SOLAR_RADIUS

ROWS = ["bicubic", "wiener", "oracle", "random-phase"]


@pytest.fixture(autouse=True)
def reported(monkeypatch):
    """
    What would be in the report, instead of it.
    """
    from sunpy_superres.benchmark import html

    seen = []

    def write_report(results, path, *, maps=None):
        Path(path).write_text("report")
        seen.append((results, maps))

    monkeypatch.setattr(html, "write_report", write_report)
    return seen


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """
    Two frames of one region and one of another, on the disk.
    """
    folder = tmp_path_factory.mktemp("data")
    for name, seed in (("a.1.x", 0), ("a.1.y", 0), ("b.2.x", 1)):
        field = synthetic_magnetogram((192, 200), seed=seed)
        field = field + np.random.default_rng(len(name)).normal(0, 3, field.shape).astype(np.float32)
        smap = maps.from_array(field, scale=HMI_SCALE, instrument="hmi", center=(300, 100), date="2012-03-07")
        maps.write_map(smap, folder / f"{name}.fits")
    return folder


def small(name, tmp_path, *, more="", **options):
    """
    A protocol of the package with other options.
    """
    import sunpy_superres.benchmark.protocol_files as files

    text = (files._FOLDER / f"{name}.toml").read_text()
    for key, value in options.items():
        lines = [line for line in text.splitlines() if line.startswith(f"{key} = ")]
        text = text.replace(lines[0], f"{key} = {value}", 1)
    path = tmp_path / f"{name}-small.toml"
    path.write_text(text + more)
    return path


@pytest.fixture(scope="module")
def outputs(data, tmp_path_factory):
    """
    What two other codes made of the data: a smoothed truth, and an ensemble around it that knows its errors.
    """
    folder = tmp_path_factory.mktemp("outputs")
    for kind in ("one", "many"):
        (folder / kind).mkdir()
    rng = np.random.default_rng(0)
    for case in degraded_cases(data):
        smooth = ndimage.gaussian_filter(case.truth, 2)
        fits.writeto(folder / "one" / f"{case.name}.fits", smooth)
        members = case.truth + rng.normal(0, 20, case.truth.shape) + rng.normal(0, 20, (19, *case.truth.shape))
        fits.writeto(folder / "many" / f"out_{case.name}_sr.fits", members.astype(">f4"))
    return folder


@pytest.fixture(scope="module")
def finished(data, outputs, tmp_path_factory):
    """
    A run of the protocol of ensembles without methods, what was said, and its folder.
    """
    out, said = tmp_path_factory.mktemp("run"), []
    predictions = {"mine": outputs / "one", "theirs": outputs / "many"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sunpy_superres.benchmark.html.write_report", lambda *_, **__: None)
        results = run_protocol(
            "degraded-hmi", data, out, methods=[], predictions=predictions, tell=said.append, export=out / "inputs"
        )
    return results, said, out


def test_results_are_as_agreed(finished):
    results, _, out = finished
    assert results == json.loads((out / "results.json").read_text())
    assert results["format"] == 1
    assert set(results["protocol"]) == {"name", "title", "description", "reference"}
    rows = ["bicubic", "wiener", "mine", "theirs", "theirs-draw", "oracle", "random-phase"]
    assert [row["name"] for row in results["rows"]] == rows
    kinds = ["baseline"] * 2 + ["predictions"] * 3 + ["control"] * 2
    assert [row["kind"] for row in results["rows"]] == kinds
    for case in results["data"]["cases"]:
        assert case["shape"] == [192, 200]
        assert case["used"] + case["ignored"] == 192 * 200
        assert case["time"] == "2012-03-07T00:00:00"
    assert [case["region"] for case in results["data"]["cases"]] == ["a.1.x", "a.1.y", "b.2.x"]
    for table in results["tables"]:
        names = [column["name"] for column in table["columns"]]
        assert list(table["cells"]) == rows
        for cells in table["cells"].values():
            assert list(cells) == names
            assert all(set(cell) == {"value", "low", "high", "mean", "std"} for cell in cells.values())
    with (out / "figures.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == sum(len(rows) * len(table["columns"]) for table in results["tables"])
    first = next(line for line in lines if (line["row"], line["figure"]) == ("bicubic", "rmse"))
    assert float(first["value"]) == results["tables"][0]["cells"]["bicubic"]["rmse"]["value"]
    with np.load(out / "maps.npz") as file:
        assert {"truth", "seen", "mine/mean", "theirs/mean", "theirs/sample", "theirs/std"} <= set(file.files)
        assert file["truth"].shape == file["theirs/std"].shape == (192, 200)
        assert file["seen"].shape == (48, 50)
    curves = results["curves"]
    assert set(curves) == {
        *("spectra", "scatter", "by_field", "by_mu", "rank_histogram", "reliability", "spread_error"),
    }
    assert list(curves["rank_histogram"]["rows"]) == ["theirs"]
    assert len(curves["rank_histogram"]["rows"]["theirs"]) == 20
    assert len(curves["spectra"]["period"]) == len(curves["spectra"]["rows"]["mine"]["frc"]) == 64
    assert len(curves["by_mu"]["edges"]) == len(curves["by_mu"]["count"]) + 1


def test_figures_are_right(finished, data, outputs):
    results, _, _ = finished
    truths = {case.name: case for case in degraded_cases(data)}
    errors = np.stack([fits.getdata(outputs / "one" / f"{n}.fits") - c.truth for n, c in truths.items()]).astype(float)
    cell = results["tables"][0]["cells"]["mine"]["rmse"]
    assert cell["value"] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-5)
    each = np.sqrt(np.mean(errors**2, axis=(1, 2)))
    assert cell["mean"] == pytest.approx(each.mean(), rel=1e-5)
    assert cell["std"] == pytest.approx(each.std(ddof=1), rel=1e-4)
    assert cell["low"] < cell["value"] < cell["high"]
    bicubic = results["tables"][0]["cells"]["bicubic"]
    assert bicubic["rmse_ratio"] == {"value": 1, "low": 1, "high": 1, "mean": 1, "std": 0}
    spread = results["tables"][4]["cells"]["theirs"]["spread_skill"]["value"]
    assert spread == pytest.approx(1, abs=0.02)
    assert results["tables"][4]["cells"]["mine"]["spread_skill"]["value"] is None


def test_findings(finished):
    results, said, _ = finished
    texts = {finding["text"]: finding["passed"] for finding in results["findings"]}

    def passed(start):
        (found,) = [value for text, value in texts.items() if text.startswith(start)]
        return found

    assert passed("3 cases of 3 regions") is None
    assert passed("Control of random phases") is True
    assert passed("Control of the oracle") is True
    assert passed("mine: RMSE") is True
    assert passed("theirs: of the truths") is True
    assert passed("theirs: fair CRPS") is True
    assert said == ["3 cases of 3 regions"]


def test_the_controls_tell(finished):
    cells = finished[0]["tables"][2]["cells"]
    fake, plain = cells["random-phase"], cells["bicubic"]
    assert fake["power_2"]["value"] == pytest.approx(1, abs=0.2)
    assert abs(fake["frc_2"]["value"]) < 1 / 7
    assert fake["ralsd"]["value"] < 1.5
    assert fake["resolution"]["value"] > 0.9 * plain["resolution"]["value"]
    assert cells["oracle"]["frc_8"]["value"] > 0.99


def test_exported_inputs_lead_back(finished, data, tmp_path):
    """
    Another code that interpolates what was exported is as good as the interpolation.
    """
    results, _, out = finished
    (tmp_path / "back").mkdir()
    for case in results["data"]["cases"]:
        smap = maps.read_map(out / "inputs" / f"{case['name']}.fits")
        fine = sunpy_superres.superresolve(smap, "bicubic", 1, instrument="mdi")
        fits.writeto(tmp_path / "back" / f"{case['name']}.fits", fine.data)
    back = run_protocol("degraded-hmi", data, tmp_path / "run", methods=[], predictions={"back": tmp_path / "back"})
    cells = back["tables"][0]["cells"]
    assert cells["back"]["rmse"]["value"] == pytest.approx(cells["bicubic"]["rmse"]["value"], rel=1e-6)


def test_a_run_goes_on_where_it_was(data, outputs, tmp_path, reported):
    said, out = [], tmp_path / "run"
    options = {"methods": [], "tell": said.append}
    first = run_protocol("degraded-hmi", data, out, **options)
    assert reported[0][1] == out / "maps.npz"
    again = run_protocol("degraded-hmi", data, out, **options)
    assert said[-1] == "0 results made, 12 were there"
    assert again == first
    # One damaged, one lost.
    (damaged, lost) = sorted((out / "parts" / "wiener").iterdir())[:2]
    damaged.write_bytes(damaged.read_bytes()[:-300])
    lost.unlink()
    again = run_protocol("degraded-hmi", data, out, **options)
    assert said[-1] == "2 results made, 10 were there"
    assert again["tables"] == first["tables"]
    # A row more.
    again = run_protocol("degraded-hmi", data, out, predictions={"mine": outputs / "one"}, **options)
    assert said[-1] == "3 results made, 12 were there"
    assert again["tables"][0]["cells"]["wiener"] == first["tables"][0]["cells"]["wiener"]
    # Other noise, and all of it again.
    run_protocol("degraded-hmi", data, out, seed=1, **options)
    assert said[-1] == "3 cases of 3 regions"
    run_protocol("degraded-hmi", data, out, seed=1, fresh=True, **options)
    assert said[-1] == "3 cases of 3 regions"


def test_other_predictions_are_scored_again(data, outputs, tmp_path):
    said, mine = [], tmp_path / "mine"
    mine.mkdir()
    for path in (outputs / "one").iterdir():
        (mine / path.name).write_bytes(path.read_bytes())
    options = {"methods": [], "predictions": {"mine": mine}, "tell": said.append}
    run_protocol("degraded-hmi", data, tmp_path / "run", **options)
    fits.writeto(mine / "b.2.x.fits", np.zeros((192, 200), np.float32), overwrite=True)
    run_protocol("degraded-hmi", data, tmp_path / "run", **options)
    assert said[-1] == "1 results made, 14 were there"


def test_mistakes_are_told_before_any_work(data, outputs, tmp_path):
    def run(protocol="degraded-hmi", folder=data, out=tmp_path / "run", **options):
        return run_protocol(protocol, folder, out, **{"methods": [], **options})

    bad = tmp_path / "bad"
    bad.mkdir()
    with pytest.raises(ValueError, match=r"holds none of a.1.x; name it a.1.x.fits"):
        run(predictions={"bad": bad})
    for name in ("a.1.x", "a.1.y", "b.2.x"):
        fits.writeto(bad / f"{name}.fits", np.zeros((192, 192), np.float32))
    with pytest.raises(ValueError, match=r"a.1.x.fits has shape \(192, 192\), where \(192, 200\)"):
        run(predictions={"bad": bad})
    fits.writeto(bad / "a.1.x.fits", np.full((2, 192, 200), np.nan, np.float32), overwrite=True)
    (bad / "one_a.1.y.fits").write_bytes((bad / "a.1.y.fits").read_bytes())
    (bad / "a.1.y.fits").rename(bad / "two_a.1.y.fits")
    with pytest.raises(ValueError, match=r"several of a.1.y \(one_a.1.y.fits, two_a.1.y.fits\)"):
        run(predictions={"bad": bad})
    with pytest.raises(FileNotFoundError):
        run(predictions={"bad": tmp_path / "nowhere"})
    with pytest.raises(ValueError, match="Unknown method 'best'"):
        run(methods=["best"])
    with pytest.raises(ValueError, match="'bicubic' has no weights"):
        run(methods=["bicubic"])
    with pytest.raises(ValueError, match="There are weights for 'ldm', which is not among the methods"):
        run(models={"ldm": "x"})
    with pytest.raises(ValueError, match="There is no model 'x'"):
        run(methods=["ldm"], models={"ldm": "x"})
    with pytest.raises(ValueError, match="instrument must be 'mdi' or 'gong'"):
        run(instrument="hmi")
    with pytest.raises(ValueError, match="Two rows have one name: oracle"):
        run(predictions={"oracle": outputs / "one"})
    with pytest.raises(FileNotFoundError, match="There is no protocol"):
        run("nothing")
    with pytest.raises(FileNotFoundError, match="No HMI magnetograms"):
        run(folder=bad / "empty")
    with pytest.raises(NotADirectoryError):
        run(out=data / "a.1.x.fits")
    with pytest.raises(ValueError, match="has at least 3 members, not 2"):
        run(methods=["ldm"], n_samples=2)
    assert not (tmp_path / "run" / "results.json").exists()


def test_holes_in_predictions_are_not_overlooked(data, outputs, tmp_path):
    holes = tmp_path / "holes"
    holes.mkdir()
    for path in (outputs / "one").iterdir():
        field = fits.getdata(path).copy()
        field[100, 100] = np.nan
        fits.writeto(holes / path.name, field)
    with pytest.raises(ValueError, match="1 values are not finite"):
        run_protocol("degraded-hmi", data, tmp_path / "run", methods=[], predictions={"holes": holes})


def test_a_method_that_draws(data, tmp_path):
    """
    The latent diffusion of the package, with few draws of one small image.
    """
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.fits").write_bytes((data / "b.2.x.fits").read_bytes())
    protocol = small("ensemble", tmp_path, views='["all", "small"]')
    text = protocol.read_text()
    # The tables with noise go, the others stay.
    parts = text.split("[[tables]]")
    protocol.write_text(
        "[[tables]]".join(part for part in parts if 'view = "noise' not in part and "large" not in part)
    )
    said = []
    results = run_protocol(
        protocol, tmp_path / "data", tmp_path / "run", methods=["ldm"], n_samples=2, tell=said.append
    )
    rows = {row["name"]: row for row in results["rows"]}
    assert {"bicubic", "wiener", "ldm", "ldm-draw"} <= set(rows)
    assert rows["ldm"]["n_samples"] == 4  # two independent ones
    assert rows["ldm-draw"]["n_samples"] == 1
    assert rows["ldm"]["model"].startswith("ldm-mdi-hmi@")
    assert rows["ldm"]["steps"] > 0
    assert rows["ldm"]["seconds"] > 0
    assert rows["ldm"]["device"]
    cells = results["tables"][0]["cells"]
    assert cells["ldm"]["mae"]["value"] < cells["bicubic"]["mae"]["value"]
    assert cells["ldm"]["crps"]["value"] < cells["ldm-draw"]["crps"]["value"]
    assert cells["ldm"]["crps"]["low"] is None  # four places are too few
    assert results["settings"]["places"] is None
    # The same numbers from the function that everybody calls.
    (case,) = degraded_cases(tmp_path / "data")
    seed = case_seed(0, case.name)
    fine = sunpy_superres.superresolve(case.map(), "ldm", 4, instrument="mdi", seed=seed)
    assert cells["ldm"]["mae"]["value"] == pytest.approx(np.abs(fine.data - case.truth).mean(dtype=float), rel=1e-5)


def test_rows_without_calibration(monkeypatch):
    """
    A method whose spread is calibrated has another row, without draws of its own.
    """
    protocol = read_protocol("ensemble")
    row = Method("ldm", protocol, "mdi", n_samples=3, calibrate=False)
    assert row.name == "ldm-uncalibrated"
    assert not row.draws
    assert row.settings["calibrate"] is False
    from sunpy_superres.benchmark import contenders

    monkeypatch.setattr(contenders.Method, "has_calibration", True, raising=False)
    names = [one.name for one in contenders.contenders(protocol, "mdi", methods=["ldm", "progressive"])]
    assert names[:3] == ["bicubic", "wiener", "ldm"]
    assert names[-1] == "progressive"


def test_real_pairs_with_a_time_series(tmp_path):
    """
    Two times of one region in the northern box, and the factors of the paper.
    """
    folder = tmp_path / "pairs"
    folder.mkdir()
    for day in (5, 6):
        truth = synthetic_magnetogram((160, 160), seed=day)
        place = {"date": f"2011-03-0{day}T00:00:00", "rsun_obs": SOLAR_RADIUS, "center": (100, 250)}
        maps.write_map(
            maps.from_array(degrade(truth, seed=1), scale=4 * HMI_SCALE, **place), folder / f"{day}_mdi.fits"
        )
        maps.write_map(maps.from_array(truth, scale=HMI_SCALE, instrument="hmi", **place), folder / f"{day}_hmi.fits")
    results = run_protocol("munoz2024", tmp_path, tmp_path / "run", methods=[])
    assert [row["name"] for row in results["rows"]] == ["bicubic", "wiener", "paper-factor", "oracle", "random-phase"]
    series = results["curves"]["time_series"]
    assert series["time"] == ["2011-03-05T00:00:00", "2011-03-06T00:00:00"]
    ratio = np.sum(series["rows"]["oracle"]["unsigned"]) / np.sum(series["truth"]["unsigned"])
    patches = results["tables"][2]["cells"]
    assert patches["oracle"]["series_unsigned"]["value"] == pytest.approx(ratio)
    assert ratio == pytest.approx(1, abs=0.15)
    # The paper's factor for MDI is 1.3, ours 1 / 0.701: all is larger by 1.097.
    first, other = (np.array(series["rows"][name]["net"]) for name in ("bicubic", "paper-factor"))
    assert patches["paper-factor"]["flux_30"]["value"] > patches["bicubic"]["flux_30"]["value"]
    np.testing.assert_allclose(other / first, 1 / (1.3 * 0.701), rtol=0.05)
    cells = results["tables"][0]["cells"]
    assert cells["paper-factor"]["all"]["value"] == pytest.approx(cells["bicubic"]["all"]["value"], rel=1e-5)
    assert cells["bicubic"]["r_0_033"]["value"] is not None
    texts = [finding["text"] for finding in results["findings"]]
    assert not any("Published numbers are of" in text for text in texts)
    assert any(text.startswith("The truth was registered") for text in texts)
    assert results["settings"]["edge"] == 8
    gong = run_protocol("munoz2024", tmp_path, tmp_path / "run2", methods=[], instrument="mdi", seed=3)
    assert gong["settings"]["seed"] == 3


def test_other_months_are_told(data, tmp_path):
    (tmp_path / "pairs").mkdir()
    truth = synthetic_magnetogram((160, 160), seed=1)
    fits.writeto(tmp_path / "pairs" / "20120402_204800_mdi.fits", np.kron(degrade(truth, seed=1), np.ones((4, 4))))
    fits.writeto(tmp_path / "pairs" / "20120402_204800_hmi.fits", truth)
    results = run_protocol("munoz2024", tmp_path, tmp_path / "run", methods=[])
    texts = [finding["text"] for finding in results["findings"]]
    assert (
        "Published numbers are of 2011-03 and these cases of 2012-04: compare the rows with each other only." in texts
    )
    assert any(text.startswith("Where the images lie on the disk is not known") for text in texts)
    assert results["tables"][0]["cells"]["bicubic"]["r_0_1"]["value"] is None


def test_missing_packages_are_told(data, tmp_path, monkeypatch):
    from sunpy_superres.benchmark import scoring

    def missing(*_):
        msg = "LPIPS needs more packages"
        raise RuntimeError(msg)

    monkeypatch.setattr(scoring, "_lpips", missing)
    monkeypatch.setattr(scoring, "_features", missing)
    results = run_protocol("ramunno2025", data, tmp_path / "run", methods=[])
    cells = results["tables"][0]["cells"]["bicubic"]
    assert cells["lpips"]["value"] is None
    assert cells["fid"]["value"] is None
    assert cells["psnr"]["value"] > 30
    texts = [finding["text"] for finding in results["findings"]]
    assert "LPIPS could not be measured: LPIPS needs more packages" in texts
    # And still are when everything is there already.
    again = run_protocol("ramunno2025", data, tmp_path / "run", methods=[])
    assert again["findings"] == results["findings"]
    monkeypatch.setattr(scoring, "_lpips", lambda p, g: 0.25)
    monkeypatch.setattr(scoring, "_features", lambda field: np.random.default_rng(0).normal(size=(4, 3)))
    # A download that failed is tried again.
    results = run_protocol("ramunno2025", data, tmp_path / "run", methods=[])
    assert not any("could not be measured" in finding["text"] for finding in results["findings"])
    cells = results["tables"][0]["cells"]["bicubic"]
    assert cells["lpips"]["value"] == 0.25
    assert cells["fid"]["value"] == pytest.approx(0, abs=1e-6)


def test_many_cases_are_read_again(data, tmp_path, monkeypatch):
    """
    Where they do not fit into memory together, the figures are the same.
    """
    from sunpy_superres.benchmark import runner

    whole = run_protocol("degraded-hmi", data, tmp_path / "one", methods=[])
    monkeypatch.setattr(runner, "_PIXELS", 1)
    parts = run_protocol("degraded-hmi", data, tmp_path / "two", methods=[])
    assert parts["tables"] == whole["tables"]
    assert parts["findings"] == whole["findings"]


def test_the_data_of_the_project(shared_data, tmp_path):
    results = run_protocol("degraded-hmi", shared_data, tmp_path, methods=["progressive"])
    cell = results["tables"][0]["cells"]["progressive"]["rmse_ratio"]
    assert cell["mean"] == pytest.approx(0.725, abs=0.02)
    assert cell["high"] < 0.8
    assert results["settings"]["places"] == 36
    assert len({case["region"] for case in results["data"]["cases"]}) == 2


def written(folder, case, *, name=None, unit=None, factor=1.0, header=None):
    folder.mkdir(exist_ok=True)
    header = fits.Header() if header is None else header
    if unit is not None:
        header["BUNIT"] = unit
    fits.writeto(folder / f"{name or case.name}.fits", case.truth * np.float32(factor), header, overwrite=True)
    return Predictions("x", folder)


@pytest.mark.parametrize(
    ("unit", "factor"), [(None, 1), ("Gauss", 1), ("G", 1), ("kG", 1e-3), ("mT", 0.1), ("Mx/cm^2", 1), ("Mx/cm2", 1)]
)
def test_predictions_are_brought_to_gauss(data, tmp_path, unit, factor):
    case = next(degraded_cases(data))
    row = written(tmp_path / "x", case, unit=unit, factor=factor)
    row.check(case)
    np.testing.assert_allclose(row.predict(case).mean, case.truth, rtol=1e-5, atol=1e-3)


def test_units_of_something_else_are_refused(data, tmp_path):
    case = next(degraded_cases(data))
    for unit in ("km/s", "nonsense"):
        row = written(tmp_path / "x", case, unit=unit)
        with pytest.raises(ValueError, match="is no unit of a magnetic field"):
            row.check(case)


def test_one_file_is_of_one_case(data, tmp_path):
    one, two, _ = degraded_cases(data)
    folder = tmp_path / "x"
    case = replace(one, name="img_1")
    written(folder, case, name="sr_img_12")
    with pytest.raises(ValueError, match="holds none of img_1"):
        Predictions("x", folder).check(case)
    row = written(folder, case, name="sr-img_1.x2")
    row.check(case)
    row = written(folder, case, name="img_1")
    row.check(case)  # the exact name counts
    short = replace(two, name="img")
    (folder / "img_1.fits").unlink()
    (folder / "sr-img_1.x2.fits").rename(folder / "img_1.fits")
    (folder / "sr_img_12.fits").unlink()
    row = Predictions("x", folder)
    row.check(case)
    with pytest.raises(ValueError, match="would be the prediction of both img_1 and img"):
        row.check(short)


def test_coordinates_of_predictions_are_looked_at(data, tmp_path):
    case = next(degraded_cases(data))
    fine = sunpy_superres.superresolve(case.map(), "bicubic", 1, instrument="mdi")
    maps.write_map(fine, tmp_path / "fine.fits")
    with fits.open(tmp_path / "fine.fits") as hdus:
        header = next(hdu.header for hdu in hdus if "CTYPE1" in hdu.header)
    keys = ("CTYPE", "CRPIX", "CRVAL", "CDELT", "CUNIT")
    header = fits.Header([(f"{key}{i}", header[f"{key}{i}"]) for key in keys for i in (1, 2)])
    written(tmp_path / "x", case, header=header.copy()).check(case)
    header["CRPIX1"] += 3
    with pytest.raises(ValueError, match="coordinates are 3 pixels off at a corner"):
        written(tmp_path / "x", case, header=header.copy()).check(case)
    header["CTYPE1"], header["CTYPE2"] = "CRLN-CEA", "CRLT-CEA"
    with pytest.raises(ValueError, match="of another kind"):
        written(tmp_path / "x", case, header=header.copy()).check(case)


def test_versions_of_the_package_are_told(data, tmp_path, monkeypatch):
    said, options = [], {"methods": []}
    first = run_protocol("degraded-hmi", data, tmp_path / "run", **options)
    own = sunpy_superres.__version__
    assert first["settings"]["parts_version"] == [own]
    monkeypatch.setattr(sunpy_superres, "__version__", "99.0")
    (tmp_path / "run" / "parts" / "wiener" / "a.1.x.npz").unlink()
    again = run_protocol("degraded-hmi", data, tmp_path / "run", tell=said.append, **options)
    assert again["settings"]["parts_version"] == sorted([own, "99.0"])
    assert said[-1] == f"1 results made, 11 were there, made by version {own} of the package too"
    (text,) = [f["text"] for f in again["findings"] if f["text"].startswith("Results of other runs were used")]
    assert "a mixture" in text


def test_calibration_that_was_fitted_on_the_cases_is_told(finished, data, outputs, tmp_path, monkeypatch):
    results = finished[0]
    (text,) = [f["text"] for f in results["findings"] if f["text"].startswith("theirs: of the truths")]
    assert "fitted" not in text
    assert text.count("where the truth is above") == 1
    predict = Predictions.predict

    def calibrated(self, case):
        found = predict(self, case)
        found.about["calibration_images"] = ["a.1.x.fits", "b.2.x.magnetogram.fits", "other.fits"]
        return found

    monkeypatch.setattr(Predictions, "predict", calibrated)
    options = {"methods": [], "predictions": {"theirs": outputs / "many"}}
    results = run_protocol("degraded-hmi", data, tmp_path / "run", **options)
    (text,) = [f["text"] for f in results["findings"] if f["text"].startswith("theirs: of the truths")]
    assert text.endswith("but its calibration was fitted on 2 of these 3 cases: that is no test of it.")
    assert "Of all pixels and of those that the prediction chooses it is" in text
    row = next(row for row in results["rows"] if row["name"] == "theirs")
    assert len(row["calibration_images"]) == 3


def test_bundled_models_name_what_they_were_calibrated_on():
    protocol = read_protocol("ensemble")
    assert Method("ldm", protocol, "mdi", n_samples=3)._calibrated_on
    assert Method("ldm", protocol, "mdi", n_samples=3, calibrate=False)._calibrated_on == []


def test_a_fake_that_resolves_something_does_not_pass(monkeypatch):
    from sunpy_superres.benchmark import findings

    rings = np.zeros((64, 4))
    rings[:, 0], rings[:, 1], rings[:, 2] = 8, 1, 1
    rings[:20, 3] = 1  # follows the truth down to 3.2 arcsec
    row = SimpleNamespace(name="random-phase", pooled={"rings": rings})
    ((good,),) = (findings._controls({"random-phase": row}, period) for period in (3.2,))
    assert good["passed"] is True
    assert findings._controls({"random-phase": row}, 4.0)[0]["passed"] is False
    rings[20:, 1] = 2
    assert findings._controls({"random-phase": row}, 3.2)[0]["passed"] is False


def test_noise_of_the_series_is_of_networks_alone(data, tmp_path):
    case = replace(next(degraded_cases(data)), center=(0.0, 150.0))
    scorer = Scorer(read_protocol("munoz2024"), 0)
    plain, noisy = (
        scorer.score(case, Prediction(case.truth), noisy=flag)["mean/case/series"] for flag in (False, True)
    )
    assert plain[1] == plain[3]
    assert noisy[1] != noisy[3]


def test_deconvolution_does_not_fill_the_quiet_sun_with_noise(shared_data):
    errors = {}
    for name in ("bicubic", "wiener"):
        row = Baseline(name, "mdi")
        found = [np.abs(row.predict(case).mean - case.truth) for case in degraded_cases(shared_data)]
        errors[name] = np.array([(one.mean(), np.mean(one.astype(float) ** 2)) for one in found])
    mae = errors["wiener"][:, 0]
    assert (mae < [20.5, 26.5, 28, 19, 28]).all()
    assert (errors["wiener"][:, 1] < errors["bicubic"][:, 1]).all()
