"""
Test tensors: an input, what the model made of it where it was published, and whether it still does.
"""

import json
import math
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

#: Largest difference, in the units below, that is put down to another processor, or another version of torch.
TOLERANCE = {"magnetogram": 0.1, "continuum": 1e-4, "image": 0.01, "features": 0.01}
_UNITS = {
    "magnetogram": "G",
    "continuum": "of the quiet Sun",
    "image": "of the display range",
    "features": "of their own unit",
}
#: Pixels of the input along each axis: whole cells of every method.
_SIZE = 32


def _superresolved(model, tensors, seed):
    field = tensors["field"]
    engine = Engine(torch.device("cpu"), model.cell)
    active = torch.ones([n // model.cell for n in field.shape[-2:]], dtype=torch.bool)
    (sample,) = model.draw(field, tensors["radius"], active, [0], seed=seed, steps=None, engine=engine)
    return sample


def _generated(model, tensors, seed):
    label, radius = tensors["class"].tolist()
    (image,) = model.draw(int(label), math.nan, radius, [0], seed=seed)
    return image


def _described(model, tensors, seed):
    return model(tensors["image"])


def _encoded(model, tensors, seed):
    return model(tensors["field"])


#: What a model makes of its input, by its purpose.
_RUNS = {"superresolve": _superresolved, "generate": _generated, "describe": _described, "encode": _encoded}
#: What a model gives, by its purpose, where that does not depend on its instruments.
_QUANTITIES = {"generate": "image", "describe": "features", "encode": "magnetogram"}


@torch.inference_mode()
def _run(model, tensors, seed):
    return _RUNS[model.purpose](model, tensors, seed).contiguous()


def _input(model, folder):
    """
    An input that any model of its kind can take.
    """
    if model.purpose == "generate":
        return {"class": torch.tensor([3.0, sum(model.radii) / 2])}
    if model.purpose == "describe":
        generator = torch.Generator().manual_seed(0)
        return {"image": torch.rand(1, 1, model.size, model.size, generator=generator)}
    truth = synthetic_magnetogram((4 * _SIZE, 4 * _SIZE), seed=0)
    if model.purpose == "encode":
        return {"field": torch.from_numpy(truth)[None, None]}
    field = 0.7 * torch.from_numpy(degrade(truth, seed=0))[None, None]
    if _quantity(model, folder) == "continuum":
        field = 1 - field.abs() / 4000
    return {"field": field, "radius": torch.full_like(field, 0.3)}


def _quantity(model, folder):
    """
    What a model gives: magnetograms, unless its purpose or its instruments are others.
    """
    if model.purpose in _QUANTITIES:
        return _QUANTITIES[model.purpose]
    names = read_config(folder).get("instruments") or ()
    known = {INSTRUMENTS[name].quantity for name in names if name in INSTRUMENTS}
    return "continuum" if known == {"continuum"} else "magnetogram"


def write_verification(folder):
    """
    Run a model on a synthetic magnetogram, one made to look like a continuum image, a flare class or noise, whichever
    it takes; keep input and output beside its weights.

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
    tensors = _input(model, folder)
    tensors["sample"] = _run(model, tensors, seed)
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
        The largest difference from the output that it was published with, in gauss, in intensities of the quiet Sun, in
        parts of the display range, or in features, not above `TOLERANCE`.

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
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            seed = json.loads(file.metadata()["verification"])["seed"]
        difference = float((_run(model, tensors, seed) - tensors["sample"]).abs().max())
    except Exception as error:  # what a file holds that was altered fails anywhere
        msg = f"{path} is damaged, or was made for a model of another kind ({error}); get it again."
        raise ValueError(msg) from error
    quantity = _quantity(model, folder)
    allowed, unit = TOLERANCE[quantity], _UNITS[quantity]
    if not difference <= allowed:
        msg = (
            f"The model in {folder} gives another result than when it was published: {difference:.3g} {unit} apart, "
            f"{allowed:g} {unit} are allowed. Either the files are not those that were published, or this version of "
            "torch or of the package computes something else."
        )
        raise ValueError(msg)
    return difference
