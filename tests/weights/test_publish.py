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
from sunpy_superres.weights.registry import parse_record
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
    "limits": "All of them",
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
    for said in (
        "Small, with",
        "flow (7 steps); on an abacus",
        "| rmse_ratio | 0.7124 |",
        "figure.png",
        "owner/tiny@v1",
    ):
        assert said in card.text
    (measured,) = card.data.eval_results
    assert (measured.metric_type, measured.metric_value) == ("rmse_ratio", 0.7124)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors", "training.json"]


def test_entry_is_what_the_registry_reads(folder, results, tmp_path):
    release = publish.build_release(folder, tmp_path / "release", repository="owner/tiny", results=[results])
    entry = tomllib.loads(publish.registry_entry(release, "owner/tiny", "c0ffee"))
    record = parse_record("tiny", entry["tiny"])
    assert record.summary == CARD["summary"]
    assert record.arguments == {key: list(v) if isinstance(v, tuple) else v for key, v in ARGUMENTS.items()}
    assert (record.repository, record.revision, record.factor) == ("owner/tiny", "c0ffee", 4)
    assert record.metrics == {"rmse_ratio": 0.7124}
    assert record.size == sum((release / file).stat().st_size for file in record.files)


@pytest.mark.parametrize("name", list_models())
def test_registry_says_what_the_bundled_files_say(name):
    record = model_info(name)
    entry = tomllib.loads(publish.registry_entry(record.bundled, record.repository, record.revision))
    assert parse_record(name, entry[name]) == record


def test_own_card_is_kept_if_the_hub_can_read_it(folder, tmp_path):
    text = "---\nlicense: bsd-3-clause\nlibrary_name: sunpy_superres\n---\n# Mine, version 1\n"
    (folder / "README.md").write_text(text)
    release = publish.build_release(folder, tmp_path / "release", repository="owner/tiny")
    assert (release / "README.md").read_text() == text
    for header, message in (
        ("# No header\n", "must begin with a header"),
        ("---\nlicense: mit\nlibrary_name: sunpy_superres\n---\n", "says that the license is mit"),
        (text.replace("version 1", "version 2"), "does not say that it is of version 1"),
        ("---\n[: not yaml\n---\n", "has a header that is no YAML"),
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
    with pytest.raises(ValueError, match=r"does not say version, target, summary, data, license, citation, limits"):
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

    def create_tag(self, repository, *, tag, revision, exist_ok):
        self.calls.append(("tag", repository, tag, revision, exist_ok))


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
    new, create, upload, tag = Api.last.calls
    assert new == ("new", {"endpoint": "https://mirror.example", "token": "secret", "library_name": "sunpy_superres"})
    assert create == ("create", "owner/tiny", True)
    assert upload[1:] == ("owner/tiny", sorted(path.name for path in (tmp_path / "kept").iterdir()), "tiny 1")
    assert tag == ("tag", "owner/tiny", "v1", "abc123", True)
    assert 'revision = "abc123"' in found.output
    assert "Published owner/tiny at abc123" in found.output
    assert (tmp_path / "kept" / "figure.png").stat().st_size > 10_000


def test_dry_run_sends_nothing(run, folder):
    (folder / "figure.png").write_bytes(b"picture")
    found = run(folder, "owner/tiny", "--dry-run")
    assert found.exit_code == 0, found.output
    assert Api.last is None
    for said in ("model.safetensors", "# tiny, version 1", "Nobody 2026", 'revision = ""', "Nothing was sent."):
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


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "nonsense"])
def test_a_hub_that_cannot_be_reached(folder, tmp_path, monkeypatch, endpoint):
    release = publish.build_release(folder, tmp_path / "release", repository="owner/tiny")
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(ConnectionError, match=f"owner/tiny could not be published on {endpoint}"):
        publish.upload(release, "owner/tiny")


@pytest.mark.parametrize("repository", ["noslash", "a/b/c", "owner/../x", "owner/a name", "", "owner/"])
def test_what_is_no_repository_is_told_before_the_work(run, folder, repository):
    found = run(folder, repository, "--dry-run")
    assert found.exit_code == 1
    assert "is no repository, which is 'owner/name'" in found.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "is nothing that `sunpy-superres evaluate -o` wrote"),
        ("[]", "is nothing that"),
        ("no JSON", "is nothing that"),
        ('{"figures": {"rmse_ratio": "small"}}', "not every figure is a number"),
        ('{"figures": {"rmse_ratio": 0.7}, "provenance": {"srsha256": "00ff"}}', "holds figures of other weights"),
    ],
)
def test_results_of_something_else(folder, results, tmp_path, content, message):
    results.write_text(content)
    with pytest.raises(ValueError, match=message):
        publish.build_release(folder, tmp_path / "release", repository="owner/tiny", results=[results])


def test_a_figure_that_could_not_be_measured_is_left_out(folder, results, tmp_path):
    results.write_text('{"figures": {"rmse_ratio": 0.7, "flux_ratio": null}}')
    release = publish.build_release(folder, tmp_path / "release", repository="owner/tiny", results=[results])
    assert json.loads((release / "config.json").read_text())["metrics"] == {"rmse_ratio": 0.7}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "my model v1.0"}, "must be small letters and digits with hyphens"),
        ({"version": 2}, "version must be text, not 2"),
        ({"instruments": None}, "does not say instruments"),
        ({"metrics": {"rmse": None}}, "holds what the registry cannot"),
    ],
)
def test_descriptions_that_cannot_be_registered(folder, tmp_path, change, message):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=message):
        publish.build_release(folder, tmp_path / "release", repository="owner/tiny")
    assert not (tmp_path / "release").exists()


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("BSD-3-Clause", {"license": "bsd-3-clause"}),
        ("GPL-3.0-only", {"license": "gpl-3.0"}),
        ("My own", {"license": "other", "license_name": "My own"}),
    ],
)
def test_licenses_as_the_hub_names_them(name, header):
    assert publish.hub_license(name) == header


def test_bundled_card_and_figures_are_of_the_version():
    for name in list_models():
        record = model_info(name)
        assert f"version {record.version}" in (record.bundled / "README.md").read_text()
        assert record.metrics


def test_what_a_card_imports_is_there():
    namespace = {}
    exec(publish._LOAD.split("\n")[0], namespace)
    assert {"fetch_repository", "load_model"} <= set(namespace)
