"""
The intensity of the quiet Sun, in which continuum images are measured.
"""

import numpy as np

__all__ = ["limb_darkening", "quiet_sun"]

# Beyond it the limb darkening is steep, and a pixel has some of the sky.
_LIMB = 0.95
# Part of the brightest below which a pixel is of a spot, and pixels that tell whether there is limb darkening.
_SPOT, _ENOUGH = 0.85, 100
#: Limb darkening at 600 nm, 1 - u - v + u mu + v mu^2 (Cox 2000, Allen's Astrophysical Quantities).
_U, _V = 0.88, -0.23


def limb_darkening(radius):
    """
    Continuum intensity of the quiet Sun at 617 nm, relative to that at disk center.

    Parameters
    ----------
    radius : `numpy.ndarray`
        Distance from disk center in solar radii.

    Returns
    -------
    `numpy.ndarray`
    """
    mu = np.sqrt(np.clip(1 - np.square(radius), 0, 1))
    return 1 - _U - _V + mu * (_U + _V * mu)


def quiet_sun(image, valid, radius):
    """
    Intensity of the quiet Sun at disk center, from the median of a continuum image without its limb darkening.

    Parameters
    ----------
    image : `numpy.ndarray`
        Continuum intensity.
    valid : `numpy.ndarray`
        Of bool, where it is known.
    radius : `numpy.ndarray`
        Distance from disk center in solar radii.

    Returns
    -------
    `float`
        In the unit of the image.

    Raises
    ------
    ValueError
        If no pixel lies well within the disk, or the image is dark.

    Notes
    -----
    Spots do not count: the median is of what is brighter than 0.85 of the 95th percentile. Where the image reaches from
    disk center to near the limb and is as bright there, its limb darkening was taken out already.
    """
    inside = valid & (radius < _LIMB)
    if not inside.any():
        msg = f"No valid pixel of the map lies within {_LIMB:g} solar radii of disk center: the quiet Sun is not known."
        raise ValueError(msg)
    values, radius = image[inside], radius[inside]
    if not _is_flat(values, radius):
        values = values / limb_darkening(radius)
    bright = np.percentile(values, 95)
    level = float(np.median(values[values >= _SPOT * bright]) if bright > 0 else bright)
    if not level > 0:
        msg = f"The quiet Sun of the map has the intensity {level:g}: this is no continuum image."
        raise ValueError(msg)
    return level


def _is_flat(values, radius):
    center, outside = values[radius < 0.3], values[(radius > 0.7) & (radius < 0.9)]
    if min(len(center), len(outside)) < _ENOUGH:
        return False
    # The limb darkening makes 0.8 of it there.
    return bool(np.median(outside) > 0.92 * np.median(center))
