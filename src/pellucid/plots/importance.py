"""The importance of the columns of a table, with its spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pellucid.errors import DataError
from pellucid.explain.importance import Importance
from pellucid.metrics import lower_is_better
from pellucid.plots.style import BLUE, GREY, VERMILION, blank_figure, join_names, with_alt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {"r2": "R²", "log_loss": "log loss", "accuracy": "accuracy", "mse": "squared error", "mae": "absolute error"}
MAX_LETTERS = 24  # of the name of a column


def importance(found: Importance, title: str = "", count: int = 15) -> Figure:
    """Draw the permutation importance of at most ``count`` columns, the most important ones above.

    A small grey dot is one shuffle. The mean over the shuffles is a blue dot with a line of one spread to both sides; a
    vermilion cross where it is not clearly above 0. Raises DataError if there are no columns.
    """
    if not len(found.columns) or count < 1:
        raise DataError("there is no importance to draw")
    shown = found.order[:count]
    names = [found.columns[i] for i in shown]
    figure, (ax,) = blank_figure(6.4, 1.1 + 0.32 * len(shown), 1)
    ax.axvline(0, color=GREY, linewidth=1, linestyle=":")
    for row, i in enumerate(shown):
        values, mean, spread = found.values[i], float(found.mean[i]), float(found.spread[i])
        color, marker = (BLUE, "o") if found.clear[i] else (VERMILION, "x")
        ax.plot(values, np.full(len(values), row), color=GREY, linestyle="", marker="o", markersize=2.5, alpha=0.5)
        ax.plot([mean - spread, mean + spread], [row, row], color=color, linewidth=2, solid_capstyle="butt")
        ax.plot([mean], [row], color=color, linestyle="", marker=marker, markersize=6)
    ax.set_yticks(range(len(shown)), [shortened(name) for name in names])
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.grid(False, axis="y")
    metric = NAMES.get(found.metric, found.metric.replace("_", " "))
    change = f"Rise of the {metric}" if lower_is_better(found.metric) else f"Loss of {metric}"
    ax.set_xlabel(f"{change}{' (nats)' * (found.metric == 'log_loss')} when the column is shuffled")
    more = f" (the first {len(shown)} of {len(found.columns)} columns)" if len(shown) < len(found.columns) else ""
    if title or more:
        ax.set_title(title + more)
    weak = [name for name, i in zip(names, shown, strict=True) if not found.clear[i]]
    listed = join_names((f"{found.columns[i]} {found.mean[i]:.3g} ± {found.spread[i]:.2g}" for i in shown), 15)
    unclear = f" Not clearly above 0: {join_names(weak, 15)}." if weak else ""
    repeats = found.values.shape[1]
    text = f"Permutation importance in {metric}, mean and spread over {repeats} shuffles{more}: {listed}."
    return with_alt(figure, text + unclear)


def shortened(name: str) -> str:
    """Return the name of a column or category, shortened if it is long."""
    return name if len(name) <= MAX_LETTERS else f"{name[: MAX_LETTERS - 1]}…"
