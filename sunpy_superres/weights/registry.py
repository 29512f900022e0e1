"""
The models that are known by name: one record each, read from ``registry.toml``.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["ModelRecord", "find_model", "list_models", "model_info"]

_FILE = Path(__file__).parent / "registry.toml"
_BUNDLED = Path(__file__).parent / "bundled"


@dataclass(frozen=True)
class ModelRecord:
    """
    One model.

    Parameters
    ----------
    name, version : `str`
        Identity of the weights.
    method : `str`
        Registered method that they belong to.
    instruments : `tuple` of `str`
        Instruments whose magnetograms it takes.
    target : `str`
        Instrument that its output resembles.
    factor : `int`
        Enlargement.
    scale : `float`
        Plate scale of the input in arcsec per pixel.
    summary, data, license, citation : `str`
        For people.
    files : `dict`
        SHA-256 by file name.
    """

    name: str
    version: str
    method: str
    instruments: tuple
    target: str
    factor: int
    scale: float
    summary: str
    data: str
    license: str
    citation: str
    files: dict

    @property
    def folder(self):
        """
        Folder of the bundled files.
        """
        return _BUNDLED / self.name


@cache
def _registry():
    entries = tomllib.loads(_FILE.read_text())
    return {
        name: ModelRecord(name=name, **{key: tuple(v) if isinstance(v, list) else v for key, v in entry.items()})
        for name, entry in entries.items()
    }


def list_models(method=None, instrument=None):
    """
    Names of the models, all or those for a method or an instrument.

    Parameters
    ----------
    method, instrument : `str`, optional
        Only models of this method, or for this instrument.

    Returns
    -------
    `list` of `str`

    Examples
    --------
    >>> from sunpy_superres.weights import list_models
    >>> list_models(method="ldm", instrument="mdi")
    ['ldm-mdi-hmi']
    """
    return [
        record.name
        for record in _registry().values()
        if (method is None or record.method == method) and (instrument is None or instrument in record.instruments)
    ]


def model_info(name):
    """
    What is known of a model.

    Parameters
    ----------
    name : `str`
        Name in the registry.

    Returns
    -------
    `ModelRecord`

    Raises
    ------
    ValueError
        If there is no such model; the message lists those there are.

    Examples
    --------
    >>> from sunpy_superres.weights import model_info
    >>> model_info("ldm-mdi-hmi").factor
    4
    """
    try:
        return _registry()[name]
    except KeyError:
        msg = f"Unknown model {name!r}; known are {', '.join(sorted(_registry()))}."
        raise ValueError(msg) from None


def find_model(method, instrument):
    """
    The model of a method for an instrument: the first in the registry.

    Raises
    ------
    ValueError
        If there is none; the message says for which instruments there is one.
    """
    if names := list_models(method, instrument):
        return model_info(names[0])
    accepted = sorted({one for name in list_models(method) for one in model_info(name).instruments})
    msg = f"There is no {method!r} model for {instrument!r}; there is one for {', '.join(accepted) or 'no instrument'}."
    raise ValueError(msg)
