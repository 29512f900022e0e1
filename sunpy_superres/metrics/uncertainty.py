r"""
Is the uncertainty honest: what the spread of an ensemble promises, and what the truth then does.

The truth has noise of its own: see `~sunpy_superres.metrics.add_noise`.

The members must be independent draws. Antithetic ones, as 2k and 2k + 1 of ``"ldm"``, are not: a pair lies on both
sides of the mean more often than two draws do, which makes coverage and ranks wrong. Give every second one,
``members[::2]``, to every score here.
"""

import math

import numpy as np

from sunpy_superres.metrics._arrays import as_array, convert, ensemble_blocks

__all__ = [
    "ause",
    "coverage",
    "nominal_coverage",
    "rank_histogram",
    "rank_histogram_error",
    "reliability",
    "sparsification",
]


def coverage(members, truth, *, rank=None, level=None):
    r"""
    Fraction of the pixels whose truth lies within a central interval of the members.

    Parameters
    ----------
    members : array-like
        The M members, shape (M, ...), independent: of antithetic ones give every second.
    truth : array-like
        Truth of shape (...). Pixels that are not finite in the truth and in every member are left out.
    rank : `int`, optional
        Interval from the member of this rank to that of rank M + 1 - ``rank``, sorted. Defaults to 1: from the
        smallest to the largest.
    level : `float`, optional
        Instead of a rank, the fraction of all truths that the interval of a calibrated ensemble holds, up to
        (M - 1)/(M + 1). Between the levels of two ranks the coverage is interpolated linearly, which is exact for a
        calibrated ensemble whatever its distribution; interpolated members are not.

    Returns
    -------
    `float`
        To be compared with `nominal_coverage`, or with the level. The ends belong to the interval.

    Raises
    ------
    ValueError
        If the shapes do not fit, no pixel is left, rank and level are both given, or there are too few members for
        them.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import coverage
    >>> coverage(np.array([[-1.0, -1.0], [1.0, 1.0]]), np.array([0.5, 3.0]))
    0.5
    >>> draws = np.random.default_rng(0).normal(size=(21, 100000))
    >>> print(f"{coverage(draws[1:], draws[0], level=0.68):.2f}")
    0.68
    """
    if rank is not None and level is not None:
        msg = "Give rank or level, not both."
        raise ValueError(msg)
    if level is None:
        rank = 1 if rank is None else rank
        counts = _depths(members, truth)
        nominal_coverage(len(counts) - 1, rank=rank)  # for its checks alone
        return float(counts[rank:].sum() / counts.sum())
    nominal, observed = reliability(members, truth)
    if not 0 < level <= nominal[-1] * (1 + 1e-9):
        msg = f"With these members the level must lie above 0 and not above {nominal[-1]:.4g}, got {level!r}."
        raise ValueError(msg)
    return float(np.interp(level, [0, *nominal], [0, *observed]))


def nominal_coverage(n_members, *, rank=1):
    r"""
    What `coverage` is for a calibrated ensemble: :math:`(M + 1 - 2 k)/(M + 1)`.

    Parameters
    ----------
    n_members : `int`
        Number of independent members M: antithetic pairs count once.
    rank : `int`, optional
        Rank k of the member where the interval begins. Defaults to 1, the smallest.

    Returns
    -------
    `float`

    Raises
    ------
    ValueError
        If there are no members, or the interval would end before it begins.

    Examples
    --------
    >>> from sunpy_superres.metrics import nominal_coverage
    >>> print(f"{nominal_coverage(20):.3f}")
    0.905
    """
    if n_members < 1:
        msg = f"An ensemble has at least one member, got {n_members!r}."
        raise ValueError(msg)
    if rank != int(rank) or not 1 <= rank <= (n_members + 1) / 2:
        msg = f"Of {n_members} members the rank must be a whole number from 1 to {(n_members + 1) // 2}, got {rank!r}."
        raise ValueError(msg)
    return (n_members + 1 - 2 * rank) / (n_members + 1)


def reliability(members, truth):
    r"""
    Coverage of all central intervals of an ensemble, nominal and observed.

    Parameters
    ----------
    members : array-like
        The M members, shape (M, ...), two or more, independent: of antithetic ones give every second.
    truth : array-like
        Truth of shape (...). Pixels that are not finite in the truth and in every member are left out.

    Returns
    -------
    nominal : `numpy.ndarray`
        `nominal_coverage` of the ranks M/2, ..., 2, 1: increasing.
    observed : `numpy.ndarray`
        `coverage` of the same ranks. On the diagonal for a calibrated ensemble, below it for an over-confident one.

    Raises
    ------
    ValueError
        If the shapes do not fit, there are fewer than two members, or no pixel is left.

    References
    ----------
    Gneiting, Balabdaoui & Raftery 2007, J. R. Stat. Soc. B 69, 243, doi:10.1111/j.1467-9868.2007.00587.x

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import reliability
    >>> draws = np.random.default_rng(0).normal(size=(5, 100000))
    >>> nominal, observed = reliability(draws[1:], draws[0])
    >>> nominal
    array([0.2, 0.6])
    >>> observed.round(2)
    array([0.2, 0.6])
    """
    counts = _depths(members, truth, at_least=2)
    m = len(counts) - 1
    ranks = np.arange(m // 2, 0, -1)
    at_least = counts[::-1].cumsum()[::-1]
    return (m + 1 - 2 * ranks) / (m + 1), at_least[ranks] / counts.sum()


def rank_histogram(members, truth, *, seed=0):
    r"""
    How often the truth falls below all members, between the first and the second, …, above all of them.

    Flat for a calibrated ensemble, U-shaped for an over-confident one, a dome for an under-confident one. [1]_

    Parameters
    ----------
    members : array-like
        The M members, shape (M, ...), independent: of antithetic ones give every second.
    truth : array-like
        Truth of shape (...). Pixels that are not finite in the truth and in every member are left out.
    seed : `int`, optional
        Seed of the random ranks of ties. Defaults to 0.

    Returns
    -------
    `numpy.ndarray`
        M + 1 counts. Neighboring pixels are not independent, so the scatter of the counts is larger than
        `rank_histogram_error` of their number.

    Raises
    ------
    ValueError
        If the shapes do not fit or no pixel is left.

    References
    ----------
    .. [1] Hamill 2001, Mon. Weather Rev. 129, 550,
       doi:10.1175/1520-0493(2001)129<0550:IORHFV>2.0.CO;2

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import rank_histogram
    >>> rank_histogram(np.array([[-1.0, -1.0], [1.0, 1.0]]), np.array([0.5, 3.0]))
    array([0, 1, 1])
    """
    rng = np.random.default_rng(seed)
    counts = 0
    for x, y in ensemble_blocks(members, truth):
        rank = np.count_nonzero(x < y, axis=0)
        ties = np.count_nonzero(x == y, axis=0)
        rank = rank + rng.integers(0, ties, endpoint=True)
        counts = counts + np.bincount(rank, minlength=len(x) + 1)
    return counts


def rank_histogram_error(n_members, n_cases):
    r"""
    Scatter of the bins of `rank_histogram` for a calibrated ensemble, relative to their mean.

    .. math:: \sqrt{M / N}

    which is :math:`\sqrt{(\mathrm{bins} - 1) / N}`, the standard deviation of a multinomial count.

    Parameters
    ----------
    n_members : `int`
        Number of independent members M: antithetic pairs count once.
    n_cases : `float`
        Number of *independent* cases N. Pixels are not: divide their number by that of the pixels within a
        correlation length, or count patches.

    Returns
    -------
    `float`

    Raises
    ------
    ValueError
        If one of the numbers is not positive.

    Examples
    --------
    >>> from sunpy_superres.metrics import rank_histogram_error
    >>> rank_histogram_error(16, 1600)
    0.1
    """
    if n_members < 1 or not n_cases > 0:
        msg = f"At least one member and one case are needed, got {n_members!r} and {n_cases!r}."
        raise ValueError(msg)
    return math.sqrt(n_members / n_cases)


def sparsification(members, truth, *, uncertainty=None, error="mae", steps=20):
    r"""
    Error of what is left when the most uncertain pixels are removed, and when the largest errors are.

    Where the uncertainty knows the errors, the first curve falls as the second, the oracle, does. [1]_

    Parameters
    ----------
    members : array-like
        The M members, shape (M, ...); their mean is the prediction. Independent: of antithetic ones give every second,
        or all of them with an uncertainty.
    truth : array-like
        Truth of shape (...). Pixels that are not finite in the truth, in every member and in the uncertainty are left
        out.
    uncertainty : array-like, optional
        Of shape (...); one member is enough with it. Defaults to the standard deviation of the members.
    error : {"mae", "rmse"}, optional
        Mean absolute, as in the reference, or root mean square error. Defaults to the first.
    steps : `int`, optional
        Number of fractions. Defaults to 20.

    Returns
    -------
    removed : `numpy.ndarray`
        Fractions of the pixels, 0, 1/steps, ..., 1 - 1/steps.
    left : `numpy.ndarray`
        Error of the pixels left, in the unit of the input. Pixels of equal uncertainty are removed in random order,
        of which this is the expectation (for "rmse" the root of that of the mean square).
    oracle : `numpy.ndarray`
        The same where the pixels with the largest errors are removed: the best that is possible.

    Raises
    ------
    ValueError
        If the shapes do not fit, there are too few members, no pixel is left, or an option is not known.

    References
    ----------
    .. [1] Ilg et al. 2018, ECCV, arXiv:1802.07095

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import sparsification
    >>> truth = np.array([1.0, 2.0, 3.0, 4.0])
    >>> sparsification(np.zeros((1, 4)), truth, uncertainty=[1, 3, 2, 4], steps=4)
    (array([0.  , 0.25, 0.5 , 0.75]), array([2.5, 2. , 2. , 1. ]), array([2.5, 2. , 1.5, 1. ]))
    """
    if steps < 1:
        msg = f"steps must be one or more, got {steps!r}."
        raise ValueError(msg)
    left, oracle = _sparsification(members, truth, uncertainty, error)
    removed = np.arange(steps) / steps
    index = np.arange(steps) * len(left) // steps
    return removed, left[index], oracle[index]


def ause(members, truth, *, uncertainty=None, error="mae"):
    r"""
    Area between the curves of `sparsification`, over the error of all pixels.

    .. math:: \int_0^1 \frac{e_\mathrm{left}(f) - e_\mathrm{oracle}(f)}{e(0)} \, \mathrm{d} f

    as the mean over all pixels, removed one by one. [1]_

    Parameters
    ----------
    members, truth, uncertainty, error
        As for `sparsification`.

    Returns
    -------
    `float`
        0 where the uncertainty puts the pixels in the order of their errors, more the less it knows of them. It does
        not see whether the uncertainty is too large or too small by a factor. NaN where there is no error.

    Raises
    ------
    ValueError
        As for `sparsification`.

    References
    ----------
    .. [1] Ilg et al. 2018, ECCV, arXiv:1802.07095

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import ause
    >>> truth = np.array([1.0, 2.0, 3.0, 4.0])
    >>> ause(np.zeros((1, 4)), truth, uncertainty=[1, 3, 2, 4])
    0.05
    >>> ause(np.zeros((1, 4)), truth, uncertainty=[10, 20, 30, 40])
    0.0
    """
    left, oracle = _sparsification(members, truth, uncertainty, error)
    return float(np.mean(left - oracle) / left[0]) if left[0] > 0 else math.nan


def _depths(members, truth, *, at_least=1):
    """
    Of how many pixels 0, 1, ..., M members lie on that side of the truth where there are fewer.

    Members equal to the truth lie on both sides: the interval from rank k on holds the truth where k or more do.
    """
    counts = 0
    for x, y in ensemble_blocks(members, truth, at_least=at_least):
        depth = np.minimum(np.count_nonzero(x <= y, axis=0), np.count_nonzero(x >= y, axis=0))
        counts = counts + np.bincount(depth, minlength=len(x) + 1)
    return counts


def _sparsification(members, truth, uncertainty, error):
    """
    Error of what is left when 0, 1, 2, ... pixels are removed: the most uncertain, and those of the largest error.
    """
    if error not in ("mae", "rmse"):
        msg = f"error must be 'mae' or 'rmse', got {error!r}."
        raise ValueError(msg)
    x, y = convert(members, truth)
    if uncertainty is not None:
        uncertainty = as_array(uncertainty)
        if uncertainty.shape != y.shape:
            msg = f"The uncertainty has shape {uncertainty.shape} and the truth {y.shape}; they must be equal."
            raise ValueError(msg)
        # As one more member, so that what is not finite in it is left out too.
        x = np.concatenate([x, uncertainty[None]])
    errors, spreads = [], []
    for block, true in ensemble_blocks(x, y, at_least=2):
        block, spread = (block, block.std(axis=0, ddof=1)) if uncertainty is None else (block[:-1], block[-1])
        errors.append(np.abs(block.mean(axis=0) - true))
        spreads.append(spread)
    power = np.concatenate(errors) ** (2 if error == "rmse" else 1)
    curves = _left(power, np.concatenate(spreads)), _left(power, power)
    return tuple(np.sqrt(curve) for curve in curves) if error == "rmse" else curves


def _left(values, key):
    """
    Mean of the values left when 0, 1, 2, ... of the largest key are removed; equal keys share their mean value.
    """
    order = np.argsort(key, kind="stable")
    key, values = key[order], values[order]
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    sizes = np.diff(starts, append=len(key))
    values = np.repeat(np.add.reduceat(values, starts) / sizes, sizes)
    return (np.cumsum(values) / np.arange(1, len(values) + 1))[::-1]
