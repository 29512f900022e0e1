"""
The files that all prepared data are in: one array, and what is known of its parts.

Imports neither sunpy nor astropy.
"""

import json
from pathlib import Path

import numpy as np

from sunpy_superres._atomic import replacing

__all__ = ["read_index", "read_pixels", "write_arrays"]

_PIXELS, _INDEX = "pixels.npy", "index.json"


def write_arrays(folder, pixels, index):
    """
    Write prepared data; each file is complete or not there.

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
    with replacing(folder / _PIXELS) as temporary:
        np.save(temporary, pixels)
    with replacing(folder / _INDEX) as temporary:
        temporary.write_text(json.dumps(index, indent=1))


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


def read_pixels(folder):
    """
    The array of prepared data.
    """
    return np.load(Path(folder) / _PIXELS)
