"""The reliability of probabilities: how often what has the probability p is true (calibration), in bins of p."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.metrics.intervals import wilson


@dataclass(frozen=True, eq=False)
class Reliability:
    """The samples by their probability, in ``bins`` bins of equal width, of which only those with samples are listed (b).

    - ``probability`` (b): the mean probability in the bin.
    - ``fraction`` (b): the fraction of its samples for which the event is true.
    - ``count`` (b): the number of its samples.
    - ``interval`` (b, 2): the 95 % interval of the fraction (:func:`~pellucid.metrics.wilson`).

    Probabilities are calibrated if the fraction is the probability in each bin (DeGroot and Fienberg, 1983).
    """

    bins: int
    probability: Array
    fraction: Array
    count: Array
    interval: Array

    @property
    def error(self) -> float:
        """The expected calibration error: the mean over the samples of |fraction − probability| of their bin."""
        return float((self.count * np.abs(self.fraction - self.probability)).sum() / self.count.sum())


def reliability(probability: Array, event: Array, *, bins: int = 10) -> Reliability:
    """Return how often the ``event`` (n, true or false) happens for each ``probability`` (n) that was predicted for it.

    A bin contains its lower edge; the last one contains 1, too. Raises ShapeError where the lengths differ, ConfigError for
    fewer than 2 bins, and DataError without samples and for numbers that are no probabilities.
    """
    p, happens = np.asarray(probability, np.float64), np.asarray(event, bool)
    if p.shape != happens.shape or p.ndim != 1:
        raise ShapeError(f"reliability: expected two arrays (n), got {p.shape} and {happens.shape}")
    if bins < 2:
        raise ConfigError(f"reliability(bins={bins}): at least 2")
    if not len(p) or not ((p >= 0) & (p <= 1)).all():
        raise DataError("reliability: there are no samples" if not len(p) else "reliability: probabilities are from 0 to 1")
    bin_of = np.minimum((p * bins).astype(int), bins - 1)
    count = np.bincount(bin_of, minlength=bins)
    used = count > 0
    n = count[used]
    hits = np.bincount(bin_of, happens, minlength=bins)[used]
    interval = np.array([wilson(float(k), int(total)) for k, total in zip(hits, n, strict=True)])
    return Reliability(bins, np.bincount(bin_of, p, minlength=bins)[used] / n, hits / n, n, interval)
