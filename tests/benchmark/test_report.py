import math

import numpy as np
import pytest

from sunpy_superres.benchmark import TARGETS, Target, read_json, table, targets_of, write_json


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(0.97, "aim"), (0.95, "aim"), (0.94, "must"), (1.15, "must"), (1.16, "missed"), (math.nan, "missed"), (None, "")],
)
def test_verdict(value, verdict):
    assert Target("x", "X", (0.85, 1.15), (0.95, 1.05)).verdict(value) == verdict


def test_verdict_with_one_demand_or_none():
    assert Target("x", "X", (-math.inf, 1)).verdict(0.5) == "must"
    assert Target("x", "X", None, (2, math.inf)).verdict(1) == "missed"
    assert Target("x", "X").verdict(1) == ""


def test_targets():
    names = [target.name for target in TARGETS]
    assert len(set(names)) == len(names)
    for target in TARGETS:
        if target.must and target.aim:
            # What is aimed at lies within what must be.
            assert target.must[0] <= target.aim[0] < target.aim[1] <= target.must[1]


def test_markdown():
    results = {"figures": {"rmse_ratio": 0.7234, "spread_skill": 1.0, "other": 5}}
    lines = table(results, {"figures": {"pair_correlation_gain": 0.001}}).splitlines()
    assert lines[0] == "| figure | measured | must | aim | reached |"
    assert lines[1] == "|---|---|---|---|---|"
    assert lines[2] == "| RMSE of the ensemble mean / calibrated bicubic | 0.723 | <= 0.75 | <= 0.65 | must |"
    assert "| spread-skill ratio | 1.000 | 0.85 to 1.15 | 0.95 to 1.05 | aim |" in lines
    assert "| real pairs: gain in correlation, worst | 0.0010 | >= 0.005 | >= 0.02 | missed |" in lines
    assert "| total unsigned flux of one sample / truth | - | 0.9 to 1.1 | 0.97 to 1.03 |  |" in lines
    assert len(lines) == len(TARGETS) + 2


def test_plain():
    lines = table({"figures": {"flux_ratio": 1.0}}, style="plain").splitlines()
    assert len(lines) == len(TARGETS) + 1
    column = lines[0].index("measured")
    assert all(line[column - 2 : column] == "  " for line in lines)
    assert all(line == line.rstrip() for line in lines)


def test_the_last_result_counts():
    first, second = {"figures": {"flux_ratio": 1.5}}, {"figures": {"flux_ratio": 1.0}}
    assert "1.000" in table(first, second)
    with pytest.raises(ValueError, match="markdown, plain"):
        table(first, style="html")


def test_json_round_trip(tmp_path):
    results = {
        "a": np.float32(0.5),
        "b": np.int64(3),
        "c": [np.nan, math.inf, -1.5],
        "d": (True, None, "x"),
        "e": {1: tmp_path, "array": np.float64(2)},
    }
    path = tmp_path / "results.json"
    write_json(results, path)
    assert read_json(path) == {
        "a": 0.5,
        "b": 3,
        "c": [None, None, -1.5],
        "d": [True, None, "x"],
        "e": {"1": str(tmp_path), "array": 2.0},
    }
    write_json({"figures": {}}, str(path))
    assert read_json(path) == {"figures": {}}


def test_json_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    write_json({"figures": {}}, path)

    def fail(*_):
        msg = "disk full"
        raise OSError(msg)

    monkeypatch.setattr(type(path), "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_json({"figures": {"rmse": 1}}, path)
    assert read_json(path) == {"figures": {}}
    assert list(tmp_path.iterdir()) == [path]


def test_json_needs_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        write_json({}, tmp_path / "nowhere" / "results.json")


def test_every_method_has_demands_of_its_own():
    figures = {"figures": {"rmse_ratio": 0.77, "sobel_ratio": 2.0}}
    rows = {method: table(figures, targets=targets_of(method), measured=True) for method in ("ldm", "highresnet")}
    assert len(rows["ldm"].splitlines()) == 4
    assert "| 0.770 | <= 0.75 | <= 0.65 | missed |" in rows["ldm"]
    assert "| 0.770 | <= 0.78 |  | must |" in rows["highresnet"]
    assert "| 2.000 |  |  |  |" in rows["highresnet"]
    assert "| 2.000 | 1.4 to 1.8 |  | missed |" in table(figures, targets=targets_of("enhance"))
    assert "| 0.770 |  |  |  |" in table(figures, targets=targets_of("bicubic"))
    names = {target.name for target in TARGETS}
    assert all(target.name in names for target in targets_of("enhance"))
