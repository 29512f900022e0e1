"""
Test tensors: an input, what the model made of it where it was published, and whether it still does.
"""

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save

from sunpy_superres._atomic import replacing
from sunpy_superres.degradation import degrade, synthetic_magnetogram
from sunpy_superres.inference import Engine
from sunpy_superres.instruments import INSTRUMENTS
from sunpy_superres.weights.files import load_model, read_config
from sunpy_superres.weights.layout import VERIFICATION

__all__ = ["TOLERANCE", "verify", "write_verification"]

#: Largest difference, in gauss and in intensities of the quiet Sun, that is put down to another processor, or another
#: version of torch.
TOLERANCE = {"magnetogram": 0.1, "continuum": 1e-4}
#: Pixels of the input along each axis: whole cells of every method.
_SIZE = 32


@torch.inference_mode()
def _run(model, field, radius, seed):
    engine = Engine(torch.device("cpu"), model.cell)
    active = torch.ones([n // model.cell for n in field.shape[-2:]], dtype=torch.bool)
    (sample,) = model.draw(field, radius, active, [0], seed=seed, steps=None, engine=engine)
    return sample.contiguous()


def _quantity(folder):
    """
    What a model takes: magnetograms, unless its instruments are others.
    """
    names = read_config(folder).get("instruments") or ()
    known = {INSTRUMENTS[name].quantity for name in names if name in INSTRUMENTS}
    return "continuum" if known == {"continuum"} else "magnetogram"


def write_verification(folder):
    """
    Run a model on a synthetic magnetogram, or on one made to look like a continuum image; keep input and output
    beside its weights.

    Parameters
    ----------
    folder : path-like
        Folder of the model.

    Returns
    -------
    `pathlib.Path`
        The file.

    Raises
    ------
    FileNotFoundError, ValueError
        If the model cannot be loaded.
    """
    folder = Path(folder)
    model = load_model(folder)
    seed = 0
    truth = synthetic_magnetogram((4 * _SIZE, 4 * _SIZE), seed=seed)
    field = 0.7 * torch.from_numpy(degrade(truth, seed=seed))[None, None]
    if _quantity(folder) == "continuum":
        field = 1 - field.abs() / 4000
    radius = torch.full_like(field, 0.3)
    tensors = {"field": field, "radius": radius, "sample": _run(model, field, radius, seed)}
    target = folder / VERIFICATION
    with replacing(target) as temporary:
        temporary.write_bytes(save(tensors, metadata={"verification": json.dumps({"seed": seed})}))
    return target


def verify(folder):
    """
    Run a model again on the input that it was published with.

    Parameters
    ----------
    folder : path-like
        Folder of the model, with ``verification.safetensors``.

    Returns
    -------
    `float`
        The largest difference from the output that it was published with, in gauss or in intensities of the quiet Sun,
        not above `TOLERANCE`.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is damaged, or the output is another one.
    """
    folder = Path(folder)
    path = folder / VERIFICATION
    if not path.is_file():
        msg = f"{folder} holds no {VERIFICATION}: there is nothing to compare the model with."
        raise FileNotFoundError(msg)
    model = load_model(folder)
    try:
        with safe_open(path, framework="pt") as file:
            field, radius, sample = (file.get_tensor(name) for name in ("field", "radius", "sample"))
            seed = json.loads(file.metadata()["verification"])["seed"]
        found = _run(model, field, radius, seed)
        difference = float((found - sample).abs().max())
    except Exception as error:  # what a file holds that was altered fails anywhere
        msg = f"{path} is damaged, or was made for a model of another kind ({error}); get it again."
        raise ValueError(msg) from error
    allowed = TOLERANCE[quantity := _quantity(folder)]
    if not difference <= allowed:
        unit = "G" if quantity == "magnetogram" else "of the quiet Sun"
        msg = (
            f"The model in {folder} gives another result than when it was published: {difference:.3g} {unit} apart, "
            f"{allowed:g} {unit} are allowed. Either the files are not those that were published, or this version of "
            "torch or of the package computes something else."
        )
        raise ValueError(msg)
    return difference
