"""The result of an evaluation: a dictionary of scores that notebooks show as tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pellucid import notebook
from pellucid.core.memory import Array
from pellucid.core.named_arrays import NamedArrays
from pellucid.data.dataset import Dataset
from pellucid.metrics import BY_POSITION, Value, wilson

# The names of metrics that are fractions, such as top_5_accuracy, recall_3, f0.5_macro, iou and accuracy_at_0.3.
FRACTION = re.compile(r"(.*accuracy|precision|recall|specificity|f[\d.]+|dice|iou|exact_match|mape)(_.*)?")
LARGEST_MATRIX = 30  # classes; larger confusion matrices are not shown


class Evaluation(dict[str, Value]):
    """``{"loss": …, "accuracy": …}``: the loss and the metrics by name.

    ``classes`` are the class names, or None. ``samples`` is the number of samples if each has one label and all have the same
    weight, else None. Where it is known, notebooks show the confidence interval of an accuracy.
    """

    def __init__(self, scores: Mapping[str, Value], samples: int | None = None, classes: Sequence[str] | None = None):
        super().__init__(scores)
        self.samples = samples
        self.classes = None if classes is None else tuple(classes)

    @classmethod
    def of(cls, scores: Mapping[str, Value], data: Dataset, classes: Any) -> Evaluation:
        """Return the evaluation for the scores of a data set. With several outputs, classes are shown by number."""
        if isinstance(data.source_y, NamedArrays):
            return cls(scores)
        equal = data.source_sample_weight is None and data.source_y is not None and data.source_y.ndim == 1
        return cls(scores, len(data) if equal else None, classes)

    def _repr_html_(self) -> str:
        single = {name: float(value) for name, value in self.items() if np.ndim(value) == 0}
        at_positions = {name: np.asarray(value) for name, value in self.items() if name.endswith(BY_POSITION)}
        of_classes = {name: value for name, value in self.items() if name not in at_positions}
        vectors = {name: np.asarray(value) for name, value in of_classes.items() if np.ndim(value) == 1}
        rows = [(name, _formatted(name, value), self._interval(name, value)) for name, value in single.items()]
        width = 3 if any(interval for *_, interval in rows) else 2
        parts = [notebook.table(("score", "value", "95 % interval")[:width], [row[:width] for row in rows])]
        if vectors:
            k = max(len(values) for values in vectors.values())
            cells = [
                [_formatted(name, values[i]) if i < len(values) else "" for name, values in vectors.items()] for i in range(k)
            ]
            parts.append(notebook.table(("class", *vectors), [(self._name(i), *row) for i, row in enumerate(cells)]))
        parts.append(notebook.over_positions(at_positions))
        for name, value in of_classes.items():
            if np.ndim(value) == 2 and len(np.asarray(value)) <= LARGEST_MATRIX:
                parts.append(self._matrix(name, np.asarray(value)))
            elif np.ndim(value) == 3 and np.shape(value)[1:] == (2, 2):
                parts.append(self._label_matrices(name, np.asarray(value)))
        samples = "" if self.samples is None else f" of {self.samples:,} samples"
        return notebook.section(f"Evaluation{samples}", *parts)

    def _interval(self, name: str, value: float) -> str:
        if self.samples is None or not re.fullmatch(r"accuracy(_at_.*)?", name):
            return ""
        low, high = wilson(value * self.samples, self.samples)
        return f"{100 * low:.2f} to {100 * high:.2f} %"

    def _name(self, i: int) -> str:
        return self.classes[i] if self.classes is not None and i < len(self.classes) else str(i)

    def _matrix(self, title: str, counts: Array) -> str:
        fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)
        names = [self._name(i) for i in range(len(counts))]
        rows = [(name, *(f"{count:g}" if count else "" for count in row)) for name, row in zip(names, counts, strict=True)]
        shades = [(0.0, *row) for row in np.sqrt(fractions).tolist()]  # the root makes rare mistakes visible
        caption = f"{title.replace('_', ' ')}: rows true, columns predicted"
        return notebook.table(("", *names), rows, shades=shades, caption=caption)

    def _label_matrices(self, title: str, tables: Array) -> str:
        """Return one row for each label, from its matrix ((TN, FP), (FN, TP))."""
        rows = [(self._name(i), *(f"{count:g}" for count in table.ravel())) for i, table in enumerate(tables)]
        header = ("label", "true negatives", "false positives", "false negatives", "true positives")
        return notebook.table(header, rows, caption=title.replace("_", " "))


def is_fraction(name: str) -> bool:
    """Return whether the metric of that name is a fraction, which is shown in percent."""
    return FRACTION.fullmatch(name) is not None


def _formatted(name: str, value: float) -> str:
    if np.isnan(value):
        return "–"
    return f"{100 * value:.2f} %" if is_fraction(name) else f"{value:.4g}"
