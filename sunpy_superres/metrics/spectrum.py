"""
Scale by scale: is there as much structure as in the truth, and is it the same structure.

Give the ring correlation with every power ratio: an invented spectrum passes the ratio and fails the correlation.
"""

import math

import numpy as np

from sunpy_superres.metrics._arrays import same_shape

__all__ = ["band_power", "frc", "power_ratio", "power_spectrum", "resolution"]


def power_spectrum(field, scale):
    r"""
    Power spectrum of a map, averaged over rings of equal spatial frequency.

    .. math:: S(k) = \frac{s^2}{\sum w^2} \langle |F|^2 \rangle_\mathrm{ring}, \quad
              F = \mathrm{FFT}\,[w \, (B - \bar B)]

    with a Hann window w, :math:`\bar B` the mean under that window and s the pixel scale.
    The rings are 1/(N s) wide, N being the shorter side, and end at the Nyquist frequency 1/(2 s).

    Parameters
    ----------
    field : `numpy.ndarray`
        Two-dimensional map. Pixels that are not finite are set to the mean.
    scale : `float`
        Pixel scale s, for example in arcsec.

    Returns
    -------
    frequency : `numpy.ndarray`
        Centers of the rings in cycles per unit of ``scale``, the zero frequency left out.
    power : `numpy.ndarray`
        S(k) in the squares of the units of field and scale: :math:`\sigma^2 s^2` for white noise of standard
        deviation :math:`\sigma`, whatever the size of the map.

    Raises
    ------
    ValueError
        If the field has not two dimensions of 4 pixels or more, or no finite pixel.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import power_spectrum
    >>> noise = np.random.default_rng(0).normal(0, 10, (256, 256))
    >>> frequency, power = power_spectrum(noise, 0.5)
    >>> float(frequency[-1])
    1.0
    >>> print(f"{power[8:].mean():.0f}")
    25
    """
    field, _ = same_shape(field, field, ndim=2)
    (transform,), window = _transforms(field)
    rings = _Rings(field.shape, scale)
    return rings.frequency, rings.mean(_power(transform)) * scale**2 / np.sum(window**2)


def band_power(field, scale, periods, *, width=0.1):
    r"""
    Power of a map around the periods asked for: `power_spectrum`, averaged over wider rings.

    Parameters
    ----------
    field : `numpy.ndarray`
        Two-dimensional map. Pixels that are not finite are set to the mean.
    scale, periods, width
        As for `power_ratio`.

    Returns
    -------
    `numpy.ndarray`
        One value for every period, in the squares of the units of field and scale.

    Raises
    ------
    ValueError
        As for `power_ratio`.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import band_power
    >>> noise = np.random.default_rng(0).normal(0, 10, (256, 256))
    >>> print(abs(band_power(noise, 0.5, 2)[0] / 25 - 1) < 0.05)
    True
    """
    field, _ = same_shape(field, field, ndim=2)
    (transform,), window = _transforms(field)
    power = _power(transform) * scale**2 / np.sum(window**2)
    return np.array([power[ring].mean() for ring in _bands(field.shape, scale, periods, width)])


def power_ratio(pred, truth, scale, periods, *, width=0.1):
    r"""
    Power of the prediction over power of the truth, at the periods asked for.

    .. math:: \frac{\langle |F_P|^2 \rangle_{k}}{\langle |F_G|^2 \rangle_{k}}

    with the mean over the ring of spatial frequencies within ``width`` times k of k = 1/period, and the Hann window
    of `power_spectrum`. The ring is never narrower than one ring of that function.

    Parameters
    ----------
    pred, truth : `numpy.ndarray`
        Prediction P and truth G, two-dimensional, same shape. A pixel that is not finite in both is set to the mean
        in both.
    scale : `float`
        Pixel scale, for example in arcsec.
    periods : `float` or array-like
        Periods in the unit of ``scale``, from twice the scale (Nyquist) to the shorter side of the map.
    width : `float`, optional
        Half width of the ring relative to its frequency. Defaults to 0.1.

    Returns
    -------
    `numpy.ndarray`
        One ratio for every period; NaN where the truth has no power. 1 is right, above is too much structure.

    Raises
    ------
    ValueError
        If the shapes differ, a period is out of range, or no pixel is finite in both.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import power_ratio
    >>> truth = np.random.default_rng(0).normal(size=(64, 64))
    >>> power_ratio(0.5 * truth, truth, scale=0.5, periods=(8, 4, 2))
    array([0.25, 0.25, 0.25])
    """
    pred, truth = same_shape(pred, truth, ndim=2)
    (f_pred, f_truth), _ = _transforms(pred, truth)
    p_pred, p_truth = _power(f_pred), _power(f_truth)
    sums = np.array([(p_pred[ring].sum(), p_truth[ring].sum()) for ring in _bands(pred.shape, scale, periods, width)])
    return np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0)


def frc(pred, truth, scale):
    r"""
    Fourier ring correlation, the correlation of two maps at each spatial frequency.

    .. math:: \mathrm{FRC}(k) = \frac{\mathrm{Re} \sum F_P F_G^*}{\sqrt{\sum |F_P|^2 \, \sum |F_G|^2}}

    over the rings and with the Hann window of `power_spectrum`. [1]_

    Parameters
    ----------
    pred, truth : `numpy.ndarray`
        Prediction P and truth G, two-dimensional, same shape. A pixel that is not finite in both is set to the mean
        in both. Register them first: half a pixel of shift already lowers the small scales.
    scale : `float`
        Pixel scale, for example in arcsec.

    Returns
    -------
    frequency : `numpy.ndarray`
        Centers of the rings in cycles per unit of ``scale``.
    correlation : `numpy.ndarray`
        FRC(k) between -1 and 1; NaN in rings where one of the two has no power.

    Raises
    ------
    ValueError
        If the shapes differ or no pixel is finite in both.

    References
    ----------
    .. [1] van Heel & Schatz 2005, J. Struct. Biol. 151, 250, doi:10.1016/j.jsb.2005.05.009

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import frc
    >>> truth = np.random.default_rng(0).normal(size=(64, 64))
    >>> frequency, correlation = frc(2 * truth, truth, scale=0.5)
    >>> print(f"{correlation.min():.3f}")
    1.000
    """
    rings, correlation = _frc(pred, truth, scale)
    return rings.frequency, correlation


def resolution(pred, truth, scale, *, threshold=1 / 7):
    r"""
    Period down to which a prediction follows the truth.

    It is where the Fourier ring correlation, interpolated linearly in frequency, first falls below the threshold.

    Parameters
    ----------
    pred, truth : `numpy.ndarray`
        Prediction and truth, as for `frc`.
    scale : `float`
        Pixel scale, for example in arcsec.
    threshold : `float` or ``"half-bit"``, optional
        A constant, or the half-bit curve of van Heel & Schatz [1]_,
        :math:`(0.2071 + 1.9102/\sqrt n)/(1.2071 + 0.9102/\sqrt n)` with n the number of pixels of the ring.
        Defaults to 1/7.

    Returns
    -------
    `float`
        In the unit of ``scale``: twice the scale (Nyquist) where the correlation stays above the threshold, infinite
        where it never is.

    Raises
    ------
    ValueError
        If the shapes differ, no pixel is finite in both, or the threshold is not known.

    References
    ----------
    .. [1] van Heel & Schatz 2005, J. Struct. Biol. 151, 250, doi:10.1016/j.jsb.2005.05.009

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import resolution
    >>> truth = np.random.default_rng(0).normal(size=(64, 64))
    >>> resolution(truth, truth, scale=0.5)
    1.0
    """
    rings, correlation = _frc(pred, truth, scale)
    if isinstance(threshold, str):
        if threshold != "half-bit":
            msg = f"threshold must be a number or 'half-bit', got {threshold!r}."
            raise ValueError(msg)
        root = np.sqrt(rings.count)
        limit = (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root)
    else:
        limit = np.full(correlation.shape, float(threshold))
    # A ring without power says nothing in favor of the prediction.
    excess = np.nan_to_num(correlation, nan=-1.0) - limit
    below = np.flatnonzero(excess < 0)
    if not below.size:
        return 2.0 * scale
    i = below[0]
    if i == 0:
        return math.inf
    part = excess[i - 1] / (excess[i - 1] - excess[i])
    return float(1 / (rings.frequency[i - 1] + part * (rings.frequency[i] - rings.frequency[i - 1])))


class _Rings:
    """
    Rings of spatial frequency, one reciprocal of the shorter side wide, without the zero frequency.
    """

    def __init__(self, shape, scale):
        k = _frequencies(shape, scale)
        step = 1 / (min(shape) * scale)
        self._index = np.rint(k / step).astype(np.intp)
        self._last = min(shape) // 2
        self.frequency = np.arange(1, self._last + 1) * step
        self.count = self.sum(np.ones(shape))

    def sum(self, values):
        return np.bincount(self._index.ravel(), values.ravel())[1 : self._last + 1]

    def mean(self, values):
        return self.sum(values) / self.count


def _bands(shape, scale, periods, width):
    """
    For each period the boolean ring of spatial frequencies around it.
    """
    periods = np.atleast_1d(np.asarray(periods, dtype=np.float64))
    longest = min(shape) * scale
    # A little slack, since 2 * scale is rarely exact.
    if not np.all((periods >= 2 * scale * (1 - 1e-9)) & (periods <= longest * (1 + 1e-9))):
        msg = f"Periods must lie between {2 * scale:g} (Nyquist) and {longest:g} (the shorter side), got {periods}."
        raise ValueError(msg)
    k = _frequencies(shape, scale)
    return [np.abs(k - center) <= max(width * center, 0.5 / longest) for center in 1 / periods]


def _frequencies(shape, scale):
    if not scale > 0:
        msg = f"scale must be positive, got {scale!r}."
        raise ValueError(msg)
    return np.hypot(np.fft.fftfreq(shape[0], scale)[:, None], np.fft.fftfreq(shape[1], scale)[None])


def _transforms(*fields):
    if min(fields[0].shape) < 4:
        msg = f"A spectrum needs at least 4 pixels along each axis, got shape {fields[0].shape}."
        raise ValueError(msg)
    valid = np.logical_and.reduce([np.isfinite(field) for field in fields])
    window = np.hanning(fields[0].shape[0])[:, None] * np.hanning(fields[0].shape[1])[None]
    weight = window * valid
    if not weight.any():
        msg = "No pixel inside the edges is finite."
        raise ValueError(msg)
    transforms = []
    for field in fields:
        field = np.where(valid, field, 0).astype(np.float64)
        # The mean under the window: what is left then has no power at zero frequency.
        transforms.append(np.fft.fft2(weight * (field - np.sum(weight * field) / weight.sum())))
    return transforms, window


def _power(transform):
    return transform.real**2 + transform.imag**2


def _frc(pred, truth, scale):
    pred, truth = same_shape(pred, truth, ndim=2)
    (f_pred, f_truth), _ = _transforms(pred, truth)
    rings = _Rings(pred.shape, scale)
    power = np.sqrt(rings.sum(_power(f_pred)) * rings.sum(_power(f_truth)))
    cross = rings.sum((f_pred * f_truth.conj()).real)
    return rings, np.divide(cross, power, out=np.full(power.shape, np.nan), where=power > 0)
