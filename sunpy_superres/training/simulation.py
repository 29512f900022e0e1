"""
Simulated photospheres, seen through a telescope.
"""

import math

import numpy as np
from scipy import ndimage

from sunpy_superres.degradation import SHARPER_APERTURE, WAVELENGTH, diffraction
from sunpy_superres.instruments import HMI_SCALE

__all__ = ["observe"]


def observe(image, pixel, *, scale=HMI_SCALE / 2):
    """
    A simulated continuum image as a telescope of 28 cm would see it: what Enhance aims at.

    Parameters
    ----------
    image : `numpy.ndarray`
        Intensity of a quiet Sun, shape (y, x), in any unit.
    pixel : `float`
        Its pixel in arcsec.
    scale : `float`, optional
        Pixel of the result in arcsec. Defaults to half of that of HMI.

    Returns
    -------
    `numpy.ndarray`
        In units of the mean intensity, float32, shape (y pixel / scale, x pixel / scale).

    Raises
    ------
    ValueError
        If the image has not two axes, holds anything but finite numbers, is dark, or has coarser pixels than the
        result.

    Notes
    -----
    Diffraction is computed with the image mirrored at its edges; the pixels of the telescope average over their area.

    References
    ----------
    Díaz Baso & Asensio Ramos 2018, A&A 614, A5, `arXiv:1706.02933 <https://arxiv.org/abs/1706.02933>`__

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.training.simulation import observe
    >>> observe(np.ones((100, 100)), 0.0662).shape
    (26, 26)
    """
    image = np.asarray(image, dtype=np.float64)
    if image.ndim != 2 or not np.isfinite(image).all() or not image.mean() > 0:
        msg = f"A simulation must be a bright image of finite numbers with two axes, not of shape {image.shape}."
        raise ValueError(msg)
    if not 0 < pixel <= scale:
        msg = f"The pixels of the simulation are {pixel} arcsec; at most those of the result, {scale:.4g}, are needed."
        raise ValueError(msg)
    mirrored = np.pad(image / image.mean(), [(0, n) for n in image.shape], mode="symmetric")
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n, pixel) for n in mirrored.shape), indexing="ij"))
    # The aperture, and the square pixel.
    transfer = diffraction(frequency, SHARPER_APERTURE / WAVELENGTH * math.radians(1 / 3600))
    for axis, n in enumerate(mirrored.shape):
        shape = [-1 if i == axis else 1 for i in range(2)]
        transfer = transfer * np.sinc(np.fft.fftfreq(n, pixel) * scale).reshape(shape)
    seen = np.fft.ifft2(np.fft.fft2(mirrored) * transfer).real[: image.shape[0], : image.shape[1]]
    # Centers of the pixels of the result, counted in those of the simulation.
    places = [(np.arange(int(n * pixel / scale)) + 0.5) * scale / pixel - 0.5 for n in image.shape]
    seen = ndimage.map_coordinates(seen, np.meshgrid(*places, indexing="ij"), order=3, mode="mirror")
    return seen.astype(np.float32)
