"""
Scale by scale: is there as much structure as in the truth, and is it the same structure.

Give the ring correlation with every power ratio: an invented spectrum passes the ratio and fails the correlation.
Maps may be arrays, Quantities or sunpy Maps; what is not finite in all of them is left out.
"""

import math

import numpy as np

from sunpy_superres.metrics._arrays import arcsec_per_pixel, as_field, in_unit, same_shape
from sunpy_superres.metrics._fourier import Rings, bands, power_of, transforms

__all__ = [
    "band_power",
    "frc",
    "half_bit",
    "power_ratio",
    "power_spectrum",
    "ralsd",
    "resolution",
    "ring_counts",
]


def power_spectrum(field, scale):
    r"""
    Power spectrum of a map, averaged over rings of equal spatial frequency.

    .. math:: S(k) = \frac{s^2}{\sum w^2} \langle |F|^2 \rangle_\mathrm{ring}, \quad
              F = \mathrm{FFT}\,[w \, (B - \bar B)]

    with a Hann window w, :math:`\bar B` the mean under that window and s the pixel scale.
    The rings are 1/(N s) wide, N being the shorter side, and end at the Nyquist frequency 1/(2 s).

    Parameters
    ----------
    field : array-like
        Two-dimensional map. Pixels that are not finite are set to the mean.
    scale : `float`, `~astropy.units.Quantity` or `None`
        Pixel scale s, for example in arcsec; `None` takes that of a Map.

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
    scale = arcsec_per_pixel(scale, field)
    (transform,), window = transforms(as_field(field, ndim=2))
    rings = Rings(transform.shape, scale)
    return rings.frequency, rings.mean(power_of(transform)) * scale**2 / np.sum(window**2)


def band_power(field, scale, periods, *, width=0.1):
    r"""
    Power of a map around the periods asked for: `power_spectrum`, averaged over wider rings.

    Parameters
    ----------
    field : array-like
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
    scale = arcsec_per_pixel(scale, field)
    (transform,), window = transforms(as_field(field, ndim=2))
    power = power_of(transform) * scale**2 / np.sum(window**2)
    return np.array([power[ring].mean() for ring in bands(transform.shape, scale, periods, width)])


def power_ratio(pred, truth, scale, periods, *, width=0.1):
    r"""
    Power of the prediction over power of the truth, at the periods asked for.

    .. math:: \frac{\langle |F_P|^2 \rangle_{k}}{\langle |F_G|^2 \rangle_{k}}

    with the mean over the ring of spatial frequencies within ``width`` times k of k = 1/period, and the Hann window
    of `power_spectrum`. The ring is never narrower than one ring of that function.

    Parameters
    ----------
    pred, truth : array-like
        Prediction P and truth G, two-dimensional, same shape. A pixel that is not finite in both is set to the mean
        in both.
    scale : `float`, `~astropy.units.Quantity` or `None`
        Pixel scale, for example in arcsec; `None` takes that of a Map.
    periods : `float` or array-like
        Periods in the unit of ``scale``, from twice the scale (Nyquist) to the shorter side of the map. With a unit,
        they and the scale are in arcsec.
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
    scale = arcsec_per_pixel(scale, pred, truth)
    pred, truth = same_shape(pred, truth, ndim=2)
    (f_pred, f_truth), _ = transforms(pred, truth)
    p_pred, p_truth = power_of(f_pred), power_of(f_truth)
    sums = np.array([(p_pred[ring].sum(), p_truth[ring].sum()) for ring in bands(pred.shape, scale, periods, width)])
    return np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0)


def ralsd(pred, truth, scale, *, periods=None):
    r"""
    Radially averaged log-spectral distance: how far the power spectrum is from that of the truth, in decibel.

    .. math:: \mathrm{RALSD} = \sqrt{\left\langle \left( 10 \log_{10} \frac{S_P(k)}{S_G(k)} \right)^2 \right\rangle_k}

    over the rings and with the Hann window of `power_spectrum`. The definition [1]_ has no window, which lets the jumps
    between opposite edges into the power of all scales.

    Parameters
    ----------
    pred, truth : array-like
        Prediction P and truth G, two-dimensional, same shape. A pixel that is not finite in both is set to the mean
        in both.
    scale : `float`, `~astropy.units.Quantity` or `None`
        Pixel scale, for example in arcsec; `None` takes that of a Map.
    periods : `tuple` of `float`, optional
        Shortest and longest period, in the unit of ``scale``, of the rings that count. Defaults to all rings.

    Returns
    -------
    `float`
        0 for equal spectra, whatever the phases: give `frc` with it. Rings where neither has power are left out; where
        only one has none, it is infinite; where no ring is left, it is NaN.

    Raises
    ------
    ValueError
        If the shapes differ, no pixel is finite in both, or no ring has a period between those asked for.

    References
    ----------
    .. [1] Harris et al. 2022, J. Adv. Model. Earth Syst. 14, e2022MS003120, doi:10.1029/2022MS003120

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import ralsd
    >>> truth = np.random.default_rng(0).normal(size=(64, 64))
    >>> print(f"{ralsd(10 * truth, truth, scale=0.5):.3f}")
    20.000
    """
    scale = arcsec_per_pixel(scale, pred, truth)
    pred, truth = same_shape(pred, truth, ndim=2)
    (f_pred, f_truth), _ = transforms(pred, truth)
    rings = Rings(pred.shape, scale)
    p_pred, p_truth = rings.sum(power_of(f_pred)), rings.sum(power_of(f_truth))
    if periods is not None:
        shortest, longest = in_unit(periods, "periods", unit="arcsec")
        asked = (rings.frequency * shortest <= 1 + 1e-9) & (rings.frequency * longest >= 1 - 1e-9)
        if not asked.any():
            msg = f"No ring of this map has a period between {shortest:g} and {longest:g}; give the shortest first."
            raise ValueError(msg)
        p_pred, p_truth = p_pred[asked], p_truth[asked]
    some, both = (p_pred > 0) | (p_truth > 0), (p_pred > 0) & (p_truth > 0)
    if not some.any():
        return math.nan
    if np.any(some & ~both):
        return math.inf
    return float(np.sqrt(np.mean((10 * np.log10(p_pred[both] / p_truth[both])) ** 2)))


def frc(pred, truth, scale):
    r"""
    Fourier ring correlation, the correlation of two maps at each spatial frequency.

    .. math:: \mathrm{FRC}(k) = \frac{\mathrm{Re} \sum F_P F_G^*}{\sqrt{\sum |F_P|^2 \, \sum |F_G|^2}}

    over the rings and with the Hann window of `power_spectrum`. [1]_

    Parameters
    ----------
    pred, truth : array-like
        Prediction P and truth G, two-dimensional, same shape. A pixel that is not finite in both is set to the mean
        in both. Register them first: half a pixel of shift already lowers the small scales.
    scale : `float`, `~astropy.units.Quantity` or `None`
        Pixel scale, for example in arcsec; `None` takes that of a Map.

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


def ring_counts(shape, scale):
    """
    How many pixels of the Fourier plane each ring of `frc` and `power_spectrum` has.

    Parameters
    ----------
    shape : `tuple` of `int`
        Shape (y, x) of the map.
    scale : `float` or `~astropy.units.Quantity`
        Pixel scale, for example in arcsec.

    Returns
    -------
    frequency : `numpy.ndarray`
        Centers of the rings in cycles per unit of ``scale``.
    count : `numpy.ndarray`
        Pixels, both of each pair of opposite frequencies counted.

    Raises
    ------
    ValueError
        If the shape has not two dimensions or the scale is not positive.

    Examples
    --------
    >>> from sunpy_superres.metrics import ring_counts
    >>> ring_counts((8, 8), 0.5)
    (array([0.25, 0.5 , 0.75, 1.  ]), array([ 8., 12., 16., 22.]))
    """
    if len(shape) != 2:
        msg = f"The shape must be (y, x), got {shape}."
        raise ValueError(msg)
    rings = Rings(shape, arcsec_per_pixel(scale))
    return rings.frequency, rings.count


def half_bit(count):
    r"""
    Ring correlation below which a ring holds less than half a bit of information in each of its pixels.

    .. math:: \frac{0.2071 + 1.9102/\sqrt n}{1.2071 + 0.9102/\sqrt n}

    the criterion of van Heel & Schatz [1]_, which falls from 1 to 0.1716 as a ring grows.

    Parameters
    ----------
    count : `float` or array-like
        Pixels n of each ring, see `ring_counts`.

    Returns
    -------
    `numpy.ndarray`
        As many values as counts.

    Raises
    ------
    ValueError
        If a count is not positive.

    References
    ----------
    .. [1] van Heel & Schatz 2005, J. Struct. Biol. 151, 250, doi:10.1016/j.jsb.2005.05.009

    Examples
    --------
    >>> from sunpy_superres.metrics import half_bit
    >>> half_bit([1, 100, 1e9])
    array([1.        , 0.30668967, 0.17161417])
    """
    count = np.asarray(count, dtype=np.float64)
    if not np.all(count > 0):
        msg = f"A ring has at least one pixel, got {count}."
        raise ValueError(msg)
    root = np.sqrt(count)
    return (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root)


def resolution(pred, truth, scale, *, threshold=1 / 7):
    r"""
    Period down to which a prediction follows the truth.

    It is where the Fourier ring correlation, interpolated linearly in frequency, first falls below the threshold.

    Parameters
    ----------
    pred, truth : array-like
        Prediction and truth, as for `frc`.
    scale : `float`, `~astropy.units.Quantity` or `None`
        Pixel scale, for example in arcsec; `None` takes that of a Map.
    threshold : `float` or ``"half-bit"``, optional
        A constant, or the curve of `half_bit`. [1]_ Defaults to 1/7.

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
    scale = arcsec_per_pixel(scale, pred, truth)
    rings, correlation = _frc(pred, truth, scale)
    if isinstance(threshold, str):
        if threshold != "half-bit":
            msg = f"threshold must be a number or 'half-bit', got {threshold!r}."
            raise ValueError(msg)
        limit = half_bit(rings.count)
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


def _frc(pred, truth, scale):
    scale = arcsec_per_pixel(scale, pred, truth)
    pred, truth = same_shape(pred, truth, ndim=2)
    (f_pred, f_truth), _ = transforms(pred, truth)
    rings = Rings(pred.shape, scale)
    power = np.sqrt(rings.sum(power_of(f_pred)) * rings.sum(power_of(f_truth)))
    cross = rings.sum((f_pred * f_truth.conj()).real)
    return rings, np.divide(cross, power, out=np.full(power.shape, np.nan), where=power > 0)
