"""Comparison of models on the same samples: their mistakes, their disagreements, and significance tests.

Two accuracies of 97.5 % and 97.7 % on the same 10,000 images say little. What counts is the number of images that only one of
the two models classifies correctly. If both models were equally good, each of these images would be as likely to favour the
one as the other (McNemar, 1947). The p-value is that of the exact, two-sided binomial test: the probability that equally good
models differ at least as much as these two. Among many pairs some differ by chance alone, so with several pairs the p-values
are adjusted for their number (Holm, 1979).

The test compares these trained models on samples like these. The same network trained with another seed is another model; to
find out whether one *method* is better than another, train several seeds of both.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, ShapeError
from pellucid.metrics import wilson

SIGNIFICANCE = 0.05  # adjusted p-values below this level count as a real difference


def mcnemar_p_value(only_first: int, only_second: int) -> float:
    """Return the p-value for the numbers of samples that only the first or only the second of two models gets right."""
    n, fewer = only_first + only_second, min(only_first, only_second)
    if only_first == only_second:
        return 1.0
    log_half = n * math.log(0.5)
    tail = math.fsum(
        math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + log_half) for k in range(fewer + 1)
    )
    return min(1.0, 2 * tail)


def holm_adjusted(p_values: Sequence[float]) -> list[float]:
    """Return the p-values, in the same order, adjusted for their number (Holm, 1979)."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = adjusted[index] = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
    return adjusted


@dataclass(frozen=True)
class McNemarTest:
    """McNemar's test of two classifiers.

    ``only_first`` and ``only_second`` count the samples that only the first or only the second classifies correctly,
    ``disagree`` those for which the two predict different classes. ``p`` is the p-value of this pair alone, ``adjusted`` the
    p-value adjusted for all pairs of the comparison.
    """

    first: str
    second: str
    only_first: int
    only_second: int
    disagree: int
    p: float
    adjusted: float

    def __str__(self) -> str:
        counts = f"{self.only_first} right only in {self.first}, {self.only_second} only in {self.second}"
        p = f"p = {self.adjusted:.2g}" if self.adjusted > 0 else "p < 1e-300"
        if self.adjusted >= SIGNIFICANCE:
            return f"{self.first} and {self.second}: {counts}: the difference may be due to chance ({p})"
        better, worse = (self.first, self.second) if self.only_first > self.only_second else (self.second, self.first)
        return f"{better} is better than {worse}: {counts} ({p})"


@dataclass(frozen=True)
class SignTest:
    """The sign test of two regression models.

    ``first_closer`` and ``second_closer`` count the samples for which the first or the second model is closer to the target.
    ``p`` is the p-value of this pair alone (McNemar's, with these counts), ``adjusted`` the p-value adjusted for all pairs of
    the comparison.
    """

    first: str
    second: str
    first_closer: int
    second_closer: int
    p: float
    adjusted: float

    def __str__(self) -> str:
        counts = (
            f"{self.first} is closer to the target for {self.first_closer:,} samples, {self.second} for {self.second_closer:,}"
        )
        return f"{counts}{': that may be due to chance' if self.adjusted >= SIGNIFICANCE else ''} (p = {self.adjusted:.2g})"


def sign_tests(y: Array, predictions: Mapping[str, Array]) -> list[SignTest]:
    """Return a test of each pair of regression models, from their ``predictions`` (n), by name, of the targets ``y`` (n)."""
    errors = {name: np.abs(np.asarray(values, np.float64) - y) for name, values in predictions.items()}
    tests = []
    for one, other in itertools.combinations(errors, 2):
        first, second = int((errors[one] < errors[other]).sum()), int((errors[other] < errors[one]).sum())
        tests.append(SignTest(one, other, first, second, mcnemar_p_value(first, second), 1.0))
    adjusted = holm_adjusted([test.p for test in tests])
    return [dataclasses.replace(test, adjusted=p) for test, p in zip(tests, adjusted, strict=True)]


class Comparison:
    """Classifiers compared on the same samples.

    ``predictions`` maps the name of each model to its predicted labels (n), for samples with the labels ``y`` (n).
    Raises ConfigError without a model, and ShapeError unless all shapes are (n).
    """

    def __init__(self, y: Array, predictions: Mapping[str, Array]):
        self.y = np.asarray(y)
        self.predictions = {name: np.asarray(labels) for name, labels in predictions.items()}
        if not self.predictions:
            raise ConfigError("a comparison needs at least one model")
        for name, labels in self.predictions.items():
            if labels.shape != self.y.shape or self.y.ndim != 1:
                raise ShapeError(f"expected one class for each sample: y has the shape {self.y.shape}, {name} {labels.shape}")

    def correct(self, name: str) -> int:
        """Return the number of samples that the model classifies correctly."""
        return int((self.predictions[name] == self.y).sum())

    def interval(self, name: str) -> tuple[float, float]:
        """Return the 95 % confidence interval of the model's accuracy."""
        return wilson(self.correct(name), len(self.y))

    def mcnemar_tests(self) -> list[McNemarTest]:
        """Return McNemar's test of each pair of models."""
        tests = [self._mcnemar_test(one, other) for one, other in itertools.combinations(self.predictions, 2)]
        adjusted = holm_adjusted([test.p for test in tests])
        return [dataclasses.replace(test, adjusted=p) for test, p in zip(tests, adjusted, strict=True)]

    def _mcnemar_test(self, one: str, other: str) -> McNemarTest:
        one_right, other_right = self.predictions[one] == self.y, self.predictions[other] == self.y
        only_one, only_other = int((one_right & ~other_right).sum()), int((other_right & ~one_right).sum())
        disagree = int((self.predictions[one] != self.predictions[other]).sum())
        p = mcnemar_p_value(only_one, only_other)
        return McNemarTest(one, other, only_one, only_other, disagree, p, adjusted=p)

    def confusions(self, name: str, limit: int = 5) -> list[tuple[int, int, int]]:
        """Return a model's most frequent mistakes as (true class, predicted class, count), at most ``limit`` of them."""
        wrong = self.predictions[name] != self.y
        pairs, counts = np.unique(np.stack([self.y[wrong], self.predictions[name][wrong]]), axis=1, return_counts=True)
        order = np.argsort(-counts, kind="stable")[:limit]
        return [(int(pairs[0, i]), int(pairs[1, i]), int(counts[i])) for i in order]

    def disagreements(self) -> Array:
        """Return the rows for which the models predict different classes, those that most models get wrong first."""
        labels = np.stack(list(self.predictions.values()))
        rows = np.flatnonzero((labels != labels[0]).any(axis=0))
        order: Array = rows[np.argsort((labels[:, rows] == self.y[rows]).sum(axis=0), kind="stable")]
        return order


def short_names(paths: Sequence[str]) -> list[str]:
    """Return the paths without the leading folders that all of them share; each keeps its last part.

    >>> short_names(["runs/mlp-1", "runs/cnn-1"])
    ['mlp-1', 'cnn-1']
    """
    parts = [path.rstrip("/").split("/") for path in paths]
    while len(parts[0]) > 1 and all(len(one) > 1 and one[0] == parts[0][0] for one in parts):
        parts = [one[1:] for one in parts]
    return ["/".join(one) for one in parts]
