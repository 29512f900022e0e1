"""
Keys of a Map's header that must follow when its pixels change size.
"""

import re
from textwrap import wrap

import numpy as np

import astropy.units as u
from astropy.io import fits

from sunpy.coordinates import get_earth
from sunpy.map import GenericMap
from sunpy.map.sources import EITMap, GONGHalphaMap, MDIMap
from sunpy.time import parse_time
from sunpy.util import MetaDict

import sunpy_superres
from sunpy_superres.instruments import SOLAR_RADIUS_METERS

__all__ = ["add_history", "fit_comments", "nominal_header", "package_version", "rescale", "set_key", "states_gauss"]

# Sizes in pixels, positions in pixels (counted like CRPIX) and pixel sides, by the names the instruments use.
_SIZES = {"fndlmbmi", "fndlmbma", "avglmbmi", "avglmbma", "a_dmax", "b_dmax"}
_POSITIONS = {
    *("fndlmbxc", "fndlmbyc", "avglmbxc", "avglmbyc", "img_x0", "img_y0"),
    *("io_xcen", "io_ycen", "fs_xcen", "fs_ycen", "sun_xcen", "sun_ycen", "sun_cx", "sun_cy"),
}
_SIDES = {"xscale": 0, "yscale": 1, "platescl": 0, "im_scale": 0, "fd_scale": 0}
_ALONG_Y = {"fndlmbma", "avglmbma", "b_dmax"} | {name for name in _POSITIONS if re.search(r"y(c|cen|0)?$", name)}
_SIP = re.compile(r"(a|b|ap|bp)_(\d)_(\d)")
# Alternate descriptions of the coordinates (CRPIX1A, CD1_2A, ...) describe the same pixels.
_ALTERNATE = re.compile(r"(crpix|cdelt|cd[12]_|pc[12]_)([12])[a-z]")

# They describe the stored numbers of the input.
_STALE = re.compile(
    r"blank|bscale|bzero|z?checksum|z?datasum|zhecksum|headsum|naxis[3-9]"
    r"|_?data_?(min|max|mean?|rms|skew?|kurt?|medn?)2?|datap\d*|totvals|missvals|satvals|percentd|datavals"
    r"|tot_flux|avg_flux|mean_fld|img(mn|rms|skw|min|max|adv|var|kur)01|iraf-(min|max)"
)
_RECOMPUTED = {"datamin": np.nanmin, "datamax": np.nanmax, "datamean": np.nanmean}


def rescale(meta, smap, data, factors, *, reference_pixel=None):
    """
    Change a header, in place, from the pixels of a Map to smaller or larger ones on the same field of view.

    Parameters
    ----------
    meta : `~sunpy.util.MetaDict`
        A deep copy of the header of ``smap``.
    smap : `~sunpy.map.GenericMap`
        The Map before the change.
    data : `numpy.ndarray`
        The new data, of a floating-point type.
    factors : `tuple` of `float`
        How many new pixels there are to an old one, along x and along y.
    reference_pixel : `tuple` of `float`, optional
        The new CRPIX, where it is not that of a common lower left corner.
    """
    if reference_pixel is None:
        old = u.Quantity(smap.reference_pixel).to_value(u.pix) + 1
        reference_pixel = [(float(value) - 0.5) * factor + 0.5 for value, factor in zip(old, factors, strict=True)]
    # What moves a CRPIX moves every position
    offsets = [
        new - (float(value.to_value(u.pix)) + 1) * factor
        for new, value, factor in zip(reference_pixel, smap.reference_pixel, factors, strict=True)
    ]
    _rescale_coordinates(meta, smap, reference_pixel, factors, offsets)
    _rescale_instrument_keys(meta, smap, factors, offsets)
    meta["naxis"], meta["naxis1"], meta["naxis2"] = 2, data.shape[1], data.shape[0]
    meta["bitpix"] = -8 * data.dtype.itemsize
    statistics = [key for key in _RECOMPUTED if key in meta]
    for key in [key for key in meta if _STALE.fullmatch(key)]:
        del meta[key]
    if np.isfinite(data).any():
        for key in statistics:
            set_key(meta, key, float(_RECOMPUTED[key](data)), f"{key[4:]} of the data")


def _rescale_coordinates(meta, smap, reference_pixel, factors, offsets):
    own_scale = type(smap).scale is GenericMap.scale
    has_cd = "cd1_1" in meta and "cdelt1" not in meta and "cdelt2" not in meta
    for axis in (1, 2):
        factor = factors[axis - 1]
        meta[f"crpix{axis}"] = reference_pixel[axis - 1]
        if f"cdelt{axis}" in meta:
            meta[f"cdelt{axis}"] /= factor
        elif own_scale and not has_cd:
            meta[f"cdelt{axis}"] = 1 / factor  # what sunpy takes where there is none
        for key in (f"cd1_{axis}", f"cd2_{axis}"):
            if key in meta:
                meta[key] /= factor
    ratio = factors[0] / factors[1]
    if ratio != 1:
        for key, change in (("pc1_2", ratio), ("pc2_1", 1 / ratio)):
            if key in meta:
                meta[key] *= change
    for key in [key for key in meta if _ALTERNATE.fullmatch(key)]:
        name, axis = _ALTERNATE.fullmatch(key).groups()
        factor = factors[int(axis) - 1]
        if name == "crpix":
            meta[key] = meta[key] * factor + offsets[int(axis) - 1]
        elif name.startswith("pc"):
            meta[key] *= factors[int(name[2]) - 1] / factor
        else:
            meta[key] /= factor
    for key in [key for key in meta if _SIP.fullmatch(key)]:
        kind, p, q = _SIP.fullmatch(key).groups()
        own = factors[0] if kind.startswith("a") else factors[1]
        meta[key] *= own / (factors[0] ** int(p) * factors[1] ** int(q))


def _rescale_instrument_keys(meta, smap, factors, offsets):
    sizes, positions = set(_SIZES), set(_POSITIONS)
    if type(smap) is EITMap:  # in pixels there, in arcsec in its subclass and elsewhere
        sizes.add("solar_r")
    if isinstance(smap, GONGHalphaMap):
        sizes.add("radius")
    if isinstance(smap, MDIMap):
        sizes.add("crop_rad")
        for axis, key in enumerate(("x0", "y0"), start=1):
            if key in meta:
                meta[key] = meta[f"crpix{axis}"] - 1
    for key in [key for key, value in meta.items() if isinstance(value, int | float)]:
        axis = 1 if key in _ALONG_Y else 0
        if key in sizes:
            meta[key] *= factors[axis]
        elif key in positions:
            meta[key] = meta[key] * factors[axis] + offsets[axis]
        elif key in _SIDES:
            meta[key] /= factors[_SIDES[key]]
    if "r_sun" in meta and str(meta.get("ctype1", "HPLN")).upper().startswith(("HPLN", "SOLAR")):
        # Recomputed, since it is already stale in the headers of some archives
        side = abs(smap.scale[0]) / factors[0] * u.pix
        meta["r_sun"] = float((smap.rsun_obs / side).to_value(u.dimensionless_unscaled))


def states_gauss(meta):
    """
    Whether BUNIT says gauss, in a spelling that sunpy reads as such.

    Parameters
    ----------
    meta : `~sunpy.util.MetaDict`

    Returns
    -------
    `bool`
    """
    return str(meta.get("bunit", "")).strip().lower() in ("g", "gauss")


def set_key(meta, key, value, comment):
    """
    Set a key and its comment, the latter cut to what fits on the card.

    Parameters
    ----------
    meta : `~sunpy.util.MetaDict`
        Changed in place.
    key : `str`
        At most 8 characters.
    value : `str`, `int` or `float`
    comment : `str`
    """
    meta[key] = value
    comments = meta.setdefault("keycomments", {})
    for name in [name for name in comments if name.lower() == key.lower()]:
        del comments[name]
    comments[key.upper()] = comment


def fit_comments(meta):
    """
    Cut comments that became too long for their card, because their value grew.

    Parameters
    ----------
    meta : `~sunpy.util.MetaDict`
        Changed in place.
    """
    comments = meta.get("keycomments", {})
    for name, comment in list(comments.items()):
        value = meta.get(name)
        if len(name) > 8 or not isinstance(value, str | bool | int | float) or name.upper() in ("COMMENT", "HISTORY"):
            continue
        if isinstance(value, str) and ("\n" in value or len(value) > 70):
            continue  # goes on several cards, comment included
        try:
            room = 80 - len(str(fits.Card(name, value)).rstrip()) - 3
        except ValueError:  # no value that FITS can hold, which sunpy drops on writing
            continue
        if len(comment) > room:
            comments[name] = comment[: max(room, 0)]


def add_history(meta, text):
    """
    Append lines to HISTORY, in ASCII and short enough for one card each.

    Parameters
    ----------
    meta : `~sunpy.util.MetaDict`
        Changed in place. Left as it is for SIP distortions, with which sunpy reads no second line.
    text : `str`
    """
    if str(meta.get("ctype1", "")).upper().endswith("-SIP"):
        return
    lines = wrap(text.encode("ascii", "replace").decode(), width=72, subsequent_indent="  ", break_on_hyphens=False)
    before = str(meta.get("history", "") or "").rstrip("\n")
    meta["history"] = "\n".join(([before] if before else []) + lines)


def package_version():
    """
    Version of this package.

    Returns
    -------
    `str`
    """
    return sunpy_superres.__version__


def nominal_header(shape, instrument, scale, center, date, rsun_obs):
    """
    Header for an array that has none, as seen from Earth.

    Parameters
    ----------
    shape, instrument, scale, center, date, rsun_obs
        See `sunpy_superres.maps.from_array`.

    Returns
    -------
    `~sunpy.util.MetaDict`
    """
    time = parse_time(date)
    earth = get_earth(time)
    radius = SOLAR_RADIUS_METERS
    distance = earth.radius.to_value(u.m) if rsun_obs is None else radius / np.sin(np.radians(rsun_obs / 3600))
    semidiameter = np.arcsin(radius / distance)
    # sunpy takes the scale of GONG from the radius of the limb that was found in the image, the observer from the place
    # of the telescope (Big Bear), angles as degrees whatever their unit, and the time as that of GPS.
    unit, arcsec = ("deg", 1 / 3600) if instrument == "gong" else ("arcsec", 1.0)
    pixels = float(np.degrees(semidiameter) * 3600 / scale)
    limb = {"semidiam": float(semidiameter), "fndlmbmi": pixels, "fndlmbma": pixels}
    place = {"site": "BB", "lat": 0.59793, "lon": -2.04067, "elev": 2060.0}
    place |= dict(zip(("date-obs", "time-obs"), (time.tai - 19 * u.s).isot.split("T"), strict=True))
    continuum = {"content": "CONTINUUM INTENSITY", "bunit": ""}
    identities = {
        "mdi": {"telescop": "SOHO", "instrume": "MDI", "camera": "MDI", "wavelnth": 6768},
        "gong": {"telescop": "NSO-GONG", "imtype": "MAGNETIC", "dtype": "OBSERVE", "wavelnth": 6768, **limb, **place},
        "hmi": {"telescop": "SDO/HMI", "instrume": "HMI", "wavelnth": 6173},
        "hmi-continuum": {"telescop": "SDO/HMI", "instrume": "HMI", "wavelnth": 6173, **continuum},
    }
    ny, nx = shape
    return MetaDict(
        {
            "simple": True,
            "bitpix": -32,
            "naxis": 2,
            "naxis1": nx,
            "naxis2": ny,
            "waveunit": "angstrom",
            "content": "MAGNETOGRAM",
            "bunit": "Gauss",
            "date-obs": time.utc.isot,
            **identities[instrument],
            "ctype1": "HPLN-TAN",
            "ctype2": "HPLT-TAN",
            "cunit1": unit,
            "cunit2": unit,
            "cdelt1": scale * arcsec,
            "cdelt2": scale * arcsec,
            "crpix1": (nx + 1) / 2,
            "crpix2": (ny + 1) / 2,
            "crval1": center[0] * arcsec,
            "crval2": center[1] * arcsec,
            "crota2": 0.0,
            "hgln_obs": 0.0,
            "hglt_obs": earth.lat.to_value(u.deg),
            "dsun_obs": distance,
            "rsun_ref": radius,
            "rsun_obs": float(np.degrees(semidiameter) * 3600),
            "comment": "Built by sunpy_superres from an array; pointing, observer are nominal.",
        }
    )
