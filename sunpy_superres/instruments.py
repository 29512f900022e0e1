"""
What is known of the magnetographs: the one place for their constants.

Plain numbers in gauss and arcsec, so that training can read them on a machine without astropy.
"""

from dataclasses import dataclass

__all__ = ["HMI_SCALE", "INSTRUMENTS", "SOLAR_RADIUS", "SOLAR_RADIUS_METERS", "Instrument", "get_instrument"]

#: Plate scale of HMI at 1 au, in arcsec per pixel (the common grid of Muñoz-Jaramillo et al. 2024).
HMI_SCALE = 0.504273

#: Angular radius of the Sun at 1 au, in arcsec.
SOLAR_RADIUS = 959.63

#: Radius of the Sun in the headers of MDI, HMI and AIA, in meters.
SOLAR_RADIUS_METERS = 6.96e8


@dataclass(frozen=True)
class Instrument:
    """
    One magnetograph.

    Parameters
    ----------
    name : `str`
        Short name, as the ``instrument=`` option takes it.
    title : `str`
        Name for people and figures.
    scale : `float`
        Plate scale of the native magnetogram in arcsec per pixel.
    to_hmi : `float`
        Factor that turns its gauss into HMI gauss.
    noise : `float`
        Noise of one magnetogram in its own gauss (standard deviation).
    psf_fwhm : `float`
        Full width at half maximum, in arcsec, of the Gaussian that turns an HMI magnetogram into one of
        this instrument, before binning.
    reference : `str`
        Where the numbers come from.
    quantity : {"magnetogram", "continuum"}, optional
        What it measures. Continuum images are in units of the quiet Sun at disk center wherever gauss are spoken of.
    """

    name: str
    title: str
    scale: float
    to_hmi: float
    noise: float
    psf_fwhm: float
    reference: str
    quantity: str = "magnetogram"


#: The magnetographs that are recognized, by name.
INSTRUMENTS = {
    instrument.name: instrument
    for instrument in (
        Instrument(
            name="mdi",
            title="SOHO/MDI",
            scale=1.986,
            to_hmi=0.701,
            noise=23.0,
            psf_fwhm=3.32,
            reference="factor: Liu et al. 2025, doi:10.1007/s11207-025-02523-y",
        ),
        Instrument(
            name="gong",
            title="GONG",
            scale=2.53,
            to_hmi=1.438,
            noise=1.1,
            psf_fwhm=7.15,
            reference=(
                "factor: Liu et al. 2025, doi:10.1007/s11207-025-02523-y; blur and noise: fitted to the spectra of the "
                "quiet Sun in one magnetogram of 2019 January 21 and one of HMI five days before, which by themselves "
                "ask for a factor of 1.43 to 1.47"
            ),
        ),
        Instrument(
            name="hmi",
            title="SDO/HMI",
            scale=HMI_SCALE,
            to_hmi=1.0,
            noise=6.4,
            psf_fwhm=0.0,
            reference="noise: Bobra et al. 2014, doi:10.1007/s11207-014-0529-3",
        ),
        Instrument(
            name="hmi-continuum",
            title="SDO/HMI continuum",
            scale=HMI_SCALE,
            to_hmi=1.0,
            noise=1e-3,
            psf_fwhm=0.0,
            reference="noise: that of the training of Díaz Baso & Asensio Ramos 2018, arXiv:1706.02933",
            quantity="continuum",
        ),
    )
}


def get_instrument(name):
    """
    Look an instrument up by its short name.

    Parameters
    ----------
    name : `str`
        For example ``"mdi"``; case does not matter.

    Returns
    -------
    `Instrument`

    Raises
    ------
    ValueError
        If the name is not known; the message lists the names that are.

    Examples
    --------
    >>> from sunpy_superres.instruments import get_instrument
    >>> get_instrument("MDI").to_hmi
    0.701
    """
    try:
        return INSTRUMENTS[str(name).lower()]
    except KeyError:
        msg = f"Unknown instrument {name!r}; known are {', '.join(sorted(INSTRUMENTS))}."
        raise ValueError(msg) from None
