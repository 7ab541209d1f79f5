"""Metrics: what scikit-learn says, whatever the batches; and intervals by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.metrics

from pellucid import (
    Accuracy,
    BinaryCrossEntropy,
    ConfigError,
    ConfusionMatrix,
    CrossEntropy,
    Dense,
    MeanSquaredError,
    Metric,
    Precision,
    Recall,
    Sequential,
    Sigmoid,
    Softmax,
    wilson,
)
from pellucid import kernels as kernel_sets
from pellucid.config import registered

KERNELS = pytest.mark.parametrize("kernels", [kernel_sets.load(name) for name in kernel_sets.SETS], ids=kernel_sets.SETS)
K = 4


def oracle(function, **options):
    """A function of scikit-learn's, with every class counted and NaN where nothing was."""
    return lambda labels, predicted, w, k: function(labels, predicted, sample_weight=w, labels=range(k), **options)


def share(function, **options):
    return oracle(function, zero_division=np.nan, **options)


# metric -> what scikit-learn gives for labels, predictions, weights and the number of classes
TABLE = {
    Accuracy(): lambda labels, predicted, w, k: sklearn.metrics.accuracy_score(labels, predicted, sample_weight=w),
    Precision(): share(sklearn.metrics.precision_score, average=None),
    Precision(1): lambda *given: share(sklearn.metrics.precision_score, average=None)(*given)[1],
    Recall(): share(sklearn.metrics.recall_score, average=None),
    Recall(0): lambda *given: share(sklearn.metrics.recall_score, average=None)(*given)[0],
    ConfusionMatrix(): oracle(sklearn.metrics.confusion_matrix),
}


def sample(seed: int, n: int = 500, k: int = K):
    """Outputs, labels (right more often than not, some classes rare) and weights."""
    random = np.random.default_rng(seed)
    labels = np.minimum(random.geometric(0.5, n) - 1, k - 1)
    outputs = random.random((n, k)) + 0.7 * np.eye(k)[labels]
    return (outputs / outputs.sum(axis=1, keepdims=True)).astype(np.float32), labels, random.random(n).astype(np.float32)


def counted(metric, classes, kernels, outputs, targets, weights, cuts=()):
    """The metric over the samples, in batches that end at ``cuts``."""
    tally = metric.start(classes, kernels)
    for rows in np.split(np.arange(len(outputs)), cuts):
        tally.update(outputs[rows], targets[rows], weights[rows])
    return tally.result()


def test_every_metric_is_in_the_table():
    assert set(registered(Metric).values()) == {type(metric) for metric in TABLE}


@KERNELS
@pytest.mark.parametrize("metric", TABLE, ids=repr)
def test_scikit_learn_agrees_in_uneven_batches_with_weights(metric, kernels):
    for seed, cuts in enumerate([[], [1, 2, 450], [128, 256, 384], [0, 500]]):
        outputs, labels, w = sample(seed)
        result = counted(metric, K, kernels, outputs, labels, w, cuts)
        wanted = TABLE[metric](labels, outputs.argmax(axis=1), w.astype(float), K)
        np.testing.assert_allclose(result, wanted, rtol=1e-12)
        one_hot = counted(metric, K, kernels, outputs, np.eye(K, dtype=np.float32)[labels], w, cuts)
        np.testing.assert_array_equal(result, one_hot)


@KERNELS
@pytest.mark.parametrize("metric", TABLE, ids=repr)
def test_a_single_output_tells_two_classes(metric, kernels):
    random = np.random.default_rng(0)
    p, answers, w = random.random((200, 1), np.float32), random.integers(0, 2, (200, 1)), np.ones(200, np.float32)
    result = counted(metric, 2, kernels, p, answers.astype(np.float32), w, [70])
    np.testing.assert_allclose(result, TABLE[metric](answers[:, 0], p[:, 0] >= 0.5, w, 2), rtol=1e-12)


@KERNELS
def test_one_half_is_a_yes_and_of_equals_the_first_wins(kernels):
    half, yes, w = np.full((1, 1), 0.5, np.float32), np.ones((1, 1), np.float32), np.ones(1, np.float32)
    assert counted(Accuracy(), 2, kernels, half, yes, w) == 1
    assert counted(Accuracy(), 2, kernels, np.nextafter(half, 0), yes, w) == 0
    tie = np.array([[0.1, 0.3, 0.3, 0.3]], np.float32)
    assert counted(ConfusionMatrix(), K, kernels, tie, np.array([2]), w)[2].tolist() == [0, 1, 0, 0]
    assert counted(Accuracy(), K, kernels, tie, np.array([1]), w) == 1


@KERNELS
def test_never_an_average_of_batch_values(kernels):
    outputs, w = np.eye(2, dtype=np.float32)[[0, 0, 0, 1]], np.ones(4, np.float32)
    accuracy = counted(Accuracy(), 2, kernels, outputs, np.array([0, 0, 0, 0]), w, [3])  # 3 of 3, then 0 of 1
    assert accuracy == 0.75  # the batches' mean would be 0.5
    recall = counted(Recall(0), 2, kernels, outputs, np.array([0, 1, 1, 0]), w, [3])  # 1 of 1, then 0 of 1
    precision = counted(Precision(0), 2, kernels, outputs, np.array([0, 1, 1, 0]), w, [1])  # 1 of 1, then 0 of 2
    assert (recall, precision) == (0.5, pytest.approx(1 / 3))


@KERNELS
def test_nothing_counted_is_not_a_number(kernels):
    none = np.zeros((0, 2), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32)
    assert math.isnan(counted(Accuracy(), 2, kernels, *none))
    assert np.isnan(counted(Recall(), 2, kernels, *none)).all()
    only = np.eye(2, dtype=np.float32)[[0]], np.array([0]), np.ones(1, np.float32)
    np.testing.assert_array_equal(counted(Precision(), 2, kernels, *only), [1, np.nan])


@KERNELS
def test_a_tally_starts_afresh(kernels):
    outputs, labels, w = sample(0)
    first = counted(ConfusionMatrix(), K, kernels, outputs, labels, w)
    np.testing.assert_array_equal(first, counted(ConfusionMatrix(), K, kernels, outputs, labels, w))


def test_names_and_labels_out_of_range():
    assert [metric.name for metric in TABLE] == [
        "accuracy", "precision", "precision_1", "recall", "recall_0", "confusion_matrix",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="label=4 is out of range: there are the classes 0 … 3"):
        counted(Recall(4), K, kernel_sets.load(), *sample(0))


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [  # the first is Newcombe's example (Statistics in Medicine 17, 1998, table I), as are 15 of 148 and 0 of 20
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 1 - 0.1611, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilsons_interval_is_the_published_one(correct, n, low, high):
    assert wilson(correct, n) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_wilsons_bounds_solve_its_equation():
    """Both bounds p are where the observed share is z standard errors of p away."""
    for correct, n in ((3, 10), (97, 100), (9_812, 10_000)):
        for p in wilson(correct, n, z=1.7):
            assert abs(correct / n - p) == pytest.approx(1.7 * math.sqrt(p * (1 - p) / n), rel=1e-9)


def test_the_model_counts_what_it_predicts():
    random = np.random.default_rng(0)
    x, labels, w = random.normal(size=(700, 5)), random.integers(0, 3, 700), random.random(700)  # more than one chunk
    model = Sequential(Dense(3), Softmax()).compile((5,), CrossEntropy(), metrics=[Accuracy(), ConfusionMatrix()])
    scores = model.evaluate(x, labels, weights=w)
    p = model.predict(x).astype(float)
    p /= p.sum(axis=1, keepdims=True)  # float32's sums are off by more than scikit-learn likes
    assert list(scores) == ["loss", "accuracy", "confusion_matrix"]
    assert scores["loss"] == pytest.approx(sklearn.metrics.log_loss(labels, p, sample_weight=w), rel=1e-5)
    assert scores["accuracy"] == pytest.approx(np.average(p.argmax(axis=1) == labels, weights=w), rel=1e-6)


def test_independent_questions_are_counted_one_by_one():
    random = np.random.default_rng(0)
    x, y, w = random.normal(size=(600, 5)), random.integers(0, 2, (600, 3)), random.random(600)
    model = Sequential(Dense(3), Sigmoid()).compile((5,), BinaryCrossEntropy())
    scores = model.evaluate(x, y, weights=w, metrics=[Accuracy(), ConfusionMatrix(), Recall(1)])
    p, answers, each = model.predict(x).ravel() >= 0.5, y.ravel(), np.repeat(w, 3)
    assert scores["accuracy"] == pytest.approx(np.average(p == answers, weights=each), rel=1e-6)
    wanted = sklearn.metrics.confusion_matrix(answers, p, sample_weight=each)
    np.testing.assert_allclose(scores["confusion_matrix"], wanted, rtol=1e-6)
    assert scores["recall_1"] == pytest.approx(sklearn.metrics.recall_score(answers, p, sample_weight=each), rel=1e-6)


def test_one_number_without_classes_has_no_accuracy():
    with pytest.raises(ConfigError, match=r"use Sigmoid and BinaryCrossEntropy"):
        Sequential(Dense(1)).compile((5,), MeanSquaredError(), metrics=[Accuracy()])
