"""
Which observation of one archive belongs to which of another: the nearest in time, each used once.
"""

import numpy as np

import astropy.units as u

__all__ = ["match_times"]

#: Seconds by which a difference may exceed the tolerance: times in tables are rounded to a millisecond.
_ROUNDING = 1e-3


def match_times(first, second, tolerance):
    """
    Pair times of two lists, the nearest with each other.

    The closest pair of all is taken first, then the closest of what is left, and so on: no two times that are left out,
    or paired with something further away, are nearer to each other than to their partners.

    Parameters
    ----------
    first, second : `~astropy.time.Time`
        Times in any order and any scale, shapes (n,) and (m,).
    tolerance : `~astropy.units.Quantity`
        Largest difference of a pair.

    Returns
    -------
    `list` of `tuple` of `int`
        Pairs of places in ``first`` and ``second``, by increasing place in ``first``. Each place is there at most once.

    Raises
    ------
    ValueError
        If the tolerance is negative or not finite.

    Examples
    --------
    >>> import astropy.units as u
    >>> from astropy.time import Time
    >>> from sunpy_superres.training.matching import match_times
    >>> first = Time(["2011-01-01T00:00:00", "2011-01-01T01:36:00"])
    >>> second = Time(["2011-01-01T00:10:00", "2011-01-01T01:34:00", "2011-01-01T01:46:00"])
    >>> match_times(first, second, 6 * u.min)
    [(1, 1)]
    """
    limit = tolerance.to_value(u.s)
    if not 0 <= limit < np.inf:
        msg = f"The tolerance must be 0 or more and finite, not {tolerance}."
        raise ValueError(msg)
    if not len(first) or not len(second):
        return []
    limit += _ROUNDING
    here, there = ((times - first[0]).to_value(u.s) for times in (first, second))
    order = np.argsort(there, kind="stable")
    begin = np.searchsorted(there[order], here - limit, "left")
    end = np.searchsorted(there[order], here + limit, "right")
    candidates = [(abs(here[i] - there[j]), i, int(j)) for i in range(len(here)) for j in order[begin[i] : end[i]]]
    pairs, taken = {}, set()
    for _, i, j in sorted(candidates):
        if i not in pairs and j not in taken:
            pairs[i] = j
            taken.add(j)
    return sorted(pairs.items())
