"""
Active regions: how large they are, where they lie, and the lines between their polarities.

Give a cutout around one region, within 70 degrees of disk center: everything strong in the field counts.
Fields are arrays, Quantities or Maps, in gauss unless they have another unit. Masked pixels and pixels that are not
finite are left out as if the field ended there. Thresholds and lengths without a unit are in gauss and in arcsec.

The size, the overlap and the line are those of Ramunno et al. 2024 (arXiv:2407.11659), who use pixels of 9.6 arcsec,
fields of at most 250 G and parameters in such pixels: a blur of 5 x 5, contours of 15, a dilation of 4 x 4. At half an
arcsec these would see network or nothing but the outline, so they are chosen anew, in arcsec: a blur of 2.5, five
pixels of HMI, which lowers white noise eightfold and keeps what MDI does not show; contours of 36, around more than any
element of the network; a dilation of 3. Only the threshold of 30 G is the same. Numbers are not to be compared with
theirs; quote them with the parameters.
"""

import math

import numpy as np
from scipy import ndimage

from sunpy_superres.metrics._arrays import arcsec_per_pixel, as_field, check_positive, in_unit, same_shape, squares

__all__ = ["active_region_jaccard", "active_region_size", "pil_length", "r_value"]

_FWHM_PER_SIGMA = math.sqrt(8 * math.log(2))

#: Diagonal neighbors belong together.
_TOUCHING = np.ones((3, 3), dtype=bool)

#: Arcsec per pixel that `r_value` bins to, and the standard deviation of its Gaussian in such pixels.
_R_SCALE, _R_SIGMA = 2.0, 10.0 / 2.3548


def active_region_size(field, scale=None, *, threshold=30.0, blur=2.5, contour=36.0):
    r"""
    Area of an active region.

    The field is blurred; what is at or above the threshold in absolute value is outlined; the outlines that are long
    enough are filled and the pixels inside them counted, each once. [1]_

    Parameters
    ----------
    field : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Magnetic field around the region, two-dimensional, in gauss unless it has a unit.
    scale : `float`, optional
        Arcsec per pixel. Defaults to that of the Map.
    threshold : `float` or `~astropy.units.Quantity`, optional
        In gauss unless it has a unit. Defaults to 30.
    blur : `float` or `~astropy.units.Quantity`, optional
        Full width at half maximum, in arcsec, of the Gaussian. Defaults to 2.5.
    contour : `float` or `~astropy.units.Quantity`, optional
        Length in arcsec that an outline has at least. Defaults to 36, a circle of 11 arcsec across.

    Returns
    -------
    `float`
        In square arcsec of the sky, 0 where there is no region. Times ``pixel_area(1)`` of `pixel_area` it is in cm².

    Raises
    ------
    ValueError
        If the field is not of two dimensions, has no finite pixel or a unit other than of a magnetic field, the scale
        is not known, or a parameter is out of range or has a unit that does not convert.

    References
    ----------
    .. [1] Ramunno et al. 2024, SPAICE conference, 75, arXiv:2407.11659; the parameters are those of this package, see
       `sunpy_superres.metrics.regions`

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import active_region_size
    >>> y, x = np.mgrid[:64, :64]
    >>> spot = np.where(np.hypot(y - 32, x - 32) < 20, 1000.0, 0.0)
    >>> print(f"{active_region_size(spot, 0.5, threshold=500) / (np.pi * 10**2):.1f}")
    1.0
    """
    field, scale = as_field(field, ndim=2, unit="G"), arcsec_per_pixel(scale, field)
    size = np.abs(_smooth(field, blur, scale))
    return float(np.count_nonzero(_regions(size, threshold, contour, scale)) * scale**2)


def active_region_jaccard(pred, truth, scale=None, *, threshold=30.0, blur=2.5, contour=36.0):
    r"""
    Overlap of an active region with the true one, polarity by polarity.

    .. math:: \frac{1}{2} \sum_\pm \frac{|A_P^\pm \cap A_G^\pm|}{|A_P^\pm \cup A_G^\pm|}

    with A the pixels inside the outlines of `active_region_size`, here of one polarity each. [1]_

    Parameters
    ----------
    pred, truth : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Prediction and truth around the region, two-dimensional, same shape, in gauss unless they have a unit. Pixels
        that are not finite in both are left out.
    scale, threshold, blur, contour
        As for `active_region_size`.

    Returns
    -------
    `float`
        Between 0 and 1. A polarity that neither has is left out; NaN where neither has any region.

    Raises
    ------
    ValueError
        If the shapes, the places or the kinds of unit differ, or as for `active_region_size`.

    References
    ----------
    .. [1] Ramunno et al. 2024, SPAICE conference, 75, arXiv:2407.11659; the parameters are those of this package, see
       `sunpy_superres.metrics.regions`

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import active_region_jaccard
    >>> truth = np.zeros((64, 96))
    >>> truth[16:48, 16:48], truth[16:48, 48:80] = 500.0, -500.0
    >>> active_region_jaccard(truth, truth, 0.5)
    1.0
    >>> active_region_jaccard(-truth, truth, 0.5) < 0.1
    True
    """
    scale = arcsec_per_pixel(scale, truth, pred)
    fields = same_shape(pred, truth, ndim=2, unit="G")
    valid = np.isfinite(fields[0]) & np.isfinite(fields[1])
    if not valid.any():
        msg = "No pixel is finite in both the prediction and the truth."
        raise ValueError(msg)
    pred, truth = (_smooth(np.where(valid, field, np.nan), blur, scale) for field in fields)
    overlaps = []
    for sign in (1, -1):
        one, other = (_regions(sign * field, threshold, contour, scale) for field in (pred, truth))
        if union := np.count_nonzero(one | other):
            overlaps.append(np.count_nonzero(one & other) / union)
    return float(np.mean(overlaps)) if overlaps else math.nan


def pil_length(field, scale=None, *, threshold=30.0, blur=2.5, contour=36.0, dilation=3.0, share=0.1):
    r"""
    Length of the polarity inversion line.

    The regions of each polarity are grown; where they overlap is the region of the inversion line; of its pieces those
    that hold a share of the :math:`\sum |B|` of all, or else the one that holds most, are thinned to a line. [1]_ [2]_

    Parameters
    ----------
    field : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Magnetic field around the region, two-dimensional, in gauss unless it has a unit.
    scale, threshold, blur, contour
        As for `active_region_size`; the regions are of one polarity, and what they enclose is not filled, so that the
        line around an enclosed polarity counts.
    dilation : `float` or `~astropy.units.Quantity`, optional
        Side in arcsec, rounded to an odd number of pixels, of the square that the regions are grown by. Defaults to 3:
        the polarities must come within about as much of each other.
    share : `float`, optional
        Share of :math:`\sum |B|` that a piece has at least. Defaults to 0.1. The 0.8 of the reference never keeps more
        than one piece, and at half an arcsec a line has several.

    Returns
    -------
    `float`
        In arcsec: pixels of the line times the scale, so that a line along a diagonal is too short by up to a factor of
        1.4. 0 where there is none. It is the mean over the eight ways to turn and mirror the field, since thinning
        depends on them.

    Raises
    ------
    ValueError
        As for `active_region_size`.

    References
    ----------
    .. [1] Ramunno et al. 2024, SPAICE conference, 75, arXiv:2407.11659; the parameters are those of this package, see
       `sunpy_superres.metrics.regions`
    .. [2] Cai et al. 2020, as cited there

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import pil_length
    >>> field = np.full((96, 128), 500.0)
    >>> field[:, 64:] = -500.0
    >>> bool(44 <= pil_length(field, 0.5) <= 48)
    True
    """
    field, scale = as_field(field, ndim=2, unit="G"), arcsec_per_pixel(scale, field)
    dilation = in_unit(dilation, "dilation", unit="arcsec")
    _check(dilation >= 0, "dilation must not be negative", dilation)
    _check(0 <= share <= 1, "share must be between 0 and 1", share)
    smooth = _smooth(field, blur, scale)
    side = 2 * round(dilation / scale / 2) + 1
    plus, minus = (
        ndimage.maximum_filter(_regions(sign * smooth, threshold, contour, scale, fill=False), side, mode="constant")
        for sign in (1, -1)
    )
    pieces, count = ndimage.label(plus & minus & np.isfinite(smooth), _TOUCHING)
    if not count:
        return 0.0
    flux = ndimage.sum_labels(np.abs(np.nan_to_num(field), dtype=np.float64), pieces, np.arange(1, count + 1))
    kept = flux >= min(share * flux.sum(), flux.max())
    return _thinned(np.r_[False, kept][pieces]) * scale


def r_value(field, scale=None, *, threshold=150.0):
    r"""
    Unsigned flux close to polarity inversion lines with strong gradients, R.

    .. math:: R = \log_{10} \sum w \, |B|

    of the field B binned to about 2 arcsec, with w the map of the lines, 1 or 0, blurred by a Gaussian of 10 pixels
    full width at half maximum (:math:`\sigma = 10/2.3548`). On a line are the pixels that have one above +150 G and one
    below -150 G among themselves and their eight neighbors. [1]_ It is the keyword R_VALUE of SHARPs [2]_, with the
    neighborhood centered on the pixel.

    Parameters
    ----------
    field : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Magnetic field, two-dimensional, in gauss unless it has a unit.
    scale : `float`, optional
        Arcsec per pixel. Defaults to that of the Map. The field is binned by the whole number of pixels closest to 2
        arcsec; bins with a pixel that is not finite are left out, and so is what does not fill a bin at the far ends.
    threshold : `float` or `~astropy.units.Quantity`, optional
        In gauss unless it has a unit. Defaults to 150.

    Returns
    -------
    `float`
        0 where the sum is less than 1 G.

    Raises
    ------
    ValueError
        If the field is not of two dimensions, smaller than a bin, has no finite bin or a unit other than of a magnetic
        field, the scale is not known, or the threshold is not positive or has a unit that does not convert to gauss.

    Notes
    -----
    The binning makes it blind to what is smaller than 2 arcsec: a super-resolved map must conserve it.

    References
    ----------
    .. [1] Schrijver 2007, ApJ 655, L117, doi:10.1086/511857
    .. [2] Bobra et al. 2014, Sol. Phys. 289, 3549, doi:10.1007/s11207-014-0529-3

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics import r_value
    >>> field = np.full((128, 128), 300.0)
    >>> r_value(field, 0.5)
    0.0
    >>> field[:, 64:] = -300
    >>> print(f"{r_value(field, 0.5):.2f}")
    4.23
    """
    field, scale = as_field(field, ndim=2, unit="G"), arcsec_per_pixel(scale, field)
    threshold = in_unit(threshold, "threshold", unit="G")
    check_positive(threshold, "threshold")
    coarse = squares(field.astype(np.float64), max(1, round(_R_SCALE / scale))).mean(axis=-1)
    if not np.isfinite(coarse).any():
        msg = "No bin of 2 arcsec is finite."
        raise ValueError(msg)
    plus, minus = (ndimage.maximum_filter(sign * coarse > threshold, 3, mode="constant") for sign in (1, -1))
    line = plus & minus & np.isfinite(coarse)
    weight = ndimage.gaussian_filter(line.astype(np.float64), _R_SIGMA, mode="constant")
    flux = float(np.sum(weight * np.abs(np.nan_to_num(coarse))))
    return math.log10(flux) if flux >= 1 else 0.0


def _smooth(field, blur, scale):
    """
    Blur a field by a Gaussian, with the weights of the pixels that are known; NaN stays where it is.
    """
    blur = in_unit(blur, "blur", unit="arcsec")
    _check(blur >= 0, "blur must not be negative", blur)
    valid = np.isfinite(field)
    sigma = blur / scale / _FWHM_PER_SIGMA
    known, weight = (
        ndimage.gaussian_filter(part.astype(np.float64), sigma, mode="constant")
        for part in (np.where(valid, field, 0), valid)
    )
    return np.divide(known, weight, out=np.full(field.shape, np.nan), where=valid)


def _regions(field, threshold, contour, scale, *, fill=True):
    """
    The pixels at or above the threshold that belong to an outline of a length, and, filled, those it encloses.
    """
    from skimage.measure import find_contours  # NOQA: PLC0415

    threshold, contour = in_unit(threshold, "threshold", unit="G"), in_unit(contour, "contour", unit="arcsec")
    check_positive(threshold, "threshold")
    _check(contour >= 0, "contour must not be negative", contour)
    strong = np.nan_to_num(field, nan=-np.inf) >= threshold
    labels, _ = ndimage.label(strong, _TOUCHING)
    kept = np.zeros(field.shape, dtype=bool)
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        region = labels[box] == label
        whole = np.pad(ndimage.binary_fill_holes(region), 1)
        # No outline is longer than that of all its pixels one by one.
        if 4 * np.count_nonzero(whole) * scale < contour:
            continue
        (outline,) = find_contours(whole.astype(np.float64), 0.5, fully_connected="high")
        if np.hypot(*np.diff(outline, axis=0).T).sum() * scale >= contour:
            kept[box] |= whole[1:-1, 1:-1] if fill else region
    return kept & np.isfinite(field)


def _thinned(mask):
    """
    Pixels that are left of a mask thinned to lines, on average over the eight ways to turn and mirror it.
    """
    from skimage.morphology import skeletonize  # NOQA: PLC0415

    # Thinning begins at one side, and short lines come out a third longer or shorter when turned.
    ways = [np.rot90(one, turns) for one in (mask, mask.T) for turns in range(4)]
    return float(np.mean([np.count_nonzero(skeletonize(np.ascontiguousarray(one))) for one in ways]))


def _check(fits, rule, value):
    if not fits:
        msg = f"{rule}, got {value!r}."
        raise ValueError(msg)
