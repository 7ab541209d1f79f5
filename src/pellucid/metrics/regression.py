"""Metrics for regression: the differences between outputs and targets. For several outputs they are means over the outputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ShapeError
from pellucid.kernels import Kernels
from pellucid.metrics.base import MeanState, Metric, MetricState, Need
from pellucid.metrics.outputs import check_equal_shapes

EPSILON = float(np.finfo(np.float64).eps)


def _mean_error(error: Callable[[Array], Array]) -> MetricState:
    """Return the state of the mean of ``error(outputs − targets)`` over samples and outputs."""
    return MeanState(lambda outputs, targets: error(_difference(outputs, targets)).mean(axis=1))


def _difference(outputs: Array, targets: Array) -> Array:
    check_equal_shapes(outputs, targets)
    difference: Array = outputs.astype(np.float64) - targets
    return difference


@dataclass(frozen=True)
class SquaredError(Metric):
    """The mean squared error: mean (ŷ − y)², in the square of the targets' unit."""

    name = "mse"
    needs: ClassVar[Need] = "numbers"

    def start(self, outputs: int, kernels: Kernels) -> MetricState:
        return _mean_error(np.square)


@dataclass(frozen=True)
class AbsoluteError(Metric):
    """The mean absolute error: mean |ŷ − y|, in the targets' unit."""

    name = "mae"
    needs: ClassVar[Need] = "numbers"

    def start(self, outputs: int, kernels: Kernels) -> MetricState:
        return _mean_error(np.abs)


@dataclass(frozen=True)
class AbsolutePercentageError(Metric):
    """The mean absolute percentage error: mean |ŷ − y|/|y|, as a fraction: 0.1 is an error of 10 %.

    Divisions by 0 are avoided as in scikit-learn: |y| is at least the machine epsilon of float64 (2.2·10⁻¹⁶), so that a target
    of 0 makes the result very large. Use it for targets that are far from 0.
    """

    name = "mape"
    needs: ClassVar[Need] = "numbers"

    def start(self, outputs: int, kernels: Kernels) -> MetricState:
        return MeanState(_relative_error)


def _relative_error(outputs: Array, targets: Array) -> Array:
    """Return the mean over the outputs of |ŷ − y|/|y| for each sample (n)."""
    sizes = np.maximum(np.abs(targets.astype(np.float64)), EPSILON)
    relative: Array = (np.abs(_difference(outputs, targets)) / sizes).mean(axis=1)
    return relative


@dataclass(frozen=True)
class R2(Metric):
    """R² = 1 − Σ (ŷ − y)²/Σ (y − ȳ)², the coefficient of determination.

    It is 1 for perfect predictions and 0 for those that always equal the mean ȳ of this set. For several outputs it is the mean
    of their values; NaN where the targets of an output are all equal.
    """

    name = "r2"
    needs: ClassVar[Need] = "numbers"

    def start(self, outputs: int, kernels: Kernels) -> MetricState:
        return _R2State(outputs)


class _R2State(MetricState):
    """Sums of squares about the mean so far, combined from batch to batch as in Chan, Golub and LeVeque (1979).

    Σ y² − (Σ y)²/n would lose digits for targets that are far from 0. The median of the first batch is subtracted from all
    targets. Equal targets then are exactly 0 and have no spread; the mean of numbers such as 0.1 is rounded, and would leave
    one.
    """

    def __init__(self, outputs: int) -> None:
        self.reference: Array | None = None
        self.total = 0.0
        self.mean, self.spread, self.residual = np.zeros((3, outputs))

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        if outputs.shape[1:] != self.mean.shape:
            raise ShapeError(f"R2 of {len(self.mean)} outputs has outputs of the shape {outputs.shape}")
        difference = _difference(outputs, targets)
        w, y = weights.astype(np.float64), targets.astype(np.float64)
        n = w.sum()
        if not n:
            return
        if self.reference is None:
            self.reference = np.median(y[w > 0], axis=0)
        y -= self.reference
        mean = w @ y / n
        shift = mean - self.mean
        self.residual += w @ np.square(difference)
        self.spread += w @ np.square(y - mean) + np.square(shift) * (self.total * n / (self.total + n))
        self.total += n
        self.mean += shift * (n / self.total)

    def result(self) -> float:
        with np.errstate(invalid="ignore", divide="ignore"):
            per_output = np.where(self.spread > 0, 1 - self.residual / self.spread, math.nan)
        return float(per_output.mean())
