"""
Resampling of arrays onto smaller or larger pixels along the same axes.

In all functions, pixel p of the old array lies at ``(p - origin) * factor - 0.5`` in the new one; factors and
origin are given as (x, y), shapes as (y, x).
"""

import numpy as np
from scipy import ndimage, sparse

from astropy.wcs import WCS
from reproject import reproject_interp

__all__ = ["nearest", "resample"]

#: Pixels that grow by more than this are averaged over instead of interpolated.
_COARSE = 1.5


def resample(data, new_shape, factors, origin):
    """
    Resample a field, leaving NaN where it is not known.

    Parameters
    ----------
    data : `numpy.ndarray`
    new_shape : `tuple` of `int`
    factors : `tuple` of `float`
        New pixels per old pixel.
    origin : `tuple` of `float`
        Where the new field of view begins, in old pixels.

    Returns
    -------
    `numpy.ndarray`
        float32.
    """
    method = _average if min(factors) * _COARSE < 1 else _interpolate
    return method(data, new_shape, factors, origin)


def nearest(array, new_shape, factors, origin):
    """
    The nearest old pixel of each new one.

    Parameters
    ----------
    array : `numpy.ndarray`
    new_shape, factors, origin
        See `resample`.

    Returns
    -------
    `numpy.ndarray`
    """
    rows, columns = (
        np.clip(np.rint((np.arange(side) + 0.5) / factor + start), 0, old - 1).astype(int)
        for side, factor, start, old in zip(new_shape, factors[::-1], origin[::-1], array.shape, strict=True)
    )
    return array[np.ix_(rows, columns)]


def _interpolate(data, new_shape, factors, origin):
    valid = np.isfinite(data)
    if not valid.all() and valid.any():
        # Continue the field into its gaps, so that the cubic does not ring at their border
        data = data[tuple(ndimage.distance_transform_edt(~valid, return_distances=False, return_indices=True))]
    # A border of its own values, since the outer half pixel has no neighbors
    padded = np.pad(data, 1, mode="edge")
    shifted = tuple(start + 1 for start in origin)
    result = reproject_interp(
        (padded, _old_grid(padded.shape)),
        _grid_of(new_shape, factors, shifted),
        shape_out=new_shape,
        order="bicubic",
        return_footprint=False,
    ).astype(np.float32)
    result[~nearest(valid, new_shape, factors, origin)] = np.nan
    return result


def _average(data, new_shape, factors, origin):
    valid = np.isfinite(data)
    weights_y, weights_x = (
        _overlaps(old, new, factor, start)
        for old, new, factor, start in zip(data.shape, new_shape, factors[::-1], origin[::-1], strict=True)
    )
    total = weights_y @ (weights_x @ np.where(valid, data, 0).T.astype(np.float64)).T
    weight = weights_y @ (weights_x @ valid.T.astype(np.float64)).T
    # At least half of the pixel must be known
    enough = weight >= 0.5 * np.prod([1 / factor for factor in factors])
    return np.where(enough, total / np.where(enough, weight, 1), np.nan).astype(np.float32)


def _overlaps(old, new, factor, start):
    """
    How much of each old pixel lies in each new one, as a sparse matrix of shape (new, old).
    """
    edges = np.arange(new + 1) / factor + start + 0.5  # in old pixels, whose edges are whole numbers
    first = np.clip(np.floor(edges[:-1]).astype(int), 0, old - 1)
    last = np.clip(np.ceil(edges[1:]).astype(int), 1, old)
    rows, columns, overlaps = [], [], []
    for row in range(new):
        pixels = np.arange(first[row], last[row])
        overlap = np.minimum(edges[row + 1], pixels + 1) - np.maximum(edges[row], pixels)
        rows.append(np.full(pixels.size, row))
        columns.append(pixels)
        overlaps.append(np.clip(overlap, 0, 1))
    indices = np.concatenate(rows), np.concatenate(columns)
    return sparse.csr_array((np.concatenate(overlaps), indices), shape=(new, old))


def _grid_of(shape, factors, origin):
    # The new pixel grid as a linear WCS over the pixels of the old one
    wcs = WCS(naxis=2)
    wcs.wcs.cdelt = [1 / factor for factor in factors]
    wcs.wcs.crval = [start + 1 for start in origin]
    wcs.wcs.crpix = [0.5, 0.5]
    wcs.array_shape = shape
    return wcs


def _old_grid(shape):
    wcs = WCS(naxis=2)
    wcs.wcs.crval = wcs.wcs.crpix = [1, 1]
    wcs.array_shape = shape
    return wcs
