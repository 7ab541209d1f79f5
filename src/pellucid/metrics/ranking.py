"""Metrics of the order of the outputs: whether the true classes are ranked above the others."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pellucid.core.config import Count
from pellucid.core.memory import Array
from pellucid.errors import ConfigError
from pellucid.kernels import Kernels
from pellucid.metrics.base import Metric, MetricState, Value
from pellucid.metrics.outputs import class_scores


@dataclass(frozen=True)
class TopKAccuracy(Metric):
    """The fraction of samples whose true class is among the ``k`` largest outputs. Of equal outputs the first ranks higher."""

    k: Count = 5

    @property
    def name(self) -> str:
        return f"top_{self.k}_accuracy"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        if self.k >= classes:
            raise ConfigError(f"{self} of {classes} classes is always 1: take k={classes - 1} or fewer")
        return _TopKState(self.k)


class _TopKState(MetricState):
    def __init__(self, k: int):
        self.k, self.correct, self.total = k, 0.0, 0.0

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        scores, labels = class_scores(outputs, targets)
        true_score = np.take_along_axis(scores, labels[:, None], axis=1)
        earlier = np.arange(scores.shape[1]) < labels[:, None]
        rank = ((scores > true_score) | ((scores == true_score) & earlier)).sum(axis=1)
        self.correct += float(weights[rank < self.k].sum(dtype=np.float64))
        self.total += float(weights.sum(dtype=np.float64))

    def result(self) -> float:
        return self.correct / self.total if self.total else math.nan


@dataclass(frozen=True)
class ROCAUC(Metric):
    """The area under the receiver operating characteristic (Hanley and McNeil, 1982).

    It is the probability that a random sample of a class has a larger output for this class than a random sample of another
    class (drawn by weight); equal outputs count half. For two classes it is the area of class 1. For several classes it is the
    unweighted mean over the classes, each against all others ("one-vs-rest", "macro"); a class without samples, or without
    samples of other classes, is left out. The value is exact: the outputs of the whole set are stored and sorted.
    """

    name = "roc_auc"

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        return _ROCAUCState(classes)


class _ROCAUCState(MetricState):
    def __init__(self, classes: int):
        self.classes = classes
        self.batches: list[tuple[Array, Array, Array]] = []

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        scores, labels = class_scores(outputs, targets)
        self.batches.append((scores[:, 1:].copy() if self.classes == 2 else scores.copy(), labels.copy(), weights.copy()))

    def result(self) -> Value:
        if not self.batches:
            return math.nan
        scores, labels, weights = (np.concatenate(arrays) for arrays in zip(*self.batches, strict=True))
        positives = [1] if self.classes == 2 else range(self.classes)
        areas = [_area(scores[:, i], labels == label, weights.astype(np.float64)) for i, label in enumerate(positives)]
        defined = [area for area in areas if not math.isnan(area)]
        return sum(defined) / len(defined) if defined else math.nan


def _area(scores: Array, positive: Array, weights: Array) -> float:
    """Return the probability that a positive sample has a larger score than a negative one; NaN unless there are both."""
    _, group = np.unique(scores, return_inverse=True)  # groups of equal scores, in ascending order
    positives = np.bincount(group, weights * positive)
    negatives = np.bincount(group, weights * ~positive)
    below = np.cumsum(negatives) - negatives
    pairs = positives.sum() * negatives.sum()
    return float(positives @ (below + negatives / 2) / pairs) if pairs > 0 else math.nan
