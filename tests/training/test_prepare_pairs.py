"""
Pairs of magnetograms whose shift, rotation and scale are known.
"""

import csv
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.ndimage import gaussian_filter

import astropy.units as u
from astropy.io import fits

from sunpy_superres import maps, observations
from sunpy_superres.cli import main
from sunpy_superres.degradation import degrade
from sunpy_superres.instruments import HMI_SCALE, get_instrument
from sunpy_superres.training.arrays import read_index, read_pixels
from sunpy_superres.training.fields import Refused
from sunpy_superres.training.pairs import Settings, align, read_pair
from sunpy_superres.training.patches import PatchPool
from sunpy_superres.training.prepare_pairs import prepare_pairs

CENTER = (150.0, -220.0)


@pytest.fixture(scope="module")
def truth():
    """
    A field without structure smaller than its pixels, (256, 288), in gauss.
    """
    rng = np.random.default_rng(0)
    white = rng.normal(size=(256, 288)).astype(np.float32)
    return 400 * gaussian_filter(white, 1.5) + 3000 * gaussian_filter(white[::-1], 8)


def hmi_map(truth, *, center=CENTER, scale=HMI_SCALE, **options):
    return maps.from_array(truth, scale=scale, instrument="hmi", center=center, **options)


def coarse_map(truth, *, instrument="mdi", shift=(0, 0), noise=True):
    """
    What another instrument sees, whose pointing is off by so many pixels of HMI.
    """
    center = (CENTER[0] + shift[1] * HMI_SCALE, CENTER[1] + shift[0] * HMI_SCALE)
    seen = degrade(truth, instrument=instrument, seed=1, noise=noise)
    return maps.from_array(seen, scale=4 * HMI_SCALE, instrument=instrument, center=center)


def both(smap):
    return smap, observations.read(smap)


@pytest.mark.parametrize("instrument", ["mdi", "gong"])
@pytest.mark.parametrize("shift", [(0, 0), (-1, 2), (3.5, 0.5)])
def test_the_shift_is_found(truth, instrument, shift):
    source = coarse_map(truth, instrument=instrument, shift=shift)
    pair = align(both(source), both(hmi_map(truth)), Settings(instrument=instrument))
    (patch,) = pair.patches
    # In pixels at 1 au, which are a little smaller in summer.
    assert patch.shift == pytest.approx(shift, abs=0.3)
    assert patch.correlation > 0.9
    assert patch.truth.shape == tuple(4 * n for n in patch.seen.shape)
    assert min(patch.truth.shape) > 200
    # In gauss of HMI, but for what the blur takes.
    inside = patch.seen != 0
    means = patch.truth.reshape(*(n for side in patch.seen.shape for n in (side, 4))).mean(axis=(1, 3))
    assert np.polyfit(means[inside], patch.seen[inside], 1)[0] == pytest.approx(1, abs=0.4)


@pytest.mark.parametrize("turned", ["source", "target"])
@pytest.mark.parametrize("angle", [180, 30])
def test_north_is_turned_up(truth, turned, angle):
    source, target = coarse_map(truth), hmi_map(truth)
    level = align(both(source), both(target), Settings()).patches
    if turned == "source":
        source = source.rotate(angle * u.deg, missing=np.nan)
    else:
        target = target.rotate(angle * u.deg, missing=np.nan)
    pair = align(both(source), both(target), Settings())
    assert len(pair.patches) == len(level) == 1
    assert pair.patches[0].shift == (0, 0)
    assert pair.patches[0].correlation > 0.9
    if turned == "target":  # the frame is that of the source
        difference = pair.patches[0].truth - level[0].truth
        inner = (slice(16, -16),) * 2
        assert difference[inner].std() < 0.05 * truth.std()


def test_all_distances_become_one_au(truth):
    for rsun in (945.0, 975.0):
        near = maps.from_array(
            degrade(truth, seed=1), scale=4 * HMI_SCALE, instrument="mdi", rsun_obs=rsun, center=CENTER
        )
        (patch,) = align(both(near), both(hmi_map(truth, rsun_obs=rsun)), Settings()).patches
        # Solar radii per pixel, along the way from disk center.
        assert np.hypot(*patch.plane[1:]) == pytest.approx(HMI_SCALE / 959.63, rel=0.05)
        assert patch.truth.shape[1] == pytest.approx(288 * 959.63 / rsun, abs=16)


def test_large_images_become_patches_and_those_that_do_not_fit_are_dropped(truth):
    other = truth.copy()
    other[:128, :144] = np.random.default_rng(9).normal(0, 200, size=(128, 144))
    pair = align(both(coarse_map(truth)), both(hmi_map(other)), Settings(size=152))
    assert len(pair.patches) == 3
    assert sum(pair.dropped.values()) == 1
    strict = align(both(coarse_map(truth)), both(hmi_map(truth)), Settings(min_correlation=0.999))
    assert not strict.patches
    assert dict(strict.dropped) == {"with a correlation below 0.999": 1}
    # Too far off, in a part of the image.
    part = truth.copy()
    part[:, 144:] = np.roll(truth, 6, axis=0)[:, 144:]
    moved = align(both(coarse_map(truth)), both(hmi_map(part)), Settings(size=152, max_shift=2))
    assert "shifted by more than 2 pixels" in moved.dropped


def test_off_the_limb_and_holes_are_zero(truth):
    center = (930.0, 0.0)
    seen = maps.from_array(degrade(truth, seed=1), scale=4 * HMI_SCALE, instrument="mdi", center=center)
    holes = truth.copy()
    holes[100:120, 60:90] = np.nan
    (patch,) = align(both(seen), both(hmi_map(holes, center=center)), Settings()).patches
    known = np.kron(patch.seen != 0, np.ones((4, 4), dtype=bool))
    assert (patch.truth[~known] == 0).all()
    assert not known[-4:, -4:].any()
    assert not known[110, 75]
    assert known.mean() > 0.5
    assert np.isfinite(patch.truth).all()
    middle, _, slope = patch.plane
    assert 0.8 < middle < 1.05
    assert slope == pytest.approx(HMI_SCALE / 959.63, rel=0.1)


@pytest.fixture
def folder(tmp_path, truth):
    """
    Pairs with coordinates and a manifest, one of which is damaged and one of which was not fetched.
    """
    folder = tmp_path / "pairs"
    folder.mkdir()
    names = "source_time,target_time,source_quality,target_quality,source_file,target_file".split(",")
    rows = []
    for day in range(1, 6):
        time = f"2010-06-0{day}T00:00:00"
        files = f"mdi_{day}.fits", f"hmi_{day}.fits"
        smap = coarse_map(truth)
        smap.meta["date-obs"] = time
        maps.write_map(smap, folder / files[0])
        smap = hmi_map(truth)
        smap.meta["date-obs"] = time if day != 5 else "2010-06-05T02:00:00"
        maps.write_map(smap, folder / files[1])
        rows.append([time, time, "0x00000200", "0x00004000" if day == 3 else "0x00000000", *files])
    (folder / "hmi_2.fits").write_text("no")
    rows[3][5] = ""
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    return folder


def test_a_manifest(folder, tmp_path):
    said = []
    (record,) = prepare_pairs(folder, tmp_path / "out", progress=said.append)
    assert (record.name, record.region, record.time) == ("hmi_1.fits", "2010-06-01", "2010-06-01T00:00:00")
    assert (record.factor, record.instrument) == (4, "mdi")
    pixels = read_pixels(tmp_path / "out")
    assert pixels.dtype == np.int16
    assert pixels.size == record.seen + np.prod(record.shape) // 16
    assert record.seen == np.prod(record.shape)
    assert read_index(tmp_path / "out") == [record.as_dict() | {"shape": list(record.shape)}]
    assert said[-2].startswith("1 used, 4 skipped: ")
    for kind in ("1 damaged, or no FITS image", "1 of bad QUALITY", "1 not fetched", "1 too far apart in time"):
        assert kind in said[-2]
    assert said[-1] == "1 patches, 0 dropped"
    pool = PatchPool(tmp_path / "out", size=64)
    assert len(pool.records) == 1


def test_files_without_coordinates(tmp_path, truth):
    for name, shift in (("20110402_204800", 0), ("20100830_173600", 2)):
        coarse = degrade(truth, seed=1)
        fits.writeto(tmp_path / f"{name}_mdi.fits", np.kron(coarse, np.ones((4, 4), np.float32)))
        fits.writeto(tmp_path / f"{name}_hmi.fits", np.roll(truth, -shift, axis=1).astype(np.float32))
    settings = Settings()
    pair = read_pair((tmp_path / f"{name}_mdi.fits", tmp_path / f"{name}_hmi.fits"), settings)
    assert pair.patches[0].shift == (0, 2)
    assert pair.time is None
    # Only the blocks' means are left of the interpolated image.
    width = pair.patches[0].seen.shape[1]
    np.testing.assert_allclose(
        pair.patches[0].seen, coarse[:, -width:] * get_instrument("mdi").to_hmi, rtol=1e-4, atol=1e-3
    )
    result = CliRunner().invoke(main, ["prepare-pairs", str(tmp_path), str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "2 used, 0 skipped" in result.output
    index = read_index(tmp_path / "out")
    assert [entry["region"] for entry in index] == ["20100830_173600", "20110402_204800"]
    assert [entry["time"] for entry in index] == ["2010-08-30T17:36:00", "2011-04-02T20:48:00"]
    fits.writeto(tmp_path / f"{name}_hmi.fits", truth[:64].astype(np.float32), overwrite=True)
    refused = read_pair((tmp_path / f"{name}_mdi.fits", tmp_path / f"{name}_hmi.fits"), settings)
    assert isinstance(refused, Refused)
    assert refused.kind == "of two shapes"


@pytest.mark.parametrize("header", [{"rsun_obs": 0.0}, {"date-obs": "garbage"}])
@pytest.mark.parametrize("which", [0, 1])
def test_a_header_that_cannot_be_used_is_no_error(tmp_path, truth, header, which):
    paths = tmp_path / "a_mdi.fits", tmp_path / "a_hmi.fits"
    smaps = [coarse_map(truth), hmi_map(truth)]
    smaps[which].meta.update(header)
    for smap, path in zip(smaps, paths, strict=True):
        maps.write_map(smap, path)
    assert isinstance(read_pair(paths, Settings()), Refused)


def test_only_want_of_memory_is_raised(tmp_path, truth, monkeypatch):
    paths = tmp_path / "a_mdi.fits", tmp_path / "a_hmi.fits"
    for smap, path in zip((coarse_map(truth), hmi_map(truth)), paths, strict=True):
        maps.write_map(smap, path)

    def fail(*_):
        raise error

    monkeypatch.setattr("sunpy_superres.training.pairs.align", fail)
    error = ZeroDivisionError("none")
    assert read_pair(paths, Settings()).kind == "with a header that cannot be used"
    error = MemoryError()
    with pytest.raises(MemoryError):
        read_pair(paths, Settings())


def test_what_is_no_pair(tmp_path, truth):
    with pytest.raises(FileNotFoundError, match="No pairs in"):
        prepare_pairs(tmp_path, tmp_path / "out")
    maps.write_map(coarse_map(truth), tmp_path / "a_mdi.fits")
    with pytest.raises(FileNotFoundError, match=r"a_mdi.fits would be paired with"):
        prepare_pairs(tmp_path, tmp_path / "out")
    maps.write_map(coarse_map(truth), tmp_path / "a_hmi.fits")
    with pytest.raises(ValueError, match=r"No pair .* 0 used, 1 skipped: 1 of another instrument or quantity"):
        prepare_pairs(tmp_path, tmp_path / "out")
    maps.write_map(hmi_map(truth, center=(-500, 300)), tmp_path / "b_hmi.fits")
    apart = read_pair((tmp_path / "a_mdi.fits", tmp_path / "b_hmi.fits"), replace(Settings(), max_minutes=1e9))
    assert apart.kind == "without a common field of view"
    for options, message in (({"instrument": "hmi"}, "must be 'mdi' or 'gong'"), ({"size": 32}, "at least 16 pixels")):
        with pytest.raises(ValueError, match=message):
            prepare_pairs(tmp_path, tmp_path / "out", **options)
    (tmp_path / "manifest.csv").write_text("source_file\na.fits\n")
    with pytest.raises(ValueError, match="not the columns source_file and target_file"):
        prepare_pairs(tmp_path, tmp_path / "out")


def test_the_shared_pairs(shared_data, tmp_path):
    records = prepare_pairs(shared_data / "pairs", tmp_path)
    assert len({record.region for record in records}) == len(records) == 2
    pixels = read_pixels(tmp_path)
    for record in records:
        truth = pixels[record.offset : record.offset + np.prod(record.shape)].reshape(record.shape)
        seen = pixels[record.seen :][: truth.size // 16].reshape([n // 4 for n in record.shape])
        means = truth.reshape(*(n for side in seen.shape for n in (side, 4))).mean(axis=(1, 3))
        assert np.corrcoef(means.ravel(), seen.ravel())[0, 1] > 0.96
