"""A metric at each position of the outputs: at each step of a series, at each pixel of an image."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.errors import ConfigError
from pellucid.kernels import Kernels
from pellucid.metrics.base import MeanState, Metric, MetricState, Need, Value

BY_POSITION = "_by_position"


@dataclass(frozen=True)
class PerPosition(Metric):
    """``metric`` at each position by itself: an array with the axes of the positions, (T) for a series, (h, w) for a map.

    ``PerPosition(AbsoluteError())`` is the error at each step of a forecast, and ``PerPosition(Accuracy())`` shows where in the
    image a segmentation is right. The name is that of the metric with ``_by_position`` after it. The values of a metric that
    is itself an array, such as the recall of each class, are on the axes after those: (T, k). A position without weight has the
    value of the metric over no samples, which is NaN for most. Means over the samples, such as errors and the accuracy, are
    computed for all positions at once; other metrics have a state for each position, so for large maps give them to
    ``evaluate`` rather than to ``compile``. Raises ConfigError for a network that ends in a vector.
    """

    metric: Metric

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.metric, PerPosition):
            raise ConfigError(f"{self}: each position has one value already, use {self.metric}")

    @property
    def name(self) -> str:
        return self.metric.name + BY_POSITION

    @property
    def needs(self) -> Need:  # type: ignore[override]
        return self.metric.needs

    @property
    def lower_is_better(self) -> bool:
        return self.metric.lower_is_better

    def start(self, count: int, kernels: Kernels) -> MetricState:
        raise ConfigError(
            f"{self} is for outputs at several positions, but the network ends in one vector for each sample: use {self.metric}"
        )

    def start_multi_label(self, labels: int, kernels: Kernels) -> MetricState:
        return self.start(labels, kernels)

    def start_at(self, positions: Shape, start: Callable[[Metric], MetricState]) -> MetricState:
        if not positions:
            return start(self)  # refused there
        first = start(self.metric)
        if isinstance(first, MeanState):
            return _MeansByPosition(positions, first.values)
        return _StatesByPosition(positions, [first, *(start(self.metric) for _ in range(math.prod(positions) - 1))])


class _StatesByPosition(MetricState):
    """One state for each of P positions. The rows (n·P, k) are in the order of the samples, then of the positions."""

    def __init__(self, positions: Shape, states: Sequence[MetricState]):
        self.positions, self.states = positions, states

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        parts = [_by_position(array, len(self.states)) for array in (outputs, targets, weights)]
        for state, *rows in zip(self.states, *parts, strict=True):
            state.update(*rows)

    def result(self) -> Value:
        values = np.array([state.result() for state in self.states], np.float64)
        return values.reshape(*self.positions, *values.shape[1:])


class _MeansByPosition(MetricState):
    """The mean of ``values(outputs, targets)`` over the samples at each position: all positions at once."""

    def __init__(self, positions: Shape, values: Callable[[Array, Array], Array]):
        self.positions, self.values = positions, values
        self.sums, self.totals = np.zeros((2, math.prod(positions)))

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        w = weights.astype(np.float64).reshape(-1, len(self.sums))
        self.sums += (w * self.values(outputs, targets).reshape(w.shape)).sum(axis=0)
        self.totals += w.sum(axis=0)

    def result(self) -> Value:
        with np.errstate(invalid="ignore"):
            return (self.sums / self.totals).reshape(self.positions)


def _by_position(rows: Array, count: int) -> Array:
    """Return (P, n, …) for the rows (n·P, …) of n samples at P = ``count`` positions."""
    return np.ascontiguousarray(rows.reshape(-1, count, *rows.shape[1:]).swapaxes(0, 1))
