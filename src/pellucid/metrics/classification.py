"""Metrics of predicted classes over all classes: the accuracy, the confusion matrix, and correlations read from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError
from pellucid.kernels import Kernels
from pellucid.metrics.base import MeanState, MetricState, PooledState
from pellucid.metrics.decisions import (
    ConfusionState,
    DecisionMetric,
    LabelTablesState,
    answers_and_truth,
    mistakes_of,
    one_against_rest,
    sums_of_others,
)
from pellucid.metrics.outputs import predicted_classes


@dataclass(frozen=True)
class Accuracy(DecisionMetric):
    """The fraction of samples whose predicted class is the true one.

    For independent labels it is the fraction of all answers that are right (1 minus the Hamming loss); the fraction of samples
    with only right answers is :class:`ExactMatch`.
    """

    @property
    def name(self) -> str:
        return self._named("accuracy")

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _AccuracyState(kernels, self.threshold)

    def start_multi_label(self, labels: int, kernels: Kernels) -> MetricState:
        return PooledState(self.start(2, kernels))


class _AccuracyState(MeanState):
    """The mean of 1 for a right and 0 for a wrong prediction, counted by a kernel."""

    def __init__(self, kernels: Kernels, threshold: float):
        super().__init__(self._right)
        self.kernels, self.threshold = kernels, threshold

    def _right(self, outputs: Array, targets: Array) -> Array:
        scores, labels = predicted_classes(outputs, targets, self.threshold)
        right: Array = scores.argmax(axis=1) == labels
        return right

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        self.sum += self.kernels.count_correct(*predicted_classes(outputs, targets, self.threshold), weights)
        self.total += float(np.add.reduce(weights, dtype=np.float64))


@dataclass(frozen=True)
class ExactMatch(DecisionMetric):
    """Of samples with several independent labels, the fraction for which the answers to all of them are right.

    Other names are subset accuracy and exact match ratio; scikit-learn's ``accuracy_score`` of an indicator matrix. Where each
    sample has one class, it would be the accuracy, and is refused.
    """

    @property
    def name(self) -> str:
        return self._named("exact_match")

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        raise ConfigError(f"{self} is for several independent labels, but each sample has one class: use Accuracy()")

    def start_multi_label(self, labels: int, kernels: Kernels) -> MetricState:
        def all_right(outputs: Array, targets: Array) -> Array:
            answers, truth = answers_and_truth(outputs, targets, self.threshold)
            right: Array = (answers == truth).all(axis=1)
            return right

        return MeanState(all_right)


@dataclass(frozen=True)
class ConfusionMatrix(DecisionMetric):
    """The number of samples of class i (row) that are predicted as class j (column), or the sum of their weights: (k, k).

    For k independent labels it is one matrix ((TN, FP), (FN, TP)) for each of them: (k, 2, 2), as in scikit-learn's
    ``multilabel_confusion_matrix``.
    """

    @property
    def name(self) -> str:
        return self._named("confusion_matrix")

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return ConfusionState(classes, kernels, self.threshold, lambda matrix: matrix)

    def start_multi_label(self, labels: int, kernels: Kernels) -> MetricState:
        return LabelTablesState(labels, self.threshold, lambda tables: tables)


@dataclass(frozen=True)
class CohenKappa(DecisionMetric):
    """κ = (p − e)/(1 − e): the agreement of predictions and truth beyond that of random guesses (Cohen, 1960).

    p is the accuracy; e is the expected accuracy of guesses that are independent of the truth and name each class as often as
    the predictions do. NaN where all samples and all predictions are of the same class. For independent labels it is the mean
    over the labels."""

    @property
    def name(self) -> str:
        return self._named("cohen_kappa")

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return ConfusionState(classes, kernels, self.threshold, _kappa)


def _kappa(matrix: Array) -> float:
    """Return κ = 1 − (1 − p)/(1 − e). Both are sums of disagreements, which are exactly 0 where there are none."""
    disagreements = mistakes_of(matrix).sum()
    expected = matrix.sum(axis=1) @ sums_of_others(matrix.sum(axis=0))  # times n
    return float(1 - disagreements * matrix.sum() / expected) if expected > 0 else math.nan


@dataclass(frozen=True)
class Matthews(DecisionMetric):
    """The correlation coefficient of truth and prediction, from −1 to 1 (Matthews, 1975; for several classes Gorodkin, 2004).

    With n samples, of which c are predicted correctly, tᵢ are of class i and pᵢ are predicted as class i:

        (c n − Σ tᵢ pᵢ) / √((n² − Σ pᵢ²) (n² − Σ tᵢ²))

    It is 0 where all predictions, or all samples, are of one class. For independent labels it is the mean over the labels."""

    @property
    def name(self) -> str:
        return self._named("matthews")

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return ConfusionState(classes, kernels, self.threshold, _correlation)


def _correlation(matrix: Array) -> float:
    """Return the correlation, without differences of large sums, which would be rounded.

    c n − Σ tᵢ pᵢ is Σ (TPᵢ TNᵢ − FPᵢ FNᵢ) over the tables of each class against the rest, and n² − Σ pᵢ² is Σ pᵢ (n − pᵢ),
    which is exactly 0 for a single class.
    """
    if not matrix.any():
        return math.nan
    p, t = matrix.sum(axis=0), matrix.sum(axis=1)
    spread_p, spread_t = p @ sums_of_others(p), t @ sums_of_others(t)
    if not (spread_p > 0 and spread_t > 0):
        return 0.0
    (tn, fp), (fn, tp) = one_against_rest(matrix).transpose(1, 2, 0)
    return float((tp * tn - fp * fn).sum() / (math.sqrt(spread_p) * math.sqrt(spread_t)))
