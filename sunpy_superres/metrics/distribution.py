"""
Distances between sets of images, by features of theirs: plain numpy, arrays of shape (n, features).

Which network the features are from matters more than which distance is taken of them: quote several, and beside each
the distance between two sets of real images.
"""

from collections import namedtuple

import numpy as np
from scipy.spatial.distance import cdist

__all__ = [
    "Manifolds",
    "davies_bouldin",
    "frechet_distance",
    "kernel_distance",
    "kernel_distance_error",
    "nearest_distance",
    "precision_recall",
    "silhouette",
]

#: Part of the generated images among the real ones, and of the real ones among the generated.
Manifolds = namedtuple("Manifolds", ["precision", "recall"])


def _sets(real, generated, least):
    real, generated = (np.asarray(one, dtype=np.float64) for one in (real, generated))
    if real.ndim != 2 or generated.ndim != 2 or real.shape[1] != generated.shape[1]:
        msg = f"Features must have the shape (n, features), the same in both, not {real.shape} and {generated.shape}."
        raise ValueError(msg)
    if min(len(real), len(generated)) < least:
        msg = f"At least {least} images are needed in each set, not {len(real)} and {len(generated)}."
        raise ValueError(msg)
    if not (np.isfinite(real).all() and np.isfinite(generated).all()):
        msg = "Features must be finite."
        raise ValueError(msg)
    return real, generated


def kernel_distance(real, generated):
    r"""
    Kernel distance (KID), squared: the unbiased estimate of the maximum mean discrepancy for a cubic kernel.

    .. math:: k(a, b) = (a \cdot b / d + 1)^3

    Parameters
    ----------
    real, generated : array-like
        Features, shape (n, d) and (m, d).

    Returns
    -------
    `float`
        Of all images at once. It can be negative where the sets are alike.

    Raises
    ------
    ValueError
        If shapes do not fit, a set has fewer than two images, or features are not finite.

    References
    ----------
    Bińkowski et al. 2018, arXiv:1801.01401.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics.distribution import kernel_distance
    >>> one, other = np.random.default_rng(0).normal(size=(2, 500, 8))
    >>> bool(abs(kernel_distance(one, other)) < 0.02 < kernel_distance(one, other + 0.5))
    True
    """
    real, generated = _sets(real, generated, 2)
    d = real.shape[1]

    def kernel(a, b):
        return (a @ b.T / d + 1) ** 3

    def within(a):
        k = kernel(a, a)
        return (k.sum() - np.trace(k)) / (len(a) * (len(a) - 1))

    return float(within(real) + within(generated) - 2 * kernel(real, generated).mean())


def kernel_distance_error(real, generated, folds=10):
    """
    Standard error of `kernel_distance` from which images were drawn: the jackknife, by leaving out a fold each.

    Parameters
    ----------
    real, generated : array-like
        Features, shape (n, d) and (m, d).
    folds : `int`, optional
        Number of folds.

    Returns
    -------
    `float`
        What another choice of real images would change is not in it.

    Raises
    ------
    ValueError
        As `kernel_distance`, also where a fold leaves fewer than two images.
    """
    real, generated = _sets(real, generated, 3)
    parts = np.arange(len(generated)) % min(folds, len(generated))
    found = np.array([kernel_distance(real, generated[parts != part]) for part in np.unique(parts)])
    return float(np.sqrt((len(found) - 1) / len(found) * ((found - found.mean()) ** 2).sum()))


def frechet_distance(real, generated):
    """
    Fréchet distance (FID), squared, between normal laws with the means and covariances of the sets.

    Parameters
    ----------
    real, generated : array-like
        Features, shape (n, d) and (m, d).

    Returns
    -------
    `float`

    Raises
    ------
    ValueError
        If shapes do not fit, a set has fewer than two images, or features are not finite.

    Notes
    -----
    With fewer images than features the covariances are singular and the distance is biased upward: compare only
    between sets of equal sizes, or take `kernel_distance`.

    References
    ----------
    Heusel et al. 2017, arXiv:1706.08500, eq. 6.
    """
    real, generated = _sets(real, generated, 2)
    first, second = (np.cov(one, rowvar=False).reshape(one.shape[1], -1) for one in (real, generated))
    # The trace of the root of a product is that of the root of its symmetric form, which has no imaginary part.
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ second @ root), 0, None)).sum()
    shift = real.mean(axis=0) - generated.mean(axis=0)
    return float(max(shift @ shift + np.trace(first) + np.trace(second) - 2 * cross, 0.0))


def precision_recall(real, generated, neighbors=3):
    """
    Fidelity and coverage: how many images of a set lie within the reach of the other.

    Parameters
    ----------
    real, generated : array-like
        Features, shape (n, d) and (m, d).
    neighbors : `int`, optional
        An image reaches as far as to its neighbor of this rank in its own set.

    Returns
    -------
    `Manifolds`

    Raises
    ------
    ValueError
        If shapes do not fit, a set has no more images than neighbors, or features are not finite.

    References
    ----------
    Kynkäänniemi et al. 2019, arXiv:1904.06991.
    """
    real, generated = _sets(real, generated, neighbors + 1)

    def covered(points, by):
        reach = np.partition(cdist(by, by), neighbors, axis=1)[:, neighbors]
        return float((cdist(points, by) <= reach).any(axis=1).mean())

    return Manifolds(covered(generated, real), covered(real, generated))


def nearest_distance(images, others):
    """
    Distance of each image to the nearest of others.

    Parameters
    ----------
    images, others : array-like
        Features or pixels, shape (n, d) and (m, d).

    Returns
    -------
    `numpy.ndarray`
        Shape (n,), Euclidean.

    Raises
    ------
    ValueError
        If shapes do not fit, a set is empty, or features are not finite.
    """
    images, others = _sets(images, others, 1)
    return cdist(images, others).min(axis=1)


def _clusters(features, labels):
    features, _ = _sets(features, features, 3)
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
    """
    features, labels, names = _clusters(features, labels)
    centers = np.array([features[labels == name].mean(axis=0) for name in names])
    widths = np.array(
        [np.linalg.norm(features[labels == name] - c, axis=1).mean() for name, c in zip(names, centers, strict=True)]
    )
    distances = cdist(centers, centers)
    np.fill_diagonal(distances, np.inf)
    return float(((widths[:, None] + widths) / distances).max(axis=1).mean())
