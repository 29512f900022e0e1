"""
Splits in time: whole, apart, and refused where they are not.
"""

import csv
import json
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sunpy_superres.training.arrays import appending, read_index, read_pixels
from sunpy_superres.training.split import SPLITS, check_folders, check_leakage, split_by_time, split_folder

EPOCH = datetime(2011, 1, 1)
OBSERVATIONS = st.lists(
    st.tuples(st.integers(0, 24 * 900), st.one_of(st.none(), st.integers(0, 12).map(str))), min_size=2, max_size=60
)


def label(observations, **options):
    times = [(EPOCH + timedelta(hours=hours)).isoformat() for hours, _ in observations]
    regions = [region for _, region in observations]
    return times, regions, split_by_time(times, regions, **options)


@given(
    OBSERVATIONS,
    st.sampled_from([(0.15, 0.0), (0.2, 0.2), (0.0, 0.3)]),
    st.sampled_from(["month", 12, 72.0]),
    st.sampled_from([0, 24, 100]),
)
def test_splits_are_apart(observations, fractions, block, gap):
    validation, test = fractions
    try:
        times, regions, labels = label(observations, validation=validation, test=test, block=block, gap=gap)
    except ValueError:
        with pytest.raises(ValueError, match="cannot be cut"):
            label(observations, validation=validation, test=test, block=block, gap=gap)
        return
    wanted = [name for name, part in zip(SPLITS, (1, validation, test), strict=True) if part]
    # Complete: everything has a label, or none for a reason; and there is something everywhere.
    assert len(labels) == len(observations)
    assert {name for name in labels if name} == set(wanted)
    hours = {name: [h for (h, _), own in zip(observations, labels, strict=True) if own == name] for name in wanted}
    for one, other in pairwise(wanted):
        assert max(hours[one]) < min(hours[other])
        assert min(hours[other]) - max(hours[one]) >= gap
    # No block and no region is in two splits.
    seconds = [datetime.fromisoformat(time + "+00:00").timestamp() for time in times]
    whole = [t[:7] if block == "month" else s // 3600 // block for t, s in zip(times, seconds, strict=True)]
    for group in (whole, regions):
        for member in set(group) - {None}:
            assert len({own for one, own in zip(group, labels, strict=True) if one == member and own}) <= 1
    # What is left out is near a cut, or of a region that is on both sides of it.
    ends = [min(hours[name]) for name in wanted[1:]]
    for (hour, region), own in zip(observations, labels, strict=True):
        if own is None:
            kept = [o for (_, r), o in zip(observations, labels, strict=True) if r == region and r is not None and o]
            assert kept or any(hour > end - gap for end in ends) or region is not None
    check_leakage(times, labels, regions, gap=gap)


def test_the_fraction_is_met_where_it_can_be():
    observations = [(24 * 31 * month + 24 * day, None) for month in range(20) for day in range(10)]
    _, _, labels = label(observations, validation=0.15, test=0.1)
    counts = {name: labels.count(name) / len(labels) for name in SPLITS}
    assert counts["validation"] == pytest.approx(0.15, abs=0.03)
    assert counts["test"] == pytest.approx(0.1, abs=0.03)


def test_the_side_with_less_of_a_region_is_left_out():
    observations = [(24 * day, "long" if day in (20, 40, 45) else str(day)) for day in range(60)]
    _, _, labels = label(observations, validation=0.5)
    assert labels[20] is None
    assert labels[40] == labels[45] == "validation"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block": "week"}, "block must be 'month' or a number of hours, not 'week'"),
        ({"block": 0}, "block must be"),
        ({"validation": 0.0}, "take something"),
        ({"validation": 0.6, "test": 0.5}, "leave something to train on"),
        ({"validation": 1.5}, "validation must be at least 0"),
        ({"gap": -1}, "gap must be at least 0"),
        ({"regions": ["a"]}, "2 times and 1 regions"),
        ({"times": ["2011-02-30", "2012-01-01"]}, "'2011-02-30' is not a time"),
        ({"times": ["2011-02-01", "2011-02-02"]}, "cannot be cut into earlier ones and a validation set"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        split_by_time(**{"times": ["2011-02-01", "2012-02-01"], **options})


def test_leaks_are_named():
    with pytest.raises(ValueError, match=r"train and test share active regions.*: HARP 377"):
        check_leakage(["2011-02-01", "2012-02-01"], ["train", "test"], ["HARP 377"] * 2)
    with pytest.raises(ValueError, match="12 hours apart in time at 2011-02-01 and 2011-02-01T12:00"):
        check_leakage(["2011-02-01", "2009-01-01", "2011-02-01T12:00"], ["train", "test", "test"])
    check_leakage(["2011-02-01", None, "2011-02-01T12:00"], ["train", "test", None])


def write(folder, records):
    """
    Prepared fields of two pixels, the second of which tells the number of the record.
    """
    with appending(folder) as writer:
        for number, (region, time, more) in enumerate(records):
            offset = writer.append(np.array([[7, number]], dtype=np.int16))
            entry = {"name": f"{region}{time}", "region": region, "offset": offset, "shape": [1, 2], "plane": [0, 0, 0]}
            if "seen" in more:
                entry["seen"] = writer.append(np.array([100 + number], dtype=np.int16))
            writer.index.append(entry | ({"time": time} if time else {}))
    return folder


def test_folders(tmp_path):
    sharp = "hmi.sharp_cea_720s.{}".format
    train = write(tmp_path / "a", [(sharp(377), "2011-02-14T00:00:00", ""), ("simulation", None, "")])
    other = write(tmp_path / "b", [(sharp(378), "2011-02-14T06:00:00", ""), ("simulation", None, "")])
    check_folders(train, other)
    # The same region, of another series and a month later.
    same = write(tmp_path / "c", [("hmi.sharp_720s.377", "2011-03-14T00:00:00", "")])
    with pytest.raises(ValueError, match=r"the training and the validation share active regions.*HARP 377"):
        check_folders(train, same)
    # Of the whole disk nobody knows what is on it.
    disk = write(tmp_path / "d", [("hmi.M_720s.20110214", "2011-02-14T06:00:00", "")])
    for pair in ((train, disk), (disk, train)):
        with pytest.raises(ValueError, match="6 hours apart in time"):
            check_folders(*pair)
    check_folders(train, disk, gap=0)
    # An index of before times were written.
    old = write(tmp_path / "e", [("hmi.M_720s.20110214", None, "")])
    check_folders(train, old)
    with pytest.raises(FileNotFoundError, match="holds no prepared data"):
        check_folders(train, tmp_path / "none")


def test_folders_of_images(tmp_path):
    for name, time in (("a", "2012-01-01T00:00:00"), ("b", "2012-02-01T00:00:00")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.json").write_text(json.dumps({"images": [{"time": time}]}))
    check_folders(tmp_path / "a", tmp_path / "b")
    with pytest.raises(ValueError, match="The same images are in"):
        check_folders(tmp_path / "a", tmp_path / "a")
    # Not the same, but nearly.
    for minutes in (59, 60):
        index = {"images": [{"time": f"2012-01-01T{minutes // 60:02d}:{minutes % 60:02d}:00"}]}
        (tmp_path / "b" / "index.json").write_text(json.dumps(index))
        if minutes < 60:
            with pytest.raises(ValueError, match=r"0\.983 hours apart in time"):
                check_folders(tmp_path / "a", tmp_path / "b")
            check_folders(tmp_path / "a", tmp_path / "b", gap=0.5)
        else:
            check_folders(tmp_path / "a", tmp_path / "b")
    fields = write(tmp_path / "fields", [("r", "2020-01-01", "")])
    with pytest.raises(ValueError, match="one holds whole images, and the other fields"):
        check_folders(tmp_path / "a", fields)


def test_the_shared_images_are_apart(shared_data, tmp_path):
    archive = shared_data / "aia171" / "aia171_2012_128px.npz"
    with archive.with_suffix(".csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for split in ("train", "validation"):
        (tmp_path / split).mkdir()
        images = [{"time": row["datetime"]} for row in rows if row["split"] == split]
        (tmp_path / split / "index.json").write_text(json.dumps({"images": images}))
    check_folders(tmp_path / "train", tmp_path / "validation")


def test_a_prepared_folder_is_split(tmp_path):
    records = [(f"r{m}", f"2011-{m:02d}-14T00:00:00", "seen") for m in range(1, 11) for _ in range(2)]
    source = write(tmp_path / "whole", [*records, ("simulation", None, "")])
    said = []
    counts = split_folder(source, tmp_path / "out", validation=0.2, test=0.1, progress=said.append)
    # Only what is trained on has the second of the same name, and the simulation.
    assert counts == {"train": 15, "validation": 2, "test": 1}
    assert [line.split(":")[0] for line in said] == list(SPLITS)
    validation = read_index(tmp_path / "out" / "validation")
    pixels = read_pixels(tmp_path / "out" / "validation")
    assert [r["region"] for r in validation] == ["r8", "r9"]
    assert [pixels[r["offset"] + 1] for r in validation] == [14, 16]
    assert [pixels[r["seen"]] for r in validation] == [114, 116]
    check_folders(tmp_path / "out" / "train", tmp_path / "out" / "test")
    # A test set of before would now be trained on; what else is in its folder stays.
    (tmp_path / "out" / "test" / "notes.txt").write_text("mine")
    counts = split_folder(source, tmp_path / "out", validation=0.2)
    assert counts == {"train": 17, "validation": 2}
    assert [path.name for path in (tmp_path / "out" / "test").iterdir()] == ["notes.txt"]
    timeless = write(tmp_path / "timeless", [("r", None, ""), ("s", "2011-01-01", "")])
    with pytest.raises(ValueError, match="there is none in the header of rNone"):
        split_folder(timeless, tmp_path / "other")
