"""
Calibrated images, as training needs them.
"""

import warnings
from pathlib import Path

import numpy as np

import astropy.units as u

from sunpy.coordinates import Helioprojective
from sunpy.util.exceptions import SunpyMetadataWarning

from sunpy_superres._wcs import usable_wcs
from sunpy_superres.maps import regrid
from sunpy_superres.training.fields import Kind, Refused, check_quality, read_sound, refusing

__all__ = ["read_rates"]


def read_rates(path, *, scale=None, correction_table=None):
    """
    Read an image of AIA of level 1.5, or one of level 1 with the help of aiapy.

    Parameters
    ----------
    path : path-like
        FITS file, in DN or DN/s; in DN where the header has no unit. North is up, unless it is of level 1 (LVL_NUM):
        then the whole disk, which `aiapy.calibrate.register` turns north up, centers and brings to 0.6 arcsec.
    scale : `float`, optional
        Arcsec per pixel that it is brought to; its own unless told.
    correction_table : path-like, optional
        Table of the degradation of AIA, as SolarSoft has it (``aia_V*_response_table.txt``): the rates are divided by
        the sensitivity at the time of the image relative to that at launch. Without it they are as they were measured.

    Returns
    -------
    rates : `numpy.ndarray`
        In DN/s, shape (y, x), 0 where it is not known.
    disk : `tuple` of `float`
        Column and row of disk center, 0 in the middle of the first pixel, and the solar radius, in pixels.

    Raises
    ------
    Refused
        If it is no sound file of an image, its QUALITY has a bit set besides that of near real time, it is synthetic,
        the wavelength is not 171 Angstrom, the unit is another one, it is in DN and has no exposure time, north is not
        up, or the header does not tell the scale, coordinates from the Sun's center, and the solar radius.
    ValueError
        If the table does not fit it.
    RuntimeError
        If aiapy is needed and not installed.

    Notes
    -----
    Nothing is downloaded: the pointing is that of the header (`aiapy.calibrate.update_pointing` would ask JSOC), and
    the degradation is that of the given table only.
    """
    path = Path(path)
    smap = read_sound(path)
    with refusing(Kind.HEADER):
        _check(smap, path)
        level = smap.processing_level
    if level == 1:
        register = _aiapy("of level 1").register
        with refusing(Kind.HEADER):
            smap = register(smap)
    with refusing(Kind.HEADER):
        if not np.allclose(smap.rotation_matrix, np.eye(2), atol=0.01):
            why = f"{path} is not of level 1.5: north is not up. Use aiapy.calibrate.register first."
            raise Refused(Kind.OTHER, why)
        seconds = _seconds(smap, path)
        if scale is not None:
            smap = regrid(smap, scale)
        wcs = smap.wcs.wcs
        x, y = wcs.crpix - 1 - wcs.crval / wcs.cdelt
        disk = (float(x), float(y), float((smap.rsun_obs / smap.scale[0]).value))
        if not np.isfinite(disk).all() or disk[2] <= 0:
            raise Refused(Kind.HEADER, f"{path} has no usable disk center or solar radius (RSUN_OBS).")
    seconds *= 1.0 if correction_table is None else _sensitivity(smap, correction_table)
    return np.nan_to_num(smap.data) / seconds, disk


def _check(smap, path):
    """
    Raise unless a Map shows what is wanted, and where.
    """
    if smap.meta.get("synthet"):
        raise Refused(Kind.OTHER, f"{path} is a synthetic image, not an observation.")
    if smap.wavelength is None or not np.isclose(smap.wavelength.to_value(u.angstrom), 171):
        raise Refused(Kind.OTHER, f"{path} shows {smap.wavelength}, not 171 Angstrom.")
    check_quality(smap, "aia")
    if not isinstance(usable_wcs(smap)[1], Helioprojective):
        axes = smap.meta.get("ctype1"), smap.meta.get("ctype2")
        raise Refused(Kind.HEADER, f"{path} has no helioprojective coordinates but {axes[0]}, {axes[1]}.")


def _seconds(smap, path):
    """
    What the values are divided by to get rates.
    """
    stated = smap.meta.get("bunit", smap.meta.get("pixlunit"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SunpyMetadataWarning)  # what is no unit becomes `None`
        unit = u.DN if stated is None else smap.unit
    if unit not in (u.DN, u.DN / u.s):
        raise Refused(Kind.OTHER, f"{path} is in {stated!r}, not in DN or DN/s.")
    if unit == u.DN / u.s:
        return 1.0
    seconds = np.nan if smap.exposure_time is None else smap.exposure_time.to_value(u.s)
    if not 0 < seconds < np.inf:
        raise Refused(Kind.HEADER, f"{path} is in DN and has no usable exposure time (EXPTIME).")
    return seconds


def _sensitivity(smap, path):
    """
    Sensitivity at the time of an image, 1 at launch.
    """
    calibrate = _aiapy("to be corrected for degradation")
    from aiapy.calibrate.util import get_correction_table  # NOQA: PLC0415

    try:
        table = get_correction_table(Path(path))
        found = calibrate.degradation(smap.wavelength, smap.date, correction_table=table)
    except (OSError, KeyError, ValueError, IndexError) as error:
        msg = f"{path} is no table of the degradation of AIA at {smap.wavelength:.0f}, {smap.date.isot}: {error}"
        raise ValueError(msg) from error
    return float(np.squeeze(found))


def _aiapy(why):
    try:
        from aiapy import calibrate  # NOQA: PLC0415
    except ImportError as error:
        msg = f"An image is {why}, which takes aiapy: pip install 'aiapy>=0.10.0'."
        raise RuntimeError(msg) from error
    return calibrate
