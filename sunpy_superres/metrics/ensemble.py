r"""
How good is an ensemble of samples: scores against one truth.

The truth has noise of its own. Members that do not contain it look over-confident: add it to them first, with
`add_noise`, or say that they do. Neighboring pixels are not independent, so take the error of a score from blocks of
pixels or from images, not from the number of pixels.

The members must be independent draws. Antithetic ones, as 2k and 2k + 1 of ``"ldm"``, are not: a pair spreads more
than two draws do. Give every second one, ``members[::2]``, to every score here.
"""

import math

import numpy as np

from sunpy_superres.metrics._arrays import as_array, convert, ensemble_blocks, in_unit

__all__ = [
    "add_noise",
    "crps_spread_skill",
    "debiased_mse",
    "energy_score",
    "fair_crps",
    "spread_skill_ratio",
]


def add_noise(members, sigma, *, seed=0):
    r"""
    Add the noise of the truth to the members of an ensemble.

    A truth that was observed is :math:`y + \varepsilon`. Members that are samples of y are honest, and yet too narrow
    beside it: samples of what was observed are :math:`x_i + \varepsilon_i`. [1]_

    Parameters
    ----------
    members : array-like
        The M members, shape (M, ...).
    sigma : `float`, array-like or `~astropy.units.Quantity`
        Standard deviation of the noise of the truth, one for all pixels or one for each, in the unit of the members
        unless it has one; for example 4.7 G for the 720-second magnetograms of HMI near disk center.
    seed : `int`, optional
        Seed of the noise. Defaults to 0.

    Returns
    -------
    `numpy.ndarray`
        In the unit and the floating precision of the members.

    Raises
    ------
    ValueError
        If sigma is negative or not finite, its shape does not fit, or its unit does not convert.

    References
    ----------
    .. [1] Saetra et al. 2004, Mon. Weather Rev. 132, 1487,
       doi:10.1175/1520-0493(2004)132<1487:EOOEOT>2.0.CO;2

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import add_noise, coverage
    >>> draws = np.random.default_rng(0).normal(0, 10, (9, 10000))
    >>> truth = add_noise(draws[:1], 10, seed=1)[0]
    >>> print(f"{coverage(draws[1:], truth):.2f} {coverage(add_noise(draws[1:], 10), truth):.2f}")
    0.65 0.78
    """
    sigma = np.asarray(as_array(in_unit(sigma, "sigma", members)), dtype=np.float64)
    members = as_array(members)
    if not np.all((sigma >= 0) & np.isfinite(sigma)):
        msg = f"sigma must be a standard deviation, zero or more, got {sigma}."
        raise ValueError(msg)
    if sigma.ndim and sigma.shape != members.shape[1:]:
        msg = f"sigma must be one number or have the shape {members.shape[1:]} of a member, got {sigma.shape}."
        raise ValueError(msg)
    kind = np.float32 if members.dtype.itemsize <= 4 and members.dtype.kind == "f" else np.float64
    # A stream of its own: members drawn with the same seed would else come back as their noise.
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    noise = rng.standard_normal(members.shape, dtype=kind)
    return members + noise * sigma.astype(kind)


def fair_crps(members, truth):
    r"""
    Continuous ranked probability score of an ensemble, without the bias of its finite size.

    .. math:: \frac{1}{M} \sum_i |x_i - y| - \frac{1}{2 M (M - 1)} \sum_{i,j} |x_i - x_j|
              = \langle |x - y| \rangle - \frac{1}{M - 1} \langle (2 r - M - 1) \, x_{(r)} \rangle

    averaged over pixels; the second form, with the sorted members of rank r = 1…M, is the one computed.
    Lower is better; it is 0 at best, and for a deterministic prediction it is the mean absolute error. [1]_ [2]_

    Parameters
    ----------
    members : array-like
        The M members, shape (M, ...), two or more, independent: of antithetic ones give every second.
    truth : array-like
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
    error, spread = _crps_parts(members, truth)
    return error - spread / 2


def crps_spread_skill(members, truth):
    r"""
    Mean distance between two members over mean distance of a member from the truth.

    .. math:: \frac{\langle |X - X'| \rangle}{\langle |X - y| \rangle}
              = \frac{2}{M - 1} \, \frac{\langle (2 r - M - 1) \, x_{(r)} \rangle}{\langle |x - y| \rangle}

    averaged over pairs of different members and over pixels: the two parts of `fair_crps`, which strong errors rule
    less than they rule `spread_skill_ratio`. It is 1 where members and truth are drawn from the same distribution,
    below 1 for an over-confident ensemble, above for an under-confident one, and 2 at most. [1]_

    Parameters
    ----------
    members : array-like
        The M members, shape (M, ...), two or more, independent: of antithetic ones give every second.
    truth : array-like
        Truth y of shape (...). Pixels that are not finite in the truth and in every member are left out.

    Returns
    -------
    `float`
        NaN where all members are exact.

    Raises
    ------
    ValueError
        If the shapes do not fit, there are fewer than two members, or no pixel is left.

    References
    ----------
    .. [1] Rasp et al. 2024, J. Adv. Model. Earth Syst. 16, e2023MS004019, doi:10.1029/2023MS004019

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import crps_spread_skill
    >>> crps_spread_skill(np.array([[0.0], [2.0]]), np.array([5.0]))
    0.5
    """
    error, spread = _crps_parts(members, truth)
    return spread / error if error > 0 else math.nan


def energy_score(members, truth, *, patch=8):
    r"""
    CRPS of whole patches, which sees how the errors of neighboring pixels belong together.

    .. math:: \frac{1}{M} \sum_i \|x_i - y\| - \frac{1}{2 M (M - 1)} \sum_{i,j} \|x_i - x_j\|, \qquad
              \|d\| = \sqrt{\langle d^2 \rangle_\mathrm{patch}}

    averaged over patches. Members whose pixels are each distributed rightly but are correlated wrongly have the best
    `fair_crps`, not the best energy score. [1]_

    Parameters
    ----------
    members : array-like
        The M members, shape (M, y, x), two or more, independent: of antithetic ones give every second.
    truth : array-like
        Truth y, shape (y, x). Pixels that are not finite in the truth and in every member are left out.
    patch : `int`, optional
        Side of the patches in pixels, with 1 the score is `fair_crps`. Defaults to 8, about 4 arcsec on the grid of
        HMI. The patches do not overlap; those at the end of an axis may be smaller.

    Returns
    -------
    `float`
        In the unit of the input, lower is better. The norm is the root mean square over the pixels of the patch: that
        of Euclid, which the definition has, is the larger by the root of their number. A patch counts by its pixels.

    Raises
    ------
    ValueError
        If the shapes do not fit, there are fewer than two members, no pixel is left, or the patch is no positive
        whole number.

    Notes
    -----
    The second sum goes over all pairs, which has the same expectation as one over adjacent members and less scatter.

    References
    ----------
    .. [1] Gneiting & Raftery 2007, J. Am. Stat. Assoc. 102, 359, eq. 22, doi:10.1198/016214506000001437

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import energy_score
    >>> draws = np.repeat(np.random.default_rng(0).normal(size=(21, 800, 1)), 8, axis=2)
    >>> rolled = np.stack([np.roll(draws[1:, :, i], i, axis=0) for i in range(8)], axis=2)
    >>> energy_score(draws[1:], draws[0]) < energy_score(rolled, draws[0])
    True
    """
    if patch != int(patch) or patch < 1:
        msg = f"patch must be a whole number of pixels, one or more, got {patch!r}."
        raise ValueError(msg)
    ensemble_blocks(members, truth, at_least=2)  # for its checks alone
    x, y = convert(members, truth)
    if y.ndim != 2:
        msg = f"Expected a truth of shape (y, x), got {y.shape}."
        raise ValueError(msg)
    m = len(x)
    columns = np.arange(0, y.shape[1], int(patch))

    def root_of_sum(values):
        return np.sqrt(np.add.reduceat((values**2).sum(axis=-2), columns, axis=-1))

    total, count = 0.0, 0
    for top in range(0, len(y), int(patch)):
        part, true = (field[..., top : top + int(patch), :].astype(np.float64) for field in (x, y))
        valid = np.isfinite(true) & np.isfinite(part).all(axis=0)
        part = np.where(valid, part - np.where(valid, true, 0), 0)
        pairs = sum(root_of_sum(part[i + 1 :] - part[i]).sum(axis=0) for i in range(m - 1))
        pixels = np.add.reduceat(valid.sum(axis=0), columns)
        # Root mean square times the number of pixels, by which the patch counts.
        total += (np.sqrt(pixels) * (root_of_sum(part).mean(axis=0) - pairs / (m * (m - 1)))).sum()
        count += pixels.sum()
    if not count:
        msg = "No pixel is finite in the truth and in every member."
        raise ValueError(msg)
    return float(total / count)


def spread_skill_ratio(members, truth):
    r"""
    Spread of the ensemble over the error of its mean.

    .. math:: \sqrt{\frac{M + 1}{M}} \, \frac{\sqrt{\langle s^2 \rangle}}{\mathrm{RMSE}(\bar x, y)}

    with :math:`s^2` the unbiased variance of the members at a pixel. It is 1 for an ensemble whose members and truth
    are drawn from the same distribution; above 1 it is under-confident, below over-confident. [1]_

    Parameters
    ----------
    members : array-like
        The M members, shape (M, ...), two or more, independent: of antithetic ones give every second.
    truth : array-like
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


def debiased_mse(members, truth):
    r"""
    Mean square error that the mean of infinitely many members would have.

    .. math:: \langle (\bar x - y)^2 - s^2 / M \rangle

    with :math:`s^2` the unbiased variance of the members at a pixel: the mean of few members is noisy, which a
    deterministic prediction is not. [1]_

    Parameters
    ----------
    members : array-like
        The M members, shape (M, ...), two or more, independent: of antithetic ones give every second.
    truth : array-like
        Truth y of shape (...). Pixels that are not finite in the truth and in every member are left out.

    Returns
    -------
    `float`
        In the square of the unit of the input. Unbiased, so it can be negative where the error is small.

    Raises
    ------
    ValueError
        If the shapes do not fit, there are fewer than two members, or no pixel is left.

    References
    ----------
    .. [1] Rasp et al. 2024, J. Adv. Model. Earth Syst. 16, e2023MS004019, doi:10.1029/2023MS004019

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import debiased_mse
    >>> debiased_mse(np.array([[0.0], [2.0]]), np.array([5.0]))
    15.0
    """
    total, count = 0.0, 0
    for x, y in ensemble_blocks(members, truth, at_least=2):
        total += ((x.mean(axis=0) - y) ** 2 - x.var(axis=0, ddof=1) / len(x)).sum()
        count += y.size
    return float(total / count)


def _crps_parts(members, truth):
    """
    Mean distance of a member from the truth, and of two members from each other.
    """
    error, spread, count = 0.0, 0.0, 0
    for x, y in ensemble_blocks(members, truth, at_least=2):
        m = len(x)
        # Relative to the truth, so that the large numbers of strong fields do not cancel.
        ordered = np.sort(x - y, axis=0)
        error += np.abs(ordered).sum() / m
        spread += 2 * ((2 * np.arange(1, m + 1) - m - 1) @ ordered).sum() / (m * (m - 1))
        count += y.size
    return float(error / count), float(spread / count)
