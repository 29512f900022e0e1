"""
Figures of ensembles from their sums; see `sunpy_superres.benchmark.figures`.
"""

import numpy as np

from sunpy_superres.benchmark.ensemble_sums import ENSEMBLE, SELECTIONS, SPREAD_EDGES

__all__ = ["ENSEMBLE_FIGURES", "divide", "place_of", "spread_bins"]


def divide(a, b):
    """
    One over the other, NaN where the other is 0.
    """
    a, b = np.broadcast_arrays(np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64))
    return np.divide(a, b, out=np.full(a.shape, np.nan), where=b != 0)


def place_of(value, known, what):
    """
    Where a value is among those that are known, or `ValueError`.
    """
    for i, one in enumerate(known):
        if one == value or (isinstance(value, int | float) and abs(one - value) < 1e-3):
            return i
    msg = f"{what} must be one of {', '.join(f'{v:.4g}' if isinstance(v, float) else str(v) for v in known)}"
    msg += f", not {value!r}"
    raise ValueError(msg)


def _ensemble(s, view, select):
    found = s[f"ensemble:{view}"][..., place_of(select, SELECTIONS, "select"), :]
    return dict(zip(ENSEMBLE, np.moveaxis(found, -1, 0), strict=True))


def _members(s, view):
    return s[f"ranks:{view}"].shape[-1] - 1


def _ens_crps(s, view="all", select="all"):
    e = _ensemble(s, view, select)
    return divide(e["crps"], e["count"])


def _ens_count(s, view="all", select="all"):
    return _ensemble(s, view, select)["count"]


def _of_ensembles(s, view, values):
    return values if _members(s, view) > 1 else np.full(np.shape(values), np.nan)


def _ens_spread_skill(s, view="all", select="all"):
    e, m = _ensemble(s, view, select), _members(s, view)
    return _of_ensembles(s, view, np.sqrt(divide((m + 1) / m * e["variance"], e["square"])))


def _ens_crps_spread_skill(s, view="all", select="all"):
    e = _ensemble(s, view, select)
    return _of_ensembles(s, view, divide(e["spread"], e["distance"]))


def _ens_spread(s, view="all", select="all"):
    e = _ensemble(s, view, select)
    return _of_ensembles(s, view, np.sqrt(divide(e["variance"], e["count"])))


def _ens_coverage(s, level=0.9, view="all", select="all"):
    ranks = s[f"ranks:{view}"][..., place_of(select, SELECTIONS, "select"), :]
    m = ranks.shape[-1] - 1
    # The interval from member k to member M + 1 - k; between whole k the coverage is interpolated.
    k = (m + 1) * (1 - level) / 2
    if m < 2 or k < 1 - 1e-9:
        return np.full(ranks.shape[:-1], np.nan)
    lower = int(np.floor(k + 1e-9))
    inside = [ranks[..., i : m + 1 - i].sum(axis=-1) for i in (lower, lower + 1)]
    part = k - lower
    return 100 * divide((1 - part) * inside[0] + part * inside[1], ranks.sum(axis=-1))


def _ens_ause(s, view="all"):
    curves = s[f"sparse:{view}"]
    n, e = curves[..., 0], curves[..., 1]
    last = n.cumsum(axis=-1)
    before = last - n
    # Errors of the n most certain pixels over n, integrated: within a bin they grow by its mean error per pixel.
    mean = np.nan_to_num(divide(e, n))
    rest = e.cumsum(axis=-1) - e - mean * before
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.where((before > 0) & (n > 0), np.log(divide(last, before)), 0)
    area = (mean * n + rest * logarithm).sum(axis=-1)
    return _of_ensembles(s, view, divide(area[..., 0] - area[..., 1], e[..., 0, :].sum(axis=-1)))


#: By name.
ENSEMBLE_FIGURES = {
    "ens_crps": _ens_crps,
    "ens_count": _ens_count,
    "ens_spread": _ens_spread,
    "ens_spread_skill": _ens_spread_skill,
    "ens_crps_spread_skill": _ens_crps_spread_skill,
    "ens_coverage": _ens_coverage,
    "ens_ause": _ens_ause,
}


def spread_bins(sums, view="all", merged=6):
    """
    Spread, error and number of pixels in bins of the spread, `merged` of those of `SPREAD_EDGES` together.
    """
    by_spread = sums[f"sparse:{view}"][..., 0, :, :]
    n = len(SPREAD_EDGES) - 1
    starts = np.arange(0, n, merged)
    count, _, square, variance = np.moveaxis(np.add.reduceat(by_spread, starts, axis=-2), -1, 0)
    return np.sqrt(divide(variance, count)), np.sqrt(divide(square, count)), count
