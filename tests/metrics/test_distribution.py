"""
Distances between sets, against libraries and closed forms.
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg
from torchmetrics.functional.clustering import calinski_harabasz_score, davies_bouldin_score
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.kid import poly_mmd

from sunpy_superres.metrics import distribution as d


@pytest.fixture
def sets(rng):
    return rng.normal(size=(60, 6)), rng.normal(0.3, 1.4, size=(50, 6))


def test_kernel_distance_is_that_of_torchmetrics(sets):
    real, generated = sets
    expected = poly_mmd(torch.from_numpy(real[:50]), torch.from_numpy(generated), degree=3, coef=1.0)
    assert d.kernel_distance(real[:50], generated) == pytest.approx(float(expected))


def test_standard_error_is_how_much_the_distance_varies(rng):
    real = rng.normal(size=(300, 4))
    several = [rng.normal(0.2, 1.2, size=(100, 4)) for _ in range(60)]
    scatter = np.std([d.kernel_distance(real, one) for one in several])
    found = np.median([d.kernel_distance_error(real, one) for one in several[:20]])
    assert found == pytest.approx(scatter, rel=0.35)


def test_frechet_distance_is_that_of_torchmetrics(sets):
    means, covariances = zip(*((torch.from_numpy(s.mean(0)), torch.from_numpy(np.cov(s.T))) for s in sets), strict=True)
    expected = _compute_fid(means[0], covariances[0], means[1], covariances[1])
    assert d.frechet_distance(*sets) == pytest.approx(float(expected), rel=1e-6)


def test_frechet_distance_of_normal_laws(rng):
    real = rng.normal(size=(200_000, 2))
    # Means 3 apart, standard deviations 1 and 2 along each of two axes.
    assert d.frechet_distance(real, 2 * real + [3, 0]) == pytest.approx(9 + 2, rel=0.01)


def test_davies_bouldin_is_that_of_torchmetrics(sets):
    features = np.concatenate(sets)
    labels = np.repeat([0, 1, 2], [60, 30, 20])
    expected = davies_bouldin_score(torch.from_numpy(features), torch.from_numpy(labels))
    assert d.davies_bouldin(features, labels) == pytest.approx(float(expected), rel=1e-6)


def test_silhouette_by_its_definition(sets):
    features = np.concatenate(sets)[:30]
    labels = np.repeat([0, 3, 7, 9], [12, 10, 7, 1])
    expected = []
    for i, (point, label) in enumerate(zip(features, labels, strict=True)):
        distance = np.linalg.norm(features - point, axis=1)
        own = np.delete(distance, i)[np.delete(labels, i) == label]
        other = min(distance[labels == name].mean() for name in set(labels) - {label})
        expected.append((other - own.mean()) / max(own.mean(), other) if own.size else 0.0)
    assert d.silhouette(features, labels) == pytest.approx(np.mean(expected))


@given(st.integers(0, 50), st.floats(0.5, 3))
def test_farther_sets_are_farther_apart(seed, shift):
    one, other = np.random.default_rng(seed).normal(size=(2, 80, 4))
    for distance in (d.kernel_distance, d.frechet_distance):
        assert distance(one, other + shift + 0.5) > distance(one, other)
    near, far = d.precision_recall(one, other), d.precision_recall(one, other + 20)
    assert near.precision > far.precision == 0
    assert near.recall > far.recall == 0


def test_a_set_is_all_of_itself(sets):
    real, _ = sets
    assert d.frechet_distance(real, real) == pytest.approx(0, abs=1e-6)
    assert d.precision_recall(real, real) == (1.0, 1.0)
    assert d.nearest_distance(real, real).max() == pytest.approx(0)


def test_collapse_is_seen_in_the_recall(sets):
    real, _ = sets
    collapsed = np.repeat(real[:1], 40, axis=0) + 1e-3 * real[:40]
    found = d.precision_recall(real, collapsed)
    assert found.precision == 1
    assert found.recall < 0.1


@pytest.mark.parametrize(
    ("real", "generated", "told"),
    [
        (np.ones(5), np.ones((5, 2)), "shape"),
        (np.ones((5, 3)), np.ones((5, 2)), "shape"),
        (np.ones((1, 2)), np.ones((5, 2)), "At least"),
        (np.full((5, 2), np.nan), np.ones((5, 2)), "finite"),
    ],
)
def test_wrong_sets_are_refused(real, generated, told):
    for distance in (d.kernel_distance, d.frechet_distance, d.precision_recall):
        with pytest.raises(ValueError, match=told):
            distance(real, generated)


def test_wrong_labels_are_refused():
    for index in (d.silhouette, d.davies_bouldin, d.calinski_harabasz):
        with pytest.raises(ValueError, match="at least two classes"):
            index(np.ones((5, 2)), np.zeros(5))


def test_kernel_distance_by_double_loops(rng):
    real, generated = rng.normal(size=(13, 5)), rng.normal(0.5, 2, size=(9, 5))

    def kernel(a, b):
        return (sum(x * y for x, y in zip(a, b, strict=True)) / 5 + 1) ** 3

    def within(one):
        n = len(one)
        return sum(kernel(one[i], one[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))

    between = np.mean([kernel(a, b) for a in real for b in generated])
    assert d.kernel_distance(real, generated) == pytest.approx(within(real) + within(generated) - 2 * between, rel=1e-9)


def test_kernel_distance_error_by_its_definition(rng):
    real, generated = rng.normal(size=(30, 4)), rng.normal(0.5, 2, size=(12, 4))
    left_out = [d.kernel_distance(real, np.delete(generated, i, axis=0)) for i in range(12)]
    # The jackknife: n - 1 times the variance of the estimates without one.
    expected = np.sqrt(11 * np.var(left_out))
    assert d.kernel_distance_error(real, generated, folds=12) == pytest.approx(expected, rel=1e-9)


def test_kernel_distance_of_subsets(rng):
    real, generated = rng.normal(size=(60, 4)), rng.normal(0.5, 1.2, size=(40, 4))
    whole = d.kernel_distance(real[:40], generated)
    mean, deviation = d.kernel_distance_subsets(real[:40], generated, size=40, count=3)
    assert (mean, deviation) == pytest.approx((whole, 0), abs=1e-9)
    assert d.kernel_distance_subsets(real, generated)[0] == pytest.approx(d.kernel_distance(real, generated), rel=0.1)
    small, large = (d.kernel_distance_subsets(real, generated, size=size) for size in (10, 30))
    assert small[1] > 2 * large[1]
    # Unbiased, whatever the size.
    assert small[0] == pytest.approx(large[0], abs=3 * small[1] / np.sqrt(100))
    assert small == d.kernel_distance_subsets(real, generated, size=10)
    for options in ({"size": 1}, {"count": 0}):
        with pytest.raises(ValueError, match="two images or more"):
            d.kernel_distance_subsets(real, generated, **options)


def test_frechet_distance_by_the_root_of_a_matrix(sets):
    means, covariances = zip(*((one.mean(axis=0), np.cov(one.T)) for one in sets), strict=True)
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    expected = np.sum((means[0] - means[1]) ** 2) + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert d.frechet_distance(*sets) == pytest.approx(expected, rel=1e-9)


def test_precision_and_recall_by_loops(rng):
    real, generated = rng.normal(size=(25, 3)), rng.normal(0.5, 0.6, size=(18, 3))

    def part_within(points, of):
        reach = [sorted(np.linalg.norm(a - b) for b in of)[3] for a in of]
        return np.mean([any(np.linalg.norm(p - a) <= r for a, r in zip(of, reach, strict=True)) for p in points])

    assert d.precision_recall(real, generated) == (part_within(generated, real), part_within(real, generated))


def test_nearest_distance_by_loops(sets):
    expected = [min(np.linalg.norm(a - b) for b in sets[1]) for a in sets[0]]
    np.testing.assert_allclose(d.nearest_distance(*sets), expected, rtol=1e-9)


def test_calinski_harabasz_is_that_of_torchmetrics(sets):
    features = np.concatenate(sets)
    labels = np.repeat([0, 1, 2], [60, 30, 20])
    expected = calinski_harabasz_score(torch.from_numpy(features), torch.from_numpy(labels))
    assert d.calinski_harabasz(features, labels) == pytest.approx(float(expected), rel=1e-6)
    assert d.calinski_harabasz(np.repeat(np.eye(3), 2, axis=0), list("aabbcc")) == np.inf


def test_cluster_indices_are_those_of_scikit_learn(sets):
    metrics = pytest.importorskip("sklearn.metrics")
    features = np.concatenate(sets)
    labels = np.repeat(list("ABCX"), [50, 30, 29, 1])
    for ours, theirs in (
        (d.silhouette, metrics.silhouette_score),
        (d.davies_bouldin, metrics.davies_bouldin_score),
        (d.calinski_harabasz, metrics.calinski_harabasz_score),
    ):
        assert ours(features, labels) == pytest.approx(theirs(features, labels), rel=1e-9)


def test_centroid_distance_by_its_definition(rng):
    real, generated = rng.normal(size=(30, 4)), rng.normal(1, 2, size=(20, 4))
    real_labels, labels = np.repeat(list("MAX"), 10), np.repeat(list("XA"), [15, 5])
    centers = {name: real[real_labels == name].mean(axis=0) for name in "AMX"}
    width = np.mean([np.linalg.norm(one - centers[name]) for one, name in zip(real, real_labels, strict=True)])
    found = d.centroid_distance(real, generated, real_labels, labels)
    assert list(found) == ["A", "M", "X"]
    for name in "AX":
        apart = np.linalg.norm(generated[labels == name].mean(axis=0) - centers[name])
        assert found[name] == pytest.approx(apart / width, rel=1e-9)
    assert np.isnan(found["M"])
    itself = d.centroid_distance(real, real, real_labels, real_labels)
    assert list(itself.values()) == pytest.approx([0, 0, 0])
    assert np.isnan(d.centroid_distance(real[:2] * 0, real, [0, 0], [0] * 30)[0])


def test_centroids_of_two_halves_are_as_far_apart_as_told(rng):
    k = 50
    found = [
        d.centroid_distance(one, other, [0] * (k // 2), [0] * (k // 2))[0]
        for one, other in rng.normal(size=(40, 2, k // 2, 64))
    ]
    assert np.mean(found) == pytest.approx(2 / np.sqrt(k), rel=0.05)


def test_wrong_classes_are_refused(sets):
    real, generated = sets
    with pytest.raises(ValueError, match="one for each image"):
        d.centroid_distance(real, generated, [0] * 60, [0] * 49)
    with pytest.raises(ValueError, match="without a real image: 2, 3"):
        d.centroid_distance(real, generated, [0] * 60, [0, 3] + [2] * 48)


@given(st.integers(0, 1000), st.floats(0.01, 100), st.floats(-5, 5))
def test_units_and_order_of_features_do_not_matter(seed, factor, offset):
    rng = np.random.default_rng(seed)
    real, generated = rng.normal(size=(20, 3)), rng.normal(0.4, 1.5, size=(16, 3))
    labels = rng.permutation(np.repeat([0, 1, 2], [9, 7, 4]))
    order, axes = rng.permutation(20), rng.permutation(3)
    moved = factor * real[order][:, axes] + offset
    for index in (d.silhouette, d.davies_bouldin, d.calinski_harabasz):
        assert index(moved, labels[order]) == pytest.approx(index(real, labels), rel=1e-6)
    other = factor * generated[:, axes] + offset
    assert d.frechet_distance(moved, other) == pytest.approx(factor**2 * d.frechet_distance(real, generated), rel=1e-6)
    assert d.precision_recall(moved, other) == d.precision_recall(real, generated)
    np.testing.assert_allclose(
        d.nearest_distance(other, moved), factor * d.nearest_distance(generated, real), rtol=1e-6
    )
    # The kernel knows the unit of the features, not their order.
    shuffled = d.kernel_distance(real[order][:, axes], generated[:, axes])
    assert shuffled == pytest.approx(d.kernel_distance(real, generated), rel=1e-6, abs=1e-9)
