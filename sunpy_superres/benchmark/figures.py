"""
From sums to figures: the same functions for all images together, for each image and for resampled blocks.

Each takes the sums by name, arrays of shape (..., what is summed), and options of the column; it returns an array of
shape (...), NaN where there is nothing to say.
"""

import inspect

import numpy as np

from sunpy_superres.benchmark.ensemble_figures import ENSEMBLE_FIGURES, divide, place_of
from sunpy_superres.benchmark.ensemble_sums import SELECTIONS
from sunpy_superres.benchmark.statistics import (
    EXTREME_BLOCKS,
    FIELD_EDGES,
    HISTOGRAM_EDGES,
    MOMENTS,
    PERIODS,
    RADIUS_EDGES,
    RINGS,
    THRESHOLDS,
)
from sunpy_superres.instruments import HMI_SCALE

__all__ = ["FIGURES", "IMAGE_FIGURES", "check_figure", "correlations", "figure", "frequencies", "spectra"]

#: Figures that need the row of the interpolated input besides.
RELATIVE = "relative"
#: Figures that are found image by image, and how: from the numbers of the prediction and of the truth.
IMAGE_FIGURES = {
    "ar_size_error": "error of the area of active regions, % of that of the truth, without its sign",
    "jaccard": "overlap of the active regions of both polarities, intersection over union",
    "pil_error": "error of the length of polarity inversion lines, % of that of the truth, without its sign",
    "r_value_error": "difference of R_VALUE, without its sign",
    "series_unsigned": "unsigned flux of the box of the time series over that of the truth",
    "series_net": "error of the net flux of that box, over the unsigned flux of the truth",
    "lpips": "LPIPS of fields within 3000 G",
    "fid": "Frechet distance of Inception features of blocks, over all images",
    "kid": "kernel distance of Inception features of blocks, over all images",
}


def _bins(limits, edges, what):
    if not isinstance(limits, list | tuple) or len(limits) != 2:
        msg = f"{what} must be two numbers, from and to, not {limits!r}"
        raise ValueError(msg)
    low, high = (place_of(limit, edges, f"the limits of {what}") for limit in limits)
    return slice(low, high)


def _moments(s, field=None, radius=None):
    """
    Moments of the pixels of some bins, by name.
    """
    if radius is not None:
        if field is not None:
            msg = "give field or radius, not both"
            raise ValueError(msg)
        found = s["radius"][..., _bins(radius, RADIUS_EDGES, "radius"), :]
    else:
        found = s["field"][..., slice(None) if field is None else _bins(field, FIELD_EDGES, "field"), :]
    return dict(zip(MOMENTS, np.moveaxis(found.sum(axis=-2), -1, 0), strict=True))


def _rmse(s, field=None, radius=None):
    m = _moments(s, field, radius)
    return np.sqrt(divide(m["square"], m["count"]))


def _mae(s, field=None, radius=None):
    m = _moments(s, field, radius)
    return divide(m["error"], m["count"])


def _bias(s, field=None, radius=None):
    m = _moments(s, field, radius)
    return divide(m["P"] - m["G"], m["count"])


def _covariances(m):
    p, g = divide(m["P"], m["count"]), divide(m["G"], m["count"])
    return m["PG"] - p * m["G"], m["PP"] - p * m["P"], m["GG"] - g * m["G"]


def correlations(m):
    """
    Pearson correlation of moments by name.
    """
    pg, pp, gg = _covariances(m)
    return divide(pg, np.sqrt(np.maximum(pp * gg, 0)))


def _pcc(s, field=None, radius=None):
    return correlations(_moments(s, field, radius))


def _slope(s, field=None, radius=None):
    pg, _, gg = _covariances(_moments(s, field, radius))
    return divide(pg, gg)


def _psnr(s, data_range=6000):
    with np.errstate(divide="ignore"):
        return 20 * np.log10(data_range / _rmse(s))


def _within(s, field=None):
    m = _moments(s, field)
    return 100 * divide(m["within"], m["count"])


def _ssim(s, strong=False):
    count, total = (s["ssim"][..., 2 * strong + i] for i in (0, 1))
    return divide(total, count)


def _flux_ratio(s, threshold=0):
    flux = s["flux"][..., place_of(threshold, THRESHOLDS, "threshold"), :]
    return divide(flux[..., 0], flux[..., 1])


def _flux_error(s, threshold=0):
    return 100 * np.abs(_flux_ratio(s, threshold) - 1)


def _net_flux(s):
    m = _moments(s)
    return divide(m["P"] - m["G"], s["flux"][..., 0, 1])


def _signed_flux_error(s):
    return divide(s["signed"][..., 1], s["signed"][..., 0])


def _extreme(s, block, part):
    found = s["extremes"][..., place_of(block, EXTREME_BLOCKS, "block"), :]
    return divide(found[..., part], found[..., 3 if part == 4 else 0])


def _extreme_error(s, block=32):
    return _extreme(s, block, 1)


def _extreme_bias(s, block=32):
    return _extreme(s, block, 2)


def _gradient_error(s, block=None):
    return divide(s["gradient"][..., 1], s["gradient"][..., 0]) if block is None else _extreme(s, block, 4)


def _gradient_ratio(s):
    return divide(s["gradient"][..., 2], s["gradient"][..., 3])


def _gradient_mae(s):
    return divide(s["gradient"][..., 4], s["gradient"][..., 0])


def _patch_pcc(s):
    return divide(s["patches"][..., 1], s["patches"][..., 0])


def _wasserstein(s):
    counts = s["histogram"]
    below = divide(counts, counts.sum(axis=-1, keepdims=True)).cumsum(axis=-1)
    apart = np.abs(below[..., 0, :] - below[..., 1, :])
    # The distribution functions at the edges of the bins, and straight lines between them.
    apart = np.concatenate([np.zeros_like(apart[..., :1]), apart], axis=-1)
    return ((apart[..., 1:] + apart[..., :-1]) / 2 * np.diff(HISTOGRAM_EDGES)).sum(axis=-1)


def _power_ratio(s, period=2):
    band = s["bands"][..., place_of(period, PERIODS, "period"), :]
    return divide(band[..., 0], band[..., 1])


def _frc(s, period=2):
    band = s["bands"][..., place_of(period, PERIODS, "period"), :]
    return divide(band[..., 2], np.sqrt(band[..., 0] * band[..., 1]))


def frequencies():
    """
    Middles of the rings in cycles per arcsec.
    """
    return np.arange(1, RINGS + 1) / (2 * RINGS * HMI_SCALE)


def spectra(s):
    """
    Spectrum of prediction and truth, ring correlation, and how many places of the Fourier plane each ring has.
    """
    count, p, g, pg = np.moveaxis(s["rings"], -1, 0)
    return divide(p, count), divide(g, count), divide(pg, np.sqrt(p * g)), count


def _ralsd(s):
    p, g, _, _ = spectra(s)
    with np.errstate(divide="ignore", invalid="ignore"):
        decibel = 10 * np.log10(divide(p, g))
    known = np.isfinite(decibel)
    return np.sqrt(divide(np.where(known, decibel, 0) ** 2 @ np.ones(RINGS), known.sum(axis=-1)))


def _resolution(s):
    _, _, correlation, count = spectra(s)
    k = frequencies()
    # Rings without any place in the Fourier plane, of images smaller than a window, say nothing.
    excess = np.where(count > 0, np.nan_to_num(correlation, nan=-1.0) - 1 / 7, np.inf)
    below = excess < 0
    first = below.argmax(axis=-1)
    at = np.maximum(first, 1)
    one, two = (np.take_along_axis(excess, (at + i)[..., None], -1)[..., 0] for i in (-1, 0))
    with np.errstate(invalid="ignore"):
        part = np.where(np.isfinite(one), divide(one, one - two), 0)
    found = 1 / (k[at - 1] + part * (k[at] - k[at - 1]))
    found = np.where(below.any(axis=-1), np.where(first == 0, np.inf, found), 2 * HMI_SCALE)
    return np.where(count.sum(axis=-1) > 0, found, np.nan)


def _consistency(s):
    return np.sqrt(divide(s["consistency"][..., 1], s["consistency"][..., 0]))


def _consistency_ratio(s):
    return np.sqrt(divide(s["consistency"][..., 1], s["consistency"][..., 2]))


#: Figures of sums, by name.
FIGURES = {
    "rmse": _rmse,
    "mae": _mae,
    "bias": _bias,
    "pcc": _pcc,
    "slope": _slope,
    "psnr": _psnr,
    "within": _within,
    "ssim": _ssim,
    "flux_ratio": _flux_ratio,
    "flux_error": _flux_error,
    "net_flux": _net_flux,
    "signed_flux_error": _signed_flux_error,
    "extreme_error": _extreme_error,
    "extreme_bias": _extreme_bias,
    "gradient_error": _gradient_error,
    "gradient_ratio": _gradient_ratio,
    "gradient_mae": _gradient_mae,
    "patch_pcc": _patch_pcc,
    "wasserstein": _wasserstein,
    "power_ratio": _power_ratio,
    "frc": _frc,
    "ralsd": _ralsd,
    "resolution": _resolution,
    "consistency": _consistency,
    "consistency_ratio": _consistency_ratio,
    **ENSEMBLE_FIGURES,
}


def figure(name, sums, options=None, reference=None):
    """
    Compute a figure.

    Parameters
    ----------
    name : `str`
        One of `FIGURES`, or ``"relative"``: that of ``options["of"]`` over that of the reference.
    sums : mapping
        Sums by name, of shape (..., what is summed).
    options : `dict`, optional
        Of the figure.
    reference : mapping, optional
        Sums of the interpolated input.

    Returns
    -------
    `numpy.ndarray`
        Shape (...).

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.benchmark.figures import figure
    >>> figure("gradient_ratio", {"gradient": np.array([[4.0, 1.0, 6.0, 8.0, 3.0]])})
    array([0.75])
    """
    options = dict(options or {})
    if name == RELATIVE:
        of = options.pop("of")
        return divide(FIGURES[of](sums, **options), FIGURES[of](reference, **options))
    return FIGURES[name](sums, **options)


def check_figure(name, options):
    """
    Raise `ValueError` if there is no such figure, or it does not take the options.

    Parameters
    ----------
    name : `str`
        Name of the figure.
    options : `dict`
        Its options.
    """
    options = dict(options)
    if name == RELATIVE:
        name = options.pop("of", None)
        if name is None:
            msg = "the figure 'relative' needs of, the figure that is divided by that of the interpolated input"
            raise ValueError(msg)
    if name in IMAGE_FIGURES:
        known = {}
    elif name in FIGURES:
        known = dict(list(inspect.signature(FIGURES[name]).parameters.items())[1:])
    else:
        msg = f"unknown figure {name!r}; known are {', '.join(sorted([*FIGURES, *IMAGE_FIGURES, RELATIVE]))}"
        raise ValueError(msg)
    if unknown := sorted(set(options) - set(known)):
        takes = f"takes {', '.join(known)}" if known else "takes no options"
        msg = f"the figure {name!r} has no option {unknown[0]!r}; it {takes}"
        raise ValueError(msg)
    for option, check in _CHECKS.items():
        if options.get(option) is not None:
            check(options[option])


_CHECKS = {
    "field": lambda value: _bins(value, FIELD_EDGES, "field"),
    "radius": lambda value: _bins(value, RADIUS_EDGES, "radius"),
    "threshold": lambda value: place_of(value, THRESHOLDS, "threshold"),
    "block": lambda value: place_of(value, EXTREME_BLOCKS, "block"),
    "period": lambda value: place_of(value, PERIODS, "period"),
    "select": lambda value: place_of(value, SELECTIONS, "select"),
    "level": lambda value: _check_level(value),
}


def _check_level(value):
    if not (isinstance(value, float) and 0 < value < 1):
        msg = f"level must lie between 0 and 1, not {value!r}"
        raise ValueError(msg)
