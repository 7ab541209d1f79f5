"""The losses for vectors: cosine distance and triplet loss."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.spatial.distance
from sklearn.neighbors import KNeighborsClassifier

from pellucid import (
    AbsoluteError,
    Accuracy,
    Adam,
    ConfigError,
    CosineDistance,
    DataError,
    Dense,
    ReLU,
    Sequential,
    Triplet,
)
from pellucid.data import Dataset
from pellucid.model.ensemble import Ensemble
from tests.kernels.dtypes import FLOAT64_KERNELS
from tests.losses.test_losses import KERNELS, computed

# -- cosine distance --------------------------------------------------------------------------------------------------


@FLOAT64_KERNELS
def test_the_cosine_distance_equals_scipys(kernels):
    random = np.random.default_rng(0)
    z, y = random.normal(size=(20, 5)), random.integers(-9, 9, (20, 5)) + 0.5
    each, outputs, dz = computed(CosineDistance(), z, y, kernels)
    np.testing.assert_allclose(each, [scipy.spatial.distance.cosine(a, b) for a, b in zip(z, y, strict=True)], rtol=1e-12)
    np.testing.assert_array_equal(outputs, z)
    np.testing.assert_allclose((dz * z).sum(axis=1), 0, atol=1e-15)  # the length of the output does not matter
    each, _, dz = computed(CosineDistance(), [[3.0, 4.0], [1.0, 0.0]], [[6.0, 8.0], [-2.0, 0.0]], kernels)
    assert each == pytest.approx([0, 2], abs=1e-30)
    np.testing.assert_allclose(dz, 0, atol=1e-15)
    each, _, dz = computed(CosineDistance(), [[2.0, 0.0]], [[0.0, 3.0]], kernels)
    assert each == [1]
    np.testing.assert_array_equal(dz, [[0, -0.5]])


@KERNELS
def test_a_vector_of_length_zero_has_the_loss_1_and_no_gradient(kernels):
    each, _, dz = computed(CosineDistance(), [[0.0, 0], [1, 2], [0, 0]], [[1.0, 2], [0, 0], [0, 0]], kernels)
    assert each == [1, 1, 1]
    np.testing.assert_array_equal(dz, np.zeros((3, 2)))


@KERNELS
@pytest.mark.parametrize("length", [1e-30, 1e30])
def test_the_cosine_of_tiny_and_of_huge_vectors(kernels, length):
    z, y = np.float32([[length, 0]]), np.float32([[length, length]])
    each, _, dz = computed(CosineDistance(), z, y, kernels, np.float32)
    assert each == pytest.approx([1 - np.sqrt(0.5)], rel=1e-12)
    np.testing.assert_allclose(dz * length, [[0, -np.sqrt(0.5)]], rtol=1e-6, atol=1e-15)


@KERNELS
def test_small_angles_keep_their_digits(kernels):
    angle = 2.0**-20
    each, _, dz = computed(CosineDistance(), np.float32([[1, angle]]), np.float32([[1, 0]]), kernels, np.float32)
    assert each == pytest.approx([angle**2 / 2], rel=1e-9)  # 1 − cos is 0 in float32
    np.testing.assert_allclose(dz, [[-(angle**2), angle]], rtol=1e-6)


# -- triplets ---------------------------------------------------------------------------------------------------------


def triplets(z, labels, weights, margin):
    """Return Σ wᵢ lᵢ over the anchors, and its gradient, triplet by triplet as in the definition."""
    total, gradient, n = 0.0, np.zeros_like(z), range(len(z))
    for a in n:
        each = [
            (p, q)
            for p, q in itertools.permutations(n, 2)
            if a not in (p, q) and labels[p] == labels[a] != labels[q] and weights[a] and weights[p] and weights[q]
        ]
        for p, q in each:
            near, far = np.linalg.norm(z[a] - z[p]), np.linalg.norm(z[a] - z[q])
            if margin + near - far > 0:
                share = weights[a] / len(each)
                total += share * (margin + near - far)
                toward, away = share * (z[a] - z[p]) / near, share * (z[a] - z[q]) / far
                gradient[a] += toward - away
                gradient[p] -= toward
                gradient[q] += away
    return total, gradient


def of_batch(z, labels, kernels, margin=1.0, weights=None):
    """Return Σ wᵢ lᵢ and its gradient."""
    loss = Triplet(margin)
    outputs, dz = np.empty_like(z), np.empty_like(z)
    w = np.ones(len(z), z.dtype) if weights is None else weights
    value = loss.compute(z, loss.targets(np.array(labels), z.shape[1:]), w, 1.0, outputs, dz, kernels)
    np.testing.assert_array_equal(outputs, z)
    return value, dz


@KERNELS
@pytest.mark.parametrize("margin", [0.3, 1.0, 4.0])
def test_the_loss_is_the_mean_over_all_triplets_of_an_anchor(kernels, margin):
    random = np.random.default_rng(0)
    z, labels, weights = random.normal(size=(14, 3)), np.array([5, -2, 9, 5, 5, -2, -2] * 2), random.random(14)
    labels[0], weights[[3, 8]] = 77, 0  # a class of one sample; two samples that are left out
    value, dz = of_batch(z, labels, kernels, margin, weights)
    wanted, gradient = triplets(z, labels, weights, margin)
    assert value == pytest.approx(wanted, rel=1e-12)
    np.testing.assert_allclose(dz, gradient, rtol=0, atol=1e-14)
    assert (dz[[3, 8]] == 0).all()


@KERNELS
def test_triplets_by_hand(kernels):
    value, dz = of_batch(np.array([[0.0], [1], [2], [4]]), [0, 0, 1, 1], kernels, margin=2.5)
    assert value == (1.5 + 0) / 2 + (2.5 + 0.5) / 2 + (2.5 + 3.5) / 2 + (0.5 + 1.5) / 2  # two triplets for each of four anchors
    # ∂/∂distance: 1.5 and 2 within the classes, −1 (0 to 2), −½ (0 to 4), −1 (1 to 2) and −1 (1 to 4) between them
    assert dz.ravel().tolist() == [-1.5 + 1 + 0.5, 1.5 + 1 + 1, -1 - 1 - 2, -0.5 - 1 + 2]


@KERNELS
def test_a_triplet_at_the_margin_has_no_gradient(kernels):
    value, dz = of_batch(np.array([[0.0], [1], [2]]), [0, 0, 1], kernels, margin=1.0)
    assert value == 0 + 1  # of the first anchor 1 + 1 − 2, of the second 1 + 1 − 1
    assert dz.ravel().tolist() == [-1, 2, -1]


@KERNELS
@pytest.mark.parametrize("labels", [[3, 3, 3], [1, 2, 3], [1], []])
def test_a_batch_without_triplets_has_no_loss_and_no_gradient(kernels, labels):
    value, dz = of_batch(np.random.default_rng(0).normal(size=(len(labels), 2)), np.array(labels, int), kernels)
    assert value == 0
    assert (dz == 0).all()


@KERNELS
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_equal_embeddings_have_no_gradient_and_nan_reaches_the_loss(kernels):
    z = np.ones((4, 3))
    value, dz = of_batch(z, [0, 0, 1, 1], kernels, margin=0.5)
    assert value == 4 * 0.5
    assert (dz == 0).all()
    z[2, 1] = np.nan
    assert np.isnan(of_batch(z, [0, 0, 1, 1], kernels)[0])


@KERNELS
def test_distances_far_from_the_origin_keep_their_digits(kernels):
    near = np.random.default_rng(0).integers(-8, 8, (8, 4)).astype(np.float32)
    labels = [0, 1] * 4
    for size in (2.0**-40, 2.0**40):  # powers of two: the sums below are exact
        far = near * np.float32(size) + np.float32(2**20 * size)
        value, dz = of_batch(far, labels, kernels, margin=size)
        wanted, gradient = of_batch(near.astype(np.float64), labels, kernels)
        assert value == pytest.approx(wanted * size, rel=1e-12)
        np.testing.assert_allclose(dz, gradient, rtol=1e-6, atol=1e-6)


@KERNELS
def test_the_margin_is_not_lost_in_large_distances(kernels):
    value, dz = of_batch(np.float32([[0], [1e17], [-1e17]]), [0, 0, 1], kernels)
    assert value == 1  # of the first anchor, whose p and n are equally far away; the second has the loss 0, the third no p
    assert dz.ravel().tolist() == [-2, 1, 1]


def new_model(**options):
    return Sequential(Dense(16), ReLU(), Dense(3)).compile((6,), Triplet(), Adam(0.01), **options)


def samples():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 300)
    x = random.normal(size=(300, 6))
    x[:, 0] += 3 * (labels == 1)
    x[:, 1] += 3 * (labels == 2)
    return x.astype(np.float32), labels


def test_training_moves_the_classes_apart():
    (x, y), model = samples(), new_model()

    def neighbours_agree():
        embeddings = model.predict(x)
        return KNeighborsClassifier(5).fit(embeddings[:200], y[:200]).score(embeddings[200:], y[200:])

    before, first = neighbours_agree(), model.evaluate(x, y)["loss"]
    model.fit(x[:200], y[:200], validation=(x[200:], y[200:]), epochs=15)
    assert neighbours_agree() > max(0.85, before)
    assert model.evaluate(x, y)["loss"] < first / 2


def test_what_needs_more_than_one_batch_or_a_target_for_each_output_is_refused():
    x, y = samples()
    with pytest.raises(ConfigError, match=r"accumulate=2.*Triplet\(\) compares the samples of a batch"):
        new_model().fit(x, y, accumulate=2)
    for metric in (Accuracy(), AbsoluteError()):
        with pytest.raises(ConfigError, match=r"the outputs for Triplet\(\) are embeddings"):
            new_model(metrics=[metric])
    with pytest.raises(DataError, match=r"class_weight is for classes, and Triplet\(\) is for distances"):
        new_model().fit(x, y, class_weight="balanced")
    with pytest.raises(ConfigError, match="their mean over several models has no meaning"):
        Ensemble([new_model(), new_model()])
    for labels in (y * 0, np.arange(len(y))):
        with pytest.raises(DataError, match="at least two classes, and two samples of one class"):
            new_model().fit(x, labels)


def test_embeddings_are_not_named_after_the_classes():
    x, y = samples()
    model = new_model()
    model.fit(Dataset(x, y, classes=["a", "b", "c"]))
    assert model.classes is None


def test_sets_and_batches_without_triplets_are_refused():
    x, labels = np.random.default_rng(0).random((12, 2), np.float32), np.arange(12) % 3
    model = Sequential(Dense(2)).compile((2,), Triplet())
    with pytest.raises(ConfigError, match=r"fit\(batch_size=2\): .* compares the samples of a batch, at least three"):
        model.fit(x, labels, batch_size=2)
    with pytest.raises(DataError, match="validation data has nothing to compare"):
        model.fit(x, labels, validation=(x, 0 * labels))
    model.fit(x, labels)
    with pytest.raises(DataError, match="data has nothing to compare"):
        model.evaluate(x, np.arange(12))
