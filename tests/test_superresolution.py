"""
The public functions, with the bundled weights.
"""

import dask.array
import numpy as np
import pytest
import torch

import astropy.units as u

import sunpy.map
from sunpy.data.test import get_test_filepath

import sunpy_superres
from sunpy_superres import inference, maps, sample_posterior, superresolve
from sunpy_superres.exceptions import SunpySuperresUserWarning
from sunpy_superres.instruments import HMI_SCALE
from sunpy_superres.superresolution import draw_one


@pytest.fixture
def float32(monkeypatch):
    monkeypatch.setattr(inference, "choose_precision", lambda device: torch.float32)


@pytest.fixture
def no_samples(monkeypatch):
    """
    Fail at the first sample that is drawn.
    """

    def draw(*_, **__):
        pytest.fail("work began")
        yield

    monkeypatch.setattr(inference, "draw", draw)


@pytest.fixture
def disk_map():
    """
    A small disk of noise and a spot, NaN off the disk.
    """
    y, x = np.mgrid[:150, :160]
    field = np.random.default_rng(0).normal(0, 20, y.shape) + 1500 * np.exp(-((x - 90) ** 2 + (y - 60) ** 2) / 40)
    field[np.hypot(y - 75, x - 80) > 70] = np.nan
    return maps.from_array(field.astype(np.float32), scale=1.986, instrument="mdi")


def test_methods():
    assert sunpy_superres.available_methods() == (
        "bicubic",
        "ddpm",
        "ddpm-residual",
        "enhance",
        "highresnet",
        "ldm",
        "ldm-noresidual",
        "progressive",
    )


def test_result_and_its_members_agree(mdi_map):
    fine = superresolve(mdi_map, n_samples=4, seed=5)
    cube = sample_posterior(mdi_map, n_samples=4, seed=5)
    assert cube.data.shape == (4, *fine.data.shape)
    assert cube.unit == u.G
    np.testing.assert_allclose(cube.data.mean(axis=0), fine.data, atol=1e-2)
    # Opposite noise in pairs: the mean of the samples has no error, so none is taken off.
    np.testing.assert_allclose(cube.data.std(axis=0), fine.uncertainty.array, atol=2e-2)
    one, other, *_ = cube.data - fine.data
    assert np.nanmean(one * other) < -0.5 * np.nanmean(one**2)
    # Both axes of the sky have the coordinates of the Map.
    expected = fine.wcs.pixel_to_world(10, 20)
    found = cube.wcs.pixel_to_world(10, 20, 1)[0]
    assert found.separation(expected) < 1e-6 * u.arcsec


def test_the_input_is_not_touched(mdi_map):
    data, meta = mdi_map.data.copy(), dict(mdi_map.meta)
    superresolve(mdi_map, n_samples=2, seed=0)
    np.testing.assert_array_equal(mdi_map.data, data)
    assert dict(mdi_map.meta) == meta


def test_header_says_how_to_make_it_again(mdi_map):
    fine = superresolve(mdi_map, n_samples=2)
    meta = fine.meta
    assert (meta["srmethod"], meta["srfactor"], meta["srnsamp"]) == ("ldm", 4, 2)
    assert meta["srmodel"].startswith("ldm-mdi-hmi@")
    assert len(meta["srsha256"]) == 16
    again = superresolve(mdi_map, method=meta["srmethod"], n_samples=meta["srnsamp"], seed=meta["srseed"])
    np.testing.assert_array_equal(again.data, fine.data)
    np.testing.assert_array_equal(again.uncertainty.array, fine.uncertainty.array)


def test_without_a_seed_every_call_draws_others(mdi_map):
    one, two = (superresolve(mdi_map, n_samples=1) for _ in range(2))
    assert one.meta["srseed"] != two.meta["srseed"]
    assert np.abs(one.data - two.data).max() > 0


def test_one_sample_is_a_draw_without_uncertainty(mdi_map):
    one = superresolve(mdi_map, n_samples=1, seed=9)
    assert one.uncertainty is None
    np.testing.assert_array_equal(one.data, sample_posterior(mdi_map, n_samples=1, seed=9).data[0])


def test_a_sample_does_not_depend_on_their_number(mdi_map):
    few, many = (sample_posterior(mdi_map, n_samples=n, seed=2, calibrate=False).data for n in (2, 5))
    np.testing.assert_allclose(few, many[:2], atol=1e-3)


@pytest.mark.parametrize("method", ["ldm", "highresnet"])
def test_the_spread_is_calibrated(mdi_map, method):
    right, plain = (superresolve(mdi_map, method, 4, seed=2, calibrate=calibrate) for calibrate in (True, False))
    assert len(right.meta["srcalib"]) == 8
    assert plain.meta["srcalib"] is False
    np.testing.assert_array_equal(right.data, plain.data)
    changed = right.uncertainty.array / plain.uncertainty.array
    assert changed.max() > 1.05 * changed.min()
    # As a function of the spread alone.
    order = np.argsort(plain.uncertainty.array, axis=None)
    assert (np.diff(right.uncertainty.array.ravel()[order]) > -1e-3).all()
    members = sample_posterior(mdi_map, method, 4, seed=2).data
    np.testing.assert_allclose(members.mean(axis=0), right.data, atol=2e-2)
    np.testing.assert_allclose(
        members.std(axis=0, ddof=int(method == "highresnet")), right.uncertainty.array, rtol=1e-3, atol=2e-2
    )


def test_one_draw_has_no_spread_to_calibrate(mdi_map):
    assert superresolve(mdi_map, n_samples=1, seed=0).meta["srcalib"] is False
    assert "srcalib" not in superresolve(mdi_map, "progressive").meta


def test_other_steps_are_not_calibrated(mdi_map):
    plain, other = (sample_posterior(mdi_map, n_samples=3, seed=0, steps=2, calibrate=c) for c in (False, True))
    np.testing.assert_array_equal(plain.data, other.data)
    assert other.meta["srcalib"] is False


@pytest.mark.usefixtures("float32")
def test_tiles_do_not_matter(disk_map):
    results = [superresolve(disk_map, n_samples=2, seed=1, tile_size=size) for size in (48, 128, 512)]
    for result in results[1:]:
        np.testing.assert_allclose(result.data, results[0].data, rtol=3e-7, atol=1e-4)
        np.testing.assert_allclose(result.uncertainty.array, results[0].uncertainty.array, rtol=1e-5, atol=1e-4)


def test_off_disk_stays_off(disk_map):
    fine = superresolve(disk_map, n_samples=2, seed=0)
    outside = np.isnan(disk_map.data).repeat(4, axis=0).repeat(4, axis=1)
    np.testing.assert_array_equal(np.isnan(fine.data), outside)
    np.testing.assert_array_equal(np.isnan(fine.uncertainty.array), outside)
    cube = sample_posterior(disk_map, n_samples=2, seed=0)
    np.testing.assert_array_equal(np.isnan(cube.data[1]), outside)


def test_calibration(mdi_map):
    fine = superresolve(mdi_map, method="bicubic", n_samples=1)
    coarse = fine.data.reshape(48, 4, 64, 4).mean(axis=(1, 3))
    inner = (slice(4, -4),) * 2
    assert np.polyfit(mdi_map.data[inner].ravel(), coarse[inner].ravel(), 1)[0] == pytest.approx(0.701, abs=0.03)
    hmi = superresolve(mdi_map, method="bicubic", n_samples=1, instrument="hmi")
    np.testing.assert_allclose(hmi.data * 0.701, fine.data, rtol=1e-5, atol=1e-3)
    assert hmi.meta["srinstr"] == "hmi"


def test_every_kind_of_array(mdi_map):
    expected = superresolve(mdi_map, n_samples=1, seed=0).data
    for data in (
        mdi_map.data.astype(">f4"),
        mdi_map.data.astype(np.float64),
        dask.array.from_array(mdi_map.data, chunks=16),
    ):
        other = sunpy.map.Map(data, mdi_map.meta)
        np.testing.assert_allclose(superresolve(other, n_samples=1, seed=0).data, expected, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (2, 7), (5, 3), (33, 18)])
def test_odd_and_small_shapes(shape, rng):
    smap = maps.from_array(rng.normal(0, 50, shape).astype(np.float32), scale=2.0, instrument="mdi")
    fine = superresolve(smap, n_samples=2, seed=0)
    assert fine.data.shape == (4 * shape[0], 4 * shape[1])
    assert np.isfinite(fine.data).all()


def test_several_maps(mdi_map, disk_map):
    expected = [superresolve(m, method="bicubic", n_samples=1).data for m in (mdi_map, disk_map)]
    for several in ([mdi_map, disk_map], (mdi_map, disk_map), sunpy.map.MapSequence([mdi_map, disk_map])):
        found = superresolve(several, method="bicubic", n_samples=1)
        assert isinstance(found, list)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one.data, other)


def test_another_plate_scale_is_regridded(rng):
    smap = maps.from_array(rng.normal(0, 50, (40, 50)).astype(np.float32), scale=1.6, instrument="mdi")
    with pytest.warns(SunpySuperresUserWarning, match="1.600 arcsec per pixel and the model takes 2.017"):
        fine = superresolve(smap, n_samples=1, seed=0)
    scale = u.Quantity(fine.scale).to_value(u.arcsec / u.pix)
    np.testing.assert_allclose(scale, 2.017092 / 4, rtol=1e-4)


def test_hmi_at_two_arcsec(mdi_map):
    smap = maps.from_array(mdi_map.data * 0.7, scale=2.016, instrument="hmi")
    fine = superresolve(smap, n_samples=1, seed=0)
    assert isinstance(fine, sunpy.map.sources.HMIMap)
    assert fine.meta["srinstr"] == "hmi"


def test_deterministic_method_says_what_samples_mean(mdi_map):
    with pytest.warns(SunpySuperresUserWarning, match="one result instead of n_samples=7"):
        fine = superresolve(mdi_map, method="bicubic", n_samples=7)
    assert fine.uncertainty is None
    assert fine.meta["srnsamp"] == 1
    with pytest.warns(SunpySuperresUserWarning, match="deterministic"):
        assert sample_posterior(mdi_map, method="bicubic", n_samples=2).data.shape[0] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"method": "magic"},
            "Unknown method 'magic'; known are bicubic, ddpm, ddpm-residual, enhance, highresnet",
        ),
        ({"n_samples": 0}, "n_samples must be a whole number, 1 or larger, not 0"),
        ({"n_samples": 2.5}, "n_samples must be a whole number"),
        ({"n_samples": True}, "n_samples must be a whole number"),
        ({"seed": -1}, "seed must be a whole number, 0 or larger"),
        ({"steps": 0}, "steps must be a whole number, 1 or larger"),
        ({"tile_size": 0}, "tile_size must be a whole number, 1 or larger, not 0"),
        ({"tile_size": "abc"}, "tile_size must be a whole number"),
        ({"device": "teapot"}, "device 'teapot' cannot be used"),
        ({"instrument": "kpvt"}, "Unknown instrument 'kpvt'"),
        ({"model": "no-such-model"}, "neither a folder, nor .* on the Hugging Face Hub, nor one of ldm-mdi-hmi"),
        ({"method": "bicubic", "model": "ldm-mdi-hmi"}, "has no weights"),
        ({"method": "bicubic", "steps": 3}, "has no sampler"),
    ],
)
def test_wrong_options(mdi_map, options, message):
    with pytest.raises(ValueError, match=message):
        superresolve(mdi_map, **options)
    with pytest.raises(ValueError, match=message):
        sample_posterior(mdi_map, **options)


@pytest.mark.parametrize("wrong", [None, "mdi.fits", np.zeros((4, 4)), 3])
def test_what_is_not_a_map(wrong):
    with pytest.raises(TypeError, match="Expected a sunpy Map"):
        superresolve(wrong)


@pytest.mark.usefixtures("no_samples")
def test_what_is_not_a_map_among_maps(mdi_map):
    with pytest.raises(TypeError, match="Expected a sunpy Map"):
        superresolve([mdi_map, mdi_map.data], n_samples=1)


@pytest.mark.usefixtures("no_samples")
def test_a_header_that_cannot_be_carried_over_is_told_before_the_work(mdi_map, monkeypatch):
    def refuse(*_, **__):
        msg = "coordinates"
        raise RuntimeError(msg)

    monkeypatch.setattr(maps, "check_coordinates", refuse)
    with pytest.raises(RuntimeError, match="coordinates"):
        superresolve(mdi_map)


@pytest.mark.parametrize("scale", [0.05, 300.0])
def test_a_plate_scale_that_is_too_far_off(scale):
    smap = maps.from_array(np.ones((16, 16), np.float32), scale=scale, instrument="mdi")
    with pytest.raises(ValueError, match="too far apart to regrid"):
        superresolve(smap)


def test_a_coarser_map_is_told_to_be_made_up(rng):
    smap = maps.from_array(rng.normal(0, 50, (8, 8)).astype(np.float32), scale=4.0, instrument="mdi")
    with pytest.warns(SunpySuperresUserWarning, match="to be trusted"):
        assert superresolve(smap, n_samples=1).data.shape == (64, 64)


def test_other_images_are_refused():
    aia = sunpy.map.Map(get_test_filepath("aia_171_level1.fits"))
    with pytest.raises(ValueError, match="accepted: GONG, SDO/HMI, SOHO/MDI"):
        superresolve(aia)


def test_one_result_of_highresnet_is_no_draw(mdi_map):
    whole, again = (superresolve(mdi_map, "highresnet", 1, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(whole.data, again.data)
    assert whole.uncertainty is None
    assert {"srseed", "srsolver"}.isdisjoint(whole.meta)
    ensemble = superresolve(mdi_map, "highresnet", 12, seed=0)
    assert ensemble.meta["srseed"] == 0
    assert "dropout" in ensemble.meta["srsolver"]
    # Draws have the zero level of the whole network, and differ from it elsewhere.
    spread = ensemble.uncertainty.array
    draws = sample_posterior(mdi_map, "highresnet", 12, seed=0, calibrate=False).data
    assert np.abs(np.median((draws - whole.data)[:, ::5, ::5], axis=(1, 2))).max() < 0.1
    assert np.mean(np.abs(ensemble.data - whole.data) < spread) > 0.7
    one = draw_one(mdi_map, "highresnet", seed=0)
    np.testing.assert_array_equal(one.data, sample_posterior(mdi_map, "highresnet", 3, seed=0, calibrate=False).data[0])
    assert np.abs(one.data - whole.data).max() > 1


@pytest.fixture
def continuum(rng):
    """
    Quiet Sun at disk center in counts, with a spot and a gap.
    """
    image = 4e4 * (1 + 0.03 * rng.normal(size=(40, 48)))
    image[10:16, 12:18] *= 0.3
    image[30, 40] = np.nan
    smap = maps.from_array(image, scale=HMI_SCALE, instrument="hmi-continuum")
    smap.meta["bunit"] = "DN/s"
    return smap


@pytest.mark.parametrize("method", ["bicubic", "enhance"])
def test_continuum_keeps_its_unit(continuum, method):
    result = superresolve(continuum, method, 1)
    factor = 4 if method == "bicubic" else 2
    assert result.unit == continuum.unit == u.DN / u.s
    assert type(result) is type(continuum)
    assert result.data.shape == (40 * factor, 48 * factor)
    assert result.meta["srinstr"] == "hmi-continuum"
    assert result.meta["srquiet"] == pytest.approx(4e4, rel=0.01)
    assert np.isnan(result.data[30 * factor : 31 * factor, 40 * factor : 41 * factor]).all()
    assert np.isnan(result.data).sum() == factor**2
    assert np.nanmean(result.data) == pytest.approx(np.nanmean(continuum.data), rel=0.01)
    # A hole is not seen as darkness around it.
    y, x = 30 * factor, 40 * factor
    ring = result.data[y - 2 : y + factor + 2, x - 2 : x + factor + 2]
    assert np.nanmin(ring) > 3.2e4
    assert result.data[13 * factor, 15 * factor] < 2e4
    cube = sample_posterior(continuum, method, 1)
    assert cube.unit == u.DN / u.s
    np.testing.assert_array_equal(cube.data[0], result.data)


def test_continuum_does_not_depend_on_its_unit(continuum, float32):
    relative = sunpy.map.Map(continuum.data / 4e4, {**continuum.meta, "bunit": ""})
    one, other = (superresolve(smap, "enhance", 1).data for smap in (continuum, relative))
    np.testing.assert_allclose(one / 4e4, other, rtol=0, atol=2e-3)


def test_continuum_has_methods_of_its_own(continuum):
    with pytest.raises(ValueError, match=r"no 'ldm' model for 'hmi-continuum'.*: enhance"):
        superresolve(continuum)


def test_empty_maps_are_refused(mdi_map):
    with pytest.warns(RuntimeWarning, match="All-NaN"):  # sunpy looks for the range of the color table
        nothing = sunpy.map.Map(np.full((8, 8), np.nan), mdi_map.meta)
    with pytest.raises(ValueError, match="no finite pixel"):
        superresolve(nothing)


def test_real_full_disk(shared_data):
    path = next((shared_data / "mdi" / "full_disk").glob("*20110401*.fits"))
    fine = superresolve(maps.read_map(path), method="bicubic", n_samples=1)
    assert fine.data.shape == (4096, 4096)
    assert isinstance(fine, sunpy.map.sources.MDIMap)


def test_gong_is_brought_to_the_grid_of_the_model(gong, tmp_path, caplog):
    from sunpy_superres._wcs import disk_radius
    from sunpy_superres.models import get_method
    from sunpy_superres.weights.files import save_model

    arguments = {"width": 4, "blocks": 0}
    model = get_method("highresnet")(**arguments)
    save_model(model, tmp_path / "model", arguments=arguments, instruments=["gong"], scale=2.017092)
    with caplog.at_level("INFO"):
        fine = superresolve(gong, "highresnet", model=tmp_path / "model")
    # It is as GONG is, so there is nothing to be warned of.
    assert "it was regridded first" in caplog.text
    assert type(fine) is type(gong)
    np.testing.assert_allclose(u.Quantity(fine.scale).to_value(u.arcsec / u.pix), 2.017092 / 4, rtol=1e-6)
    # The limb is where it was, and the sky is empty.
    for smap, valid in ((gong, gong.data > -200), (fine, np.isfinite(fine.data))):
        assert disk_radius(smap)[valid].max() == pytest.approx(0.997, abs=0.004)
    here, there = (smap.pixel_to_world(0 * u.pix, 0 * u.pix) for smap in (gong, fine))
    assert here.separation(there) < 2.6 * u.arcsec


def enlarged(field, factor):
    """
    A field with its signal enlarged and its noise kept.
    """
    noise = np.random.default_rng(2010).normal(scale=23, size=field.shape)
    return (factor * (field - noise) + noise).astype(np.float32)


@pytest.mark.parametrize("kind", ["hot pixel", "two hot pixels", "strong spot", "strong region"])
def test_fields_unlike_any_in_training_do_no_harm(bipole, caplog, kind):
    y, x = np.mgrid[:48, :64]
    field = bipole.copy()
    if kind == "strong region":
        field = enlarged(field, 3)
    elif kind == "strong spot":
        field += 4000 * np.exp(-((x - 12) ** 2 + (y - 40) ** 2) / 18)
    else:
        field[40, 12 : 13 + (kind == "two hot pixels")] = 3000
    fine = superresolve(maps.from_array(field, scale=1.986), n_samples=2, seed=0)
    assert "what is beyond that is interpolated" in caplog.text
    largest = 0.701 * np.abs(field).max()
    assert np.abs(fine.data).max() < 1.4 * largest + 300
    assert fine.uncertainty.array.max() < 1000


def test_a_result_is_not_taken_for_an_observation(mdi_map):
    fine = superresolve(mdi_map, "bicubic", 1)
    with pytest.raises(ValueError, match="is a result of this package already"):
        superresolve(fine)


def test_real_full_disks_stay_within_reason(shared_data):
    for path in sorted((shared_data / "mdi" / "full_disk").glob("*.fits")):
        smap = maps.read_map(path)
        y, x = np.unravel_index(np.nanargmax(np.abs(smap.data)), smap.data.shape)
        around = smap.submap([max(x - 32, 0), max(y - 32, 0)] * u.pix, top_right=[x + 32, y + 32] * u.pix)
        fine = superresolve(around, n_samples=2, seed=0)
        assert np.nanmax(np.abs(fine.data)) < 1.2 * 0.701 * np.nanmax(np.abs(around.data)) + 100


def test_noise_that_no_training_had_is_refused(bipole):
    noise = np.random.default_rng(1).normal(scale=70, size=bipole.shape)
    noisy = maps.from_array((bipole + noise).astype(np.float32), scale=1.986)
    with pytest.raises(ValueError, match=r"is about 7\d G, and the model bears up to 51 G of SOHO"):
        superresolve([maps.from_array(bipole, scale=1.986), noisy], n_samples=1)
    # Interpolation bears anything.
    assert superresolve(noisy, "bicubic", 1).data.shape == (192, 256)
