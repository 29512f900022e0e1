import numpy as np
import pytest
from scipy import ndimage

from astropy.io import fits

from sunpy_superres import metrics
from sunpy_superres.benchmark import read_json, real_pairs, run_pairs
from sunpy_superres.degradation import synthetic_magnetogram


@pytest.fixture
def folder(tmp_path):
    """
    Two pairs: MDI has other gauss, is blurred and lies (2, -3) pixels off.
    """
    (tmp_path / "pairs").mkdir()
    for i in range(2):
        hmi = ndimage.gaussian_filter(synthetic_magnetogram((128, 144), seed=i), 2)
        mdi = np.roll(hmi, (2, -3), axis=(0, 1)) / 0.701
        fits.PrimaryHDU(hmi.astype(">f4")).writeto(tmp_path / "pairs" / f"2011040{i}_hmi.fits")
        fits.PrimaryHDU(mdi.astype(">f4")).writeto(tmp_path / "pairs" / f"2011040{i}_mdi.fits")
    return tmp_path


def test_run_pairs(folder, fake):
    out = folder / "pairs.json"
    results = run_pairs(folder, out, n_samples=3, seed=5, model="x")
    assert fake.calls == [("ldm", 3, 5, {"model": "x"}), ("bicubic", 1, None, {})] * 2
    assert [image["file"] for image in results["images"]] == ["20110400", "20110401"]
    for image in results["images"]:
        # The fake interpolation is centered, so the shift is undone to within the grid.
        np.testing.assert_allclose(image["shift"], (-2, 3), atol=0.5)
        assert image["correlation"] > 0.95
        assert image["slope"] == pytest.approx(1, abs=0.1)
        assert image["correlation_gain"] == image["correlation"] - image["correlation_bicubic"]
        assert image["rmse_ratio"] == image["rmse"] / image["rmse_bicubic"]
    figures = results["figures"]
    assert figures["pair_correlation_gain"] == min(image["correlation_gain"] for image in results["images"])
    assert figures["pair_rmse_ratio"] == max(image["rmse_ratio"] for image in results["images"])
    assert results["provenance"] == {"srmethod": "ldm", "srseed": 5}
    assert read_json(out) == results


def test_the_input_is_the_block_mean(folder, fake, monkeypatch):
    from sunpy_superres.benchmark import pairs

    inputs = []
    monkeypatch.setattr(pairs, "input_map", lambda field: inputs.append(field) or field)
    real_pairs(folder / "pairs")
    mdi = fits.getdata(folder / "pairs" / "20110400_mdi.fits")
    assert inputs[0].shape == (32, 36)
    assert inputs[0].dtype == np.float32
    assert inputs[0][5, 7] == pytest.approx(mdi[20:24, 28:32].mean(), rel=1e-5)


def test_both_are_scored_on_the_same_pixels(folder, fake, monkeypatch):
    from sunpy_superres.benchmark import pairs

    offsets = iter([(4.0, 0.0), (-4.0, 0.0)] * 2)
    monkeypatch.setattr(pairs.registration, "estimate_shift", lambda *_, **__: next(offsets))
    scored = []
    pcc = metrics.pcc
    monkeypatch.setattr(metrics, "pcc", lambda p, g: scored.append(np.isfinite(p) & np.isfinite(g)) or pcc(p, g))
    real_pairs(folder / "pairs", edge=0)
    np.testing.assert_array_equal(scored[0], scored[1])
    assert scored[0].sum() == (128 - 8) * 144


def test_holes_of_a_method_are_not_overlooked(folder, fake):
    fake.holes = True
    with pytest.raises(ValueError, match="not finite"):
        run_pairs(folder)


def test_errors(folder, fake, tmp_path):
    with pytest.raises(FileNotFoundError, match="No pairs"):
        real_pairs(tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        run_pairs(folder, tmp_path / "nowhere" / "out.json")
    fits.PrimaryHDU(np.zeros((64, 64))).writeto(folder / "pairs" / "20110400_hmi.fits", overwrite=True)
    with pytest.raises(ValueError, match="pair 20110400"):
        run_pairs(folder)
    (folder / "pairs" / "20110400_hmi.fits").unlink()
    with pytest.raises(FileNotFoundError):
        run_pairs(folder)


def test_real_pairs_can_be_read(shared_data, fake):
    results = run_pairs(shared_data)
    by_name = {image["file"]: image for image in results["images"]}
    # Interpolation reaches about 0.945 and 0.973 on these two.
    assert by_name["20110402_204800"]["correlation_bicubic"] == pytest.approx(0.945, abs=0.01)
    assert by_name["20100830_173600"]["correlation_bicubic"] == pytest.approx(0.973, abs=0.01)
    assert max(abs(d) for image in results["images"] for d in image["shift_bicubic"]) <= 2
