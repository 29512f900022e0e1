"""
The files that all prepared data are in: one array, and what is known of its parts.

Imports neither sunpy nor astropy.
"""

import json
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from sunpy_superres._atomic import replacing
from sunpy_superres.weights.layout import sha256_of

__all__ = [
    "ArrayWriter",
    "appending",
    "hashes",
    "read_index",
    "read_pixels",
    "remove_arrays",
    "summary",
    "write_arrays",
]

_PIXELS, _INDEX = "pixels.npy", "index.json"


@contextmanager
def _replacing_both(folder):
    """
    Temporary names of the two files, which at the end replace the old ones.
    """
    with replacing(folder / _INDEX) as index, replacing(folder / _PIXELS) as pixels:
        yield pixels, index
        # The old index does not fit the new pixels; without one a folder counts as not prepared.
        (folder / _INDEX).unlink(missing_ok=True)


def write_arrays(folder, pixels, index):
    """
    Write prepared data; each file is complete or not there, and there is no index but of these pixels.

    Parameters
    ----------
    folder : path-like
        Where to; made if it is not there.
    pixels : `numpy.ndarray`
        The array.
    index : `list` or `dict`
        What is known of its parts, plain values.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _replacing_both(folder) as (data, described):
        np.save(data, pixels)
        described.write_text(json.dumps(index, indent=1))


class ArrayWriter:
    """
    What `appending` gives: pieces of one array, in a file as they come.

    Parameters
    ----------
    file : binary file
        Open for writing, empty.
    dtype : `numpy.dtype`
        Type of the pixels.

    Attributes
    ----------
    index : `list` or `dict`
        What is known of the parts, plain values; it is written last.
    size : `int`
        Pixels until now.
    """

    def __init__(self, file, dtype):
        self._file, self._dtype = file, np.dtype(dtype)
        self.index, self.size = [], 0
        self.finish()

    def append(self, piece):
        """
        Write the pixels of a piece behind those before.

        Parameters
        ----------
        piece : `numpy.ndarray`
            Of the type of the pixels, any shape.

        Returns
        -------
        `int`
            Place of its first pixel.

        Raises
        ------
        TypeError
            If it is of another type.
        """
        if piece.dtype != self._dtype:
            msg = f"The array holds {self._dtype}, the piece {piece.dtype}."
            raise TypeError(msg)
        place = self.size
        self._file.write(np.ascontiguousarray(piece).data)
        self.size += piece.size
        return place

    def finish(self):
        """
        Write the header of the file, which says how many pixels there are.
        """
        self._file.seek(0)
        # numpy leaves room in it for any length, so that it is as long whatever the number.
        header = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (self.size,)}
        np.lib.format.write_array_header_1_0(self._file, header)


@contextmanager
def appending(folder, dtype=np.int16):
    """
    Write prepared data piece by piece, none of which stays in memory; at the end both files are there, or neither.

    Parameters
    ----------
    folder : path-like
        Where to; made if it is not there.
    dtype : `numpy.dtype`, optional
        Type of the pixels.

    Yields
    ------
    `ArrayWriter`
    """
    folder = Path(folder)
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _replacing_both(folder) as (pixels, index):
            with pixels.open("wb") as file:
                writer = ArrayWriter(file, dtype)
                yield writer
                writer.finish()
            index.write_text(json.dumps(writer.index, indent=1))
    except BaseException:
        if made:
            with suppress(OSError):  # what went wrong first is what counts
                folder.rmdir()
        raise


def remove_arrays(folder):
    """
    Remove prepared data, and their folder if nothing else is in it.

    Parameters
    ----------
    folder : path-like
        Written by `write_arrays`; it need not be there.
    """
    folder = Path(folder)
    for name in (_INDEX, _PIXELS):  # without an index there are none
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def read_index(folder):
    """
    What is known of the parts of prepared data.

    Parameters
    ----------
    folder : path-like
        Written by `write_arrays`.

    Returns
    -------
    `list` or `dict`

    Raises
    ------
    FileNotFoundError
        If the folder was not prepared.
    """
    path = Path(folder) / _INDEX
    if not path.exists():
        msg = f"{folder} holds no prepared data ({_INDEX}, {_PIXELS})."
        raise FileNotFoundError(msg)
    return json.loads(path.read_text())


def read_pixels(folder, *, mapped=False):
    """
    The array of prepared data; mapped, it stays in its file until it is used.
    """
    return np.load(Path(folder) / _PIXELS, mmap_mode="r" if mapped else None)


def hashes(folder):
    """
    SHA-256 of the index and of the array of prepared data.
    """
    return [sha256_of(Path(folder) / name) for name in (_INDEX, _PIXELS)]


def summary(folder):
    """
    What prepared data are, in words.
    """
    index = read_index(folder)
    whole = isinstance(index, dict)
    records = index["images"] if whole else index
    # Of several of one name, as seen nearer the limb or cut from a disk, one counts.
    names = {record["name"].split("[")[0] for record in records} if not whole else records
    times = sorted(record["time"][:10] for record in records if record.get("time"))
    text = f"{len(names)} {'images' if whole else 'fields'}"
    if not whole:
        text += f" of {len({record['region'] for record in records})} regions"
    return f"{text}, {times[0]} to {times[-1]}" if times else text
