"""
The forward operator: what another magnetograph would have seen of an HMI magnetogram.

HMI is blurred by a Gaussian, averaged over blocks of pixels, brought to the gauss of the other instrument
and given its noise. The same operator makes the training pairs, the benchmark and the demonstration.
"""

import math
from functools import lru_cache

import numpy as np

from sunpy_superres.instruments import HMI_SCALE, get_instrument

__all__ = [
    "SHARPER_APERTURE",
    "WAVELENGTH",
    "blur_and_bin",
    "degrade",
    "diffraction",
    "sharpening_kernel",
    "synthetic_magnetogram",
]

_FWHM_PER_SIGMA = math.sqrt(8 * math.log(2))


_ARCSEC = math.radians(1 / 3600)
#: Wavelength of HMI and aperture in meters, and the aperture that Enhance aims at.
WAVELENGTH, _APERTURE, SHARPER_APERTURE = 6173e-10, 0.14, 0.28
#: The point-spread function of HMI in Enhance: share of the tails at the center, their exponent, width of the core and
#: of the tails in units of wavelength / (pi aperture); both widths are above those that Wachter et al. 2012 give.
_TAILS, _EXPONENT, _CORE, _WING = 0.1, 3.0, 2.0, 3.4


def diffraction(frequency, cutoff):
    """
    Modulation transfer function of a circular aperture.

    Parameters
    ----------
    frequency : `numpy.ndarray`
        Spatial frequency.
    cutoff : `float`
        Aperture over wavelength: the largest frequency that passes, in the same unit.

    Returns
    -------
    `numpy.ndarray`
        1 at frequency 0, 0 from the cutoff on.
    """
    part = np.clip(frequency / cutoff, 0, 1)
    return 2 / math.pi * (np.arccos(part) - part * np.sqrt(1 - part**2))


@lru_cache(maxsize=4)
def sharpening_kernel(radius=24, *, tails=_TAILS):
    """
    The blur that leads from a telescope of twice the aperture of HMI to HMI: what ``method="enhance"`` undoes.

    The point-spread function of HMI, a Gaussian core with wide tails, divided in Fourier space by the diffraction of a
    circular aperture of 28 cm.

    Parameters
    ----------
    radius : `int`, optional
        Fine pixels on each side; the tails are cut there. Defaults to 24, which is 6 arcsec.
    tails : `float`, optional
        Share of the tails in the point-spread function at its center. Defaults to the 0.1 of the paper.

    Returns
    -------
    `numpy.ndarray`
        Shape (2 radius + 1, 2 radius + 1), float32, of sum 1, in pixels of half the size of those of HMI.

    References
    ----------
    Díaz Baso & Asensio Ramos 2018, A&A 614, A5, `arXiv:1706.02933 <https://arxiv.org/abs/1706.02933>`__, Section 3.

    Examples
    --------
    >>> from sunpy_superres.degradation import sharpening_kernel
    >>> sharpening_kernel().shape
    (49, 49)
    """
    pixel, finer, n = HMI_SCALE / 2, 4, 512
    place = (np.arange(n * finer) - n * finer // 2) * (pixel / finer)
    distance = np.hypot(*np.meshgrid(place, place)) * (math.pi * _APERTURE / WAVELENGTH * _ARCSEC)
    spread = (1 - tails) * np.exp(-((distance / _CORE) ** 2)) + tails / (1 + (distance / _WING) ** _EXPONENT)
    transfer = np.fft.fft2(np.fft.ifftshift(spread / spread.sum())).real
    kept = np.r_[0 : n // 2, n * finer - n // 2 : n * finer]
    frequency = np.fft.fftfreq(n, pixel)
    sharper = diffraction(np.hypot(*np.meshgrid(frequency, frequency)), SHARPER_APERTURE / WAVELENGTH * _ARCSEC)
    # Where the larger telescope passes next to nothing, HMI passes nothing.
    ratio = np.where(sharper > 1e-3, transfer[np.ix_(kept, kept)] / np.maximum(sharper, 1e-3), 0)
    kernel = np.fft.fftshift(np.fft.ifft2(ratio).real)
    middle = slice(n // 2 - radius, n // 2 + radius + 1)
    kernel = kernel[middle, middle]
    kernel = (kernel / kernel.sum()).astype(np.float32)
    kernel.setflags(write=False)
    return kernel


def blur_and_bin(field, fwhm, offset, factor=4):
    """
    Blur by a Gaussian, shift by less than a pixel and average over blocks, each field with its own numbers.

    Parameters
    ----------
    field : `torch.Tensor`
        Shape (n, 1, y, x); y and x multiples of the factor.
    fwhm : `torch.Tensor`
        Full width at half maximum in pixels, shape (n, 2) for y and x; 0 leaves an axis unblurred.
    offset : `torch.Tensor`
        Displacement of the image in pixels, shape (n, 2) for y and x.
    factor : `int`, optional
        Pixels of a block along each axis.

    Returns
    -------
    `torch.Tensor`
        Shape (n, 1, y / factor, x / factor).
    """
    import torch  # NOQA: PLC0415
    from torch.nn import functional as F  # NOQA: PLC0415

    # Half a pixel of blur at least, so that a displacement is interpolated and not aliased.
    sigma = (fwhm / _FWHM_PER_SIGMA).clamp_min(1e-3)
    sigma = torch.where((offset != 0) & (sigma < 0.5), torch.full_like(sigma, 0.5), sigma)
    radius = max(1, math.ceil(4 * float(sigma.max()) + float(offset.abs().max())))
    radius = min(radius, field.shape[-1] - 1, field.shape[-2] - 1)
    position = torch.arange(-radius, radius + 1, device=field.device, dtype=field.dtype)
    kernel = torch.exp(-0.5 * ((position - offset[..., None]) / sigma[..., None]) ** 2)
    kernel = kernel / kernel.sum(dim=-1, keepdim=True)  # (n, 2, 2 radius + 1)
    n = field.shape[0]
    # One group per field: a convolution with its own kernel. Correlation, hence the flip.
    kernel = kernel.flip(-1)
    x = F.pad(field, (radius,) * 4, mode="reflect").transpose(0, 1)
    x = F.conv2d(x, kernel[:, 0].reshape(n, 1, -1, 1), groups=n)
    x = F.conv2d(x, kernel[:, 1].reshape(n, 1, 1, -1), groups=n)
    return F.avg_pool2d(x.transpose(0, 1), factor)


def degrade(truth, *, instrument="mdi", factor=4, scale=HMI_SCALE, noise=True, seed=None):
    """
    Degrade an HMI magnetogram to what another instrument would have measured.

    Parameters
    ----------
    truth : `numpy.ndarray`
        Line-of-sight field in HMI gauss, shape (y, x), both multiples of the factor. What is not finite
        counts as 0 G and is NaN in the result.
    instrument : `str`, optional
        Name of the other instrument: its point-spread function, factor and noise are used.
    factor : `int`, optional
        Pixels of the truth per pixel of the result. Defaults to 4.
    scale : `float`, optional
        Plate scale of the truth in arcsec per pixel.
    noise : `bool`, optional
        Add the noise of the other instrument. Defaults to `True`.
    seed : `int`, optional
        Seed of the noise. Without it each call draws other noise.

    Returns
    -------
    `numpy.ndarray`
        Field in the gauss of the other instrument, shape (y / factor, x / factor), float32.

    Raises
    ------
    ValueError
        If the shape is not a multiple of the factor.

    References
    ----------
    The width of the Gaussian for MDI, 3.32 arcsec, was fitted to 287 daily pairs of HMI and MDI magnetograms
    (A&A aa50102-24, Table 2); the factor is that of Liu et al. 2025, `doi:10.1007/s11207-025-02523-y
    <https://doi.org/10.1007/s11207-025-02523-y>`__.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.degradation import degrade
    >>> degrade(np.zeros((64, 32)), seed=0).shape
    (16, 8)
    """
    import torch  # NOQA: PLC0415

    other = get_instrument(instrument)
    truth = np.asarray(truth, dtype=np.float32)
    if truth.ndim != 2 or truth.shape[0] % factor or truth.shape[1] % factor or not truth.size:
        msg = f"The truth has shape {truth.shape}; two axes, each a multiple of {factor}, are needed."
        raise ValueError(msg)
    valid = np.isfinite(truth)
    field = torch.from_numpy(np.where(valid, truth, np.float32(0)))[None, None]
    fwhm = torch.full((1, 2), other.psf_fwhm / scale)
    seen = blur_and_bin(field, fwhm, torch.zeros(1, 2), factor)[0, 0].numpy() / other.to_hmi
    if noise:
        seen = seen + np.random.default_rng(seed).normal(0.0, other.noise, seen.shape)
    blocks = valid.reshape(valid.shape[0] // factor, factor, valid.shape[1] // factor, factor).all(axis=(1, 3))
    return np.where(blocks, seen, np.nan).astype(np.float32)


def synthetic_magnetogram(shape=(512, 512), *, seed=0):
    """
    A magnetogram made of statistics: quiet network, plage and bipolar spots, at the scale of HMI.

    It looks like a magnetogram but is no simulation of the Sun: it serves demonstrations and tests, where a
    truth must be known and no data is at hand.

    Parameters
    ----------
    shape : `tuple` of `int`, optional
        Shape (y, x) of the result.
    seed : `int`, optional
        Seed; the same seed gives the same field.

    Returns
    -------
    `numpy.ndarray`
        Line-of-sight field in gauss, float32.

    Examples
    --------
    >>> from sunpy_superres.degradation import synthetic_magnetogram
    >>> synthetic_magnetogram((64, 64), seed=1).dtype
    dtype('float32')
    """
    rng = np.random.default_rng(seed)
    ny, nx = shape
    wavenumber = np.hypot(np.fft.fftfreq(ny)[:, None], np.fft.rfftfreq(nx)[None])

    def texture(period, slope, cutoff=0.17):
        # Gaussian random field: flat beyond `period` pixels, falling with `slope` below, cut where HMI blurs.
        power = (wavenumber**2 + period**-2) ** (-slope / 4) * np.exp(-((wavenumber / cutoff) ** 2))
        field = np.fft.irfft2(np.fft.rfft2(rng.normal(size=shape)) * power, s=shape)
        return (field - field.mean()) / field.std()

    y, x = np.mgrid[:ny, :nx]
    pole = np.zeros(shape)
    plage = np.zeros(shape)
    size = min(shape)
    for _ in range(max(1, round(ny * nx / 300**2))):
        radius = size * rng.uniform(0.05, 0.11)
        angle = rng.normal(0.0, 0.35)
        distance = radius * rng.uniform(1.6, 2.6)
        cy, cx = rng.uniform(0.2, 0.8, 2) * shape
        polarity = rng.choice([-1, 1])
        for side in (-1, 1):
            dy = y - cy - side * distance * np.sin(angle)
            dx = x - cx - side * distance * np.cos(angle)
            # A ragged outline: the distance is stretched by a texture.
            ragged = np.hypot(dy, dx) * np.exp(0.28 * texture(radius, 3.0)) / radius
            strength = rng.uniform(900.0, 1900.0) * (0.6 if side > 0 else 1.0)
            pole += side * polarity * strength / (1 + np.exp((ragged - 0.8) / 0.12))
            plage += side * polarity * np.exp(-((ragged / 2.4) ** 2))
    # The network: an intermittent field that sits where a slow texture is high.
    lanes = np.clip(texture(40.0, 3.0) - 0.5, 0, None) ** 1.5
    knots = texture(7.0, 3.4)
    network = 45.0 * lanes * knots + 330.0 * plage * np.clip(texture(9.0, 3.2) - 0.2, 0, None)
    penumbra = np.clip(np.abs(pole) / 900.0, 0, 1) * (1 - np.clip(np.abs(pole) / 1900.0, 0, 1))
    field = pole * (1 + 0.10 * texture(6.0, 2.6)) + network + 260.0 * penumbra * texture(5.0, 2.6)
    return (field + 6.0 * texture(3.0, 1.0)).astype(np.float32)
