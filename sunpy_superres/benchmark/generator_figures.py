"""
Figures of generated images beside real ones.
"""

import numpy as np

from sunpy_superres.benchmark.image_sets import BELTS, RINGS
from sunpy_superres.flare_classes import FLARE_CLASSES
from sunpy_superres.plotting import save_figure

__all__ = ["save_figures"]

_SHOWN = 5


def save_figures(images, profiles, folder):
    """
    Write ``generated.png`` (real and generated images by class) and ``profiles.png`` (by radius, latitude, brightness).

    Parameters
    ----------
    images : `dict`
        `~sunpy_superres.benchmark.image_sets.ImageSet` by name: train, validation, drawn and generated.
    profiles : `dict`
        From `~sunpy_superres.benchmark.image_sets.physics`.
    folder : `pathlib.Path`
        Where to.
    """
    save_figure(_mosaic(images), folder / "generated.png")
    save_figure(_profiles(images, profiles), folder / "profiles.png")


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
