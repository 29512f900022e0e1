"""
Fitting a recipe on prepared arrays: torch and Lightning, neither sunpy nor astropy.
"""

import hashlib
import json
import logging
import platform
import time
import warnings
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.warnings import PossibleUserWarning
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from torch.utils.data import DataLoader

from sunpy_superres._atomic import replacing
from sunpy_superres.inference import choose_device, choose_precision
from sunpy_superres.instruments import HMI_SCALE
from sunpy_superres.models import get_architecture
from sunpy_superres.training.tasks import STAGES
from sunpy_superres.weights.fetch import fetch
from sunpy_superres.weights.files import load_model, save_model
from sunpy_superres.weights.layout import WEIGHTS, sha256_of
from sunpy_superres.weights.registry import list_models

__all__ = ["fit", "quiet"]


@contextmanager
def quiet():
    """
    Keep Lightning's advice out of the output.
    """
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")
            warnings.filterwarnings("ignore", category=PossibleUserWarning)
            yield
    finally:
        logger.setLevel(level)


class _Status(pl.Callback):
    """
    A line now and then, for logs.
    """

    def __init__(self, every, say):
        self.every, self.say, self.start = every, say, time.monotonic()

    def on_validation_end(self, trainer, module):
        figures = " ".join(f"{name}={float(value):.5g}" for name, value in sorted(trainer.callback_metrics.items()))
        self.say(f"{type(module).__name__} step {trainer.global_step} {time.monotonic() - self.start:.0f}s {figures}")


#: Arguments of a model that change how it samples, not what is trained.
_SAMPLING = ("steps", "solver", "shift", "spread", "guidance", "radii")


def _fingerprint(name, recipe, data):
    """
    Hash of all that decides the outcome of a stage: the recipe up to it, and the data.
    """
    names = list(recipe.stages)
    decisive = {
        "model": {key: value for key, value in recipe.model.items() if key not in _SAMPLING},
        "jitter": asdict(recipe.jitter),
        "augmentation": asdict(recipe.augmentation),
        "seed": recipe.seed,
        "exclude": recipe.exclude,
        "simulated": recipe.simulated,
        "stages": {n: asdict(recipe.stages[n]) for n in names[: names.index(name) + 1]},
        "data": (data / "index.json").read_text(),
    }
    if recipe.start:
        decisive["start"] = sha256_of(_starting_folder(recipe.start) / WEIGHTS)
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _starting_folder(start):
    """
    Folder of the model that training begins with.
    """
    return fetch(start) if start in list_models() else Path(start)


def _begin(model, start):
    """
    Give a model the weights of another.
    """
    other = load_model(_starting_folder(start))
    try:
        model.load_state_dict(other.state_dict())
    except RuntimeError as error:
        msg = f"The weights of {start} do not fit the model of the recipe: {str(error).splitlines()[-1].strip()}"
        raise ValueError(msg) from error


def _claim(folder, fingerprint):
    """
    Mark the folder of a stage as that of one recipe and its data.
    """
    mark = folder / "fingerprint"
    if mark.exists() and mark.read_text() != fingerprint:
        msg = (
            f"{folder} holds a stage of another recipe, of other data, or one cut short by --max-steps. "
            "Train into another folder, or remove it."
        )
        raise ValueError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(mark) as temporary:
        temporary.write_text(fingerprint)


def _fit_stage(name, recipe, model, data, validation, out, device, say):
    options = recipe.stages[name]
    folder = out / name
    finished = folder / "finished.ckpt"
    task_type = STAGES[name]
    pool, watch = task_type.open_pools(recipe, options, model, data, validation, device)
    if getattr(pool, "quantity", None) == "continuum" and not pool.simulated:
        say(f"{data} holds no simulation: all patches come from observations")
    _claim(folder, _fingerprint(name, recipe, data))
    task = task_type(model, pool, watch, options, recipe.seed)
    if finished.exists():
        task.load_state_dict(torch.load(finished, weights_only=True, map_location=device)["state_dict"])
        task.finish()
        say(f"{name}: already finished, {finished}")
        return
    for part in model.parameters():
        part.requires_grad_(False)
    for part in task.trained.parameters():
        part.requires_grad_(True)
    every = min(options.validate_every, options.steps)
    checkpoint = ModelCheckpoint(folder, save_last=True, save_top_k=0, every_n_train_steps=every)
    trainer = pl.Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=1,
        max_steps=options.steps,
        precision="bf16-mixed" if choose_precision(device) == torch.bfloat16 else "32-true",
        gradient_clip_val=options.clip,
        logger=CSVLogger(folder, name="log", version=""),
        callbacks=[checkpoint, _Status(every, say)],
        check_val_every_n_epoch=None,
        val_check_interval=every,
        limit_val_batches=8 if watch else 0,
        num_sanity_val_steps=0,
        log_every_n_steps=50,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    # The task draws its own patches; the loaders only count.
    count = DataLoader(range(options.steps), batch_size=None)
    last = folder / "last.ckpt"
    started = time.monotonic()
    trainer.fit(
        task,
        count,
        DataLoader(range(8), batch_size=None) if watch else None,
        ckpt_path=last if last.exists() else None,
    )
    if trainer.interrupted or trainer.global_step < options.steps:
        msg = f"Stage {name} stopped at step {trainer.global_step} of {options.steps}; run it again to go on."
        raise RuntimeError(msg)
    task.finish()
    with replacing(finished) as temporary:
        torch.save({"state_dict": task.state_dict()}, temporary)
    say(f"{name}: {options.steps} steps in {time.monotonic() - started:.0f} s")


def fit(recipe, data, out, *, validation=None, device=None, progress=print):
    """
    Train all stages of a recipe and write the weights.

    Parameters
    ----------
    recipe : `~sunpy_superres.training.recipe.Recipe`
        What to train.
    data : path-like
        Folder of prepared arrays.
    out : path-like
        Folder for checkpoints, logs and the result: ``model.safetensors`` and ``config.json``. Checkpoints
        that are found there are gone on from, if they are of the same recipe and data.
    validation : path-like, optional
        Folder of prepared arrays that training is watched on.
    device : `str`, optional
        ``"cuda"`` or ``"cpu"``; a GPU is used where there is one.
    progress : callable, optional
        Called with lines of text.

    Returns
    -------
    `pathlib.Path`
        The folder.

    Raises
    ------
    ValueError
        If a stage is not known, or the folder holds stages of another recipe or of other data.
    FileNotFoundError
        If the data were not prepared.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    device = choose_device(device)
    if device.type == "mps":  # Lightning's precision plugins do not cover it
        device = torch.device("cpu")
    torch.set_float32_matmul_precision("high")
    pl.seed_everything(recipe.seed, verbose=False)
    model = get_architecture(recipe.method)(**recipe.model)
    if unknown := [name for name in recipe.stages if name not in STAGES]:
        msg = f"Unknown stage {unknown[0]!r}; known are {', '.join(STAGES)}."
        raise ValueError(msg)
    if recipe.start:
        _begin(model, recipe.start)
    for name in recipe.stages:
        with quiet():
            _fit_stage(name, recipe, model, Path(data), validation, out, device, progress)
    if device.type == "cuda":
        hardware = torch.cuda.get_device_name()
    else:
        hardware = f"{torch.get_num_threads()} cores of a CPU ({platform.processor() or platform.machine()})"
    factor = getattr(model, "factor", None)
    scale = recipe.scale or (factor and HMI_SCALE * factor)
    # Half the size; the rounding is far below the noise of any magnetogram.
    save_model(
        model.cpu(),
        out,
        arguments=recipe.model,
        instruments=recipe.instruments,
        scale=scale,
        dtype=torch.float16,
        extra={"name": recipe.name, **recipe.card},
    )
    record = {"recipe": asdict(recipe), "hardware": hardware, "torch": torch.__version__}
    with replacing(out / "training.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1))
    return out
