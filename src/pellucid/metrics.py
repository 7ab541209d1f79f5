"""Metrics: what people watch. They are counted over batches and exact over the set, never an average of averages.

A metric is a frozen setting; ``start`` gives a :class:`Tally` that counts. Outputs are what ``predict`` returns,
(n, k); the predicted class is the largest output, or for a single output whether it is at least ½.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pellucid.config import Config
from pellucid.errors import ConfigError
from pellucid.kernels import Kernels
from pellucid.memory import Array

Value = float | Array


def wilson(correct: float, n: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95 % interval of a share of ``correct`` among ``n``, by Wilson's score (1927): right also near 0 and 1."""
    if n == 0:
        return 0.0, 1.0
    share, slack = correct / n, z * z / n
    middle = (share + slack / 2) / (1 + slack)
    half = z / (1 + slack) * math.sqrt(share * (1 - share) / n + slack / (4 * n))
    return max(0.0, middle - half), min(1.0, middle + half)


class Tally(ABC):
    """A count over batches."""

    @abstractmethod
    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        """Counts one batch: outputs (n, k), targets (n) labels or (n, k) numbers, weights (n)."""

    @abstractmethod
    def result(self) -> Value:
        """The metric over everything counted so far; NaN where nothing was."""


class Metric(Config, ABC):
    """The base of all metrics. ``name`` is the key in results and the column in histories."""

    @property
    @abstractmethod
    def name(self) -> str: ...

    @abstractmethod
    def start(self, classes: int, kernels: Kernels) -> Tally:
        """A fresh count, for a network with that many classes (outputs; two for a single output)."""


def classified(outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Outputs (n, k ≥ 2) and labels (n): a single output is spread over two columns, one-hot targets become labels."""
    if outputs.shape[1] == 1:
        yes = outputs >= 0.5
        labels = (np.asarray(targets).reshape(-1) >= 0.5).astype(np.int64)
        return np.concatenate([~yes, yes], axis=1).astype(outputs.dtype), labels
    return outputs, targets if targets.ndim == 1 else targets.argmax(axis=1)


class _Correct(Tally):
    def __init__(self, kernels: Kernels):
        self.kernels, self.correct, self.total = kernels, 0.0, 0.0

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        self.correct += self.kernels.count_correct(*classified(outputs, targets), weights)
        self.total += float(np.add.reduce(weights, dtype=np.float64))

    def result(self) -> float:
        return self.correct / self.total if self.total else math.nan


class _Table(Tally):
    """A confusion matrix, and what is read off it."""

    def __init__(self, classes: int, kernels: Kernels, read: Callable[[Array], Value]):
        self.kernels, self.read = kernels, read
        self.table = np.zeros((classes, classes))

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        self.kernels.confusion(*classified(outputs, targets), weights, self.table)

    def result(self) -> Value:
        return self.read(self.table)


def _share(table: Array, axis: int, label: int | None) -> Value:
    """The diagonal over the sums along ``axis``; NaN for a class that was never predicted, or never there."""
    if label is not None and not 0 <= label < len(table):
        raise ConfigError(f"label={label} is out of range: there are the classes 0 … {len(table) - 1}")
    with np.errstate(invalid="ignore"):
        share = np.diag(table) / table.sum(axis=axis)
    return share if label is None else float(share[label])


def questions(outputs: Array, targets: Array, weights: Array) -> tuple[Array, Array, Array]:
    """k independent questions a sample (n, k), as n·k samples with one question each."""
    k = outputs.shape[1]
    return outputs.reshape(-1, 1), targets.reshape(-1, 1), np.repeat(weights, k)


@dataclass(frozen=True)
class Accuracy(Metric):
    """The share of samples whose predicted class is the true one."""

    name = "accuracy"

    def start(self, classes: int, kernels: Kernels) -> Tally:
        return _Correct(kernels)


@dataclass(frozen=True)
class Precision(Metric):
    """Of the samples predicted to be of a class, the share that are: for one ``label``, or (k) for all classes."""

    label: int | None = None

    @property
    def name(self) -> str:
        return "precision" if self.label is None else f"precision_{self.label}"

    def start(self, classes: int, kernels: Kernels) -> Tally:
        return _Table(classes, kernels, lambda table: _share(table, 0, self.label))


@dataclass(frozen=True)
class Recall(Metric):
    """Of the samples of a class, the share that is predicted to be: for one ``label``, or (k) for all classes."""

    label: int | None = None

    @property
    def name(self) -> str:
        return "recall" if self.label is None else f"recall_{self.label}"

    def start(self, classes: int, kernels: Kernels) -> Tally:
        return _Table(classes, kernels, lambda table: _share(table, 1, self.label))


@dataclass(frozen=True)
class ConfusionMatrix(Metric):
    """(k, k): how many samples of class i (row) were predicted to be class j (column)."""

    name = "confusion_matrix"

    def start(self, classes: int, kernels: Kernels) -> Tally:
        return _Table(classes, kernels, lambda table: table)
