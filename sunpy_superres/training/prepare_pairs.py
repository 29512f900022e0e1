"""
From real pairs, MDI or GONG and HMI, to the arrays that fine-tuning reads.
"""

import re
from collections import Counter, namedtuple
from functools import partial
from pathlib import Path

from sunpy_superres.instruments import get_instrument
from sunpy_superres.training.arrays import appending
from sunpy_superres.training.fields import Kind, Refused, Tally
from sunpy_superres.training.manifest import MANIFEST, read_table
from sunpy_superres.training.pairs import Settings, read_pair
from sunpy_superres.training.parallel import default_workers, in_order
from sunpy_superres.training.patches import Record
from sunpy_superres.training.prepare import to_steps
from sunpy_superres.training.quality import flaw

__all__ = ["find_pairs", "prepare_pairs"]

# As in 20110402_204800_hmi.fits, for files whose headers tell nothing.
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)")

#: Paths of the two files, the active region if it is known, and a time that counts where the headers have none.
_Found = namedtuple("_Found", ["source", "target", "region", "time"])


def prepare_pairs(
    source,
    target,
    *,
    instrument="mdi",
    factor=4,
    size=512,
    min_correlation=0.6,
    max_shift=4.0,
    precision=0.5,
    max_minutes=60.0,
    bad_quality=None,
    workers=1,
    progress=None,
):
    """
    Read a folder of pairs of magnetograms into training arrays: what HMI saw, and what the other instrument saw of it.

    Parameters
    ----------
    source : path-like
        Folder with a table ``manifest.csv`` (columns ``source_file`` and ``target_file``, relative to the folder; if
        there are, ``region``, ``target_time``, ``source_quality`` and ``target_quality``), or with files
        ``NAME_INSTRUMENT.fits`` and ``NAME_hmi.fits``. Files without any coordinates are both on the grid of HMI, the
        instrument's interpolated onto it.
    target : path-like
        Folder for ``pixels.npy`` and ``index.json``; made if it is not there.
    instrument : {"mdi", "gong"}, optional
        The one of low resolution.
    factor : `int`, optional
        Pixels of HMI per pixel of what the instrument saw. Defaults to 4.
    size : `int`, optional
        Most pixels of HMI along a side of a patch; larger images become several. Defaults to 512.
    min_correlation : `float`, optional
        Least correlation of a patch with HMI as the instrument would see it. Defaults to 0.6.
    max_shift : `float`, optional
        Most pixels of HMI that a patch may be off, after the shift of the whole image. Defaults to 4.
    precision : `float`, optional
        Of the shifts, in pixels of HMI. Defaults to 0.5.
    max_minutes : `float`, optional
        Longest time between the two. Defaults to 60.
    bad_quality : `int`, optional
        As for `~sunpy_superres.training.prepare.prepare`, for HMI.
    workers : `int` or None, optional
        As for `~sunpy_superres.training.prepare.prepare`.
    progress : callable, optional
        Called with a line of text for each pair that is skipped, and with last ones that count pairs and patches.

    Returns
    -------
    `list` of `~sunpy_superres.training.patches.Record`
        One for each patch; ``seen`` is the place of the field of the instrument, which has one pixel for each block of
        the truth, and ``factor`` and ``instrument`` are kept beside it.

    Raises
    ------
    FileNotFoundError
        If there are no pairs, or one of the named files has no partner.
    ValueError
        If an option or the table is not what it has to be, or no patch can be used.

    Notes
    -----
    The three steps of [1]_: what the instrument saw is turned north up and brought to ``factor`` times 0.504273 arcsec
    per pixel at 1 au; HMI is interpolated once, from its own pixels onto a grid ``factor`` times finer than that, with
    its own place of observation and the Sun's rotation in between; and that grid is shifted, first for the whole image
    and then for each patch, to where the correlation is best.

    It is the truth that is moved: it has the finer pixels, four of which are in each of the other's along a side, and
    the better ratio of signal to noise, and it has to be interpolated anyway; the noise of what was seen stays as it
    is in the images that a network is given later.

    Where one of the two is not known, and off the disk, both are 0.

    References
    ----------
    .. [1] Muñoz-Jaramillo et al. 2024, ApJS 271, 46, `doi:10.3847/1538-4365/ad12c2
       <https://doi.org/10.3847/1538-4365/ad12c2>`__

    Examples
    --------
    >>> from sunpy_superres.training.prepare_pairs import prepare_pairs
    >>> records = prepare_pairs("pairs", "arrays", instrument="mdi")  # doctest: +SKIP
    """
    source = Path(source)
    if get_instrument(instrument).name not in ("mdi", "gong"):
        msg = f"instrument must be 'mdi' or 'gong', not {instrument!r}."
        raise ValueError(msg)
    if factor < 1 or size < 16 * factor or not precision > 0:
        msg = f"factor={factor}, size={size}, precision={precision}: size must be at least 16 pixels of the instrument."
        raise ValueError(msg)
    settings = Settings(
        get_instrument(instrument).name, factor, size, min_correlation, max_shift, precision, max_minutes, bad_quality
    )
    tally, dropped, records = Tally(progress), Counter(), []
    found = find_pairs(source, settings, tally)
    paths = [(pair.source, pair.target) for pair in found]
    if workers is None:
        workers = default_workers([path for pair in paths for path in pair])
    read = in_order(partial(read_pair, settings=settings), paths, workers=workers, unit="pair")
    with appending(target) as writer:
        for (_, hmi, region, named), pair in zip(found, read, strict=True):
            if not isinstance(pair, Refused):
                dropped += pair.dropped
                if not pair.patches:
                    reasons = ", ".join(f"{n} {why}" for why, n in pair.dropped.items()) or "off the disk"
                    pair = Refused(Kind.NO_PATCH, f"no patch of it can be used: {reasons}")
            if isinstance(pair, Refused):
                tally.skip(hmi.name, pair)
                continue
            for number, patch in enumerate(pair.patches):
                truth, seen = (writer.append(to_steps(part)) for part in (patch.truth, patch.seen))
                name = hmi.name if len(pair.patches) == 1 else f"{hmi.name}[{number}]"
                time = pair.time or named
                # Of one day the whole disk is one region, if nothing better is known.
                where = region or (time[:10] if time else hmi.stem)
                more = {"time": time, "seen": seen, "factor": factor, "instrument": settings.instrument}
                records.append(Record(name, where, truth, patch.truth.shape, patch.plane, **more))
            tally.used += 1
        if not records:
            msg = f"No pair in {source} can be used: {tally}."
            raise ValueError(msg)
        writer.index = [record.as_dict() for record in records]
    tally.finish()
    if progress is not None:
        kinds = ", ".join(f"{n} {kind}" for kind, n in dropped.most_common())
        progress(f"{len(records)} patches, {dropped.total()} dropped" + (f": {kinds}" if kinds else ""))
    return records


def find_pairs(folder, settings, tally):
    """
    The pairs of a folder.

    Parameters
    ----------
    folder : `pathlib.Path`
        As for `prepare_pairs`.
    settings : `~sunpy_superres.training.pairs.Settings`
        Whose they are, and what QUALITY is bad.
    tally : `~sunpy_superres.training.fields.Tally`
        Counts what the table names and cannot be used.

    Returns
    -------
    `list`
        Each with the paths ``source`` and ``target``, the ``region`` and the ``time`` as far as they are known.

    Raises
    ------
    FileNotFoundError
        If there are no pairs, or one of the named files has no partner.
    ValueError
        If the table is not what it has to be.
    """
    table = folder / MANIFEST
    return _from_manifest(table, settings, tally) if table.exists() else _by_name(folder, settings.instrument)


def _from_manifest(path, settings, tally):
    """
    Pairs of a table whose files are there and of good quality; the others are skipped.
    """
    rows = read_table(path)
    if not rows or not {"source_file", "target_file"} <= rows[0].keys():
        msg = f"{path} has no row, or not the columns source_file and target_file."
        raise ValueError(msg)
    roles = {"source": (settings.instrument, None), "target": ("hmi", settings.bad_quality)}
    found = []
    for number, row in enumerate(rows, 2):
        files = [path.parent / (row[f"{role}_file"] or "") for role in roles]
        try:
            for role, (instrument, bad) in roles.items():
                if why := flaw(row.get(f"{role}_quality"), instrument=instrument, bad=bad):
                    raise Refused(Kind.BAD, why)
            if missing := [str(file) for file in files if not file.is_file()]:
                raise Refused(Kind.NOT_FETCHED, f"there is no file {missing[0]}")
        except Refused as refused:
            tally.skip(row["target_file"] or f"line {number} of {path.name}", refused)
            continue
        time = (row.get("target_time") or "").removesuffix("Z")[:19] or None
        found.append(_Found(*files, row.get("region") or None, time))
    return found


def _by_name(folder, instrument):
    """
    Pairs of files, and the name of each as its region.
    """
    end = f"_{instrument}.fits"
    found = []
    for path in sorted(folder.glob(f"*{end}")):
        name = path.name.removesuffix(end)
        hmi = folder / f"{name}_hmi.fits"
        if not hmi.is_file():
            raise FileNotFoundError(2, f"there is no such file, which {path.name} would be paired with", str(hmi))
        when = _TIME.search(name)
        found.append(_Found(path, hmi, name, "{}-{}-{}T{}:{}:{}".format(*when.groups()) if when else None))
    if not found:
        msg = f"No pairs in {folder}: neither {MANIFEST} nor files *{end} and *_hmi.fits."
        raise FileNotFoundError(msg)
    return found
