import warnings

import numpy as np
import pytest

import astropy.units as u
from astropy.coordinates import SkyCoord

import sunpy.map
from sunpy.data.test import get_test_filepath
from sunpy.util.exceptions import SunpyMetadataWarning

from sunpy_superres import maps
from sunpy_superres._quiet_sun import limb_darkening
from sunpy_superres._wcs import disk_radius
from sunpy_superres.maps import from_array
from sunpy_superres.observations import read, recognize

ACCEPTED = "GONG, SDO/HMI, SOHO/MDI"


def variant(smap, data=None, *, remove=(), **changes):
    """
    A Map like another, with keys changed (``date_obs`` for DATE-OBS) or removed.
    """
    meta = {key: value for key, value in smap.meta.items() if key not in remove}
    meta |= {key.replace("date_", "date-"): value for key, value in changes.items()}
    return sunpy.map.Map(smap.data if data is None else data, meta)


@pytest.fixture
def sharp(bipole):
    """
    A cylindrical equal-area patch of HMI, centered 30 degrees west of a central meridian at 100 degrees.
    """
    header = {
        "telescop": "SDO/HMI",
        "instrume": "HMI_COMBINED",
        "content": "HMI observable",
        "bunit": "Mx/cm^2",
        "ctype1": "CRLN-CEA",
        "ctype2": "CRLT-CEA",
        "cunit1": "degree",
        "cunit2": "degree",
        "cdelt1": 0.03,
        "cdelt2": 0.03,
        "crpix1": 32.5,
        "crpix2": 24.5,
        "crval1": 130.0,
        "crval2": 0.0,
        "crota2": 0.0,
        "t_obs": "2011.02.15_00:00:00_TAI",
        "date-obs": "2011-02-14T23:58:00",
        "crln_obs": 100.0,
        "crlt_obs": 0.0,
        "dsun_obs": 1.48e11,
        "rsun_ref": 6.96e8,
        "rsun_obs": 970.0,
    }
    return sunpy.map.Map(bipole.copy(), header)


def test_values(mdi_map, bipole):
    observation = read(mdi_map)
    np.testing.assert_array_equal(observation.field, bipole)
    assert observation.field.dtype == observation.radius.dtype == observation.calibrated.dtype == np.float32
    assert observation.valid.all()
    assert observation.scale == pytest.approx(1.986)
    assert observation.instrument.name == "mdi"
    np.testing.assert_allclose(observation.calibrated, 0.701 * bipole, rtol=1e-6)


def test_the_map_is_not_touched(mdi_map, bipole):
    data = bipole.copy()
    data[0, 0] = np.nan
    smap = variant(mdi_map, data)
    before = data.copy(), dict(smap.meta)
    observation = read(smap)
    observation.field[:] = 7
    np.testing.assert_array_equal(smap.data, before[0])
    assert dict(smap.meta) == before[1]


@pytest.mark.parametrize("dtype", [">f4", ">f8", "<f8", ">i2", "int32", "float16"])
def test_number_types(mdi_map, bipole, dtype):
    observation = read(variant(mdi_map, bipole.astype(dtype)))
    assert observation.field.dtype == np.float32
    assert observation.field.dtype.isnative
    np.testing.assert_array_equal(observation.field, bipole.astype(dtype).astype(np.float32))


def test_dask(mdi_map, bipole):
    array = pytest.importorskip("dask.array")
    observation = read(variant(mdi_map, array.from_array(bipole, chunks=16)))
    assert type(observation.field) is np.ndarray
    np.testing.assert_array_equal(observation.field, bipole)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39, -214748364.8])
def test_not_valid(mdi_map, bipole, value):
    data = bipole.astype(float)
    data[3:5, 7] = value
    observation = read(variant(mdi_map, data))
    assert not observation.valid[3:5, 7].any()
    assert observation.valid.sum() == data.size - 2
    assert (observation.field[~observation.valid] == 0).all()


def test_mask_does_not_count(mdi_map, bipole):
    data = bipole.copy()
    data[2, 2] = np.nan
    mask = np.zeros(data.shape, dtype=bool)
    mask[:3, :3] = True
    smap = sunpy.map.Map(data, mdi_map.meta, mask=mask)
    assert read(smap).valid.sum() == data.size - 1


@pytest.mark.parametrize(("unit", "factor"), [("T", 1e4), ("mT", 10), ("kG", 1e3), ("G", 1), ("GAUSS", 1)])
def test_units(mdi_map, bipole, unit, factor):
    observation = read(variant(mdi_map, bipole / factor, bunit=unit))
    np.testing.assert_allclose(observation.field, bipole, rtol=1e-5)


class TestRecognize:
    def test_by_class(self, bipole):
        assert recognize(from_array(bipole, scale=2, instrument="mdi")).name == "mdi"
        assert recognize(from_array(bipole, scale=2, instrument="hmi")).name == "hmi"

    @pytest.mark.parametrize("name", ["HMI_SIDE1", "HMI_FRONT2", "HMI_COMBINED"])
    def test_names_of_hmi(self, sharp, name):
        assert recognize(variant(sharp, instrume=name)).name == "hmi"

    def test_mdi_by_camera_alone(self, mdi_map):
        assert recognize(variant(mdi_map, remove=["instrume"], camera="MDI")).name == "mdi"

    def test_smarp(self, sharp):
        smap = variant(sharp, telescop="SOHO", instrume="MDI", content="MDI observable", bunit="Gauss")
        assert recognize(smap).name == "mdi"

    def test_not_a_map(self):
        for thing in (np.ones((4, 4)), None, "map.fits"):
            with pytest.raises(TypeError, match="sunpy Map"):
                recognize(thing)
            with pytest.raises(TypeError, match="sunpy Map"):
                read(thing, instrument="mdi")

    def test_unknown(self, mdi_map):
        smap = variant(mdi_map, remove=["instrume", "camera"])
        with pytest.raises(ValueError, match=f"{ACCEPTED}.*instrument="):
            read(smap)
        assert read(smap, instrument="hmi").instrument.name == "hmi"
        with pytest.raises(ValueError, match="gong, hmi, hmi-continuum, mdi"):
            read(smap, instrument="kpvt")

    def test_unknown_telescope(self, mdi_map):
        smap = variant(mdi_map, remove=["instrume", "camera"], telescop="Kitt Peak")
        with pytest.raises(ValueError, match=f"{ACCEPTED}.*say which one it resembles"):
            read(smap)

    def test_gong(self, gong):
        assert recognize(gong).name == "gong"

    def test_override(self, mdi_map):
        assert read(mdi_map, instrument="HMI").instrument.name == "hmi"


class TestGong:
    def test_the_sky_is_not_valid_nor_what_touches_it(self, gong):
        observation = read(gong)
        assert observation.field.min() > -30
        inside = observation.radius < 0.99
        assert observation.valid[inside].all()
        assert not observation.valid[observation.radius > 1].any()
        np.testing.assert_allclose(observation.calibrated[inside], 1.438 * gong.data[inside], rtol=1e-6)
        assert observation.scale == pytest.approx(2.53, rel=0.02)

    def test_sky_without_a_number(self, gong):
        data = gong.data.copy()
        data[data < -100] = np.nan
        np.testing.assert_array_equal(read(variant(gong, data)).valid, np.isfinite(data))

    def test_a_cutout_without_sky(self, gong):
        cutout = gong.submap([300, 300] * u.pix, top_right=[400, 400] * u.pix)
        assert read(cutout).valid.all()

    def test_the_real_one(self, shared_data):
        smap = sunpy.map.Map(next((shared_data / "gong").glob("*.fits*")))
        observation = read(smap)
        assert observation.instrument.name == "gong"
        assert observation.field.min() > -200
        assert 0.997 < observation.radius[observation.valid].max() < 1


class TestRefused:
    @pytest.mark.parametrize("instrument", [None, "mdi"])
    def test_aia(self, instrument):
        smap = sunpy.map.Map(get_test_filepath("aia_171_level1.fits"))
        with pytest.raises(ValueError, match=ACCEPTED):
            read(smap, instrument=instrument)
        bare = variant(smap, remove=["bunit", "pixlunit"])
        with pytest.raises(ValueError, match=ACCEPTED):
            read(bare, instrument=instrument)

    @pytest.mark.parametrize("instrument", [None, "hmi"])
    @pytest.mark.parametrize(
        "changes",
        [
            {"bunit": "DN/s"},
            {"bunit": "m/s"},
            {"content": "CONTINUUM INTENSITY"},
            {"content": "DOPPLERGRAM"},
            {"content": "Carrington Synoptic Chart Of Mr Field"},
            {"drms_id": "hmi.sharp_cea_720s:9893803:continuum"},
            {"drms_id": "hmi.sharp_cea_720s:9893803:Bp"},
            {"drms_id": "hmi.sharp_cea_720s:9893803:Bt"},
            {"drms_id": "hmi.sharp_cea_720s:9893803:Br_err"},
        ],
    )
    def test_quantity(self, sharp, changes, instrument):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SunpyMetadataWarning)  # sunpy's own word on the unit
            smap = variant(sharp, **changes)
        with pytest.raises(ValueError, match=f"{ACCEPTED}|is a magnetogram, not a continuum image"):
            read(smap, instrument=instrument)

    @pytest.mark.parametrize("unit", ["Arbitrary intensity units", "who knows"])
    def test_no_unit_at_all(self, mdi_map, unit):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SunpyMetadataWarning)
            smap = variant(mdi_map, bunit=unit)
        with pytest.raises(ValueError, match=f"{unit}.*{ACCEPTED}"):
            read(smap, instrument="mdi")

    def test_continuum_of_another_telescope(self, mdi_map):
        with pytest.raises(ValueError, match=f"not a magnetogram.*{ACCEPTED}, and continuum images of SDO/HMI"):
            read(variant(mdi_map, content="Continuum intensity"))

    def test_pictures(self, mdi_map, bipole):
        picture = np.clip(bipole / 10 + 128, 0, 255).astype(np.uint8)
        smap = sunpy.map.GenericMap(picture, mdi_map.meta)
        with pytest.raises(ValueError, match="display"):
            read(smap)

    def test_counts_called_gauss(self, mdi_map):
        with pytest.raises(ValueError, match="more than any field"):
            read(variant(mdi_map, np.full((48, 64), 42000.0)))

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_nothing_finite(self, mdi_map, value):
        smap = sunpy.map.GenericMap(np.full((4, 4), value), mdi_map.meta)
        with pytest.raises(ValueError, match="no finite pixel"):
            read(smap)

    def test_empty(self, mdi_map):
        smap = sunpy.map.GenericMap(np.zeros((0, 4)), mdi_map.meta)
        with pytest.raises(ValueError, match="at least one pixel"):
            read(smap)


class TestUnitNotStated:
    def test_content_says_magnetogram(self, mdi_map):
        assert read(variant(mdi_map, remove=["bunit"])).instrument.name == "mdi"

    def test_segment_says_magnetogram(self, sharp):
        smap = variant(sharp, remove=["bunit"], drms_id="hmi.sharp_cea_720s:9893803:magnetogram")
        assert read(smap).instrument.name == "hmi"

    def test_archive_states_it_elsewhere(self, sharp):
        assert read(variant(sharp, remove=["bunit"], _bunit="Mx/cm^2")).instrument.name == "hmi"
        with pytest.raises(ValueError, match=r"unit.*DN/s"):
            read(variant(sharp, remove=["bunit"], _bunit="DN/s"), instrument="hmi")

    def test_nothing_says_so(self, sharp):
        smap = variant(sharp, remove=["bunit"])
        with pytest.raises(ValueError, match="no unit"):
            read(smap)
        assert read(smap, instrument="hmi").scale == pytest.approx(0.03 * np.pi / 180 * 970)


class TestCoordinates:
    @pytest.mark.parametrize("remove", [["cdelt1", "cdelt2"], ["cdelt2"]])
    def test_no_scale(self, mdi_map, remove):
        with pytest.raises(ValueError, match=r"usable WCS.*pixel scale"):
            read(variant(mdi_map, remove=remove))

    @pytest.mark.parametrize("value", [0.0, 2.2])
    def test_pixels_not_square(self, mdi_map, value):
        with pytest.raises(ValueError, match="usable WCS"):
            read(variant(mdi_map, cdelt2=value))

    def test_sheared(self, mdi_map):
        with pytest.raises(ValueError, match=r"usable WCS.*not square"):
            read(variant(mdi_map, remove=["crota2"], pc1_1=1, pc1_2=0.3, pc2_1=0, pc2_2=1))

    @pytest.mark.parametrize("axes", [("RA---TAN", "DEC--TAN"), ("LINEAR", "LINEAR")])
    def test_not_solar(self, mdi_map, axes):
        with pytest.raises(ValueError, match="usable WCS"):
            read(variant(mdi_map, ctype1=axes[0], ctype2=axes[1]))

    def test_whole_sun(self, sharp):
        with pytest.raises(ValueError, match="synoptic"):
            read(variant(sharp, cdelt1=5.0, cdelt2=5.0))

    def test_cd_matrix(self, mdi_map):
        angle = np.radians(30)
        smap = variant(
            mdi_map,
            remove=["cdelt1", "cdelt2", "crota2"],
            cd1_1=2 * np.cos(angle),
            cd1_2=-2 * np.sin(angle),
            cd2_1=2 * np.sin(angle),
            cd2_2=2 * np.cos(angle),
        )
        assert read(smap).scale == pytest.approx(2)

    @pytest.mark.parametrize("roll", [0, 33, 180, -90])
    def test_radius_of_cutouts(self, mdi_map, roll):
        smap = variant(mdi_map, crota2=roll, crpix1=-40.0, crpix2=300.5)
        observation = read(smap)
        y, x = np.mgrid[:48, :64]
        world = smap.wcs.pixel_to_world(x, y)
        expected = np.hypot(world.Tx, world.Ty) / smap.rsun_obs
        np.testing.assert_allclose(observation.radius, expected.to_value(u.one), atol=1e-5)

    def test_radius_of_patches(self, sharp):
        observation = read(sharp)
        y, x = np.mgrid[:48, :64]
        on_the_sun = sharp.wcs.pixel_to_world(x, y)
        seen = SkyCoord(on_the_sun.make_3d()).transform_to("helioprojective")
        # Perspective at 1 au: the disk's radius at the surface is up to 0.5 % nearer
        np.testing.assert_allclose(observation.radius, np.hypot(seen.Tx, seen.Ty) / (970 * u.arcsec), atol=5e-3)
        assert observation.radius[24, 32] == pytest.approx(0.5, abs=0.01)

    def test_radius_on_the_far_side(self, sharp):
        assert (read(variant(sharp, crval1=250.0)).radius == 1).all()

    def test_disk_center_and_limb(self):
        smap = from_array(np.ones((101, 101)), scale=20, instrument="mdi", rsun_obs=960)
        radius = read(smap).radius
        assert radius[50, 50] == pytest.approx(0, abs=1e-9)
        assert radius[50, 98] == pytest.approx(1, abs=1e-4)


class TestContinuum:
    @pytest.fixture
    def image(self):
        """
        A darkened disk of 48 pixels with a spot, in counts, as HMI takes it.
        """
        smap = maps.from_array(np.ones((96, 96)), scale=20.0, instrument="hmi-continuum")
        radius = disk_radius(smap)
        counts = np.where(radius < 1, 5e4 * limb_darkening(radius), np.nan)
        counts[46:50, 46:50] *= 0.2
        return variant(smap, counts, bunit="DN/s")

    def test_quiet_sun(self, image):
        observation = read(image)
        assert observation.instrument.name == "hmi-continuum"
        assert observation.quiet_sun == pytest.approx(5e4, rel=1e-3)
        assert observation.field[40, 40] == pytest.approx(limb_darkening(observation.radius[40, 40]), rel=1e-3)
        assert observation.field[48, 48] == pytest.approx(0.2, rel=0.01)
        np.testing.assert_array_equal(observation.valid, np.isfinite(image.data))

    def test_limb_darkening_is_not_divided_out_twice(self, image):
        flat = variant(image, np.full(image.data.shape, 0.98))
        assert read(flat).quiet_sun == pytest.approx(0.98)
        # A cutout away from disk center does not tell: it is taken to be as HMI takes it.
        assert read(variant(flat, crval1=700.0, cdelt1=0.5, cdelt2=0.5)).quiet_sun > 1.1

    def test_spots_are_not_quiet(self, rng):
        data = rng.normal(1, 0.03, (40, 40))
        data[:, 12:] *= 0.3
        smap = maps.from_array(data, scale=0.5, instrument="hmi-continuum")
        assert read(smap).quiet_sun == pytest.approx(1, abs=0.02)

    def test_holes_are_not_dark(self, image):
        data = image.data.copy()
        data[30:33, 30] = np.nan
        observation = read(variant(image, data))
        assert not observation.valid[30:33, 30].any()
        assert observation.field[31, 30] == pytest.approx(observation.field[31, 29], rel=0.01)
        assert observation.field[0, 0] == 0  # off the disk it is dark

    def test_other_telescopes(self, image):
        with pytest.raises(ValueError, match="no continuum image of SDO/HMI"):
            read(sunpy.map.Map(get_test_filepath("aia_171_level1.fits")), instrument="hmi-continuum")
        with pytest.raises(ValueError, match="in m / s is no continuum image"):
            read(variant(image, bunit="m/s", remove=["content"]), instrument="hmi-continuum")
        with pytest.raises(ValueError, match="give instrument='hmi-continuum'"):
            read(variant(image, remove=["content"]))

    def test_segment_alone_tells(self, image):
        bare = variant(image, drms_id="hmi.sharp_cea_720s:9893803:continuum", remove=["content", "bunit"])
        assert recognize(bare).name == "hmi-continuum"

    @pytest.mark.parametrize("level", [0.0, -5.0])
    def test_dark_images(self, image, level):
        with pytest.raises(ValueError, match="quiet Sun of the map has the intensity"):
            read(variant(image, np.full(image.data.shape, level)))

    def test_off_the_disk(self, image):
        with pytest.raises(ValueError, match=r"within 0\.95 solar radii"):
            read(variant(image, crval1=3000.0))

    def test_magnetogram_is_no_continuum(self, sharp):
        with pytest.raises(ValueError, match="is a magnetogram, not a continuum image"):
            read(sharp, instrument="hmi-continuum")


class TestRealObservations:
    def read(self, path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # real headers are as they are
            return read(sunpy.map.Map(path))

    def test_mdi(self, shared_data):
        for path in sorted((shared_data / "mdi" / "full_disk").glob("*.fits")):
            observation = self.read(path)
            assert observation.instrument.name == "mdi"
            assert observation.scale == pytest.approx(1.986, abs=1e-3)
            assert 0.6 < observation.valid.mean() < 0.8
            assert observation.radius[observation.valid].max() < 1.01

    def test_smarp(self, shared_data):
        (path,) = (shared_data / "mdi" / "smarp").glob("*.fits")
        observation = self.read(path)
        assert observation.instrument.name == "mdi"
        assert observation.scale == pytest.approx(2, abs=0.02)

    def test_hmi(self, shared_data):
        for pattern in ("native/*.fits", "rebinned_2arcsec/*.fits", "validation/*magnetogram.fits"):
            for path in sorted((shared_data / "hmi").glob(pattern)):
                assert self.read(path).instrument.name == "hmi"

    def test_continuum(self, shared_data):
        paths = sorted((shared_data / "hmi").glob("*/*continuum.fits"))
        found = [self.read(path) for path in paths]
        assert {observation.instrument.name for observation in found} == {"hmi-continuum"}
        # The quiet Sun of five regions, at 0.76 to 0.99 of the cosine, after division by the limb darkening.
        levels = np.array([observation.quiet_sun for observation in found])
        assert np.ptp(levels) < 0.01 * levels.mean()
