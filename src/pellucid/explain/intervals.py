"""Prediction intervals by split conformal prediction: they contain the truth as often as they say, whatever the model is.

The absolute errors of a model on n samples that it was not trained on are sorted. The interval around a new prediction reaches
to both sides as far as the ⌈(n + 1)·level⌉-th smallest of them. If the new sample is exchangeable with these n, its error has
each of the n + 1 ranks with the same probability, so the interval contains the truth with a probability of at least ``level``,
and of at most level + 1/(n + 1) if errors are never equal (Papadopoulos, Proedrou, Vovk and Gammerman, 2002; Lei, G'Sell,
Rinaldo, Tibshirani and Wasserman, 2018).

That is the probability over samples of all kinds. With equal half-widths everywhere, samples with much noise are covered less
often than those with little. With several ``bins`` of the predicted value, each has the half-width of the errors of its own
samples, and the guarantee holds in each bin (Vovk, Lindsay, Nouretdinov and Gammerman, 2003): the intervals become as wide as
the errors are there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.config import Count, OpenFraction, validate
from pellucid.core.memory import Array
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.explain.tables import predictions_of
from pellucid.metrics import wilson


@dataclass(frozen=True)
class Coverage:
    """How many of n intervals contain the truth.

    ``fraction`` is their fraction and ``interval`` its 95 % interval (:func:`~pellucid.metrics.wilson`). ``expected`` is the
    mean of the fraction over calibration and test samples like these, and ``deviation`` its standard deviation, which has two
    causes: the calibration samples decide the intervals, and the test samples are few.
    """

    fraction: float
    interval: tuple[float, float]
    n: int
    expected: float
    deviation: float


@dataclass(frozen=True, eq=False)
class PredictionIntervals:
    """Intervals around predictions that contain the truth with the probability ``level``.

    - ``edges`` (b − 1): the predicted values between the b bins, in ascending order. A bin contains its lower edge.
    - ``half_widths`` (b): how far the interval reaches from the prediction to both sides, in the unit of the target.
    - ``counts`` (b): the number of calibration samples in each bin.
    """

    level: float
    edges: Array
    half_widths: Array
    counts: Array

    def half_width(self, predicted: Array) -> Array:
        """Return the half-width of the interval around each prediction (n)."""
        widths: Array = self.half_widths[np.searchsorted(self.edges, predicted, side="right")]
        return widths

    def around(self, predicted: Array) -> Array:
        """Return the lower and upper ends (n, 2) of the intervals around predictions, (n) or (n, 1). Raises ShapeError."""
        center = np.asarray(predicted, np.float64)
        if center.ndim == 2 and center.shape[1] == 1:
            center = center[:, 0]
        if center.ndim != 1:
            raise ShapeError(f"prediction intervals are around one number for each sample (n), got the shape {center.shape}")
        half = self.half_width(center)
        return np.stack([center - half, center + half], axis=1)

    def coverage(self, predicted: Array, true: Array) -> Coverage:
        """Return how many intervals around the predictions (n) contain the true values (n). Raises DataError for none."""
        ends, truth = self.around(predicted), np.asarray(true, np.float64).reshape(-1)
        if not len(truth) or len(ends) != len(truth):
            raise DataError(f"coverage needs a true value for each prediction; got {len(truth):,} for {len(ends):,}")
        inside = int(((truth >= ends[:, 0]) & (truth <= ends[:, 1])).sum())
        n = len(truth)
        in_bin = np.bincount(
            np.searchsorted(self.edges, (ends[:, 0] + ends[:, 1]) / 2, side="right"), minlength=len(self.counts)
        )
        expected, variance = 0.0, 0.0
        for m, count in zip(in_bin, self.counts, strict=True):
            mean, one = _moments(int(count), int(m), self.level)
            expected += mean * m / n
            variance += one * (m / n) ** 2
        return Coverage(inside / n, wilson(inside, n), n, float(expected), math.sqrt(variance))


def prediction_intervals(
    model: Any, x: Any, y: Any = None, *, level: float = 0.9, bins: int = 1, sample_weight: Any = None
) -> PredictionIntervals:
    """Return intervals for the predictions of a model, calibrated on the rows x with their targets y.

    - ``model``: a model or an ensemble of a table with one number for each row, or a trained scikit-learn regressor.
    - ``x``: a data set, rows (n, d) with ``y``, or a data frame: samples that the model was not trained on. If they have chosen
      the epoch or the settings, its errors on them are somewhat too small, and so are the intervals: measure ``coverage`` on
      others.
    - ``level``: the probability with which an interval contains the truth.
    - ``bins``: the number of bins of the predicted value, with as many calibration samples in each as in the others. Each needs
      some tens, at least level / (1 − level).

    ``sample_weight`` is not used: each sample counts once. Raises ConfigError for models of other kinds, and DataError for too
    few samples.
    """
    level = validate(level, OpenFraction, "prediction_intervals", "level")
    bins = validate(bins, Count, "prediction_intervals", "bins")
    found = predictions_of(model, x, y, function="prediction_intervals").require_numbers("prediction_intervals")
    return calibrate(found.outputs, found.true, level=level, bins=bins)


def calibrate(predicted: Array, true: Array, *, level: float = 0.9, bins: int = 1) -> PredictionIntervals:
    """Return the intervals that follow from predictions (n) and true values (n). Raises DataError for too few samples."""
    errors = np.abs(np.asarray(true, np.float64) - predicted)
    if bins > 1 and len(errors) < bins:
        raise ConfigError(f"prediction_intervals: {bins} bins of {len(errors):,} samples")
    places = np.quantile(predicted, np.arange(1, bins) / bins) if bins > 1 else np.empty(0)
    edges = np.unique(places)
    bin_of = np.searchsorted(edges, predicted, side="right")
    half_widths, counts = np.empty(len(edges) + 1), np.bincount(bin_of, minlength=len(edges) + 1)
    for b, count in enumerate(counts):
        rank = _rank(int(count), level)
        if rank > count:
            least = math.ceil(level / (1 - level) - 1e-9)
            few = f"a bin has {count:,} of them" if len(counts) > 1 else f"there are {count:,}"
            raise DataError(
                f"intervals of {100 * level:g} % need at least {least:,} calibration samples, and {few}: "
                f"give more, or take {'fewer bins' if len(counts) > 1 else 'a lower level'}"
            )
        half_widths[b] = np.partition(errors[bin_of == b], rank - 1)[rank - 1]
    return PredictionIntervals(level, edges, half_widths, counts)


def _rank(n: int, level: float) -> int:
    """Return ⌈(n + 1)·level⌉; rounding errors of the product do not count."""
    return math.ceil((n + 1) * level - 1e-9)


def _moments(n: int, m: int, level: float) -> tuple[float, float]:
    """Return mean and variance of the covered fraction of m test samples, for intervals from n calibration samples.

    The probability that an interval covers has the distribution Beta(k, n + 1 − k) over the calibration samples, k being the
    rank (Vovk, 2012); so the number of covered samples has a beta-binomial distribution.
    """
    k = _rank(n, level)
    mean = k / (n + 1)
    if not m:
        return mean, 0.0
    return mean, mean * (1 - mean) * (n + 1 + m) / (m * (n + 2))
