"""Metrics of predicted probabilities: the probability of the true class, and the calibration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.config import Count
from pellucid.core.memory import Array
from pellucid.kernels import Kernels
from pellucid.metrics.base import MeanState, Metric, MetricState, Need, PooledState
from pellucid.metrics.outputs import check_equal_shapes, class_labels, class_scores


@dataclass(frozen=True)
class LogLoss(Metric):
    """−Σ_c y_c log p_c: the cross-entropy of targets and probabilities, in nats, without label smoothing.

    Probabilities are limited to [ε, 1 − ε], where ε is the machine epsilon of their dtype (1.2·10⁻⁷ for float32), as in
    scikit-learn. (A loss needs no such limit: it is computed from the logits.) For independent labels it is the mean over all
    answers.
    """

    name = "log_loss"
    needs: ClassVar[Need] = "probabilities"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return MeanState(_nats)

    def start_multi_label(self, labels: int, kernels: Kernels) -> MetricState:
        return PooledState(self.start(2, kernels))


def _nats(outputs: Array, targets: Array) -> Array:
    """Return the cross-entropy of each sample (n)."""
    epsilon = float(np.finfo(outputs.dtype).eps)
    p = np.clip(outputs.astype(np.float64), epsilon, 1 - epsilon)
    if p.shape[1] == 1:
        y = _column(outputs, targets)
        return -(y * np.log(p) + (1 - y) * np.log(1 - p))[:, 0]
    if targets.ndim == 1:
        return -np.log(p[np.arange(len(p)), class_labels(outputs, targets)])
    check_equal_shapes(outputs, targets)
    return -(targets * np.log(p)).sum(axis=1)


@dataclass(frozen=True)
class BrierScore(Metric):
    """The mean squared difference of probabilities and truth (Brier, 1950); for k classes Σ_c (p_c − y_c)², from 0 to 2.

    For two classes, with one output or two, it is (p − y)² for the probability p of class 1: half of the sum, from 0 to 1.
    These are the scales of scikit-learn's ``brier_score_loss``. For independent labels it is the mean over all answers. Lower
    is better.
    """

    name = "brier_score"
    needs: ClassVar[Need] = "probabilities"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return MeanState(_squared_distances)

    def start_multi_label(self, labels: int, kernels: Kernels) -> MetricState:
        return PooledState(self.start(2, kernels))


def _squared_distances(outputs: Array, targets: Array) -> Array:
    """Return the squared distance of each sample's probabilities from its target (n); for two classes, half of it."""
    difference = outputs.astype(np.float64)
    if outputs.shape[1] == 1:
        difference -= _column(outputs, targets)
    elif targets.ndim == 1:
        difference[np.arange(len(outputs)), class_labels(outputs, targets)] -= 1
    else:
        check_equal_shapes(outputs, targets)
        difference -= targets
    sums: Array = np.square(difference).sum(axis=1)
    return sums / 2 if outputs.shape[1] == 2 else sums


def _column(outputs: Array, targets: Array) -> Array:
    """Return the targets (n) or (n, 1) of a single output as (n, 1)."""
    column = targets[:, None] if targets.ndim == 1 else targets
    check_equal_shapes(outputs, column)
    return column


@dataclass(frozen=True)
class CalibrationError(Metric):
    """The expected calibration error (Guo, Pleiss, Sun and Weinberger, 2017): Σ_b n_b/n |accuracy_b − probability_b|.

    Samples are divided into ``bins`` of equal width by the probability of the predicted class; each bin's accuracy is compared
    with its mean probability. 0 means, for example, that 80 % of the predictions with probability 0.8 are correct. For a single
    output p the probability of the predicted class is max(p, 1 − p). For independent labels it is the mean over the labels.
    """

    bins: Count = 15

    name = "calibration_error"
    needs: ClassVar[Need] = "probabilities"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _CalibrationState(self.bins)


class _CalibrationState(MetricState):
    def __init__(self, bins: int):
        self.edges = np.linspace(0, 1, bins + 1)[1:-1]
        self.weight, self.correct, self.probability = np.zeros((3, bins))

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        p, labels = class_scores(outputs, targets)
        predicted = p.argmax(axis=1) if outputs.shape[1] > 1 else (outputs[:, 0] >= 0.5).astype(np.int64)
        probability = p[np.arange(len(p)), predicted].astype(np.float64)
        bins = np.searchsorted(self.edges, probability)  # a bin includes its upper edge, not its lower one
        for total, per_sample in ((self.weight, 1.0), (self.correct, predicted == labels), (self.probability, probability)):
            np.add.at(total, bins, weights * per_sample)

    def result(self) -> float:
        n = self.weight.sum()
        return float(np.abs(self.correct - self.probability).sum() / n) if n else math.nan
