"""
From a name or a folder to a model that is ready to run.
"""

import hashlib
from collections import namedtuple
from functools import lru_cache
from pathlib import Path
from threading import Lock

import torch

from sunpy_superres.weights.files import CONFIG, WEIGHTS, load_model, read_config
from sunpy_superres.weights.registry import find_model, list_models, model_info

__all__ = ["LoadedModel", "Weights", "load", "locate"]

#: Where weights are, what they are called, and for which inputs: `scale` and `instruments` are `None` if unknown.
Weights = namedtuple("Weights", ["folder", "name", "method", "instruments", "scale", "files"])
#: A model on its device, and the SHA-256 of its weights.
LoadedModel = namedtuple("LoadedModel", ["model", "sha256"])

_lock = Lock()


def locate(model, method, instrument):
    """
    Find the weights that a method needs for an instrument.

    Parameters
    ----------
    model : `str`, path-like or None
        Name in the registry, or a folder with ``model.safetensors`` and ``config.json``; by default the
        registry's model for the method and the instrument.
    method, instrument : `str`
        Names.

    Returns
    -------
    `Weights`

    Raises
    ------
    ValueError
        If there is no such model, or it is one of another method or for other instruments.
    """
    if model is None:
        record = find_model(method, instrument)
    elif str(model) in list_models():
        record = model_info(str(model))
    elif (folder := Path(model)).is_dir():
        config = read_config(folder)
        name = f"local:{folder.name}"
        found = Weights(folder, name, config["method"], config.get("instruments"), config.get("scale"), {})
        return _fitting(found, method, instrument)
    else:
        msg = f"There is no model {str(model)!r}: neither a folder nor one of {', '.join(list_models())}."
        raise ValueError(msg)
    name = f"{record.name}@{record.version}"
    found = Weights(record.folder, name, record.method, record.instruments, record.scale, record.files)
    return _fitting(found, method, instrument)


def _fitting(weights, method, instrument):
    if weights.method != method:
        msg = f"The model {weights.name} is for the method {weights.method!r}, not {method!r}."
        raise ValueError(msg)
    if weights.instruments and instrument not in weights.instruments:
        msg = f"The model {weights.name} is for {', '.join(weights.instruments)}, not for {instrument!r}."
        raise ValueError(msg)
    return weights


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
        If a file is missing, damaged, or not the one of the registry.
    """
    # Altered files count as other files.
    stamps = tuple(
        (name, (path := weights.folder / name).exists() and path.stat().st_mtime_ns) for name in (WEIGHTS, CONFIG)
    )
    with _lock:
        return _load(weights.folder, stamps, tuple(sorted(weights.files.items())), str(device), dtype)


@lru_cache(maxsize=4)
def _load(folder, stamps, files, device, dtype):
    for name, expected in files:
        path = folder / name
        if path.is_file() and (found := _sha256(path)) != expected:
            msg = f"{path} is not the file of the registry (SHA-256 {found[:16]}..., expected {expected[:16]}...): it is damaged or was altered. Install the package again."  # NOQA: E501
            raise ValueError(msg)
    model = load_model(folder)
    if dtype != torch.float32:
        model.lower(dtype)
    model.to(device=device, memory_format=torch.channels_last)
    return LoadedModel(model, _sha256(folder / WEIGHTS))
