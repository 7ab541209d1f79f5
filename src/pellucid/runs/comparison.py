"""Models beside each other on the same samples: what each gets wrong, where they disagree, and whether that can be chance.

Two accuracies of 97.5 and 97.7 % on the same 10,000 pictures say little by themselves. What counts are the pictures that one
model gets right and the other wrong: were both equally good, such a picture would fall to either side like a coin
(McNemar, 1947). The p-value is that of the exact binomial test, both sides; it says how often equally good models
would differ as much or more. Of many pairs some differ by chance alone, so where there are several, p-values are adjusted for
their number (Holm, 1979).

The test is about these trained models on samples like these. Trained again with another seed, each would be another model:
whether a *method* is better takes several seeds of both.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.errors import ConfigError, ShapeError
from pellucid.core.memory import Array
from pellucid.metrics import wilson


def mcnemar(only_first: int, only_second: int) -> float:
    """The p-value where so many samples are right in the first model only, and in the second only."""
    n, fewer = only_first + only_second, min(only_first, only_second)
    if only_first == only_second:
        return 1.0
    log_half = n * math.log(0.5)
    tail = math.fsum(
        math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + log_half) for k in range(fewer + 1)
    )
    return min(1.0, 2 * tail)


def holm(values: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number (Holm, 1979)."""
    adjusted, largest = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = adjusted[place] = max(largest, min(1.0, (len(values) - rank) * values[place]))
    return adjusted


@dataclass(frozen=True)
class Pair:
    """Two models: how many samples only the one or only the other gets right, on how many they say different things, and
    the p-value of McNemar's test: by itself, and ``adjusted`` for all pairs of the comparison."""

    first: str
    second: str
    only_first: int
    only_second: int
    disagree: int
    p: float
    adjusted: float

    def __str__(self) -> str:
        counts = f"{self.only_first} right only in {self.first}, {self.only_second} only in {self.second}"
        said = f"p = {self.adjusted:.2g}" if self.adjusted > 0 else "p < 1e-300"
        if self.adjusted >= 0.05:
            return f"{self.first} and {self.second}: {counts}: the difference may be chance ({said})"
        better, worse = (self.first, self.second) if self.only_first > self.only_second else (self.second, self.first)
        return f"{better} is better than {worse}: {counts} ({said})"


@dataclass(frozen=True)
class Closer:
    """Two models that predict numbers: for how many samples the one or the other is closer to the truth, and the p-value of
    the sign test, which is McNemar's with these counts: by itself, and ``adjusted`` for all pairs of the comparison."""

    first: str
    second: str
    first_closer: int
    second_closer: int
    p: float
    adjusted: float

    def __str__(self) -> str:
        counts = f"{self.first} is closer to {self.first_closer:,} samples, {self.second} to {self.second_closer:,}"
        return f"{counts}{': that may be chance' if self.adjusted >= 0.05 else ''} (p = {self.adjusted:.2g})"


def closer(y: Array, predicted: Mapping[str, Array]) -> list[Closer]:
    """Every two models of those by name, with the numbers (n) that they predict for samples whose true ones are ``y`` (n)."""
    away = {name: np.abs(np.asarray(said, np.float64) - y) for name, said in predicted.items()}
    found = []
    for one, other in itertools.combinations(away, 2):
        first, second = int((away[one] < away[other]).sum()), int((away[other] < away[one]).sum())
        found.append(Closer(one, other, first, second, mcnemar(first, second), 1.0))
    return [dataclasses.replace(pair, adjusted=p) for pair, p in zip(found, holm([pair.p for pair in found]), strict=True)]


class Comparison:
    """Models by name, with the class (n) that each of them says for samples of the classes ``y`` (n)."""

    def __init__(self, y: Array, predicted: Mapping[str, Array]):
        self.y = np.asarray(y)
        self.predicted = {name: np.asarray(labels) for name, labels in predicted.items()}
        if not self.predicted:
            raise ConfigError("a comparison needs at least one model")
        for name, labels in self.predicted.items():
            if labels.shape != self.y.shape or self.y.ndim != 1:
                raise ShapeError(f"one class for each sample: y has the shape {self.y.shape}, {name} {labels.shape}")

    def correct(self, name: str) -> int:
        """How many samples a model gets right."""
        return int((self.predicted[name] == self.y).sum())

    def interval(self, name: str) -> tuple[float, float]:
        """The 95 % interval of a model's accuracy."""
        return wilson(self.correct(name), len(self.y))

    def pairs(self) -> list[Pair]:
        """Every two models."""
        found = [self._pair(one, other) for one, other in itertools.combinations(self.predicted, 2)]
        return [dataclasses.replace(pair, adjusted=p) for pair, p in zip(found, holm([pair.p for pair in found]), strict=True)]

    def _pair(self, one: str, other: str) -> Pair:
        right, also = self.predicted[one] == self.y, self.predicted[other] == self.y
        first, second = int((right & ~also).sum()), int((also & ~right).sum())
        p, disagree = mcnemar(first, second), int((self.predicted[one] != self.predicted[other]).sum())
        return Pair(one, other, first, second, disagree, p, adjusted=p)

    def confusions(self, name: str, most: int = 5) -> list[tuple[int, int, int]]:
        """(true class, said class, how often): a model's most frequent mistakes."""
        wrong = self.predicted[name] != self.y
        pairs, counts = np.unique(np.stack([self.y[wrong], self.predicted[name][wrong]]), axis=1, return_counts=True)
        order = np.argsort(-counts, kind="stable")[:most]
        return [(int(pairs[0, i]), int(pairs[1, i]), int(counts[i])) for i in order]

    def disputed(self) -> Array:
        """The samples on which not all models say the same, those that most of them get wrong first."""
        said = np.stack(list(self.predicted.values()))
        rows = np.flatnonzero((said != said[0]).any(axis=0))
        order: Array = rows[np.argsort((said[:, rows] == self.y[rows]).sum(axis=0), kind="stable")]
        return order


def short_names(names: Sequence[str]) -> list[str]:
    """Paths without what they have in common before their last parts: runs/mlp-1 and runs/cnn-1 are mlp-1 and cnn-1."""
    parts = [name.rstrip("/").split("/") for name in names]
    while len(parts[0]) > 1 and all(len(one) > 1 and one[0] == parts[0][0] for one in parts):
        parts = [one[1:] for one in parts]
    return ["/".join(one) for one in parts]
