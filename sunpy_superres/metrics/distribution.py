"""
Distances between sets of images, by features of theirs: plain numpy, arrays of shape (n, features).

Which network the features are from matters more than which distance is taken of them: quote several, and beside each
the distance between two sets of real images.
"""

from collections import namedtuple

import numpy as np
from scipy.spatial.distance import cdist

from sunpy_superres.metrics._features import feature_sets
from sunpy_superres.metrics.clusters import calinski_harabasz, centroid_distance, davies_bouldin, silhouette

__all__ = [
    "Manifolds",
    "calinski_harabasz",
    "centroid_distance",
    "davies_bouldin",
    "frechet_distance",
    "kernel_distance",
    "kernel_distance_error",
    "kernel_distance_subsets",
    "nearest_distance",
    "precision_recall",
    "silhouette",
]

#: Part of the generated images among the real ones, and of the real ones among the generated.
Manifolds = namedtuple("Manifolds", ["precision", "recall"])


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
    real, generated = feature_sets(real, generated, 2)
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

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics.distribution import kernel_distance_error
    >>> few, many = np.random.default_rng(0).normal(size=(2, 1000, 4))
    >>> kernel_distance_error(many, few[:50]) > kernel_distance_error(many, few)
    True
    """
    real, generated = feature_sets(real, generated, 3)
    parts = np.arange(len(generated)) % min(folds, len(generated))
    found = np.array([kernel_distance(real, generated[parts != part]) for part in np.unique(parts)])
    return float(np.sqrt((len(found) - 1) / len(found) * ((found - found.mean()) ** 2).sum()))


def kernel_distance_subsets(real, generated, *, size=1000, count=100, seed=0):
    """
    Mean and standard deviation of `kernel_distance` over random subsets, as the KID is mostly published.

    Parameters
    ----------
    real, generated : array-like
        Features, shape (n, d) and (m, d).
    size : `int`, optional
        Images of a subset, drawn from each set without repetition; no more than the smaller set has. Defaults to 1000.
    count : `int`, optional
        Number of subsets. Defaults to 100.
    seed : `int`, optional
        Seed of the subsets. Defaults to 0.

    Returns
    -------
    mean, deviation : `float`
        The deviation is that of single subsets, which share images: it depends on their size and is no error of the
        mean, for which see `kernel_distance_error`.

    Raises
    ------
    ValueError
        As `kernel_distance`, also where size or count is too small.

    References
    ----------
    Bińkowski et al. 2018, arXiv:1801.01401, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics.distribution import kernel_distance, kernel_distance_subsets
    >>> one, other = np.random.default_rng(0).normal(size=(2, 200, 4)) + [[[0]], [[1]]]
    >>> mean, deviation = kernel_distance_subsets(one, other, size=100)
    >>> bool(abs(mean - kernel_distance(one, other)) < deviation)
    True
    """
    real, generated = feature_sets(real, generated, 2)
    if size < 2 or count < 1:
        msg = f"A subset has two images or more, and one subset is needed, got size {size!r} and count {count!r}."
        raise ValueError(msg)
    size = min(size, len(real), len(generated))
    rng = np.random.default_rng(seed)
    found = [
        kernel_distance(*(one[rng.choice(len(one), size, replace=False)] for one in (real, generated)))
        for _ in range(count)
    ]
    return float(np.mean(found)), float(np.std(found))


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

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics.distribution import frechet_distance
    >>> real = np.random.default_rng(0).normal(size=(500, 8))
    >>> print(f"{frechet_distance(real, real + 2):.3f}")
    32.000
    """
    real, generated = feature_sets(real, generated, 2)
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

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics.distribution import precision_recall
    >>> real = np.random.default_rng(0).normal(size=(500, 2))
    >>> found = precision_recall(real, 0.1 * real)  # all of it is real, but little of what is real is there
    >>> bool(found.precision > 0.9 > 0.3 > found.recall)
    True
    """
    real, generated = feature_sets(real, generated, neighbors + 1)

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

    Examples
    --------
    >>> from sunpy_superres.metrics.distribution import nearest_distance
    >>> nearest_distance([[0.0, 0.0], [5.0, 5.0]], [[3.0, 4.0], [5.0, 6.0]])
    array([5., 1.])
    """
    images, others = feature_sets(images, others, 1)
    return cdist(images, others).min(axis=1)
