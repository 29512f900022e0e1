from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import ndimage

from astropy.io import fits

import sunpy_superres
from sunpy_superres import degradation
from sunpy_superres.benchmark import (
    continuum_figures,
    read_json,
    run_continuum,
    run_reference,
    score_reference,
    table,
    targets_of,
)
from sunpy_superres.instruments import HMI_SCALE
from sunpy_superres.maps import from_array, write_map
from sunpy_superres.models import get_method
from sunpy_superres.weights.files import save_model

SHARP = np.ones((1, 1))


def twice(image):
    return np.kron(image, np.ones((2, 2)))


def binned(image):
    return image.reshape(image.shape[0] // 2, 2, -1, 2).mean(axis=(1, 3))


@pytest.fixture
def seen(rng):
    return rng.normal(0, 100, (24, 32))


def granules(shape=(40, 48), contrast=0.04):
    """
    A board of bright and dark pixels around 1: the input, and the same on the fine grid.
    """
    seen = 1 + contrast * (-1.0) ** np.indices(shape).sum(axis=0)
    return seen, twice(seen)


def test_an_output_that_is_that_of_the_authors(seen):
    fine = twice(seen)
    figures = score_reference(3 * fine, 3 * fine, seen, fine, kernel=SHARP)
    inner = fine[8:-8, 8:-8]
    assert figures == pytest.approx(
        {
            "reference_correlation": 1,
            "reference_rms": 0,
            "reference_correlation_bicubic": 1,
            "reference_rms_bicubic": 2 * np.sqrt(np.mean(inner**2)),
            "sobel_ratio": 3,
            "sobel_ratio_authors": 3,
            "flux_in_out": 3,
            "flux_in_out_authors": 3,
            # The factor is fitted.
            "reconvolution_residual": 0,
            "reconvolution_residual_authors": 0,
            "std_ratio_authors": 1,
        },
        abs=1e-9,
    )


def test_an_output_that_is_not_that_of_the_authors(seen, rng):
    authors, found = twice(seen), 0.8 * twice(seen) + rng.normal(0, 30, (48, 64))
    figures = score_reference(found, authors, seen, 2 * authors, edge=0, kernel=SHARP)
    assert figures["reference_rms"] == pytest.approx(np.sqrt(np.mean((found - authors) ** 2)))
    assert figures["reference_correlation"] == pytest.approx(np.corrcoef(found.flat, authors.flat)[0, 1])
    assert figures["std_ratio_authors"] == pytest.approx(found.std() / authors.std())
    assert figures["flux_in_out"] == pytest.approx(np.abs(found).mean() / np.abs(seen).mean())
    assert figures["sobel_ratio_authors"] == pytest.approx(0.5)


def test_residual(seen, rng):
    # What is added has the mean 0.5 rms of the input and nothing in common with it.
    other = rng.normal(size=seen.shape)
    other -= seen * np.vdot(other, seen) / np.vdot(seen, seen)
    other *= 0.5 * np.linalg.norm(seen) / np.linalg.norm(other)
    fine = twice(seen + other) + twice(np.ones_like(seen)) * np.tile([[1, -1], [-1, 1]], seen.shape)
    figures = score_reference(fine, twice(seen), seen, twice(seen), edge=0, kernel=SHARP)
    assert figures["reconvolution_residual"] == pytest.approx(0.5 / np.sqrt(1.25))
    assert figures["reconvolution_residual_authors"] == pytest.approx(0, abs=1e-12)
    nothing = score_reference(0 * fine, twice(seen), seen, twice(seen), kernel=SHARP)
    assert nothing["reconvolution_residual"] == 1


def test_the_kernel_leads_back_to_the_input(rng, monkeypatch):
    fine = ndimage.gaussian_filter(rng.normal(0, 1000, (48, 64)), 1)
    kernel = np.zeros((5, 5))
    # Neither symmetric nor the same along both axes: a convolution and no correlation.
    kernel[1:4, 2:] = [[1, 2, 0], [2, 5, 3], [0, 1, 2]]
    kernel /= kernel.sum()
    seen = binned(ndimage.convolve(fine, kernel, mode="reflect"))
    figures = score_reference(fine, fine, seen, fine, edge=0, kernel=kernel)
    assert figures["reconvolution_residual"] < 1e-9
    assert score_reference(fine, fine, seen, fine, kernel=SHARP)["reconvolution_residual"] > 0.05
    monkeypatch.setattr(degradation, "sharpening_kernel", lambda: kernel, raising=False)
    assert score_reference(fine, fine, seen, fine, edge=0) == figures


def test_the_edge_does_not_count(seen, rng):
    fine = twice(seen)
    bad = np.pad(fine[4:-4, 4:-4], 4, constant_values=5000)
    figures = score_reference(bad, fine, seen, fine, edge=4, kernel=SHARP)
    assert figures == score_reference(fine, fine, seen, fine, edge=4, kernel=SHARP)
    assert figures != score_reference(bad, fine, seen, fine, edge=2, kernel=SHARP)
    seen, fine = granules()
    found = fine.copy()
    found[:8] = 100
    assert continuum_figures(found, seen, fine) == continuum_figures(fine, seen, fine)


def test_what_does_not_fit_is_refused(seen):
    fine = twice(seen)
    good = {"found": fine, "authors": fine, "seen": seen, "baseline": fine, "kernel": SHARP}
    for name in ("found", "authors", "baseline"):
        with pytest.raises(ValueError, match=rf"{name} \(48, 62\).*\(2 y, 2 x\)"):
            score_reference(**good | {name: fine[:, :-2]})
        with pytest.raises(ValueError, match=f"{name} has pixels that are not finite"):
            score_reference(**good | {name: np.where(fine == fine.max(), np.nan, fine)})
    with pytest.raises(ValueError, match="even number"):
        score_reference(**good, edge=3)
    with pytest.raises(ValueError, match="Nothing is left"):
        score_reference(**good, edge=24)
    for shape in ((2, 2), (3, 5), (3,)):
        with pytest.raises(ValueError, match="odd side"):
            score_reference(**good | {"kernel": np.ones(shape)})
    seen, fine = granules()
    with pytest.raises(ValueError, match=r"baseline \(80, 94\)"):
        continuum_figures(fine, seen, fine[:, 2:])
    with pytest.raises(ValueError, match="even number"):
        continuum_figures(fine, seen, fine, edge=-2)
    with pytest.raises(ValueError, match="no granulation"):
        continuum_figures(0.5 * fine, 0.5 * seen, 0.5 * fine)


def test_granulation():
    seen, fine = granules(contrast=0.04)
    figures = continuum_figures(1.01 * (1 + 1.5 * (fine - 1)), seen, fine)
    assert figures == pytest.approx(
        {
            "granulation_contrast": 0.06,
            "granulation_contrast_bicubic": 0.04,
            "granulation_contrast_input": 0.04,
            "granulation_contrast_ratio": 1.5,
            "quiet_mean_change": 0.01,
            "bright_contrast_ratio": 1.5,
        }
    )


def test_spots_are_no_granulation():
    seen = granules((60, 60))[0]
    seen[20:40, 20:40] = 0.6
    found, baseline = twice(seen), twice(seen)
    found[40:80, 40:80] = 0.1
    figures = continuum_figures(found, seen, baseline)
    assert figures["granulation_contrast_ratio"] == 1
    assert figures["granulation_contrast"] == pytest.approx(0.04, rel=1e-3)
    assert figures["quiet_mean_change"] == 0
    # Where the average is taken over the penumbra too, it differs from that of the quiet Sun.
    found[38, 50] = 50
    again = continuum_figures(found, seen, baseline)
    # That pixel is bright enough, though, for the contrast of all that is.
    assert again.pop("bright_contrast_ratio") > figures.pop("bright_contrast_ratio") == 1
    assert again == figures


def test_unknown_pixels_of_a_continuum_image_are_left_out():
    seen, fine = granules((60, 60))
    figures = continuum_figures(fine, seen, fine)
    for images in ((0,), (1, 2), (0, 1, 2)):
        parts = [fine.copy(), seen.copy(), fine.copy()]
        for i in images:
            parts[i][len(parts[i]) // 2 :, : len(parts[i]) // 3] = np.nan
        assert continuum_figures(*parts) == pytest.approx(figures)


@pytest.fixture
def folder(tmp_path, rng):
    """
    Small images in the layout of the data, of a Sun whose quiet part is 1 or, off disk center, 40000.
    """
    (tmp_path / "enhance").mkdir()
    (tmp_path / "hmi" / "validation").mkdir(parents=True)
    blos = ndimage.gaussian_filter(rng.normal(0, 1000, (32, 40)), 1)
    fits.PrimaryHDU(blos).writeto(tmp_path / "enhance" / "input_blos.fits")
    fits.PrimaryHDU(twice(blos).astype(">f4")).writeto(tmp_path / "enhance" / "author_blos_enhanced.fits")
    intensity = granules()[0]
    fits.PrimaryHDU(intensity.astype(">f4")).writeto(tmp_path / "enhance" / "input_hmi.fits")
    # At 0.76 solar radii.
    smap = from_array(40000 * 0.78 * intensity, scale=HMI_SCALE, instrument="hmi-continuum", center=(720, 0))
    write_map(smap, tmp_path / "hmi" / "validation" / "one.continuum.fits")
    return tmp_path


@pytest.fixture
def fake(monkeypatch):
    """
    Replace the method by a repetition of pixels whose deviation from their mean grows; keep what was asked for.
    """
    fake = SimpleNamespace(calls=[], factor=2, gain=1.5, hole=False)

    def superresolve(smap, method="ldm", n_samples=20, *, seed=None, **options):
        fake.calls.append((smap, method, n_samples, seed, options))
        data = np.kron(smap.data, np.ones((fake.factor, fake.factor)))
        data = data.mean() + fake.gain * (data - data.mean())
        if fake.hole:
            data[20, 20] = np.nan
        return SimpleNamespace(data=data.astype(np.float32), meta={"srmethod": method, "srfactor": fake.factor})

    # The package's names are lazy: in its dictionary they come first.
    monkeypatch.setitem(sunpy_superres.__dict__, "superresolve", superresolve)
    monkeypatch.setattr(degradation, "sharpening_kernel", lambda: SHARP, raising=False)
    return fake


def test_run_reference(folder, fake):
    out = folder / "reference.json"
    results = run_reference(folder, out, model="x", n_samples=3, seed=4, steps=5, progress=True)
    ((smap, *asked),) = fake.calls
    assert asked == ["enhance", 3, 4, {"model": "x", "steps": 5, "progress": True}]
    assert smap.unit == "G"
    np.testing.assert_array_equal(smap.data, fits.getdata(folder / "enhance" / "input_blos.fits").astype(np.float32))
    figures = results["figures"]
    assert figures["reference_correlation"] == pytest.approx(1)
    assert figures["std_ratio_authors"] == pytest.approx(1.5)
    assert figures["reconvolution_residual_authors"] == pytest.approx(0, abs=1e-6)
    # The baseline is interpolated, the authors' image here is not.
    assert 0.9 < figures["reference_correlation_bicubic"] < 0.9999
    assert figures["sobel_ratio"] == pytest.approx(1.5 * figures["sobel_ratio_authors"], rel=1e-5)
    assert results["images"] == [{"file": "input_blos.fits", "shape": [32, 40], **figures}]
    assert (results["protocol"], results["method"], results["seed"]) == ("enhance_reference", "enhance", 4)
    assert results["provenance"] == {"srmethod": "enhance", "srfactor": 2}
    assert read_json(out) == results
    rows = table(results, targets=targets_of("enhance"))
    assert "| Enhance: correlation with the authors' output | 1.0000 | >= 0.99 |  | must |" in rows


def test_run_continuum(folder, fake):
    out = folder / "continuum.json"
    results = run_continuum(folder, out, model="x", n_samples=3, seed=4, steps=5)
    assert [call[1:] for call in fake.calls] == [("enhance", 3, 4, {"model": "x", "steps": 5})] * 2
    assert [image["file"] for image in results["images"]] == ["input_hmi.fits", "one.continuum.fits"]
    for image in results["images"]:
        assert image["granulation_contrast"] == pytest.approx(0.06, rel=0.01)
        assert image["granulation_contrast_input"] == pytest.approx(0.04, rel=0.01)
        assert image["granulation_contrast_ratio"] > 1.5  # the baseline is smooth
        assert image["quiet_mean_change"] == pytest.approx(0, abs=1e-3)
    both = [image["granulation_contrast"] for image in results["images"]]
    assert results["figures"]["granulation_contrast"] == np.mean(both)
    assert results["std"]["granulation_contrast"] == np.std(both)
    assert results["protocol"] == "enhance_continuum"
    assert read_json(out) == results
    (folder / "hmi" / "validation" / "one.continuum.fits").unlink()
    assert run_continuum(folder)["images"] == results["images"][:1]


@pytest.mark.parametrize("run", [run_reference, run_continuum])
def test_a_method_that_does_not_fit(run, folder, fake):
    fake.factor = 4
    with pytest.raises(ValueError, match="a method of factor 2 is needed"):
        run(folder, method="bicubic")
    fake.factor, fake.hole = 2, True
    with pytest.raises(ValueError, match="not finite where its input is"):
        run(folder)


def test_errors_come_before_the_work(folder, fake):
    for run in (run_reference, run_continuum):
        with pytest.raises(FileNotFoundError, match="does not exist"):
            run(folder, folder / "nowhere" / "out.json")
        with pytest.raises(TypeError, match="tile"):
            run(folder, tile=3)
    for run, name in (
        (run_reference, "author_blos_enhanced.fits"),
        (run_reference, "input_blos.fits"),
        (run_continuum, "input_hmi.fits"),
    ):
        (folder / "enhance" / name).unlink()
        with pytest.raises(FileNotFoundError, match=f"No enhance/{name} in"):
            run(folder)
    assert not fake.calls


@pytest.mark.parametrize(
    ("run", "instrument", "unit"), [(run_reference, "hmi", 1000.0), (run_continuum, "hmi-continuum", 1.0)]
)
def test_the_network_itself(run, instrument, unit, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(degradation, "sharpening_kernel", lambda: SHARP, raising=False)
    arguments = {"width": 4, "blocks": 1, "unit": unit}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = get_method("enhance")(**arguments)
    # Next to nothing: what counts here is that everything fits together.
    for parameter in network.parameters():
        parameter.data *= 1e-3
    network.out.bias.data.fill_(1.0)
    save_model(network, tmp_path / "model", arguments=arguments, instruments=[instrument], scale=HMI_SCALE)
    results = run(folder, model=tmp_path / "model")
    assert results["provenance"]["srinstr"] == instrument
    assert results["provenance"]["srmodel"] == "local:model"
    if instrument == "hmi-continuum":
        # A field of 1 is the quiet Sun at disk center, on both images.
        assert results["images"][0]["quiet_mean_change"] == pytest.approx(0, abs=0.01)
        assert results["figures"]["granulation_contrast"] < 0.01


def test_the_authors_themselves(shared_data, fake):
    # Repeated pixels are less like their result than interpolation.
    fake.gain = 1
    figures = run_reference(shared_data)["figures"]
    assert figures["reference_correlation_bicubic"] == pytest.approx(0.986, abs=0.001)
    assert figures["sobel_ratio_authors"] == pytest.approx(1.65, abs=0.01)
    assert figures["flux_in_out_authors"] == pytest.approx(1.019, abs=0.001)
