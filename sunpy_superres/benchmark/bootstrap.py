"""
Confidence intervals from resampled blocks.

What is drawn is a place: a block of a region in all its frames, since frames of one region are not independent.
"""

from collections.abc import Mapping

import numpy as np

__all__ = ["LEVEL", "RESAMPLES", "Resampled", "interval", "resampled_means", "unit_numbers", "unit_weights"]

#: How often blocks are drawn, and the level of the intervals.
RESAMPLES, LEVEL = 1000, 0.95
#: Fewer places, or regions, say nothing about a confidence interval.
FEWEST = 5
#: More are not needed, and neighbors are drawn together.
_MOST = 512


def unit_numbers(keys):
    """
    Number of the place that each block belongs to.

    Parameters
    ----------
    keys : sequence
        Region and position of each block, such as ``("HARP 377", 0, 1)``.

    Returns
    -------
    numbers : `numpy.ndarray`
        One for each block.
    count : `int`
        How many places there are. Where there are very many, neighbors become one.

    Examples
    --------
    >>> from sunpy_superres.benchmark.bootstrap import unit_numbers
    >>> unit_numbers([("a", 0, 0), ("a", 0, 1), ("a", 0, 0)])
    (array([0, 1, 0]), 2)
    """
    places = {key: number for number, key in enumerate(sorted(set(keys)))}
    numbers = np.array([places[key] for key in keys], dtype=int)
    if len(places) > _MOST:
        return numbers * _MOST // len(places), _MOST
    return numbers, len(places)


def unit_weights(count, *, n=RESAMPLES, seed=0):
    """
    How often each place is drawn.

    Parameters
    ----------
    count : `int`
        Places.
    n : `int`, optional
        Resampled sets.
    seed : `int`, optional
        Seed; the same for all rows, so that they can be compared.

    Returns
    -------
    `numpy.ndarray` or None
        Shape (n, count); `None` where there are too few places.
    """
    if count < FEWEST:
        return None
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=n).astype(np.float64)


class Resampled(Mapping):
    """
    Sums of resampled sets of places, each made when it is first asked for.

    Parameters
    ----------
    weights : `numpy.ndarray`
        From `unit_weights`.
    sums : mapping
        Sums by name, shape (places, ...).
    """

    def __init__(self, weights, sums):
        self._weights, self._sums, self._made = weights, sums, {}

    def __getitem__(self, name):
        if name not in self._made:
            sums = self._sums[name]
            flat = self._weights @ sums.reshape(len(sums), -1)
            self._made[name] = flat.reshape(len(self._weights), *sums.shape[1:])
        return self._made[name]

    def __iter__(self):
        return iter(self._sums)

    def __len__(self):
        return len(self._sums)


def interval(values):
    """
    Central interval of `LEVEL` of what resampled sets give.

    Parameters
    ----------
    values : `numpy.ndarray` or None
        One for each set.

    Returns
    -------
    low, high : `float`
        NaN where there is none.
    """
    values = np.asarray([] if values is None else values, dtype=np.float64)
    values = values[~np.isnan(values)]
    if values.size < RESAMPLES // 2:
        return np.nan, np.nan
    # Of the values that there are: between two infinite ones nothing can be interpolated.
    return tuple(float(v) for v in np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="inverted_cdf"))


def resampled_means(values, regions, *, seed=0):
    """
    Means over images of resampled regions.

    Parameters
    ----------
    values : `numpy.ndarray`
        One for each image, NaN where there is none.
    regions : sequence of `str`
        The region of each.
    seed : `int`, optional
        Seed.

    Returns
    -------
    `numpy.ndarray` or None
        `None` where there are too few regions.
    """
    numbers, count = unit_numbers([(region,) for region in regions])
    weights = unit_weights(count, seed=seed)
    if weights is None:
        return None
    known = np.isfinite(values)
    total, n = (np.bincount(numbers, term, count) for term in (np.where(known, values, 0), known))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (weights @ total) / (weights @ n)
