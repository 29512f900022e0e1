"""
What a full-disk image of the corona must show: a limb where it belongs, a decay beyond it, active belts.

Images have rows from south to north; places and radii are in pixels.
"""

from collections import namedtuple

import numpy as np
from scipy.ndimage import map_coordinates

from sunpy_superres.metrics._arrays import as_array

__all__ = [
    "LIMB_171",
    "Limb",
    "asymmetry",
    "bright_fraction",
    "disk_coordinates",
    "disk_mask",
    "fit_limb",
    "latitude_profile",
    "radial_profile",
]

#: Radius of the steepest decline beyond the limb at 171 Angstrom, as `fit_limb` finds it at 128 pixels, in solar radii.
LIMB_171 = 1.0285

#: Center (column and row, 0 in the middle of the first pixel) and radius of the limb, and the rms distance from it.
Limb = namedtuple("Limb", ["x", "y", "radius", "scatter"])


def _checked(image):
    image = as_array(image).astype(np.float64)
    if image.ndim != 2 or min(image.shape) < 32:
        msg = f"The image must have two axes of at least 32 pixels, not the shape {image.shape}."
        raise ValueError(msg)
    if not np.isfinite(image).all():
        msg = "The image holds values that are not finite."
        raise ValueError(msg)
    return image


def fit_limb(image, *, radius=None):
    """
    Fit a circle to the steepest decline of brightness beyond the limb.

    Parameters
    ----------
    image : array-like
        Shape (y, x), the disk about in the middle.
    radius : `float`, optional
        About where the limb is looked for, within 15 %; 0.43 of the shorter side unless told.

    Returns
    -------
    `Limb`

    Raises
    ------
    ValueError
        If the image is not one of two axes, or holds values that are not finite.

    Notes
    -----
    At 171 Angstrom the limb so defined is above the photosphere's, see `LIMB_171`. Loops that stand on the limb are
    left out as outliers: directions further than twice the median distance from the circle.
    """
    image = _checked(image)
    rows, columns = image.shape
    x, y = (columns - 1) / 2, (rows - 1) / 2
    start = radius or 0.43 * min(rows, columns)
    angles = np.deg2rad(np.arange(0, 360, 2))
    design = np.stack([np.cos(angles), np.sin(angles), np.ones_like(angles)], axis=1)
    radii = np.arange(0.85 * start, 1.15 * start, start / 220)
    for _ in range(3):
        places = [y + np.outer(radii, np.sin(angles)), x + np.outer(radii, np.cos(angles))]
        rays = map_coordinates(image, places, order=1, mode="nearest")
        steepest = radii[np.argmin(np.gradient(rays, axis=0), axis=0)]
        used = np.ones(len(angles), dtype=bool)
        for _ in range(4):
            found = np.linalg.lstsq(design[used], steepest[used], rcond=None)[0]
            distance = np.abs(steepest - design @ found)
            used = distance <= max(2 * np.median(distance[used]), start / 220)
        x, y = x + found[0], y + found[1]
    return Limb(float(x), float(y), float(found[2]), float(np.sqrt((distance[used] ** 2).mean())))


def disk_coordinates(shape, disk):
    """
    Coordinates of all pixels from disk center, in solar radii: to the west and to the north, each of the shape.

    Parameters
    ----------
    shape, disk
        See `disk_mask`.

    Returns
    -------
    x, y : `numpy.ndarray`
    """
    x, y, radius = disk
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (columns - x) / radius, (rows - y) / radius


def disk_mask(shape, disk, reach=1.0):
    """
    Pixels within a solar radius of disk center, or so many.

    Parameters
    ----------
    shape : `tuple` of `int`
        Shape (y, x).
    disk : `tuple` of `float`
        Column and row of the center, and the solar radius, in pixels.
    reach : `float`, optional
        In solar radii.

    Returns
    -------
    `numpy.ndarray` of `bool`
    """
    return np.hypot(*disk_coordinates(shape, disk)) < reach


def bright_fraction(image, disk, threshold, reach=1.05):
    """
    Part of the disk, with its bright limb, that is brighter than a threshold.

    Parameters
    ----------
    image : array-like
        Shape (y, x).
    disk : `tuple` of `float`
        See `disk_mask`.
    threshold : `float`
        In the units of the image.
    reach : `float`, optional
        How far the disk goes, in solar radii: at 171 Angstrom the limb shines above the photosphere's.

    Returns
    -------
    `float`
    """
    image = _checked(image)
    return float((image[disk_mask(image.shape, disk, reach)] > threshold).mean())


def radial_profile(image, disk, edges):
    """
    Mean brightness in rings around disk center.

    Parameters
    ----------
    image : array-like
        Shape (y, x).
    disk : `tuple` of `float`
        See `disk_mask`.
    edges : array-like
        Edges of the rings in solar radii, increasing.

    Returns
    -------
    `numpy.ndarray`
        One less than the edges; NaN where a ring has no pixel.
    """
    image = _checked(image)
    return _binned(np.hypot(*disk_coordinates(image.shape, disk)).ravel(), image.ravel(), edges)


def latitude_profile(image, disk, edges):
    """
    Mean brightness of the disk by latitude, with disk center taken for the equator.

    Parameters
    ----------
    image : array-like
        Shape (y, x).
    disk : `tuple` of `float`
        See `disk_mask`.
    edges : array-like
        Edges of the belts in degrees, increasing.

    Returns
    -------
    `numpy.ndarray`
        One less than the edges.

    Notes
    -----
    The tilt of the Sun's axis toward the observer, 7 degrees at most, smears the belts.
    """
    image = _checked(image)
    x, y = disk_coordinates(image.shape, disk)
    on_disk = np.hypot(x, y) < 0.95
    return _binned(np.degrees(np.arcsin(y[on_disk])), image[on_disk], edges)


def asymmetry(image, disk):
    """
    Brightness of the northern less that of the southern half of the disk, over their sum.

    Parameters
    ----------
    image : array-like
        Shape (y, x), not negative.
    disk : `tuple` of `float`
        See `disk_mask`.

    Returns
    -------
    `float`
    """
    image = _checked(image)
    on_disk = disk_mask(image.shape, disk)
    _, y = disk_coordinates(image.shape, disk)
    north, south = (image[on_disk & side].mean() for side in (y > 0, y < 0))
    return float((north - south) / (north + south))


def _binned(places, values, edges):
    edges = np.asarray(edges, dtype=np.float64)
    bins = np.digitize(places, edges) - 1
    inside = (bins >= 0) & (bins < len(edges) - 1)
    count = np.bincount(bins[inside], minlength=len(edges) - 1)
    total = np.bincount(bins[inside], weights=values[inside], minlength=len(edges) - 1)
    return np.divide(total, count, out=np.full(len(edges) - 1, np.nan), where=count > 0)
