"""
Fitting the curve from display values to DN/s on calibrated images.
"""

from pathlib import Path

import numpy as np
from scipy.interpolate import make_smoothing_spline

from sunpy_superres._atomic import replacing
from sunpy_superres.instruments import SOLAR_RADIUS
from sunpy_superres.metrics.corona import disk_coordinates
from sunpy_superres.training.images import ImagePool

__all__ = ["fit_transfer"]

#: Regions by radius, in solar radii: disk, low corona, the sky that both kinds of images have.
_REGIONS = ((0.0, 0.95), (1.05, 1.15), (1.15, 1.6))
#: Largest distance along an axis that counts, in solar radii: display images end at 1.16.
_FRAME = 1.14
_QUANTILES = np.concatenate([np.arange(1, 99.1, 1), [99.5, 99.8]])
_DISPLAY = np.arange(0, 256, 5)
#: DN/s below which a calibrated image of two seconds is noise.
_FAINTEST = 5.0


def _quantiles(image, disk):
    """
    Quantiles of the regions of an image, shape (regions, quantiles).
    """
    x, y = disk_coordinates(image.shape, disk)
    radius, inside = np.hypot(x, y), np.maximum(np.abs(x), np.abs(y)) < _FRAME
    return np.array(
        [np.percentile(image[inside & (radius >= low) & (radius < high)], _QUANTILES) for low, high in _REGIONS]
    )


def fit_transfer(data, calibrated, target):
    """
    Fit DN/s as a function of display values, by equal quantiles on the disk and off it.

    Parameters
    ----------
    data : path-like
        Display-scaled images, prepared by `sunpy_superres.training.prepare_images.prepare_images`.
    calibrated : iterable of path-like
        FITS images of level 1.5, of other times.
    target : path-like
        Table to write, in the format ECSV.

    Returns
    -------
    `astropy.table.QTable`
        Columns ``display``, ``rate`` (DN/s) and ``dex``.

    Raises
    ------
    ValueError
        If the images are not display-scaled, or there is no calibrated one.
    FileNotFoundError
        If a file, or the folder of the table, is missing.

    Notes
    -----
    The two kinds of images are not of the same times, so one quantile stands for the same brightness only on average.
    ``dex`` holds what that costs: the scatter between the curves of all images and regions, and the variation of the
    display quantiles from image to image over the root of the number of calibrated ones. Where only extrapolation
    reaches, at the ends, it grows with the distance.
    """
    import astropy.units as u  # NOQA: PLC0415
    from astropy.table import QTable  # NOQA: PLC0415

    from sunpy_superres.training.calibrated import read_rates  # NOQA: PLC0415

    calibrated, target = list(calibrated), Path(target)
    if not target.parent.is_dir():
        raise FileNotFoundError(2, "there is no such folder", str(target.parent))
    pool = ImagePool(data)
    if pool.scaling != "display" or not calibrated:
        msg = "A transfer curve needs display-scaled images, and at least one calibrated image."
        raise ValueError(msg)
    images = [(pool.image(i), pool.records[i].disk) for i in range(0, len(pool.records), 4)]
    display = 255 * np.array([_quantiles(image, disk) for image, disk in images])
    mean, variation = display.mean(axis=0), display.std(axis=0)
    # At the plate scale of the display images: that of the Sun at 1 au over its radius in them, on average.
    scale = SOLAR_RADIUS / float(np.mean([disk[2] for _, disk in images]))
    curves, changes = [], []
    for path in calibrated:
        rates, disk = read_rates(path, scale=scale)
        found = np.log10(np.maximum(_quantiles(rates, disk), 0.1))
        for one, place, spread in zip(found, mean, variation, strict=True):
            place, first = np.unique(place, return_index=True)
            if len(place) < 3:  # a sky without light tells nothing
                continue
            change = spread[first] * np.gradient(one[first], place)
            for kept, values in ((curves, one[first]), (changes, change)):
                kept.append(np.interp(_DISPLAY, place, values, left=np.nan, right=np.nan))
    curves, changes = np.array(curves), np.array(changes)
    curves[curves < np.log10(_FAINTEST)] = np.nan
    known = np.isfinite(curves).any(axis=0)
    count = np.isfinite(curves[:, known]).sum(axis=0)
    # Where a region's range ends the mean has a step, which is none of the detector's.
    smooth = make_smoothing_spline(_DISPLAY[known], np.nanmean(curves[:, known], axis=0), lam=1000.0)
    rate = np.maximum.accumulate(smooth(_DISPLAY[known]))
    scatter = np.nanstd(curves[:, known], axis=0) * np.sqrt(count / np.maximum(count - 1, 1))
    dex = np.hypot(scatter, np.nanmean(changes[:, known], axis=0) / np.sqrt(len(calibrated)))
    rate, dex = _extended(_DISPLAY[known], rate, dex)
    table = QTable({"display": _DISPLAY, "rate": np.round(10**rate, 2) * u.DN / u.s, "dex": np.round(dex, 3)})
    table.meta["comments"] = [
        f"AIA 171 display values of {len(images)} browse images against {len(calibrated)} calibrated images,",
        "by equal quantiles on the disk and off it; dex is the uncertainty of the logarithm of the rate.",
    ]
    with replacing(target) as temporary:
        table.write(temporary, format="ascii.ecsv", overwrite=True)
    return table


def _extended(display, rate, dex):
    """
    Go on with the slope of the last part on either side, and an uncertainty that grows with the distance.
    """
    ends = []
    for side in (slice(None, 6), slice(-6, None)):
        slope = np.polyfit(display[side], rate[side], 1)[0]
        ends.append(max(slope, 1e-4))
    low, high = display[0], display[-1]
    beyond = np.clip(low - _DISPLAY, 0, None), np.clip(_DISPLAY - high, 0, None)
    line = np.interp(_DISPLAY, display, rate) - ends[0] * beyond[0] + ends[1] * beyond[1]
    grown = np.hypot(np.interp(_DISPLAY, display, dex), ends[0] * beyond[0] + ends[1] * beyond[1])
    return line, grown
