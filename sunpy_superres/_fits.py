"""
The FITS layout of Maps with uncertainty and mask.
"""

import numpy as np

from astropy.io import fits
from astropy.nddata import StdDevUncertainty

from sunpy_superres._atomic import replacing
from sunpy_superres.exceptions import warn_user

__all__ = ["locate", "write"]

_UNCERTAINTY = "UNCERT"
_MASK = "MASK"
# They describe stored numbers that are no longer those of the data.
_STORAGE_KEYS = ("BLANK", "BSCALE", "BZERO", "CHECKSUM", "DATASUM")


def write(smap, path, *, overwrite):
    """
    Write a Map under a temporary name in the same folder, then give it its own.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
    path : `pathlib.Path`
    overwrite : `bool`
    """
    if not path.parent.is_dir():
        msg = f"The folder {path.parent} does not exist."
        raise FileNotFoundError(msg)
    _refuse_existing(path, overwrite=overwrite)
    hdus = _hdus(smap)
    with replacing(path) as temporary:  # ends like the name: .gz compresses
        hdus.writeto(temporary, output_verify="silentfix+exception")
        _refuse_existing(path, overwrite=overwrite)


def locate(path):
    """
    Find the first image of a file, and read the uncertainty and mask that belong to it.

    Parameters
    ----------
    path : `pathlib.Path`

    Returns
    -------
    index : `int`
        Of the HDU with the image.
    uncertainty, mask : `numpy.ndarray` or `None`
    """
    if not path.is_file():
        msg = f"There is no file {path}."
        raise FileNotFoundError(msg)
    try:
        with fits.open(path) as hdus:
            images = {index: hdu for index, hdu in enumerate(hdus) if hdu.is_image and len(hdu.shape) >= 2}
            index = next((index for index, hdu in images.items() if hdu.name not in (_UNCERTAINTY, _MASK)), None)
            found = {hdu.name: _native(hdu.data) for hdu in images.values() if hdu.name in (_UNCERTAINTY, _MASK)}
    except (OSError, TypeError, ValueError) as error:  # a file that was cut off raises any of them
        msg = f"{path} cannot be read as FITS: {error}"
        raise ValueError(msg) from error
    if index is None:
        msg = f"There is no image in {path}."
        raise ValueError(msg)
    for name, extension in found.items():
        if extension.shape != images[index].shape:
            msg = f"{path}: the extension {name} has shape {extension.shape}, the image {images[index].shape}."
            raise ValueError(msg)
    mask = found.get(_MASK)
    return index, found.get(_UNCERTAINTY), None if mask is None else mask != 0


def _native(array):
    # Also a copy into memory, so that the file is not kept open
    return np.array(array, dtype=array.dtype.newbyteorder("="))


def _refuse_existing(path, *, overwrite):
    if path.exists() and not overwrite:
        msg = f"The file {path} exists already."
        raise FileExistsError(msg)


def _hdus(smap):
    header = smap.fits_header
    for key in _STORAGE_KEYS:
        header.remove(key, ignore_missing=True)
    hdus = fits.HDUList([fits.PrimaryHDU(_computed(smap.data), header)])
    std = _standard_deviation(smap)
    if std is None and smap.mask is None:
        return hdus
    # With their coordinates the extensions are images that other programs, and sunpy, can place
    coordinates = smap.wcs.to_header(relax=True)
    if std is not None:
        extension = fits.ImageHDU(std, coordinates, name=_UNCERTAINTY)
        extension.header["BUNIT"] = (header.get("BUNIT", ""), "unit of the standard deviation")
        hdus.append(extension)
    if smap.mask is not None:
        mask = np.broadcast_to(_computed(smap.mask), smap.data.shape).astype(np.uint8)
        extension = fits.ImageHDU(mask, coordinates, name=_MASK)
        extension.header.add_comment("1 where the map is masked.")
        hdus.append(extension)
    return hdus


def _computed(array):
    return array.compute() if hasattr(array, "compute") else array


def _standard_deviation(smap):
    if smap.uncertainty is None:
        return None
    try:
        uncertainty = smap.uncertainty.represent_as(StdDevUncertainty)
    except (TypeError, ValueError) as error:
        warn_user(f"The uncertainty of the map is not written: {error}", stacklevel=3)
        return None
    values = uncertainty.array
    if uncertainty.unit is not None and smap.unit is not None:
        values = values * uncertainty.unit.to(smap.unit)
    return np.asarray(values, dtype=np.float32)
