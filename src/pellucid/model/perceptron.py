"""The perceptron and its learning rule: one unit, a threshold, and a step for each mistake (Rosenblatt, 1958)."""

from __future__ import annotations

import numpy as np

from pellucid.core.config import Count, Positive, validate
from pellucid.core.memory import Array
from pellucid.data.checks import numeric_array
from pellucid.errors import DataError, ShapeError

_STRETCH = 256  # samples looked at together for the next mistake


class Perceptron:
    """ŷ = 1 where w·x + b > 0, else 0 (or −1, if the labels are −1 and 1).

    Learning takes the samples one after the other, in their order, as often as it takes: where the sign s = ±1 of a sample is
    not that of its w·x + b, w ← w + η s x and b ← b + η s. It ends when a whole pass makes no mistake. If a straight boundary
    separates the classes, that happens after at most (R/γ)² mistakes (Novikoff, 1962; :func:`margin_bound`); if none does,
    it never happens, and ``max_epochs`` passes end it. w and b begin at zero: then η changes their length and nothing else.

    After :meth:`fit`: ``weights`` (features,) and ``bias``, ``updates`` (mistakes in all), ``mistakes`` by pass, ``converged``.
    """

    def __init__(self, learning_rate: float = 1.0):
        self.learning_rate: float = validate(learning_rate, Positive, "Perceptron", "learning_rate")
        self.weights = np.zeros(0)
        self.bias = 0.0
        self.mistakes: list[int] = []
        self._labels = (0, 1)

    @property
    def updates(self) -> int:
        """How often w was changed: the number of mistakes."""
        return sum(self.mistakes)

    @property
    def converged(self) -> bool:
        """Whether the last pass made no mistake."""
        return bool(self.mistakes) and self.mistakes[-1] == 0

    def fit(self, x: Array, y: Array, max_epochs: int = 1000) -> Perceptron:
        """Learns the samples x (n, features) with labels y (n,), 0 and 1 or −1 and 1, from zero; returns itself.

        Raises ShapeError and DataError for what are no such samples, ConfigError for a number of passes below 1."""
        validate(max_epochs, Count, "Perceptron.fit", "max_epochs")
        x, signs, self._labels = _samples(x, y)
        self.weights, self.bias, self.mistakes = np.zeros(x.shape[1]), 0.0, []
        while len(self.mistakes) < max_epochs and not self.converged:
            self.mistakes.append(self._pass(x, signs))
        return self

    def _pass(self, x: Array, signs: Array) -> int:
        """Every sample once, in order. Returns how many were mistaken."""
        mistakes, start = 0, 0
        while start < len(x):
            part = slice(start, start + _STRETCH)
            wrong = np.flatnonzero(signs[part] * (x[part] @ self.weights + self.bias) <= 0)
            if not wrong.size:
                start += _STRETCH
                continue
            i = start + wrong[0]
            self.weights += self.learning_rate * signs[i] * x[i]
            self.bias += float(self.learning_rate * signs[i])
            mistakes, start = mistakes + 1, i + 1
        return mistakes

    def predict(self, x: Array) -> Array:
        """The labels (n,) of the samples x (n, features), of the kind it has learned. Raises ShapeError and DataError."""
        x = _features(x)
        if not self.mistakes or x.shape[1] != len(self.weights):
            known = f"{len(self.weights)} features" if self.mistakes else "nothing yet: call fit(x, y) first"
            raise ShapeError(f"this perceptron has learned {known}; got samples of the shape {x.shape}")
        low, high = self._labels
        return np.where(x @ self.weights + self.bias > 0, high, low)

    def __repr__(self) -> str:
        return f"Perceptron({self.learning_rate:g})"


def margin_bound(x: Array, y: Array, weights: Array, bias: float = 0.0) -> float:
    """(R/γ)²: the largest number of mistakes that a perceptron can make on data that (w, b) separates (Novikoff, 1962).

    With x̃ = (x, 1) and w̃ = (w, b): R = max ‖x̃‖ and the margin γ = min s (w̃·x̃)/‖w̃‖. The bound holds for each separating
    (w, b), and is the better the wider the margin. Raises DataError where (w, b) does not separate the classes."""
    x, signs, _ = _samples(x, y)
    w = np.append(numeric_array(weights, "weights").astype(np.float64).reshape(-1), float(bias))
    if len(w) != x.shape[1] + 1:
        raise ShapeError(f"weights are one for each of {x.shape[1]} features, got {len(w) - 1}")
    extended = np.column_stack([x, np.ones(len(x))])
    length = float(np.linalg.norm(w))
    margin = float((signs * (extended @ w)).min()) / length if length else 0.0
    if not margin > 0:
        raise DataError("these weights do not separate the classes: some sample lies on their boundary or beyond it")
    return (float(np.linalg.norm(extended, axis=1).max()) / margin) ** 2


def _features(x: Array) -> Array:
    x = numeric_array(x, "x")
    if x.ndim != 2 or 0 in x.shape:
        raise ShapeError(f"a perceptron takes samples of the shape (n, features), got {x.shape}; flatten pictures first")
    x = x.astype(np.float64)
    if not np.isfinite(x).all():
        raise DataError("x holds NaN or infinity: drop such samples or fill the gaps")
    return x


def _samples(x: Array, y: Array) -> tuple[Array, Array, tuple[int, int]]:
    """(x, the signs −1 and 1 of y, the two labels)."""
    x, y = _features(x), numeric_array(y, "y")
    if y.shape != (len(x),):
        raise ShapeError(f"y is one label for each of {len(x)} samples, got the shape {y.shape}")
    for labels in ((0, 1), (-1, 1)):
        if set(np.unique(y).tolist()) == set(labels):
            return x, np.where(y == 1, 1.0, -1.0), labels
    raise DataError(f"a perceptron tells two classes apart, labelled 0 and 1 or -1 and 1, both there; got {np.unique(y)[:5]}")
