"""
Two observations of the same Sun, brought onto each other.

Imports no torch: it runs in processes that do nothing else.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product

import numpy as np
from scipy import ndimage

import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs.utils import pixel_to_pixel

from sunpy.coordinates import Helioprojective, propagate_with_solar_surface
from sunpy.map import Map, make_fitswcs_header

from sunpy_superres import maps, observations
from sunpy_superres._wcs import disk_radius, pixel_scale, usable_wcs
from sunpy_superres.instruments import HMI_SCALE, SOLAR_RADIUS, get_instrument
from sunpy_superres.metrics import pcc
from sunpy_superres.registration import ORDER, estimate_shift
from sunpy_superres.training.fields import (
    Kind,
    Refused,
    extent,
    observed_at,
    radius_plane,
    read_checked,
    refusing,
    tiles,
)

__all__ = ["Pair", "Patch", "Settings", "align", "read_pair"]

#: Pixels of the truth between two places whose coordinates are computed; between them they change linearly.
_LATTICE = 8
#: Coarse pixels that the two may be apart before anything is known of their pointing.
_SEARCH = 4
#: Part of a patch that has to be known; a cutout that was turned fills little more than half of its frame.
_LEAST = 0.25
# Degrees and relative plate scale that are no reason to interpolate.
_ROTATED, _RESCALED = 0.01, 1e-4


@dataclass(frozen=True)
class Settings:
    """
    How pairs are aligned; see `sunpy_superres.training.prepare_pairs.prepare_pairs`.
    """

    instrument: str = "mdi"
    factor: int = 4
    size: int = 512
    min_correlation: float = 0.6
    max_shift: float = 4.0
    precision: float = 0.5
    max_minutes: float = 60.0
    bad_quality: int | None = None


@dataclass(frozen=True)
class Patch:
    """
    A part of a pair: truth and what was seen of it, in HMI gauss, 0 where one of them is not known; the rest as of
    `~sunpy_superres.training.patches.Record`.

    ``center`` is where on the disk its middle lies, west and north of disk center in arcsec as seen from 1 au; `None`
    where the image is not one of the disk or has no coordinates.
    """

    truth: np.ndarray
    seen: np.ndarray
    plane: list
    shift: tuple
    correlation: float
    center: tuple | None = None


@dataclass(frozen=True)
class Pair:
    """
    What is left of a pair: its patches, how many were dropped by reason, and when the truth was observed.
    """

    patches: list
    time: str | None
    dropped: Counter = field(default_factory=Counter)


def read_pair(paths, settings):
    """
    Read two files, with coordinates or both without, and align them.

    Parameters
    ----------
    paths : `tuple` of `pathlib.Path`
        The one of low resolution, and that of HMI.
    settings : `Settings`
        How.

    Returns
    -------
    `Pair` or `Refused`
        Returned and not raised, so that it comes back from another process like any result.
    """
    try:
        with refusing(Kind.HEADER):
            images = [_bare_image(path) for path in paths]
            if any(image is None for image in images):
                return align(*_read_both(paths, settings), settings)
            pair = align(*_placed(images, settings), settings)
            # Date and place of the nominal header are those of nothing.
            return replace(pair, time=None, patches=[replace(patch, center=None) for patch in pair.patches])
    except Refused as refused:
        return refused


def align(source, target, settings):
    """
    Bring what HMI saw onto the pixels of the other instrument, patch by patch.

    Parameters
    ----------
    source, target : `tuple`
        Map and `~sunpy_superres.observations.Observation` of the instrument and of HMI.
    settings : `Settings`
        How.

    Returns
    -------
    `Pair`
    """
    factor = settings.factor
    coarse = _standardized(*source, factor)
    seen = np.asarray(coarse.data)
    radius = disk_radius(coarse)
    seen[radius >= 1] = np.nan
    fine = maps.build(coarse, np.broadcast_to(np.float32(0), [n * factor for n in seen.shape]), factor, unit=None).wcs
    smap, observation = target
    sampler = _Sampler(observation.calibrated, ~observation.valid | (observation.radius >= 1), smap.wcs, fine)
    if not np.isfinite(seen).any():
        raise Refused(Kind.APART, "the other instrument shows nothing on the disk")
    sides = [tiles(*extent(np.isfinite(seen).any(axis=axis)), settings.size // factor) for axis in (1, 0)]
    kept = [tile for tile in product(*sides) if np.isfinite(seen[tile]).mean() > _LEAST]
    # First the pointing of the whole image, then what is left of it in every part.
    means = np.full(seen.shape, np.nan, dtype=np.float32)
    for tile in kept:
        means[tile] = _as_seen(sampler.at(tile, factor), settings)
    if not np.isfinite(means).any():
        raise Refused(Kind.APART, "HMI does not show what the other instrument shows")
    found = _shift_between(seen, means, _SEARCH, settings)
    whole = np.zeros(2) if found is None else found
    pair = Pair([], observed_at(smap))
    for tile in kept:
        place = partial(_place, coarse, tile)
        patch = _patch(seen[tile], radius[tile], partial(sampler.at, tile, factor), whole, place, settings)
        if isinstance(patch, str):
            pair.dropped[patch] += 1
        else:
            pair.patches.append(patch)
    return pair


def _patch(seen, radius, truth_at, whole, place, settings):
    """
    A patch, or why it is dropped.
    """
    shift = np.array(whole)
    # Twice, since the mean over coarse pixels that were moved is not quite that of moved ones.
    for _ in range(2):
        moved = _shift_between(seen, _as_seen(truth_at(shift), settings), 2, settings)
        if moved is None:
            return "with too little in common"
        shift = shift + moved
        if np.abs(shift - whole).max() > settings.max_shift:
            return f"shifted by more than {settings.max_shift:g} pixels"
    truth = truth_at(shift)
    means = _as_seen(truth, settings)
    known = np.isfinite(means) & np.isfinite(seen)
    if known.mean() < _LEAST:
        return "with too little in common"
    correlation = pcc(means[known], seen[known])
    if not correlation >= settings.min_correlation:
        return f"with a correlation below {settings.min_correlation:g}"
    # Rows and columns of which nothing is known, at the edges of a cutout, are not worth keeping.
    rows, columns = (slice(*extent(known.any(axis=axis))) for axis in (1, 0))
    f = settings.factor
    inside = np.kron(known[rows, columns], np.ones((f, f), dtype=bool))
    truth = truth[rows.start * f : rows.stop * f, columns.start * f : columns.stop * f]
    value, *slopes = radius_plane(radius[rows, columns])
    return Patch(
        truth=np.where(inside, truth, 0).astype(np.float32),
        seen=np.where(known, seen, 0)[rows, columns].astype(np.float32),
        plane=[value, *(slope / f for slope in slopes)],
        shift=tuple(float(v) for v in shift),
        correlation=float(correlation),
        center=place(rows, columns),
    )


def _place(smap, tile, rows, columns):
    """
    Where the middle of rows and columns of a tile lies, in arcsec at 1 au, or `None` if the map is not of the disk.
    """
    wcs, frame = usable_wcs(smap)
    if not isinstance(frame, Helioprojective):
        return None
    y, x = (part.start + (side.start + side.stop - 1) / 2 for part, side in zip(tile, (rows, columns), strict=True))
    nearer = SOLAR_RADIUS / smap.rsun_obs.to_value(u.arcsec)
    world = (float(value) for value in wcs.pixel_to_world_values(x, y))
    return tuple(((value + 180) % 360 - 180) * 3600 * nearer for value in world)


def _shift_between(seen, means, search, settings):
    """
    Shift in fine pixels, or `None`.
    """
    search = min(search, (min(seen.shape) - 8) // 2)
    try:
        found = estimate_shift(seen, means, precision=settings.precision / settings.factor, max_shift=search)
    except ValueError:  # too small, or nothing in common
        return None
    return np.array(found) * settings.factor


def _standardized(smap, observation, factor):
    """
    Map of the field in HMI gauss, north up, with pixels so many times those of HMI at 1 au.
    """
    field = np.where(observation.valid, observation.calibrated, np.float32(np.nan))
    smap = smap._new_instance(field, smap.meta, mask=None, uncertainty=None)
    # The Sun has as many pixels as it would have at 1 au.
    scale = factor * HMI_SCALE * smap.rsun_obs.to_value(u.arcsec) / SOLAR_RADIUS
    wcs, frame = usable_wcs(smap)
    own = float(np.mean(pixel_scale(smap)))
    matrix = np.asarray(smap.rotation_matrix)
    rotated = np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))
    if not isinstance(frame, Helioprojective) or abs(rotated) < _ROTATED:
        return smap if abs(own / scale - 1) < _RESCALED else maps.regrid(smap, scale)
    if own * 1.5 < scale:  # to be averaged, not interpolated
        smap = maps.regrid(smap, scale)
        wcs = smap.wcs
    # Rotated and brought to scale by one interpolation.
    ny, nx = smap.data.shape
    x, y = np.array([[-0.5, nx - 0.5, -0.5, nx - 0.5], [-0.5, -0.5, ny - 0.5, ny - 0.5]])
    corners = wcs.pixel_to_world_values(x, y)
    x, y = (((np.asarray(c) + 180) % 360 - 180) * 3600 / scale for c in corners)
    left, bottom = np.floor(x.min()), np.floor(y.min())
    shape = int(np.ceil(y.max()) - bottom), int(np.ceil(x.max()) - left)
    header = make_fitswcs_header(
        shape,
        SkyCoord(0 * u.arcsec, 0 * u.arcsec, frame=smap.coordinate_frame),
        reference_pixel=[-left - 0.5, -bottom - 0.5] * u.pix,
        scale=[scale, scale] * u.arcsec / u.pix,
    )
    north_up = Map(np.zeros(shape, dtype=np.float32), header)
    sampler = _Sampler(np.nan_to_num(smap.data), ~np.isfinite(smap.data), wcs, north_up.wcs)
    return Map(sampler.at([slice(0, n) for n in shape], 1), header)


class _Sampler:
    """
    A field at the pixels of another grid, from its own pixels by one interpolation.
    """

    def __init__(self, field, unknown, wcs, grid):
        if unknown.any() and not unknown.all():
            # The nearest value instead of a hole: a spline through a jump would ring.
            field = field[tuple(ndimage.distance_transform_edt(unknown, return_distances=False, return_indices=True))]
        self._grid, self._wcs, self._unknown = grid, wcs, unknown
        self._coefficients = ndimage.spline_filter(field, ORDER, output=np.float32, mode="mirror")

    def at(self, tile, factor, shift=(0.0, 0.0)):
        """
        The pixels of a tile of so many times larger pixels, after the image was moved by pixels of the grid.
        """
        (top, bottom), (left, right) = ((part.start * factor, part.stop * factor) for part in tile)
        y, x = self._places(
            np.arange(top, bottom) - shift[0],
            np.arange(left, right) - shift[1],
        )
        ny, nx = self._unknown.shape
        edge = 1e-3  # a coordinate may be off by its rounding
        outside = ~((y > -edge) & (y < ny - 1 + edge) & (x > -edge) & (x < nx - 1 + edge))  # NaN too
        places = np.where(outside, 0, y), np.where(outside, 0, x)
        values = ndimage.map_coordinates(self._coefficients, places, order=ORDER, mode="mirror", prefilter=False)
        nearest = tuple(np.rint(place).astype(int) for place in places)
        values[outside | self._unknown[nearest]] = np.nan
        return values

    def _places(self, rows, columns):
        """
        Where in the image the pixels of the grid are.
        """
        lattice = [np.append(np.arange(side[0], side[-1], _LATTICE), side[-1]) for side in (rows, columns)]
        grid_y, grid_x = np.meshgrid(*lattice, indexing="ij")
        with propagate_with_solar_surface():
            x, y = pixel_to_pixel(self._grid, self._wcs, grid_x, grid_y)
        sides = zip((rows, columns), lattice, strict=True)
        between = [np.interp(side, knots, np.arange(len(knots))) for side, knots in sides]
        between = np.meshgrid(*between, indexing="ij")
        return [ndimage.map_coordinates(place, between, order=1, mode="nearest") for place in (y, x)]


def _read_both(paths, settings):
    """
    Maps and observations of two files.
    """
    both = [
        read_checked(path, bad_quality=settings.bad_quality if number else None) for number, path in enumerate(paths)
    ]
    for (_, observation), wanted in zip(both, (settings.instrument, "hmi"), strict=True):
        if observation.instrument.name != wanted:
            why = f"of {observation.instrument.title}, where one of {wanted} is expected"
            raise Refused(Kind.OTHER, why)
    scale = both[1][1].scale
    if not 0.9 < scale / HMI_SCALE < 1.1:
        raise Refused(Kind.SCALE, f"{scale:.2f} arcsec per pixel of HMI, not about 0.5")
    for smap, _ in both:
        if observed_at(smap) is None:
            raise Refused(Kind.HEADER, "no time of observation in the header")
    minutes = abs((both[0][0].date - both[1][0].date).to_value(u.min))
    if minutes > settings.max_minutes:
        raise Refused(Kind.LATER, f"{minutes:.0f} minutes apart, more than {settings.max_minutes:g}")
    return both


def _placed(images, settings):
    """
    Maps and observations of two images that have no coordinates, at disk center.

    Both are on the grid of HMI, that of the instrument interpolated: the mean over blocks gives its pixels back.
    """
    shapes = [image.shape for image in images]
    if shapes[0] != shapes[1]:
        raise Refused(Kind.SHAPES, f"without coordinates, and of shapes {shapes[0]} and {shapes[1]}")
    if not all(np.isfinite(image).any() for image in images):
        raise Refused(Kind.NOT_FINITE, "no pixel is finite")
    names = settings.instrument, "hmi"
    # The Sun of a nominal header is not at 1 au.
    rsun = maps.from_array(images[0], scale=HMI_SCALE, instrument=names[0]).rsun_obs.to_value(u.arcsec)
    scale = HMI_SCALE * rsun / SOLAR_RADIUS
    placed = [
        maps.from_array(_whole(image, settings.factor), scale=scale, instrument=name)
        for image, name in zip(images, names, strict=True)
    ]
    return [(smap, observations.read(smap)) for smap in placed]


def _bare_image(path):
    """
    The image of a file without any coordinates, or `None`.
    """
    try:
        with fits.open(path) as hdus:
            for hdu in hdus:
                if hdu.is_image and hdu.header["NAXIS"] == 2:
                    return None if "CTYPE1" in hdu.header else np.array(hdu.data, dtype=np.float32)
    except (OSError, ValueError, TypeError):
        return None  # what is wrong with it is told where it is read
    return None


def _whole(image, factor):
    """
    Without the last rows and columns, which fill no coarse pixel.
    """
    ny, nx = (n // factor * factor for n in image.shape)
    return image[:ny, :nx]


def _as_seen(truth, settings):
    """
    What the instrument would see: the mean over its pixels, blurred as it blurs.

    A sharper image would be correlated best where the interpolation between whole pixels blurs it most.
    """
    factor = settings.factor
    ny, nx = (n // factor for n in truth.shape)
    means = truth.reshape(ny, factor, nx, factor).mean(axis=(1, 3))
    known = np.isfinite(means)
    sigma = get_instrument(settings.instrument).psf_fwhm / 2.3548 / (factor * HMI_SCALE)
    blurred, weight = (
        ndimage.gaussian_filter(part, sigma) for part in (np.where(known, means, 0), known.astype(float))
    )
    return np.where(known, blurred / np.maximum(weight, 0.1), np.nan)
