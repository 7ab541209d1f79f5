"""Metrics of the order of the outputs: whether the true classes are ranked above the others."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.config import Count
from pellucid.core.memory import Array
from pellucid.errors import ConfigError
from pellucid.kernels import Kernels
from pellucid.metrics.averages import check_average, check_label, mean_of_classes
from pellucid.metrics.base import Metric, MetricState, Value
from pellucid.metrics.decisions import HALF
from pellucid.metrics.outputs import check_equal_shapes, class_scores


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

    def start_multi_label(self, labels: int, kernels: Kernels) -> MetricState:
        raise ConfigError(
            f"{self} ranks the classes of samples with one class each, but the {labels} outputs are independent labels: use "
            "Accuracy(), ExactMatch() or AveragePrecision()"
        )


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
class RankingMetric(Metric, ABC):
    """The base of metrics that are an area under a curve for each class, or for each of several independent labels.

    The curve of a class runs over all thresholds on its output, which separate the samples of the class from all others
    ("one-vs-rest"). Equal outputs are passed together. The area is exact: the outputs of the whole set are stored and sorted.

    The result is the mean of the areas ("macro"), or with ``average`` another average of :class:`~pellucid.metrics.Precision`
    ("micro" is the area of all outputs as those of one class), or with None an array (k), called <title>_by_class; with a
    ``label`` it is the area of one class. For two classes every average is the area of class 1. The averages leave out a
    class without an area, which is NaN.
    """

    title: ClassVar[str]

    label: int | None = None
    average: str | None = "macro"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_average(self.average)
        if self.label is not None and self.average not in (None, "macro"):
            raise ConfigError(
                f"label={self.label} is one class, average={self.average!r} is over all of them: choose one of the two"
            )

    @property
    def name(self) -> str:
        if self.label is not None:
            return f"{self.title}_{self.label}"
        if self.average == "macro":
            return self.title
        return f"{self.title}_{self.average or 'by_class'}"

    @staticmethod
    @abstractmethod
    def area(positives: Array, negatives: Array) -> float:
        """Return the area for the weights of the samples in the class, and not in it, at each output in ascending order.

        NaN if it is not defined.
        """

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        check_label(self.label, classes)
        return _RankingState(self, classes, exclusive=True)

    def start_multi_label(self, labels: int, kernels: Kernels) -> MetricState:
        check_label(self.label, labels, "labels")
        return _RankingState(self, labels, exclusive=False)


class _RankingState(MetricState):
    """The outputs of ``columns``, the classes whose areas are needed, and which samples belong to them."""

    def __init__(self, metric: RankingMetric, count: int, *, exclusive: bool):
        self.metric, self.exclusive = metric, exclusive
        self.columns = np.arange(count)
        if metric.label is not None:
            self.columns = np.array([metric.label])
        elif exclusive and count == 2 and metric.average is not None:
            self.columns = np.array([1])
        self.batches: list[tuple[Array, Array, Array]] = []

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        if self.exclusive:
            scores, labels = class_scores(outputs, targets)
            if outputs.shape[1] == 1:
                scores[:, :1] = -outputs  # in the order of 1 − p, which float32 rounds
            members = labels[:, None] == self.columns
        else:
            check_equal_shapes(outputs, targets)
            scores, members = outputs, targets[:, self.columns] >= HALF
        self.batches.append((scores[:, self.columns], members, weights.astype(np.float64)))  # copies

    def result(self) -> Value:
        if not self.batches:
            return math.nan
        scores, members, weights = (np.concatenate(arrays) for arrays in zip(*self.batches, strict=True))
        average = self.metric.average
        if average == "micro" and len(self.columns) > 1:
            return self._area(scores.ravel(), members.ravel(), np.repeat(weights, len(self.columns)))
        areas = np.array([self._area(scores[:, i], members[:, i], weights) for i in range(len(self.columns))])
        if len(areas) == 1:
            return float(areas[0])
        return areas if average is None else mean_of_classes(areas, weights @ members if average == "weighted" else None)

    def _area(self, scores: Array, member: Array, weights: Array) -> float:
        _, group = np.unique(scores, return_inverse=True)  # groups of equal scores, in ascending order
        return self.metric.area(np.bincount(group, weights * member), np.bincount(group, weights * ~member))


@dataclass(frozen=True)
class ROCAUC(RankingMetric):
    """The area under the receiver operating characteristic (Hanley and McNeil, 1982).

    It is the probability that a random sample of a class has a larger output for this class than a random sample of another
    class (drawn by weight); equal outputs count half. A class without samples, or without samples of other classes, has no
    area. For several classes or independent labels it is the mean over them; see ``label`` and ``average`` of
    :class:`RankingMetric`.
    """

    title: ClassVar[str] = "roc_auc"

    @staticmethod
    def area(positives: Array, negatives: Array) -> float:
        below = np.cumsum(negatives) - negatives
        pairs = positives.sum() * negatives.sum()
        return float(positives @ (below + negatives / 2) / pairs) if pairs > 0 else math.nan


@dataclass(frozen=True)
class AveragePrecision(RankingMetric):
    """The area under the curve of precision over recall, Σ (Rᵢ − Rᵢ₋₁) Pᵢ over all thresholds, from the highest.

    Recall Rᵢ and precision Pᵢ are those of the samples whose outputs are at least the i-th threshold; there is no interpolation
    (scikit-learn's ``average_precision_score``). Unlike that of :class:`ROCAUC`, the value of random outputs is the fraction
    of the class, so that it shows how well a rare class is found (Davis and Goadrich, 2006). A class without samples has no
    area (scikit-learn: 0). For several classes or independent labels it is the mean over them; see ``label`` and ``average``
    of :class:`RankingMetric`.
    """

    title: ClassVar[str] = "average_precision"

    @staticmethod
    def area(positives: Array, negatives: Array) -> float:
        found, alarms = np.cumsum(positives[::-1]), np.cumsum(negatives[::-1])
        if not found.size or not found[-1] > 0:
            return math.nan
        chosen = found + alarms
        precision = np.divide(found, chosen, out=np.zeros_like(found), where=chosen > 0)  # samples of weight 0 may come first
        return float(positives[::-1] @ precision / found[-1])
