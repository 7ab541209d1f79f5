"""Metrics for regression: the differences between outputs and targets. For several outputs they are means over the outputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels import Kernels
from pellucid.metrics.base import Metric, MetricState, Need


class _MeanErrorState(MetricState):
    """The mean of ``error(outputs − targets)`` over samples and outputs."""

    def __init__(self, error: Callable[[Array], Array]):
        self.error, self.sum, self.total = error, 0.0, 0.0

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        difference = outputs.astype(np.float64) - targets
        self.sum += float(weights @ self.error(difference).mean(axis=1))
        self.total += float(weights.sum(dtype=np.float64))

    def result(self) -> float:
        return self.sum / self.total if self.total else math.nan


@dataclass(frozen=True)
class SquaredError(Metric):
    """The mean squared error: mean (ŷ − y)², in the square of the targets' unit."""

    name = "mse"
    needs: ClassVar[Need] = "numbers"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _MeanErrorState(np.square)


@dataclass(frozen=True)
class AbsoluteError(Metric):
    """The mean absolute error: mean |ŷ − y|, in the targets' unit."""

    name = "mae"
    needs: ClassVar[Need] = "numbers"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _MeanErrorState(np.abs)


@dataclass(frozen=True)
class R2(Metric):
    """R² = 1 − Σ (ŷ − y)²/Σ (y − ȳ)², the coefficient of determination.

    It is 1 for perfect predictions and 0 for those that always equal the mean ȳ of this set. For several outputs it is the mean
    of their values; NaN where the targets of an output are all equal.
    """

    name = "r2"
    needs: ClassVar[Need] = "numbers"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _R2State()


class _R2State(MetricState):
    """Sums of squares about the mean so far, combined from batch to batch as in Chan, Golub and LeVeque (1979).

    Σ y² − (Σ y)²/n would lose digits for targets that are far from 0.
    """

    def __init__(self) -> None:
        self.total, self.mean, self.spread, self.residual = 0.0, np.zeros(1), np.zeros(1), np.zeros(1)

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        w, y = weights.astype(np.float64), targets.astype(np.float64)
        n = w.sum()
        if not n:
            return
        mean = w @ y / n
        shift = mean - self.mean
        self.residual = self.residual + w @ np.square(outputs - y)
        self.spread = self.spread + w @ np.square(y - mean) + np.square(shift) * (self.total * n / (self.total + n))
        self.total += n
        self.mean = self.mean + shift * (n / self.total)

    def result(self) -> float:
        with np.errstate(invalid="ignore", divide="ignore"):
            per_output = np.where(self.spread > 0, 1 - self.residual / self.spread, math.nan)
        return float(per_output.mean())
