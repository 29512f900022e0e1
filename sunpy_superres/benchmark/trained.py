"""
What a training ends with: figures of its model on the validation data, and all that a release of it needs.
"""

import csv
import shutil
from pathlib import Path

import numpy as np

from sunpy_superres import metrics
from sunpy_superres.benchmark._scene import FACTOR, about, ratio
from sunpy_superres.benchmark.degraded import degraded_hmi
from sunpy_superres.benchmark.paired import paired_fields, read_fields
from sunpy_superres.benchmark.report import write_json

__all__ = ["evaluate_trained", "write_release"]

#: Largest side of a field that is measured on; of larger ones the middle is.
_SIDE = 512
#: Fields that are measured on, at most, and patches.
_FIELDS, _PATCHES = 8, 64
_RESULTS, _RELEASE, _ENTRY = "evaluation.json", "release", "registry_entry.toml"


def evaluate_trained(folder, recipe, data, validation, *, n_samples=8, seed=0, command=None, progress=None):
    """
    Measure a model that was just trained, by the protocol for its kind.

    Magnetograms of MDI and GONG are measured on the validation fields, degraded as by the benchmark, or on real pairs
    where the validation data are such; other networks on patches of the validation fields, degraded as in the training;
    generators as by ``evaluate-aia``, with few draws; what else there is by the figures of its training.

    Parameters
    ----------
    folder : path-like
        Folder of the model; gets ``evaluation.json``.
    recipe : `~sunpy_superres.training.recipe.Recipe`
        What it was trained by.
    data, validation : path-like
        Prepared arrays: those of the training, and others.
    n_samples, seed : `int`, optional
        Size and seed of ensembles; of generators, draws of each class.
    command : `str`, optional
        The command that led here, for the card.
    progress : callable, optional
        Called with lines of text.

    Returns
    -------
    `dict`
        The results, with ``figures``.

    Raises
    ------
    FileNotFoundError, ValueError
        If the model cannot be loaded, or the validation data do not fit it.
    """
    from sunpy_superres.weights.files import load_model  # NOQA: PLC0415

    folder = Path(folder)
    model = load_model(folder)
    results = _PROTOCOLS[model.purpose](model, folder, recipe, Path(data), Path(validation), n_samples, seed)
    results["command"] = command or "train RECIPE --data DATA --validation VALIDATION --out OUT"
    write_json(results, folder / _RESULTS)
    if progress is not None:
        for name, value in results["figures"].items():
            if isinstance(value, int | float):
                progress(f"  {name} {value:.4g}")
    return results


def _superresolved(model, folder, recipe, data, validation, n_samples, seed):
    instrument = next((name for name in ("mdi", "gong") if name in recipe.instruments), None)
    if instrument is None or model.factor != FACTOR:
        return _patches(model, folder, recipe, validation, seed)
    options = {"method": recipe.method, "model": folder, "instrument": instrument, "n_samples": n_samples, "seed": seed}
    fields = list(read_fields(validation))
    if fields[0][2] is not None:
        return paired_fields(validation, **options)
    chosen = np.unique(np.linspace(0, len(fields) - 1, min(_FIELDS, len(fields))).round().astype(int))
    return degraded_hmi([(fields[i][0].name, _middle(fields[i][1])) for i in chosen], **options)


def _middle(field):
    starts = [max(0, (n - _SIDE) // 2) for n in field.shape]
    return field[starts[0] : starts[0] + _SIDE, starts[1] : starts[1] + _SIDE]


def _drawn_patches(recipe, validation, seed, **options):
    """
    Patches of the validation fields, the same whenever they are asked for.
    """
    import torch  # NOQA: PLC0415

    from sunpy_superres.training.patches import PatchPool  # NOQA: PLC0415

    pool = PatchPool(validation, size=128, jitter=recipe.jitter, **options)
    return pool.draw(_PATCHES, torch.Generator().manual_seed(seed))


def _provenance(folder, recipe):
    from sunpy_superres.weights.layout import WEIGHTS, sha256_of  # NOQA: PLC0415

    return {"srmethod": recipe.method, "srsha256": sha256_of(folder / WEIGHTS)[:16]}


def _patches(model, folder, recipe, validation, seed):
    import torch  # NOQA: PLC0415

    from sunpy_superres.models.regression import bicubic  # NOQA: PLC0415

    batch = _drawn_patches(recipe, validation, seed, factor=model.factor)
    with torch.inference_mode():
        found, plain = model(batch.field, batch.radius).float(), bicubic(batch.field, model.factor)
    window = batch.window.repeat_interleave(model.factor, -1).repeat_interleave(model.factor, -2) > 0
    truth, found, plain = (torch.where(window, part, torch.nan)[:, 0].numpy() for part in (batch.truth, found, plain))
    figures = {
        f"{name}_ratio": float(
            np.mean([ratio(score(a, c), score(b, c)) for a, b, c in zip(found, plain, truth, strict=True)])
        )
        for name, score in {"rmse": metrics.rmse, "gradient": metrics.gradient_error}.items()
    }
    return {**about("patches", _provenance(folder, recipe), patches=_PATCHES, seed=seed), "figures": figures}


def _encoded(model, folder, recipe, data, validation, n_samples, seed):
    import torch  # NOQA: PLC0415

    truth = _drawn_patches(recipe, validation, seed).truth
    with torch.inference_mode():
        again = model(truth)
    error = metrics.rmse(again[..., 8:-8, 8:-8].numpy(), truth[..., 8:-8, 8:-8].numpy())
    about_it = about("patches", _provenance(folder, recipe), patches=_PATCHES, seed=seed)
    return {**about_it, "figures": {"autoencoder_rmse": error}}


def _generated(model, folder, recipe, data, validation, n_samples, seed):
    from sunpy_superres.benchmark.generator import evaluate_generator  # NOQA: PLC0415

    return evaluate_generator(
        data, validation, folder / "evaluation", model=folder, n=max(4, n_samples), seed=seed, conditions=False
    )


def _logged(model, folder, recipe, data, validation, n_samples, seed):
    """
    The last figures of the log of the last stage.
    """
    with (folder / list(recipe.stages)[-1] / "log" / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("validation_loss")]
    if not rows:
        msg = "it was trained without validation data, and its log is all that such a model is measured by"
        raise ValueError(msg)
    last = {key: float(value) for key, value in rows[-1].items() if key.startswith("validation_") and value}
    return {**about("training", _provenance(folder, recipe), seed=recipe.seed), "figures": last}


_PROTOCOLS = {"superresolve": _superresolved, "encode": _encoded, "generate": _generated, "describe": _logged}


def write_release(folder):
    """
    Everything that is published of a model that was just trained: weights, card, figure, test tensors and the entry of
    the registry.

    Parameters
    ----------
    folder : path-like
        Folder of the model; gets ``release`` with all of it, in place of what was there.

    Returns
    -------
    `pathlib.Path`
        The release.

    Raises
    ------
    ValueError
        If the recipe lacks what the card needs.

    Notes
    -----
    The owner is yet to be named: ``sunpy-superres models publish FOLDER OWNER/NAME --results FOLDER/evaluation.json``
    makes it again with the right one.
    """
    from sunpy_superres.demo import artist_of  # NOQA: PLC0415
    from sunpy_superres.weights.files import read_config  # NOQA: PLC0415
    from sunpy_superres.weights.publish import build_release, registry_entry  # NOQA: PLC0415

    folder = Path(folder)
    release = folder / _RELEASE
    results = [path for path in (folder / _RESULTS, folder / "evaluation" / "generator.json") if path.is_file()][:1]
    repository = f"owner/{read_config(folder).get('name')}"
    if release.is_dir():
        shutil.rmtree(release)
    build_release(folder, release, repository=repository, results=results, draw=artist_of(folder))
    (release / _ENTRY).write_text(registry_entry(release, repository), encoding="utf-8")
    return release
