"""The rows of a table that a model is most wrong about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.config import Count, validate
from pellucid.core.memory import Array
from pellucid.explain.tables import Predictions, predictions_of


@dataclass(frozen=True, eq=False)
class LargestErrors:
    """The rows with the largest errors, the largest first.

    - ``rows`` (m): their numbers, from 0 on.
    - ``errors`` (m): for numbers prediction minus truth; for classes 1 minus the probability of the true class.
    - ``true``, ``predicted`` (m): numbers, or the names of the classes.
    - ``probability`` (m): for classes the probability of the predicted one, otherwise None.
    """

    rows: Array
    errors: Array
    true: Array
    predicted: Array
    probability: Array | None


def largest_errors(model: Any, x: Any, y: Any = None, *, count: int = 10) -> LargestErrors:
    """Return the ``count`` rows of x, with their targets y, that a model is most wrong about.

    ``model`` is a model or an ensemble of a table, or a trained scikit-learn estimator. Of a classifier, these are the rows
    with the lowest probability of the true class. Such rows are often unusual, or have a wrong target.

    Raises ConfigError for models of other kinds.
    """
    count = validate(count, Count, "largest_errors", "count")
    return errors_of(predictions_of(model, x, y, function="largest_errors"), count)


def errors_of(found: Predictions, count: int) -> LargestErrors:
    """Return the ``count`` largest errors of predictions."""
    if found.classes is None:
        errors = found.outputs - found.true
        rows = np.argsort(-np.abs(errors), kind="stable")[:count]
        return LargestErrors(rows, errors[rows], found.true[rows], found.outputs[rows], None)
    p = found.outputs if found.probabilities else _softmax(found.outputs)
    of_true = p[np.arange(len(p)), found.true]
    rows = np.argsort(of_true, kind="stable")[:count]
    names, predicted = np.array(found.classes), p[rows].argmax(axis=1)
    return LargestErrors(rows, 1 - of_true[rows], names[found.true[rows]], names[predicted], p[rows].max(axis=1))


def _softmax(scores: Array) -> Array:
    """Return scores as numbers that can be compared between rows: the softmax."""
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: Array = e / e.sum(axis=1, keepdims=True)
    return result
