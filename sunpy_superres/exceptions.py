"""
Warnings of the package.
"""

import warnings

__all__ = ["SunpySuperresUserWarning", "warn_user"]


def __getattr__(name):
    # sunpy costs seconds to import, and training on a bare machine does without it.
    if name == "SunpySuperresUserWarning":
        from sunpy.util.exceptions import SunpyUserWarning  # NOQA: PLC0415

        class SunpySuperresUserWarning(SunpyUserWarning):
            """
            A result that is usable, but about which the user should know something.
            """

            __module__ = __name__

        globals()[name] = SunpySuperresUserWarning
        return SunpySuperresUserWarning
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


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
    warnings.warn(message, __getattr__("SunpySuperresUserWarning"), stacklevel=stacklevel + 2)
