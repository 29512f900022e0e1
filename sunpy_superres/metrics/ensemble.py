r"""
Is the uncertainty honest: scores of an ensemble of samples against one truth.

The truth has noise of its own. Members that do not contain it look over-confident: add it to them first, or say that
they do.
"""

import math

import numpy as np

from sunpy_superres.metrics._arrays import ensemble_blocks

__all__ = ["coverage", "fair_crps", "nominal_coverage", "rank_histogram", "spread_skill_ratio"]


def fair_crps(members, truth):
    r"""
    Continuous ranked probability score of an ensemble, without the bias of its finite size.

    .. math:: \frac{1}{M} \sum_i |x_i - y| - \frac{1}{2 M (M - 1)} \sum_{i,j} |x_i - x_j|
              = \langle |x - y| \rangle - \frac{1}{M - 1} \langle (2 r - M - 1) \, x_{(r)} \rangle

    averaged over pixels; the second form, with the sorted members of rank r = 1…M, is the one computed.
    Lower is better; it is 0 at best, and for a deterministic prediction it is the mean absolute error. [1]_ [2]_

    Parameters
    ----------
    members : `numpy.ndarray`
        The M members, shape (M, ...), two or more.
    truth : `numpy.ndarray`
        Truth y of shape (...). Pixels that are not finite in the truth and in every member are left out.

    Returns
    -------
    `float`
        In the unit of the input.

    Raises
    ------
    ValueError
        If the shapes do not fit, there are fewer than two members, or no pixel is left.

    References
    ----------
    .. [1] Ferro 2014, Q. J. R. Meteorol. Soc. 140, 1917, doi:10.1002/qj.2270
    .. [2] Zamo & Naveau 2018, Math. Geosci. 50, 209, doi:10.1007/s11004-017-9709-7

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import fair_crps
    >>> fair_crps(np.array([[0.0], [2.0]]), np.array([5.0]))
    3.0
    """
    total, count = 0.0, 0
    for x, y in ensemble_blocks(members, truth, at_least=2):
        m = len(x)
        total += np.abs(x - y).sum() / m
        # Relative to the truth, so that the large numbers of strong fields do not cancel.
        ordered = np.sort(x - y, axis=0)
        total -= ((2 * np.arange(1, m + 1) - m - 1) @ ordered).sum() / (m * (m - 1))
        count += y.size
    return float(total / count)


def spread_skill_ratio(members, truth):
    r"""
    Spread of the ensemble over the error of its mean.

    .. math:: \sqrt{\frac{M + 1}{M}} \, \frac{\sqrt{\langle s^2 \rangle}}{\mathrm{RMSE}(\bar x, y)}

    with :math:`s^2` the unbiased variance of the members at a pixel. It is 1 for an ensemble whose members and truth
    are drawn from the same distribution; above 1 it is under-confident, below over-confident. [1]_

    Parameters
    ----------
    members : `numpy.ndarray`
        The M members, shape (M, ...), two or more.
    truth : `numpy.ndarray`
        Truth y of shape (...). Pixels that are not finite in the truth and in every member are left out.

    Returns
    -------
    `float`
        Infinite where the mean is exact and the members differ, NaN where they do not differ either.

    Raises
    ------
    ValueError
        If the shapes do not fit, there are fewer than two members, or no pixel is left.

    References
    ----------
    .. [1] Fortin et al. 2014, J. Hydrometeorol. 15, 1708, doi:10.1175/JHM-D-14-0008.1

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import spread_skill_ratio
    >>> draws = np.random.default_rng(0).normal(size=(21, 10000))
    >>> print(f"{spread_skill_ratio(draws[1:], draws[0]):.2f}")
    1.00
    """
    variance, error, m = 0.0, 0.0, 0
    for x, y in ensemble_blocks(members, truth, at_least=2):
        m = len(x)
        variance += x.var(axis=0, ddof=1).sum()
        error += ((x.mean(axis=0) - y) ** 2).sum()
    if error == 0:
        return math.inf if variance > 0 else math.nan
    return math.sqrt((m + 1) / m * variance / error)


def coverage(members, truth):
    r"""
    Fraction of the pixels whose truth lies between the smallest and the largest member.

    Parameters
    ----------
    members : `numpy.ndarray`
        The M members, shape (M, ...).
    truth : `numpy.ndarray`
        Truth of shape (...). Pixels that are not finite in the truth and in every member are left out.

    Returns
    -------
    `float`
        To be compared with `nominal_coverage`.

    Raises
    ------
    ValueError
        If the shapes do not fit or no pixel is left.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import coverage
    >>> coverage(np.array([[-1.0, -1.0], [1.0, 1.0]]), np.array([0.5, 3.0]))
    0.5
    """
    inside, count = 0, 0
    for x, y in ensemble_blocks(members, truth):
        inside += np.count_nonzero((x.min(axis=0) <= y) & (y <= x.max(axis=0)))
        count += y.size
    return float(inside / count)


def nominal_coverage(n_members):
    r"""
    What `coverage` is for a calibrated ensemble: :math:`(M - 1)/(M + 1)`.

    Parameters
    ----------
    n_members : `int`
        Number of members M.

    Returns
    -------
    `float`

    Raises
    ------
    ValueError
        If there are no members.

    Examples
    --------
    >>> from sunpy_superres.metrics import nominal_coverage
    >>> print(f"{nominal_coverage(20):.3f}")
    0.905
    """
    if n_members < 1:
        msg = f"An ensemble has at least one member, got {n_members!r}."
        raise ValueError(msg)
    return (n_members - 1) / (n_members + 1)


def rank_histogram(members, truth, *, seed=0):
    r"""
    How often the truth falls below all members, between the first and the second, …, above all of them.

    Flat for a calibrated ensemble, U-shaped for an over-confident one, a dome for an under-confident one. [1]_

    Parameters
    ----------
    members : `numpy.ndarray`
        The M members, shape (M, ...).
    truth : `numpy.ndarray`
        Truth of shape (...). Pixels that are not finite in the truth and in every member are left out.
    seed : `int`, optional
        Seed of the random ranks of ties. Defaults to 0.

    Returns
    -------
    `numpy.ndarray`
        M + 1 counts. Neighboring pixels are not independent, so the scatter of the counts is larger than Poisson's.

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
    counts = np.zeros(len(members) + 1, dtype=np.int64)
    for x, y in ensemble_blocks(members, truth):
        rank = np.count_nonzero(x < y, axis=0)
        ties = np.count_nonzero(x == y, axis=0)
        rank = rank + rng.integers(0, ties, endpoint=True)
        counts += np.bincount(rank, minlength=len(counts))
    return counts
