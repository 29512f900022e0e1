"""
What a training ends with: figures, a release, and what fine-tuning on pairs is worth.
"""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from small_training import RECIPE, write_fields, write_pairs

from sunpy_superres.benchmark import cross_validate, evaluate_trained, paired_fields, write_release
from sunpy_superres.training.recipe import CARD, read_recipe
from sunpy_superres.weights.verification import verify

pytest.importorskip("pytorch_lightning")


def train(recipe, data, out, **options):
    from sunpy_superres.training.fit import fit

    return fit(recipe, data, out, device="cpu", progress=lambda _: None, **options)


def short(recipe, *stages, steps=2, **changes):
    stages = {name: replace(recipe.stages[name], steps=steps, picture_every=0) for name in stages}
    return replace(recipe, stages=stages, card=dict.fromkeys(CARD, "BSD-3-Clause") | {"version": "1"}, **changes)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "small.toml"
    path.write_text(RECIPE)
    return read_recipe(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_fields(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def validation(tmp_path_factory):
    return write_fields(tmp_path_factory.mktemp("validation"), seeds=range(3, 5), side=144)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def model(recipe, data, tmp_path_factory):
    return train(short(recipe, "autoencoder", "regression", "flow"), data, tmp_path_factory.mktemp("run") / "model")


def test_release_of_a_training(recipe, model, data, validation):
    said = []
    done = evaluate_trained(
        model, recipe, data, validation, n_samples=4, command="train small --out OUT", progress=said.append
    )
    assert len(done["images"]) == 2
    assert {"rmse_ratio", "crps_ratio", "autoencoder_rmse"} <= set(done["figures"])
    assert any("rmse_ratio" in line for line in said)
    for _ in range(2):  # a second one takes the place of the first
        release = write_release(model)
    assert sorted(path.name for path in release.iterdir()) == sorted(
        [
            "README.md",
            "config.json",
            "figure.png",
            "model.safetensors",
            "registry_entry.toml",
            "verification.safetensors",
        ]
    )
    card = (release / "README.md").read_text()
    assert f"| rmse_ratio | {done['figures']['rmse_ratio']:.4g} |" in card
    assert "By `sunpy-superres train small --out OUT`" in card
    assert "This run was trained on 3 fields of 3 regions." in card
    assert "rmse_ratio = " in (release / "registry_entry.toml").read_text()
    assert verify(release) == 0


def test_a_recipe_without_a_card(recipe, model, tmp_path):
    (tmp_path / "model").mkdir()
    for name in ("model.safetensors", "config.json"):
        (tmp_path / "model" / name).write_bytes((model / name).read_bytes())
    config = json.loads((model / "config.json").read_text())
    del config["limits"]
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"does not say limits.*in \[card\] of the recipe"):
        write_release(tmp_path / "model")


def test_networks_that_the_benchmark_has_no_data_for(recipe, data, validation, tmp_path):
    coder = short(recipe, "autoencoder", method="autoencoder", model={"channels": 8}, instruments=("hmi",), scale=0.5)
    out = train(coder, data, tmp_path / "coder")
    assert set(evaluate_trained(out, coder, data, validation)["figures"]) == {"autoencoder_rmse"}
    assert not (write_release(out) / "figure.png").exists()
    stage = replace(recipe.stages["autoencoder"], steps=2)
    enhance = replace(
        recipe,
        method="enhance",
        instruments=("hmi",),
        scale=0.5,
        model={"width": 8, "blocks": 1},
        stages={"network": stage},
    )
    figures = evaluate_trained(train(enhance, data, tmp_path / "enhance"), enhance, data, validation)["figures"]
    assert set(figures) == {"rmse_ratio", "gradient_ratio"}
    assert 0.3 < figures["rmse_ratio"] < 30


def test_pairs_are_scored_as_they_were_seen(recipe, model, pairs, tmp_path):
    found = paired_fields(pairs, method="bicubic", n_samples=1)
    assert [image["region"] for image in found["images"]] == ["0", "1"]
    assert found["figures"]["pairs_rmse_ratio"] == pytest.approx(1)
    assert found["figures"]["pairs_correlation_gain"] == pytest.approx(0, abs=1e-6)
    one = paired_fields(pairs, regions=["1"], model=model, n_samples=4)["images"]
    assert [image["region"] for image in one] == ["1"]
    assert np.isfinite(list(one[0].values())[3:]).all()
    assert one == evaluate_trained(model, recipe, pairs, pairs, n_samples=4)["images"][1:]
    with pytest.raises(ValueError, match=r"holds no pairs of 7\."):
        paired_fields(pairs, regions=["7"])
    with pytest.raises(ValueError, match=r"holds no pairs\."):
        paired_fields(write_fields(tmp_path), method="bicubic")


def test_leaving_one_region_out(recipe, model, pairs, data, tmp_path):
    stage = replace(recipe.stages["regression"], steps=40, rank=2, learning_rate=0.03, ema=0.9, validate_every=50)
    tuning = replace(recipe, start=str(model), stages={"regression": stage})
    rows = cross_validate(tuning, pairs, tmp_path / "out", n_samples=4)
    assert [row["region"] for row in rows] == ["0", "1", "mean"]
    # The fields of the other region were too strong too: that much can be learned from it.
    assert rows[-1]["rmse_ratio"] < 0.95 * rows[-1]["rmse_ratio_before"]
    with (tmp_path / "out" / "cross_validation.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 3
    for number, left_out in enumerate("01"):
        record = json.loads((tmp_path / "out" / f"without_{number}" / "training.json").read_text())
        assert record["recipe"]["exclude"] == [f"region:{left_out}"]
    with pytest.raises(ValueError, match="must start from a whole model"):
        cross_validate(recipe, pairs, tmp_path / "other")
    with pytest.raises(ValueError, match="holds pairs of 0 regions"):
        cross_validate(tuning, data, tmp_path / "other")
