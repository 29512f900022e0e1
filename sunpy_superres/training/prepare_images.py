"""
From display-scaled images, or calibrated FITS files, to the images that a generator is trained on.
"""

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from sunpy_superres.flare_classes import FLARE_CLASSES, class_of_flux, parse_flare_class
from sunpy_superres.metrics.corona import LIMB_171, fit_limb
from sunpy_superres.training.images import ImageRecord, write_images
from sunpy_superres.training.manifest import read_table
from sunpy_superres.transfer import FROM_RATES

__all__ = ["prepare_images"]

#: Pixels along each axis of prepared FITS images, unless told.
_SIZE = 128
#: How images are stored, by their scaling.
_STORED = {"display": np.uint8, "log": np.uint16}


def _class_and_flux(row, path):
    """
    Label and logarithm of the flux of a row: the flux that gave the class, not that of the very moment.
    """
    try:
        label = parse_flare_class(row["goes_class"]).label
        for column in ("goes_class", "xrs_class_max_30min", "xrs_class_now"):
            with suppress(ValueError):
                found = parse_flare_class(row.get(column) or "")
                if found.label == label and found.flux is not None:
                    return label, found.log_flux
        found = class_of_flux(row["xrs_flux_w_m2"])
        if found.label != label:
            msg = f"the flux is that of {found}"
            raise ValueError(msg)
        return label, found.log_flux
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{path}: the row of {row.get('datetime')} has no usable flare class or X-ray flux ({error})."
        raise ValueError(msg) from error


def _rows(path, column, split):
    """
    The rows of a table that have a flare class and are of the split, and their classes and fluxes.
    """
    rows = read_table(path)
    if missing := sorted({"datetime", "goes_class", column} - set(rows[0] if rows else ())):
        msg = f"{path} has no column {missing[0]}, or no row."
        raise ValueError(msg)
    if split == "train" and "split" not in rows[0]:
        split = None  # a table that is not split is one to train on
    rows = [row for row in rows if row["goes_class"] and split in (None, row.get("split"))]
    for row in rows:
        try:
            datetime.fromisoformat(row["datetime"])
        except (ValueError, TypeError) as error:
            msg = f"{path}: {row['datetime']!r} in the column datetime is not a time such as 2012-01-01T00:00:00."
            raise ValueError(msg) from error
        if not row[column]:
            msg = f"{path}: the row of {row['datetime']} has nothing in the column {column}."
            raise ValueError(msg)
    if not rows:
        msg = f"{path} has no image with a flare class" + (f" in the split {split!r}." if split else ".")
        raise ValueError(msg)
    return rows, [_class_and_flux(row, path) for row in rows]


def _archived(path, rows):
    """
    Images of an archive ``NAME.npz``, the first row in the south.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            images = archive["images"]
    except (KeyError, ValueError, BadZipFile, EOFError) as error:
        msg = f"{path} is damaged, or holds no array 'images': {error}"
        raise ValueError(msg) from error
    if images.dtype != np.uint8 or images.ndim != 3:
        msg = f"The images of {path} must be unsigned 8 bit, shape (n, y, x), not {images.dtype}, {images.shape}."
        raise ValueError(msg)
    try:
        chosen = [int(row["index"]) for row in rows]
        if min(chosen) < 0:
            msg = f"index {min(chosen)} is negative"
            raise ValueError(msg)
        return images[chosen][:, ::-1]
    except (ValueError, IndexError) as error:
        msg = f"The column index of {path.with_suffix('.csv')} does not fit the {len(images)} images: {error}."
        raise ValueError(msg) from error


def _display_images(path, rows, size, progress):
    """
    Name, image and disk of each row of an archive.
    """
    images = _archived(path, rows)
    # The limb is fitted in the images as they are: in smaller ones it is too blurred for the same measure.
    disks, scale = _disks(images, rows)
    factor = images.shape[1] // (size or images.shape[1])
    if size is not None and images.shape[1:] != (size, size):
        images = np.rint(_averaged(images, size, path)).astype(np.uint8)
    if progress is not None:
        progress(f"{len(rows)} images, {scale * factor:.2f} arcsec per pixel")
    names = [f"{path.stem}[{row['index']}]" for row in rows]
    return list(zip(names, images, [_shrunk(disk, factor) for disk in disks], strict=True))


def _calibrated_images(path, rows, size, progress, *, scaling, scale=None, correction_table=None):
    """
    Names, images and disks of FITS files; `None` for the files that cannot be used.
    """
    from sunpy_superres.training.calibrated import read_rates  # NOQA: PLC0415
    from sunpy_superres.training.fields import Kind, Refused, Tally  # NOQA: PLC0415

    folder = path if path.is_dir() else path.parent
    size, kind, tally = size or _SIZE, _STORED[scaling], Tally(progress)
    found, first = [], None
    for row in rows:
        try:
            rates, disk = read_rates(folder / row["file"], scale=scale, correction_table=correction_table)
            rates, disk = _averaged_or_cut(rates, disk, size, row["file"], scale)
        except ValueError as error:
            tally.skip(row["file"], error if isinstance(error, Refused) else Refused(Kind.OTHER, error))
            first = first or error
            found.append(None)
            continue
        tally.used += 1
        found.append((row["file"], np.rint(FROM_RATES[scaling](rates) * np.iinfo(kind).max).astype(kind), disk))
    tally.finish()
    if not tally.used:
        msg = f"No image of {path} can be used; the first: {first}"
        raise ValueError(msg)
    return found


def _averaged_or_cut(rates, disk, size, name, scale):
    """
    An image of so many pixels along each axis: blocks are averaged or, if its scale is right, it is cut.
    """
    if scale is None:
        coarse = _averaged(rates[None], size, name)[0]
        return coarse, _shrunk(disk, len(rates) // size)
    left, bottom = (round(place - (size - 1) / 2) for place in disk[:2])
    cut = np.zeros((size, size), rates.dtype)
    rows, columns = (slice(max(0, first), first + size) for first in (bottom, left))
    inside = rates[rows, columns]
    cut[max(0, -bottom) :, max(0, -left) :][: inside.shape[0], : inside.shape[1]] = inside
    return cut, [disk[0] - left, disk[1] - bottom, disk[2]]


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


def _averaged(images, size, path):
    """
    Images averaged to so many pixels along each axis.
    """
    n, rows, columns = images.shape
    if rows != columns or rows % size:
        msg = f"{path} has {columns} x {rows} pixels, not a multiple of {size} on each side."
        raise ValueError(msg)
    return images.reshape(n, size, rows // size, size, columns // size).mean((2, 4))


def _shrunk(disk, factor):
    """
    Where a disk is in pixels that are so many times as large.
    """
    x, y, radius = disk
    return [(x + 0.5) / factor - 0.5, (y + 0.5) / factor - 0.5, radius / factor]


def _unlabeled(folder):
    """
    Rows of the FITS files of a folder and those in it, of which no class is known.
    """
    from sunpy_superres.training.fields import Refused, observed_at, read_sound  # NOQA: PLC0415

    rows = []
    for path in sorted(path for path in folder.rglob("*") if ".fits" in path.suffixes and path.is_file()):
        try:
            time = observed_at(read_sound(path))
        except Refused:
            time = None  # and it will be said when it is read for good
        name = path.relative_to(folder).as_posix()
        rows.append({"file": name, "datetime": time or "1970-01-01T00:00:00"})
    if not rows:
        msg = f"There is no FITS file in {folder}."
        raise FileNotFoundError(msg)
    return rows, [(len(FLARE_CLASSES), float("nan"))] * len(rows)


def prepare_images(
    source, target, *, split=None, size=None, scaling=None, scale=None, correction_table=None, progress=None
):
    """
    Read whole images and their flare classes into training arrays.

    Parameters
    ----------
    source : path-like
        An archive ``NAME.npz`` with display-scaled images (``images``, unsigned 8 bit, shape (n, y, x), the first row
        in the north) beside a ``NAME.csv`` with a row for each, or a ``NAME.csv`` alone with a column ``file``:
        calibrated FITS images in DN or DN/s, relative to the folder of the table. Columns: ``datetime``,
        ``goes_class``, ``xrs_flux_w_m2``, and if there are any ``split``, ``index``, ``xrs_class_max_30min``,
        ``xrs_class_now``. Or a folder of such FITS images, in it or in folders of it, without a table: then no class
        is known, and a generator learns images without one. Files that cannot be used are skipped, each with a line,
        and counted.
    target : path-like
        Folder for ``pixels.npy`` and ``index.json``; made if it is not there.
    split : `str`, optional
        Only rows with this value of ``split``; of a table without such a column all are of ``"train"``.
    size : `int`, optional
        Pixels along each axis that images are averaged to; unless told those of an archive, and 128 of FITS images.
    scaling : {"log", "display"}, optional
        What FITS images become: 5 to 3500 DN/s in logarithmic scaling, or the display values of the archive, by the
        curve of `sunpy_superres.transfer`. Defaults to ``"log"``; archives are in display scaling.
    scale : `float`, optional
        Arcsec per pixel that FITS images are brought to, and cut to ``size`` around the disk, instead of the mean over
        blocks.
    correction_table : path-like, optional
        Of FITS images, the table of the degradation of AIA, as SolarSoft has it
        (``aia_V*_response_table.txt``); it takes aiapy, as images of level 1 do.
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
        If no row or image is left, the archive is not what it has to be, or there is a correction or a scaling for
        images that are not calibrated.
    RuntimeError
        If an image is of level 1, or to be corrected, and aiapy is not installed.
    """
    source = Path(source)
    archived = source.suffix == ".npz"
    if scaling not in (None, *FROM_RATES):
        msg = f"scaling must be one of {', '.join(FROM_RATES)}, not {scaling!r}."
        raise ValueError(msg)
    if source.is_dir():
        rows, classes = _unlabeled(source)
    else:
        table, column = (source.with_suffix(".csv"), "index") if archived else (source, "file")
        rows, classes = _rows(table, column, split)
    if archived:
        if correction_table is not None or scaling == "log":
            msg = "A correction of degradation is for FITS images, and so is a scaling: an archive is as it is."
            raise ValueError(msg)
        scaling, found = "display", _display_images(source, rows, size, progress)
    else:
        scaling = scaling or "log"
        options = {"scaling": scaling, "scale": scale, "correction_table": correction_table}
        found = _calibrated_images(source, rows, size, progress, **options)
    kept = [(*one, row, label) for one, row, label in zip(found, rows, classes, strict=True) if one is not None]
    records = [
        ImageRecord(name, row["datetime"], *label, [round(float(v), 3) for v in disk])
        for name, _, disk, row, label in kept
    ]
    write_images(target, np.array([image for _, image, *_ in kept]), records, scaling)
    return records
