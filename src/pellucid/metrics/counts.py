"""Metrics that count predicted classes: what is read off a confusion matrix.

For one class, TP are its samples that were predicted to be of it, FN those that were not, FP the others' that were, and TN
the others' that were not. A metric that every class has by itself is (k) for all classes, or is asked for one ``label``,
or for one number by ``average``:

- "macro": the mean over the classes, each counting alike;
- "weighted": the mean over the classes, each counting as often as it occurs;
- "micro": of TP, FP, FN and TN added up over the classes.

A class without a value (0/0, as the precision of a class that was never predicted) has NaN, and the means leave it out
(scikit-learn's ``zero_division=np.nan``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, did_you_mean
from pellucid.kernels import Kernels
from pellucid.metrics.base import Metric, MetricState, Value, classified

AVERAGES = ("macro", "weighted", "micro")
Shares = Callable[[Array, Array, Array, Array], tuple[Array, Array]]  # of TP, FP, FN, TN: what is divided, and by what


class _Correct(MetricState):
    def __init__(self, kernels: Kernels):
        self.kernels, self.correct, self.total = kernels, 0.0, 0.0

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        self.correct += self.kernels.count_correct(*classified(outputs, targets), weights)
        self.total += float(np.add.reduce(weights, dtype=np.float64))

    def result(self) -> float:
        return self.correct / self.total if self.total else math.nan


class _Table(MetricState):
    """A confusion matrix, and what is read off it."""

    def __init__(self, classes: int, kernels: Kernels, read: Callable[[Array], Value]):
        self.kernels, self.read = kernels, read
        self.table = np.zeros((classes, classes))

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        self.kernels.confusion(*classified(outputs, targets), weights, self.table)

    def result(self) -> Value:
        return self.read(self.table)


def _check(label: int | None, average: str | None) -> None:
    if average is not None and average not in AVERAGES:
        raise ConfigError(f"average={average!r}: {did_you_mean(average, AVERAGES)}")
    if label is not None and average is not None:
        raise ConfigError(f"label={label} is one class, average={average!r} is over all of them: choose one of the two")


def _named(metric: str, label: int | None, average: str | None) -> str:
    """The metric's name with what is chosen of it: precision, precision_3, precision_macro."""
    chosen = average if label is None else label
    return metric if chosen is None else f"{metric}_{chosen}"


def _per_class(classes: int, kernels: Kernels, shares: Shares, label: int | None, average: str | None) -> MetricState:
    """A count of a share that every class has: for one label, averaged, or (k) for all classes; NaN is 0/0."""
    if label is not None and not 0 <= label < classes:
        raise ConfigError(f"label={label} is out of range: there are the classes 0 … {classes - 1}")

    def read(table: Array) -> Value:
        hit, predicted, there = np.diag(table), table.sum(axis=0), table.sum(axis=1)
        counts = [hit, predicted - hit, there - hit, table.sum() - predicted - there + hit]
        if average == "micro":
            counts = [count.sum(keepdims=True) for count in counts]
        with np.errstate(invalid="ignore"):
            over, under = shares(*counts)
            values: Array = over / under
        if label is not None or average == "micro":
            return float(values[label or 0])
        if average is None:
            return values
        weights = np.where(np.isnan(values), 0, there if average == "weighted" else 1)
        return float(np.nansum(values * weights) / weights.sum()) if weights.sum() else math.nan

    return _Table(classes, kernels, read)


@dataclass(frozen=True)
class Accuracy(Metric):
    """The share of samples whose predicted class is the true one."""

    name = "accuracy"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _Correct(kernels)


@dataclass(frozen=True)
class Precision(Metric):
    """Of the samples predicted to be of a class, the share that are, TP/(TP + FP): for one ``label``, by ``average``,
    or (k)."""

    label: int | None = None
    average: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self.label, self.average)

    @property
    def name(self) -> str:
        return _named("precision", self.label, self.average)

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _per_class(classes, kernels, lambda tp, fp, fn, tn: (tp, tp + fp), self.label, self.average)


@dataclass(frozen=True)
class Recall(Metric):
    """Of the samples of a class, the share that is predicted to be, TP/(TP + FN): for one ``label``, by ``average``, or (k)."""

    label: int | None = None
    average: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self.label, self.average)

    @property
    def name(self) -> str:
        return _named("recall", self.label, self.average)

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _per_class(classes, kernels, lambda tp, fp, fn, tn: (tp, tp + fn), self.label, self.average)


@dataclass(frozen=True)
class Specificity(Metric):
    """Of the samples that are not of a class, the share that is not predicted to be, TN/(TN + FP): for one ``label``, by
    ``average``, or (k)."""

    label: int | None = None
    average: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self.label, self.average)

    @property
    def name(self) -> str:
        return _named("specificity", self.label, self.average)

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _per_class(classes, kernels, lambda tp, fp, fn, tn: (tn, tn + fp), self.label, self.average)


@dataclass(frozen=True)
class F1(Metric):
    """The harmonic mean of precision and recall, 2 TP/(2 TP + FP + FN) (van Rijsbergen, 1979): for one ``label``, by
    ``average``, or (k). It is 0 for a class that occurs and is never predicted."""

    label: int | None = None
    average: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self.label, self.average)

    @property
    def name(self) -> str:
        return _named("f1", self.label, self.average)

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _per_class(classes, kernels, lambda tp, fp, fn, tn: (2 * tp, 2 * tp + fp + fn), self.label, self.average)


@dataclass(frozen=True)
class ConfusionMatrix(Metric):
    """(k, k): how many samples of class i (row) were predicted to be class j (column)."""

    name = "confusion_matrix"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _Table(classes, kernels, lambda table: table)


@dataclass(frozen=True)
class CohenKappa(Metric):
    """κ = (p − e)/(1 − e): how far the accuracy p is above the agreement e of two who guess as often each class as truth and
    network do, as a share of what is possible (Cohen, 1960). NaN where both know one class only."""

    name = "cohen_kappa"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _Table(classes, kernels, _kappa)


def _kappa(table: Array) -> float:
    n = table.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = table.sum(axis=0) @ table.sum(axis=1) / n**2
        return float((np.trace(table) / n - chance) / (1 - chance)) if chance < 1 else math.nan


@dataclass(frozen=True)
class Matthews(Metric):
    """The correlation of truth and prediction (Matthews, 1975; for several classes Gorodkin, 2004), from −1 to 1. With n
    samples of which c are right, tᵢ of class i, and pᵢ predicted to be:

        (c n − Σ tᵢ pᵢ) / √((n² − Σ pᵢ²) (n² − Σ tᵢ²))

    It is 0 where all predictions, or all samples, are of one class."""

    name = "matthews"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _Table(classes, kernels, _correlation)


def _correlation(table: Array) -> float:
    n, p, t = table.sum(), table.sum(axis=0), table.sum(axis=1)
    if not n:
        return math.nan
    spread = (n**2 - p @ p) * (n**2 - t @ t)
    return float((np.trace(table) * n - t @ p) / math.sqrt(spread)) if spread > 0 else 0.0
