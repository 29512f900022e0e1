"""
A map as the sum of its large and its small scales, so that any score can be told for each.
"""

import numpy as np
from scipy.fft import dctn, idctn

from sunpy_superres.metrics._arrays import arcsec_per_pixel, as_field, in_unit

__all__ = ["split_scales"]


def split_scales(field, scale, period=4.0):
    r"""
    Split maps into their large and their small scales.

    .. math:: B = B_\mathrm{large} + B_\mathrm{small}, \qquad
              |k| \le 1/\mathrm{period} \text{ in } B_\mathrm{large} \text{ alone}

    with a sharp limit in spatial frequency. The frequencies are those of the map continued by its mirror images, so
    that opposite edges, which have nothing to do with each other, do not meet.

    Parameters
    ----------
    field : array-like
        A map (y, x), or a stack of maps (..., y, x).
    scale : `float`, `~astropy.units.Quantity` or `None`
        Pixel scale, for example in arcsec; `None` takes that of a Map.
    period : `float`, optional
        Where to split, in the unit of ``scale``. Defaults to 4, twice the pixel of MDI in arcsec: what a map of MDI
        can show is in the large scales.

    Returns
    -------
    large, small : `numpy.ndarray`
        Of the shape of the field, float64. Their sum is the field. Pixels that are not finite are filled with the
        mean of the others in their map, and NaN in both.

    Raises
    ------
    ValueError
        If the field has fewer than two dimensions, a map has no finite pixel, or scale or period is not positive.

    Notes
    -----
    The split is linear: that of a difference is the difference of the splits, as long as the same pixels are missing.
    So set to NaN in every member and in the truth what is missing in one. Where nothing is missing the two parts are
    orthogonal, and the squared errors of the parts add up to that of the map.
    A sharp limit rings beside sharp edges, the limb of a full disk among them: leave out what lies within a few
    periods of it.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import rmse, split_scales
    >>> pred, truth = np.random.default_rng(0).normal(size=(2, 64, 64))
    >>> parts = [rmse(p, t) for p, t in zip(split_scales(pred, 0.5), split_scales(truth, 0.5))]
    >>> bool(np.isclose(np.hypot(*parts), rmse(pred, truth)))
    True
    """
    scale = arcsec_per_pixel(scale, field)
    field, period = as_field(field), in_unit(period, "period", unit="arcsec")
    if field.ndim < 2:
        msg = f"Expected maps of shape (..., y, x), got shape {field.shape}."
        raise ValueError(msg)
    if not period > 0:
        msg = f"period must be positive, got {period!r}."
        raise ValueError(msg)
    rows, columns = (np.arange(n) / (2 * n * scale) for n in field.shape[-2:])
    kept = np.hypot(rows[:, None], columns) <= (1 + 1e-9) / period
    large, small = np.empty((2, *field.shape))
    for i in np.ndindex(field.shape[:-2]):
        valid = np.isfinite(field[i])
        if not valid.any():
            msg = "A map has no finite pixel."
            raise ValueError(msg)
        values = field[i].astype(np.float64)
        # What is filled in does not matter to a constant, which is all in the large scales.
        mean = values[valid].mean()
        part = idctn(kept * dctn(np.where(valid, values - mean, 0), norm="ortho"), norm="ortho") + mean
        large[i] = np.where(valid, part, np.nan)
        small[i] = np.where(valid, values - part, np.nan)
    return large, small
