"""
From the parts of all cases to tables.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sunpy_superres.benchmark.bootstrap import Resampled, interval, resampled_means
from sunpy_superres.benchmark.figures import IMAGE_FIGURES, figure

__all__ = ["RowSums", "cell", "distribution", "moments_of_series", "needed", "table_cells"]


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
    blocks : `int`, optional
        Blocks of all cases.
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
    blocks: int = 0
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

    def release(self):
        """
        Free the memory of what tables alone need: sums of cases, features, and what was resampled.
        """
        self._resampled = None
        self.cases = {}
        self.whole = {name: value for name, value in self.whole.items() if name in ("scatter", "series")}


class _Asked(dict):
    """
    A dictionary that remembers what it was asked for.
    """

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.names = set()

    def __getitem__(self, name):
        self.names.add(name)
        return super().__getitem__(name)


def needed(protocol, sums):
    """
    Sums that are kept of every case, since a figure of the tables is told of single images.

    Parameters
    ----------
    protocol : `~sunpy_superres.benchmark.Protocol`
        Whose tables.
    sums : `dict`
        Sums of the blocks of any case, by name.

    Returns
    -------
    `set` of `str`
    """
    asked = _Asked(sums)
    for table in protocol.tables:
        for column in table.columns:
            if column.figure not in IMAGE_FIGURES:
                _evaluate(column, asked, asked)
    return asked.names


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


def cell(row, column, reference, over="pixels"):
    """
    A cell of a table.

    Parameters
    ----------
    row, column, reference
        See `distribution`.
    over : {"pixels", "images"}, optional
        Whether the value is that of everything together or the mean over images.

    Returns
    -------
    `dict`
        ``value``, ``low``, ``high``, ``mean`` and ``std`` over images; where the value is that mean, ``pooled`` is what
        all together give.
    """
    if column.figure in IMAGE_FIGURES:
        return _image_cell(row, column)
    value = float(_evaluate(column, row.pooled, reference.pooled))
    values = np.asarray(_evaluate(column, row.cases, reference.cases), dtype=np.float64)
    if over == "images":
        found = _over_images(values)
        low, high = interval(resampled_means(values, row.regions))
        return {"value": found["mean"], "low": low, "high": high, **found, "pooled": value}
    low, high = interval(distribution(row, column, reference))
    if not np.isfinite(value):
        low = high = np.nan
    return {"value": value, "low": low, "high": high, **_over_images(values)}


def _over_images(values):
    values = values[np.isfinite(values)]
    return {
        "mean": float(values.mean()) if values.size else np.nan,
        "std": float(values.std(ddof=1)) if values.size > 1 else np.nan,
    }


def _image_cell(row, column):
    nothing = dict.fromkeys(("value", "low", "high", "mean", "std"), np.nan)
    if column.figure in ("fid", "kid"):
        return nothing | _set_distance(row, column.figure)
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
    moments, sums = moments_of_series(row)
    if not moments:
        return {}

    def ratio(one):
        _, unsigned, net, true_unsigned, true_net = one.T
        return (unsigned if name == "series_unsigned" else net - true_net) / true_unsigned

    return {"value": float(ratio(sums.sum(axis=0))), **_over_images(ratio(sums))}


def moments_of_series(row):
    """
    Times at which the box of the time series was seen, and sums of the cases of each.

    Parameters
    ----------
    row : `RowSums`
        The row.

    Returns
    -------
    moments : `list` of `str`
        ISO 8601, in order.
    sums : `numpy.ndarray`
        Shape (times, 5): pixels, unsigned and net sums of the prediction, the same of the truth.
    """
    series = row.whole.get("series", [])
    moments = sorted({time for time, one in zip(row.times, series, strict=False) if time and one[3] > 0})
    known = list(zip(row.times, series, strict=False))
    return moments, np.array([sum(one for time, one in known if time == moment) for moment in moments])


def _set_distance(row, name):
    """
    The distance, the number of windows, and the jackknife error of the kernel distance.
    """
    from sunpy_superres import metrics  # NOQA: PLC0415

    sets = [[one for one in row.whole.get(key, []) if one.size] for key in ("features", "true_features")]
    if not all(sets):
        return {}
    ours, theirs = (np.concatenate(one) for one in sets)
    n = min(len(ours), len(theirs))
    distance = metrics.frechet_distance if name == "fid" else metrics.kernel_distance
    found = {"count": n, "value": float(distance(theirs, ours)) if n > 1 else np.nan}
    if name == "kid" and n > 2:
        found["error"] = float(metrics.kernel_distance_error(theirs, ours))
    return found


def table_cells(table, row, reference):
    """
    All cells of a row of a table.

    Parameters
    ----------
    table : `~sunpy_superres.benchmark.Table`
        Which table.
    row, reference : `RowSums`
        The row, and that of the interpolated input.

    Returns
    -------
    `dict`
        By row and column.
    """
    return {row.name: {column.name: cell(row, column, reference, table.over) for column in table.columns}}
