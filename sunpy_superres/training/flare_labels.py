"""
Flare classes of images, from the flare list of the SWPC (through the HEK) and the X-ray light curve of GOES.

Until the end of 2019, when GOES 15 was its first satellite, the SWPC reported 0.7 of the true flux in 1-8 Angstrom, and
the classes that follow from it. The HEK lists the flares as they were reported; the light curves of the NOAA, those of
GOES 8 to 15 since they were processed again, hold the true flux.
"""

import time
from dataclasses import dataclass

import numpy as np

import astropy.units as u
from astropy.time import Time

from sunpy_superres.flare_classes import class_of_flux
from sunpy_superres.training.archives import fido
from sunpy_superres.training.downloads import download, persist

__all__ = ["SWPC_FACTOR", "WINDOW", "Fluxes", "flare_list", "label_images", "light_curve"]

#: What the SWPC reported of the true flux (1-8 Angstrom) until the end of 2019.
SWPC_FACTOR = 0.7
#: An image has the class of the largest flux within so long of it.
WINDOW = 30 * u.min
# In the first days of GOES-16 as the first satellite of the SWPC, at the minimum of the cycle, nothing is lost by it.
_FIRST_TRUE = Time("2020-01-01")
# Seconds by which times that are equal may differ.
_ROUNDING = 1e-3


@dataclass(frozen=True)
class Fluxes:
    """
    X-ray fluxes of 1-8 Angstrom.

    Parameters
    ----------
    name : `str`
        Where they are from.
    times : `~astropy.time.Time`
        When, shape (n,).
    true : `numpy.ndarray`
        True fluxes in W/m2, shape (n,).
    reported : `numpy.ndarray`
        Those that the SWPC reported, or would have; shape (n,).
    """

    name: str
    times: Time
    true: np.ndarray
    reported: np.ndarray


def flare_list(start, end):
    """
    Peaks of the flares that the SWPC reported.

    Parameters
    ----------
    start, end : `~astropy.time.Time`
        Stretch of time that the flares overlap with.

    Returns
    -------
    `Fluxes`
        One of each flare that has a class and a peak.

    Raises
    ------
    ConnectionError
        If the HEK does not answer.
    ImportError
        If sunkit-instruments is not installed.
    """
    client, a = fido()
    from_class = _sunkit().flareclass_to_flux
    query = a.Time(start, end), a.hek.EventType("FL"), a.hek.FRM.Name == "SWPC"
    found = persist(lambda: client.search(*query)[0], "The HEK")
    peaks, fluxes = [], []
    for row in found:
        peak, flare_class = row["event_peaktime"], row["fl_goescls"]
        # Some have no class, or no peak.
        if isinstance(flare_class, str) and flare_class.strip() and not np.ma.is_masked(peak) and not peak.masked:
            peaks.append(peak.utc.isot)
            fluxes.append(from_class(flare_class.strip()).to_value("W / m2"))
    times, reported = _times(peaks), np.array(fluxes)
    return Fluxes("hek", times, reported / _reported_part(times), reported)


def light_curve(start, end, folder, *, pause, progress=None):
    """
    Fluxes of every minute, of one satellite for each day.

    Parameters
    ----------
    start, end : `~astropy.time.Time`
        The days.
    folder : `pathlib.Path`
        Where the files are kept; those that are there are not fetched again.
    pause : `~astropy.units.Quantity`
        Time between two requests.
    progress : callable, optional
        Called with a line of text for each file.

    Returns
    -------
    `Fluxes`
        Without the minutes that are flagged.

    Raises
    ------
    ConnectionError
        If a server does not answer.
    ImportError
        If sunkit-instruments, which brings what reads the files, is not installed.
    """
    _sunkit()
    a = fido()[1]
    from sunpy.net.dataretriever import XRSClient  # NOQA: PLC0415

    # Not through Fido, which would ask the VSO as well.
    query = a.Time(start, end), a.Instrument.xrs, a.Resolution.avg1m
    best = {}
    for row in persist(lambda: XRSClient().search(*query), "The NOAA (GOES XRS)"):
        day = row["Start Time"].isot[:10]
        best[day] = max(best.get(day, (0, "")), (int(row["SatelliteNumber"]), str(row["url"])))
    minutes, fluxes = [], []
    for number, (day, (satellite, url)) in enumerate(sorted(best.items())):
        path = folder / url.rsplit("/", 1)[1]
        if not path.exists():
            if number:
                time.sleep(pause.to_value(u.s))
            download(url, path, kind="netCDF")
            if progress is not None:
                progress(f"{day}: X-ray flux of GOES-{satellite}")
        found = _read_light_curve(path)
        minutes += found[0]
        fluxes.append(found[1])
    times, true = _times(minutes), np.concatenate([[], *fluxes])
    # Whatever the satellite: GOES 16 measured since 2017, when the SWPC still reported GOES 15.
    return Fluxes("xrs", times, true, true * _reported_part(times))


def _reported_part(times):
    """
    What the SWPC reported of the true flux at some times.
    """
    return np.where(times < _FIRST_TRUE, SWPC_FACTOR, 1.0)


def _read_light_curve(path):
    """
    Times and fluxes of a file, without those that are flagged.
    """
    from sunpy.timeseries import TimeSeries  # NOQA: PLC0415

    try:
        table = TimeSeries(str(path), source="XRS").to_dataframe()
    except (OSError, ValueError, KeyError) as error:
        msg = f"{path} cannot be read ({error}). Remove it, so that it is fetched again."
        raise ValueError(msg) from error
    flux = table["xrsb"].to_numpy()
    good = (table["xrsb_quality"].to_numpy() == 0) & (flux > 0)
    return [str(text) for text in np.datetime_as_string(table.index.to_numpy()[good])], flux[good]


def _times(texts):
    return Time(texts, format="isot", scale="utc") if texts else Time(np.empty(0), format="jd")


def _sunkit():
    """
    The module that knows GOES classes, or an error that says what is missing.
    """
    try:
        from sunkit_instruments import goes_xrs  # NOQA: PLC0415
    except ImportError as error:
        msg = (
            f"Flare classes need sunkit-instruments, {error.name} is missing: with the source, pip install "
            "'.[archive]'; or fetch the images without labels."
        )
        raise ImportError(msg, name=error.name) from error
    return goes_xrs


def label_images(times, fluxes, *, true_flux=False):
    """
    Classes of images: that of the largest flux within 30 minutes before and after.

    Parameters
    ----------
    times : `~astropy.time.Time`
        When the images were taken, shape (n,).
    fluxes : iterable of `Fluxes`
        Where to look; the largest of all counts.
    true_flux : `bool`, optional
        Whether the classes are those of the true flux. Unless told they are those that the SWPC reported: until the end
        of 2019 of 0.7 of it, as the bundled models were trained on.

    Returns
    -------
    `list` of `dict`
        For each image ``goes_class`` (such as ``"M2.5"``), ``xrs_flux_w_m2``, ``flux_scale`` (``"true"`` or
        ``"reported"``) and ``label_source`` (``"hek"`` or ``"xrs"``). The class, flux and source are empty where there
        is no flux: in the list of flares, that is where there was no flare.
    """
    scale = "true" if true_flux else "reported"
    # A tuple with the name of the source: the first of two equal ones keeps it.
    best = [(0.0, "")] * len(times)
    for one in fluxes:
        if not len(one.times):
            continue
        order = np.argsort(one.times.jd)
        at = (one.times[order] - times[0]).to_value(u.s)
        values = (one.true if true_flux else one.reported)[order]
        here, reach = (times - times[0]).to_value(u.s), WINDOW.to_value(u.s) + _ROUNDING
        edges = zip(np.searchsorted(at, here - reach), np.searchsorted(at, here + reach, "right"), strict=True)
        for place, (begin, end) in enumerate(edges):
            if begin < end and (found := float(values[begin:end].max())) > best[place][0]:
                best[place] = found, one.name
    return [
        {
            "goes_class": str(class_of_flux(flux)) if flux else "",
            "xrs_flux_w_m2": f"{flux:.6g}" if flux else "",
            "flux_scale": scale,
            "label_source": source,
        }
        for flux, source in best
    ]
