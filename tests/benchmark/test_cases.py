import csv
from types import SimpleNamespace

import numpy as np
import pytest

from astropy.io import fits

from sunpy_superres import maps, observations
from sunpy_superres.benchmark import read_protocol, sources
from sunpy_superres.benchmark.cases import case_seed, export_cases, region_of
from sunpy_superres.benchmark.sources import degraded_cases, paired_cases, read_cases
from sunpy_superres.degradation import degrade, synthetic_magnetogram
from sunpy_superres.instruments import HMI_SCALE, SOLAR_RADIUS


@pytest.fixture
def folder(tmp_path):
    """
    One magnetogram without coordinates and with a hole, and one west of disk center.
    """
    (tmp_path / "hmi" / "validation").mkdir(parents=True)
    field = synthetic_magnetogram((101, 95), seed=1)
    field[:30, :21] = np.nan
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(field)])
    hdus.writeto(tmp_path / "hmi" / "validation" / "hmi.sharp.1.20120306_000000_TAI.magnetogram.fits")
    smap = maps.from_array(
        synthetic_magnetogram((96, 128), seed=2),
        scale=HMI_SCALE,
        instrument="hmi",
        center=(480, 0),
        date="2012-03-07T10:00:00",
    )
    path = tmp_path / "hmi" / "validation" / "hmi.sharp.2.20120307_000000_TAI.magnetogram.fits"
    maps.write_map(smap, path)
    return tmp_path


def test_degraded_cases(folder):
    bare, placed = degraded_cases(folder, seed=4)
    assert bare.name == "hmi.sharp.1.20120306_000000_TAI"
    assert (bare.region, placed.region) == ("hmi.sharp.1", "hmi.sharp.2")
    assert bare.truth.shape == (96, 88)
    np.testing.assert_array_equal(bare.seen, degrade(bare.truth, seed=case_seed(4, bare.name)))
    assert bare.radius is None
    assert bare.mu is None
    assert bare.flux_area() is None
    # Blocks that are partly unknown are not seen.
    assert not bare.known[:32, :24].any()
    assert bare.known[32:, 24:].all()
    assert placed.time == "2012-03-07T10:00:00"
    smap = placed.map()
    rsun = smap.rsun_obs.value
    assert placed.radius.mean() == pytest.approx(480 / rsun, rel=0.01)
    assert placed.radius[48, 0] < placed.radius[48, -1]
    # A Map of what was seen, where the truth is.
    np.testing.assert_array_equal(smap.data, placed.seen)
    observation = observations.read(smap, instrument="mdi")
    assert observation.scale == pytest.approx(4 * HMI_SCALE, rel=1e-6)
    middle = placed.radius.reshape(24, 4, 32, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(observation.radius, middle, atol=1e-3)
    assert not placed.equal_area
    assert placed.flux_area().min() > 0


def test_noise_is_reproducible_and_different_for_each(folder):
    one, two = ([case.seen for case in degraded_cases(folder, seed=s)] for s in (1, 1))
    np.testing.assert_array_equal(one[0], two[0])
    assert [case.digest() for case in degraded_cases(folder, seed=1)] != [
        case.digest() for case in degraded_cases(folder, seed=2)
    ]
    assert case_seed(1, "a") != case_seed(1, "b")
    assert next(degraded_cases(folder, instrument="gong")).instrument == "gong"


def test_large_images_become_several(folder, monkeypatch):
    monkeypatch.setattr(sources, "_SIDE", 64)
    cases = [case for case in degraded_cases(folder) if case.name.startswith("hmi.sharp.2")]
    assert [case.name[-3:] for case in cases] == ["[0]", "[1]", "[2]", "[3]"]
    assert {case.truth.shape for case in cases} == {(48, 64)}
    monkeypatch.setattr(sources, "_SIDE", 1024)
    whole = list(degraded_cases(folder))[1]
    np.testing.assert_array_equal(cases[3].truth, whole.truth[48:, 64:])
    np.testing.assert_array_equal(cases[3].radius, whole.radius[48:, 64:])
    seen = observations.read(cases[3].map(), instrument="mdi")
    np.testing.assert_allclose(
        seen.radius, observations.read(whole.map(), instrument="mdi").radius[12:, 16:], atol=1e-6
    )


def test_other_files_are_refused(tmp_path, mdi_map):
    with pytest.raises(FileNotFoundError, match="No HMI magnetograms"):
        next(degraded_cases(tmp_path))
    maps.write_map(mdi_map, tmp_path / "one.fits")
    with pytest.raises(ValueError, match=r"one.fits: of SOHO/MDI, where a magnetogram of SDO/HMI is needed"):
        next(degraded_cases(tmp_path))
    (tmp_path / "one.fits").write_text("no")
    with pytest.raises(ValueError, match=r"one.fits: no FITS file"):
        next(degraded_cases(tmp_path))
    smap = maps.from_array(np.ones((64, 64)), scale=2, instrument="hmi")
    maps.write_map(smap, tmp_path / "one.fits", overwrite=True)
    with pytest.raises(ValueError, match=r"one.fits: 2 arcsec per pixel, where about 0.50 are needed"):
        next(degraded_cases(tmp_path))


def test_what_is_not_scored_is_left_out(folder):
    said = []
    protocol = read_protocol("degraded-hmi")
    limb = maps.from_array(synthetic_magnetogram((64, 64)), scale=HMI_SCALE, instrument="hmi", center=(920, 0))
    maps.write_map(limb, folder / "hmi" / "validation" / "limb.magnetogram.fits")
    cases = list(read_cases(protocol, folder, tell=said.append))
    assert len(cases) == 2
    assert said == ["left out limb: less than 5% of it is known and within 0.9 radii"]
    for path in (folder / "hmi" / "validation").glob("hmi*"):
        path.unlink()
    with pytest.raises(ValueError, match="can be scored within"):
        list(read_cases(protocol, folder))


def test_regions_are_told_by_names(tmp_path):
    assert region_of(tmp_path / "hmi.sharp_cea_720s.377.20110215_000000_TAI.magnetogram.fits") == (
        "hmi.sharp_cea_720s.377"
    )
    assert region_of(tmp_path / "mine.fits") == "mine"


def test_inner_part(folder):
    case = list(degraded_cases(folder))[1]
    inner = case.inner(8)
    np.testing.assert_array_equal(inner.truth, case.truth[8:-8, 8:-8])
    np.testing.assert_array_equal(inner.seen, case.seen[2:-2, 2:-2])
    assert case.inner(0) is case


@pytest.fixture
def pairs(tmp_path):
    """
    A pair with coordinates north of disk center, the pointing of MDI two pixels off, and one without.
    """
    truth = synthetic_magnetogram((192, 192), seed=6)
    place = {"date": "2011-03-05T00:00:00", "rsun_obs": SOLAR_RADIUS}
    mdi = maps.from_array(degrade(truth, seed=1), scale=4 * HMI_SCALE, center=(100, 250 + 2 * HMI_SCALE), **place)
    hmi = maps.from_array(truth, scale=HMI_SCALE, instrument="hmi", center=(100, 250), **place)
    folder = tmp_path / "pairs"
    folder.mkdir()
    maps.write_map(mdi, folder / "one_mdi.fits")
    maps.write_map(hmi, folder / "one_hmi.fits")
    coarse = np.kron(degrade(truth, seed=1), np.ones((4, 4), np.float32))
    fits.writeto(folder / "20110402_204800_mdi.fits", coarse)
    fits.writeto(folder / "20110402_204800_hmi.fits", truth)
    return tmp_path


def test_paired_cases(pairs):
    bare, placed = paired_cases(pairs)
    assert (bare.name, bare.time, bare.region) == ("20110402_204800", "2011-04-02T20:48:00", "20110402_204800")
    assert bare.radius is None
    assert bare.center is None
    assert bare.shift == (0, 0)
    assert (placed.name, placed.time) == ("one", "2011-03-05T00:00:00")
    assert placed.shift == pytest.approx((2, 0), abs=0.5)
    # Where MDI takes it to be, at 1 au.
    assert placed.center == pytest.approx((100, 251), abs=2)
    ny, nx = placed.truth.shape
    expected = np.hypot(*placed.center) / SOLAR_RADIUS
    assert placed.radius[ny // 2, nx // 2] == pytest.approx(expected, abs=1e-3)
    assert placed.radius[-1, nx // 2] > placed.radius[0, nx // 2]
    smap = placed.map()
    assert smap.instrument == "MDI"
    assert observations.read(smap).radius[ny // 8, nx // 8] == pytest.approx(expected, abs=2e-3)
    # In gauss of MDI.
    inner = np.s_[8:-8, 8:-8]
    known = placed.known.reshape(ny // 4, 4, nx // 4, 4).all(axis=(1, 3))
    means = placed.truth.reshape(ny // 4, 4, nx // 4, 4).mean(axis=(1, 3))
    slope = np.polyfit(placed.seen[inner][known[inner]], means[inner][known[inner]], 1)[0]
    assert slope == pytest.approx(0.701, abs=0.2)


def test_pairs_in_a_folder_of_their_own(pairs, tmp_path):
    assert len(list(paired_cases(pairs / "pairs"))) == 2
    with pytest.raises(FileNotFoundError):
        next(paired_cases(tmp_path / "nothing"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="No pairs"):
        next(paired_cases(tmp_path / "empty"))
    said = []
    for path in (pairs / "pairs").glob("*hmi.fits"):
        path.write_text("no")
    with pytest.raises(ValueError, match="No pair in"):
        list(paired_cases(pairs, tell=said.append))
    assert len(said) == 2


def test_inputs_are_exported(folder, tmp_path):
    cases = list(degraded_cases(folder))
    paths = export_cases(cases, tmp_path / "inputs")
    assert [path.name for path in paths] == [*(f"{case.name}.fits" for case in cases), "cases.csv"]
    for case, path in zip(cases, paths, strict=False):
        smap = maps.read_map(path)
        np.testing.assert_array_equal(smap.data, case.seen)
        assert f"{case.truth.shape[1]} x {case.truth.shape[0]} pixels" in " ".join(str(smap.meta["comment"]).split())
    with paths[-1].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["name"] == cases[0].name
    assert (rows[1]["y"], rows[1]["x"]) == ("96", "128")


def test_parts_of_an_image_are_other_places(tmp_path, monkeypatch):
    for name in ("a.1.x", "a.1.y"):
        smap = maps.from_array(synthetic_magnetogram((256, 512)), scale=HMI_SCALE, instrument="hmi")
        maps.write_map(smap, tmp_path / f"hmi.sharp.7.{name}.fits")
    whole = list(degraded_cases(tmp_path))
    monkeypatch.setattr(sources, "_SIDE", 256)
    parts = list(degraded_cases(tmp_path))
    assert len(parts) == 4
    assert [case.offset for case in parts[:2]] == [(0, 0), (0, 256)]
    assert sorted(parts[0].places() + parts[1].places()) == sorted(whole[0].places())
    # The same in the other frame.
    assert parts[1].places() == parts[3].places()
    assert len(parts[1].places(edge=8)) == 4


def test_places_of_pairs(pairs):
    for case in paired_cases(pairs):
        assert case.places() == [(case.region, i, j) for i in range(2) for j in range(2)]

    def patch(*center):
        fields = {"truth": np.ones((256, 256), np.float32), "seen": np.ones((64, 64), np.float32)}
        return SimpleNamespace(center=center, shift=(0, 0), **fields)

    def places(one, first=(0, 0)):
        return set(sources._pair_case("x", "2011-03-05", one, "mdi", None, first, bare=True).places())

    # Of a date, on the disk: a patch that is a few pixels off is the same place, its neighbor another.
    one, again, beside = patch(-200, 100), patch(-199, 100.5), patch(-200 + 256 * HMI_SCALE, 100)
    assert places(one) == places(again)
    assert not places(one) & places(beside)
    # Of a region that moves with the Sun, among its patches.
    first = sources._corner([one, beside])
    moved = patch(0, 100), patch(256 * HMI_SCALE, 100)
    assert places(one, first) == places(moved[0], sources._corner(moved))
    assert places(beside, first) == places(moved[1], sources._corner(moved))
