"""
The command, as a user types it.
"""

import numpy as np
import pytest
from click.testing import CliRunner

from astropy.io import fits

from sunpy_superres import maps, superresolve
from sunpy_superres.cli import main


@pytest.fixture
def run():
    def invoke(*arguments):
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return invoke


@pytest.fixture
def mdi_file(mdi_map, tmp_path):
    path = tmp_path / "mdi.fits"
    maps.write_map(mdi_map, path)
    return path


def test_superresolve(run, mdi_file, mdi_map, tmp_path):
    out = tmp_path / "out"
    result = run("superresolve", mdi_file, "-o", out, "--n-samples", 2, "--seed", 4, "--plot")
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(out / "mdi_superres.fits")
    assert sorted(path.name for path in out.iterdir()) == ["mdi_superres.fits", "mdi_superres.png"]
    fine, expected = maps.read_map(out / "mdi_superres.fits"), superresolve(mdi_map, n_samples=2, seed=4)
    np.testing.assert_array_equal(fine.data, expected.data)
    np.testing.assert_allclose(fine.uncertainty.array, expected.uncertainty.array)
    assert fine.meta["srseed"] == 4
    with fits.open(out / "mdi_superres.fits") as hdus:
        assert "UNCERT" in hdus
        assert hdus[0].data.shape == expected.data.shape


def test_one_bad_file_does_not_cost_the_others(run, mdi_file, tmp_path):
    bad = tmp_path / "bad.fits"
    bad.write_text("no FITS file")
    result = run("superresolve", bad, mdi_file, "-o", tmp_path / "out", "--method", "bicubic", "--n-samples", 1)
    assert result.exit_code == 1
    assert "bad.fits" in result.stderr
    assert "1 of 2 files failed" in result.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mdi_superres.fits"]


def test_results_are_not_replaced_unasked(run, mdi_file, tmp_path):
    arguments = ("superresolve", mdi_file, "-o", tmp_path, "--method", "bicubic", "--n-samples", 1)
    assert run(*arguments).exit_code == 0
    again = run(*arguments)
    assert again.exit_code == 1
    assert "--overwrite replaces it" in again.stderr
    assert run(*arguments, "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "magic"], "known are bicubic, ddpm, ddpm-residual, enhance, highresnet, ldm"),
        (["--n-samples", "0"], "n_samples must be"),
        (["--device", "teapot"], "cannot be used"),
        (["--model", "nowhere"], "neither a folder, nor"),
    ],
)
def test_errors_are_one_line(run, mdi_file, tmp_path, options, message):
    result = run("superresolve", mdi_file, "-o", tmp_path / "out", *options)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list((tmp_path / "out").iterdir())


def test_missing_file(run, tmp_path):
    result = run("superresolve", tmp_path / "none.fits", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "none.fits: there is no such file" in result.stderr
    assert not (tmp_path / "out").exists()


def test_same_names(run, mdi_file, tmp_path):
    result = run("superresolve", mdi_file, mdi_file, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "same name" in result.stderr


def test_a_file_as_folder(run, mdi_file, tmp_path):
    result = run("superresolve", mdi_file, "-o", tmp_path / "result.fits")
    assert result.exit_code == 1
    assert "takes a folder" in result.stderr
    assert not (tmp_path / "result.fits").exists()


def test_demo(run, tmp_path):
    result = run("demo", "-o", tmp_path / "demo", "--n-samples", 3)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == [
        "demo_mdi.fits",
        "demo_superres.fits",
        "demo_superres.png",
    ]
    assert "against the synthetic truth" in result.stdout


def test_demo_needs_an_ensemble(run, tmp_path):
    found = run("demo", "-o", tmp_path / "demo", "--n-samples", 2)
    assert found.exit_code == 2
    assert "2 is not in the range x>=3" in found.stderr


def test_info(run):
    result = run("info")
    assert result.exit_code == 0
    for word in ("bicubic", "ldm-mdi-hmi", "torch", "sunpy"):
        assert word in result.stdout


def test_train(run, tmp_path, mdi_map):
    pytest.importorskip("pytorch_lightning")
    from sunpy_superres.degradation import synthetic_magnetogram

    data = tmp_path / "fits"
    data.mkdir()
    hmi = maps.from_array(synthetic_magnetogram((128, 128), seed=1), scale=0.504, instrument="hmi")
    maps.write_map(hmi, data / "hmi.a.1.fits")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'name = "tiny"\nmethod = "ldm"\ninstruments = ["mdi"]\n'
        "[model]\nlatent_channels = 4\nregression = [4, 1]\nwidths = [4, 4]\nblocks = [1, 1]\nsteps = 1\n"
        + "".join(f"[stages.{s}]\nsteps = 50\nbatch = 1\nsize = 64\nblock = 1\n" for s in ("regression", "flow"))
    )
    (data / "broken.fits").write_bytes(b"")
    arguments = ("train", recipe, "--data", data, "--out", tmp_path / "run", "--max-steps", 2, "--device", "cpu")
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert "skipped broken.fits: the file is empty" in result.output
    assert "1 used, 1 skipped: 1 empty" in result.output
    assert "not measured: there are no validation data" in result.output
    # The recipe has no card, without which there is no release; the weights are there all the same.
    assert "no release" in result.output
    assert superresolve(mdi_map, n_samples=1, model=tmp_path / "run").data.shape == (192, 256)


def test_processes_share_what_is_prepared(run, tmp_path):
    pytest.importorskip("pytorch_lightning")
    result = run("train", "ldm-mdi", "--data", tmp_path, "--out", tmp_path / "run", "--devices", 2)
    assert result.exit_code == 1
    assert "Several processes cannot prepare the same data" in result.stderr
    assert not (tmp_path / "run").exists()


def test_prepare(run, tmp_path):
    hmi = maps.from_array(np.zeros((64, 64), np.float32), scale=0.504, instrument="hmi")
    maps.write_map(hmi, tmp_path / "hmi.a.1.fits")
    result = run("prepare", tmp_path, tmp_path / "arrays")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "arrays").iterdir()) == ["index.json", "pixels.npy"]
    result = run("prepare", tmp_path, tmp_path / "arrays", "--exclude", "hmi")
    assert result.exit_code == 1
    assert "excluded" in result.stderr


def test_train_without_data(run, tmp_path):
    pytest.importorskip("pytorch_lightning")
    result = run("train", "ldm-mdi", "--data", tmp_path, "--out", tmp_path / "run")
    assert result.exit_code == 1
    assert "no FITS file" in result.stderr


def test_benchmark(run, shared_data, tmp_path):
    result = run("evaluate", shared_data, "-o", tmp_path, "--n-samples", 3, "--steps", 1)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["degraded.json", "pairs.json"]
