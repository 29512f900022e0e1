"""
Weights are what the registry says, or they are refused.
"""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import sunpy_superres
from sunpy_superres.models import get_method
from sunpy_superres.weights import fetch, find_model, list_models, model_info, registry
from sunpy_superres.weights.files import load_model, read_config, save_model
from sunpy_superres.weights.layout import FORMAT
from sunpy_superres.weights.loading import load, locate

CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path):
    """
    A copy of the bundled model, free to be damaged.
    """
    return shutil.copytree(model_info("ldm-mdi-hmi").bundled, tmp_path / "model")


@pytest.mark.parametrize("name", list_models())
def test_bundled_files_are_those_of_the_registry(name):
    record = model_info(name)
    assert set(record.files) == {"model.safetensors", "config.json", "verification.safetensors"}
    folder = fetch(name)
    assert folder == record.bundled
    config = read_config(folder)
    assert config["method"] == record.method
    assert tuple(config["instruments"]) == record.instruments
    assert config["scale"] == pytest.approx(record.scale)
    model = load_model(folder)
    assert getattr(model, "factor", 1) == record.factor
    assert (folder / "README.md").is_file()
    assert record.size < 8_000_000


def test_save_and_load(tmp_path):
    arguments = {"latent_channels": 4, "regression": (8, 1), "widths": (8, 8), "blocks": (1, 1)}
    model = get_method("ldm")(**arguments)
    save_model(model, tmp_path / "new", arguments=arguments, instruments=["mdi"], scale=2.0)
    loaded = load_model(tmp_path / "new")
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(loaded.state_dict()[name], value)
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["config.json", "model.safetensors"]


def test_a_folder_serves_as_model(folder, mdi_map):
    fine = sunpy_superres.superresolve(mdi_map, n_samples=1, seed=0, model=folder)
    np.testing.assert_array_equal(fine.data, sunpy_superres.superresolve(mdi_map, n_samples=1, seed=0).data)
    assert fine.meta["srmodel"] == "local:model"


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_missing_file(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"holds no {name}"):
        load_model(folder)


@pytest.fixture
def bundle(folder, monkeypatch):
    """
    The copy in the place of the bundled model.
    """
    target = folder.rename(folder.with_name("ldm-mdi-hmi"))
    monkeypatch.setattr(registry, "_BUNDLED", target.parent)
    return target


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "verification.safetensors"])
@pytest.mark.parametrize("place", [0, 0.3, 1])
def test_a_flipped_byte_is_refused(bundle, mdi_map, file, place):
    flip(bundle / file, place)
    with pytest.raises(ValueError, match=rf"{file} is not the file that it should be .* Install the package again"):
        sunpy_superres.superresolve(mdi_map, n_samples=1)


@pytest.mark.parametrize("place", [0, 0.001, 0.5, 1])
def test_a_flipped_byte_in_a_folder_is_refused(folder, place):
    flip(folder / "model.safetensors", place)
    with pytest.raises(ValueError, match=r"is damaged or was altered: .* get both files again"):
        load_model(folder)


def test_a_missing_file_of_the_bundle(bundle):
    (bundle / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"is missing\. Install the package again"):
        fetch("ldm-mdi-hmi")


def test_truncated_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="damaged or was altered"):
        load_model(folder)
    # As written by hand, without a hash.
    change(folder, sha256=None)
    with pytest.raises(ValueError, match="damaged or no safetensors file"):
        load_model(folder)


def change(folder, **values):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config.update(values)
    path.write_text(json.dumps(config))


def test_newer_layout(folder):
    change(folder, format=FORMAT + 1)
    with pytest.raises(ValueError, match="upgrade"):
        load_model(folder)


def test_unknown_method(folder):
    change(folder, method="magic")
    with pytest.raises(ValueError, match="Unknown method 'magic'"):
        load_model(folder)


def test_unknown_argument(folder):
    change(folder, arguments={"layers": 3})
    with pytest.raises(ValueError, match="does not fit the method 'ldm'"):
        load_model(folder)


def test_weights_of_another_architecture(folder):
    change(folder, arguments={"latent_channels": 4})
    with pytest.raises(ValueError, match="does not fit the architecture"):
        load_model(folder)


def test_configuration_that_is_none(folder):
    (folder / "config.json").write_text("[]")
    with pytest.raises(ValueError, match="not the configuration of a model"):
        read_config(folder)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": "1"}, "format is '1'"),
        ({"format": 0}, "format is 0"),
        ({"instruments": "mdi"}, "instruments is 'mdi'"),
        ({"scale": "x"}, "scale is 'x'"),
        ({"scale": -1}, "scale is -1"),
        ({"sha256": 3}, "sha256 is 3"),
        ({"arguments": []}, r"arguments is \[\]"),
        ({"arguments": {"widths": []}}, "does not fit the method"),
        ({"arguments": {"latent_factor": 0}}, "does not fit the method"),
        ({"arguments": {"widths": [-1, 2]}}, "does not fit the method"),
    ],
)
def test_impossible_configurations(folder, values, message):
    change(folder, **values)
    with pytest.raises(ValueError, match=rf"config\.json .*{message}"):
        load_model(folder)


@pytest.mark.parametrize("model", ["", "~/no such folder", "owner/name"])
def test_what_is_no_model(model):
    with pytest.raises(ValueError, match="There is no model"):
        locate(model, "ldm", "mdi")
    with pytest.raises(TypeError, match="must be a name or a folder, not 3"):
        locate(3, "ldm", "mdi")


def test_a_model_is_loaded_once():
    weights = locate("ldm-mdi-hmi", "ldm", "mdi")
    with ThreadPoolExecutor(4) as pool:
        models = list(pool.map(lambda _: load(weights, CPU, torch.float32).model, range(8)))
    assert all(model is models[0] for model in models)


def test_unknown_names():
    with pytest.raises(ValueError, match=r"known are .*highresnet-mdi-hmi, ldm-gong-hmi, ldm-mdi-hmi"):
        model_info("magic")
    with pytest.raises(ValueError, match=r"one for hmi, mdi\. Methods with a model for 'gong': highresnet, ldm\."):
        find_model("progressive", "gong")


def test_a_model_by_name_and_version():
    version = model_info("ldm-mdi-hmi").version
    assert locate(f"ldm-mdi-hmi@{version}", "ldm", "mdi") == locate("ldm-mdi-hmi", "ldm", "mdi")
    with pytest.raises(ValueError, match=f"has ldm-mdi-hmi in version {version}, not 0"):
        locate("ldm-mdi-hmi@0", "ldm", "mdi")


def test_model_for_something_else():
    with pytest.raises(ValueError, match="is for the method 'ldm', not 'other'"):
        locate("ldm-mdi-hmi", "other", "mdi")
    with pytest.raises(ValueError, match="is for mdi, hmi, not for 'gong'"):
        locate("ldm-mdi-hmi", "ldm", "gong")
