"""
The page "Benchmark" of the documentation is of the weights that come with the package.
"""

import json
from pathlib import Path

import pytest

from sunpy_superres.weights import list_models, model_info

FOLDER = Path(__file__).parents[1] / "docs" / "benchmark"


@pytest.fixture(scope="module")
def parts():
    if not FOLDER.parent.is_dir():
        pytest.skip("the documentation does not come with the source distribution")
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}


@pytest.mark.parametrize("name", list_models())
def test_a_model_is_measured_as_it_is(parts, name):
    measured = {part: results["weights"][name] for part, results in parts.items() if name in results["weights"]}
    assert measured, f"{name} is on no part of the page: python benchmarks/report.py DATA OUT"
    expected = {file: record.sha256 for file, record in model_info(name).files.items()}
    for part, found in measured.items():
        assert found == expected, f"{part} is of other files of {name}: python benchmarks/report.py DATA OUT {part}"


def test_rows_are_of_these_weights(parts):
    for results in parts.values():
        for row in results.get("rows", []):
            if row["model"]:
                record = model_info(row["model"].partition("@")[0])
                assert record.files["model.safetensors"].sha256.startswith(row["sha256"])


def test_what_is_shown_is_what_was_measured(parts):
    page = (FOLDER.parent / "benchmark.rst").read_text(encoding="utf-8")
    for name in parts:
        assert f"include:: benchmark/{name}.inc" in page
        text = (FOLDER / f"{name}.inc").read_text(encoding="utf-8")
        for line in text.splitlines():
            if line.startswith(".. figure:: "):
                assert (FOLDER.parent / line.removeprefix(".. figure:: ")).is_file()
        for finding in parts[name].get("findings", []):
            assert finding["text"].split(":")[0].split("*")[0][:40] in text.replace("\\", "")
