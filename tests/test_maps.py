import copy
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import astropy.units as u
from astropy.nddata import StdDevUncertainty
from astropy.wcs import WCS, FITSFixedWarning

import sunpy.map
from ndcube.wcs.wrappers import ResampledLowLevelWCS
from sunpy.data.test import get_test_data_filenames, get_test_filepath
from sunpy.data.test import rootdir as sunpy_data
from sunpy.io import read_file
from sunpy.io._fits import format_comments_and_history
from sunpy.map.sources import EITL1Map, EITMap, GONGHalphaMap, GONGMagnetogramMap, HMIMap, MDIMap
from sunpy.time import parse_time
from sunpy.util.exceptions import SunpyUserWarning

from sunpy_superres._header import rescale
from sunpy_superres.maps import Provenance, build, from_array, regrid, to_ndcube
from sunpy_superres.observations import read

PROVENANCE = Provenance("ldm", 4, 20, seed=3, steps=12, model="a/model@" + 40 * "0", sha256=64 * "ab", instrument="mdi")
# Neither has the coordinates of an image of the Sun in its header.
NOT_MAPS = {"medn_halph_fl_20050501_074655", "mq130812.084253", "na120701.091058", "svsm_e3100_S2_20110625_1856"}


def map_of_header(path, shape=(33, 40)):
    """
    A Map with the header of one of sunpy's test files, cut down to a corner where the image is large.
    """
    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # these headers are chosen for being odd
        if path.suffix == ".header":
            header = format_comments_and_history(fits.Header.fromtextfile(path))
        else:
            header = read_file(path)[0].header
        header["naxis1"] = min(header["NAXIS1"], shape[1])
        header["naxis2"] = min(header["NAXIS2"], shape[0])
        data = np.random.default_rng(0).uniform(-100, 100, (header["naxis2"], header["naxis1"]))
        return sunpy.map.Map(data, header)


HEADERS = sorted(
    path
    for path in get_test_data_filenames()
    if (path.suffix == ".header" and path.stem not in NOT_MAPS)
    or path.name in ("aia_171_level1.fits", "resampled_hmi.fits", "hsi_image_20101016_191218.fits")
)


def enlarge(smap, factor=4, **kwargs):
    data = np.asarray(smap.data, dtype=np.float32)
    return build(smap, np.kron(data, np.ones((factor, factor))), factor, **kwargs)


def separation(first, second):
    """
    Largest angle between two sets of (longitude, latitude) in degrees; NaN must be in the same places.
    """
    vectors = []
    for world in (first, second):
        longitude, latitude = np.radians(world[0]), np.radians(world[1])
        vectors.append([np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)])
    np.testing.assert_array_equal(np.isnan(vectors[0]), np.isnan(vectors[1]))
    return np.degrees(np.nanmax(np.linalg.norm(np.subtract(*vectors), axis=0), initial=0))


def assert_same_coordinates(before, after, factor, tolerance=1e-3):
    """
    Compare with ndcube's wrapper for resampled coordinates, all over the image.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old, new = before.wcs, after.wcs
    ny, nx = after.data.shape
    x, y = np.meshgrid(np.linspace(-0.5, nx - 0.5, 7), np.linspace(-0.5, ny - 0.5, 7))
    expected = ResampledLowLevelWCS(old, 1 / factor).pixel_to_world_values(x, y)
    pixel = np.sqrt(abs(np.linalg.det(np.asarray(new.celestial.pixel_scale_matrix))))
    assert separation(new.pixel_to_world_values(x, y), expected) < tolerance * pixel


class TestAllHeadersOfSunpy:
    @pytest.mark.parametrize("path", HEADERS, ids=lambda path: path.stem[:30])
    @pytest.mark.parametrize("factor", [2, 4])
    def test_build(self, path, factor):
        smap = map_of_header(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = enlarge(smap, factor)
            assert u.isclose(result.rsun_obs, smap.rsun_obs)
            assert result.observer_coordinate.separation_3d(smap.observer_coordinate) < 1 * u.m
            assert result.reference_date == smap.reference_date
        assert type(result) is type(smap)
        assert result.unit == u.G
        assert result.data.dtype == np.float32
        assert result.data.shape == tuple(factor * side for side in smap.data.shape)
        assert_same_coordinates(smap, result, factor)
        for key in ("crval1", "crval2", "lonpole", "latpole", "pv2_1", "instrume", "telescop"):
            assert result.meta.get(key) == smap.meta.get(key)

    def test_they_are_there(self):
        assert len(HEADERS) > 50
        assert {"mdi.fd_M_96m_lev182.20101015_191200_TAI.data", "gong_magnetogram"} <= {path.stem for path in HEADERS}


class TestUpstreamDefects:
    """
    What sunpy's own resampling gets wrong, or drops.
    """

    def of(self, name):
        return map_of_header(sunpy_data / name)

    def test_eit_radius_in_pixels(self):
        smap = self.of("EIT_header/efz20040301.000010_s.header")
        assert type(smap) is EITMap
        result = enlarge(smap)
        assert result.meta["solar_r"] == 4 * smap.meta["solar_r"]
        assert u.isclose(result.rsun_obs, 979.07 * u.arcsec, rtol=1e-5)

    def test_eit_l1_radius_in_arcsec(self):
        smap = self.of("EIT_header/SOHO_EIT_171_20070601T120013_L1.header")
        assert type(smap) is EITL1Map
        smap.meta["solar_r"] = 970.0
        result = enlarge(smap)
        assert result.meta["solar_r"] == 970
        assert result.rsun_obs == smap.rsun_obs

    @pytest.mark.parametrize(("name", "kind"), [("halpha", GONGHalphaMap), ("magnetogram", GONGMagnetogramMap)])
    def test_gong_scale_from_the_limb(self, name, kind):
        smap = self.of(f"gong_{name}.header")
        assert type(smap) is kind
        result = enlarge(smap)
        assert u.allclose(4 * u.Quantity(result.scale), u.Quantity(smap.scale))
        assert "cdelt1" not in result.meta
        assert result.meta["fndlmbma"] == 4 * smap.meta["fndlmbma"]
        assert result.meta["fndlmbxc"] == pytest.approx(4 * (smap.meta["fndlmbxc"] - 0.5) + 0.5)
        assert result.meta["fndlmbyc"] == pytest.approx(4 * (smap.meta["fndlmbyc"] - 0.5) + 0.5)
        assert_same_coordinates(smap, result, 4)

    def test_pc_given_in_part(self, mdi_map):
        meta = {key: value for key, value in mdi_map.meta.items() if key != "crota2"}
        for keys in ({"pc1_1": 1.0}, {"pc1_2": -0.5, "pc2_1": 0.5}, {"pc2_1": 0.3}):
            smap = sunpy.map.Map(mdi_map.data, meta | keys)
            assert_same_coordinates(smap, enlarge(smap), 4)

    @pytest.mark.parametrize("stale", [False, True])
    def test_no_reference_pixel(self, mdi_map, stale):
        meta = {key: value for key, value in mdi_map.meta.items() if key not in ("crpix1", "crpix2")}
        if stale:  # the size of the image before it was cut
            meta |= {"naxis1": 1024, "naxis2": 1024}
        smap = sunpy.map.Map(mdi_map.data, meta)
        assert_same_coordinates(smap, enlarge(smap), 4)

    def test_no_pixel_scale(self, mdi_map):
        meta = {key: value for key, value in mdi_map.meta.items() if key not in ("cdelt1", "cdelt2")}
        smap = sunpy.map.Map(mdi_map.data, meta)
        assert_same_coordinates(smap, enlarge(smap), 4)

    def test_pc_of_unequal_sides(self, mdi_map):
        meta = {key: value for key, value in mdi_map.meta.items() if key != "crota2"}
        meta |= {"cdelt2": 1.03 * meta["cdelt1"], "pc1_2": -0.5, "pc2_1": 0.5 / 1.03**2}
        smap = sunpy.map.Map(mdi_map.data, meta)
        result = regrid(smap, 1.5)
        for x, y in ((0, 0), (63, 5), (20, 47)):
            here = smap.wcs.pixel_to_world(x, y)
            assert result.wcs.pixel_to_world(*result.wcs.world_to_pixel(here)).separation(here) < 1e-6 * u.arcsec
        center = (np.array(smap.data.shape[::-1]) - 1) / 2
        np.testing.assert_allclose(
            result.wcs.world_to_pixel(smap.wcs.pixel_to_world(*center)),
            (np.array(result.data.shape[::-1]) - 1) / 2,
            atol=1e-6,
        )

    def test_mask_and_uncertainty(self, mdi_map, bipole):
        mask = np.random.default_rng(0).random(bipole.shape) < 0.1
        smap = sunpy.map.Map(bipole, mdi_map.meta, mask=mask)
        std = np.random.default_rng(1).random((192, 256))
        result = enlarge(smap, std=std)
        np.testing.assert_array_equal(result.mask, np.kron(mask, np.ones((4, 4), dtype=bool)))
        assert isinstance(result.uncertainty, StdDevUncertainty)
        assert result.uncertainty.unit == u.G
        np.testing.assert_array_equal(result.uncertainty.array, std.astype(np.float32))

    def test_radius_in_pixels_is_made_right(self):
        smap = self.of("mdi.fd_M_96m_lev182.20101015_191200_TAI.data.header")
        assert smap.meta["r_sun"] == pytest.approx(488.7, abs=0.1)  # as before the file was binned
        result = enlarge(smap)
        assert result.meta["r_sun"] == pytest.approx(smap.meta["rsun_obs"] / result.meta["cdelt1"])
        assert result.meta["x0"] == result.meta["crpix1"] - 1
        assert result.meta["crop_rad"] == 4 * smap.meta["crop_rad"]

    def sip(self, mdi_map):
        meta = copy.deepcopy(mdi_map.meta)
        meta |= {"ctype1": "HPLN-TAN-SIP", "ctype2": "HPLT-TAN-SIP", "a_order": 2, "b_order": 3}
        meta |= {"a_2_0": 1e-4, "a_1_1": 3e-5, "b_0_2": -1e-4, "b_1_2": 2e-6}
        return meta

    def test_distortion(self, mdi_map):
        meta = self.sip(mdi_map)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FITSFixedWarning)
            old = WCS(dict(meta))
            rescale(meta, mdi_map, np.zeros((192, 256), dtype=np.float32), (4, 4))
            new = WCS(dict(meta))
        x, y = np.meshgrid(np.linspace(0, 255, 5), np.linspace(0, 191, 5))
        expected = old.all_pix2world((x + 0.5) / 4 - 0.5, (y + 0.5) / 4 - 0.5, 0)
        assert separation(new.all_pix2world(x, y, 0), expected) * 3600 < 1e-6
        assert separation(new.wcs_pix2world(x, y, 0), expected) * 3600 > 0.1

    def test_distortion_and_history(self, mdi_map):
        meta = self.sip(mdi_map)
        meta["history"] = "one line"
        smap = sunpy.map.Map(mdi_map.data, meta)
        assert enlarge(smap, provenance=PROVENANCE).meta["history"] == "one line"


@given(
    crpix=st.tuples(st.floats(-3000, 3000), st.floats(-3000, 3000)),
    crval=st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
    roll=st.floats(-180, 180),
    form=st.sampled_from(["crota", "pc", "cd"]),
    flip=st.booleans(),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    factor=st.integers(1, 5),
)
def test_any_orientation(crpix, crval, roll, form, flip, shape, factor):
    base = from_array(np.ones(shape), scale=2, instrument="mdi")
    meta = {key: value for key, value in base.meta.items() if key not in ("crota2", "cdelt1", "cdelt2")}
    meta |= {"crpix1": crpix[0], "crpix2": crpix[1], "crval1": crval[0], "crval2": crval[1]}
    cosine, sine = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    sides = (-1.9 if flip else 1.9, 1.9)
    matrix = {"1_1": cosine, "1_2": -sine, "2_1": sine, "2_2": cosine}
    if form == "cd":
        meta |= {f"cd{key}": value * sides[int(key[0]) - 1] for key, value in matrix.items()}
    else:
        meta |= {"cdelt1": sides[0], "cdelt2": sides[1]}
        meta |= {"crota2": roll} if form == "crota" else {f"pc{key}": value for key, value in matrix.items()}
    smap = sunpy.map.Map(base.data, meta)
    assert_same_coordinates(smap, enlarge(smap, factor), factor)


class TestBuild:
    def test_input_is_not_touched(self, mdi_map):
        mdi_map.meta["keycomments"] = {"CDELT1": "a comment"}
        mdi_map.plot_settings["norm"].vmax = 123
        data = mdi_map.data.copy()
        mask = np.zeros(data.shape, dtype=bool)
        smap = mdi_map._new_instance(mdi_map.data, mdi_map.meta, plot_settings=mdi_map.plot_settings, mask=mask)
        meta = copy.deepcopy(dict(smap.meta))
        result = enlarge(smap, provenance=PROVENANCE)
        result.plot_settings["norm"].vmax = 5
        result.meta["keycomments"]["CDELT1"] = "another"
        result.mask[:] = True
        result.data[:] = 0
        np.testing.assert_array_equal(smap.data, data)
        assert dict(smap.meta) == meta
        assert smap.plot_settings["norm"].vmax == 123
        assert not mask.any()

    def test_plot_settings_are_kept(self, mdi_map):
        mdi_map.plot_settings["norm"].vmax = 123
        mdi_map.plot_settings["title"] = "mine"
        result = enlarge(mdi_map)
        assert result.plot_settings["norm"].vmax == 123
        assert result.plot_settings["title"] == "mine"

    def test_arrays_are_not_shared(self, mdi_map):
        data, std = np.zeros((192, 256), dtype=np.float32), np.zeros((192, 256), dtype=np.float32)
        valid = np.ones((48, 64), dtype=bool)
        valid[0] = False
        result = build(mdi_map, data, 4, std=std, valid=valid)
        assert np.isfinite(data).all()
        assert np.isfinite(std).all()
        assert np.isnan(result.data).any()

    def test_not_a_number_where_the_input_is_not_valid(self, mdi_map):
        valid = np.random.default_rng(0).random((48, 64)) > 0.2
        result = enlarge(mdi_map, 2, valid=valid, std=np.ones((96, 128)))
        expected = np.kron(~valid, np.ones((2, 2), dtype=bool))
        np.testing.assert_array_equal(np.isnan(result.data), expected)
        np.testing.assert_array_equal(np.isnan(result.uncertainty.array), expected)

    @pytest.mark.parametrize("shape", [(1, 1), (5, 7), (31, 2)])
    @pytest.mark.parametrize("factor", [1, 3, 4])
    def test_odd_shapes(self, shape, factor):
        smap = from_array(np.ones(shape), scale=2, instrument="hmi")
        assert_same_coordinates(smap, enlarge(smap, factor), factor)

    @pytest.mark.parametrize("dtype", [">f4", ">f8", "int16", "float64"])
    def test_number_types(self, mdi_map, dtype):
        smap = sunpy.map.Map(mdi_map.data.astype(dtype), mdi_map.meta)
        result = build(smap, np.ones((192, 256), dtype=dtype), 4)
        assert result.data.dtype == np.float32
        assert result.data.dtype.isnative

    def test_dask(self, mdi_map):
        array = pytest.importorskip("dask.array")
        smap = sunpy.map.Map(array.from_array(mdi_map.data), mdi_map.meta)
        assert build(smap, np.ones((192, 256)), 4).data.sum() == 192 * 256

    def test_wrong_shapes(self, mdi_map):
        with pytest.raises(ValueError, match=r"data has shape \(192, 255\)"):
            build(mdi_map, np.ones((192, 255)), 4)
        with pytest.raises(ValueError, match="std has shape"):
            build(mdi_map, np.ones((192, 256)), 4, std=np.ones(3))
        with pytest.raises(ValueError, match="valid has shape"):
            build(mdi_map, np.ones((192, 256)), 4, valid=np.ones((192, 256)))

    def test_uncertainty_of_the_input(self, mdi_map):
        smap = sunpy.map.Map(mdi_map.data, mdi_map.meta, uncertainty=StdDevUncertainty(np.ones((48, 64))))
        with pytest.warns(SunpyUserWarning, match="not propagated"):
            assert enlarge(smap).uncertainty is None

    @pytest.mark.parametrize(("unit", "kept"), [("Mx/cm^2", True), (None, True), ("T", False), ("kG", False)])
    def test_unit_is_stated(self, mdi_map, unit, kept):
        smap = from_array(mdi_map.data, scale=2, instrument="hmi")
        smap.plot_settings["norm"].vmax = 123
        smap.meta["bunit"] = unit
        if unit is None:
            del smap.meta["bunit"]
        result = enlarge(smap)
        assert result.meta["bunit"] == "Gauss"
        assert result.unit == u.G
        assert (result.plot_settings["norm"].vmax == 123) is kept

    def test_a_header_that_is_not_understood(self, mdi_map):
        class Odd(sunpy.map.GenericMap):
            @property
            def scale(self):
                return type(super().scale)(3 * u.arcsec / u.pix, 3 * u.arcsec / u.pix)

        with pytest.raises(RuntimeError, match="coordinates of the enlarged Odd"):
            enlarge(Odd(mdi_map.data, mdi_map.meta))

    def test_a_radius_that_is_not_understood(self, mdi_map):
        class Odd(sunpy.map.GenericMap):
            @property
            def rsun_obs(self):
                return 488 * self.meta["cdelt1"] * u.arcsec

        with pytest.raises(RuntimeError, match="solar radius of the enlarged Odd"):
            enlarge(Odd(mdi_map.data, mdi_map.meta))

    def test_alternate_coordinates(self, mdi_map):
        mdi_map.meta.update({"crpix1a": 10.5, "crpix2a": 3.0, "cdelt1a": 0.01, "cdelt2a": 0.02, "cd1_2a": 0.4})
        meta = enlarge(mdi_map).meta
        assert (meta["crpix1a"], meta["crpix2a"]) == (40.5, 10.5)
        assert (meta["cdelt1a"], meta["cdelt2a"], meta["cd1_2a"]) == (0.0025, 0.005, 0.1)


class TestHeaderOfTheResult:
    def test_changes(self):
        smap = map_of_header(sunpy_data / "mdi.fd_M_96m_lev182.20101015_191200_TAI.data.header")
        # As it is when read from a file: the sizes are those of the array
        smap = type(smap)(smap.data, sunpy.util.MetaDict(dict(smap.meta)))
        meta = enlarge(smap, provenance=PROVENANCE).meta
        written = {"srmethod", "srfactor", "srnsamp", "srseed", "srsteps", "srmodel", "srsha256", "srinstr", "srvers"}
        assert set(meta.added_items) == written
        pixels = {"crpix1", "crpix2", "cdelt1", "cdelt2", "naxis1", "naxis2", "r_sun", "x0", "y0", "crop_rad"}
        others = {"bitpix", "datamin", "datamax", "datamean", "history", "keycomments"}
        assert set(meta.modified_items) == pixels | others
        dropped = {
            "blank",
            "bscale",
            "bzero",
            "checksum",
            "datasum",
            "headsum",
            "datamedn",
            "datarms",
            "dataskew",
            "datakurt",
        }
        dropped |= {"datavals", "missvals", "tot_flux", "avg_flux", "mean_fld"}
        assert set(meta.removed_items) == dropped & set(smap.meta)
        assert {"blank", "datasum", "tot_flux"} <= set(meta.removed_items)

    def test_statistics(self, mdi_map, bipole):
        mdi_map.meta.update({"datamin": 1.0, "datamax": 1.0, "datarms": 1.0, "datamea2": 1.0, "_datamin": 1.0})
        meta = enlarge(mdi_map).meta
        assert meta["datamin"] == pytest.approx(bipole.min())
        assert meta["datamax"] == pytest.approx(bipole.max())
        assert not {"datarms", "datamea2", "_datamin"} & set(meta)

    def test_provenance(self, mdi_map):
        mdi_map.meta["history"] = "what was before"
        meta = enlarge(mdi_map, provenance=PROVENANCE).meta
        assert meta["srmethod"] == "ldm"
        assert (meta["srfactor"], meta["srnsamp"], meta["srseed"], meta["srsteps"]) == (4, 20, 3, 12)
        assert meta["srsha256"] == "abababababababab"
        assert "srprec" not in meta
        first, *lines = meta["history"].split("\n")
        assert first == "what was before"
        assert all(len(line) <= 72 and line.isascii() for line in lines)
        text = " ".join(line.strip() for line in lines)
        assert text.startswith(f"sunpy_superres {meta['srvers']}: superresolve(method=ldm, factor=4, n_samples=20")
        assert all(key in meta["keycomments"] for key in ("SRMETHOD", "SRSEED", "SRVERS"))

    def test_only_what_is_known(self, mdi_map):
        meta = enlarge(mdi_map, provenance=Provenance("bicubic", 4, 1, precision="float32")).meta
        assert {key for key in meta if key.startswith("sr")} == {
            "srmethod",
            "srfactor",
            "srnsamp",
            "srprec",
            "srvers",
        }

    def test_twice(self, mdi_map):
        once = enlarge(mdi_map, 2, provenance=PROVENANCE)
        twice = enlarge(once, 2, provenance=Provenance("bicubic", 2, 1))
        assert twice.meta["srmethod"] == "bicubic"
        assert twice.meta["history"].count("superresolve(") == 2
        assert_same_coordinates(mdi_map, twice, 4)

    def test_no_comment_is_cut_by_the_writer(self, mdi_map):
        mdi_map.meta["cdelt1"] = mdi_map.meta["cdelt2"] = 1.9860081672668457
        mdi_map.meta["keycomments"] = {"CDELT1": "a comment that filled its card to the last place"}
        header = enlarge(mdi_map, provenance=PROVENANCE).fits_header
        assert header.tostring()
        assert header.comments["CDELT1"].startswith("a comment that")


class TestRegrid:
    @pytest.mark.parametrize("scale", [0.8, 1.9, 2.2, 3.5, 8.0])
    @pytest.mark.parametrize("roll", [0, 47, 180])
    def test_coordinates(self, mdi_map, scale, roll):
        mdi_map.meta["crota2"] = roll
        result = regrid(mdi_map, scale)
        assert type(result) is MDIMap
        assert result.data.dtype == np.float32
        assert u.allclose(u.Quantity(result.scale), scale * u.arcsec / u.pix)
        assert result.meta["crota2"] == roll
        assert result.meta["crval1"] == mdi_map.meta["crval1"]
        for side, old in zip(result.data.shape, mdi_map.data.shape, strict=True):
            assert abs(side * scale - old * 1.986) <= scale / 2 + 1e-6
        center, old_center = (
            smap.wcs.pixel_to_world((smap.data.shape[1] - 1) / 2, (smap.data.shape[0] - 1) / 2)
            for smap in (result, mdi_map)
        )
        assert center.separation(old_center) < 1e-6 * u.arcsec

    @pytest.mark.parametrize("scale", [1.0, 1.8, 2.4, 4.0, 7.0])
    def test_a_smooth_field_stays_where_it_is(self, scale):
        def field(smap):
            y, x = np.indices(smap.data.shape)
            world = smap.wcs.pixel_to_world(x, y)
            return 300 * np.sin(world.Tx.value / 25) * np.cos(world.Ty.value / 31)

        blank = from_array(np.zeros((60, 71)), scale=2, center=(300, 100), instrument="hmi")
        result = regrid(from_array(field(blank), scale=2, center=(300, 100), instrument="hmi"), scale)
        np.testing.assert_allclose(result.data[2:-2, 2:-2], field(result)[2:-2, 2:-2], atol=2 + scale)

    def test_whole_ratio_is_the_block_mean(self, rng):
        data = rng.normal(size=(40, 64))
        result = regrid(from_array(data, scale=0.5, instrument="hmi"), 2.0)
        np.testing.assert_allclose(result.data, data.reshape(10, 4, 16, 4).mean(axis=(1, 3)), rtol=1e-4, atol=1e-6)

    def test_same_scale_is_the_same_field(self, mdi_map):
        np.testing.assert_allclose(regrid(mdi_map, 1.986).data, mdi_map.data, atol=1e-2)

    @pytest.mark.parametrize("scale", [1.0, 2.2, 6.0])
    def test_gaps(self, mdi_map, bipole, scale):
        data = bipole.copy()
        data[:, :20] = np.nan
        data[10, 40] = np.inf
        smap = sunpy.map.Map(data, mdi_map.meta)
        result = regrid(smap, scale)
        width = result.data.shape[1]
        assert np.isnan(result.data[:, : int(0.3 * width)]).all()
        assert np.isfinite(result.data[result.data.shape[0] // 2 :, int(0.34 * width) :]).all()
        assert np.nanmax(np.abs(result.data)) < 1700

    def test_nothing_finite(self, mdi_map):
        smap = sunpy.map.GenericMap(np.full((8, 8), np.nan), mdi_map.meta)
        assert np.isnan(regrid(smap, 1.5).data).all()
        assert np.isnan(regrid(smap, 5).data).all()

    def test_mask(self, mdi_map, bipole):
        mask = np.zeros(bipole.shape, dtype=bool)
        mask[:, :32] = True
        result = regrid(sunpy.map.Map(bipole, mdi_map.meta, mask=mask), 0.993)
        assert result.mask.shape == result.data.shape
        assert result.mask.mean() == pytest.approx(0.5, abs=0.02)

    def test_history_and_input(self, mdi_map):
        meta = copy.deepcopy(dict(mdi_map.meta))
        assert "regridded from 1.986 to 2.4 arcsec" in " ".join(regrid(mdi_map, 2.4).meta["history"].split())
        assert dict(mdi_map.meta) == meta

    def test_dask(self, mdi_map):
        array = pytest.importorskip("dask.array")
        smap = sunpy.map.Map(array.from_array(mdi_map.data, chunks=16), mdi_map.meta)
        np.testing.assert_array_equal(regrid(smap, 1.5).data, regrid(mdi_map, 1.5).data)

    @pytest.mark.parametrize("scale", [0, -1, np.nan, np.inf])
    def test_wrong_scale(self, mdi_map, scale):
        with pytest.raises(ValueError, match="must be positive"):
            regrid(mdi_map, scale)

    def test_gong(self):
        smap = map_of_header(sunpy_data / "gong_magnetogram.header")
        result = regrid(smap, 1.986)
        assert u.allclose(u.Quantity(result.scale).to(u.arcsec / u.pix), 1.986 * u.arcsec / u.pix)

    def test_patch(self):
        smap = map_of_header(sunpy_data / "hmi_cea_sharp_magnetogram.header")
        result = regrid(smap, 1.986)
        degrees = 1.986 / (smap.rsun_obs.to_value(u.arcsec) * np.pi / 180)
        assert u.allclose(u.Quantity(result.scale), degrees * u.deg / u.pix)


class TestFromArray:
    def test_mdi_and_hmi(self, bipole):
        for name, kind in (("mdi", MDIMap), ("HMI", HMIMap)):
            smap = from_array(bipole, scale=0.5, instrument=name)
            assert type(smap) is kind
            assert smap.unit == u.G
            assert smap.data.dtype == np.float32
            assert "Built by sunpy_superres" in smap.meta["comment"]

    def test_coordinates(self, bipole):
        smap = from_array(bipole, scale=0.5, center=(100, -200), date="2011-02-15", rsun_obs=970)
        center = smap.wcs.pixel_to_world(31.5, 23.5)
        assert u.allclose([center.Tx, center.Ty], [100, -200] * u.arcsec)
        assert smap.date.isot.startswith("2011-02-15")
        assert u.isclose(smap.rsun_obs, 970 * u.arcsec)
        assert u.isclose(np.arcsin(smap.rsun_meters / smap.dsun), 970 * u.arcsec, rtol=1e-6)
        assert smap.observer_coordinate.lon == 0 * u.deg

    def test_the_array_is_copied(self):
        data = np.zeros((4, 4), dtype=np.float32)
        from_array(data, scale=1).data[:] = 1
        assert not data.any()

    def test_nothing_finite(self):
        for name in ("mdi", "hmi"):
            assert np.isnan(from_array(np.full((4, 4), np.nan), scale=1, instrument=name).data).all()

    def test_refused(self):
        with pytest.raises(ValueError, match="two-dimensional"):
            from_array(np.ones(4), scale=1)
        with pytest.raises(ValueError, match="hmi, hmi-continuum, mdi"):
            from_array(np.ones((4, 4)), scale=1, instrument="kpvt")

    def test_gong(self, rng):
        data = rng.normal(0, 10, (16, 24))
        smap = from_array(data, scale=2.5, instrument="gong", center=(100, -200))
        assert isinstance(smap, GONGMagnetogramMap)
        assert abs((smap.date - parse_time("2010-06-01")).to_value("s")) < 1e-3
        middle = smap.wcs.pixel_to_world(11.5, 7.5)
        assert middle.Tx.to_value("arcsec") == pytest.approx(100)
        assert middle.Ty.to_value("arcsec") == pytest.approx(-200)
        step = smap.wcs.pixel_to_world(12.5, 7.5).Tx - middle.Tx
        assert step.to_value("arcsec") == pytest.approx(2.5, rel=1e-4)
        observation = read(smap)
        assert observation.instrument.name == "gong"
        np.testing.assert_allclose(observation.field, data, rtol=1e-6)

    def test_continuum(self):
        smap = from_array(np.full((16, 16), 0.9), scale=0.5, instrument="hmi-continuum")
        assert isinstance(smap, HMIMap)
        assert read(smap).quiet_sun == pytest.approx(0.9, rel=1e-3)


class TestCube:
    def test_values_and_coordinates(self, mdi_map, rng):
        mdi_map.meta["crota2"] = 33.0
        result = enlarge(mdi_map, provenance=PROVENANCE)
        members = rng.normal(size=(3, 192, 256)).astype(np.float32)
        cube = to_ndcube(result, members)
        assert cube.shape == (3, 192, 256)
        assert cube.unit == u.G
        assert cube.data.dtype == np.float32
        np.testing.assert_array_equal(cube.data, members)
        x, y = np.array([0, 255, 100.3]), np.array([0, 191, 7.7])
        *world, sample = cube.wcs.pixel_to_world_values(x, y, np.array([0, 1, 2]))
        np.testing.assert_array_equal(sample, [0, 1, 2])
        np.testing.assert_allclose(world, result.wcs.pixel_to_world_values(x, y), rtol=0, atol=1e-9)
        assert cube.meta["srmethod"] == "ldm"
        assert cube.meta is not result.meta

    def test_observer(self, mdi_map):
        cube = to_ndcube(mdi_map, np.zeros((2, 48, 64)))
        here, _ = cube.wcs.pixel_to_world(3, 4, 1)
        there = mdi_map.wcs.pixel_to_world(3, 4)
        assert here.separation(there) < 1e-9 * u.deg
        assert here.observer.separation_3d(there.observer) < 1 * u.m
        assert here.rsun == there.rsun
        assert here.obstime == there.obstime

    def test_slices(self, mdi_map):
        cube = to_ndcube(mdi_map, np.arange(2 * 48 * 64.0).reshape(2, 48, 64))
        member = cube[1]
        assert member.shape == (48, 64)
        assert member.wcs.pixel_to_world(3, 4).separation(mdi_map.wcs.pixel_to_world(3, 4)) < 1e-9 * u.deg
        corner = cube[:, 10:20, 5:50]
        here, _ = corner.wcs.pixel_to_world(0, 0, 0)
        assert here.separation(mdi_map.wcs.pixel_to_world(5, 10)) < 1e-9 * u.deg

    def test_patch(self):
        smap = map_of_header(sunpy_data / "hmi_cea_sharp_magnetogram.header")
        cube = to_ndcube(smap, np.zeros((2, *smap.data.shape)))
        here, _ = cube.wcs.pixel_to_world(3, 4, 1)
        assert here.separation(smap.wcs.pixel_to_world(3, 4)) < 1e-9 * u.deg

    def test_gaps_and_mask(self, mdi_map, bipole):
        valid = np.ones((48, 64), dtype=bool)
        valid[:4] = False
        smap = sunpy.map.Map(bipole, mdi_map.meta, mask=~valid)
        result = enlarge(smap, 2, valid=valid)
        members = np.ones((2, 96, 128), dtype=np.float32)
        cube = to_ndcube(result, members)
        assert np.isnan(cube.data[:, :8]).all()
        assert np.isfinite(cube.data[:, 8:]).all()
        assert np.isfinite(members).all()
        assert cube.mask.shape == cube.shape
        assert cube.mask[:, :8].all()
        assert not cube.mask[:, 8:].any()

    def test_wrong_shape(self, mdi_map):
        for shape in ((48, 64), (2, 64, 48)):
            with pytest.raises(ValueError, match="members has shape"):
                to_ndcube(mdi_map, np.zeros(shape))


def test_aia_keeps_its_class():
    smap = sunpy.map.Map(get_test_filepath("aia_171_level1.fits"))
    result = enlarge(smap, 2)
    assert type(result) is type(smap)
    assert result.wavelength == smap.wavelength
