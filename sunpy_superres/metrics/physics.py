"""
What a solar physicist measures on a magnetogram: gradients and extremes, and whether it fits what was seen.

Everywhere prediction and truth are arrays, Quantities or Maps of one shape; masked pixels and pixels that are not
finite in both are left out. Units are converted to that of the truth, and results are plain numbers in that unit; an
input without a unit is taken to have that of the other. Two Maps must show the same place, to a tenth of a pixel.
"""

from collections import namedtuple

import numpy as np
from scipy import stats

from sunpy_superres.instruments import HMI_SCALE, get_instrument
from sunpy_superres.metrics._arrays import (
    arcsec_per_pixel,
    convert,
    difference,
    finite_pairs,
    ratio,
    same_place,
    same_shape,
    whole_blocks,
)

__all__ = [
    "DataConsistency",
    "data_consistency",
    "extreme_bias",
    "extreme_error",
    "gradient_error",
    "gradient_mae",
    "gradient_ratio",
    "wasserstein",
]

#: Misfit of a prediction to what was seen: root mean square in the gauss of the instrument, and relative to what was
#: seen.
DataConsistency = namedtuple("DataConsistency", ["rms", "relative"])


def wasserstein(pred, truth):
    r"""
    Distance of the distribution of values from that of the truth (Wasserstein-1, or earth mover's).

    .. math:: W_1 = \int_0^1 |F_P^{-1}(q) - F_G^{-1}(q)| \, \mathrm{d}q

    It does not see where the values are: blur, which weakens strong fields, raises it, a shift does not.

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
    >>> from sunpy_superres.metrics import wasserstein
    >>> wasserstein([0.0, 10.0, 20.0], [25.0, 0.0, 10.0])
    1.6666666666666667
    """
    return float(stats.wasserstein_distance(*finite_pairs(pred, truth)))


def data_consistency(pred, seen, instrument="mdi", *, scale=None):
    r"""
    Whether the prediction, degraded to the instrument, is what the instrument saw.

    .. math:: \mathrm{rms} = \sqrt{\langle (A(P) - x)^2 \rangle}, \quad
              \mathrm{relative} = \lVert A(P) - x \rVert / \lVert x \rVert

    with A of `sunpy_superres.degradation.degrade`, without noise. Compare the first with the noise of the instrument:
    much less, and the noise was reproduced; much more, and the input was contradicted.

    Parameters
    ----------
    pred : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Prediction P, two-dimensional, in gauss of HMI unless it has a unit.
    seen : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        What the instrument saw, x, in its gauss unless it has a unit; the shape of the prediction divided by a whole
        number. Set to NaN what should not count, such as the edges: the blur needs to know what is beyond them.
    instrument : `str`, optional
        Name of the instrument that saw it. Defaults to ``"mdi"``.
    scale : `float`, optional
        Arcsec per pixel of the prediction. Defaults to that of the Map, or that of HMI.

    Returns
    -------
    `DataConsistency`
        ``rms`` in gauss of the instrument, and ``relative``, which is NaN where all that was seen is 0. Pixels of the
        instrument that are not finite are left out, and so are those that get more than a thousandth of their blurred
        light from pixels of the prediction that are not finite.

    Raises
    ------
    ValueError
        If the shape of the prediction is no multiple of that seen, the places or the kinds of unit differ, the
        instrument is not known, or no pixel is left.

    Examples
    --------
    >>> from sunpy_superres.degradation import degrade, synthetic_magnetogram
    >>> from sunpy_superres.metrics import data_consistency
    >>> truth = synthetic_magnetogram((128, 128), seed=0)
    >>> print(f"{data_consistency(truth, degrade(truth, seed=1)).rms:.0f}")
    23
    """
    from sunpy_superres.degradation import degrade  # NOQA: PLC0415

    known = get_instrument(instrument)
    fine, coarse = convert(pred, seen, unit="G")
    factor = _factor(fine.shape, coarse.shape)
    same_place(pred, seen)
    if scale is None:
        scale = arcsec_per_pixel(None, pred) if hasattr(pred, "wcs") else HMI_SCALE
    options = {"instrument": instrument, "factor": factor, "scale": arcsec_per_pixel(scale), "noise": False}
    valid = np.isfinite(fine)
    again = degrade(fine, **options).astype(np.float64)
    counts = np.isfinite(again) & np.isfinite(coarse)
    if not valid.all():
        counts &= degrade(valid, **options) * known.to_hmi > 1 - 1e-3
    if not counts.any():
        msg = "No pixel that was seen is finite and known from the prediction."
        raise ValueError(msg)
    misfit, size = (np.sqrt(np.mean(field[counts] ** 2)) for field in (again - coarse, coarse.astype(np.float64)))
    return DataConsistency(float(misfit), ratio(misfit, size))


def gradient_error(pred, truth):
    r"""
    Mean size of the gradient of the error.

    .. math:: \langle g(P - G) \rangle, \quad g(I) = \sqrt{(S_x * I)^2 + (S_y * I)^2}

    with the 3 x 3 Sobel kernels S of Muñoz-Jaramillo et al. [1]_, equations 5 to 7.
    The paper does not give their norm; here they are divided by 8, so that g is a gradient per pixel.

    Parameters
    ----------
    pred, truth : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Prediction P and truth G, two-dimensional, same shape, at least 3 x 3.
        The outermost pixels and those with a pixel that is not finite in their 3 x 3 neighborhood are left out.

    Returns
    -------
    `float`
        In the unit of the truth per pixel.

    Raises
    ------
    ValueError
        If the shapes, the places or the kinds of unit differ, they are not of two dimensions, or if no pixel is left.

    References
    ----------
    .. [1] Muñoz-Jaramillo et al. 2024, ApJS 271, 46, doi:10.3847/1538-4365/ad12c2

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import gradient_error
    >>> ramp = np.broadcast_to(3.0 * np.arange(5), (4, 5))
    >>> gradient_error(ramp, np.zeros((4, 5)))
    3.0
    """
    size = sobel(difference(*same_shape(pred, truth, ndim=2)))
    return float(size[_known(size)].mean())


def gradient_ratio(pred, truth):
    r"""
    Total size of the gradients of the prediction over that of the truth.

    .. math:: \frac{\sum g(P)}{\sum g(G)}

    with g the gradient of `gradient_error`. Below 1 the prediction is too smooth. [1]_

    Parameters
    ----------
    pred, truth : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Prediction P and truth G, two-dimensional, same shape, at least 3 x 3; see `gradient_error` for what is left
        out.

    Returns
    -------
    `float`
        1 is right; NaN where the truth has no gradients.

    Raises
    ------
    ValueError
        If the shapes, the places or the kinds of unit differ, they are not of two dimensions, or if no pixel is left.

    References
    ----------
    .. [1] Wang & Fouhey 2026, arXiv:2609.40043

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import gradient_ratio
    >>> truth = np.random.default_rng(0).normal(size=(8, 8))
    >>> print(f"{gradient_ratio(0.7 * truth, truth):.2f}")
    0.70
    """
    pred, truth = _gradients(pred, truth)
    return ratio(pred.sum(), truth.sum())


def gradient_mae(pred, truth):
    r"""
    Mean absolute error of the size of the gradient.

    .. math:: \langle | g(P) - g(G) | \rangle

    with g the gradient of `gradient_error`, which in turn is the gradient of the error and never less. [1]_

    Parameters
    ----------
    pred, truth : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Prediction P and truth G, two-dimensional, same shape, at least 3 x 3; see `gradient_error` for what is left
        out.

    Returns
    -------
    `float`
        In the unit of the truth per pixel.

    Raises
    ------
    ValueError
        If the shapes, the places or the kinds of unit differ, they are not of two dimensions, or if no pixel is left.

    References
    ----------
    .. [1] Wang & Fouhey 2026, arXiv:2609.40043

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import gradient_mae
    >>> ramp = np.broadcast_to(3.0 * np.arange(5), (4, 5))
    >>> gradient_mae(-2 * ramp, ramp)
    3.0
    """
    pred, truth = _gradients(pred, truth)
    return float(np.abs(pred - truth).mean())


def extreme_error(pred, truth, block):
    r"""
    How far the extremes of blocks of pixels are from those of the truth.

    .. math:: \left\langle \frac{|\max P - \max G| + |\min P - \min G|}{2} \right\rangle

    over the blocks. The two differences are those of equations 3 and 4 of Muñoz-Jaramillo et al. [1]_; how they are
    combined is not said there, here it is by their average.

    Parameters
    ----------
    pred, truth : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Prediction P and truth G, two-dimensional, same shape, in gauss.
    block : `int`
        Pixels along each side of a block. The blocks begin at the first pixel; what does not fill one at the far
        ends is left out, and so is every block with a pixel that is not finite in both: the extremes of fewer pixels
        are not those of a block.

    Returns
    -------
    `float`
        In the unit of the truth.

    Raises
    ------
    ValueError
        If the shapes, the places or the kinds of unit differ, they are not of two dimensions, the block is smaller
        than a pixel or larger than the field, or no block is left.

    See Also
    --------
    extreme_bias : whether the extremes are too weak or too strong

    References
    ----------
    .. [1] Muñoz-Jaramillo et al. 2024, ApJS 271, 46, doi:10.3847/1538-4365/ad12c2

    Examples
    --------
    >>> from sunpy_superres.metrics import extreme_error
    >>> extreme_error([[10.0, -20.0], [0.0, 5.0]], [[30.0, -50.0], [0.0, 5.0]], 2)
    25.0
    """
    highest, lowest = _extremes(pred, truth, block)
    return float(np.mean((np.abs(highest) + np.abs(lowest)) / 2))


def extreme_bias(pred, truth, block):
    r"""
    Whether the extremes of blocks of pixels are too weak (negative) or too strong (positive).

    .. math:: \left\langle \frac{(\max P - \max G) - (\min P - \min G)}{2} \right\rangle

    over the blocks: the differences of equations 3 and 4 of Muñoz-Jaramillo et al. [1]_, with the sign that they have
    before the absolute value, that of the minimum turned so that weaker extremes are negative in both polarities.

    Parameters
    ----------
    pred, truth, block
        As for `extreme_error`.

    Returns
    -------
    `float`
        In the unit of the truth.

    Raises
    ------
    ValueError
        If the shapes, the places or the kinds of unit differ, they are not of two dimensions, the block is smaller
        than a pixel or larger than the field, or no block is left.

    References
    ----------
    .. [1] Muñoz-Jaramillo et al. 2024, ApJS 271, 46, doi:10.3847/1538-4365/ad12c2

    Examples
    --------
    >>> from sunpy_superres.metrics import extreme_bias
    >>> extreme_bias([[10.0, -20.0], [0.0, 5.0]], [[30.0, -50.0], [0.0, 5.0]], 2)
    -25.0
    """
    highest, lowest = _extremes(pred, truth, block)
    return float(np.mean((highest - lowest) / 2))


def _extremes(pred, truth, block):
    """
    Prediction minus truth of the largest and of the smallest value of every block.
    """
    pred, truth = whole_blocks(*same_shape(pred, truth, ndim=2), block)
    return pred.max(axis=1) - truth.max(axis=1), pred.min(axis=1) - truth.min(axis=1)


def sobel(field):
    """
    Size of the gradient of every pixel.

    Parameters
    ----------
    field : `numpy.ndarray`
        Two-dimensional, float64.

    Returns
    -------
    `numpy.ndarray`
        Same shape, in the unit of the field per pixel; NaN in the outermost pixels and where the 3 x 3 neighborhood is
        not all finite.
    """
    # Separable: smooth by (1, 2, 1) along one axis, difference along the other.
    smooth_y = field[:-2] + 2 * field[1:-1] + field[2:]
    smooth_x = field[:, :-2] + 2 * field[:, 1:-1] + field[:, 2:]
    size = np.full(field.shape, np.nan)
    size[1:-1, 1:-1] = np.hypot(smooth_y[:, 2:] - smooth_y[:, :-2], smooth_x[2:] - smooth_x[:-2]) / 8
    # Neither kernel reads the central pixel, so a hole there has to be looked for.
    size[~np.isfinite(field)] = np.nan
    return size


def _gradients(pred, truth):
    pred, truth = same_shape(pred, truth, ndim=2)
    valid = np.isfinite(pred) & np.isfinite(truth)
    pred, truth = (sobel(np.where(valid, field, np.nan).astype(np.float64)) for field in (pred, truth))
    known = _known(pred)
    return pred[known], truth[known]


def _known(size):
    known = np.isfinite(size)
    if not known.any():
        msg = "No pixel has a 3x3 neighborhood that is finite in both the prediction and the truth."
        raise ValueError(msg)
    return known


def _factor(fine, coarse):
    factor = fine[0] // coarse[0] if len(coarse) == 2 and coarse[0] else 0
    if not factor or fine != (coarse[0] * factor, coarse[1] * factor):
        msg = f"The prediction has shape {fine}, which is no multiple of that seen, {coarse}, the same along both axes."
        raise ValueError(msg)
    return factor
