"""
How near the images of a generator are to real ones, and how different from those that it learned from.
"""

import csv
import sys
import time
from pathlib import Path

import numpy as np

from sunpy_superres._atomic import replacing
from sunpy_superres.benchmark._scene import about
from sunpy_superres.benchmark.extractors import extract, open_extractor
from sunpy_superres.benchmark.image_sets import (
    coarse,
    copies,
    diversity,
    draw_set,
    mirrored,
    physics,
    real_set,
    take,
)
from sunpy_superres.benchmark.report import Target, write_json
from sunpy_superres.flare_classes import FLARE_CLASSES
from sunpy_superres.metrics import corona, distribution

__all__ = ["GENERATOR_TARGETS", "evaluate_generator", "write_rows"]

#: Display value, over 255, above which a pixel is bright.
BRIGHT = 180 / 255
#: Fewest real images of a class that a distance is quoted for.
_FEWEST = 20

#: What is asked of a generator.
GENERATOR_TARGETS = (
    Target("kid_ratio", "KID (solar features) / that of two real sets", (-np.inf, 1.8), (-np.inf, 1.2)),
    Target("kid_ratio_random", "the same, features of an untrained network"),
    Target("kid_ratio_inception", "the same, features of Inception-V3"),
    Target("kid_ratio_clip", "the same, features of CLIP"),
    Target("kid", "KID (solar features), generated against validation", digits=4),
    Target("kid_error", "its standard deviation", digits=4),
    Target("kid_floor", "the same, train against validation", digits=4),
    Target("fid", "FID (solar features), generated against validation", digits=2),
    Target("fid_floor", "the same, as many of train against validation", digits=2),
    Target("kid_ratio_flux", "KID ratio, flux as the only condition"),
    Target("kid_ratio_both", "KID ratio, class and flux"),
    Target("kid_ratio_none", "KID ratio, no condition"),
    Target("precision", "precision (3 neighbors)"),
    Target("precision_floor", "the same, train"),
    Target("recall", "recall (3 neighbors)"),
    Target("recall_floor", "the same, train"),
    Target("limb_center", "limb center, worst draw [px]", (0, 1.5), (0, 0.7), 2),
    Target("limb_radius", "limb radius, worst draw [px]", (0, 1.5), (0, 0.7), 2),
    *(
        Target(f"bright_{letter}", f"bright-pixel fraction of {letter}, over that of real images", must, aim)
        for letter, must, aim in (
            *((letter, (0.85, 1.15), (0.95, 1.05)) for letter in "ABCM"),
            ("X", None, None),
        )
    ),
    Target("not_copied", "draws no nearer to a training image than real ones 12 h apart", (0.95, 1.0)),
    Target("not_copied_X", "the same, X", (0.95, 1.0)),
    Target("not_copied_features", "the same, all, by features"),
    Target("diversity", "distance between draws / between real images days apart"),
    Target("histogram", "Wasserstein distance of disk histograms [display values]", digits=2),
    Target("histogram_floor", "the same, train", digits=2),
    Target("decay", "largest difference of the radial profile beyond 1.03 radii [display values]", digits=2),
    Target("decay_floor", "the same, train", digits=2),
    Target("belts", "correlation of the profile by distance from the equator with that of validation"),
    Target("belts_floor", "the same, train"),
    Target("asymmetry", "scatter of the north-south asymmetry / real"),
    Target("silhouette_real", "silhouette of the classes, real train images"),
    Target("silhouette", "the same, generated"),
    Target("davies_bouldin_real", "Davies-Bouldin index of the classes, real train images", digits=2),
    Target("davies_bouldin", "the same, generated", digits=2),
    Target("seconds", "one draw [s]", (0, 3), (0, 1), 2),
    Target("gigabytes", "memory of 64 draws [GB]", (0, 2), None, 2),
)


def _distances(real, generated):
    """
    KID, FID, precision and recall of a set against real images.
    """
    found = distribution.precision_recall(real, generated)
    return {
        "kid": distribution.kernel_distance(real, generated),
        "fid": distribution.frechet_distance(real, generated),
        "precision": found.precision,
        "recall": found.recall,
    }


def evaluate_generator(
    train,
    validation,
    out=None,
    *,
    model=None,
    n=64,
    seed=0,
    extractors=("solar", "random"),
    conditions=True,
    device=None,
    progress=False,
    **options,
):
    """
    Measure a generator of AIA images against real ones.

    Parameters
    ----------
    train, validation : path-like
        Prepared folders: the images that it learned from, and others of other dates.
    out : path-like, optional
        Folder for ``generator.json``, ``generator.csv``, the figures ``generated.png`` and ``profiles.png``, and
        ``generated``, a prepared folder with the draws of all classes; made if it is not there.
    model : `str` or path-like, optional
        As for `sunpy_superres.generate_aia`.
    n : `int`, optional
        Draws of each class. The classes of the validation images get as many draws as these have, if that is more: they
        make the set that is compared as a whole.
    seed : `int`, optional
        Seed of the draws.
    extractors : iterable of `str`, optional
        Names of `~sunpy_superres.benchmark.extractors.EXTRACTORS`, or callables; the figures are those of the first.
    conditions : `bool`, optional
        Whether also draws with the flux alone, with class and flux, and with neither are compared.
    device : `str`, optional
        Defaults to a GPU if there is one, else the CPU.
    progress : `bool`, optional
        Show progress bars.
    **options
        ``steps``, ``guidance``, ``solver``: as for `sunpy_superres.generate_aia`.

    Returns
    -------
    `dict`
        ``figures`` (names of `GENERATOR_TARGETS`), ``classes`` (figures by class) and ``extractors`` (distances by
        extractor).

    Raises
    ------
    FileNotFoundError, ValueError
        If a folder was not prepared, or holds images of another size or scaling.

    Notes
    -----
    All distances stand beside those of real training images to the validation images: these are of other dates, and no
    generator can be nearer to them than what it learned from.
    """
    from sunpy_superres.inference import choose_device, choose_precision  # NOQA: PLC0415
    from sunpy_superres.training.images import ImagePool  # NOQA: PLC0415
    from sunpy_superres.weights.loading import load, locate  # NOQA: PLC0415

    options = {name: value for name, value in options.items() if value is not None}
    device = choose_device(device)
    weights = locate(model, "class-diffusion", "aia", progress=progress)
    network, sha256, precision = load(weights, device, choose_precision(device))
    images = {"train": real_set(train), "validation": real_set(validation)}
    for folder, one in ((train, images["train"]), (validation, images["validation"])):
        if one.images.shape[-1] != network.size or ImagePool(folder).scaling != network.scaling:
            msg = f"{folder} holds images of another size or scaling than {network.size} pixels, {network.scaling}."
            raise ValueError(msg)
    described = {getattr(e, "__name__", str(e)): open_extractor(e) if isinstance(e, str) else e for e in extractors}
    rng = np.random.default_rng(seed)

    # Each class as often as in the validation set, or n times, whichever is more; the former come first.
    counts = np.bincount(images["validation"].labels, minlength=len(FLARE_CLASSES))
    labels = np.concatenate([np.repeat(label, max(n, count)) for label, count in enumerate(counts)])
    alike = np.concatenate([np.arange(max(n, count)) < count for count in counts])
    radii = rng.choice(images["validation"].disks[:, 2], len(labels))
    start = time.perf_counter()
    drawn = draw_set(network, labels, radii=radii, seed=seed, progress=progress, **options)
    seconds = (time.perf_counter() - start) / len(labels)
    images |= {"drawn": drawn, "generated": take(drawn, alike)}
    # As many real images as there are in the validation set: some distances depend on the number.
    fewer = rng.permutation(len(images["train"].labels))[: len(images["validation"].labels)]
    images["fewer"] = take(images["train"], fewer)

    figures = {"seconds": seconds, "gigabytes": _memory()}
    classes = {letter: {"n": int((labels == label).sum())} for label, letter in enumerate(FLARE_CLASSES)}
    by_extractor = {}
    for name, extractor in described.items():
        features = {key: extract(extractor, one.images) for key, one in images.items()}
        mean, std = features["train"].mean(axis=0), features["train"].std(axis=0)
        features = {key: (one - mean) / np.where(std > 0, std, 1) for key, one in features.items()}
        by_extractor[name] = _compare(features, images, classes if name == next(iter(described)) else None, rng)
        figures[f"kid_ratio_{name}"] = by_extractor[name]["kid_ratio"]
        if name == next(iter(described)):
            figures |= by_extractor[name]
            times = images["train"].times
            figures["not_copied_features"], _ = copies(features["drawn"], features["train"], labels, times)
            ratios = diversity(features, images)
            figures["diversity"] = float(np.mean(list(ratios.values())))
            for letter, ratio in ratios.items():
                classes[letter]["diversity"] = ratio
            if conditions:
                figures |= _conditions(network, extractor, features, (mean, std), images, seed, progress, options)
    real = images["train"]
    candidates = coarse(mirrored(real.images))
    arguments = coarse(drawn.images), coarse(real.images), labels, real.times
    figures["not_copied"], found = copies(*arguments, candidates=candidates)
    for letter in found:
        classes[letter] |= found[letter]
    figures["not_copied_X"] = found["X"]["not_copied"]
    found, profiles = physics(drawn, {key: images[key] for key in ("generated", "validation", "train")})
    figures |= found
    _by_class(figures, classes, images)
    provenance = {"srmodel": weights.name, "srsha256": sha256[:16], "srprec": str(precision).removeprefix("torch.")}
    results = {
        **about("generator", provenance, seed=seed, options=options),
        "images": {key: len(images[key].labels) for key in ("train", "validation", "drawn")},
        "figures": figures,
        "classes": classes,
        "extractors": by_extractor,
    }
    if out is not None:
        from sunpy_superres.benchmark.generator_figures import save_figures  # NOQA: PLC0415

        out = Path(out)
        out.mkdir(parents=True, exist_ok=True)
        write_json(results, out / "generator.json")
        write_rows(results, out / "generator.csv")
        _keep(drawn, weights.name, network.scaling, out / "generated")
        save_figures(images, profiles, out)
    return results


def _keep(drawn, name, scaling, folder):
    """
    Write draws as images that can be trained on.
    """
    from sunpy_superres.training.images import ImageRecord, write_images  # NOQA: PLC0415

    records = [
        ImageRecord(f"{name}[{k}]", "generated", int(label), float("nan"), [float(v) for v in disk])
        for k, (label, disk) in enumerate(zip(drawn.labels, drawn.disks, strict=True))
    ]
    write_images(folder, np.rint(255 * drawn.images).astype(np.uint8), records, scaling)


def _memory():
    """
    The most memory that the process had until now, in GB.
    """
    import resource  # NOQA: PLC0415 - not on Windows

    # kilobytes on Linux, bytes on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)


def _compare(features, images, classes, rng):
    """
    Distances of the generated images, and of as many real ones, to the validation images; by class if there is a table.
    """
    figures = {}
    for key, suffix in (("generated", ""), ("fewer", "_floor")):
        found = _distances(features["validation"], features[key])
        figures |= {f"{name}{suffix}": value for name, value in found.items()}
    figures["kid_floor"] = distribution.kernel_distance(features["validation"], features["train"])
    figures["kid_ratio"] = figures["kid"] / figures["kid_floor"]
    # Of halves of the generated images: what another set of draws would change.
    halves = [rng.permutation(len(features["generated"]))[: len(features["generated"]) // 2] for _ in range(20)]
    found = [distribution.kernel_distance(features["validation"], features["generated"][half]) for half in halves]
    figures["kid_error"] = float(np.std(found) / np.sqrt(2))
    for key, suffix in (("train", "_real"), ("drawn", "")):
        figures[f"silhouette{suffix}"] = distribution.silhouette(features[key], images[key].labels)
        figures[f"davies_bouldin{suffix}"] = distribution.davies_bouldin(features[key], images[key].labels)
    for label, letter in enumerate(FLARE_CLASSES if classes else ""):
        of = {key: features[key][images[key].labels == label] for key in ("train", "validation", "drawn")}
        own = of["drawn"]
        classes[letter]["centroid_distance"] = float(np.linalg.norm(own.mean(axis=0) - of["train"].mean(axis=0)))
        for key in ("train", "validation"):
            if len(of[key]) >= _FEWEST:
                classes[letter][f"kid_{key}"] = distribution.kernel_distance(of[key], own)
                classes[letter][f"fid_{key}"] = distribution.frechet_distance(of[key], own)
        if min(len(of["train"]), len(of["validation"])) >= _FEWEST:
            classes[letter]["kid_floor"] = distribution.kernel_distance(of["train"], of["validation"])
    return figures


def _conditions(network, extractor, features, scale, images, seed, progress, options):
    """
    What the flux is worth as a condition: KID ratios of draws for the classes and fluxes of half the validation images.
    """
    mean, std = scale
    some = np.arange(0, len(images["validation"].labels), 2)
    labels, radii = images["validation"].labels[some], images["validation"].disks[some, 2]
    fluxes = images["validation"].fluxes[some]
    untold, nothing = np.full(len(some), len(FLARE_CLASSES)), np.full(len(some), np.nan)
    figures = {}
    floor = distribution.kernel_distance(features["validation"], features["train"])
    for name, told, flux in (
        ("flux", untold, fluxes),
        ("both", labels, fluxes),
        ("none", untold, nothing),
    ):
        drawn = draw_set(network, told, fluxes=flux, radii=radii, seed=seed, progress=progress, **options)
        found = (extract(extractor, drawn.images) - mean) / np.where(std > 0, std, 1)
        figures[f"kid_ratio_{name}"] = distribution.kernel_distance(features["validation"], found) / floor
    return figures


def _by_class(figures, classes, images):
    """
    Bright pixels and mean intensity of each class, against the real images of the training.
    """
    for label, letter in enumerate(FLARE_CLASSES):
        for key, name in (("drawn", "generated"), ("train", "real")):
            one = take(images[key], images[key].labels == label)
            bright = [corona.bright_fraction(im, d, BRIGHT) for im, d in zip(one.images, one.disks, strict=True)]
            means = [im[corona.disk_mask(im.shape, d)].mean() for im, d in zip(one.images, one.disks, strict=True)]
            classes[letter] |= {
                f"bright_{name}": float(np.mean(bright)),
                f"bright_error_{name}": float(np.std(bright) / np.sqrt(len(bright))),
                f"mean_{name}": float(255 * np.mean(means)),
            }
        figures[f"bright_{letter}"] = classes[letter]["bright_generated"] / classes[letter]["bright_real"]


def write_rows(results, path):
    """
    Write the figures of `evaluate_generator` as a table, one row for each: class, figure, value.

    Parameters
    ----------
    results : `dict`
        What it returned.
    path : path-like
        CSV file; replaced if it exists.
    """
    rows = [("all", name, value) for name, value in results["figures"].items()]
    rows += [(letter, name, value) for letter, found in results["classes"].items() for name, value in found.items()]
    rows += [
        (f"features {e}", name, value) for e, found in results["extractors"].items() for name, value in found.items()
    ]
    with replacing(Path(path)) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("class", "figure", "value"), *rows])
