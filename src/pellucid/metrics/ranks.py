"""Metrics of the order in which outputs stand: whether the right ones are above the wrong ones, by however much."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pellucid.core.config import Count
from pellucid.core.memory import Array
from pellucid.errors import ConfigError
from pellucid.kernels import Kernels
from pellucid.metrics.base import Metric, MetricState, Value, ranked


@dataclass(frozen=True)
class TopKAccuracy(Metric):
    """The share of samples whose true class is among the ``k`` largest outputs; of equals the first count as larger."""

    k: Count = 5

    @property
    def name(self) -> str:
        return f"top_{self.k}_accuracy"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        if self.k >= classes:
            raise ConfigError(f"{self} of {classes} classes is always 1: take k={classes - 1} or fewer")
        return _Top(self.k)


class _Top(MetricState):
    def __init__(self, k: int):
        self.k, self.hit, self.total = k, 0.0, 0.0

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        scores, labels = ranked(outputs, targets)
        own = np.take_along_axis(scores, labels[:, None], axis=1)
        first = np.arange(scores.shape[1]) < labels[:, None]
        before = ((scores > own) | ((scores == own) & first)).sum(axis=1)
        self.hit += float(weights[before < self.k].sum(dtype=np.float64))
        self.total += float(weights.sum(dtype=np.float64))

    def result(self) -> float:
        return self.hit / self.total if self.total else math.nan


@dataclass(frozen=True)
class ROCAUC(Metric):
    """The area under the receiver operating characteristic: the chance that of one sample of a class and one of another,
    drawn by weight, the first has the larger output for the class; equal ones count half (Hanley and McNeil, 1982).

    Of two classes it is that of the second, "yes". Of several it is the mean over the classes, each against the rest, all
    counting alike ("one-vs-rest", "macro"); a class that does not occur, or besides which none does, is left out. Exact: the
    outputs of the whole set are kept, and sorted in the end.
    """

    name = "roc_auc"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _Area(classes)


class _Area(MetricState):
    def __init__(self, classes: int):
        self.classes = classes
        self.batches: list[tuple[Array, Array, Array]] = []

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        scores, labels = ranked(outputs, targets)
        self.batches.append((scores[:, 1:].copy() if self.classes == 2 else scores.copy(), labels.copy(), weights.copy()))

    def result(self) -> Value:
        if not self.batches:
            return math.nan
        scores, labels, weights = (np.concatenate(arrays) for arrays in zip(*self.batches, strict=True))
        asked = [1] if self.classes == 2 else range(self.classes)
        areas = [_area(scores[:, i], labels == label, weights.astype(np.float64)) for i, label in enumerate(asked)]
        there = [area for area in areas if not math.isnan(area)]
        return sum(there) / len(there) if there else math.nan


def _area(scores: Array, own: Array, weights: Array) -> float:
    """The chance that a sample of ``own`` has a larger score than another one; NaN where there is none of either."""
    _, group = np.unique(scores, return_inverse=True)  # from the smallest up, equals together
    mine = np.bincount(group, weights * own)
    others = np.bincount(group, weights * ~own)
    below = np.cumsum(others) - others
    pairs = mine.sum() * others.sum()
    return float(mine @ (below + others / 2) / pairs) if pairs > 0 else math.nan
