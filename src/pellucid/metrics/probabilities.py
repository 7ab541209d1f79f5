"""Metrics of predicted probabilities: the probability of the true class, and the calibration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.config import Count
from pellucid.core.memory import Array
from pellucid.kernels import Kernels
from pellucid.metrics.base import Metric, MetricState, Need
from pellucid.metrics.outputs import class_scores


@dataclass(frozen=True)
class LogLoss(Metric):
    """−Σ_c y_c log p_c: the cross-entropy of targets and probabilities, in nats, without label smoothing.

    Probabilities are limited to [ε, 1 − ε], where ε is the machine epsilon of their dtype (1.2·10⁻⁷ for float32), as in
    scikit-learn. (A loss needs no such limit: it is computed from the logits.)
    """

    name = "log_loss"
    needs: ClassVar[Need] = "probabilities"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _LogLossState()


class _LogLossState(MetricState):
    def __init__(self) -> None:
        self.nats, self.total = 0.0, 0.0

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        epsilon = float(np.finfo(outputs.dtype).eps)
        p, w = np.clip(outputs.astype(np.float64), epsilon, 1 - epsilon), weights.astype(np.float64)
        if p.shape[1] == 1:
            y = targets.reshape(-1, 1)
            per_sample = -(y * np.log(p) + (1 - y) * np.log(1 - p))[:, 0]
        elif targets.ndim == 1:
            per_sample = -np.log(p[np.arange(len(p)), targets])
        else:
            per_sample = -(targets * np.log(p)).sum(axis=1)
        self.nats += float(w @ per_sample)
        self.total += float(w.sum())

    def result(self) -> float:
        return self.nats / self.total if self.total else math.nan


@dataclass(frozen=True)
class CalibrationError(Metric):
    """The expected calibration error (Guo, Pleiss, Sun and Weinberger, 2017): Σ_b n_b/n |accuracy_b − probability_b|.

    Samples are divided into ``bins`` of equal width by the probability of the predicted class; each bin's accuracy is compared
    with its mean probability. 0 means, for example, that 80 % of the predictions with probability 0.8 are correct. For a single
    output p the probability of the predicted class is max(p, 1 − p).
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
