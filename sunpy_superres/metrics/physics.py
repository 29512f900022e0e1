"""
What a solar physicist measures on a magnetogram: flux, gradients and extremes.
"""

import numpy as np

from sunpy_superres.metrics._arrays import same_shape

__all__ = ["extreme_bias", "extreme_error", "gradient_error", "unsigned_flux"]


def unsigned_flux(field, pixel_area=1):
    r"""
    Total unsigned flux.

    .. math:: \Phi = \sum |B| \, A_\mathrm{px}

    Parameters
    ----------
    field : `numpy.ndarray`
        Magnetic field B; pixels that are not finite are left out.
    pixel_area : `float` or `numpy.ndarray`, optional
        Area of a pixel (cm² for a flux in Mx), one number or one for every pixel, so that foreshortening can be
        undone. Defaults to 1, which is enough for the ratio of two maps of the same grid.

    Returns
    -------
    `float`
        In the unit of the field times that of the area.

    Raises
    ------
    ValueError
        If no pixel is finite.

    Notes
    -----
    Noise adds to :math:`|B|`, so removing noise lowers the flux: compare maps of the same noise.

    Examples
    --------
    >>> from sunpy_superres.metrics import unsigned_flux
    >>> unsigned_flux([[10.0, -30.0]], pixel_area=2)
    80.0
    """
    field = np.asarray(field)
    valid = np.isfinite(field)
    if not valid.any():
        msg = "No pixel of the field is finite."
        raise ValueError(msg)
    area = np.broadcast_to(np.asarray(pixel_area, dtype=np.float64), field.shape)
    return float(np.sum(np.abs(field[valid], dtype=np.float64) * area[valid]))


def gradient_error(pred, truth):
    r"""
    Mean size of the gradient of the error.

    .. math:: \langle g(P - G) \rangle, \quad g(I) = \sqrt{(S_x * I)^2 + (S_y * I)^2}

    with the 3 x 3 Sobel kernels S of Muñoz-Jaramillo et al. [1]_, equations 5 to 7.
    The paper does not give their norm; here they are divided by 8, so that g is a gradient per pixel.

    Parameters
    ----------
    pred, truth : `numpy.ndarray`
        Prediction P and truth G, two-dimensional, same shape, at least 3 x 3.
        The outermost pixels and those with a pixel that is not finite in their 3 x 3 neighborhood are left out.

    Returns
    -------
    `float`
        In the unit of the input per pixel.

    Raises
    ------
    ValueError
        If the shapes differ or are not of two dimensions, or if no pixel is left.

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
    pred, truth = same_shape(pred, truth, ndim=2)
    error = np.subtract(pred, truth, dtype=np.float64, where=np.isfinite(pred) & np.isfinite(truth), out=_nan(pred))
    # Separable: smooth by (1, 2, 1) along one axis, difference along the other.
    smooth_y = error[:-2] + 2 * error[1:-1] + error[2:]
    smooth_x = error[:, :-2] + 2 * error[:, 1:-1] + error[:, 2:]
    size = np.hypot(smooth_y[:, 2:] - smooth_y[:, :-2], smooth_x[2:] - smooth_x[:-2]) / 8
    # Neither kernel reads the central pixel, so a hole there has to be looked for.
    size = size[np.isfinite(size) & np.isfinite(error[1:-1, 1:-1])]
    if not size.size:
        msg = "No pixel has a 3x3 neighborhood that is finite in both the prediction and the truth."
        raise ValueError(msg)
    return float(size.mean())


def extreme_error(pred, truth, block):
    r"""
    How far the extremes of blocks of pixels are from those of the truth.

    .. math:: \left\langle \frac{|\max P - \max G| + |\min P - \min G|}{2} \right\rangle

    over the blocks. The two differences are those of equations 3 and 4 of Muñoz-Jaramillo et al. [1]_; how they are
    combined is not said there, here it is by their average.

    Parameters
    ----------
    pred, truth : `numpy.ndarray`
        Prediction P and truth G, two-dimensional, same shape, in gauss.
    block : `int`
        Pixels along each side of a block. The blocks begin at the first pixel; what does not fill one at the far
        ends is left out, and so is every block with a pixel that is not finite in both: the extremes of fewer pixels
        are not those of a block.

    Returns
    -------
    `float`
        In the unit of the input.

    Raises
    ------
    ValueError
        If the shapes differ or are not of two dimensions, the block is smaller than a pixel or larger than the field,
        or no block is left.

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
    pred, truth : `numpy.ndarray`
        Prediction P and truth G, two-dimensional, same shape, in gauss.
    block : `int`
        Pixels along each side of a block; see `extreme_error` for what is left out.

    Returns
    -------
    `float`
        In the unit of the input.

    Raises
    ------
    ValueError
        If the shapes differ or are not of two dimensions, the block is smaller than a pixel or larger than the field,
        or no block is left.

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
    pred, truth = same_shape(pred, truth, ndim=2)
    if not 1 <= block <= min(pred.shape):
        msg = f"A block must have 1 to {min(pred.shape)} pixels a side in a field of shape {pred.shape}, got {block!r}."
        raise ValueError(msg)
    pred, truth = _squares(pred, block), _squares(truth, block)
    whole = np.isfinite(pred).all(axis=1) & np.isfinite(truth).all(axis=1)
    if not whole.any():
        msg = f"No block of {block} x {block} pixels is finite in both the prediction and the truth."
        raise ValueError(msg)
    pred, truth = pred[whole].astype(np.float64), truth[whole].astype(np.float64)
    return pred.max(axis=1) - truth.max(axis=1), pred.min(axis=1) - truth.min(axis=1)


def _squares(field, block):
    """
    Cut a field into squares, shape (n, block²).
    """
    ny, nx = (size // block for size in field.shape)
    squares = field[: ny * block, : nx * block].reshape(ny, block, nx, block)
    return squares.swapaxes(1, 2).reshape(ny * nx, block**2)


def _nan(like):
    return np.full(like.shape, np.nan)
