"""
Where cases come from: HMI magnetograms seen through the forward operator, and real pairs.
"""

import re
import warnings
from pathlib import Path

import numpy as np

from sunpy_superres.benchmark._scene import FACTOR, crop, read_image
from sunpy_superres.benchmark.blocks import BLOCK
from sunpy_superres.benchmark.cases import Case, case_seed, region_of
from sunpy_superres.benchmark.paired import mark_unknown
from sunpy_superres.instruments import HMI_SCALE, SOLAR_RADIUS, get_instrument

__all__ = ["degraded_cases", "paired_cases", "read_cases"]

#: Pixels of the truth along a side of a case; larger images become several.
_SIDE = 1024
#: Least part of a case that is scored.
_LEAST = 0.05
#: How far the plate scale of a truth may be from that of HMI.
_TOLERANCE = 0.1


def read_cases(protocol, data, *, instrument=None, seed=0, tell=None):
    """
    Read what a protocol is run on.

    Parameters
    ----------
    protocol : `~sunpy_superres.benchmark.Protocol`
        Which protocol.
    data : path-like
        Folder of the data; see `degraded_cases` and `paired_cases` for what it has to hold.
    instrument : `str`, optional
        Whose magnetograms are the input; that of the protocol unless told.
    seed : `int`, optional
        Seed of the noise of degraded images.
    tell : callable, optional
        Called with a line of text for each file that is left out.

    Yields
    ------
    `Case`

    Raises
    ------
    FileNotFoundError
        If there are no such data.
    ValueError
        If a file is not what it has to be, or nothing is left to score.
    """
    read = {"degraded": degraded_cases, "pairs": paired_cases}[protocol.source]
    found, names, tell = 0, set(), tell or (lambda _: None)
    for case in read(data, instrument=instrument or protocol.instrument, seed=seed, tell=tell):
        if min(case.truth.shape) <= 2 * protocol.edge:
            continue
        if case.inner(protocol.edge).scored(protocol.mask).mean() < _LEAST:
            tell(f"left out {case.name}: less than {_LEAST:.0%} of it is known and within {protocol.mask:g} radii")
            continue
        if case.name in names:
            msg = f"Two cases have the name {case.name!r}."
            raise ValueError(msg)
        names.add(case.name)
        found += 1
        yield case
    if not found:
        msg = f"Nothing in {data} can be scored within {protocol.mask:g} solar radii of disk center."
        raise ValueError(msg)


def degraded_cases(data, *, instrument="mdi", seed=0, tell=None):
    """
    HMI magnetograms, and what the forward operator makes of them.

    Parameters
    ----------
    data : path-like
        Folder with ``hmi/validation/*.magnetogram.fits``, or with ``*.fits``: HMI magnetograms of about 0.5 arcsec per
        pixel, of the detector or SHARP patches, with or without coordinates. NaN is allowed.
    instrument : `str`, optional
        Whose magnetograms are made of them.
    seed : `int`, optional
        Seed of the noise, from which each case has its own.
    tell : callable, optional
        Not used.

    Yields
    ------
    `Case`

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If one is no such magnetogram.

    Examples
    --------
    >>> from sunpy_superres.benchmark.sources import degraded_cases
    >>> [case.name for case in degraded_cases("data")]  # doctest: +SKIP
    ['hmi.sharp_cea_720s.1447.20120306_142400_TAI', 'hmi.sharp_cea_720s.1447.20120306_202400_TAI']
    """
    from sunpy_superres.degradation import degrade  # NOQA: PLC0415

    data = Path(data)
    paths = sorted((data / "hmi" / "validation").glob("*.magnetogram.fits")) or sorted(data.glob("*.fits"))
    if not paths:
        msg = f"No HMI magnetograms in {data}: neither hmi/validation/*.magnetogram.fits nor *.fits."
        raise FileNotFoundError(msg)
    for path in paths:
        name = path.name.removesuffix(".fits").removesuffix(".magnetogram")
        truth, place = _read_truth(path)
        if not np.isfinite(truth).any():
            msg = f"{path}: no pixel is finite."
            raise ValueError(msg)
        parts = list(_parts(truth.shape))
        for number, part in enumerate(parts):
            title = name if len(parts) == 1 else f"{name}[{number}]"
            field = truth[part]
            seen = degrade(field, instrument=instrument, seed=case_seed(seed, title))
            if np.isfinite(seen).any():
                offset = part[0].start, part[1].start
                where = {"offset": offset, **_placed(place, part, seen)}
                yield Case(title, region_of(path), field, seen, instrument, **where)


def _parts(shape):
    """
    Slices of an image, of no more than `_SIDE` pixels and multiples of 8.
    """
    from sunpy_superres.training.fields import tiles  # NOQA: PLC0415

    sides = [tiles(0, n // 8, _SIDE // 8) for n in shape]
    return ((slice(8 * y.start, 8 * y.stop), slice(8 * x.start, 8 * x.stop)) for y in sides[0] for x in sides[1])


def _read_truth(path):
    """
    A magnetogram in gauss, with a multiple of 8 pixels, and its Map if it has coordinates.
    """
    from astropy.io import fits  # NOQA: PLC0415

    from sunpy_superres.training.fields import Refused, read_checked  # NOQA: PLC0415

    try:
        with fits.open(path) as hdus:
            bare = not any("CTYPE1" in hdu.header for hdu in hdus)
    except OSError as error:
        msg = f"{path}: no FITS file: {error}."
        raise ValueError(msg) from error
    if bare:
        return crop(read_image(path), 8), None
    try:
        smap, observation = read_checked(path)
    except Refused as refused:
        msg = f"{path}: {refused}"
        raise ValueError(msg) from refused
    if observation.instrument.name != "hmi":
        msg = f"{path}: of {observation.instrument.title}, where a magnetogram of SDO/HMI is needed."
        raise ValueError(msg)
    if abs(observation.scale / HMI_SCALE - 1) > _TOLERANCE:
        msg = f"{path}: {observation.scale:.3g} arcsec per pixel, where about {HMI_SCALE:.2f} are needed."
        raise ValueError(msg)
    field = np.where(observation.valid & (observation.radius < 1), observation.calibrated, np.float32(np.nan))
    return crop(field, 8), (smap, observation.radius)


def _placed(place, part, seen):
    """
    Where a part of an image lies on the Sun.
    """
    if place is None:
        return {}
    from sunpy.coordinates import Helioprojective  # NOQA: PLC0415

    from sunpy_superres import maps  # NOQA: PLC0415
    from sunpy_superres._wcs import pixel_scale, usable_wcs  # NOQA: PLC0415
    from sunpy_superres.training.fields import observed_at  # NOQA: PLC0415

    smap, radius = place
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what there is to say of the header
        meta = smap.meta.copy()
        for axis, side in (("1", part[1]), ("2", part[0])):
            meta[f"crpix{axis}"] = meta.get(f"crpix{axis}", 0) - side.start
        cut = smap._new_instance(np.array(smap.data[part], dtype=np.float32), meta, mask=None, uncertainty=None)
        # The mean over blocks has the right header, and becomes what was seen.
        coarse = maps.regrid(cut, FACTOR * float(np.mean(pixel_scale(cut))))
        coarse = coarse._new_instance(seen, coarse.meta)
        disk = isinstance(usable_wcs(smap)[1], Helioprojective)
    return {"time": observed_at(smap), "radius": radius[part], "equal_area": not disk, "header": coarse}


def paired_cases(data, *, instrument="mdi", seed=0, tell=None):
    """
    Magnetograms of an instrument and of HMI of the same moment, registered, north up and brought to 1 au.

    Parameters
    ----------
    data : path-like
        Folder of pairs, as `~sunpy_superres.training.prepare_pairs.prepare_pairs` takes it, or one with a folder
        ``pairs``.
    instrument : `str`, optional
        Whose they are.
    seed : `int`, optional
        Not used: nothing is drawn.
    tell : callable, optional
        Called with a line of text for each pair that cannot be used.

    Yields
    ------
    `Case`

    Raises
    ------
    FileNotFoundError
        If there are no pairs.
    ValueError
        If none can be used.

    Examples
    --------
    >>> from sunpy_superres.benchmark.sources import paired_cases
    >>> [case.shift for case in paired_cases("data")]  # doctest: +SKIP
    [(-1.0, 1.0), (0.0, 0.5)]
    """
    from sunpy_superres.training.fields import Refused, Tally  # NOQA: PLC0415
    from sunpy_superres.training.pairs import Settings, read_pair  # NOQA: PLC0415
    from sunpy_superres.training.prepare_pairs import find_pairs  # NOQA: PLC0415

    data = Path(data)
    if not data.is_dir():
        raise FileNotFoundError(2, "there is no such folder", str(data))
    folder = data / "pairs" if (data / "pairs").is_dir() else data
    settings, tally, used = Settings(instrument=instrument), Tally(tell), 0
    for one in find_pairs(folder, settings, tally):
        pair = read_pair((one.source, one.target), settings)
        if isinstance(pair, Refused):
            tally.skip(one.target.name, pair)
            continue
        # Without coordinates there is no time of observation, and the place is that of the nominal header.
        bare, time = pair.time is None, pair.time or one.time
        name = re.sub(r"_hmi$", "", one.target.name.removesuffix(".fits"))
        for number, patch in enumerate(pair.patches):
            title = name if len(pair.patches) == 1 else f"{name}[{number}]"
            region = one.region or (time[:10] if time else one.target.stem)
            used += 1
            # A region moves over the disk: its parts are where they are among each other.
            first = _corner(pair.patches) if one.region else (0, 0)
            yield _pair_case(title, region, patch, instrument, time, first, bare=bare)
    if not used:
        msg = f"No pair in {folder} can be used."
        raise ValueError(msg)


def _corner(patches):
    """
    First pixels (y, x) on the disk that one of the patches has.
    """
    found = [_first(patch) for patch in patches]
    return tuple(min(values) for values in zip(*found, strict=True))


def _first(patch):
    if patch.center is None:
        return 0, 0
    return tuple(round(c / HMI_SCALE - n / 2) for c, n in zip(patch.center[::-1], patch.truth.shape, strict=True))


def _pair_case(name, region, patch, instrument, time, first, *, bare):
    truth, seen = mark_unknown(patch.truth, patch.seen)
    seen = seen / np.float32(get_instrument(instrument).to_hmi)
    radius = None
    if not bare:
        y, x = (np.arange(n) - (n - 1) / 2 for n in truth.shape)
        if patch.center is None:
            radius = patch.plane[0] + patch.plane[1] * y[:, None] + patch.plane[2] * x
        else:
            west, north = (c + v * HMI_SCALE for c, v in zip(patch.center, (x, y), strict=True))
            radius = np.hypot(north[:, None], west) / SOLAR_RADIUS
        radius = np.clip(radius, 0, 1).astype(np.float32)
    # Half a block more, so that frames of one place that are off by a few pixels share their blocks.
    offset = tuple(one - least + BLOCK // 2 for one, least in zip(_first(patch), first, strict=True))
    return Case(name, region, truth, seen, instrument, time, radius, patch.center, patch.shift, offset=offset)
