"""Ratios of classes that never occur, are never predicted, or neither: scikit-learn's values with ``zero_division=np.nan``."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import sklearn.metrics

from pellucid import F1, IntersectionOverUnion, Precision, Recall, Specificity, kernels as kernel_sets

K = 3
SOME = [subset for size in (1, 2, 3) for subset in itertools.combinations(range(K), size)]


def specificity(tables, average):
    """Compute TN/(TN + FP) from the tables of all classes, with the averages of scikit-learn for undefined values."""
    support = tables[:, 1].sum(axis=1)
    if average == "micro":
        tables = tables.sum(axis=0, keepdims=True)
    values = [tn / (tn + fp) if tn + fp else math.nan for (tn, fp), _ in tables]
    if average is None:
        return np.array(values)
    defined = [(value, weight) for value, weight in zip(values, support, strict=False) if not math.isnan(value)]
    if not defined:
        return math.nan
    if average == "weighted" and sum(weight for _, weight in defined):
        return sum(value * weight for value, weight in defined) / sum(weight for _, weight in defined)
    return sum(value for value, _ in defined) / len(defined)


def jaccard(tables, average):
    """Compute TP/(TP + FP + FN) from the tables of all classes, with the averages of scikit-learn for undefined values."""
    support = tables[:, 1].sum(axis=1)
    if average == "micro":
        tables = tables.sum(axis=0, keepdims=True)
    values = np.array([tp / (fp + fn + tp) if fp + fn + tp else math.nan for (_, fp), (fn, tp) in tables])
    if average is None:
        return values
    known = ~np.isnan(values)
    if average == "weighted" and support[known].any():
        return np.average(values[known], weights=support[known])
    return values[known].mean() if known.any() else math.nan


def streamed(metric, kernels, labels, predicted, weights, cuts):
    state = metric.start(K, kernels)
    outputs = np.eye(K, dtype=np.float32)[predicted]
    for rows in np.split(np.arange(len(labels)), cuts):
        state.update(outputs[rows], labels[rows], weights[rows])
    return state.result()


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_every_average_of_absent_and_never_predicted_classes(weighted):
    random = np.random.default_rng(0)
    for i, (true, guessed) in enumerate(itertools.product(SOME, repeat=2)):
        kernels = kernel_sets.load(kernel_sets.SETS[i % 2])
        labels, predicted = random.choice(true, 20), random.choice(guessed, 20)
        labels[: len(true)], predicted[: len(guessed)] = true, guessed
        w = random.random(20).astype(np.float32) if weighted else np.ones(20, np.float32)
        options = {"labels": range(K), "sample_weight": w.astype(float)}
        tables = sklearn.metrics.multilabel_confusion_matrix(labels, predicted, **options)
        for average, cuts in zip((None, "macro", "weighted", "micro"), ([], [3, 4, 17], [0, 9], [20]), strict=True):
            *wanted, _ = sklearn.metrics.precision_recall_fscore_support(
                labels, predicted, average=average, zero_division=np.nan, **options
            )
            wanted += [specificity(tables, average), jaccard(tables, average)]
            for metric, value in zip((Precision, Recall, F1, Specificity, IntersectionOverUnion), wanted, strict=True):
                actual = streamed(metric(average=average), kernels, labels, predicted, w, cuts)
                np.testing.assert_allclose(actual, value, rtol=1e-12, atol=1e-15)


def test_the_weighted_mean_of_classes_that_do_not_occur_is_their_plain_mean():
    labels, w = np.zeros(3, int), np.ones(3, np.float32)
    kernels = kernel_sets.load()
    assert streamed(Precision(average="weighted"), kernels, labels, np.ones(3, int), w, [1]) == 0.0  # 0 has no value, 1 has 0
    assert streamed(Specificity(average="weighted"), kernels, labels, np.array([0, 0, 1]), w, []) == pytest.approx(
        (2 / 3 + 1) / 2
    )


def test_a_class_without_others_has_no_specificity_whatever_the_weights():
    """Differences of sums would leave a rounding error as the number of negatives."""
    random = np.random.default_rng(0)
    for k in (K, 12):
        for _ in range(50):
            w = (random.random(40) * 10 ** random.uniform(-8, 8, 40)).astype(np.float32)
            state = Specificity(0).start(k, kernel_sets.load())
            state.update(np.eye(k, dtype=np.float32)[random.integers(0, k, 40)], np.zeros(40, int), w)
            assert math.isnan(state.result())
