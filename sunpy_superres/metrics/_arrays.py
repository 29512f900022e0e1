"""
What every score does first: take arrays, Quantities and Maps for numbers, check that they belong together, find the
pixels that count, go to float64.

Masked pixels become NaN. Two inputs with units are brought to the unit of the truth; one without a unit is taken to be
in that of the other. Two inputs with coordinates must show the same place.
"""

import math
import warnings

import numpy as np

__all__ = [
    "arcsec_per_pixel",
    "as_array",
    "as_field",
    "check_positive",
    "convert",
    "difference",
    "ensemble_blocks",
    "finite_pairs",
    "in_unit",
    "on_surface",
    "ratio",
    "same_place",
    "same_shape",
    "squares",
    "whole_blocks",
]

#: Pixels taken at a time by the ensemble scores, so that their memory does not grow with the map.
BLOCK = 1 << 18

#: How far apart, in pixels of the truth, the corners of two Maps of the same place may be.
PLACE_TOLERANCE = 0.1


def as_array(field):
    """
    The bare numbers of an array, a Quantity, a Map or an `~ndcube.NDCube`, NaN where they are masked.

    A list or tuple of Maps or Quantities is stacked, in the unit of the first.
    """
    if isinstance(field, list | tuple) and any(_has_unit(one) or _has_place(one) for one in field):
        return np.stack([_in_unit(one, _unit(field), "a member", "the others") for one in field])
    mask = getattr(field, "mask", None)
    # A Map, and a masked Quantity; a masked array is one that np.asarray unmasks.
    data = np.asarray(field.data if _has_place(field) else getattr(field, "unmasked", field))
    if mask is None or not np.any(mask):
        return data
    return np.where(mask, data.dtype.type(np.nan) if data.dtype.kind == "f" else np.nan, data)


def as_field(field, *, ndim=None, unit=None):
    """
    The bare numbers of one input; converted to ``unit``, if it has one of its own.

    Raises `ValueError` if it has not ``ndim`` dimensions, no finite pixel, or a unit that does not convert.
    """
    values = as_array(field) if unit is None else _in_unit(field, unit, "the field", "what is needed")
    if ndim is not None and values.ndim != ndim:
        msg = f"Expected an image with {ndim} dimensions, got shape {values.shape}."
        raise ValueError(msg)
    if not np.isfinite(values).any():
        msg = "No pixel of the field is finite."
        raise ValueError(msg)
    return values


def same_shape(pred, truth, *, ndim=None, unit=None):
    """
    Return both as arrays in one unit, that of the truth unless ``unit`` is given.

    Raises `ValueError` if their shapes differ or are not of ``ndim`` dimensions, if their units do not convert into
    each other, or if their coordinates differ.
    """
    x, y = convert(pred, truth, unit=unit)
    if x.shape != y.shape:
        msg = f"The prediction has shape {x.shape} and the truth {y.shape}; they must be equal."
        if _has_place(pred) and _has_place(truth):
            msg += " Reproject one of the Maps to the other first."
        raise ValueError(msg)
    if ndim is not None and x.ndim != ndim:
        msg = f"Expected images with {ndim} dimensions, got shape {x.shape}."
        raise ValueError(msg)
    same_place(pred, truth)
    return x, y


def finite_pairs(pred, truth, *, unit=None):
    """
    Return the pixels that are finite in both, flattened, in float64.
    """
    pred, truth = same_shape(pred, truth, unit=unit)
    valid = np.isfinite(pred) & np.isfinite(truth)
    if not valid.any():
        msg = "No pixel is finite in both the prediction and the truth."
        raise ValueError(msg)
    return pred[valid].astype(np.float64), truth[valid].astype(np.float64)


def ensemble_blocks(members, truth, *, at_least=1):
    """
    Check an ensemble, then yield it in blocks of pixels that are finite in the truth and in every member.

    Yields ``(members, truth)`` of shapes (n, pixels) and (pixels,), float64, never empty.
    """
    x, y = convert(members, truth)
    if x.shape[1:] != y.shape or x.ndim != y.ndim + 1:
        msg = f"Expected members of shape (n, *{y.shape}) for this truth, got {x.shape}."
        raise ValueError(msg)
    if len(x) < at_least:
        msg = f"This score needs at least {at_least} members, got {len(x)}."
        raise ValueError(msg)
    for one in members if isinstance(members, list | tuple) else [members]:
        same_place(one, truth)
    return _blocks(x.reshape(len(x), -1), y.reshape(-1))


def _blocks(members, truth):
    found = False
    for start in range(0, truth.size, BLOCK):
        x, y = members[:, start : start + BLOCK], truth[start : start + BLOCK]
        valid = np.isfinite(y) & np.isfinite(x).all(axis=0)
        if valid.any():
            found = True
            yield x[:, valid].astype(np.float64), y[valid].astype(np.float64)
    if not found:
        msg = "No pixel is finite in the truth and in every member."
        raise ValueError(msg)


def squares(field, block):
    """
    Cut a field into squares of ``block`` pixels a side, shape (y, x, block²), from its first pixel on.

    What does not fill a square at the far ends is left out.
    """
    if not (1 <= block <= min(field.shape) and block == int(block)):
        msg = (
            f"A block must have 1 to {min(field.shape)} pixels a side in a field of shape {field.shape}, got {block!r}."
        )
        raise ValueError(msg)
    block = int(block)
    ny, nx = (size // block for size in field.shape)
    cut = field[: ny * block, : nx * block].reshape(ny, block, nx, block)
    return cut.swapaxes(1, 2).reshape(ny, nx, block**2)


def whole_blocks(pred, truth, block):
    """
    The squares that are finite in both, shape (n, block²), float64.
    """
    pred, truth = squares(pred, block), squares(truth, block)
    whole = np.isfinite(pred).all(axis=-1) & np.isfinite(truth).all(axis=-1)
    if not whole.any():
        msg = f"No block of {block} x {block} pixels is finite in both the prediction and the truth."
        raise ValueError(msg)
    return pred[whole].astype(np.float64), truth[whole].astype(np.float64)


def convert(pred, truth, *, unit=None):
    """
    Return both as arrays in ``unit``, or else in the unit of the truth, or else in that of the prediction.
    """
    if unit is None:
        unit = _unit(truth)
        return _in_unit(pred, unit, "the prediction", "the truth"), as_array(truth)
    return tuple(
        _in_unit(one, unit, name, "what is needed") for one, name in ((pred, "the prediction"), (truth, "the truth"))
    )


def in_unit(value, name, *fields, unit=None):
    """
    The bare number, or numbers, of an option such as a threshold: converted, if it has a unit of its own.

    It goes to ``unit``, or else to that of the first of the fields that has one, or else to gauss, in which fields
    without a unit are. Raises `ValueError` if its unit does not convert.
    """
    if _unit(value) is None:
        return value
    other = "what is needed"
    if unit is None:
        unit, other = next((own for own in map(_unit, fields) if own is not None), None), "the field"
        unit, other = ("G", "a field without a unit") if unit is None else (unit, other)
    values = _in_unit(value, unit, name, other)
    return values if values.ndim else values.item()


def same_place(pred, truth, name="prediction"):
    """
    Raise `ValueError` if both have coordinates and their corners are not in the same places.

    The shapes may differ: compared are the outer corners of the field of view, in pixels of the truth.
    """
    if pred is truth or not (_has_place(pred) and _has_place(truth)):
        return
    (kind, here, _), (other_kind, there, pixel) = _corners(pred), _corners(truth)
    if here is None or there is None:  # no coordinates on the sky
        return
    if kind != other_kind:
        msg = f"The {name} has coordinates {kind} and the truth {other_kind}: reproject one to the other first."
        raise ValueError(msg)
    apart = np.linalg.norm(here - there, axis=0) / pixel
    if np.array_equal(np.isnan(here), np.isnan(there)) and np.nanmax(apart, initial=0) <= PLACE_TOLERANCE:
        return
    msg = (
        f"The corners of the {name} and of the truth are up to {np.nanmax(apart, initial=0):.3g} pixels apart, "
        f"more than {PLACE_TOLERANCE}: reproject one to the other first."
    )
    raise ValueError(msg)


def on_surface(field):
    """
    Whether the pixels of a Map are areas of the solar surface: its coordinates are heliographic.
    """
    if not _has_place(field):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return any("heliographic" in str(name) for name in field.wcs.low_level_wcs.world_axis_physical_types)


def arcsec_per_pixel(scale, *fields):
    """
    The pixel scale in arcsec: a number, a Quantity, or, where it is `None`, that of the first field that is a Map.
    """
    if scale is None:
        for field in fields:
            if _has_place(field):
                from sunpy_superres._wcs import pixel_scale  # NOQA: PLC0415

                return float(np.mean(pixel_scale(field)))
        msg = "Give the scale in arcsec per pixel: only a Map knows its own."
        raise ValueError(msg)
    if _has_unit(scale):
        import astropy.units as u  # NOQA: PLC0415

        per_pixel = u.arcsec / u.pix if scale.unit.is_equivalent(u.arcsec / u.pix) else u.arcsec
        scale = scale.to_value(per_pixel)
    if not (np.ndim(scale) == 0 and 0 < scale < np.inf):
        msg = f"scale must be one positive number in arcsec per pixel, got {scale!r}."
        raise ValueError(msg)
    return float(scale)


def difference(pred, truth):
    """
    Prediction minus truth in float64, NaN where either is not finite.
    """
    valid = np.isfinite(pred) & np.isfinite(truth)
    return np.subtract(pred, truth, dtype=np.float64, where=valid, out=np.full(truth.shape, np.nan))


def ratio(one, other):
    """
    One over the other, or NaN where the other is not positive.
    """
    return float(one / other) if other > 0 else math.nan


def check_positive(value, name):
    """
    Raise `ValueError` if a number is not positive.
    """
    if not value > 0:
        msg = f"{name} must be positive, got {value!r}."
        raise ValueError(msg)


def _has_place(field):
    # A Map or an NDCube, without importing either.
    return hasattr(field, "wcs") and hasattr(field, "data")


def _has_unit(field):
    return getattr(field, "unit", None) is not None


def _unit(field):
    if isinstance(field, list | tuple):
        return next((one.unit for one in field if _has_unit(one)), None)
    return getattr(field, "unit", None)


def _in_unit(field, unit, name, other):
    """
    The bare numbers of a field, converted to a unit if it has one of its own.
    """
    values, own = as_array(field), _unit(field)
    if unit is None or own is None or own == unit:
        return values
    import astropy.units as u  # NOQA: PLC0415

    try:
        factor = own.to(u.Unit(unit))
    except ValueError:  # of units that are not recognized, too
        msg = f"The unit of {name} is {str(own) or 'none (dimensionless)'!r}, which does not convert to {str(unit)!r}, "
        msg += f"that of {other}."
        raise ValueError(msg) from None
    return values if factor == 1 else values.astype(np.float64) * factor


def _corners(field):
    """
    Kind of the coordinates, unit vectors to the outer corners of the image, and the side of a pixel in radians.
    """
    with warnings.catch_warnings():
        # What is missing in a header is said where the Map is read.
        warnings.simplefilter("ignore")
        # Of an ensemble the two axes of the sky; what is cut out of it has none but these.
        wcs = getattr(field.wcs, "celestial", field.wcs).low_level_wcs
        if wcs.pixel_n_dim != 2 or wcs.world_n_dim != 2:
            return None, None, None
        ny, nx = field.data.shape[-2:]
        x = np.array([0, nx, 0, nx, nx / 2, nx / 2 + 1]) - 0.5
        y = np.array([0, 0, ny, ny, ny / 2, ny / 2]) - 0.5
        world = wcs.pixel_to_world_values(x, y)
    import astropy.units as u  # NOQA: PLC0415

    lon, lat = (u.Quantity(axis, unit).to_value(u.rad) for axis, unit in zip(world, wcs.world_axis_units, strict=True))
    vectors = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    kind = ", ".join(str(name).removeprefix("custom:pos.") for name in wcs.world_axis_physical_types)
    return kind, vectors[:, :5], np.linalg.norm(vectors[:, 5] - vectors[:, 4])
