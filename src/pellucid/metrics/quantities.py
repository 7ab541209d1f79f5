"""Metrics of numbers: how far outputs are from what they should be. With several outputs, means over them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels import Kernels
from pellucid.metrics.base import Metric, MetricState, Need


class _Mean(MetricState):
    """The mean of what ``error`` makes of the differences, over samples and outputs."""

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
    """mean (ŷ − y)², in the square of the targets' unit."""

    name = "mse"
    needs: ClassVar[Need] = "numbers"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _Mean(np.square)


@dataclass(frozen=True)
class AbsoluteError(Metric):
    """mean |ŷ − y|, in the targets' unit."""

    name = "mae"
    needs: ClassVar[Need] = "numbers"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _Mean(np.abs)


@dataclass(frozen=True)
class R2(Metric):
    """R² = 1 − Σ (ŷ − y)²/Σ (y − ȳ)², the coefficient of determination: 1 is perfect, 0 as good as always saying the mean ȳ
    of this set. Of several outputs the mean of theirs; NaN where targets do not vary."""

    name = "r2"
    needs: ClassVar[Need] = "numbers"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _Explained()


class _Explained(MetricState):
    """Sums about the mean so far, which two parts bring together as in Chan, Golub and LeVeque (1979): Σ y² − (Σ y)²/n would
    lose the digits of targets that are far from 0."""

    def __init__(self) -> None:
        self.total, self.mean, self.spread, self.missed = 0.0, np.zeros(1), np.zeros(1), np.zeros(1)

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        w, y = weights.astype(np.float64), targets.astype(np.float64)
        n = w.sum()
        if not n:
            return
        mean = w @ y / n
        away = mean - self.mean
        self.missed = self.missed + w @ np.square(outputs - y)
        self.spread = self.spread + w @ np.square(y - mean) + np.square(away) * (self.total * n / (self.total + n))
        self.total += n
        self.mean = self.mean + away * (n / self.total)

    def result(self) -> float:
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = np.where(self.spread > 0, 1 - self.missed / self.spread, math.nan)
        return float(shares.mean())
