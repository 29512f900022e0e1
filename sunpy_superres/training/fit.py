"""
Fitting a recipe on prepared arrays: torch and Lightning, neither sunpy nor astropy.
"""

import hashlib
import json
import logging
import os
import platform
import time
import warnings
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.warnings import PossibleUserWarning
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only
from torch.utils.data import DataLoader

from sunpy_superres._atomic import replacing
from sunpy_superres.inference import choose_device, choose_precision
from sunpy_superres.instruments import HMI_SCALE
from sunpy_superres.models import get_architecture
from sunpy_superres.training.arrays import hashes, read_index, summary
from sunpy_superres.training.callbacks import Keeper, Pictures, Status, join_logs
from sunpy_superres.training.tasks import STAGES
from sunpy_superres.weights.fetch import fetch
from sunpy_superres.weights.files import load_model, save_model
from sunpy_superres.weights.layout import TRAINING, WEIGHTS, sha256_of
from sunpy_superres.weights.registry import list_models

__all__ = ["PRECISIONS", "fit", "quiet"]

#: Precisions of training, as Lightning calls them.
PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed"}
#: Checkpoints of a stage: to go on from, and of its end.
LAST, FINISHED = "last.ckpt", "finished.ckpt"
#: Looks at the validation fields: batches of each.
_LOOKS = 8


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


#: Arguments of a model that change how it samples, not what is trained.
_SAMPLING = ("steps", "solver", "shift", "spread", "guidance", "radii")


def _fingerprint(name, recipe, precision, contents):
    """
    Hash of all that decides the outcome of a stage: the recipe up to it, the precision, and the data; those of the
    validation only where they decide when it ends.
    """
    names = list(recipe.stages)
    decisive = {
        "model": {key: value for key, value in recipe.model.items() if key not in _SAMPLING},
        "jitter": asdict(recipe.jitter),
        "augmentation": asdict(recipe.augmentation),
        "seed": recipe.seed,
        "exclude": recipe.exclude,
        "simulated": recipe.simulated,
        "stages": {n: asdict(replace(recipe.stages[n], picture_every=0)) for n in names[: names.index(name) + 1]},
        "precision": precision,
        "data": contents["data"],
    }
    if any(recipe.stages[n].patience for n in names[: names.index(name) + 1]):
        decisive["validation"] = contents["validation"]
    if recipe.start:
        parts = recipe.start if isinstance(recipe.start, dict) else {"": recipe.start}
        decisive["start"] = {part: sha256_of(_starting_folder(name) / WEIGHTS) for part, name in parts.items()}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _starting_folder(start):
    """
    Folder of the model that training begins with.
    """
    return fetch(start) if start in list_models() else Path(start)


def _begin(model, start):
    """
    Give a model, or parts of it, the weights of others.
    """
    for part, name in (start if isinstance(start, dict) else {"": start}).items():
        other = load_model(_starting_folder(name))
        what = f"The {part} of {name}" if part else f"The weights of {name}"
        if not part and other.method != model.method:
            msg = f"{what} do not fit the model of the recipe: one is of {other.method!r}, the other {model.method!r}."
            raise ValueError(msg)
        try:
            model.get_submodule(part).load_state_dict(other.get_submodule(part).state_dict())
        except AttributeError as error:
            parts = [key for key, _ in model.named_children() if hasattr(other, key)]
            msg = f"{what} do not fit the model of the recipe; parts of both are {', '.join(parts) or 'none'}."
            raise ValueError(msg) from error
        except RuntimeError as error:
            msg = f"{what} do not fit the model of the recipe: {str(error).splitlines()[-1].strip()[:200]}"
            raise ValueError(msg) from error


def _claim(folder, fingerprint):
    """
    Mark the folder of a stage as that of one recipe and its data.
    """
    mark = folder / "fingerprint"
    begun = any((folder / name).exists() for name in (LAST, FINISHED))
    if begun and mark.exists() and mark.read_text() != fingerprint:
        msg = (
            f"{folder} holds a stage of another recipe, of other data or precision, or one cut short by --max-steps. "
            "Train into another folder, or remove it."
        )
        raise ValueError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(mark) as temporary:
        temporary.write_text(fingerprint)


def _claim_all(out, recipe):
    """
    Mark the folder of a training as that of one model.
    """
    mark, name = out / "name", f"{recipe.name} ({recipe.method})"
    if mark.exists() and mark.read_text() != name and (out / WEIGHTS).exists():
        msg = f"{out} holds the training of {mark.read_text()}, and this is that of {name}: train into another folder."
        raise ValueError(msg)
    with replacing(mark) as temporary:
        temporary.write_text(name)


def _first_step(checkpoint):
    """
    Step that a checkpoint was written at; 0 where there is none.
    """
    if not checkpoint.exists():
        return 0
    # Written by Lightning beside our own weights: it holds more than tensors.
    return torch.load(checkpoint, map_location="cpu", weights_only=False, mmap=True)["global_step"]


def _trainer(name, folder, options, watch, hardware, status, begin):
    """
    What Lightning does for a stage.
    """
    every = min(options.validate_every, options.steps)
    callbacks, judge = [status], None
    if options.picture_every:
        if find_spec("matplotlib"):
            callbacks.append(Pictures(folder / "pictures", options.picture_every, options.steps))
        else:
            status.say(f"{name}: no pictures without matplotlib")
    if options.patience:
        if not watch:
            msg = f"Stage {name} has patience, which needs validation data to see when it ends."
            raise ValueError(msg)
        judge = EarlyStopping("validation_loss", patience=options.patience)
        callbacks.append(judge)
    callbacks.append(Keeper(folder, None if watch else every, judge))
    loggers = [CSVLogger(folder / "log", name="", version=f"step_{begin:07d}")]
    if find_spec("tensorboard"):
        loggers.append(TensorBoardLogger(folder, name="tensorboard", version="", purge_step=begin))
    return pl.Trainer(
        **hardware,
        max_steps=options.steps,
        gradient_clip_val=options.clip,
        logger=loggers,
        callbacks=callbacks,
        check_val_every_n_epoch=None,
        val_check_interval=every,
        limit_val_batches=_LOOKS if watch else 0,
        num_sanity_val_steps=0,
        log_every_n_steps=min(50, every),
        use_distributed_sampler=False,  # the loaders only count, alike in all processes
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _fit_stage(name, recipe, model, data, validation, out, device, hardware, contents, say):
    """
    Train a stage, or find it trained; its speed in patches per second where it was trained.
    """
    options = recipe.stages[name]
    folder = out / name
    finished, last = folder / FINISHED, folder / LAST
    task_type = STAGES[name]
    pool, watch = task_type.open_pools(recipe, options, model, data, validation, device)
    if pool.remark:
        say(f"{data}: {pool.remark}")
    _claim(folder, _fingerprint(name, recipe, hardware["precision"], contents))
    task = task_type(model, pool, watch, options, recipe.seed)
    if finished.exists():
        task.load_state_dict(torch.load(finished, weights_only=True, map_location=device)["state_dict"])
        task.finish()
        say(f"{name}: already finished, {finished}")
        return None
    begin, status, started = _first_step(last), Status(name, say), time.monotonic()
    if begin:
        say(f"{name}: going on from step {begin}")
    trainer = _trainer(name, folder, options, watch, hardware, status, begin)
    # The task draws its own patches; the loaders only count.
    looks = DataLoader(range(_LOOKS), batch_size=None) if watch else None
    count = DataLoader(range(options.steps), batch_size=None)
    try:
        trainer.fit(task, count, looks, ckpt_path=last if begin else None)
    except (KeyboardInterrupt, SystemExit):
        say(f"{name}: interrupted; run it again to go on from step {_first_step(last)}")
        raise
    if trainer.interrupted or (trainer.global_step < options.steps and not options.patience):
        msg = f"Stage {name} stopped at step {trainer.global_step} of {options.steps}; run it again to go on."
        raise RuntimeError(msg)
    if options.patience:
        state = torch.load(folder / "best.ckpt", map_location=device, weights_only=False)
        task.load_state_dict(state["state_dict"])
        say(f"{name}: the validation was best at step {state['global_step']}")
    if trainer.is_global_zero:
        join_logs(folder / "log")
        with replacing(finished) as temporary:
            torch.save({"state_dict": task.state_dict()}, temporary)
    task.finish()
    speed = status.patches_per_second
    say(
        f"{name}: {trainer.global_step} steps in {time.monotonic() - started:.0f} s"
        + (f", {speed:.1f} patches per second" if speed else "")
    )
    return speed


def fit(
    recipe,
    data,
    out,
    *,
    validation=None,
    device=None,
    devices=1,
    num_nodes=1,
    precision=None,
    progress=print,
):
    """
    Train all stages of a recipe and write the weights.

    Parameters
    ----------
    recipe : `~sunpy_superres.training.recipe.Recipe`
        What to train.
    data : path-like
        Folder of prepared arrays.
    out : path-like
        Folder for checkpoints, logs, pictures and the result: ``model.safetensors`` and ``config.json``. Checkpoints
        that are found there are gone on from, if they are of the same recipe and data.
    validation : path-like, optional
        Folder of prepared arrays that training is watched on.
    device : `str`, optional
        ``"cuda"`` or ``"cpu"``; a GPU is used where there is one.
    devices, num_nodes : `int`, optional
        GPUs (or processes, on the CPU) of a node, and nodes, that share each batch. Lightning starts the processes of a
        node, by the command that this one was started with, unless SLURM or torchrun did.
    precision : {"float32", "bfloat16"}, optional
        Mixed precision with bfloat16 where the device computes in it natively, unless told.
    progress : callable, optional
        Called with lines of text.

    Returns
    -------
    `pathlib.Path` or None
        The folder; `None` in all processes but the first.

    Raises
    ------
    ValueError
        If a stage is not known, the folder holds stages of another recipe or of other data, or the batch cannot be
        shared.
    FileNotFoundError
        If the data were not prepared.
    RuntimeError
        If a stage did not come to its end.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    device = choose_device(device)
    if device.type == "mps":  # Lightning's precision plugins do not cover it
        device = torch.device("cpu")
    several = devices * num_nodes > 1
    if several and device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    if precision is None:
        precision = str(choose_precision(device)).removeprefix("torch.")
    if precision not in PRECISIONS:
        msg = f"precision must be {' or '.join(PRECISIONS)}, not {precision!r}."
        raise ValueError(msg)
    hardware = {
        "accelerator": "gpu" if device.type == "cuda" else "cpu",
        "devices": devices,
        "num_nodes": num_nodes,
        "strategy": "ddp" if several else "auto",
        "precision": PRECISIONS[precision],
    }
    torch.set_float32_matmul_precision("high")
    pl.seed_everything(recipe.seed, verbose=False)
    model = get_architecture(recipe.method)(**recipe.model)
    if unknown := [name for name in recipe.stages if name not in STAGES]:
        msg = f"Unknown stage {unknown[0]!r}; known are {', '.join(STAGES)}."
        raise ValueError(msg)
    if unfit := [name for name in recipe.stages if not all(hasattr(model, part) for part in STAGES[name].needs)]:
        fit_ones = [name for name, task in STAGES.items() if all(hasattr(model, part) for part in task.needs)]
        msg = f"The method {recipe.method!r} has no stage {unfit[0]!r}, but {', '.join(fit_ones)}."
        raise ValueError(msg)
    _claim_all(out, recipe)
    if recipe.start:
        _begin(model, recipe.start)
    read_index(data)  # or there is none
    contents = {"data": hashes(data), "validation": validation and hashes(validation)}
    say, speeds = rank_zero_only(progress), {}
    for name in recipe.stages:
        with quiet():
            speeds[name] = _fit_stage(name, recipe, model, data, validation, out, device, hardware, contents, say)
    if rank_zero_only.rank:
        return None
    how = {"data": summary(data), "precision": precision, "processes": devices * num_nodes}
    _write(recipe, model, out, device, speeds, how)
    return out


def _write(recipe, model, out, device, speeds, how):
    """
    Write the weights, and how they came about.
    """
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
    path = out / TRAINING
    # A run that only went on after its last stage has no speed of its own.
    known = json.loads(path.read_text()).get("patches_per_second", {}) if path.exists() else {}
    record = {
        "recipe": asdict(recipe),
        "hardware": hardware,
        **how,
        "patches_per_second": known | {name: round(speed, 2) for name, speed in speeds.items() if speed},
        "torch": torch.__version__,
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1))
