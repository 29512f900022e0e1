"""
What a row makes of a case, and rows that are the FITS files of another code.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from astropy.io import fits

__all__ = ["Prediction", "Predictions", "Row"]


@dataclass(eq=False)
class Prediction:
    """
    What a row makes of a case.

    Parameters
    ----------
    mean : `numpy.ndarray`
        The result, shape (y, x), in HMI gauss.
    members : `numpy.ndarray`, optional
        Of an ensemble, shape (n, y, x).
    antithetic : `bool`, optional
        Whether members 2k and 2k + 1 are antithetic.
    about : `dict`, optional
        How it was made: ``model``, ``sha256``, ``steps``, ``calibrated``, ``device``, ``precision``.
    """

    mean: np.ndarray
    members: np.ndarray | None = None
    antithetic: bool = False
    about: dict = field(default_factory=dict)

    @property
    def independent(self):
        """
        Members that are independent of each other; of no ensemble, the result.
        """
        if self.members is None:
            return self.mean[None]
        return self.members[::2] if self.antithetic else self.members


class Row:
    """
    A row of the tables.

    Subclasses define ``predict(case)`` and what decides its result in ``settings``.
    """

    kind = "baseline"
    #: Members of its ensembles.
    n_samples = 1
    #: Whether one of them has a row of its own.
    draws = False

    def __init__(self, name, title, settings):
        self.name, self.title = name, title
        self.settings = {"row": type(self).__name__, "name": name, **settings}

    def identity(self, case):
        """
        Everything that decides the result for a case but the case itself, fit for JSON.
        """
        return self.settings

    def check(self, case):
        """
        Raise `ValueError` if there will be no result for a case, before any work is done.
        """


class Predictions(Row):
    """
    What another code made of the cases: a FITS file for each.

    Parameters
    ----------
    name : `str`
        Of the row.
    folder : path-like
        Where the files are: ``CASE.fits``, or one file whose name holds that of the case. The first image in it counts:
        (y, x), or of an ensemble (n, y, x), in HMI gauss on the grid of the truth.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    """

    kind = "predictions"
    draws = True

    def __init__(self, name, folder):
        self._folder = Path(folder).expanduser()
        if not self._folder.is_dir():
            raise FileNotFoundError(2, "there is no such folder", str(folder))
        self._files = sorted(path for path in self._folder.iterdir() if ".fits" in path.suffixes)
        super().__init__(name, name, {})

    def check(self, case):
        with fits.open(self._find(case)) as hdus:
            self._image(hdus, case)

    def identity(self, case):
        return {**self.settings, "file": hashlib.sha256(self._find(case).read_bytes()).hexdigest()}

    def predict(self, case):
        with fits.open(self._find(case)) as hdus:
            data = np.array(self._image(hdus, case).data, dtype=np.float32)
        lost = int(np.count_nonzero(~np.isfinite(data) & case.known))
        if lost:
            msg = f"{self._find(case)}: {lost} values are not finite where both the input and the truth are known."
            raise ValueError(msg)
        if data.ndim == 2:
            return Prediction(data)
        return Prediction(data.mean(axis=0, dtype=np.float64).astype(np.float32), data if len(data) > 1 else None)

    def _find(self, case):
        same = [path for path in self._files if path.name.partition(".fits")[0] == case.name]
        found = same or [path for path in self._files if case.name in path.name]
        if len(found) != 1:
            which = f"several of {case.name} ({', '.join(p.name for p in found)})" if found else f"none of {case.name}"
            msg = f"{self._folder} must hold one prediction for each case, and holds {which}; name it {case.name}.fits."
            raise ValueError(msg)
        return found[0]

    def _image(self, hdus, case):
        for hdu in hdus:
            if hdu.is_image and hdu.header["NAXIS"] in (2, 3):
                if hdu.shape[-2:] == case.truth.shape:
                    return hdu
                msg = (
                    f"{self._find(case)} has shape {tuple(hdu.shape)}, where {case.truth.shape}, or for an ensemble "
                    f"(n, {case.truth.shape[0]}, {case.truth.shape[1]}), is needed: four pixels for each of the input."
                )
                raise ValueError(msg)
        msg = f"{self._find(case)} holds no image with two or three axes."
        raise ValueError(msg)
