"""
Fitting a recipe on prepared arrays: torch and Lightning, neither sunpy nor astropy.
"""

import json
import logging
import platform
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.warnings import PossibleUserWarning
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from torch.utils.data import DataLoader

from sunpy_superres.instruments import HMI_SCALE
from sunpy_superres.models import get_method
from sunpy_superres.training.patches import PatchPool
from sunpy_superres.training.tasks import TASKS
from sunpy_superres.weights.files import save_model

__all__ = ["fit"]


@contextmanager
def _quiet():
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


def _fit_stage(name, recipe, model, data, validation, out, device, say):
    options = recipe.stages[name]
    folder = out / name
    finished = folder / "finished.ckpt"
    task_type = TASKS[options.task or name]
    accelerator = "gpu" if device.type == "cuda" else "cpu"
    arguments = {"size": options.size, "factor": model.factor, "jitter": recipe.jitter, "device": device}
    pool = PatchPool(data, **arguments)
    watch = PatchPool(validation, **arguments) if validation else None
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
    checkpoints = [ModelCheckpoint(folder, save_last=True, save_top_k=0, every_n_train_steps=every)]
    if options.keep_best and watch:
        checkpoints.append(
            ModelCheckpoint(folder, "best", monitor="validation_loss", save_top_k=1, enable_version_counter=False)
        )
    trainer = pl.Trainer(
        accelerator=accelerator,
        devices=1,
        max_steps=options.steps,
        precision="bf16-mixed" if device.type == "cuda" or torch.cpu._is_avx512_bf16_supported() else "32-true",
        gradient_clip_val=options.clip,
        logger=CSVLogger(folder, name="log", version=""),
        callbacks=[*checkpoints, _Status(every, say)],
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
    best = folder / "best.ckpt"
    if best.exists():
        task.load_state_dict(torch.load(best, weights_only=True, map_location="cpu")["state_dict"])
    task.finish()
    temporary = finished.with_suffix(".tmp")
    torch.save({"state_dict": task.state_dict()}, temporary)
    temporary.replace(finished)
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
        that are found there are gone on from.
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
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    torch.set_float32_matmul_precision("high")
    pl.seed_everything(recipe.seed, verbose=False)
    model = get_method(recipe.method)(**recipe.model)
    started = time.monotonic()
    for name, stage in recipe.stages.items():
        if (stage.task or name) not in TASKS:
            msg = f"Stage {name!r} has no task that is known; known are {', '.join(TASKS)}."
            raise ValueError(msg)
    for name in recipe.stages:
        with _quiet():
            _fit_stage(name, recipe, model, Path(data), validation, out, device, progress)
    hardware = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or platform.machine()
    scale = HMI_SCALE * model.factor
    # Half the size; the rounding is far below the noise of any magnetogram.
    save_model(
        model.cpu(), out, arguments=recipe.model, instruments=recipe.instruments, scale=scale, dtype=torch.float16
    )
    record = {"recipe": recipe.name, "seed": recipe.seed, "hardware": hardware, "torch": torch.__version__}
    record["seconds"] = round(time.monotonic() - started)
    (out / "training.json").write_text(json.dumps(record, indent=1))
    return out
