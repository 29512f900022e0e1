"""
Fitting the calibration of a model's spread on magnetograms whose truth is known.

What is fitted is a factor on the deviations from the ensemble mean, as a function of the spread itself: see
`sunpy_superres.inference.SpreadCalibration`.
"""

from collections import namedtuple

import numpy as np
from scipy.optimize import minimize

import sunpy_superres
from sunpy_superres.benchmark._scene import network_of, progress_bar
from sunpy_superres.benchmark.cases import case_seed
from sunpy_superres.benchmark.sources import degraded_cases

__all__ = ["INDEPENDENT", "fit_spread", "store_calibration"]

#: Independent members: with 19, the smallest and the largest enclose 90 % and the fifth from each end 50 %, exactly.
INDEPENDENT = 19
#: Ranks of those members, and the coverage of the interval between them.
_RANKS = {50: 5, 90: 1}
#: Half width of the same intervals of a normal law, in standard deviations.
_NORMAL = {50: 0.6745, 90: 1.6449}
#: Gauss from which a field is strong, and how many classes of spread the pixels are divided into.
_STRONG, _CLASSES = 150, 8
#: Quantiles of the spread at which the factor is free: strong fields are few, and make most of the error.
_QUANTILES = (0.02, 0.31, 0.61, 0.9, 0.96, 0.99, 0.999)
#: By how much a figure may be off before it counts: coverage, and the logarithm of the spread-skill ratio.
_COVERAGE, _RATIO = 0.03, 0.1
#: Of the pixels of one ensemble every so many-th is used; of several fewer.
_STRIDE = 12

# Pixels of an image: its name, mean, truth, spread, error of the mean over the spread and, for both intervals, the
# factor from which the truth is inside. The last three are all that calibrating asks for.
_Pixels = namedtuple("_Pixels", ["image", "region", "mean", "truth", "spread", "error", "normalized", "inside"])


def fit_spread(data, *, method="ldm", model=None, instrument="mdi", seed=0, repeats=2, progress=False):
    r"""
    Fit the calibration of the spread of a model on HMI magnetograms, degraded to the instrument.

    Parameters
    ----------
    data : path-like
        Folder with ``hmi/validation/*.magnetogram.fits``, or with ``*.fits``, as for the benchmark. These magnetograms
        are used up by the fit: choose what the model was not trained on, and judge on others.
    method, model, instrument : `str`, optional
        The model.
    seed : `int`, optional
        Seed of the noise of the degradation and of the samples, which differ from image to image. Defaults to 0.
    repeats : `int`, optional
        Ensembles of each magnetogram, each with its own noise: one alone is fitted with the accidents of its draws.
        Defaults to 2.
    progress : `bool`, optional
        Whether to show a progress bar. Defaults to `False`.

    Returns
    -------
    `dict`
        ``spread`` (in HMI gauss) and ``factor``, the arguments of `~sunpy_superres.inference.SpreadCalibration`;
        ``before``, ``after`` and, where there are several regions, ``held_out`` (each region with the calibration that
        is fitted on the others): for ``all`` pixels, for those where the mean (``strong``) or the truth
        (``strong_truth``) is above 150 G, and for each image, ``spread_skill`` (spread over RMSE, both of all members
        together), ``coverage_50`` and ``coverage_90`` (of the intervals between members), ``normal_50`` and
        ``normal_90`` (of the intervals of a normal law of that spread); and what it was fitted on. Fit for
        `~sunpy_superres.benchmark.write_json`.

    Raises
    ------
    FileNotFoundError
        If there are no magnetograms.
    ValueError
        If the method draws no ensemble.

    Notes
    -----
    The factors at seven quantiles of the spread minimize the squares of the departures of coverage from 50 and 90 %,
    in units of 3 %, and of the logarithm of the spread-skill ratio from 0, in units of 0.1, summed over all pixels;
    those with a strong mean; with a quarter of the weight those with a strong truth (a selection by the truth finds any
    ensemble too narrow [1]_); and, with little weight, eight classes of spread. Of the first two, what is beyond those
    units costs much more. The intervals of a normal law count a quarter. The strong pixels of each image count little,
    and an image that is far off counts less than its square: one out of focus shall not decide.

    References
    ----------
    .. [1] Lerch et al. 2017, Stat. Sci. 32, 106, doi:10.1214/16-STS588

    Examples
    --------
    >>> from sunpy_superres.benchmark import fit_spread
    >>> fit_spread("data")["factor"]  # doctest: +SKIP
    [1.2346, 0.8893, 0.7487, 1.0161, 1.1687, 0.9065, 0.7236]
    """
    network = network_of(method, model, instrument)
    if not network.stochastic:
        msg = f"The method {method!r} is deterministic: it has no spread to calibrate."
        raise ValueError(msg)
    step = 2 if network.antithetic else 1
    images = []
    for one in progress_bar(range(seed, seed + repeats), show=progress):
        images += [
            _drawn(case, method, model, step, one) for case in degraded_cases(data, instrument=instrument, seed=one)
        ]
    calibration = _fit(images)
    return {
        "spread": [round(float(value), 3) for value in calibration.spread],
        "factor": [round(float(value), 4) for value in calibration.factor],
        "before": _report(images, [None] * len(images)),
        "after": _report(images, [calibration] * len(images)),
        **_held_out(images),
        "images": list(dict.fromkeys(pixels.image for pixels in images)),
        "method": method,
        "instrument": instrument,
        "n_samples": step * INDEPENDENT,
        "seed": seed,
        "repeats": repeats,
        "version": sunpy_superres.__version__,
    }


def store_calibration(folder, fitted):
    """
    Keep a calibration in the configuration of a model, in place of one that it may have.

    Parameters
    ----------
    folder : path-like
        Folder of the model.
    fitted : `dict`
        As `fit_spread` returns it.

    Raises
    ------
    FileNotFoundError, ValueError
        If the folder holds no model, or the numbers are no calibration.
    """
    from sunpy_superres.inference import SpreadCalibration  # NOQA: PLC0415
    from sunpy_superres.weights.files import read_config, write_config  # NOQA: PLC0415

    SpreadCalibration(fitted["spread"], fitted["factor"])
    config = read_config(folder)
    kept = ("spread", "factor", "images", "n_samples", "seed", "repeats")
    config["calibration"] = {name: fitted[name] for name in kept if name in fitted}
    write_config(folder, config)


def _held_out(images):
    """
    Figures of each region by what is fitted on the others, where there are several.
    """
    regions = sorted({p.region for p in images})
    if len(regions) < 2:
        return {}
    fitted = {region: _fit([p for p in images if p.region != region]) for region in regions}
    return {"held_out": _report(images, [fitted[p.region] for p in images])}


def _drawn(case, method, model, step, seed):
    from sunpy_superres.inference import moments  # NOQA: PLC0415

    options = {"model": model, "instrument": case.instrument, "seed": case_seed(seed, case.name), "calibrate": False}
    members = np.asarray(sunpy_superres.sample_posterior(case.map(), method, step * INDEPENDENT, **options).data)
    truth = case.truth
    mean, spread = moments(members, antithetic=step == 2)
    valid = np.isfinite(truth) & np.isfinite(mean) & (spread > 0)
    mean, spread, truth = (field[valid].astype(np.float64) for field in (mean, spread, truth))
    deviation = np.sort(members[::step, valid] - mean, axis=0)
    error = truth - mean
    return _Pixels(
        case.name, case.region, mean, truth, spread, error, np.abs(error) / spread,
        np.stack([_reached(error, deviation[rank - 1], deviation[-rank]) for rank in _RANKS.values()]),
    )  # fmt: skip


def _reached(error, lowest, highest):
    """
    The factor from which an interval holds the error.
    """
    limit = np.where(error >= 0, highest, lowest)
    # An interval that does not hold the mean is not made to hold the error by any factor.
    return np.divide(error, limit, out=np.full(error.shape, np.inf), where=limit * np.where(error >= 0, 1, -1) > 0)


def _pooled(images):
    return _Pixels(None, None, *(np.concatenate(parts, axis=-1) for parts in list(zip(*images, strict=True))[2:]))


def _figures(pixels, factor, chosen=slice(None)):
    factor, error = factor[chosen], pixels.error[chosen]
    spread = np.sqrt(np.mean((factor * pixels.spread[chosen]) ** 2))
    figures = {"spread_skill": float(spread / np.sqrt(np.mean(error**2)))}
    for i, level in enumerate(_RANKS):
        figures[f"coverage_{level}"] = float(np.mean(pixels.inside[i][chosen] <= factor))
        figures[f"normal_{level}"] = float(np.mean(pixels.normalized[chosen] <= _NORMAL[level] * factor))
    return figures


def _departures(figures, *, firm=False):
    """
    How far figures are from those of a calibrated ensemble, squared; firmly, much more from 0.7 of the bound on.
    """
    departures = [np.log(figures["spread_skill"]) / _RATIO]
    departures += [(figures[f"coverage_{level}"] - level / 100) / _COVERAGE for level in _RANKS]
    total = sum(value**2 for value in departures)
    if firm:
        total += 50 * sum(max(abs(value) - 0.7, 0) ** 2 for value in departures)
    return total + 0.25 * sum(((figures[f"normal_{level}"] - level / 100) / _COVERAGE) ** 2 for level in _RANKS)


def _fit(images):
    """
    The calibration that makes the departures smallest.
    """
    from sunpy_superres.inference import SpreadCalibration  # NOQA: PLC0415

    stride = _STRIDE * len(images) // len({p.image for p in images})
    images = [p._replace(**{name: getattr(p, name)[..., ::stride] for name in _Pixels._fields[2:]}) for p in images]
    pixels = _pooled(images)
    spread = np.quantile(pixels.spread, _QUANTILES)
    places, logarithm = np.log(spread), np.log(pixels.spread)
    own = [np.log(p.spread) for p in images]
    strong = np.abs(pixels.mean) > _STRONG
    edges = np.quantile(pixels.spread, np.linspace(0, 1, _CLASSES + 1)[1:-1])
    classes = np.searchsorted(edges, pixels.spread)
    groups = [(2.0, True, np.ones(strong.shape, dtype=bool)), (2.0, True, strong)]
    groups += [(0.5, False, np.abs(pixels.truth) > _STRONG), *((0.05, False, classes == i) for i in range(_CLASSES))]
    groups = [group for group in groups if group[2].any()]
    by_image = [(p, place, np.abs(p.mean) > _STRONG) for p, place in zip(images, own, strict=True)]

    def cost(values):
        factor = np.exp(np.interp(logarithm, places, values))
        total = sum(w * _departures(_figures(pixels, factor, chosen), firm=firm) for w, firm, chosen in groups)
        for p, place, chosen in by_image:
            if chosen.any():
                figures = _figures(p, np.exp(np.interp(place, places, values)), chosen)
                total += 0.3 * np.log1p(_departures(figures))
        slope = np.diff(values) / np.diff(places)
        # As smooth as the data allow, and a larger spread stays the larger one.
        rough = 1.5 * np.sum(np.diff(slope) ** 2) + 0.1 * np.sum(slope**2)
        return total + rough + 20 * np.clip(-0.8 - slope, 0, None).sum()

    start = np.full(len(spread), -np.log(_figures(pixels, np.ones(strong.shape))["spread_skill"]))
    for _ in range(3):  # Powell's method ends early on a function of counts
        start = minimize(cost, start, method="Powell", options={"maxiter": 8, "xtol": 1e-2, "ftol": 1e-3}).x
    calibrated = np.maximum.accumulate(spread * np.exp(start))
    return SpreadCalibration(spread, calibrated / spread)


def _report(images, calibrations):
    """
    Figures of all images, each with its own calibration or with none.
    """
    factors = [
        np.ones(p.spread.shape) if calibration is None else calibration.factors(p.spread)
        for p, calibration in zip(images, calibrations, strict=True)
    ]

    def of(pixels, factor, chosen=slice(None)):
        return {name: round(value, 4) for name, value in _figures(pixels, factor, chosen).items()}

    pixels, factor = _pooled(images), np.concatenate(factors)
    report = {"all": of(pixels, factor)}
    for name, field in (("strong", pixels.mean), ("strong_truth", pixels.truth)):
        chosen = np.abs(field) > _STRONG
        if chosen.any():
            report[name] = of(pixels, factor, chosen)
    report["images"] = {}
    for name in dict.fromkeys(p.image for p in images):
        own = [i for i, p in enumerate(images) if p.image == name]
        report["images"][name] = of(_pooled([images[i] for i in own]), np.concatenate([factors[i] for i in own]))
    return report
