"""
What was measured of a generator, as a table, a card and figures.
"""

import csv

import numpy as np

from sunpy_superres._atomic import replacing
from sunpy_superres.benchmark.image_sets import BELTS, RINGS
from sunpy_superres.benchmark.report import table
from sunpy_superres.flare_classes import FLARE_CLASSES
from sunpy_superres.plotting import save_figure

__all__ = ["class_table", "write_report"]

_SHOWN = 5


#: Columns of the table by class.
_COLUMNS = {
    "n": "draws",
    "bright_real": "bright, real",
    "bright_generated": "bright, generated",
    "mean_real": "mean, real",
    "mean_generated": "mean, generated",
    "kid_validation": "KID to validation",
    "kid_floor": "KID, train to validation",
    "fid_validation": "FID to validation",
    "fid_floor": "FID, as many of train to validation",
    "kid_train": "KID to train",
    "kid_halves": "KID, earlier to later half of train",
    "centroid_distance": "centroid distance",
    "centroid_distance_floor": "centroid distance, validation",
    "diversity": "diversity",
    "not_copied": "no copies",
    "not_copied_floor": "no copies, validation",
    "not_copied_turned": "no copies, mirrored and turned",
    "not_copied_turned_floor": "no copies, mirrored and turned, validation",
}


def class_table(results):
    """
    The figures by class as a Markdown table, a dash where there are too few real images.

    Parameters
    ----------
    results : `dict`
        From `~sunpy_superres.benchmark.evaluate_generator`.

    Returns
    -------
    `str`
    """
    lines = ["| figure | " + " | ".join(results["classes"]) + " |", "|---" * (len(results["classes"]) + 1) + "|"]
    for name, title in _COLUMNS.items():
        values = [row.get(name) for row in results["classes"].values()]
        lines.append(f"| {title} | " + " | ".join("-" if v is None else f"{v:.4g}" for v in values) + " |")
    return "\n".join(lines)


def write_report(results, images, profiles, folder):
    """
    Write ``generator.csv``, ``generator.md``, ``generated.png`` (real and generated images by class) and
    ``profiles.png`` (by radius, latitude and brightness).

    Parameters
    ----------
    results : `dict`
        From `~sunpy_superres.benchmark.evaluate_generator`.
    images : `dict`
        `~sunpy_superres.benchmark.image_sets.ImageSet` by name: train, validation, drawn and generated.
    profiles : `dict`
        From `~sunpy_superres.benchmark.image_sets.physics`.
    folder : `pathlib.Path`
        Where to.
    """
    with replacing(folder / "generator.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("set", "figure", "value"), *_rows(results)])
    with replacing(folder / "generator.md") as temporary:
        temporary.write_text(_card(results), encoding="utf-8")
    save_figure(_mosaic(images), folder / "generated.png")
    save_figure(_profiles(images, profiles), folder / "profiles.png")


def _rows(results):
    """
    One row for each figure: of all images, of a class, or of a class in other features.
    """
    yield from (("all", name, value) for name, value in results["figures"].items())
    for letter, found in results["classes"].items():
        yield from ((letter, name, value) for name, value in found.items())
    for extractor, found in results["extractors"].items():
        yield from ((extractor, name, value) for name, value in found.items() if name != "classes")
        for letter, row in found["classes"].items():
            yield from ((f"{extractor} {letter}", name, value) for name, value in row.items())


def _card(results):
    from sunpy_superres.benchmark.generator import GENERATOR_TARGETS  # NOQA: PLC0415

    counts, provenance = results["images"], results["provenance"]
    options = ", ".join(f"{name} {value}" for name, value in results["options"].items())
    return "\n\n".join(
        [
            f"# {provenance['srmodel']} against real images",
            f"Weights {provenance['srsha256']}, seed {results['seed']}, {options or 'the settings of the model'}; "
            f"{counts['drawn']} draws, {counts['train']} training and {counts['validation']} validation images; "
            f"features: {', '.join(results['features'])}.",
            table(results, targets=GENERATOR_TARGETS, measured=True),
            class_table(results),
            "![Real and generated images](generated.png)",
            "![By radius, latitude and brightness](profiles.png)\n",
        ]
    )


def _mosaic(images):
    from matplotlib.figure import Figure  # NOQA: PLC0415

    rng = np.random.default_rng(0)
    side = images["drawn"].images.shape[-1]
    figure = Figure(figsize=(2 * _SHOWN * 1.25 + 0.6, len(FLARE_CLASSES) * 1.25 + 0.5))
    axes = figure.subplots(len(FLARE_CLASSES), 2)
    for row, (label, letter) in zip(axes, enumerate(FLARE_CLASSES), strict=True):
        for ax, key, title in zip(row, ("train", "drawn"), ("real (training)", "generated"), strict=True):
            of = np.flatnonzero(images[key].labels == label)
            chosen = rng.permutation(of)[:_SHOWN] if key == "train" else of[:_SHOWN]
            strip = np.zeros((side, side * _SHOWN))
            for i, k in enumerate(chosen):
                strip[:, i * side : (i + 1) * side] = images[key].images[k]
            ax.imshow(strip, origin="lower", cmap="sdoaia171", vmin=0, vmax=1, aspect="auto")
            ax.set(xticks=[], yticks=[], ylabel=letter if key == "train" else "")
            if label == 0:
                ax.set_title(title)
    figure.subplots_adjust(left=0.03, right=0.995, top=0.94, bottom=0.01, wspace=0.01, hspace=0.02)
    return figure


def _profiles(images, profiles):
    from matplotlib.figure import Figure  # NOQA: PLC0415

    figure = Figure(figsize=(11, 3.4), layout="constrained")
    rings, belts, histogram = figure.subplots(1, 3)
    for name, style in (("train", "0.6"), ("validation", "k"), ("generated", "C1")):
        rings.plot((RINGS[1:] + RINGS[:-1]) / 2, profiles["rings"][name], color=style, label=name)
        belts.plot((BELTS[1:] + BELTS[:-1]) / 2, profiles["belts"][name], color=style)
        values = 255 * images[name].images.ravel()
        histogram.hist(values, bins=64, range=(0, 255), density=True, histtype="step", color=style)
    rings.set(xlabel="distance from disk center [solar radii]", ylabel="mean display value")
    rings.legend()
    belts.set(xlabel="latitude [degrees]", ylabel="mean display value")
    histogram.set(xlabel="display value", ylabel="density", yscale="log")
    return figure
