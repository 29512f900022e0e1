import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training.archive_server import ArchiveServer

import astropy.units as u
from astropy.table import Table
from astropy.time import Time

from sunpy_superres.flare_classes import parse_flare_class
from sunpy_superres.training import flare_labels
from sunpy_superres.training.flare_labels import Fluxes, flare_list, label_images, light_curve

pytest.importorskip("sunkit_instruments", reason="the extra 'archive' is not installed")
pytest.importorskip("drms", reason="the extra 'archive' is not installed")


def events(*rows):
    """
    The raw answer of the HEK.
    """
    names = ("event_starttime", "event_peaktime", "event_endtime", "fl_goescls")
    columns = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {}
    places = {"event_coord1": 0.0, "event_coord2": 0.0, "event_coord3": None, "event_coordunit": "degrees"}
    places |= {"event_coordsys": "UTC-HGS-TOPO", "obs_observatory": "GOES", "frm_name": "SWPC"}
    return Table({**columns, **{name: [value] * len(rows) for name, value in places.items()}}) if rows else Table()


@pytest.fixture
def hek(monkeypatch):
    from sunpy.net.hek import HEKClient

    answers = []
    monkeypatch.setattr(HEKClient, "_download", lambda self, data: answers[0])
    return answers


def test_flare_list(hek):
    hek.append(
        events(
            ("2011-02-15T01:44:00", "2011-02-15T01:56:00", "2011-02-15T02:06:00", "X2.2"),
            ("2011-02-15T04:00:00", "2011-02-15T04:05:00", "2011-02-15T04:10:00", ""),
            ("2022-01-20T05:41:00", "2022-01-20T06:01:00", "2022-01-20T06:12:00", "M5.5"),
        )
    )
    found = flare_list(Time("2011-02-15"), Time("2022-02-16"))
    assert [one.isot[:16] for one in found.times] == ["2011-02-15T01:56", "2022-01-20T06:01"]
    assert found.reported == pytest.approx([2.2e-4, 5.5e-5])
    # Only the GOES of before 2020 reported 0.7 of the flux.
    assert found.true == pytest.approx([2.2e-4 / 0.7, 5.5e-5])


def test_no_flares(hek):
    hek.append(events())
    found = flare_list(Time("2019-06-01"), Time("2019-06-02"))
    assert len(found.times) == 0
    assert label_images(Time(["2019-06-01"]), [found])[0]["goes_class"] == ""


def fluxes(minutes, reported, name="hek"):
    reported = np.array(reported)
    return Fluxes(name, Time("2011-02-15") + np.array(minutes) * u.min, reported / 0.7, reported)


@pytest.mark.parametrize(("true_flux", "expected"), [(False, "M8"), (True, "X1.14286")])
def test_label_with_and_without_the_factor(true_flux, expected):
    (label,) = label_images(Time(["2011-02-15T00:20"]), [fluxes([0, 40], [8e-5, 1e-6])], true_flux=true_flux)
    assert label["goes_class"] == expected
    assert float(label["xrs_flux_w_m2"]) == pytest.approx(8e-5 / (0.7 if true_flux else 1), rel=1e-5)
    assert label["flux_scale"] == ("true" if true_flux else "reported")
    assert label["label_source"] == "hek"


def test_window_and_the_larger_of_two():
    images = Time("2011-02-15") + [0, 30, 61, 120] * u.min
    more = fluxes([0, 60, 121], [4e-7, 5e-6, 2e-7], "xrs")
    labels = label_images(images, [fluxes([30], [3e-6]), more])
    assert [one["goes_class"] for one in labels] == ["C3", "C5", "C5", "B2"]
    assert [one["label_source"] for one in labels] == ["hek", "xrs", "xrs", "xrs"]
    assert [one["goes_class"] for one in label_images(images, [fluxes([30], [3e-6])])] == ["C3", "C3", "", ""]


@given(flux=st.floats(1e-9, 1e-2))
def test_classes_are_those_of_sunkit(flux):
    from sunkit_instruments.goes_xrs import flareclass_to_flux, flux_to_flareclass

    (label,) = label_images(Time(["2011-02-15"]), [fluxes([0], [flux])])
    assert flareclass_to_flux(label["goes_class"]).value == pytest.approx(flux, rel=1e-5)
    theirs = flux_to_flareclass(flux * u.W / u.m**2)
    assert parse_flare_class(label["goes_class"]).letter == theirs[0] or theirs[1:] in ("10", "1")


def netcdf(path, day, fluxes, flags):
    import h5netcdf

    with h5netcdf.File(path, "w") as file:
        file.attrs["id"], file.attrs["platform"] = "dn_xrsf", "g15"
        file.dimensions = {"time": len(fluxes)}
        minutes = file.create_variable("time", ("time",), float, data=60.0 * np.arange(len(fluxes)))
        minutes.attrs["units"] = f"seconds since {day} 00:00:00 UTC"
        for channel in "ab":
            file.create_variable(f"xrs{channel}_flux", ("time",), float, data=np.array(fluxes))
            file.create_variable(f"xrs{channel}_flag", ("time",), "i4", data=np.array(flags))
    return path.read_bytes()


def test_light_curve(tmp_path, monkeypatch):
    from sunpy.net.dataretriever import XRSClient

    server = ArchiveServer()
    rows = []
    days = ("2011-02-15", 14, 1e-6), ("2011-02-15", 15, 2e-6), ("2018-02-16", 16, 4e-6), ("2020-01-01", 15, 8e-6)
    for day, satellite, flux in days:
        name = f"sci_xrsf-l2-avg1m_g{satellite}_d{day.replace('-', '')}_v1-0-0.nc"
        content = netcdf(tmp_path / "one.nc", day, [flux, 9e-5, flux, -1.0], [0, 1, 0, 0])
        server.files[f"/{name}"] = content
        rows.append({"Start Time": Time(day), "SatelliteNumber": satellite, "url": f"{server.url}/{name}"})
    monkeypatch.setattr(XRSClient, "search", lambda self, *query: rows)
    lines = []
    try:
        for _ in range(2):
            found = light_curve(
                Time("2011-02-15"), Time("2020-01-02"), tmp_path / "goes", pause=0 * u.s, progress=lines.append
            )
    finally:
        server.close()
    # One satellite a day, once; flagged and negative minutes are left out.
    names = ("g15_d20110215", "g15_d20200101", "g16_d20180216")
    names = [f"sci_xrsf-l2-avg1m_{name}_v1-0-0.nc" for name in names]
    assert sorted(path.name for path in (tmp_path / "goes").iterdir()) == names
    assert sorted(set(server.requests)) == [f"/{name}" for name in names]
    assert len(lines) == 3
    assert [one.isot[:16] for one in found.times] == [
        *("2011-02-15T00:00", "2011-02-15T00:02", "2018-02-16T00:00", "2018-02-16T00:02"),
        *("2020-01-01T00:00", "2020-01-01T00:02"),
    ]
    assert found.true == pytest.approx([2e-6, 2e-6, 4e-6, 4e-6, 8e-6, 8e-6])
    # Until 2020 the SWPC reported GOES 15, whatever measured besides.
    assert found.reported == pytest.approx([1.4e-6, 1.4e-6, 2.8e-6, 2.8e-6, 8e-6, 8e-6])
    path = tmp_path / "goes" / server.requests[0][1:]
    path.write_bytes(b"\x89HDF damaged")
    with pytest.raises(ValueError, match="cannot be read"):
        flare_labels._read_light_curve(path)


def test_without_sunkit(monkeypatch):
    monkeypatch.setitem(sys.modules, "sunkit_instruments", None)
    with pytest.raises(ImportError, match="need sunkit-instruments"):
        flare_list(Time("2011-02-15"), Time("2011-02-16"))
