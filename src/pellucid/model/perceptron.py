"""The perceptron: a single unit with a threshold, and its learning rule of one step per mistake (Rosenblatt, 1958)."""

from __future__ import annotations

import numpy as np

from pellucid.core.config import Count, Positive, validate
from pellucid.core.memory import Array
from pellucid.data.checks import numeric_array
from pellucid.errors import DataError, ShapeError

CHECKED_AT_ONCE = 256  # samples searched together for the next mistake


class Perceptron:
    """A linear classifier for two classes: ŷ = 1 where w·x + b > 0, else 0 (−1 if the labels are −1 and 1).

    Training visits the samples in the given order, pass after pass. For a sample on the wrong side, where w·x + b does not have
    the sign s = ±1 of its label, it updates w ← w + η s x and b ← b + η s. It ends after a pass without a mistake. If a
    hyperplane separates the classes, this happens after at most (R/γ)² mistakes (Novikoff, 1962; :func:`margin_bound`). If
    none does, it never happens, and training ends after ``max_epochs`` passes. w and b start at zero, so the learning rate η
    changes only their length.

    :meth:`fit` sets ``weights`` (features,), ``bias`` and ``mistakes``, the number of mistakes in each pass.
    """

    def __init__(self, learning_rate: float = 1.0):
        self.learning_rate: float = validate(learning_rate, Positive, "Perceptron", "learning_rate")
        self.weights = np.zeros(0)
        self.bias = 0.0
        self.mistakes: list[int] = []
        self._labels = (0, 1)

    @property
    def updates(self) -> int:
        """The number of updates in all passes. Each mistake causes one."""
        return sum(self.mistakes)

    @property
    def converged(self) -> bool:
        """Whether the last pass made no mistake."""
        return bool(self.mistakes) and self.mistakes[-1] == 0

    def fit(self, x: Array, y: Array, max_epochs: int = 1000) -> Perceptron:
        """Train on the samples x (n, features) with labels y (n,), 0 and 1 or −1 and 1, from zero weights. Returns self.

        Raises ShapeError and DataError for other samples and labels, ConfigError for ``max_epochs`` below 1.
        """
        validate(max_epochs, Count, "Perceptron.fit", "max_epochs")
        x, signs, self._labels = _samples(x, y)
        self.weights, self.bias, self.mistakes = np.zeros(x.shape[1]), 0.0, []
        while len(self.mistakes) < max_epochs and not self.converged:
            self.mistakes.append(self._pass(x, signs))
        return self

    def _pass(self, x: Array, signs: Array) -> int:
        """Visit every sample once, in order. Returns the number of mistakes."""
        mistakes, start = 0, 0
        while start < len(x):
            chunk = slice(start, start + CHECKED_AT_ONCE)
            wrong = np.flatnonzero(signs[chunk] * (x[chunk] @ self.weights + self.bias) <= 0)
            if not wrong.size:
                start += CHECKED_AT_ONCE
                continue
            i = start + wrong[0]
            self.weights += self.learning_rate * signs[i] * x[i]
            self.bias += float(self.learning_rate * signs[i])
            mistakes, start = mistakes + 1, i + 1
        return mistakes

    def predict(self, x: Array) -> Array:
        """Return the predicted labels (n,) of the samples x (n, features). Raises ShapeError and DataError."""
        x = _features(x)
        if not self.mistakes or x.shape[1] != len(self.weights):
            known = f"samples of {len(self.weights)} features" if self.mistakes else "a call of fit(x, y) first"
            raise ShapeError(f"this perceptron needs {known}; got samples of the shape {x.shape}")
        low, high = self._labels
        return np.where(x @ self.weights + self.bias > 0, high, low)

    def __repr__(self) -> str:
        return f"Perceptron({self.learning_rate:g})"


def margin_bound(x: Array, y: Array, weights: Array, bias: float = 0.0) -> float:
    """Return (R/γ)², a bound on the mistakes of a perceptron on data that ``weights`` and ``bias`` separate (Novikoff, 1962).

    With x̃ = (x, 1) and w̃ = (w, b): R = max ‖x̃‖ and the margin γ = min s (w̃·x̃)/‖w̃‖. The bound holds for every separating
    (w, b); the wider the margin, the lower it is. Raises DataError where (w, b) does not separate the classes.
    """
    x, signs, _ = _samples(x, y)
    w = np.append(numeric_array(weights, "weights").astype(np.float64).reshape(-1), float(bias))
    if len(w) != x.shape[1] + 1:
        raise ShapeError(f"weights must hold one number for each of {x.shape[1]} features, got {len(w) - 1}")
    extended = np.column_stack([x, np.ones(len(x))])
    length = float(np.linalg.norm(w))
    margin = float((signs * (extended @ w)).min()) / length if length else 0.0
    if not margin > 0:
        raise DataError("these weights do not separate the classes: a sample is on the boundary or on the wrong side")
    return (float(np.linalg.norm(extended, axis=1).max()) / margin) ** 2


def _features(x: Array) -> Array:
    """Return x as a finite float64 array (n, features)."""
    x = numeric_array(x, "x")
    if x.ndim != 2 or 0 in x.shape:
        raise ShapeError(f"a perceptron takes samples of the shape (n, features), got {x.shape}; flatten images first")
    x = x.astype(np.float64)
    if not np.isfinite(x).all():
        raise DataError("x holds NaN or infinity: drop such samples or fill the gaps")
    return x


def _samples(x: Array, y: Array) -> tuple[Array, Array, tuple[int, int]]:
    """Return (x, the signs −1 and 1 of y, the two labels)."""
    x, y = _features(x), numeric_array(y, "y")
    if y.shape != (len(x),):
        raise ShapeError(f"y must hold one label for each of {len(x)} samples, got the shape {y.shape}")
    for labels in ((0, 1), (-1, 1)):
        if set(np.unique(y).tolist()) == set(labels):
            return x, np.where(y == 1, 1.0, -1.0), labels
    raise DataError(f"a perceptron needs samples of two classes, labelled 0 and 1 or -1 and 1; got {np.unique(y)[:5]}")
