"""
Geometry of a Map: how large its pixels are, and how far from disk center each of them lies.
"""

import warnings

import numpy as np

import astropy.units as u
from astropy.wcs.utils import wcs_to_celestial_frame

from sunpy.coordinates import HeliographicCarrington, HeliographicStonyhurst, Helioprojective
from sunpy.map import GenericMap
from sunpy.util.exceptions import SunpyUserWarning

__all__ = ["check_coordinates", "disk_radius", "pixel_scale", "usable_wcs"]

#: Largest ratio of the two pixel sides that still counts as a square pixel.
_MAX_ANISOTROPY = 1.05
#: Where the coordinates before and after a change of pixels must agree, in new pixels.
_WCS_TOLERANCE = 1e-3


def usable_wcs(smap):
    """
    The WCS of a Map, if a magnetogram can be placed on the Sun with it.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`

    Returns
    -------
    wcs : `~astropy.wcs.WCS`
    frame : `~astropy.coordinates.BaseCoordinateFrame`
        Helioprojective or heliographic.

    Raises
    ------
    ValueError
        If the header gives no pixel scale, no solar frame, pixels that are not square, or a map of the whole
        solar surface.
    """
    wcs, frame = _wcs_and_frame(smap)
    if not np.all(np.isfinite([*wcs.wcs.crpix, *wcs.wcs.crval])):
        msg = "The map has no usable WCS: CRPIX or CRVAL is not finite."
        raise ValueError(msg)
    sides = np.linalg.svd(_pixel_matrix(wcs), compute_uv=False)
    if not np.all(np.isfinite(sides)) or sides[1] <= 0:
        msg = "The map has no usable WCS: its pixel scale is zero or not finite."
        raise ValueError(msg)
    if sides[0] > _MAX_ANISOTROPY * sides[1]:
        msg = (
            "The map has no usable WCS: its pixels are not square "
            f"({sides[1] * 3600:.4g} by {sides[0] * 3600:.4g} arcsec). Reproject it to square pixels first."
        )
        raise ValueError(msg)
    if not isinstance(frame, Helioprojective) and max(smap.data.shape) * sides[0] > 180:
        msg = "A map of more than half the solar circumference (a synoptic map) cannot be used; cut out a region first."
        raise ValueError(msg)
    return wcs, frame


def pixel_scale(smap):
    """
    Sides of a pixel along the two array axes.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`

    Returns
    -------
    x, y : `float`
        In arcsec. Heliographic degrees are converted with the angular radius of the Map: what the pixel would
        measure at disk center.
    """
    wcs, frame = _wcs_and_frame(smap)
    sides = np.linalg.norm(_pixel_matrix(wcs), axis=0)
    if not np.all(np.isfinite(sides) & (sides > 0)):
        msg = "The map has no usable WCS: its pixel scale is zero or not finite."
        raise ValueError(msg)
    factor = 3600.0 if isinstance(frame, Helioprojective) else np.pi / 180 * smap.rsun_obs.to_value(u.arcsec)
    return tuple(float(side * factor) for side in sides)


def disk_radius(smap):
    """
    Distance of every pixel from disk center.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`

    Returns
    -------
    `numpy.ndarray`
        Of the shape of the data, float32, in solar radii: 0 at disk center, 1 at the limb, more off the disk.
        1 where it cannot be computed: pixels outside the projection and the far side of the Sun.
    """
    wcs, frame = _wcs_and_frame(smap)
    shape = smap.data.shape
    radius = np.empty(shape, dtype=np.float32)
    if isinstance(frame, Helioprojective):
        limb = smap.rsun_obs.to_value(u.rad)
    else:
        longitude0, latitude0 = _disk_center(smap, frame)
    columns = np.arange(shape[1])
    rows_at_once = max(1, 2**18 // shape[1])
    for start in range(0, shape[0], rows_at_once):
        rows = np.arange(start, min(start + rows_at_once, shape[0]))
        world = wcs.pixel_to_world_values(columns[None, :], rows[:, None])
        longitude, latitude = np.radians(world[wcs.wcs.lng]), np.radians(world[wcs.wcs.lat])
        with np.errstate(invalid="ignore", divide="ignore"):
            if isinstance(frame, Helioprojective):
                across = np.hypot(np.cos(latitude) * np.sin(longitude), np.sin(latitude))
                block = np.arctan2(across, np.cos(latitude) * np.cos(longitude)) / limb
            else:
                mu = np.sin(latitude) * np.sin(latitude0)
                mu = mu + np.cos(latitude) * np.cos(latitude0) * np.cos(longitude - longitude0)
                block = np.where(mu > 0, np.sqrt(np.clip(1 - mu**2, 0, 1)), 1)
        radius[rows] = np.where(np.isfinite(block), block, 1)
    return radius


def check_coordinates(before, after, factors, origin):
    """
    Make sure that the corners and the center of a Map are where they were before its pixels changed size.

    Parameters
    ----------
    before, after : `~sunpy.map.GenericMap`
    factors : `tuple` of `float`
        New pixels per old pixel, along x and along y.
    origin : `tuple` of `float`
        Where the new field of view begins, in old pixels: pixel p lies at ``(p - origin) * factor - 0.5``.

    Raises
    ------
    RuntimeError
        If they moved by more than a thousandth of a new pixel, or if the solar radius changed.
    """
    with warnings.catch_warnings():
        # What sunpy has to say about the header was said when the input was read
        warnings.simplefilter("ignore", SunpyUserWarning)
        old, new = before.wcs, after.wcs
        limbs = before.rsun_obs, after.rsun_obs
    ny, nx = before.data.shape
    x = np.array([0, nx, 0, nx, nx / 2]) - 0.5
    y = np.array([0, 0, ny, ny, ny / 2]) - 0.5
    vectors = []
    for wcs, at_x, at_y in (
        (old, x, y),
        (new, (x - origin[0]) * factors[0] - 0.5, (y - origin[1]) * factors[1] - 0.5),
    ):
        world = np.radians(wcs.pixel_to_world_values(at_x, at_y))
        vectors.append(_unit_vectors(world[wcs.wcs.lng], world[wcs.wcs.lat]))
    apart = np.degrees(np.linalg.norm(vectors[1] - vectors[0], axis=0))
    pixel = np.sqrt(abs(np.linalg.det(np.asarray(old.celestial.pixel_scale_matrix)))) / np.sqrt(np.prod(factors))
    same_gaps = np.array_equal(np.isnan(vectors[0]), np.isnan(vectors[1]))
    if not same_gaps or np.nanmax(apart, initial=0) > _WCS_TOLERANCE * pixel:
        msg = (
            f"The coordinates of the enlarged {type(before).__name__} would be off by "
            f"{np.nanmax(apart, initial=0) / pixel:.3g} of its pixels; its header is not understood."
        )
        raise RuntimeError(msg)
    if not u.isclose(*limbs, rtol=1e-6):
        msg = f"The solar radius of the enlarged {type(before).__name__} would change from {limbs[0]} to {limbs[1]}."
        raise RuntimeError(msg)


def _wcs_and_frame(smap):
    if type(smap).scale is GenericMap.scale and not _states_scale(smap.meta):
        # sunpy would take one pixel to be one unit
        msg = "The map has no usable WCS: its header gives no pixel scale (CDELT or CD)."
        raise ValueError(msg)
    try:
        wcs = smap.wcs
        frame = wcs_to_celestial_frame(wcs)
    except Exception as error:  # headers fail in many ways, all of which mean the same here
        msg = f"The map has no usable WCS: {error}"
        raise ValueError(msg) from error
    if not isinstance(frame, Helioprojective | HeliographicCarrington | HeliographicStonyhurst):
        msg = f"The map has no usable WCS: its axes {tuple(wcs.wcs.ctype)} are not solar longitude and latitude."
        raise ValueError(msg)
    return wcs, frame


def _states_scale(meta):
    return ("cdelt1" in meta and "cdelt2" in meta) or ("cd1_1" in meta and "cdelt1" not in meta)


def _pixel_matrix(wcs):
    # Columns: the step of one pixel along x and along y, in degrees.
    return np.asarray(wcs.celestial.pixel_scale_matrix)


def _disk_center(smap, frame):
    observer = smap.observer_coordinate
    longitude = smap.carrington_longitude if isinstance(frame, HeliographicCarrington) else observer.lon
    return longitude.to_value(u.rad), observer.lat.to_value(u.rad)


def _unit_vectors(longitude, latitude):
    return np.array([np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)])
