"""
From FITS magnetograms to the arrays that training reads.

One array of pixels and one index, so that a machine with nothing but torch can train.
"""

import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from sunpy_superres.instruments import HMI_SCALE, INSTRUMENTS, SOLAR_RADIUS
from sunpy_superres.training.arrays import write_arrays
from sunpy_superres.training.patches import SIMULATION, STEPS, Record
from sunpy_superres.training.simulation import observe

__all__ = ["prepare"]

# Fractions of the disk's radius at which copies are made: a patch near disk center, seen toward the limb.
_FORESHORTENED = (0.55, 0.75, 0.9)


def _radius_plane(radius):
    """
    Plane (value at the middle, slope in y, slope in x) that fits a radius channel.
    """
    ny, nx = radius.shape
    y, x = np.mgrid[:ny, :nx].reshape(2, -1)
    design = np.stack([np.ones(y.size), y - (ny - 1) / 2, x - (nx - 1) / 2], axis=1)
    return [float(v) for v in np.linalg.lstsq(design, radius.ravel(), rcond=None)[0]]


def _foreshorten(field, plane, radius, axis, *, turn):
    """
    The patch as seen at another distance from disk center: compressed along an axis and, if it is a field, the line of
    sight turned.
    """
    import torch  # NOQA: PLC0415
    from torch.nn.functional import interpolate  # NOQA: PLC0415

    here, there = np.sqrt(max(1 - plane[0] ** 2, 0.05)), np.sqrt(1 - radius**2)
    if there >= here:
        return None
    shape = list(field.shape)
    shape[axis] = round(shape[axis] * there / here)
    seen = interpolate(torch.from_numpy(field)[None, None], size=shape, mode="bilinear", antialias=True)
    # Along the compressed axis the distance from disk center changes by one pixel of the plate per pixel.
    slope = [0.0, 0.0]
    slope[axis] = HMI_SCALE / SOLAR_RADIUS
    return seen[0, 0].numpy() * np.float32(there / here if turn else 1), [radius, *slope]


def _read(path, quantity):
    """
    Field in HMI gauss, or continuum in units of the quiet Sun, with 0 where it is not known, and its radius plane; or
    `None` and why not.
    """
    from astropy.io import fits  # NOQA: PLC0415

    from sunpy_superres import maps, observations  # NOQA: PLC0415

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            observation = observations.read(maps.read_map(path))
    except (OSError, ValueError, TypeError, KeyError, fits.VerifyError) as error:
        return None, str(error).splitlines()[0]
    # astropy only warns of it, and what is missing would be trained on as zeros.
    if truncated := [str(warning.message) for warning in caught if "truncated" in str(warning.message)]:
        return None, truncated[0]
    wanted = INSTRUMENTS["hmi" if quantity == "magnetogram" else "hmi-continuum"]
    if observation.instrument != wanted:
        return None, f"of {observation.instrument.title}, not of {wanted.title}"
    if not 0.9 < observation.scale / HMI_SCALE < 1.1:
        return None, f"{observation.scale:.2f} arcsec per pixel, not about 0.5"
    return (observation.calibrated, _radius_plane(observation.radius)), None


def prepare(source, target, *, quantity="magnetogram", simulations=(), exclude=(), limbward=True, progress=None):
    """
    Read a folder of HMI line-of-sight magnetograms, or continuum images, into training arrays.

    Parameters
    ----------
    source : path-like
        Folder of FITS files. What is not a line-of-sight magnetogram, or a continuum image, of HMI at about 0.5 arcsec
        per pixel is skipped and reported.
    target : path-like
        Folder for ``pixels.npy`` and ``index.json``; made if it is not there.
    quantity : {"magnetogram", "continuum"}, optional
        What is read. Continuum images are stored in units of the quiet Sun.
    simulations : iterable of `tuple`, optional
        Simulated continuum images besides: path of a ``.npy`` file, and its pixel in arcsec. They are seen as a
        telescope of 28 cm would, at half the pixels of HMI (`~sunpy_superres.training.simulation.observe`).
    exclude : iterable of `str`, optional
        Parts of file names to leave out, such as the regions kept for validation.
    limbward : `bool`, optional
        Also store each field as it would be seen nearer the limb.
    progress : callable, optional
        Called with a line of text for each file that is skipped.

    Returns
    -------
    `list` of `~sunpy_superres.training.patches.Record`

    Raises
    ------
    FileNotFoundError
        If the folder holds no FITS file.
    ValueError
        If none of its files can be used, or there is a simulation and the quantity is not the continuum.

    Notes
    -----
    The copies nearer the limb, compressed along one axis and with the line of sight turned, cover the disk
    beyond the places where active regions were cut out.
    """
    if quantity not in STEPS:
        msg = f"quantity must be one of {', '.join(STEPS)}, not {quantity!r}."
        raise ValueError(msg)
    if simulations and quantity != "continuum":
        msg = "Simulations are of the continuum: give quantity='continuum'."
        raise ValueError(msg)
    source, target = Path(source), Path(target)
    paths = sorted(path for path in source.iterdir() if ".fits" in path.suffixes)
    if not paths:
        msg = f"There is no FITS file in {source}."
        raise FileNotFoundError(msg)
    pieces, records, offset = [], [], 0

    def store(field, plane, path, region):
        nonlocal offset
        limit = np.iinfo(np.int16).max
        pixels = np.clip(np.rint(field / STEPS[quantity]), -limit, limit).astype(np.int16)
        pieces.append(pixels.ravel())
        records.append(Record(path.name, region, offset, pixels.shape, plane, quantity))
        offset += pixels.size

    skipped = Counter()
    used = 0
    for path in paths:
        found, why = (None, "excluded") if any(part in path.name for part in exclude) else _read(path, quantity)
        if found is None:
            skipped[why] += 1
            if progress is not None:
                progress(f"skipped {path.name}: {why}")
            continue
        field, plane = found
        # JSOC names: series.HARP.time.segment; frames of one region are not independent.
        region = ".".join(path.name.split(".")[:3])
        store(field, plane, path, region)
        radius = _FORESHORTENED[used % len(_FORESHORTENED)]
        if limbward and (seen := _foreshorten(field, plane, radius, used % 2, turn=quantity == "magnetogram")):
            store(*seen, path, region)
        used += 1
    for path, pixel in simulations:
        store(observe(np.load(path, allow_pickle=False), pixel), [0.0, 0.0, 0.0], Path(path), SIMULATION)
    if not records:
        what = "line-of-sight magnetogram" if quantity == "magnetogram" else "continuum image"
        msg = f"No file in {source} is an HMI {what}; the first reasons: {dict(skipped)}."
        raise ValueError(msg)
    write_arrays(target, np.concatenate(pieces), [record.as_dict() for record in records])
    return records
