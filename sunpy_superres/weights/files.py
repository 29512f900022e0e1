"""
A model on disk: ``model.safetensors`` and ``config.json`` in one folder.
"""

import hashlib
import json
import math
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from sunpy_superres._atomic import replacing
from sunpy_superres.models import get_architecture
from sunpy_superres.weights.layout import CONFIG, FORMAT, WEIGHTS, sha256_of

__all__ = ["load_model", "parse_config", "read_config", "save_model", "write_config"]


def save_model(model, folder, *, arguments, instruments, scale, dtype=torch.float32, extra=None):
    """
    Write a model; each file is complete or not there.

    Parameters
    ----------
    model : `~sunpy_superres.models.SuperResolver`
        The model.
    folder : path-like
        Where to; made if it is not there.
    arguments : `dict`
        Arguments of the class, plain values.
    instruments : iterable of `str`
        Instruments whose magnetograms it takes.
    scale : `float`
        Plate scale of its input in arcsec per pixel.
    dtype : `torch.dtype`, optional
        Precision of the stored weights.
    extra : `dict`, optional
        More entries of the configuration, such as the license of weights that are not ours.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    # Counters stay whole numbers.
    tensors = {name: value.to(dtype) if value.is_floating_point() else value for name, value in tensors.items()}
    config = {
        "format": FORMAT,
        "method": model.method,
        "instruments": list(instruments),
        "scale": scale,
        "arguments": arguments,
        **(extra or {}),
    }
    content = save(tensors, metadata={"format": "pt"})
    config["sha256"] = hashlib.sha256(content).hexdigest()
    with replacing(folder / WEIGHTS) as temporary:
        temporary.write_bytes(content)
    write_config(folder, config)


def write_config(folder, config):
    """
    Write the configuration of a model, all of it or nothing.

    Parameters
    ----------
    folder : path-like
        Folder of the model.
    config : `dict`
        As `read_config` returns it.
    """
    with replacing(Path(folder) / CONFIG) as temporary:
        temporary.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def read_config(folder):
    """
    Read the configuration of a model.

    Parameters
    ----------
    folder : path-like
        Holds ``config.json``.

    Returns
    -------
    `dict`
        With ``method`` and ``arguments``; ``instruments`` and ``scale`` where the model was told its input.

    Raises
    ------
    FileNotFoundError
        If the folder lacks one of the files of a model.
    ValueError
        If the configuration is damaged, of a newer layout, or says something impossible.
    """
    folder = Path(folder)
    for name in (WEIGHTS, CONFIG):
        if not (folder / name).is_file():
            msg = f"{folder} holds no {name}; a model is a folder with {WEIGHTS} and {CONFIG}."
            raise FileNotFoundError(msg)
    return parse_config(folder / CONFIG)


def parse_config(path):
    """
    Read a configuration alone; see `read_config`.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    `dict`

    Raises
    ------
    ValueError
        If the configuration is damaged, of a newer layout, or says something impossible.
    """
    try:
        config = json.loads(Path(path).read_text(encoding="utf-8"))
        version = config["format"]
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{path} is not the configuration of a model: {error!r}."
        raise ValueError(msg) from error
    if isinstance(version, int) and version > FORMAT:
        msg = f"{path} has layout {version}; this version of sunpy_superres reads up to {FORMAT}: upgrade it."
        raise ValueError(msg)
    instruments, scale = config.get("instruments"), config.get("scale")
    faults = {
        "format": type(version) is int and version > 0,
        "method": isinstance(config.get("method"), str),
        "arguments": isinstance(config.get("arguments"), dict),
        "instruments": instruments is None
        or (isinstance(instruments, list) and all(isinstance(name, str) for name in instruments)),
        "scale": scale is None or (isinstance(scale, int | float) and 0 < scale < math.inf),
        "sha256": isinstance(config.get("sha256") or "", str),
        "calibration": isinstance(config.get("calibration") or {}, dict),
    }
    if wrong := [key for key, right in faults.items() if not right]:
        msg = f"{path} is not the configuration of a model: {wrong[0]} is {config.get(wrong[0])!r}."
        raise ValueError(msg)
    return config


def load_model(folder):
    """
    Read a model from a folder; strictly: every weight must be there, and no other.

    Parameters
    ----------
    folder : path-like
        Holds ``model.safetensors`` and ``config.json``.

    Returns
    -------
    `~sunpy_superres.models.SuperResolver`
        In float32, ready for inference.

    Raises
    ------
    FileNotFoundError
        If one of the files is missing.
    ValueError
        If a file is damaged, of a newer layout, of an unknown method, or does not fit the architecture.
    """
    folder = Path(folder)
    config = read_config(folder)
    if (expected := config.get("sha256")) and (found := sha256_of(folder / WEIGHTS)) != expected:
        msg = (
            f"{folder / WEIGHTS} is damaged or was altered: its SHA-256 is {found[:16]}..., and {CONFIG} was written "
            f"for {expected[:16]}...; get both files again."
        )
        raise ValueError(msg)
    try:
        kind = get_architecture(config["method"])
    except ValueError as error:
        msg = f"{folder / CONFIG}: {error} A newer version of sunpy_superres may know it."
        raise ValueError(msg) from error
    try:
        model = kind(**config["arguments"])
    except Exception as error:  # whatever a network makes of numbers that are not meant for it
        msg = f"{folder / CONFIG} does not fit the method {config['method']!r}: {error}."
        raise ValueError(msg) from error
    try:
        tensors = load_file(folder / WEIGHTS)
    except SafetensorError as error:
        msg = f"{folder / WEIGHTS} is damaged or no safetensors file ({error}); get it again."
        raise ValueError(msg) from error
    try:
        tensors = {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
        model.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        first = " ".join(str(error).split())[:300]
        msg = f"{folder / WEIGHTS} does not fit the architecture in {CONFIG}: {first}..."
        raise ValueError(msg) from error
    return model.eval().requires_grad_(False)
