"""
How near the images of a generator are to real ones, and how different from those that it learned from.
"""

import time
from pathlib import Path

import numpy as np

from sunpy_superres.benchmark._scene import about, peak_memory
from sunpy_superres.benchmark.extractors import PUBLISHED, extract, open_extractor
from sunpy_superres.benchmark.feature_sets import compare, compare_classes, diversity
from sunpy_superres.benchmark.image_sets import (
    coarse,
    copies,
    draw_set,
    nearest_training_image,
    neighbors,
    physics,
    real_set,
    take,
)
from sunpy_superres.benchmark.report import Target, write_json
from sunpy_superres.flare_classes import FLARE_CLASSES
from sunpy_superres.metrics import corona, distribution

__all__ = ["GENERATOR_TARGETS", "check_options", "evaluate_generator"]

#: Display value, over 255, above which a pixel is bright.
BRIGHT = 180 / 255
#: What is asked of a generator.
GENERATOR_TARGETS = (
    Target("kid_ratio", "KID / that of train against validation, solar features", (-np.inf, 1.8), (-np.inf, 1.2)),
    Target("kid_ratio_random", "the same, features of an untrained network"),
    Target("kid_ratio_inception", "the same, features of Inception-V3"),
    Target("kid_ratio_clip", "the same, features of CLIP"),
    Target("kid", "KID, generated against validation", digits=4),
    Target("kid_error", "its standard error", digits=4),
    Target("kid_floor", "the same, train against validation", digits=4),
    Target("fid", "FID, generated against validation", digits=2),
    Target("fid_floor", "the same, as many of train against validation", digits=2),
    *(
        Target(f"kid_ratio_{name}{suffix}", title)
        for name, what in (("class", "class"), ("flux", "flux"), ("both", "class and flux"), ("none", "nothing"))
        for suffix, title in (("", f"KID ratio of half as many draws, told {what}"), ("_error", "its standard error"))
    ),
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
    Target("not_copied_floor", "the same, validation images"),
    Target("not_copied_turned", "the same, training images also mirrored and turned"),
    Target("not_copied_turned_X", "the same, X"),
    Target("not_copied_turned_floor", "the same, validation images"),
    Target("not_copied_features", "the same, all draws, by features"),
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
    Target("gigabytes", "most memory until all are drawn [GB]", (0, 2), None, 2),
)


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
        Folder for ``generator.json``, ``generator.csv``, a card (``generator.md``), the figures ``generated.png`` and
        ``profiles.png``, and ``generated``, a prepared folder with the draws of all classes; made if it is not there.
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
        If a folder was not prepared, holds images of another size or scaling, or no two training images are 12 hours
        apart; or an option is out of range.

    Notes
    -----
    Features are divided by their standard deviations over the training images, but for ``"inception"`` and ``"clip"``,
    whose distances are then those that others publish. Draws have the classes of the validation images and the solar
    radii of training images.
    All distances stand beside those of real training images to the validation images: these are of other dates, and no
    generator can be nearer to them than what it learned from.
    """
    from sunpy_superres.benchmark.generator_report import write_report  # NOQA: PLC0415
    from sunpy_superres.inference import choose_device, choose_precision  # NOQA: PLC0415
    from sunpy_superres.weights.loading import load, locate  # NOQA: PLC0415

    options = {name: value for name, value in options.items() if value is not None}
    check_options(options)
    device = choose_device(device)
    weights = locate(model, "class-diffusion", "aia", progress=progress)
    network, sha256, precision, _ = load(weights, device, choose_precision(device))
    images = {"train": real_set(train, network), "validation": real_set(validation, network)}
    neighbors(images["train"].times)
    described = {getattr(e, "__name__", str(e)): open_extractor(e) if isinstance(e, str) else e for e in extractors}
    rng = np.random.default_rng(seed)

    # Each class as often as in the validation set, or n times, whichever is more; the former come first. The Sun is as
    # large as in any of the training images: those of the validation dates are not told.
    counts = np.bincount(images["validation"].labels, minlength=len(FLARE_CLASSES))
    labels = np.concatenate([np.repeat(label, max(n, count)) for label, count in enumerate(counts)])
    alike = np.concatenate([np.arange(max(n, count)) < count for count in counts])
    radii = rng.choice(images["train"].disks[:, 2], len(labels))
    start = time.perf_counter()
    drawn = draw_set(network, labels, radii=radii, seed=seed, progress=progress, **options)
    figures = {"seconds": (time.perf_counter() - start) / len(labels), "gigabytes": _memory()}
    images |= {"drawn": drawn, "generated": take(drawn, alike)}
    # As many real images as there are in the validation set: some distances depend on the number.
    fewer = rng.permutation(len(images["train"].labels))[: len(images["validation"].labels)]

    classes = {letter: {"n": int((labels == label).sum())} for label, letter in enumerate(FLARE_CLASSES)}
    groups = {key: images[key].labels for key in ("train", "validation", "drawn")}
    times, by_extractor = images["train"].times, {}
    for name, extractor in described.items():
        features = {key: extract(extractor, images[key].images) for key in groups}
        scale = _Scale(features["train"], standardize=name not in PUBLISHED)
        features = {key: scale(one) for key, one in features.items()}
        features |= {"generated": features["drawn"][alike], "fewer": features["train"][fewer]}
        found = compare(features, groups)
        by_class = compare_classes(features, groups, times)
        figures[f"kid_ratio_{name}"] = found["kid_ratio"]
        if not by_extractor:
            figures |= found
            nearest = distribution.nearest_distance(features["drawn"], features["train"])
            figures["not_copied_features"], _ = copies(nearest, features["train"], labels, times)
            ratios = diversity(features, groups, times)
            figures["diversity"] = float(np.mean(list(ratios.values()))) if ratios else None
            for letter, row in classes.items():
                row |= by_class[letter] | ({"diversity": ratios[letter]} if letter in ratios else {})
            if conditions:
                for told, some in _conditions(network, images["validation"], radii, seed, progress, options):
                    pair, floor = (features["validation"], scale(extract(extractor, some))), found["kid_floor"]
                    figures[f"kid_ratio_{told}"] = distribution.kernel_distance(*pair) / floor
                    figures[f"kid_ratio_{told}_error"] = distribution.kernel_distance_error(*pair) / floor
        by_extractor[name] = found | {"classes": by_class}
    figures |= _copied(drawn, images, classes)
    found, profiles = physics(drawn, {key: images[key] for key in ("generated", "validation", "train")})
    figures |= found
    _by_class(figures, classes, images)
    provenance = {"srmodel": weights.name, "srsha256": sha256[:16], "srprec": str(precision).removeprefix("torch.")}
    results = {
        **about("generator", provenance, seed=seed, n=n, options=options, features=list(described)),
        "images": {key: len(images[key].labels) for key in ("train", "validation", "drawn")},
        "figures": figures,
        "classes": classes,
        "extractors": by_extractor,
    }
    if out is not None:
        out = Path(out)
        out.mkdir(parents=True, exist_ok=True)
        write_json(results, out / "generator.json")
        _keep(drawn, weights.name, network.scaling, out / "generated")
        write_report(results, images, profiles, out)
    return results


class _Scale:
    """
    Features with the mean and the variance of the training images, or as they are.
    """

    def __init__(self, features, *, standardize):
        std = features.std(axis=0)
        # What hardly varies over real images would drown the rest.
        self.mean, self.std = features.mean(axis=0), np.maximum(std, 1e-3 * std.max())
        if not standardize:
            self.mean, self.std = 0.0, 1.0

    def __call__(self, features):
        return (features - self.mean) / self.std


def check_options(options):
    """
    Refuse now what would fail in the first draw, or be taken for something else.
    """
    from sunpy_superres.models.diffusion import check_solver  # NOQA: PLC0415

    if unknown := sorted(set(options) - {"steps", "guidance", "solver"}):
        msg = f"Unknown option {unknown[0]!r}; known are steps, guidance, solver."
        raise ValueError(msg)
    if not 0 <= options.get("guidance", 0) < np.inf:
        msg = f"guidance must be 0 or larger, not {options['guidance']}."
        raise ValueError(msg)
    check_solver(options.get("solver", "heun"), options.get("steps", 1))


def _copied(drawn, images, classes):
    """
    Which part of the draws, and of the validation images, is no nearer to a training image than real images 12 hours
    apart are: to the training images as they are, and also to them mirrored and turned.
    """
    train, validation = images["train"], images["validation"]
    several, described = np.concatenate([drawn.images, validation.images]), coarse(train.images)
    distances = {
        "not_copied": distribution.nearest_distance(coarse(several), described),
        "not_copied_turned": nearest_training_image(several, train),
    }
    figures = {}
    for name, nearest in distances.items():
        own, real = nearest[: len(drawn.images)], nearest[len(drawn.images) :]
        figures[name], found = copies(own, described, drawn.labels, train.times)
        figures[f"{name}_floor"], floor = copies(real, described, validation.labels, train.times)
        figures[f"{name}_X"] = found["X"]["not_copied"]
        for letter, row in found.items():
            classes[letter] |= {name: row["not_copied"], "neighbors_12h": row["neighbors_12h"]}
            if letter in floor:
                classes[letter][f"{name}_floor"] = floor[letter]["not_copied"]
    return figures


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
    See `peak_memory`; `None` where it cannot be measured.
    """
    try:
        return peak_memory()
    except ImportError:
        return None


def _conditions(network, validation, radii, seed, progress, options):
    """
    What the flux is worth as a condition: draws for the classes and fluxes of half the validation images, by what is
    told.
    """
    some = np.arange(0, len(validation.labels), 2)
    labels, fluxes, radii = validation.labels[some], validation.fluxes[some], radii[some]
    untold, nothing = np.full(len(some), len(FLARE_CLASSES)), np.full(len(some), np.nan)
    cases = {"class": (labels, nothing), "flux": (untold, fluxes), "both": (labels, fluxes), "none": (untold, nothing)}
    for name, (told, flux) in cases.items():
        drawn = draw_set(network, told, fluxes=flux, radii=radii, seed=seed, progress=progress, **options)
        yield name, drawn.images


def _by_class(figures, classes, images):
    """
    Bright pixels and mean intensity of each class, against the real images of the training.
    """
    for label, letter in enumerate(FLARE_CLASSES):
        for key, name in (("drawn", "generated"), ("train", "real")):
            one = take(images[key], images[key].labels == label)
            if not len(one.labels):
                continue
            bright = [corona.bright_fraction(im, d, BRIGHT) for im, d in zip(one.images, one.disks, strict=True)]
            means = [im[corona.disk_mask(im.shape, d)].mean() for im, d in zip(one.images, one.disks, strict=True)]
            classes[letter] |= {
                f"bright_{name}": float(np.mean(bright)),
                f"bright_error_{name}": float(np.std(bright) / np.sqrt(len(bright))),
                f"mean_{name}": float(255 * np.mean(means)),
            }
        if classes[letter].get("bright_real"):
            figures[f"bright_{letter}"] = classes[letter]["bright_generated"] / classes[letter]["bright_real"]
