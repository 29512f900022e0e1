import csv
import io
import itertools
import json
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from training.archive_server import ArchiveServer, Jsoc
from training.test_flare_labels import events

import astropy.units as u
from astropy.io import fits
from astropy.time import Time

from sunpy_superres.cli import main
from sunpy_superres.training import archives, calibrated, downloads
from sunpy_superres.training.acquire import fetch_aia, fetch_pairs, find_email
from sunpy_superres.training.prepare_images import prepare_images

pytest.importorskip("drms", reason="the extra 'archive' is not installed")

MDI, HMI, AIA = "mdi.fd_M_96m_lev182", "hmi.M_720s", "aia.lev1_euv_12s"
EMAIL = {"email": "me@example.org", "pause": 0 * u.s}
NIGHT = ("2010-12-31T23:59", "2011-01-01T06:00")


def fits_file(value):
    """
    The content of a small FITS file.
    """
    file = io.BytesIO()
    fits.PrimaryHDU(np.full((8, 8), value, dtype=np.float32)).writeto(file)
    return file.getvalue()


def aia_file(date):
    """
    The content of a level 1 image that comes with sunpy, with another date.
    """
    from sunpy.data.test import get_test_filepath

    with warnings.catch_warnings(action="ignore"), fits.open(get_test_filepath("aia_171_level1.fits")) as hdus:
        file = io.BytesIO()
        header = hdus[0].header.copy()
        header.remove("BLANK", ignore_missing=True)  # of the integers that the file once held
        header["DATE-OBS"] = header["T_OBS"] = date
        fits.PrimaryHDU(hdus[0].data, header).writeto(file, output_verify="silentfix")
        return file.getvalue()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(downloads, "BACKOFF", 0.0)
    monkeypatch.delenv("JSOC_EMAIL", raising=False)
    server = ArchiveServer()
    yield server
    server.close()


@pytest.fixture
def jsoc(server, monkeypatch):
    """
    Four magnetograms of MDI, and those of HMI that belong to the first three; the last of them three minutes off.
    """
    jsoc = Jsoc(server)
    monkeypatch.setattr("sunpy.net.jsoc.jsoc.drms.Client", jsoc)
    for number, time in enumerate(("00:00", "01:36", "03:12", "04:48")):
        t_rec = f"2011.01.01_{time}:00_TAI"
        jsoc.add(MDI, t_rec, fits_file(number), T_OBS=t_rec.replace(":00_TAI", ":30_TAI"), QUALITY="0x00000200")
    for number, time in enumerate(("00:00", "00:12", "01:36", "03:15")):
        jsoc.add(HMI, f"2011.01.01_{time}:00_TAI", fits_file(10 + number), T_OBS="MISSING", QUALITY=0)
    jsoc.add(HMI, "2011.01.01_04:48:00_TAI", b"", T_OBS="MISSING", QUALITY="0x80000000")
    return jsoc


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_fetch_pairs(jsoc, server, tmp_path):
    lines = []
    found = fetch_pairs(*NIGHT, tmp_path, progress=lines.append, **EMAIL)
    assert found.manifest == tmp_path / "manifest.csv"
    assert found.complete == 3
    assert found.left_out == {
        "source without an image": 0,
        "source unmatched": 1,
        "target without an image": 1,
        "target unmatched": 1,
    }
    rows = table(found.manifest)
    assert [float(row["difference_s"]) for row in rows] == [-30, -30, 150]
    assert {row["status"] for row in rows} == {"complete"}
    first = rows[0]
    # 34 s from UTC to TAI; T_OBS counts, where there is one.
    assert (first["source_time"], first["target_time"]) == ("2010-12-31T23:59:56.000", "2010-12-31T23:59:26.000")
    assert (first["source_quality"], first["target_quality"]) == ("0x00000200", "0x00000000")
    assert first["source_file"] == "mdi/mdi.fd_m_96m_lev182.20110101_000000_TAI.fits"
    assert (tmp_path / first["target_file"]).read_bytes() == fits_file(10)
    assert first["source_bytes"] == str(len(fits_file(0)))
    assert jsoc.exports == [
        f"{series}[{','.join(row[f'{role}_record'] for row in rows)}]"
        for role, series in (("source", MDI), ("target", HMI))
    ]
    assert any("3 found; 1 source unmatched; 1 target without an image" in line for line in lines)


def test_nothing_is_asked_twice(jsoc, server, tmp_path):
    fetch_pairs(*NIGHT, tmp_path, **EMAIL)
    server.requests.clear()
    jsoc.queries.clear()
    before = (tmp_path / "manifest.csv").read_bytes()
    # There is nothing to ask for: no address is needed either.
    assert fetch_pairs(*NIGHT, tmp_path).complete == 3
    assert (server.requests, jsoc.queries) == ([], [])
    assert (tmp_path / "manifest.csv").read_bytes() == before


def remove(path):
    path.unlink()


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def alter(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [remove, truncate, alter])
def test_damaged_files_are_fetched_again(jsoc, server, tmp_path, damage):
    rows = table(fetch_pairs(*NIGHT, tmp_path, **EMAIL).manifest)
    victim = tmp_path / rows[1]["target_file"]
    damage(victim)
    server.requests.clear()
    jsoc.exports.clear()
    assert fetch_pairs(*NIGHT, tmp_path, **EMAIL).complete == 3
    assert jsoc.exports == [f"{HMI}[{rows[1]['target_record']}]"]
    assert {path.rsplit("/", 1)[1] for path in server.requests} == {victim.name}
    assert victim.read_bytes() == fits_file(12)
    assert table(tmp_path / "manifest.csv") == rows


def test_a_pair_with_a_damaged_file_is_not_complete(jsoc, server, tmp_path):
    rows = table(fetch_pairs(*NIGHT, tmp_path, **EMAIL).manifest)
    alter(tmp_path / rows[1]["source_file"])
    (tmp_path / rows[1]["target_file"]).unlink()
    path = next(path for path in server.files if path.endswith(rows[1]["source_file"].rsplit("/", 1)[1]))
    server.faults[path] = [500] * 20
    with pytest.raises(ConnectionError, match="1 of 6 files could not be had"):
        fetch_pairs(*NIGHT, tmp_path, **EMAIL)
    row = table(tmp_path / "manifest.csv")[1]
    assert row["status"] == "failed"
    assert [row[f"source_{name}"] for name in ("file", "bytes", "sha256")] == ["", "", ""]
    assert row["target_sha256"] == rows[1]["target_sha256"]
    server.faults.clear()
    assert fetch_pairs(*NIGHT, tmp_path, **EMAIL).complete == 3
    assert table(tmp_path / "manifest.csv") == rows


def test_resume_after_interruption(jsoc, server, tmp_path, monkeypatch):
    calls = itertools.count()
    fetch = downloads.download

    def interrupted(*args, **options):
        if next(calls) == 4:
            raise KeyboardInterrupt
        return fetch(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(downloads, "download", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch_pairs(*NIGHT, tmp_path, **EMAIL)
    assert [row["status"] for row in table(tmp_path / "manifest.csv")] == ["complete", "missing", "missing"]
    there = {path.name for path in tmp_path.rglob("*.fits")}
    assert len(there) == 4
    server.requests.clear()
    jsoc.queries.clear()
    assert fetch_pairs(*NIGHT, tmp_path, **EMAIL).complete == 3
    assert not there & {path.rsplit("/", 1)[1] for path in server.requests}
    assert len({*server.requests}) == 2
    assert len(jsoc.queries) == 2  # the export; not the search
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("fault", [500, "html", "truncated"])
def test_a_server_that_recovers(jsoc, server, tmp_path, fault):
    path = next(path for path in server.files if "01_013600" in path and "hmi" in path)
    server.faults[path] = [fault, fault]  # parfive asks twice: for the headers, and for the file
    assert fetch_pairs(*NIGHT, tmp_path, **EMAIL).complete == 3


def test_a_file_that_does_not_come(jsoc, server, tmp_path):
    path = next(path for path in server.files if "01_013600" in path and "hmi" in path)
    server.faults[path] = [500] * 20
    lines = []
    with pytest.raises(ConnectionError, match=r"1 of 6 files could not be had.*the server answered 500.*run again"):
        fetch_pairs(*NIGHT, tmp_path, progress=lines.append, **EMAIL)
    assert [row["status"] for row in table(tmp_path / "manifest.csv")] == ["complete", "failed", "complete"]
    assert sum(line.startswith("failed: ") for line in lines) == 1
    assert sum(one == path for one in server.requests) == downloads.ATTEMPTS
    server.faults.clear()
    assert fetch_pairs(*NIGHT, tmp_path, **EMAIL).complete == 3


def test_a_server_that_is_down(jsoc, server, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "PATIENCE", 2)
    for path in server.files:
        server.faults[path] = [500] * 20
    with pytest.raises(ConnectionError, match="2 files of mdi in a row did not come"):
        fetch_pairs(*NIGHT, tmp_path, **EMAIL)
    assert [row["status"] for row in table(tmp_path / "manifest.csv")] == ["failed", "failed", "missing"]
    assert not list(tmp_path.rglob("*.fits"))


def test_a_record_without_a_file(jsoc, tmp_path):
    jsoc.lost.add("2011.01.01_01:36:00_TAI")
    with pytest.raises(ConnectionError, match=r"2 of 6 .* has no file of 2011.01.01_01:36:00_TAI"):
        fetch_pairs(*NIGHT, tmp_path, **EMAIL)


def test_jsoc_is_asked_again(jsoc, tmp_path):
    jsoc.broken = 2
    assert fetch_pairs(*NIGHT, tmp_path, **EMAIL).complete == 3
    jsoc.broken = 3
    with pytest.raises(ConnectionError, match=r"JSOC \(mdi.fd_M_96m_lev182\) did not answer properly in 3 tries"):
        fetch_pairs(*NIGHT, tmp_path / "other", **EMAIL)
    assert not (tmp_path / "other").exists()


def test_no_email(jsoc, tmp_path, monkeypatch):
    for attempt in (
        lambda: fetch_pairs(*NIGHT, tmp_path / "out"),
        lambda: fetch_aia(*NIGHT, tmp_path / "out"),
    ):
        with pytest.raises(ValueError, match=r"wants an e-mail address.*JSOC_EMAIL"):
            attempt()
    assert jsoc.queries == []
    assert not (tmp_path / "out").exists()
    monkeypatch.setenv("JSOC_EMAIL", "me@example.org")
    assert fetch_pairs(*NIGHT, tmp_path / "out", pause=0 * u.s).complete == 3


@pytest.mark.parametrize("email", ["me", "me@", "@example.org", "me @example.org", "a@b@c"])
def test_no_such_email(email):
    with pytest.raises(ValueError, match="is no e-mail address"):
        find_email(email)


def test_an_email_that_jsoc_does_not_know(jsoc, tmp_path):
    with pytest.raises(ValueError, match="not registered"):
        fetch_pairs(*NIGHT, tmp_path, email="you@example.org", pause=0 * u.s)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "kitt-peak"}, "source must be one of mdi, gong, not 'kitt-peak'"),
        ({"target": "mdi"}, "target must be one of hmi, hmi-45s, hmi-continuum"),
        ({"cadence": 0 * u.s}, "cadence must be a Quantity of time, above 0"),
        ({"cadence": 5}, "cadence must be a Quantity"),
        ({"tolerance": -1 * u.s}, "tolerance must be a Quantity of time, 0 or more"),
        ({"tolerance": 1 * u.m}, "tolerance must be a Quantity of time"),
        ({"start": "2011-01-02"}, "must be before end"),
        ({"end": "never"}, "end must be a time such as"),
    ],
)
def test_fetch_pairs_rejects(jsoc, tmp_path, options, message):
    arguments = {"start": NIGHT[0], "end": NIGHT[1], "out": tmp_path / "out"} | EMAIL | options
    with pytest.raises(ValueError, match=message):
        fetch_pairs(**arguments)
    assert jsoc.queries == []
    assert not (tmp_path / "out").exists()


def test_nothing_found(jsoc, tmp_path):
    with pytest.raises(ValueError, match="no usable observation of mdi from 2005"):
        fetch_pairs("2005-01-01", "2005-01-02", tmp_path / "out", **EMAIL)
    with pytest.raises(ValueError, match="no usable observation of hmi-45s"):
        fetch_pairs(*NIGHT, tmp_path / "out", target="hmi-45s", **EMAIL)
    assert not (tmp_path / "out").exists()


def test_tolerance(jsoc, tmp_path):
    found = fetch_pairs(*NIGHT, tmp_path / "strict", tolerance=1 * u.min, **EMAIL)
    assert found.complete == 2
    with pytest.raises(ValueError, match=r"None of 4 observations of mdi and 4 of hmi is within 10 s"):
        fetch_pairs(*NIGHT, tmp_path / "stricter", tolerance=10 * u.s, **EMAIL)


def test_another_query_is_refused(jsoc, tmp_path):
    fetch_pairs(*NIGHT, tmp_path, **EMAIL)
    with pytest.raises(ValueError, match=r"of another query \(tolerance_s was 360.0, not 60.0\)"):
        fetch_pairs(*NIGHT, tmp_path, tolerance=1 * u.min, **EMAIL)
    with pytest.raises(ValueError, match=r"of another query \(.*fetched was pairs, not aia171"):
        fetch_aia(*NIGHT, tmp_path, **EMAIL)


def remove_query(folder):
    (folder / "query.json").unlink()


def cut_manifest(folder):
    (folder / "manifest.csv").write_text((folder / "manifest.csv").read_text()[:-30])


def empty_manifest(folder):
    (folder / "manifest.csv").write_text("")


@pytest.mark.parametrize("damage", [remove_query, cut_manifest, empty_manifest])
def test_a_damaged_manifest_is_refused(jsoc, tmp_path, damage):
    fetch_pairs(*NIGHT, tmp_path, **EMAIL)
    damage(tmp_path)
    with pytest.raises(ValueError, match=r"cannot be continued|is damaged"):
        fetch_pairs(*NIGHT, tmp_path, **EMAIL)


def test_an_export_holds_few_records(jsoc, tmp_path, monkeypatch):
    monkeypatch.setattr(archives.Jsoc, "batch", 2)
    monkeypatch.setattr(archives, "SEARCHED", 2)
    assert fetch_pairs(*NIGHT, tmp_path, **EMAIL).complete == 3
    assert [ds.count(",") + 1 for ds in jsoc.exports] == [2, 1, 2, 1]


def test_pauses(jsoc, tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr(downloads.time, "sleep", waited.append)
    fetch_pairs(*NIGHT, tmp_path, email="me@example.org", pause=7 * u.s)
    # One between the two searches, one before each file.
    assert waited.count(7) >= 7


def test_gong(jsoc, server, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "GONG_URL", f"{server.url}/oQR/bqa")
    for site, times in (("td", ("2344", "0004", "0134")), ("bb", ("0014", "0314", "0624"))):
        for time in times:
            day = "101231" if time == "2344" else "110101"
            folder = f"/oQR/bqa/20{day[:4]}/{site}bqa{day}"
            server.files[f"{folder}/{site}bqa{day}t{time}.fits.gz"] = b"\x1f\x8b" + time.encode()
    found = fetch_pairs("2010-12-31T22:00", NIGHT[1], tmp_path, source="gong", cadence=10 * u.min, **EMAIL)
    rows = table(found.manifest)
    assert [row["source_file"] for row in rows] == [
        *("gong/tdbqa110101t0004.fits.gz", "gong/bbbqa110101t0014.fits.gz"),
        *("gong/tdbqa110101t0134.fits.gz", "gong/bbbqa110101t0314.fits.gz"),
    ]
    assert [row["source_time"][11:16] for row in rows] == ["00:04", "00:14", "01:34", "03:14"]
    assert found.left_out["source unmatched"] == 1  # 23:44; 06:24 is outside
    # Each folder is listed once.
    lists = [path for path in server.requests if path.endswith("/")]
    assert len(lists) == len(set(lists)) == 2 * len(archives.GONG_SITES)
    hourly = fetch_pairs(*NIGHT, tmp_path / "hourly", source="gong", cadence=1 * u.h, **EMAIL)
    assert [row["source_time"][11:16] for row in table(hourly.manifest)] == ["00:04", "01:34", "03:14"]


@pytest.fixture
def corona(jsoc, monkeypatch):
    """
    Ten images of a day of 2011, the third of them not good, and two flares.
    """
    from sunpy.net.hek import HEKClient

    for hour in range(10):
        date = f"2011-02-15T{hour:02d}:00:00"
        jsoc.add(AIA, f"{date}Z", aia_file(date), T_OBS=f"{date}.34Z", WAVELNTH=171, QUALITY=4 * (hour == 2))
    flares = events(
        ("2011-02-15T01:44:00", "2011-02-15T01:29:00", "2011-02-15T02:06:00", "M8.0"),
        ("2011-02-15T08:40:00", "2011-02-15T08:45:00", "2011-02-15T09:06:00", "C2.5"),
    )
    monkeypatch.setattr(HEKClient, "_download", lambda self, data: flares.copy())
    return jsoc


DAY = ("2011-02-15T00:00", "2011-02-15T10:00")


@pytest.mark.parametrize("true_flux", [False, True])
def test_fetch_aia(corona, tmp_path, true_flux, monkeypatch):
    pytest.importorskip("sunkit_instruments", reason="the extra 'archive' is not installed")
    found = fetch_aia(*DAY, tmp_path / "aia", true_flux=true_flux, **EMAIL)
    assert found.complete == 9
    assert found.left_out == {"image without QUALITY 0": 1, "image in no split": 1, "image without a class": 7}
    assert corona.queries[0].startswith(f"{AIA}[2011.02.15_00:00:34_TAI-2011.02.15_10:00:34_TAI@3600.0s][171]{{image}}")
    rows = {row["datetime"]: row for row in table(found.images)}
    flare, small = rows["2011-02-15T01:00:00.340"], rows["2011-02-15T09:00:00.340"]
    assert (flare["goes_class"], small["goes_class"]) == (("X1.14286", "C3.57143") if true_flux else ("M8", "C2.5"))
    assert {row["flux_scale"] for row in rows.values()} == {"true" if true_flux else "reported"}
    assert (flare["split"], small["split"]) == ("train", "validation")
    # What is written is what training reads, once aiapy has registered it.
    monkeypatch.setattr(calibrated, "_aiapy", lambda _: SimpleNamespace(register=lambda smap: smap))
    for split, row in (("train", flare), ("validation", small)):
        (record,) = prepare_images(found.images, tmp_path / split, split=split)
        assert record.name == row["file"]
        assert 10**record.flux == pytest.approx(float(row["xrs_flux_w_m2"]), rel=1e-4)
        assert record.label == "ABCMX".index(row["goes_class"][0])


def test_fetch_aia_without_labels(corona, tmp_path, monkeypatch):
    found = fetch_aia(*DAY, tmp_path, labels="none", **EMAIL)
    assert found.images is None
    assert not (tmp_path / "images.csv").exists()
    rows = table(found.manifest)
    # The hour before those to validate on is in no split.
    assert [row["split"] for row in rows] == [*["train"] * 6, "", *["validation"] * 2]
    assert found.left_out["image in no split"] == 1
    # Without a table the images are found in their folder.
    monkeypatch.setattr(calibrated, "_aiapy", lambda _: SimpleNamespace(register=lambda smap: smap))
    records = prepare_images(tmp_path, tmp_path / "out")
    assert [record.name for record in records] == sorted(row["image_file"] for row in rows)
    found = fetch_aia(*DAY, tmp_path / "all", labels="none", validation=0, **EMAIL)
    assert {row["split"] for row in table(found.manifest)} == {"train"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"wavelength": 170 * u.angstrom}, "wavelength must be one of 94, 131, 171"),
        ({"wavelength": 171}, "wavelength must be one of"),
        ({"labels": "swpc"}, "labels must be one of hek, xrs, both, none"),
        ({"validation": 1}, "validation must be from 0 to below 1"),
    ],
)
def test_fetch_aia_rejects(corona, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        fetch_aia(*DAY, tmp_path, **EMAIL, **options)
    assert corona.queries == []


def test_commands(corona, tmp_path):
    run = CliRunner().invoke
    shared = ["--email", "me@example.org", "--pause", "0"]
    result = run(main, ["fetch-pairs", *NIGHT, str(tmp_path / "pairs"), "--tolerance", "6", *shared])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == f"3 pairs in {tmp_path / 'pairs' / 'manifest.csv'}"
    assert json.loads((tmp_path / "pairs" / "query.json").read_text())["query"]["tolerance_s"] == 360
    result = run(main, ["fetch-aia", *DAY, str(tmp_path / "aia"), "--labels", "none", *shared])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == f"9 images in {tmp_path / 'aia' / 'manifest.csv'}"
    result = run(main, ["fetch-pairs", *NIGHT, str(tmp_path / "pairs"), "--source", "gong"])
    assert (result.exit_code, len(result.output.splitlines())) == (1, 1)
    assert "of another query" in result.output


def test_without_drms(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "drms", None)
    with pytest.raises(ImportError, match="The archives need more packages, drms is missing"):
        fetch_pairs(*NIGHT, tmp_path, **EMAIL)


@pytest.mark.remote_data
def test_jsoc_and_nso(tmp_path):
    # Needs JSOC_EMAIL; without it, it fails and says so.
    found = fetch_pairs("2010-06-01T00:00", "2010-06-01T02:00", tmp_path / "mdi")
    assert found.complete >= 1
    found = fetch_pairs("2019-01-21T16:00", "2019-01-21T16:30", tmp_path / "gong", source="gong", cadence=10 * u.min)
    assert found.complete >= 1
    found = fetch_aia("2011-02-15T01:30", "2011-02-15T02:30", tmp_path / "aia", labels="both")
    assert {row["goes_class"][0] for row in table(found.images)} == {"X"}
    assert Time(table(found.images)[0]["datetime"]) > Time("2011-02-15T01:29")


def test_email_of_the_configuration(monkeypatch):
    import sunpy

    monkeypatch.delenv("JSOC_EMAIL", raising=False)
    with pytest.raises(ValueError, match=r"section \[jsoc\] of sunpyrc"):
        find_email()
    sunpy.config.read_dict({"jsoc": {"email": "me@example.org"}})
    try:
        assert find_email() == "me@example.org"
        monkeypatch.setenv("JSOC_EMAIL", "you@example.org")
        assert find_email() == "you@example.org"
        assert find_email("they@example.org") == "they@example.org"
    finally:
        sunpy.config.remove_section("jsoc")
