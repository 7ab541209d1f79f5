"""The confusion matrix: how often each class is predicted for each true class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ShapeError
from pellucid.plots.style import CELL, blank_figure, join_names, with_alt

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def confusion_matrix(table: Array, classes: Sequence[str] | None = None, title: str = "") -> Figure:
    """Draw a confusion matrix ``table`` (k, k): row = true class, column = predicted class.

    Every cell shows its count. The shade is the square root of the fraction of the row that is in the cell, so that single
    mistakes are visible next to a full diagonal. Raises ShapeError unless the table is square.
    """
    table = np.asarray(table, float)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or not len(table):
        raise ShapeError(f"a confusion matrix is square (k, k), got {table.shape}")
    k = len(table)
    names = [str(i) for i in range(k)] if classes is None else [str(name) for name in classes]
    size = max(4.0, 0.5 * k + 1.4)
    figure, (ax,) = blank_figure(size + 0.3, size, 1)
    fraction = table / np.maximum(table.sum(axis=1, keepdims=True), 1e-12)
    ax.imshow(np.sqrt(fraction), cmap="Blues", vmin=0, vmax=1)
    ax.grid(False)
    for i in range(k):
        for j in range(k):
            if table[i, j]:
                color = "white" if fraction[i, j] > 0.3 else "black"
                style = {"ha": "center", "va": "center", "fontsize": 9, "color": color, "gid": f"{CELL}{i}-{j}"}
                ax.text(j, i, f"{table[i, j]:g}", **style)
    short = max(map(len, names)) <= 2
    ax.set_xticks(range(k), names, rotation=0 if short else 45, ha="center" if short else "right")
    ax.set_yticks(range(k), names)
    ax.set_xlabel("Predicted class")
    ax.set_ylabel("True class")
    for spine in ax.spines.values():
        spine.set_visible(False)
    wrong = f"{table.sum() - np.trace(table):,.0f} of {table.sum():,.0f} wrong"
    ax.set_title(title or wrong)
    mistakes = table - np.diag(np.diag(table))
    most_frequent = [np.unravel_index(flat, mistakes.shape) for flat in np.argsort(-mistakes, axis=None, kind="stable")[:3]]
    pairs = join_names(
        f"{names[i]} predicted as {names[j]} ({mistakes[i, j]:g})" for i, j in most_frequent if mistakes[i, j] > 0
    )
    text = f"Confusion matrix of {k} classes, rows true and columns predicted: {wrong}"
    return with_alt(figure, f"{text}, most often {pairs}." if pairs else f"{text}.")
