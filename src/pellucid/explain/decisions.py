"""Decisions from probabilities: the threshold of a class that has a wished precision or recall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.explain.tables import predictions_of
from pellucid.metrics import ThresholdChoice, threshold_curve


@dataclass(frozen=True)
class DecisionThreshold:
    """A rule for classes: ``label`` where its probability is at least ``threshold``, otherwise the most probable other class.

    ``measured`` has its precision and recall on the samples from which it was chosen; None for a threshold that was given.
    """

    label: str
    threshold: float
    measured: ThresholdChoice | None = None

    def decide(self, probabilities: Array, classes: tuple[str, ...]) -> Array:
        """Return the numbers of the classes (n) that the rule decides for, from the probabilities (n, k) of the ``classes``.

        Raises ConfigError if the label is none of them, and ShapeError for other numbers of classes.
        """
        p = np.asarray(probabilities, np.float64)  # as for the choice; float32 would round the threshold
        if p.ndim != 2 or p.shape[1] != len(classes) or len(classes) < 2:
            raise ShapeError(f"expected the probabilities of {len(classes)} classes, (n, {len(classes)}), got {p.shape}")
        if self.label not in classes:
            raise ConfigError(f"a threshold of {self.label!r} does not apply to the classes {', '.join(classes[:10])}")
        label = classes.index(self.label)
        others = np.where(np.arange(len(classes)) == label, -np.inf, p)
        chosen: Array = np.where(p[:, label] >= self.threshold, label, others.argmax(axis=1))
        return chosen

    def __str__(self) -> str:
        return f"{self.label} where its probability is at least {self.threshold!r}, otherwise the most probable other class"


def decision_threshold(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    label: str | int | None = None,
    precision: float | None = None,
    recall: float | None = None,
    sample_weight: Any = None,
) -> DecisionThreshold:
    """Return the threshold of a class with at least the wished ``precision``, or ``recall``, on the rows x with the targets y.

    Of the thresholds with the wished precision it is the lowest, which has the highest recall; of those with the wished recall
    it is the highest.

    - ``model``: a model or an ensemble of a table that predicts probabilities, or a trained scikit-learn classifier.
    - ``x``: a data set, rows (n, d) with ``y``, or a data frame: samples that the model was not trained on. A threshold that is
      chosen from few samples is better on them than on others: measure it on others (``ThresholdCurve.at``).
    - ``label``: the class; by default the second of two.

    Raises ConfigError unless one of precision and recall is given, and for models of other kinds; DataError if no threshold
    reaches the wished precision.
    """
    if (precision is None) == (recall is None):
        raise ConfigError("decision_threshold takes either a precision or a recall, such as precision=0.9")
    found = predictions_of(model, x, y, function="decision_threshold", sample_weight=sample_weight)
    found.require_probabilities("decision_threshold")
    index = found.class_index(label, "decision_threshold")
    name = (found.classes or ())[index]
    try:
        curve = threshold_curve(found.outputs[:, index], found.true == index, found.weights)
    except DataError as error:
        raise DataError(f"the class {name}: {error}") from None
    choice = curve.for_precision(precision) if precision is not None else curve.for_recall(recall or 0.0)
    return DecisionThreshold(name, choice.threshold, choice)
