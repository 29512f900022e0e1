"""
Results of single cases on disk, so that a run that was interrupted goes on where it was.
"""

import hashlib
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from sunpy_superres._atomic import replacing

__all__ = ["Parts", "fingerprint"]

#: Version of what is in a part; another one is another fingerprint.
_FORMAT = 2
_DAMAGED = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)


def fingerprint(**settings):
    """
    A name for everything that decides a result, but the version of the package.

    Parameters
    ----------
    **settings
        What JSON can hold.

    Returns
    -------
    `str`

    Examples
    --------
    >>> from sunpy_superres.benchmark.parts import fingerprint
    >>> fingerprint(seed=0) == fingerprint(seed=1)
    False
    """
    text = json.dumps({"format": _FORMAT, **settings}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class Parts:
    """
    A folder with a file for each row and case.

    Parameters
    ----------
    folder : path-like
        Made when something is written.
    """

    def __init__(self, folder):
        self.folder = Path(folder)

    def clear(self):
        """
        Remove all parts, and nothing else that may lie in the folder.
        """
        for path in self.folder.glob("*/*.npz"):
            path.unlink()

    def path(self, row, case):
        """
        Where a part is.
        """
        return self.folder / row / f"{case}.npz"

    def read(self, row, case, mark):
        """
        Read a part.

        Parameters
        ----------
        row, case : `str`
            Of which.
        mark : `str`
            Its fingerprint.

        Returns
        -------
        `tuple` or None
            Arrays by name and what was said about them; `None` where there is none, it is of other settings, or it is
            damaged.
        """
        try:
            # Opened here, so that a damaged file is closed too.
            with self.path(row, case).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                if str(file["fingerprint"]) != mark:
                    return None
                about = json.loads(str(file["about"]))
                return {name: file[name] for name in file.files if name not in ("fingerprint", "about")}, about
        except _DAMAGED:
            return None

    def write(self, row, case, mark, arrays, about):
        """
        Write a part, all of it or nothing.

        Parameters
        ----------
        row, case, mark : `str`
            See `read`.
        arrays : `dict`
            Arrays by name.
        about : `dict`
            What JSON can hold.
        """
        path = self.path(row, case)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            np.savez_compressed(temporary, fingerprint=np.array(mark), about=np.array(json.dumps(about)), **arrays)
