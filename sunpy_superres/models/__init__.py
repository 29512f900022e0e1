"""
The networks and the registry of methods; torch only, no map and no file.
"""

from importlib import import_module
from pkgutil import iter_modules

from sunpy_superres.models.base import (
    ARCHITECTURES,
    METHODS,
    ImageGenerator,
    SuperResolver,
    register_architecture,
    register_method,
)

__all__ = [
    "ARCHITECTURES",
    "METHODS",
    "ImageGenerator",
    "SuperResolver",
    "get_architecture",
    "get_method",
    "register_architecture",
    "register_method",
]

# Every file of this folder may register methods.
for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")


def get_method(name):
    """
    Look a method up by its name.

    Parameters
    ----------
    name : `str`
        For example ``"ldm"``.

    Returns
    -------
    `type`
        A subclass of `SuperResolver`.

    Raises
    ------
    ValueError
        If there is no such method; the message lists those there are.
    """
    try:
        return METHODS[name]
    except (KeyError, TypeError):
        msg = f"Unknown method {name!r}; known are {', '.join(sorted(METHODS))}."
        raise ValueError(msg) from None


def get_architecture(name):
    """
    The class of a method or of another network, by its name; see `get_method`.
    """
    return ARCHITECTURES[name] if name in ARCHITECTURES else get_method(name)
