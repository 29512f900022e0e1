"""
A release is complete, right and can be loaded; nothing is sent unless asked.
"""

import json
import shutil
import tomllib
from types import SimpleNamespace

import huggingface_hub
import pytest
import torch
from click.testing import CliRunner
from huggingface_hub import ModelCard

from sunpy_superres.cli import main
from sunpy_superres.models import get_method
from sunpy_superres.weights import list_models, model_info, publish
from sunpy_superres.weights.files import load_model, save_model
from sunpy_superres.weights.registry import _record
from sunpy_superres.weights.verification import verify, write_verification

ARGUMENTS = {"latent_channels": 4, "regression": (8, 1), "widths": (8, 8), "blocks": (1, 1), "steps": 2}
CARD = {
    "name": "tiny",
    "version": "1",
    "target": "hmi",
    "summary": 'Small, with a "quote"',
    "data": "None",
    "license": "BSD-3-Clause",
    "citation": "Nobody 2026",
}


@pytest.fixture
def folder(tmp_path):
    """
    A small model as the training leaves it.
    """
    torch.manual_seed(0)
    model = get_method("ldm")(**ARGUMENTS)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    save_model(model, tmp_path / "run", arguments=ARGUMENTS, instruments=["mdi"], scale=2.0, extra=CARD)
    recipe = {"name": "tiny", "seed": 3, "stages": {"flow": {"steps": 7}}}
    record = {"recipe": recipe, "hardware": "an abacus", "torch": "2.13"}
    (tmp_path / "run" / "training.json").write_text(json.dumps(record))
    return tmp_path / "run"


@pytest.fixture
def results(tmp_path):
    path = tmp_path / "degraded.json"
    path.write_text(json.dumps({"figures": {"rmse_ratio": 0.71239, "power_2": 0.9}}))
    return path


def test_release_is_complete(folder, results, tmp_path):
    drawn = []
    release = publish.build_release(
        folder,
        tmp_path / "release",
        repository="owner/tiny",
        results=[results],
        draw=lambda path: drawn.append(path.write_bytes(b"picture")),
    )
    names = ["README.md", "config.json", "figure.png", "model.safetensors", "verification.safetensors"]
    assert sorted(path.name for path in release.iterdir()) == names
    assert verify(release) == 0
    card = ModelCard.load(release / "README.md")
    assert card.data.license == "bsd-3-clause"
    assert card.data.library_name == "sunpy_superres"
    assert "solar-physics" in card.data.tags
    for said in ("Small, with", "flow (7 steps); on an abacus", "| rmse_ratio | 0.7124 |", "figure.png", "owner/tiny@"):
        assert said in card.text
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors", "training.json"]


def test_entry_is_what_the_registry_reads(folder, results, tmp_path):
    release = publish.build_release(folder, tmp_path / "release", repository="owner/tiny", results=[results])
    entry = tomllib.loads(publish.registry_entry(release, "owner/tiny", "c0ffee"))
    record = _record("tiny", entry["tiny"])
    assert record.summary == CARD["summary"]
    assert record.arguments == {key: list(v) if isinstance(v, tuple) else v for key, v in ARGUMENTS.items()}
    assert (record.repository, record.revision, record.factor) == ("owner/tiny", "c0ffee", 4)
    assert record.metrics == {"rmse_ratio": 0.7124}
    assert record.size == sum((release / file).stat().st_size for file in record.files)


@pytest.mark.parametrize("name", list_models())
def test_registry_says_what_the_bundled_files_say(name):
    record = model_info(name)
    entry = tomllib.loads(publish.registry_entry(record.bundled, record.repository, record.revision))
    assert _record(name, entry[name]) == record


def test_own_card_is_kept_if_the_hub_can_read_it(folder, tmp_path):
    text = "---\nlicense: bsd-3-clause\nlibrary_name: sunpy_superres\n---\n# Mine\n"
    (folder / "README.md").write_text(text)
    release = publish.build_release(folder, tmp_path / "release", repository="owner/tiny")
    assert (release / "README.md").read_text() == text
    for header, message in (
        ("# No header\n", "must begin with a header"),
        ("---\nlicense: mit\nlibrary_name: sunpy_superres\n---\n", "says that the license is mit"),
    ):
        (folder / "README.md").write_text(header)
        with pytest.raises(ValueError, match=message):
            publish.build_release(folder, tmp_path / "other", repository="owner/tiny")
    assert not (tmp_path / "other").exists()


def test_nothing_is_half_made(folder, tmp_path):
    # Test tensors of another model.
    shutil.copy(model_info("ldm-mdi-hmi").bundled / "verification.safetensors", folder)
    with pytest.raises(ValueError, match="gives another result than when it was published"):
        publish.build_release(folder, tmp_path / "release", repository="owner/tiny")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    (tmp_path / "release").mkdir()
    with pytest.raises(FileExistsError, match="is there already"):
        publish.build_release(folder, tmp_path / "release", repository="owner/tiny")


def test_model_that_says_nothing_of_itself(folder, tmp_path):
    save_model(load_model(folder), folder, arguments=ARGUMENTS, instruments=["mdi"], scale=2.0, extra={"name": "tiny"})
    with pytest.raises(ValueError, match=r"does not say version, target, summary, data, license, citation"):
        publish.build_release(folder, tmp_path / "release", repository="owner/tiny")


def test_verification_notices_another_result(folder):
    assert write_verification(folder).name == "verification.safetensors"
    assert verify(folder) == 0
    model = load_model(folder)
    with torch.no_grad():
        model.regression.correction.bias += 0.01
    save_model(model, folder, arguments=ARGUMENTS, instruments=["mdi"], scale=2.0)
    with pytest.raises(ValueError, match="gives another result"):
        verify(folder)
    (folder / "verification.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="nothing to compare"):
        verify(folder)


class Api:
    """
    Stands for `huggingface_hub.HfApi`: keeps what it is asked for.
    """

    def __init__(self, **options):
        self.calls = [("new", options)]
        Api.last = self

    def create_repo(self, repository, *, exist_ok):
        self.calls.append(("create", repository, exist_ok))

    def upload_folder(self, *, repo_id, folder_path, commit_message):
        from pathlib import Path

        self.calls.append(("upload", repo_id, sorted(p.name for p in Path(folder_path).iterdir()), commit_message))
        return SimpleNamespace(oid="abc123")


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    Api.last = None
    return lambda *arguments: CliRunner().invoke(main, ["models", "publish", *(str(a) for a in arguments)])


def test_publish(run, folder, tmp_path):
    found = run(folder, "owner/tiny", "-o", tmp_path / "kept")
    assert found.exit_code == 0, found.output
    new, create, upload = Api.last.calls
    assert new == ("new", {"endpoint": "https://mirror.example", "token": "secret", "library_name": "sunpy_superres"})
    assert create == ("create", "owner/tiny", True)
    assert upload[1:] == ("owner/tiny", sorted(path.name for path in (tmp_path / "kept").iterdir()), "tiny 1")
    assert 'revision = "abc123"' in found.output
    assert "Published owner/tiny at abc123" in found.output
    assert (tmp_path / "kept" / "figure.png").stat().st_size > 10_000


def test_dry_run_sends_nothing(run, folder):
    (folder / "figure.png").write_bytes(b"picture")
    found = run(folder, "owner/tiny", "--dry-run")
    assert found.exit_code == 0, found.output
    assert Api.last is None
    for said in ("model.safetensors", "# tiny, version 1", 'revision = ""', "Nothing was sent."):
        assert said in found.output


def test_refused_upload_is_one_line(run, folder, monkeypatch):
    (folder / "figure.png").write_bytes(b"picture")

    def refuse(*_, **__):
        msg = "no such user"
        raise OSError(msg)

    monkeypatch.setattr(Api, "create_repo", refuse)
    found = run(folder, "owner/tiny")
    assert found.exit_code == 1
    assert "could not be published on https://mirror.example: no such user" in found.stderr
