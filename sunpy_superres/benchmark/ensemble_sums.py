"""
What is kept of an ensemble and its truth: sums for every block of the image, for each way of looking at it.
"""

import numpy as np

from sunpy_superres.benchmark.blocks import Blocks
from sunpy_superres.instruments import HMI_SCALE, get_instrument

__all__ = ["ENSEMBLE", "SELECTIONS", "SPREAD_EDGES", "STRONG", "ensemble_sums"]

#: What is summed: pixels, fair CRPS, distance of members from the truth, of members from each other, variance, squared
#: error and size of the error of the mean.
ENSEMBLE = ("count", "crps", "distance", "spread", "variance", "square", "error")
#: Pixels that are looked at: all, and those above `STRONG` gauss in the prediction or in the truth.
SELECTIONS = ("all", "prediction", "truth")
STRONG = 150
#: Edges of bins of the spread, and of the error, in gauss.
SPREAD_EDGES = np.r_[0, np.geomspace(0.1, 3000, 121), np.inf]
#: Where scales are split, in arcsec: the Nyquist period of MDI.
_PERIOD = 4.0
#: Pixels computed at a time.
_CHUNK = 1 << 15


def ensemble_sums(members, estimate, truth, scored, views, rng):
    """
    Sums over the blocks of an image, of all that needs an ensemble.

    Parameters
    ----------
    members : `numpy.ndarray`
        Independent members, shape (n, y, x), in gauss, finite where they are scored. One alone is a deterministic
        prediction: its CRPS is its absolute error, and what needs more is 0.
    estimate : `numpy.ndarray`
        What is given as the result, shape (y, x): it selects the strong pixels.
    truth, scored : `numpy.ndarray`
        Truth in gauss, and which pixels count.
    views : iterable of `str`
        See `~sunpy_superres.benchmark.Protocol`.
    rng : `numpy.random.Generator`
        Of the noise of HMI that is added, and of the ranks of ties.

    Returns
    -------
    `dict`
        By view, arrays of shape (blocks, ...) with names such as ``"ensemble:all"`` (selection, `ENSEMBLE`),
        ``"ranks:all"`` (selection, members + 1) and ``"sparse:all"`` (by spread and by error, bins, 4: pixels, sums of
        errors, of their squares and of squared spreads).

    Notes
    -----
    A selection by the truth takes, of any calibrated ensemble, pixels that it underestimates (the forecaster's dilemma
    [1]_); one by the prediction does not.

    References
    ----------
    .. [1] Lerch et al. 2017, Stat. Sci. 32, 106, doi:10.1214/16-STS588
    """
    blocks = Blocks(truth.shape)
    chosen = np.stack([scored, scored & (np.abs(estimate) > STRONG), scored & (np.abs(truth) > STRONG)])
    noise = None
    if len(members) > 1 and any("noise" in view for view in views):
        noise = rng.normal(0, get_instrument("hmi").noise, members.shape).astype(np.float32)
    found, parts = {}, {}
    for view in views:
        noisy = "noise" in view and noise is not None
        scale = next((part for part in ("large", "small") if part in view), None)
        x, y = members + noise if noisy else members, truth
        if scale is not None:
            if noisy not in parts:
                parts[noisy] = [_split(field, scored) for field in (x, y)]
            x, y = (part[scale == "small"] for part in parts[noisy])
        for name, value in _sums(blocks, x, y, chosen, rng).items():
            found[f"{name}:{view}"] = value
    return found


def _split(field, scored):
    from sunpy_superres import metrics  # NOQA: PLC0415

    large, small = metrics.split_scales(np.where(scored, field, np.nan), HMI_SCALE, period=_PERIOD)
    return large.astype(np.float32), small.astype(np.float32)


def _sums(blocks, members, truth, chosen, rng):
    m, n_bins = len(members), len(SPREAD_EDGES) - 1
    sums = np.zeros((len(blocks), len(SELECTIONS), len(ENSEMBLE)))
    ranks = np.zeros((len(blocks), len(SELECTIONS), m + 1))
    sparse = np.zeros((len(blocks), 2, n_bins, 4))
    places = np.flatnonzero(chosen[0])
    for start in range(0, places.size, _CHUNK):
        at = places[start : start + _CHUNK]
        labels = blocks.labels.ravel()[at]
        y = truth.ravel()[at].astype(np.float64)
        # Relative to the truth, so that large numbers do not cancel; the members of a pixel side by side.
        x = np.sort(members.reshape(m, -1)[:, at].T - y[:, None], axis=1)
        distance = np.abs(x).mean(axis=1)
        error = x.mean(axis=1)
        if m > 1:
            spread = x @ (2 * np.arange(1, m + 1) - m - 1) * (2 / (m * (m - 1)))
            variance = x.var(axis=1, ddof=1)
        else:
            spread = variance = np.zeros(y.size)
        rank = np.count_nonzero(x < 0, axis=1)
        if (ties := np.count_nonzero(x == 0, axis=1)).any():
            rank = rank + rng.integers(0, ties, endpoint=True)
        terms = np.ones(y.size), distance - spread / 2, distance, spread, variance, error**2, np.abs(error)
        for i, mask in enumerate(chosen):
            used = mask.ravel()[at]
            for j, term in enumerate(terms):
                sums[:, i, j] += blocks.sum(term[used], labels[used])
            ranks[:, i] += blocks.sum(None, labels[used], rank[used], m + 1)
        if m > 1:
            for i, by in enumerate((np.sqrt(variance), np.abs(error))):
                bins = np.digitize(by, SPREAD_EDGES[1:-1])
                for j, term in enumerate((None, np.abs(error), error**2, variance)):
                    sparse[:, i, :, j] += blocks.sum(term, labels, bins, n_bins)
    return {"ensemble": sums, "ranks": ranks, "sparse": sparse}
