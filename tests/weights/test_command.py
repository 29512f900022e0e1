"""
``sunpy-superres models``, as a user types it.
"""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from sunpy_superres import SunpySuperresUserWarning
from sunpy_superres.cli import main
from sunpy_superres.weights import cache_folder, list_models, model_info


@pytest.fixture
def run():
    return lambda *arguments: CliRunner().invoke(main, ["models", *(str(argument) for argument in arguments)])


def test_list(run):
    found = run("list")
    assert found.exit_code == 0
    assert [line.split()[0] for line in found.output.splitlines()] == list_models()
    assert "bundled" in found.output
    found = run("list", "--method", "magic")
    assert found.stdout == ""
    assert "No model fits; known are" in found.stderr


def test_info(run):
    record = model_info("ldm-mdi-hmi")
    found = run("info", "ldm-mdi-hmi")
    assert found.exit_code == 0
    for said in (
        record.citation,
        record.license,
        record.files["model.safetensors"].sha256,
        "not published",
        "multistep",
    ):
        assert said in found.output


def test_verify_all(run):
    found = run("verify", "--all")
    assert found.exit_code == 0, found.output
    assert found.output.count("intact") == len(list_models())


def test_verify_a_folder_that_is_damaged(run, tmp_path):
    import shutil

    folder = shutil.copytree(model_info("ldm-mdi-hmi").bundled, tmp_path / "model")
    assert run("verify", folder).exit_code == 0
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-7] ^= 16
    (folder / "model.safetensors").write_bytes(content)
    found = run("verify", folder, "ldm-mdi-hmi")
    assert found.exit_code == 1
    assert "is damaged or was altered" in found.stderr
    # One that is bad does not keep the others from being checked.
    assert "ldm-mdi-hmi: intact" in found.output


def test_path_and_fetch(run):
    folder = str(model_info("ldm-mdi-hmi").bundled)
    assert run("path", "ldm-mdi-hmi").output.strip() == folder
    expected = [f"{name}: {model_info(name).bundled}" for name in list_models()]
    assert run("fetch", "--all").output.splitlines() == expected
    assert f"ldm-mdi-hmi: {folder}" in expected


@pytest.mark.parametrize("command", ["fetch", "verify", "clear"])
def test_names_or_all(run, command):
    for arguments in ((), ("ldm-mdi-hmi", "--all")):
        found = run(command, *arguments)
        assert found.exit_code == 2
        assert "or --all" in found.stderr


def test_what_is_not_here_is_not_fetched_unasked(run, record, hub):
    for command in ("path", "verify"):
        found = run(command, record.name)
        assert found.exit_code == 1
        assert f"`sunpy-superres models fetch {record.name}` gets it" in found.stderr
    assert "not here" in run("verify", "--all").output
    assert not hub.requests


def test_a_repository_by_its_address(run, hub):
    with pytest.warns(SunpySuperresUserWarning, match="not in the registry"):
        found = run("fetch", "somebody/tiny@main")
    assert found.exit_code == 0, found.output
    folder = found.output.strip().partition(": ")[2]
    assert run("path", "somebody/tiny@main").output.strip() == folder
    assert "nothing to compare the model with" in run("verify", "somebody/tiny@main").stderr
    assert run("clear", "somebody/tiny@main").output.strip() == f"removed {folder}"


@pytest.mark.parametrize("command", ["info", "path", "fetch", "verify", "clear"])
def test_unknown_name(run, command):
    found = run(command, "magic")
    assert found.exit_code == 1
    assert f"Unknown model 'magic'; known are {', '.join(sorted(list_models()))}" in found.stderr


def test_clear_leaves_what_came_with_the_package(run):
    assert run("clear", "ldm-mdi-hmi").output.strip() == "nothing to remove"
    folder = cache_folder() / "hub" / "owner" / "name" / "main"
    folder.mkdir(parents=True)
    assert run("clear", "owner/name@main").output.strip() == f"removed {folder}"
    assert not folder.exists()
    assert model_info("ldm-mdi-hmi").bundled.is_dir()


def test_convert_asks_for_what_it_needs(run, tmp_path):
    file = tmp_path / "weights"
    file.write_bytes(b"")
    for options in (("highresnet", "--quantity", "continuum"), ("enhance", "--factor", "2")):
        kind, *rest = options
        assert f"does not apply to {kind}" in run("convert", kind, file, tmp_path / "out", *rest).stderr
    assert "--instrument" in run("convert", "highresnet", file, tmp_path / "out").stderr
    assert "--quantity" in run("convert", "enhance", file, tmp_path / "out").stderr


def test_the_package_is_a_command():
    found = subprocess.run(
        [sys.executable, "-m", "sunpy_superres", "models", "list"], capture_output=True, text=True, check=True
    )
    assert "ldm-mdi-hmi" in found.stdout


def test_listing_needs_no_torch():
    code = "import sys; from sunpy_superres.weights import list_models; list_models(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_import_reads_no_registry():
    code = "import sys, sunpy_superres; sys.exit(any('superres.weights' in name for name in sys.modules))"
    subprocess.run([sys.executable, "-c", code], check=True)
