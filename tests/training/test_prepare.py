"""
FITS files into arrays: in parallel, in pieces, and only those that are sound.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from astropy.io import fits

from sunpy_superres import maps
from sunpy_superres.cli import main
from sunpy_superres.degradation import synthetic_magnetogram
from sunpy_superres.instruments import HMI_SCALE
from sunpy_superres.training.arrays import appending, read_index, read_pixels, write_arrays
from sunpy_superres.training.fields import observed_at, radius_plane, tiles
from sunpy_superres.training.parallel import default_workers, in_order
from sunpy_superres.training.patches import Record
from sunpy_superres.training.prepare import prepare, prepare_split
from sunpy_superres.training.quality import BAD_HMI, flaw


def write_hmi(path, *, seed=0, date="2010-06-01T00:00:00", **header):
    data = synthetic_magnetogram((64, 80), seed=seed)
    smap = maps.from_array(data, scale=HMI_SCALE, instrument="hmi", date=date)
    smap.meta.update(header)
    maps.write_map(smap, path)
    return data


def with_holes(path, fraction):
    data = synthetic_magnetogram((64, 80))
    data[: round(64 * fraction)] = np.nan
    maps.write_map(maps.from_array(data, scale=HMI_SCALE, instrument="hmi"), path)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    for seed in range(5):
        write_hmi(folder / f"hmi.sharp.{seed}.{seed}.fits", seed=seed)
    return folder


def broken(folder):
    """
    One file of each kind that is not to be used, and the reason that is told.
    """
    write_hmi(folder / "a.fits")
    whole = (folder / "a.fits").read_bytes()
    (folder / "empty.fits").write_bytes(b"")
    (folder / "text.fits").write_text("This is no FITS file.\n" * 200)
    (folder / "cut.fits").write_bytes(whole[:-6000])
    (folder / "head.fits").write_bytes(whole[:3000])
    (folder / "noise.fits").write_bytes(np.random.default_rng(0).bytes(20000))
    fits.PrimaryHDU().writeto(folder / "none.fits")
    with_holes(folder / "nan.fits", 1.0)
    with_holes(folder / "holes.fits", 0.3)
    maps.write_map(maps.from_array(np.ones((16, 16)), scale=2.0, instrument="mdi"), folder / "mdi.fits")
    maps.write_map(maps.from_array(np.ones((16, 16)), scale=2.0, instrument="hmi"), folder / "coarse.fits")
    maps.write_map(maps.from_array(np.ones((16, 16)), scale=0.5, instrument="hmi-continuum"), folder / "ic.fits")
    write_hmi(folder / "open.fits", quality=0x4400)
    write_hmi(folder / "words.fits", quality="good")
    # Changed after it was written.
    with fits.open(folder / "a.fits") as hdus:
        hdus[0].writeto(folder / "sum.fits", checksum=True)
    changed = bytearray((folder / "sum.fits").read_bytes())
    changed[-4000] ^= 0x55
    (folder / "sum.fits").write_bytes(bytes(changed))
    return {
        "empty": "empty",
        "text": "damaged, or no FITS image",
        "cut": "truncated",
        "head": "truncated",
        "noise": "damaged, or no FITS image",
        "none": "damaged, or no FITS image",
        "nan": "without any finite pixel",
        "holes": "with too much missing",
        "mdi": "of another instrument or quantity",
        "coarse": "of another pixel scale",
        "ic": "of another instrument or quantity",
        "open": "of bad QUALITY",
        "words": "of bad QUALITY",
        "sum": "damaged, or no FITS image",
    }


def test_what_is_not_sound_is_skipped_and_counted(tmp_path):
    (tmp_path / "in").mkdir()
    expected = broken(tmp_path / "in")
    (tmp_path / "in" / "folder.fits").mkdir()
    said = []
    records = prepare(tmp_path / "in", tmp_path / "out", limbward=False, progress=said.append)
    assert [record.name for record in records] == ["a.fits"]
    lines = {line.split(":")[0].removeprefix("skipped ").removesuffix(".fits"): line for line in said[:-1]}
    assert lines.keys() == expected.keys()
    assert all("\n" not in line for line in said)
    for kind in set(expected.values()) - {""}:
        assert kind in said[-1]
    assert said[-1].startswith(f"1 used, {len(expected)} skipped: ")
    assert "30% of the disk is missing, more than 5%" in lines["holes"]
    assert "QUALITY 0x00004400: image stabilization open" in lines["open"]
    assert "of SOHO/MDI, not of SDO/HMI" in lines["mdi"]
    # As it may be asked for.
    records = prepare(tmp_path / "in", tmp_path / "out", limbward=False, bad_quality=0, max_missing=0.5)
    assert [record.name for record in records] == ["a.fits", "holes.fits", "open.fits"]


def test_nothing_is_left_of_what_failed(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "text.fits").write_text("no")
    with pytest.raises(ValueError, match="0 used, 1 skipped: 1 damaged"):
        prepare(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    write_arrays(tmp_path / "out", np.ones(3, np.int16), [{"old": 1}])
    with pytest.raises(ValueError, match="No file in"):
        prepare(tmp_path / "in", tmp_path / "out")
    assert read_index(tmp_path / "out") == [{"old": 1}]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["index.json", "pixels.npy"]


def test_the_result_does_not_depend_on_the_number_of_processes(tmp_path):
    pytest.importorskip("dask")
    workers, good = 2, tmp_path / "in"
    good.mkdir()
    broken(good)
    for seed in range(3):
        write_hmi(good / f"hmi.sharp.{seed}.{seed}.fits", seed=seed)
    said = [], []
    for number, lines in zip((1, workers), said, strict=True):
        prepare(good, tmp_path / str(number), workers=number, progress=lines.append)
    assert said[0] == said[1]
    for name in ("index.json", "pixels.npy"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / str(workers) / name).read_bytes()


def test_without_dask_one_file_comes_after_the_other(good, tmp_path, monkeypatch):
    monkeypatch.setattr("sunpy_superres.training.parallel.find_spec", lambda _: None)
    monkeypatch.setitem(sys.modules, "dask", None)
    assert len(prepare(good, tmp_path, workers=2, limbward=False)) == 5


def test_workers(good):
    assert default_workers(list(good.iterdir())) == 1
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        list(in_order(str, [1], workers=0))


def test_appended_pieces_are_what_numpy_writes(tmp_path, rng):
    pieces = [rng.integers(-9, 9, size=shape).astype(np.int16) for shape in ((3, 4), (1000, 700), (0,))]
    with appending(tmp_path / "a") as writer:
        assert [writer.append(piece) for piece in pieces] == [0, 12, 700012]
        with pytest.raises(TypeError, match="the piece float64"):
            writer.append(np.zeros(2))
        writer.index = [1]
    write_arrays(tmp_path / "b", np.concatenate([piece.ravel() for piece in pieces]), [1])
    for name in ("index.json", "pixels.npy"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    np.testing.assert_array_equal(read_pixels(tmp_path / "a", mapped=True), read_pixels(tmp_path / "b"))
    with pytest.raises(TypeError, match="the piece float64"), appending(tmp_path / "c") as writer:
        writer.append(np.zeros(2))
    assert not (tmp_path / "c").exists()


def test_plane(rng):
    y, x = np.mgrid[:30, :41] - np.array([14.5, 20.0])[:, None, None]
    assert radius_plane(0.4 + 1e-3 * y - 2e-3 * x) == pytest.approx([0.4, 1e-3, -2e-3])
    noisy = rng.normal(size=(30, 41))
    design = np.stack([np.ones(y.size), y.ravel(), x.ravel()], axis=1)
    assert radius_plane(noisy) == pytest.approx(np.linalg.lstsq(design, noisy.ravel())[0], rel=1e-9)


def test_tiles():
    assert tiles(0, 512, 512) == [slice(0, 512)]
    assert tiles(3, 1030, 512) == [slice(3, 345), slice(345, 688), slice(688, 1030)]


def write_disk(folder, year, crota2):
    """
    A whole disk; of a Sun that is far away, so that its 1070 pixels are soon made.
    """
    data = np.random.default_rng(0).normal(0, 50, size=(1200, 1200)).astype(np.float32)
    y, x = np.mgrid[:1200, :1200] - 599.5
    data[np.hypot(x, y) * HMI_SCALE > 270] = np.nan
    date = f"{year}-02-14T00:00:00"
    smap = maps.from_array(data, scale=HMI_SCALE, instrument="hmi", rsun_obs=270.0, date=date)
    for key in ("pc1_1", "pc1_2", "pc2_1", "pc2_2"):
        smap.meta.pop(key, None)
    smap.meta["crota2"] = crota2
    maps.write_map(smap, folder / f"hmi.M_720s.{year}0214_000000_TAI.magnetogram.fits")


@pytest.mark.parametrize("crota2", [0.0, 180.0])
def test_a_whole_disk_is_cut_into_tiles(tmp_path, crota2):
    (tmp_path / "in").mkdir()
    write_disk(tmp_path / "in", 2011, crota2)
    records = prepare(tmp_path / "in", tmp_path / "out", limbward=False)
    # The four in the corners are mostly off the disk.
    assert [record.name[-3:] for record in records] == [f"[{n}]" for n in range(5)]
    assert len({record.region for record in records}) == 1
    assert sorted(round(record.plane[0], 2) for record in records) == pytest.approx([0.25, 0.69, 0.69, 0.69, 0.69])
    pixels = read_pixels(tmp_path / "out")
    assert sum(record.shape[0] * record.shape[1] for record in records) == pixels.size
    for record in records:
        assert max(record.shape) <= 512
        assert (pixels[record.offset :][: record.shape[0] * record.shape[1]] == 0).mean() < 0.1
    # The first is below disk center, the second on its left: farther out is toward smaller rows and columns.
    assert records[0].plane[1] < -1e-3 < records[1].plane[1]
    assert records[1].plane[2] < -1e-3 < records[0].plane[2]
    # Only of what is nearer to disk center than the copy is to be.
    records = prepare(tmp_path / "in", tmp_path / "out")
    originals = {record.name: record for record in reversed(records)}
    copies = [record for record in records if record is not originals[record.name]]
    assert len(originals) == 5
    assert copies
    assert all(copy.plane[0] > originals[copy.name].plane[0] for copy in copies)
    # The copies are told from the originals by their names, tile by tile.
    write_disk(tmp_path / "in", 2012, crota2)
    counts = prepare_split(tmp_path / "in", tmp_path / "split", validation=0.5)
    assert counts == {"train": len(records), "validation": 5}


@pytest.mark.parametrize(("size", "count"), [(400, 1), (600, 2)])
def test_large_fields_at_the_limb_are_cut(tmp_path, size, count):
    (tmp_path / "in").mkdir()
    data = np.ones((size, size), dtype=np.float32)
    center = (1000 - size * HMI_SCALE / 3, 0.0)
    maps.write_map(maps.from_array(data, scale=HMI_SCALE, instrument="hmi", center=center), tmp_path / "in" / "a.fits")
    assert len(prepare(tmp_path / "in", tmp_path / "out", limbward=False)) == count


def test_large_fields_that_a_plane_describes_stay_whole(tmp_path):
    (tmp_path / "in").mkdir()
    data = synthetic_magnetogram((200, 600))
    smap = maps.from_array(data, scale=HMI_SCALE, instrument="hmi", center=(400.0, 300.0))
    maps.write_map(smap, tmp_path / "in" / "a.fits")
    (record,) = prepare(tmp_path / "in", tmp_path / "out", limbward=False)
    assert (record.name, record.shape) == ("a.fits", (200, 600))


@pytest.mark.parametrize(
    ("header", "time"),
    [
        ({}, "2010-06-01T00:00:00"),
        ({"date-obs": "garbage"}, None),
        ({"date-obs": ""}, None),
        ({"date-obs": "garbage", "date-beg": "2011-01-01T00:00:00"}, "2011-01-01T00:00:00"),
        ({"date-obs": "garbage", "date-beg": "rubbish"}, None),
    ],
)
def test_what_is_no_time(header, time):
    smap = maps.from_array(np.ones((8, 8)), scale=0.5, instrument="hmi", date="2010-06-01T00:00:00")
    smap.meta.update(header)
    for key in ("date-avg", "date-end", *(() if "date-beg" in header else ("date-beg",))):
        smap.meta.pop(key, None)
    for _ in range(2):  # sunpy warns but once
        assert observed_at(smap) == time


def test_a_header_that_fails_does_not_end_the_preparation(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    for name in "ab":
        write_hmi(tmp_path / "in" / f"{name}.fits")
    calls = iter((ZeroDivisionError("no distance"), None))

    def fail(smap):
        if error := next(calls):
            raise error

    monkeypatch.setattr("sunpy_superres.training.fields.observed_at", fail)
    said = []
    prepare(tmp_path / "in", tmp_path / "out", limbward=False, progress=said.append)
    assert said == ["skipped a.fits: no distance", "1 used, 1 skipped: 1 with a header that cannot be used"]


def append(folder, pixels, index):
    with appending(folder) as writer:
        writer.append(pixels)
        writer.index = index


@pytest.mark.parametrize("write", [append, write_arrays])
def test_killed_between_the_two_files_there_is_no_old_index(tmp_path, monkeypatch, write):
    write_arrays(tmp_path, np.ones(3, np.int16), [{"old": 1}])
    replace = Path.replace

    def killed(self, target):
        if Path(target).name == "index.json":
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, np.zeros(5, np.int16), [])
    with pytest.raises(FileNotFoundError, match="holds no prepared data"):
        read_index(tmp_path)


def test_the_first_error_is_told(tmp_path):
    def interrupted():
        with appending(tmp_path / "new"):
            (tmp_path / "new" / "other").write_text("from elsewhere")
            msg = "no more"
            raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match="no more"):
        interrupted()


@pytest.mark.parametrize(
    ("quality", "options", "found"),
    [
        (None, {}, None),
        ("", {}, None),
        (0, {}, None),
        (0x10400, {}, None),
        ("0x00010400", {}, None),
        (0x10400, {"bad": 0x400}, "QUALITY 0x00010400: bits that are not accepted"),
        (-(2**31), {}, "QUALITY 0x80000000: no observable was made"),
        (0x4020, {"bad": 0}, None),
        (0x1000, {}, "QUALITY 0x00001000: gaps that were not filled"),
        (0x200, {"instrument": "mdi"}, None),
        (0x401, {"instrument": "mdi"}, "QUALITY 0x00000401: cosmic rays"),
        (0xFFFF, {"instrument": "gong"}, None),
        (0x40000000, {"instrument": "aia"}, None),
        (0x40002000, {"instrument": "aia"}, "QUALITY 0x40002000: eclipse"),
        (1, {"instrument": "aia"}, "QUALITY 0x00000001: bits that are not accepted"),
    ],
)
def test_quality(quality, options, found):
    assert flaw(quality, **options) == found
    assert not BAD_HMI & 0x10400


def test_time_and_region(tmp_path):
    (tmp_path / "in").mkdir()
    write_hmi(tmp_path / "in" / "hmi.sharp_cea_720s.377.20110214.fits", date="2011-02-14T20:34:12.4")
    (record,) = prepare(tmp_path / "in", tmp_path / "out", limbward=False)
    assert (record.region, record.time) == ("hmi.sharp_cea_720s.377", "2011-02-14T20:34:12")
    # An index of before there were times.
    (entry,) = json.loads((tmp_path / "out" / "index.json").read_text())
    old = Record(**{key: value for key, value in entry.items() if key not in ("time", "seen")})
    assert (old.time, old.seen) == (None, None)


def test_prepare_and_split(tmp_path):
    (tmp_path / "in").mkdir()
    for month in range(1, 5):
        write_hmi(tmp_path / "in" / f"hmi.sharp.{month}.{month}.fits", seed=month, date=f"2011-{month:02d}-10T00:00:00")
    counts = prepare_split(tmp_path / "in", tmp_path / "out", validation=0.25)
    assert counts == {"train": 6, "validation": 1}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["train", "validation"]
    (record,) = read_index(tmp_path / "out" / "validation")
    expected = synthetic_magnetogram((64, 80), seed=4)
    pixels = read_pixels(tmp_path / "out" / "validation")
    np.testing.assert_allclose(pixels.reshape(record["shape"]) / 10, expected, atol=0.06)
    # Nothing is left of a split that is made no more.
    prepare_split(tmp_path / "in", tmp_path / "out", validation=0.25, test=0.25)
    assert len(read_index(tmp_path / "out" / "test")) == 1
    prepare_split(tmp_path / "in", tmp_path / "out", validation=0.25)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["train", "validation"]


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_command(tmp_path):
    (tmp_path / "in").mkdir()
    for day in (1, 10, 20):
        path = tmp_path / "in" / f"hmi.sharp.{day}.{day}.fits"
        write_hmi(path, seed=day, date=f"2011-01-{day:02d}T00:00:00", quality=0x400)
    result = run("prepare", tmp_path / "in", tmp_path / "out", "--split", "--block", "48", "--gap", "5", "--workers", 1)
    assert result.exit_code == 0, result.output
    assert "train: 4 fields of 2011-01-01T00:00:00 to 2011-01-10T00:00:00" in result.output
    assert len(read_index(tmp_path / "out" / "validation")) == 1
    result = run("prepare", tmp_path / "in", tmp_path / "none", "--bad-quality", "0x400")
    assert result.exit_code == 1
    assert "0 used, 3 skipped: 3 of bad QUALITY" in result.output
    assert run("prepare", tmp_path / "in", tmp_path / "none", "--bad-quality", "bad").exit_code == 2
    assert run("prepare", tmp_path / "in", tmp_path / "none", "--split", "--block", "week").exit_code == 2
    result = run("prepare", tmp_path / "in", tmp_path / "none", "--split")
    assert "cannot be cut" in result.output
    assert not (tmp_path / "none").exists()


def test_training_refuses_to_be_validated_on_its_own_regions(good, tmp_path):
    pytest.importorskip("pytorch_lightning")
    options = "--data", good, "--validation", good, "--out", tmp_path, "--max-steps", 1
    result = run("train", "highresnet-mdi", *options)
    assert result.exit_code == 1
    assert "share active regions, whose frames are nearly the same: HARP 0, HARP 1" in result.output


def test_the_shared_magnetograms(shared_data, tmp_path):
    said = []
    prepare(shared_data / "hmi" / "validation", tmp_path, progress=said.append, limbward=False)
    assert said[-1] == "5 used, 1 skipped: 1 of another instrument or quantity"
