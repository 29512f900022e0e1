"""
Figures from sums over blocks are those of the whole image.
"""

import numpy as np
import pytest

from sunpy_superres import metrics
from sunpy_superres.benchmark.bootstrap import Resampled, interval, resampled_means, unit_numbers, unit_weights
from sunpy_superres.benchmark.cases import Case
from sunpy_superres.benchmark.curves import _independent, _rank_error
from sunpy_superres.benchmark.figures import figure
from sunpy_superres.benchmark.predictions import Prediction
from sunpy_superres.benchmark.protocol import Column, Protocol, Table
from sunpy_superres.benchmark.results import RowSums, cell, needed
from sunpy_superres.benchmark.scoring import Scorer
from sunpy_superres.degradation import degrade, synthetic_magnetogram
from sunpy_superres.instruments import HMI_SCALE

SHAPE = (200, 312)


def protocol(**options):
    table = Table("one", "One", (Column("rmse", "RMSE"),))
    options = {"n_samples": 4, "tables": (table,), "source": "degraded"} | options
    return Protocol("mine", "Mine", "", "", **options)


@pytest.fixture(scope="module")
def case():
    """
    A field with a hole, 0.1 to 0.7 radii from disk center, and what MDI saw of it.
    """
    truth = synthetic_magnetogram(SHAPE, seed=3)
    truth[60:80, 100:140] = np.nan
    radius = np.broadcast_to(np.linspace(0.1, 0.7, SHAPE[1], dtype=np.float32), SHAPE)
    return Case("one", "a", truth, degrade(truth, seed=1), "mdi", "2012-03-06T00:00:00", radius)


@pytest.fixture(scope="module")
def members(case):
    rng = np.random.default_rng(5)
    center = np.nan_to_num(case.truth) * 0.9 + rng.normal(0, 12, SHAPE)
    return (center + rng.normal(0, 15 + 0.1 * np.abs(center), (9, *SHAPE))).astype(np.float32)


@pytest.fixture(scope="module")
def sums(case, members):
    """
    Sums of all blocks, of the mean.
    """
    views = ("all", "noise", "large", "small")
    scored = Scorer(protocol(views=views), seed=0).score(case, Prediction(members.mean(axis=0), members))
    return {name.removeprefix("mean/"): value for name, value in scored.items() if name.startswith("mean/")}


@pytest.fixture(scope="module")
def pooled(sums):
    return {name: value.sum(axis=0) for name, value in sums.items() if not name.startswith("case/")}


@pytest.fixture(scope="module")
def pair(case, members):
    """
    Prediction and truth, NaN where nothing is scored.
    """
    return [np.where(case.known, field, np.nan).astype(np.float64) for field in (members.mean(axis=0), case.truth)]


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("rmse", {}, metrics.rmse),
        ("mae", {}, metrics.mae),
        ("bias", {}, metrics.bias),
        ("pcc", {}, metrics.pcc),
        ("slope", {}, metrics.slope),
        ("psnr", {}, lambda p, g: metrics.psnr(p, g, 6000)),
        ("gradient_error", {}, metrics.gradient_error),
        ("gradient_ratio", {}, metrics.gradient_ratio),
        ("gradient_mae", {}, metrics.gradient_mae),
        ("extreme_error", {"block": 2}, lambda p, g: metrics.extreme_error(p, g, 2)),
        ("extreme_error", {"block": 32}, lambda p, g: metrics.extreme_error(p, g, 32)),
        ("extreme_bias", {"block": 8}, lambda p, g: metrics.extreme_bias(p, g, 8)),
        ("flux_ratio", {}, metrics.flux_ratio),
        ("flux_ratio", {"threshold": 100}, lambda p, g: metrics.flux_ratio(p, g, threshold=100)),
        ("net_flux", {}, metrics.net_flux_error),
        ("within", {}, lambda p, g: 100 * metrics.fraction_within(p, g, 300)),
    ],
)
def test_figures_of_one_prediction(pooled, pair, name, options, expected):
    assert figure(name, pooled, options) == pytest.approx(expected(*pair), rel=1e-6)


def test_ssim(pooled, pair):
    pytest.importorskip("skimage")
    clipped = [np.clip(field, -3000, 3000) for field in pair]
    assert figure("ssim", pooled) == pytest.approx(metrics.ssim(*clipped, data_range=6000), rel=1e-6)
    assert figure("ssim", pooled, {"strong": True}) < figure("ssim", pooled)


def test_figures_of_selected_pixels(pooled, pair, case):
    pred, truth = pair
    strong = np.abs(truth) >= 600
    assert figure("pcc", pooled, {"field": (600, np.inf)}) == pytest.approx(
        metrics.pcc(pred[strong], truth[strong]), rel=1e-6
    )
    inner = case.radius < 1 / 3
    inner = np.where(inner, pred, np.nan), np.where(inner, truth, np.nan)
    assert figure("pcc", pooled, {"radius": (0, 1 / 3)}) == pytest.approx(metrics.pcc(*inner), rel=1e-6)
    assert np.isnan(figure("pcc", pooled, {"radius": (0.75, 1)}))


def test_what_comes_from_histograms_is_close(pooled, pair, members, case):
    assert figure("wasserstein", pooled) == pytest.approx(metrics.wasserstein(*pair), rel=0.02)
    assert figure("ens_ause", pooled) == pytest.approx(metrics.ause(members, pair[1]), abs=2e-3)


def test_figures_of_ensembles(pooled, pair, members):
    truth = pair[1]
    expected = {
        "ens_crps": metrics.fair_crps(members, truth),
        "ens_spread_skill": metrics.spread_skill_ratio(members, truth),
        "ens_crps_spread_skill": metrics.crps_spread_skill(members, truth),
    }
    for name, value in expected.items():
        assert figure(name, pooled) == pytest.approx(value, rel=1e-6)
    np.testing.assert_array_equal(pooled["ranks:all"][0], metrics.rank_histogram(members, truth))
    for level in (0.4, 0.5, 0.8):
        assert figure("ens_coverage", pooled, {"level": level}) == pytest.approx(
            100 * metrics.coverage(members, truth, level=level), rel=1e-6
        )
    assert np.isnan(figure("ens_coverage", pooled, {"level": 0.9}))  # nine members do not tell
    strong = np.abs(pair[0]) > 150
    assert figure("ens_crps", pooled, {"select": "prediction"}) == pytest.approx(
        metrics.fair_crps(members[:, strong], truth[strong]), rel=1e-6
    )


def test_scales_are_split(pooled, pair, members):
    parts = [metrics.split_scales(np.where(np.isnan(pair[1]), np.nan, f), HMI_SCALE) for f in (members, pair[1])]
    for i, view in enumerate(("large", "small")):
        expected = metrics.fair_crps(parts[0][i], parts[1][i])
        assert figure("ens_crps", pooled, {"view": view}) == pytest.approx(expected, rel=1e-4)


def test_noise_widens_an_ensemble(pooled):
    spread, noisy = (figure("ens_spread", pooled, {"view": view}) for view in ("all", "noise"))
    assert noisy**2 - spread**2 == pytest.approx(6.4**2, rel=0.1)


def test_a_single_answer_has_its_error_as_crps(case, pair):
    scored = Scorer(protocol(), seed=0).score(case, Prediction(pair[0].astype(np.float32)))
    pooled = {name.removeprefix("mean/"): value.sum(axis=0) for name, value in scored.items() if "case/" not in name}
    assert figure("ens_crps", pooled) == pytest.approx(metrics.mae(*pair), rel=1e-5)
    assert np.isnan(figure("ens_spread_skill", pooled))
    assert np.isnan(figure("ens_ause", pooled))


def test_consistency_with_the_input(pooled, case, members):
    pred = np.where(case.known, members.mean(axis=0), np.nan)
    misfit = degrade(pred, noise=False) - case.seen
    assert figure("consistency", pooled) == pytest.approx(np.sqrt(np.nanmean(misfit**2)), rel=1e-5)
    # What the truth does not explain is the noise of MDI.
    own = figure("consistency", pooled) / figure("consistency_ratio", pooled)
    assert own == pytest.approx(23, rel=0.1)


def test_spectra_of_one_window(rng):
    truth = synthetic_magnetogram((128, 128), seed=1)
    pred = (0.8 * truth + rng.normal(0, 5, truth.shape)).astype(np.float32)
    case = Case("one", "a", truth, degrade(truth, seed=0), "mdi")
    scored = Scorer(protocol(), seed=0).score(case, Prediction(pred))
    pooled = {name.removeprefix("mean/"): value.sum(axis=0) for name, value in scored.items() if "case/" not in name}
    for period in (8, 4, 2):
        expected = metrics.power_ratio(pred, truth, HMI_SCALE, period)[0]
        assert figure("power_ratio", pooled, {"period": period}) == pytest.approx(expected, rel=1e-6)
    assert figure("ralsd", pooled) == pytest.approx(metrics.ralsd(pred, truth, HMI_SCALE), rel=1e-6)
    assert figure("resolution", pooled) == pytest.approx(metrics.resolution(pred, truth, HMI_SCALE), rel=1e-6)
    noise = rng.normal(0, 5, truth.shape).astype(np.float32)
    scored = Scorer(protocol(), seed=0).score(case, Prediction(noise))
    pooled = {name.removeprefix("mean/"): value.sum(axis=0) for name, value in scored.items() if "case/" not in name}
    assert figure("resolution", pooled) > 30
    assert abs(figure("frc", pooled, {"period": 2})) < 0.1


def test_edges_are_left_out(case, members):
    scored = Scorer(protocol(edge=8), seed=0).score(case, Prediction(members[0]))
    pooled = {name.removeprefix("mean/"): value.sum(axis=0) for name, value in scored.items() if "case/" not in name}
    inner = np.s_[8:-8, 8:-8]
    truth = np.where(case.known, case.truth, np.nan)[inner]
    assert figure("rmse", pooled) == pytest.approx(metrics.rmse(members[0][inner], truth), rel=1e-6)
    # The misfit is that of the whole prediction, whose edge the input has seen.
    misfit = degrade(np.where(case.known, members[0], np.nan), noise=False) - case.seen
    assert figure("consistency", pooled) == pytest.approx(np.sqrt(np.nanmean(misfit[2:-2, 2:-2] ** 2)), rel=1e-5)


def test_what_lies_beyond_the_mask_is_scored_in_rings_alone(case, members):
    scored = Scorer(protocol(mask=0.5), seed=0).score(case, Prediction(members[0]))
    pooled = {name.removeprefix("mean/"): value.sum(axis=0) for name, value in scored.items() if "case/" not in name}
    inside = case.known & (case.radius < 0.5)
    assert figure("rmse", pooled) == pytest.approx(metrics.rmse(members[0][inside], case.truth[inside]), rel=1e-6)
    assert np.isfinite(figure("pcc", pooled, {"radius": (0.5, 0.75)}))


def test_flux_through_the_surface(case, pooled, pair):
    mu = np.sqrt(1 - case.radius.astype(float) ** 2)
    area = metrics.pixel_area(HMI_SCALE)
    expected = np.nanmean(np.abs(metrics.signed_flux_error(*pair, pixel_area=area, mu=mu)))
    assert figure("signed_flux_error", pooled) == pytest.approx(expected, rel=1e-3)


def test_time_series(case, members):
    placed = Case("one", "a", case.truth, case.seen, "mdi", case.time, case.radius, center=(0.0, 150.0))
    scorer = Scorer(protocol(box=(-450, 450, 140, 160), series_noise=0.0), seed=0)
    series = scorer.score(placed, Prediction(members[0]))["mean/case/series"]
    rows = np.abs((np.arange(SHAPE[0]) - 99.5) * HMI_SCALE) <= 10
    used = placed.known & rows[:, None]
    truth = case.truth[used].astype(float)
    expected = [used.sum(), *(f(members[0][used].astype(float)) for f in (lambda p: np.abs(p).sum(), np.sum))]
    np.testing.assert_allclose(series, [*expected, np.abs(truth).sum(), truth.sum()], rtol=1e-6)
    assert not scorer.score(case, Prediction(members[0]))["mean/case/series"].any()


def test_holes_in_a_prediction_are_refused(case, members):
    pred = members[0].copy()
    pred[10, 10] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        Scorer(protocol(), seed=0).score(case, Prediction(pred))


def test_places_are_drawn_with_all_their_frames():
    keys = [(region, i, 0) for region in "ab" for _ in range(3) for i in range(4)]
    numbers, count = unit_numbers(keys)
    assert count == 8
    assert (np.bincount(numbers) == 3).all()
    numbers, count = unit_numbers([("a", i, j) for i in range(50) for j in range(50)])
    assert count == 512
    assert numbers.max() == 511


def test_intervals_hold_what_they_should(rng):
    # Means of 200 values, a hundred times.
    weights = unit_weights(200, seed=1)
    assert weights.shape == (1000, 200)
    assert (weights.sum(axis=1) == 200).all()
    held = 0
    for _ in range(100):
        values = rng.normal(5, 2, 200)
        sums = Resampled(weights, {"gradient": np.stack([np.ones(200), values, values, values, values], axis=1)})
        low, high = interval(figure("gradient_error", sums))
        held += low < 5 < high
        assert high - low == pytest.approx(2 * 1.96 * 2 / np.sqrt(200), rel=0.25)
    assert 88 <= held <= 100


def test_too_few_places_have_no_interval():
    assert unit_weights(4) is None
    assert np.isnan(interval(None)).all()
    assert resampled_means(np.arange(8.0), list("aabbccdd")) is None
    low, high = interval(resampled_means(np.arange(12.0), list("aabbccddeeff")))
    assert low < 5.5 < high


def test_rings_leave_out_what_was_not_seen(case, members):
    seen = case.seen.copy()
    seen[:10] = np.nan
    less = Case("one", "a", case.truth, seen, "mdi", case.time, case.radius)
    scored = Scorer(protocol(), seed=0).score(less, Prediction(members[0]))
    assert scored["mean/radius"][..., 0].sum() == less.known.sum() < case.known.sum()


def test_no_window_is_shown_twice(monkeypatch):
    from sunpy_superres.benchmark import scoring
    from sunpy_superres.metrics import perceptual

    monkeypatch.setattr(perceptual, "inception_features", lambda stack, data_range: stack.mean(axis=(1, 2))[:, None])
    field = np.arange(200.0)[:, None] + np.zeros((200, 312))
    assert len(scoring._features(field)) == 2  # of six blocks those that are whole
    field[150, 200] = np.nan
    assert len(scoring._features(field)) == 2
    field[50, 200] = np.nan
    assert len(scoring._features(field)) == 1


def row_sums(**options):
    known = {"name": "x", "title": "x", "kind": "baseline", "about": {}, "units": {}, "cases": {}, "whole": {}}
    known |= {"weights": None, "regions": list("abcdef"), "times": [None] * 6}
    return RowSums(**(known | options))


def test_means_over_images():
    # Blocks of 6 images with 1 pixel each, the last with a flux that is twice that of the truth.
    flux = np.ones((6, 4, 2))
    flux[5, :, 0] = 2
    row = row_sums(units={"flux": flux}, cases={"flux": flux})
    column = Column("flux_error", "flux")
    pooled, images = cell(row, column, row), cell(row, column, row, "images")
    assert pooled["value"] == pytest.approx(100 / 6)
    flux[4, :, 0] = 0
    assert cell(row, column, row, "images")["value"] == pytest.approx(200 / 6)  # errors do not cancel
    assert images["value"] == images["mean"] == pytest.approx(100 / 6)
    assert images["std"] == pytest.approx(np.std([0, 0, 0, 0, 0, 100], ddof=1))
    assert images["pooled"] == pooled["value"]
    assert images["low"] < images["value"] < images["high"]


def test_set_distances_have_a_number_and_an_error(rng):
    features = [rng.normal(size=(8, 3)) for _ in range(6)]
    row = row_sums(whole={"features": features, "true_features": [one + 1 for one in features]})
    kid, fid = (cell(row, Column(name, name), row) for name in ("kid", "fid"))
    assert kid["count"] == fid["count"] == 48
    assert kid["error"] > 0
    assert "error" not in fid


def test_ranks_scatter_as_places_do(rng):
    # 40 places, in each of which all 100 pixels have one rank.
    ranks = np.zeros((40, 3, 10))
    ranks[np.arange(40), 0, rng.integers(0, 10, 40)] = 100
    resampled = row_sums(units={"ranks:all": ranks}, weights=unit_weights(40))
    few = row_sums(units={"ranks:all": ranks})
    expected = metrics.rank_histogram_error(9, 40)
    assert _rank_error(few) == pytest.approx(np.full(10, expected))
    assert _rank_error(resampled).mean() == pytest.approx(expected, rel=0.25)


def test_half_a_bit_is_of_independent_windows():
    field = np.zeros((8, 16, 9))
    field[:, 0, 0] = 128**2 / 2  # half of each window is known to no other
    row = row_sums(units={"field": field}, blocks=16)
    # Two frames of each place, and in each a quarter of a window's pixels.
    assert _independent(row) == pytest.approx(0.25 * 0.5)


def test_only_what_tables_show_of_images_is_kept(sums):
    blocks = {name: value for name, value in sums.items() if not name.startswith("case/")}
    assert needed(protocol(), blocks) == {"field"}
