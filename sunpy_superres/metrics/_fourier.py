"""
Rings and bands of spatial frequency, and the windowed transforms that are summed over them.
"""

import numpy as np

from sunpy_superres.metrics._arrays import in_unit

__all__ = ["Rings", "bands", "power_of", "transforms"]


class Rings:
    """
    Rings of spatial frequency, one reciprocal of the shorter side wide, without the zero frequency.
    """

    def __init__(self, shape, scale):
        side = min(shape)
        # In rings, without the scale: its rounding would decide which ring a pixel between two is in.
        self._index = np.rint(_frequencies(shape, 1 / side)).astype(np.intp)
        self._last = side // 2
        self.frequency = np.arange(1, self._last + 1) / (side * scale)
        self.count = self.sum(np.ones(shape))

    def sum(self, values):
        return np.bincount(self._index.ravel(), values.ravel())[1 : self._last + 1]

    def mean(self, values):
        return self.sum(values) / self.count


def bands(shape, scale, periods, width):
    """
    For each period the boolean ring of spatial frequencies around it.
    """
    periods = np.atleast_1d(np.asarray(in_unit(periods, "periods", unit="arcsec"), dtype=np.float64))
    longest = min(shape) * scale
    # A little slack, since 2 * scale is rarely exact.
    if not np.all((periods >= 2 * scale * (1 - 1e-9)) & (periods <= longest * (1 + 1e-9))):
        msg = f"Periods must lie between {2 * scale:g} (Nyquist) and {longest:g} (the shorter side), got {periods}."
        raise ValueError(msg)
    k = _frequencies(shape, scale)
    return [np.abs(k - center) <= max(width * center, 0.5 / longest) for center in 1 / periods]


def _frequencies(shape, scale):
    rows, columns = (np.fft.fftfreq(n, 1 / n) / (n * scale) for n in shape)
    return np.hypot(rows[:, None], columns)


def transforms(*fields):
    """
    Fourier transforms of fields with a Hann window and without their means under it, and the window.
    """
    if min(fields[0].shape) < 4:
        msg = f"A spectrum needs at least 4 pixels along each axis, got shape {fields[0].shape}."
        raise ValueError(msg)
    valid = np.logical_and.reduce([np.isfinite(field) for field in fields])
    window = np.hanning(fields[0].shape[0])[:, None] * np.hanning(fields[0].shape[1])[None]
    weight = window * valid
    if not weight.any():
        msg = "No pixel inside the edges is finite."
        raise ValueError(msg)
    found = []
    for field in fields:
        field = np.where(valid, field, 0).astype(np.float64)
        # The mean under the window: what is left then has no power at zero frequency.
        found.append(np.fft.fft2(weight * (field - np.sum(weight * field) / weight.sum())))
    return found, window


def power_of(transform):
    """
    Squared modulus.
    """
    return transform.real**2 + transform.imag**2
