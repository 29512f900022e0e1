"""
Warnings of the package.
"""

import warnings

from sunpy.util.exceptions import SunpyUserWarning

__all__ = ["SunpySuperresUserWarning", "warn_user"]


class SunpySuperresUserWarning(SunpyUserWarning):
    """
    A result that is usable, but about which the user should know something.
    """


def warn_user(message, *, stacklevel=1):
    """
    Raise a `SunpySuperresUserWarning` that points at the caller of the caller.

    Parameters
    ----------
    message : `str`
        What the user should know, and what would mend it.
    stacklevel : `int`, optional
        Number of frames between the caller and the user's code. Defaults to 1.
    """
    warnings.warn(message, SunpySuperresUserWarning, stacklevel=stacklevel + 2)
