"""Summaries of the scores of several contenders on several tables and splits: intervals, ranks, normalized scores, losses.

A score is an accuracy or R²: larger is better. ``Scores`` holds them by table, contender and seed.

**Intervals.** The splits of a table overlap, so the scores are not independent, and the interval of Student's t would be too
narrow. Nadeau and Bengio (2003, Inference for the generalization error, Machine Learning 52) correct the variance of a mean of
J splits: s² (1/J + n_test/n_train) instead of s²/J. The interval of a mean over tables is that of the percentile bootstrap over
tables: it says how much depends on which tables these are.

**Normalized score** of a contender on a table: (its mean − the worst mean) / (the best mean − the worst mean), over all
contenders with all splits of this table. If all are equal, it is 1 for all.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

#: The scores by table, contender and seed.
Scores = Mapping[str, Mapping[str, Mapping[int, float]]]

CONFIDENCE = 0.95
#: The quantiles 0.975 of Student's t, by degrees of freedom; beyond them that of the normal distribution.
T_QUANTILES = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
)
NORMAL_QUANTILE = 1.96
REPEATS = 10_000  # of the bootstrap
#: n_test / n_train of a split into a quarter and three quarters.
TEST_TO_TRAINING = 1 / 3
EQUAL = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A mean and its interval; the interval is NaN if there is one value only."""

    mean: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Comparison:
    """The scores of one contender minus those of another, by table."""

    differences: dict[str, Estimate]

    @property
    def as_good(self) -> list[str]:
        """The tables on which the mean is at least that of the other."""
        return [table for table, found in self.differences.items() if found.mean >= -EQUAL]

    @property
    def worse(self) -> list[str]:
        """The tables on which the mean is lower than that of the other."""
        return [table for table in self.differences if table not in self.as_good]

    @property
    def mean_loss(self) -> float:
        """The mean by which the scores are lower, over the tables on which they are; 0 if there are none."""
        return -statistics.fmean(self.differences[table].mean for table in self.worse) if self.worse else 0.0


def over_splits(values: Sequence[float]) -> Estimate:
    """Return the mean over the splits of a table with the corrected interval."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Estimate(mean, math.nan, math.nan)
    freedom = len(values) - 1
    quantile = T_QUANTILES[freedom - 1] if freedom <= len(T_QUANTILES) else NORMAL_QUANTILE
    half = quantile * statistics.stdev(values) * math.sqrt(1 / len(values) + TEST_TO_TRAINING)
    return Estimate(mean, mean - half, mean + half)


def over_tables(values: Sequence[float]) -> Estimate:
    """Return the mean over tables with the interval of the bootstrap."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Estimate(mean, math.nan, math.nan)
    stream = random.Random(0)
    means = sorted(statistics.fmean(stream.choices(values, k=len(values))) for _ in range(REPEATS))
    tail = round(REPEATS * (1 - CONFIDENCE) / 2)
    return Estimate(mean, means[tail], means[-1 - tail])


def complete(of_table: Mapping[str, Mapping[int, float]], seeds: Iterable[int]) -> dict[str, list[float]]:
    """Return the scores of the contenders that have all seeds, in the order of the seeds."""
    wanted = list(seeds)
    return {
        contender: [found[seed] for seed in wanted]
        for contender, found in of_table.items()
        if all(seed in found for seed in wanted)
    }


def ranks(means: Mapping[str, float]) -> dict[str, float]:
    """Return the rank of each contender, 1 for the largest mean; equal means share the mean of their ranks."""
    return {
        name: 1
        + sum(other > mean + EQUAL for other in means.values())
        + (sum(abs(other - mean) <= EQUAL for other in means.values()) - 1) / 2
        for name, mean in means.items()
    }


def normalized(means: Mapping[str, float]) -> dict[str, float]:
    """Return the normalized score of each contender: 0 for the worst, 1 for the best."""
    low, high = min(means.values()), max(means.values())
    return {name: 1.0 if high - low <= EQUAL else (mean - low) / (high - low) for name, mean in means.items()}


def compare(scores: Scores, one: str, other: str, seeds: Sequence[int]) -> Comparison:
    """Return the differences of the scores of two contenders, split by split, on the tables that both have."""
    differences = {}
    for table, of_table in scores.items():
        found = complete(of_table, seeds)
        if one in found and other in found:
            differences[table] = over_splits([a - b for a, b in zip(found[one], found[other], strict=True)])
    return Comparison(differences)


def means_of(scores: Scores, seeds: Sequence[int]) -> dict[str, dict[str, float]]:
    """Return the mean score of each contender with all seeds, by table."""
    return {
        table: {name: statistics.fmean(values) for name, values in complete(of_table, seeds).items()}
        for table, of_table in scores.items()
    }


def best_of(means: Mapping[str, Mapping[str, float]], group: Sequence[str]) -> dict[str, str]:
    """Return by table the contender of a group with the largest mean."""
    found = {}
    for table, of_table in means.items():
        if members := [name for name in group if name in of_table]:
            found[table] = max(members, key=of_table.__getitem__)
    return found
