import dask.array
import numpy as np
import pytest

import astropy.units as u
from astropy.utils.masked import Masked

import sunpy.map

from sunpy_superres import metrics
from sunpy_superres.maps import from_array, to_ndcube
from sunpy_superres.metrics._arrays import (
    arcsec_per_pixel,
    as_array,
    as_field,
    ensemble_blocks,
    finite_pairs,
    in_unit,
    on_surface,
    same_shape,
    squares,
    whole_blocks,
)

SHAPE = (24, 32)

# Every score of a prediction and a truth in gauss, as a number or an array.
SCORES = {
    "rmse": metrics.rmse,
    "mae": metrics.mae,
    "bias": metrics.bias,
    "pcc": metrics.pcc,
    "slope": metrics.slope,
    "psnr": lambda p, g: metrics.psnr(p, g, 6000),
    "ssim": lambda p, g: metrics.ssim(p, g, 6000),
    "fraction_within": lambda p, g: metrics.fraction_within(p, g, 100),
    "pcc_by": lambda p, g: metrics.pcc_by(p, g, np.indices(SHAPE)[0], [0, 8, 24])[0],
    "polarity_score": metrics.polarity_score,
    "flux_ratio": lambda p, g: metrics.flux_ratio(p, g, 30),
    "net_flux_error": metrics.net_flux_error,
    "signed_flux_error": lambda p, g: metrics.signed_flux_error(p, g, mu=1, block=4),
    "extreme_error": lambda p, g: metrics.extreme_error(p, g, 4),
    "extreme_bias": lambda p, g: metrics.extreme_bias(p, g, 4),
    "gradient_error": metrics.gradient_error,
    "gradient_ratio": metrics.gradient_ratio,
    "gradient_mae": metrics.gradient_mae,
    "wasserstein": metrics.wasserstein,
    "active_region_jaccard": lambda p, g: metrics.active_region_jaccard(p, g, 0.5, contour=5),
    "valid_count": metrics.valid_count,
}

# Scores that compare with thresholds in gauss, and so convert to it.
IN_GAUSS = ("polarity_score", "active_region_jaccard", "pcc", "slope", "ssim", "net_flux_error", "gradient_ratio")


@pytest.fixture
def fields(rng):
    truth = np.kron(rng.normal(0, 400, (6, 8)), np.ones((4, 4))) + rng.normal(0, 30, SHAPE)
    return (0.9 * truth + rng.normal(0, 60, SHAPE)).astype(np.float32), truth.astype(np.float32)


def hmi(data, **options):
    return from_array(data, scale=0.5, instrument="hmi", **options)


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize(
    "make", [hmi, lambda a: a * u.G, lambda a: (a * u.G).to(u.T), np.ma.masked_array, lambda a: a.tolist()]
)
def test_scores_take_maps_quantities_and_arrays(name, make, fields):
    pred, truth = fields
    expected = SCORES[name](pred, truth)
    result = SCORES[name](make(pred), hmi(truth))
    np.testing.assert_allclose(result, expected, rtol=1e-5)
    if name != "pcc_by":
        assert type(result) is type(expected)


@pytest.mark.parametrize("name", SCORES)
def test_without_a_unit_it_has_that_of_the_other(name, fields):
    pred, truth = fields
    expected = SCORES[name](pred, truth)
    np.testing.assert_array_equal(SCORES[name](pred, hmi(truth)), expected)
    np.testing.assert_array_equal(SCORES[name](hmi(pred), truth), expected)


@pytest.mark.parametrize("name", SCORES)
def test_masked_pixels_do_not_count(name, fields):
    pred, truth = fields
    mask_pred, mask_truth = np.zeros((2, *SHAPE), dtype=bool)
    mask_pred[:4], mask_truth[:, 28:] = True, True
    expected = SCORES[name](np.where(mask_pred, np.nan, pred), np.where(mask_truth, np.nan, truth))
    assert not np.array_equal(expected, SCORES[name](pred, truth), equal_nan=True)
    base_pred, base_truth = hmi(pred), hmi(truth)
    maps = [
        sunpy.map.Map(base.data, base.meta, mask=mask)
        for base, mask in ((base_pred, mask_pred), (base_truth, mask_truth))
    ]
    np.testing.assert_allclose(SCORES[name](*maps), expected)
    arrays = np.ma.masked_array(pred, mask_pred), np.ma.masked_array(truth, mask_truth)
    np.testing.assert_allclose(SCORES[name](*arrays), expected)
    np.testing.assert_allclose(SCORES[name](arrays[0], Masked(truth * u.G, mask_truth)), expected)


@pytest.mark.parametrize("name", SCORES)
def test_units_that_do_not_convert(name, fields):
    pred, truth = fields
    with pytest.raises(ValueError, match=r"prediction is 'K', which does not convert to 'G'"):
        SCORES[name](pred * u.K, hmi(truth))


@pytest.mark.parametrize("name", SCORES)
def test_maps_of_other_places(name, fields):
    pred, truth = fields
    SCORES[name](hmi(pred, center=(100.04, 0)), hmi(truth, center=(100, 0)))
    with pytest.raises(ValueError, match=r"0\.2 pixels apart, more than 0\.1: reproject"):
        SCORES[name](hmi(pred, center=(100.1, 0)), hmi(truth, center=(100, 0)))
    with pytest.raises(ValueError, match="Reproject one of the Maps"):
        SCORES[name](hmi(pred[1:]), hmi(truth))


def test_results_are_in_the_unit_of_the_truth(fields):
    pred, truth = fields
    tesla = truth.astype(float) * 1e-4 * u.T
    assert metrics.rmse(pred * u.G, tesla) == pytest.approx(1e-4 * metrics.rmse(pred, truth))
    assert metrics.rmse(tesla, pred * u.G) == pytest.approx(metrics.rmse(pred, truth))
    assert metrics.rmse(pred * 1e-4, tesla) == pytest.approx(1e-4 * metrics.rmse(pred, truth))
    assert metrics.rmse(pred * u.Mx / u.cm**2, truth * u.G) == pytest.approx(metrics.rmse(pred, truth))
    for name in IN_GAUSS:
        if name != "ssim":
            assert SCORES[name](pred * u.G, tesla) == pytest.approx(SCORES[name](pred, truth))
    with pytest.raises(ValueError, match="'foo', which does not convert"):
        metrics.rmse(u.Quantity(pred, u.Unit("foo", parse_strict="silent")), tesla)
    with pytest.raises(ValueError, match=r"'none \(dimensionless\)', which does not convert"):
        metrics.rmse(pred * u.dimensionless_unscaled, tesla)
    with pytest.raises(ValueError, match="unit of the field is 'K'"):
        metrics.pil_length(truth * u.K, 0.5)


def test_places_are_compared_as_seen_on_the_sky(fields):
    pred, truth = fields
    turned = hmi(truth).rotate(30 * u.deg, missing=np.nan)
    with pytest.raises(ValueError, match="pixels apart"):
        same_shape(hmi(np.ones(turned.data.shape)), turned)
    # Other reference pixel, same place.
    moved = hmi(truth)
    moved.meta["crpix1"] += 3
    moved.meta["crval1"] += 1.5
    same_shape(moved, hmi(truth))
    cea = hmi(pred)
    cea.meta["ctype1"], cea.meta["ctype2"] = "HGLN-CAR", "HGLT-CAR"
    cea.meta["cunit1"] = cea.meta["cunit2"] = "deg"
    with pytest.raises(ValueError, match=r"coordinates heliographic.* and the truth helioprojective"):
        same_shape(cea, hmi(truth))


def test_dask_and_integer_maps(fields):
    pred, truth = fields
    lazy = sunpy.map.Map(dask.array.from_array(pred), hmi(pred).meta)
    assert metrics.rmse(lazy, hmi(truth)) == pytest.approx(metrics.rmse(pred, truth))
    counts = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(
        as_array(np.ma.masked_array(counts, counts == 4)), [[0.0, 1.0, 2.0], [3.0, np.nan, 5.0]]
    )
    assert as_array(np.ma.masked_array(pred, pred > 0)).dtype == np.float32
    assert as_array(counts) is counts


def test_ensembles_of_maps(rng):
    truth = hmi(rng.normal(0, 100, (8, 9)))
    members = rng.normal(0, 100, (5, 8, 9)).astype(np.float32)
    expected = metrics.fair_crps(members, truth.data)
    for form in (
        to_ndcube(truth, members),
        members * u.G,
        [hmi(one) for one in members],
        tuple(one * u.G for one in members),
        list(members),
    ):
        assert metrics.fair_crps(form, truth) == pytest.approx(expected)
        assert metrics.fair_crps(form, truth.data) == pytest.approx(expected)
    masked = to_ndcube(truth, members)
    masked.mask = np.broadcast_to(np.arange(9) > 5, members.shape)
    assert metrics.fair_crps(masked, truth) == pytest.approx(metrics.fair_crps(members[..., :6], truth.data[:, :6]))
    with pytest.raises(ValueError, match="pixels apart"):
        metrics.fair_crps(to_ndcube(hmi(truth.data, center=(9, 0)), members), truth)
    with pytest.raises(ValueError, match="pixels apart"):
        metrics.fair_crps([truth, hmi(members[0], center=(9, 0))], truth)
    with pytest.raises(ValueError, match="does not convert"):
        metrics.fair_crps(members * u.K, truth)


def test_ensemble_blocks_errors():
    with pytest.raises(ValueError, match=r"Expected members of shape \(n, \*\(3,\)\)"):
        ensemble_blocks(np.zeros((2, 4)), np.zeros(3))
    with pytest.raises(ValueError, match="at least 2 members, got 1"):
        ensemble_blocks(np.zeros((1, 3)), np.zeros(3), at_least=2)
    with pytest.raises(ValueError, match="No pixel is finite"):
        list(ensemble_blocks(np.zeros((1, 3)), np.full(3, np.nan)))


def test_one_field():
    assert as_field([[1.0, np.nan]], ndim=2).shape == (1, 2)
    np.testing.assert_allclose(as_field([1e-4, 2e-4] * u.T, unit="G"), [1, 2])
    with pytest.raises(ValueError, match="with 2 dimensions"):
        as_field(np.zeros(3), ndim=2)
    with pytest.raises(ValueError, match="No pixel of the field is finite"):
        as_field([np.nan, np.inf])


def test_options_with_a_unit():
    assert in_unit(5, "it", [1.0] * u.T) == 5
    assert in_unit(0.5 * u.T, "it", np.zeros(2)) == pytest.approx(5000)
    assert in_unit(5000 * u.G, "it", np.zeros(2), [1.0] * u.T) == pytest.approx(0.5)
    assert in_unit(5000 * u.G, "it", hmi(np.zeros((4, 4))), [1.0] * u.T) == 5000
    assert type(in_unit(5000 * u.G, "it", np.zeros(2))) is float
    np.testing.assert_allclose(in_unit([0, 1] * u.T, "it", [1.0] * u.G), [0, 1e4])
    assert in_unit(None, "it", [1.0] * u.T) is None
    with pytest.raises(ValueError, match="unit of it is 'K', which does not convert to 'T', that of the field"):
        in_unit(5 * u.K, "it", [1.0] * u.T)
    with pytest.raises(ValueError, match=r"unit of it is 'K', .* to 'G', that of a field without a unit"):
        in_unit(5 * u.K, "it", np.zeros(2))
    with pytest.raises(ValueError, match=r"unit of it is 'none .*', which does not convert to 'arcsec'"):
        in_unit(5 * u.one, "it", np.zeros(2), unit="arcsec")


# Every score with options in a unit: how it is called, and the value and the unit of the option.
OPTIONS = {
    "psnr": (lambda p, g, v: metrics.psnr(p, g, v), 6000, "G"),
    "ssim": (lambda p, g, v: metrics.ssim(p, g, v), 600, "G"),
    "fraction_within": (lambda p, g, v: metrics.fraction_within(p, g, v), 100, "G"),
    "fraction_within threshold": (lambda p, g, v: metrics.fraction_within(p, g, 1e9, threshold=v), 600, "G"),
    "flux_ratio": (lambda p, g, v: metrics.flux_ratio(p, g, v), 300, "G"),
    "unsigned_flux": (lambda p, g, v: metrics.unsigned_flux(g, 1, v), 300, "G"),
    "radial_flux": (lambda p, g, v: metrics.radial_flux(g, 1, 1, v), 300, "G"),
    "pcc_by": (lambda p, g, v: metrics.pcc_by(p, g, g, v)[0], np.array([-500, 0, 500]), "G"),
    "polarity_score": (lambda p, g, v: metrics.polarity_score(p, g, threshold=v), 150, "G"),
    "polarity_score delta": (lambda p, g, v: metrics.polarity_score(p, g, delta=v), 1e7, "G2"),
    "active_region_size": (lambda p, g, v: metrics.active_region_size(g, 0.5, threshold=v, contour=5), 300, "G"),
    "active_region_size blur": (lambda p, g, v: metrics.active_region_size(g, 0.5, contour=5, blur=v), 2.5, "arcsec"),
    "active_region_jaccard": (lambda p, g, v: metrics.active_region_jaccard(p, g, 0.5, contour=v), 15, "arcsec"),
    "pil_length": (lambda p, g, v: metrics.pil_length(g, 0.5, contour=5, dilation=v), 1.5, "arcsec"),
    "r_value": (lambda p, g, v: metrics.r_value(g, 0.5, threshold=v), 150, "G"),
    "power_ratio": (lambda p, g, v: metrics.power_ratio(p, g, 0.5, v), np.array([2, 4]), "arcsec"),
    "ralsd": (lambda p, g, v: metrics.ralsd(p, g, 0.5, periods=v), np.array([1, 4]), "arcsec"),
    "split_scales": (lambda p, g, v: metrics.split_scales(g, 0.5, v), 4, "arcsec"),
}
LARGER = {"G": "T", "G2": "T2", "arcsec": "arcmin"}


@pytest.mark.parametrize("name", OPTIONS)
def test_scores_take_options_with_a_unit(name, fields):
    pred, truth = (field.astype(np.float64) for field in fields)
    score, value, unit = OPTIONS[name]
    expected = score(pred, truth, value)
    option = value * u.Unit(unit)
    # The other unit is one that rounds to the same results.
    for given in (option, option.to(LARGER[unit])):
        for form in (np.asarray, hmi, lambda field: field * u.G):
            np.testing.assert_allclose(score(form(pred), form(truth), given), expected, rtol=1e-5, atol=1e-5)
    if unit == "G":
        found = score((pred * u.G).to(u.T), (truth * u.G).to(u.T), option)
        if name in ("unsigned_flux", "radial_flux"):
            found = found * 1e4
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    for form in (np.asarray, hmi):
        with pytest.raises(ValueError, match="is 'K', which does not convert"):
            score(form(pred), form(truth), value * u.K)


def test_maps_of_the_surface():
    smap = hmi(np.zeros((4, 4)))
    assert not on_surface(smap)
    assert not on_surface(smap.data)
    smap.meta["ctype1"], smap.meta["ctype2"] = "HGLN-CEA", "HGLT-CEA"
    smap.meta["cunit1"] = smap.meta["cunit2"] = "deg"
    assert on_surface(smap)


def test_finite_pairs_are_float64():
    x, y = finite_pairs(np.array([1, 2, 3], dtype=">i2"), np.array([1, np.nan, 3], dtype=">f4"))
    assert x.dtype == y.dtype == np.float64
    np.testing.assert_array_equal((x, y), [[1, 3], [1, 3]])


def test_scale():
    smap = from_array(np.zeros((4, 4)), scale=1.986)
    assert arcsec_per_pixel(0.5) == 0.5
    assert arcsec_per_pixel(0.5, smap) == 0.5
    assert arcsec_per_pixel(None, np.zeros(2), smap) == pytest.approx(1.986)
    assert arcsec_per_pixel(smap.scale[0]) == pytest.approx(1.986)
    assert arcsec_per_pixel(1 * u.deg) == pytest.approx(3600)
    with pytest.raises(ValueError, match="only a Map knows its own"):
        arcsec_per_pixel(None, np.zeros(2))
    for wrong in (0, -1, np.nan, np.inf, (1, 1)):
        with pytest.raises(ValueError, match="one positive number in arcsec"):
            arcsec_per_pixel(wrong)


def test_squares(rng):
    field = rng.normal(size=(7, 9))
    cut = squares(field, 3)
    assert cut.shape == (2, 3, 9)
    np.testing.assert_array_equal(cut[1, 2], field[3:6, 6:9].ravel())
    assert whole_blocks(field, np.where(field == field[4, 7], np.nan, field), 3)[0].shape == (5, 9)
    for wrong in (0, 8, 1.5):
        with pytest.raises(ValueError, match="must have 1 to 7 pixels a side"):
            squares(field, wrong)
