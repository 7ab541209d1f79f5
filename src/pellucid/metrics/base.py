"""The base classes of metrics: frozen settings whose ``start`` returns a :class:`MetricState`, which accumulates over batches.

A metric state is updated with outputs (n, k), as ``predict`` returns them, and with targets. The predicted class is the
largest output; a single output predicts class 1 where it is at least ½, otherwise class 0.

For some losses the outputs are converted first: a single score whose sign is the prediction becomes two scores
(:func:`~pellucid.metrics.binary_scores`), and the logarithm of a rate becomes the rate (by the loss itself).

If the outputs are k independent labels (a multi-label loss), each label is a yes-or-no question with a value of its own, and
a metric is the mean over the labels, unless it says otherwise: :meth:`Metric.start_multi_label`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

import numpy as np

from pellucid.core.config import Config
from pellucid.core.memory import Array, Shape
from pellucid.kernels import Kernels
from pellucid.metrics.outputs import flatten_multi_label

Value = float | Array
Need = Literal["classes", "probabilities", "numbers"]


class MetricState(ABC):
    """The running value of a metric over batches."""

    @abstractmethod
    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        """Add one batch: outputs (n, k), targets (labels (n) or numbers (n, k)) and sample weights (n).

        The arrays are read only, and are overwritten by the next batch: copy what has to be kept.
        """

    @abstractmethod
    def result(self) -> Value:
        """Return the metric over all batches so far; NaN if there were none."""


class Metric(Config, ABC):
    """The base class of metrics.

    ``name`` is the key in results; the columns of histories are ``train_<name>`` and ``validation_<name>``. ``needs`` states
    what the outputs must be: scores whose largest is the predicted class ("classes"), "probabilities" of classes, or
    "numbers".
    """

    needs: ClassVar[Need] = "classes"

    @property
    @abstractmethod
    def name(self) -> str: ...

    @property
    def lower_is_better(self) -> bool:
        """Whether lower values are better; by default the name tells (:func:`lower_is_better`)."""
        return lower_is_better(self.name)

    @abstractmethod
    def start(self, count: int, kernels: Kernels) -> MetricState:
        """Return a new state. Raises ConfigError where the metric cannot be computed for such outputs.

        ``count`` is the number of classes, which is 2 for a single output; for a metric that ``needs`` numbers it is the number
        of outputs.
        """

    def start_at(self, positions: Shape, start: Callable[[Metric], MetricState]) -> MetricState:
        """Return a new state for outputs at several ``positions`` of each sample, such as (28,) time steps.

        ``update`` receives the rows of all positions in C order: n·P rows for n samples. ``start(metric)`` returns the state
        of a metric for these rows. The default does not distinguish positions: ``start(self)``.
        """
        return start(self)

    def start_multi_label(self, labels: int, kernels: Kernels) -> MetricState:
        """Return a new state for outputs (n, labels) that are independent yes-or-no answers. Raises ConfigError as ``start``.

        The default is the mean over the labels. Each of them is measured as a network with this single output is; those
        without a value (NaN) are left out.
        """
        return _MeanOverLabels([self.start(2, kernels) for _ in range(labels)])


class _MeanOverLabels(MetricState):
    """The mean of one state per label, each updated with the output and the target of its label."""

    def __init__(self, states: Sequence[MetricState]):
        self.states = states

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        for i, state in enumerate(self.states):
            output, target = (np.ascontiguousarray(array[:, i : i + 1]) for array in (outputs, targets))
            state.update(output, target, weights)

    def result(self) -> Value:
        values = np.array([state.result() for state in self.states], np.float64)
        known = ~np.isnan(values)
        count = known.sum(axis=0)
        mean = np.where(count > 0, np.where(known, values, 0).sum(axis=0) / np.maximum(count, 1), math.nan)
        return float(mean) if mean.ndim == 0 else mean


class MeanState(MetricState):
    """The mean over the samples of ``values(outputs, targets)``, one number for each of them (n), with sample weights."""

    def __init__(self, values: Callable[[Array, Array], Array]):
        self.values, self.sum, self.total = values, 0.0, 0.0

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        w = weights.astype(np.float64)
        self.sum += float(w @ self.values(outputs, targets))
        self.total += float(w.sum())

    def result(self) -> float:
        return self.sum / self.total if self.total else math.nan


class PooledState(MetricState):
    """A state for independent labels in which all answers count the same: each is a sample of ``state``, with one output."""

    def __init__(self, state: MetricState):
        self.state = state

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        self.state.update(*flatten_multi_label(outputs, targets, weights))

    def result(self) -> Value:
        return self.state.result()


def lower_is_better(name: str) -> bool:
    """Return whether lower values of that name are better: True for losses and errors, False for all others."""
    return name.endswith(("loss", "error", "mse", "mae", "mape", "brier_score", "bits_per_character"))
