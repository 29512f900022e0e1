"""
How well the classes of images are separated in a space of features, and whether generated ones lie where real ones do.
"""

import math

import numpy as np
from scipy.spatial.distance import cdist

from sunpy_superres.metrics._features import feature_sets

__all__ = ["calinski_harabasz", "centroid_distance", "davies_bouldin", "silhouette"]


def _clusters(features, labels):
    features, _ = feature_sets(features, features, 3)
    labels = np.asarray(labels)
    names = np.unique(labels)
    if labels.shape != features.shape[:1] or not 1 < len(names) < len(features):
        msg = f"labels must be one for each of the {len(features)} images, of at least two classes, not {labels.shape}."
        raise ValueError(msg)
    return features, labels, names


def silhouette(features, labels):
    """
    How much nearer images are to those of their own class than to those of the nearest other, from -1 to 1.

    Parameters
    ----------
    features : array-like
        Shape (n, d).
    labels : array-like
        Classes, shape (n,). Of a class with one image the value is 0.

    Returns
    -------
    `float`
        The mean over all images.

    Raises
    ------
    ValueError
        If shapes do not fit or there is but one class.

    References
    ----------
    Rousseeuw 1987, doi:10.1016/0377-0427(87)90125-7.

    Examples
    --------
    >>> from sunpy_superres.metrics.clusters import silhouette
    >>> silhouette([[0.0], [1.0], [9.0], [10.0]], ["A", "A", "B", "B"])
    0.8885448916408669
    """
    features, labels, names = _clusters(features, labels)
    distances = cdist(features, features)
    sums = np.stack([distances[:, labels == name].sum(axis=1) for name in names], axis=1)
    counts = np.array([(labels == name).sum() for name in names])
    own = np.searchsorted(names, labels)
    rows = np.arange(len(labels))
    alone = counts[own] == 1
    inner = sums[rows, own] / np.maximum(counts[own] - 1, 1)
    means = sums / counts
    means[rows, own] = np.inf
    outer = means.min(axis=1)
    largest = np.maximum(inner, outer)
    return float(np.where(alone | (largest == 0), 0, (outer - inner) / np.where(largest == 0, 1, largest)).mean())


def davies_bouldin(features, labels):
    """
    Mean over the classes of the worst ratio of widths to distance of two classes; smaller is better separated.

    Parameters
    ----------
    features : array-like
        Shape (n, d).
    labels : array-like
        Classes, shape (n,).

    Returns
    -------
    `float`

    Raises
    ------
    ValueError
        If shapes do not fit or there is but one class.

    References
    ----------
    Davies & Bouldin 1979, doi:10.1109/TPAMI.1979.4766909.

    Examples
    --------
    >>> from sunpy_superres.metrics.clusters import davies_bouldin
    >>> davies_bouldin([[0.0], [1.0], [9.0], [10.0]], ["A", "A", "B", "B"])
    0.1111111111111111
    """
    features, labels, names = _clusters(features, labels)
    centers = np.array([features[labels == name].mean(axis=0) for name in names])
    widths = np.array(
        [np.linalg.norm(features[labels == name] - c, axis=1).mean() for name, c in zip(names, centers, strict=True)]
    )
    distances = cdist(centers, centers)
    np.fill_diagonal(distances, np.inf)
    return float(((widths[:, None] + widths) / distances).max(axis=1).mean())


def calinski_harabasz(features, labels):
    r"""
    Scatter of the classes over scatter within them; larger is better separated.

    .. math:: \frac{\sum_c n_c \, \|\mu_c - \mu\|^2 / (K - 1)}{\sum_i \|x_i - \mu_{c(i)}\|^2 / (n - K)}

    Parameters
    ----------
    features : array-like
        Shape (n, d).
    labels : array-like
        One of K classes for each, shape (n,).

    Returns
    -------
    `float`
        Infinite where the images of every class are equal.

    Raises
    ------
    ValueError
        If shapes do not fit or there is but one class.

    References
    ----------
    Caliński & Harabasz 1974, doi:10.1080/03610927408827101.

    Examples
    --------
    >>> from sunpy_superres.metrics.clusters import calinski_harabasz
    >>> calinski_harabasz([[0.0], [1.0], [9.0], [10.0]], ["A", "A", "B", "B"])
    162.0
    """
    features, labels, names = _clusters(features, labels)
    groups = [features[labels == name] for name in names]
    mean = features.mean(axis=0)
    between = sum(len(one) * np.sum((one.mean(axis=0) - mean) ** 2) for one in groups)
    within = sum(np.sum((one - one.mean(axis=0)) ** 2) for one in groups)
    if within == 0:
        return math.inf
    return float(between / (len(names) - 1) / (within / (len(features) - len(names))))


def centroid_distance(real, generated, real_labels, generated_labels):
    r"""
    How far the centroid of each generated class is from that of the real one, in widths of the real classes.

    .. math:: \frac{\|\mu_c^\mathrm{generated} - \mu_c^\mathrm{real}\|}
                   {\langle \|x_i - \mu_{c(i)}^\mathrm{real}\| \rangle_i}

    with the mean distance of all real images from the centroids of their classes.

    Parameters
    ----------
    real, generated : array-like
        Features, shape (n, d) and (m, d).
    real_labels, generated_labels : array-like
        Their classes, shape (n,) and (m,).

    Returns
    -------
    `dict`
        Distance by real class; NaN for one of which nothing was generated. Two random halves of k real images of a
        class are about :math:`2/\sqrt k` apart: the value is to be read beside that.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is a generated class that no real image has.

    Examples
    --------
    >>> from sunpy_superres.metrics.clusters import centroid_distance
    >>> real = [[0.0], [1.0], [9.0], [10.0]]
    >>> centroid_distance(real, [[1.5], [2.5]], ["A", "A", "B", "B"], ["A", "A"])
    {'A': 3.0, 'B': nan}
    """
    real, generated = feature_sets(real, generated, 1)
    real_labels, generated_labels = np.asarray(real_labels), np.asarray(generated_labels)
    if real_labels.shape != real.shape[:1] or generated_labels.shape != generated.shape[:1]:
        msg = f"labels must be one for each image, {len(real)} and {len(generated)}, not of the shapes "
        msg += f"{real_labels.shape} and {generated_labels.shape}."
        raise ValueError(msg)
    names = np.unique(real_labels)
    unknown = set(generated_labels.tolist()) - set(names.tolist())
    if unknown:
        msg = f"Generated classes without a real image: {', '.join(sorted(map(str, unknown)))}."
        raise ValueError(msg)
    centers = np.array([real[real_labels == name].mean(axis=0) for name in names])
    width = np.linalg.norm(real - centers[np.searchsorted(names, real_labels)], axis=1).mean()
    found = {}
    for name, center in zip(names.tolist(), centers, strict=True):
        own = generated[generated_labels == name]
        apart = np.linalg.norm(own.mean(axis=0) - center) if len(own) else math.nan
        found[name] = float(apart / width) if width > 0 else math.nan
    return found
