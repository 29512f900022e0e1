"""
Sets of images, real and generated, compared by features.
"""

import numpy as np
from scipy.spatial.distance import cdist

from sunpy_superres.flare_classes import FLARE_CLASSES
from sunpy_superres.metrics import distribution

__all__ = ["compare", "compare_classes", "diversity"]

#: Fewest real images of a class that a distance is quoted for.
_FEWEST = 20
#: Real images that are so many days apart are strangers.
_STRANGERS_DAYS = 5
#: Most images of a class that all distances are computed of.
_MOST = 400


def compare(features, labels):
    """
    Distances of the generated images to the validation images, beside those of as many real images.

    Parameters
    ----------
    features : `dict`
        Features, shape (n, values), of the sets ``train``, ``validation``, ``generated`` (classes as in validation),
        ``drawn`` (all classes) and ``fewer`` (as many of train as there are validation images).
    labels : `dict`
        Classes of the sets ``train`` and ``drawn``.

    Returns
    -------
    `dict`
    """
    real, figures = features["validation"], {}
    for key, suffix in (("generated", ""), ("fewer", "_floor")):
        manifolds = distribution.precision_recall(real, features[key])
        figures |= {
            f"fid{suffix}": distribution.frechet_distance(real, features[key]),
            f"precision{suffix}": manifolds.precision,
            f"recall{suffix}": manifolds.recall,
        }
    figures["kid"] = distribution.kernel_distance(real, features["generated"])
    figures["kid_error"] = distribution.kernel_distance_error(real, features["generated"])
    figures["kid_floor"] = distribution.kernel_distance(real, features["train"])
    figures["kid_ratio"] = figures["kid"] / figures["kid_floor"]
    for key, suffix in (("train", "_real"), ("drawn", "")):
        if len(np.unique(labels[key])) > 1:
            figures[f"silhouette{suffix}"] = distribution.silhouette(features[key], labels[key])
            figures[f"davies_bouldin{suffix}"] = distribution.davies_bouldin(features[key], labels[key])
    return figures


def compare_classes(features, labels, times):
    """
    The same by class, as far as there are real images of it.

    Parameters
    ----------
    features, labels : `dict`
        Of the sets ``train``, ``validation`` and ``drawn``; see `compare`.
    times : `numpy.ndarray`
        Of the training images.

    Returns
    -------
    `dict` of `dict`
        By letter. ``kid_validation`` and ``fid_validation`` stand beside ``kid_floor`` and ``fid_floor``: those of the
        training images of the class, for the FID as many as there are draws; ``kid_train`` beside ``kid_halves``, that
        of the earlier half of the training images of the class to the later one. ``centroid_distance`` is that of the
        draws to the training images over the mean distance of these to their own centroid.
    """
    found = {}
    for label, letter in enumerate(FLARE_CLASSES):
        of = {key: one[labels[key] == label] for key, one in features.items() if key in labels}
        train, validation, own = of["train"], of["validation"], of["drawn"]
        row = found[letter] = {}
        if len(train) and len(own):
            width = np.linalg.norm(train - train.mean(axis=0), axis=1).mean()
            row["centroid_distance"] = float(np.linalg.norm(own.mean(axis=0) - train.mean(axis=0)) / width)
            if len(validation) >= _FEWEST:
                shift = np.linalg.norm(validation.mean(axis=0) - train.mean(axis=0))
                row["centroid_distance_floor"] = float(shift / width)
        if len(own) < 2:
            continue
        if len(train) >= _FEWEST:
            early, late = np.array_split(train[np.argsort(times[labels["train"] == label])], 2)
            row["kid_train"] = distribution.kernel_distance(train, own)
            row["kid_halves"] = distribution.kernel_distance(early, late)
        if len(validation) >= _FEWEST:
            row["kid_validation"] = distribution.kernel_distance(validation, own)
            row["fid_validation"] = distribution.frechet_distance(validation, own)
            if len(train) >= _FEWEST:
                fewer = train[np.linspace(0, len(train) - 1, min(len(train), len(own))).astype(int)]
                row["kid_floor"] = distribution.kernel_distance(validation, train)
                row["fid_floor"] = distribution.frechet_distance(validation, fewer)
    return found


def diversity(features, labels, times):
    """
    By class, the mean distance of any two draws over that of any two training images that are days apart.

    Parameters
    ----------
    features, labels : `dict`
        Of the sets ``train`` and ``drawn``; see `compare`.
    times : `numpy.ndarray`
        Of the training images, in seconds.

    Returns
    -------
    `dict`
        By letter, for classes with training images that far apart.
    """
    ratios = {}
    for label, letter in enumerate(FLARE_CLASSES):
        train, own = (features[key][labels[key] == label][:_MOST] for key in ("train", "drawn"))
        when = times[labels["train"] == label][:_MOST]
        apart = np.abs(when[:, None] - when) > _STRANGERS_DAYS * 86400
        if apart.any() and len(own) > 1:
            among = cdist(own, own)[~np.eye(len(own), dtype=bool)]
            ratios[letter] = float(among.mean() / cdist(train, train)[apart].mean())
    return ratios
