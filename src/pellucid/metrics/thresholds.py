"""What each threshold of a class's probability does: precision, recall and false positive rate, and the choice of a threshold.

A threshold t turns the probability p of a class into a decision: yes where p ≥ t. Among the samples with a yes, the precision
is the fraction that belong to the class; the recall is the fraction of the class that gets a yes; the false positive rate is
the fraction of all other samples that get one. Recall over the false positive rate is the ROC curve (receiver operating
characteristic).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.metrics.ranking import ROCAUC, AveragePrecision

MAX_DIGITS = 12  # of a threshold that is shortened


@dataclass(frozen=True)
class ThresholdChoice:
    """A threshold, with its precision and recall on the samples from which it was chosen.

    ``chosen`` is how many of them have a probability of at least the threshold (or their weight).
    """

    threshold: float
    precision: float
    recall: float
    chosen: float


@dataclass(frozen=True, eq=False)
class ThresholdCurve:
    """The decisions of all thresholds for one class.

    - ``thresholds`` (m): the different probabilities, from the largest to the smallest.
    - ``found`` (m): the weight of the samples of the class whose probability is at least the threshold.
    - ``alarms`` (m): the weight of the other samples whose probability is.

    The last entries of both are all samples.
    """

    thresholds: Array
    found: Array
    alarms: Array

    @property
    def precision(self) -> Array:
        """(m): found / (found + alarms)."""
        chosen = self.found + self.alarms
        return np.divide(self.found, chosen, out=np.ones_like(chosen), where=chosen > 0)

    @property
    def recall(self) -> Array:
        """(m): found / all samples of the class."""
        ratio: Array = self.found / self.found[-1]
        return ratio

    @property
    def false_positive_rate(self) -> Array:
        """(m): alarms / all other samples."""
        ratio: Array = self.alarms / self.alarms[-1]
        return ratio

    @property
    def fraction(self) -> float:
        """The fraction of all samples that belong to the class: the precision of a threshold of 0."""
        return float(self.found[-1] / (self.found[-1] + self.alarms[-1]))

    @property
    def roc_auc(self) -> float:
        """The area under the ROC curve; see :class:`~pellucid.metrics.ROCAUC`."""
        return ROCAUC.area(*self._by_score())

    @property
    def average_precision(self) -> float:
        """The area under the curve of precision over recall; see :class:`~pellucid.metrics.AveragePrecision`."""
        return AveragePrecision.area(*self._by_score())

    def _by_score(self) -> tuple[Array, Array]:
        """Return the weights of the class and of the others at each probability, in ascending order."""
        return np.diff(self.found, prepend=0.0)[::-1], np.diff(self.alarms, prepend=0.0)[::-1]

    def at(self, threshold: float) -> ThresholdChoice:
        """Return what this threshold does. Without any yes the precision is NaN."""
        last = int(np.searchsorted(-self.thresholds, -threshold, side="right")) - 1
        found, alarms = (float(self.found[last]), float(self.alarms[last])) if last >= 0 else (0.0, 0.0)
        precision = found / (found + alarms) if found + alarms else math.nan
        return ThresholdChoice(threshold, precision, found / float(self.found[-1]), found + alarms)

    def for_precision(self, precision: float) -> ThresholdChoice:
        """Return the lowest threshold with at least this precision: of all such thresholds it finds the most of the class.

        Raises ConfigError unless the precision is above 0 and at most 1, and DataError if no threshold reaches it.
        """
        _check(precision, "precision")
        reached = np.flatnonzero(self.precision >= precision)
        if not len(reached):
            best = int(self.precision.argmax())
            raise DataError(
                f"no threshold has a precision of {precision:g} on these samples: the highest is {self.precision[best]:.4g}, "
                f"at {self.thresholds[best]:.4g}; take a lower one"
            )
        return self._choice(int(reached[-1]))

    def for_recall(self, recall: float) -> ThresholdChoice:
        """Return the highest threshold with at least this recall: of all such thresholds it has the fewest yes.

        Raises ConfigError unless the recall is above 0 and at most 1.
        """
        _check(recall, "recall")
        return self._choice(int(np.flatnonzero(self.recall >= recall)[0]))

    def _choice(self, i: int) -> ThresholdChoice:
        """Return the choice of the i-th threshold, as a number with few digits that makes the same decisions here."""
        lower = float(self.thresholds[i + 1]) if i + 1 < len(self.thresholds) else -math.inf
        return self.at(_short(lower, float(self.thresholds[i])))


def threshold_curve(probability: Array, member: Array, sample_weight: Array | None = None) -> ThresholdCurve:
    """Return the curve of thresholds of a class from its ``probability`` (n) and from which samples belong to it (n).

    Scores that are no probabilities have such a curve, too. Raises ShapeError where the lengths differ, and DataError unless
    some samples belong to the class and some do not.
    """
    score, inside = np.asarray(probability, np.float64), np.asarray(member, bool)
    weight = np.ones(len(score)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    if not score.shape == inside.shape == weight.shape or score.ndim != 1:
        raise ShapeError(f"threshold_curve: expected arrays (n), got {score.shape}, {inside.shape} and {weight.shape}")
    if np.isnan(score).any():
        raise DataError("threshold_curve: a probability is NaN")
    if not weight[inside].sum() > 0 or not weight[~inside].sum() > 0:
        lacks = "no sample of the class" if not weight[inside].sum() > 0 else "only samples of the class"
        raise DataError(f"threshold_curve: there is {lacks}, so no threshold can be judged")
    thresholds, group = np.unique(score, return_inverse=True)
    found = np.bincount(group, weight * inside)[::-1].cumsum()
    alarms = np.bincount(group, weight * ~inside)[::-1].cumsum()
    return ThresholdCurve(thresholds[::-1], found, alarms)


def _check(wished: float, what: str) -> None:
    if not 0 < wished <= 1:
        raise ConfigError(f"a {what} is above 0 and at most 1, got {wished:g}")


def _short(lower: float, upper: float) -> float:
    """Return a number above ``lower`` and at most ``upper``, with as few decimal digits as possible."""
    for digits in range(2, MAX_DIGITS):
        rounded = math.floor(upper * 10**digits) / 10**digits
        if lower < rounded <= upper:
            return rounded
    return upper
