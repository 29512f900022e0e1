"""
Rows that no network is behind: what every method has to beat, and controls that show whether the figures can tell.
"""

import numpy as np
from scipy import ndimage
from scipy.fft import dctn, idctn

from sunpy_superres.benchmark._scene import FACTOR
from sunpy_superres.instruments import HMI_SCALE, get_instrument

__all__ = ["oracle", "random_phase", "wiener"]

_FWHM_PER_SIGMA = np.sqrt(8 * np.log(2))
#: Power of the signal over that of the noise above which a ring tells the spectrum of the signal, how many must, and
#: the power law beyond: steeper than what is seen, since one that is too shallow lets the noise of the quiet Sun in.
_CLEAR, _RINGS, _FALL = 8.0, 3, 6.0
#: Width in arcsec, as a standard deviation, of what is around a place.
_LOCAL = 8.0


def wiener(bicubic, seen, instrument):
    r"""
    Undo the blur of an instrument as far as its noise allows.

    .. math:: W(k) = \frac{H S}{H^2 S + N}

    with the transfer function H, the product of those of the instrument, its Gaussian point-spread function and its
    pixel, and of the interpolation; the spectrum N of its noise, which is white; and the spectrum S of the Sun. That is
    what is left of the spectrum of the input without N and the transfer of the instrument squared, ring by ring where
    the signal has eight times the power of the noise, and falls as :math:`k^{-6}` beyond. [1]_

    Parameters
    ----------
    bicubic : `numpy.ndarray`
        The calibrated and interpolated input in HMI gauss, shape (4 y, 4 x), NaN where it is not known.
    seen : `numpy.ndarray`
        The input in gauss of the instrument, shape (y, x).
    instrument : `str`
        Name of the instrument.

    Returns
    -------
    `numpy.ndarray`
        In HMI gauss, NaN as the interpolated input; the interpolated input itself where less than three rings of its
        spectrum stand out of the noise.

    References
    ----------
    .. [1] Wiener 1949, Extrapolation, Interpolation, and Smoothing of Stationary Time Series, MIT Press

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.benchmark.baselines import wiener
    >>> from sunpy_superres.degradation import degrade, synthetic_magnetogram
    >>> truth = synthetic_magnetogram((128, 128))
    >>> seen = degrade(truth, seed=0)
    >>> plain = np.kron(0.701 * seen, np.ones((4, 4)))
    >>> bool(np.std(wiener(plain, seen, "mdi") - truth) < np.std(plain - truth))
    True
    """
    from sunpy_superres.metrics import power_spectrum  # NOQA: PLC0415

    known = get_instrument(instrument)
    pixel = FACTOR * HMI_SCALE
    noise = (known.noise * known.to_hmi * pixel) ** 2
    valid = np.isfinite(bicubic)
    field = np.where(valid, bicubic, 0).astype(np.float64)
    try:
        k, power = power_spectrum(np.where(np.isfinite(seen), seen, np.nan) * known.to_hmi, pixel)
    except ValueError:  # too small for a spectrum
        return bicubic
    # From large scales on, as long as the signal stands out.
    clear = np.logical_and.accumulate((power - noise > _CLEAR * noise) & (k < 0.5 / pixel))
    if clear.sum() < _RINGS:
        return bicubic
    k, power = k[clear], power[clear]
    angle = np.linspace(0, np.pi / 4, 9)[:, None]
    blur = (_transfer(k * np.cos(angle), k * np.sin(angle), known.psf_fwhm, pixel) ** 2).mean(axis=0)
    spectrum = np.minimum.accumulate((power - noise) / blur)
    ky, kx = (np.arange(n) / (2 * n * HMI_SCALE) for n in field.shape)
    ky = ky[:, None]
    distance = np.hypot(ky, kx)
    signal = np.exp(np.interp(np.log(np.maximum(distance, k[0])), np.log(k), np.log(spectrum)))
    signal *= (np.maximum(distance, k[-1]) / k[-1]) ** -_FALL
    h = _transfer(ky, kx, known.psf_fwhm, pixel) * _interpolation(ky * pixel) * _interpolation(kx * pixel)
    found = idctn(dctn(field, norm="ortho") * h * signal / (h**2 * signal + noise), norm="ortho")
    return np.where(valid, found, np.nan).astype(np.float32)


def _interpolation(frequency):
    """
    Transfer function of the cubic convolution of Keys (a = -1/2), of cycles per pixel of the input.
    """
    x = (np.arange(-2 * FACTOR, 2 * FACTOR) + 0.5) / FACTOR
    d = np.abs(x)
    kernel = np.where(d < 1, 1.5 * d**3 - 2.5 * d**2 + 1, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2)
    return np.cos(2 * np.pi * frequency[..., None] * x) @ kernel / FACTOR


def _transfer(ky, kx, fwhm, pixel):
    sigma = fwhm / _FWHM_PER_SIGMA
    return np.exp(-2 * (np.pi * sigma) ** 2 * (ky**2 + kx**2)) * np.sinc(ky * pixel) * np.sinc(kx * pixel)


def oracle(truth, period):
    """
    The truth without the scales that the interpolated input does not follow: what a perfect restoration of the others
    would be.

    Parameters
    ----------
    truth : `numpy.ndarray`
        In gauss, NaN where it is not known.
    period : `float`
        The resolved limit in arcsec.

    Returns
    -------
    `numpy.ndarray`
    """
    from sunpy_superres import metrics  # NOQA: PLC0415

    return metrics.split_scales(truth, HMI_SCALE, period=period)[0].astype(np.float32)


def random_phase(truth, bicubic, period, rng):
    """
    The large scales of the interpolated input, with the spectrum of the truth; and small ones with its spectrum, as
    strong as in the truth around each place, but with random phases.

    None of its detail is right, but its spectrum is: it passes every power ratio, and must fail the ring correlation.

    Parameters
    ----------
    truth, bicubic : `numpy.ndarray`
        Truth and interpolated input in gauss, NaN where they are not known.
    period : `float`
        Where small scales begin, in arcsec.
    rng : `numpy.random.Generator`
        Of the phases.

    Returns
    -------
    `numpy.ndarray`
    """
    from sunpy_superres import metrics  # NOQA: PLC0415

    large, small = (np.nan_to_num(part) for part in metrics.split_scales(truth, HMI_SCALE, period=period))
    ours = np.nan_to_num(metrics.split_scales(bicubic, HMI_SCALE, period=period)[0])
    # Phases of white noise have the symmetry that makes the result real.
    phase = np.angle(np.fft.rfft2(rng.normal(size=small.shape)))
    fake = np.fft.irfft2(np.abs(np.fft.rfft2(small)) * np.exp(1j * phase), s=small.shape)
    local, alike = (ndimage.gaussian_filter(part**2, _LOCAL / HMI_SCALE, mode="nearest") for part in (small, fake))
    fake *= np.sqrt(np.divide(local, alike, out=np.zeros_like(local), where=alike > 0))
    found = _with_spectrum(ours, large) + fake
    return np.where(np.isfinite(bicubic), found, np.nan).astype(np.float32)


def _with_spectrum(field, other):
    """
    A field whose rings of spatial frequency have the power of another.
    """
    own, wanted = dctn(field, norm="ortho"), dctn(other, norm="ortho")
    step = 1 / (2 * min(field.shape) * HMI_SCALE)
    ky, kx = (np.arange(n) / (2 * n * HMI_SCALE) for n in field.shape)
    ring = np.rint(np.hypot(ky[:, None], kx) / (4 * step)).astype(int)
    have, want = (np.bincount(ring.ravel(), part.ravel() ** 2) for part in (own, wanted))
    gain = np.sqrt(np.divide(want, have, out=np.zeros_like(want), where=have > 0))
    gain[0] = 1  # the mean, and what is nearly as large as the image
    return idctn(own * gain[ring], norm="ortho")
