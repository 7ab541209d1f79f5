"""Metrics with a value for each class: one ratio of the numbers of its correct and wrong decisions.

For one class, TP counts its samples that are predicted as this class, and FN its samples that are predicted as another. FP
counts the samples of other classes that are predicted as this class, and TN all remaining samples. With sample weights, each
count is a sum of weights. If the outputs are independent labels, TP and FN count the samples that have the label, predicted
with it and without it; FP and TN count the others. A metric returns an array (k), or one number: the value of one class or
label with ``label``, or a value over all of them with ``average``:

- "macro": the mean over the classes, all with the same weight;
- "weighted": the mean over the classes, weighted by how often each occurs;
- "micro": the ratio computed from TP, FP, FN and TN summed over the classes.

The value of a class is NaN where it is 0/0, such as the precision of a class that is never predicted; the means leave it out.
If none of the classes with a value occurs, the weighted mean is their plain mean. All this is as in scikit-learn with
``zero_division=np.nan``, for independent labels with an indicator matrix.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from pellucid.core.config import Positive
from pellucid.core.memory import Array
from pellucid.errors import ConfigError
from pellucid.kernels import Kernels
from pellucid.metrics.averages import check_average, check_label, mean_of_classes
from pellucid.metrics.base import MetricState, Value
from pellucid.metrics.decisions import ConfusionState, DecisionMetric, LabelTablesState, one_against_rest


class _RatioMetric(DecisionMetric, ABC):
    """The metric of one ratio; a subclass has the fields ``label`` and ``average``, in the order of its own constructor."""

    label: int | None
    average: str | None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_average(self.average)
        if self.label is not None and self.average is not None:
            raise ConfigError(
                f"label={self.label} is one class, average={self.average!r} is over all of them: choose one of the two"
            )

    @property
    @abstractmethod
    def title(self) -> str:
        """The start of the name."""

    @abstractmethod
    def ratio(self, tp: Array, fp: Array, fn: Array, tn: Array) -> tuple[Array, Array]:
        """Return numerator and denominator of each class."""

    @property
    def name(self) -> str:
        choice = self.average if self.label is None else self.label
        return self._named(self.title if choice is None else f"{self.title}_{choice}")

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        check_label(self.label, classes)
        return ConfusionState(classes, kernels, self.threshold, lambda matrix: self._compute(one_against_rest(matrix)))

    def start_multi_label(self, labels: int, kernels: Kernels) -> MetricState:
        check_label(self.label, labels, "labels")
        return LabelTablesState(labels, self.threshold, self._compute)

    def _compute(self, tables: Array) -> Value:
        """Return the metric of the tables ((TN, FP), (FN, TP)) of all classes (k, 2, 2)."""
        if self.average == "micro":
            tables = tables.sum(axis=0, keepdims=True)
        (tn, fp), (fn, tp) = tables.transpose(1, 2, 0)
        with np.errstate(invalid="ignore"):
            numerator, denominator = self.ratio(tp, fp, fn, tn)
            values: Array = numerator / denominator
        if self.label is not None:
            return float(values[self.label])
        if self.average is None:
            return values
        return mean_of_classes(values, tp + fn if self.average == "weighted" else None)


@dataclass(frozen=True)
class PerClassMetric(_RatioMetric, ABC):
    """The base of metrics that are one ratio of TP, FP, FN and TN for each class.

    A subclass has a ``title``, the start of its name, and a ``ratio``. The result is an array (k); with a ``label`` or an
    ``average`` ("macro", "weighted", "micro") it is one number, and the name says so: precision_3, precision_macro.
    """

    label: int | None = None
    average: str | None = None


@dataclass(frozen=True)
class Precision(PerClassMetric):
    """Of the samples predicted as a class, the fraction that belong to it: TP/(TP + FP).

    The result is an array (k), or one number with a ``label`` or an ``average``.
    """

    title = "precision"

    def ratio(self, tp: Array, fp: Array, fn: Array, tn: Array) -> tuple[Array, Array]:
        return tp, tp + fp


@dataclass(frozen=True)
class Recall(PerClassMetric):
    """Of the samples of a class, the fraction that are predicted as this class: TP/(TP + FN).

    The result is an array (k), or one number with a ``label`` or an ``average``.
    """

    title = "recall"

    def ratio(self, tp: Array, fp: Array, fn: Array, tn: Array) -> tuple[Array, Array]:
        return tp, tp + fn


@dataclass(frozen=True)
class Specificity(PerClassMetric):
    """Of the samples of all other classes, the fraction that are not predicted as this class: TN/(TN + FP).

    The result is an array (k), or one number with a ``label`` or an ``average``.
    """

    title = "specificity"

    def ratio(self, tp: Array, fp: Array, fn: Array, tn: Array) -> tuple[Array, Array]:
        return tn, tn + fp


@dataclass(frozen=True)
class F1(PerClassMetric):
    """The harmonic mean of precision and recall, 2 TP/(2 TP + FP + FN) (van Rijsbergen, 1979).

    It is 0 for a class that occurs and is never predicted. The result is an array (k), or one number with a ``label`` or an
    ``average``.
    """

    title = "f1"

    def ratio(self, tp: Array, fp: Array, fn: Array, tn: Array) -> tuple[Array, Array]:
        return _f_ratio(1.0, tp, fp, fn)


@dataclass(frozen=True)
class FBeta(_RatioMetric):
    """The weighted harmonic mean of precision and recall, (1 + β²) TP/((1 + β²) TP + β² FN + FP) (van Rijsbergen, 1979).

    Recall counts β times as much as precision: ``FBeta(2)`` punishes samples that are missed, ``FBeta(0.5)`` false alarms.
    The names are f2 and f0.5. The result is an array (k), or one number with a ``label`` or an ``average``.
    """

    beta: Positive
    label: int | None = None
    average: str | None = None

    @property
    def title(self) -> str:
        return f"f{self.beta!r}".removesuffix(".0")

    def ratio(self, tp: Array, fp: Array, fn: Array, tn: Array) -> tuple[Array, Array]:
        return _f_ratio(self.beta, tp, fp, fn)


@dataclass(frozen=True)
class Dice(PerClassMetric):
    """Twice the overlap of truth and prediction by the sum of their sizes, 2 TP/(2 TP + FP + FN) (Dice, 1945).

    It is the F1 score under the name that is used for class maps, where TP, FP and FN count pixels. It relates to the
    intersection over union J of a class as 2J/(1 + J). The result is an array (k), or one number with a ``label`` or an
    ``average``.
    """

    title = "dice"

    def ratio(self, tp: Array, fp: Array, fn: Array, tn: Array) -> tuple[Array, Array]:
        return _f_ratio(1.0, tp, fp, fn)


@dataclass(frozen=True)
class IntersectionOverUnion(PerClassMetric):
    """The overlap of truth and prediction by their union, TP/(TP + FP + FN), the Jaccard index (Jaccard, 1912).

    For class maps TP, FP and FN count the pixels of all samples together. A class that is neither true nor predicted anywhere
    has no value (NaN), and the averages leave it out; ``average="macro"`` is the "mean IoU". The result is an array (k), or
    one number with a ``label`` or an ``average``.
    """

    title = "iou"

    def ratio(self, tp: Array, fp: Array, fn: Array, tn: Array) -> tuple[Array, Array]:
        return tp, tp + (fp + fn)


def _f_ratio(beta: float, tp: Array, fp: Array, fn: Array) -> tuple[Array, Array]:
    hits = (1 + beta**2) * tp
    return hits, hits + (beta**2 * fn + fp)
