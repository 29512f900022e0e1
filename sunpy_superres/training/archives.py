"""
The archives that training data come from: what they have of a stretch of time, and where its files are.

JSOC through `sunpy.net.Fido`. The GONG client of Fido knows the synoptic maps only, so the magnetograms of the full
disk are looked up in the lists of files of the NSO.
"""

import re
import time
from collections import namedtuple
from itertools import pairwise, product

import numpy as np

import astropy.units as u
from astropy.time import Time

from sunpy_superres.training.downloads import persist
from sunpy_superres.training.matching import match_times

__all__ = ["SOURCES", "TARGETS", "Gong", "Jsoc", "Observation", "aia", "fido"]

#: One observation: time (UTC, ISO), its name in the archive, and its QUALITY (hexadecimal; empty where there is none).
Observation = namedtuple("Observation", ["time", "record", "quality"])

#: Where the NSO keeps its magnetograms: an average of ten minutes of one site in each file.
GONG_URL = "https://gong2.nso.edu/oQR/bqa"
GONG_SITES = ("bb", "ct", "le", "ml", "td", "ud")

#: Records in one answer, and in one export: JSOC asks for moderation, and an address has to hold their names.
SEARCHED, EXPORTED = 2000, 50

_NO_IMAGE = 0x80000000
_ANY = 0xFFFFFFFF


def fido():
    """
    `sunpy.net.Fido` and its attributes.

    Raises
    ------
    ImportError
        If what sunpy needs for it is not installed; the message says how to mend it.
    """
    try:
        import drms  # NOQA: F401, PLC0415

        from sunpy.net import Fido, attrs  # NOQA: PLC0415
    except ImportError as error:
        msg = f"The archives need more packages, {error.name} is missing: with the source, pip install '.[archive]'."
        raise ImportError(msg, name=error.name) from error
    return Fido, attrs


def _isot(times):
    return [str(text) for text in np.atleast_1d(times.utc.isot)]


def _spans(start, end, step):
    """
    Cut a stretch of time into pieces of at most so many seconds.
    """
    count = max(int(np.ceil((end - start).to_value(u.s) / step)), 1)
    edges = start + (end - start) * np.arange(count + 1) / count
    return pairwise(edges)


def _days(start, end):
    """
    Cut a stretch of time at midnights.
    """
    midnights = Time(start.utc.isot[:10]) + np.arange(1, int((end - start).to_value(u.day)) + 2) * u.day
    edges = [start, *(one for one in midnights if start < one < end), end]
    # A second less: the midnight itself is in the folder of the next day.
    return [(first, last - 1 * u.s if last is not end else last) for first, last in pairwise(edges)]


class Jsoc:
    """
    A series of images of JSOC.

    Parameters
    ----------
    name : `str`
        Name of the folder for its files.
    series : `str`
        Name at JSOC.
    cadence : `~astropy.units.Quantity`
        Time from one record to the next.
    segment : `str`, optional
        The one that is wanted, where there are several.
    wavelength : `~astropy.units.Quantity`, optional
        Where the series has several.
    unusable : `int`, optional
        Bits of QUALITY that rule a record out; unless told only the one that says that there is no image.
    """

    batch = EXPORTED

    def __init__(self, name, series, cadence, *, segment=None, wavelength=None, unusable=_NO_IMAGE):
        self.name, self.series, self.cadence = name, series, cadence
        self.segment, self.wavelength, self.unusable = segment, wavelength, unusable

    def _query(self, *more):
        a = fido()[1]
        query = [a.jsoc.Series(self.series), *more]
        if self.segment is not None:
            query.append(a.jsoc.Segment(self.segment))
        if self.wavelength is not None:
            query.append(a.Wavelength(self.wavelength))
        return query

    def search(self, start, end, *, cadence, pause):
        """
        The observations of a stretch of time.

        Parameters
        ----------
        start, end : `~astropy.time.Time`
            The stretch.
        cadence : `~astropy.units.Quantity` or `None`
            About one each so often; all if `None`.
        pause : `~astropy.units.Quantity`
            Time between two requests.

        Returns
        -------
        found : `list` of `Observation`
            By increasing time.
        unusable : `int`
            Number of those that have no image, or not a good one.

        Raises
        ------
        ConnectionError
            If JSOC does not answer.
        """
        client, a = fido()
        thinned = cadence is not None and cadence > self.cadence
        step = (cadence if thinned else self.cadence).to_value(u.s)
        found, unusable = {}, set()
        for number, span in enumerate(_spans(start, end, SEARCHED * step)):
            if number:
                time.sleep(pause.to_value(u.s))
            query = self._query(a.Time(*span), *([a.Sample(step * u.s)] if thinned else []))
            for row in persist(lambda query=query: client.search(*query)[0], f"JSOC ({self.series})"):
                quality = _quality(row)
                if quality is not None and quality & self.unusable:
                    unusable.add(str(row["T_REC"]))
                elif observed := _time_of(row):
                    text = "" if quality is None else f"0x{quality:08x}"
                    found[str(row["T_REC"])] = Observation(observed, str(row["T_REC"]), text)
        return sorted(found.values()), len(unusable)

    def locate(self, records, email):
        """
        Have JSOC lay out the files of some records, and wait until it has.

        Parameters
        ----------
        records : `list` of `str`
            At most ``batch`` of those that `search` gave.
        email : `str`
            Registered with JSOC.

        Returns
        -------
        `dict`
            Address of the file of each record that has one.

        Raises
        ------
        ConnectionError
            If JSOC does not answer.
        ValueError
            If it does not know the e-mail address.
        """
        client, a = fido()

        def export():
            # Fido itself fetches whole searches only, with no pause and no word on which file belongs to which record.
            found = client.search(*self._query(a.jsoc.PrimeKey("T_REC", ",".join(records)), a.jsoc.Notify(email)))[0]
            request = found.client.request_data(found)
            request.wait()
            return request.urls

        urls = persist(export, f"JSOC ({self.series})")
        # "hmi.M_720s[2011.01.01_00:00:00_TAI][3]{magnetogram}"; as instants, for a time has several spellings.
        keys = {_instant(record): record for record in records}
        found = {_instant(re.split(r"[][]", record)[1]): url for record, url in zip(urls.record, urls.url, strict=True)}
        return {keys[instant]: url for instant, url in found.items() if instant in keys}


def _quality(row):
    """
    QUALITY of a record as an unsigned integer; `None` where there is none.
    """
    try:
        value = row["QUALITY"]
        return int(value, 0) & _ANY if isinstance(value, str) else int(value) & _ANY
    except (KeyError, ValueError, TypeError):
        return None


def _time_of(row):
    """
    When a record was observed, or else the time it stands for.
    """
    from sunpy.time import parse_time  # NOQA: PLC0415

    for name in ("T_OBS", "T_REC"):
        try:
            return _isot(parse_time(str(row[name])))[0]
        except (KeyError, ValueError):  # MISSING, or a year before Christ
            continue
    return None


def _instant(text):
    """
    Seconds since 1970, as a number to compare times by.
    """
    from sunpy.time import parse_time  # NOQA: PLC0415

    return round(float(parse_time(text).unix_tai))


class Gong:
    """
    The magnetograms of the sites of GONG.
    """

    name = "gong"
    cadence = 10 * u.min
    batch = EXPORTED

    def search(self, start, end, *, cadence, pause):
        """
        The observations of a stretch of time; as `Jsoc.search`.

        The times are those in the names of the files, to the minute. Every site is asked for every day.
        """
        fido()
        from sunpy.net import Scraper  # NOQA: PLC0415
        from sunpy.time import TimeRange  # NOQA: PLC0415

        day = "{{year:2d}}{{month:2d}}{{day:2d}}"
        form = f"{GONG_URL}/{{{{year:4d}}}}{{{{month:2d}}}}/{{site}}bqa{day}/{{site}}bqa{day}t{{{{hour:2d}}}}"
        found = []
        for number, (span, site) in enumerate(product(_days(start, end), GONG_SITES)):
            if number:
                time.sleep(pause.to_value(u.s))
            scraper = Scraper(format=form + "{{minute:2d}}.fits.gz", site=site)
            urls = persist(lambda scraper=scraper, span=span: scraper.filelist(TimeRange(*span)), "The NSO (GONG)")
            found += [(_gong_time(url), url) for url in urls]
        observations = [Observation(*one, "") for one in sorted(set(found))]
        # A name is good to the minute, and the list may hold files before and after.
        inside = [one for one in observations if start - 1 * u.min < Time(one.time) < end + 1 * u.min]
        if cadence is None or not inside:
            return inside, 0
        grid = start + cadence * np.arange(int((end - start) / cadence) + 1)
        pairs = match_times(grid, Time([one.time for one in inside]), cadence / 2)
        return sorted(inside[place] for _, place in pairs), 0

    def locate(self, records, email):
        """
        Addresses of some records; they are their names.
        """
        return dict(zip(records, records, strict=True))


def _gong_time(url):
    """
    When a magnetogram of GONG was taken, by its name: ``tdbqa190121t1614.fits.gz``.
    """
    year, month, day, hour, minute = re.findall(r"\d\d", url.rsplit("bqa", 1)[1])[:5]
    return f"20{year}-{month}-{day}T{hour}:{minute}:00.000"


#: What has a low resolution, and what it is compared with.
SOURCES = {"mdi": Jsoc("mdi", "mdi.fd_M_96m_lev182", 96 * u.min), "gong": Gong()}
TARGETS = {
    "hmi": Jsoc("hmi", "hmi.M_720s", 12 * u.min),
    "hmi-45s": Jsoc("hmi-45s", "hmi.M_45s", 45 * u.s),
    "hmi-continuum": Jsoc("hmi-continuum", "hmi.Ic_720s", 12 * u.min),
}
_EUV = (94, 131, 171, 193, 211, 304, 335)


def aia(wavelength):
    """
    The level 1 images of AIA in one wavelength.

    Parameters
    ----------
    wavelength : `~astropy.units.Quantity`
        One of those of the extreme ultraviolet.

    Returns
    -------
    `Jsoc`
        Records with any bit of QUALITY set are ruled out: eclipses, maneuvers, missing pixels.

    Raises
    ------
    ValueError
        If AIA has no such images.
    """
    try:
        value = round(float(wavelength.to_value(u.angstrom)), 3)
    except (AttributeError, TypeError, u.UnitConversionError):
        value = None
    if value not in _EUV:
        msg = f"wavelength must be one of {', '.join(map(str, _EUV))} Angstrom, not {wavelength}."
        raise ValueError(msg)
    options = {"segment": "image", "wavelength": int(value) * u.angstrom, "unusable": _ANY}
    return Jsoc(f"aia{int(value)}", "aia.lev1_euv_12s", 12 * u.s, **options)
