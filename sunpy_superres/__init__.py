"""
Super-resolution of solar magnetograms, with an honest uncertainty, and images of rare flare classes.

A `sunpy.map.Map` of MDI goes in, an HMI-like Map comes out; see `sunpy_superres.superresolve`. A GOES class goes in, a
synthetic AIA Map comes out; see `sunpy_superres.generate_aia`.
"""

from importlib import import_module

try:
    from sunpy_superres._version import __version__
except ImportError:  # a source tree that was never built
    __version__ = "0+unknown"

# Names are resolved when first used (PEP 562): importing the package loads neither torch nor sunpy.
_EXPORTS = {
    "superresolve": "sunpy_superres.superresolution",
    "sample_posterior": "sunpy_superres.superresolution",
    "available_methods": "sunpy_superres.superresolution",
    "generate_aia": "sunpy_superres.generation",
    "generate_aia_sequence": "sunpy_superres.generation",
    "read_map": "sunpy_superres.maps",
    "write_map": "sunpy_superres.maps",
    "SunpySuperresUserWarning": "sunpy_superres.exceptions",
}

__all__ = [
    "SunpySuperresUserWarning",
    "available_methods",
    "generate_aia",
    "generate_aia_sequence",
    "read_map",
    "sample_posterior",
    "superresolve",
    "write_map",
]


def __getattr__(name):
    if name in _EXPORTS:
        value = getattr(import_module(_EXPORTS[name]), name)
        globals()[name] = value
        return value
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__():
    return sorted([*globals(), *_EXPORTS])
