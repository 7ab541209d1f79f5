"""What an evaluation found: a dictionary of scores that shows itself in notebooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pellucid import notebook
from pellucid.data.dataset import Dataset
from pellucid.metrics import Value, wilson

SHARES = ("accuracy", "precision", "recall", "specificity", "f1", "top")  # names of metrics that begin so are shares
MOST = 30  # classes whose confusion is shown


class Evaluation(dict[str, Value]):
    """``{"loss": …, "accuracy": …}``: loss and metrics by name. A dictionary in all else, it also knows its ``classes`` (or
    None), and of how many ``samples`` it tells, where each of them is one question and counts as much as the others
    (None, where not): then an accuracy has an interval."""

    def __init__(self, scores: Mapping[str, Value], samples: int | None = None, classes: Sequence[str] | None = None):
        super().__init__(scores)
        self.samples = samples
        self.classes = None if classes is None else tuple(classes)

    @classmethod
    def of(cls, scores: Mapping[str, Value], data: Dataset, classes: Sequence[str] | None) -> Evaluation:
        """The scores of that data set."""
        alike = data.source_sample_weight is None and data.source_y is not None and data.source_y.ndim == 1
        return cls(scores, len(data) if alike else None, classes)

    def _repr_html_(self) -> str:
        single = {name: float(value) for name, value in self.items() if np.ndim(value) == 0}
        several = {name: np.asarray(value) for name, value in self.items() if np.ndim(value) == 1}
        rows = [(name, _shown(name, value), self._interval(name, value)) for name, value in single.items()]
        wide = 3 if any(interval for *_, interval in rows) else 2
        parts = [notebook.table(("score", "value", "95 % interval")[:wide], [row[:wide] for row in rows])]
        if several:
            k = max(len(values) for values in several.values())
            cells = [[_shown(name, values[i]) if i < len(values) else "" for name, values in several.items()] for i in range(k)]
            parts.append(notebook.table(("class", *several), [(self._name(i), *row) for i, row in enumerate(cells)]))
        for name, value in self.items():
            if np.ndim(value) == 2 and len(np.asarray(value)) <= MOST:
                parts.append(self._matrix(name, np.asarray(value)))
        samples = "" if self.samples is None else f" of {self.samples:,} samples"
        return notebook.page(f"Evaluation{samples}", *parts)

    def _interval(self, name: str, value: float) -> str:
        if name != "accuracy" or self.samples is None:
            return ""
        low, high = wilson(value * self.samples, self.samples)
        return f"{100 * low:.2f} to {100 * high:.2f} %"

    def _name(self, i: int) -> str:
        return self.classes[i] if self.classes is not None and i < len(self.classes) else str(i)

    def _matrix(self, name: str, counts: np.ndarray) -> str:
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)
        names = [self._name(i) for i in range(len(counts))]
        rows = [(own, *(f"{count:g}" if count else "" for count in row)) for own, row in zip(names, counts, strict=True)]
        shades = [(0.0, *row) for row in np.sqrt(share).tolist()]  # a mistake is seen beside a full diagonal
        caption = f"{name.replace('_', ' ')}: rows true, columns predicted"
        return notebook.table(("", *names), rows, shades=shades, caption=caption)


def _shown(name: str, value: float) -> str:
    if np.isnan(value):
        return "–"
    return f"{100 * value:.2f} %" if name.startswith(SHARES) else f"{value:.4g}"
