"""
Headers of images that no telescope took.
"""

import warnings

import numpy as np

import astropy.units as u
from astropy.coordinates import ConvertError, SkyCoord

from sunpy.coordinates import HeliographicStonyhurst, Helioprojective, get_earth
from sunpy.map.header_helper import make_fitswcs_header
from sunpy.time import parse_time
from sunpy.util import MetaDict
from sunpy.util.exceptions import SunpyUserWarning

from sunpy_superres._header import add_history, set_key
from sunpy_superres._provenance import write_provenance
from sunpy_superres.instruments import SOLAR_RADIUS_METERS

__all__ = ["NOMINAL_DATE", "observing_frame", "synthetic_header", "title_of"]

#: Time of an image for which none is asked for: the Sun is at 1 au then, in the year of the training images.
NOMINAL_DATE = "2012-04-04T12:00:00"


def observing_frame(date=None, observer=None):
    """
    Where an image is seen from, and when.

    Parameters
    ----------
    date : `str` or any time that sunpy parses, optional
        Unless told that of the observer, or else `NOMINAL_DATE`.
    observer : `~astropy.coordinates.SkyCoord`, optional
        The Earth unless told.

    Returns
    -------
    frame : `~sunpy.coordinates.Helioprojective`
    angular_radius : `float`
        Of the Sun, in arcsec.
    origin : `str`
        Where the date is from, in words.

    Raises
    ------
    TypeError
        If the observer is no coordinate.
    ValueError
        If the date is none, there are several, or the observer is within the Sun or has no distance.
    """
    if observer is not None and not hasattr(observer, "transform_to"):
        msg = f"observer must be a coordinate such as sunpy.coordinates.get_earth(date), not {observer!r}."
        raise TypeError(msg)
    observer = getattr(observer, "frame", observer)
    own = getattr(observer, "obstime", None)
    if date is not None:
        origin = "asked for"
    else:
        date, origin = (NOMINAL_DATE, "nominal, none was asked for") if own is None else (own, "that of the observer")
    try:
        time = parse_time(date)
    except (ValueError, TypeError) as error:
        msg = f"date must be a time such as '2014-06-01T12:00:00', not {date!r}."
        raise ValueError(msg) from error
    if not (time.isscalar and getattr(observer, "isscalar", True)):
        msg = "date and observer must be one time and one place, not several."
        raise ValueError(msg)
    if own is not None and abs((own - time).to_value(u.hour)) > 1:
        msg = f"observer is where it is at {own.isot}, and date is {time.isot}: give both for one time."
        raise ValueError(msg)
    if observer is None:
        observer = get_earth(time)
    elif "obstime" in observer.frame_attributes and own is None:
        observer = observer.replicate_without_data(obstime=time).realize_frame(observer.data)
    try:
        observer = observer.transform_to(HeliographicStonyhurst(obstime=time))
        distance = observer.radius.to_value(u.m)
    except (u.UnitConversionError, ConvertError) as error:
        msg = f"observer has no distance from the Sun, or no place in space: {error}"
        raise ValueError(msg) from error
    if not np.isfinite([observer.lon.value, observer.lat.value, distance]).all():
        msg = "observer has coordinates that are not finite."
        raise ValueError(msg)
    if not distance > 1.05 * SOLAR_RADIUS_METERS:
        msg = f"observer is {distance:.3g} m from the center of the Sun, inside of it or too near."
        raise ValueError(msg)
    frame = Helioprojective(observer=observer, obstime=time, rsun=SOLAR_RADIUS_METERS * u.m)
    return frame, float(np.degrees(np.arcsin(SOLAR_RADIUS_METERS / distance)) * 3600), origin


def title_of(meta):
    """
    Title of a synthetic image, or `None` of any other.
    """
    if meta.get("origin") != "sunpy_superres" or not {"synthet", "wavelnth", "srclass"} <= set(meta):
        return None
    return f"Synthetic AIA {meta['wavelnth']:g} $\\AA$, asked for: GOES {meta['srclass']}\nnot an observation"


def synthetic_header(shape, scale, frame, *, wavelength, date_origin, provenance):
    """
    Header of a synthetic AIA image in DN/s with disk center in its middle and north up.

    Parameters
    ----------
    shape : `tuple` of `int`
        Shape (y, x).
    scale : `tuple` of `float`
        Arcsec per pixel along x and y.
    frame : `~sunpy.coordinates.Helioprojective`
        From `observing_frame`.
    wavelength : `float`
        In Angstrom.
    date_origin : `str`
        Where the date is from, in words.
    provenance : `~sunpy_superres._provenance.SyntheticProvenance`
        How it was made.

    Returns
    -------
    `~sunpy.util.MetaDict`
    """
    ny, nx = shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SunpyUserWarning)
        header = make_fitswcs_header(
            shape,
            SkyCoord(0 * u.arcsec, 0 * u.arcsec, frame=frame),
            reference_pixel=[(nx - 1) / 2, (ny - 1) / 2] * u.pix,
            scale=u.Quantity(scale, u.arcsec / u.pix),
            instrument="AIA_SYNTHETIC",
            telescope="SDO/AIA",
            detector="AIA",
            wavelength=wavelength * u.AA,
            unit=u.DN / u.s,
            exposure=1 * u.s,
        )
    meta = MetaDict(header)
    meta["r_sun"] = float(meta["rsun_obs"] / scale[0])
    comments = {
        "synthet": (True, "made by a model, not observed"),
        "origin": ("sunpy_superres", "made by a model, not by the SDO"),
        "date-obs": (meta["date-obs"], f"{date_origin}; nothing was observed"),
        "exptime": (1.0, "[s] of the unit; nothing was exposed"),
        "bunit": ("DN / s", "from display scaling" if provenance.scaling == "display" else "from log10 scaling"),
        "instrume": ("AIA_SYNTHETIC", "no instrument: made to look like AIA"),
        "telescop": ("SDO/AIA", "that the image looks like"),
    }
    for key, (value, comment) in comments.items():
        set_key(meta, key, value, comment)
    meta["comment"] = "SYNTHETIC IMAGE, NOT AN OBSERVATION OF SDO/AIA. It shows no real event."
    write_provenance(meta, provenance)
    add_history(meta, "This image is synthetic: drawn by a diffusion model for a flare class, not observed.")
    add_history(meta, f"Its date: {date_origin}. The image knows nothing of it.")
    if provenance.scaling == "display":
        text = "DN/s by a curve from display values (0 to 255) fitted to calibrated images; 255 is a lower limit."
        add_history(meta, text)
    return meta
