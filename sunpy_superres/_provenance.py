"""
What the header of a result says about how it was made.
"""

from dataclasses import dataclass, fields
from typing import ClassVar

from sunpy_superres._header import add_history, package_version, set_key

__all__ = ["KEYS", "Provenance", "SyntheticProvenance", "write_provenance"]

#: Header keys and their comments, by field.
KEYS = {
    "method": ("SRMETHOD", "method"),
    "factor": ("SRFACTOR", "enlargement"),
    "n_samples": ("SRNSAMP", "samples drawn"),
    "seed": ("SRSEED", "seed of the samples"),
    "steps": ("SRSTEPS", "steps of the sampler"),
    "model": ("SRMODEL", "weights"),
    "sha256": ("SRSHA256", "SHA-256 of the weights, first 16 digits"),
    "instrument": ("SRINSTR", "instrument the input was taken for"),
    "solver": ("SRSOLVER", "solver of the sampler, and its settings"),
    "precision": ("SRPREC", "number type of the network"),
    "calibrated": ("SRCALIB", "calibration of the spread, F for none"),
    "quiet_sun": ("SRQUIET", "intensity of the quiet Sun at disk center"),
    "flare_class": ("SRCLASS", "GOES class that was asked for"),
    "flux": ("SRFLUX", "[W/m2] X-ray flux that was asked for"),
    "sample": ("SRSAMPLE", "number of the draw, from 0"),
    "guidance": ("SRGUIDE", "strength of the guidance, 1 for none"),
    "scaling": ("SRSCALE", "scaling that DN/s were made from"),
}


class _Stated:
    """
    What is known of how a result was made.
    """

    #: The function that was called.
    call: ClassVar[str]

    def stated(self):
        """
        The fields that are known.

        Returns
        -------
        `dict`
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.sha256 is not None:
            values["sha256"] = self.sha256[:16]
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Provenance(_Stated):
    """
    What is needed to make a result again; written to the header of the output.

    Parameters
    ----------
    method : `str`
        Name of the method (``SRMETHOD``).
    factor : `int`
        Enlargement (``SRFACTOR``).
    n_samples : `int`
        Number of samples (``SRNSAMP``).
    seed : `int`, optional
        Seed of the samples (``SRSEED``).
    steps : `int`, optional
        Steps of the sampler (``SRSTEPS``).
    model : `str`, optional
        Name of the weights, ``repository@revision`` (``SRMODEL``).
    sha256 : `str`, optional
        Hash of the weights (``SRSHA256``, its first 16 digits).
    instrument : `str`, optional
        Instrument that the input was taken for (``SRINSTR``).
    solver : `str`, optional
        Solver of the sampler and the numbers that go with it (``SRSOLVER``).
    precision : `str`, optional
        Number type of the network, ``"float32"`` or ``"bfloat16"`` (``SRPREC``).
    quiet_sun : `float`, optional
        Of a continuum image, the intensity that counted as one for the network (``SRQUIET``).
    calibrated : `str` or `False`, optional
        Of an ensemble, the calibration of its spread, as eight digits, or `False` (``SRCALIB``).
    """

    method: str
    factor: int
    n_samples: int
    seed: int | None = None
    steps: int | None = None
    model: str | None = None
    sha256: str | None = None
    instrument: str | None = None
    solver: str | None = None
    precision: str | None = None
    quiet_sun: float | None = None
    calibrated: str | bool | None = None

    call: ClassVar[str] = "superresolve"


@dataclass(frozen=True)
class SyntheticProvenance(_Stated):
    """
    What is needed to make a synthetic image again; written to its header.

    Parameters
    ----------
    flare_class : `str`
        GOES class that was asked for (``SRCLASS``).
    seed, sample : `int`
        Seed, and number of the draw (``SRSEED``, ``SRSAMPLE``).
    method : `str`
        Name of the generator (``SRMETHOD``).
    steps : `int`
        Steps of the sampler (``SRSTEPS``).
    guidance : `float`
        Strength of the guidance (``SRGUIDE``).
    solver : `str`
        Solver of the sampler (``SRSOLVER``).
    model, sha256 : `str`
        Name of the weights, and their hash (``SRMODEL``, ``SRSHA256``).
    precision : `str`
        Number type of the network (``SRPREC``).
    scaling : `str`
        Scaling of the images that the network draws (``SRSCALE``).
    flux : `float`, optional
        X-ray flux that was asked for, in W/m2 (``SRFLUX``).
    """

    flare_class: str
    seed: int
    sample: int
    method: str
    steps: int
    guidance: float
    solver: str
    model: str
    sha256: str
    precision: str
    scaling: str
    flux: float | None = None

    call: ClassVar[str] = "generate_aia"


def write_provenance(meta, provenance):
    """
    Write the keys, and a line of HISTORY.

    Parameters
    ----------
    meta : `~sunpy.util.MetaDict`
        Changed in place.
    provenance : `Provenance` or `SyntheticProvenance`
    """
    stated = provenance.stated()
    for name, (key, comment) in KEYS.items():
        if name in stated:
            set_key(meta, key, stated[name], comment)
    set_key(meta, "SRVERS", package_version(), "version of sunpy_superres")
    parameters = ", ".join(f"{name}={value}" for name, value in stated.items())
    add_history(meta, f"sunpy_superres {package_version()}: {provenance.call}({parameters})")
