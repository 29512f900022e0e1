"""
From FITS files to weights that the public functions load.
"""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

import sunpy_superres
from sunpy_superres import maps
from sunpy_superres.degradation import sharpening_kernel, synthetic_magnetogram
from sunpy_superres.instruments import HMI_SCALE, get_instrument
from sunpy_superres.models import get_architecture, get_method
from sunpy_superres.training import losses
from sunpy_superres.training import recipe as recipe_module
from sunpy_superres.training.patches import SIMULATION, Jitter, PatchPool
from sunpy_superres.training.prepare import prepare
from sunpy_superres.training.recipe import read_recipe
from sunpy_superres.weights.files import load_model

pl = pytest.importorskip("pytorch_lightning")

RECIPES = sorted(path.stem for path in (Path(recipe_module.__file__).parent / "recipes").glob("*.toml"))
SMALL = """
name = "small"
method = "ldm"
instruments = ["mdi"]
seed = 3

[model]
latent_channels = 8
regression = [8, 1]
widths = [8, 8]
blocks = [1, 1]
steps = 2

[stages.autoencoder]
steps = 4
batch = 2
size = 64
block = 2

[stages.regression]
steps = 6
batch = 2
size = 64
block = 2
validate_every = 3

[stages.flow]
steps = 4
batch = 2
size = 64
block = 2
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """
    A folder with two magnetograms of HMI, one of MDI, one damaged file and one that is no magnetogram.
    """
    folder = tmp_path_factory.mktemp("fits")
    for seed in range(2):
        smap = maps.from_array(synthetic_magnetogram((128, 160), seed=seed), scale=HMI_SCALE, instrument="hmi")
        maps.write_map(smap, folder / f"hmi.sharp.{seed}.fits")
    coarse = maps.from_array(np.zeros((16, 16), np.float32), scale=2.0, instrument="mdi")
    maps.write_map(coarse, folder / "mdi.fits")
    (folder / "damaged.fits").write_bytes((folder / "mdi.fits").read_bytes()[:5000])
    return folder


@pytest.fixture(scope="module")
def prepared(archive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    prepare(archive, folder)
    return folder


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return read_recipe(path)


def test_prepare(archive, tmp_path):
    said = []
    records = prepare(archive, tmp_path / "out", limbward=False, progress=said.append)
    assert [record.shape for record in records] == [(128, 160)] * 2
    assert len({record.region for record in records}) == 2
    assert said[2:] == ["2 used, 2 skipped: 1 truncated, 1 of another instrument or quantity"]
    assert any("of SOHO/MDI, not of SDO/HMI" in line for line in said)
    assert any("damaged.fits" in line for line in said)
    pixels = np.load(tmp_path / "out" / "pixels.npy")
    expected = synthetic_magnetogram((128, 160), seed=0)
    np.testing.assert_allclose(pixels[: expected.size].reshape(expected.shape) / 10, expected, atol=0.06)


def test_limbward_copies_are_compressed(archive, tmp_path):
    records = prepare(archive, tmp_path)
    assert len(records) == 4
    assert records[1].shape[0] < 128
    assert records[3].shape[1] < 160
    assert records[1].plane[0] > 0.5


def test_excluded_files(archive, tmp_path):
    assert {record.name for record in prepare(archive, tmp_path, exclude=["sharp.1"])} == {"hmi.sharp.0.fits"}


def test_nothing_to_prepare(tmp_path):
    with pytest.raises(FileNotFoundError, match="no FITS file"):
        prepare(tmp_path, tmp_path / "out")
    coarse = maps.from_array(np.zeros((16, 16), np.float32), scale=2.0, instrument="mdi")
    maps.write_map(coarse, tmp_path / "mdi.fits")
    with pytest.raises(ValueError, match=r"No file in .* is an HMI line-of-sight magnetogram"):
        prepare(tmp_path, tmp_path / "out")


def test_patches_are_pairs(prepared):
    jitter = Jitter(core=1.0, gain=0.0)
    pool = PatchPool(prepared, size=64, jitter=jitter)
    batch = pool.draw(24, torch.Generator().manual_seed(0))
    assert batch.truth.shape == (24, 1, 64, 64)
    assert batch.field.shape == batch.radius.shape == batch.window.shape == (24, 1, 16, 16)
    coarse = torch.nn.functional.avg_pool2d(batch.truth, 4)
    pair = torch.stack([coarse.flatten(), batch.field.flatten()])
    assert torch.corrcoef(pair)[0, 1] > 0.9
    assert 0 <= batch.radius.min()
    assert batch.radius.max() <= 1
    # Cut at a limb: nothing is beyond it.
    assert (batch.field[batch.window == 0] == 0).all()
    again = pool.draw(24, torch.Generator().manual_seed(0))
    torch.testing.assert_close(again.truth, batch.truth, rtol=0, atol=0)
    torch.testing.assert_close(again.field, batch.field, rtol=0, atol=0)


@pytest.fixture
def photosphere(tmp_path, rng):
    """
    Folder with one continuum image of HMI, and a simulation as a file.
    """
    folder = tmp_path / "fits"
    folder.mkdir()
    granules = gaussian_filter(rng.normal(size=(128, 160)), 2)
    smap = maps.from_array(1 + 0.1 * granules, scale=HMI_SCALE, instrument="hmi-continuum")
    maps.write_map(smap, folder / "hmi.sharp.7.continuum.fits")
    smap = maps.from_array(synthetic_magnetogram((128, 160)), scale=HMI_SCALE, instrument="hmi")
    maps.write_map(smap, folder / "hmi.sharp.7.magnetogram.fits")
    np.save(tmp_path / "simulation.npy", 3e10 * (1 + gaussian_filter(rng.normal(size=(500, 500)), 5)))
    return folder, tmp_path / "simulation.npy"


def test_prepare_continuum(photosphere, tmp_path):
    folder, simulation = photosphere
    said = []
    records = prepare(
        folder, tmp_path / "out", quantity="continuum", simulations=[(simulation, 0.0662)], progress=said.append
    )
    assert [record.region for record in records] == ["hmi.sharp.7"] * 2 + [SIMULATION]
    assert {record.quantity for record in records} == {"continuum"}
    assert said[1:] == ["1 used, 1 skipped: 1 of another instrument or quantity"]
    assert "of SDO/HMI, not of SDO/HMI continuum" in said[0]
    pixels = np.load(tmp_path / "out" / "pixels.npy")
    assert pixels[records[2].offset :].mean() == pytest.approx(1e4, rel=0.01)
    with pytest.raises(ValueError, match="Simulations are of the continuum"):
        prepare(folder, tmp_path / "out", simulations=[(simulation, 0.0662)])
    with pytest.raises(ValueError, match="quantity must be one of magnetogram, continuum"):
        prepare(folder, tmp_path / "out", quantity="velocity")


def test_training_refuses_data_of_another_quantity(recipe, prepared, photosphere, tmp_path):
    from sunpy_superres.training.fit import fit

    folder, _ = photosphere
    prepare(folder, tmp_path / "out", quantity="continuum")
    with pytest.raises(ValueError, match="'small' is trained on magnetogram data"):
        fit(recipe, tmp_path / "out", tmp_path / "run")
    short = replace(recipe, jitter=Jitter(instrument="hmi-continuum"))
    with pytest.raises(ValueError, match="'small' is trained on continuum data"):
        fit(short, prepared, tmp_path / "run")


def test_continuum_patches(photosphere, tmp_path):
    folder, simulation = photosphere
    out = tmp_path / "out"
    prepare(folder, out, quantity="continuum", simulations=[(simulation, 0.0662)])
    jitter = Jitter(instrument="hmi-continuum", sharpening=True, blur=0.0, fwhm=(0.0, 0.5), noise=(1e-4, 1e-3), gain=0)
    for simulated in (0.0, 1.0):
        pool = PatchPool(out, size=32, factor=2, jitter=jitter, simulated=simulated)
        batch = pool.draw(32, torch.Generator().manual_seed(0))
        inside = batch.window.flatten(1).min(dim=1).values > 0
        assert (batch.truth[inside].mean(dim=(1, 2, 3)) - 1).abs().max() < 0.3  # neither turned nor scaled
        # The contrast of the simulation is several times that of the image.
        assert (batch.truth[inside].std() > 0.03) == (simulated == 1.0)
    # The contrast of what is simulated, and how much of it the stray light leaves.
    deviations = {}
    for name, change in {"as it is": {}, "half": {"contrast": (0.5, 0.5)}, "no tails": {"tails": (0.0, 0.0)}}.items():
        pool = PatchPool(out, size=32, factor=2, jitter=replace(jitter, **change), simulated=1.0)
        batch = pool.draw(64, torch.Generator().manual_seed(0))
        inside = batch.window.flatten(1).min(dim=1).values > 0
        deviations[name] = [part[inside].std() for part in batch[:2]]
    assert deviations["half"][0] / deviations["as it is"][0] == pytest.approx(0.5, abs=0.02)
    assert deviations["no tails"][0] == deviations["as it is"][0]
    assert deviations["no tails"][1] > 1.3 * deviations["as it is"][1]
    index = json.loads((out / "index.json").read_text())
    index[0]["quantity"] = "magnetogram"
    (out / "index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match="both magnetograms and continuum images"):
        PatchPool(out, size=32, factor=2)


def test_sharpening_blurs_as_the_kernel_says(prepared):
    options = {"instrument": "hmi", "core": 1.0, "sharpening": True, "blur": -9.0, "fwhm": (0.0, 0.1)}
    kernels = {tails: torch.from_numpy(sharpening_kernel(tails=0.1 * tails).copy())[None, None] for tails in (0.0, 1.0)}
    for strength in kernels:
        jitter = Jitter(**options, tails=(strength, strength), grain=0.0, gain=0.0)
        batch = PatchPool(prepared, size=144, factor=2, jitter=jitter).draw(12, torch.Generator().manual_seed(1))
        batch = [part[batch.window.flatten(1).min(dim=1).values > 0] for part in batch]
        found = batch[1][..., 12:-12, 12:-12]
        errors = {}
        for tails, kernel in kernels.items():
            blurred = torch.nn.functional.avg_pool2d(torch.nn.functional.conv2d(batch[0], kernel), 2)
            errors[tails] = (blurred - found).square().mean(dim=(1, 2, 3)) / found.square().mean(dim=(1, 2, 3))
        # The median, for some patches are displaced by part of a pixel besides.
        assert errors[strength].sqrt().median() < 0.01
        assert errors[1 - strength].sqrt().median() > 0.03


def test_excluded_from_the_pool(prepared):
    assert {r.name for r in PatchPool(prepared, size=64, exclude=["sharp.1"]).records} == {"hmi.sharp.0.fits"}
    with pytest.raises(ValueError, match="is excluded"):
        PatchPool(prepared, size=64, exclude=["hmi"])


def test_pool_of_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no prepared data"):
        PatchPool(tmp_path)


def test_regression_loss_is_least_for_the_truth():
    truth, field, window = torch.randn(2, 1, 16, 16), torch.randn(2, 1, 4, 4), torch.ones(2, 1, 4, 4)
    assert losses.regression_loss(truth, truth, field, window) == 0
    assert losses.regression_loss(truth + 1, truth, field, window) > 0


def test_scale_loss_is_least_for_the_right_scale():
    residual, window = 3.0 * torch.randn(1, 2, 64, 64), torch.ones(1, 1, 64, 64)
    found = [losses.scale_loss(residual, torch.full_like(residual, s), window) for s in np.log([2.0, 3.0, 4.5])]
    assert found[1] < found[0]
    assert found[1] < found[2]


@pytest.mark.parametrize("residual", ["mean", "input"])
def test_fit_makes_a_model_that_runs(recipe, prepared, tmp_path, mdi_map, residual):
    from sunpy_superres.training.fit import fit

    recipe = replace(recipe, model={**recipe.model, "residual": residual})
    said = []
    out = fit(recipe, prepared, tmp_path / "run", validation=prepared, device="cpu", progress=said.append)
    assert any("validation_loss" in line for line in said)
    fine = sunpy_superres.superresolve(mdi_map, n_samples=2, seed=0, model=out)
    assert np.isfinite(fine.data).all()
    # Stages that are finished are not trained again.
    said.clear()
    fit(recipe, prepared, out, device="cpu", progress=said.append)
    assert sum("already finished" in line for line in said) == 3
    # Nor is what another recipe made taken for that of this one.
    with pytest.raises(ValueError, match="of another recipe"):
        fit(replace(recipe, seed=8), prepared, out, device="cpu")


@pytest.mark.parametrize(
    ("method", "model", "stage"),
    [
        (
            "highresnet",
            "width = 8\nblocks = 1\ndropout = 0.1",
            "[stages.network]\ngradient = 5.0\nhistogram = 1e-5\nssim = 5e-4",
        ),
        ("enhance", "width = 8\nblocks = 1", "[stages.network]"),
        ("progressive", "widths = [8, 8, 8]\nblocks = [1, 1, 1]", "[stages.steps]\nmiddle = 0.5"),
    ],
)
def test_other_networks(method, model, stage, prepared, tmp_path, mdi_map):
    from sunpy_superres.training.fit import fit

    path = tmp_path / "other.toml"
    common = "steps = 3\nbatch = 2\nsize = 64\nblock = 2\nvalidate_every = 2\nlearning_rate = 1e-2"
    head = f'name = "other"\nmethod = "{method}"\ninstruments = ["mdi"]\nscale = 1.986'
    path.write_text(f"{head}\n[model]\n{model}\n{stage}\n{common}")
    recipe = read_recipe(path)
    out = fit(recipe, prepared, tmp_path / "run", validation=prepared, device="cpu", progress=lambda _: None)
    torch.manual_seed(recipe.seed)
    untrained = get_method(method)(**recipe.model).state_dict()
    assert any(not torch.equal(value, untrained[name]) for name, value in load_model(out).state_dict().items())
    fine = sunpy_superres.superresolve(mdi_map, method, n_samples=20, seed=0, model=out)
    assert fine.data.shape[0] == 48 * load_model(out).factor
    assert (fine.uncertainty is None) == (method != "highresnet")


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_says_what_it_makes(name):
    from sunpy_superres.training.tasks import STAGES

    recipe = read_recipe(name)
    model = get_architecture(recipe.method)(**recipe.model)
    assert set(recipe.stages) <= set(STAGES)
    for instrument in recipe.instruments if model.purpose == "superresolve" else ():
        get_instrument(instrument)


def test_training_that_begins_with_other_weights(recipe, prepared, tmp_path):
    from sunpy_superres.training.fit import fit

    first = fit(recipe, prepared, tmp_path / "first", progress=lambda _: None)
    regression = {"regression": replace(recipe.stages["regression"], steps=1, learning_rate=0.0)}
    short = replace(recipe, start=str(first), stages=regression)
    again = fit(short, prepared, tmp_path / "again", progress=lambda _: None)
    old, new = load_model(first).state_dict(), load_model(again).state_dict()
    for name, value in old.items():
        torch.testing.assert_close(new[name], value, rtol=0, atol=0)
    # Another beginning is another training.
    other = fit(replace(recipe, seed=4), prepared, tmp_path / "other", progress=lambda _: None)
    with pytest.raises(ValueError, match="of another recipe"):
        fit(replace(short, start=str(other)), prepared, tmp_path / "again", progress=lambda _: None)
    wider = replace(short, model={**short.model, "regression": (12, 1)})
    with pytest.raises(ValueError, match="do not fit the model of the recipe"):
        fit(wider, prepared, tmp_path / "wider", progress=lambda _: None)


def test_interrupted_training_goes_on_as_if_it_had_not_been(recipe, prepared, tmp_path, monkeypatch):
    from safetensors.torch import load_file

    from sunpy_superres.training import fit as module
    from sunpy_superres.training.field_tasks import RegressionTask

    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)  # in float32
    whole = module.fit(recipe, prepared, tmp_path / "whole", device="cpu", progress=lambda _: None)

    class Killed(BaseException):
        pass

    def kill(self, *_):
        if self.global_step == 5:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(RegressionTask, "on_train_batch_start", kill)
        with pytest.raises(Killed):
            module.fit(recipe, prepared, tmp_path / "cut", device="cpu", progress=lambda _: None)
    cut = module.fit(recipe, prepared, tmp_path / "cut", device="cpu", progress=lambda _: None)
    one, other = (load_file(folder / "model.safetensors") for folder in (whole, cut))
    for name, value in one.items():
        # Up to the last bit: a restored optimizer may take another path through the same sums.
        torch.testing.assert_close(other[name], value, rtol=1e-3, atol=1e-6)


def test_fitting_needs_neither_sunpy_nor_astropy():
    program = (
        "import sys; import sunpy_superres.training.fit; "
        "print([m for m in ('sunpy', 'astropy', 'ndcube') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("steps = 4", "stepps = 4"), r"Unknown key 'stepps' in \[stages.autoencoder\]"),
        (('name = "small"', "nme = 1"), "Unknown key 'nme' in the top level"),
        (
            ("steps = 4", 'steps = "many"'),
            r"steps in \[stages.autoencoder\] of the recipe must be a whole number, not 'ma",
        ),
        (("steps = 4", "steps = -5"), r"In \[stages.autoencoder\] of the recipe: steps must be 1 or more, not -5"),
        (("batch = 2", "batch = 0"), "batch must be 1 or more, not 0"),
        (("seed = 3", 'seed = "3"'), "seed in the top level of the recipe must be a whole number"),
        (("steps = 4", "steps = 4\nema = 1.0"), "ema must be below 1"),
        (("[model]", "[jitter]\nfuzz = 3\n[model]"), r"Unknown key 'fuzz' in \[jitter\]"),
        (("batch = 2\nsize = 64\nblock = 2\n\n[stages.r", "size = 64\n\n[stages.r"), "'batch'"),
        (("seed = 3", "seed = "), "is not a TOML file"),
    ],
)
def test_wrong_recipes(tmp_path, change, message):
    path = tmp_path / "wrong.toml"
    path.write_text(SMALL.replace(*change, 1))
    with pytest.raises(ValueError, match=message):
        read_recipe(path)


def test_recipes_of_the_package():
    recipe = read_recipe("ldm-mdi")
    assert recipe.method == "ldm"
    assert list(recipe.stages) == ["autoencoder", "regression", "flow"]
    short = recipe.with_steps(5)
    assert all(stage.steps <= 5 for stage in short.stages.values())
    assert short.card["limits"].startswith("Cut short to 5 steps a stage")
    assert recipe.with_steps(10**6) == recipe
    with pytest.raises(FileNotFoundError, match=f"those that come with the package are {', '.join(RECIPES)}"):
        read_recipe("ldm-venus")
