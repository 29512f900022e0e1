"""
How alike two images look: their structure in small windows, and the sign of their strong fields.

Everywhere prediction and truth are arrays, Quantities or Maps of one shape; masked pixels and pixels that are not
finite in both are left out. Units are converted to that of the truth, and results are plain numbers in that unit; an
input without a unit is taken to have that of the other. Two Maps must show the same place, to a tenth of a pixel.
A threshold and its like may have a unit, too: without one it has that of the truth, fields without one are in gauss.
"""

import math

import numpy as np
from scipy import ndimage

from sunpy_superres.metrics._arrays import check_positive, in_unit, same_shape, whole_blocks

__all__ = ["polarity_score", "ssim", "ssim_map"]

#: Pixels along a side of the windows of the structural similarity: a Gaussian of 1.5 pixels to 3.5 of them.
_SSIM_SIDE = 11


def ssim(pred, truth, data_range):
    r"""
    Mean structural similarity.

    .. math:: \mathrm{SSIM} = \frac{(2 \mu_P \mu_G + C_1)(2 \sigma_{PG} + C_2)}
              {(\mu_P^2 + \mu_G^2 + C_1)(\sigma_P^2 + \sigma_G^2 + C_2)},
              \quad C_1 = (0.01 R)^2, \quad C_2 = (0.03 R)^2

    in windows of 11 x 11 pixels with Gaussian weights of 1.5 pixels, and averaged over all windows inside the image,
    as defined by Wang et al. [1]_ and computed by scikit-image.

    It means nothing without its data range R, so there is no default; 6000 G, for fields clipped to ±3000 G, is the
    value to use for magnetograms. At that range :math:`C_2` is the square of 180 G, much more than the variance of
    quiet Sun, and the similarity of quiet patches is close to 1 whatever is predicted: quote it on patches chosen by
    their field, and beside the RMSE in gauss.

    Parameters
    ----------
    pred, truth : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Prediction P and truth G, two-dimensional, same shape, at least 11 x 11. Nothing is clipped. A window with a
        pixel that is not finite in both is left out.
    data_range : `float` or `~astropy.units.Quantity`
        The range R, in the unit of the truth unless it has one.

    Returns
    -------
    `float`
        Between -1 and 1, 1 where the two are equal.

    Raises
    ------
    ValueError
        If the shapes, the places or the kinds of unit differ, they are not of two dimensions, no window is left, or
        ``data_range`` is not positive or has a unit that does not convert.

    References
    ----------
    .. [1] Wang, Bovik, Sheikh & Simoncelli 2004, IEEE Trans. Image Process. 13, 600, doi:10.1109/TIP.2003.819861

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import ssim
    >>> quiet = np.random.default_rng(0).normal(0, 10, (2, 64, 64))
    >>> print(f"{ssim(*quiet, data_range=6000):.3f} {ssim(*quiet, data_range=60):.3f}")
    0.992 0.003
    """
    data_range = in_unit(data_range, "data_range", truth, pred)
    check_positive(data_range, "data_range")
    similarity = ssim_map(*same_shape(pred, truth, ndim=2), data_range)
    whole = np.isfinite(similarity)
    if not whole.any():
        msg = f"No window of {_SSIM_SIDE} x {_SSIM_SIDE} pixels is finite in both the prediction and the truth."
        raise ValueError(msg)
    return float(similarity[whole].mean())


def ssim_map(pred, truth, data_range):
    """
    Structural similarity of the window around every pixel.

    Parameters
    ----------
    pred, truth : `numpy.ndarray`
        Two-dimensional, same shape.
    data_range : `float`
        As for `ssim`.

    Returns
    -------
    `numpy.ndarray`
        Same shape, float64; NaN where the window is not whole.
    """
    from skimage.metrics import structural_similarity  # NOQA: PLC0415

    valid = np.isfinite(pred) & np.isfinite(truth)
    whole = ndimage.minimum_filter(valid, _SSIM_SIDE, mode="constant", cval=False)
    if not whole.any():  # as in an image smaller than a window, which scikit-image refuses
        return np.full(valid.shape, np.nan)
    _, similarity = structural_similarity(
        *(np.where(valid, field, 0).astype(np.float64) for field in (pred, truth)),
        data_range=float(data_range),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return np.where(whole, similarity, np.nan)


def polarity_score(pred, truth, *, threshold=150.0, block=4, delta=0.0):
    r"""
    Whether strong fields have the right sign.

    .. math:: \tau = \frac{\lVert P - G \rVert^2}{\lVert -P - G \rVert^2 + \delta}

    of the means of blocks of 4 x 4 pixels, where :math:`|G| > 150` G in the mean. Below 1 the prediction is closer to
    the truth than its negative is; for a prediction :math:`a G` it is :math:`(1 - a)^2 / (1 + a)^2`. Equation 5 of
    Wang & Fouhey [1]_.

    Parameters
    ----------
    pred, truth : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Prediction P and truth G, two-dimensional, same shape, in gauss unless they have a unit. A block with a pixel
        that is not finite in both is left out, and so is what does not fill a block at the far ends.
    threshold : `float` or `~astropy.units.Quantity`, optional
        In gauss unless it has a unit. Defaults to 150.
    block : `int`, optional
        Pixels along each side of a block. Defaults to 4.
    delta : `float` or `~astropy.units.Quantity`, optional
        What keeps the denominator from zero, in squares of gauss unless it has a unit. Defaults to 0.

    Returns
    -------
    `float`
        0 at best. NaN where no block is above the threshold, infinite where the prediction is the negative of the
        truth.

    Raises
    ------
    ValueError
        If the shapes, the places or the kinds of unit differ, they are not of two dimensions, the block is smaller
        than a pixel or larger than the field, no block is finite, or the unit of an option does not convert.

    References
    ----------
    .. [1] Wang & Fouhey 2026, arXiv:2609.40043

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import polarity_score
    >>> truth = np.full((8, 8), 500.0)
    >>> print(f"{polarity_score(0.5 * truth, truth):.3f} {polarity_score(-0.5 * truth, truth):.1f}")
    0.111 9.0
    """
    threshold, delta = in_unit(threshold, "threshold", unit="G"), in_unit(delta, "delta", unit="G2")
    pred, truth = same_shape(pred, truth, ndim=2, unit="G")
    pred, truth = (field.mean(axis=1) for field in whole_blocks(pred, truth, block))
    strong = np.abs(truth) > threshold
    if not strong.any():
        return math.nan
    pred, truth = pred[strong], truth[strong]
    right, wrong = float(np.sum((pred - truth) ** 2)), float(np.sum((pred + truth) ** 2)) + delta
    return right / wrong if wrong > 0 else math.inf
