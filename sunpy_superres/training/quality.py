"""
What the QUALITY of a record says, and which of it makes a record useless for training.
"""

__all__ = ["BAD_AIA", "BAD_HMI", "BAD_MDI", "flaw"]

#: Bits of the line-of-sight observables of HMI that mean bad or missing data.
BAD_HMI = 0xFFFE53A0
#: Bits of the magnetograms of MDI that mean bad or missing data.
BAD_MDI = 0x00000CFA
#: Bits of the images of AIA: all but the one that says that they were made in near real time.
BAD_AIA = 0xBFFFFFFF

# From the lowest bit that is set of a group on; what is not here has no words of its own.
_HMI_WORDS = {
    0x00000020: "poor quality (eclipse, lunar transit, thermal recovery or open loop)",
    0x00000080: "no calibration polynomial",
    0x00000100: "eclipse, or noise from another focus",
    0x00000200: "eclipse, or no calibration polynomial",
    0x00001000: "gaps that were not filled",
    0x00004000: "image stabilization open",
}
_MDI_WORDS = {
    0x00000002: "no time of observation",
    0x00000078: "more than 1 % missing",
    0x00000080: "error of the processing on board",
    0x00000400: "cosmic rays",
    0x00000800: "unlikely statistics",
}
_AIA_WORDS = {
    0x00000F00: "missing pixels",
    0x0000D000: "not pointed at the Sun for science",
    0x00002000: "eclipse",
    0x00010000: "dark image",
    0x00020000: "image stabilization open",
    0x000C0000: "calibration",
    0x00100000: "out of focus",
    0x80000000: "no image",
}


def flaw(quality, *, instrument="hmi", bad=None):
    """
    Say what is bad about a record.

    Parameters
    ----------
    quality : `int`, `str` or None
        QUALITY of its header: a number, or one written like ``"0x00000400"``. A header without it says nothing bad.
    instrument : {"hmi", "mdi", "aia"}, optional
        Whose bits they are. Other instruments have none.
    bad : `int`, optional
        The bits that count, instead of `BAD_HMI`, `BAD_MDI` or `BAD_AIA`; 0 for none.

    Returns
    -------
    `str` or None
        The bits that are set and why they count, or `None`.

    Raises
    ------
    ValueError
        If it is no number.

    Notes
    -----
    Of HMI the bits from 0x20000 on say that no observable could be made, and those below that it was made under
    conditions that are not the best. Of these, fewer points of interpolation (0x10000), nearest keywords (0x8000),
    default temperatures (0x2000), discarded limb fits (0x800) and unread lists of cosmic rays (0x400) are accepted: a
    third of the records of 2011 and 2012 has them, and their line-of-sight field looks as that of the others does.

    References
    ----------
    * HMI: `QUALITY.txt <http://jsoc.stanford.edu/doc/data/hmi/Quality_Bits/QUALITY.txt>`__, 24 May 2013
    * MDI: `MDI standard quality bits <http://soi.stanford.edu/production/QUALITY/DATASWtable.html>`__
    * AIA: ``quallev1.h`` of the processing to level 1 at JSOC

    Examples
    --------
    >>> from sunpy_superres.training.quality import flaw
    >>> flaw(0x4400)
    'QUALITY 0x00004400: image stabilization open'
    >>> flaw(0x10400) is None
    True
    """
    known = {"hmi": (BAD_HMI, _HMI_WORDS), "mdi": (BAD_MDI, _MDI_WORDS), "aia": (BAD_AIA, _AIA_WORDS)}
    if quality is None or quality == "" or instrument not in known:
        return None
    try:
        bits = (int(quality, 0) if isinstance(quality, str) else int(quality)) & 0xFFFFFFFF  # signed in some files
    except (TypeError, ValueError):
        msg = f"QUALITY must be a number of 32 bits, not {quality!r}."
        raise ValueError(msg) from None
    default, words = known[instrument]
    found = bits & (default if bad is None else bad)
    if not found:
        return None
    told = [text for mask, text in words.items() if found & mask]
    if instrument == "hmi" and found & 0xFFFE0000:
        told.append("no observable was made")
    return f"QUALITY 0x{bits:08x}: {', '.join(told) or 'bits that are not accepted'}"
