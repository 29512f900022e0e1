"""
Calibrated images, as training needs them.
"""

import numpy as np

import astropy.units as u

from sunpy_superres.maps import read_map, regrid

__all__ = ["read_rates"]


def read_rates(path, *, scale=None):
    """
    Read an image of level 1.5.

    Parameters
    ----------
    path : path-like
        FITS file, in DN or DN/s; in DN where the header has no unit. North is up.
    scale : `float`, optional
        Arcsec per pixel that it is brought to; its own unless told.

    Returns
    -------
    rates : `numpy.ndarray`
        In DN/s, shape (y, x), 0 where it is not known.
    disk : `tuple` of `float`
        Column and row of disk center, 0 in the middle of the first pixel, and the solar radius, in pixels.

    Raises
    ------
    ValueError
        If the unit is another one, north is not up, or the image is synthetic.
    """
    smap = read_map(path)
    if smap.meta.get("synthet"):
        msg = f"{path} is a synthetic image, not an observation."
        raise ValueError(msg)
    if not np.allclose(smap.rotation_matrix, np.eye(2), atol=0.01):
        msg = f"{path} is not of level 1.5: north is not up. Use aiapy.calibrate.register first."
        raise ValueError(msg)
    unit = u.DN if smap.unit is None else smap.unit
    if unit not in (u.DN, u.DN / u.s):
        msg = f"{path} is in {unit}, not in DN or DN/s."
        raise ValueError(msg)
    seconds = smap.exposure_time.to_value(u.s) if unit == u.DN else 1.0
    if scale is not None:
        smap = regrid(smap, scale)
    wcs = smap.wcs.wcs
    x, y = wcs.crpix - 1 - wcs.crval / wcs.cdelt
    disk = (float(x), float(y), float((smap.rsun_obs / smap.scale[0]).value))
    return np.nan_to_num(smap.data) / seconds, disk
