"""
From FITS magnetograms to the arrays that training reads.

One array of pixels and one index, so that a machine with nothing but torch can train.
"""

from functools import partial
from pathlib import Path

import numpy as np

from sunpy_superres.instruments import HMI_SCALE, SOLAR_RADIUS
from sunpy_superres.training.arrays import appending, remove_arrays
from sunpy_superres.training.fields import Kind, Refused, Tally, read_field
from sunpy_superres.training.parallel import default_workers, in_order
from sunpy_superres.training.patches import SIMULATION, STEPS, Record
from sunpy_superres.training.simulation import observe
from sunpy_superres.training.split import split_folder

__all__ = ["prepare", "prepare_split", "to_steps"]

# Fractions of the disk's radius at which copies are made: a patch near disk center, seen toward the limb.
_FORESHORTENED = (0.55, 0.75, 0.9)


def to_steps(field, quantity="magnetogram"):
    """
    A field as stored integers; what is beyond their range is clipped.
    """
    limit = np.iinfo(np.int16).max
    return np.clip(np.rint(field / STEPS[quantity]), -limit, limit).astype(np.int16)


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


def prepare(
    source,
    target,
    *,
    quantity="magnetogram",
    simulations=(),
    exclude=(),
    limbward=True,
    bad_quality=None,
    max_missing=0.05,
    workers=1,
    progress=None,
):
    """
    Read a folder of HMI line-of-sight magnetograms, or continuum images, into training arrays.

    Parameters
    ----------
    source : path-like
        Folder of FITS files, of the full disk or of parts of it. What is not a line-of-sight magnetogram, or a
        continuum image, of HMI at 0.9 to 1.1 times 0.504 arcsec per pixel, or is damaged, is skipped and reported.
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
    bad_quality : `int`, optional
        Bits of QUALITY with which a file is skipped; 0 for none. Defaults to those that mean bad or missing data, see
        `~sunpy_superres.training.quality.flaw`.
    max_missing : `float`, optional
        Largest fraction of the pixels on the disk that may be unknown (NaN). Defaults to 0.05.
    workers : `int` or None, optional
        Processes that read files, by Dask; `None` for as many as are worth it. The result is the same, to the bit. A
        script that asks for more than one needs ``if __name__ == "__main__":``. Defaults to 1.
    progress : callable, optional
        Called with a line of text for each file that is skipped, and with a last one that counts them.

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
    Whole disks, and other fields of more than 512 pixels along a side of which one plane does not describe the
    distance from disk center to 0.1 radii, or of which more than a tenth is off the disk or unknown, are cut into
    tiles of at most 512 pixels (``NAME[0]``, ``NAME[1]``, ...), each with its own plane. Tiles of which more than a
    tenth is off the disk or unknown are left out.

    Pixels are taken as they are. Their orientation does not matter (CROTA2 is near 180 in files of the whole detector),
    since patches are flipped and transposed in training; nor does a scale that is a little off with the distance of the
    Sun, since the low-resolution images are made of these very pixels. Pairs of two instruments are turned and
    brought to 1 au (`~sunpy_superres.training.prepare_pairs.prepare_pairs`).

    The copies nearer the limb, compressed along one axis and with the line of sight turned, cover the disk
    beyond the places where active regions were cut out. What is as near the limb already has none.

    Pixels go to their file as they come: besides what a process needs to read one file, no more than two fields for
    each process are in memory.
    """
    if quantity not in STEPS:
        msg = f"quantity must be one of {', '.join(STEPS)}, not {quantity!r}."
        raise ValueError(msg)
    if simulations and quantity != "continuum":
        msg = "Simulations are of the continuum: give quantity='continuum'."
        raise ValueError(msg)
    source = Path(source)
    paths = sorted(path for path in source.iterdir() if ".fits" in path.suffixes and path.is_file())
    if not paths:
        msg = f"There is no FITS file in {source}."
        raise FileNotFoundError(msg)
    tally = Tally(progress)
    chosen = []
    for path in paths:
        if parts := [part for part in exclude if part in path.name]:
            tally.skip(path.name, Refused(Kind.EXCLUDED, f"excluded, its name has {parts[0]!r}"))
        else:
            chosen.append(path)
    records = []
    workers = default_workers(chosen) if workers is None else workers
    read = partial(read_field, quantity=quantity, bad_quality=bad_quality, max_missing=max_missing)
    with appending(target) as writer:

        def store(field, plane, name, region, time=None):
            pixels = to_steps(field, quantity)
            records.append(Record(name, region, writer.append(pixels), pixels.shape, plane, quantity, time))

        for path, found in zip(chosen, in_order(read, chosen, workers=workers), strict=True):
            if isinstance(found, Refused):
                tally.skip(path.name, found)
                continue
            for number, (field, plane) in enumerate(found.parts):
                # JSOC names: series.HARP.time.segment; frames of one region are not independent.
                name = path.name if len(found.parts) == 1 else f"{path.name}[{number}]"
                about = name, ".".join(path.name.split(".")[:3]), found.time
                store(field, plane, *about)
                count = tally.used + number
                radius, axis = _FORESHORTENED[count % len(_FORESHORTENED)], count % 2
                seen = _foreshorten(field, plane, radius, axis, turn=quantity == "magnetogram") if limbward else None
                if seen:
                    store(*seen, *about)
            tally.used += 1
        for path, pixel in simulations:
            store(observe(np.load(path, allow_pickle=False), pixel), [0.0] * 3, Path(path).name, SIMULATION)
        if not records:
            what = "line-of-sight magnetogram" if quantity == "magnetogram" else "continuum image"
            msg = f"No file in {source} is an HMI {what} that can be used: {tally}."
            raise ValueError(msg)
        writer.index = [record.as_dict() for record in records]
    tally.finish()
    return records


def prepare_split(source, target, *, validation=0.15, test=0.0, block="month", gap=24.0, progress=None, **options):
    """
    Prepare a folder of HMI magnetograms and split it in time: folders ``train``, ``validation`` and ``test``.

    Parameters
    ----------
    source : path-like
        As for `prepare`.
    target : path-like
        The folder that the others are made in.
    validation, test, block, gap
        As for `~sunpy_superres.training.split.split_by_time`.
    progress : callable, optional
        Called with lines of text.
    **options
        Of `prepare`.

    Returns
    -------
    `dict`
        Number of fields by the name of the folder.

    Raises
    ------
    FileNotFoundError
        If the folder holds no FITS file.
    ValueError
        If none of its files can be used, or they cannot be split.

    Notes
    -----
    Arrays of an earlier run in a folder that is not made now are removed, see
    `~sunpy_superres.training.split.split_folder`.
    """
    target = Path(target)
    made = not target.exists()
    whole = target / ".whole"
    try:
        prepare(source, whole, progress=progress, **options)
        return split_folder(whole, target, validation=validation, test=test, block=block, gap=gap, progress=progress)
    finally:
        remove_arrays(whole)
        if made and target.exists() and not any(target.iterdir()):
            target.rmdir()
