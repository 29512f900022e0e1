"""
What is measured on: a truth and what another instrument saw of it, with its place on the Sun.
"""

import csv
import hashlib
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from sunpy_superres.benchmark._scene import FACTOR, input_map
from sunpy_superres.benchmark.blocks import Blocks
from sunpy_superres.instruments import HMI_SCALE, SOLAR_RADIUS, SOLAR_RADIUS_METERS, get_instrument

__all__ = ["Case", "case_seed", "export_cases", "region_of"]


@dataclass(eq=False)
class Case:
    """
    A truth, and what was seen of it.

    Parameters
    ----------
    name : `str`
        Of the file that it came from.
    region : `str`
        Frames of one region are not independent.
    truth : `numpy.ndarray`
        In HMI gauss, shape (y, x), float32, NaN where it is not known; multiples of 4 pixels.
    seen : `numpy.ndarray`
        In gauss of the instrument, shape (y / 4, x / 4), float32, NaN where it is not known.
    instrument : `str`
        Whose it is.
    time : `str`, optional
        When it was observed, ISO 8601.
    radius : `numpy.ndarray`, optional
        Distance from disk center in solar radii, of the shape of the truth; `None` where the place is not known.
    center : `tuple` of `float`, optional
        Where the middle lies, west and north of disk center in arcsec at 1 au, of an image with north up.
    shift : `tuple` of `float`, optional
        Pixels (y, x) by which the truth was moved onto what was seen.
    equal_area : `bool`, optional
        Whether all pixels show the same area of the Sun, as in cylindrical equal-area maps.
    offset : `tuple` of `int`, optional
        First pixel (y, x) in the image that it is a part of, or on the disk.
    header : `~sunpy.map.GenericMap`, optional
        Map of ``seen`` with its own coordinates; without one, a nominal one is made.
    """

    name: str
    region: str
    truth: np.ndarray
    seen: np.ndarray
    instrument: str
    time: str | None = None
    radius: np.ndarray | None = None
    center: tuple | None = None
    shift: tuple | None = None
    equal_area: bool = False
    offset: tuple = (0, 0)
    header: object = field(default=None, repr=False)

    @property
    def mu(self):
        """
        Cosine of the angle between the line of sight and the vertical, or `None`.
        """
        return None if self.radius is None else np.sqrt(np.clip(1 - self.radius**2, 0, 1))

    @property
    def known(self):
        """
        Pixels where both are known.
        """
        seen = np.isfinite(self.seen).repeat(FACTOR, axis=0).repeat(FACTOR, axis=1)
        return np.isfinite(self.truth) & seen

    def scored(self, mask=1.0):
        """
        Pixels that count.

        Parameters
        ----------
        mask : `float`, optional
            Solar radii beyond which none counts.

        Returns
        -------
        `numpy.ndarray`
        """
        return self.known if self.radius is None else self.known & (self.radius < mask)

    def inner(self, edge):
        """
        The same without its edges.

        Parameters
        ----------
        edge : `int`
            Pixels of the truth along every side, a multiple of 4.

        Returns
        -------
        `Case`
        """
        if not edge:
            return self
        parts = {name: getattr(self, name) for name in ("truth", "radius")}
        parts = {name: None if part is None else part[edge:-edge, edge:-edge] for name, part in parts.items()}
        cut = edge // FACTOR
        return replace(self, seen=self.seen[cut:-cut, cut:-cut], header=None, **parts)

    def places(self, edge=0):
        """
        Where its blocks are: the same for the same place of a region, in whatever frame or part of an image.

        Parameters
        ----------
        edge : `int`, optional
            Pixels along every side that do not count.

        Returns
        -------
        `list` of `tuple`
            Region, and the position in whole blocks, of each block.
        """
        blocks = Blocks([n - 2 * edge for n in self.truth.shape])
        first = [int((start + edge) // blocks.side) for start in self.offset]
        return [(self.region, first[0] + i, first[1] + j) for i, j in blocks.keys]

    def flux_area(self):
        """
        What the field along the line of sight is multiplied by for the flux through the surface, in cm², or `None`.
        """
        if self.radius is None:
            return None
        side = HMI_SCALE / SOLAR_RADIUS * SOLAR_RADIUS_METERS * 100
        mu = np.maximum(self.mu, 0.1)
        return side**2 / (mu if self.equal_area else mu**2)

    def map(self):
        """
        Map of what was seen, as a method takes it.

        Returns
        -------
        `~sunpy.map.GenericMap`
        """
        if self.header is not None:
            return self.header
        if self.center is None:
            return input_map(self.seen, self.instrument)
        from sunpy_superres.maps import from_array  # NOQA: PLC0415

        place = {"center": self.center, "rsun_obs": SOLAR_RADIUS}
        return from_array(self.seen, scale=FACTOR * HMI_SCALE, instrument=self.instrument, **place)

    def digest(self):
        """
        SHA-256 of what it consists of.

        Returns
        -------
        `str`
        """
        found = hashlib.sha256(repr((self.region, self.instrument, self.center, self.shift, self.equal_area)).encode())
        for array in (self.truth, self.seen, self.radius):
            if array is not None:
                found.update(np.ascontiguousarray(array).tobytes())
                found.update(repr(array.shape).encode())
        return found.hexdigest()


def case_seed(seed, name):
    """
    A seed for one case, so that no two have the same noise.

    Parameters
    ----------
    seed : `int`
        Seed of all.
    name : `str`
        Name of the case.

    Returns
    -------
    `int`

    Examples
    --------
    >>> from sunpy_superres.benchmark.cases import case_seed
    >>> case_seed(0, "a") == case_seed(0, "b")
    False
    """
    return int(np.random.SeedSequence([seed, zlib.crc32(name.encode())]).generate_state(1)[0])


def region_of(path):
    """
    Region of a file, by its name.

    Parameters
    ----------
    path : `pathlib.Path`
        Files of the JSOC are named series.HARP.time.segment; frames of one region are not independent.

    Returns
    -------
    `str`

    Examples
    --------
    >>> from pathlib import Path
    >>> from sunpy_superres.benchmark.cases import region_of
    >>> region_of(Path("hmi.sharp_cea_720s.377.20110215_000000_TAI.magnetogram.fits"))
    'hmi.sharp_cea_720s.377'
    """
    return ".".join(path.name.removesuffix(".fits").split(".")[:3])


def export_cases(cases, folder, *, append=False):
    """
    Write the inputs of cases as FITS files, for a code of any kind to be run on.

    Parameters
    ----------
    cases : iterable of `Case`
        The cases.
    folder : path-like
        Where to; made if it is not there. Gets ``NAME.fits`` of every case, in gauss of the instrument, and
        ``cases.csv`` with their names and the shape that a prediction has to have.
    append : `bool`, optional
        Add to the table of an earlier call.

    Returns
    -------
    `list` of `pathlib.Path`
    """
    from sunpy_superres.maps import write_map  # NOQA: PLC0415

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths, rows = [], []
    for case in cases:
        smap, other = case.map(), get_instrument(case.instrument)
        meta = smap.meta.copy()
        meta["bunit"] = "G"
        if "HMI" in str(meta.get("instrume", "")):
            # Not to be taken for what HMI measured: its gauss are others.
            meta["telescop"], meta["instrume"] = f"HMI as {other.title}", "degraded"
            for key in ("drms_id", "content", "detector"):
                meta.pop(key, None)
        meta["comment"] = (
            f"Input of a benchmark: line-of-sight field in gauss of {other.title}; times {other.to_hmi:g} it is in "
            f"those of SDO/HMI (instrument={case.instrument!r} of sunpy_superres). A prediction has "
            f"{case.truth.shape[1]} x {case.truth.shape[0]} pixels, {FACTOR} for each along a side, in gauss of "
            "SDO/HMI; an ensemble has a third axis."
        )
        smap = smap._new_instance(smap.data, meta)
        paths.append(folder / f"{case.name}.fits")
        write_map(smap, paths[-1], overwrite=True)
        rows.append([case.name, case.region, case.time or "", *case.truth.shape])
    table = folder / "cases.csv"
    with table.open("a" if append else "w", newline="", encoding="utf-8") as file:
        head = [] if append else [["name", "region", "time", "y", "x"]]
        csv.writer(file, lineterminator="\n").writerows([*head, *rows])
    return [*paths, table]
