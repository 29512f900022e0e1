"""
Pixel by pixel: how far the numbers are from the truth.
"""

import math

import numpy as np

from sunpy_superres.metrics._arrays import finite_pairs

__all__ = ["bias", "mae", "pcc", "psnr", "rmse", "slope"]


def rmse(pred, truth):
    r"""
    Root mean square error.

    .. math:: \mathrm{RMSE} = \sqrt{\langle (P - G)^2 \rangle}

    Parameters
    ----------
    pred, truth : `numpy.ndarray`
        Prediction P and truth G, same shape; pixels that are not finite in both are left out.

    Returns
    -------
    `float`
        In the unit of the input.

    Raises
    ------
    ValueError
        If the shapes differ or no pixel is left.

    Examples
    --------
    >>> from sunpy_superres.metrics import rmse
    >>> rmse([3.0, -4.0], [0.0, 0.0])
    3.5355339059327378
    """
    pred, truth = finite_pairs(pred, truth)
    return float(np.sqrt(np.mean((pred - truth) ** 2)))


def mae(pred, truth):
    r"""
    Mean absolute error.

    .. math:: \mathrm{MAE} = \langle |P - G| \rangle

    It is also the CRPS of a deterministic prediction, see `~sunpy_superres.metrics.fair_crps`.

    Parameters
    ----------
    pred, truth : `numpy.ndarray`
        Prediction P and truth G, same shape; pixels that are not finite in both are left out.

    Returns
    -------
    `float`
        In the unit of the input.

    Raises
    ------
    ValueError
        If the shapes differ or no pixel is left.

    Examples
    --------
    >>> from sunpy_superres.metrics import mae
    >>> mae([3.0, -4.0], [0.0, 0.0])
    3.5
    """
    pred, truth = finite_pairs(pred, truth)
    return float(np.mean(np.abs(pred - truth)))


def bias(pred, truth):
    r"""
    Mean error, prediction minus truth.

    .. math:: \langle P - G \rangle

    Parameters
    ----------
    pred, truth : `numpy.ndarray`
        Prediction P and truth G, same shape; pixels that are not finite in both are left out.

    Returns
    -------
    `float`
        In the unit of the input.

    Raises
    ------
    ValueError
        If the shapes differ or no pixel is left.

    Examples
    --------
    >>> from sunpy_superres.metrics import bias
    >>> bias([3.0, -4.0], [0.0, 0.0])
    -0.5
    """
    pred, truth = finite_pairs(pred, truth)
    return float(np.mean(pred - truth))


def pcc(pred, truth):
    r"""
    Pearson correlation coefficient over all pixels together.

    .. math:: \rho = \frac{\sum (G - \bar G)(P - \bar P)}{\sqrt{\sum (G - \bar G)^2 \sum (P - \bar P)^2}}

    Equation 1 of Muñoz-Jaramillo et al. [1]_, in the range -1 to 1.

    Parameters
    ----------
    pred, truth : `numpy.ndarray`
        Prediction P and truth G, same shape; pixels that are not finite in both are left out.

    Returns
    -------
    `float`
        NaN where one of the two is constant.

    Raises
    ------
    ValueError
        If the shapes differ or no pixel is left.

    References
    ----------
    .. [1] Muñoz-Jaramillo et al. 2024, ApJS 271, 46, doi:10.3847/1538-4365/ad12c2

    Examples
    --------
    >>> from sunpy_superres.metrics import pcc
    >>> pcc([0.0, 1.0, 2.0], [0.0, 1.0, 1.0])
    0.8660254037844387
    """
    pred, truth = finite_pairs(pred, truth)
    pred, truth = pred - pred.mean(), truth - truth.mean()
    power = math.sqrt(float(pred @ pred) * float(truth @ truth))
    return float(pred @ truth) / power if power > 0 else math.nan


def slope(pred, truth):
    r"""
    Slope b of the straight line :math:`P = a + b G` fitted by least squares.

    .. math:: b = \frac{\sum (G - \bar G)(P - \bar P)}{\sum (G - \bar G)^2}

    Below 1, strong fields are underestimated: blurring alone does that.

    Parameters
    ----------
    pred, truth : `numpy.ndarray`
        Prediction P and truth G, same shape; pixels that are not finite in both are left out.

    Returns
    -------
    `float`
        NaN where the truth is constant.

    Raises
    ------
    ValueError
        If the shapes differ or no pixel is left.

    Examples
    --------
    >>> from sunpy_superres.metrics import slope
    >>> slope([1.0, 2.0, 3.0], [0.0, 2.0, 4.0])
    0.5
    """
    pred, truth = finite_pairs(pred, truth)
    pred, truth = pred - pred.mean(), truth - truth.mean()
    power = float(truth @ truth)
    return float(pred @ truth) / power if power > 0 else math.nan


def psnr(pred, truth, data_range):
    r"""
    Peak signal-to-noise ratio in decibel.

    .. math:: \mathrm{PSNR} = 20 \log_{10} (R / \mathrm{RMSE})

    A PSNR means nothing without its data range R, so there is no default; 6000 G (fields within ±3000 G) is the
    value to use for magnetograms, and the RMSE in gauss belongs beside it.

    Parameters
    ----------
    pred, truth : `numpy.ndarray`
        Prediction and truth, same shape; pixels that are not finite in both are left out. Nothing is clipped.
    data_range : `float`
        The range R, in the unit of the input.

    Returns
    -------
    `float`
        Infinite where prediction and truth are equal.

    Raises
    ------
    ValueError
        If the shapes differ, no pixel is left, or ``data_range`` is not positive.

    Examples
    --------
    >>> from sunpy_superres.metrics import psnr
    >>> psnr([60.0, -60.0], [0.0, 0.0], data_range=6000)
    40.0
    """
    if not data_range > 0:
        msg = f"data_range must be positive, got {data_range!r}."
        raise ValueError(msg)
    error = rmse(pred, truth)
    return 20 * math.log10(data_range / error) if error > 0 else math.inf
