"""
From a name or a folder to a model that is ready to run.
"""

from collections import namedtuple
from functools import lru_cache
from os import PathLike
from pathlib import Path
from threading import Lock

import torch

from sunpy_superres.inference.calibration import SpreadCalibration
from sunpy_superres.weights import hub
from sunpy_superres.weights.fetch import fetch, fetch_repository
from sunpy_superres.weights.files import load_model, parse_config, read_config
from sunpy_superres.weights.layout import CONFIG, WEIGHTS, sha256_of
from sunpy_superres.weights.registry import find_model, list_models, model_info

__all__ = ["LoadedModel", "Weights", "load", "locate"]

#: Where weights are, what they are called, and for which inputs: `scale` and `instruments` are `None` if unknown.
Weights = namedtuple("Weights", ["folder", "name", "method", "instruments", "scale"])
#: A model on its device, the SHA-256 of its weights, the precision that it computes in, and the calibration of its
#: spread, `None` where it has none.
LoadedModel = namedtuple("LoadedModel", ["model", "sha256", "precision", "calibration"])

_lock = Lock()


def locate(model, method, instrument, *, progress=False):
    """
    Find the weights that a method needs for an instrument, and download them where they have to be.

    Parameters
    ----------
    model : `str`, path-like or None
        Name in the registry, a folder with ``model.safetensors`` and ``config.json``, or
        ``"owner/name@revision"`` on the Hugging Face Hub; by default the registry's model for the method and the
        instrument.
    method, instrument : `str`
        Names.
    progress : `bool`, optional
        Show a progress bar while downloading.

    Returns
    -------
    `Weights`

    Raises
    ------
    TypeError
        If the model is neither text nor a path.
    ValueError
        If there is no such model, it is one of another method or for other instruments, or a file was altered.
    OSError
        If it is not here and cannot be downloaded; see `~sunpy_superres.weights.fetch`.
    """
    if model is None:
        record = find_model(method, instrument)
    elif not isinstance(model, str | PathLike):
        msg = f"model must be a name or a folder, not {model!r}."
        raise TypeError(msg)
    elif (name := str(model).partition("@"))[0] in list_models():
        # With the version, as the header of a result has it, or without.
        record = model_info(name[0])
        if name[2] not in ("", record.version):
            msg = f"This version of the package has {name[0]} in version {record.version}, not {name[2]}."
            raise ValueError(msg)
    elif str(model) and (folder := Path(model).expanduser().resolve()).is_dir():
        return _described(read_config(folder), folder, f"local:{folder.name}", method, instrument)
    elif address := hub.parse_address(model):

        def accept(path):
            _described(parse_config(path), None, str(model), method, instrument)

        folder = fetch_repository(*address, accept=accept, progress=progress)
        return _described(read_config(folder), folder, str(model), method, instrument)
    else:
        msg = (
            f"There is no model {str(model)!r}: neither a folder, nor 'owner/name@revision' on the Hugging Face Hub, "
            f"nor one of {', '.join(list_models())}."
        )
        raise ValueError(msg)
    # Before anything is downloaded: does it fit?
    found = Weights(None, f"{record.name}@{record.version}", record.method, record.instruments, record.scale)
    return _fitting(found, method, instrument)._replace(folder=fetch(record.name, progress=progress))


def _described(config, folder, name, method, instrument):
    found = Weights(folder, name, config["method"], config.get("instruments"), config.get("scale"))
    return _fitting(found, method, instrument)


def _fitting(weights, method, instrument):
    if weights.method != method:
        msg = f"The model {weights.name} is for the method {weights.method!r}, not {method!r}."
        raise ValueError(msg)
    if weights.instruments and instrument not in weights.instruments:
        msg = f"The model {weights.name} is for {', '.join(weights.instruments)}, not for {instrument!r}."
        raise ValueError(msg)
    return weights


def load(weights, device, dtype):
    """
    Load weights once per process, device and precision.

    Parameters
    ----------
    weights : `Weights`
        Where they are.
    device : `torch.device`
        Where the model shall run.
    dtype : `torch.dtype`
        Precision of the parts that bear it.

    Returns
    -------
    `LoadedModel`

    Raises
    ------
    FileNotFoundError, ValueError
        If a file is missing or damaged.
    """
    # Altered files count as other files.
    stamps = tuple(
        (name, (path := weights.folder / name).exists() and path.stat().st_mtime_ns) for name in (WEIGHTS, CONFIG)
    )
    with _lock:
        return _load(weights.folder, stamps, str(device), dtype)


@lru_cache(maxsize=4)
def _load(folder, stamps, device, dtype):
    model = load_model(folder)
    precision = torch.float32 if dtype == torch.float32 else model.lower(dtype)
    model.to(device=device, memory_format=torch.channels_last)
    return LoadedModel(model, sha256_of(folder / WEIGHTS), precision, _calibration(folder))


def _calibration(folder):
    found = read_config(folder).get("calibration")
    if not found:
        return None
    try:
        return SpreadCalibration(found.get("spread"), found.get("factor"))
    except ValueError as error:
        msg = f"{folder / CONFIG}: {error}"
        raise ValueError(msg) from error
