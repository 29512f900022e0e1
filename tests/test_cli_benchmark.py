import json

import numpy as np
import pytest
from click.testing import CliRunner

from astropy.io import fits

from sunpy_superres.cli.benchmark import benchmark_command
from sunpy_superres.degradation import synthetic_magnetogram


@pytest.fixture
def run():
    """
    The command, as it is typed.
    """
    return lambda *arguments: CliRunner().invoke(benchmark_command, [str(argument) for argument in arguments])


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in "ab":
        fits.writeto(folder / f"{name}.fits", synthetic_magnetogram((160, 168), seed=ord(name)))
    return folder


def test_protocols_are_listed(run):
    result = run("--list")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert [line.split()[0] for line in lines] == ["degraded-hmi", "ensemble", "munoz2024", "pairs", "ramunno2025"]
    assert "real pairs" in lines[2]


def test_a_run(run, data, tmp_path):
    out = tmp_path / "out"
    result = run("degraded-hmi", "--data", data, "-o", out, "--methods", "none", "--export", tmp_path / "inputs")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "2 cases of 2 regions"
    assert lines[1].split()[:3] == ["Pixels", "RMSE", "[G]"]
    assert lines[2].split()[0] == "bicubic"
    assert any(line.startswith("passed  Control of random phases") for line in lines)
    assert lines[-1].startswith(f"wrote {out / 'report.html'}, ")
    assert sorted(path.name for path in out.iterdir()) == [
        *("figures.csv", "maps.npz", "parts", "report.html", "results.json"),
    ]
    assert "<html" in (out / "report.html").read_text(encoding="utf-8")[:500].lower()
    results = json.loads((out / "results.json").read_text())
    assert str(tmp_path) not in results["command"]
    # With what another code made of the inputs.
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for path in (tmp_path / "inputs").glob("*.fits"):
        fits.writeto(theirs / path.name, np.kron(fits.getdata(path), np.ones((4, 4))) * 0.701)
    arguments = ["degraded-hmi", "--data", data, "-o", out, "--methods", "none"]
    result = run(*arguments, "--predictions", f"theirs={theirs}")
    assert result.exit_code == 0, result.output
    assert "2 results made, 8 were there" in result.output
    assert "theirs: RMSE" in result.output
    # The folder's name is that of the row.
    result = run(*arguments, "--predictions", theirs)
    assert result.exit_code == 0, result.output
    assert "0 results made, 10 were there" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "Error: There is no protocol 'nothing'"),
        (["pairs"], "Error: No pairs in"),
        (["degraded-hmi", "--methods", "best"], "Error: Unknown method 'best'"),
        (["degraded-hmi", "--methods", "none", "--predictions", "mine=nowhere"], "nowhere: there is no such folder"),
        (["degraded-hmi", "--predictions", "a=x", "--predictions", "a=y"], "Error: 'a' is given twice."),
    ],
)
def test_mistakes_are_one_line(run, data, tmp_path, arguments, message):
    result = run(*arguments, "--data", data, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "out" / "results.json").exists()


def test_mistakes_in_options(run, data, tmp_path):
    result = run("degraded-hmi", "--data", data, "-o", tmp_path / "out", "--model", "ldm")
    assert result.exit_code == 2
    assert "'ldm' is not of the form METHOD=WEIGHTS" in result.output
    assert run("degraded-hmi", "-o", tmp_path / "out").exit_code == 2


def test_help_has_no_asterisks(run):
    # They are emphasis in the documentation.
    assert "*" not in run("--help").output


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "<b>", "..", "a/b"])
def test_a_row_is_no_path(run, data, tmp_path, name):
    out = tmp_path / "out"
    result = run("degraded-hmi", "--data", data, "-o", out, "--methods", "none", "--predictions", f"{name}={data}")
    assert result.exit_code == 2
    assert "is no name of a row" in result.output
    assert not out.exists()


def test_fresh_leaves_what_is_not_its_own(run, data, tmp_path):
    out, mine = tmp_path / "out", tmp_path / "out" / "parts" / "notes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    result = run("degraded-hmi", "--data", data, "-o", out, "--methods", "none", "--fresh")
    assert result.exit_code == 0, result.output
    assert mine.read_text() == "mine"
