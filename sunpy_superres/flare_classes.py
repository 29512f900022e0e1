"""
GOES classes of solar flares: letters, sub-classes and X-ray fluxes.

The flux is that of the XRS long channel (1-8 Angstrom). Since the GOES-16 the operational flux is the true one; of GOES
8 to 15 it is 0.7 of it, and so are the classes of flares before 2020 in most lists, those that the bundled models were
trained on included.
"""

import math
import re
from dataclasses import dataclass

__all__ = ["FLARE_CLASSES", "FlareClass", "class_of_flux", "parse_flare_class"]

#: Letters by increasing flux; the place of a letter is its label.
FLARE_CLASSES = "ABCMX"
#: Flux of A1 in W/m2; each letter is ten times the one before.
_SMALLEST = 1e-8


@dataclass(frozen=True)
class FlareClass:
    """
    A class, and the flux where one was told.

    Parameters
    ----------
    letter : {"A", "B", "C", "M", "X"}
        The class.
    flux : `float` or None
        X-ray flux in W/m2; `None` for a class as a whole.
    """

    letter: str
    flux: float | None = None

    @property
    def label(self):
        """
        Place of the class, from 0 for A to 4 for X.
        """
        return FLARE_CLASSES.index(self.letter)

    @property
    def log_flux(self):
        """
        Logarithm (base 10) of the flux, NaN for a class as a whole.
        """
        return math.nan if self.flux is None else math.log10(self.flux)

    def __str__(self):
        if self.flux is None:
            return self.letter
        text = f"{self.flux / (_SMALLEST * 10**self.label):.6g}"
        # What is rounded up to 10 is of the next letter, which this one is not.
        return self.letter + ("9.99999" if text == "10" and self.letter != FLARE_CLASSES[-1] else text)


def class_of_flux(flux):
    """
    The class of a flux.

    Parameters
    ----------
    flux : `float`
        In W/m2. Below that of A1 it is an A flare, above that of X10 an X flare.

    Returns
    -------
    `FlareClass`

    Raises
    ------
    ValueError
        If the flux is not positive and finite.

    Examples
    --------
    >>> from sunpy_superres.flare_classes import class_of_flux
    >>> str(class_of_flux(2.5e-5))
    'M2.5'
    """
    flux = float(flux)
    if not 0 < flux < math.inf:
        msg = f"The X-ray flux must be positive and finite, not {flux:g} W/m2."
        raise ValueError(msg)
    # The rounding keeps 1e-5 an M flare, whatever its binary digits.
    label = math.floor(round(math.log10(flux / _SMALLEST), 9))
    return FlareClass(FLARE_CLASSES[min(max(label, 0), len(FLARE_CLASSES) - 1)], flux)


def parse_flare_class(flare_class):
    """
    Read a flare class in any of its forms.

    Parameters
    ----------
    flare_class : `str` or `~astropy.units.Quantity`
        A letter (``"M"``), a sub-class (``"M2.5"``), or a flux in units of W/m2.

    Returns
    -------
    `FlareClass`

    Raises
    ------
    ValueError
        If it is anything else; the message says what is accepted.

    Examples
    --------
    >>> from sunpy_superres.flare_classes import parse_flare_class
    >>> parse_flare_class("m2.5")
    FlareClass(letter='M', flux=2.5e-05)
    """
    if isinstance(flare_class, str):
        match = re.fullmatch(r"([ABCMX])(\d+(?:\.\d*)?|\.\d+)?", flare_class.strip().upper())
        if match and match[2] is None:
            return FlareClass(match[1])
        if match and 0 < float(match[2]) < 1e6:
            flux = float(f"{float(match[2]):g}e{FLARE_CLASSES.index(match[1]) - 8}")
            found = class_of_flux(flux)
            # X28 is beyond X10 and stays X; M12 is none, it is X1.2.
            if found.letter == match[1]:
                return found
    elif hasattr(flare_class, "to_value") and getattr(flare_class, "isscalar", False):
        try:
            return class_of_flux(flare_class.to_value("W / m2"))
        except ValueError as error:  # another unit, or a flux that is none
            raise _refusal(flare_class) from error
    raise _refusal(flare_class)


def _refusal(flare_class):
    msg = (
        f"{flare_class!r} is no flare class. Give one of {', '.join(FLARE_CLASSES)}, a sub-class such as 'M2.5' (from "
        "1 to below 10; A may be less and X more), or the GOES X-ray flux as a positive Quantity in W/m2."
    )
    return ValueError(msg)
