"""
Several methods on one magnetogram, side by side, and against a truth where there is one.
"""

import csv
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import astropy.units as u

import sunpy_superres
from sunpy_superres import metrics, observations, registration
from sunpy_superres._atomic import replacing
from sunpy_superres._wcs import pixel_scale
from sunpy_superres.benchmark._scene import mean_gradient, network_of
from sunpy_superres.benchmark.degraded import PERIODS
from sunpy_superres.superresolution import draw_one, enlarge, on_scale

__all__ = ["Comparison", "compare", "comparison_table", "write_csv"]


@dataclass
class Comparison:
    """
    What several methods made of one magnetogram.

    Parameters
    ----------
    results : `dict`
        Result of every method, `~sunpy.map.GenericMap` by name.
    samples : `dict`
        One draw of every method that draws, arrays by name.
    truth : `numpy.ndarray` or None
        The truth on the grid of the results.
    rows : `list` of `dict`
        The figures of every method, `None` where there is none.
    """

    results: dict
    samples: dict
    truth: np.ndarray | None
    rows: list


def compare(smap, methods, *, truth=None, n_samples=20, seed=0, models=None, register=True, progress=False):
    """
    Run several methods on one magnetogram and measure them.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        The input, as for `sunpy_superres.superresolve`.
    methods : iterable of `str`
        Names of methods with the same factor.
    truth : `~sunpy.map.GenericMap`, optional
        What HMI saw at that time. It is brought to the grid of the results.
    n_samples, seed : `int`, optional
        Size and seed of the ensembles. Default to 20 and 0.
    models : `dict`, optional
        Weights by method, where they are not those of the registry.
    register : `bool`, optional
        Whether every result is first shifted onto the truth, to half a pixel: pointing is not the method's fault.
        Defaults to `True`.
    progress : `bool`, optional
        Show progress bars.

    Returns
    -------
    `Comparison`
        The figures without a truth are ``seconds``, ``unsigned_flux`` (of magnetograms, in Mx, each pixel with the area
        that it has at disk center) and ``mean_gradient`` (of the result, per pixel, in its unit); with one also
        ``rmse``, ``bias`` and ``gradient_error`` in that unit, ``correlation``, ``flux_ratio``, ``resolution`` in
        arcsec and, of the draws of a method that has any and of the result of the others, ``power_8``, ``power_4`` and
        ``power_2``; and ``spread_skill`` of an ensemble.

    Raises
    ------
    ValueError
        If there are no methods, one is not known, their results have different grids, or nothing of the truth lies
        within the map.

    Examples
    --------
    >>> from sunpy_superres.benchmark import compare, comparison_table
    >>> from sunpy_superres.degradation import degrade, synthetic_magnetogram
    >>> from sunpy_superres.maps import build, from_array
    >>> fine = synthetic_magnetogram((96, 96), seed=0)
    >>> mdi = from_array(degrade(fine, seed=0), scale=2.017092)
    >>> found = compare(mdi, ["bicubic"], truth=build(mdi, fine, 4))  # doctest: +IGNORE_OUTPUT
    >>> [row["method"] for row in found.rows]
    ['bicubic']
    """
    from sunpy_superres.models import get_method  # NOQA: PLC0415

    methods = list(dict.fromkeys(methods))
    if not methods:
        msg = f"No methods to compare; known are {', '.join(sunpy_superres.available_methods())}."
        raise ValueError(msg)
    smap, factor = _common_grid(smap, methods, models or {})
    results, samples, rows = {}, {}, []
    for method in methods:
        options = {"seed": seed, "model": (models or {}).get(method), "progress": progress}
        start = time.perf_counter()
        with warnings.catch_warnings():
            # Of several methods some have no ensemble, whatever is asked for.
            warnings.filterwarnings("ignore", message="The method '.*' is deterministic")
            if get_method(method).trained:
                result = sunpy_superres.superresolve(smap, method, n_samples, **options)
            else:
                result = enlarge(smap, method, factor)
        seconds = time.perf_counter() - start
        results[method] = result
        if result.uncertainty is not None:
            samples[method] = np.asarray(draw_one(smap, method, **options).data)
        rows.append({"method": method, "seconds": seconds})
    truth = None if truth is None else _on_grid(truth, results[methods[0]])
    for row in rows:
        row.update(_figures(results[row["method"]], samples.get(row["method"]), truth, register=register))
    return Comparison(results, samples, truth, rows)


def _common_grid(smap, methods, models):
    """
    The map on the plate scale that the methods take, and their factor, before any work is done.
    """
    from sunpy_superres.models import get_method  # NOQA: PLC0415
    from sunpy_superres.weights.loading import locate  # NOQA: PLC0415

    observation = observations.read(smap)
    name = observation.instrument.name
    trained = [method for method in methods if get_method(method).trained]
    if given := [method for method in methods if method not in trained and method in models]:
        msg = f"The method {given[0]!r} has no weights: {str(models[given[0]])!r} does not apply to it."
        raise ValueError(msg)
    factors = {method: network_of(method, models.get(method), name).factor for method in trained}
    if len(set(factors.values())) > 1:
        enlarged = ", ".join(f"{method} {factor} times" for method, factor in factors.items())
        msg = f"Only methods of the same factor can be compared, and these enlarge: {enlarged}."
        raise ValueError(msg)
    scales = {locate(models.get(method), method, name).scale for method in trained} - {None}
    if len(scales) > 1:
        msg = f"The models of these methods take maps of different plate scales: {sorted(scales)} arcsec per pixel."
        raise ValueError(msg)
    factor = next(iter(factors.values()), get_method("bicubic")().factor)
    for scale in scales:
        smap, _ = on_scale(smap, observation, scale)
    return smap, factor


def _on_grid(truth, result):
    if truth.data.shape == result.data.shape and _same_corners(truth, result):
        return np.asarray(truth.data, dtype=np.float32)
    found = np.asarray(truth.reproject_to(result.wcs).data, dtype=np.float32)
    if not np.isfinite(found).any():
        msg = "Nothing of the truth lies within the map."
        raise ValueError(msg)
    return found


def _same_corners(one, other):
    ny, nx = one.data.shape
    corners = [0, nx - 1] * u.pix, [0, ny - 1] * u.pix
    first, second = (smap.pixel_to_world(*corners) for smap in (one, other))
    scale = u.Quantity(one.scale)[0] * u.pix
    return np.allclose(first.separation(second).to_value(scale.unit), 0, atol=0.01 * scale.value)


def _figures(result, sample, truth, *, register):
    data = np.asarray(result.data)
    scale = float(np.mean(pixel_scale(result)))
    side = ((scale * u.arcsec).to_value(u.rad) * result.observer_coordinate.radius).to_value(u.cm)
    figures = {"mean_gradient": mean_gradient(data)}
    if "srquiet" not in result.meta:
        figures = {"unsigned_flux": float(metrics.unsigned_flux(data) * side**2), **figures}
    if truth is None:
        return figures
    if register:
        offset = registration.estimate_shift(truth, data)
        data = registration.shift(data, offset)
        sample = None if sample is None else registration.shift(sample, offset)
    one = data if sample is None else sample
    valid = np.isfinite(data) & np.isfinite(truth) & np.isfinite(one)
    data, one, truth = (np.where(valid, field, np.nan) for field in (data, one, truth))
    rmse = metrics.rmse(data, truth)
    power = metrics.power_ratio(one, truth, scale, PERIODS)
    figures |= {
        "rmse": rmse,
        "bias": metrics.bias(data, truth),
        "correlation": metrics.pcc(data, truth),
        "gradient_error": metrics.gradient_error(data, truth),
        "flux_ratio": metrics.unsigned_flux(one) / metrics.unsigned_flux(truth),
        "resolution": metrics.resolution(data, truth, scale),
        **{f"power_{period}": float(value) for period, value in zip(PERIODS, power, strict=True)},
    }
    if result.uncertainty is not None:
        spread = np.asarray(result.uncertainty.array)[valid]
        figures["spread_skill"] = float(np.sqrt(np.mean(spread.astype(float) ** 2)) / rmse)
    return figures


def comparison_table(rows):
    """
    Figures of several methods as text.

    Parameters
    ----------
    rows : `list` of `dict`
        As in `Comparison`; the first key names the row.

    Returns
    -------
    `str`
        One line for every figure, one column for every method.

    Examples
    --------
    >>> from sunpy_superres.benchmark import comparison_table
    >>> print(comparison_table([{"method": "bicubic", "rmse": 41.2}, {"method": "ldm", "rmse": 29.9}]))
              bicubic        ldm
    rmse         41.2       29.9
    """
    first, *names = _names(rows)
    width = max(map(len, names), default=0) + 2
    column = max(11, *(len(row[first]) + 2 for row in rows))
    lines = [" " * width + "".join(f"{row[first]:>{column}}" for row in rows)]
    for name in names:
        cells = (f"{row[name]:.4g}" if name in row else "-" for row in rows)
        lines.append(f"{name:{width}}" + "".join(f"{cell:>{column}}" for cell in cells))
    return "\n".join(lines)


def write_csv(rows, path):
    """
    Write the figures of several methods as CSV, one line for every method.

    Parameters
    ----------
    rows : `list` of `dict`
        As in `Comparison`.
    path : path-like
        The file; its folder must exist. It is whole or not there.

    Examples
    --------
    >>> from sunpy_superres.benchmark import write_csv
    >>> write_csv([{"method": "bicubic", "rmse": 41.2}], "figures.csv")  # doctest: +SKIP
    """
    with replacing(Path(path)) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _names(rows))
        writer.writeheader()
        writer.writerows(rows)


def _names(rows):
    return list(dict.fromkeys(name for row in rows for name in row))
