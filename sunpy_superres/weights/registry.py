"""
The models that are known by name: one record each, read from ``registry.toml``.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["FileRecord", "ModelRecord", "find_model", "list_models", "model_info"]

_FILE = Path(__file__).parent / "registry.toml"
_BUNDLED = Path(__file__).parent / "bundled"


@dataclass(frozen=True)
class FileRecord:
    """
    One file of a model.

    Parameters
    ----------
    size : `int`
        Bytes.
    sha256 : `str`
        Its SHA-256, as hexadecimal digits.
    """

    size: int
    sha256: str


@dataclass(frozen=True)
class ModelRecord:
    """
    One model: what it is, where it comes from and how good it is.

    Parameters
    ----------
    name, version : `str`
        Identity of the weights.
    method : `str`
        Registered method that they belong to; its class is the architecture.
    arguments : `dict`
        Arguments of that class: architecture, sampler (solver, steps) and its calibration (spread).
    instruments : `tuple` of `str`
        Instruments whose maps it takes.
    target : `str`
        Instrument that its output resembles.
    factor : `int`
        Enlargement; 1 of what enlarges nothing, such as a generator.
    scale : `float`
        Plate scale of the input, or of the images, in arcsec per pixel.
    summary, data, license, citation : `str`
        For people: what it does, what it was trained on, under which terms it is, and what to cite.
    repository, revision : `str`
        Repository on the Hugging Face Hub and the commit in it. Without a revision the model has not been published
        there, and the name is only what it is meant to be.
    metrics : `dict`
        The headline figures, by the names of `sunpy_superres.benchmark`.
    files : `dict`
        `FileRecord` by file name.
    """

    name: str
    version: str
    method: str
    arguments: dict
    instruments: tuple
    target: str
    factor: int
    scale: float
    summary: str
    data: str
    license: str
    citation: str
    repository: str
    revision: str
    metrics: dict
    files: dict

    @property
    def bundled(self):
        """
        Folder of the files that come with the package, or `None`.
        """
        folder = _BUNDLED / self.name
        return folder if folder.is_dir() else None

    @property
    def kind(self):
        """
        What it takes and gives, in words.
        """
        known = f"{', '.join(self.instruments)}; {self.scale:.4g} arcsec per pixel"
        return f"{known}, to {self.target}, {self.factor} times finer" if self.factor > 1 else known

    @property
    def size(self):
        """
        Bytes of all files.
        """
        return sum(file.size for file in self.files.values())


def parse_record(name, entry):
    """
    The record of an entry in ``registry.toml``.

    Parameters
    ----------
    name : `str`
        Name of the model.
    entry : `dict`
        As TOML gives it.

    Returns
    -------
    `ModelRecord`

    Raises
    ------
    KeyError, TypeError
        If something is missing or not known.
    """
    entry = dict(entry)
    files = {file: FileRecord(**values) for file, values in entry.pop("files").items()}
    return ModelRecord(name=name, files=files, instruments=tuple(entry.pop("instruments")), **entry)


@cache
def _registry():
    return {name: parse_record(name, entry) for name, entry in tomllib.loads(_FILE.read_text(encoding="utf-8")).items()}


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

    Parameters
    ----------
    method, instrument : `str`
        Names.

    Returns
    -------
    `ModelRecord`

    Raises
    ------
    ValueError
        If there is none; the message says for which instruments there is one.
    """
    if names := list_models(method, instrument):
        return model_info(names[0])
    if not list_models(method):
        msg = (
            f"No weights for the method {method!r} come with this version of the package. Give model=: a folder, or "
            "'owner/name@revision' on the Hugging Face Hub."
        )
        raise ValueError(msg)
    accepted = sorted({one for name in list_models(method) for one in model_info(name).instruments})
    msg = f"There is no {method!r} model for {instrument!r}; there is one for {', '.join(accepted)}."
    if others := sorted({model_info(name).method for name in list_models(instrument=instrument)}):
        msg += f" Methods with a model for {instrument!r}: {', '.join(others)}."
    raise ValueError(msg)
