"""
Sets of images, real and generated, and what a solar physicist would compare of them.
"""

from collections import namedtuple
from datetime import UTC, datetime

import numpy as np

from sunpy_superres.benchmark._scene import progress_bar
from sunpy_superres.flare_classes import FLARE_CLASSES
from sunpy_superres.metrics import corona, distribution

__all__ = [
    "BELTS",
    "RINGS",
    "ImageSet",
    "coarse",
    "copies",
    "draw_set",
    "nearest_training_image",
    "neighbors",
    "physics",
    "real_set",
    "take",
]

#: Edges of the rings, in solar radii, and of the belts, in degrees.
RINGS = np.arange(0, 1.61, 0.05)
BELTS = np.arange(-60, 61, 5)
#: Real images that are this far apart in time are taken for neighbors.
_NEIGHBORS_HOURS = 12
#: Turns, in degrees, in which a draw may be a copy: the training turns images as far.
_TURNS = (-8, -4, 0, 4, 8)

#: Images (n, y, x) from 0 to 1, classes (n,) from 0 to 4, logarithms of the flux (n,), disks (n, 3), and times (n,) in
#: seconds or, of generated ones, `None`.
ImageSet = namedtuple("ImageSet", ["images", "labels", "fluxes", "disks", "times"])


def take(images, chosen):
    """
    Some images of a set, by their numbers or a mask.
    """
    return ImageSet(*(None if part is None else part[chosen] for part in images))


def real_set(folder, network=None):
    """
    Real images of a prepared folder.

    Parameters
    ----------
    folder : path-like
        Written by `sunpy_superres.training.prepare_images.prepare_images`.
    network : `~sunpy_superres.models.ImageGenerator`, optional
        What they are to be compared with.

    Returns
    -------
    `ImageSet`

    Raises
    ------
    FileNotFoundError, ValueError
        If the folder was not prepared, holds other data, or images of another size or scaling than the network draws.
    """
    from sunpy_superres.training.images import ImagePool  # NOQA: PLC0415

    pool = ImagePool(folder)
    if network is not None and (pool.size, pool.scaling) != (network.size, network.scaling):
        msg = f"{folder} holds images of another size or scaling than {network.size} pixels, {network.scaling}."
        raise ValueError(msg)
    images = np.stack([pool.image(i) for i in range(len(pool.records))])
    times = np.array([_seconds(record.time) for record in pool.records])
    disks = np.array([record.disk for record in pool.records])
    labels, fluxes = (np.array([getattr(record, name) for record in pool.records]) for name in ("label", "flux"))
    return ImageSet(images, labels, fluxes, disks, times)


def _seconds(time):
    return datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp()


def draw_set(network, labels, *, fluxes=None, radii, seed, progress=False, **options):
    """
    Draw an image for each of some labels.

    Parameters
    ----------
    network : `~sunpy_superres.models.ImageGenerator`
        The generator.
    labels : array-like of `int`
        Classes, 5 for none.
    fluxes : array-like, optional
        Logarithms of the X-ray flux, NaN for none; none unless told.
    radii : array-like
        Solar radii in pixels.
    seed : `int`
        Draw k is draw k of this seed.
    progress : `bool`, optional
        Show a progress bar.
    **options
        As for `~sunpy_superres.models.ImageGenerator.draw`.

    Returns
    -------
    `ImageSet`
    """
    labels = np.asarray(labels)
    fluxes = np.full(len(labels), np.nan) if fluxes is None else fluxes
    radii = np.clip(radii, *network.radii)
    wanted = list(zip(labels, fluxes, radii, strict=True))
    images = np.stack(
        [
            next(network.draw(int(label), float(flux), float(radius), [k], seed=seed, **options)).float().cpu().numpy()
            for k, (label, flux, radius) in enumerate(progress_bar(wanted, show=progress))
        ]
    )
    middle = (network.size - 1) / 2
    return ImageSet(images, labels, np.asarray(fluxes), np.array([[middle, middle, r] for r in radii]), None)


def _pairs_apart(times, hours, tolerance=1.6):
    """
    Numbers of pairs of images that many hours apart.
    """
    order = np.argsort(times)
    found = np.searchsorted(times[order], times[order] + hours * 3600)
    pairs = []
    for i, j in zip(order, found, strict=True):
        candidates = order[max(0, j - 1) : j + 1]
        if len(candidates):
            best = min(candidates, key=lambda c: abs(times[c] - times[i] - hours * 3600))
            if abs(times[best] - times[i] - hours * 3600) < tolerance * 3600:
                pairs.append((i, best))
    return np.array(pairs)


def coarse(images):
    """
    Images averaged over 4x4 pixels: what a shift by a pixel or a little noise does not change. Shape (n, pixels).
    """
    n, rows, columns = images.shape
    return images.reshape(n, rows // 4, 4, columns // 4, 4).mean((2, 4)).reshape(n, -1)


def neighbors(times):
    """
    Numbers of pairs of images 12 hours apart, shape (pairs, 2).

    Raises
    ------
    ValueError
        If there are none.
    """
    pairs = _pairs_apart(times, _NEIGHBORS_HOURS)
    if not len(pairs):
        msg = f"No two training images are {_NEIGHBORS_HOURS} hours apart: there is nothing to tell copies by."
        raise ValueError(msg)
    return pairs


def nearest_training_image(images, real):
    """
    Distance of images to the nearest training image, as it is, mirrored, or turned by up to 8 degrees.

    Parameters
    ----------
    images : `numpy.ndarray`
        Shape (n, y, x).
    real : `ImageSet`
        The training images.

    Returns
    -------
    `numpy.ndarray`
        Of the images averaged over 4x4 pixels; shape (n,).
    """
    import torch  # NOQA: PLC0415

    from sunpy_superres.training.images import turn  # NOQA: PLC0415

    described, least = coarse(images), np.full(len(images), np.inf)
    whole, disks = torch.from_numpy(real.images.astype(np.float32))[:, None], torch.from_numpy(real.disks)
    for degrees in _TURNS:
        angle = torch.full((len(whole),), np.radians(degrees), dtype=torch.float32)
        turned = turn(whole, disks.float(), angle)[:, 0].numpy() if degrees else real.images
        for rows in (1, -1):
            for columns in (1, -1):
                candidates = coarse(turned[:, ::rows, ::columns])
                least = np.minimum(least, distribution.nearest_distance(described, candidates))
    return least


def copies(nearest, real, labels, times):
    """
    Whether draws are no nearer to a training image than real images 12 hours apart are to each other, in the median.

    Parameters
    ----------
    nearest : `numpy.ndarray`
        Distances of the draws to their nearest training image, shape (n,).
    real : `numpy.ndarray`
        Descriptions of the training images that these are distances of, shape (n, values).
    labels, times : `numpy.ndarray`
        Classes of the draws, and times of the training images.

    Returns
    -------
    all : `float`
        Part of the draws that are not.
    classes : `dict`
        By class: that part, and the distances that it is from.
    """
    pairs = neighbors(times)
    typical = float(np.median(np.linalg.norm(real[pairs[:, 0]] - real[pairs[:, 1]], axis=1)))
    apart = nearest >= typical
    return float(apart.mean()), {
        letter: {
            "not_copied": float(apart[of].mean()),
            "nearest": float(np.median(nearest[of])),
            "neighbors_12h": typical,
        }
        for label, letter in enumerate(FLARE_CLASSES)
        if (of := labels == label).any()
    }


def _profiles(images, disks, profile, edges):
    return 255 * np.nanmean([profile(image, disk, edges) for image, disk in zip(images, disks, strict=True)], axis=0)


def _histogram_distance(one, other):
    from scipy.stats import wasserstein_distance  # NOQA: PLC0415

    values = [
        np.concatenate([im[corona.disk_mask(im.shape, d)] for im, d in zip(s.images, s.disks, strict=True)])
        for s in (one, other)
    ]
    quantiles = np.linspace(0, 1, 2001)
    return 255 * wasserstein_distance(*(np.quantile(v, quantiles) for v in values))


def physics(drawn, some):
    """
    Limb of all draws; decay, histogram, belts and asymmetry of the sets that are compared.
    """
    centers, radii = [], []
    for image, disk in zip(drawn.images, drawn.disks, strict=True):
        limb = corona.fit_limb(image, radius=corona.LIMB_171 * disk[2])
        centers.append(np.hypot(limb.x - disk[0], limb.y - disk[1]))
        radii.append(abs(limb.radius - corona.LIMB_171 * disk[2]))
    rings = {name: _profiles(s.images, s.disks, corona.radial_profile, RINGS) for name, s in some.items()}
    belts = {name: _profiles(s.images, s.disks, corona.latitude_profile, BELTS) for name, s in some.items()}
    beyond = RINGS[:-1] >= 1.03
    scatter = {
        name: np.std([corona.asymmetry(im, d) for im, d in zip(s.images, s.disks, strict=True)])
        for name, s in some.items()
    }
    figures = {
        "limb_center": max(centers),
        "limb_radius": max(radii),
        "limb_center_median": float(np.median(centers)),
        "limb_radius_median": float(np.median(radii)),
        "asymmetry": float(scatter["generated"] / scatter["validation"]),
    }
    # North and south are alike to a generator that learned from mirror images.
    folded = {name: one + one[::-1] for name, one in belts.items()}
    for name, suffix in (("generated", ""), ("train", "_floor")):
        figures[f"histogram{suffix}"] = _histogram_distance(some[name], some["validation"])
        figures[f"decay{suffix}"] = float(np.nanmax(np.abs(rings[name] - rings["validation"])[beyond]))
        figures[f"belts{suffix}"] = float(np.corrcoef(folded[name], folded["validation"])[0, 1])
    return figures, {"rings": rings, "belts": belts}
