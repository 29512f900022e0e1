import warnings

import numpy as np
import pytest

import astropy.units as u
from astropy.io import fits
from astropy.nddata import StdDevUncertainty, UnknownUncertainty, VarianceUncertainty

import sunpy.map
from sunpy.map.sources import HMIMap, MDIMap
from sunpy.util.exceptions import SunpyUserWarning

from sunpy_superres import read_map, write_map
from sunpy_superres.maps import Provenance, build, from_array


@pytest.fixture
def result(mdi_map, bipole):
    """
    A Map as the main job makes it: with uncertainty, mask, gaps and provenance.
    """
    mask = np.zeros(bipole.shape, dtype=bool)
    mask[5:9, 3:20] = True
    valid = np.ones(bipole.shape, dtype=bool)
    valid[-6:] = False
    mdi_map.meta["history"] = "what was before"
    smap = mdi_map._new_instance(bipole, mdi_map.meta, mask=mask)
    provenance = Provenance("ldm", 2, 20, seed=3, model="a/model@" + 40 * "0", sha256=64 * "ab", precision="float32")
    return build(
        smap,
        np.kron(bipole, np.ones((2, 2))),
        2,
        valid=valid,
        std=np.random.default_rng(0).random((96, 128)),
        provenance=provenance,
    )


def test_round_trip(result, tmp_path):
    path = tmp_path / "map.fits"
    write_map(result, path)
    back = read_map(path)
    assert type(back) is MDIMap
    np.testing.assert_array_equal(back.data, result.data)
    assert back.data.dtype == np.float32
    assert back.data.dtype.isnative
    assert isinstance(back.uncertainty, StdDevUncertainty)
    np.testing.assert_array_equal(back.uncertainty.array, result.uncertainty.array)
    assert back.uncertainty.unit == u.G
    np.testing.assert_array_equal(back.mask, result.mask)
    assert back.mask.dtype == bool
    assert back.unit == result.unit
    for pixel in ((0, 0), (127, 95), (60.5, 12.25)):
        apart = back.wcs.pixel_to_world(*pixel).separation(result.wcs.pixel_to_world(*pixel))
        assert apart < 1e-3 * abs(result.scale[0]) * u.pix
    for key, value in result.meta.items():
        if key == "keycomments":
            for name in ("SRMETHOD", "SRMODEL", "SRSHA256"):
                assert back.meta[key][name] == value[name]
        elif key not in ("comment", "simple"):
            assert back.meta[key] == value, key


def test_layout(result, tmp_path):
    path = tmp_path / "map.fits"
    write_map(result, path)
    with fits.open(path) as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "UNCERT", "MASK"]
        assert hdus[0].data.shape == hdus["UNCERT"].data.shape == hdus["MASK"].data.shape
        assert hdus["UNCERT"].header["BUNIT"] == "Gauss"
        assert hdus["MASK"].data.dtype == np.uint8


def test_sunpy_reads_it_too(result, tmp_path):
    path = tmp_path / "map.fits"
    write_map(result, path)
    first, uncertainty, mask = sunpy.map.Map(path)
    assert type(first) is MDIMap
    np.testing.assert_array_equal(first.data, result.data)
    for extension in (uncertainty, mask):
        here, there = (smap.wcs.pixel_to_world(10, 20) for smap in (extension, result))
        assert u.allclose([here.Tx, here.Ty], [there.Tx, there.Ty], atol=1e-6 * u.arcsec)
        assert here.observer.separation_3d(there.observer) < 1 * u.km


def test_map_without_extensions(mdi_map, tmp_path):
    path = tmp_path / "map.fits"
    write_map(mdi_map, path)
    assert isinstance(sunpy.map.Map(path), MDIMap)
    back = read_map(path)
    assert back.uncertainty is None
    assert back.mask is None


def test_mask_alone(mdi_map, tmp_path):
    mask = np.random.default_rng(0).random(mdi_map.data.shape) < 0.5
    write_map(sunpy.map.Map(mdi_map.data, mdi_map.meta, mask=mask), tmp_path / "map.fits")
    back = read_map(tmp_path / "map.fits")
    assert back.uncertainty is None
    np.testing.assert_array_equal(back.mask, mask)


def test_saving_with_sunpy(result, tmp_path):
    result.save(tmp_path / "map.fits")
    back = sunpy.map.Map(tmp_path / "map.fits")
    assert back.meta["srmethod"] == "ldm"
    assert back.meta["history"] == result.meta["history"]


def test_compressed_and_text_path(result, tmp_path):
    write_map(result, str(tmp_path / "map.fits.gz"))
    assert (tmp_path / "map.fits.gz").read_bytes()[:2] == b"\x1f\x8b"
    np.testing.assert_array_equal(read_map(str(tmp_path / "map.fits.gz")).data, result.data)


def test_leftovers_of_storage(mdi_map, tmp_path):
    mdi_map.meta.update({"blank": -32768, "bscale": 0.01, "bzero": 5.0, "checksum": "x", "datasum": "1"})
    meta = dict(mdi_map.meta)
    write_map(mdi_map, tmp_path / "map.fits")
    np.testing.assert_array_equal(read_map(tmp_path / "map.fits").data, mdi_map.data)
    assert dict(mdi_map.meta) == meta


def test_dask(mdi_map, tmp_path):
    array = pytest.importorskip("dask.array")
    write_map(sunpy.map.Map(array.from_array(mdi_map.data), mdi_map.meta), tmp_path / "map.fits")
    np.testing.assert_array_equal(read_map(tmp_path / "map.fits").data, mdi_map.data)


def test_other_uncertainties(mdi_map, tmp_path):
    path = tmp_path / "map.fits"
    smap = sunpy.map.Map(mdi_map.data, mdi_map.meta, uncertainty=VarianceUncertainty(np.full((48, 64), 9.0)))
    write_map(smap, path)
    assert (read_map(path).uncertainty.array == 3).all()
    smap = sunpy.map.Map(mdi_map.data, mdi_map.meta, uncertainty=UnknownUncertainty(np.ones((48, 64))))
    with pytest.warns(SunpyUserWarning, match="not written"):
        write_map(smap, path, overwrite=True)
    assert read_map(path).uncertainty is None


class TestWriting:
    def test_existing_file(self, mdi_map, tmp_path):
        path = tmp_path / "map.fits"
        path.write_text("precious")
        with pytest.raises(FileExistsError, match="exists already"):
            write_map(mdi_map, path)
        assert path.read_text() == "precious"
        write_map(mdi_map, path, overwrite=True)
        assert isinstance(read_map(path), MDIMap)

    def test_missing_folder(self, mdi_map, tmp_path):
        with pytest.raises(FileNotFoundError, match="folder"):
            write_map(mdi_map, tmp_path / "none" / "map.fits")

    def test_never_half_written(self, mdi_map, tmp_path, monkeypatch):
        path = tmp_path / "map.fits"
        write_map(mdi_map, path)
        before = path.read_bytes()

        def fail(self, fileobj, *args, **kwargs):
            fileobj.write_bytes(b"SIMPLE")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(fits.HDUList, "writeto", fail)
        with pytest.raises(OSError, match="No space left"):
            write_map(mdi_map, path, overwrite=True)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]

    def test_not_a_map(self, tmp_path):
        with pytest.raises(TypeError, match="sunpy Map"):
            write_map(np.ones((4, 4)), tmp_path / "map.fits")


class TestReading:
    def test_plain_magnetogram(self, tmp_path):
        smap = from_array(np.eye(8), scale=0.5, instrument="hmi")
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(smap.data, smap.fits_header)]).writeto(tmp_path / "a.fits")
        back = read_map(tmp_path / "a.fits")
        assert type(back) is HMIMap
        assert back.data.shape == (8, 8)

    def test_missing(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="no file"):
            read_map(tmp_path / "none.fits")

    def test_not_fits(self, tmp_path):
        path = tmp_path / "text.fits"
        path.write_text("hello\n" * 1000)
        with pytest.raises(ValueError, match="cannot be read as FITS"):
            read_map(path)

    def test_no_image(self, tmp_path):
        fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(np.ones(3, dtype=[("a", float)]))]).writeto(
            tmp_path / "table.fits"
        )
        with pytest.raises(ValueError, match="no image"):
            read_map(tmp_path / "table.fits")

    def test_no_coordinates(self, tmp_path):
        fits.PrimaryHDU(np.ones((4, 4))).writeto(tmp_path / "bare.fits")
        with pytest.raises(ValueError, match="no header that makes a Map"):
            read_map(tmp_path / "bare.fits")

    def test_extension_of_another_size(self, result, tmp_path):
        path = tmp_path / "map.fits"
        write_map(result, path)
        with fits.open(path, mode="update") as hdus:
            hdus["MASK"].data = np.zeros((3, 3), dtype=np.uint8)
        with pytest.raises(ValueError, match="MASK has shape"):
            read_map(path)


def test_real_observations(shared_data, tmp_path):
    patterns = ("mdi/full_disk/*.fits", "mdi/smarp/*.fits", "hmi/native/*.fits", "hmi/validation/*Z*.fits")
    paths = [path for pattern in patterns for path in sorted(shared_data.glob(pattern))]
    paths += sorted(shared_data.glob("hmi/validation/*magnetogram.fits"))[:2]
    for path in paths:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is odd in the archive's header
            smap = sunpy.map.Map(path)
        valid = np.isfinite(smap.data)
        data = np.where(valid, smap.data, 0).repeat(2, axis=0).repeat(2, axis=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            large = build(smap, data, 2, valid=valid, std=data, provenance=Provenance("ldm", 2, 4))
        large.save(tmp_path / "saved.fits", overwrite=True)
        write_map(large, tmp_path / "map.fits", overwrite=True)
        back = read_map(tmp_path / "map.fits")
        assert type(back) is type(smap)
        np.testing.assert_array_equal(back.data, large.data)
        apart = back.wcs.pixel_to_world(5, 9).separation(large.wcs.pixel_to_world(5, 9))
        assert apart < 1e-3 * u.arcsec
