"""
The one place where Maps are made: from the output of a model, by regridding, from arrays and from files.
"""

import copy
import warnings
from pathlib import Path

import numpy as np

import astropy.units as u
from astropy.nddata import StdDevUncertainty

from ndcube import NDCube
from sunpy.map import GenericMap, Map
from sunpy.util.exceptions import SunpyMetadataWarning

from sunpy_superres import _fits
from sunpy_superres._header import (
    add_history,
    fit_comments,
    nominal_header,
    package_version,
    rescale,
    set_key,
    states_gauss,
)
from sunpy_superres._provenance import Provenance, SyntheticProvenance, write_provenance
from sunpy_superres._resample import nearest, resample
from sunpy_superres._synthetic import synthetic_header, title_of
from sunpy_superres._wcs import check_coordinates, pixel_scale, usable_wcs
from sunpy_superres.exceptions import warn_user
from sunpy_superres.instruments import get_instrument

__all__ = [
    "Provenance",
    "SyntheticProvenance",
    "build",
    "build_synthetic",
    "from_array",
    "read_map",
    "regrid",
    "to_ndcube",
    "write_map",
]


def build(smap, data, factor, *, valid=None, std=None, provenance=None, unit="G"):
    """
    Make the Map of a super-resolved magnetogram or, with ``unit=None``, of any other image.

    Class, observer, dates, mask and plot settings are those of the input, CRVAL too; the keys that count pixels
    follow their new size. Statistics of the data in the header are recomputed or dropped.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        The Map that was enlarged; it is not modified.
    data : array-like
        The enlarged field, of shape (ny * factor, nx * factor).
    factor : `int`
        Enlargement.
    valid : array-like, optional
        Of bool and the shape of the input: the output is NaN on the pixels it marks `False`.
    std : array-like, optional
        Standard deviation of the ensemble, of the shape of ``data``.
    provenance : `Provenance`, optional
        Written to the header, as keys and as a line of HISTORY.
    unit : ``"G"`` or `None`, optional
        Unit of data and std: gauss unless told, or that of the input, whichever it is.

    Returns
    -------
    `~sunpy.map.GenericMap`
        Of the class of the input, float32. Its ``uncertainty`` is ``std``: the spread of the model's
        samples, which is not the noise of the observation. An uncertainty of the input is not carried over, with
        a warning.

    Raises
    ------
    ValueError
        If shapes do not fit.
    RuntimeError
        If the coordinates of the result are not those of the input, which happens for header conventions that
        the package does not know.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.maps import build, from_array
    >>> smap = from_array(np.ones((8, 8)), scale=1.986, instrument="mdi")
    >>> large = build(smap, np.ones((32, 32)), 4)
    >>> large.data.shape, large.meta["cdelt1"], large.meta["crpix1"]
    ((32, 32), 0.4965, 16.5)
    """
    shape = smap.data.shape
    expected = tuple(side * factor for side in shape)
    data = _enlarged(data, expected, "data")
    std = None if std is None else _enlarged(std, expected, "std")
    if valid is not None:
        valid = np.asarray(valid, dtype=bool)
        if valid.shape != shape:
            msg = f"valid has shape {valid.shape}, the input map {shape}."
            raise ValueError(msg)
        if not valid.all():
            invalid = ~_repeat(valid, factor)
            for array in (data, std):
                if array is not None:
                    array[invalid] = np.nan
    if smap.uncertainty is not None:
        warn_user(
            "The uncertainty of the input map is not propagated: that of the output is the spread of the samples."
        )
    meta = copy.deepcopy(smap.meta)
    rescale(meta, smap, data, (factor, factor))
    settings = copy.deepcopy(smap.plot_settings)
    if unit is not None and not states_gauss(meta):
        _state_gauss(meta, settings)
    if provenance is not None:
        write_provenance(meta, provenance)
    fit_comments(meta)
    result = _instance(
        smap,
        data,
        meta,
        plot_settings=settings,
        mask=None if smap.mask is None else _repeat(np.broadcast_to(smap.mask, shape), factor),
        uncertainty=None if std is None else StdDevUncertainty(std, unit=u.G if unit else smap.unit, copy=False),
    )
    check_coordinates(smap, result, (factor, factor), origin=(-0.5, -0.5))
    return result


def _instance(smap, data, meta, **kwargs):
    with warnings.catch_warnings():
        # What sunpy has to say about the header was said when the input was made
        warnings.simplefilter("ignore", SunpyMetadataWarning)
        warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)  # the color scale of an empty image
        return smap._new_instance(data, meta, **kwargs)


def _enlarged(array, shape, name):
    array = np.array(array, dtype=np.float32)  # a copy: NaN will be written into it
    if array.shape != shape:
        msg = f"{name} has shape {array.shape}, expected {shape}."
        raise ValueError(msg)
    return array


def _repeat(array, factor):
    return np.repeat(np.repeat(array, factor, axis=0), factor, axis=1)


def _state_gauss(meta, settings):
    text = str(meta.get("bunit") or meta.get("_bunit") or "G").replace("GAUSS", "G")
    try:
        same_size = u.Unit(text, parse_strict="silent").to(u.G) == 1
    except (ValueError, TypeError):  # not a unit, or none of a magnetic field
        same_size = False
    if not same_size:
        settings.pop("norm", None)  # it is in the old unit
    set_key(meta, "bunit", "Gauss", "unit of the data")


def regrid(smap, scale, *, valid=None):
    """
    Bring a Map to another pixel scale.

    The center of the field of view, its extent (to the nearest pixel), the roll angle and the projection stay.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        With a helioprojective or heliographic WCS; it is not modified. Dask data are computed.
    scale : `float`
        Arcsec per pixel of the result, along both axes. Heliographic degrees count as what they measure at disk
        center.
    valid : `numpy.ndarray`, optional
        Of bool and the shape of the data, `False` where they count as NaN.

    Returns
    -------
    `~sunpy.map.GenericMap`
        Of the class of the input, float32. NaN where the nearest input is NaN, the mask likewise; without
        uncertainty.

    Raises
    ------
    ValueError
        If the map has no usable WCS or the scale is not positive.

    Notes
    -----
    Bicubic interpolation by `reproject.reproject_interp`. Where pixels become more than 1.5 times as large, the
    mean over each new pixel instead, as a detector would see it (for a whole ratio, the block mean).

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.maps import from_array, regrid
    >>> regrid(from_array(np.ones((64, 64)), scale=0.5, instrument="hmi"), 2.0).data.shape
    (16, 16)
    """
    if not np.isfinite(scale) or scale <= 0:
        msg = f"The pixel scale must be positive, got {scale}."
        raise ValueError(msg)
    if smap.uncertainty is not None:
        warn_user("The uncertainty of the map is not regridded: the result has none.")
    usable_wcs(smap)
    old_scale = pixel_scale(smap)
    factors = tuple(side / scale for side in old_scale)
    shape = smap.data.shape
    new_shape = tuple(max(1, round(side * factor)) for side, factor in zip(shape, factors[::-1], strict=True))
    # Pixel p goes to (p - origin) * factor - 0.5, such that the centers of the two fields of view coincide
    origin = tuple(
        (old - 1) / 2 - new / 2 / factor for old, new, factor in zip(shape[::-1], new_shape[::-1], factors, strict=True)
    )
    data = smap.data.compute() if hasattr(smap.data, "compute") else smap.data
    with np.errstate(over="ignore"):
        data = np.asarray(data, dtype=np.float32)
    if valid is not None:
        data = np.where(valid, data, np.float32(np.nan))
    mask = None
    if smap.mask is not None:
        mask = nearest(np.broadcast_to(smap.mask, shape), new_shape, factors, origin)
    new_data = resample(data, new_shape, factors, origin)

    meta = copy.deepcopy(smap.meta)
    reference = u.Quantity(smap.reference_pixel).to_value(u.pix)
    new_reference = [
        float((value - start) * factor + 0.5) for value, start, factor in zip(reference, origin, factors, strict=True)
    ]
    rescale(meta, smap, new_data, factors, reference_pixel=new_reference)
    sides = " x ".join(f"{side:.6g}" for side in dict.fromkeys(old_scale))
    add_history(meta, f"sunpy_superres {package_version()}: regridded from {sides} to {scale:.6g} arcsec per pixel")
    fit_comments(meta)
    result = _instance(smap, new_data, meta, plot_settings=copy.deepcopy(smap.plot_settings), mask=mask)
    check_coordinates(smap, result, factors, origin)
    return result


def from_array(data, *, scale, instrument="mdi", center=(0, 0), date="2010-06-01T00:00:00", rsun_obs=None):
    """
    Make a Map of a magnetogram that has no header, such as a synthetic one or a bare cutout.

    Parameters
    ----------
    data : array-like
        Of shape (ny, nx), in gauss of the instrument, or in units of the quiet Sun.
    scale : `float`
        Arcsec per pixel.
    instrument : `str`, optional
        ``"mdi"`` (default), ``"gong"``, ``"hmi"`` or ``"hmi-continuum"``.
    center : `tuple` of `float`, optional
        Helioprojective coordinates of the center of the image in arcsec. Defaults to disk center.
    date : `str` or any time that sunpy parses, optional
        When it is seen.
    rsun_obs : `float`, optional
        Angular radius of the Sun in arcsec. Defaults to that seen from Earth on the date.

    Returns
    -------
    `~sunpy.map.GenericMap`
        `~sunpy.map.sources.MDIMap`, `~sunpy.map.sources.GONGMagnetogramMap` or `~sunpy.map.sources.HMIMap`, float32,
        north up, seen from Earth. A COMMENT says that the header is nominal.

    Raises
    ------
    ValueError
        If the data are not two-dimensional, or the instrument is not known.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.maps import from_array
    >>> from_array(np.zeros((16, 16)), scale=0.504, instrument="hmi").unit
    Unit("G")
    """
    known = get_instrument(instrument)
    data = np.array(data, dtype=np.float32)
    if data.ndim != 2 or data.size == 0:
        msg = f"Expected a two-dimensional array, got shape {data.shape}."
        raise ValueError(msg)
    header = nominal_header(data.shape, known.name, scale, center, date, rsun_obs)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)  # the color scale of an empty image
        return Map(data, header)


def build_synthetic(data, *, scale, frame, wavelength, date_origin, provenance, std=None):
    """
    Make the Map of a synthetic AIA image.

    Parameters
    ----------
    data : array-like
        Of shape (ny, nx), in DN/s, with disk center in the middle and north up.
    scale : `tuple` of `float`
        Arcsec per pixel along x and y.
    frame : `~sunpy.coordinates.Helioprojective`
        Where it is seen from, and when.
    wavelength : `float`
        In Angstrom.
    date_origin : `str`
        Where the date is from, in words.
    provenance : `SyntheticProvenance`
        How it was made.
    std : array-like, optional
        Uncertainty of the calibration, of the shape of the data.

    Returns
    -------
    `~sunpy.map.sources.AIAMap`
        float32, marked as synthetic in its header, its name and the title of its plots.
    """
    data = np.array(data, dtype=np.float32)
    header = synthetic_header(
        data.shape, scale, frame, wavelength=wavelength, date_origin=date_origin, provenance=provenance
    )
    fit_comments(header)
    uncertainty = None if std is None else StdDevUncertainty(np.array(std, dtype=np.float32), unit=u.DN / u.s)
    return _entitled(Map(data, header, uncertainty=uncertainty))


def _entitled(smap):
    """
    The same Map, whose plots say so if it is synthetic.
    """
    if title := title_of(smap.meta):
        smap.nickname = "Synthetic AIA"
        smap.plot_settings["title"] = title
    return smap


def to_ndcube(smap, members):
    """
    Make a cube of the members of an ensemble.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        The Map of the ensemble, as `build` returns it.
    members : `numpy.ndarray`
        Of shape (n, ny, nx), in the unit of the Map.

    Returns
    -------
    `~ndcube.NDCube`
        With axes (sample, y, x), float32, the unit of the Map, the header of the Map as ``meta`` and its mask for every
        sample. NaN where the Map is NaN. World coordinates: those of the Map, and the number of the sample.

    Raises
    ------
    ValueError
        If the members do not fit the Map.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.maps import from_array, to_ndcube
    >>> smap = from_array(np.zeros((16, 16)), scale=0.504, instrument="hmi")
    >>> to_ndcube(smap, np.zeros((3, 16, 16))).shape
    (3, 16, 16)
    """
    members = np.asarray(members, dtype=np.float32)
    if members.ndim != 3 or members.shape[1:] != smap.data.shape:
        msg = f"members has shape {members.shape}, expected (n, {smap.data.shape[0]}, {smap.data.shape[1]})."
        raise ValueError(msg)
    gaps = np.isnan(smap.data)
    if not np.isnan(members[:, gaps]).all():
        members = np.where(gaps, np.float32(np.nan), members)
    wcs = smap.wcs.sub([1, 2, 0])
    wcs.wcs.ctype = [*smap.wcs.wcs.ctype, "SAMPLE"]
    wcs.wcs.cname = [*smap.wcs.wcs.cname, "sample"]
    wcs.wcs.crpix = [*smap.wcs.wcs.crpix, 1]
    wcs.wcs.set()
    wcs.array_shape = members.shape
    mask = None if smap.mask is None else np.broadcast_to(smap.mask, members.shape)
    return NDCube(members, wcs=wcs, unit=smap.unit, mask=mask, meta=copy.deepcopy(smap.meta))


def write_map(smap, path, *, overwrite=False):
    """
    Write a Map with its uncertainty and mask to a FITS file.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        It is not modified. Dask data are computed.
    path : `str` or `pathlib.Path`
        The folder must exist. A name ending in ``.gz`` is compressed.
    overwrite : `bool`, optional
        Replace an existing file. Defaults to `False`.

    Raises
    ------
    TypeError
        If it is not a Map.
    FileExistsError
        If the file exists and ``overwrite`` is not set.
    FileNotFoundError
        If the folder does not exist.

    Notes
    -----
    The Map is in the first HDU. Where present, the uncertainty (standard deviation, in the unit of the Map) is in
    the image extension ``UNCERT``, the mask (1 where masked) in ``MASK``; `read_map` puts the three together again.
    The extensions carry the coordinates, so ``sunpy.map.Map(path)`` reads such a file too: it returns a list
    whose first element is the Map, or the Map itself where there are no extensions.
    Plot settings are not stored.

    The file appears under its name only when it is complete.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres import read_map, write_map
    >>> from sunpy_superres.maps import from_array
    >>> tmp_path = getfixture("tmp_path")
    >>> write_map(from_array(np.ones((8, 8)), scale=2, instrument="mdi"), tmp_path / "map.fits")
    >>> read_map(tmp_path / "map.fits").unit
    Unit("G")
    """
    if not isinstance(smap, GenericMap):
        msg = f"Expected a sunpy Map, got {type(smap).__module__}.{type(smap).__name__}."
        raise TypeError(msg)
    _fits.write(smap, Path(path).expanduser(), overwrite=overwrite)


def read_map(path):
    """
    Read a Map from a FITS file, with the uncertainty and mask that `write_map` stored.

    Parameters
    ----------
    path : `str` or `pathlib.Path`
        A file of `write_map`, or any FITS magnetogram: then the first image in it is read.

    Returns
    -------
    `~sunpy.map.GenericMap`

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no FITS file, has no image, or no header that makes a Map.

    Examples
    --------
    >>> from sunpy_superres import read_map
    >>> read_map("magnetogram.fits")  # doctest: +SKIP
    """
    path = Path(path).expanduser()
    index, uncertainty, mask = _fits.locate(path)
    try:
        smap = Map(path, hdus=index)
    except Exception as error:
        msg = f"{path}: the first image has no header that makes a Map: {error}"
        raise ValueError(msg) from error
    found = smap._new_instance(
        # In memory and native byte order, so that the file does not stay open
        np.array(smap.data, dtype=smap.data.dtype.newbyteorder("=")),
        smap.meta,
        mask=mask,
        uncertainty=None if uncertainty is None else StdDevUncertainty(uncertainty, copy=False),
    )
    return _entitled(found)
