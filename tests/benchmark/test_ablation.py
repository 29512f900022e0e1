"""
The terms of the loss, added one by one: the right networks, and the same figures as by hand.
"""

import csv
import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from astropy.io import fits

from sunpy_superres import metrics, superresolve
from sunpy_superres.benchmark import ablation
from sunpy_superres.benchmark._scene import input_map
from sunpy_superres.benchmark.ablation import plot_ablation
from sunpy_superres.cli import main
from sunpy_superres.degradation import degrade, synthetic_magnetogram
from sunpy_superres.training.recipe import read_recipe

pytest.importorskip("pytorch_lightning")

NAMES = ["bicubic", "mse", "+gradient", "+histogram", "+ssim"]
TINY = """
name = "tiny"
method = "highresnet"
instruments = ["mdi"]
[model]
width = 8
blocks = 1
[stages.network]
steps = 4
batch = 2
size = 64
block = 2
warmup = 1
learning_rate = 1e-2
ema = 0.5
gradient = 5.0
histogram = 0.1
ssim = 0.5
"""


def write(path, field):
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(field)]).writeto(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """
    A recipe, prepared arrays of one field, and two magnetograms to measure on: one with a hole, one too weak.
    """
    folder = tmp_path_factory.mktemp("ablation")
    (folder / "tiny.toml").write_text(TINY)
    arrays, validation = folder / "arrays", folder / "validation"
    arrays.mkdir()
    pixels = np.round(synthetic_magnetogram((128, 128), seed=5) * 10).astype(np.int16)
    np.save(arrays / "pixels.npy", pixels.ravel())
    record = {"name": "hmi.1.fits", "region": "1", "offset": 0, "shape": pixels.shape, "plane": [0.2, 0.0, 0.0]}
    (arrays / "index.json").write_text(json.dumps([record]))
    validation.mkdir()
    field = synthetic_magnetogram((101, 136), seed=1)
    field[40:44, 50] = np.nan
    write(validation / "hmi.a.magnetogram.fits", field)
    weak = np.random.default_rng(0).normal(0, 5, (64, 64)).astype(np.float32)
    write(validation / "hmi.b.magnetogram.fits", weak)
    write(validation / "hmi.a.continuum.fits", np.full((64, 64), 5e4))
    return folder


@pytest.fixture(scope="module")
def recipe(folder):
    return read_recipe(folder / "tiny.toml")


@pytest.fixture(scope="module")
def command(folder):
    """
    The command and what it said.
    """
    arguments = ["ablation", str(folder / "tiny.toml"), "--data", str(folder / "arrays")]
    arguments += ["--validation", str(folder / "validation"), "-o", str(folder / "out")]
    arguments += ["--steps", "2", "--seed", "3", "--device", "cpu"]
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code == 0, found.output
    return arguments, found


def test_command(folder, command):
    arguments, found = command
    for word in ("extreme_bias", *NAMES, "ablation.csv"):
        assert word in found.stdout
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "ablation.csv",
        "ablation.json",
        "ablation.png",
        "gradient",
        "histogram",
        "mse",
        "ssim",
    ]
    with (folder / "out" / "ablation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == NAMES
    assert (float(rows[0]["rmse_ratio"]), float(rows[0]["gradient_ratio"])) == (1, 1)
    # A second run trains nothing, and measures the same.
    again = CliRunner().invoke(main, arguments)
    assert again.stdout.count("already finished") == 4
    with (folder / "out" / "ablation.csv").open() as file:
        assert list(csv.DictReader(file)) == rows
    # Nor is what this recipe made taken for that of another.
    other = CliRunner().invoke(main, [*arguments, "--steps", "1"])
    assert other.exit_code == 1
    assert "of another recipe" in other.stderr


def test_networks_differ_in_the_loss_alone(folder, command, recipe):
    coefficients = {}
    for name in ("mse", "gradient", "histogram", "ssim"):
        kept = json.loads((folder / "out" / name / "training.json").read_text())["recipe"]
        stage = kept["stages"]["network"]
        coefficients[name] = [stage.pop(term) for term in ("gradient", "histogram", "ssim")]
        assert (stage["steps"], stage["batch"], stage["size"], kept["seed"]) == (2, 2, 64, recipe.seed)
    assert coefficients == {
        "mse": [0, 0, 0],
        "gradient": [5, 0, 0],
        "histogram": [5, 0.1, 0],
        "ssim": [5, 0.1, 0.5],
    }
    assert len({(folder / "out" / name / "model.safetensors").read_bytes() for name in coefficients}) == 4


def test_figures_by_hand(folder, command):
    results = json.loads((folder / "out" / "ablation.json").read_text())
    assert (results["recipe"], results["steps"], results["seed"]) == ("tiny", 2, 3)
    assert results["provenance"]["+gradient"]["stage"]["histogram"] == 0
    assert len({network["srsha256"] for network in results["provenance"].values()}) == 4
    strong, weak = results["images"]
    assert weak["patches"] == 0

    truth = fits.getdata(folder / "validation" / "hmi.a.magnetogram.fits")[:96].astype(np.float32)
    smap = input_map(degrade(truth, seed=3))
    row = results["rows"][2]
    fine = superresolve(smap, "highresnet", 1, model=folder / "out" / "gradient", seed=3, device="cpu").data
    bicubic = superresolve(smap, "bicubic", 1).data
    found = []
    for y in range(0, 96, 32):
        for x in range(0, 128, 32):
            p, t = fine[y : y + 32, x : x + 32], truth[y : y + 32, x : x + 32]
            if np.isfinite(t).all() and np.abs(t).mean() >= 10:
                flux = np.abs(p).mean(dtype=float) - np.abs(t).mean(dtype=float)
                extremes = metrics.extreme_bias(p, t, 32), metrics.extreme_error(p, t, 32)
                found.append((*extremes, metrics.pcc(p, t), metrics.gradient_error(p, t), flux))
    assert 3 < strong["patches"] == len(found) < 12
    names = ("extreme_bias", "extreme_error", "patch_correlation", "patch_gradient_error", "patch_flux_bias")
    for name, expected in zip(names, np.mean(found, axis=0), strict=True):
        assert row[name] == pytest.approx(expected, rel=1e-5), name
    whole = strong["figures"]["+gradient"]
    assert whole["rmse"] == pytest.approx(metrics.rmse(fine, truth))
    assert whole["rmse_ratio"] == pytest.approx(whole["rmse"] / metrics.rmse(bicubic, truth))
    ratio = metrics.gradient_error(fine, truth) / metrics.gradient_error(bicubic, truth)
    assert whole["gradient_ratio"] == pytest.approx(ratio)
    # The image without patches counts for what is of whole images.
    assert row["rmse"] == pytest.approx((whole["rmse"] + weak["figures"]["+gradient"]["rmse"]) / 2)


def test_one_variant(folder, command, recipe, tmp_path):
    shutil.copytree(folder / "out" / "mse", tmp_path / "mse")
    said = []
    rows = ablation(
        recipe,
        folder / "arrays",
        folder / "validation",
        tmp_path,
        steps=2,
        variants=["mse"],
        device="cpu",
        progress=said.append,
    )
    assert [row["method"] for row in rows] == ["bicubic", "mse"]
    assert sum("already finished" in line for line in said) == 1


def test_picture(rng):
    names = ("extreme_bias", "patch_correlation", "patch_gradient_error", "patch_flux_bias")
    patches = {name: {figure: list(rng.normal(size=9)) for figure in names} for name in ("bicubic", "mse")}
    patches["mse"]["patch_correlation"][4] = np.nan
    figure = plot_ablation(patches)
    assert len(figure.axes) == 4
    for axes in figure.axes:
        assert [label.get_text() for label in axes.get_xticklabels()] == ["bicubic", "mse"]


def test_errors_come_before_the_training(folder, recipe, tmp_path):
    def fails(recipe=recipe, validation=folder / "validation", **options):
        ablation(recipe, folder / "arrays", validation, tmp_path / "out", **options)

    stage = recipe.stages["network"]
    with pytest.raises(ValueError, match="the one stage 'network'; two has network, flow"):
        fails(replace(recipe, name="two", stages={"network": stage, "flow": stage}))
    with pytest.raises(ValueError, match=r"Unknown variant 'all'; known are mse, \+gradient"):
        fails(variants=["all"])
    with pytest.raises(ValueError, match="No variants"):
        fails(variants=[])
    with pytest.raises(ValueError, match=r"histogram = 0, so '\+histogram' would add nothing"):
        fails(replace(recipe, stages={"network": replace(stage, histogram=0.0)}))
    with pytest.raises(ValueError, match="needs a method of factor 4; that of tiny has 2"):
        fails(replace(recipe, model={**recipe.model, "factor": 2}))
    with pytest.raises(ValueError, match="is trained on 'mdi' but for gong"):
        fails(replace(recipe, instruments=("gong",)))
    with pytest.raises(FileNotFoundError, match=r"No \*\.magnetogram\.fits in"):
        fails(validation=tmp_path)
    write(tmp_path / "weak.magnetogram.fits", np.zeros((64, 64)))
    with pytest.raises(ValueError, match="No patch of 32 x 32 pixels"):
        fails(validation=tmp_path)
    assert not (tmp_path / "out").exists()


def test_without_the_packages_of_training(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "sunpy_superres.training.fit", None)
    arguments = ["ablation", "highresnet-mdi", "--data", "arrays", "--validation", "fits", "-o", str(folder / "none")]
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code == 1
    assert "Training needs more packages" in found.stderr
