"""
Distances between sets, against libraries and closed forms.
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.clustering import davies_bouldin_score
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
    for index in (d.silhouette, d.davies_bouldin):
        with pytest.raises(ValueError, match="at least two classes"):
            index(np.ones((5, 2)), np.zeros(5))
