"""
Training that is killed, shared, stopped early, adapted, and begun with parts of other models.
"""

import csv
import signal
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from small_training import RECIPE, write_fields, write_pairs

from sunpy_superres.degradation import synthetic_magnetogram
from sunpy_superres.training.patches import PatchPool
from sunpy_superres.training.recipe import read_recipe
from sunpy_superres.weights.files import load_model

pl = pytest.importorskip("pytorch_lightning")

PROGRAM = """
import os
import signal
import sys

from sunpy_superres.training.field_tasks import RegressionTask
from sunpy_superres.training.fit import fit
from sunpy_superres.training.recipe import read_recipe

recipe, data, out, devices, *last = sys.argv[1:]
step = RegressionTask.training_step


def deadly(self, *arguments):
    if last and self.global_step == int(last[0]):
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, *arguments)


RegressionTask.training_step = deadly
fit(read_recipe(recipe), data, out, validation=data, device="cpu", devices=int(devices), precision="float32")
"""


def silent(_):
    """
    Say nothing.
    """


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_fields(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "small.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def whole(recipe, data, tmp_path_factory):
    """
    A model whose training nothing disturbed.
    """
    from sunpy_superres.training.fit import fit

    out = tmp_path_factory.mktemp("whole") / "run"
    return fit(read_recipe(recipe), data, out, validation=data, device="cpu", precision="float32", progress=silent)


def run(*arguments):
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


def loss_curve(out, stage):
    with (out / stage / "log" / "metrics.csv").open(newline="") as file:
        return [(row["step"], row["loss"], row["validation_loss"]) for row in csv.DictReader(file)]


def assert_same_weights(one, other, **tolerance):
    one, other = (load_file(folder / "model.safetensors") for folder in (one, other))
    assert set(one) == set(other)
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, **tolerance)


def test_killed_without_validation(recipe, data, tmp_path):
    from sunpy_superres.training import field_tasks
    from sunpy_superres.training.fit import fit

    recipe = read_recipe(recipe)
    recipe = replace(recipe, stages={"regression": recipe.stages["regression"]})
    options = {"device": "cpu", "precision": "float32", "progress": silent}
    whole = fit(recipe, data, tmp_path / "whole", **options)

    class Killed(BaseException):
        pass

    def kill(self, *_):
        if self.global_step == 17:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(field_tasks.RegressionTask, "on_train_batch_start", kill)
        with pytest.raises(Killed):
            fit(recipe, data, tmp_path / "cut", **options)
    said = []
    cut = fit(recipe, data, tmp_path / "cut", **{**options, "progress": said.append})
    assert "regression: going on from step 15" in said
    assert_same_weights(whole, cut, rtol=0, atol=0)
    # Of all steps there is one average.
    state = torch.load(cut / "regression" / "finished.ckpt")["state_dict"]
    assert state["average.n_averaged"] == 40
    with pytest.raises(ValueError, match="of other data or precision"):
        fit(recipe, data, tmp_path / "cut", device="cpu", precision="bfloat16", progress=silent)


def test_killed_training_goes_on_as_if_it_had_not_been(recipe, data, whole, tmp_path):
    out = tmp_path / "killed"
    assert run(recipe, data, out, 1, 17).returncode == -signal.SIGKILL
    assert not (out / "model.safetensors").exists()
    done = run(recipe, data, out, 1)
    assert done.returncode == 0, done.stderr
    assert "regression: going on from step 15" in done.stdout
    assert_same_weights(whole, out, rtol=0, atol=0)
    assert loss_curve(out, "regression") == loss_curve(whole, "regression")


def test_two_processes_do_what_one_does(data, tmp_path):
    text = RECIPE[: RECIPE.index("[stages.flow]")].replace("steps = 40", "steps = 12")
    path = tmp_path / "shared.toml"
    path.write_text(text.replace("picture_every = 0", "picture_every = 0\nwarmup = 1", 1))
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)  # a file, since the processes are started by the same command
    untrained = tmp_path / "untrained.toml"
    untrained.write_text(path.read_text().replace("warmup", "learning_rate = 0.0\nwarmup"))
    runs = {"one": (path, 1), "two": (path, 2), "none": (untrained, 1)}
    weights = {}
    for name, (chosen, devices) in runs.items():
        command = [sys.executable, script, chosen, data, tmp_path / name, str(devices)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr
        weights[name] = load_file(tmp_path / name / "model.safetensors")
    assert '"processes": 2' in (tmp_path / "two" / "training.json").read_text()
    for part in ("autoencoder", "regression"):
        one, two, none = (
            torch.cat([value.flatten().float() for name, value in sorted(w.items()) if name.startswith(part)])
            for w in weights.values()
        )
        # What the number of processes changes, the shares of patches at the limb, is little beside what is learned.
        assert (two - one).norm() < 0.1 * (one - none).norm()


def test_features_are_not_shared(monkeypatch):
    from sunpy_superres.training.image_tasks import FeaturesTask
    from sunpy_superres.training.task import Task

    assert Task.shares
    task = FeaturesTask.__new__(FeaturesTask)
    pl.LightningModule.__init__(task)
    monkeypatch.setattr(FeaturesTask, "trainer", SimpleNamespace(global_rank=0, world_size=2))
    with pytest.raises(ValueError, match="train it on one process"):
        task.setup("fit")


def test_a_batch_that_cannot_be_shared(recipe, data, tmp_path, monkeypatch):
    from sunpy_superres.training.fit import fit

    monkeypatch.setattr(pl.Trainer, "world_size", 3)
    with pytest.raises(ValueError, match="A batch of 2 cannot be shared by 3 processes"):
        fit(read_recipe(recipe), data, tmp_path / "run", device="cpu", progress=silent)


def test_patience(recipe, data, tmp_path):
    from sunpy_superres.training.fit import fit

    recipe = read_recipe(recipe)
    # What learns nothing never gets better than it was at first.
    stage = replace(recipe.stages["regression"], learning_rate=0.0, patience=2)
    recipe = replace(recipe, stages={"regression": stage})
    said = []
    out = fit(recipe, data, tmp_path / "run", validation=data, device="cpu", precision="float32", progress=said.append)
    curve = [float(loss) for _, _, loss in loss_curve(out, "regression") if loss]
    assert len(curve) == 3
    assert any("best at step 5" in line for line in said)
    with pytest.raises(ValueError, match="patience, which needs validation data"):
        fit(recipe, data, tmp_path / "other", device="cpu", progress=silent)


def test_stopped_once_is_stopped(recipe, data, tmp_path):
    from sunpy_superres.training.fit import fit

    recipe = read_recipe(recipe)
    stage = replace(recipe.stages["regression"], learning_rate=0.0, patience=2)
    recipe = replace(recipe, stages={"regression": stage})
    options = {"validation": data, "device": "cpu", "precision": "float32"}
    out = fit(recipe, data, tmp_path / "run", progress=silent, **options)
    before = load_file(out / "model.safetensors")
    # As if it had been killed before the end was written down.
    (out / "regression" / "finished.ckpt").unlink()
    said = []
    fit(recipe, data, out, progress=said.append, **options)
    assert any("15 steps" in line for line in said), said
    for name, value in load_file(out / "model.safetensors").items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_log_and_pictures(whole):
    assert [step for step, loss, _ in loss_curve(whole, "regression") if loss] == [str(n) for n in range(4, 40, 5)]
    assert sorted(path.name for path in (whole / "flow" / "pictures").iterdir()) == [
        "step_0000002.png",
        "step_0000004.png",
    ]
    assert (whole / "flow" / "pictures" / "step_0000004.png").read_bytes().startswith(b"\x89PNG")
    assert not (whole / "regression" / "pictures").exists()
    assert list((whole / "flow" / "tensorboard").glob("events.*"))


def test_parts_of_other_models(recipe, data, whole, tmp_path):
    from sunpy_superres.training.fit import fit

    recipe = read_recipe(recipe)
    only = {"autoencoder": replace(recipe.stages["autoencoder"], steps=1, learning_rate=0.0)}
    coder = replace(recipe, method="autoencoder", model={"channels": 8}, stages=only, start={"autoencoder": str(whole)})
    alone = fit(coder, data, tmp_path / "alone", device="cpu", progress=silent)
    field = torch.from_numpy(synthetic_magnetogram((64, 64), seed=9))[None, None]
    torch.testing.assert_close(load_model(alone)(field), load_model(whole).autoencoder(field))
    # And from there into another model, whose other weights are its own.
    flow = {"flow": replace(recipe.stages["flow"], steps=1)}
    begun = replace(recipe, seed=8, stages=flow, start={"autoencoder": str(alone)})
    out = fit(begun, data, tmp_path / "begun", device="cpu", progress=silent)
    torch.testing.assert_close(load_model(out).autoencoder(field), load_model(whole).autoencoder(field))
    for start, message in {
        ("denoiser", str(alone)): "The denoiser of .* do not fit",
        ("nothing", str(whole)): "The nothing of .* do not fit",
    }.items():
        with pytest.raises(ValueError, match=message):
            fit(replace(begun, start=dict([start])), data, tmp_path / start[0], device="cpu", progress=silent)


def test_pairs_are_cut_alike(pairs):
    pool = PatchPool(pairs, size=64)
    batch = pool.draw(24, torch.Generator().manual_seed(0))
    assert batch.field.shape == (24, 1, 16, 16)
    inside = batch.window.flatten(1).min(dim=1).values > 0
    coarse = torch.nn.functional.avg_pool2d(batch.truth, 4)[inside].flatten()
    seen = batch.field[inside].flatten()
    assert torch.corrcoef(torch.stack([coarse, seen]))[0, 1] > 0.9
    assert (coarse @ seen / (coarse @ coarse)).item() == pytest.approx(1.5, abs=0.25)
    # Larger than the fields: these are mirrored, both alike.
    batch = PatchPool(pairs, size=224).draw(8, torch.Generator().manual_seed(0))
    both = [torch.nn.functional.avg_pool2d(batch.truth, 4).flatten(), batch.field.flatten()]
    assert torch.corrcoef(torch.stack(both))[0, 1] > 0.9


def test_adapters_learn_from_pairs(recipe, whole, pairs, tmp_path):
    from sunpy_superres.training.fit import fit

    recipe = read_recipe(recipe)
    stage = replace(recipe.stages["regression"], steps=60, rank=2, learning_rate=0.03, ema=0.9)
    short = replace(recipe, stages={"regression": stage}, start=str(whole))
    said = []
    out = fit(short, pairs, tmp_path / "run", validation=pairs, device="cpu", progress=said.append)
    old, new = load_model(whole), load_model(out)
    # Of the kind it was: no adapters are left, and the parts that were not trained are the same.
    assert set(old.state_dict()) == set(new.state_dict())
    for name, value in old.state_dict().items():
        changed = not torch.equal(value, new.state_dict()[name])
        assert not (changed and ("regression" not in name or "bias" in name)), name
        if changed:
            difference = (new.state_dict()[name] - value).flatten(1)
            # Two columns, but for the rounding to half precision of both.
            singular = torch.linalg.svdvals(difference)
            assert singular[2:].max() < 0.05 * singular[0]
    batch = PatchPool(pairs, size=128).draw(8, torch.Generator().manual_seed(0))
    with torch.no_grad():
        errors = [
            (model.estimate(batch.field, batch.radius)[0] - batch.truth).square().mean().item() for model in (old, new)
        ]
    assert errors[1] < 0.9 * errors[0]
    # What is finished is read again, adapters and all.
    said.clear()
    fit(short, pairs, out, validation=pairs, device="cpu", progress=said.append)
    assert "already finished" in said[0]
    for name, value in new.state_dict().items():
        torch.testing.assert_close(load_model(out).state_dict()[name], value)


@pytest.mark.parametrize(
    ("method", "model"),
    [
        ("highresnet", {"width": 16, "blocks": 1}),
        ("enhance", {"width": 16, "blocks": 1}),
        ("progressive", {"widths": (16, 16, 16), "blocks": (1, 1, 1)}),
    ],
)
def test_adapters_of_all_networks(method, model):
    from sunpy_superres.models import get_method
    from sunpy_superres.training.adapters import LowRank, add_adapters, merged_state, remove_adapters

    network = get_method(method)(**model).eval()
    for part in network.parameters():
        torch.nn.init.normal_(part, std=0.05)  # some start at zero
    field, radius = 100 * torch.randn(1, 1, 16, 16), torch.zeros(1, 1, 16, 16)
    names, before = set(network.state_dict()), network(field, radius)
    add_adapters(network, 2)
    adapters = [part for part in network.modules() if isinstance(part, LowRank)]
    assert adapters
    for adapter in adapters:
        torch.nn.init.normal_(adapter.up, std=0.01)
    adapted = network(field, radius)
    assert not torch.allclose(adapted, before, rtol=1e-3)
    state = merged_state(network)
    assert set(state) == names
    for name, part in network.named_children():
        assert {f"{name}.{key}" for key in merged_state(part)} <= names
    remove_adapters(network)
    torch.testing.assert_close(network(field, radius), before)
    network.load_state_dict(state)
    torch.testing.assert_close(network(field, radius), adapted)


def test_a_folder_is_of_one_model(recipe, data, whole, tmp_path):
    from sunpy_superres.training.fit import fit

    other = replace(read_recipe(recipe), name="other")
    with pytest.raises(ValueError, match=r"holds the training of small \(ldm\), and this is that of other"):
        fit(other, data, whole, device="cpu", progress=silent)
    # What failed before its first step is in nobody's way.
    stage = replace(read_recipe(recipe).stages["regression"], steps=1)
    wrong = replace(read_recipe(recipe), stages={"regression": stage})
    (tmp_path / "regression").mkdir()
    (tmp_path / "regression" / "fingerprint").write_text("of another")
    fit(wrong, data, tmp_path, device="cpu", progress=silent)
    with pytest.raises(ValueError, match="The method 'ldm' has no stage 'network', but autoencoder, regression, flow"):
        fit(replace(wrong, stages={"network": stage}), data, tmp_path / "n", device="cpu", progress=silent)


def test_interruption_says_how_to_go_on(recipe, data, tmp_path, monkeypatch):
    from sunpy_superres.training import field_tasks
    from sunpy_superres.training.fit import fit

    recipe = read_recipe(recipe)
    recipe = replace(recipe, stages={"regression": recipe.stages["regression"]})

    def interrupt(self, *_):
        if self.global_step == 12:
            raise KeyboardInterrupt

    monkeypatch.setattr(field_tasks.RegressionTask, "on_train_batch_start", interrupt)
    said = []
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(recipe, data, tmp_path, validation=data, device="cpu", progress=said.append)
    assert said[-1] == "regression: interrupted; run it again to go on from step 10"


def test_a_long_stage_speaks_and_keeps(recipe, data, tmp_path, monkeypatch):
    from sunpy_superres.training import callbacks
    from sunpy_superres.training.fit import fit

    monkeypatch.setattr(callbacks.Status, "silence", 0)
    monkeypatch.setattr(callbacks.Keeper, "longest", 0)
    kept = []
    monkeypatch.setattr(callbacks.Keeper, "_keep", lambda _, trainer: kept.append(trainer.global_step))
    recipe = read_recipe(recipe)
    stage = replace(recipe.stages["regression"], steps=7)
    said = []
    fit(replace(recipe, stages={"regression": stage}), data, tmp_path, device="cpu", progress=said.append)
    assert any(line.startswith("regression: step 3 of 7") for line in said)
    assert kept == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"precision": "float8"}, "precision must be float32 or bfloat16"), ({"device": "teapot"}, "cannot be used")],
)
def test_wrong_options(recipe, data, tmp_path, options, message):
    from sunpy_superres.training.fit import fit

    with pytest.raises(ValueError, match=message):
        fit(read_recipe(recipe), data, tmp_path / "run", **options)
