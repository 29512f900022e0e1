"""
Methods side by side: the same figures as by hand, table, file and picture.
"""

import csv

import matplotlib.pyplot as plt
import numpy as np
import pytest
from click.testing import CliRunner

import astropy.units as u

import sunpy.map

from sunpy_superres import maps, metrics, superresolve
from sunpy_superres.benchmark import compare, comparison_table, write_csv
from sunpy_superres.cli import main
from sunpy_superres.degradation import degrade, synthetic_magnetogram
from sunpy_superres.plotting import plot_comparison

SCALE = 2.017092


@pytest.fixture(scope="module")
def scene():
    truth = synthetic_magnetogram((192, 192), seed=1)
    smap = maps.from_array(degrade(truth, seed=1), scale=SCALE, instrument="mdi")
    return smap, maps.build(smap, truth, 4)


def test_figures(scene):
    smap, truth = scene
    found = compare(smap, ["ldm", "bicubic", "ldm"], truth=truth, n_samples=4, seed=3, register=False)
    assert [row["method"] for row in found.rows] == ["ldm", "bicubic"]
    fine = superresolve(smap, n_samples=4, seed=3)
    sample = superresolve(smap, n_samples=1, seed=3).data
    row = found.rows[0]
    assert row["rmse"] == pytest.approx(metrics.rmse(fine.data, truth.data))
    assert row["correlation"] == pytest.approx(metrics.pcc(fine.data, truth.data))
    # What is not linear is that of one draw.
    assert row["flux_ratio"] == pytest.approx(metrics.unsigned_flux(sample) / metrics.unsigned_flux(truth.data))
    assert row["power_4"] == pytest.approx(metrics.power_ratio(sample, truth.data, SCALE / 4, 4)[0], rel=1e-4)
    assert row["spread_skill"] == pytest.approx(np.sqrt(np.mean(fine.uncertainty.array**2)) / row["rmse"], rel=1e-5)
    assert list(found.samples) == ["ldm"]
    assert "spread_skill" not in found.rows[1]
    # A pixel of 0.504 arcsec is 366 km at 1 au.
    area = (SCALE / 4 * u.arcsec).to_value(u.rad) ** 2 * smap.observer_coordinate.radius.to_value(u.cm) ** 2
    assert row["unsigned_flux"] == pytest.approx(np.abs(fine.data).sum(dtype=float) * area, rel=1e-5)


def test_without_truth(scene):
    (row,) = compare(scene[0], ["bicubic"]).rows
    assert set(row) == {"method", "seconds", "unsigned_flux", "mean_gradient"}


def test_a_shift_of_the_truth_is_not_the_fault_of_the_method(scene):
    smap, truth = scene
    moved = maps.build(smap, np.roll(truth.data, 2, axis=1), 4)
    rows = [compare(smap, ["bicubic"], truth=one).rows[0] for one in (truth, moved)]
    assert rows[1]["rmse"] == pytest.approx(rows[0]["rmse"], rel=0.05)
    unregistered = compare(smap, ["bicubic"], truth=moved, register=False).rows[0]
    assert unregistered["rmse"] > 1.1 * rows[0]["rmse"]


def test_truth_on_another_grid(scene):
    smap, truth = scene
    cutout = truth.submap([40, 30] * u.pix, top_right=[160, 170] * u.pix)
    found = compare(smap, ["bicubic"], truth=cutout, register=False)
    assert found.truth.shape == (192, 192)
    inside = np.isfinite(found.truth)
    np.testing.assert_allclose(found.truth[inside], truth.data[inside], atol=0.5)
    assert inside[31:170, 41:160].all()
    assert not inside[:28].any()


def test_what_cannot_be_compared(scene):
    smap, truth = scene
    with pytest.raises(ValueError, match="No methods to compare; known are bicubic"):
        compare(smap, [])
    with pytest.raises(ValueError, match="Unknown method 'magic'"):
        compare(smap, ["magic"])
    far = maps.from_array(truth.data, scale=SCALE / 4, instrument="hmi", center=(700, 0))
    with pytest.raises(ValueError, match="Nothing of the truth lies within the map"):
        compare(smap, ["bicubic"], truth=far)


def test_table_and_file(tmp_path):
    rows = [{"method": "bicubic", "rmse": 41.25}, {"method": "ldm", "rmse": 29.9, "spread_skill": 1.0}]
    assert comparison_table(rows).splitlines()[1:] == [
        "rmse                41.25       29.9",
        "spread_skill            -          1",
    ]
    write_csv(rows, tmp_path / "figures.csv")
    with (tmp_path / "figures.csv").open() as file:
        assert list(csv.DictReader(file)) == [
            {"method": "bicubic", "rmse": "41.25", "spread_skill": ""},
            {"method": "ldm", "rmse": "29.9", "spread_skill": "1.0"},
        ]


def test_picture(scene):
    smap, truth = scene
    found = compare(smap, ["bicubic"], truth=truth)
    figure = plot_comparison(found.results, samples={"bicubic": found.truth}, truth=found.truth, zoom=64)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["bicubic", "truth", "bicubic - truth"]
    spectra = next(axes for axes in figure.axes if axes.get_xlabel() == "period [arcsec]")
    assert [text.get_text() for text in spectra.get_legend().get_texts()] == ["bicubic, one draw", "truth"]
    one, other = (line.get_ydata() for line in spectra.get_lines())
    np.testing.assert_allclose(one, other)
    plt.close(figure)


def test_command(scene, tmp_path):
    smap, truth = scene
    maps.write_map(smap, tmp_path / "mdi.fits")
    maps.write_map(truth, tmp_path / "hmi.fits")
    arguments = ["compare", str(tmp_path / "mdi.fits"), "-o", str(tmp_path / "out"), "--methods", "bicubic"]
    found = CliRunner().invoke(main, [*arguments, "--truth", str(tmp_path / "hmi.fits")])
    assert found.exit_code == 0, found.output
    assert "rmse" in found.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["comparison.csv", "comparison.png"]
    assert "takes METHOD=WEIGHTS" in CliRunner().invoke(main, [*arguments, "--model", "x"]).stderr
    found = CliRunner().invoke(main, [*arguments, "--model", "bicubic=x"])
    assert found.exit_code == 1
    assert "has no weights" in found.stderr


def test_bicubic_follows_the_factor_and_the_grid(gong, rng):
    hmi = maps.from_array(rng.normal(0, 100, (24, 32)), scale=0.504, instrument="hmi")
    found = compare(hmi, ["bicubic", "enhance"])
    assert found.results["bicubic"].data.shape == found.results["enhance"].data.shape == (48, 64)
    # GONG is regridded once, for all of them.
    cutout = gong.submap([300, 300] * u.pix, top_right=[330, 340] * u.pix)
    found = compare(cutout, ["highresnet", "bicubic"], n_samples=2)
    first, second = (found.results[method] for method in ("highresnet", "bicubic"))
    assert first.data.shape == second.data.shape
    np.testing.assert_allclose(first.wcs.wcs.crpix, second.wcs.wcs.crpix)
    with pytest.raises(ValueError, match="enhance 2 times, progressive 4 times"):
        compare(hmi, ["enhance", "progressive"])


def test_continuum_has_no_flux(rng):
    smap = maps.from_array(1 + 0.03 * rng.normal(size=(24, 32)), scale=0.504, instrument="hmi-continuum")
    rows = compare(smap, ["enhance", "bicubic"]).rows
    assert all("unsigned_flux" not in row for row in rows)
    assert all(row["mean_gradient"] > 0 for row in rows)


def test_flux_of_heliographic_maps(bipole):
    """
    A pixel of 0.12 degrees has its area on the Sun, not on the sky.
    """
    header = {
        "ctype1": "CRLN-CEA", "ctype2": "CRLT-CEA", "cunit1": "deg", "cunit2": "deg", "cdelt1": 0.12, "cdelt2": 0.12,
        "crpix1": 32.5, "crpix2": 24.5, "crval1": 0.0, "crval2": 0.0, "crln_obs": 0.0, "crlt_obs": 0.0,
        "rsun_ref": 6.96e8, "dsun_obs": 1.496e11, "date-obs": "2010-06-01T00:00:00", "telescop": "SOHO",
        "instrume": "MDI", "camera": "MDI", "content": "MAGNETOGRAM", "bunit": "Gauss",
    }  # fmt: skip
    smap = sunpy.map.Map(bipole, header)
    (row,) = compare(smap, ["bicubic"]).rows
    side = np.radians(0.12) * 6.96e10
    assert row["unsigned_flux"] == pytest.approx(0.7 * np.abs(bipole).sum() * side**2, rel=0.05)
