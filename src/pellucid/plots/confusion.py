"""The confusion matrix: which class is taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ShapeError
from pellucid.plots.style import described, figure, listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def confusion_matrix(table: Array, classes: Sequence[str] | None = None, title: str = "") -> Figure:
    """``table`` (k, k): row = true class, column = predicted class. Every cell shows its count; the shade is the share of
    the row, on a scale that lets single mistakes be seen beside a full diagonal (its square root)."""
    table = np.asarray(table, float)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or not len(table):
        raise ShapeError(f"a confusion matrix is square (k, k), got {table.shape}")
    k = len(table)
    names = [str(i) for i in range(k)] if classes is None else [str(name) for name in classes]
    size = max(4.0, 0.5 * k + 1.4)
    made, (ax,) = figure(size + 0.3, size, 1)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1e-12)
    ax.imshow(np.sqrt(share), cmap="Blues", vmin=0, vmax=1)
    ax.grid(False)
    for i in range(k):
        for j in range(k):
            if table[i, j]:
                ax.text(
                    j,
                    i,
                    f"{table[i, j]:g}",
                    ha="center",
                    va="center",
                    fontsize=9,
                    color="white" if share[i, j] > 0.3 else "black",
                )
    ax.set_xticks(
        range(k), names, rotation=0 if max(map(len, names)) <= 2 else 45, ha="center" if max(map(len, names)) <= 2 else "right"
    )
    ax.set_yticks(range(k), names)
    ax.set_xlabel("predicted class")
    ax.set_ylabel("true class")
    for spine in ax.spines.values():
        spine.set_visible(False)
    wrong = f"{table.sum() - np.trace(table):,.0f} of {table.sum():,.0f} wrong"
    ax.set_title(title or wrong)
    off = table - np.diag(np.diag(table))
    most = [np.unravel_index(flat, off.shape) for flat in np.argsort(-off, axis=None, kind="stable")[:3]]
    pairs = listed(f"{names[i]} taken for {names[j]} ({off[i, j]:g})" for i, j in most if off[i, j] > 0)
    text = f"Confusion matrix of {k} classes, rows true and columns predicted: {wrong}"
    return described(made, f"{text}, most often {pairs}." if pairs else f"{text}.")
