"""What a metric is: a frozen setting, whose ``start`` gives a :class:`MetricState` that counts.

Outputs are what ``predict`` returns, (n, k); the predicted class is the largest output, or for a single output whether it is
at least ½. (Losses may see to it that a tally is given something else: the two sides of a single score, or rates for their
logarithms.)
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import numpy as np

from pellucid.core.config import Config
from pellucid.core.memory import Array
from pellucid.kernels import Kernels

Value = float | Array
Need = Literal["classes", "probabilities", "numbers"]


def wilson(correct: float, n: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95 % interval of a share of ``correct`` among ``n``, by Wilson's score (1927): right also near 0 and 1."""
    if n == 0:
        return 0.0, 1.0
    share, slack = correct / n, z * z / n
    middle = (share + slack / 2) / (1 + slack)
    half = z / (1 + slack) * math.sqrt(share * (1 - share) / n + slack / (4 * n))
    return max(0.0, middle - half), min(1.0, middle + half)


class MetricState(ABC):
    """A count over batches."""

    @abstractmethod
    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        """Counts one batch: outputs (n, k), targets (n) labels or (n, k) numbers, weights (n). They are used again for the
        next batch: who needs them longer copies them."""

    @abstractmethod
    def result(self) -> Value:
        """The metric over everything counted so far; NaN where nothing was."""


class Metric(Config, ABC):
    """The base of all metrics. ``name`` is the key in results and the column in histories. ``needs`` says what the outputs
    have to be: "classes" (the largest is the guess), "probabilities" of them, or "numbers"."""

    needs: ClassVar[Need] = "classes"

    @property
    @abstractmethod
    def name(self) -> str: ...

    @abstractmethod
    def start(self, classes: int, kernels: Kernels) -> MetricState:
        """A fresh count, for a network with that many classes (outputs; two for a single output)."""


def falls(name: str) -> bool:
    """Whether the value of that name is better the smaller it is: losses and errors are, all else is to rise."""
    return name.endswith(("loss", "error", "mse", "mae"))


def classified(outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Outputs (n, k ≥ 2) and labels (n): a single output is spread over two columns, one-hot targets become labels."""
    if outputs.shape[1] == 1:
        yes = outputs >= 0.5
        labels = (np.asarray(targets).reshape(-1) >= 0.5).astype(np.int64)
        return np.concatenate([~yes, yes], axis=1).astype(outputs.dtype), labels
    return outputs, labels_of(targets)


def ranked(outputs: Array, targets: Array) -> tuple[Array, Array]:
    """As :func:`classified`, but keeping how sure a single output p is: 1 − p and p."""
    if outputs.shape[1] == 1:
        return np.concatenate([1 - outputs, outputs], axis=1), (np.asarray(targets).reshape(-1) >= 0.5).astype(np.int64)
    return outputs, labels_of(targets)


def labels_of(targets: Array) -> Array:
    """Labels (n) of labels, or of one-hot rows and distributions (n, k): the largest of each."""
    return targets if targets.ndim == 1 else targets.argmax(axis=1)


def questions(outputs: Array, targets: Array, weights: Array) -> tuple[Array, Array, Array]:
    """k independent questions a sample (n, k), as n·k samples with one question each."""
    k = outputs.shape[1]
    return outputs.reshape(-1, 1), targets.reshape(-1, 1), np.repeat(weights, k)


def sides(scores: Array, targets: Array) -> tuple[Array, Array]:
    """A single score (n, 1), whose sign says yes or no, as the two classes' scores −z and z, with labels (n)."""
    return np.concatenate([-scores, scores], axis=1), (targets.reshape(-1) > 0).astype(np.int64)
