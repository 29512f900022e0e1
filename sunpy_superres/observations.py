"""
From a Map to the one value that travels through the package.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

import astropy.units as u

from sunpy.map import GenericMap
from sunpy.map.sources import GONGMagnetogramMap, HMIMap, MDIMap

from sunpy_superres._quiet_sun import quiet_sun
from sunpy_superres._wcs import disk_radius, pixel_scale, usable_wcs
from sunpy_superres.instruments import INSTRUMENTS, Instrument, get_instrument

__all__ = ["Observation", "read", "recognize"]

#: No field on the Sun comes near it: larger values are fill values that were not declared as such.
_FILL_LIMIT = 1e5
#: A median above this is no magnetogram in gauss; the strongest fields ever seen are 6 to 8 kG.
_MEDIAN_LIMIT = 5e3
#: Words in CONTENT, and in the segment of a JSOC record, that say what the image shows instead of a magnetogram.
_CONTINUUM = ("continuum", "intensit")
_OTHER_CONTENT = ("doppler", "velocity", "linewidth", "line width", "linedepth", "line depth")
#: Segments of JSOC records (the last part of DRMS_ID) that are not a signed component of the field to be enhanced.
_OTHER_SEGMENTS = (
    "br",
    "bp",
    "bt",
    "bitmap",
    "conf_disambig",
    "confid_map",
    "azimuth",
    "inclination",
    "field",
    "disambig",
    "info_map",
)


_EMPTY = "The map has no finite pixel."
_MAGNETOGRAPHS = (GONGMagnetogramMap, HMIMap, MDIMap)


@dataclass(frozen=True, eq=False)
class Observation:
    """
    A magnetogram, or a continuum image, as the models take it.

    Parameters
    ----------
    field : `numpy.ndarray`
        Line-of-sight magnetic field of shape (ny, nx), float32 in native byte order, in gauss of the instrument; of a
        continuum image the intensity in units of the quiet Sun at disk center. Where it is not valid it is 0, or on the
        disk of a continuum image that of the nearest valid pixel.
    valid : `numpy.ndarray`
        Of bool and the same shape, `False` where the input is not finite.
    radius : `numpy.ndarray`
        Distance from disk center in solar radii, float32, finite everywhere.
    scale : `float`
        Arcsec per pixel, the mean of the two axes.
    instrument : `~sunpy_superres.instruments.Instrument`
        The magnetograph.
    quiet_sun : `float`, optional
        Of a continuum image, the intensity of the quiet Sun at disk center in the unit of the map.
    """

    field: np.ndarray
    valid: np.ndarray
    radius: np.ndarray
    scale: float
    instrument: Instrument
    quiet_sun: float | None = None

    @property
    def calibrated(self):
        """
        The field in HMI gauss, float32.
        """
        return self.field * np.float32(self.instrument.to_hmi)


def recognize(smap):
    """
    Tell from which magnetograph a Map comes.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        A magnetogram, or a continuum image of HMI.

    Returns
    -------
    `~sunpy_superres.instruments.Instrument`

    Raises
    ------
    TypeError
        If it is not a Map.
    ValueError
        If it is no magnetogram of an accepted instrument, which the message names.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.maps import from_array
    >>> from sunpy_superres.observations import recognize
    >>> recognize(from_array(np.ones((8, 8)), scale=1.986, instrument="mdi")).title
    'SOHO/MDI'
    """
    _require_map(smap)
    if isinstance(smap, HMIMap) or str(smap.meta.get("instrume", "")).startswith("HMI"):
        known = INSTRUMENTS["hmi-continuum" if _shows_continuum(smap) else "hmi"]
        _refuse_other_quantities(smap, known)
        return known
    _refuse_other_quantities(smap)
    if isinstance(smap, GONGMagnetogramMap):
        return INSTRUMENTS["gong"]
    if isinstance(smap, MDIMap) or "MDI" in (smap.meta.get("instrume"), smap.meta.get("camera")):
        return INSTRUMENTS["mdi"]
    msg = (
        f"This {type(smap).__name__} is not recognized as a magnetogram; accepted: {_accepted()}. "
        "If it is a magnetogram in gauss, say which one it resembles with instrument=."
    )
    raise ValueError(msg)


def read(smap, *, instrument=None):
    """
    Read a Map into an `Observation`.

    Full disk or cutout, helioprojective or heliographic (for example cylindrical equal-area patches), in any
    orientation. Dask arrays are computed, every number type and byte order is accepted, units that convert to
    gauss are converted. The mask of the Map is not used.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        A magnetogram, or a continuum image of HMI; it is not modified.
    instrument : `str`, optional
        Name of the instrument, for a Map whose header does not tell. Defaults to what `recognize` finds.

    Returns
    -------
    `Observation`

    Raises
    ------
    TypeError
        If it is not a Map.
    ValueError
        If it is no magnetogram of an accepted instrument, not in gauss, has no usable WCS, or no finite pixel.

    Notes
    -----
    Continuum images of HMI may have any unit. The quiet Sun is the median of the disk, without spots, after division by
    the limb darkening; that is expected in an image unless it is as bright near the limb as at disk center.
    Where the header has no BUNIT, JSOC's ``_BUNIT`` counts; without either the data are taken to be gauss only
    if the header calls them a magnetogram (CONTENT, DRMS_ID) or ``instrument`` is given.
    Absolute values above 100 kG are undeclared fill values: they are treated like NaN. So is the sky of GONG
    magnetograms, which is filled with a number, and the pixels that touch it, which are partly made of that number.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.maps import from_array
    >>> from sunpy_superres.observations import read
    >>> observation = read(from_array(np.full((8, 8), 100.0), scale=1.986, instrument="mdi"))
    >>> observation.field.dtype, observation.scale, float(observation.calibrated[0, 0])
    (dtype('float32'), 1.986, 70.1)
    """
    _require_map(smap)
    if smap.meta.get("synthet"):
        msg = "The map is a synthetic image, and no magnetogram."
        raise ValueError(msg)
    if method := smap.meta.get("srmethod"):
        msg = f"The map is a result of this package already (SRMETHOD is {method!r}): give the observation itself."
        raise ValueError(msg)
    if instrument is None:
        known = recognize(smap)
    else:
        known = get_instrument(instrument)
        _refuse_other_quantities(smap, known)
    if known.quantity == "continuum":
        return _read_continuum(smap, known)
    factor = _factor_to_gauss(smap, assume_gauss=instrument is not None)
    data = _two_dimensional(smap)
    usable_wcs(smap)
    with np.errstate(over="ignore", invalid="ignore"):
        field = np.array(data, dtype=np.float32)
        if factor != 1:
            field *= np.float32(factor)
        valid = np.abs(field) < _FILL_LIMIT  # False for NaN and infinity too
    radius = disk_radius(smap)
    if isinstance(smap, GONGMagnetogramMap):
        valid &= ~_filled_sky(field, valid & (radius > 1))
    if not valid.any():
        raise ValueError(_EMPTY)
    field[~valid] = 0
    _refuse_large_values(field[valid])
    scale = float(np.mean(pixel_scale(smap)))
    return Observation(field=field, valid=valid, radius=radius, scale=scale, instrument=known)


def _read_continuum(smap, instrument):
    if _states(smap, u.G) or "magnetogram" in _content(smap) or _segment(smap) == "magnetogram":
        msg = "The map is a magnetogram, not a continuum image: leave instrument= away, or give 'hmi'."
        raise ValueError(msg)
    foreign = type(smap).__module__.startswith("sunpy.map.sources") and not isinstance(smap, HMIMap)
    if foreign or _states(smap, u.m / u.s):
        msg = f"This {type(smap).__name__} in {smap.unit} is no continuum image of SDO/HMI."
        raise ValueError(msg)
    data = _two_dimensional(smap)
    usable_wcs(smap)
    with np.errstate(over="ignore", invalid="ignore"):
        image = np.array(data, dtype=np.float32)
    valid = np.isfinite(image)
    if not valid.any():
        raise ValueError(_EMPTY)
    image[~valid] = 0
    radius = disk_radius(smap)
    level = quiet_sun(image, valid, radius)
    image /= np.float32(level)
    if (holes := ~valid & (radius < 1)).any():
        # Darker than any spot, they would be seen far around: the nearest intensity takes their place.
        nearest = ndimage.distance_transform_edt(~valid, return_distances=False, return_indices=True)
        image[holes] = image[tuple(index[holes] for index in nearest)]
    scale = float(np.mean(pixel_scale(smap)))
    return Observation(image, valid, radius, scale, instrument, quiet_sun=level)


def _accepted():
    magnetographs = (instrument for instrument in INSTRUMENTS.values() if instrument.quantity == "magnetogram")
    return ", ".join(sorted(instrument.title for instrument in magnetographs))


def _require_map(smap):
    if not isinstance(smap, GenericMap):
        msg = f"Expected a sunpy Map, got {type(smap).__module__}.{type(smap).__name__}."
        raise TypeError(msg)


def _content(smap):
    # DPC_OBSR is the description in MDI files of before 2008
    return f"{smap.meta.get('content', '')} {smap.meta.get('dpc_obsr', '')}".lower()


def _segment(smap):
    return str(smap.meta.get("drms_id", "")).rpartition(":")[2].lower()


def _shows_continuum(smap):
    return any(word in text for text in (_content(smap), _segment(smap)) for word in _CONTINUUM)


def _refuse_other_quantities(smap, known=None):
    content, segment = _content(smap), _segment(smap)
    wrong = _OTHER_CONTENT
    if known is None or known.quantity != "continuum":
        wrong += _CONTINUUM
    what = None
    if "synoptic" in type(smap).__name__.lower() or "synoptic" in content:
        what = "a synoptic map"
    elif any(word in content for word in wrong):
        what = f"not a magnetogram (CONTENT is {smap.meta.get('content')!r})"
    elif segment in _OTHER_SEGMENTS or segment.endswith("_err") or any(word in segment for word in wrong):
        what = f"not the line-of-sight field (DRMS_ID ends in {segment!r})"
    if what is not None:
        msg = (
            f"The map is {what}; accepted: line-of-sight magnetograms of {_accepted()}, and continuum images of "
            "SDO/HMI."
        )
        raise ValueError(msg)


def _unit(text):
    return u.G if text.lower() == "gauss" else u.Unit(text, parse_strict="silent")


def _states(smap, unit):
    """
    Whether the header gives a unit of this kind.
    """
    return _unit(str(smap.meta.get("bunit") or smap.meta.get("_bunit") or "").strip()).is_equivalent(unit)


def _factor_to_gauss(smap, *, assume_gauss):
    text = smap.meta.get("bunit") or smap.meta.get("_bunit")
    if text is None:
        # What sunpy knows as another telescope stays another telescope, whatever the caller says
        foreign = type(smap).__module__.startswith("sunpy.map.sources") and not isinstance(smap, _MAGNETOGRAPHS)
        named_so = "magnetogram" in _content(smap) or _segment(smap) == "magnetogram"
        if named_so or (assume_gauss and not foreign):
            return 1.0
        msg = (
            f"The map has no unit (BUNIT); accepted: magnetograms in gauss of {_accepted()}. "
            "If it is one, set smap.meta['bunit'] = 'Gauss' or give instrument=."
        )
        raise ValueError(msg)
    text = str(text).strip()
    try:
        return float(_unit(text).to(u.G))
    except (ValueError, TypeError):  # not a unit, or none of a magnetic field
        msg = (
            f"The unit of the map is {text!r}; accepted: magnetograms in gauss of {_accepted()}. If it is a continuum "
            "image of HMI whose header does not say so, give instrument='hmi-continuum'."
        )
        raise ValueError(msg) from None


def _two_dimensional(smap):
    data = smap.data
    if data.ndim != 2 or data.size == 0:
        msg = f"Expected a two-dimensional map with at least one pixel, got shape {data.shape}."
        raise ValueError(msg)
    if data.dtype == np.uint8 or data.dtype.kind not in "iuf":
        msg = (
            f"The map holds {data.dtype} values: a picture for display, not a field in gauss; "
            f"accepted: magnetograms of {_accepted()}."
        )
        raise ValueError(msg)
    return data.compute() if hasattr(data, "compute") else data


def _filled_sky(field, sky):
    """
    Pixels that have the commonest value of the sky, or a neighbor that has it; all of the sky besides.
    """
    values, counts = np.unique(field[sky], return_counts=True)
    if not len(values):
        return sky
    filled = field == values[np.argmax(counts)]
    # Not the pixels of the disk that happen to have that value, but those that the sky reaches.
    filled = ndimage.binary_propagation(sky & filled, np.ones((3, 3)), mask=filled)
    return sky | ndimage.binary_dilation(filled, np.ones((3, 3)))


def _refuse_large_values(values):
    median = float(np.median(np.abs(values[:: max(1, values.size // 100_000)])))
    if median > _MEDIAN_LIMIT:
        msg = (
            f"The median of the absolute values is {median:.4g} G, more than any field on the Sun: this is no "
            f"magnetogram in gauss; accepted: magnetograms of {_accepted()}."
        )
        raise ValueError(msg)
