"""
Pixel by pixel: how far the numbers are from the truth.

Everywhere prediction and truth are arrays, Quantities or Maps of one shape; masked pixels and pixels that are not
finite in both are left out. Units are converted to that of the truth, and results are plain numbers in that unit; an
input without a unit is taken to have that of the other. Two Maps must show the same place, to a tenth of a pixel.
A threshold and its like may have a unit, too: without one it has that of the truth, fields without one are in gauss.
"""

import math
from collections import namedtuple
from itertools import pairwise

import numpy as np

from sunpy_superres.metrics._arrays import as_array, check_positive, finite_pairs, in_unit, same_place, same_shape
from sunpy_superres.metrics.similarity import polarity_score, ssim

__all__ = [
    "ValidCount",
    "bias",
    "fraction_within",
    "mae",
    "pcc",
    "pcc_by",
    "polarity_score",
    "psnr",
    "rmse",
    "slope",
    "ssim",
    "valid_count",
]

#: Pixels that count, and pixels that do not because they are masked or not finite in the prediction or the truth.
ValidCount = namedtuple("ValidCount", ["used", "ignored"])


def valid_count(pred, truth):
    """
    How many pixels the scores are of.

    Parameters
    ----------
    pred, truth : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Prediction and truth, same shape.

    Returns
    -------
    `ValidCount`
        Pixels ``used``, those that are finite in both and masked in neither, and the others, ``ignored``.

    Raises
    ------
    ValueError
        If the shapes, the places or the kinds of unit differ.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import valid_count
    >>> valid_count([1.0, np.nan, 3.0], [1.0, 2.0, 3.0])
    ValidCount(used=2, ignored=1)
    """
    pred, truth = same_shape(pred, truth)
    used = int(np.count_nonzero(np.isfinite(pred) & np.isfinite(truth)))
    return ValidCount(used, pred.size - used)


def rmse(pred, truth):
    r"""
    Root mean square error.

    .. math:: \mathrm{RMSE} = \sqrt{\langle (P - G)^2 \rangle}

    Parameters
    ----------
    pred, truth : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Prediction P and truth G, same shape; pixels that are not finite in both are left out.

    Returns
    -------
    `float`
        In the unit of the truth.

    Raises
    ------
    ValueError
        If the shapes, the places or the kinds of unit differ, or no pixel is left.

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
    pred, truth : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Prediction P and truth G, same shape; pixels that are not finite in both are left out.

    Returns
    -------
    `float`
        In the unit of the truth.

    Raises
    ------
    ValueError
        If the shapes, the places or the kinds of unit differ, or no pixel is left.

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
    pred, truth : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Prediction P and truth G, same shape; pixels that are not finite in both are left out.

    Returns
    -------
    `float`
        In the unit of the truth.

    Raises
    ------
    ValueError
        If the shapes, the places or the kinds of unit differ, or no pixel is left.

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
    pred, truth : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Prediction P and truth G, same shape; pixels that are not finite in both are left out.

    Returns
    -------
    `float`
        NaN where one of the two is constant.

    Raises
    ------
    ValueError
        If the shapes, the places or the kinds of unit differ, or no pixel is left.

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
    pred, truth : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Prediction P and truth G, same shape; pixels that are not finite in both are left out.

    Returns
    -------
    `float`
        NaN where the truth is constant.

    Raises
    ------
    ValueError
        If the shapes, the places or the kinds of unit differ, or no pixel is left.

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
    pred, truth : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Prediction and truth, same shape; pixels that are not finite in both are left out. Nothing is clipped.
    data_range : `float` or `~astropy.units.Quantity`
        The range R, in the unit of the truth unless it has one.

    Returns
    -------
    `float`
        Infinite where prediction and truth are equal.

    Raises
    ------
    ValueError
        If the shapes, the places or the kinds of unit differ, no pixel is left, or ``data_range`` is not positive.

    Examples
    --------
    >>> from sunpy_superres.metrics import psnr
    >>> psnr([60.0, -60.0], [0.0, 0.0], data_range=6000)
    40.0
    """
    data_range = in_unit(data_range, "data_range", truth, pred)
    check_positive(data_range, "data_range")
    error = rmse(pred, truth)
    return 20 * math.log10(data_range / error) if error > 0 else math.inf


def fraction_within(pred, truth, tolerance, *, threshold=None):
    r"""
    Fraction of the pixels whose error is smaller than a tolerance, :math:`|P - G| < t`.

    Wang & Fouhey [1]_ take 300 G, of the pixels with :math:`|G| > 1000` G.

    Parameters
    ----------
    pred, truth : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Prediction P and truth G, same shape; pixels that are not finite in both are left out.
    tolerance : `float` or `~astropy.units.Quantity`
        The tolerance t, in the unit of the truth unless it has one.
    threshold : `float` or `~astropy.units.Quantity`, optional
        Only pixels with a truth above this in absolute value count, unit as above. Defaults to all pixels.

    Returns
    -------
    `float`
        Between 0 and 1; NaN where no truth is above the threshold.

    Raises
    ------
    ValueError
        If the shapes, the places or the kinds of unit differ, no pixel is left, or ``tolerance`` is not positive.

    References
    ----------
    .. [1] Wang & Fouhey 2026, arXiv:2609.40043

    Examples
    --------
    >>> from sunpy_superres.metrics import fraction_within
    >>> truth = [1500.0, -1500.0, 1200.0, 10.0]
    >>> fraction_within([1400.0, -1100.0, 1250.0, 0.0], truth, 300)
    0.75
    >>> fraction_within([1400.0, -1100.0, 1250.0, 0.0], truth, 300, threshold=1000)
    0.6666666666666666
    """
    tolerance = in_unit(tolerance, "tolerance", truth, pred)
    threshold = in_unit(threshold, "threshold", truth, pred)
    check_positive(tolerance, "tolerance")
    pred, truth = finite_pairs(pred, truth)
    if threshold is not None:
        strong = np.abs(truth) > threshold
        pred, truth = pred[strong], truth[strong]
    return float(np.mean(np.abs(pred - truth) < tolerance)) if truth.size else math.nan


def pcc_by(pred, truth, by, edges):
    r"""
    Pearson correlation in bins of another quantity: distance from disk center, field strength, :math:`\mu`.

    In each bin `pcc` of all its pixels together, as in Table 1 of Muñoz-Jaramillo et al. [1]_

    Parameters
    ----------
    pred, truth : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Prediction and truth, same shape; pixels that are not finite in both are left out.
    by : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        The quantity, of the same shape; pixels where it is not finite are left out. A Map of the same place.
    edges : array-like or `~astropy.units.Quantity`
        Edges of n bins, in the unit of ``by`` unless they have one: n + 1 increasing numbers, for bins next to each
        other that hold their lower edge, the last one also its upper edge (as `numpy.histogram` does); or shape (n, 2),
        a lower and an upper edge for every bin, both of them in it, for bins that overlap. May be infinite.

    Returns
    -------
    correlation : `numpy.ndarray`
        Shape (n,); NaN where a bin has fewer than two pixels or is constant in the prediction or the truth.
    count : `numpy.ndarray`
        Pixels in each bin.

    Raises
    ------
    ValueError
        If the shapes, the places or the kinds of unit differ, no pixel is left, or the edges are no bins.

    Notes
    -----
    A bin of the field strength cuts the truth off and so lowers the correlation: compare only bins of the same edges.

    References
    ----------
    .. [1] Muñoz-Jaramillo et al. 2024, ApJS 271, 46, doi:10.3847/1538-4365/ad12c2

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import pcc_by
    >>> truth = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    >>> radius = np.array([0.0, 0.1, 0.2, 0.6, 0.7])
    >>> pcc_by([0.0, 1.0, 2.0, 4.0, 3.0], truth, radius, [0, 0.5, 1])
    (array([ 1., -1.]), array([3, 2]))
    """
    x, y = same_shape(pred, truth)
    numbers = as_array(by)
    if numbers.shape != y.shape:
        msg = f"The quantity to bin by has shape {numbers.shape} and the truth {y.shape}; they must be equal."
        raise ValueError(msg)
    same_place(by, truth if hasattr(truth, "wcs") else pred, "quantity to bin by")
    if isinstance(edges, list | tuple):
        edges = [in_unit(one, "edges", by) if isinstance(one, list | tuple) else one for one in edges]
    edges, by = in_unit(edges, "edges", by), numbers
    valid = np.isfinite(x) & np.isfinite(y) & np.isfinite(by)
    if not valid.any():
        msg = "No pixel is finite in the prediction, the truth and the quantity to bin by."
        raise ValueError(msg)
    x, y, by = x[valid], y[valid], by[valid]
    bins = [(low <= by) & ((by < high) | (closed & (by == high))) for low, high, closed in _bins(edges)]
    count = np.array([np.count_nonzero(one) for one in bins])
    correlation = [pcc(x[one], y[one]) if n > 1 else math.nan for one, n in zip(bins, count, strict=True)]
    return np.array(correlation), count


def _bins(edges):
    """
    Lower edge, upper edge and whether the upper edge belongs to the bin, of every bin.
    """
    edges = np.asarray(edges, dtype=np.float64)
    if edges.ndim == 1 and edges.size > 1 and np.all(np.diff(edges) > 0):
        return [(*pair, i == edges.size - 2) for i, pair in enumerate(pairwise(edges))]
    if edges.ndim == 2 and edges.shape[1] == 2 and len(edges) and np.all(edges[:, 0] <= edges[:, 1]):
        return [(low, high, True) for low, high in edges]
    msg = f"edges must be two or more increasing numbers, or a lower and an upper edge for every bin, got {edges}."
    raise ValueError(msg)
