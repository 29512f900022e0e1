"""
What happens beside the steps of a training: lines of text, pictures, and the log of all parts of a run.
"""

import csv
import shutil
import time

import pytorch_lightning as pl

from sunpy_superres._atomic import replacing

__all__ = ["Keeper", "Pictures", "Status", "join_logs"]

#: Columns of the log that name a row.
_STEP = "step"


class Status(pl.Callback):
    """
    A line at every look at the validation fields and at least every minute, and the speed at the end.

    Parameters
    ----------
    name : `str`
        Of the stage.
    say : callable
        Called with lines of text.
    """

    #: Seconds without a word, at most.
    silence = 60

    def __init__(self, name, say):
        self.name, self.say = name, say
        self.patches_per_second = None

    def on_train_start(self, trainer, module):
        """
        The first step, which takes longer than others, is not counted.
        """
        self.start = self.begin = self.said = time.monotonic()
        self.first = None

    def on_train_batch_end(self, trainer, module, *_):
        """
        Count, and say so now and then.
        """
        now = time.monotonic()
        if self.first is None:
            self.first, self.begin = trainer.global_step, now
        if now - self.said > self.silence:
            self._line(trainer, {"loss": trainer.callback_metrics.get("loss")})

    def _line(self, trainer, metrics):
        self.said = time.monotonic()
        figures = " ".join(f"{key}={float(value):.5g}" for key, value in sorted(metrics.items()) if value is not None)
        step = f"step {trainer.global_step} of {trainer.max_steps}"
        self.say(f"{self.name}: {step}, {self.said - self.start:.0f} s, {figures}")

    def on_validation_end(self, trainer, module):
        """
        Say the figures.
        """
        self._line(trainer, trainer.callback_metrics)

    def on_train_end(self, trainer, module):
        """
        Say the speed.
        """
        steps, seconds = trainer.global_step - (self.first or 0), time.monotonic() - self.begin
        if self.first is not None and steps > 0:
            self.patches_per_second = steps * module.options.batch / seconds


class Keeper(pl.callbacks.Checkpoint):
    """
    Checkpoints to go on from, each complete or not there, and the best for the validation data.

    Parameters
    ----------
    folder : `pathlib.Path`
        Where to.
    every : `int` or None
        Steps between checkpoints; `None` for one after each look at the validation data, with what came of it.
    judge : `pytorch_lightning.callbacks.EarlyStopping`, optional
        Knows whether the last look was the best.
    """

    #: Seconds between two of them, at most.
    longest = 600

    def __init__(self, folder, every, judge=None):
        self.last, self.best = folder / "last.ckpt", folder / "best.ckpt"
        self.every, self.judge = every, judge

    def on_train_start(self, trainer, module):
        """
        Stop where it was stopped before: Lightning does not remember that.
        """
        self.kept = time.monotonic()
        if self.judge is not None and self.judge.wait_count >= self.judge.patience:
            trainer.should_stop = True

    def on_train_batch_end(self, trainer, module, *_):
        """
        Keep a checkpoint, if it is time.
        """
        step = trainer.global_step
        due = step % self.every == 0 if self.every else False
        # Not where a look at the validation data comes next: what goes on from there would miss it.
        overdue = time.monotonic() - self.kept > self.longest and step % module.options.validate_every
        if due or overdue:
            self._keep(trainer)

    def on_validation_end(self, trainer, module):
        """
        Keep a checkpoint, unless that goes by steps.
        """
        if not self.every:
            self._keep(trainer)

    def _keep(self, trainer):
        # Not the `ModelCheckpoint` of Lightning, which writes into the file that it replaces.
        self.kept = time.monotonic()
        new = self.last.with_suffix(".new")
        trainer.save_checkpoint(new)
        if not trainer.is_global_zero:
            return
        if self.judge is not None and self.judge.wait_count == 0:
            better = self.best.with_suffix(".new")
            shutil.copyfile(new, better)
            better.replace(self.best)
        new.replace(self.last)


class Pictures(pl.Callback):
    """
    Pictures of what the averaged weights make of fixed patches, every so many steps and at the last.

    Parameters
    ----------
    folder : `pathlib.Path`
        Where to; made if it is not there.
    every, steps : `int`
        Steps between pictures, and of the training.
    """

    def __init__(self, folder, every, steps):
        self.folder, self.every, self.steps = folder, every, steps

    def on_train_batch_end(self, trainer, module, *_):
        """
        Draw one, if it is time.
        """
        step = trainer.global_step
        if trainer.is_global_zero and (step % self.every == 0 or step == self.steps):
            if rows := module.panels():
                self._draw(rows, step, trainer)

    def _draw(self, rows, step, trainer):
        from matplotlib.figure import Figure  # NOQA: PLC0415

        figure = Figure(figsize=(2.6 * len(rows[0]), 2.7 * len(rows)), layout="constrained")
        axes = figure.subplots(len(rows), len(rows[0]), squeeze=False)
        for row, line in zip(axes, rows, strict=True):
            # All panels of a row in the colors of its last, the truth.
            last = line[-1][1]
            low, high = float(last.quantile(0.002)), float(last.quantile(0.998))
            if low < 0 < high:
                high = max(-low, high)
                low = -high
            for one, (title, image) in zip(row, line, strict=True):
                one.imshow(image.cpu().numpy(), origin="lower", cmap="gray", vmin=low, vmax=high)
                one.set(title=title, xticks=[], yticks=[])
        figure.suptitle(f"step {step}")
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.folder / f"step_{step:07d}.png") as temporary:
            figure.savefig(temporary, format="png", dpi=80)
        for logger in trainer.loggers:
            if hasattr(logger.experiment, "add_figure"):
                logger.experiment.add_figure("samples", figure, global_step=step)


def join_logs(folder):
    """
    The log of a stage as if it had never been interrupted.

    Each part of a run writes a log of its own, which begins at its first step; what an earlier part logged from there
    on was lost with it and done again.

    Parameters
    ----------
    folder : `pathlib.Path`
        Holds ``step_*/metrics.csv``.

    Returns
    -------
    `list` of `dict`
        Rows, as text by column; written to ``metrics.csv`` in the folder as well.
    """
    rows, columns = [], {}
    for path in sorted(folder.glob("step_*/metrics.csv")):
        begin = int(path.parent.name.removeprefix("step_"))
        with path.open(newline="") as file:
            new = list(csv.DictReader(file))
        rows = [row for row in rows if int(row[_STEP]) < begin] + new
        columns |= dict.fromkeys(new[0] if new else ())
    with replacing(folder / "metrics.csv") as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(columns), restval="")
        writer.writeheader()
        writer.writerows(rows)
    return rows
