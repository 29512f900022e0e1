"""
What a row makes of a case, and rows that are the FITS files of another code.
"""

import hashlib
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from astropy.io import fits

from sunpy_superres.benchmark._scene import FACTOR

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
        How it was made: ``model``, ``sha256``, ``steps``, ``calibrated``, ``calibration_images`` (what the spread was
        calibrated on), ``device``, ``precision``.
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

    def prepare(self):
        """
        What is done once and takes time, such as loading weights.
        """

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
        Where the files are: ``CASE.fits``, or one file whose name has that of the case between signs that are no
        letters or digits. The first image in it counts: (y, x), or of an ensemble (n, y, x), on the grid of the truth,
        in HMI gauss or the unit that BUNIT states. Where it has coordinates they must be those of the case.

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
        self._taken = {}
        super().__init__(name, name, {})

    def check(self, case):
        with fits.open(self._find(case)) as hdus:
            hdu = self._image(hdus, case)
            self._factor(hdu.header, case)
            self._check_place(hdu.header, case)

    def identity(self, case):
        return {**self.settings, "file": hashlib.sha256(self._find(case).read_bytes()).hexdigest()}

    def predict(self, case):
        with fits.open(self._find(case)) as hdus:
            hdu = self._image(hdus, case)
            data = np.array(hdu.data, dtype=np.float32) * np.float32(self._factor(hdu.header, case))
        lost = int(np.count_nonzero(~np.isfinite(data) & case.known))
        if lost:
            msg = f"{self._find(case)}: {lost} values are not finite where both the input and the truth are known."
            raise ValueError(msg)
        if data.ndim == 2:
            return Prediction(data)
        return Prediction(data.mean(axis=0, dtype=np.float64).astype(np.float32), data if len(data) > 1 else None)

    def _find(self, case):
        same = [path for path in self._files if path.name.partition(".fits")[0] == case.name]
        token = re.compile(rf"(?<![0-9A-Za-z]){re.escape(case.name)}(?![0-9A-Za-z\[])")
        found = same or [path for path in self._files if token.search(path.name)]
        if len(found) != 1:
            which = f"several of {case.name} ({', '.join(p.name for p in found)})" if found else f"none of {case.name}"
            msg = f"{self._folder} must hold one prediction for each case, and holds {which}; name it {case.name}.fits."
            raise ValueError(msg)
        owner = self._taken.setdefault(found[0], case.name)
        if owner != case.name:
            msg = f"{found[0]} would be the prediction of both {owner} and {case.name}; name it after one, CASE.fits."
            raise ValueError(msg)
        return found[0]

    def _factor(self, header, case):
        """
        What the data are multiplied by for gauss; without a unit they are gauss.
        """
        from astropy import units as u  # NOQA: PLC0415

        text = str(header.get("BUNIT") or "").strip()
        if not text or text.lower() in ("g", "gauss"):
            return 1.0
        try:
            unit = u.Unit(text.replace("Gauss", "G").replace("gauss", "G"))
            # A flux density along the line of sight is a field.
            return float(unit.to(u.Mx / u.cm**2) if unit.is_equivalent(u.Mx / u.cm**2) else unit.to(u.G))
        except (ValueError, TypeError, u.UnitConversionError) as error:
            msg = f"{self._find(case)}: BUNIT = {text!r} is no unit of a magnetic field, such as G, kG or mT."
            raise ValueError(msg) from error

    def _check_place(self, header, case):
        """
        Raise `ValueError` if coordinates are more than a pixel from those of the case at a corner.
        """
        from astropy.wcs import WCS  # NOQA: PLC0415

        if case.header is None and case.center is None:
            return  # what a case has then is nominal
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what there is to say of headers
            wanted = case.map().wcs.celestial
            try:
                given = WCS(header)
            except Exception as error:
                msg = f"{self._find(case)}: its coordinates cannot be read: {error}."
                raise ValueError(msg) from error
            if not given.has_celestial:
                return
            given = given.celestial
            kinds = [sorted(text[:4] for text in one.wcs.ctype) for one in (given, wanted)]
            off = np.inf
            if kinds[0] == kinds[1]:
                ny, nx = case.truth.shape
                x, y = np.array([0, nx - 1, 0, nx - 1]), np.array([0, 0, ny - 1, ny - 1])
                there = wanted.wcs_world2pix(*given.wcs_pix2world(x, y, 0), 0)
                fine = [FACTOR * (axis + 0.5) - 0.5 for axis in there]
                off = np.max(np.hypot(fine[0] - x, fine[1] - y))
        if off > 1:
            where = f"{off:.3g} pixels off at a corner" if np.isfinite(off) else "of another kind or elsewhere"
            msg = (
                f"{self._find(case)}: its coordinates are {where} from those of the case {case.name}; it needs the "
                "grid of the truth, four pixels for each of the input, or no coordinates."
            )
            raise ValueError(msg)

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
