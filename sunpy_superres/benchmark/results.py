"""
From the parts of all cases to tables and curves.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sunpy_superres.benchmark.bootstrap import Resampled, interval, resampled_means
from sunpy_superres.benchmark.ensemble_figures import spread_bins
from sunpy_superres.benchmark.figures import (
    IMAGE_FIGURES,
    correlations,
    figure,
    frequencies,
    spectra,
)
from sunpy_superres.benchmark.statistics import FIELD_EDGES, MOMENTS, MU_EDGES, RADIUS_EDGES, SCATTER_EDGES

__all__ = ["RowSums", "cell", "curves", "distribution", "table_cells"]


@dataclass(eq=False)
class RowSums:
    """
    What there is of a row: sums by name.

    Parameters
    ----------
    name, title, kind : `str`
        Of the row.
    about : `dict`
        How it was made.
    units : `dict`
        Sums of places, shape (places, ...).
    cases : `dict`
        Sums of cases, shape (cases, ...).
    whole : `dict`
        What is of whole images, lists with one entry for each case.
    weights : `numpy.ndarray` or None
        See `~sunpy_superres.benchmark.bootstrap.unit_weights`.
    regions : `list` of `str`
        Region of each case.
    times : `list`
        When each was observed, or `None`.
    """

    name: str
    title: str
    kind: str
    about: dict
    units: dict
    cases: dict
    whole: dict
    weights: np.ndarray | None
    regions: list
    times: list
    _resampled: object = field(default=None, repr=False)

    @cached_property
    def pooled(self):
        """
        Sums of everything.
        """
        return {name: sums.sum(axis=0) for name, sums in self.units.items()}

    @property
    def resampled(self):
        """
        Sums of resampled places, or `None`.
        """
        if self._resampled is None and self.weights is not None:
            self._resampled = Resampled(self.weights, self.units)
        return self._resampled

    def forget(self):
        """
        Free the memory of what was resampled.
        """
        self._resampled = None


def _evaluate(column, sums, reference):
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return figure(column.figure, sums, column.options, reference)


def distribution(row, column, reference):
    """
    A figure of each resampled set of places, or `None`.

    Parameters
    ----------
    row, reference : `RowSums`
        The row, and that of the interpolated input.
    column : `~sunpy_superres.benchmark.Column`
        Which figure.

    Returns
    -------
    `numpy.ndarray` or None
    """
    if row.resampled is None:
        return None
    return _evaluate(column, row.resampled, reference.resampled)


def cell(row, column, reference):
    """
    A cell of a table.

    Parameters
    ----------
    row, column, reference
        See `distribution`.

    Returns
    -------
    `dict`
        ``value`` (of everything together), ``low``, ``high``, ``mean`` and ``std`` over images.
    """
    if column.figure in IMAGE_FIGURES:
        return _image_cell(row, column)
    value = float(_evaluate(column, row.pooled, reference.pooled))
    low, high = interval(distribution(row, column, reference))
    values = np.asarray(_evaluate(column, row.cases, reference.cases), dtype=np.float64)
    if not np.isfinite(value):
        low = high = np.nan
    return {"value": value, "low": low, "high": high, **_over_images(values)}


def _over_images(values):
    values = values[np.isfinite(values)]
    return {
        "mean": float(values.mean()) if values.size else np.nan,
        "std": float(values.std()) if values.size > 1 else np.nan,
    }


def _image_cell(row, column):
    nothing = dict.fromkeys(("value", "low", "high", "mean", "std"), np.nan)
    if column.figure in ("fid", "kid"):
        return nothing | {"value": _set_distance(row, column.figure)}
    if column.figure.startswith("series_"):
        return nothing | _series_cell(row, column.figure)
    if column.figure == "lpips":
        values = np.array([float(one[0]) for one in row.whole.get("lpips", [])])
    else:
        numbers = np.array(row.whole.get("image", np.zeros((0, 7)))).reshape(-1, 7)
        values = _region_figure(column.figure, numbers)
    if not np.isfinite(values).any():
        return nothing
    low, high = interval(resampled_means(values, row.regions))
    found = _over_images(values)
    return {"value": found["mean"], "low": low, "high": high, **found}


def _region_figure(name, numbers):
    size, line, r_value, true_size, true_line, true_r_value, overlap = numbers.T
    if name == "jaccard":
        return overlap
    if name == "r_value_error":
        return np.abs(r_value - true_r_value)
    ours, theirs = (size, true_size) if name == "ar_size_error" else (line, true_line)
    with np.errstate(invalid="ignore", divide="ignore"):
        # What the truth has not cannot be off by a fraction of it.
        return np.where(theirs > 0, 100 * np.abs(ours / theirs - 1), np.nan)


def _series_cell(row, name):
    """
    Ratio of the sums of all times; mean and deviation over times.
    """
    moments, sums = _moments_of_series(row)
    if not moments:
        return {}

    def ratio(one):
        _, unsigned, net, true_unsigned, true_net = one.T
        return (unsigned if name == "series_unsigned" else net - true_net) / true_unsigned

    return {"value": float(ratio(sums.sum(axis=0))), **_over_images(ratio(sums))}


def _moments_of_series(row):
    """
    Times at which the box was seen, and sums of the cases of each.
    """
    series = row.whole.get("series", [])
    moments = sorted({time for time, one in zip(row.times, series, strict=False) if time and one[3] > 0})
    known = list(zip(row.times, series, strict=False))
    return moments, np.array([sum(one for time, one in known if time == moment) for moment in moments])


def _set_distance(row, name):
    from sunpy_superres import metrics  # NOQA: PLC0415

    sets = [[one for one in row.whole.get(key, []) if one.size] for key in ("features", "true_features")]
    if not all(sets):
        return np.nan
    ours, theirs = (np.concatenate(one) for one in sets)
    distance = metrics.frechet_distance if name == "fid" else metrics.kernel_distance
    return float(distance(ours, theirs)) if min(len(ours), len(theirs)) > 1 else np.nan


def table_cells(table, rows):
    """
    All cells of a table.

    Parameters
    ----------
    table : `~sunpy_superres.benchmark.Table`
        Which table.
    rows : `list` of `RowSums`
        The first is the interpolated input.

    Returns
    -------
    `dict`
        By row and column.
    """
    return {row.name: {column.name: cell(row, column, rows[0]) for column in table.columns} for row in rows}


def curves(protocol, rows):
    """
    What is drawn of all rows.

    Parameters
    ----------
    protocol : `~sunpy_superres.benchmark.Protocol`
        Which curves.
    rows : `list` of `RowSums`
        The first is the interpolated input.

    Returns
    -------
    `dict`
    """
    makers = {
        "spectra": _spectra,
        "scatter": _scatter,
        "rank_histogram": _rank_histogram,
        "reliability": _reliability,
        "spread_error": _spread_error,
        "by_field": _by_field,
        "by_mu": _by_mu,
        "time_series": _time_series,
    }
    found = {name: makers[name](rows) for name in protocol.curves}
    return {name: value for name, value in found.items() if value is not None}


def _spectra(rows):
    from sunpy_superres.metrics import half_bit  # NOQA: PLC0415

    power, truth, correlation, count = spectra(rows[0].pooled)
    used = count > 0
    found = {"period": 1 / frequencies()[used], "truth": truth[used], "half_bit": half_bit(count[used]), "rows": {}}
    for row in rows:
        power, truth, correlation, _ = spectra(row.pooled)
        ratio = np.divide(power, truth, out=np.full(power.shape, np.nan), where=truth > 0)
        found["rows"][row.name] = {"power": power[used], "ratio": ratio[used], "frc": correlation[used]}
    return found


def _scatter(rows):
    return {
        "edges": SCATTER_EDGES,
        "rows": {row.name: {"counts": np.sum(row.whole["scatter"], axis=0).astype(int)} for row in rows},
    }


def _ensembles(rows, name):
    """
    Rows with an ensemble, and their sums of all pixels.
    """
    pooled = {row.name: row.pooled[f"{name}:all"] for row in rows if f"{name}:all" in row.units}
    return {row: sums for row, sums in pooled.items() if name != "ranks" or sums.shape[-1] > 2}


def _rank_histogram(rows):
    found = {row: sums[0].astype(int) for row, sums in _ensembles(rows, "ranks").items()}
    return {"rows": found} if found else None


def _reliability(rows):
    found = {}
    for row, sums in _ensembles(rows, "ranks").items():
        counts, m = sums[0], sums.shape[-1] - 1
        inside = np.array([counts[k : m + 1 - k].sum() for k in range(m // 2, 0, -1)])
        nominal = (m + 1 - 2 * np.arange(m // 2, 0, -1)) / (m + 1)
        found[row] = {"nominal": nominal, "observed": inside / max(counts.sum(), 1)}
    return {"rows": found} if found else None


def _spread_error(rows):
    found = {}
    for row in rows:
        if "sparse:all" not in row.units or row.units["ranks:all"].shape[-1] < 4:
            continue
        spread, rmse, count = spread_bins(row.pooled)
        used = count > 0
        found[row.name] = {"spread": spread[used], "rmse": rmse[used], "count": count[used]}
    return {"rows": found} if found else None


def _binned(rows, name, groups, edges):
    """
    Errors in bins, each of some of those that were summed.
    """
    found = {"edges": edges, "count": None, "rows": {}}
    for row in rows:
        sums = row.pooled[name]
        m = dict(zip(MOMENTS, np.array([sums[group].sum(axis=0) for group in groups]).T, strict=True))
        with np.errstate(invalid="ignore", divide="ignore"):
            rmse, bias = np.sqrt(m["square"] / m["count"]), (m["P"] - m["G"]) / m["count"]
        found["count"] = m["count"]
        found["rows"][row.name] = {"rmse": rmse, "bias": bias, "pcc": correlations(m)}
    return found if found["count"].any() else None


def _by_field(rows):
    groups = [slice(i, i + 1) for i in range(len(FIELD_EDGES) - 1)]
    return _binned(rows, "field", groups, [*FIELD_EDGES[:-1], 2 * FIELD_EDGES[-2]])


def _by_mu(rows):
    # In the order of mu, which falls with the distance.
    at = [int(np.argmin(np.abs(np.array(RADIUS_EDGES) - np.sqrt(1 - mu**2)))) for mu in MU_EDGES]
    groups = [slice(at[i + 1], at[i]) for i in range(len(MU_EDGES) - 1)]
    return _binned(rows, "radius", groups, list(MU_EDGES))


def _time_series(rows):
    """
    Flux in the box; cases of one time are parts of one image.
    """
    moments, first = _moments_of_series(rows[0])
    if not moments:
        return None
    sums = {row.name: _moments_of_series(row)[1] for row in rows}
    return {
        "time": moments,
        "truth": {"unsigned": first[:, 3], "net": first[:, 4]},
        "rows": {name: {"unsigned": one[:, 1], "net": one[:, 2]} for name, one in sums.items()},
    }
