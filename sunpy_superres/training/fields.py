"""
One FITS file of HMI, as training needs it, or why it cannot be used.

Imports no torch: it runs in processes that do nothing else.
"""

import warnings
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise, product

import numpy as np

from astropy.io import fits

from sunpy.util.exceptions import SunpyMetadataWarning

from sunpy_superres import maps, observations
from sunpy_superres.instruments import HMI_SCALE, INSTRUMENTS
from sunpy_superres.training.quality import flaw

__all__ = [
    "Field",
    "Kind",
    "Refused",
    "Tally",
    "check_quality",
    "extent",
    "observed_at",
    "radius_plane",
    "read_checked",
    "read_field",
    "read_sound",
    "refusing",
    "tiles",
]

#: Solar radii within which pixels that are not known count as missing.
_DISK = 0.98
#: Most pixels along a side of a tile, and of a field that is never cut.
_TILE = 512
#: Solar radii by which the plane of a larger one may be wrong: as much as that of a tile at disk center.
_FLAT = 0.1
#: Largest part of a larger one, or of a tile, that may be off the disk or unknown.
_LOST = 0.1


@dataclass(frozen=True)
class Field:
    """
    What a file shows, and where that is on the disk.

    Parameters
    ----------
    parts : `list` of `tuple`
        The whole field, or tiles of a large one: an array in HMI gauss or units of the quiet Sun, float32, 0 where it
        is not known; and its plane, see `~sunpy_superres.training.patches.Record`.
    time : `str` or None
        When it was observed, UTC.
    """

    parts: list
    time: str | None


class Kind(StrEnum):
    """
    What files have against them, in words that follow their number.
    """

    EMPTY = "empty"
    DAMAGED = "damaged, or no FITS image"
    TRUNCATED = "truncated"
    NOT_FINITE = "without any finite pixel"
    HEADER = "with a header that cannot be used"
    OTHER = "of another instrument or quantity"
    BAD = "of bad QUALITY"
    SCALE = "of another pixel scale"
    MISSING = "with too much missing"
    APART = "without a common field of view"
    LATER = "too far apart in time"
    SHAPES = "of two shapes"
    NOT_FETCHED = "not fetched"
    EXCLUDED = "excluded"
    NO_PATCH = "without a patch that fits"


class Refused(ValueError):
    """
    Why a file is not used.

    Parameters
    ----------
    kind : `Kind`
        The same for all files that have this against them.
    why : `str`
        In one line; of several the first counts.
    """

    def __init__(self, kind, why):
        super().__init__(kind, why)
        self.kind, self.why = kind, str(why).strip().splitlines()[0] if str(why).strip() else kind

    def __str__(self):
        return self.why


@contextmanager
def refusing(kind):
    """
    Make a `Refused` of anything that goes wrong, but for want of memory.

    Parameters
    ----------
    kind : `Kind`
        What is then held against the file.
    """
    try:
        yield
    except (Refused, MemoryError):
        raise
    except Exception as error:  # a header fails in any way
        raise Refused(kind, error) from error


class Tally:
    """
    How many files were used, and why the others were not.

    Parameters
    ----------
    progress : callable, optional
        Called with a line for each file that is skipped, and at the end.
    """

    def __init__(self, progress=None):
        self.used, self.skipped = 0, Counter()
        self._progress = progress or (lambda _: None)

    def skip(self, name, refused):
        """
        Count a file that is not used, and say why.
        """
        self.skipped[refused.kind] += 1
        self._progress(f"skipped {name}: {refused.why}")

    def __str__(self):
        line = f"{self.used} used, {self.skipped.total()} skipped"
        kinds = ", ".join(f"{n} {kind}" for kind, n in self.skipped.most_common())
        return f"{line}: {kinds}" if kinds else line

    def finish(self):
        """
        Say the sum.
        """
        self._progress(str(self))


def radius_plane(radius):
    """
    Plane (value at the middle, slope in y, slope in x) that fits a radius channel.
    """
    radius = np.asarray(radius, dtype=np.float64)
    ny, nx = radius.shape
    y, x = (np.arange(n) - (n - 1) / 2 for n in (ny, nx))
    # On a whole grid the three terms are orthogonal.
    slopes = y @ radius.mean(axis=1) / max(y @ y, 1e-9), radius.mean(axis=0) @ x / max(x @ x, 1e-9)
    return [float(value) for value in (radius.mean(), *slopes)]


def observed_at(smap):
    """
    When a Map was observed (UTC, ISO 8601, to the second), or `None` if its header does not tell.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SunpyMetadataWarning)
        try:
            time = smap.date
        except (ValueError, TypeError):  # what is there is no time
            return None
    if time is smap._default_time:  # the time of today
        return None
    time = time.utc
    time.precision = 0
    return time.isot


def extent(known):
    """
    Where what is known begins and ends, along an axis.
    """
    places = np.flatnonzero(known)
    return int(places[0]), int(places[-1]) + 1


def tiles(start, stop, most):
    """
    As few parts of nearly the same length as there can be, none of more than so many pixels.
    """
    edges = np.linspace(start, stop, -(-(stop - start) // most) + 1).round().astype(int)
    return [slice(int(a), int(b)) for a, b in pairwise(edges)]


def read_sound(path):
    """
    Read a file that may be anything.

    Parameters
    ----------
    path : `pathlib.Path`
        The file.

    Returns
    -------
    `~sunpy.map.GenericMap`

    Raises
    ------
    Refused
        If it is no sound file of an image.
    """
    if path.stat().st_size == 0:
        raise Refused(Kind.EMPTY, "the file is empty")
    failure = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with fits.open(path, checksum=True) as hdus:  # what does not agree is only warned of
                len(hdus)
            smap = maps.read_map(path)
        except MemoryError:
            raise
        except Exception as error:  # NOQA: BLE001 - a damaged file fails in any way
            failure = error
    said = [str(warning.message) for warning in caught]
    # Where it is truncated astropy may fill in zeros, which would be trained on.
    if truncated := [line for line in said if "truncated" in line]:
        raise Refused(Kind.TRUNCATED, truncated[0])
    if failure is not None:
        raise Refused(Kind.DAMAGED, str(failure)) from failure
    if changed := [line for line in said if "Datasum verification failed" in line]:
        raise Refused(Kind.DAMAGED, changed[0])
    if smap.data.dtype.kind == "f" and not np.isfinite(smap.data).any():
        raise Refused(Kind.NOT_FINITE, "no pixel is finite")
    return smap


def read_checked(path, *, bad_quality=None, instrument=None):
    """
    Read a file that may be anything, and see what it shows.

    Parameters
    ----------
    path : `pathlib.Path`
        The file.
    bad_quality : `int`, optional
        See `~sunpy_superres.training.quality.flaw`.
    instrument : `str`, optional
        As for `sunpy_superres.observations.read`.

    Returns
    -------
    smap : `~sunpy.map.GenericMap`
    observation : `~sunpy_superres.observations.Observation`

    Raises
    ------
    Refused
        If it is no sound file of a magnetogram or continuum image.
    """
    smap = read_sound(path)
    with refusing(Kind.OTHER), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        observation = observations.read(smap, instrument=instrument)
    check_quality(smap, observation.instrument.name.split("-")[0], bad_quality)
    return smap, observation


def check_quality(smap, instrument, bad=None):
    """
    Raise `Refused` for a Map of bad QUALITY, or of one that is no number; see
    `~sunpy_superres.training.quality.flaw`.
    """
    with refusing(Kind.BAD):
        if found := flaw(smap.meta.get("quality"), instrument=instrument, bad=bad):
            raise Refused(Kind.BAD, found)


def read_field(path, *, quantity="magnetogram", bad_quality=None, max_missing=0.05):
    """
    Read a file of HMI.

    Parameters
    ----------
    path : `pathlib.Path`
        The file.
    quantity : {"magnetogram", "continuum"}, optional
        What it has to show.
    bad_quality : `int`, optional
        See `~sunpy_superres.training.quality.flaw`.
    max_missing : `float`, optional
        Largest fraction of the pixels on the disk that may be unknown.

    Returns
    -------
    `Field` or `Refused`
        Returned and not raised, so that it comes back from another process like any result.
    """
    try:
        with refusing(Kind.HEADER):
            return _read_field(path, quantity, bad_quality, max_missing)
    except Refused as refused:
        return refused


def _read_field(path, quantity, bad_quality, max_missing):
    smap, observation = read_checked(path, bad_quality=bad_quality)
    wanted = INSTRUMENTS["hmi" if quantity == "magnetogram" else "hmi-continuum"]
    if observation.instrument != wanted:
        why = f"of {observation.instrument.title}, not of {wanted.title}"
        raise Refused(Kind.OTHER, why)
    if not 0.9 < observation.scale / HMI_SCALE < 1.1:
        why = f"{observation.scale:.2f} arcsec per pixel, not about 0.5"
        raise Refused(Kind.SCALE, why)
    disk = observation.radius < _DISK
    missing = 1 - observation.valid[disk].mean() if disk.any() else 1.0
    if missing > max_missing:
        why = f"{missing:.0%} of the disk is missing, more than {max_missing:.0%}" if disk.any() else "off the disk"
        raise Refused(Kind.MISSING, why)
    parts = _parts(observation)
    if not parts:
        raise Refused(Kind.MISSING, "no part of it is on the disk and known")
    return Field(parts, observed_at(smap))


def _parts(observation):
    """
    A field and its plane; or, of one that is large and that one plane does not describe or that is partly off the disk,
    tiles and the plane of each, without those that lose too much.
    """
    radius, field = observation.radius, observation.calibrated
    plane, known = radius_plane(radius), observation.valid & (radius < 1)
    y, x = (np.arange(n) - (n - 1) / 2 for n in radius.shape)
    flat = np.abs(radius - plane[0] - plane[1] * y[:, None] - plane[2] * x).max() < _FLAT
    if max(radius.shape) <= _TILE or (flat and known.mean() >= 1 - _LOST):
        return [(field, plane)]
    sides = [tiles(*extent((radius < 1).any(axis=axis)), _TILE) for axis in (1, 0)]
    return [(field[tile], radius_plane(radius[tile])) for tile in product(*sides) if known[tile].mean() >= 1 - _LOST]
