"""
From the display values of SDO's browse images to DN/s: a curve fitted to calibrated images, and what it is good for.
"""

from collections import namedtuple
from functools import cache
from pathlib import Path

import numpy as np

__all__ = [
    "DN_RANGE",
    "FROM_RATES",
    "SCALINGS",
    "Rates",
    "display_to_rates",
    "image_to_rates",
    "rates_to_display",
    "rates_to_image",
    "read_curve",
]

#: DN/s at which the logarithmic scaling of images is 0 and 1 (after Ramunno et al. 2024, arXiv:2404.02552).
DN_RANGE = (5.0, 3500.0)

#: Rates in DN/s, and the uncertainty (one standard deviation) of the curve there, or `None`.
Rates = namedtuple("Rates", ["rates", "uncertainty"])

_CURVE = Path(__file__).parent / "data" / "aia171_transfer.ecsv"


@cache
def read_curve(path=_CURVE):
    """
    Read a transfer curve.

    Parameters
    ----------
    path : path-like, optional
        Table with the columns ``display`` (0 to 255), ``rate`` (DN/s) and ``dex`` (uncertainty of its logarithm), as
        `sunpy_superres.training.transfer.fit_transfer` writes it; that of AIA 171 unless told.

    Returns
    -------
    `astropy.table.QTable`

    Examples
    --------
    >>> from sunpy_superres.transfer import read_curve
    >>> read_curve().colnames
    ['display', 'rate', 'dex']
    """
    from astropy.table import QTable  # NOQA: PLC0415

    return QTable.read(path, format="ascii.ecsv")


def display_to_rates(image):
    """
    Turn display values into DN/s.

    Parameters
    ----------
    image : array-like
        From 0 to 1: a display value over 255.

    Returns
    -------
    `Rates`
        Of the shape of the image. The uncertainty is that of the curve, the same for all pixels of one value: it does
        not average out. At a display value of 255 the archive cuts off, and the rate is a lower limit.
    """
    curve = read_curve()
    display = 255 * np.asarray(image, dtype=np.float64)
    logarithm = np.interp(display, curve["display"], np.log10(curve["rate"].to_value("DN / s")))
    rates = 10**logarithm
    uncertainty = rates * np.log(10) * np.interp(display, curve["display"], curve["dex"])
    return Rates(rates.astype(np.float32), uncertainty.astype(np.float32))


def rates_to_display(rates):
    """
    The inverse of `display_to_rates`: from DN/s to 0 to 1, a display value over 255.
    """
    curve = read_curve()
    known = np.log10(curve["rate"].to_value("DN / s"))
    logarithm = np.log10(np.maximum(np.asarray(rates, dtype=np.float64), 10 ** known[0]))
    return np.interp(logarithm, known, curve["display"]) / 255


def rates_to_image(rates):
    """
    From DN/s to 0 to 1 in logarithmic scaling: clipped to `DN_RANGE`.
    """
    low, high = np.log10(DN_RANGE)
    return (np.log10(np.clip(rates, *DN_RANGE)) - low) / (high - low)


def image_to_rates(image):
    """
    The inverse of `rates_to_image`, as `Rates`; nothing is known of its uncertainty.
    """
    low, high = np.log10(DN_RANGE)
    rates = 10 ** (low + (high - low) * np.asarray(image, dtype=np.float64))
    return Rates(rates.astype(np.float32), None)


#: What turns an image of a generator into DN/s, by its scaling.
SCALINGS = {"display": display_to_rates, "log": image_to_rates}
#: What turns DN/s into an image, by its scaling.
FROM_RATES = {"display": rates_to_display, "log": rates_to_image}
