"""The base of metrics of decisions (predicted classes, yes-or-no answers), and the tables that they are read from."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pellucid.core.config import Fraction
from pellucid.core.memory import Array
from pellucid.errors import ShapeError
from pellucid.kernels import Kernels
from pellucid.metrics.base import Metric, MetricState, Value
from pellucid.metrics.outputs import check_equal_shapes, predicted_classes

HALF = 0.5


@dataclass(frozen=True)
class DecisionMetric(Metric, ABC):
    """The base of metrics that compare decisions with the truth.

    ``threshold`` is the probability from which a yes-or-no output is a yes: a single output, or each of several independent
    labels. Any other than ½ is part of the name: accuracy_at_0.3. Among several exclusive classes the largest output decides,
    and the model refuses a threshold.
    """

    threshold: Fraction = field(default=HALF, kw_only=True)

    def _named(self, title: str) -> str:
        return title if self.threshold == HALF else f"{title}_at_{self.threshold!r}"


class ConfusionState(MetricState):
    """The confusion matrix (k, k) of classes, and a function that computes the metric from it."""

    def __init__(self, classes: int, kernels: Kernels, threshold: float, compute: Callable[[Array], Value]):
        self.kernels, self.threshold, self.compute = kernels, threshold, compute
        self.matrix = np.zeros((classes, classes))

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        scores, labels = predicted_classes(outputs, targets, self.threshold)
        if scores.shape[1] != len(self.matrix):
            raise ShapeError(f"a metric of {len(self.matrix)} classes has outputs of the shape {outputs.shape}")
        self.kernels.confusion(scores, labels, weights, self.matrix)

    def result(self) -> Value:
        return self.compute(self.matrix)


class LabelTablesState(MetricState):
    """The confusion matrix of each of k independent labels (k, 2, 2), and a function that computes the metric from them.

    Each is ((TN, FP), (FN, TP)), as in scikit-learn's ``multilabel_confusion_matrix``.
    """

    def __init__(self, labels: int, threshold: float, compute: Callable[[Array], Value]):
        self.threshold, self.compute = threshold, compute
        self.tables = np.zeros((labels, 2, 2))

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        answers, truth = answers_and_truth(outputs, targets, self.threshold)
        if outputs.shape[1] != len(self.tables):
            raise ShapeError(f"a metric of {len(self.tables)} labels has outputs of the shape {outputs.shape}")
        w = weights.astype(np.float64)
        for i, is_true in enumerate((~truth, truth)):
            for j, is_predicted in enumerate((~answers, answers)):
                self.tables[:, i, j] += w @ (is_true & is_predicted)

    def result(self) -> Value:
        return self.compute(self.tables)


def answers_and_truth(outputs: Array, targets: Array, threshold: float) -> tuple[Array, Array]:
    """Return for each output (n, k) whether it is a yes, and whether its target is: at least ½."""
    check_equal_shapes(outputs, targets)
    return outputs >= threshold, targets >= HALF


def one_against_rest(matrix: Array) -> Array:
    """Return for each class of a confusion matrix (k, k) the table ((TN, FP), (FN, TP)) of this class against all others.

    No count is a difference of sums, which could leave a rounding error where nothing was counted.
    """
    mistakes = mistakes_of(matrix)
    fp, fn = mistakes.sum(axis=0), mistakes.sum(axis=1)
    tn = np.maximum(sums_of_others(matrix.sum(axis=1)) - fp, 0)
    return np.stack([np.stack([tn, fp], axis=1), np.stack([fn, np.diag(matrix)], axis=1)], axis=1)


def mistakes_of(matrix: Array) -> Array:
    """Return the confusion matrix (k, k) without the correct predictions on its diagonal."""
    mistakes = matrix.copy()
    np.fill_diagonal(mistakes, 0)
    return mistakes


def sums_of_others(values: Array) -> Array:
    """Return for each of the values (k) the sum of all others: of those before it and of those after it."""
    before = np.concatenate([[0.0], np.cumsum(values[:-1])])
    after = np.concatenate([np.cumsum(values[:0:-1])[::-1], [0.0]])
    return before + after
