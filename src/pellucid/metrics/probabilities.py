"""Metrics of probabilities: whether what the network is sure of is so, and as often as it says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.config import Count
from pellucid.core.memory import Array
from pellucid.kernels import Kernels
from pellucid.metrics.base import Metric, MetricState, Need, ranked


@dataclass(frozen=True)
class LogLoss(Metric):
    """−Σ_c y_c log p_c, the cross-entropy of targets and probabilities, in nats: without label smoothing, whatever the loss.

    Probabilities are cut off at the smallest difference from 1 that their dtype can express (1.2·10⁻⁷), as scikit-learn
    does; a loss that is computed from the logits needs no such thing."""

    name = "log_loss"
    needs: ClassVar[Need] = "probabilities"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _Nats()


class _Nats(MetricState):
    def __init__(self) -> None:
        self.nats, self.total = 0.0, 0.0

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        least = float(np.finfo(outputs.dtype).eps)
        p, w = np.clip(outputs.astype(np.float64), least, 1 - least), weights.astype(np.float64)
        if p.shape[1] == 1:
            y = targets.reshape(-1, 1)
            each = -(y * np.log(p) + (1 - y) * np.log(1 - p))[:, 0]
        elif targets.ndim == 1:
            each = -np.log(p[np.arange(len(p)), targets])
        else:
            each = -(targets * np.log(p)).sum(axis=1)
        self.nats += float(w @ each)
        self.total += float(w.sum())

    def result(self) -> float:
        return self.nats / self.total if self.total else math.nan


@dataclass(frozen=True)
class CalibrationError(Metric):
    """The expected calibration error (Guo, Pleiss, Sun and Weinberger, 2017): predictions are put into ``bins`` of equal width
    by how probable the network thinks its guess, and each bin's accuracy is held against its mean probability,

        Σ_b n_b/n |accuracy_b − probability_b|.

    0 means that of the guesses it gives 80 %, 80 % are right. A single output p gives its guess max(p, 1 − p)."""

    bins: Count = 15

    name = "calibration_error"
    needs: ClassVar[Need] = "probabilities"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _Bins(self.bins)


class _Bins(MetricState):
    def __init__(self, bins: int):
        self.edges = np.linspace(0, 1, bins + 1)[1:-1]
        self.weight, self.right, self.sure = np.zeros((3, bins))

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        p, labels = ranked(outputs, targets)
        guess = p.argmax(axis=1) if outputs.shape[1] > 1 else (outputs[:, 0] >= 0.5).astype(np.int64)
        sure = p[np.arange(len(p)), guess].astype(np.float64)
        bins = np.searchsorted(self.edges, sure)  # a bin has its upper edge, not its lower one
        for total, each in ((self.weight, 1.0), (self.right, guess == labels), (self.sure, sure)):
            np.add.at(total, bins, weights * each)

    def result(self) -> float:
        n = self.weight.sum()
        return float(np.abs(self.right - self.sure).sum() / n) if n else math.nan
