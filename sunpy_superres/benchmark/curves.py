"""
What is drawn of all rows, from their sums.
"""

import numpy as np

from sunpy_superres.benchmark.blocks import BLOCK
from sunpy_superres.benchmark.ensemble_figures import spread_bins
from sunpy_superres.benchmark.figures import correlations, frequencies, spectra
from sunpy_superres.benchmark.results import moments_of_series
from sunpy_superres.benchmark.statistics import FIELD_EDGES, MOMENTS, MU_EDGES, RADIUS_EDGES, SCATTER_EDGES

__all__ = ["curves"]


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
    independent = count[used] * _independent(rows[0])
    found = {"period": 1 / frequencies()[used], "truth": truth[used], "half_bit": half_bit(independent), "rows": {}}
    for row in rows:
        power, truth, correlation, _ = spectra(row.pooled)
        ratio = np.divide(power, truth, out=np.full(power.shape, np.nan), where=truth > 0)
        found["rows"][row.name] = {"power": power[used], "ratio": ratio[used], "frc": correlation[used]}
    return found


def _independent(row):
    """
    What part of the windows is independent: they overlap at far ends, and frames of one place are not.
    """
    pixels, places = row.pooled["field"][:, 0].sum(), len(row.units["field"])
    return min(1.0, pixels / (row.blocks * BLOCK**2)) * min(1.0, places / row.blocks)


def _scatter(rows):
    return {
        "edges": SCATTER_EDGES,
        "rows": {row.name: {"counts": row.whole["scatter"].astype(int)} for row in rows},
    }


def _ensembles(rows, name):
    """
    Rows with an ensemble, and their sums of all pixels.
    """
    pooled = {row.name: row.pooled[f"{name}:all"] for row in rows if f"{name}:all" in row.units}
    return {row: sums for row, sums in pooled.items() if name != "ranks" or sums.shape[-1] > 2}


def _rank_histogram(rows):
    found = {row: sums[0].astype(int) for row, sums in _ensembles(rows, "ranks").items()}
    errors = {row.name: _rank_error(row) for row in rows if row.name in found}
    return {"rows": found, "errors": errors} if found else None


def _rank_error(row):
    """
    Standard deviation of the counts over their mean, from resampled places; from their number where they are few.
    """
    counts = row.units["ranks:all"][:, 0]
    n = counts.shape[-1]
    if row.weights is None:
        from sunpy_superres.metrics import rank_histogram_error  # NOQA: PLC0415

        return np.full(n, rank_histogram_error(n - 1, len(counts)))
    drawn = row.weights @ counts
    return (drawn * n / np.maximum(drawn.sum(axis=1, keepdims=True), 1)).std(axis=0, ddof=1)


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
    moments, first = moments_of_series(rows[0])
    if not moments:
        return None
    sums = {row.name: moments_of_series(row)[1] for row in rows}
    return {
        "time": moments,
        "truth": {"unsigned": first[:, 3], "net": first[:, 4]},
        "rows": {name: {"unsigned": one[:, 1], "net": one[:, 2]} for name, one in sums.items()},
    }
