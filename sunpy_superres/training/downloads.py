"""
Files from an archive, one at a time and with patience.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from json import JSONDecodeError
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import astropy.units as u

from sunpy_superres._atomic import replacing

__all__ = ["download", "fetch_files", "persist"]

#: Tries, and seconds before the second, doubled for each that follows.
ATTEMPTS, BACKOFF = 3, 2.0
#: After so many files in a row that did not come, the archive is left alone.
PATIENCE = 5

_KINDS = {
    "FITS": (b"SIMPLE  =", b"\x1f\x8b"),  # gzip, too
    "netCDF": (b"\x89HDF", b"CDF"),
}


def persist(action, what):
    """
    Ask an archive again, after a while, where it did not answer.

    Parameters
    ----------
    action : callable
        What is tried.
    what : `str`
        Who is asked, for the message.

    Returns
    -------
    object
        What the action returns.

    Raises
    ------
    ConnectionError
        If it fails each time.
    """
    for number in range(ATTEMPTS):
        if number:
            time.sleep(BACKOFF * 2 ** (number - 1))
        try:
            return action()
        # Those of drms are RuntimeErrors; a page of text in place of an answer is no JSON.
        except (OSError, RuntimeError, HTTPException, JSONDecodeError) as error:
            # An error of the file system, unlike most of the network, has a number.
            if getattr(error, "errno", None) and not isinstance(error, ConnectionError | TimeoutError):
                raise
            problem = error
    msg = f"{what} did not answer properly in {ATTEMPTS} tries: {problem}"
    raise ConnectionError(msg) from problem


def download(url, path, *, kind="FITS"):
    """
    Download a file, see that it is one of its kind, and put it in its place.

    Parameters
    ----------
    url : `str`
        Its address.
    path : path-like
        Where to; the folder is made if it is not there. The file appears when it is complete.
    kind : {"FITS", "netCDF"}, optional
        What it must be: some servers excuse themselves with a page of text that looks like a success.

    Raises
    ------
    ConnectionError
        If it does not come, or is something else, after several tries.
    """
    from sunpy.util.parfive_helpers import Downloader  # NOQA: PLC0415

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)

    def attempt():
        with replacing(path) as temporary:
            # One connection, as JSOC asks for; a big file is not fetched in pieces either.
            downloader = Downloader(max_conn=1, max_splits=1, progress=False, overwrite=True)
            downloader.enqueue_file(url, filename=str(temporary))
            # In a thread, with a loop of its own that is closed at the end: so it runs in a notebook (which has one),
            # and an interruption stays what it is.
            with ThreadPoolExecutor(1) as pool:
                results = pool.submit(asyncio.run, downloader.run_download()).result()
            if results.errors:
                raise ConnectionError(_reason(results.errors[0].exception))
            with temporary.open("rb") as file:
                begin = file.read(16)
            if not begin.startswith(_KINDS[kind]):
                msg = f"what came is no {kind} file"
                raise ConnectionError(msg)

    persist(attempt, url)


def _reason(error):
    """
    Why parfive gave up: what it raised may be wrapped, and may be the answer of the server.
    """
    while hasattr(error, "exception") and not callable(error.exception):
        error = error.exception
    status = getattr(error, "status", None)
    return f"the server answered {status}" if status else " ".join(str(error).split()) or type(error).__name__


def fetch_files(manifest, role, rows, archive, *, email, pause, say):
    """
    Fetch the files of a role of a manifest, and note in it each that came or did not.

    Parameters
    ----------
    manifest : `~sunpy_superres.training.manifest.Manifest`
        The manifest.
    role : `str`
        One of its roles.
    rows : `list` of `dict`
        Those of its rows whose file is wanted.
    archive : `~sunpy_superres.training.archives.Jsoc` or `~sunpy_superres.training.archives.Gong`
        Where from.
    email : `str`
        For JSOC.
    pause : `~astropy.units.Quantity`
        Time between two requests.
    say : callable
        Called with lines of text.

    Returns
    -------
    `list` of `str`
        What went wrong, for each file that did not come.

    Raises
    ------
    ConnectionError
        If the archive does not answer, or several files in a row do not come.
    """
    failed, in_a_row = [], 0
    for first in range(0, len(rows), archive.batch):
        batch = rows[first : first + archive.batch]
        say(f"{archive.name}: asking for {len(batch)} files")
        urls = archive.locate([row[f"{role}_record"] for row in batch], email)
        for number, row in enumerate(batch, start=first + 1):
            time.sleep(pause.to_value(u.s))
            try:
                path = _fetch(manifest.folder / archive.name, urls, row[f"{role}_record"])
            except ConnectionError as error:
                failed.append(str(error))
                manifest.fail(row)
                say(f"failed: {error}")
                in_a_row += 1
                if in_a_row == PATIENCE:
                    msg = (
                        f"{in_a_row} files of {archive.name} in a row did not come, the last: {error}. Run again later."
                    )
                    raise ConnectionError(msg) from error
            else:
                in_a_row = 0
                manifest.store(row, role, path)
                say(f"{archive.name} {number}/{len(rows)}: {path.name}")
    return failed


def _fetch(folder, urls, record):
    """
    Fetch the file of a record into a folder, under the name that the archive gives it.
    """
    if record not in urls:
        msg = f"the archive has no file of {record}"
        raise ConnectionError(msg)
    name = PurePosixPath(unquote(urlsplit(urls[record]).path)).name
    if not name or name.startswith(".") or "\\" in name or "\0" in name:
        msg = f"{urls[record]} has no usable name of a file"
        raise ConnectionError(msg)
    download(urls[record], folder / name)
    return folder / name
