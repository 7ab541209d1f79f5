"""Metrics of predicted classes: functions of the confusion matrix.

For one class, TP counts its samples that are predicted as this class, and FN its samples that are predicted as another. FP
counts the samples of other classes that are predicted as this class, and TN all remaining samples. With sample weights, each
count is a sum of weights. A metric that is defined for each class returns an array (k), or one number: the value of one class
with ``label``, or a value over all classes with ``average``:

- "macro": the mean over the classes, all with the same weight;
- "weighted": the mean over the classes, weighted by how often each occurs;
- "micro": the ratio computed from TP, FP, FN and TN summed over the classes.

The value of a class is NaN where it is 0/0, such as the precision of a class that is never predicted; the means leave it out
(scikit-learn's ``zero_division=np.nan``).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, did_you_mean
from pellucid.kernels import Kernels
from pellucid.metrics.base import Metric, MetricState, Value
from pellucid.metrics.outputs import predicted_classes

AVERAGES = ("macro", "weighted", "micro")


class _ConfusionState(MetricState):
    """A confusion matrix, and a function that computes the metric from it."""

    def __init__(self, classes: int, kernels: Kernels, compute: Callable[[Array], Value]):
        self.kernels, self.compute = kernels, compute
        self.matrix = np.zeros((classes, classes))

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        self.kernels.confusion(*predicted_classes(outputs, targets), weights, self.matrix)

    def result(self) -> Value:
        return self.compute(self.matrix)


# -- metrics with a value for each class ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class PerClassMetric(Metric, ABC):
    """The base of metrics that are one ratio of TP, FP, FN and TN for each class.

    A subclass has a ``title``, the start of its name, and a ``ratio``. The result is an array (k); with a ``label`` or an
    ``average`` ("macro", "weighted", "micro") it is one number, and the name says so: precision_3, precision_macro.
    """

    title: ClassVar[str]

    label: int | None = None
    average: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.average is not None and self.average not in AVERAGES:
            raise ConfigError(f"average={self.average!r}: {did_you_mean(self.average, AVERAGES)}")
        if self.label is not None and self.average is not None:
            raise ConfigError(
                f"label={self.label} is one class, average={self.average!r} is over all of them: choose one of the two"
            )

    @staticmethod
    @abstractmethod
    def ratio(tp: Array, fp: Array, fn: Array, tn: Array) -> tuple[Array, Array]:
        """Return numerator and denominator of each class."""

    @property
    def name(self) -> str:
        choice = self.average if self.label is None else self.label
        return self.title if choice is None else f"{self.title}_{choice}"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        if self.label is not None and not 0 <= self.label < classes:
            raise ConfigError(f"label={self.label} is out of range: the classes are 0 … {classes - 1}")
        return _ConfusionState(classes, kernels, self._compute)

    def _compute(self, matrix: Array) -> Value:
        tp, predicted, actual = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
        counts = [tp, predicted - tp, actual - tp, matrix.sum() - predicted - actual + tp]
        if self.average == "micro":
            counts = [count.sum(keepdims=True) for count in counts]
        with np.errstate(invalid="ignore"):
            numerator, denominator = self.ratio(*counts)
            values: Array = numerator / denominator
        if self.average == "micro":
            return float(values[0])
        if self.label is not None:
            return float(values[self.label])
        if self.average is None:
            return values
        weights = np.where(np.isnan(values), 0, actual if self.average == "weighted" else 1)
        return float(np.nansum(values * weights) / weights.sum()) if weights.sum() else math.nan


@dataclass(frozen=True)
class Precision(PerClassMetric):
    """Of the samples predicted as a class, the fraction that belong to it: TP/(TP + FP).

    The result is an array (k), or one number with a ``label`` or an ``average``.
    """

    title: ClassVar[str] = "precision"

    @staticmethod
    def ratio(tp: Array, fp: Array, fn: Array, tn: Array) -> tuple[Array, Array]:
        return tp, tp + fp


@dataclass(frozen=True)
class Recall(PerClassMetric):
    """Of the samples of a class, the fraction that are predicted as this class: TP/(TP + FN).

    The result is an array (k), or one number with a ``label`` or an ``average``.
    """

    title: ClassVar[str] = "recall"

    @staticmethod
    def ratio(tp: Array, fp: Array, fn: Array, tn: Array) -> tuple[Array, Array]:
        return tp, tp + fn


@dataclass(frozen=True)
class Specificity(PerClassMetric):
    """Of the samples of all other classes, the fraction that are not predicted as this class: TN/(TN + FP).

    The result is an array (k), or one number with a ``label`` or an ``average``.
    """

    title: ClassVar[str] = "specificity"

    @staticmethod
    def ratio(tp: Array, fp: Array, fn: Array, tn: Array) -> tuple[Array, Array]:
        return tn, tn + fp


@dataclass(frozen=True)
class F1(PerClassMetric):
    """The harmonic mean of precision and recall, 2 TP/(2 TP + FP + FN) (van Rijsbergen, 1979).

    It is 0 for a class that occurs and is never predicted. The result is an array (k), or one number with a ``label`` or an
    ``average``.
    """

    title: ClassVar[str] = "f1"

    @staticmethod
    def ratio(tp: Array, fp: Array, fn: Array, tn: Array) -> tuple[Array, Array]:
        return 2 * tp, 2 * tp + fp + fn


# -- metrics over all classes -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Accuracy(Metric):
    """The fraction of samples whose predicted class is the true one."""

    name = "accuracy"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _AccuracyState(kernels)


class _AccuracyState(MetricState):
    def __init__(self, kernels: Kernels):
        self.kernels, self.correct, self.total = kernels, 0.0, 0.0

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        self.correct += self.kernels.count_correct(*predicted_classes(outputs, targets), weights)
        self.total += float(np.add.reduce(weights, dtype=np.float64))

    def result(self) -> float:
        return self.correct / self.total if self.total else math.nan


@dataclass(frozen=True)
class ConfusionMatrix(Metric):
    """The number of samples of class i (row) that are predicted as class j (column), or the sum of their weights: (k, k)."""

    name = "confusion_matrix"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _ConfusionState(classes, kernels, lambda matrix: matrix)


@dataclass(frozen=True)
class CohenKappa(Metric):
    """κ = (p − e)/(1 − e): the agreement of predictions and truth beyond that of random guesses (Cohen, 1960).

    p is the accuracy; e is the expected accuracy of guesses that are independent of the truth and name each class as often as
    the predictions do. NaN where all samples and all predictions are of the same class."""

    name = "cohen_kappa"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _ConfusionState(classes, kernels, _kappa)


def _kappa(matrix: Array) -> float:
    n = matrix.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = matrix.sum(axis=0) @ matrix.sum(axis=1) / n**2
        return float((np.trace(matrix) / n - expected) / (1 - expected)) if expected < 1 else math.nan


@dataclass(frozen=True)
class Matthews(Metric):
    """The correlation coefficient of truth and prediction, from −1 to 1 (Matthews, 1975; for several classes Gorodkin, 2004).

    With n samples, of which c are predicted correctly, tᵢ are of class i and pᵢ are predicted as class i:

        (c n − Σ tᵢ pᵢ) / √((n² − Σ pᵢ²) (n² − Σ tᵢ²))

    It is 0 where all predictions, or all samples, are of one class."""

    name = "matthews"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _ConfusionState(classes, kernels, _correlation)


def _correlation(matrix: Array) -> float:
    n, p, t = matrix.sum(), matrix.sum(axis=0), matrix.sum(axis=1)
    if not n:
        return math.nan
    spread = (n**2 - p @ p) * (n**2 - t @ t)
    return float((np.trace(matrix) * n - t @ p) / math.sqrt(spread)) if spread > 0 else 0.0
