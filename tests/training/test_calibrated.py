"""
Images of AIA: of level 1.5 as they are, of level 1 with aiapy.
"""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from suns import aia_header, draw_sun

from astropy.io import fits

from sunpy.map import Map

from sunpy_superres.cli import main
from sunpy_superres.training.calibrated import read_rates
from sunpy_superres.training.fields import Refused
from sunpy_superres.training.prepare_images import prepare_images

TABLE = """DATE VER_NUM WAVE_STR WAVELNTH T_START T_STOP EFFA_P1 EFFA_P2 EFFA_P3 EFF_AREA EFF_WVLN
2010-01-01 8 171_THIN 171 2010-03-24T00:00:00 2011-01-01T00:00:00 0 0 0 2.0 171.0
2010-01-01 8 171_THIN 171 2011-01-01T00:00:00 2030-01-01T00:00:00 0 0 0 1.5 171.0
"""


def write(path, rng, **header):
    sun = 100 * draw_sun(rng, size=128) + 1
    Map(sun, aia_header(bunit="DN", **header)).save(path)
    return sun


def test_without_aiapy_it_is_asked_for(tmp_path, rng, monkeypatch):
    sun = write(tmp_path / "level15.fits", rng, lvl_num=1.5)
    write(tmp_path / "level1.fits", rng, lvl_num=1.0, crota2=2.0)
    monkeypatch.setitem(sys.modules, "aiapy", None)
    rates, _ = read_rates(tmp_path / "level15.fits")
    np.testing.assert_allclose(rates, sun / 2)
    with pytest.raises(RuntimeError, match="of level 1, which takes aiapy: pip install"):
        read_rates(tmp_path / "level1.fits")
    # Not skipped one after the other.
    with pytest.raises(RuntimeError, match="of level 1"):
        prepare_images(tmp_path, tmp_path / "out")
    (tmp_path / "table.txt").write_text(TABLE)
    with pytest.raises(RuntimeError, match="degradation, which takes aiapy"):
        read_rates(tmp_path / "level15.fits", correction_table=tmp_path / "table.txt")


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ({"exptime": None}, "no usable exposure time"),
        ({"exptime": 0.0}, "no usable exposure time"),
        ({"exptime": "long"}, "long"),
        ({"quality": 0x2000}, "QUALITY 0x00002000: eclipse"),
        ({"quality": "good"}, "QUALITY must be a number"),
        ({"rsun_obs": 0.0}, "solar radius"),
        ({"cdelt1": None, "cdelt2": None}, "no usable WCS"),
        ({"cdelt1": 0.0}, "no usable WCS"),
        ({"ctype1": "RA---TAN", "ctype2": "DEC--TAN"}, "no usable WCS"),
        ({"ctype1": "CRLN-CEA", "ctype2": "CRLT-CEA"}, "no helioprojective coordinates but CRLN-CEA, CRLT-CEA"),
        ({"bunit": "photons"}, "is in 'photons', not in DN or DN/s"),
        ({"bunit": "G"}, "is in 'G', not in DN or DN/s"),
        ({"wavelnth": 193}, "not 171 Angstrom"),
        ({"crota2": 30.0}, "north is not up"),
        ({"synthet": True}, "synthetic"),
    ],
)
def test_bad_files_are_refused_and_counted(tmp_path, rng, header, told):
    write(tmp_path / "good.fits", rng, quality=0x40000000)
    write(tmp_path / "bad.fits", rng)
    with fits.open(tmp_path / "bad.fits", mode="update") as hdus:
        for key, value in header.items():
            if value is None:
                del hdus[0].header[key]
            else:
                hdus[0].header[key] = value
    with pytest.raises(Refused, match=told):
        read_rates(tmp_path / "bad.fits")
    said = []
    (record,) = prepare_images(tmp_path, tmp_path / "out", progress=said.append)
    assert record.name == "good.fits"
    assert said[-1].startswith("1 used, 1 skipped")


def test_the_shared_images_are_accepted(shared_data):
    for path in sorted((shared_data / "aia171").glob("*.fits")):
        rates, disk = read_rates(path)
        assert rates.shape == (1024, 1024)
        assert 390 < disk[2] < 420


def test_what_aiapy_finds_is_used(tmp_path, rng, monkeypatch):
    """
    With something in the place of aiapy, which need not be installed.
    """
    sun = write(tmp_path / "a.fits", rng, lvl_num=1.0, crota2=180.0)

    def register(smap):
        return Map(smap.data[::-1, ::-1], {**smap.meta, "crota2": 0.0, "lvl_num": 1.5})

    calibrate = SimpleNamespace(register=register, degradation=lambda *_, correction_table: [correction_table])
    monkeypatch.setitem(sys.modules, "aiapy", SimpleNamespace(calibrate=calibrate))
    monkeypatch.setitem(sys.modules, "aiapy.calibrate", calibrate)
    util = SimpleNamespace(get_correction_table=lambda path: float(path.read_text()))
    monkeypatch.setitem(sys.modules, "aiapy.calibrate.util", util)
    (tmp_path / "table.txt").write_text("0.75")
    rates, _ = read_rates(tmp_path / "a.fits", correction_table=tmp_path / "table.txt")
    np.testing.assert_allclose(rates, sun[::-1, ::-1] / 2 / 0.75)
    (tmp_path / "table.txt").write_text("nothing")
    with pytest.raises(ValueError, match=r"table.txt is no table of the degradation of AIA at 171"):
        read_rates(tmp_path / "a.fits", correction_table=tmp_path / "table.txt")


def test_level_1_with_aiapy(tmp_path, rng):
    pytest.importorskip("aiapy")
    write(tmp_path / "level1.fits", rng, lvl_num=1.0, crota2=2.0)
    (tmp_path / "table.txt").write_text(TABLE)
    rates, disk = read_rates(tmp_path / "level1.fits")
    assert rates.shape == (128, 128)
    assert disk[:2] == pytest.approx([63.5, 63.5], abs=0.6)
    corrected, _ = read_rates(tmp_path / "level1.fits", correction_table=tmp_path / "table.txt")
    np.testing.assert_allclose(corrected, rates / 0.75)


def test_a_correction_is_for_calibrated_images(aia_archive, tmp_path):
    with pytest.raises(ValueError, match="correction of degradation is for FITS images"):
        prepare_images(aia_archive, tmp_path, correction_table="table.txt")
    assert any("--correction-table" in option.opts for option in main.commands["prepare-images"].params)
