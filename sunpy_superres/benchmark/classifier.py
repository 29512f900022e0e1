"""
What generated images are good for: classifiers trained with and without them, tested on real images.
"""

from collections import namedtuple
from dataclasses import replace

import numpy as np

from sunpy_superres.benchmark._scene import about
from sunpy_superres.benchmark.report import write_json
from sunpy_superres.flare_classes import FLARE_CLASSES

__all__ = ["TASKS", "classifier_table", "run_classifier", "scores"]

#: What a classifier tells apart: names, and the number of the name for each class from A to X.
TASKS = {
    "three classes": (("A-B", "C", "M-X"), (0, 0, 1, 2, 2)),
    "all classes": (tuple(FLARE_CLASSES), (0, 1, 2, 3, 4)),
}

#: Macro-averaged F1 and recall by class (NaN where a class has no image).
Scores = namedtuple("Scores", ["macro_f1", "recall"])


def scores(truth, found, classes):
    """
    F1 averaged over the classes that there are images of, and recall of each class.

    Parameters
    ----------
    truth, found : array-like of `int`
        Classes of the images, and what a classifier says.
    classes : `int`
        Number of classes.

    Returns
    -------
    `Scores`

    Examples
    --------
    >>> from sunpy_superres.benchmark.classifier import scores
    >>> scores([0, 0, 1], [0, 1, 1], 2).recall.tolist()
    [0.5, 1.0]
    """
    truth, found = np.asarray(truth), np.asarray(found)
    matrix = np.zeros((classes, classes))
    np.add.at(matrix, (truth, found), 1)
    right, wanted, said = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    present = wanted > 0
    recall = np.divide(right, wanted, out=np.full(classes, np.nan), where=present)
    f1 = np.divide(2 * right, wanted + said, out=np.zeros(classes), where=wanted + said > 0)
    return Scores(float(f1[present].mean()), recall)


def _module(names, steps, seed):
    """
    The classifier, as a module of Lightning that draws its own batches.
    """
    import pytorch_lightning as pl  # NOQA: PLC0415
    import torch  # NOQA: PLC0415
    from torch.nn import functional as F  # NOQA: PLC0415

    from sunpy_superres.models.solar_features import SolarFeatures  # NOQA: PLC0415

    class Classifier(pl.LightningModule):
        def __init__(self, pool, groups):
            super().__init__()
            self.pool, self.groups = pool, torch.tensor(groups, device=pool.device)
            self.features = SolarFeatures(size=64, widths=(16, 32, 64, 64))
            self.head = torch.nn.Linear(self.features.channels, names)
            # Every task's class as often as every other, whatever images it has.
            group = self.groups[pool.labels]
            self.weights = 1.0 / torch.bincount(group, minlength=names)[group].float()

        def forward(self, images):
            return self.head(self.features(F.avg_pool2d(images, images.shape[-1] // 64)))

        def training_step(self, _, index):
            generator = torch.Generator(self.pool.device).manual_seed(seed * 1_000_003 + self.global_step)
            chosen = torch.multinomial(self.weights, 64, replacement=True, generator=generator)
            batch = self.pool.vary(chosen, generator)
            return F.cross_entropy(self(batch.image), self.groups[batch.label])

        def configure_optimizers(self):
            optimizer = torch.optim.AdamW(self.parameters(), lr=2e-3, weight_decay=0.05)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    return Classifier


def _train(pool, task, steps, seed):
    import pytorch_lightning as pl  # NOQA: PLC0415
    from torch.utils.data import DataLoader  # NOQA: PLC0415

    from sunpy_superres.training.fit import quiet  # NOQA: PLC0415

    names, groups = task
    with quiet():
        pl.seed_everything(seed, verbose=False)
        module = _module(len(names), steps, seed)(pool, groups)
        trainer = pl.Trainer(
            accelerator="gpu" if pool.device.type == "cuda" else "cpu",
            devices=1,
            max_steps=steps,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, DataLoader(range(steps), batch_size=None))
    return module.eval()


def run_classifier(
    train, validation, generated, out=None, *, tasks=tuple(TASKS), seeds=5, steps=300, device=None, progress=None
):
    """
    Train classifiers of flare classes with and without generated images, and test them on real ones.

    Parameters
    ----------
    train, validation, generated : path-like
        Prepared folders: real images, real images of other dates, and generated images.
    out : path-like, optional
        JSON file for the results. Its folder must exist.
    tasks : iterable of `str`, optional
        Names of `TASKS`.
    seeds : `int`, optional
        Trainings of each kind.
    steps : `int`, optional
        Steps of a training, of 64 images each.
    device : `str`, optional
        Defaults to a GPU if there is one, else the CPU.
    progress : callable, optional
        Called with a line of text after each kind.

    Returns
    -------
    `dict`
        ``figures``, by task and kind of training: mean and standard deviation of macro-F1 and of the recalls over the
        seeds of the training, which share the generated images and the validation images; ``counts``, the number of
        validation images by task and class; ``images``, the number of training images from A to X.

    Raises
    ------
    FileNotFoundError, ValueError
        If a folder was not prepared.

    Notes
    -----
    All classes are drawn alike in all trainings: the kinds differ in the images alone. ``real`` are the images as they
    are, ``augmented`` are mirrored and turned, ``generated`` are real and generated ones as they are, ``both`` the
    latter mirrored and turned.
    """
    import torch  # NOQA: PLC0415

    from sunpy_superres.inference import choose_device  # NOQA: PLC0415
    from sunpy_superres.training.images import Augmentation, ImagePool  # NOQA: PLC0415

    device = choose_device(device)
    plain = Augmentation(mirror=False, turned=0, forget_class=0, forget_flux=0)
    varied = replace(plain, mirror=True, turned=0.5)
    pools = {
        "real": ImagePool(train, augmentation=plain, device=device),
        "augmented": ImagePool(train, augmentation=varied, device=device),
        "generated": ImagePool([train, generated], augmentation=plain, device=device),
        "both": ImagePool([train, generated], augmentation=varied, device=device),
    }
    test = ImagePool(validation, augmentation=plain, device=device)
    images = torch.from_numpy(np.stack([test.image(i) for i in range(len(test.records))]))[:, None].to(device)
    figures, counts = {}, {}
    for name in tasks:
        names, groups = task = TASKS[name]
        truth = np.array(groups)[test.labels.cpu().numpy()]
        counts[name] = dict(zip(names, np.bincount(truth, minlength=len(names)).tolist(), strict=True))
        figures[name] = {}
        for kind, pool in pools.items():
            found = []
            for seed in range(seeds):
                module = _train(pool, task, steps, seed).to(device)
                with torch.inference_mode():
                    answers = torch.cat([module(part) for part in images.split(64)]).argmax(dim=1)
                found.append(scores(truth, answers.cpu().numpy(), len(names)))
            table = np.array([[one.macro_f1, *one.recall] for one in found])
            labels = ["macro_f1", *(f"recall_{letter}" for letter in names)]
            figures[name][kind] = {
                label: [float(column.mean()), float(column.std(ddof=1)) if seeds > 1 else None]
                for label, column in zip(labels, table.T, strict=True)
            }
            if progress is not None:
                progress(f"{name}, {kind}: macro-F1 {table[:, 0].mean():.3f}")
        majority = scores(truth, np.full(len(truth), np.bincount(truth).argmax()), len(names))
        figures[name]["majority"] = {"macro_f1": [majority.macro_f1, None]}
    results = {
        **about("classifier", None, seeds=seeds, steps=steps),
        # "name@version[number]": the weights that drew them.
        "generated_by": ImagePool(generated).records[0].name.partition("[")[0],
        "images": {kind: torch.bincount(pool.labels, minlength=5).tolist() for kind, pool in pools.items()},
        "counts": counts,
        "figures": figures,
    }
    if out is not None:
        write_json(results, out)
    return results


def classifier_table(results):
    """
    The results of `run_classifier` as a Markdown table.

    Parameters
    ----------
    results : `dict`
        What it returned.

    Returns
    -------
    `str`
    """
    lines = []
    for task, kinds in results["figures"].items():
        counts = results["counts"][task]
        columns = ["macro_f1", *(f"recall_{name}" for name, count in counts.items() if count)]
        titles = ["macro-F1", *(f"recall {name} (n={count})" for name, count in counts.items() if count)]
        lines += [f"| {task} | " + " | ".join(titles) + " |", "|---" * (len(columns) + 1) + "|"]
        for kind, found in kinds.items():
            cells = [_cell(found.get(column)) for column in columns]
            lines.append(f"| {kind} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines).rstrip()


def _cell(value):
    if value is None:
        return ""
    mean, spread = value
    return f"{mean:.3f}" if spread is None else f"{mean:.3f} ± {spread:.3f}"
