import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import astropy.units as u
from astropy.coordinates import SkyCoord, UnitSphericalRepresentation

import sunpy.map
from sunpy.coordinates import HeliographicStonyhurst, Helioprojective, get_earth
from sunpy.map.header_helper import make_fitswcs_header, make_heliographic_header

from sunpy_superres.maps import from_array
from sunpy_superres.metrics import (
    flux_ratio,
    net_flux_error,
    pixel_area,
    radial_flux,
    signed_flux_error,
    unsigned_flux,
)

GAUSS = arrays(np.float64, (4, 6), elements=st.integers(-3000, 3000))
# Each score, what it becomes when the polarities are swapped, as a function of c times the fields.
SCORES = {
    "flux_ratio": (lambda p, g, c: flux_ratio(p, g, 100 * c), 1),
    "net_flux_error": (lambda p, g, c: net_flux_error(p, g), -1),
    "unsigned_flux": (lambda p, g, c: unsigned_flux(p, threshold=100 * c) / c, 1),
    "radial_flux": (lambda p, g, c: radial_flux(p, 0.5, 2, 100 * c) / c, 1),
}


@pytest.mark.parametrize("name", SCORES)
@given(pred=GAUSS, truth=GAUSS, scale=st.sampled_from([0.25, 2.0, 1024.0]))
def test_invariances(name, pred, truth, scale):
    score, parity = SCORES[name]
    expected = pytest.approx(score(pred, truth, 1), rel=1e-9, abs=1e-12, nan_ok=True)
    assert score(scale * pred, scale * truth, scale) == expected
    for turn in (np.fliplr, np.flipud, np.transpose, np.rot90, np.ravel):
        assert score(turn(pred), turn(truth), 1) == expected
    assert parity * score(-pred, -truth, 1) == expected
    padded = np.pad(pred, 2, constant_values=np.nan), np.pad(truth, 2, constant_values=7)
    assert score(*padded, 1) == expected


def test_unsigned_flux():
    field = np.array([[1.0, -2.0], [np.nan, 4.0]], dtype=">f4")
    assert unsigned_flux(field) == 7.0
    assert unsigned_flux(field, pixel_area=1e15) == 7e15
    assert unsigned_flux(field, threshold=2) == 4.0
    # Areas of pixels that do not count may be anything.
    assert unsigned_flux(field, pixel_area=[[1, 10], [np.nan, 100]]) == 421.0


def test_unsigned_flux_scales_with_resolution(rng):
    coarse = rng.normal(0, 100, (6, 7))
    fine = np.kron(coarse, np.ones((4, 4)))
    assert unsigned_flux(fine, pixel_area=1 / 16) == pytest.approx(unsigned_flux(coarse))
    assert unsigned_flux(fine, pixel_area=pixel_area(0.5)) == pytest.approx(unsigned_flux(coarse, pixel_area(2)))


def test_flux_with_units():
    smap = from_array(np.full((3, 4), -100.0), scale=0.5, instrument="hmi")
    area = pixel_area(smap)
    assert unsigned_flux(smap, area) == pytest.approx(1200 * area)
    assert unsigned_flux(smap, area * u.cm**2) == pytest.approx(1200 * area)
    assert unsigned_flux(smap, (area * u.cm**2).to(u.Mm**2)) == pytest.approx(1200 * area)
    assert unsigned_flux(0.01 * u.T, 2) == pytest.approx(0.02)


def test_pixel_area_by_hand():
    # As in the keywords of SHARPs: CDELT in arcsec, RSUN_REF in m, RSUN_OBS in arcsec.
    assert pixel_area(0.504, 971.81, 6.96e8) == pytest.approx(0.504**2 * (6.96e8 / 971.81) ** 2 * 1e4)
    # The disk has the area of all the pixels on it.
    assert pixel_area(0.5) * math.pi * (959.63 / 0.5) ** 2 == pytest.approx(math.pi * 6.96e10**2)
    smap = from_array(np.zeros((4, 4)), scale=0.5, instrument="hmi", rsun_obs=950)
    assert pixel_area(smap) == pytest.approx(pixel_area(0.5, 950, smap.rsun_meters.value))
    assert pixel_area(smap, rsun=1) == pytest.approx(pixel_area(0.5, 950, 1))
    assert pixel_area(smap.scale[0], 950) == pytest.approx(pixel_area(0.5, 950))


def test_radial_flux(rng):
    field, mu = rng.normal(0, 100, (5, 6)), rng.uniform(0.4, 1, (5, 6))
    area = rng.uniform(1, 2, (5, 6))
    total = sum(abs(b / m) * a / m for b, m, a in zip(field.flat, mu.flat, area.flat, strict=True))
    assert radial_flux(field, mu, area) == pytest.approx(total)
    assert radial_flux(field, 1) == pytest.approx(unsigned_flux(field))
    # Beyond the limb nothing counts.
    beyond = np.where(mu > 0.5, mu, rng.choice([0, -1, np.nan], mu.shape))
    assert radial_flux(field, beyond) == pytest.approx(radial_flux(np.where(mu > 0.5, field, np.nan), mu))


def test_radial_flux_of_a_map():
    # A radial field of 100 G has a flux of 100 G times the area of the cap, here within 0.9 radii, by the surface.
    n = 400
    r = np.hypot(*(np.indices((n, n)) - (n - 1) / 2)) * 5 / 950
    field = np.where(r < 0.9, 100 * np.sqrt(np.clip(1 - r**2, 0, 1)), np.nan)
    smap = from_array(field, scale=5, instrument="hmi", rsun_obs=950)
    flux = radial_flux(smap, pixel_area=pixel_area(smap))
    cap = 2 * math.pi * (smap.rsun_meters.value * 100) ** 2 * (1 - math.sqrt(1 - 0.9**2))
    assert flux == pytest.approx(100 * cap, rel=2e-3)


def radial_patch(header):
    """
    A Map of the line of sight of 100 G, radial, within 12 degrees of a place at 36 degrees from disk center, else 0.
    """
    shape = header.pop("shape")
    smap = sunpy.map.Map(np.zeros(shape), header)
    with np.errstate(invalid="ignore"):
        places = sunpy.map.all_coordinates_from_map(smap)
        places = places.transform_to(HeliographicStonyhurst(obstime=smap.date))
    vectors = places.represent_as(UnitSphericalRepresentation).to_cartesian().xyz.value.reshape(3, -1)
    center = SkyCoord(30 * u.deg, 20 * u.deg, frame=HeliographicStonyhurst(obstime=smap.date)).cartesian.xyz.value
    sun_earth = smap.observer_coordinate.transform_to(HeliographicStonyhurst(obstime=smap.date)).cartesian.xyz
    mu = (sun_earth / np.linalg.norm(sun_earth)).value @ vectors
    inside = (center @ vectors >= math.cos(math.radians(12))) & (mu > 0)
    return smap, sunpy.map.Map(np.where(inside, 100 * mu, 0).reshape(shape), smap.meta)


def cea(projection="CEA"):
    observer = get_earth("2011-02-15")
    header = make_heliographic_header(
        observer.obstime, observer, (360, 720), frame="carrington", projection_code=projection
    )
    return {**header, "shape": (360, 720), "bunit": "Gauss"}


def sharp():
    # As of the SHARPs, around a place of its own.
    observer = get_earth("2011-02-15")
    return {
        "ctype1": "HGLN-CEA", "ctype2": "HGLT-CEA", "cunit1": "deg", "cunit2": "deg", "cdelt1": 0.12, "cdelt2": 0.12,
        "crpix1": 170.5, "crpix2": 150.5, "crval1": 28.0, "crval2": 17.0, "date-obs": observer.obstime.isot,
        "dsun_obs": observer.radius.to_value("m"), "hgln_obs": 0.0, "hglt_obs": observer.lat.to_value("deg"),
        "rsun_ref": 6.957e8, "bunit": "Gauss", "shape": (300, 340),
    }  # fmt: skip


def on_the_sky():
    observer = get_earth("2011-02-15")
    center = SkyCoord(0 * u.arcsec, 0 * u.arcsec, frame=Helioprojective(observer=observer, obstime=observer.obstime))
    header = make_fitswcs_header((500, 500), center, scale=[4, 4] * u.arcsec / u.pix, unit=u.G)
    return {**header, "shape": (500, 500)}


@pytest.mark.parametrize("header", [cea, sharp, on_the_sky])
def test_flux_of_a_radial_field(header):
    _, smap = radial_patch(header())
    area = pixel_area(smap)
    expected = 100 * 2 * math.pi * (smap.rsun_meters.value * 100) ** 2 * (1 - math.cos(math.radians(12)))
    assert radial_flux(smap, pixel_area=area) == pytest.approx(expected, rel=0.01)
    error = signed_flux_error(smap, sunpy.map.Map(0 * smap.data, smap.meta), area)
    assert np.nansum(error) == pytest.approx(expected, rel=0.01)
    # One of the two is enough to know where it is.
    for pair in ((smap, 0 * smap.data), (smap.data, sunpy.map.Map(0 * smap.data, smap.meta))):
        np.testing.assert_allclose(signed_flux_error(*pair, area), error)
    # With a mu of its own, the frame still tells what a pixel is.
    power = 2 if header is on_the_sky else 1
    assert radial_flux(smap, 0.5, area) == pytest.approx(unsigned_flux(smap, area) * 2**power)
    assert np.nansum(signed_flux_error(smap, 0 * smap.data, area, 0.5)) == pytest.approx(
        np.sum(smap.data) * area * 2**power
    )


def test_area_on_the_surface():
    empty, _ = radial_patch(cea())
    sphere = 4 * math.pi * (empty.rsun_meters.value * 100) ** 2
    assert pixel_area(empty) * empty.data.size == pytest.approx(sphere, rel=1e-3)
    # The angular radius has no part in it.
    assert pixel_area(empty, 900) == pytest.approx(pixel_area(empty))
    assert pixel_area(empty, rsun=1 * u.km) == pytest.approx(pixel_area(empty, rsun=1000))
    assert pixel_area(0.5, 16 * u.arcmin, 696 * u.Mm) == pytest.approx(pixel_area(0.5, 960, 6.96e8))
    with pytest.raises(ValueError, match="projection CAR are not of one area"):
        pixel_area(radial_patch(cea("CAR"))[0])


def test_mu_and_area_with_units(rng):
    field = rng.normal(0, 100, (4, 5))
    assert radial_flux(field, 50 * u.percent) == pytest.approx(radial_flux(field, 0.5))
    with pytest.raises(ValueError, match="unit of mu is 'deg'"):
        radial_flux(field, 60 * u.deg)
    with pytest.raises(ValueError, match="unit of pixel_area is 'arcsec2', which does not convert to 'cm2'"):
        unsigned_flux(field, 1 * u.arcsec**2)
    smap = from_array(field, scale=0.5, instrument="hmi")
    with pytest.raises(ValueError, match="corners of the mu and of the truth"):
        radial_flux(smap, from_array(field, scale=0.5, center=(9, 0)))


def test_flux_ratio(rng):
    pred, truth = rng.normal(0, 100, (2, 20, 30))
    for threshold in (0, 30, 100):
        over = (
            sum(abs(v) for v in pred.flat if abs(v) > threshold),
            sum(abs(v) for v in truth.flat if abs(v) > threshold),
        )
        assert flux_ratio(pred, truth, threshold) == pytest.approx(over[0] / over[1])
    assert flux_ratio(pred, truth, 0) == pytest.approx(unsigned_flux(pred) / unsigned_flux(truth))
    assert math.isnan(flux_ratio(pred, truth, 1e4))


def test_net_flux_error(rng):
    pred, truth = rng.normal(0, 100, (2, 20, 30))
    assert net_flux_error(pred, truth) == pytest.approx((pred.sum() - truth.sum()) / np.abs(truth).sum())
    assert net_flux_error(truth, truth) == 0
    assert math.isnan(net_flux_error([1.0], [0.0]))


@pytest.mark.parametrize("block", [1, 4, 5])
def test_signed_flux_error_by_loops(block, rng):
    pred, truth = rng.normal(0, 100, (2, 14, 19)).astype(np.float32)
    mu, area = rng.uniform(0.4, 1, (2, 14, 19))
    pred[2, 3], truth[9, 9], mu[11, 17] = np.nan, np.inf, 0
    errors = signed_flux_error(pred, truth, area, mu, block)
    assert errors.shape == (14 // block, 19 // block)
    for y, x in np.ndindex(errors.shape):
        total = 0.0
        for i, j in np.ndindex(block, block):
            at = y * block + i, x * block + j
            known = np.isfinite(pred[at]) and np.isfinite(truth[at]) and mu[at] > 0
            total += (float(pred[at]) - float(truth[at])) * area[at] / mu[at] ** 2 if known else np.nan
        assert errors[y, x] == pytest.approx(total, nan_ok=True)


@given(GAUSS, GAUSS)
def test_signed_flux_error_sums_to_the_net_flux_error(pred, truth):
    for block in (1, 2):
        errors = signed_flux_error(pred, truth, block=block)
        assert errors.sum() == pytest.approx(pred.sum() - truth.sum())
        np.testing.assert_array_equal(signed_flux_error(-pred, -truth, block=block), -errors)
        np.testing.assert_array_equal(signed_flux_error(np.rot90(pred), np.rot90(truth), block=block), np.rot90(errors))


def test_errors():
    field = np.zeros((4, 5))
    with pytest.raises(ValueError, match="No pixel"):
        unsigned_flux(np.full((2, 2), np.nan))
    with pytest.raises(ValueError, match=r"pixel_area must be one number or have the shape \(4, 5\).* not \(4, 4\)"):
        unsigned_flux(field, np.ones((4, 4)))
    with pytest.raises(ValueError, match="Give mu"):
        radial_flux(field)
    with pytest.raises(ValueError, match="mu must be one number or have the shape"):
        radial_flux(field, np.ones(5))
    with pytest.raises(ValueError, match="on the disk"):
        radial_flux(field, 0)
    with pytest.raises(ValueError, match="must be positive"):
        pixel_area(0.5, -1)
    with pytest.raises(ValueError, match="one positive number in arcsec"):
        pixel_area(0)
    with pytest.raises(ValueError, match="must be equal"):
        flux_ratio(field, field.T)
    with pytest.raises(ValueError, match="No pixel is finite in both"):
        net_flux_error([np.nan], [0.0])
    with pytest.raises(ValueError, match="2 dimensions"):
        signed_flux_error(np.zeros(5), np.zeros(5))
    with pytest.raises(ValueError, match="must have 1 to 4 pixels a side"):
        signed_flux_error(field, field, block=8)
