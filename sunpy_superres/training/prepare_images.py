"""
From display-scaled images, or calibrated FITS files, to the images that a generator is trained on.
"""

import csv
from pathlib import Path

import numpy as np

from sunpy_superres.flare_classes import FLARE_CLASSES, parse_flare_class
from sunpy_superres.metrics.corona import LIMB_171, fit_limb
from sunpy_superres.training.images import ImageRecord, write_images
from sunpy_superres.transfer import rates_to_image

__all__ = ["prepare_images"]

#: Pixels along each axis of prepared FITS images, unless told.
_SIZE = 128


def _class_and_flux(row):
    """
    Label and logarithm of the flux of a row: the flux that gave the class, not that of the very moment.
    """
    label = FLARE_CLASSES.index(row["goes_class"])
    for column in ("xrs_class_max_30min", "xrs_class_now"):
        try:
            found = parse_flare_class(row.get(column) or "")
        except ValueError:
            continue
        if found.label == label:
            return label, found.log_flux
    return label, float(np.log10(float(row["xrs_flux_w_m2"])))


def _rows(path, split):
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or "goes_class" not in rows[0]:
        msg = f"{path} has no column goes_class."
        raise ValueError(msg)
    return [r for r in rows if r["goes_class"] in tuple(FLARE_CLASSES) and split in (None, r.get("split"))]


def _display_images(path, split):
    """
    Rows and images, the first row in the south, of an archive ``NAME.npz`` with its ``NAME.csv``.
    """
    rows = _rows(path.with_suffix(".csv"), split)
    with np.load(path, allow_pickle=False) as archive:
        images = archive["images"]
    return rows, images[[int(row["index"]) for row in rows]][:, ::-1]


def _disks(images, rows):
    """
    Centers by a fit to each limb; radii by one plate scale for all, with the Sun's distance at each time.
    """
    from sunpy.coordinates.sun import angular_radius  # NOQA: PLC0415

    limbs = [fit_limb(image) for image in images]
    angular = np.array([angular_radius(row["datetime"]).to_value("arcsec") for row in rows])
    scale = np.median(angular * LIMB_171 / [limb.radius for limb in limbs])
    # Where half the limb is active the fit may be off; the frames are not, by more than a pixel.
    centers = np.array([[limb.x, limb.y] for limb in limbs])
    middle = np.median(centers, axis=0)
    centers = np.where(np.abs(centers - middle) < 1, centers, middle)
    return np.column_stack([centers, angular / scale]), float(scale)


def _rate_image(path, size):
    """
    A calibrated image in DN/s, averaged to so many pixels, and its disk.
    """
    import astropy.units as u  # NOQA: PLC0415

    from sunpy_superres.maps import read_map  # NOQA: PLC0415

    found = read_map(path)
    if not np.allclose(found.rotation_matrix, np.eye(2), atol=0.01):
        msg = f"{path} is not of level 1.5: north is not up. Use aiapy.calibrate.register first."
        raise ValueError(msg)
    # The unit of a calibrated image is DN, where its header says anything at all.
    unit = u.DN if found.unit is None else found.unit
    if unit not in (u.DN, u.DN / u.s):
        msg = f"{path} is in {unit}, not in DN or DN/s."
        raise ValueError(msg)
    rate = found.data / (found.exposure_time.to_value(u.s) if unit == u.DN else 1.0)
    factor = rate.shape[0] // size
    rate = _averaged(np.nan_to_num(rate)[None], size, path)[0]
    center = found.wcs.wcs.crpix - 1 - found.wcs.wcs.crval / found.wcs.wcs.cdelt
    radius = (found.rsun_obs / found.scale[0]).to_value(u.pix)
    return rate, [*((float(v) + 0.5) / factor - 0.5 for v in center), float(radius) / factor]


def _averaged(images, size, path):
    """
    Images averaged to so many pixels along each axis.
    """
    n, rows, columns = images.shape
    if rows != columns or rows % size:
        msg = f"{path} has {columns} x {rows} pixels, not a multiple of {size} on each side."
        raise ValueError(msg)
    return images.reshape(n, size, rows // size, size, columns // size).mean((2, 4))


def prepare_images(source, target, *, split=None, size=None, progress=None):
    """
    Read whole images and their flare classes into training arrays.

    Parameters
    ----------
    source : path-like
        An archive ``NAME.npz`` with display-scaled images (``images``, unsigned 8 bit, shape (n, y, x), the first row
        in the north) beside a ``NAME.csv`` with a row for each, or a ``NAME.csv`` alone with a column ``file``:
        calibrated FITS images in DN or DN/s, relative to the folder of the table. Columns: ``datetime``,
        ``goes_class``, ``xrs_flux_w_m2``, and if there are any ``split``, ``index``, ``xrs_class_max_30min``,
        ``xrs_class_now``.
    target : path-like
        Folder for ``pixels.npy`` and ``index.json``; made if it is not there.
    split : `str`, optional
        Only rows with this value of ``split``.
    size : `int`, optional
        Pixels along each axis that images are averaged to; unless told those of an archive, and 128 of FITS images,
        which become 5 to 3500 DN/s in logarithmic scaling.
    progress : callable, optional
        Called with lines of text.

    Returns
    -------
    `list` of `~sunpy_superres.training.images.ImageRecord`

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If no row is left, or a file is not what it has to be.
    """
    source = Path(source)
    if source.suffix == ".npz":
        rows, images = _display_images(source, split)
        if size is not None and images.shape[1:] != (size, size):
            images = np.rint(_averaged(images, size, source)).astype(np.uint8)
        scaling, names = "display", [f"{source.stem}[{row['index']}]" for row in rows]
    else:
        rows = _rows(source, split)
        found = [_rate_image(source.parent / row["file"], size or _SIZE) for row in rows]
        images = np.array(
            [np.rint(rates_to_image(rate) * np.iinfo(np.uint16).max) for rate, _ in found], dtype=np.uint16
        )
        scaling, names = "log", [row["file"] for row in rows]
    if not rows:
        msg = f"{source} has no image with a flare class" + (f" in the split {split!r}." if split else ".")
        raise ValueError(msg)
    if scaling == "display":
        disks, scale = _disks(images, rows)
        if progress is not None:
            progress(f"{len(rows)} images, {scale:.2f} arcsec per pixel")
    else:
        disks = np.array([disk for _, disk in found])
    records = [
        ImageRecord(name, row["datetime"], *_class_and_flux(row), [round(float(v), 3) for v in disk])
        for name, row, disk in zip(names, rows, disks, strict=True)
    ]
    write_images(target, images, records, scaling)
    return records
