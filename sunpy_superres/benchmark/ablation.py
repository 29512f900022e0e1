"""
What each term of the loss of a network is worth: one recipe, trained with the terms added one by one.
"""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

import sunpy_superres
from sunpy_superres import metrics
from sunpy_superres.benchmark._scene import FACTOR, about, check_complete, crop, input_map, read_image
from sunpy_superres.benchmark.compare import write_csv
from sunpy_superres.benchmark.report import write_json
from sunpy_superres.plotting import save_figure

__all__ = ["ablation", "plot_ablation"]

#: What is added to the squared error, in this order: the coefficients of a stage.
TERMS = ("gradient", "histogram", "ssim")
#: Names of the trained networks: the squared error alone, then with one more term each.
VARIANTS = ("mse", *(f"+{term}" for term in TERMS))
#: Side of a patch in pixels of the truth, and its mean unsigned true field in gauss below which it does not count.
BLOCK, WEAKEST = 32, 10.0

_PANELS = {
    "extreme_bias": "extremes: result - truth [G]",
    "patch_correlation": "correlation with the truth",
    "patch_gradient_error": "gradient of the error [G/px]",
    "patch_flux_bias": "unsigned flux per pixel:\nresult - truth [G]",
}


def ablation(recipe, data, validation, out, *, steps=None, variants=None, seed=0, device=None, progress=None):
    """
    Train a recipe without some terms of its loss and measure what each of them is worth.

    The networks differ in nothing but the loss `~sunpy_superres.training.losses.conversion_loss`: ``"mse"`` has the
    squared error alone, ``"+gradient"`` also the gradient, ``"+histogram"`` also the histogram and ``"+ssim"`` all
    terms, which is the recipe as it is. All are trained for the same number of steps.
    Each is then measured on HMI magnetograms that the forward operator of the recipe's instrument has degraded, one
    result of each (that of the whole network, without dropout), beside ``"bicubic"``.

    Parameters
    ----------
    recipe : `~sunpy_superres.training.recipe.Recipe`
        What to train: a method of factor 4 with the stage ``network`` and no other.
    data : path-like
        Folder of prepared arrays, as `~sunpy_superres.training.fit.fit` takes it.
    validation : path-like
        Folder of HMI line-of-sight magnetograms, ``*.magnetogram.fits``, as for `degraded_hmi`.
    out : path-like
        Folder for the networks (``mse``, ``gradient``, ``histogram``, ``ssim``) and for the figures:
        ``ablation.csv``, ``ablation.json`` and ``ablation.png``. Trainings that are found there are gone on from.
    steps : `int`, optional
        Steps of each training, at most those of the recipe. Defaults to those of the recipe.
    variants : iterable of `str`, optional
        The networks to train and measure. Defaults to all four.
    seed : `int`, optional
        Seed of the noise of the degradation. Defaults to 0. That of the training is in the recipe.
    device : `str`, optional
        ``"cuda"`` or ``"cpu"``; a GPU is used where there is one.
    progress : callable, optional
        Called with lines of text. Silent by default.

    Returns
    -------
    `list` of `dict`
        The figures of ``"bicubic"`` and of every network, each the mean over images, fit for `comparison_table`.

        * Means over the patches of 32 x 32 pixels of an image: ``extreme_bias`` and ``extreme_error`` (G),
          ``patch_correlation``, ``patch_gradient_error`` (G per pixel) and ``patch_flux_bias``, the unsigned field
          minus that of the truth (G).
        * Of whole images: ``rmse`` (G), ``rmse_ratio`` and ``gradient_ratio``: the error, and the gradient of the
          error, over those of bicubic.

    Raises
    ------
    ValueError
        If the recipe has other stages, lacks a term of a variant, or is for another factor or instrument, a variant
        is not known, no patch has field enough, or the folder holds networks of another recipe or other data.
    FileNotFoundError
        If the data were not prepared, or there are no validation files.

    Notes
    -----
    The patches are those of Figure 4 of Muñoz-Jaramillo et al. [1]_. Patches with a hole are left out, and so are those
    with a mean unsigned true field below 10 G: the caption of that figure says 10 G, the text 15 G.

    References
    ----------
    .. [1] Muñoz-Jaramillo et al. 2024, ApJS 271, 46, doi:10.3847/1538-4365/ad12c2

    Examples
    --------
    >>> from sunpy_superres.benchmark import ablation, comparison_table
    >>> from sunpy_superres.training.recipe import read_recipe
    >>> recipe = read_recipe("highresnet-mdi")
    >>> rows = ablation(recipe, "arrays", "data/hmi/validation", "ablation", steps=1500)  # doctest: +SKIP
    >>> print(comparison_table(rows))  # doctest: +SKIP
    """
    from sunpy_superres.training.fit import fit  # NOQA: PLC0415

    say = progress or _silent
    recipes = _recipes(recipe if steps is None else recipe.with_steps(steps), variants)
    truths = _truths(validation)
    out = Path(out)
    models = {"bicubic": ("bicubic", None)}
    for name, one in recipes.items():
        say(f"training {name}")
        models[name] = (recipe.method, fit(one, data, out / name.removeprefix("+"), device=device, progress=say))
    images, patches = [], {name: {} for name in models}
    for file, truth in truths.items():
        say(f"measuring on {file}")
        squares = _strong_squares(truth)
        results = _results(truth, models, recipe.jitter.instrument, seed, device)
        figures = {name: _whole(fine.data, results["bicubic"].data, truth) for name, fine in results.items()}
        for name, fine in results.items():
            for figure, values in _patches(np.asarray(fine.data), truth, squares).items():
                patches[name].setdefault(figure, []).extend(values)
                figures[name][figure] = float(np.mean(values))
        images.append({"file": file, "shape": list(truth.shape), "patches": len(squares), "figures": figures})
    rows = [{"method": name} | _mean([image["figures"][name] for image in images]) for name in models]

    stage = {name: one.stages["network"] for name, one in recipes.items()}
    protocol = about(
        "ablation",
        None,
        recipe=recipe.name,
        method=recipe.method,
        instrument=recipe.jitter.instrument,
        steps=next(iter(stage.values())).steps,
        seed=seed,
        patch={"side": BLOCK, "weakest": WEAKEST},
    )
    networks = {
        name: {"stage": asdict(stage[name]), **about("ablation", results[name].meta)["provenance"]} for name in recipes
    }
    write_csv(rows, out / "ablation.csv")
    write_json({**protocol, "provenance": networks, "rows": rows, "images": images}, out / "ablation.json")
    save_figure(plot_ablation(patches), out / "ablation.png")
    return rows


def _silent(_line):
    """
    Say nothing.
    """


def _recipes(recipe, variants):
    """
    The recipe of every variant, by name, after all that can be wrong with it: before hours of training.
    """
    from sunpy_superres.models import get_method  # NOQA: PLC0415

    if list(recipe.stages) != ["network"]:
        msg = f"An ablation needs a recipe with the one stage 'network'; {recipe.name} has {', '.join(recipe.stages)}."
        raise ValueError(msg)
    names = list(dict.fromkeys(VARIANTS if variants is None else variants))
    if unknown := [name for name in names if name not in VARIANTS]:
        msg = f"Unknown variant {unknown[0]!r}; known are {', '.join(VARIANTS)}."
        raise ValueError(msg)
    if not names:
        msg = f"No variants to train; known are {', '.join(VARIANTS)}."
        raise ValueError(msg)
    stage = recipe.stages["network"]
    for name in names:
        if name != "mse" and not getattr(stage, term := name.removeprefix("+")):
            msg = f"The recipe {recipe.name} has the coefficient {term} = 0, so {name!r} would add nothing."
            raise ValueError(msg)
    factor = get_method(recipe.method)(**recipe.model).factor
    if factor != FACTOR:
        msg = f"An ablation needs a method of factor {FACTOR}; that of {recipe.name} has {factor}."
        raise ValueError(msg)
    instrument = recipe.jitter.instrument
    if recipe.instruments and instrument not in recipe.instruments:
        msg = f"The recipe {recipe.name} is trained on {instrument!r} but for {', '.join(recipe.instruments)}."
        raise ValueError(msg)
    return {name: replace(recipe, stages={"network": _without(stage, name)}) for name in names}


def _without(stage, variant):
    """
    The stage without the terms that come after those of the variant.
    """
    return replace(stage, **dict.fromkeys(TERMS[VARIANTS.index(variant) :], 0.0))


def _truths(folder):
    """
    The magnetograms of a folder, by the name of their file.
    """
    paths = sorted(Path(folder).glob("*.magnetogram.fits"))
    if not paths:
        msg = f"No *.magnetogram.fits in {folder}."
        raise FileNotFoundError(msg)
    truths = {path.name: crop(read_image(path), 8) for path in paths}
    if not any(_strong_squares(truth) for truth in truths.values()):
        msg = (
            f"No patch of {BLOCK} x {BLOCK} pixels in {folder} is without holes and has a mean unsigned field of "
            f"{WEAKEST:g} G."
        )
        raise ValueError(msg)
    return truths


def _strong_squares(truth):
    """
    Where the patches are that count.
    """
    ny, nx = truth.shape
    corners = ((y, x) for y in range(0, ny - BLOCK + 1, BLOCK) for x in range(0, nx - BLOCK + 1, BLOCK))
    squares = [np.s_[y : y + BLOCK, x : x + BLOCK] for y, x in corners]
    # A hole makes the mean NaN or infinite, which lies between no bounds.
    return [square for square in squares if WEAKEST <= np.abs(truth[square]).mean(dtype=np.float64) < np.inf]


def _results(truth, models, instrument, seed, device):
    """
    What every method makes of the degraded truth, Maps by name.
    """
    from sunpy_superres.degradation import degrade  # NOQA: PLC0415

    seen = degrade(truth, instrument=instrument, seed=seed)
    smap = input_map(seen, instrument=instrument)
    results = {}
    for name, (method, model) in models.items():
        results[name] = sunpy_superres.superresolve(smap, method, 1, model=model, seed=seed, device=device)
        check_complete(np.asarray(results[name].data), seen, name)
    return results


def _whole(fine, bicubic, truth):
    """
    Figures of a whole image.
    """
    rmse = metrics.rmse(fine, truth)
    return {
        "rmse": rmse,
        "rmse_ratio": rmse / metrics.rmse(bicubic, truth),
        "gradient_ratio": metrics.gradient_error(fine, truth) / metrics.gradient_error(bicubic, truth),
    }


def _patches(fine, truth, squares):
    """
    Figures of every patch, a list by name; nothing where there is no patch.
    """
    figures = {}
    for square in squares:
        p, t = fine[square], truth[square]
        for name, value in (
            ("extreme_bias", metrics.extreme_bias(p, t, BLOCK)),
            ("extreme_error", metrics.extreme_error(p, t, BLOCK)),
            ("patch_correlation", metrics.pcc(p, t)),
            ("patch_gradient_error", metrics.gradient_error(p, t)),
            ("patch_flux_bias", metrics.bias(np.abs(p), np.abs(t))),
        ):
            figures.setdefault(name, []).append(value)
    return figures


def _mean(figures):
    """
    Mean over images of every figure; an image without patches has none of theirs.
    """
    names = dict.fromkeys(name for image in figures for name in image)
    return {name: float(np.mean([image[name] for image in figures if name in image])) for name in names}


def plot_ablation(patches, *, figure=None):
    """
    How the figures of patches are distributed, one panel each: median, quartiles, 5 to 95 % and mean.

    Parameters
    ----------
    patches : `dict`
        By the name of the method a dictionary with the figures of all patches, lists of `float`: ``extreme_bias``,
        ``patch_correlation``, ``patch_gradient_error`` and ``patch_flux_bias``, as in `ablation`.
    figure : `~matplotlib.figure.Figure`, optional
        Drawn into; a new one unless given.

    Returns
    -------
    `~matplotlib.figure.Figure`
    """
    from matplotlib.figure import Figure  # NOQA: PLC0415

    if figure is None:
        figure = Figure(figsize=(14, 4), layout="constrained")
    places = range(1, len(patches) + 1)
    mean = {"marker": "D", "markersize": 5, "markerfacecolor": "C0", "markeredgecolor": "C0"}
    for axes, (name, label) in zip(figure.subplots(1, len(_PANELS)), _PANELS.items(), strict=True):
        values = [np.asarray(of_method[name]) for of_method in patches.values()]
        # The correlation with a constant is none.
        values = [value[np.isfinite(value)] for value in values]
        if name.endswith("_bias"):
            axes.axhline(0, color="0.6", linewidth=1)
        axes.boxplot(
            values, positions=places, widths=0.6, whis=(5, 95), showfliers=False, showmeans=True, meanprops=mean
        )
        axes.set_xticks(places, patches, rotation=30, ha="right")
        axes.set_title(label, fontsize="medium")
    count = len(next(iter(patches.values()))["extreme_bias"])
    what = "line: median, diamond: mean, box: quartiles, whiskers: 5 to 95 %"
    figure.supxlabel(f"{count} patches of {BLOCK} x {BLOCK} pixels; {what}", fontsize="small")
    return figure
