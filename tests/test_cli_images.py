"""
The commands for images of flare classes.
"""

import json

import pytest
from click.testing import CliRunner

from sunpy_superres import read_map
from sunpy_superres.cli import main


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_generate(tiny_generator, tmp_path):
    arguments = ("generate", "X", "-n", 2, "--seed", 3, "-o", tmp_path / "out", "--model", tiny_generator, "--plot")
    found = run(*arguments)
    assert found.exit_code == 0, found.output
    for k in range(2):
        image = read_map(tmp_path / "out" / f"synthetic_aia171_X_seed3_{k:03d}.fits")
        assert (image.meta["srclass"], image.meta["srsample"], image.meta["srseed"]) == ("X", k, 3)
        assert (tmp_path / "out" / f"synthetic_aia171_X_seed3_{k:03d}.png").read_bytes().startswith(b"\x89PNG")
    again = run(*arguments)
    assert again.exit_code == 1
    assert "is there already; --overwrite replaces it" in again.output
    assert run(*arguments, "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("Q7",), "Give one of A, B, C, M, X"),
        (("M", "--steps", 0), "steps must be"),
        (("M", "--model", "x"), "no model"),
    ],
)
def test_wrong_requests_are_one_line_and_leave_nothing(tmp_path, arguments, told):
    found = run("generate", *arguments, "-o", tmp_path / "out")
    assert found.exit_code == 1
    assert told in found.output
    assert len(found.output.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_prepare_images(aia_archive, tmp_path):
    found = run("prepare-images", aia_archive, tmp_path / "out", "--split", "validation")
    assert found.exit_code == 0, found.output
    assert "16 images" in found.output
    assert len(json.loads((tmp_path / "out" / "index.json").read_text())["images"]) == 16
    missing = run("prepare-images", tmp_path / "no.npz", tmp_path / "other")
    assert missing.exit_code == 1
    assert "there is no such file" in missing.output


def test_evaluate(aia_archive, tiny_generator, tmp_path):
    arguments = ("evaluate-aia", aia_archive, "-o", tmp_path / "out", "-n", 4, "--model", tiny_generator)
    found = run(*arguments, "--steps", 1, "--no-conditions")
    assert found.exit_code == 0, found.output
    assert "KID" in found.output
    assert "missed" in found.output
    names = {path.name for path in (tmp_path / "out").iterdir()}
    folders, figures = {"train", "validation", "generated"}, {"generated.png", "profiles.png"}
    assert names == {"generator.json", "generator.csv", "generator.md"} | folders | figures
    results = json.loads((tmp_path / "out" / "generator.json").read_text())
    assert results["features"] == ["solar", "random"]
    wrong = run(*arguments, "--features", "magic")
    assert wrong.exit_code == 1
    assert "Unknown features 'magic'" in wrong.output


def test_fit_transfer_needs_display_images(tmp_path):
    found = run("fit-transfer", tmp_path, tmp_path / "a.fits", "-o", tmp_path / "curve.ecsv")
    assert found.exit_code == 1
    assert "holds no prepared data" in found.output


def test_train_takes_a_table_of_images(aia_archive, tmp_path):
    pytest.importorskip("pytorch_lightning")
    (tmp_path / "small.toml").write_text(
        'name = "small"\nmethod = "class-diffusion"\ninstruments = ["aia"]\n[model]\nsize = 64\nwidths = [8, 16]\n'
        "embedding = 16\nattention = 1\n[stages.images]\nsteps = 2\nbatch = 2\nblock = 1\n"
    )
    found = run(
        "train", tmp_path / "small.toml", "--data", aia_archive, "--validation", aia_archive, "--out", tmp_path / "out"
    )
    assert found.exit_code == 0, found.output
    assert "24 images" in found.output
    assert "16 images" in found.output
    assert (tmp_path / "out" / "model.safetensors").exists()
