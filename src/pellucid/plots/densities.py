"""How the numbers of each layer are spread: a grid of histograms, one row for each network, one column for each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.errors import DataError
from pellucid.memory import Array
from pellucid.plots.style import BLUE, VERMILION, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Histogram = Mapping[str, Sequence[float]]  # "edges" (k + 1) and "shares" (k), which add up to 1


def histogram(values: Array, low: float, high: float, bins: int = 40) -> dict[str, list[float]]:
    """The shares of the numbers in equal bins from ``low`` to ``high``; what is outside goes to the first and the last."""
    counts, edges = np.histogram(np.clip(values, low, high), bins, (low, high))
    return {"edges": edges.round(4).tolist(), "shares": (counts / max(values.size, 1)).round(5).tolist()}


def densities(rows: Mapping[str, Mapping[str, Mapping[str, Histogram]]], xlabel: str) -> Figure:
    """``rows`` has for each row (a network) and column (a layer) one or two histograms by name, as :func:`histogram` makes
    them: the first filled in blue, the second a vermilion line. Each panel has its own height: shapes are compared."""
    if not rows or not all(rows.values()):
        raise DataError("there are no histograms to draw")
    columns = len(next(iter(rows.values())))
    made, axes = figure(1.55 * columns + 0.9, 1.15 * len(rows) + 0.6, columns, len(rows))
    for i, (row, cells) in enumerate(rows.items()):
        for j, (column, named) in enumerate(cells.items()):
            ax = axes[i * columns + j]
            for k, (name, one) in enumerate(named.items()):
                _stairs(ax, one, name, filled=k == 0)
            ax.set_yticks([])
            ax.set_ylim(bottom=0)
            ax.grid(False)
            ax.tick_params(labelsize=7)
            if i == 0:
                ax.set_title(column, fontsize=9)
            if j == 0:
                ax.set_ylabel(row, fontsize=8, rotation=0, ha="right", va="center")
    handles, labels = axes[0].get_legend_handles_labels()
    if len(labels) > 1:
        made.legend(handles, labels, loc="outside upper center", ncols=2, fontsize=8)
    made.supxlabel(xlabel, fontsize=9)
    return made


def _stairs(ax: Any, one: Histogram, name: str, *, filled: bool) -> None:
    color = BLUE if filled else VERMILION
    ax.stairs(one["shares"], one["edges"], fill=filled, color=color, alpha=0.55 if filled else 1, linewidth=1.3, label=name)
