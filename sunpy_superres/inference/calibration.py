"""
Making the spread of an ensemble as large as its errors were on data with a known truth.

A model's spread tells where it is unsure, but by how much it is off only about. How much was measured on validation
data, as a factor that depends on the spread itself; it is kept in the configuration of the model.
"""

import hashlib
import json

import numpy as np

from sunpy_superres.inference.ensemble import moments

__all__ = ["SpreadCalibration"]

#: Rows computed at a time, so that no more than a strip of a full disk is held twice.
_ROWS = 256


class SpreadCalibration:
    """
    A factor on the deviations from the mean of an ensemble, as a function of its spread.

    Between the spreads that are given it is a power of the spread, beyond the first and the last it is constant.

    Parameters
    ----------
    spread : sequence of `float`
        Standard deviations of an ensemble as the model draws it, in HMI gauss, increasing.
    factor : sequence of `float`
        What deviations from the mean are multiplied by at these, all positive.

    Raises
    ------
    ValueError
        If the numbers are none of the kind, or if a larger spread would become the smaller one.

    Notes
    -----
    Scaling the variance of an ensemble by what is found on past cases is the simplest way of calibrating one: the mean,
    the correlations between pixels and the shape of the distribution stay as they are. [1]_

    References
    ----------
    .. [1] Gneiting et al. 2005, Mon. Weather Rev. 133, 1098, doi:10.1175/MWR2904.1

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.inference import SpreadCalibration
    >>> calibration = SpreadCalibration([1.0, 100.0], [2.0, 0.5])
    >>> calibration.factors(np.array([0.5, 10.0, 1000.0]))
    array([2. , 1. , 0.5])
    """

    def __init__(self, spread, factor):
        try:
            self.spread, self.factor = (np.array(values, dtype=np.float64) for values in (spread, factor))
            right = self.spread.ndim == 1 and self.spread.shape == self.factor.shape and self.spread.size > 0
            right = right and np.isfinite([self.spread, self.factor]).all() and min(self.spread[0], *self.factor) > 0
        except (TypeError, ValueError):
            right = False
        if not right or (np.diff(self.spread) <= 0).any():
            msg = (
                "A calibration has as many factors as spreads, all positive, and the spreads increase; "
                f"got the spreads {spread!r} and the factors {factor!r}."
            )
            raise ValueError(msg)
        calibrated = self.spread * self.factor
        if (np.diff(calibrated) < -1e-3 * calibrated[1:]).any():  # rounded numbers pass
            msg = f"The calibrated spreads {calibrated} must increase with the spreads {self.spread}."
            raise ValueError(msg)
        self._logarithms = np.log(self.spread), np.log(self.factor)

    @property
    def digest(self):
        """
        Eight digits that tell one calibration from another.
        """
        numbers = json.dumps([self.spread.tolist(), self.factor.tolist()])
        return hashlib.sha256(numbers.encode()).hexdigest()[:8]

    def factors(self, std):
        """
        The factor for each pixel.

        Parameters
        ----------
        std : `numpy.ndarray`
            Spread of the ensemble in HMI gauss; NaN counts as none.

        Returns
        -------
        `numpy.ndarray`
            Of the shape and type of the spread.
        """
        std = np.asarray(std)
        known = np.nan_to_num(std, nan=0.0).clip(self.spread[0], self.spread[-1])
        return np.exp(np.interp(np.log(known), *self._logarithms)).astype(std.dtype)

    def apply(self, std):
        """
        Calibrate a spread in place.

        Parameters
        ----------
        std : `numpy.ndarray`
            Shape (y, x), in HMI gauss.
        """
        for rows in _strips(std):
            std[rows] *= self.factors(std[rows])

    def apply_to_members(self, members, *, antithetic=False):
        """
        Calibrate the members of an ensemble in place: their mean stays, their spread becomes the calibrated one.

        Parameters
        ----------
        members : `numpy.ndarray`
            Shape (n, y, x), in HMI gauss; one member alone stays as it is.
        antithetic : `bool`, optional
            As for `~sunpy_superres.inference.moments`.
        """
        if len(members) < 2:
            return
        for rows in _strips(members[0]):
            strip = members[:, rows]
            mean, std = moments(strip, antithetic=antithetic)
            strip -= mean
            strip *= self.factors(std)
            strip += mean


def _strips(field):
    return (slice(top, top + _ROWS) for top in range(0, len(field), _ROWS))
