"""
Training data from the archives: pairs of magnetograms of two instruments, and labeled images of the corona.

What was asked for is in ``manifest.csv``, written after every file. The same call again fetches what is missing, or is
not what it was, and nothing else; where nothing is, no archive is asked.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import astropy.units as u
from astropy.time import Time

from sunpy_superres.training.archives import SOURCES, TARGETS, aia
from sunpy_superres.training.downloads import fetch_files
from sunpy_superres.training.flare_labels import WINDOW, flare_list, label_images, light_curve
from sunpy_superres.training.manifest import IMAGES, Manifest, write_table
from sunpy_superres.training.matching import match_times
from sunpy_superres.training.split import IMAGE_GAP

__all__ = ["LABELS", "Acquired", "fetch_aia", "fetch_pairs", "find_email"]

#: Where flare classes come from.
LABELS = ("hek", "xrs", "both", "none")


@dataclass(frozen=True)
class Acquired:
    """
    What is in a folder now.

    Parameters
    ----------
    manifest : `pathlib.Path`
        Table of the pairs or images, a row each.
    complete : `int`
        Rows whose files are all there; it is all of them, or there was an error.
    left_out : `dict`
        Numbers of observations that are in no row, by the reason.
    images : `pathlib.Path` or `None`
        Table of labeled images.
    """

    manifest: Path
    complete: int
    left_out: dict
    images: Path | None = None


def find_email(email=None):
    """
    The e-mail address for JSOC: the one given, that of the environment variable ``JSOC_EMAIL``, or that of the
    configuration of sunpy (``email`` in a section ``[jsoc]`` of ``sunpyrc``, which sunpy itself does not use).

    Parameters
    ----------
    email : `str`, optional
        The address.

    Returns
    -------
    `str`

    Raises
    ------
    ValueError
        If there is none, or it cannot be one.
    """
    import sunpy  # NOQA: PLC0415

    configured = sunpy.config.get("jsoc", "email", fallback="")
    found = (email or os.environ.get("JSOC_EMAIL") or configured).strip()
    if not found:
        msg = (
            "JSOC wants an e-mail address that is registered with it "
            "(http://jsoc.stanford.edu/ajax/register_email.html): give email=, --email on the command line, or set "
            "JSOC_EMAIL, or put email = ... into a section [jsoc] of sunpyrc. Nothing was asked of the network."
        )
        raise ValueError(msg)
    name, _, host = found.partition("@")
    if not name or not host or "@" in host or len(found.split()) > 1:
        msg = f"{found!r} is no e-mail address; JSOC wants one that is registered with it."
        raise ValueError(msg)
    return found


def fetch_pairs(
    start,
    end,
    out,
    *,
    source="mdi",
    target="hmi",
    cadence=96 * u.min,
    tolerance=None,
    email=None,
    pause=1 * u.s,
    progress=None,
):
    """
    Fetch full-disk observations of two instruments at about the same times.

    Parameters
    ----------
    start, end : `str` or `~astropy.time.Time`
        Stretch of time (UTC).
    out : path-like
        Folder for ``manifest.csv`` and the files, which go into one folder for each instrument; made if it is not
        there.
    source : {"mdi", "gong"}, optional
        What has the lower resolution: the 96-minute magnetograms of MDI (``mdi.fd_M_96m_lev182``), or the averages of
        ten minutes of the sites of GONG.
    target : {"hmi", "hmi-45s", "hmi-continuum"}, optional
        What has the higher one: ``hmi.M_720s``, ``hmi.M_45s`` or ``hmi.Ic_720s``.
    cadence : `~astropy.units.Quantity`, optional
        About the time from one source to the next.
    tolerance : `~astropy.units.Quantity`, optional
        Largest difference in time of a pair; unless told half of the time from one target to the next, but not less
        than a minute.
    email : `str`, optional
        Registered with JSOC; unless told that of the environment variable ``JSOC_EMAIL``.
    pause : `~astropy.units.Quantity`, optional
        Time between two requests.
    progress : callable, optional
        Called with lines of text.

    Returns
    -------
    `Acquired`

    Raises
    ------
    ValueError
        If an option is not what it has to be, there is no e-mail address, nothing is found, no two observations are
        near enough to each other, or the folder is that of another query.
    ConnectionError
        If an archive does not answer, or files did not come; those that did are kept.

    Notes
    -----
    Each observation is in one pair at most (`~sunpy_superres.training.matching.match_times`); how many found no
    partner is in ``query.json``, as are those that JSOC says have no image. QUALITY is in the manifest.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_superres.training.acquire import fetch_pairs
    >>> fetch_pairs("2010-06-01", "2010-06-08", "pairs", email="me@example.org")  # doctest: +SKIP
    """
    start, end = _stretch(start, end)
    archives = {"source": _choose("source", source, SOURCES), "target": _choose("target", target, TARGETS)}
    _positive("cadence", cadence)
    _positive("pause", pause, least=0)
    tolerance = max(archives["target"].cadence / 2, 1 * u.min) if tolerance is None else tolerance
    _positive("tolerance", tolerance, least=0)
    query = {"fetched": "pairs", "start": start.isot, "end": end.isot, "source": source, "target": target}
    query |= {"cadence_s": float(cadence.to_value(u.s)), "tolerance_s": float(tolerance.to_value(u.s))}

    def search(manifest):
        # A target may lie just outside.
        low = archives["source"].search(start, end, cadence=cadence, pause=pause)
        _some(low[0], archives["source"], start, end)
        time.sleep(pause.to_value(u.s))
        high = archives["target"].search(start - tolerance, end + tolerance, cadence=None, pause=pause)
        _some(high[0], archives["target"], start, end)
        times = [Time([one.time for one in found]) for found, _ in (low, high)]
        pairs = match_times(*times, tolerance)
        if not pairs:
            msg = (
                f"None of {len(low[0])} observations of {source} and {len(high[0])} of {target} is within "
                f"{tolerance:g} of one of the other. Give a larger tolerance, or another time."
            )
            raise ValueError(msg)
        for i, j in pairs:
            difference = (times[1][j] - times[0][i]).to_value(u.s)
            manifest.add({"source": low[0][i], "target": high[0][j]}, difference_s=f"{difference:.3f}")
        for role, (found, unusable) in (("source", low), ("target", high)):
            manifest.left_out |= {f"{role} without an image": unusable, f"{role} unmatched": len(found) - len(pairs)}

    return _acquire(out, query, archives, search, email=email, pause=pause, progress=progress)


def fetch_aia(
    start,
    end,
    out,
    *,
    wavelength=171 * u.angstrom,
    cadence=1 * u.hour,
    labels="hek",
    true_flux=False,
    validation=0.2,
    email=None,
    pause=1 * u.s,
    progress=None,
):
    """
    Fetch full-disk images of AIA (level 1) and, unless there are to be no labels, the flare class of each.

    Parameters
    ----------
    start, end : `str` or `~astropy.time.Time`
        Stretch of time (UTC).
    out : path-like
        Folder for ``manifest.csv``, ``images.csv`` and the files, which go into a folder of it; made if it is not
        there.
    wavelength : `~astropy.units.Quantity`, optional
        One of those of the extreme ultraviolet. Only 171 Angstrom, the default, can be trained on:
        `~sunpy_superres.training.prepare_images.prepare_images` skips images of another one.
    cadence : `~astropy.units.Quantity`, optional
        Time from one image to the next.
    labels : {"hek", "xrs", "both", "none"}, optional
        Where the classes come from: the flare list of the SWPC, in which only images with a flare within 30 minutes
        get one; the X-ray light curve of GOES, in which every image does, those of class A and B too; the larger of
        both; or no classes.
    true_flux : `bool`, optional
        Whether classes and fluxes are of the true flux. Unless told they are as the SWPC reported them: for GOES 8 to
        15, until the end of 2019, 0.7 of the true flux, with which the bundled models were trained. The column
        ``flux_scale`` says which it is.
    validation : `float`, optional
        Part of the stretch of time, at its end, whose images are for validation (column ``split``). Those of the hour
        before (`~sunpy_superres.training.split.IMAGE_GAP`) are in no split, for they show nearly the same; the column
        is empty.
    email : `str`, optional
        Registered with JSOC; unless told that of the environment variable ``JSOC_EMAIL``.
    pause : `~astropy.units.Quantity`, optional
        Time between two requests.
    progress : callable, optional
        Called with lines of text.

    Returns
    -------
    `Acquired`

    Raises
    ------
    ValueError
        If an option is not what it has to be, there is no e-mail address, nothing is found, or the folder is that of
        another query.
    ConnectionError
        If an archive does not answer, or files did not come; those that did are kept.
    ImportError
        If sunkit-instruments is missing and there are to be labels.

    Notes
    -----
    An image has the class of the largest flux within 30 minutes of it. Images without a class are left out where
    ``images.csv`` is read. The instrument's loss of sensitivity over the years is not corrected. The images are
    calibrated, so that a recipe for them has ``scaling = "log"``, unlike those of the bundled weights.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_superres.training.acquire import fetch_aia
    >>> fetch_aia("2012-03-01", "2012-03-15", "aia", labels="xrs", email="me@example.org")  # doctest: +SKIP
    """
    start, end = _stretch(start, end)
    archive = aia(wavelength)
    _positive("cadence", cadence)
    _positive("pause", pause, least=0)
    _choose("labels", labels, dict.fromkeys(LABELS))
    if not 0 <= validation < 1:
        msg = f"validation must be from 0 to below 1, not {validation}."
        raise ValueError(msg)
    query = {"fetched": archive.name, "start": start.isot, "end": end.isot, "cadence_s": float(cadence.to_value(u.s))}
    query |= {"labels": labels, "true_flux": bool(true_flux), "validation": float(validation)}
    border = start + (1 - validation) * (end - start)

    def split_of(moment):
        if not validation or moment <= border - IMAGE_GAP * u.hour:
            return "train"
        return "validation" if moment >= border else ""

    def search(manifest):
        images, unusable = archive.search(start, end, cadence=cadence, pause=pause)
        _some(images, archive, start, end)
        times = Time([one.time for one in images])
        known = []
        if labels in ("hek", "both"):
            known.append(flare_list(times.min() - WINDOW, times.max() + WINDOW))
        if labels in ("xrs", "both"):
            more = {"pause": pause, "progress": progress}
            known.append(light_curve(times.min() - WINDOW, times.max() + WINDOW, Path(out) / "goes", **more))
        found = label_images(times, known, true_flux=true_flux) if known else [{}] * len(images)
        for one, moment, label in zip(images, times, found, strict=True):
            manifest.add({"image": one}, split=split_of(moment), **label)
        manifest.left_out["image without QUALITY 0"] = unusable
        if apart := sum(not row["split"] for row in manifest.rows):
            manifest.left_out["image in no split"] = apart
        if known:
            manifest.left_out["image without a class"] = sum(not one["goes_class"] for one in found)

    def finish(manifest):
        if labels == "none":
            return None
        rows = [_image_row(row) for row in manifest.rows if row["status"] == "complete"]
        if not rows:
            return None
        write_table(manifest.folder / IMAGES, rows)
        return manifest.folder / IMAGES

    options = {"email": email, "pause": pause, "progress": progress, "finish": finish}
    return _acquire(out, query, {"image": archive}, search, **options)


def _image_row(row):
    names = {"datetime": "image_time", "file": "image_file", "quality": "image_quality", "record": "image_record"}
    same = ("split", "goes_class", "xrs_flux_w_m2", "flux_scale", "label_source")
    return {name: row[column] for name, column in names.items()} | {name: row[name] for name in same}


def _stretch(start, end):
    from sunpy.time import parse_time  # NOQA: PLC0415

    times = []
    for name, value in (("start", start), ("end", end)):
        try:
            times.append(parse_time(value).utc)
        except (ValueError, TypeError) as error:
            msg = f"{name} must be a time such as 2011-02-15T00:00, not {value!r}."
            raise ValueError(msg) from error
    if times[0] >= times[1]:
        msg = f"start ({times[0].isot}) must be before end ({times[1].isot})."
        raise ValueError(msg)
    for one in times:
        one.format = "isot"
    return times


def _choose(name, value, known):
    if value not in known:
        msg = f"{name} must be one of {', '.join(known)}, not {value!r}."
        raise ValueError(msg)
    return known[value]


def _positive(name, value, least=None):
    """
    Raise unless an option is a finite time, above zero or not below it.
    """
    try:
        seconds = value.to_value(u.s)
    except (AttributeError, u.UnitConversionError):
        seconds = np.nan
    if not (seconds > 0 if least is None else seconds >= 0) or not np.isfinite(seconds):
        sign = "above 0" if least is None else "0 or more"
        msg = f"{name} must be a Quantity of time, {sign}, such as 12 * u.min, not {value}."
        raise ValueError(msg)


def _some(found, archive, start, end):
    if not found:
        msg = f"The archive has no usable observation of {archive.name} from {start.isot} to {end.isot}."
        raise ValueError(msg)


def _acquire(out, query, archives, search, *, email, pause, progress, finish=None):
    """
    Search unless a manifest is there, and fetch what it lacks.
    """
    say = progress or (lambda text: None)
    manifest = Manifest.read(out, query, tuple(archives))
    if manifest is None:
        email = find_email(email)
        manifest = Manifest(out, query, tuple(archives), [], {})
        search(manifest)
        manifest.write()
        say("; ".join([f"{len(manifest.rows)} found", *(f"{n} {why}" for why, n in manifest.left_out.items() if n)]))
    wrong = manifest.check()
    if any(wrong.values()):
        email = find_email(email)
    failed = []
    try:
        for role, rows in wrong.items():
            failed += fetch_files(manifest, role, rows, archives[role], email=email, pause=pause, say=say)
    finally:
        # An interruption leaves tables that fit the files.
        write_table(manifest.path, manifest.rows)
        images = finish(manifest) if finish else None
    if failed:
        msg = (
            f"{len(failed)} of {len(archives) * len(manifest.rows)} files could not be had, the first: {failed[0]}. "
            f"The others are in {out}; run again with it to try for these."
        )
        raise ConnectionError(msg)
    return Acquired(manifest.path, len(manifest.rows), manifest.left_out, images)
